"""A question → the grid: banks or topics down, dimensions or years across, in each cell count and best quote."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kb.catalogue import Catalogue
from kb.errors import BadQuery
from kb.evidence import STANDS_OUT, Evidence, Finding, gather
from kb.records import Citation, Document, Filters
from kb.search import Library
from kb.store import Store

MAX_ROWS = 100
SHOWN_ROWS = 20
"""How many rows a grid has unless told: those with most evidence; the rest are counted."""

INDUSTRY = "行业整体"
NO_TOPIC = "未归主题"
NO_DIMENSION = "未归维度"
NO_YEAR = "年份不详"


class Rows(StrEnum):
    """What stands down the side."""

    BANK = "bank"
    TOPIC = "topic"


class Columns(StrEnum):
    """What stands along the top. A year is that of the report."""

    DIMENSION = "dimension"
    YEAR = "year"


class State(StrEnum):
    """Of a cell: something is found; passages there have the question's words, but none stands out; nothing is found;
    the library has no passage there in which to find it."""

    FOUND = "found"
    WEAK = "weak"
    NOT_FOUND = "not_found"
    NOT_HELD = "not_held"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a row or column. `key` is empty for what is about no bank, of no topic, dimension or known year.

    `banks` are the names that a row about a bank stands for: its own, and where the bank was asked for, those of what
    it was or became.
    """

    key: str
    label: str
    banks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """What was found of a row in a column, best first; of passages that say the same, the best. `weak` is what only has
    the question's words; `held` tells whether the library has passages there at all. Without a question `passages`
    counts them, and nothing is to be found."""

    held: bool
    findings: tuple[Finding, ...] = ()
    weak: tuple[Finding, ...] = ()
    passages: int = 0

    @property
    def count(self) -> int:
        """How many passages are evidence; without a question, how many there are."""
        return len(self.findings) or self.passages

    @property
    def shown(self) -> tuple[Finding, ...]:
        """What there is to show: the evidence, or else what is weak."""
        return self.findings or self.weak

    @property
    def best(self) -> Citation | None:
        """The best quote with its citation."""
        return self.shown[0].citation if self.shown else None

    @property
    def state(self) -> State:
        """Whether anything is found, or could be."""
        if self.count:
            return State.FOUND
        if self.weak:
            return State.WEAK
        return State.NOT_FOUND if self.held else State.NOT_HELD


@dataclass(frozen=True, slots=True)
class GridRow:
    """A row: its head, its cells in the order of the columns, and how many passages its cells count in all."""

    head: Head
    cells: tuple[Cell, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid of a question. `passages` counts all its evidence, `left_out` the rows beyond those that are shown.

    Without a question (`kb.holdings`) that of its `evidence` is empty, and all passages that match count.
    """

    evidence: Evidence
    rows_are: Rows
    columns_are: Columns
    columns: tuple[Head, ...]
    rows: tuple[GridRow, ...]
    passages: int
    left_out: int = 0

    @property
    def asks(self) -> bool:
        """Whether it is that of a question."""
        return bool(self.evidence.question)


def make_grid(
    library: Library,
    question: str,
    filters: Filters,
    rows: Rows = Rows.BANK,
    columns: Columns | None = None,
    top: int = SHOWN_ROWS,
    cut: float = STANDS_OUT,
) -> Grid:
    """The grid of a question; columns are dimensions unless told, or years where rows are topics.

    A bank or topic that the filters ask for has a row whatever is found, and so has a bank that the question names.
    Raises BadQuery, UnknownName, and NothingMatches where no passage matches the filters, those for banks aside.
    """
    columns = check_shape(rows, columns, top)
    evidence = gather(library, question, filters, cut)
    documents = searched_documents(library, evidence)
    across = Across(library, evidence, documents, columns)
    asked = asked_heads(library, evidence, filters, rows)
    by_row = sort_into_rows(library, evidence, evidence.findings, rows, asked)
    weak = sort_into_rows(library, evidence, evidence.weak, rows, asked)
    shown = [*asked, *order_rows(by_row, asked)]
    kept = shown_rows(shown, max(top, len(asked)))
    made = tuple(make_row(head, by_row.get(head, ()), weak.get(head, ()), across) for head in kept)
    return Grid(evidence, rows, columns, across.heads, made, count_groups(evidence.findings), len(shown) - len(kept))


def check_shape(rows: Rows, columns: Columns | None, top: int) -> Columns:
    """The columns of a grid: those asked for, else those that go with its rows. Raises BadQuery."""
    columns = columns or (Columns.DIMENSION if rows is Rows.BANK else Columns.YEAR)
    if (rows, columns) == (Rows.TOPIC, Columns.DIMENSION):
        raise BadQuery("every topic is of one dimension: rows of topics go with columns of years; take columns year")
    if not 1 <= top <= MAX_ROWS:
        raise BadQuery(f"top is {top} rows, it goes from 1 to {MAX_ROWS}")
    return columns


def shown_rows(heads: Sequence[Head], most: int) -> list[Head]:
    """The first heads of ordered rows, and the last one where it is about no bank: that is no bank to be left out."""
    kept = list(heads[:most])
    return [*kept, heads[-1]] if len(kept) < len(heads) and not heads[-1].key else kept


def searched_documents(library: Library, evidence: Evidence) -> list[Document]:
    """The live reports that the filters for years and reports leave."""
    return left_documents(library.store, evidence.filters.year, evidence.reports)


def left_documents(store: Store, years: Sequence[int], reports: Sequence[str]) -> list[Document]:
    """The live reports of these years, all where there are none, and with these ids, if any."""
    return [
        document
        for document in store.documents()
        if (not years or document.year in years) and (not reports or document.id in reports)
    ]


class Across:
    """The columns of a grid, and which passages the library has in each."""

    def __init__(self, library: Library, evidence: Evidence, documents: Sequence[Document], columns: Columns) -> None:
        self._library = library
        self._evidence = evidence
        self.by_year = columns is Columns.YEAR
        loose = any(not finding.passage.dimension for finding in evidence.findings)
        sides = dimension_heads(library.catalogue, evidence.filters, loose)
        self.heads = year_heads(documents) if self.by_year else sides
        self._held = [self._rows_of_year(head, documents) for head in self.heads] if self.by_year else []

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the columns."""
        return tuple(head.key for head in self.heads)

    def key_of(self, finding: Finding) -> str:
        """The key of the column that a finding stands in."""
        return str(finding.document.year or "") if self.by_year else finding.passage.dimension

    def held(self, head: Head) -> list[bool]:
        """For each column whether the library has passages of a row there."""
        if not head.key:
            return [True] * len(self.heads)
        scope = self._evidence.scope
        wanted = Filters(head.banks, (), () if head.banks else (head.key,), scope.year, scope.report)
        rows = set(self._library.store.matching_rows(wanted, self._evidence.reports))
        return [not rows.isdisjoint(held) for held in self._held] if self.by_year else [bool(rows)] * len(self.heads)

    def _rows_of_year(self, head: Head, documents: Sequence[Document]) -> list[int]:
        ids = tuple(document.id for document in documents if str(document.year or "") == head.key)
        return self._library.store.matching_rows(Filters(report=ids), ids)


def year_heads(documents: Iterable[Document]) -> tuple[Head, ...]:
    """A column for each year of a report, the earliest first, and one for reports without a year."""
    years = {document.year for document in documents}
    known = tuple(Head(str(year), str(year)) for year in sorted(filter(None, years)))
    return (*known, Head("", NO_YEAR)) if None in years else known


def dimension_heads(catalogue: Catalogue, filters: Filters, loose: bool) -> tuple[Head, ...]:
    """A column for each dimension, or for those of the filters; and where something is `loose`, one for none."""
    names = filters.dimension or tuple(side.id for side in catalogue.taxonomy.dimensions)
    known = tuple(Head(name, name) for name in names)
    return (*known, Head("", NO_DIMENSION)) if loose else known


def asked_heads(library: Library, evidence: Evidence, filters: Filters, rows: Rows) -> list[Head]:
    """The rows that are there whatever is found: what the filters ask for, and banks that the question names."""
    banks = filters.bank or evidence.understood.banks
    return wanted_heads(library.catalogue, rows, banks, evidence.filters.topic)


def wanted_heads(catalogue: Catalogue, rows: Rows, banks: Sequence[str], topics: Sequence[str]) -> list[Head]:
    """The rows of topics, or of banks by any name.

    A bank stands for what it was and became too, but each name only once.
    """
    if rows is Rows.TOPIC:
        return [topic_head(catalogue, topic) for topic in dict.fromkeys(topics)]
    lines = {catalogue.bank_names(name)[0]: catalogue.bank_names(name) for name in banks}
    heads: list[Head] = []
    for name, line in lines.items():
        taken = {*lines, *(bank for head in heads for bank in head.banks)} - {name}
        heads.append(Head(name, name, tuple(bank for bank in line if bank not in taken)))
    return heads


def topic_head(catalogue: Catalogue, topic: str) -> Head:
    """The head of a topic's row."""
    labels = {known.id: known.label for known in catalogue.taxonomy.topics}
    return Head(topic, labels.get(topic, topic) if topic else NO_TOPIC)


def sort_into_rows(
    library: Library, evidence: Evidence, findings: Iterable[Finding], rows: Rows, asked: Sequence[Head]
) -> dict[Head, list[Finding]]:
    """The findings of each row, in their order. A passage of several topics stands under each."""
    head_of = bank_head_by({bank: head for head in asked for bank in head.banks})
    by_row: dict[Head, list[Finding]] = {}
    for finding in findings:
        if rows is Rows.BANK:
            heads = [head_of(finding.bank)]
        else:
            wanted = evidence.filters.topic
            topics = [topic for topic in finding.passage.topics if not wanted or topic in wanted]
            heads = [topic_head(library.catalogue, topic) for topic in topics or [""]]
        for head in heads:
            by_row.setdefault(head, []).append(finding)
    return by_row


def bank_head_by(asked: Mapping[str, Head]) -> Callable[[str], Head]:
    """Tells the head of a bank's row: the one that was asked for, else the bank's own."""

    def head_of(bank: str) -> Head:
        return asked.get(bank) or Head(bank, bank or INDUSTRY, (bank,) if bank else ())

    return head_of


def order_rows(by_row: Mapping[Head, Sequence[Finding]], asked: Sequence[Head]) -> list[Head]:
    """The heads of rows that were not asked for: most evidence first, then the best; the one without a key last."""
    rest = [head for head in by_row if head not in asked]
    return sorted(rest, key=lambda head: (not head.key, -count_groups(by_row[head]), -by_row[head][0].score))


def count_groups(findings: Iterable[Finding]) -> int:
    """How many findings say something of their own."""
    return len({finding.group for finding in findings})


def make_row(head: Head, findings: Sequence[Finding], weak: Sequence[Finding], across: Across) -> GridRow:
    """A row with its cells."""
    strong, faint = ([one_a_group(within(found, key, across)) for key in across.keys] for found in (findings, weak))
    cells = tuple(map(Cell, across.held(head), strong, faint))
    return GridRow(head, cells, count_groups(findings))


def within(findings: Iterable[Finding], key: str, across: Across) -> Iterator[Finding]:
    """The findings of a column."""
    return (finding for finding in findings if across.key_of(finding) == key)


def one_a_group(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The best of findings that say the same, in their order."""
    best: dict[int, Finding] = {}
    for finding in findings:
        best.setdefault(finding.group, finding)
    return tuple(best.values())
