"""How probable it is that the corpus answers a question: its signs, the threshold, and what people are told."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kb.confidence import (
    STRANGERS,
    Signs,
    Strangers,
    cover,
    lacks_year,
    model,
    probability,
    read_signs,
)
from kb.evaluate import evaluate, load_gold, share
from kb.records import Document, Kind, Look, Passage, Understood
from kb.search import Library
from kb.settings import Settings
from kb.store import Store, StoredPassage
from kb.synonyms import Clue
from kb.vectors import Rows
from tests.conftest import CORPUS, encoder, run_kb

QUESTIONS = Path(__file__).parent.parent / "scripts/abstention_questions.jsonl"
LIKELY = Signs(near=4.0, covered=0.8, missing=0.0, unmet=0.0)


def test_each_sign_moves_the_probability_its_way() -> None:
    sure = probability(LIKELY)
    assert 0.5 < sure < 1
    for worse in ({"near": 1.0}, {"covered": 0.1}, {"missing": 1.0}, {"unmet": 0.9}):
        assert probability(replace(LIKELY, **worse)) < sure
    assert set(model()) == {"constant", "near", "covered", "missing", "unmet"}
    assert probability(Signs(-50, 0, 2, 1)) >= 0 and probability(Signs(50, 1, 0, 0)) <= 1


CLUES = [Clue("大模型", ("大", "模型"), (("大语言模型",),)), Clue("审批", ("审批",))]
RARITY = {"大": 1.0, "模型": 3.0, "审批": 4.0}


@pytest.mark.parametrize(
    ("texts", "share_of_words"),
    [
        (["大模型用于审批"], 1.0),
        (["审批"], 0.5),
        (["模型", "审批"], 0.5),  # no passage has both
        (["大语言模型"], 0.5),  # the very words stand in it
        (["llm"], 0.0),
        ([], 0.0),
    ],
)
def test_cover_is_the_best_passage_s_share_of_the_rarity_of_the_words(texts: list[str], share_of_words: float) -> None:
    assert cover(CLUES, RARITY, texts) == pytest.approx(share_of_words)


def test_a_synonym_covers_a_word_but_not_quite() -> None:
    clue = [Clue("招不到人", ("招", "不到"), (("人才", "短缺"), ("引进",)))]
    rarity = {"招": 2.0, "不到": 2.0}
    assert cover(clue, rarity, ["引进"]) == pytest.approx(0.7)
    assert cover(clue, rarity, ["人才"]) == 0  # all of a synonym must stand there
    assert cover(clue, rarity, ["招不到，所以引进"]) == 1
    assert cover([Clue("怎么", ())], {}, ["怎么"]) == 0


def stored(text: str, year: int | None = None) -> StoredPassage:
    document = Document("d", "", "", "a.pdf", "", "", year, "", 1, "")
    return StoredPassage(1, Passage("p", Kind.TEXT, (), text, ()), document)


def test_a_year_is_missing_where_no_passage_tells_of_it() -> None:
    assert not lacks_year((), [])
    assert lacks_year((2022,), [stored("2021年末"), stored("增长20%")])
    assert not lacks_year((2022,), [stored("2021年末"), stored("2022年末")])
    assert not lacks_year((2022,), [stored("22年末")])
    assert not lacks_year((2022,), [stored("增长20%", year=2022)])
    assert not lacks_year((2021, 2022), [stored("2022年末")])


def test_signs_of_a_figure_and_of_a_bank_that_is_not_there() -> None:
    far = Strangers.of([0.5, 0.7])
    asked = Understood(look=Look.FIGURES, banks=("徽商银行",), absent=("徽商银行",), years=(2019,))
    signs = read_signs(0.8, far, asked, CLUES, RARITY, [stored("审批")])
    assert signs.near == pytest.approx(2.0)
    assert (signs.covered, signs.missing, signs.unmet) == (0.5, 2.0, 0.5)
    assert read_signs(0.8, far, Understood(), CLUES, RARITY, [stored("审批")]).unmet == 0


def test_strangers_that_are_all_alike_divide_by_nothing() -> None:
    assert Strangers.of([0.5, 0.5]) == Strangers(0.5, 1.0)


@pytest.fixture(scope="module")
def confidences(library: Library) -> dict[str, list[float]]:
    questions = load_gold(QUESTIONS)
    rows = library.embed([question.query for question in questions])
    found: dict[str, list[float]] = {}
    for question, row in zip(questions, rows, strict=True):
        result = library.search_row(question.query, row, 1, question.filters)
        found.setdefault(question.type, []).append(result.confidence)
    return found


def share_below(values: Sequence[float], threshold: float) -> float:
    return float(np.mean([value < threshold for value in values]))


def test_strange_questions_and_many_near_misses_are_turned_away_and_hardly_an_answered_one(
    confidences: dict[str, list[float]], library: Library
) -> None:
    least = library.settings.abstain_below
    answered = [value for kind, values in confidences.items() if kind not in ("near", "far") for value in values]
    assert share_below(confidences["far"], least) >= 0.9
    assert share_below(confidences["near"], least) >= 0.35
    assert share_below(answered, least) <= 0.03


def test_gold_questions_are_judged_too(library: Library) -> None:
    outcomes = evaluate(library, load_gold(CORPUS / "gold.jsonl"))
    assert sum(outcome.abstained for outcome in outcomes if outcome.values) <= 3
    assert sum(outcome.abstained for outcome in outcomes if not outcome.values) >= 3


def test_the_questions_that_it_was_trained_with_have_their_answers(library_settings: Settings) -> None:
    with Store.open(library_settings.index / "kb.sqlite") as store:
        texts: dict[str, list[str]] = {}
        for one in store.live_passages():
            texts.setdefault(one.document.file, []).append(one.passage.text)
    questions = load_gold(QUESTIONS)
    answers = [item for question in questions for item in question.evidence]
    assert len(answers) > 50
    assert [item for item in answers if max(share(item.quote, text) for text in texts[item.file]) < 0.9] == []
    gold = {question.query for question in load_gold(CORPUS / "gold.jsonl")}
    assert gold.isdisjoint(question.query for question in questions)
    assert not {question.query for question in questions} & set(STRANGERS)


class Squeezed:
    """The packaged encoder with all its rows nearer to each other, as the cosines of another model may be."""

    name, dim = "packaged", 384

    def __init__(self, library: Library) -> None:
        self._encoder = library.encoder
        self.name, self.dim = library.encoder.name, library.encoder.dim

    def queries(self, texts: Sequence[str]) -> Rows:
        return (self._encoder.queries(texts) * 0.5).astype(np.float32)

    def passages(self, texts: Sequence[str], on_progress: object = None) -> Rows:
        raise NotImplementedError


def test_the_probability_does_not_hang_on_the_scale_of_cosines(library_settings: Settings, library: Library) -> None:
    with Library.open(library_settings, Squeezed(library)) as other:
        for query in ("银行怎么解决金融科技人才短缺", "明天上海会下雨吗"):
            assert other.search(query).confidence == pytest.approx(library.search(query).confidence, abs=1e-3)


@pytest.mark.parametrize("top", [1, 2, 10, 30])
def test_it_does_not_hang_on_how_many_are_asked_for(library: Library, top: int) -> None:
    for query in ("哪些银行在农村设站", "老板还贷前要找人拆借一笔钱垫上"):
        assert library.search(query, top).confidence == library.search(query, 5).confidence


def test_a_threshold_of_one_always_abstains_and_of_zero_never(library_settings: Settings) -> None:
    for threshold, abstains in ((0.0, False), (1.0, True)):
        with Library.open(library_settings.model_copy(update={"abstain_below": threshold}), encoder()) as library:
            for query in ("银行怎么解决金融科技人才短缺", "明天上海会下雨吗"):
                result = library.search(query, 3)
                assert (result.abstained, len(result.hits)) == (abstains, 3)


def test_a_stranger_is_told_so_with_the_nearest_passages(library_settings: Settings) -> None:
    index = library_settings.index
    for words in (("search", "黄瓜什么时候搭架"), ("ask", "黄瓜什么时候搭架")):
        done = run_kb(*words, "--index", index)
        assert done.returncode == 0
        assert "语料中未找到直接依据（有答案的把握 " in done.stdout and "最接近的段落：" in done.stdout
    told = json.loads(run_kb("search", "黄瓜什么时候搭架", "--explain", "--json", "--index", index).stdout)
    assert told["abstained"] is True and told["confidence"] < 0.2 and told["results"]
    assert set(told["explanation"]["signs"]) == {"near", "covered", "missing", "unmet"}
