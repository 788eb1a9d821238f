"""Question → answer: the best quotes by bank, each cited and checked, or an abstention; and what was searched."""

from kb.cite import cite
from kb.errors import QuoteNotFound
from kb.records import Answer, BankEvidence, Coverage, Filters, Hit, Point
from kb.search import Library
from kb.store import Store

LOOKED_AT = 30
MAX_BANKS = 8
MAX_POINTS = 3
NEAREST = 3


def ask(library: Library, question: str, filters: Filters | None = None) -> Answer:
    """Answer a question from the library. Raises BadQuery and UnknownName."""
    found = library.search(question, LOOKED_AT, filters)
    coverage = measure_coverage(library.store)
    if found.abstained:
        return Answer(question, True, (), found.hits[:NEAREST], coverage)
    points, dropped = hits_to_points(library.store, found.hits)
    return Answer(question, not points, group_by_bank(points, filters), (), coverage, dropped)


def hits_to_points(store: Store, hits: tuple[Hit, ...]) -> tuple[list[Point], int]:
    """Hits with their checked citations, and how many quotes were dropped because they were not found on their page."""
    points: list[Point] = []
    dropped = 0
    for hit in hits:
        try:
            citation = cite(store, hit.document, hit.passage, hit.quote_at, hit.quote_at + len(hit.quote))
        except QuoteNotFound:
            dropped += 1
            continue
        points.append(Point(hit, citation))
    return points, dropped


def group_by_bank(points: list[Point], filters: Filters | None) -> tuple[BankEvidence, ...]:
    """Points by bank, best bank first, what is about no bank last; a quote stands under each bank that it is about.

    With a bank filter, only the banks asked for.
    """
    asked = filters.bank if filters else ()
    groups: dict[str, list[Point]] = {}
    for point in points:
        for bank in point.hit.passage.banks or ("",):
            groups.setdefault(bank, []).append(point)
    if asked:
        named = {bank for point in points for bank in point.hit.passage.banks}
        groups = {bank: found for bank, found in groups.items() if bank in asked or not named & set(asked)}
    banks = sorted((bank for bank in groups if bank), key=lambda bank: -groups[bank][0].hit.score)[:MAX_BANKS]
    order = [*banks, ""] if "" in groups else banks
    return tuple(BankEvidence(bank, tuple(groups[bank][:MAX_POINTS])) for bank in order)


def measure_coverage(store: Store) -> Coverage:
    """What a question was asked of."""
    passages = store.count_passages()
    return Coverage(len(passages), sum(passages.values()), len(store.problem_pages()), len(store.failures()))
