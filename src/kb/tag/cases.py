"""Tagged passages of one document → the cases that they make up: what one bank did, told in parts."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import pairwise

from kb.banks import BankBook
from kb.marks import BULLET, CAPTION, NUMBERED
from kb.records import Case, CasePart, Kind, Passage
from kb.tag.cells import Cell, cells_of, lines_of
from kb.tag.roles import SPEAKER_HEADING, VOICES, column_role, first_words, label_role, tells_effect
from kb.words import hashed

CASE_LABEL = re.compile("案例|他山之石|最佳实践|先进(?:经验|做法)")
"""In a heading: what stands below it are cases."""

OF_A_BANK = re.compile("(?<!^)案例$")
"""A label over the cases of one bank (X银行敏捷转型案例): each heading below it is the title of one."""

NO_CASE = re.compile("^关于|简介$|鸣谢|致谢|名单|联系我们|免责|附录|参考文献|编委|编者|团队信息|资料说明|目录$")
SURVEY = re.compile("调研|问卷|受访")
CONTINUED = re.compile(r"\s*[（(](?:续|上|中|下|[一二三四五]|\d(?:/\d)?)[)）]$")
BANK_COLUMN = re.compile("银行|机构|行名|单位|主体|实践者|案例|名称")
CASE_ROLES = frozenset(("背景", "措施", "效果"))

MAX_BANKS = 2
"""A case is of one bank, now and then of two; what names more is a list."""

MAX_PAGES = 8
"""A section that goes on longer is a chapter."""

OWN_SECTIONS, OWN_SHARE = 4, 0.6
"""One bank over so many plain sections, and over this share of them, publishes the report itself."""

MIN_TEXT = 30
"""Less than this under a bank's name, without a label, tells no case."""

MAX_TITLE_CLAUSE = 40
MAX_NAME = 14
"""A line over a list that is no longer is the name of the measures listed."""

MAX_REST = 8
"""A cell that names a bank has up to this many characters beside the name."""

MIN_CELL = 15
"""A cell of a column whose name tells nothing is a part from this many characters."""


class Naming(Enum):
    """How the heading of a section names its bank."""

    CASE = auto()
    """Under a label: 案例：…, 他山之石."""
    TITLE = auto()
    """With what the bank did."""
    BARE = auto()
    """By its name alone."""
    NONE = auto()
    """Not at all."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of a passage's headings name the case: its title's number of headings, counted from the outermost."""

    depth: int
    title: str
    banks: tuple[str, ...]
    naming: Naming


@dataclass(slots=True)
class Section:
    """Passages under one place on pages that follow each other; `index` is the first one's in the document."""

    place: Place
    index: int
    passages: list[Passage] = field(default_factory=list)

    @property
    def pages(self) -> tuple[int, ...]:
        """Its pages, in order."""
        return tuple(sorted({page for passage in self.passages for page in passage.pages}))

    @property
    def banks(self) -> tuple[str, ...]:
        """The banks that its headings name, else those that its passages are about."""
        return self.place.banks or tuple(dict.fromkeys(bank for each in self.passages for bank in each.banks))


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a part begins: in which passage of the case, at its label (`edge`), and behind it (`start`)."""

    number: int
    edge: int
    start: int
    role: str
    label: str


def find_cases(document_id: str, passages: Sequence[Passage], book: BankBook) -> tuple[Case, ...]:
    """The cases of one document, in reading order; its passages come tagged and in reading order too."""
    rows = [
        (index, row_case(document_id, passage, cells, book))
        for index, passage in enumerate(passages)
        if passage.kind is Kind.TABLE
        for cells in rows_of(passage)
    ]
    found = [(index, case) for index, case in rows if case]
    taken = {index for index, _ in found}
    rest = [(index, passage) for index, passage in enumerate(passages) if index not in taken]
    sections = sections_of(rest, book)
    marked = [(section, marks_of(section)) for section in sections]
    own = publisher([section for section, marks in marked if not marks])
    for section, marks in marked:
        if is_case(section, marks, own) and not has_narrower(section, sections):
            found.append((section.index, section_case(document_id, section, marks, passages)))
    return tuple(told_apart(case for _, case in sorted(found, key=lambda each: each[0])))


def told_apart(cases: Iterable[Case]) -> Iterator[Case]:
    """Cases with an id each: two rows of one passage may bear one title."""
    seen: Counter[str] = Counter()
    for case in cases:
        seen[case.id] += 1
        again = f"{case.id}\n{seen[case.id]}"
        yield case if seen[case.id] == 1 else replace(case, id=hashed(again))


def sections_of(passages: Sequence[tuple[int, Passage]], book: BankBook) -> list[Section]:
    """The sections that may be cases, in order; quotations stand in none."""
    places: dict[tuple[str, ...], Place | None] = {}
    sections: dict[tuple[object, ...], list[Section]] = {}
    for index, passage in passages:
        if passage.kind is Kind.QUOTE:
            continue
        if passage.heading not in places:
            places[passage.heading] = named_place(passage.heading, book) or unnamed_place(passage.heading)
        place = places[passage.heading] or (Place(len(passage.heading), "", (), Naming.NONE))
        path = tuple(CONTINUED.sub("", heading) for heading in passage.heading[: place.depth])
        under = sections.setdefault((path, place.banks), [])
        if not under or passage.pages[0] > under[-1].pages[-1] + 1:
            under.append(Section(place, index))
        under[-1].passages.append(passage)
    return sorted((section for under in sections.values() for section in under), key=lambda section: section.index)


def named_place(path: tuple[str, ...], book: BankBook) -> Place | None:
    """The place of a case by the heading that names its bank: the innermost one, or one above of the same bank."""
    named = [(depth, banks_in(heading, book)) for depth, heading in enumerate(path, 1) if not CAPTION.match(heading)]
    named = [(depth, banks) for depth, banks in named if banks]
    if not named:
        return None
    depth, banks = named[-1]
    for above, others in reversed(named):
        if others != banks or CASE_LABEL.search(path[depth - 1]):
            break
        depth = above
    title = path[depth - 1]
    if OF_A_BANK.search(title) and depth < len(path) and not is_part_heading(path[depth]):
        title, depth = joined_title(title, path[depth]), depth + 1
    if any(CASE_LABEL.search(heading) for heading in path[:depth]):
        naming = Naming.CASE
    else:
        naming = Naming.BARE if is_bare(path[depth - 1], book) else Naming.TITLE
    return Place(depth, title, banks, naming)


def unnamed_place(path: tuple[str, ...]) -> Place | None:
    """The place of a case whose headings name no bank: what stands over its label headings, or a heading 案例：…."""
    for depth, heading in enumerate(path[1:], 1):
        if label_role(heading):
            return Place(depth, path[depth - 1], (), Naming.NONE)
    if path and CASE_LABEL.match(path[-1]) and len(path[-1]) > len("他山之石"):
        return Place(len(path), path[-1], (), Naming.CASE)
    return Place(len(path), path[-1], (), Naming.NONE) if path else None


def banks_in(text: str, book: BankBook) -> tuple[str, ...]:
    """The banks that a text names, each once."""
    return tuple(dict.fromkeys(mention.name for mention in book.mentions(text)))


def is_bare(heading: str, book: BankBook) -> bool:
    """Whether a heading is a bank's name and nothing else but a number or a colon."""
    rest = heading
    for mention in reversed(book.mentions(heading)):
        rest = rest[: mention.start] + rest[mention.end :]
    return not re.sub(r"[\W\d_]|[一二三四五六七八九十]、", "", rest)


def is_part_heading(heading: str) -> bool:
    """Whether a heading below a case's title names a part of it, or a table or picture."""
    return bool(label_role(heading) or CAPTION.match(heading))


def joined_title(first: str, second: str) -> str:
    """Two headings as one title."""
    first = first.rstrip("：: 　")
    return f"{first}{'' if first.endswith(('—', '-', '》')) else '：'}{second}"


def publisher(plain: Sequence[Section]) -> str:
    """The bank whose own report this is, by its sections without labels; empty for none."""
    counts = Counter(section.place.banks[0] for section in plain if section.place.naming in (Naming.TITLE, Naming.BARE))
    bank, most = next(iter(counts.most_common(1)), ("", 0))
    return bank if most >= OWN_SECTIONS and most > OWN_SHARE * counts.total() else ""


def is_case(section: Section, marks: Sequence[Mark], own: str) -> bool:
    """Whether a section tells what a bank did, and is no interview, list, chapter or the bank's own report."""
    path, place = section.passages[0].heading, section.place
    if not 1 <= len(section.banks) <= MAX_BANKS or len(section.pages) > MAX_PAGES:
        return False
    if any(NO_CASE.search(heading) for heading in path):
        return False
    labelled = len({mark.role for mark in marks} & CASE_ROLES)
    if place.naming is Naming.NONE:
        return labelled > 1
    if labelled:
        return True
    if any(SPEAKER_HEADING.search(heading) or VOICES.search(heading) for heading in path[: place.depth]):
        return False
    if place.naming is Naming.CASE:
        return True
    length = sum(len(passage.text) for passage in section.passages)
    telling = sum(len(passage.text) for passage in section.passages if passage.role in CASE_ROLES)
    if place.naming is Naming.BARE and (
        2 * telling < length or any(SURVEY.search(heading) for heading in path[: place.depth])
    ):
        return False
    return length >= MIN_TEXT and telling > 0 and place.banks[0] != own


def has_narrower(section: Section, sections: Sequence[Section]) -> bool:
    """Whether a section of two banks only leads over to sections of each of them."""
    depth, banks = section.place.depth, section.place.banks
    path = section.passages[0].heading[:depth]
    return len(banks) > 1 and any(
        set(other.place.banks) < set(banks) and other.passages[0].heading[:depth] == path for other in sections
    )


def marks_of(section: Section) -> list[Mark]:
    """Where its labels begin its parts: headings below its title, and labels in its text."""
    marks: list[Mark] = []
    over = ""
    for number, passage in enumerate(section.passages):
        label = next((each for each in reversed(passage.heading[section.place.depth :]) if label_role(each)), "")
        if label and label != over:
            marks.append(Mark(number, 0, 0, label_role(label), label.rstrip("：: 　")))
        over = label or over
        if passage.kind is not Kind.TABLE:
            marks += text_marks(number, passage)
    if marks and (marks[0].number or marks[0].edge):
        first = section.passages[0].text
        background = any(mark.role == "措施" for mark in marks) and not is_item(first)
        marks.insert(0, Mark(0, 0, 0, "背景" if background else "措施", ""))
    return marks


def text_marks(number: int, passage: Passage) -> list[Mark]:
    """The labels in a passage's text: lines that are one, begin with one, or have one printed beside them.

    A list that follows a background without a label of its own tells the measures.
    """
    text = passage.text
    lines = list(lines_of(text))
    marks: list[Mark] = []
    beside = {span.at: span.at + span.end - span.start for span in passage.spans}
    for at, end in lines:
        line = text[at:end]
        label = first_words(line)
        if label_role(label):
            gap = re.match(r"[：:　\s]*", text[at + len(label) :])
            marks.append(Mark(number, at, at + len(label) + (gap.end() if gap else 0), label_role(label), label))
            continue
        for begin in sorted(place for place in beside if at <= place < end):
            label = text[begin : beside[begin]]
            if label_role(label):
                start = at if begin > at else beside[begin]
                edge = begin if begin == at else first_item(text, lines, marks[-1].start if marks else 0, at)
                marks.append(Mark(number, edge, edge if begin > at else start, label_role(label), label))
    for mark, after in list(pairwise([*marks, Mark(number, len(text), 0, "", "")])):
        if mark.role == "背景" and after.role != "措施":
            item = first_item(text, lines, mark.start, after.edge)
            if mark.start < item < after.edge:
                marks.insert(marks.index(mark) + 1, Mark(number, item, item, "措施", ""))
    return marks


def is_item(line: str) -> bool:
    """Whether a line is a point of a list."""
    return bool(BULLET.match(line) or NUMBERED.match(line))


def first_item(text: str, lines: Sequence[tuple[int, int]], after: int, default: int) -> int:
    """Where the first point of a list begins behind `after` and not behind `default`, or else `default`."""
    return next(
        (at for at, end in lines if after < at <= default and is_item(text[at:end])),
        default,
    )


def section_case(document_id: str, section: Section, marks: Sequence[Mark], passages: Sequence[Passage]) -> Case:
    """The case that a section tells."""
    parts = parts_of(section.passages, marks or unlabelled_marks(section.passages))
    title, above = title_of(section, passages)
    return Case(
        case_id(document_id, section.passages[0], title),
        title,
        section.banks,
        parts,
        section.pages,
        section.passages[0].heading[:above],
    )


def title_of(section: Section, passages: Sequence[Passage]) -> tuple[str, int]:
    """The case's title, and how many headings stand above it.

    Where a bank's name stands alone, the one heading below it is what it did, or the one above that is over nothing
    else.
    """
    place, path = section.place, section.passages[0].heading
    title, above = place.title, place.depth - 1
    if place.naming is not Naming.BARE:
        return title or " ".join(path[-1:]), max(above, 0)
    below = {passage.heading[place.depth : place.depth + 1] for passage in section.passages}
    if len(below) == 1 and (only := "".join(below.pop())) and not is_part_heading(only):
        return joined_title(title, only), above
    if above > 0 and not is_part_heading(path[above - 1]):
        inside = {id(passage) for passage in section.passages}
        if all(id(passage) in inside for passage in passages if passage.heading[:above] == path[:above]):
            return f"{path[above - 1]} {title}", above - 1
    return title, above


def case_id(document_id: str, first: Passage, title: str) -> str:
    """A permanent id: it changes only with the document, the first passage or the title."""
    return hashed("\n".join((document_id, first.id, title)))


def parts_of(passages: Sequence[Passage], marks: Sequence[Mark]) -> tuple[CasePart, ...]:
    """The parts between marks; a label with nothing behind it makes none."""
    parts: list[CasePart] = []
    for mark, after in pairwise([*marks, Mark(len(passages), 0, 0, "", "")]):
        first, last = mark.number, after.number if after.edge else after.number - 1
        start, end = mark.start, None
        if last == after.number:
            end = len(passages[last].text[: after.edge].rstrip())
            if end == 0 or (first == last and end <= start):
                continue
        if first < last and start >= len(passages[first].text):
            first, start = first + 1, 0
        if first > last or start >= len(passages[first].text):
            continue
        identities = tuple(passage.id for passage in passages[first : last + 1])
        parts.append(CasePart(mark.role, mark.label, identities, start, end))
    return tuple(parts)


def unlabelled_marks(passages: Sequence[Passage]) -> list[Mark]:
    """The parts of a case without labels: all of it 措施, but for what tells the effect."""
    name, start = list_name(passages[0].text)
    marks = [Mark(0, 0, start, "措施", name)]

    def add(number: int, at: int, role: str) -> None:
        if marks[-1].role != role:
            marks.append(Mark(number, at, at, role, ""))

    last = len(passages) - 1
    for number, passage in enumerate(passages):
        at = len(passage.text)
        if passage.kind is not Kind.TABLE and (number == last or passage.role == "效果"):
            at = effect_at(passage.text)
        if passage.role == "效果" and at == len(passage.text):
            at = 0
        if at:
            add(number, 0, "措施")
        if at < len(passage.text) and (at or number):
            add(number, at, "效果")
    return marks


def list_name(text: str) -> tuple[str, int]:
    """The short line over a list that begins a text, and where the list begins; nothing and 0 where there is none."""
    line, _, rest = text.partition("\n")
    named = len(line) <= MAX_NAME and BULLET.match(rest) and not re.search("[，。；：]", line) and not is_item(line)
    return (line, len(line) + 1) if named else ("", 0)


def effect_at(text: str) -> int:
    """Where the sentences begin that tell the effect at a text's end; its length where there are none."""
    found = len(text)
    for hit in reversed(list(re.finditer(r"[^。；\n]+[。；\n]*", text))):
        if not tells_effect(hit[0]) or is_item(hit[0]):
            break
        found = hit.start()
    return found


def rows_of(passage: Passage) -> Iterator[list[Cell]]:
    """The rows of a table passage, as cells behind their columns' names; lines without a name are in none."""
    row: list[Cell] = []
    for cell in cells_of(passage):
        if row and cell.name == row[0].name:
            yield row
            row = []
        row.append(cell)
    if row:
        yield row


def row_case(document_id: str, passage: Passage, cells: Sequence[Cell], book: BankBook) -> Case | None:
    """The case of a table row that is about one bank, with its columns for parts; None if it is no such row."""
    text = passage.text
    who = next((cell for cell in cells if names_bank(text[cell.start : cell.end], cell.name, book)), None)
    told = [(cell, cell_role(text, cell)) for cell in cells if cell is not who]
    told = [(cell, role) for cell, role in told if role]
    if who is None or not any(column_role(cell.name) in ("措施", "效果") for cell, _ in told):
        return None
    parts: list[CasePart] = []
    for cell, role in told:
        split = cell.end
        if role == "措施" and column_role(cell.name.rpartition("与")[2]) == "效果":
            split = cell.start + effect_at(text[cell.start : cell.end])
        bounds = ((role, cell.start, split), ("效果", split, cell.end))
        parts += [CasePart(each, cell.name, (passage.id,), start, end) for each, start, end in bounds if start < end]
    title = text[who.start : who.end]
    clause = text[told[0][0].start : told[0][0].end]
    if len(clause) > MAX_TITLE_CLAUSE:
        clause = re.split("[：:，,。；;]", clause)[0]
    if clause and len(clause) <= MAX_TITLE_CLAUSE and not clause.startswith(title):
        title = joined_title(title, clause)
    banks = banks_in(text[who.start : who.end], book)
    return Case(
        case_id(document_id, passage, title), title, banks, tuple(parts), tuple(sorted(passage.pages)), passage.heading
    )


def names_bank(cell: str, column: str, book: BankBook) -> bool:
    """Whether a cell of a column of banks names one bank, or two, and little else."""
    mentions = book.mentions(cell)
    rest = len(cell) - sum(mention.end - mention.start for mention in mentions)
    return bool(BANK_COLUMN.search(column)) and 1 <= len(banks_in(cell, book)) <= MAX_BANKS and rest <= MAX_REST


def cell_role(text: str, cell: Cell) -> str:
    """The role of a cell by its column's name, else by what it tells; empty for a short one."""
    told = text[cell.start : cell.end]
    if role := column_role(cell.name):
        return role
    if len(told) < MIN_CELL:
        return ""
    return "效果" if tells_effect(told) else "措施"
