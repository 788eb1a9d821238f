"""Searching the sample corpus: ranking, quotes, filters, and questions that cannot be asked."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kb.catalogue import parse_filters
from kb.embed import Embedded, PackagedE5
from kb.errors import BadQuery, ModelMismatch, NothingMatches, UnknownName
from kb.evaluate import load_gold, score_run
from kb.fusion import BANK_BONUS, LOOKS, WHOLE_WEIGHT, Candidates, dense_share, fuse, standard_scores
from kb.quotes import MAX_QUOTE, best_quote, score_sentences
from kb.records import Filters, Hit, Kind, Look, Passage, Span
from kb.search import Library
from kb.settings import Settings
from kb.vectors import ScoredUnit
from kb.words import fold
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


def candidates(dense: list[float], lexical: list[float], bonus: list[float]) -> Candidates:
    """Candidates whose dense scores are those given."""
    columns = [np.array(column, float) for column in (dense, dense, lexical, bonus)]
    return Candidates(np.arange(len(dense)), *columns)


def test_fusion_is_the_weighted_sum_of_standard_scores_and_the_bonus() -> None:
    dense, lexical, bonus = [0.9, 0.8, 0.7], [0.0, 6.0, 3.0], [0.0, 0.0, 2.0]
    by_hand = [
        0.75 * (one - 0.8) / np.std(dense) + 0.25 * (other - 3.0) / np.std(lexical) + more
        for one, other, more in zip(dense, lexical, bonus, strict=True)
    ]
    assert fuse(candidates(dense, lexical, bonus), 0.75).tolist() == pytest.approx(by_hand, abs=1e-5)


def test_standard_scores_of_equal_values_are_zero() -> None:
    assert standard_scores(np.array([0.3, 0.3])).tolist() == [0.0, 0.0]
    assert fuse(candidates([], [], []), 0.8).tolist() == []


def test_questions_for_figures_lean_to_words_and_spoken_ones_to_meaning() -> None:
    assert dense_share(0.75, Look.FIGURES) < dense_share(0.75, Look.PLAIN) == 0.75 < dense_share(0.75, Look.SPOKEN)
    assert [dense_share(only, look) for only in (0.0, 1.0) for look in Look] == [0.0] * 3 + [1.0] * 3
    assert dense_share(0.95, Look.SPOKEN) == 1.0
    assert set(LOOKS) == set(Look)


def test_a_question_is_spoken_where_no_passage_has_its_words(library: Library) -> None:
    for question, look in (
        ("人都被别家挖跑了咋整", Look.SPOKEN),
        ("银行如何推进数据治理", Look.PLAIN),
        ("2023年有多少受访银行把科技赋能写进全行战略", Look.FIGURES),
    ):
        assert library.search(question, 3).understood.look is look


def test_a_bank_in_the_question_comes_first_and_is_no_filter(library: Library) -> None:
    result = library.search("青岛银行的零售转型", 20)
    about = ["青岛银行" in hit.passage.banks for hit in result.hits]
    others = ["青岛银行" in hit.passage.banks for hit in library.search("零售转型", 20).hits]
    assert result.understood.banks == ("青岛银行",)
    assert about[0] and sum(others) < sum(about) < 20
    assert result.filters == Filters()
    explained = library.search("青岛银行的零售转型", 20, explain=True).hits
    assert {hit.scores.bonus for hit in explained} == {BANK_BONUS, 0.0}
    assert all(("青岛银行" in hit.passage.banks) == (hit.scores.bonus > 0) for hit in explained)


def test_a_bank_without_a_passage_is_said_so_and_changes_nothing(library: Library) -> None:
    result = library.search("汉口银行如何推进数据治理", 10, explain=True)
    assert (result.understood.absent, result.understood.present) == (("汉口银行",), ())
    assert {hit.scores.bonus for hit in result.hits} == {0.0}


def test_the_row_of_a_question_is_without_the_banks_that_there_are(library: Library) -> None:
    bare, absent = library.embed(["青岛银行的零售转型", "汉口银行的零售转型"])
    plain = library.encoder.queries(["零售转型", "汉口银行的零售转型"])
    assert np.allclose(bare.row, plain[0], atol=1e-6)
    assert np.allclose(absent.row, plain[1], atol=1e-6)
    assert np.allclose(library.embed(["青岛银行"])[0].row, library.encoder.queries(["青岛银行"]), atol=1e-6)


def test_a_report_in_the_question_comes_first(library: Library) -> None:
    [document] = [document for document in library.store.documents() if document.file == "rural2020.pdf"]
    named = library.search(f"《{document.title}》里数据怎么用", 10)
    assert [found.file for found in named.understood.reports] == ["rural2020.pdf"]
    without = library.search("数据怎么用", 10)
    share = [sum(hit.document.file == "rural2020.pdf" for hit in result.hits) for result in (named, without)]
    assert share[0] > share[1]


def test_many_banks_share_the_first_ten(library: Library) -> None:
    question = "银行怎么服务小微企业"
    result = library.search(question, 20)
    assert result.understood.many_banks
    for hits in (result.hits[:10], library.search(question, 10).hits):
        banks = [bank for hit in hits for bank in hit.passage.banks]
        assert max(banks.count(bank) for bank in banks) <= 3
    filtered = library.search(question, 10, Filters(bank=("青岛银行",))).hits
    assert sum("青岛银行" in hit.passage.banks for hit in filtered) == len(filtered) > 3


def test_an_explanation_tells_the_scores_and_changes_no_result(library: Library) -> None:
    plain, explained = library.search(QUESTION, 10), library.search(QUESTION, 10, explain=True)
    assert plain.explanation is None and explained.explanation is not None
    assert [replace(hit, scores=None) for hit in explained.hits] == list(plain.hits)
    assert explained.explanation.dense_weight == 0.75
    assert "人才" in {word for clue, _ in explained.explanation.clues for word in clue.words}
    for hit in explained.hits:
        dense = WHOLE_WEIGHT * hit.scores.whole + (1 - WHOLE_WEIGHT) * hit.scores.sentence
        assert 0 < dense < 1
        assert hit.scores.sentence == pytest.approx(
            max(unit.score for unit in library._derived.vectors.score_units(*row_of(library, hit)) if not unit.whole),
            abs=1e-5,
        )
        assert bool(hit.scores.words) == (hit.scores.lexical > 0)
        text = fold("".join([hit.passage.text, *hit.passage.heading, *hit.passage.banks]))
        assert all(word in text for word in hit.scores.words[:1])


def row_of(library: Library, hit: Hit) -> tuple[np.ndarray, int]:
    """The row of QUESTION, and the number of a hit's passage."""
    return library.embed([QUESTION])[0].row, library.store.passage(hit.passage.id).row


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
            (question, library.search_row(question.query, Embedded(row), 10, question.filters).hits)
            for question, row in zip(questions, rows, strict=True)
        ]
        found[name] = {score.type: score.values["ndcg"] for score in score_run(run)}
    assert found["moved"]["all"] > found["plain"]["all"] + 0.01
    assert found["moved"]["how"] > found["plain"]["how"]
