"""A question → every passage that is evidence for it, with the quote of each bank, for the grid and over the years."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kb.answer import quotes_by_bank
from kb.banks import BankBook
from kb.cite import cite
from kb.diversity import Shingles
from kb.embed import Embedded
from kb.errors import QuoteNotFound
from kb.fusion import BANK_BONUS, Scores, dense_share, standard_scores
from kb.records import Citation, Document, Filters, Hit, Passage, Sentence, Twin, Understood
from kb.search import Found, Library, SearchResult, check_question
from kb.store import StoredPassage
from kb.synonyms import Clue
from kb.words import fold, sentences

STANDS_OUT = 1.5
"""How many standard deviations a passage's fused score must lie above the mean of the question's candidates for the
passage to count as evidence (docs/grid.md has what other cuts give)."""

SAID = 0.9
"""The share of the rarity of a question's words that a passage has to have to be weak evidence where it does not stand
out: all of them but the most common."""

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

    `weak` are those of passages that do not stand out, but have the words of the question, or synonyms of them.
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
    weak: tuple[Finding, ...] = ()
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
    return gather_row(library, question, library.embed([question])[0], filters, cut)


def gather_row(library: Library, question: str, row: Embedded, filters: Filters, cut: float = STANDS_OUT) -> Evidence:
    """The same for a question that is embedded already."""
    known, reports = library.catalogue.resolve(filters)
    library.catalogue.matching_rows(replace(known, bank=()), reports)
    found = library.find(question, row, Filters())
    candidates = tuple(found.candidates.rows.tolist())
    result = library.result(found, max(1, len(candidates)))
    evidence = Evidence(question, known, reports, found.asked, result.confidence, result.abstained)
    if result.abstained:
        return evidence
    weight = dense_share(library.settings.dense_weight, found.understood.look)
    strong, weak = by_passage(library, found, standing(found, weight), cut, known, reports)
    both, dropped = to_findings(library, result, strong | weak, known.bank)
    findings = tuple(finding for finding in both if finding.passage.id in strong)
    faint = tuple(finding for finding in both if finding.passage.id in weak)
    return replace(evidence, findings=findings, weak=faint, candidates=candidates, dropped=dropped)


def standing(found: Found, dense_weight: float) -> Scores:
    """By how many standard deviations each candidate lies above their mean."""
    dense, lexical = standard_scores(found.candidates.dense), standard_scores(found.candidates.lexical)
    named = found.candidates.bonus >= BANK_BONUS
    return dense_weight * dense + (1 - dense_weight) * lexical + NAMED * named


def by_passage(
    library: Library, found: Found, scores: Scores, cut: float, filters: Filters, reports: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Of the candidates that match the filters, the scores of those that reach the cut, and of the others that have
    the question's words; both by the passages' ids.

    The best candidate always reaches the cut: of a question that is answered there is evidence, and in an index of a
    few passages about one matter none stands out.
    """
    rows, least = found.candidates.rows, min(cut, max(scores))
    wanted = (scores >= least) | (found.candidates.lexical > 0)
    if filters:
        wanted &= np.isin(rows, np.array(library.store.matching_rows(filters, reports), np.int64))
    chosen = dict(zip(rows[wanted].tolist(), scores[wanted].tolist(), strict=True))
    strong: dict[str, float] = {}
    weak: dict[str, float] = {}
    for stored in library.store.passages_by_row(list(chosen)):
        score = chosen[stored.row]
        if score >= least:
            strong[stored.passage.id] = score
        elif share_said(found, stored) >= SAID:
            weak[stored.passage.id] = score
    return strong, weak


def share_said(found: Found, stored: StoredPassage) -> float:
    """The share of the rarity of the question's words that a passage has in its text or headings, 0 to 1; synonyms
    stand for the words."""
    text = fold("\n".join([stored.passage.text, *stored.passage.heading]))
    most = sum(rarity for _, rarity in found.rarities)
    return sum(rarity for clue, rarity in found.rarities if is_said(clue, text)) / most if most else 0.0


def is_said(clue: Clue, text: str) -> bool:
    """Whether a folded text has all words of a clue, or all of one of its synonyms."""
    return any(way and all(word in text for word in way) for way in (clue.words, *clue.others))


def to_findings(
    library: Library, result: SearchResult, scores: Mapping[str, float], asked: Sequence[str]
) -> tuple[tuple[Finding, ...], int]:
    """Checked findings, best first, and how many quotes were dropped because they are not on their page."""
    findings: list[Finding] = []
    dropped = 0
    for hit in result.hits:
        if scores.keys().isdisjoint({hit.passage.id, *(twin.passage.id for twin in hit.also)}):
            continue
        for bank, document, passage, start, end in quotes_with_twins(hit, library.catalogue.book):
            if passage.id not in scores or (asked and bank not in asked):
                continue
            try:
                citation = cite(library.store, document, passage, start, end)
            except QuoteNotFound:
                dropped += 1
                continue
            findings.append(Finding(bank, scores[passage.id], hit.rank, document, passage, citation))
    return tuple(sorted(findings, key=lambda finding: -finding.score)), dropped


def quotes_with_twins(hit: Hit, book: BankBook) -> Iterator[tuple[str, Document, Passage, int, int]]:
    """The quotes of a hit, and of the passages that say the same, by the banks of which the words of each tell."""
    quotes = quotes_by_bank(hit, book)
    for bank, (start, end) in quotes.items():
        yield bank, hit.document, hit.passage, start, end
    for twin in hit.also:
        same: dict[str, tuple[int, int]] = {}
        for start, end in dict.fromkeys(quotes.values()):
            found = hit_of(hit, twin, *same_words(twin, hit.passage.text[start:end]))
            same = quotes_by_bank(found, book) | same
        for bank, (start, end) in same.items():
            yield bank, twin.document, twin.passage, start, end


def hit_of(hit: Hit, twin: Twin, start: int, end: int) -> Hit:
    """A passage that says the same as a hit as a hit of its own, with the quote from `start` to `end`."""
    text = twin.passage.text[start:end]
    return Hit(hit.rank, hit.score, twin.document, twin.passage, text, start, (Sentence(start, end, hit.score),))


def same_words(twin: Twin, quote: str) -> tuple[int, int]:
    """Where a passage that says the same has a quote, or else the sentence that has most of its words."""
    text = twin.passage.text
    at = text.find(quote)
    if at >= 0:
        return at, at + len(quote)
    grams = Shingles.of(quote).grams
    return max(sentences(text), key=lambda bounds: len(Shingles.of(text[slice(*bounds)]).grams & grams))
