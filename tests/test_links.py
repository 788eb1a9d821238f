"""Permanent links: ids that stay, and the way from a passage of a replaced report to its nearest new one."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.links import FLOOR, live_version, successor
from kb.settings import Settings
from kb.store import Store, StoredPassage
from tests import pdfs
from tests.conftest import CACHE, Quick, Silent, encoder, run_kb

TALENT = (
    "青岛农商银行推出行内认证，员工考取数据分析资格，可以计入行政、营销、风控等序列的晋升条件，两年来共有三百人通过。"
    "总行每季度组织一次培训，由科技部门的骨干讲授，分支机构的员工在线上参加。通过者由总行发给证书，三年内有效，期满重新考试。"
    "支行行长的任命也看这张证书，没有的人要在一年之内补考，否则回到原来的岗位。"
)
DATA = (
    "长沙银行先理清数据标准，再建设数据中台，由一个委员会决定每个字段归谁负责，并把数据质量纳入各部门的考核。"
    "到2020年末，全行的报表从三天出齐缩短到三个小时。下一步要做的是把客户、产品和风险三类主题库接到一线的工作台上。"
    "历史台账中口径不一的部分，由原来填报的人逐条认领，限期改正，逾期的通报全行。"
)
OPEN = (
    "富滇银行把账户、支付和融资做成接口，接入跨境贸易平台，让边境的小商户在平台上直接开户。"
    "半年里有四千家商户使用，绝大多数此前没有银行账户。口岸的海关、物流公司也接了进来，货到即付，单据不再往返邮寄。"
    "汇率波动时商户可以提前锁定价格，手续费比柜台低一半，节假日照常结算。"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(index=tmp_path / "index", cache=CACHE, workers=1, overrides=tmp_path / "overrides.toml")


def written(settings: Settings, *paragraphs: str, name: str = "report.md", force: bool = False) -> Path:
    """A report of these paragraphs, ingested."""
    path = settings.index.parent / name
    sections = (f"## {'一二三四五'[at]}、某行做法\n\n{text}\n" for at, text in enumerate(paragraphs))
    path.write_text("# 区域银行年度观察\n\n" + "\n".join(sections), "utf-8")
    assert not ingest([path], settings, encoder, Silent(), force).failed
    return path


def passage_with(store: Store, words: str) -> StoredPassage:
    """The live passage with these words."""
    return next(one for one in store.live_passages() if words in one.passage.text)


def opened(settings: Settings) -> Store:
    return Store.open(settings.index / STORE_FILE)


def test_ids_survive_reading_again(settings: Settings, tmp_path: Path) -> None:
    pdfs.two_columns(tmp_path / "report.pdf")
    found = []
    for force in (False, True):
        assert not ingest([tmp_path / "report.pdf"], settings, Quick, Silent(), force).failed
        with opened(settings) as store:
            found.append([one.passage.id for one in store.live_passages()])
    elsewhere = settings.model_copy(update={"index": tmp_path / "other"})
    assert not ingest([tmp_path / "report.pdf"], elsewhere, Quick, Silent()).failed
    with opened(elsewhere) as store:
        found.append([one.passage.id for one in store.live_passages()])
    assert found[0] and found[0] == found[1] == found[2]


def test_an_unchanged_paragraph_leads_to_itself_and_a_dropped_one_to_nothing(settings: Settings) -> None:
    written(settings, TALENT, DATA)
    with opened(settings) as store:
        talent, data = passage_with(store, "行内认证").passage.id, passage_with(store, "数据标准").passage.id
        assert successor(store, store.passage(talent)) is None  # live
    written(settings, OPEN, TALENT)
    with opened(settings) as store:
        later = successor(store, store.passage(talent))
        assert later and later.similarity > 0.95 and later.document.status == "live"
        assert later.passage.id != talent and "行内认证" in later.passage.text
        assert successor(store, store.passage(data)) is None


def test_a_paragraph_that_was_edited_shortened_or_merged_is_found(settings: Settings) -> None:
    written(settings, TALENT, DATA, OPEN)
    with opened(settings) as store:
        ids = [passage_with(store, words).passage.id for words in ("行内认证", "数据标准", "接口")]
    most = DATA.rsplit("。", 2)[0] + "。"
    written(settings, TALENT.replace("三百人", "五百人").replace("两年", "三年"), most, OPEN + pdfs.prose(7, 60))
    with opened(settings) as store:
        found = [successor(store, store.passage(identity)) for identity in ids]
    for later, words in zip(found, ("五百人", "数据标准", "接口"), strict=True):
        assert later and words in later.passage.text and FLOOR <= later.similarity <= 1


def test_several_replacements_lead_to_the_live_version(settings: Settings) -> None:
    written(settings, TALENT, DATA)
    with opened(settings) as store:
        first = passage_with(store, "行内认证").passage.id
    written(settings, OPEN)  # without the paragraph
    written(settings, DATA, TALENT)
    with opened(settings) as store:
        later = successor(store, store.passage(first))
        assert later and later.passage.id == passage_with(store, "行内认证").passage.id
        live = live_version(store, store.passage(first).document)
        assert live and live.status == "live"
    remove(live.id, settings)
    with opened(settings) as store:
        assert successor(store, store.passage(first)) is None


def test_rows_of_a_table_are_not_alike_by_the_names_of_their_columns(settings: Settings) -> None:
    head = (
        "# 区域银行年度观察\n\n## 一、做法\n\n| 所在的银行名称 | 数字化转型的主要做法 | 成效与不足 |\n|---|---|---|\n"
    )
    path = settings.index.parent / "report.md"
    row = "| {} | {} | {} |\n"
    kept_row = row.format("长沙银行", DATA[7:40], "报表三小时出齐")
    for first in (("台州银行", TALENT[7:45], "三百人通过"), ("富滇银行", OPEN[5:45], "四千家商户使用")):
        path.write_text(head + row.format(*first) + kept_row + "\n" + OPEN, "utf-8")
        assert not ingest([path], settings, encoder, Silent()).failed
    with opened(settings) as store:
        gone = [one for document in store.documents(live=False) for one in store.passages_of(document.id)]
        lost = next(one for one in gone if "台州" in one.passage.text)
        kept = next(one for one in gone if "长沙" in one.passage.text and one.document.status != "live")
        assert successor(store, lost) is None
        later = successor(store, kept)
        assert later and later.passage.id == passage_with(store, "长沙").passage.id


def test_the_successor_is_told_by_command_and_endpoint(settings: Settings) -> None:
    written(settings, TALENT)
    with opened(settings) as store:
        old = passage_with(store, "行内认证").passage.id
    written(settings, DATA, TALENT)
    with opened(settings) as store:
        new = passage_with(store, "行内认证").passage.id
    with TestClient(create_app(settings)) as client:
        found = client.get(f"/v1/passages/{old}").json()
        assert (found["status"], found["successor"]["passage_id"]) == ("superseded", new)
        assert client.get(f"/v1/passages/{new}").json()["successor"] is None
        assert client.get(f"/p/{old}", follow_redirects=False).status_code == 307
    done = run_kb("show", old, "--index", settings.index)
    assert done.returncode == 0 and new in done.stdout and "新版" in done.stdout
    assert "新版" not in run_kb("show", new, "--index", settings.index).stdout
