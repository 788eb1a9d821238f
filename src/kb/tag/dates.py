"""Text → the dates and periods that it names, as written and normalised; a passage → the year of its matter."""

import re
import sys
from bisect import bisect_right
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kb.records import Field, Passage, Reason, Tag

HALF_WIDTH = str.maketrans("０１２３４５６７８９．％－〇○", "0123456789.%-零零")
"""One character for one, so that offsets hold."""

B = r"[ \t\u3000]{0,2}\n?[ \t\u3000]{0,2}"
"""Blanks and a line break inside a date, or between a number and its unit, as PDF text has them."""

MONTH = rf"(?:1[0-2]|0?[1-9]){B}月"
MONTH_PART = (
    rf"(?:(?:1[0-2]|0?[1-9]){B}月?[-–—~至]{B})?(?P<month>1[0-2]|0?[1-9]){B}月"
    rf"(?:{B}(?P<day>[12]\d|3[01]|0?[1-9]){B}[日号]|份?{B}(?P<decade>末|底|初|[上中下]旬))?"
)
QUARTER = rf"(?P<first>前|第)?{B}(?P<quarter>[一二三四1-4])个?季度?(?:末|底)?"
PART = rf"(?:{MONTH_PART}|(?P<half>[上下])半年(?:末|底)?|{QUARTER}|年?(?P<edge>[末底终初中](?!旬))|(?P<same>同期))"
SINCE = r"(?P<since>以来|以后|之后|之前|以前|起|前(?![一二三四五六七八九十百\d]))?"

YEAR = r"(?:(?:19|20)\d\d|[一二][零九][零一二三四五六七八九]{2})"
ABSOLUTE = re.compile(
    rf"(?<![\d.])(?P<year>{YEAR}){B}(?:年度?|财年)(?![版期]|第?\d+期){B}{PART}?{SINCE}"
    rf"|(?<![\d.A-Za-z])(?:FY)?(?P<qyear>20\d\d){B}[-年]?(?:Q(?P<q>[1-4])|H(?P<h>[12]))(?![\dA-Za-z])"
    rf"|(?<![\dA-Za-z])FY(?P<fyear>20\d\d)(?!\d)"
    rf"|(?<![\d.])(?P<iyear>20\d\d)(?P<mark>[-/.])(?P<imonth>0?[1-9]|1[0-2])(?P=mark)(?P<iday>[12]\d|3[01]|0?[1-9])(?![\d.])"
    rf"|^(?P<column>20\d\d)(?=[：:])",
    re.MULTILINE,
)
SHORT = re.compile(rf"(?<![\d.])(?P<short>[012]\d)年(?=1?\d月){PART}{SINCE}")
YEARS = re.compile(
    rf"(?<![\d.\-〔\[A-Za-z])(?P<from>{YEAR}){B}年?{B}[-–—~～至到]{{1,2}}{B}(?P<to>{YEAR})(?!\d|[-/.]\d|{B}年{B}(?:{MONTH}|[上下]半年))(?:{B}年(?:末|底)?)?"
)
RELATIVE = re.compile(
    rf"(?P<word>去年|上一?年度?|前年|今年|本年度?|当年|同年|次年|明年)(?!来|级|代){B}{PART}?{SINCE}"
    r"|(?<![\d一二两三四五六七八九十几多余半整每近全同往历成])(?P<bare>年[初末底内])(?![^\S\n]*[余终])"
)
PARTIAL = re.compile(rf"(?<![\d.\-/])(?:{MONTH_PART}|(?P<half>[上下])半年(?:末|底)?|(?<![\d一二三四]){QUARTER}){SINCE}")
VAGUE = re.compile(
    r"(?:最近|近|过去)(?:[一二两三四五六七八九十几\d]{1,3}个?(?:年|个?月|季度)(?:来|以来|间)?|年来?)"
    r"|(?:二十一?|2[01]|1[89]|十[八九])世纪(?:[\d一二三四五六七八九]0?十?年代)?|(?<!\d)[1-9]0年代"
    r"|(?:截至|截止|迄|到)?目前|迄今|截至发稿|报告期[内末]"
)
PLAN = re.compile(r"[“\"「]?(?P<plan>十[一二三四五六七])五[”\"」]?(?:规划)?(?:期间|时期|期末|末)")

TITLE = re.compile(r"《[^《》]{1,80}》|[〔\[]\d{4}[〕\]]")
COMPARED = re.compile(r"(?:同|与|和|跟|是|为)\s?$")
COMPARED_WITH = re.compile(r"(?:[较比]|相[比较]于?|高于|低于)(?:截至)?\s?$")
COMPARED_AFTER = re.compile(r"[^，,。；]{0,16}?(?:相比|比较|对比)|的[\d.]+倍|的[两三四五六七八九]倍")
AIMED = re.compile(r"(?:力争|争取|预计|预测|目标|计划|规划|将在|将于|确保)[^。；，]{0,12}$")
JOINED = re.compile(rf"{B}[-–—~～至到]{{1,2}}{B}")
STOP = re.compile(r"[。！？；\n]")

CHINESE = "零一二三四五六七八九"
ABSENT = {"去年": -1, "上年": -1, "上一年": -1, "前年": -2, "次年": 1, "明年": 1}
SPOKEN = frozenset(("今年", "本年", "明年", "前年"))
"""Said from the day of writing; the others from the date told before them in the sentence."""

TOLD_BEFORE = frozenset(("当年", "同年", "次年"))

OWN_SCORE, RELATIVE_SCORE, HEADING_SCORE = 1.0, 0.7, 0.8
"""How sure a year is that stands in the text, follows from 去年 and the like, or stands in a heading."""


STATE_WEIGHT = 2
"""The end of a year or month, which figures are dated with, counts as often as two other dates."""


@dataclass(frozen=True, slots=True)
class Date:
    """A date or period: `text[start:end]`, its (last) year, and its last day as ISO 8601.

    `year` is None where nothing tells it (近三年, 当年 with nothing before); `last` is empty where the date has no last
    day (2018年以来, 年初). `relative` dates (去年, 6月末) took their year from elsewhere.
    """

    start: int
    end: int
    text: str
    year: int | None
    last: str
    relative: bool = False


def find_dates(text: str, report_year: int | None = None) -> tuple[Date, ...]:
    """The dates and periods of a text, in order, those in titles of books and laws left out."""
    plain = text.translate(HALF_WIDTH)
    titles = spans_of_titles(plain)
    found: list[Date] = []
    for date in resolved(plain, merged_matches(plain), report_year):
        if not inside(titles, date.start):
            found.append(replace(date, text=text[date.start : date.end]))
    return tuple(joined(text, plain, found))


def spans_of_titles(text: str) -> list[tuple[int, int]]:
    """Where titles of books and laws stand, and the years of their numbers."""
    return [match.span() for match in TITLE.finditer(text)]


def inside(spans: Sequence[tuple[int, int]], place: int) -> bool:
    """Whether a place lies in one of the spans, which are in order and apart."""
    at = bisect_right(spans, (place, sys.maxsize)) - 1
    return at >= 0 and place < spans[at][1]


def merged_matches(plain: str) -> list[re.Match[str]]:
    """The matches of all patterns in order; of those that overlap, the one of the earlier pattern."""
    taken = bytearray(len(plain))
    found: list[re.Match[str]] = []
    for pattern in (YEARS, ABSOLUTE, SHORT, PLAN, RELATIVE, VAGUE, PARTIAL):
        for match in pattern.finditer(plain):
            if not any(taken[match.start() : match.end()]):
                taken[match.start() : match.end()] = b"\1" * (match.end() - match.start())
                found.append(match)
    return sorted(found, key=lambda match: match.start())


def resolved(plain: str, matches: Sequence[re.Match[str]], report_year: int | None) -> Iterator[Date]:
    """Each match as a date; what has no year of its own takes it from a date before it or from the report."""
    told: int | None = None
    told_at = -1
    stops = [match.start() for match in STOP.finditer(plain)]
    for match in matches:
        groups = match.groupdict()
        here = told if bisect_right(stops, told_at) == bisect_right(stops, match.start()) else None
        year, relative = year_of(match.re, groups, here, told, report_year)
        last = "" if year is None else last_day(match.re, groups, year)
        yield Date(match.start(), match.end(), "", year, last, relative)
        if year is not None and match.re in (YEARS, ABSOLUTE, SHORT):
            told, told_at = year, match.start()


def year_of(
    pattern: re.Pattern[str], groups: dict[str, str | None], here: int | None, told: int | None, report: int | None
) -> tuple[int | None, bool]:
    """The year of a match, and whether it is relative. `here` was told in its sentence, `told` anywhere before."""
    if pattern is VAGUE:
        return None, False
    if pattern is PLAN:
        return 2005 + 5 * CHINESE.index((groups["plan"] or "")[1]), False
    if pattern in (YEARS, ABSOLUTE, SHORT):
        return next(whole_year(groups[name] or "") for name in YEAR_GROUPS if groups.get(name)), False
    if pattern is PARTIAL:
        return (told if told is not None or groups["month"] else report), True
    word = (groups["word"] or "").removesuffix("度")
    if word in TOLD_BEFORE:
        base = told
    elif word in SPOKEN:
        base = report if report is not None else told
    elif word in ABSENT:
        base = next((year for year in (here, report, told) if year is not None), None)
    else:
        base = told if told is not None else report
    return (None if base is None else base + ABSENT.get(word, 0)), True


YEAR_GROUPS = ("to", "short", "year", "qyear", "fyear", "iyear", "column")


def whole_year(written: str) -> int:
    """2018 or 二零一八 as a number; 18 is 2018."""
    century = 2000 if len(written) == 2 else 0
    return century + int("".join(str(CHINESE.index(char)) if char in CHINESE else char for char in written))


def last_day(pattern: re.Pattern[str], groups: dict[str, str | None], year: int) -> str:
    """The last day of a date or period in that year, empty where there is none."""
    get = groups.get
    if get("since") or get("same") or get("edge") in ("初", "中") or get("bare") in ("年初", "年内"):
        return ""
    if get("imonth"):
        return day_of(year, int(get("imonth") or 0), int(get("iday") or 0))
    if get("month"):
        return month_end(year, int(get("month") or 0), get("day"), get("decade"))
    if get("half") or get("h"):
        return day_of(year, 6 if (get("half") or get("h")) in ("上", "1") else 12)
    if get("quarter") or get("q"):
        quarter = get("quarter") or get("q") or ""
        return day_of(year, 3 * (CHINESE.index(quarter) if quarter in CHINESE else int(quarter)))
    return day_of(year, 12)


def month_end(year: int, month: int, day: str | None, decade: str | None) -> str:
    """The last day of a month or of its part, or the day named."""
    if day:
        return day_of(year, month, int(day))
    if decade == "初":
        return ""
    return day_of(year, month, {"上旬": 10, "中旬": 20}.get(decade or "", 0))


def day_of(year: int, month: int, day: int = 0) -> str:
    """A day as ISO 8601, the month's last one for 0; empty for a day that the month does not have."""
    days = monthrange(year, month)[1]
    return f"{year:04}-{month:02}-{day or days:02}" if day <= days else ""


def joined(text: str, plain: str, dates: Sequence[Date]) -> Iterator[Date]:
    """The dates, two with 至 between them as one period."""
    at = 0
    while at < len(dates):
        date = dates[at]
        following = dates[at + 1] if at + 1 < len(dates) else None
        if following and date.year and following.year and JOINED.fullmatch(plain, date.end, following.start):
            yield replace(following, start=date.start, text=text[date.start : following.end], relative=date.relative)
            at += 2
        else:
            yield date
            at += 1


def is_compared(text: str, date: Date) -> bool:
    """Whether a date only says what something is compared with: 较2016年末, 与2022年相比."""
    before = text[max(date.start - 6, 0) : date.start]
    if COMPARED_WITH.search(before):
        return True
    return bool(COMPARED.search(before) and COMPARED_AFTER.match(text, date.end))


def year_tag(passage: Passage, report_year: int | None) -> Tag | None:
    """The year of the matter that a passage tells of, and why; None where nothing dates it.

    It is the year told most in the text, up to the report's; of equals the later one. Dates that are only compared
    with, aims (力争, 2030年前) and plans (“十四五”) do not count. A text without dates has the year of the innermost
    heading that has one.
    """
    own = dated(passage.text, report_year)
    if own:
        return tag_of(own, "text", report_year)
    for heading in reversed(passage.heading):
        found = dated(heading, report_year)
        if found:
            return tag_of(found, "heading", report_year)
    return None


def dated(text: str, report_year: int | None) -> list[Date]:
    """The dates of a text that may date its matter."""
    return [
        date
        for date in find_dates(text, report_year)
        if date.year is not None
        and (report_year is None or date.year <= report_year)
        and not date.text.endswith("前")
        and not PLAN.fullmatch(date.text)
        and not AIMED.search(text, max(date.start - 16, 0), date.start)
        and not is_compared(text, date)
    ]


def tag_of(dates: Sequence[Date], source: str, report_year: int | None) -> Tag:
    """The tag of the year that most of the dates name, of equals the later. Dates with their own year go first."""
    plain = [date for date in dates if not date.relative]
    counts: Counter[int] = Counter()
    for date in plain or dates:
        counts[date.year or 0] += STATE_WEIGHT if date.text.endswith(("末", "底")) else 1
    year = max(counts, key=lambda value: (counts[value], value))
    first = next(date for date in plain or dates if date.year == year)
    score = HEADING_SCORE if source == "heading" else OWN_SCORE if plain else RELATIVE_SCORE
    reasons = [Reason(source, first.text)]
    if not plain and report_year is not None:
        reasons.append(Reason("report", str(report_year)))
    return Tag(Field.YEAR, str(year), score, tuple(reasons))
