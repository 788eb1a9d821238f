"""A question → how each year's reports, each report or each bank spoke of it, and figures that several years state."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kb.cite import cite
from kb.errors import BadQuery, QuoteNotFound
from kb.evidence import Evidence, gather
from kb.grid import (
    Cell,
    Head,
    Rows,
    asked_heads,
    count_groups,
    one_a_group,
    order_rows,
    searched_documents,
    sort_into_rows,
    year_heads,
)
from kb.question import squeeze
from kb.records import Citation, Document, Figure, Filters
from kb.search import Library
from kb.store import StoredFigure

QUOTES = 3
"""How many quotes a group shows unless told."""

MAX_QUOTES = 20
MAX_BANKS = 20
"""How many banks are compared: those with most evidence; the rest are counted."""

MAX_FIGURES = 20
"""How many figures stand side by side: those that most years state; the rest are counted."""


OWN = re.compile(r"^(?:期末|年末|其|全行|本行|我行|该行)+(?=.)")
"""What a name may begin with and be the same without: 期末拨备覆盖率."""


class By(StrEnum):
    """What is compared. A year is that of the report."""

    YEAR = "year"
    BANK = "bank"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Group:
    """What one year, bank or report says; `cell` has all of it, best first."""

    head: Head
    cell: Cell


@dataclass(frozen=True, slots=True)
class YearFigure:
    """A figure in its year: that of its date where it is `dated`, else that of the report which states it."""

    year: int
    dated: bool
    figure: Figure
    document: Document
    citation: Citation


@dataclass(frozen=True, slots=True)
class SameFigure:
    """One figure, of the same name, unit and banks, as several years have it; a year may have several values."""

    name: str
    unit: str
    banks: tuple[str, ...]
    values: tuple[YearFigure, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was said of a question, side by side. `quotes` is how many of a group's findings are to be shown.

    `passages` counts all evidence, `left_out` the banks and `more_figures` the figures beyond those that are shown;
    `dropped` the quotes and figures that were not found again on their pages.
    """

    evidence: Evidence
    by: By
    groups: tuple[Group, ...]
    figures: tuple[SameFigure, ...]
    quotes: int
    passages: int
    left_out: int
    more_figures: int
    dropped: int


def compare(library: Library, question: str, filters: Filters, by: By = By.YEAR, quotes: int = QUOTES) -> Comparison:
    """What each year, bank or report says to a question.

    Raises BadQuery, UnknownName, and NothingMatches where no passage matches the filters, those for banks aside.
    """
    if not 1 <= quotes <= MAX_QUOTES:
        raise BadQuery(f"top is {quotes} quotes, it goes from 1 to {MAX_QUOTES}")
    evidence = gather(library, question, filters)
    groups, left_out = by_bank(library, evidence, filters) if by is By.BANK else (by_report(library, evidence, by), 0)
    same, dropped = same_figures(library, evidence)
    shown = same[:MAX_FIGURES]
    passages = count_groups(evidence.findings)
    more = len(same) - len(shown)
    return Comparison(evidence, by, groups, shown, quotes, passages, left_out, more, evidence.dropped + dropped)


def by_report(library: Library, evidence: Evidence, by: By) -> tuple[Group, ...]:
    """A group for each report that was searched, the earliest first, or for each of their years."""
    documents = sorted(searched_documents(library, evidence), key=lambda document: (document.year or 9999, document.id))
    if by is By.REPORT:
        sides = [(Head(document.id, document.title), [document]) for document in documents]
    else:
        heads = year_heads(documents)
        sides = [(head, [one for one in documents if str(one.year or "") == head.key]) for head in heads]
    return tuple(group_of(library, evidence, head, {one.id for one in within}) for head, within in sides)


def group_of(library: Library, evidence: Evidence, head: Head, reports: set[str]) -> Group:
    """What some reports say; it is held where they have a passage of the banks that the filters ask for."""
    ids = tuple(reports)
    held = library.store.matching_rows(Filters(bank=evidence.filters.bank, report=ids), ids)
    strong, weak = (
        one_a_group(finding for finding in findings if finding.document.id in reports)
        for findings in (evidence.findings, evidence.weak)
    )
    return Group(head, Cell(bool(held), strong, weak))


def by_bank(library: Library, evidence: Evidence, filters: Filters) -> tuple[tuple[Group, ...], int]:
    """A group for each bank, those asked for first, then those with most evidence; and how many are left out."""
    asked = asked_heads(library, evidence, filters, Rows.BANK)
    found, weak = (
        sort_into_rows(library, evidence, findings, Rows.BANK, asked) for findings in (evidence.findings, evidence.weak)
    )
    heads = [*asked, *order_rows(found, asked)]
    kept = heads[: max(MAX_BANKS, len(asked))]
    groups = []
    for head in kept:
        scope = Filters(bank=head.banks, year=evidence.scope.year, report=evidence.scope.report)
        held = bool(found.get(head)) or bool(library.store.matching_rows(scope, evidence.reports))
        groups.append(Group(head, Cell(held, one_a_group(found.get(head, ())), one_a_group(weak.get(head, ())))))
    return tuple(groups), len(heads) - len(kept)


def same_figures(library: Library, evidence: Evidence) -> tuple[tuple[SameFigure, ...], int]:
    """The figures of the evidence that several years state, those of most years first; and how many were dropped.

    Another year's may stand in any passage that was weighed for the question, evidence or not. A name that has several
    values at one time does not tell which number it is (农商行 of a survey, 资产规模 of size classes), and is left out.
    """
    cited = {finding.passage.id for finding in evidence.findings}
    allowed = set(library.store.matching_rows(evidence.filters, evidence.reports)) if cited else set()
    stated: dict[tuple[str, str, tuple[str, ...]], list[StoredFigure]] = {}
    for stored in library.store.figures([row for row in evidence.candidates if row in allowed]):
        name = OWN.sub("", squeeze(stored.figure.name))
        if name and year_of(stored)[0]:
            stated.setdefault((name, stored.figure.unit, stored.passage.banks), []).append(stored)
    found: list[SameFigure] = []
    dropped = 0
    for (_, unit, banks), figures in stated.items():
        if cited.isdisjoint(stored.passage.id for stored in figures) or not of_several_years(figures):
            continue
        values = [one for stored in figures if (one := check_figure(library, stored))]
        dropped += len(figures) - len(values)
        kept = first_told(values)
        if len({value.year for value in kept}) > 1:
            found.append(SameFigure(figures[0].figure.name, unit, banks, kept))
    return tuple(sorted(found, key=lambda same: -len({value.year for value in same.values}))), dropped


def of_several_years(figures: Iterable[StoredFigure]) -> bool:
    """Whether figures are of more than one year."""
    return len({year_of(stored)[0] for stored in figures}) > 1


def year_of(stored: StoredFigure) -> tuple[int | None, bool]:
    """The year of a figure, and whether the figure's own date tells it; else it is the report's."""
    date = stored.figure.date
    return (int(date[:4]), True) if date else (stored.document.year, False)


def check_figure(library: Library, stored: StoredFigure) -> YearFigure | None:
    """A figure in its year, found again on its page; None where it is not, or no year is known."""
    year, dated = year_of(stored)
    if year is None:
        return None
    figure = stored.figure
    try:
        citation = cite(library.store, stored.document, stored.passage, figure.start, figure.end)
    except QuoteNotFound:
        return None
    return YearFigure(year, dated, figure, stored.document, citation)


def first_told(values: Sequence[YearFigure]) -> tuple[YearFigure, ...]:
    """Values in the order of their times, each as it was told first; none where two of one time differ.

    An undated value that another year has too may be the same told again, and is left out.
    """
    kept: dict[tuple[int, str], YearFigure] = {}
    for value in sorted(values, key=lambda value: (value.year, value.figure.date)):
        first = kept.setdefault((value.year, value.figure.date), value)
        if first.figure.value != value.figure.value:
            return ()
    return tuple(value for value in kept.values() if value.dated or not is_told_elsewhere(value, kept.values()))


def is_told_elsewhere(value: YearFigure, values: Iterable[YearFigure]) -> bool:
    """Whether another year has the same value."""
    return any(other.year != value.year and other.figure.value == value.figure.value for other in values)
