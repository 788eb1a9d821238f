"""Figures over gold questions, their intervals, and the gate: what passes, what fails, which run is compared with."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log2
from pathlib import Path

import pytest

from kb.errors import BadInput
from kb.evaluate import (
    Evidence,
    Outcome,
    Question,
    Scores,
    count_abstentions,
    evaluate,
    load_gold,
    measure,
    score_run,
    summarise,
)
from kb.gate import Run, check_tolerance, compare, last_run_file, read_run, write_run
from kb.records import Document, Filters, Hit, Kind, Passage
from kb.search import Library
from kb.settings import Settings
from tests.conftest import CORPUS, run_kb, start_kb

GOLD = CORPUS / "gold.jsonl"


def test_gold_questions_find_their_evidence(library: Library) -> None:
    outcomes = evaluate(library, load_gold(GOLD))
    figures = {row.type: row for row in summarise(outcomes)}
    assert count_abstentions(outcomes).wrongly <= 3
    assert figures["all"].questions >= 40
    assert figures["all"].values["recall"] >= 0.6
    assert figures["all"].values["ndcg"] >= 0.5
    assert figures["fact"].values["mrr"] >= 0.7


def test_a_report_that_is_not_there_is_an_abstention_without_hits(library: Library) -> None:
    answered = next(question for question in load_gold(GOLD) if question.evidence)
    asked = [
        replace(answered, id="unknown", filters=Filters(report=("nowhere.pdf",))),
        replace(answered, id="none", filters=Filters(year=(1999,))),
        replace(answered, id="unanswerable", filters=Filters(year=(1999,)), evidence=()),
    ]
    outcomes = evaluate(library, asked)
    assert [outcome.abstained for outcome in outcomes] == [True] * 3
    assert [outcome.values.get("ndcg") for outcome in outcomes] == [0.0, 0.0, None]
    counted = count_abstentions(outcomes)
    assert (counted.rightly, counted.unanswerable, counted.wrongly, counted.answerable) == (1, 1, 2, 2)


def test_a_hit_counts_for_all_answers_that_it_holds() -> None:
    passage = Passage("p", Kind.TEXT, (), "招聘数据分析师三十人。另设科技子公司一家。", ())
    document = Document("d", "", "", "a.pdf", "", "", None, "", 1, "")
    hit = Hit(1, 1.0, document, passage, "", 0)
    answers = tuple(
        Evidence("a.pdf", quote, grade, {})
        for quote, grade in (("招聘数据分析师三十人", 1), ("另设科技子公司一家", 2), ("与高校共建实验室", 2))
    )
    question = Question("q", "q", "how", Filters(), answers)
    values = measure([(question, [hit, hit])])["q"]
    assert values["recall"] == pytest.approx(2 / 3)
    assert values["mrr"] == 1
    # the best of what the first hit holds counts, 2; nothing is counted twice
    assert values["ndcg"] == pytest.approx(2 / (2 + 2 / log2(3) + 1 / log2(4)))
    assert measure([(question, ())])["q"] == {"ndcg": 0, "recall": 0, "mrr": 0}


def outcomes_of(values: Sequence[float], type: str = "how", wrongly: int = 0) -> list[Outcome]:
    """Outcomes of answerable questions with one value for all figures, the first so many abstained on."""
    return [
        Outcome(f"{type}{at}", type, at < wrongly, dict.fromkeys(("ndcg", "recall", "mrr"), value))
        for at, value in enumerate(values)
    ]


def by_type(rows: Sequence[Scores]) -> dict[str, Scores]:
    return {row.type: row for row in rows}


def test_means_are_over_the_answerable_questions_of_a_type() -> None:
    outcomes = [*outcomes_of([1, 0, 0.5]), *outcomes_of([1], "fact"), Outcome("x", "how", True, {})]
    rows = summarise(outcomes)
    assert [(row.type, row.questions) for row in rows] == [("fact", 1), ("how", 3), ("all", 4)]
    assert [row.values["mrr"] for row in rows] == [1, 0.5, 0.625]
    assert summarise([Outcome("x", "how", True, {})]) == []


def test_questions_without_a_type_count_once(tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text('{"id": 1, "query": "q", "answers": []}', "utf-8")
    (question,) = load_gold(tmp_path / "gold.jsonl")
    assert (question.id, question.type) == ("1", "all")
    rows = summarise(outcomes_of([1, 0.5], question.type))
    assert [(row.type, row.questions, row.values["ndcg"]) for row in rows] == [("all", 2, 0.75)]


def test_an_interval_covers_the_mean_and_narrows_with_more_questions() -> None:
    draw = random.Random(5)
    widths = []
    for count in (10, 100, 1000):
        row = summarise(outcomes_of([draw.random() for _ in range(count)]))[-1]
        low, high = row.intervals["ndcg"]
        assert low < row.values["ndcg"] < high
        widths.append(high - low)
    # The mean of uniform values has a standard deviation of sqrt(1 / 12 n); 95 % lie within 1.96 of it on each side.
    assert widths == pytest.approx([3.92 * (1 / 12 / count) ** 0.5 for count in (10, 100, 1000)], rel=0.25)


def test_intervals_are_the_same_each_time_and_none_for_one_question() -> None:
    rows = by_type(summarise([*outcomes_of([0.2, 0.9, 0.4]), *outcomes_of([0.3], "fact")]))
    assert rows["fact"].intervals == {}
    assert set(rows["how"].intervals) == {"ndcg", "recall", "mrr"}
    assert rows == by_type(summarise([*outcomes_of([0.2, 0.9, 0.4]), *outcomes_of([0.3], "fact")]))


def test_figures_of_hits_have_no_intervals() -> None:
    question = load_gold(GOLD)[0]
    (row, over_all) = score_run([(question, ())])
    assert (row.type, row.values["recall"], row.intervals) == (question.type, 0.0, {})
    assert over_all.questions == 1


def run_of(outcomes: Sequence[Outcome], gold: str = "0" * 64) -> Run:
    return Run(gold, 1, "a model", "0.1", "2024-01-01T00:00:00+00:00", tuple(outcomes))


def falls(before: Sequence[Outcome], after: Sequence[Outcome], tolerance: float = 0.02) -> list[str]:
    return [str(fall) for fall in compare(run_of(before), run_of(after), tolerance).falls]


def test_the_change_is_paired() -> None:
    draw = random.Random(5)
    values = [draw.random() * 0.9 for _ in range(50)]
    change = compare(run_of(outcomes_of(values)), run_of(outcomes_of([value + 0.1 for value in values])), 0).changes[-1]
    low, high = change.intervals["recall"]
    assert change.values["recall"] == pytest.approx(0.1)
    assert (low, high) == pytest.approx((0.1, 0.1))  # each question gained the same, however far apart they are


def test_a_fall_by_just_the_tolerance_passes_and_by_more_fails() -> None:
    before = outcomes_of([0.7] * 10)
    assert falls(before, outcomes_of([0.68] * 10)) == []
    assert falls(before, outcomes_of([0.9] * 10)) == []
    assert falls(before, outcomes_of([0.67] * 10)) == [
        f"{figure} {over} fell from 0.700 to 0.670"
        for over in ("over all", "of how")
        for figure in ("nDCG@10", "recall@10", "MRR@10")
    ]
    assert falls(before, outcomes_of([0.67] * 10), 0.05) == []


def test_a_type_of_few_questions_does_not_fail_by_itself() -> None:
    many = outcomes_of([0.5] * 200, "fact")
    for count, failing in ((9, False), (10, True)):
        before, after = outcomes_of([0.7] * count), outcomes_of([0.4] * count)
        told = falls([*many, *before], [*many, *after])
        assert any("of how" in fall for fall in told) is failing
        assert not any("over all" in fall for fall in told)
    assert any("over all" in fall for fall in falls(outcomes_of([0.7] * 3), outcomes_of([0.4] * 3)))


def test_more_wrong_abstentions_fail() -> None:
    values = [0.5] * 50
    assert falls(outcomes_of(values), outcomes_of(values, wrongly=1)) == []
    assert falls(outcomes_of(values), outcomes_of(values, wrongly=2)) == [
        "wrong abstentions over all rose from 0.000 to 0.040"
    ]
    assert falls(outcomes_of(values, wrongly=2), outcomes_of(values)) == []


@pytest.mark.parametrize("tolerance", [-0.01, 1.5, float("nan")])
def test_tolerances_that_cannot_be_used(tolerance: float) -> None:
    with pytest.raises(BadInput, match="tolerance is"):
        check_tolerance(tolerance)


QUESTIONS = [Question(outcome.id, "q", "how", Filters(), ()) for outcome in outcomes_of([0.5, 0.5])]


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = run_of([replace(outcome, values={}) for outcome in outcomes_of([0.5, 0.5])])
    path = last_run_file(tmp_path, run.gold)
    assert read_run(path, run.gold, QUESTIONS) is None
    write_run(path, run)
    assert read_run(path, run.gold, QUESTIONS) == run
    assert [found.name for found in path.parent.iterdir()] == [path.name]  # no draft stays


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[:-30], "not a run of kb eval: Invalid JSON"),
        (lambda text: text.replace('"outcomes"', '"results"'), "outcomes Field required"),
        (lambda text: text.replace("0.5", "NaN", 1), "finite number"),
        (lambda text: text.replace('"mrr"', '"rr"'), "questions are not those"),
        (lambda text: text.replace('"how1"', '"how2"'), "questions are not those"),
        (lambda text: text.replace("0" * 64, "1" * 64), "another gold file"),
    ],
)
def test_stored_runs_that_cannot_be_used(tmp_path: Path, change: Callable[[str], str], told: str) -> None:
    run = run_of(outcomes_of([0.5, 0.5]))
    path = tmp_path / "run.json"
    write_run(path, run)
    answer = next(question.evidence for question in load_gold(GOLD) if question.evidence)
    questions = [replace(question, evidence=answer) for question in QUESTIONS]
    assert read_run(path, run.gold, questions) == run
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(BadInput, match=told) as caught:
        read_run(path, run.gold, questions)
    assert str(path) in str(caught.value)


def test_a_gold_file_with_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text('{"id": "a", "query": "q", "answers": []}\n' * 2, "utf-8")
    with pytest.raises(BadInput, match=r"line 2: .*'a'"):
        load_gold(tmp_path / "gold.jsonl")


@dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    out: str
    err: str


class Gate:
    """Commands on a copy of the index, and a gold file of the facts and of what nothing answers."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.index, self.gold = settings.index, folder / "gold.jsonl"
        lines = GOLD.read_text("utf-8").splitlines()
        chosen = [line for line in lines if json.loads(line)["type"] == "fact" or not json.loads(line)["answers"]]
        self.gold.write_text("\n".join(chosen), "utf-8")

    def kb(self, *words: object) -> Done:
        done = run_kb(*words, "--index", self.index)
        return Done(done.returncode, done.stdout, done.stderr)

    def eval(self, *words: object) -> Done:
        return self.kb("eval", self.gold, *words)

    def lose_a_report(self) -> None:
        assert self.kb("remove", "rural2020.pdf").status == 0

    @property
    def kept(self) -> list[bytes]:
        """The runs that the index keeps."""
        return [path.read_bytes() for path in sorted(self.index.glob("evaluations/*"))]


@pytest.fixture
def gate(copied_settings: Settings, tmp_path: Path) -> Gate:
    return Gate(copied_settings, tmp_path)


def test_an_index_that_lost_a_report_fails_until_that_is_accepted(gate: Gate) -> None:
    first = gate.eval()
    assert (first.status, "nothing to compare with" in first.err) == (0, True)
    again = gate.eval()
    assert (again.status, again.err) == (0, "")
    assert "change" in again.out and "change" not in first.out
    kept = gate.kept
    gate.lose_a_report()
    for _ in range(2):  # a run that failed is not the last one
        lost = gate.eval()
        assert (lost.status, lost.err.count("\n")) == (1, 1)
        assert re.search(r"nDCG@10 over all fell from [01]\.\d{3} to 0\.\d{3}", lost.err) and "--accept" in lost.err
        assert gate.kept == kept
    accepted = gate.eval("--accept")
    assert (accepted.status, accepted.err.count("\n")) == (0, 1)
    assert "accepted: nDCG@10 over all fell" in accepted.err
    assert gate.kept != kept
    assert gate.eval().status == 0


def test_a_wide_tolerance_lets_it_pass(gate: Gate) -> None:
    gate.eval()
    gate.lose_a_report()
    assert gate.eval("--tolerance", "0.9").status == 0


def test_a_run_elsewhere_takes_the_place_of_the_last_one(gate: Gate, tmp_path: Path) -> None:
    base = tmp_path / "base.json"
    assert gate.eval("-o", base).status == 0
    written = base.read_bytes()
    assert gate.kept == [written]
    gate.lose_a_report()
    assert gate.eval("--accept").status == 0
    kept = gate.kept
    failed = gate.eval("--against", base, "-o", base)
    assert (failed.status, base.read_bytes()) == (1, written)
    assert gate.eval("--against", base, "-o", tmp_path / "worse.json").status == 1
    assert gate.kept == kept
    assert gate.eval("--against", tmp_path / "worse.json").status == 0
    assert gate.eval("--against", base, "-o", base, "--accept").status == 0
    assert base.read_bytes() != written


def test_json_has_figures_intervals_questions_and_the_comparison(gate: Gate) -> None:
    first = json.loads(gate.eval("--json").out)
    assert first["comparison"] is None
    gate.lose_a_report()
    lost = gate.eval("--json", "--tolerance", "0.1")
    told = json.loads(lost.out)
    assert lost.status == 1
    row = told["figures"][-1]
    assert (row["type"], row["questions"]) == ("all", len([one for one in told["run"]["outcomes"] if one["values"]]))
    low, high = row["intervals"]["ndcg"]
    assert low < row["values"]["ndcg"] < high
    assert set(told) == {"figures", "abstentions", "tags", "run", "comparison"}
    assert told["comparison"]["before"] == first["run"]
    assert told["comparison"]["tolerance"] == 0.1
    assert told["run"]["generation"] == first["run"]["generation"] + 1
    before, after = first["figures"][-1]["values"]["ndcg"], row["values"]["ndcg"]
    assert told["comparison"]["changes"][-1]["values"]["ndcg"] == pytest.approx(after - before)
    fall = next(fall for fall in told["comparison"]["falls"] if fall["figure"] == "ndcg")
    assert fall == {"figure": "ndcg", "type": "all", "before": pytest.approx(before), "after": after}


def test_another_gold_file_has_a_last_run_of_its_own(gate: Gate) -> None:
    gate.eval()
    gate.gold.write_text(gate.gold.read_text("utf-8") + "\n", "utf-8")
    assert "nothing to compare with" in gate.eval().err
    assert len(gate.kept) == 2


def test_an_index_that_keeps_no_runs_is_warned_of(gate: Gate) -> None:
    (gate.index / "evaluations").write_text("no folder", "utf-8")
    done = gate.eval()
    assert done.status == 0
    assert [line for line in done.err.splitlines() if "warning" in line and "evaluations" in line]


def test_runs_and_options_that_cannot_be_used_are_one_line(gate: Gate, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{", "utf-8")
    for words, told in (
        (("--tolerance", "-1"), "tolerance"),
        (("--against", broken), "broken.json"),
        (("--against", tmp_path / "none.json"), "none.json"),
        (("--against", tmp_path), str(tmp_path)),
        (("-o", tmp_path / "no/such/run.json"), "run.json"),
    ):
        done = gate.eval(*words)
        assert (done.status, "Traceback" in done.err, told in done.err) == (1, False, True), done.err
    gate.eval()
    (path,) = gate.index.glob("evaluations/*")
    path.write_bytes(path.read_bytes()[:100])
    done = gate.eval()
    assert (done.status, done.err.count("\n"), path.name in done.err) == (1, 1, True), done.err


def test_exit_statuses_of_the_process(gate: Gate, tmp_path: Path) -> None:
    gate.eval("-o", tmp_path / "run.json")
    words = "eval", gate.gold, "--index", gate.index, "--against", tmp_path / "run.json"
    assert start_kb(*words).returncode == 0
    gate.lose_a_report()
    failed = start_kb(*words)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert "fell from" in failed.stderr and "Traceback" not in failed.stderr
