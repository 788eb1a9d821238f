"""Text → the figures that it states: numbers with what they measure, their date and comparison (docs/figures.md)."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from kb.banks import BankBook, default_bank_book
from kb.records import Figure
from kb.tag.amounts import LISTED, Amount, amount_of, find_amounts, is_code
from kb.tag.dates import HALF_WIDTH, Date, find_dates, inside, is_compared, spans_of_titles
from kb.tag.names import PORTIONS, Ground, begun, ground_of, name_after, name_before, name_of, words_between

COMPARED = re.compile(
    r"(?:(?:相?较(?![大小高低多少为好快强])于?|相比于?|比(?![例重率较如])|与|同)"
    r"[^，,。；;：:\n较比与]{1,20}?(?:相比)?均?|同比|环比|年内|年均|年化|平均每年|全年|当年)[，,]?$"
)
VERBS = (
    "净增加 净增长 净增 多增 少增 增长 增加 增幅 增速 涨幅 降幅 上升 上涨 上浮 提升 提高 下降 下滑 下浮 减少 缩减 降低 "
    "扩大 收窄 上调 下调 升高 下行 上行 回落 回升 缩小 缩短 减小 压缩 压降 节约 节省 高出 增 减 降 涨 高 低 多 少 升"
).split()
FALLS = frozenset(
    "少增 降幅 下行 下调 下降 下滑 下浮 减少 缩减 降低 收窄 回落 缩小 缩短 减小 压缩 压降 节约 节省 减 降 低 少".split()
)
RATES = frozenset("增幅 增速 涨幅 降幅".split())
"""With a subject of their own these are what is measured: 贷款增速为14.2%."""
FILL = tuple("了 高达 多达 达到 达 为 约 近 超过 超 人民币 幅度 又 的 ： :".split())
HOW = tuple("大幅 显著 明显 分别 占比 又 再 还 共 合计 则 已 累计 进一步 持续 略 小幅 快速".split())
TIMES = re.compile(r"(?:是|为|相当于|达到?)(?P<base>[^，。；：\n是为]{1,20})的$")
"""What a multiple is a multiple of: 是2016年末的3倍."""
BEYOND = re.compile(r"(?:高出|高于|超出|低于)[^，,。；：\n]{1,16}$")
TO_LEVEL = re.compile(r"[，,]?\s?(?:增|升|提升|降|上升|下降|提高|增长|增加)?[至到](?:人民币|约|近|了)?\s?")

CELL = re.compile(
    r"^(?P<name>[^：:\n，。；]{1,40})[：:][ \t]*(?P<way>上升|提高|增加|下降|减少|降低)?[ \t]*(?P<cell>.*)$",
    re.MULTILINE,
)
BARE_CELL = re.compile(r"\s*(?P<number>[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*")
BRACKET_UNIT = re.compile(
    r"[（(](?:单位[：:])?(?P<scale>万亿|[百千]?[万亿]|千)?"
    r"(?P<unit>美元|元|户|家|只|个|人|笔|台|张|项|吨|款|件|千瓦时|%|个百分点)[)）]\s*$"
)
CHANGE_COLUMN = re.compile(r"^(?:本?报告期[末内]?|本[期年])?(?:[较比].*)?(?:变动|变化|增减|同比|环比|增长|增幅|增速)")
USUAL_UNITS = (
    ("元", re.compile(r"(?:额|贷款|存款|理财|资产|利润|收入|投入|规模|资金|成本|费用|支出|AUM|授信|放款|债券)$")),
    ("户", re.compile(r"(?:[客用商农住]户|户数)$")),
    ("人", re.compile(r"(?:人数|员工|人员|人口)$")),
)
"""The unit of a number with 万 or 亿 only, by the end of its name."""
BRACKET_DATE = re.compile(r"\s?[（(]\s?(?:截[至止])?\s?")
FOUNDED = re.compile(r"(?:正式)?(?:成立|组建|创立|设立|开业|始建|创办)于?")
SURVEY = re.compile(r"问卷|调研|调查|受访")
"""Words of a survey, whose figures no balance date before it holds for."""
STATE = re.compile(r"(?:截[至止]|至|到)\s?$")


@dataclass(frozen=True, slots=True)
class Change:
    """A number that says how much another one changed: where that is said, its subject there, and the sign.

    `of_many` counts the figures back to the one that changed: the first of two changes is that of the last but one.
    """

    start: int
    subject: str
    sign: int
    of_many: int = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """A line of a table, `name：cell`: its name, its row's label, where the cell lies, whether it tells of a fall."""

    name: str
    label: str
    start: int
    end: int
    falls: bool


def find_figures(text: str, report_year: int | None = None, book: BankBook | None = None) -> tuple[Figure, ...]:
    """The figures of a passage's text, in order. `report_year` tells the year of 去年 and the like.

    `book` (None: the packaged bank list) tells the banks, which are left out of names.
    """
    plain = text.translate(HALF_WIDTH)
    dates = find_dates(text, report_year)
    blocked = sorted([*((date.start, date.end) for date in dates), *spans_of_titles(plain)])
    cells = tuple(find_cells(plain))
    found = [*find_amounts(plain, lambda place: inside(blocked, place)), *bare_cells(plain, cells)]
    if not found:
        return ()
    amounts = tuple(sorted(found, key=lambda amount: amount.start))
    known = default_bank_book() if book is None else book
    banks = tuple((mention.start, mention.end) for mention in known.mentions(text))
    ground = ground_of(plain, dates, banks, amounts)
    return tuple(told(text, ground, amounts, cells))


def find_cells(plain: str) -> Iterator[Cell]:
    """The lines of a table, and lines that look the same. A row's label is its last cell before that has no number."""
    label = ""
    for match in CELL.finditer(plain):
        yield Cell(match["name"].strip(), label, match.start("cell"), match.end("cell"), match["way"] in FALLS)
        if not re.search(r"\d", match["cell"]):
            label = match["cell"].strip()


def bare_cells(plain: str, cells: Sequence[Cell]) -> Iterator[Amount]:
    """The cells with a number only whose unit stands in brackets behind the column's name or the row's label."""
    for cell in cells:
        number = BARE_CELL.fullmatch(plain, cell.start, cell.end)
        unit = BRACKET_UNIT.search(cell.name) or BRACKET_UNIT.search(cell.label)
        if number and unit and not is_code(number["number"]):
            value = float(number["number"].replace(",", "").replace("−", "-"))
            yield amount_of(number.start("number"), number.end("number"), value, unit["scale"] or "", unit["unit"])


def told(text: str, ground: Ground, amounts: Sequence[Amount], cells: Sequence[Cell]) -> list[Figure]:
    """The amounts as figures; those that only say how much the figures before them changed become part of those."""
    figures: list[Figure] = []
    ahead: tuple[Change, Amount] | None = None
    changes = find_changes(ground, amounts, cells)
    spans = [(change.start, amount.end) for change, amount in zip(changes, amounts, strict=True) if change]
    for at, (amount, change) in enumerate(zip(amounts, changes, strict=True)):
        before = amounts[at - 1].end if at else 0
        behind = amounts[at + 1].start if at + 1 < len(amounts) else len(text)
        sentence = ground.sentence(amount.start)
        level = figures[-1] if figures and figures[-1].start >= sentence else None
        if change and level and not change.subject:
            back = sum(figure.start >= sentence for figure in figures[-change.of_many :])
            figures[-back] = compared(text, figures[-back], change, amount)
            continue
        if change and not any(changes[at + 1 : at + 2]) and TO_LEVEL.fullmatch(ground.plain, amount.end, behind):
            ahead = change, amount
            continue
        carried = figures[-1].name if figures and figures[-1].start >= begun(ground.stops, amount.start) else ""
        name = name_of(ground, amount, before, amounts[at + 1] if at + 1 < len(amounts) else None, carried)
        figure = figure_of(text, amount, cell_of(cells, amount), name, date_of(ground, amount, spans))
        if ahead:
            first, moved = ahead
            figure = compared(text, replace(figure, name=first.subject or carried), first, moved)
            ahead = None
        elif change:
            name = change.subject or name_before(ground, change.start) or figure.name
            figure = compared(text, replace(figure, name=name), change, amount)
        figures.append(figure)
    return figures


def find_changes(ground: Ground, amounts: Sequence[Amount], cells: Sequence[Cell]) -> list[Change | None]:
    """For each amount the change that it states, if it does. In a list (下降0.31和0.03个百分点) all state it."""
    found: list[Change | None] = []
    for at, amount in enumerate(amounts):
        before = amounts[at - 1].end if at else 0
        behind = amounts[at + 1].start if at + 1 < len(amounts) else len(ground.plain)
        last = found[-1] if found else None
        if last and LISTED.fullmatch(ground.plain, before, amount.start):
            found.append(replace(last, of_many=max(last.of_many - 1, 1)))
            continue
        change = None if cell_of(cells, amount) else change_of(ground, amount, before, behind)
        if change and "分别" in ground.plain[max(change.start - 3, 0) : amount.start]:
            change = replace(change, of_many=1 + listed_after(ground.plain, amounts[at:]))
        found.append(change)
    return found


def listed_after(plain: str, amounts: Sequence[Amount]) -> int:
    """How many amounts follow the first in a list."""
    pairs = zip(amounts, amounts[1:], strict=False)
    return len(list(takewhile(lambda pair: LISTED.fullmatch(plain, pair[0].end, pair[1].start), pairs)))


def cell_of(cells: Sequence[Cell], amount: Amount) -> Cell | None:
    """The cell that holds the amount and nothing else."""
    at = bisect_right(cells, amount.start, key=lambda cell: cell.start) - 1
    if at < 0 or amount.start < cells[at].start or amount.end > cells[at].end:
        return None
    cell = cells[at]
    return cell if cell.end - cell.start - (amount.end - amount.start) <= 2 else None


def figure_of(text: str, amount: Amount, cell: Cell | None, name: str, date: Date | None) -> Figure:
    """The figure of an amount, before its changes are known."""
    unit, comparison, change, change_unit = amount.unit, "", None, ""
    if cell:
        name = cell_name(cell)
        if CHANGE_COLUMN.match(cell.name) and cell.label:
            comparison, change_unit = cell.name, amount.unit
            change = -abs(amount.value) if cell.falls else amount.value
    unit = unit or next((usual for usual, names in USUAL_UNITS if names.search(name)), "")
    if amount.origin is not None:
        comparison = text[amount.origin_at : amount.end]
        change = float(f"{amount.value - amount.origin:.12g}")
        change_unit = "个百分点" if unit == "%" else unit
    as_of, day = (date.text, date.last) if date else ("", "")
    written = text[amount.start : amount.end]
    return Figure(
        amount.start, amount.end, written, amount.value, unit, name, as_of, day, comparison, change, change_unit
    )


def cell_name(cell: Cell) -> str:
    """What a cell measures: its column's name, or its row's label where the column is a date, a share or a change."""
    column = BRACKET_UNIT.sub("", cell.name).strip()
    dated = any(date.start <= 1 for date in find_dates(column))
    if cell.label and (dated or column in PORTIONS or CHANGE_COLUMN.match(column)):
        return BRACKET_UNIT.sub("", cell.label).strip()
    return column


def change_of(ground: Ground, amount: Amount, before: int, behind: int) -> Change | None:
    """The change that a number states: 较年初增加18.3%, 是去年的3倍; None for a number that is none."""
    if amount.origin is not None:
        return None
    plain = ground.plain
    begin = max(ground.clause(amount.start), before, amount.start - 60)
    stretch = plain[begin : amount.start].rstrip()
    times = TIMES.search(stretch) if amount.unit == "倍" else None
    if times:
        return Change(begin + times.start(), words_between(ground, begin, begin + times.start()), 0)
    above = BEYOND.search(stretch) if amount.unit == "个百分点" else None
    if above:
        subject = words_between(ground, begin, begin + above.start())
        return Change(begin + above.start(), subject, -1 if above[0].startswith("低") else 1)
    rest = without(stretch, FILL)
    verb = next((verb for verb in VERBS if rest.endswith(verb)), "")
    if not verb:
        return None
    head = without(rest[: len(rest) - len(verb)], HOW)
    comparator = COMPARED.search(head)
    if not comparator and begin > ground.sentence(amount.start) and plain[begin - 1] in "，,":
        earlier = max(ground.clause(begin - 1), before)
        comparator = None if head.strip() else COMPARED.search(plain[earlier : begin - 1])
        begin = earlier if comparator else begin
    sign = -1 if verb in FALLS else 1
    if comparator:
        at = begin + comparator.start()
        return Change(at, words_between(ground, begin, at), sign)
    if len(verb) == 1 and head.strip() or verb in ("多", "少", "高", "低") or name_after(ground, amount, behind):
        return None
    subject = words_between(ground, begin, begin + len(head))
    if subject and verb in RATES:
        return None
    return Change(begin + len(rest) - len(verb), subject, sign)


def without(words: str, endings: Sequence[str]) -> str:
    """Words without any of these at their end."""
    while True:
        words = words.rstrip()
        ending = next((ending for ending in endings if words.endswith(ending)), None)
        if not ending:
            return words
        words = words[: -len(ending)]


def compared(text: str, figure: Figure, change: Change, amount: Amount) -> Figure:
    """The figure with a change; a second one only goes on with the words of the first."""
    if figure.comparison:
        at = text.rfind(figure.comparison, 0, amount.start)
        return replace(figure, comparison=text[at : amount.end])
    comparison = text[change.start : amount.end]
    if not change.sign:
        return replace(figure, comparison=comparison)
    # 下降-3.5% tells the fall twice
    value = -abs(amount.value) if change.sign < 0 else amount.value
    return replace(figure, comparison=comparison, change=value, change_unit=amount.unit)


def date_of(ground: Ground, amount: Amount, changes: Sequence[tuple[int, int]]) -> Date | None:
    """The date that an amount holds for: in brackets behind it, or the nearest in its sentence, or before that.

    `changes` are stretches that tell of changes, whose dates hold for those alone. Of earlier sentences of the
    paragraph only dates of a state (截至2016年末) and those that open a sentence hold on.
    """
    at = bisect_right(ground.dates, amount.start, key=lambda date: date.start)
    behind = ground.dates[at] if at < len(ground.dates) else None
    if (
        behind
        and BRACKET_DATE.fullmatch(ground.plain, amount.end, behind.start)
        and ground.plain[behind.end : behind.end + 1] in ("）", ")")
    ):
        return behind
    sentence = begun(ground.stops, amount.start)
    paragraph = ground.plain.rfind("\n", 0, sentence) + 1
    for date in reversed(ground.dates[:at]):
        if date.start < paragraph:
            return None
        if ground.plain[date.end : amount.start] in ("（", "(", "的"):
            return date
        if is_founding(ground.plain, date) or is_compared(ground.plain, date) or within_origin(amount, date):
            continue
        if inside(changes, date.start):
            continue
        if date.start >= sentence or (
            governs(ground, date) and not SURVEY.search(ground.plain, sentence, amount.start)
        ):
            return date
    return None


def is_founding(plain: str, date: Date) -> bool:
    """Whether a date tells only when somebody was founded, which dates none of his figures."""
    return bool(FOUNDED.search(plain, max(date.start - 6, 0), date.start) or FOUNDED.match(plain, date.end))


def within_origin(amount: Amount, date: Date) -> bool:
    """Whether a date belongs to what a number moved from: 由上年末的1.7%降至1.53%."""
    return amount.origin is not None and amount.origin_at <= date.start < amount.origin_end


def governs(ground: Ground, date: Date) -> bool:
    """Whether a date holds for the sentences after its own: 截至2016年末, or 2022年， at the start of a sentence."""
    if date.year is None:
        return False
    plain = ground.plain
    if STATE.search(plain, max(date.start - 4, 0), date.start) or date.text.endswith(("末", "底")):
        return True
    return date.start - ground.sentence(date.start) <= 1 and plain[date.end : date.end + 1] in ("，", ",")
