"""Gold questions → retrieval figures: nDCG, recall and reciprocal rank at 10, by question type."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ir_measures
from ir_measures import RR, R, nDCG

from kb.errors import BadInput, NothingMatches, UnknownName
from kb.records import Filters, Hit
from kb.search import Library, parse_filters
from kb.words import fold

DEPTH = 10
GRAM = 4
ENOUGH = 0.6
"""The share of a gold quote's four-character grams that must stand in a passage for it to count as found."""

MEASURES = {"ndcg": nDCG @ DEPTH, "recall": R @ DEPTH, "mrr": RR @ DEPTH}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A place in a report that answers a question; grade 2 answers it, grade 1 in part."""

    file: str
    quote: str
    grade: int


@dataclass(frozen=True, slots=True)
class Question:
    """A gold question; one without evidence cannot be answered by the corpus."""

    id: str
    query: str
    type: str
    filters: Filters
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
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


def load_gold(path: Path) -> list[Question]:
    """Questions from JSON lines. Raises BadInput with the line that cannot be used."""
    questions: list[Question] = []
    for number, line in read_lines(path):
        try:
            raw = json.loads(line)
            evidence = tuple(Evidence(a["file"], a["quote"], int(a["grade"])) for a in raw["answers"])
            filters = parse_filters(raw.get("filters") or {})
            questions.append(Question(raw["id"], raw["query"], raw.get("type", "all"), filters, evidence))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(f"{path} line {number}: not a gold question: {type(error).__name__}: {error}") from error
    if not questions:
        raise BadInput(f"{path}: no gold questions in it")
    return questions


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers from 1. Raises BadInput."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from error
    yield from ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def evaluate(library: Library, questions: Sequence[Question]) -> tuple[list[Figures], Abstentions]:
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


def score_run(run: Sequence[tuple[Question, Sequence[Hit]]]) -> list[Figures]:
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
) -> list[Figures]:
    """Means by type and over all."""
    by_type: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    names = {measure: name for name, measure in MEASURES.items()}
    for metric in ir_measures.iter_calc(list(names), relevance, run):
        for kind in (types[metric.query_id], "all"):
            by_type[kind][names[metric.measure]].append(metric.value)
    kinds = sorted(set(types.values())) + ["all"]
    counts = {kind: len(types) if kind == "all" else list(types.values()).count(kind) for kind in kinds}
    return [
        Figures(kind, counts[kind], {name: sum(by_type[kind][name]) / counts[kind] for name in MEASURES})
        for kind in kinds
        if counts[kind]
    ]
