"""Trains the model of how probable it is that the corpus answers a question.

    python scripts/train_confidence.py [--index DIR] [--check]

The questions are those of `scripts/abstention_questions.jsonl`, near misses and strangers among them, and of
`corpus/gold.jsonl`, over an index of the sample corpus (`kb ingest corpus`). The signs of each (kb.confidence) and
whether it has an answer make a logistic model, written to src/kb/data/confidence.json. Printed are its figures over
questions that were left out, by fifths, and the threshold at which at most 2.5 % of those that have an answer are
abstained on. With --check nothing is written.
"""

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from kb.confidence import Signs
from kb.evaluate import Question, load_gold
from kb.search import Library
from kb.settings import load_settings

ROOT = Path(__file__).parent.parent
FILES = ROOT / "scripts/abstention_questions.jsonl", ROOT / "corpus/gold.jsonl"
TARGET = ROOT / "src/kb/data/confidence.json"

NAMES = [field.name for field in fields(Signs)]
LOST = 0.025
"""The share of questions with an answer that may be abstained on."""

FOLDS, REPEATS = 5, 10

Numbers = NDArray[np.float64]


def signs_of(library: Library, questions: list[Question]) -> Numbers:
    """The signs of each question, (questions, signs)."""
    rows = library.embed([question.query for question in questions])
    signs = []
    for question, row in zip(questions, rows, strict=True):
        explanation = library.search_row(question.query, row, 1, question.filters, explain=True).explanation
        assert explanation
        signs.append(list(asdict(explanation.signs).values()))
    return np.array(signs)


def fit(signs: Numbers, answered: Numbers) -> LogisticRegression:
    """The model; signs are scaled so that the penalty weighs on all alike."""
    return LogisticRegression().fit(signs / scale_of(signs), answered)


def scale_of(signs: Numbers) -> Numbers:
    """The standard deviation of each sign."""
    scale: Numbers = signs.std(axis=0)
    return scale


def left_out(signs: Numbers, answered: Numbers, kinds: list[str]) -> Numbers:
    """The probability of each question by models that did not see it; the mean over several divisions."""
    found = np.zeros(len(signs))
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
    for seen, unseen in folds.split(signs, kinds):
        model, scale = fit(signs[seen], answered[seen]), scale_of(signs[seen])
        found[unseen] += model.predict_proba(signs[unseen] / scale)[:, 1] / REPEATS
    return found


def tell(found: Numbers, answered: Numbers, kinds: list[str]) -> None:
    """Print how well probabilities tell, and the threshold."""
    print(f"{len(found)} questions, {int(answered.sum())} answered; left out by fifths: AUC {auc(answered, found):.3f}")
    for low in np.arange(0, 1, 0.2):
        part = (low <= found) & (found < low + 0.2)
        print(f"  {low:.1f} to {low + 0.2:.1f}: {part.sum()} questions, {answered[part].mean():.2f} of them answered")
    allowed = int(LOST * answered.sum())
    threshold = float(np.sort(found[answered > 0])[allowed])
    print(f"below {threshold:.3f}, abstained on:")
    for kind in sorted(set(kinds)):
        of = np.array([one == kind for one in kinds])
        print(f"  {kind}: {(found[of] < threshold).sum()} of {of.sum()}")


def auc(answered: Numbers, found: Numbers) -> float:
    """The share of pairs of an answered and another question in the right order."""
    return float(roc_auc_score(answered, found))


def main() -> None:
    """Train on all questions, and tell how that does on questions left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, default=Path("index"), help="an index of the sample corpus")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    questions = [question for file in FILES for question in load_gold(file)]
    with Library.open(load_settings().model_copy(update={"index": options.index})) as library:
        signs = signs_of(library, questions)
    answered = np.array([bool(question.evidence) for question in questions], float)
    kinds = [question.type for question in questions]
    tell(left_out(signs, answered, kinds), answered, kinds)
    model, scale = fit(signs, answered), scale_of(signs)
    weights = {"constant": model.intercept_[0], **dict(zip(NAMES, model.coef_[0] / scale, strict=True))}
    rounded = {name: round(float(value), 3) for name, value in weights.items()}
    print(rounded)
    if not options.check:
        TARGET.write_text(json.dumps(rounded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
