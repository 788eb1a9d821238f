"""Searching the sample corpus: ranking, quotes, filters, and questions that cannot be asked."""

import json
from pathlib import Path

import numpy as np
import pytest

from kb.catalogue import parse_filters
from kb.embed import PackagedE5
from kb.errors import BadQuery, ModelMismatch, NothingMatches, UnknownName
from kb.evaluate import evaluate, load_gold, score_run
from kb.records import Filters, Kind, Passage, Span
from kb.search import (
    MAX_QUOTE,
    Candidate,
    Library,
    best_quote,
    fuse,
    score_sentences,
    standard_scores,
)
from kb.settings import Settings
from kb.vectors import ScoredUnit
from tests.conftest import CORPUS

QUESTION = "银行怎么解决金融科技人才短缺"


def test_results_are_ranked_and_quotes_are_verbatim(library: Library) -> None:
    result = library.search(QUESTION, 20)
    scores = [hit.score for hit in result.hits]
    assert len(result.hits) == 20
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in result.hits] == list(range(1, 21))
    for hit in result.hits:
        assert 0 < len(hit.quote) <= MAX_QUOTE
        assert hit.passage.text[hit.quote_at : hit.quote_at + len(hit.quote)] == hit.quote
    assert any("人才" in hit.quote for hit in result.hits[:3])


def test_the_same_question_gives_the_same_answer(library: Library) -> None:
    assert library.search(QUESTION, 10) == library.search(QUESTION, 10)


def test_fusion_is_the_weighted_sum_of_standard_scores() -> None:
    items = [
        Candidate(row, dense, lexical, ()) for row, dense, lexical in [(1, 0.9, 0.0), (2, 0.8, 6.0), (3, 0.7, 3.0)]
    ]
    spread = np.std([0.9, 0.8, 0.7])
    lexical_spread = np.std([0.0, 6.0, 3.0])
    by_hand = {
        row: 0.75 * (dense - 0.8) / spread + 0.25 * (lexical - 3.0) / lexical_spread
        for row, dense, lexical in [(1, 0.9, 0.0), (2, 0.8, 6.0), (3, 0.7, 3.0)]
    }
    fused = fuse(items, 0.75)
    assert [item.row for item, _ in fused] == sorted(by_hand, key=lambda row: -by_hand[row])
    for item, score in fused:
        assert score == pytest.approx(by_hand[item.row], abs=1e-5)


def test_standard_scores_of_equal_values_are_zero() -> None:
    assert standard_scores([0.3, 0.3]).tolist() == [0.0, 0.0]
    assert fuse([], 0.8) == []


def test_the_best_sentence_becomes_the_quote_with_its_better_neighbour() -> None:
    text = "短句一。最能回答的一句话。短句三。"
    units = [ScoredUnit(0, 16, True, 0.5), ScoredUnit(0, 4, False, 0.2)]
    units += [ScoredUnit(4, 13, False, 0.9), ScoredUnit(13, 17, False, 0.6)]
    passage = Passage("p", Kind.TEXT, (), text * 9, (Span(1, 0, 17 * 9, 0),))
    sentences = score_sentences(passage, [*units, ScoredUnit(17, 90, False, 0.1)], frozenset())
    assert [sentence.score for sentence in sentences] == [0.2, 0.9, 0.6, 0.1]
    start, end = best_quote(passage, sentences)
    assert passage.text[start:end] == text
    assert best_quote(passage, sentences[:2]) == (0, 13)


@pytest.mark.parametrize(
    "filters",
    [
        Filters(bank=("青岛银行",)),
        Filters(dimension=("数据",)),
        Filters(topic=("talent",)),
        Filters(year=(2020,)),
        Filters(report=("cases2018.pdf",)),
        Filters(dimension=("生态", "组织"), year=(2018, 2021)),
    ],
)
def test_filters_hold_for_every_result(library: Library, filters: Filters) -> None:
    hits = library.search("数字化做了什么", 50, filters).hits
    assert hits
    for hit in hits:
        assert not filters.bank or set(hit.passage.banks) & set(filters.bank)
        assert not filters.dimension or hit.passage.dimension in filters.dimension
        assert not filters.topic or set(hit.passage.topics) & set(filters.topic)
        assert not filters.year or hit.document.year in filters.year
        assert not filters.report or hit.document.file in filters.report


def test_a_filter_finds_all_that_match_however_far_from_the_question(library: Library) -> None:
    matching = library.store.matching_rows(Filters(bank=("青岛银行",)), ())
    found = library.search("完全不相干的天气预报", 100, Filters(bank=("青岛银行",))).hits
    assert len(found) == min(len(matching), 100)


def test_aliases_and_labels_are_understood(library: Library) -> None:
    by_name = library.search("零售", 5, Filters(bank=("青岛银行",))).hits
    by_alias = library.search("零售", 5, Filters(bank=("青岛银行股份有限公司",))).hits
    assert [hit.passage.id for hit in by_name] == [hit.passage.id for hit in by_alias]
    assert library.search("人", 3, Filters(topic=("人才与激励",))).hits
    by_title = library.search("人", 3, Filters(report=("科技支小支农",))).hits
    assert {hit.document.file for hit in by_title} == {"rural2020.pdf"}


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters(bank=("青岛银航",)), "青岛银行"),
        (Filters(dimension=("组只",)), "组织"),
        (Filters(topic=("talents",)), "talent"),
        (Filters(report=("case2018.pdf",)), "cases2018.pdf"),
    ],
)
def test_unknown_names_are_errors_with_the_nearest(library: Library, filters: Filters, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        library.search("什么", 5, filters)


def test_known_names_that_match_nothing_are_said_so(library: Library) -> None:
    with pytest.raises(NothingMatches, match="year 1999"):
        library.search("什么", 5, Filters(year=(1999,)))
    with pytest.raises(NothingMatches, match="郑州银行"):
        library.search("什么", 5, Filters(bank=("郑州银行",), year=(2020,), dimension=("组织",)))


@pytest.mark.parametrize(
    ("query", "top"), [("", 10), ("   \n", 10), ("问" * 10_000, 10), ("问", 0), ("问", -1), ("问", 101)]
)
def test_questions_that_cannot_be_asked(library: Library, query: str, top: int) -> None:
    with pytest.raises(BadQuery):
        library.search(query, top)


@pytest.mark.parametrize("raw", [{"banks": "x"}, {"year": "去年"}])
def test_filters_that_cannot_be_read(raw: dict[str, object]) -> None:
    with pytest.raises((UnknownName, BadQuery)):
        parse_filters(raw)


def test_filters_take_a_value_or_a_list() -> None:
    assert parse_filters({"bank": "a", "year": [2018, "2020"], "topic": None}) == Filters(
        bank=("a",), year=(2018, 2020)
    )


def test_an_index_of_another_model_is_refused(library_settings: Settings) -> None:
    class Other:
        name, dim = "another model", 512

    with pytest.raises(ModelMismatch, match=r"384 columns.*'another model' \(512\)"):
        Library.open(library_settings, Other())


def test_gold_questions_find_their_evidence(library: Library) -> None:
    rows, abstentions = evaluate(library, load_gold(CORPUS / "gold.jsonl"))
    figures = {row.type: row for row in rows}
    assert abstentions.wrongly <= 2
    assert figures["all"].questions >= 40
    assert figures["all"].values["recall"] >= 0.6
    assert figures["all"].values["ndcg"] >= 0.5
    assert figures["fact"].values["mrr"] >= 0.7


def test_every_gold_quote_stands_in_the_corpus_on_its_page(library: Library) -> None:
    texts: dict[tuple[str, int], str] = {}
    for stored in library.store.live_passages():
        for page in stored.passage.pages:
            key = stored.document.file, page
            texts[key] = texts.get(key, "") + "".join(stored.passage.text.split()) + "\n"
    gold = [json.loads(line) for line in Path(CORPUS / "gold.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [answer for question in gold for answer in question["answers"]]
    found = ["".join(answer["quote"].split()) in texts.get((answer["file"], answer["page"]), "") for answer in answers]
    missing = [answer["quote"] for answer, there in zip(answers, found, strict=True) if not there]
    assert len(missing) <= 0.03 * len(answers), missing


def test_what_was_learnt_from_spoken_questions_helps_with_those_of_the_sample(library: Library) -> None:
    questions = [question for question in load_gold(CORPUS / "gold.jsonl") if question.evidence]
    words = [question.query for question in questions]
    encoder = library.encoder
    assert isinstance(encoder, PackagedE5)
    found = {}
    for name, rows in (("plain", encoder.plain_queries(words)), ("moved", encoder.queries(words))):
        run = [
            (question, library.search_row(question.query, row, 10, question.filters).hits)
            for question, row in zip(questions, rows, strict=True)
        ]
        found[name] = {score.type: score.values["ndcg"] for score in score_run(run)}
    assert found["moved"]["all"] > found["plain"]["all"] + 0.01
    assert found["moved"]["how"] > found["plain"]["how"]
