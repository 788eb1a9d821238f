"""Gold questions → which weight of the dense score and which threshold of abstention do best on questions left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.errors import BadInput, NothingMatches, UnknownName
from kb.evaluate import (
    ALL,
    DEPTH,
    RESAMPLES,
    SEED,
    Abstentions,
    Outcome,
    Question,
    Scores,
    bootstrap,
    measure,
    summarise,
)
from kb.search import Found, Library
from kb.store import StoredPassage

DENSE, LEXICAL = 1.0, 0.0
"""The weights at which one half of the search is alone."""

WEIGHTS = tuple(step / 20 for step in range(21))
FOLDS = 5
CHOSEN_BY = "ndcg"

LOST = 0.025
"""The share of answerable questions on which a search may abstain."""

FEWEST = 20
"""With fewer questions of a kind, answerable or not, no threshold is chosen: one of them would move it too far."""

Values = Mapping[str, Mapping[str, float]]
"""The figures of each answerable question, by its id."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Mean figures with a weight of the dense score."""

    dense_weight: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class WeightChoice:
    """The best weight over all questions, and how it does where it is chosen without those that it is judged by.

    `held_out` are the figures of weights chosen by the other questions; `gain` is what they have above the present
    weight, `over_half` above the better half of the search alone. `keep` tells that the gain is within noise.
    """

    present: float
    best: float
    trials: Sequence[Trial]
    held_out: Scores
    gain: Scores
    better_half: float
    over_half: Scores
    keep: bool

    @property
    def advised(self) -> float:
        """The weight to set."""
        return self.present if self.keep else self.best


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """The threshold at which at most 2.5 % of the answerable questions are abstained on, and how it does.

    `held_out` are the abstentions at thresholds chosen by the other questions, `gain` is how many more questions in
    all, as a share, are then decided rightly than now, with its interval. `keep` tells that this is within noise.
    """

    present: float
    best: float
    now: Abstentions
    held_out: Abstentions
    gain: float
    interval: tuple[float, float]
    keep: bool

    @property
    def advised(self) -> float:
        """The threshold to set."""
        return self.present if self.keep else self.best


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is best for an index, by gold questions; no threshold where there are too few to choose one by."""

    weight: WeightChoice
    threshold: ThresholdChoice | None


def advised(tuning: Tuning) -> dict[str, float]:
    """What to set, by the names of settings."""
    threshold = {"abstain_below": tuning.threshold.advised} if tuning.threshold else {}
    return {"dense_weight": tuning.weight.advised, **threshold}


def tune(library: Library, questions: Sequence[Question]) -> Tuning:
    """Try settings over gold questions, each looked for once. A reranker is left out.

    Raises BadInput where too few of them have an answer to be divided into folds.
    """
    answerable = [question for question in questions if question.evidence]
    if len(answerable) < FOLDS:
        raise BadInput(f"{len(answerable)} of the questions have answers; to tune, at least {FOLDS} are needed")
    found = find(library, questions)
    present = library.settings.dense_weight
    tables = {weight: figures_at(library, answerable, found, weight) for weight in sorted({*WEIGHTS, present})}
    sure = {one.id: rank(library, found.get(one.id), present)[1] for one in questions}
    return Tuning(choose_weight(tables, present), choose_threshold(questions, sure, library.settings.abstain_below))


def find(library: Library, questions: Sequence[Question]) -> dict[str, Found]:
    """What both sides bring for each question; nothing where its filters match nothing in this corpus."""
    found: dict[str, Found] = {}
    rows = library.embed([question.query for question in questions])
    for question, row in zip(questions, rows, strict=True):
        try:
            found[question.id] = library.find(question.query, row, question.filters)
        except (NothingMatches, UnknownName):
            continue
    return found


def rank(library: Library, found: Found | None, weight: float) -> tuple[list[StoredPassage], float]:
    """The best passages with a weight, and the confidence."""
    return library.rank(found, weight, DEPTH) if found else ([], 0.0)


def figures_at(library: Library, questions: Sequence[Question], found: Mapping[str, Found], weight: float) -> Values:
    """The figures of each question with a weight."""
    return measure([(question, rank(library, found.get(question.id), weight)[0]) for question in questions])


def choose_weight(tables: Mapping[float, Values], present: float) -> WeightChoice:
    """The best of the weights, and whether it is worth a change."""
    ids = sorted(tables[present])
    held_out: dict[str, Mapping[str, float]] = {}
    for seen, unseen in folds(ids):
        weight = best_weight(tables, seen, present)
        held_out |= {one: tables[weight][one] for one in unseen}
    half = max(DENSE, LEXICAL, key=lambda weight: mean_of(tables[weight], ids))
    gain = gain_of(held_out, tables[present])
    trials = [Trial(weight, over_all(table).values) for weight, table in tables.items()]
    best = best_weight(tables, ids, present)
    return WeightChoice(
        present,
        best,
        trials,
        over_all(held_out),
        gain,
        half,
        gain_of(held_out, tables[half]),
        best == present or gain.intervals[CHOSEN_BY][0] <= 0,
    )


def folds(ids: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Questions in parts by chance, the same each time: those to choose by, and those to judge by."""
    order = np.random.default_rng(SEED).permutation(len(ids))
    parts = [[ids[at] for at in part] for part in np.array_split(order, FOLDS)]
    return [([one for one in ids if one not in set(unseen)], unseen) for unseen in parts]


def best_weight(tables: Mapping[float, Values], ids: Sequence[str], present: float) -> float:
    """The weight with the best mean; of equals the one nearest to the present."""
    return max(tables, key=lambda weight: (round(mean_of(tables[weight], ids), 6), -abs(weight - present)))


def mean_of(table: Values, ids: Sequence[str]) -> float:
    """The mean by which weights are chosen."""
    return float(np.mean([table[one][CHOSEN_BY] for one in ids]))


def over_all(table: Values) -> Scores:
    """Means over all questions, with intervals."""
    return summarise([Outcome(one, ALL, False, values) for one, values in table.items()])[-1]


def gain_of(new: Values, old: Values) -> Scores:
    """Mean gains of the same questions, with intervals."""
    return over_all({one: {name: new[one][name] - old[one][name] for name in new[one]} for one in new})


def choose_threshold(
    questions: Sequence[Question], sure: Mapping[str, float], present: float
) -> ThresholdChoice | None:
    """The best threshold, and whether it is worth a change; None for too few questions of either kind."""
    answered = {question.id: bool(question.evidence) for question in questions}
    if min(sum(answered.values()), len(answered) - sum(answered.values())) < FEWEST:
        return None
    ids = sorted(answered)
    limits: dict[str, float] = {}
    for seen, unseen in folds(ids):
        limits |= dict.fromkeys(unseen, best_threshold(sure, answered, seen))
    now, then = abstained(sure, dict.fromkeys(ids, present)), abstained(sure, limits)
    gains = np.array([float(then[one] != answered[one]) - float(now[one] != answered[one]) for one in ids])
    (interval,) = bootstrap(gains[:, None], RESAMPLES)
    best = best_threshold(sure, answered, ids)
    return ThresholdChoice(
        present,
        best,
        count(now, answered),
        count(then, answered),
        float(gains.mean()),
        interval,
        best == present or interval[0] <= 0,
    )


def best_threshold(sure: Mapping[str, float], answered: Mapping[str, bool], ids: Sequence[str]) -> float:
    """The highest threshold, in hundredths, at which not too many answerable questions are abstained on."""
    ordered: NDArray[np.float64] = np.sort([sure[one] for one in ids if answered[one]])
    return float(np.floor(100 * ordered[int(LOST * len(ordered))]) / 100)


def abstained(sure: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, bool]:
    """On which questions a search abstains, each at its own threshold."""
    return {one: sure[one] < limit for one, limit in limits.items()}


def count(abstentions: Mapping[str, bool], answered: Mapping[str, bool]) -> Abstentions:
    """How often that is right."""
    rightly = sum(abstentions[one] for one in answered if not answered[one])
    wrongly = sum(abstentions[one] for one in answered if answered[one])
    return Abstentions(rightly, len(answered) - sum(answered.values()), wrongly, sum(answered.values()))
