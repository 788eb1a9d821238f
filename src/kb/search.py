"""Question and filters → hits: dense and lexical scores, fused, with the quote that answers best."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from kb.catalogue import STORE_FILE, Catalogue
from kb.derived import Derived, open_derived
from kb.embed import PACKAGED, Encoder, open_encoder
from kb.errors import BadQuery, ModelMismatch
from kb.records import Filters, Hit, Passage, Sentence
from kb.settings import Settings
from kb.store import Store, StoredPassage
from kb.vectors import Rows, ScoredUnit
from kb.words import query_tokens, tokens

MAX_QUERY = 1000
MAX_TOP = 100
CANDIDATES = 300
"""Units and passages that each side brings to the fusion."""

WHOLE_WEIGHT = 0.4
"""Share of the whole passage's cosine in the dense score; the rest is its best sentence's."""

LEAST_COSINES = {PACKAGED: 0.74}
"""Below this best cosine nothing in the corpus is near the question: those about the weather or recipes mostly stay
below, those that are answered begin there (docs/retrieval.md)."""

MAX_QUOTE = 160
AIM_QUOTE = 60
"""A shorter quote takes in a neighbouring sentence, if that one is to the point too."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a question found. `abstained` tells that nothing in the corpus answers it; hits are then the nearest."""

    query: str
    filters: Filters
    hits: tuple[Hit, ...]
    abstained: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage with its scores on both sides."""

    row: int
    dense: float
    lexical: float
    units: tuple[ScoredUnit, ...]


class Library:
    """An index opened for questions: one generation of the store, its derived indexes, and the encoder.

    Safe to share between threads.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, derived: Derived, encoder: Encoder) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.store = catalogue.store
        self.encoder = encoder
        self._derived = derived
        self._lock = Lock()

    @classmethod
    def open(cls, settings: Settings, encoder: Encoder | None = None) -> "Library":
        """Open the index that the settings name.

        Raises IndexMissing, IndexDamaged, and ModelMismatch where the index was made with another model.
        """
        store = Store.open(settings.index / STORE_FILE)
        try:
            encoder = encoder or open_encoder(settings.model, settings.cache)
            check_model(store, encoder, settings.index)
            return cls(settings, Catalogue(store, settings), open_derived(store, settings.index), encoder)
        except BaseException:
            store.close()
            raise

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
        return self._derived.stamp.generation

    def search(self, query: str, top: int = 10, filters: Filters | None = None) -> SearchResult:
        """The best passages for a question. Raises BadQuery, UnknownName and NothingMatches."""
        check_question(query, top)
        return self.search_row(query, self.encoder.queries([query])[0], top, filters or Filters())

    def search_row(self, query: str, row: Rows, top: int, filters: Filters) -> SearchResult:
        """The same for a question that is embedded already, as (dim,) unit row."""
        with self._lock:
            filters, reports = self.catalogue.resolve(filters)
            allowed = np.array(self.catalogue.matching_rows(filters, reports)) if filters else None
            candidates = self.candidates(query, row, allowed)
            ranked = fuse(candidates, self.settings.dense_weight)[:top]
            stored = {found.row: found for found in self.store.passages_by_row([item.row for item, _ in ranked])}
        words = frozenset(query_tokens(query))
        hits = tuple(
            to_hit(rank, score, item, stored[item.row], words) for rank, (item, score) in enumerate(ranked, start=1)
        )
        best = max((item.dense for item in candidates), default=-1.0)
        return SearchResult(query, filters, hits, abstained=not hits or best < self.least_cosine)

    @property
    def least_cosine(self) -> float:
        """The best cosine below which a search abstains."""
        if self.settings.abstain_below is not None:
            return self.settings.abstain_below
        return LEAST_COSINES.get(self.encoder.name, -1.0)

    def candidates(self, query: str, row: Rows, allowed: NDArray[np.int64] | None) -> list[Candidate]:
        """The passages nearest in meaning and those with the rarest shared words, each with both scores."""
        lexical = self._derived.lexical.search(query, CANDIDATES, None if allowed is None else allowed.tolist())
        nearest = self._derived.vectors.nearest_passages(row, CANDIDATES, allowed)
        found: list[Candidate] = []
        for passage in dict.fromkeys([*nearest, *lexical]):
            units = tuple(self._derived.vectors.score_units(row, passage))
            found.append(Candidate(passage, dense_score(units), lexical.get(passage, 0.0), units))
        return found


def check_model(store: Store, encoder: Encoder, index: Path) -> None:
    """Raise ModelMismatch unless the encoder is the one that the index was made with."""
    made = store.model()
    if (made.name, made.dim) != (encoder.name, encoder.dim):
        raise ModelMismatch(
            f"the index {index} was made with {made.name!r} ({made.dim} columns), the model set is"
            f" {encoder.name!r} ({encoder.dim}); set KB_MODEL to the first, or ingest into a new folder"
        )


def check_question(query: str, top: int = 1) -> None:
    """Raise BadQuery for an empty or over-long question, or a `top` out of range."""
    if not any(char.isalnum() for char in query):
        raise BadQuery("the question is empty of words; ask in words, for example: 银行怎么解决金融科技人才短缺")
    if len(query) > MAX_QUERY:
        raise BadQuery(f"the question has {len(query)} characters, at most {MAX_QUERY} are taken; shorten it")
    check_top(top)


def check_top(top: int) -> None:
    """Raise BadQuery for a `top` out of range."""
    if not 1 <= top <= MAX_TOP:
        raise BadQuery(f"top is {top}, it goes from 1 to {MAX_TOP}")


def dense_score(units: Sequence[ScoredUnit]) -> float:
    """A passage's cosine: its own and its best sentence's."""
    whole = max((unit.score for unit in units if unit.whole), default=0.0)
    best = max((unit.score for unit in units if not unit.whole), default=whole)
    return WHOLE_WEIGHT * whole + (1 - WHOLE_WEIGHT) * best


def fuse(candidates: Sequence[Candidate], dense_weight: float) -> list[tuple[Candidate, float]]:
    """Candidates by the weighted sum of their standard scores on both sides, best first; equal ones by row."""
    if not candidates:
        return []
    dense = standard_scores([item.dense for item in candidates])
    lexical = standard_scores([item.lexical for item in candidates])
    fused = dense_weight * dense + (1 - dense_weight) * lexical
    pairs = [(item, round(float(score), 6)) for item, score in zip(candidates, fused, strict=True)]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0].row))


def standard_scores(values: Sequence[float]) -> NDArray[np.float64]:
    """Values in standard deviations from their mean; zeros where they are all alike."""
    array = np.array(values, np.float64)
    spread = array.std()
    return (array - array.mean()) / spread if spread > 1e-12 else np.zeros_like(array)


def to_hit(rank: int, score: float, item: Candidate, stored: StoredPassage, words: frozenset[str]) -> Hit:
    """A candidate as a hit with its quote."""
    sentences = score_sentences(stored.passage, item.units, words)
    start, end = best_quote(stored.passage, sentences)
    return Hit(rank, score, stored.document, stored.passage, stored.passage.text[start:end], start, sentences)


def score_sentences(passage: Passage, units: Sequence[ScoredUnit], words: frozenset[str]) -> tuple[Sentence, ...]:
    """A passage's sentences in order, each with its cosine and a share of the question's words."""
    return tuple(
        Sentence(unit.start, unit.end, unit.score + word_bonus(passage.text[unit.start : unit.end], words))
        for unit in sorted(units, key=lambda unit: unit.start)
        if not unit.whole
    )


def best_quote(passage: Passage, sentences: Sequence[Sentence]) -> tuple[int, int]:
    """The range of the one to three sentences that answer best: the best one, and neighbours while it is short."""
    if not sentences:
        return 0, min(len(passage.text), MAX_QUOTE)
    first = last = max(range(len(sentences)), key=lambda at: sentences[at].score)
    while last - first < 2 and sentences[last].end - sentences[first].start < AIM_QUOTE:
        options = [at for at in (first - 1, last + 1) if 0 <= at < len(sentences)]
        options = [at for at in options if span_of(sentences, first, last, at) <= MAX_QUOTE]
        if not options:
            break
        chosen = max(options, key=lambda at: sentences[at].score)
        first, last = min(first, chosen), max(last, chosen)
    start = sentences[first].start
    return start, min(sentences[last].end, start + MAX_QUOTE)


def span_of(sentences: Sequence[Sentence], first: int, last: int, more: int) -> int:
    """Length of a quote with one more sentence."""
    return sentences[max(last, more)].end - sentences[min(first, more)].start


def word_bonus(sentence: str, words: frozenset[str]) -> float:
    """Up to 0.05, for the share of the question's words that stand in a sentence."""
    return 0.05 * len(words & set(tokens(sentence))) / max(1, len(words))
