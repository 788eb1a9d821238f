"""Question → answer: the best quotes by bank, each cited and checked, or an abstention; and what was searched."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from kb.banks import BankBook
from kb.cite import cite
from kb.errors import QuoteNotFound
from kb.marks import NUMBERED
from kb.records import Answer, BankEvidence, Citation, Coverage, Filters, Hit, Point, Twin
from kb.search import Library
from kb.store import Store

LOOKED_AT = 30
MAX_BANKS = 8
MAX_POINTS = 3
NEAREST = 3
ASIDE = 0.05
"""In a passage about several banks, a bank's sentence that scores this much below the best one is beside the point."""


def ask(library: Library, question: str, filters: Filters | None = None) -> Answer:
    """Answer a question from the library. Raises BadQuery, UnknownName and NothingMatches."""
    found = library.search(question, LOOKED_AT, filters)
    coverage = measure_coverage(library.store)
    if found.abstained:
        nearest = found.hits[:NEAREST]
        return Answer(question, True, (), nearest, coverage, 0, found.filters, found.understood, found.confidence)
    groups, dropped = hits_to_points(library.store, library.catalogue.book, found.hits, found.filters.bank)
    understood = found.understood
    named = {same for bank in understood.banks for same in library.catalogue.book.lineage(bank)}
    evidence = order_banks(groups, named)
    return Answer(question, not groups, evidence, (), coverage, dropped, found.filters, understood, found.confidence)


def hits_to_points(
    store: Store, book: BankBook, hits: Sequence[Hit], asked: Sequence[str]
) -> tuple[dict[str, list[Point]], int]:
    """Checked points by bank, and how many quotes were dropped because they were not found on their page.

    `asked` are the banks of the filter; where there are any, no other bank has a group.
    """
    groups: dict[str, list[Point]] = {}
    dropped = 0
    for hit in hits:
        for bank, (start, end) in quotes_by_bank(hit, book).items():
            if asked and bank not in asked:
                continue
            try:
                citation = cite(store, hit.document, hit.passage, start, end)
            except QuoteNotFound:
                dropped += 1
                continue
            groups.setdefault(bank, []).append(Point(hit, citation, cite_also(store, hit.also, citation.quote)))
    return groups, dropped


def cite_also(store: Store, twins: Sequence[Twin], quote: str) -> tuple[Citation, ...]:
    """Where passages that say the same have the very words of a quote."""
    found: list[Citation] = []
    for twin in twins:
        at = twin.passage.text.find(quote)
        if at >= 0:
            with suppress(QuoteNotFound):
                found.append(cite(store, twin.document, twin.passage, at, at + len(quote)))
    return tuple(found)


def quotes_by_bank(hit: Hit, book: BankBook) -> dict[str, tuple[int, int]]:
    """Where in a passage the quote stands for each bank that it is about; under "" for a passage about none.

    In a passage about several banks, each has its own best sentence that names it. A point of a numbered list is not
    said of a bank that only another point names.
    """
    banks, text = hit.passage.banks, hit.passage.text
    best = hit.quote_at, hit.quote_at + len(hit.quote)
    if not banks:
        return {"": best}
    mentions = book.mentions(text)
    if len(banks) == 1:
        points = {point_of(text, mention.start) for mention in mentions if mention.name == banks[0]}
        named_above = any(mention.name == banks[0] for mention in book.mentions("\n".join(hit.passage.heading)))
        elsewhere = points and points.isdisjoint({0, point_of(text, best[0])}) and not named_above
        return {"" if elsewhere else banks[0]: best}
    least = max((sentence.score for sentence in hit.sentences), default=0.0) - ASIDE
    quotes: dict[str, tuple[int, int]] = {}
    for bank in banks:
        places = [mention.start for mention in mentions if mention.name == bank]
        naming = [s for s in hit.sentences if any(s.start <= place < s.end for place in places)]
        if naming:
            chosen = max(naming, key=lambda sentence: sentence.score)
            if chosen.score >= least:
                quotes[bank] = chosen.start, chosen.end
        elif not places:  # named by the heading
            quotes[bank] = best
    return quotes


def point_of(text: str, place: int) -> int:
    """In which point of a numbered list a place of a text stands, from 1; 0 before the first."""
    return sum(NUMBERED.match(line) is not None for line in text[: text.find("\n", place) + 1 or None].splitlines())


def order_banks(groups: Mapping[str, Sequence[Point]], named: Collection[str]) -> tuple[BankEvidence, ...]:
    """Banks by their best point, those that the question names before all, what is about no bank last."""
    by_strength = sorted((bank for bank in groups if bank), key=lambda bank: -groups[bank][0].hit.score)
    banks = sorted(by_strength, key=lambda bank: bank not in named)[:MAX_BANKS]
    order = [*banks, ""] if "" in groups else banks
    return tuple(BankEvidence(bank, tuple(groups[bank][:MAX_POINTS])) for bank in order)


def measure_coverage(store: Store) -> Coverage:
    """What a question was asked of."""
    passages = store.count_passages()
    return Coverage(len(passages), sum(passages.values()), len(store.problem_pages()), len(store.failures()))
