"""A question → every passage that is evidence for it, with the quote of each bank, for the grid and over the years."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kb.answer import quotes_by_bank
from kb.banks import BankBook
from kb.cite import cite
from kb.diversity import Shingles
from kb.errors import QuoteNotFound
from kb.fusion import BANK_BONUS, Scores, dense_share, standard_scores
from kb.records import Citation, Document, Filters, Hit, Passage, Twin, Understood
from kb.search import Found, Library, SearchResult, check_question
from kb.words import sentences

STANDS_OUT = 1.5
"""How many standard deviations a passage's fused score must lie above the mean of the question's candidates for the
passage to count as evidence (docs/grid.md has what other cuts give)."""

NAMED = 1.0
"""What a passage gains for being about a bank that the question names. The bonus of a ranking would make evidence of
nearly all that is about it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a passage says to a question, of one bank; `bank` is empty for what is about none.

    `score` is that of the passage, in standard deviations; findings that say the same have one `group`.
    """

    bank: str
    score: float
    group: int
    document: Document
    passage: Passage
    citation: Citation


@dataclass(frozen=True, slots=True)
class Evidence:
    """All findings for a question, best first. Where it `abstained`, nothing in the corpus answers, and there is none.

    `filters` are by canonical names, `reports` the ids that they mean; `candidates` are the row numbers of all passages
    that were weighed. `dropped` counts the quotes that were not found again on their pages.
    """

    question: str
    filters: Filters
    reports: tuple[str, ...]
    understood: Understood
    confidence: float
    abstained: bool
    findings: tuple[Finding, ...] = ()
    candidates: tuple[int, ...] = ()
    dropped: int = 0

    @property
    def scope(self) -> Filters:
        """The filters that tell where was searched: the years and reports."""
        return Filters(year=self.filters.year, report=self.filters.report)


def gather(library: Library, question: str, filters: Filters, cut: float = STANDS_OUT) -> Evidence:
    """The evidence for a question.

    What is evidence is judged without the filters, which then only choose among it: what stands under a bank does not
    depend on what else was asked for. A bank of the filters of which there is no passage is no error here.
    Raises BadQuery, UnknownName, and NothingMatches where no passage matches the other filters.
    """
    check_question(question)
    known, reports = library.catalogue.resolve(filters)
    library.catalogue.matching_rows(replace(known, bank=()), reports)
    row = library.embed([question])[0]
    found = library.find(question, row, Filters())
    candidates = tuple(found.candidates.rows.tolist())
    result = library.search_row(question, row, max(1, len(candidates)), Filters())
    evidence = Evidence(question, known, reports, found.asked, result.confidence, result.abstained)
    if result.abstained:
        return evidence
    weight = dense_share(library.settings.dense_weight, found.understood.look)
    scores = by_passage(library, found, standing(found, weight), cut, known, reports)
    findings, dropped = to_findings(library, result, scores, known.bank)
    return replace(evidence, findings=findings, candidates=candidates, dropped=dropped)


def standing(found: Found, dense_weight: float) -> Scores:
    """By how many standard deviations each candidate lies above their mean."""
    dense, lexical = standard_scores(found.candidates.dense), standard_scores(found.candidates.lexical)
    named = found.candidates.bonus >= BANK_BONUS
    return dense_weight * dense + (1 - dense_weight) * lexical + NAMED * named


def by_passage(
    library: Library, found: Found, scores: Scores, cut: float, filters: Filters, reports: Sequence[str]
) -> dict[str, float]:
    """The scores of the candidates that reach the cut and match the filters, by the passages' ids.

    The best candidate always reaches it: of a question that is answered there is evidence, and in an index of a few
    passages about one matter none stands out.
    """
    rows = found.candidates.rows
    wanted = scores >= min(cut, max(scores))
    if filters:
        wanted &= np.isin(rows, np.array(library.store.matching_rows(filters, reports), np.int64))
    chosen = dict(zip(rows[wanted].tolist(), scores[wanted].tolist(), strict=True))
    return {stored.passage.id: chosen[stored.row] for stored in library.store.passages_by_row(list(chosen))}


def to_findings(
    library: Library, result: SearchResult, scores: Mapping[str, float], asked: Sequence[str]
) -> tuple[tuple[Finding, ...], int]:
    """Checked findings, best first, and how many quotes were dropped because they are not on their page."""
    findings: list[Finding] = []
    dropped = 0
    for hit in result.hits:
        if scores.keys().isdisjoint({hit.passage.id, *(twin.passage.id for twin in hit.also)}):
            continue
        for bank, document, passage, start, end in quotes_of(hit, library.catalogue.book):
            if passage.id not in scores or (asked and bank not in asked):
                continue
            try:
                citation = cite(library.store, document, passage, start, end)
            except QuoteNotFound:
                dropped += 1
                continue
            findings.append(Finding(bank, scores[passage.id], hit.rank, document, passage, citation))
    return tuple(sorted(findings, key=lambda finding: -finding.score)), dropped


def quotes_of(hit: Hit, book: BankBook) -> Iterator[tuple[str, Document, Passage, int, int]]:
    """The quotes of a hit, and of the passages that say the same, by the banks that each is about."""
    for bank, (start, end) in quotes_by_bank(hit, book).items():
        yield bank, hit.document, hit.passage, start, end
    for twin in hit.also:
        start, end = same_words(twin, hit.quote)
        for bank in twin.passage.banks or ("",):
            yield bank, twin.document, twin.passage, start, end


def same_words(twin: Twin, quote: str) -> tuple[int, int]:
    """Where a passage that says the same has a quote, or else the sentence that has most of its words."""
    text = twin.passage.text
    at = text.find(quote)
    if at >= 0:
        return at, at + len(quote)
    grams = Shingles.of(quote).grams
    return max(sentences(text), key=lambda bounds: len(Shingles.of(text[slice(*bounds)]).grams & grams))
