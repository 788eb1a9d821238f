"""Runs of gold questions, kept and compared: what changed since the last one, and which figures fell too far."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydantic

from kb import __version__
from kb.errors import BadInput
from kb.evaluate import ALL, MEASURES, Abstentions, Outcome, Question, Scores, count_abstentions, summarise
from kb.files import replace_file
from kb.search import Library
from kb.store import now

FOLDER = "evaluations"
"""Where an index keeps its last run over each gold file."""

TOLERANCE = 0.02
FEWEST = 10
"""A type with fewer questions does not fail a run: one of them would move its figures too far."""

WRONGLY = "wrongly"
"""The figure that must not rise: the share of answerable questions on which the search abstained."""

TITLES = {"ndcg": "nDCG@10", "recall": "recall@10", "mrr": "MRR@10", WRONGLY: "wrong abstentions"}
"""What the figures are called for people."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of each question of a gold file (by its SHA-256), and what was asked: which index, by which kb."""

    gold: str
    generation: int
    model: str
    kb: str
    time: str
    outcomes: tuple[Outcome, ...]


RUN = pydantic.TypeAdapter(Run)
"""Checks runs that are read, and writes them."""


@dataclass(frozen=True, slots=True)
class Fall:
    """A figure that got worse by more than the tolerance."""

    figure: str
    type: str
    before: float
    after: float

    def __str__(self) -> str:
        over = "over all" if self.type == ALL else f"of {self.type}"
        verb = "rose" if self.after > self.before else "fell"
        return f"{TITLES[self.figure]} {over} {verb} from {self.before:.3f} to {self.after:.3f}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against the one before: mean changes over the same questions, and what fell too far (over all first)."""

    before: Run
    tolerance: float
    changes: list[Scores]
    abstentions: Abstentions
    falls: list[Fall]


def check_tolerance(tolerance: float) -> None:
    """Raise BadInput for a tolerance that no figure could be held to."""
    if not 0 <= tolerance <= 1:
        raise BadInput(f"the tolerance is {tolerance}, it goes from 0 to 1; 0.02 lets a figure fall by two hundredths")


def hash_gold(path: Path) -> str:
    """SHA-256 of a gold file, by which runs know it again. Raises BadInput."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error


def last_run_file(index: Path, gold: str) -> Path:
    """Where an index keeps the last run over the gold file with this hash."""
    return index / FOLDER / f"{gold[:16]}.json"


def to_run(library: Library, gold: str, outcomes: Sequence[Outcome]) -> Run:
    """A run over the gold file with this hash, of a library, now."""
    return Run(gold, library.generation, library.encoder.name, __version__, now(), tuple(outcomes))


def read_run(path: Path, gold: str, questions: Sequence[Question]) -> Run | None:
    """The run in a file, None where there is no file.

    Raises BadInput for what is no run, or is one over other questions than those of the gold file with this hash.
    """
    try:
        run = RUN.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        why = " ".join(map(str, (*first["loc"], first["msg"])))
        raise BadInput(f"{path}: not a run of kb eval: {why}; delete it, or name another") from error
    expected = {question.id: set(MEASURES if question.evidence else ()) for question in questions}
    if run.gold != gold:
        raise BadInput(f"{path}: a run over another gold file ({run.gold[:16]}, not {gold[:16]}); name that file")
    if {outcome.id: set(outcome.values) for outcome in run.outcomes} != expected:
        raise BadInput(f"{path}: its questions are not those of the gold file; delete it, or name another")
    return run


def write_run(path: Path, run: Run) -> None:
    """Write a run, in one step, to a file; its folder is made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, dump_run(run))


def dump_run(run: Run) -> str:
    """A run as JSON."""
    return RUN.dump_json(run, indent=1).decode() + "\n"


def compare(before: Run, after: Run, tolerance: float) -> Comparison:
    """What changed between two runs over the same gold file, and what got worse by more than the tolerance."""
    old = {outcome.id: outcome.values for outcome in before.outcomes}
    changes = summarise([replace(one, values=differences(old[one.id], one.values)) for one in after.outcomes])
    abstentions, now_abstentions = count_abstentions(before.outcomes), count_abstentions(after.outcomes)
    falls = [
        Fall(figure, change.type, scores.values[figure] - change.values[figure], scores.values[figure])
        for change, scores in zip(changes, summarise(after.outcomes, 0), strict=True)
        if change.type == ALL or change.questions >= FEWEST
        for figure in MEASURES
        if exceeds(-change.values[figure], tolerance)
    ]
    wrongly, now_wrongly = share_wrongly(abstentions), share_wrongly(now_abstentions)
    if exceeds(now_wrongly - wrongly, tolerance):
        falls.append(Fall(WRONGLY, ALL, wrongly, now_wrongly))
    falls.sort(key=lambda fall: fall.type != ALL)
    return Comparison(before, tolerance, changes, abstentions, falls)


def differences(old: Mapping[str, float], new: Mapping[str, float]) -> dict[str, float]:
    """What was gained in each figure; below 0 for a loss."""
    return {name: new[name] - old[name] for name in new}


def share_wrongly(abstentions: Abstentions) -> float:
    """The share of answerable questions on which the search abstained."""
    return abstentions.wrongly / max(1, abstentions.answerable)


def exceeds(loss: float, tolerance: float) -> bool:
    """Whether a figure lost more than the tolerance; to lose just that is allowed, however floats round."""
    return loss > tolerance + 1e-9
