"""Question → answer: the best quotes by bank, each cited and checked, or an abstention; and what was searched."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from kb.banks import BankBook, Mention
from kb.cite import cite
from kb.embed import Embedded
from kb.errors import QuoteNotFound
from kb.gist import gist_of
from kb.marks import NUMBERED
from kb.records import Answer, BankEvidence, Citation, Coverage, Filters, Hit, Look, Point, Twin, Understood
from kb.search import Library, check_question
from kb.store import Store

LOOKED_AT = 30
"""So many passages of any kind are looked at, for what is about no bank, and for the nearest of an abstention."""

BANK_PASSAGES = 100
"""So many passages about banks are looked at."""

MAX_BANKS = 20
"""Banks in an answer."""

FEW_BANKS = 4
"""Banks in an answer to a question for a figure, and beside the banks that a question names."""

STANDS_OUT, STRONG, STRONG_BANKS = 1.5, 2.2, 8
"""A passage is evidence of a bank where its score lies so many standard deviations above the mean of the candidates;
strong evidence from STRONG on, of so many banks at most; the best is always strong. Measured in docs/answers.md."""

MAX_POINTS, SPREAD = 3, 1.0
"""Points of a bank with strong evidence, after the first only what scores at most so much below it."""

NEAREST = 3
ASIDE = 0.05
"""In a passage about several banks, a bank's sentence that scores this much below the best one is beside the point."""

BESIDE = "其他"
"""The role of what is no part of the matter: editors, thanks, who published it."""

GENERAL = re.compile(
    r"(?:大部分|大多数|绝大多数|多数|许多|不少|众多|很多|有些|一些)的?[^，。；]{0,8}(?:银行|农商行|城商行|农信社|机构)"
    r"|(?:^|[，。；：\n])(?:[一二三四五六]是|但是?|而|目前|当前|因此|对|我国|国内|各家?|部分|领先的?|鼓励|支持|引导|推动|要求)*"
    r"(?:中小|区域性|地方|传统|商业|城市|农村|民营|大型|国有|股份制|金融)+(?:法人)?(?:银行业?|机构|农商行|城商行)"
)
"""What is said of banks in general, or of most or some of them."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A stretch of a hit's passage, `start` to `end`, that tells of a bank."""

    hit: Hit
    start: int
    end: int


def ask(
    library: Library, question: str, filters: Filters | None = None, banks: int | None = None, points: int = MAX_POINTS
) -> Answer:
    """Answer a question, with at most so many banks, and points for each; the rest is counted.

    Raises BadQuery, UnknownName and NothingMatches.
    """
    check_question(question)
    return ask_row(library, question, library.embed([question])[0], filters or Filters(), banks, points)


def ask_row(
    library: Library,
    question: str,
    row: Embedded,
    wanted: Filters,
    banks: int | None = None,
    points: int = MAX_POINTS,
) -> Answer:
    """The same for a question that is embedded already."""
    candidates = library.find(question, row, wanted)
    found = library.result(candidates, LOOKED_AT)
    coverage = measure_coverage(library.store)
    answer = Answer(question, True, (), (), coverage, 0, 0, found.filters, found.understood, found.confidence)
    if found.abstained:
        return replace(answer, nearest=found.hits[:NEAREST])
    book, asked = library.catalogue.book, found.filters.bank
    named = {same for bank in found.understood.banks for same in book.lineage(bank)}
    of_banks = collect_quotes(library.search_banks(question, row, BANK_PASSAGES, wanted), book, asked)
    of_none = {} if asked else {"": collect_quotes(found.hits, book, ()).get("", [])}
    of_banks.pop("", None)
    of_banks = stand_out(of_banks, named)
    order = order_banks(of_banks, named)
    limit = banks or usual_limit(found.understood, len(named.intersection(order)))
    shown = {bank: of_banks[bank] for bank in order[:limit]}
    evidence, dropped = to_evidence(library.store, shown | of_none, strong_banks(shown, named) | {""}, points, named)
    words = library.weigh_words(candidates)
    return replace(
        answer,
        abstained=not evidence,
        evidence=tuple(replace(one, gist=gist_of(quotes_of(one), words, one.bank, book)) for one in evidence),
        coverage=replace(coverage, banks=len(order)),
        dropped=dropped,
        more_banks=len(order) - sum(bool(one.bank) for one in evidence),
    )


def usual_limit(understood: Understood, named: int) -> int:
    """How many banks an answer has, unless it is told; `named` of those with evidence are named by the question."""
    if named:
        return named + FEW_BANKS
    return FEW_BANKS if understood.look is Look.FIGURES and not understood.many_banks else MAX_BANKS


def collect_quotes(hits: Sequence[Hit], book: BankBook, asked: Collection[str]) -> dict[str, list[Quote]]:
    """The quotes of hits by bank, best first, those about none under "". With banks `asked` for, only theirs."""
    found: dict[str, list[Quote]] = {}
    for hit in hits:
        if hit.passage.role == BESIDE:
            continue
        for bank, (start, end) in quotes_by_bank(hit, book).items():
            if not asked or bank in asked:
                found.setdefault(bank, []).append(Quote(hit, start, end))
    return found


def order_banks(quotes: Mapping[str, Sequence[Quote]], named: Collection[str]) -> list[str]:
    """Banks by their best quote, those that the question names before all."""
    return sorted(quotes, key=lambda bank: (bank not in named, -quotes[bank][0].hit.score))


def stand_out(quotes: Mapping[str, Sequence[Quote]], named: Collection[str]) -> dict[str, list[Quote]]:
    """The quotes that are evidence; of the best bank of all, and of those that the question names, any."""
    best = max((found[0].hit.score for found in quotes.values()), default=0.0)
    kept = {
        bank: [quote for quote in found if bank in named or quote.hit.score >= min(STANDS_OUT, best)]
        for bank, found in quotes.items()
    }
    return {bank: found for bank, found in kept.items() if found}


def strong_banks(quotes: Mapping[str, Sequence[Quote]], named: Collection[str]) -> set[str]:
    """Of ordered banks those that the question names, the first, and the next whose best passage stands out far."""
    order = list(quotes)[:STRONG_BANKS]
    return {*named, *order[:1], *(bank for bank in order if quotes[bank][0].hit.score >= STRONG)}


def to_evidence(
    store: Store,
    quotes: Mapping[str, Sequence[Quote]],
    strong: Collection[str],
    points: int,
    named: Collection[str],
) -> tuple[tuple[BankEvidence, ...], int]:
    """Checked points for each bank in this order, and how many quotes were dropped that are not on their page.

    After its first, a bank has further points only of passages near to the first, unless the question names it. A bank
    none of whose quotes hold is left out.
    """
    evidence: list[BankEvidence] = []
    dropped = 0
    for bank, found in quotes.items():
        near = [quote for quote in found if bank in named or quote.hit.score >= found[0].hit.score - SPREAD]
        tried = list(take_until(check_quotes(store, near), points if bank in strong else 1))
        checked = tuple(point for point in tried if point)
        dropped += len(tried) - len(checked)
        if checked:
            evidence.append(BankEvidence(bank, checked, strong=bank in strong, more=len(found) - len(tried)))
    return tuple(evidence), dropped


def take_until(points: Iterable[Point | None], most: int) -> Iterator[Point | None]:
    """Points, until so many of them hold."""
    for point in points:
        yield point
        most -= point is not None
        if not most:
            return


def quotes_of(evidence: BankEvidence) -> list[str]:
    """The quotes of a bank's points."""
    return [point.citation.quote for point in evidence.points]


def check_quotes(store: Store, quotes: Sequence[Quote]) -> Iterator[Point | None]:
    """Each quote as a point with its citation; None for one that is not found again on its page."""
    for quote in quotes:
        hit = quote.hit
        try:
            citation = cite(store, hit.document, hit.passage, quote.start, quote.end)
        except QuoteNotFound:
            yield None
        else:
            yield Point(hit, citation, cite_also(store, hit.also, citation.quote))


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

    In a passage about several banks, each has its own best sentence that names it, and where the best names none, it
    is about none. A point of a numbered list is not said of a bank that only another point names, nor what is said of
    most banks of the one that the passage is about.
    """
    banks, text = hit.passage.banks, hit.passage.text
    best = hit.quote_at, hit.quote_at + len(hit.quote)
    if not banks:
        return {"": best}
    mentions = book.mentions(text)
    if len(banks) == 1 and is_told_of(banks[0], hit, mentions, book):
        return {banks[0]: best}
    least = max((sentence.score for sentence in hit.sentences), default=0.0) - ASIDE
    quotes: dict[str, tuple[int, int]] = {}
    for bank in banks:
        places = [mention.start for mention in mentions if mention.name == bank]
        naming = [s for s in hit.sentences if any(s.start <= place < s.end for place in places)]
        if naming:
            chosen = max(naming, key=lambda sentence: sentence.score)
            if chosen.score >= least:
                quotes[bank] = chosen.start, chosen.end
        elif not places and not GENERAL.search(hit.quote):  # named by the heading
            quotes[bank] = best
    return quotes or {"": best}


def is_told_of(bank: str, hit: Hit, mentions: Sequence[Mention], book: BankBook) -> bool:
    """Whether the quote of a passage about one bank tells of that bank: not where it is said of banks in general, or
    stands in a point of a list and only other points name the bank. What stands under its name is all told of it.

    `mentions` are those of the passage's text.
    """
    if any(mention.name == bank for mention in book.mentions("\n".join(hit.passage.heading))):
        return True
    text = hit.passage.text
    places = [mention.start for mention in mentions if mention.name == bank]
    if any(hit.quote_at <= place < hit.quote_at + len(hit.quote) for place in places):
        return True
    points = {point_of(text, place) for place in places}
    return not GENERAL.search(hit.quote) and (not points or not points.isdisjoint({0, point_of(text, hit.quote_at)}))


def point_of(text: str, place: int) -> int:
    """In which point of a numbered list a place of a text stands, from 1; 0 before the first."""
    return sum(NUMBERED.match(line) is not None for line in text[: text.find("\n", place) + 1 or None].splitlines())


def measure_coverage(store: Store) -> Coverage:
    """What a question was asked of."""
    passages = store.count_passages()
    return Coverage(len(passages), sum(passages.values()), len(store.problem_pages()), len(store.failures()))
