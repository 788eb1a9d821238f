"""Candidates with their scores on both sides → one score: weighted standard scores, and a bonus for what is named."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.records import Look

Scores = NDArray[np.float64]

WHOLE_WEIGHT = 0.4
"""Share of the whole passage's cosine in the dense score; the rest is its best sentence's."""

LOOKS = {Look.FIGURES: -0.12, Look.SPOKEN: 0.15, Look.PLAIN: 0.0}
"""What a question's look adds to the share of the dense score that the settings give (docs/retrieval.md)."""

LATE_WEIGHT = 0.3
"""Share of the late score, where there is one; what both sides come to has the rest."""

BANK_BONUS = 3.0
REPORT_BONUS = 1.0
"""What a passage gains, in standard scores, where the question names its bank, or its report."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Passages that may answer, by their rows: cosine of each, cosine of its best sentence, BM25, and bonus.

    `late` is how near they come to the question's tokens (kb.late): NaN where it was not looked at, None for all.
    """

    rows: NDArray[np.int64]
    whole: Scores
    sentence: Scores
    lexical: Scores
    bonus: Scores
    late: Scores | None = None

    @property
    def dense(self) -> Scores:
        """The dense score of each."""
        return WHOLE_WEIGHT * self.whole + (1 - WHOLE_WEIGHT) * self.sentence


def dense_share(setting: float, look: Look) -> float:
    """The share of the dense score for a question that looks so; 0 and 1 in the settings stay what they are."""
    return setting if setting in (0.0, 1.0) else min(1.0, max(0.0, setting + LOOKS[look]))


def late_share(setting: float) -> float:
    """The share of the late score; none where the settings want one side alone."""
    return 0.0 if setting in (0.0, 1.0) else LATE_WEIGHT


def fuse(found: Candidates, dense_weight: float, late_weight: float = LATE_WEIGHT) -> Scores:
    """The fused score of each candidate. Those whose tokens were not looked at are as far from the question as the
    farthest of the others."""
    dense, lexical = standard_scores(found.dense), standard_scores(found.lexical)
    fused = dense_weight * dense + (1 - dense_weight) * lexical
    if found.late is not None:
        late = np.where(np.isnan(found.late), np.nanmin(found.late), found.late)
        fused = (1 - late_weight) * fused + late_weight * standard_scores(late)
    return np.round(fused + found.bonus, 6)


def standard_scores(values: Scores) -> Scores:
    """Values in standard deviations from their mean; zeros where they are all alike."""
    deviation = values.std() if len(values) else 0.0
    return (values - values.mean()) / deviation if deviation > 1e-12 else np.zeros_like(values)
