"""What weight and threshold gold questions advise: chosen without the questions that it is judged by."""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kb.errors import BadInput
from kb.evaluate import Question, evaluate, load_gold, summarise
from kb.records import Filters
from kb.search import Library
from kb.settings import Settings
from kb.tune import DENSE, LEXICAL, WEIGHTS, choose_threshold, choose_weight, folds, tune
from tests.conftest import CORPUS, encoder, run_kb

GOLD = CORPUS / "gold.jsonl"


def tables(figure: Callable[[float, int], float], count: int = 40) -> dict[float, dict[str, dict[str, float]]]:
    """Figures of so many questions with each weight."""
    return {
        weight: {f"q{at:02}": dict.fromkeys(("ndcg", "recall", "mrr"), figure(weight, at)) for at in range(count)}
        for weight in WEIGHTS
    }


def test_folds_hold_each_question_once_and_never_choose_by_it() -> None:
    ids = [f"q{at}" for at in range(23)]
    parts = folds(ids)
    assert sorted(one for _, unseen in parts for one in unseen) == sorted(ids)
    assert all(set(seen).isdisjoint(unseen) and len(seen) + len(unseen) == 23 for seen, unseen in parts)
    assert parts == folds(ids)


def test_a_weight_that_is_better_for_all_is_advised() -> None:
    choice = choose_weight(tables(lambda weight, at: 0.8 - abs(weight - 0.4) - at / 100), 0.75)
    assert (choice.best, choice.keep, choice.advised) == (0.4, False, 0.4)
    assert choice.gain.values["ndcg"] == pytest.approx(0.35)
    assert choice.better_half == LEXICAL
    assert choice.over_half.values["ndcg"] == pytest.approx(0.4)
    assert [trial.dense_weight for trial in choice.trials] == list(WEIGHTS)


def test_a_gain_within_noise_keeps_the_present_weight() -> None:
    draw = random.Random(3)
    noise = {(weight, at): draw.random() for weight in WEIGHTS for at in range(200)}
    choice = choose_weight(tables(lambda weight, at: noise[weight, at], 200), 0.75)
    assert choice.best != 0.75  # some weight is ahead by chance
    assert (choice.keep, choice.advised) == (True, 0.75)
    assert choice.held_out.values["ndcg"] < max(trial.values["ndcg"] for trial in choice.trials)


def test_of_equal_weights_the_nearest_to_the_present_is_taken() -> None:
    choice = choose_weight(tables(lambda weight, at: 0.5), 0.75)
    assert (choice.best, choice.advised) == (0.75, 0.75)


def asked(sure: Mapping[str, float], unanswered: int) -> list[Question]:
    evidence = load_gold(GOLD)[0].evidence
    ids = sorted(sure)
    return [Question(one, "q", "all", Filters(), () if at < unanswered else evidence) for at, one in enumerate(ids)]


def test_a_threshold_parts_what_is_answered_from_what_is_not() -> None:
    sure = {f"a{at:03}": 0.30 + at / 1000 for at in range(50)} | {f"b{at:03}": 0.60 + at / 1000 for at in range(80)}
    choice = choose_threshold(asked(sure, 50), sure, 0.1)
    assert choice is not None
    assert choice.best == pytest.approx(0.60)  # at most two of 80 are lost
    assert (choice.now.rightly, choice.now.wrongly) == (0, 0)
    assert (choice.held_out.rightly, choice.held_out.unanswerable, choice.held_out.answerable) == (50, 50, 80)
    assert choice.held_out.wrongly <= 4
    assert not choice.keep and choice.interval[0] > 0


def test_a_threshold_is_kept_where_another_is_no_better_and_not_chosen_by_few() -> None:
    draw = random.Random(5)
    sure = {f"q{at:03}": draw.random() for at in range(100)}
    choice = choose_threshold(asked(sure, 50), sure, 0.02)
    assert choice is not None and choice.keep and choice.advised == 0.02
    assert choose_threshold(asked(sure, 19), sure, 0.02) is None
    assert choose_threshold(asked(sure, 81), sure, 0.02) is None


def test_the_present_weight_has_the_figures_of_the_search_itself(library: Library) -> None:
    questions = [question for question in load_gold(GOLD) if question.type in ("fact", "filtered", "none")]
    found = tune(library, questions).weight
    (present,) = [trial for trial in found.trials if trial.dense_weight == library.settings.dense_weight]
    assert present.values == pytest.approx(summarise(evaluate(library, questions), 0)[-1].values)
    halves = {trial.dense_weight: trial.values["ndcg"] for trial in found.trials}
    assert halves[DENSE] != halves[LEXICAL]


def test_too_few_questions_are_refused(library: Library) -> None:
    with pytest.raises(BadInput, match="4 of the questions have answers"):
        tune(library, [question for question in load_gold(GOLD) if question.evidence][:4])


def test_the_command_advises_and_keeps_nothing(copied_settings: Settings, tmp_path: Path) -> None:
    index = copied_settings.index  # other processes of tests open the shared one, with side files of SQLite

    def kb(*words: object) -> tuple[int, str]:
        done = run_kb("eval", *words, "--index", index)
        return done.returncode, done.stdout

    gold = tmp_path / "gold.jsonl"
    lines = [line for line in GOLD.read_text("utf-8").splitlines() if json.loads(line)["type"] in ("fact", "none")]
    gold.write_text("\n".join(lines), "utf-8")
    with Library.open(copied_settings, encoder()):  # SQLite's side files are there before and after
        before = sorted(index.rglob("*"))
        status, told = kb(gold, "--tune")
        assert status == 0 and "KB_DENSE_WEIGHT=" in told and "dense_weight = " in told
        assert "lexical alone" in told and "dense alone" in told and "held out" in told
        status, told = kb(gold, "--tune", "--json")
        found = json.loads(told)
        assert status == 0 and set(found) == {"weight", "threshold", "advised"}
        assert found["threshold"] is None and set(found["advised"]) == {"dense_weight"}
        assert sorted(index.rglob("*")) == before
    assert kb(gold, "--tune", "--accept")[0] == 2
