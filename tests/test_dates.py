"""Dates and periods in report text, and the year that a passage tells of."""

import time

import pytest

from kb.records import Field, Kind, Passage, Reason, Tag
from kb.tag.dates import Date, find_dates, year_tag


def one(text: str, report_year: int | None = None) -> Date:
    """The only date of a text."""
    (date,) = find_dates(text, report_year)
    return date


@pytest.mark.parametrize(
    ("written", "year", "last"),
    [
        ("2016年末", 2016, "2016-12-31"),
        ("2016年年底", 2016, "2016-12-31"),
        ("2017年6月末", 2017, "2017-06-30"),
        ("2016年2月", 2016, "2016-02-29"),
        ("2017年上半年", 2017, "2017-06-30"),
        ("2017年下半年", 2017, "2017-12-31"),
        ("2022年三季度末", 2022, "2022-09-30"),
        ("2022年第一季度", 2022, "2022-03-31"),
        ("2022年前三季度", 2022, "2022-09-30"),
        ("2016 年 9 月末", 2016, "2016-09-30"),
        ("2016\n年末", 2016, "2016-12-31"),
        ("２０１６年１２月末", 2016, "2016-12-31"),
        ("2016年7月14日", 2016, "2016-07-14"),
        ("2016年7月14日至10月24日", 2016, "2016-10-24"),
        ("2022年1月至6月", 2022, "2022-06-30"),
        ("2023年1-3月", 2023, "2023-03-31"),
        ("2016年末至2017年末", 2017, "2017-12-31"),
        ("2017–2019年", 2019, "2019-12-31"),
        ("2019-2021", 2021, "2021-12-31"),
        ("2023Q1", 2023, "2023-03-31"),
        ("2023H2", 2023, "2023-12-31"),
        ("FY2022", 2022, "2022-12-31"),
        ("2020财年", 2020, "2020-12-31"),
        ("2017-06-30", 2017, "2017-06-30"),
        ("2022年1月中旬", 2022, "2022-01-20"),
        ("二〇一八年年底", 2018, "2018-12-31"),
        ("15年1月", 2015, "2015-01-31"),
        ("“十四五”期间", 2025, "2025-12-31"),
        ("2018年以来", 2018, ""),
        ("2030年前", 2030, ""),
        ("2021年同期", 2021, ""),
        ("2016年初", 2016, ""),
        ("2021年2月30日", 2021, ""),
        ("近三年", None, ""),
        ("近年来", None, ""),
        ("二十一世纪", None, ""),
        ("目前", None, ""),
    ],
)
def test_dates_are_normalised(written: str, year: int | None, last: str):
    text = f"（{written}）贷款"
    date = one(text)
    assert (date.text, date.year, date.last) == (written, year, last)
    assert text[date.start : date.end] == date.text


@pytest.mark.parametrize(
    "text",
    [
        "17年是个好年头",
        "3年期贷款，24个月",
        "《规划（2022-2025年）》",
        "银发〔2018〕1号",
        "2018年版办法",
        "2023年第6期",
        "全年初步完成，多年末位",
        "电话021-20193021",
        "净利润2019.5万元",
    ],
)
def test_no_dates(text: str):
    assert find_dates(text, 2023) == ()


@pytest.mark.parametrize(
    ("text", "report_year", "year", "last"),
    [
        ("去年末", 2018, 2017, "2017-12-31"),
        ("上年同期", 2018, 2017, ""),
        ("今年4月", 2021, 2021, "2021-04-30"),
        ("前年", 2021, 2019, "2019-12-31"),
        ("年初", 2021, 2021, ""),
        ("年末", 2021, 2021, "2021-12-31"),
        ("上半年", 2021, 2021, "2021-06-30"),
        ("去年", None, None, ""),
        ("当年", 2021, None, ""),
        ("8月28日", 2021, None, ""),
    ],
)
def test_relative_dates_need_the_report(text: str, report_year: int | None, year: int | None, last: str):
    date = one(text, report_year)
    assert (date.year, date.last, date.relative) == (year, last, True)


def test_relative_dates_go_by_the_date_before_them():
    first, second, third = find_dates("截至2016年末余额5亿元，较上年末增长；8月28日签约", 2018)
    assert (first.last, second.last, third.last) == ("2016-12-31", "2015-12-31", "2016-08-28")


def test_last_year_in_another_sentence_is_the_reports():
    _, last_year = find_dates("2016年上线。去年改版。", 2018)
    assert last_year.year == 2017


def test_time_is_linear_in_the_text():
    for piece in ("2016年", "201", "近", "《", "“十", "6月", "去年", "2016-", "一二"):
        began = time.perf_counter()
        find_dates(piece * (40_000 // len(piece)), 2017)
        assert time.perf_counter() - began < 3


# The year of a passage


def tag(text: str, *heading: str, report_year: int | None = 2018) -> Tag | None:
    return year_tag(Passage("id", Kind.TEXT, heading, text, ()), report_year)


def year(text: str, *heading: str, report_year: int | None = 2018) -> str:
    found = tag(text, *heading, report_year=report_year)
    return found.value if found else ""


def test_the_year_and_its_reason():
    assert tag("截至2016年末，客户30万户。") == Tag(Field.YEAR, "2016", 1.0, (Reason("text", "2016年末"),))


def test_the_heading_counts_where_the_text_has_none():
    found = tag("客户30万户。", "2015年回顾", "2016年：转型之年", "效果")
    assert found == Tag(Field.YEAR, "2016", 0.8, (Reason("heading", "2016年"),))
    assert year("2014年启动。", "2016年") == "2014"


def test_a_relative_year_says_that_the_report_told_it():
    assert tag("去年客户30万户。") == Tag(Field.YEAR, "2017", 0.7, (Reason("text", "去年"), Reason("report", "2018")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014年启动，2016年上线，2016年推广。", "2016"),
        ("2014年启动，2016年上线。", "2016"),
        ("2017年成立部门。2017年获奖。截至2016年末，客户3万户。", "2017"),
        ("2015年成为试点。截至2017年末，余额5亿元。2015年设立部门。", "2017"),
        ("2017年6月末不良率1.2%，较2016年末下降，较2016年6月末持平。", "2017"),
        ("2017年启动，到2020年建成，2020年覆盖全行。", "2017"),
        ("“十三五”期间推进。", ""),
        ("《报告（2016）》《2015年行动方案》指出。", ""),
        ("与2016年相比有所提高。", ""),
        ("2030年前达峰。", ""),
        ("近三年投入不断加大。", ""),
    ],
)
def test_the_year_told(text: str, expected: str):
    assert year(text) == expected


def test_without_a_report_year_aims_are_known_by_their_words():
    assert year("2017年启动，力争2025年建成。", report_year=None) == "2017"
