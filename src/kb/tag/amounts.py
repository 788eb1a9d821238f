"""Text → the numbers with a unit that stand in it, worked out: 640万户, 35bp, 六成, 2%~5%."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kb.tag.dates import HALF_WIDTH, B

SCALES = {"": 1.0, "十": 1e1, "百": 1e2, "千": 1e3, "万": 1e4, "十万": 1e5, "百万": 1e6, "千万": 1e7, "亿": 1e8}
SCALES |= {"十亿": 1e9, "百亿": 1e10, "千亿": 1e11, "万亿": 1e12, "十万亿": 1e13, "百万亿": 1e14}
SCALE = r"(?:[十百]?万亿|[十百千]?[万亿](?!科)|千(?![瓦克米卡])|百(?![分强姓度])|十)"

UNITS = {
    "元": "元人民币 人民币元 块钱 元",
    "个百分点": "个百分点 百分点",
    "人": "名 位 人",
    "岁": "周岁 岁",
    "小时": "个小时 小时",
    "秒": "秒钟 秒",
    "工作日": "个工作日 工作日",
    "平方米": "平方米 平米 ㎡",
    "千瓦时": "千瓦时 千瓦小时",
}
UNITS |= {
    unit: unit
    for unit in """
    % 美元 港元 港币 欧元 日元 英镑 户 人次 户次 笔 家 家次 个 个月 台 张 项 款 条 次 倍 只 份 种 类 所 座 间 套
    支 幅 件 例 宗 起 部 本 篇 场 场次 天 毫秒 年 周 分钟 吨 千克 公斤 公里 千米 米 亩 公顷 平方公里 兆瓦
    千瓦 分 批 批次 处 节点 辆 TPS QPS TB GB PB MB
    """.split()
}
"""Units and how they are written."""

FACTORS = {"‰": ("%", 0.1), "个基点": ("个百分点", 0.01), "基点": ("个百分点", 0.01), "bp": ("个百分点", 0.01)}
FACTORS |= {"bps": FACTORS["bp"]}
FACTORS |= {written: (unit, 1.0) for unit, forms in UNITS.items() for written in forms.split()}
"""Each way to write a unit → the unit, and what a number in it is multiplied with. Latin ones in any case."""

SCALE_BEFORE = re.compile(rf"^{SCALE}")

OTHER_WORDS = {
    "个月": "期",
    "分": "行支布析类级部为别公之期层享散润批",
    "年": "期级代版规计战度会初末底中报轻龄",
    "个": "人体性别股半月",
    "家": "庭长乡居具电族",
    "户": "籍外口主",
    "人": "民脸行工才均社力性生事论",
    "名": "称单为义",
    "位": "居置列于",
    "次": "于年日级贷",
    "条": "件例线码",
    "类": "似",
    "元": "年宇数旦",
    "部": "分门署委",
    "本": "行次报年地文土科案项",
    "起": "步点来初到草源诉着",
    "种": "植子粮",
    "台": "账州阶风",
    "天": "猫使然津眼",
    "支": "付持行撑出农小部",
    "张": "家江",
    "场": "景所",
    "间": "接隔",
    "处": "于理置罚在",
    "米": "粉面",
    "件": "事",
    "批": "量发准复",
    "周": "边岁期年转报末",
    "秒": "杀批贷级",
    "例": "如",
    "只": "能有需要是占会",
    "所": "有以在需示谓",
    "款": "项",
}
"""After these characters a unit is the beginning of another word: 30分行."""

LATIN = r"(?:[Bb][Pp][Ss]?|TPS|QPS|[TGPM]B)(?![A-Za-z])"
WRITTEN = sorted((unit for unit in FACTORS if not unit.isascii()), key=len, reverse=True)
UNIT = "|".join(
    [LATIN, "%", *(f"{unit}(?![{OTHER_WORDS[unit]}])" if unit in OTHER_WORDS else unit for unit in WRITTEN)]
)

NEAR = r"(?:(?:将近|接近|(?<![附最临])近|大约|(?<![节签预合条制公违履契])约|超过|(?<!赶)超|逾|不足|不到) ?)?"
LIMIT = r"(?: ?及?(?:以上|以下|左右|以内|上下))?"
HAN = "一二两三四五六七八九十百千万亿零"
MOST_DIGITS = 20
"""Numbers with more digits are codes."""
NO_SHARE = "(?![立功为本效果长员交熟都型绩分就像品])"

NUMBER = re.compile(
    rf"(?P<near>{NEAR})(?<![\d.A-Za-z〔\[/+])(?P<number>"
    rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,3}}(?: \d{{3}})+(?![\d.])|\d+)(?:\.\d+)?)(?!\d)"
    rf"(?:{B}[多余几])?(?:{B}(?P<scale>{SCALE}))?(?:{B}[多余])?(?:(?P<gap>{B})(?P<unit>{UNIT}))?{LIMIT}"
)
HAN_NUMBER = re.compile(
    rf"(?P<near>{NEAR})(?<![\d{HAN}第数几])(?P<number>[{HAN}]{{1,12}})(?P<more>[多余])?(?P<scale>[万亿])?"
    rf"(?P<unit>{UNIT})?{LIMIT}"
)
SHARE = re.compile(
    rf"{NEAR}(?:(?P<base>[百千万二三四五六七八九十]|\d{{1,2}})分之(?P<part>[{HAN}]{{1,5}}|\d+(?:\.\d+)?)"
    rf"|(?<![{HAN}数几\d.])(?:(?P<low>[一二三四五六七八])[到至])?(?P<tenths>[一二两三四五六七八九1-9])成{NO_SHARE}(?P<half>半)?"
    rf"|(?<![\d./])(?P<over>[1-9])/(?P<under>[2-9])(?![\d./])"
    rf"|(?P<one_half>一半|半数|过半)(?![年天路数]))(?:以上|以下|左右)?"
)

NUMBERING = re.compile(
    r"(?:第|(?<![目当之以此年日月])前|排名第?在?|[位名]列|[图表](?: ?\d{1,2}[-–.])?"
    r"|附件|专栏|版本|电话|传真|邮编|全天候?|[Vv]|No\.?|\d{1,2} ?[×xX*]) ?$"
)
"""What stands before a number that counts nothing: 第3, 图3-8, 7×24小时."""

CALENDAR = re.compile(r"(?:19|20)\d\d")
QUOTED_NAME = re.compile(r"[“「][^“”「」，。；\n]{1,10}[”」]")
SOLID = frozenset("分钟 秒 小时 倍 公里 个百分点 % 工作日".split())
"""With these a small Chinese numeral is a figure too (两分钟); with 个 or 年 it is none (三个方面)."""

DIGITS = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2}
PLACES = {"十": 10, "百": 100, "千": 1000}
MINUS = re.compile(rf"{NEAR}(?<![-−A-Za-z])[-−]$")
COUNTED = re.compile(
    rf"[\d{HAN}](?:{B}[多余几])?(?:{B}{SCALE})?(?:{B}[多余])?(?:{B}(?:{UNIT}|‰|成半?|[日月号]))?{LIMIT}\Z"
)
"""What makes a dash behind it that of a range: 5-10亿元, 第5家-10家."""
COMPARED_DATE = re.compile(r"[较比][^，,。；：\n]{1,12}$")
RANGE = re.compile(rf"{B}[-–—~～至到]{{1,2}}{B}")
LISTED = re.compile(r" ?[、和与及] ?")
ORIGIN = re.compile(r"[从由自][^，。；\n]{0,16}$")
REACHED = re.compile(
    r"(?:的?[^，,。；：\n]{0,18})?(?:[到至为成]|达到?)了? ?(?:(?:\d{4} ?|[今去上前本当])年[^，,。；：\n]{0,6}的 ?)?"
)
"""What stands between the two ends of a move."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with its unit, `text[start:end]` with words such as 近 or 以上; `value` is in `unit`.

    `number` is what is written, before `scale` and unit are worked out. `bare` numbers have neither. `origin` is where
    a number that has moved came from (从500TPS提升到6200TPS), with the places where that begins and ends.
    """

    start: int
    end: int
    number: float
    scale: str
    unit: str
    factor: float = 1.0
    origin: float | None = None
    origin_at: int = 0
    origin_end: int = 0

    @property
    def value(self) -> float:
        """The number in its unit."""
        return float(f"{self.number * SCALES[self.scale] * self.factor:.12g}")

    @property
    def bare(self) -> bool:
        """Whether it has neither unit nor 万 or 亿."""
        return not self.unit and not self.scale


def find_amounts(plain: str, is_taken: Callable[[int], bool]) -> list[Amount]:
    """The amounts of a text in half width, in order. A range is one amount, its value the lower end.

    `is_taken` tells of places that no amount may begin at: dates, titles.
    """
    quoted = bytearray(len(plain))
    for match in QUOTED_NAME.finditer(plain):
        quoted[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    found: list[Amount] = []
    for readers in ((SHARE, shares), (NUMBER, arabic), (HAN_NUMBER, chinese)):
        pattern, read = readers
        found += [
            amount
            for match in pattern.finditer(plain)
            if (amount := read(match)) and not quoted[amount.start] and not is_taken(amount.start)
        ]
    ordered = [signed(plain, amount, is_taken) for amount in apart(found)]
    return [amount for amount in moved(plain, listed(plain, list(ranges(plain, ordered)))) if not amount.bare]


def apart(amounts: Sequence[Amount]) -> list[Amount]:
    """The amounts in order; of those that overlap the one with a unit, then the longer."""
    kept: list[Amount] = []
    for amount in sorted(amounts, key=lambda one: (one.start, one.bare, -one.end)):
        if not kept or amount.start >= kept[-1].end:
            kept.append(amount)
        elif kept[-1].bare and not amount.bare:
            kept[-1] = amount
    return kept


def signed(plain: str, amount: Amount, is_taken: Callable[[int], bool]) -> Amount:
    """The amount with the minus sign before it, which may follow a word such as 约; as it is where a dash is none.

    The dash behind a number is that of a range, and so is one that touches a date; but not in 较年初-3.5%.
    """
    minus = MINUS.search(plain, max(amount.start - 6, 0), amount.start) if plain[amount.start].isdigit() else None
    if not minus:
        return amount
    sign = amount.start - 1
    window = max(sign - 20, 0)
    end = window + len(plain[window:sign].rstrip(" \t\u3000"))
    if end and is_taken(end - 1):
        is_dash = end == sign and not COMPARED_DATE.search(plain, window, sign)
    else:
        is_dash = COUNTED.search(plain, window, end) is not None
    return amount if is_dash else replace(amount, start=minus.start(), number=-amount.number)


def arabic(match: re.Match[str]) -> Amount | None:
    """A number in figures, or None for numberings, codes and table lines."""
    text, start = match.string, match.start("number")
    unit = match["unit"] or ""
    if NUMBERING.search(text, max(start - 6, 0), start) or is_code(match["number"]):
        return None
    if unit and "\n" in match["gap"] and (start == 0 or text[start - 1] in "\n：:"):
        unit = ""
    if unit == "年" and CALENDAR.fullmatch(match["number"]):
        return None
    number = float(match["number"].replace(",", "").replace(" ", ""))
    end = match.end() if unit or match["scale"] else match.end("number")
    if match["unit"] and not unit:
        end = match.end("scale") if match["scale"] else match.end("number")
    return amount_of(match.start(), end, number, match["scale"] or "", unit)


def is_code(written: str) -> bool:
    """Whether a number in figures is too long for one."""
    return sum(char.isdigit() for char in written) > MOST_DIGITS


def normal_unit(written: str) -> str:
    """The unit of a figure's value for a unit as a person writes it: 亿元 → 元, BP → 个百分点, 万户 → 户.

    An unknown one comes back as it is.
    """
    plain = written.strip().translate(HALF_WIDTH)
    forms = (plain, plain.lower(), plain.upper(), SCALE_BEFORE.sub("", plain))
    return next((FACTORS[form][0] for form in forms if form in FACTORS), written)


def amount_of(start: int, end: int, number: float, scale: str, written: str) -> Amount:
    """An amount with the unit's usual form."""
    unit, factor = FACTORS[written if written in FACTORS else written.lower()] if written else ("", 1.0)
    return Amount(start, end, number, scale, unit, factor)


def chinese(match: re.Match[str]) -> Amount | None:
    """A number in Chinese numerals that is a figure: ten and more of something, or less of a solid unit."""
    written, unit = match["number"], match["unit"] or ""
    if written[0] in "零万亿" or (written[0] in "百千" and not match["more"]):
        return None
    if NUMBERING.search(match.string, max(match.start() - 6, 0), match.start("number")):
        return None
    if match["scale"]:
        written += match["scale"]
    digits = written.rstrip("万亿")
    scale = written[len(digits) :]
    number = chinese_number(digits)
    if number is None or scale not in SCALES:
        return None
    amount = amount_of(match.start(), match.end(), number, scale, unit)
    large = number * SCALES[scale] >= 10 and amount.unit != "分"
    if unit:
        counts = large or amount.unit in SOLID
    else:
        counts = number * SCALES[scale] >= 100 and bool(match["more"] or scale or len(digits) > 1)
    if not counts or (not unit and re.match(r"[年月日号楼层级强代后大]", match.string[match.end() :][:1])):
        return None
    return amount if unit or scale or match["more"] else replace(amount, end=match.end("number"))


def chinese_number(written: str) -> float | None:
    """三百二十, 两千, 四五千 (its lower end) as a number; None for what is none."""
    total, digit = 0, None
    if not written:
        return None
    for char in written:
        if char == "零":
            continue
        if char in DIGITS:
            digit = DIGITS[char] if digit is None else digit
        elif char in PLACES:
            total += (1 if digit is None else digit) * PLACES[char]
            digit = None
        elif char in "万亿":
            total = (total + (digit or 0)) * int(SCALES[char])
            digit = None
    return float(total + (digit or 0)) or None


def shares(match: re.Match[str]) -> Amount | None:
    """六成, 三分之一, 千分之二, 一半 in per cent."""
    if match["one_half"]:
        share = 50.0
    elif match["over"]:
        share = 100.0 * int(match["over"]) / int(match["under"])
    elif match["tenths"]:
        tenths = match["low"] or match["tenths"]
        share = 10.0 * (DIGITS[tenths] if tenths in DIGITS else int(tenths)) + (5.0 if match["half"] else 0.0)
    else:
        base, part = (number_in(match[name]) for name in ("base", "part"))
        if not base or not part or part > base:
            return None
        share = 100.0 * part / base
    return Amount(match.start(), match.end(), share, "", "%")


def number_in(written: str) -> float | None:
    """A number in figures or in Chinese numerals; 百, 千 and 万 alone are 100, 1000 and 10000."""
    if written[0].isdigit():
        return float(written)
    return SCALES["万"] if written == "万" else chinese_number(written)


def ranges(plain: str, amounts: Sequence[Amount]) -> Iterator[Amount]:
    """The amounts, two with 至 or a dash between them as one, which is their lower end."""
    at = 0
    while at < len(amounts):
        low = amounts[at]
        high = amounts[at + 1] if at + 1 < len(amounts) else None
        if high and not high.bare and is_range(plain, low, high):
            yield replace(lower_end(low, high), end=high.end)
            at += 2
        else:
            yield low
            at += 1


def listed(plain: str, amounts: Sequence[Amount]) -> list[Amount]:
    """The amounts, bare ones in a list with the unit of the one that ends it: 10.18和9.9个百分点."""
    found: list[Amount] = []
    for amount in reversed(amounts):
        after = found[-1] if found else None
        if after and after.unit and amount.bare and LISTED.fullmatch(plain, amount.end, after.start):
            amount = lower_end(amount, replace(after, scale=""))
        found.append(amount)
    return found[::-1]


def is_range(plain: str, low: Amount, high: Amount) -> bool:
    """Whether two amounts are the ends of a range; 从2%到5% is a move."""
    between = RANGE.fullmatch(plain, low.end, high.start)
    if not between or (low.unit and low.unit != high.unit):
        return False
    return not (between[0].strip() in ("到", "至") and ORIGIN.search(plain, max(low.start - 20, 0), low.start))


def lower_end(low: Amount, high: Amount) -> Amount:
    """The lower end of a range, with the unit and, where it has none of its own, the 万 or 亿 of the upper one."""
    if low.unit:
        return low
    scale = low.scale or high.scale
    return replace(low, scale=scale, unit=high.unit, factor=high.factor)


def moved(plain: str, amounts: Sequence[Amount]) -> Iterator[Amount]:
    """The amounts; of two with 从 before and 到 between, the second with the first as its origin."""
    at = 0
    while at < len(amounts):
        first = amounts[at]
        second = amounts[at + 1] if at + 1 < len(amounts) else None
        if second and is_move(plain, first, second):
            begun = ORIGIN.search(plain, max(first.start - 20, 0), first.start)
            begin = begun.start() if begun else first.start
            origin = first if first.unit else lower_end(first, second)
            yield replace(second, origin=origin.value, origin_at=begin, origin_end=first.end)
            at += 2
        else:
            yield first
            at += 1


def is_move(plain: str, first: Amount, second: Amount) -> bool:
    """Whether a number went from the first to the second: 从…提升到…."""
    if second.bare or (first.unit and first.unit != second.unit) or second.start - first.end > 24:
        return False
    begun = ORIGIN.search(plain, max(first.start - 20, 0), first.start)
    return bool(begun and REACHED.fullmatch(plain, first.end, second.start))
