"""Over the years: what each year's reports say, best quotes first, and the figures that several years state."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from kb.build import ingest
from kb.errors import BadQuery, NothingMatches
from kb.grid import State
from kb.grid_export import comparison_json
from kb.records import Filters
from kb.search import Library
from kb.settings import Settings
from kb.show import citation_line
from kb.years import By, Comparison, compare
from tests.conftest import CACHE, Silent, encoder, run_kb

QUESTION = "银行怎么解决金融科技人才短缺"
GREEN = "绿色信贷余额"

REPORTS = {
    2020: "# 绿色金融\n\n截至2020年末，成都银行绿色信贷余额80亿元，为区域绿色项目提供资金。\n\n",
    2021: "# 绿色金融\n\n2021年末，成都银行绿色信贷余额107.34亿元，较上年明显增长。\n\n成都银行手机银行客户300万户。\n",
    2023: "# 绿色金融\n\n2022年末，成都银行全行绿色信贷余额263.1亿元，持续支持绿色产业。\n\n"
    "# 青岛的做法\n\n2022年末，青岛农商银行绿色信贷余额50亿元。\n\n",
}
"""The same figure of one bank in three reports, another bank's in one."""


OTHER = "".join(
    f"# {name}\n\n{text}\n\n"
    for name, text in {
        "网点": "网点面积缩小，柜员转为大堂经理，排队时间缩短。",
        "人才": "科技部门从高校招聘应届生，并安排轮岗。",
        "系统": "核心系统迁到分布式架构，停机窗口由夜间八小时缩至两小时。",
        "客服": "智能客服接听来电，老年人可一键转人工。",
        "风险": "反欺诈模型识别团伙，贷后预警由人工改为自动。",
        "数据": "数据标准由业务部门认领，质量问题按周通报。",
        "支付": "乡镇集市推广扫码支付，商户当日到账。",
        "组织": "敏捷小组由产品、研发和合规人员组成，两周迭代一次。",
        "营销": "客户经理用企业微信维护老客户。",
        "考核": "分支行的考核里加入线上替代率。",
        "培训": "全员参加数字化课程，考试成绩与晋升挂钩。",
        "合规": "采集客户信息前逐项取得同意。",
    }.items()
)
"""What a report says of other matters, so that something stands out."""


@pytest.fixture(scope="module")
def years_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("years")
    for year, text in REPORTS.items():
        (folder / f"green{year}.md").write_text(text + OTHER * (year == 2020), "utf-8")
        (folder / f"green{year}.toml").write_text(f'title = "绿色金融观察{year}"\nyear = {year}\n', "utf-8")
    settings = Settings(index=folder / "index", cache=CACHE, workers=1, abstain_below=0)
    assert not ingest([folder], settings, encoder, Silent()).failed
    return settings


@pytest.fixture(scope="module")
def green(years_settings: Settings) -> Iterator[Comparison]:
    with Library.open(years_settings, encoder()) as library:
        yield compare(library, GREEN, Filters())


def test_each_year_has_its_reports_findings_best_first(library: Library) -> None:
    found = compare(library, QUESTION, Filters())
    assert [group.head.key for group in found.groups] == ["2018", "2020", "2021", "2023"]
    for group in found.groups:
        assert all(str(one.document.year) == group.head.key for one in group.cell.findings)
        scores = [one.score for one in group.cell.findings]
        assert scores == sorted(scores, reverse=True)
        assert len({one.group for one in group.cell.findings}) == group.cell.count
    assert sum(group.cell.count for group in found.groups) == found.passages > 3


def test_reports_and_banks_are_compared_too(library: Library) -> None:
    by_report = compare(library, QUESTION, Filters(), By.REPORT)
    documents = {document.id: document for document in library.store.documents()}
    assert {group.head.key for group in by_report.groups} == set(documents)
    for group in by_report.groups:
        assert group.head.label == documents[group.head.key].title
        assert {one.document.id for one in group.cell.findings} <= {group.head.key}
    by_bank = compare(library, QUESTION, Filters(), By.BANK)
    assert by_bank.groups[-1].head.label == "行业整体"
    for group in by_bank.groups:
        assert {one.bank for one in group.cell.findings} == {group.head.key}


def test_a_year_without_a_bank_is_told_from_one_that_says_nothing(library: Library) -> None:
    found = compare(library, QUESTION, Filters(bank=("农业银行", "浙江农信")), By.BANK)
    assert {group.head.key: group.cell.state for group in found.groups} == {
        "农业银行": State.NOT_HELD,
        "浙江农信": State.NOT_FOUND,
    }
    years = compare(library, QUESTION, Filters(bank=("大连银行",)))
    assert {group.head.key: group.cell.state for group in years.groups}["2020"] is State.NOT_HELD


def test_a_figure_of_several_years_stands_side_by_side(green: Comparison) -> None:
    [same] = green.figures
    assert (same.name, same.unit, same.banks) == ("绿色信贷余额", "元", ("成都银行",))
    assert [(one.year, one.dated, one.citation.quote) for one in same.values] == [
        (2020, True, "80亿元"),
        (2021, True, "107.34亿元"),
        (2022, True, "263.1亿元"),
    ]
    assert [one.document.year for one in same.values] == [2020, 2021, 2023]
    assert [one.figure.value for one in same.values] == [8.0e9, 1.0734e10, 2.631e10]


def test_figures_follow_the_filters(years_settings: Settings) -> None:
    with Library.open(years_settings, encoder()) as library:
        two = compare(library, GREEN, Filters(year=(2020, 2021)))
        other = compare(library, GREEN, Filters(bank=("青岛农商银行",)))
    assert [one.year for one in two.figures[0].values] == [2020, 2021]
    assert [group.head.key for group in two.groups] == ["2020", "2021"]
    assert other.figures == ()
    assert [group.cell.state for group in other.groups] == [State.NOT_HELD, State.NOT_HELD, State.FOUND]


def test_a_name_with_two_values_at_one_time_is_no_figure_to_compare(years_settings: Settings, tmp_path: Path) -> None:
    settings = years_settings.model_copy(update={"index": tmp_path / "index"})
    for year, shares in ((2020, ("12%", "7%")), (2021, ("20%", "9%"))):
        text = "".join(f"调查显示，手机银行渗透率{share}。\n\n" for share in shares)
        (tmp_path / f"survey{year}.md").write_text("# 手机银行\n\n" + text + OTHER * (year == 2020), "utf-8")
        (tmp_path / f"survey{year}.toml").write_text(f"year = {year}\n", "utf-8")
    ingest([tmp_path / "survey2020.md", tmp_path / "survey2021.md"], settings, encoder, Silent())
    with Library.open(settings, encoder()) as library:
        stated = library.catalogue.figures(Filters(), "渗透率").items
        found = compare(library, "手机银行渗透率", Filters())
    assert len(stated) == 4
    assert found.figures == ()


def test_an_undated_value_that_another_year_has_is_no_change(years_settings: Settings, tmp_path: Path) -> None:
    settings = years_settings.model_copy(update={"index": tmp_path / "index"})
    for year, loans in ((2020, 30), (2021, 41)):
        text = f"成都银行信贷系统共有子系统4个，支持手机银行。\n\n{year}年末，成都银行手机银行客户{loans}万户。\n\n"
        (tmp_path / f"systems{year}.md").write_text("# 手机银行\n\n" + text + OTHER * (year == 2020), "utf-8")
        (tmp_path / f"systems{year}.toml").write_text(f"year = {year}\n", "utf-8")
    ingest([tmp_path / "systems2020.md", tmp_path / "systems2021.md"], settings, encoder, Silent())
    with Library.open(settings, encoder()) as library:
        stated = library.catalogue.figures(Filters(), "子系统").items
        found = compare(library, "成都银行手机银行客户和子系统", Filters())
    assert [one.figure.text for one in stated] == ["4个", "4个"]
    assert [[value.citation.quote for value in same.values] for same in found.figures] == [["30万户", "41万户"]]


def test_a_year_whose_passages_have_the_words_is_not_called_empty(years_settings: Settings, tmp_path: Path) -> None:
    settings = years_settings.model_copy(update={"index": tmp_path / "index"})
    beside = "员工反映系统数量多、流程长，讨论了网点、考核、培训、客服和营销的安排，会上有人提到数据治理，没有结论。"
    texts = {
        2018: "# 会议\n\n" + beside + "\n\n" + OTHER,
        2023: "".join(f"# 数据治理\n\n数据治理委员会{what}数据治理工作。\n\n" for what in ("部署", "检查", "考核"))
        + OTHER,
    }
    for year, text in texts.items():
        (tmp_path / f"talk{year}.md").write_text(text, "utf-8")
        (tmp_path / f"talk{year}.toml").write_text(f"year = {year}\n", "utf-8")
    ingest([tmp_path / "talk2018.md", tmp_path / "talk2023.md"], settings, encoder, Silent())
    with Library.open(settings, encoder()) as library:
        first, last = compare(library, "数据治理", Filters()).groups
    assert (first.cell.state, first.cell.count) == (State.WEAK, 0)
    assert [one.passage.text for one in first.cell.weak] == [beside]
    assert last.cell.state is State.FOUND
    shown = run_kb("compare", "数据治理", "--index", settings.index, KB_ABSTAIN_BELOW="0")
    assert "2018  依据较弱\n  行业整体 “" in shown.stdout and "数字为达到阈值的证据段落数" in shown.stdout


def test_what_nothing_answers_has_no_quotes(library: Library) -> None:
    found = compare(library, "火星上有没有水", Filters())
    assert found.evidence.abstained
    assert not found.passages and not found.figures
    assert {group.cell.state for group in found.groups} == {State.NOT_FOUND}


def test_what_cannot_be_asked(library: Library) -> None:
    with pytest.raises(BadQuery, match="1 to 20"):
        compare(library, QUESTION, Filters(), quotes=21)
    with pytest.raises(NothingMatches, match="1999"):
        compare(library, QUESTION, Filters(year=(1999,)))


def test_the_api_gives_the_json_of_the_comparison(years_settings: Settings, green: Comparison) -> None:
    with TestClient(create_app(years_settings)) as client:
        answer = client.get("/v1/compare", params={"q": GREEN})
        wrong = client.get("/v1/compare", params={"q": GREEN, "by": "month"})
        one = client.get("/v1/compare", params={"q": GREEN, "by": "report", "top": 1}).json()
    assert answer.json() == json.loads(json.dumps(comparison_json(green)))
    assert [value["year_from"] for value in answer.json()["figures"][0]["values"]] == ["date"] * 3
    assert wrong.status_code == 422
    assert [group["label"] for group in one["groups"]] == [f"绿色金融观察{year}" for year in REPORTS]
    assert all(len(group["quotes"]) <= 1 for group in one["groups"])


def test_the_command_shows_quotes_and_figures(years_settings: Settings, green: Comparison) -> None:
    shown = run_kb("compare", GREEN, "--index", years_settings.index, KB_ABSTAIN_BELOW="0")
    assert shown.returncode == 0, shown.stderr
    for said in ("2020", "80亿元", "263.1亿元", "各年数据", "年份为报告年份"):
        assert said in shown.stdout
    narrow = run_kb("compare", GREEN, "--index", years_settings.index, KB_ABSTAIN_BELOW="0", COLUMNS="60")
    first = green.figures[0].values[0].citation
    assert f"[1] {citation_line(first)}  {first.passage_id}" in narrow.stdout.splitlines()
    told = run_kb("compare", GREEN, "--json", "--index", years_settings.index, KB_ABSTAIN_BELOW="0")
    assert json.loads(told.stdout) == json.loads(json.dumps(comparison_json(green)))
