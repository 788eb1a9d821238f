"""Text → every number that it states, in one form for comparing: 1,200 = 1200, 30% = 百分之三十, 3家 = 三家."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest

from kb.tag.amounts import DIGITS as HAN_DIGITS
from kb.tag.amounts import FACTORS, PLACES, SCALE, SCALES, UNIT
from kb.tag.dates import HALF_WIDTH, B
from kb.words import mend

HAN = "零一二两三四五六七八九十百千万亿"
CAPITALS = str.maketrans("壹贰貳叁參肆伍陆陸柒捌玖拾佰仟萬億兩", "一二二三三四五六六七八九十百千万亿两")
GROUPED = re.compile(r"(?<=[０-９])，(?=[０-９]{3}(?![０-９]))")
"""The comma inside a number in full width; between numbers in half width a full-width comma parts two of them."""

OWN_UNITS = {
    unit: unit
    for unit in """
    年 月 日 季度 大 层 级 步 方面 轮 期 阶段 代 重 折 番 档 届 环 省 市 县 村 国 校 路 页 章 节 点 行
    """.split()
}
OWN_UNITS |= {"号": "日", "个季度": "季度"}
"""What else is counted, and dates; `kb.tag.amounts` has the rest."""

MEASURES = frozenset(
    "% 个百分点 倍 元 美元 港元 欧元 日元 英镑 年 月 日 季度 个月 天 周 小时 分钟 秒 工作日 第".split()
)
"""Units that are no kinds of 个."""

ONE_COUNTS = MEASURES - {"月", "日", "季度", "周"}
"""With these 一 is a number; else it is an article (一个平台, 一家银行), which states nothing."""

LONGEST = 30
"""What has more characters is a code."""

IDIOMS = re.compile(
    r"第[一二三]方|第一(?:时间|责任|手|线)|第二曲线|千家万户|千人千面|千企万户|百家争鸣|万家灯火|一成不变|[二三四五六七八]位一体"
    r"|[二三四五六七八九]是|其[二三四五六七八九]|两者|三农|二维码|二手|四川|九江|三亚|三明|三峡|(?<![0-9一二三四五六七八九])[十百千万]分(?![之钟点百])"
)
"""Words that have numerals and count nothing."""

NO_SHARE = r"(?![立功为本效果长交熟都型绩分就像品]|员(?!工))"
"""After these 成 is part of another word: 三成立, 六成员; but 六成员工."""

WRITTEN_UNIT = rf"{UNIT}|{'|'.join(sorted(OWN_UNITS, key=len, reverse=True))}"
CODE = r"(?P<code>[A-Za-z]+-?\d[\d.]*[A-Za-z]*|\d+(?:\.\d+){2,})"
SHARE = (
    rf"(?P<base>[{HAN}]{{1,3}}|\d+)分之(?P<part>[{HAN}]+(?:点[{HAN}]+)?|\d+(?:\.\d+)?)"
    rf"|(?<![{HAN}\d.])(?P<tenths>[一二两三四五六七八九1-9])成{NO_SHARE}(?P<half>半)?"
    r"|(?P<one_half>一半|半数|过半)(?![年天路])|(?P<all>百分百)"
)
FIGURES = (
    rf"(?P<nth>第{B})?(?P<digits>\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d{{1,3}}(?: \d{{3}})+(?![\d.])|\d+)(?P<decimals>\.\d+)?"
    rf"(?:{B}[多余几])?(?:{B}(?P<scale>{SCALE}))?(?:{B}[多余])?(?:{B}(?P<unit>{WRITTEN_UNIT}))?(?P<tail>[A-Za-z]*)"
)
NUMERALS = (
    rf"(?P<han_nth>第)?(?P<vague>[数几])?(?P<han>[{HAN}]+(?:点[{HAN}]+)?)(?P<more>[多余几])?(?P<han_scale>[万亿]+)?"
    rf"(?:(?P<han_unit>{WRITTEN_UNIT})|(?<=[二两三四五六七八九])(?P<word>(?![{HAN}至到])[\u4e00-\u9fff]))?(?P<low_end>(?=[-–—~～至到][{HAN}\d]))?"
)
NUMBER = re.compile("|".join((CODE, SHARE, FIGURES, NUMERALS)))
RANGE = re.compile(rf"{B}[-–—~～至到]{{1,2}}{B}")
INSIDE_WORD = re.compile(r"[统唯单同专之划合归其逐任某每]$")
"""Before 一, what makes one word with it: 单一年度."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A number that a text states at `text[start:end]`.

    `value` is exact, with 万 and 亿 worked out and shares in per cent; what has no one value (5G, 数十, 十四五)
    is kept as written. `unit` is empty where none follows that is known, and 第 for a rank. `scale` is what 万, 亿 or
    成 behind it multiplies it with.
    """

    text: str
    start: int
    end: int
    value: Fraction | str
    unit: str = ""
    scale: int = 1


def find_stated(text: str) -> tuple[Stated, ...]:
    """The numbers of a text in order; places are those in the text as `plain` gives it.

    Numbers spelt in English words are not seen; 一 counts only before a measure (一年, 一倍). Signs are left out.
    """
    folded = IDIOMS.sub(lambda match: "□" * len(match[0]), plain(text))
    found = [stated for match in NUMBER.finditer(folded) if (stated := read(match))]
    return tuple(share_units(folded, found))


def plain(text: str) -> str:
    """A text with one form for each digit and numeral, without characters that are not seen."""
    shown = "".join(char for char in GROUPED.sub("", mend(text)) if unicodedata.category(char) != "Cf")
    digits = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else letter(char) for char in shown)
    return digits.translate(HALF_WIDTH).translate(CAPITALS)


def letter(char: str) -> str:
    """A Latin letter in half width; any other character as it is."""
    return unicodedata.normalize("NFKC", char) if "Ａ" <= char <= "ｚ" else char


def read(match: re.Match[str]) -> Stated | None:
    """The number of a match; None where its numerals count nothing."""
    if match["code"]:
        return of(match, match["code"].lower())
    if match["base"]:
        base, part = number_of(match["base"]), number_of(match["part"])
        return of(match, 100 * part / base if base and part is not None else match[0], "%")
    if match["tenths"]:
        tenths = number_of(match["tenths"]) or Fraction(0)
        return of(match, 10 * tenths + (5 if match["half"] else 0), "%", 10)
    if match["one_half"] or match["all"]:
        return of(match, Fraction(50 if match["one_half"] else 100), "%")
    return read_digits(match) if match["digits"] else read_han(match)


def read_digits(match: re.Match[str]) -> Stated:
    """A number in figures."""
    digits = re.sub("[, ]", "", match["digits"]) + (match["decimals"] or "")
    if match["tail"] or len(digits) > LONGEST:
        return of(match, match[0].lower())
    number = Fraction(digits)
    scale = int(SCALES[match["scale"] or ""])
    return measured(match, number * scale, match["unit"], match["nth"], scale)


def read_han(match: re.Match[str]) -> Stated | None:
    """A number in Chinese numerals: one of several characters, or one with what is counted behind it.

    One before any other character is kept with that as written: 三方, 五险.
    """
    run, unit = match["han"] + (match["han_scale"] or ""), match["han_unit"]
    told = any(match[name] is not None for name in ("han_nth", "vague", "more", "low_end"))
    if len(run) == 1 and match["word"] and not told:
        return of(match, match[0])
    if len(run) == 1 and not told and not (counts_one(match) if run == "一" else unit):
        return None
    value = number_of(run)
    if value is None or match["vague"] or match["more"] == "几":
        return of(match, match[0])
    return measured(match, value, unit, match["han_nth"])


def counts_one(match: re.Match[str]) -> bool:
    """Whether 一 is a number by what is counted, and no part of another word."""
    unit = unit_of(match["han_unit"])[0]
    return unit in ONE_COUNTS and not INSIDE_WORD.search(match.string, 0, match.start())


def measured(match: re.Match[str], value: Fraction, written: str | None, nth: str | None, scale: int = 1) -> Stated:
    """A number in the usual form of its unit; a rank has 第 for one (第3名), and 第三季度 is 三季度."""
    unit, factor = unit_of(written)
    return of(match, value * factor, "第" if nth and unit != "季度" else unit, scale)


def unit_of(written: str | None) -> tuple[str, Fraction]:
    """The usual form of a unit, and what a number in it is multiplied with."""
    if not written:
        return "", Fraction(1)
    if written in OWN_UNITS:
        return OWN_UNITS[written], Fraction(1)
    unit, factor = FACTORS[written] if written in FACTORS else FACTORS.get(written.lower(), (written, 1.0))
    return unit, Fraction(str(factor))


def of(match: re.Match[str], value: Fraction | str, unit: str = "", scale: int = 1) -> Stated:
    """What a match states."""
    return Stated(match[0], match.start(), match.end(), value, unit, scale)


def number_of(run: str) -> Fraction | None:
    """A number in figures or Chinese numerals: 二〇二三, 三十点五, 一亿二千万.

    None for 三四, which is two numbers, and for what is too long for one.
    """
    if len(run) > LONGEST:
        return None
    if run[0].isdigit():
        return Fraction(run)
    whole, point, decimals = run.partition("点")
    if point:
        digits = "".join(str(HAN_DIGITS.get(char, "")) for char in decimals)
        base = number_of(whole)
        return None if base is None or len(digits) < len(decimals) else base + Fraction(int(digits), 10 ** len(digits))
    if len(run) > 2 and all(char in HAN_DIGITS for char in run):
        return Fraction("".join(str(HAN_DIGITS[char]) for char in run))
    return whole_number(run)


def whole_number(run: str) -> Fraction | None:
    """三百二十万 by its places; None where two digits stand together."""
    for mark, size in (("亿", 10**8), ("万", 10**4)):
        high, found, low = run.rpartition(mark)
        if found:
            above, below = whole_number(high) if high else Fraction(1), whole_number(low) if low else Fraction(0)
            return None if above is None or below is None else above * size + below
    total, digit = 0, None
    for char in run:
        if char in PLACES:
            total, digit = total + (1 if digit is None else digit) * PLACES[char], None
        elif digit:
            return None
        else:
            digit = HAN_DIGITS[char]
    return Fraction(total + (digit or 0))


def share_units(text: str, found: Sequence[Stated]) -> Iterator[Stated]:
    """The numbers; the lower end of a range has the unit and the 万 or 亿 of the upper: 5-10亿元."""
    for low, high in zip_longest(found, found[1:]):
        bare = not low.unit and low.scale == 1
        if high and bare and not isinstance(low.value, str) and RANGE.fullmatch(text, low.end, high.start):
            yield replace(low, value=low.value * high.scale, unit=high.unit)
        else:
            yield low


def is_among(number: Stated, others: Collection[Stated]) -> bool:
    """Whether others have this number in the same unit, or in one that stands for it."""
    return any(number.value == other.value and same_unit(number.unit, other.unit) for other in others)


def same_unit(one: str, other: str) -> bool:
    """Whether two units are the same, or one of them is not told, or is 个 beside something else that is counted."""
    units = {one, other}
    return len(units) == 1 or "" in units or ("个" in units and not units & MEASURES)
