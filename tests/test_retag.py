"""Tagging anew and correcting by hand, over an ingested corpus: nothing is read or embedded again."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CACHE, CORPUS, ROOT, Silent, encoder, run_kb

from kb.build import ingest
from kb.catalogue import STORE_FILE, Catalogue
from kb.embed import Encoder
from kb.errors import BadInput, IndexMissing, NotFound
from kb.metadata import Given
from kb.records import Field, Filters, Passage
from kb.retag import correct, needs_retag, retag
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from kb.verify import verify

PACKAGED = ROOT / "src/kb/data/taxonomy.toml"


def no_encoder() -> Encoder:
    raise AssertionError("tagging anew opened the encoder")


def passages(settings: Settings) -> dict[str, Passage]:
    with Store.open(settings.index / STORE_FILE) as store:
        return {stored.passage.id: stored.passage for stored in store.live_passages()}


def silent(count: int) -> None: ...


@pytest.fixture
def settings(copied_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of the sample corpus, with overrides of its own."""
    return copied_settings.model_copy(update={"overrides": tmp_path / "set" / "overrides.toml"})


def test_tagging_anew_without_a_change_changes_nothing(settings: Settings) -> None:
    before = passages(settings)
    report = retag(settings, no_encoder, silent)
    assert (report.changed, report.passages, report.documents) == (0, len(before), 4)
    assert passages(settings) == before
    with Store.open(settings.index / STORE_FILE) as store:
        assert not verify(store, settings.index).problems


def test_an_edited_taxonomy_changes_tags_without_the_encoder(settings: Settings, tmp_path: Path) -> None:
    words = next(one for one in passages(settings).values() if "green-finance" not in one.topics)
    line = max(words.text.split("\n"), key=len)
    terms = json.dumps([line[start : start + 6] for start in range(0, 24, 3)], ensure_ascii=False)
    text = PACKAGED.read_text("utf-8")
    at = text.index("terms = [", text.index('id = "green-finance"')) + len("terms = [")
    own = tmp_path / "taxonomy.toml"
    own.write_text(f"{text[:at]}{terms[1:-1]}, {text[at:]}", "utf-8")
    edited = settings.model_copy(update={"taxonomy": own})
    with Store.open(settings.index / STORE_FILE) as store:
        assert needs_retag(edited, store)
        assert not needs_retag(settings, store)
    report = retag(edited, no_encoder, silent)
    assert report.changed >= 1
    assert "green-finance" in passages(edited)[words.id].topics
    with Store.open(settings.index / STORE_FILE) as store:
        assert not needs_retag(edited, store)
        assert needs_retag(settings, store)


def test_a_new_topic_goes_through_the_encoder_once(settings: Settings, tmp_path: Path) -> None:
    topic = """
[[topic]]
id = "sample-robots"
label = "机器人"
dimension = "技术"
description = "银行大堂的迎宾机器人"
terms = []
examples = ["机器人在大堂迎接客户"]
"""
    own = tmp_path / "taxonomy.toml"
    own.write_text(PACKAGED.read_text("utf-8") + topic, "utf-8")
    edited = settings.model_copy(update={"taxonomy": own})
    with pytest.raises(AssertionError, match="encoder"):
        retag(edited, no_encoder, silent)
    retag(edited, encoder, silent)
    retag(edited, no_encoder, silent)
    with Library.open(edited, encoder()) as library:
        assert library.catalogue.taxonomy.topic("机器人") == "sample-robots"


def test_a_broken_taxonomy_is_named_and_leaves_the_tags(settings: Settings, tmp_path: Path) -> None:
    before = passages(settings)
    own = tmp_path / "mine.toml"
    own.write_text('[[dimension]]\nid = "甲"\ndescription = "乙"\nterms = "丙"\n', "utf-8")
    with pytest.raises(BadInput, match=r"mine\.toml.*terms"):
        retag(settings.model_copy(update={"taxonomy": own}), no_encoder, silent)
    assert passages(settings) == before


def test_there_is_nothing_to_tag_without_an_index(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing):
        retag(Settings(index=tmp_path / "none"), no_encoder, silent)
    assert not (tmp_path / "none").exists()


def some(settings: Settings, file: str = "survey2023.pdf") -> Passage:
    with Store.open(settings.index / STORE_FILE) as store:
        live = (stored for stored in store.live_passages() if stored.document.file == file)
        return next(one.passage for one in live if one.passage.banks and one.passage.topics)


def test_a_correction_holds_at_once_and_after_reading_again(settings: Settings) -> None:
    before = some(settings, "rural2020.pdf")
    changes = {"banks": ["招行"], "dimension": "数据", "topics": ["数据安全与隐私"], "year": 2001}
    found = correct(settings, no_encoder, before.id, changes)
    expected = (("招商银行",), "数据", ("data-security",), 2001)
    assert (found.banks, found.dimension, found.topics, found.year) == expected
    assert found.role == before.role
    with Library.open(settings, encoder()) as library:
        filters = Filters(bank=("招商银行",), topic=("data-security",))
        assert [hit.passage.id for hit in library.search("数据", 5, filters).hits] == [before.id]
        assert not needs_retag(settings, library.store)
    retag(settings, no_encoder, silent)
    assert passages(settings)[before.id] == found
    ingest([CORPUS / "rural2020.pdf"], settings, encoder, Silent(), force=True)
    assert passages(settings)[before.id] == found
    assert correct(settings, no_encoder, before.id, None) == before


def test_corrections_add_up_and_keep_what_people_wrote(settings: Settings) -> None:
    one = some(settings)
    correct(settings, no_encoder, one.id, {"role": "观点"})
    path = settings.overrides
    path.write_text("# checked by Li\n" + path.read_text("utf-8"), "utf-8")
    found = correct(settings, no_encoder, one.id, {"region": "山东"})
    assert (found.role, found.region) == ("观点", "山东")
    assert path.read_text("utf-8").startswith("# checked by Li\n")
    correct(settings, no_encoder, one.id, None)
    assert path.read_text("utf-8").strip() == "# checked by Li"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"dimension": "科技"}, "科技"),
        ({"topics": ["nothing"]}, "nothing"),
        ({"role": "甲"}, "role"),
        ({"topics": ["ai", "talent", "open-banking", "marketing-acquisition"]}, "topics"),
        ({"year": 3000}, "year"),
    ],
)
def test_a_correction_that_cannot_be_is_named_and_not_written(
    settings: Settings, changes: dict[str, object], named: str
) -> None:
    one = some(settings)
    with pytest.raises(BadInput, match=f"overrides.toml: passage {one.id}.*{named}"):
        correct(settings, no_encoder, one.id, changes)
    assert not settings.overrides.exists()
    assert passages(settings)[one.id] == one


def test_a_correction_of_no_passage_is_refused(settings: Settings) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        correct(settings, no_encoder, "nowhere", {"role": "观点"})
    assert not settings.overrides.exists()


@pytest.mark.parametrize("text", ["[x", '["id"]\nbank = "青岛银行"\n', "id = 3\n"])
def test_a_broken_file_of_overrides_is_named(settings: Settings, text: str) -> None:
    settings.overrides.parent.mkdir()
    settings.overrides.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=r"overrides\.toml"):
        retag(settings, no_encoder, silent)


def test_overrides_of_unknown_passages_are_told(settings: Settings) -> None:
    settings.overrides.parent.mkdir()
    settings.overrides.write_text('["0123456789abcdef"]\nrole = "观点"\n', "utf-8")
    assert retag(settings, no_encoder, silent).unknown == ("0123456789abcdef",)


# The command line


@pytest.fixture
def kb(settings: Settings) -> Callable[..., str]:
    """The command line over the copied index; its standard output."""

    def run(*words: str) -> str:
        done = run_kb(*words, KB_INDEX=str(settings.index), KB_OVERRIDES=str(settings.overrides))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_show_tells_what_each_tag_comes_from(kb: Callable[..., str], settings: Settings) -> None:
    one = next(p for p in passages(settings).values() if p.banks and any(t.field is Field.TOPIC for t in p.tags))
    shown = kb("show", one.id)
    assert one.banks[0] in shown
    assert "依据" in shown
    found = json.loads(kb("show", one.id, "--json"))
    assert [tag["value"] for tag in found["tags"]] == [tag.value for tag in one.tags]
    assert all(tag["reasons"] for tag in found["tags"])
    assert found["text"] == one.text


def test_correct_and_status_and_retag(kb: Callable[..., str], settings: Settings) -> None:
    one = some(settings)
    assert "人工更正" in kb("correct", one.id, "--no-bank", "--dimension", "数据")
    assert json.loads(kb("show", one.id, "--json"))["banks"] == []
    assert json.loads(kb("status", "--json"))["retag"] is False
    settings.overrides.write_text("", "utf-8")
    assert "kb retag" in kb("status")
    assert json.loads(kb("retag", "--json"))["changed"] == 1
    assert passages(settings)[one.id] == one


def test_figures_of_a_bank(kb: Callable[..., str], settings: Settings) -> None:
    bank = "青岛银行"
    found = json.loads(kb("figures", "--bank", bank, "--json"))["figures"]
    assert found
    texts = passages(settings)
    for figure in found:
        assert bank in figure["banks"]
        text = texts[figure["passage_id"]].text
        assert text[figure["start"] : figure["end"]] == figure["text"]
        assert figure["text"] in figure["sentence"] and figure["sentence"] in text
    unit = found[0]["unit"]
    narrowed = json.loads(kb("figures", "--bank", bank, "--unit", unit, "--json"))["figures"]
    assert narrowed == [figure for figure in found if figure["unit"] == unit]
    file = settings.index.parent / "figures.csv"
    assert kb("figures", "--bank", bank, "-o", str(file)) == ""
    assert file.read_bytes().startswith("\ufeffbanks,name,text,value,unit".encode())
    assert len(list(csv.reader(file.read_text("utf-8-sig").splitlines()))) == len(found) + 1
    assert found[0]["text"] in kb("figures", "--bank", bank)


def test_cases_of_a_bank(kb: Callable[..., str], settings: Settings) -> None:
    found = json.loads(kb("cases", "--bank", "青岛银行", "--report", "cases2018.pdf", "--json"))["cases"]
    assert len(found) == 1
    [case] = found
    assert case["banks"] == ["青岛银行"]
    assert [part["role"] for part in case["parts"]] == ["背景", "措施", "效果"]
    assert all(part["text"] for part in case["parts"])
    assert json.loads(kb("cases", case["id"], "--json")) == case
    assert case["title"] in kb("cases", case["id"])


def test_filters_that_match_no_figure_or_case_say_so(settings: Settings) -> None:
    for words in (("figures", "--name", "没有这种指标"), ("cases", "--bank", "渣打银行")):
        done = run_kb(*words, KB_INDEX=str(settings.index))
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "matches" in done.stderr


def test_overrides_travel_with_their_file(settings: Settings, tmp_path: Path) -> None:
    one = some(settings)
    correct(settings, no_encoder, one.id, {"role": "政策"})
    moved = tmp_path / "other.toml"
    shutil.move(settings.overrides, moved)
    assert retag(settings, no_encoder, silent).changed == 1
    assert passages(settings)[one.id] == one
    assert retag(settings.model_copy(update={"overrides": moved}), no_encoder, silent).changed == 1
    assert passages(settings)[one.id].role == "政策"


def test_a_unit_may_be_written_as_reports_do(settings: Settings) -> None:
    with Catalogue.open(settings) as catalogue:
        assert catalogue.figures(Filters(), unit="亿元") == catalogue.figures(Filters(), unit="元")
        assert all(stored.figure.unit == "元" for stored in catalogue.figures(Filters(), unit="万元").items)


def test_the_id_of_a_case_goes_without_filters(settings: Settings) -> None:
    done = run_kb("cases", "0123456789abcdef", "--bank", "青岛银行", KB_INDEX=str(settings.index))
    assert done.returncode == 2


def test_reasons_are_shown_whole_on_a_narrow_terminal(settings: Settings) -> None:
    one = max(passages(settings).values(), key=lambda p: max(len(r.detail) for t in p.tags for r in t.reasons))
    reason = max((r.detail for t in one.tags for r in t.reasons), key=len)
    done = run_kb("show", one.id, KB_INDEX=str(settings.index), COLUMNS="80")
    shown = "".join(done.stdout[done.stdout.index("依据") :].split())
    assert "".join(reason.split()) in shown


def test_status_goes_on_where_corrections_cannot_be_used(settings: Settings) -> None:
    settings.overrides.parent.mkdir()
    settings.overrides.write_text("[x", "utf-8")
    done = run_kb("status", KB_INDEX=str(settings.index), KB_OVERRIDES=str(settings.overrides))
    assert done.returncode == 0, done.stderr
    assert "overrides.toml" in done.stdout and "rural2020.pdf" in done.stdout


def test_verify_finds_a_figure_that_stands_elsewhere(settings: Settings) -> None:
    with sqlite3.connect(settings.index / STORE_FILE) as db:
        db.execute("UPDATE figures SET start = start + 1, end = end + 1 WHERE place = 0")
    db.close()
    with Store.open(settings.index / STORE_FILE) as store:
        assert any("figure" in problem for problem in verify(store, settings.index).problems)


# Rows that share a passage


TWINS = """# 中小银行做法

| 银行 | 举措 | 成效 |
|---|---|---|
| 台州银行 | 上线智能客服 | 效率提升20% |
| 台州银行 | 上线智能客服 | 效率提升30% |
| 青岛银行 | 建设开放平台 | 客户增长10万户 |
"""


@pytest.fixture
def twins(tmp_path: Path) -> Settings:
    """An index of one report: a table with two like rows and another, short enough to share a passage."""
    report = tmp_path / "reports" / "a.md"
    report.parent.mkdir()
    report.write_text(TWINS, "utf-8")
    (report.parent / "b.md").write_text("# 另一份\n\n去年，西安银行的零售客户增加了三万户，网点减少两家。\n", "utf-8")
    settings = Settings(index=tmp_path / "index", cache=CACHE, overrides=tmp_path / "overrides.toml")
    assert not ingest([report.parent], settings, encoder, Silent()).failed
    return settings


def test_rows_alike_are_cases_of_their_own(twins: Settings) -> None:
    with Catalogue.open(twins) as catalogue:
        found = catalogue.cases(Filters()).items
        ids = [stored.case.id for stored in found]
        assert len(ids) == len(set(ids)) == 3
        assert [[f.figure.text for f in stored.figures] for stored in found] == [["20%"], ["30%"], ["10万户"]]
    retag(twins, no_encoder, silent)
    with Catalogue.open(twins) as catalogue:
        assert [stored.case.id for stored in catalogue.cases(Filters()).items] == ids


def test_a_banks_cases_are_its_own_even_where_a_passage_is_shared(twins: Settings) -> None:
    with Catalogue.open(twins) as catalogue:
        found = catalogue.cases(Filters(bank=("青岛银行",)))
        assert found.total == 1
        assert found.items[0].case.banks == ("青岛银行",)
        assert catalogue.cases(Filters(), limit=1, offset=1).total == 3


def test_another_year_of_the_report_dates_its_figures_anew(twins: Settings, tmp_path: Path) -> None:
    report = tmp_path / "reports" / "b.md"

    def dates() -> set[str]:
        with Catalogue.open(twins) as catalogue:
            return {stored.figure.date for stored in catalogue.figures(Filters(bank=("西安银行",))).items}

    for year in (2010, 2015):
        ingest([report], twins, encoder, Silent(), given=Given(year=year))
        assert dates() == {f"{year - 1}-12-31"}


def test_a_list_of_banks_of_ones_own_holds_for_tags_and_filters(twins: Settings, tmp_path: Path) -> None:
    own = tmp_path / "banks.csv"
    own.write_text("name,kind,region,aliases,former\n甲乙银行,城商行,山东 青岛,青岛银行,\n", "utf-8")
    mine = twins.model_copy(update={"banks": own})
    retag(mine, no_encoder, silent)
    with Catalogue.open(mine) as catalogue:
        assert catalogue.cases(Filters(bank=("青岛银行",))).items[0].case.banks == ("甲乙银行",)
        assert "10万户" in [stored.figure.text for stored in catalogue.figures(Filters(bank=("甲乙银行",))).items]
