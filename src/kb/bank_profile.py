"""A bank by any of its names → all that the library holds about it: quotes by dimension, topics, cases, figures."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kb.banks import BankBook
from kb.catalogue import Catalogue, Part
from kb.cite import cite
from kb.errors import NothingMatches, QuoteNotFound
from kb.holdings import BankEntry, bank_entry
from kb.quotes import MAX_QUOTE
from kb.records import Citation, Filters, Kind, Passage
from kb.store import StoredCase, StoredFigure, StoredPassage
from kb.words import sentences

T = TypeVar("T")

QUOTES = 3
"""How many quotes of a dimension are shown unless told."""

CASES, FIGURES = 20, 50
"""How many cases and figures are told unless told otherwise; all are counted."""

TELLING = ("措施", "效果")
"""The roles of passages that are quoted before others: what a bank did, and what came of it."""


@dataclass(frozen=True, slots=True)
class HeldQuote:
    """A quote of a bank that no question asked for, found again on its page, and its passage."""

    citation: Citation
    passage: Passage


@dataclass(frozen=True, slots=True)
class DimensionHolding:
    """What there is of a bank in a dimension, empty for passages of none: how many passages, and some quotes."""

    dimension: str
    passages: int
    quotes: tuple[HeldQuote, ...]


@dataclass(frozen=True, slots=True)
class TopicYears:
    """How many passages of a bank are about a topic, in all and by the year of their reports, where that is known."""

    topic: str
    label: str
    dimension: str
    passages: int
    years: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class BankProfile:
    """What the library holds about a bank, and about what it was and became: all counts are of these together.

    `before` and `after` are the listed banks that it came from and went into. `dropped` counts the quotes that were not
    found again on their pages.
    """

    entry: BankEntry
    before: tuple[str, ...]
    after: tuple[str, ...]
    dimensions: tuple[DimensionHolding, ...]
    topics: tuple[TopicYears, ...]
    cases: Part[StoredCase]
    figures: Part[StoredFigure]
    dropped: int = 0


def bank_profile(
    catalogue: Catalogue, name: str, quotes: int = QUOTES, cases: int = CASES, figures: int = FIGURES
) -> BankProfile:
    """What there is about a bank, by its name, an alias, or the name of a tag.

    `quotes` bounds the quotes of each dimension; `cases` and `figures` bound theirs, which come in reading order.
    Raises UnknownName with the nearest names, and NothingMatches where no passage is about the bank.
    """
    line = catalogue.bank_names(name)
    filters = Filters(bank=line[:1])
    held = catalogue.store.passages_by_row(catalogue.matching_rows(Filters(bank=line), ()))
    of_cases = or_none(lambda: catalogue.cases(filters, cases))
    of_figures = or_none(lambda: catalogue.figures(filters, limit=figures))
    sides = [stored.passage.dimension for stored in held]
    entry = bank_entry(catalogue, line[0], sides, {stored.document.year for stored in held}, of_cases.total)
    before = catalogue.book.came_from(line[0])
    after = tuple(other for other in line[1:] if other not in before)
    shown: list[DimensionHolding] = []
    dropped = 0
    for side in (one for one in dict.fromkeys([*entry.dimensions, *sides]) if one in sides):
        of_side = [stored for stored in held if stored.passage.dimension == side]
        chosen, failed = choose_quotes(catalogue, line, of_side, quotes)
        shown.append(DimensionHolding(side, len(of_side), chosen))
        dropped += failed
    topics = topics_by_year(catalogue, held)
    return BankProfile(entry, before, after, tuple(shown), topics, of_cases, of_figures, dropped)


def or_none(found: Callable[[], Part[T]]) -> Part[T]:
    """What is found, or nothing where nothing matches."""
    try:
        return found()
    except NothingMatches:
        return Part(0, ())


def choose_quotes(
    catalogue: Catalogue, names: Sequence[str], held: Iterable[StoredPassage], most: int
) -> tuple[tuple[HeldQuote, ...], int]:
    """Up to so many checked quotes of passages, no words twice; and how many were not found again on their pages."""
    quotes: dict[str, HeldQuote] = {}
    dropped = 0
    for stored in spread(held):
        if len(quotes) == most:
            break
        start, end = telling_part(stored.passage, names, catalogue.book)
        try:
            citation = cite(catalogue.store, stored.document, stored.passage, start, end)
        except QuoteNotFound:
            dropped += 1
        else:
            quotes.setdefault(citation.quote, HeldQuote(citation, stored.passage))
    return tuple(quotes.values()), dropped


def spread(held: Iterable[StoredPassage]) -> list[StoredPassage]:
    """Passages in the order in which they are to be quoted: what the bank did first, then what came of it, then others.

    Of each of these the first passage of every report, the newest before older ones, then the second of each.
    """
    seen: Counter[tuple[int, str]] = Counter()
    order: list[tuple[int, int, int, StoredPassage]] = []
    for stored in held:
        role = rank_of(stored.passage)
        seen[role, stored.document.id] += 1
        order.append((role, seen[role, stored.document.id], -(stored.document.year or 0), stored))
    return [stored for *_, stored in sorted(order, key=lambda one: one[:3])]


def rank_of(passage: Passage) -> int:
    """How early a passage is to be quoted by its role, from 0; a table's row, which says little alone, last."""
    if passage.kind is Kind.TABLE:
        return len(TELLING) + 1
    return TELLING.index(passage.role) if passage.role in TELLING else len(TELLING)


def telling_part(passage: Passage, names: Sequence[str], book: BankBook) -> tuple[int, int]:
    """The bounds of the first sentence of a passage that names one of these banks, else of its first one.

    The next sentence goes with it where both together are short enough for a quote, and it names no other bank.
    """
    bounds, mentions = sentences(passage.text), book.mentions(passage.text)
    named = [{mention.name for mention in mentions if start <= mention.start < end} for start, end in bounds]
    first = next((at for at, found in enumerate(named) if not found.isdisjoint(names)), 0)
    start, end = bounds[first]
    if first + 1 < len(bounds) and named[first + 1] <= set(names) and bounds[first + 1][1] - start <= MAX_QUOTE:
        end = bounds[first + 1][1]
    return start, end


def topics_by_year(catalogue: Catalogue, held: Iterable[StoredPassage]) -> tuple[TopicYears, ...]:
    """The topics of passages over the years of their reports, those of most passages first."""
    years: dict[str, Counter[int | None]] = {}
    for stored in held:
        for topic in stored.passage.topics:
            years.setdefault(topic, Counter())[stored.document.year] += 1
    known = {topic.id: topic for topic in catalogue.taxonomy.topics}
    found = [
        TopicYears(
            topic,
            known[topic].label if topic in known else topic,
            known[topic].dimension if topic in known else "",
            counts.total(),
            {year: counts[year] for year in sorted(filter(None, counts))},
        )
        for topic, counts in years.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.passages, one.topic)))
