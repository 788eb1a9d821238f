"""What the library holds without a question asked: its banks, the grid of their passages, passages in reading order."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from kb.catalogue import Catalogue, Part
from kb.evidence import Evidence
from kb.grid import (
    SHOWN_ROWS,
    Cell,
    Columns,
    Grid,
    GridRow,
    Head,
    Rows,
    bank_head_by,
    check_shape,
    dimension_heads,
    left_documents,
    shown_rows,
    topic_head,
    wanted_heads,
    year_heads,
)
from kb.records import Field, Filters, Understood
from kb.store import StoredPassage


@dataclass(frozen=True, slots=True)
class BankEntry:
    """A bank that live passages are about, and how many.

    `kind` and `aliases` (former names too) are empty for a bank that is not listed. `dimensions` counts passages for
    each dimension of the taxonomy, none included; `years` are those of the reports that it has passages in.
    """

    name: str
    kind: str
    region: str
    aliases: tuple[str, ...]
    passages: int
    cases: int
    dimensions: Mapping[str, int]
    years: tuple[int, ...]


def bank_entries(catalogue: Catalogue) -> tuple[BankEntry, ...]:
    """Every bank that live passages are about, those of most passages first."""
    store = catalogue.store
    years, sides = store.report_years(), dimension_by_row(catalogue)
    cases = Counter(bank for banks in store.case_banks() for bank in banks)
    tagged = {bank: [row for row in rows if row in years] for bank, rows in store.tagged_rows(Field.BANK).items()}
    entries = (
        bank_entry(catalogue, bank, [sides.get(row, "") for row in rows], {years[row] for row in rows}, cases[bank])
        for bank, rows in tagged.items()
        if rows
    )
    return tuple(sorted(entries, key=lambda entry: (-entry.passages, entry.name)))


def dimension_by_row(catalogue: Catalogue) -> dict[int, str]:
    """The dimension of each passage that has one."""
    return {row: side for side, rows in catalogue.store.tagged_rows(Field.DIMENSION).items() for row in rows}


def bank_entry(
    catalogue: Catalogue, name: str, sides: Iterable[str], years: Iterable[int | None], cases: int
) -> BankEntry:
    """The entry of a bank by the dimension of each of its passages, and the years of their reports."""
    listed, found = catalogue.book.bank(name), Counter(sides)
    dimensions = {side.id: found[side.id] for side in catalogue.taxonomy.dimensions}
    return BankEntry(
        name=name,
        kind=listed.kind if listed else "",
        region=listed.region if listed else catalogue.book.region(name),
        aliases=(*listed.aliases, *listed.former) if listed else (),
        passages=found.total(),
        cases=cases,
        dimensions=dimensions,
        years=tuple(sorted(year for year in set(years) if year is not None)),
    )


def browse(catalogue: Catalogue, filters: Filters, limit: int | None = None, offset: int = 0) -> Part[StoredPassage]:
    """The live passages that match, in reading order, those of the newest reports first.

    Raises UnknownName, and NothingMatches where filters match none.
    """
    found = catalogue.matching_rows(*catalogue.resolve(filters), newest=True)
    return Part(len(found), tuple(catalogue.store.passages_by_row(found[offset:][:limit])))


def holdings(
    catalogue: Catalogue,
    filters: Filters,
    rows: Rows = Rows.BANK,
    columns: Columns | None = None,
    top: int = SHOWN_ROWS,
) -> Grid:
    """The grid of no question: how many live passages of each bank or topic there are in each dimension or year.

    A bank or topic that the filters ask for has a row whatever there is of it. A passage of several banks or topics
    counts in the row of each. Raises BadQuery, UnknownName, and NothingMatches where no passage matches the filters,
    those for banks aside.
    """
    columns = check_shape(rows, columns, top)
    known, reports = catalogue.resolve(filters)
    catalogue.matching_rows(replace(known, bank=()), reports)
    asked = wanted_heads(catalogue, rows, filters.bank, known.topic)
    held = set(catalogue.store.matching_rows(known, reports))
    by_head = rows_by_head(catalogue, rows, asked, held)
    rest = sorted(by_head.keys() - set(asked), key=lambda head: (not head.key, -len(by_head[head]), head.label))
    shown = [*asked, *rest]
    kept = shown_rows(shown, max(top, len(asked)))
    column_of = column_by_row(catalogue, columns, held)
    if columns is Columns.YEAR:
        heads = year_heads(left_documents(catalogue.store, known.year, reports))
    else:
        heads = dimension_heads(catalogue, known, loose="" in column_of.values())
    made = tuple(count_row(head, by_head.get(head, set()), column_of, heads) for head in kept)
    evidence = Evidence("", known, reports, Understood(), confidence=0.0, abstained=False)
    return Grid(evidence, rows, columns, heads, made, len(held), len(shown) - len(kept))


def rows_by_head(catalogue: Catalogue, rows: Rows, asked: Iterable[Head], held: set[int]) -> dict[Head, set[int]]:
    """Which of the held passages stand in each row; where rows were asked for, in those alone.

    What has no bank or topic stands in the row without a key.
    """
    wanted = {key: head for head in asked for key in head.banks or (head.key,)}
    head_of = bank_head_by(wanted) if rows is Rows.BANK else partial(topic_head, catalogue)
    tagged = catalogue.store.tagged_rows(Field.BANK if rows is Rows.BANK else Field.TOPIC)
    found: dict[Head, set[int]] = {}
    for value, with_it in tagged.items():
        if not wanted or value in wanted:
            found.setdefault(head_of(value), set()).update(held.intersection(with_it))
    loose = set() if wanted else held.difference(*tagged.values())
    return {head: inside for head, inside in (*found.items(), (head_of(""), loose)) if inside}


def column_by_row(catalogue: Catalogue, columns: Columns, held: set[int]) -> dict[int, str]:
    """The key of the column that each held passage stands in."""
    if columns is Columns.YEAR:
        years = catalogue.store.report_years()
        return {row: str(years[row] or "") for row in held}
    sides = dimension_by_row(catalogue)
    return {row: sides.get(row, "") for row in held}


def count_row(head: Head, rows: set[int], column_of: Mapping[int, str], heads: Iterable[Head]) -> GridRow:
    """A row with how many passages there are in each of its cells."""
    counts = Counter(column_of[row] for row in rows)
    cells = tuple(Cell(bool(counts[column.key]), passages=counts[column.key]) for column in heads)
    return GridRow(head, cells, len(rows))
