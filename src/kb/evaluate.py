"""Gold questions → figures: nDCG, recall and reciprocal rank at 10 by question type; how right the tags are."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG
from numpy.typing import NDArray

from kb.catalogue import parse_filters
from kb.errors import BadInput, NothingMatches, UnknownName
from kb.records import Field, Filters, Hit, Passage
from kb.search import Library
from kb.store import Store
from kb.words import fold

DEPTH = 10
GRAM = 4
ENOUGH = 0.6
"""The share of a gold quote's four-character grams that must stand in a passage for it to count as found."""

MEASURES = {"ndcg": nDCG @ DEPTH, "recall": R @ DEPTH, "mrr": RR @ DEPTH}


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
class Scores:
    """Means over the answerable questions of one type."""

    type: str
    questions: int
    values: dict[str, float] = field(default_factory=dict)


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
    questions: list[Question] = []
    for number, line in read_lines(path):
        try:
            raw = json.loads(line)
            evidence = tuple(map(to_evidence, raw["answers"]))
            filters = parse_filters(raw.get("filters") or {})
            questions.append(Question(raw["id"], raw["query"], raw.get("type", "all"), filters, evidence))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path} line {number}: not a gold question: {type(error).__name__}: {error}") from error
    if not questions:
        raise BadInput(f"{path}: no gold questions in it")
    return questions


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


def evaluate(library: Library, questions: Sequence[Question]) -> tuple[list[Scores], Abstentions]:
    """Figures by type, and over all as the last; and how often the search abstained."""
    rows = library.encoder.queries([question.query for question in questions])
    run: list[tuple[Question, Sequence[Hit]]] = []
    abstained: list[Question] = []
    for question, row in zip(questions, rows, strict=True):
        try:
            result = library.search_row(question.query, row, DEPTH, question.filters)
        except (NothingMatches, UnknownName):  # a corpus without the report or bank that is asked for
            run.append((question, ()))
            abstained.append(question)
            continue
        run.append((question, result.hits))
        abstained += [question] if result.abstained else []
    wrongly = sum(bool(question.evidence) for question in abstained)
    answerable = sum(bool(question.evidence) for question in questions)
    return score_run(run), Abstentions(len(abstained) - wrongly, len(questions) - answerable, wrongly, answerable)


def score_run(run: Sequence[tuple[Question, Sequence[Hit]]]) -> list[Scores]:
    """Figures of ranked hits, by question type, and over all as the last. Unanswerable questions do not count."""
    relevance: list[ir_measures.Qrel] = []
    ranked: list[ir_measures.ScoredDoc] = []
    types: dict[str, str] = {}
    for question, hits in run:
        if not question.evidence:
            continue
        types[question.id] = question.type
        relevance += [
            ir_measures.Qrel(question.id, str(at), evidence.grade) for at, evidence in enumerate(question.evidence)
        ]
        names = list(hits_to_evidence(hits, question.evidence)) or ["nothing"]
        ranked += [ir_measures.ScoredDoc(question.id, name, float(-rank)) for rank, name in enumerate(names)]
    return summarise(relevance, ranked, types)


def hits_to_evidence(hits: Iterable[Hit], evidence: Sequence[Evidence]) -> Iterator[str]:
    """For each hit the first evidence that it holds and no hit before it held, or a name of its own."""
    seen: set[int] = set()
    for rank, hit in enumerate(hits):
        held = [
            at
            for at, item in enumerate(evidence)
            if at not in seen and item.file == hit.document.file and share(item.quote, hit.passage.text) >= ENOUGH
        ]
        best = max(held, key=lambda at: evidence[at].grade, default=None)
        seen |= set(held)
        yield f"miss-{rank}" if best is None else str(best)


def share(quote: str, text: str) -> float:
    """The share of a quote's four-character grams that stand in a text, blanks aside."""
    wanted, within = squeeze(quote), squeeze(text)
    grams = {wanted[at : at + GRAM] for at in range(max(1, len(wanted) - GRAM + 1))}
    return sum(gram in within for gram in grams) / len(grams)


def squeeze(text: str) -> str:
    """Folded text without blanks."""
    return "".join(fold(text).split())


def summarise(
    relevance: Sequence[ir_measures.Qrel], run: Sequence[ir_measures.ScoredDoc], types: dict[str, str]
) -> list[Scores]:
    """Means by type and over all."""
    by_type: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names = {measure: name for name, measure in MEASURES.items()}
    for metric in ir_measures.iter_calc(list(names), relevance, run):
        for kind in (types[metric.query_id], "all"):
            by_type[kind][names[metric.measure]].append(metric.value)
    kinds = sorted(set(types.values())) + ["all"]
    counts = {kind: len(types) if kind == "all" else list(types.values()).count(kind) for kind in kinds}
    return [
        Scores(kind, counts[kind], {name: sum(by_type[kind][name]) / counts[kind] for name in MEASURES})
        for kind in kinds
        if counts[kind]
    ]


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
