"""Saved questions: a file that people edit, what is there already is no news, what comes is, once for each reader."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kb.build import ingest
from kb.catalogue import Catalogue
from kb.errors import BadInput, BadQuery, NotFound, UnknownName
from kb.records import Filters
from kb.saved import (
    SAVED_FILE,
    STATE_FILE,
    News,
    Reader,
    add_saved,
    load_saved,
    mark_told,
    remove_saved,
    run_saved,
)
from kb.search import Library
from kb.settings import Settings
from tests.conftest import Silent, encoder, run_kb

NONE = Filters()
QUESTION = "银行怎么解决金融科技人才短缺"
FIRST = (
    "针对金融科技人才短缺，汉口银行与三所高校合办订单班，三年培养了一百二十名既懂业务又懂技术的复合型人才。"
    "毕业的学生先在支行跟着客户经理干满一年，再到科技部门轮岗，由老员工带着做完一个真实的项目才算出师。"
    "订单班的课程由银行和学校一起排，每门课都有一半的课时在银行的机房里上，老师和工程师各带一半。"
    "第一届毕业生里有七成留了下来，其中十一人已经能独立带项目，他们又回到学校给下一届学生讲课。"
    "银行还和学校约定，老师每年暑假来行里做两个月的课题，题目由业务部门出，做出来的东西直接上线使用。"
)
SECOND = (
    "为留住科技人才，汉口银行给数据分析岗单独定薪，科技人才流失率由百分之十八降到百分之六。"
    "项目做成以后，团队按节省下来的成本分成，做不成也不追究，只要写清楚为什么没有做成。"
    "科技序列的职级可以一直升到与分行行长相当，不必为了升职转去做管理，这一条在招聘时最管用。"
    "新来的人头三个月不派活，先跟着不同的组各坐两周，自己挑一个组留下，组长也可以挑人，双方都愿意才算数。"
    "离职的人每年请回来聚一次，听他们说外面怎么做，三年里有九个人又回来了，职级按在外面的年头一起算。"
)
OTHER = (
    "汉口银行的网点都装了新的门牌，颜色由各地支行自己选定，门口的花草也换了一遍。"
    "大厅里的座椅换成了木头的，窗帘用的是当地产的布，墙上挂着老街的照片，来的人常常停下来看。"
    "周末还有人来弹琴，孩子们在角落里画画，柜员下班以后给他们念书，附近的住户都很喜欢。"
    "冬天门口支起一口大锅，谁来都可以盛一碗热汤，夏天换成绿豆水，保安老周每天早上六点就来生火。"
    "院子里的两棵老槐树没有砍，屋檐为它们让出了一个缺口，下雨时水顺着树干流进新修的池子里。"
)


@pytest.fixture(scope="module")
def settings(library_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the sample index, which these tests write to, each after the other."""
    import shutil

    index = tmp_path_factory.mktemp("saved") / "index"
    shutil.copytree(library_settings.index, index)
    return library_settings.model_copy(update={"index": index})


def add(settings: Settings, question: str = QUESTION, filters: Filters = NONE, name: str = "") -> str:
    with Catalogue.open(settings) as catalogue:
        return add_saved(catalogue, settings.index, question, filters, name)


def ask(settings: Settings, reader: Reader = Reader.PERSON) -> dict[str, News]:
    """Ask all, and remember it."""
    with Library.open(settings, encoder()) as library:
        news = run_saved(library, reader)
        mark_told(library, reader, news)
    return {one.name: one for one in news}


def report(path: Path, *paragraphs: str) -> Path:
    path.write_text("# 汉口银行2024年专题报告\n\n" + "\n\n".join(paragraphs) + "\n", "utf-8")
    return path


def texts(news: News) -> list[str]:
    return [finding.passage.text for finding in news.new]


def test_what_comes_is_news_once_for_each_reader(settings: Settings, tmp_path: Path) -> None:
    assert add(settings) == "1"
    assert add(settings, "人才短缺怎么办", Filters(year=(2024,)), "明年") == "明年"
    before = ask(settings)
    assert before["1"].passages and not before["1"].new and before["1"].since
    assert not before["明年"].findings and not before["明年"].problem  # nothing of that year yet

    path = report(tmp_path / "new.md", FIRST, OTHER)
    assert not ingest([path], settings, encoder, Silent()).failed
    came = ask(settings)
    assert texts(came["1"]) == [FIRST] and came["1"].new_passages == 1
    assert came["1"].passages > 1
    assert texts(came["明年"])[0] == FIRST
    assert ask(settings)["1"].new == ()
    assert texts(ask(settings, Reader.WATCH)["1"]) == [FIRST]
    assert ask(settings, Reader.WATCH)["1"].new == ()

    report(path, "这一版多了几句开头的话。" * 24, FIRST, OTHER, SECOND)
    assert ingest([path], settings, encoder, Silent()).outcomes[0].what == "replaced"
    again = ask(settings)["1"]
    assert FIRST in [finding.passage.text for finding in again.findings]
    assert texts(again) == [SECOND]


def test_an_edited_question_begins_anew(settings: Settings) -> None:
    path = settings.index / SAVED_FILE
    path.write_text(f'# ours\n[hand]  # by hand\nquestion = "{QUESTION}"\n', "utf-8")
    first = ask(settings)["hand"]
    assert first.findings and not first.new and not first.since
    assert ask(settings)["hand"].since
    path.write_text(path.read_text("utf-8").replace(QUESTION, "数据治理怎么做"), "utf-8")
    assert not ask(settings)["hand"].since

    assert add(settings, name="b") == "b"
    remove_saved(settings.index, "hand")
    text = path.read_text("utf-8")
    assert text.startswith("# ours") and "hand]" not in text
    assert list(load_saved(settings.index)) == ["b"]
    assert list(json.loads((settings.index / STATE_FILE).read_bytes())["person"]) == ["b"]


def test_a_question_that_cannot_be_asked_does_not_stop_the_others(settings: Settings) -> None:
    (settings.index / SAVED_FILE).write_text(
        f'[a]\nquestion = "数据治理"\nbank = ["没有银航"]\n[b]\nquestion = "{QUESTION}"\n', "utf-8"
    )
    news = ask(settings)
    assert "没有银航" in news["a"].problem and not news["a"].findings
    assert news["b"].findings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nquestions = 1\n", "question a"),
        ('[a]\nquestion = ""\n', "question a: question"),
        ('[a]\nquestion = "x"\nyear = ["2023"]\n', "year"),
        ("[a\n", "not TOML"),
    ],
)
def test_a_wrong_file_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / SAVED_FILE).write_text(text, "utf-8")
    with pytest.raises(BadInput, match=said) as raised:
        load_saved(tmp_path)
    assert SAVED_FILE in str(raised.value)


def test_what_cannot_be_saved_is_refused(copied_settings: Settings) -> None:
    def fails(error: type[Exception], call: Callable[[], object], said: str = ".") -> None:
        with pytest.raises(error, match=said):
            call()

    index = copied_settings.index
    fails(BadQuery, lambda: add(copied_settings, " "))
    fails(UnknownName, lambda: add(copied_settings, QUESTION, Filters(bank=("没有银航",))))
    assert not (index / SAVED_FILE).exists()
    fails(NotFound, lambda: remove_saved(index, "1"), "kb saved add")
    assert not (index / f"{SAVED_FILE}.lock").exists()
    add(copied_settings, name="a")
    fails(BadInput, lambda: add(copied_settings, name="a"), "already")
    fails(NotFound, lambda: remove_saved(index, "b"), "there are: a")
    (index / STATE_FILE).write_text("{", "utf-8")
    fails(BadInput, lambda: ask(copied_settings), STATE_FILE)


def test_the_commands(copied_settings: Settings) -> None:
    where = ("--index", copied_settings.index)
    added = run_kb("saved", "add", "数据治理怎么做", "--dimension", "数据", "--name", "治理", "--json", *where)
    assert json.loads(added.stdout) == {"name": "治理", "question": "数据治理怎么做", "dimension": ["数据"]}
    assert "dimension 数据" in run_kb("saved", "list", *where).stdout
    ran = json.loads(run_kb("saved", "run", "治理", "--json", *where).stdout)["questions"]
    assert [one["name"] for one in ran] == ["治理"] and ran[0]["passages"] > 0 and ran[0]["new"] == []
    assert "新证据 0 段" in run_kb("saved", "run", *where).stdout
    assert run_kb("saved", "remove", "治理", *where).returncode == 0
    gone = run_kb("saved", "remove", "治理", *where)
    assert gone.returncode == 1 and "治理" in gone.stderr and "Traceback" not in gone.stderr
