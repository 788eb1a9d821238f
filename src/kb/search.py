"""Question and filters → hits: understood, looked for on both sides, fused, spread, each with its best quote."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from kb.catalogue import STORE_FILE, Catalogue, nothing_matches
from kb.confidence import JUDGED, STRANGERS, Signs, Strangers, probability, read_signs
from kb.derived import Derived, open_derived
from kb.diversity import FIRST, Group, alike_before, fold_alike, share_out
from kb.embed import Embedded, Encoder, embed_queries
from kb.errors import BadQuery
from kb.fusion import BANK_BONUS, REPORT_BONUS, Candidates, Scores, dense_share, fuse, late_share
from kb.late import AskedTokens, compare
from kb.model import check_model, encoder_for
from kb.question import Report, understand, without_banks
from kb.quotes import best_quote, score_sentences
from kb.records import Filters, Hit, HitScores, Look, Understood
from kb.rerank import RERANKED, open_reranker
from kb.settings import Settings
from kb.store import Store, StoredPassage
from kb.synonyms import Clue, clues_of, open_synonyms
from kb.vectors import Rows, ScoredUnit
from kb.words import has_letters, tokens

MAX_QUERY = 1000
MAX_TOP = 100
CANDIDATES = 300
"""Units and passages that each side brings to the fusion."""

LEAST_GRIP = 0.35
"""Where the best passage has less than this of the rarity of the question's words, they are not those of reports, and
the question is spoken."""

LOOKED_AT = 50
"""How many of the best passages are looked through for some that say the same."""

SPARE = 10
"""How many passages more are looked at, where some of the first may have to make room for those of other banks."""

MARKED = 1.1
"""The rarity of words that are marked: a word that stands in every third passage has this."""

COMPARED = 50
"""How many of the best passages are compared with the question's tokens; more change nothing among the first ten."""

KEPT = 32
"""How many questions are kept as they were understood, and how many sets of the rows that filters leave, or that are
of a bank or report: of 100,000 passages, one takes 800 kB at most, and 10 to 50 ms to find."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a question was searched for: each clue with the rarity of its words, and the share of the dense score; and
    by what it was judged whether the corpus answers it."""

    clues: tuple[tuple[Clue, float], ...]
    dense_weight: float
    signs: Signs


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a question found. `abstained` tells that nothing in the corpus answers it; hits are then the nearest.

    `filters` are those that were set, by canonical names; `understood` is what the question itself tells;
    `confidence` is the probability, 0 to 1, that the corpus answers it.
    """

    query: str
    filters: Filters
    hits: tuple[Hit, ...]
    abstained: bool
    understood: Understood = Understood()
    explanation: Explanation | None = None
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """What both sides bring for a question, not yet fused. `asked` is how it looks by its words alone, and `understood`
    how it looks with what was found; `rarity` is that of each word of its clues."""

    query: str
    row: Rows
    filters: Filters
    asked: Understood
    understood: Understood
    clues: Sequence[Clue]
    rarity: Mapping[str, float]
    candidates: Candidates

    @property
    def rarities(self) -> tuple[tuple[Clue, float], ...]:
        """Each clue with the rarity of its words."""
        return tuple((clue, sum(self.rarity[word] for word in clue.words)) for clue in self.clues)


class Library:
    """An index opened for questions: one generation of the store, its derived indexes, and the encoder.

    Safe to share between threads.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, derived: Derived, encoder: Encoder) -> None:
        """Raises BadSettings for a table of synonyms that cannot be used."""
        self.settings = settings
        self.catalogue = catalogue
        self.store = catalogue.store
        self.encoder = encoder
        self._synonyms = open_synonyms(settings.synonyms)
        self._reranker = open_reranker(settings.reranker)
        self._derived = derived
        self._generation = self.store.snapshot()
        self._lock = Lock()
        self._understand = lru_cache(maxsize=KEPT)(self._look_into)
        self._rows_of = lru_cache(maxsize=KEPT)(self._find_rows)

    @classmethod
    def open(cls, settings: Settings, encoder: Encoder | None = None) -> "Library":
        """Open the index that the settings name.

        Raises IndexMissing, IndexDamaged, BadSettings, and ModelMismatch where the index was made with another model.
        """
        store = Store.open(settings.index / STORE_FILE)
        try:
            encoder = encoder or encoder_for(settings)
            derived = open_derived(store, settings.index)  # which may move on to another generation, of another model
            check_model(store, encoder, settings.index)
            return cls(settings, Catalogue(store, settings), derived, encoder)
        except BaseException:
            store.close()
            raise

    def warm(self) -> None:
        """Make now what the first question would have to wait for."""
        with self._lock:
            _ = self._strangers, self._about_banks, self._reports

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def generation(self) -> int:
        """The generation that this library answers from."""
        return self._generation

    def search(self, query: str, top: int = 10, filters: Filters | None = None, explain: bool = False) -> SearchResult:
        """The best passages for a question; with `explain` they and the result tell how they were found.

        Raises BadQuery, UnknownName, NothingMatches, and ModelUnavailable where the reranker cannot be loaded.
        """
        check_question(query, top)
        return self.search_row(query, self.embed([query])[0], top, filters or Filters(), explain)

    def embed(self, queries: Sequence[str]) -> list[Embedded]:
        """Questions as `search_row` takes them: without the banks that passages are about."""
        with self._lock:
            bare = [self._bare(query, self._understand(query)) for query in queries]
        return embed_queries(self.encoder, bare)

    def search_row(self, query: str, row: Embedded, top: int, filters: Filters, explain: bool = False) -> SearchResult:
        """The same for a question that is embedded already."""
        return self.result(self.find(query, row, filters), top, explain)

    def find(self, query: str, row: Embedded, filters: Filters) -> Found:
        """What both sides bring for a question that is embedded already. Raises UnknownName and NothingMatches."""
        with self._lock:
            return self._find(query, row, filters)

    def result(self, found: Found, top: int, explain: bool = False) -> SearchResult:
        """The best passages of what was found, and whether it answers the question."""
        with self._lock:
            fused, ranked, reranked = self._in_order(found)
            groups = self._choose(found, ranked, max(top, JUDGED))
            signs = self._read_signs(found, groups[:JUDGED])
            hits = self._to_hits(found, groups[:top], fused)
            if explain:
                whys = [why(group.first, found.clues, found.candidates, fused, reranked) for group in groups[:top]]
                hits = tuple(replace(hit, scores=scores) for hit, scores in zip(hits, whys, strict=True))
            weight = dense_share(self.settings.dense_weight, found.understood.look)
            explanation = Explanation(found.rarities, weight, signs) if explain else None
        confidence = probability(signs) if hits else 0.0
        abstained = not hits or confidence < self.settings.abstain_below
        return SearchResult(found.query, found.filters, hits, abstained, found.understood, explanation, confidence)

    def rank(self, found: Found, dense_weight: float, top: int) -> tuple[list[StoredPassage], float]:
        """The best passages with another weight of the dense score, before any reranker; and the confidence then."""
        with self._lock:
            fused = fuse_found(found, dense_weight)
            groups = self._choose(found, in_order(found.candidates, fused), max(top, JUDGED))
            signs = self._read_signs(found, groups[:JUDGED])
        return [group.first for group in groups[:top]], probability(signs) if groups else 0.0

    def search_banks(self, query: str, row: Embedded, top: int, filters: Filters) -> tuple[Hit, ...]:
        """The best passages among those that are about a bank, for a question that is embedded already."""
        with self._lock:
            found = self._find(query, row, filters, self._about_banks)
            fused, ranked, _ = self._in_order(found)
            return self._to_hits(found, self._choose(found, ranked, top), fused)

    def words_of(self, query: str) -> tuple[str, ...]:
        """What to mark in a text for a question: its banks, its words and their synonyms, but for those that stand in
        every third passage."""
        with self._lock:
            asked = self._understand(query)
            words = words_in(self._clues(query, asked))
            rare = [word for word in words if self._derived.lexical.rarity(word) >= MARKED]
        return (*asked.banks, *rare)

    def weigh_words(self, found: Found) -> dict[str, float]:
        """The words of a question, and those of its synonyms, each with its rarity in the corpus."""
        with self._lock:
            return {word: self._derived.lexical.rarity(word) for word in words_in(found.clues)}

    def _in_order(self, found: Found) -> tuple[Scores, NDArray[np.int64], dict[int, float]]:
        """The fused scores of the candidates, their rows in the final order, and the reranker's scores of the first."""
        fused = fuse_found(found, self.settings.dense_weight)
        ranked, reranked = self._rerank(found.query, in_order(found.candidates, fused))
        return fused, ranked, reranked

    def _find(self, query: str, row: Embedded, filters: Filters, within: NDArray[np.int64] | None = None) -> Found:
        """Candidates among the passages that match the filters, and among those `within`, if any are given."""
        filters, reports = self.catalogue.resolve(filters)
        allowed = self._rows_of(filters, reports) if filters else None
        if allowed is not None and not len(allowed):
            raise nothing_matches(filters)
        if within is not None:
            allowed = within if allowed is None else np.intersect1d(allowed, within)
        asked = self._understand(query)
        clues = self._clues(query, asked)
        rarity = {word: self._derived.lexical.rarity(word) for clue in clues for word in clue.words}
        candidates = self._candidates(clues, row.row, asked, allowed)
        found = Found(query, row.row, filters, asked, asked, clues, rarity, candidates)
        found = replace(found, understood=replace(asked, look=look_of(found)))
        return self._with_late(found, row.tokens) if row.tokens else found

    def _with_late(self, found: Found, asked: AskedTokens) -> Found:
        """The same with the late scores of the best candidates; without, where nothing is stored of their tokens."""
        candidates = found.candidates
        best = in_order(candidates, fuse_found(found, self.settings.dense_weight))[:COMPARED]
        tokens = self.store.tokens(best.tolist())
        if not tokens:
            return found
        late = np.full(len(candidates.rows), np.nan)
        late[np.searchsorted(candidates.rows, list(tokens))] = compare(asked, list(tokens.values()))
        return replace(found, candidates=replace(candidates, late=late))

    def _read_signs(self, found: Found, groups: Sequence[Group]) -> Signs:
        """By what it is judged whether the corpus answers a question."""
        first = [group.first for group in groups]
        best = best_dense(found.candidates)
        return read_signs(best, self._strangers, found.asked, found.clues, found.rarity, first)

    @cached_property
    def _strangers(self) -> Strangers:
        """How near the corpus comes to questions about other things."""
        rows = stranger_rows(self.encoder)
        return Strangers.of([best_dense(self._candidates((), row, Understood(), None)) for row in rows])

    @cached_property
    def _about_banks(self) -> NDArray[np.int64]:
        """The passages that are about a bank."""
        return np.array(self.store.rows_about_banks(), np.int64)

    @cached_property
    def _reports(self) -> tuple[Report, ...]:
        return tuple(map(Report.of, self.store.documents()))

    def _look_into(self, query: str) -> Understood:
        """What a question tells, with the banks of which there is no passage."""
        found = understand(query, self.catalogue.book, self._reports)
        return replace(found, absent=tuple(bank for bank in found.banks if not len(self._rows_of_bank(bank))))

    def _clues(self, query: str, understood: Understood) -> list[Clue]:
        """What to look for."""
        return clues_of(self._bare(query, understood), self._synonyms.current())

    def _bare(self, query: str, understood: Understood) -> str:
        """A question without the banks for which passages get a bonus."""
        return without_banks(query, self.catalogue.book, understood.present)

    def _rows_of_bank(self, bank: str) -> NDArray[np.int64]:
        """The passages about a bank, or about what it was or became."""
        return self._rows_of(Filters(bank=self.catalogue.book.lineage(bank)), ())

    def _find_rows(self, filters: Filters, reports: tuple[str, ...]) -> NDArray[np.int64]:
        return np.array(self.store.matching_rows(filters, reports), np.int64)

    def _candidates(
        self, clues: Sequence[Clue], row: Rows, understood: Understood, allowed: NDArray[np.int64] | None
    ) -> Candidates:
        """The passages nearest in meaning and those with the rarest shared words, each with all its scores."""
        lexical = self._derived.lexical.search(clues, CANDIDATES, allowed)
        nearest = self._derived.vectors.nearest_passages(row, CANDIDATES, allowed)
        rows = np.array(sorted({*nearest, *lexical}), np.int64)
        whole, sentence = self._derived.vectors.score_passages(row, rows)
        bm25 = np.array([lexical.get(each, 0.0) for each in rows.tolist()])
        return Candidates(rows, whole, sentence, bm25, self._bonuses(rows, understood))

    def _bonuses(self, rows: NDArray[np.int64], understood: Understood) -> Scores:
        """What each passage gains for being of a bank or report that the question names."""
        about = [self._rows_of_bank(bank) for bank in understood.present]
        within = [self._rows_of(Filters(report=(found.id,)), (found.id,)) for found in understood.reports]
        gained = np.zeros(len(rows))
        for bonus, named in ((BANK_BONUS, about), (REPORT_BONUS, within)):
            if named:
                gained += bonus * np.isin(rows, np.concatenate(named))
        return gained

    def _rerank(self, query: str, ranked: NDArray[np.int64]) -> tuple[NDArray[np.int64], dict[int, float]]:
        """Ranked rows with the first of them in the reranker's order, if there is one, and its scores of those."""
        if self._reranker is None or not len(ranked):
            return ranked, {}
        first = self.store.passages_by_row(ranked[:RERANKED].tolist())
        given = self._reranker.scores(query, [stored.passage for stored in first])
        scores = {stored.row: score for stored, score in zip(first, given, strict=True)}
        order = sorted(scores, key=lambda row: -scores[row])
        return np.concatenate([np.array(order, np.int64), ranked[RERANKED:]]), scores

    def _choose(self, found: Found, ranked: NDArray[np.int64], top: int) -> list[Group]:
        """The first of ranked passages, those that say the same in one; spread where it is asked over many banks."""
        spread = found.understood.many_banks and not found.filters.bank
        alike = alike_before(self._derived.vectors.whole_rows(ranked[:LOOKED_AT]))
        count = max(top, FIRST) + SPARE if spread else top
        alone = [place for place in range(len(ranked)) if place not in alike]
        end = alone[count - 1] + 1 if len(alone) >= count else len(ranked)  # `count` are left, whatever is folded
        places = [*range(end), *(place for place in alike if place >= end and alike[place][0] < end)]
        stored = self.store.passages_by_row(ranked[places].tolist())
        groups = fold_alike(dict(zip(places, stored, strict=True)), alike)[:count]
        return (share_out(groups) if spread else groups)[:top]

    def _to_hits(self, found: Found, groups: Sequence[Group], fused: Scores) -> tuple[Hit, ...]:
        """Passages as hits. Where their order is not that of the fused scores, a hit has the score of its place."""
        words = frozenset(found.rarity)
        scores = dict(zip(found.candidates.rows.tolist(), fused.tolist(), strict=True))
        best_first = sorted((scores[group.first.row] for group in groups), reverse=True)
        units = self._derived.vectors.score_units
        return tuple(
            to_hit(rank, score, group, units(found.row, group.first.row), words)
            for rank, (score, group) in enumerate(zip(best_first, groups, strict=True), start=1)
        )


def words_in(clues: Iterable[Clue]) -> dict[str, None]:
    """The words of clues and those of their synonyms, each once, in order."""
    return dict.fromkeys(word for clue in clues for way in (clue.words, *clue.others) for word in way)


@lru_cache(maxsize=2)
def stranger_rows(encoder: Encoder) -> Rows:
    """The rows of questions about other things, which are the same in each generation of an index."""
    return encoder.queries(STRANGERS)


def fuse_found(found: Found, dense_weight: float) -> Scores:
    """The fused score of each candidate, with a weight as the settings give it."""
    share = dense_share(dense_weight, found.understood.look)
    return fuse(found.candidates, share, late_share(dense_weight))


def look_of(found: Found) -> Look:
    """What a question looks like, once it is known how much of it the best passage has."""
    most = sum(rarity for _, rarity in found.rarities)
    return Look.SPOKEN if max(found.candidates.lexical, default=0.0) < LEAST_GRIP * most else found.asked.look


def in_order(candidates: Candidates, fused: Scores) -> NDArray[np.int64]:
    """The rows of candidates by their fused scores, best first."""
    ranked: NDArray[np.int64] = candidates.rows[np.lexsort((candidates.rows, -fused))]
    return ranked


def best_dense(candidates: Candidates) -> float:
    """The best dense score; 0 of none."""
    return float(max(candidates.dense, default=0.0))


def check_question(query: str, top: int = 1) -> None:
    """Raise BadQuery for an empty or over-long question, or a `top` out of range."""
    if not has_letters(query):
        raise BadQuery("the question is empty of words; ask in words, for example: 银行怎么解决金融科技人才短缺")
    if len(query) > MAX_QUERY:
        raise BadQuery(f"the question has {len(query)} characters, at most {MAX_QUERY} are taken; shorten it")
    check_top(top)


def check_top(top: int) -> None:
    """Raise BadQuery for a `top` out of range."""
    if not 1 <= top <= MAX_TOP:
        raise BadQuery(f"top is {top}, it goes from 1 to {MAX_TOP}")


def to_hit(rank: int, score: float, group: Group, units: Sequence[ScoredUnit], words: frozenset[str]) -> Hit:
    """A passage as a hit with its quote."""
    document, passage = group.first.document, group.first.passage
    sentences = score_sentences(passage, units, words)
    start, end = best_quote(passage, sentences)
    return Hit(rank, score, document, passage, passage.text[start:end], start, sentences, group.also)


def why(
    stored: StoredPassage, clues: Sequence[Clue], found: Candidates, fused: Scores, reranked: Mapping[int, float]
) -> HitScores:
    """How a passage came to its place."""
    at = int(np.searchsorted(found.rows, stored.row))
    passage = stored.passage
    late = None if found.late is None or np.isnan(found.late[at]) else float(found.late[at])
    has = set(tokens("\n".join([passage.text, *passage.heading, *passage.banks])))
    ways = [way for clue in clues for way in (*((word,) for word in clue.words), *clue.others)]
    words = dict.fromkeys("".join(way) for way in ways if has.issuperset(way))
    return HitScores(
        whole=float(found.whole[at]),
        sentence=float(found.sentence[at]),
        lexical=float(found.lexical[at]),
        bonus=float(found.bonus[at]),
        fused=float(fused[at]),
        words=tuple(words),
        rerank=reranked.get(stored.row),
        late=late,
    )
