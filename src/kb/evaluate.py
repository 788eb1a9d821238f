"""Gold questions → figures: nDCG, recall and reciprocal rank at 10 by question type; how right the tags are."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG
from numpy.typing import NDArray
from pydantic import FiniteFloat

from kb.catalogue import parse_filters
from kb.errors import BadInput, NothingMatches, UnknownName
from kb.records import Field, Filters, Hit, Passage
from kb.search import Library
from kb.store import Store, StoredPassage
from kb.words import fold

DEPTH = 10
GRAM = 4
ENOUGH = 0.6
"""The share of a gold quote's four-character grams that must stand in a passage for it to count as found."""

MEASURES = {"ndcg": nDCG @ DEPTH, "recall": R @ 1000, "mrr": RR @ DEPTH}
"""Of the first DEPTH hits. One may hold several answers, and recall counts all: it needs no depth of its own."""

ALL = "all"
"""What stands for a type where figures are over all questions."""

RESAMPLES = 2000
SEED = 7
CONFIDENCE = 0.95
"""Of the intervals: how many times questions are drawn anew, from which seed, and the share of means between."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in a report that answers a question; grade 2 answers it, grade 1 in part.

    `tags` are those that an analyst would set; a field that was not labelled is not there.
    """

    file: str
    quote: str
    grade: int
    tags: Mapping[Field, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """A gold question; one without evidence cannot be answered by the corpus."""

    id: str
    query: str
    type: str
    filters: Filters
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a gold question: whether the search abstained, and its figures; none where it has no evidence."""

    id: str
    type: str
    abstained: bool
    values: Mapping[str, FiniteFloat]


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over the answerable questions of one type, each with the interval in which it lies with 95 % confidence."""

    type: str
    questions: int
    values: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Abstentions:
    """How often the search said that nothing answers: rightly on unanswerable questions, wrongly on the others."""

    rightly: int
    unanswerable: int
    wrongly: int
    answerable: int


@dataclass(frozen=True, slots=True)
class TagScores:
    """How right the tags of one field are, over the labelled quotes.

    `first` is the share of quotes whose passage's first tag is among the labels, `found` the share of labels that are
    among the tags. `sure` is the mean score of the tags, `off` how far their scores are from the share of them that is
    right, a fifth of the tags at a time. A passage holds more than the quote, and so may tell of more banks: of banks
    only `found` is known.
    """

    field: str
    quotes: int
    found: float
    first: float | None = None
    sure: float | None = None
    off: float | None = None


def load_gold(path: Path) -> list[Question]:
    """Questions from JSON lines. Raises BadInput with the line that cannot be used."""
    questions: dict[str, Question] = {}
    for number, line in read_lines(path):
        try:
            question = to_question(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path} line {number}: not a gold question: {type(error).__name__}: {error}") from error
        if question.id in questions:
            raise BadInput(f"{path} line {number}: an earlier line has the id {question.id!r} too; give each its own")
        questions[question.id] = question
    if not questions:
        raise BadInput(f"{path}: no gold questions in it")
    return list(questions.values())


def to_question(raw: Mapping[str, Any]) -> Question:
    """A line of gold data."""
    evidence = tuple(map(to_evidence, raw["answers"]))
    filters = parse_filters(raw.get("filters") or {})
    return Question(str(raw["id"]), raw["query"], str(raw.get("type") or ALL), filters, evidence)


LABELS = {"bank": Field.BANK, "dimension": Field.DIMENSION, "topics": Field.TOPIC, "role": Field.ROLE}
"""The keys of labels in gold data; each holds a value or a list."""


def to_evidence(raw: Mapping[str, Any]) -> Evidence:
    """An answer of a gold question."""
    labels = {field: raw[key] for key, field in LABELS.items() if key in raw}
    tags = {field: tuple(filter(None, [given] if isinstance(given, str) else given)) for field, given in labels.items()}
    return Evidence(raw["file"], raw["quote"], int(raw["grade"]), tags)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers from 1. Raises BadInput."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from error
    yield from ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def evaluate(library: Library, questions: Sequence[Question]) -> list[Outcome]:
    """Ask a library the questions: what became of each."""
    rows = library.embed([question.query for question in questions])
    run: list[tuple[Question, Sequence[Hit | StoredPassage]]] = []
    abstained: set[str] = set()
    for question, row in zip(questions, rows, strict=True):
        try:
            result = library.search_row(question.query, row, DEPTH, question.filters)
        except (NothingMatches, UnknownName):  # a corpus without the report or bank that is asked for
            run.append((question, ()))
            abstained.add(question.id)
            continue
        run.append((question, result.hits))
        if result.abstained:
            abstained.add(question.id)
    values = measure(run)
    return [Outcome(one.id, one.type, one.id in abstained, values.get(one.id, {})) for one in questions]


def count_abstentions(outcomes: Iterable[Outcome]) -> Abstentions:
    """How often the search abstained, rightly and wrongly."""
    kinds = Counter((bool(outcome.values), outcome.abstained) for outcome in outcomes)
    unanswerable, answerable = (kinds[kind, True] + kinds[kind, False] for kind in (False, True))
    return Abstentions(kinds[False, True], unanswerable, kinds[True, True], answerable)


def score_run(run: Sequence[tuple[Question, Sequence[Hit | StoredPassage]]]) -> list[Scores]:
    """Figures of ranked hits, without intervals. Unanswerable questions do not count."""
    values = measure(run)
    return summarise([Outcome(one.id, one.type, False, values.get(one.id, {})) for one, _ in run], 0)


def measure(run: Iterable[tuple[Question, Sequence[Hit | StoredPassage]]]) -> dict[str, dict[str, float]]:
    """The figures of ranked hits, by the ids of answerable questions."""
    relevance: list[ir_measures.Qrel] = []
    ranked: list[ir_measures.ScoredDoc] = []
    held: list[ir_measures.ScoredDoc] = []
    for question, hits in run:
        if not question.evidence:
            continue
        relevance += [
            ir_measures.Qrel(question.id, str(at), evidence.grade) for at, evidence in enumerate(question.evidence)
        ]
        held_by = list(hits_to_evidence(hits[:DEPTH], question.evidence))
        best = [str(places[0]) if places else f"miss-{rank}" for rank, places in enumerate(held_by)]
        ranked += to_run(question, best)
        held += to_run(question, [str(place) for places in held_by for place in places])
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, measure in MEASURES.items():
        for metric in ir_measures.iter_calc([measure], relevance, held if name == "recall" else ranked):
            found[metric.query_id][name] = metric.value
    return found


def to_run(question: Question, names: Sequence[str]) -> list[ir_measures.ScoredDoc]:
    """Ranked names as a run; a question for which nothing was found is in it all the same."""
    return [ir_measures.ScoredDoc(question.id, name, float(-rank)) for rank, name in enumerate(names or ["nothing"])]


def hits_to_evidence(hits: Iterable[Hit | StoredPassage], evidence: Sequence[Evidence]) -> Iterator[tuple[int, ...]]:
    """For each hit which evidence it holds that no hit before it held, the best grade first."""
    seen: set[int] = set()
    for hit in hits:
        held = [
            at
            for at, item in enumerate(evidence)
            if at not in seen and item.file == hit.document.file and share(item.quote, hit.passage.text) >= ENOUGH
        ]
        seen |= set(held)
        yield tuple(sorted(held, key=lambda at: -evidence[at].grade))


@lru_cache(maxsize=1 << 14)
def share(quote: str, text: str) -> float:
    """The share of a quote's four-character grams that stand in a text, blanks aside."""
    wanted, within = squeeze(quote), squeeze(text)
    grams = {wanted[at : at + GRAM] for at in range(max(1, len(wanted) - GRAM + 1))}
    return sum(gram in within for gram in grams) / len(grams)


def squeeze(text: str) -> str:
    """Folded text without blanks."""
    return "".join(fold(text).split())


def summarise(outcomes: Sequence[Outcome], resamples: int = RESAMPLES) -> list[Scores]:
    """Means by type, and over all as the last, with intervals by so many resamples (0: none)."""
    answerable = [outcome for outcome in outcomes if outcome.values]
    kinds = [*sorted({outcome.type for outcome in answerable} - {ALL}), ALL] if answerable else []
    scores: list[Scores] = []
    for kind in kinds:
        rows = np.array([[one.values[name] for name in MEASURES] for one in answerable if kind in (one.type, ALL)])
        means = dict(zip(MEASURES, rows.mean(axis=0).tolist(), strict=True))
        intervals = dict(zip(MEASURES, bootstrap(rows, resamples), strict=False))
        scores.append(Scores(kind, len(rows), means, intervals))
    return scores


def bootstrap(rows: NDArray[np.float64], resamples: int) -> list[tuple[float, float]]:
    """The interval of the mean of each column, over questions drawn anew with repeats; nothing for one question."""
    if len(rows) < 2 or not resamples:
        return []
    draw = np.random.default_rng(SEED)
    means = [rows[draw.integers(0, len(rows), len(rows))].mean(axis=0) for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0).tolist()
    return list(zip(low, high, strict=True))


def evaluate_tags(store: Store, questions: Sequence[Question]) -> list[TagScores]:
    """How right the tags of the passages are in which the labelled quotes stand, by field; each quote counts once."""
    labelled = {(item.file, item.quote): item for question in questions for item in question.evidence}
    passages: dict[str, list[Passage]] = defaultdict(list)
    for stored in store.live_passages():
        passages[stored.document.file].append(stored.passage)
    pairs = [(item, home) for item in labelled.values() if (home := home_of(item, passages[item.file]))]
    return [tag_scores(one, pairs) for one in LABELS.values() if any(one in item.tags for item, _ in pairs)]


def home_of(item: Evidence, passages: Iterable[Passage]) -> Passage | None:
    """The passage that holds a quote."""
    shares = [(share(item.quote, passage.text), passage) for passage in passages]
    best, home = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return home if best >= ENOUGH else None


FIFTHS = 5


def tag_scores(of: Field, pairs: Sequence[tuple[Evidence, Passage]]) -> TagScores:
    """The figures of one field, over labelled quotes with their passages."""
    labelled = [(item.tags[of], passage) for item, passage in pairs if of in item.tags]
    found = mean([value in passage.values(of) for wanted, passage in labelled for value in wanted])
    if of is Field.BANK:
        return TagScores(of.value, len(labelled), found)
    first = mean([not set(passage.values(of)[:1]).isdisjoint(wanted) for wanted, passage in labelled])
    tags = [(tag, wanted) for wanted, passage in labelled for tag in passage.tags if tag.field is of]
    right = np.array([tag.value in wanted for tag, wanted in tags], float)
    sure = np.array([tag.score for tag, _ in tags])
    parts = np.array_split(np.argsort(sure, kind="stable"), FIFTHS)
    off = sum(abs(float(right[part].sum() - sure[part].sum())) for part in parts) / max(1, len(tags))
    return TagScores(of.value, len(labelled), found, first, mean(sure), off)


def mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    """The mean; 0 of nothing."""
    return float(np.mean(values)) if len(values) else 0.0
