"""Late interaction by hand, what is kept of passages, and the search with and without it."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.embed import Embedded
from kb.evaluate import load_gold, score_run
from kb.fusion import LATE_WEIGHT, Candidates, fuse, late_share, standard_scores
from kb.late import MOST, PREFIX, AskedTokens, TokenSpace, compare, one_of_each, packaged_token_space
from kb.records import Filters
from kb.search import COMPARED, Library
from kb.settings import Settings
from kb.store import Store
from tests.conftest import CACHE, CORPUS, Silent, encoder

QUESTION = "银行怎么解决金融科技人才短缺"
EVERYWHERE, RARE, RARER = 3, 4, 5


@pytest.fixture
def space() -> TokenSpace:
    """Two columns of three; a step is a hundredth; of six pieces one does not count. Prefixes would weigh most."""
    columns = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    return TokenSpace(columns, np.full(2, 0.01, np.float32), np.array([9, 9, 9, 0, 1, 3], np.float32))


def text(*tokens: int) -> list[int]:
    """Tokens as they stand between marks and prefix."""
    return [0, 1, 2, *tokens, 0]


def around(*vectors: list[float]) -> np.ndarray:
    """Their vectors; those of marks and prefix must not count."""
    other = [9.0, 9.0, 9.0]
    return np.array([other, other, other, *vectors, other], np.float32)


def test_max_sim_by_hand() -> None:
    asked = AskedTokens(np.array([[1, 0], [0, 1]], np.float32), np.array([0.25, 0.75], np.float32))
    passages = [np.array(rows, np.int8) for rows in ([[1, 0], [3, 2]], [[0, 5]], [[-1, -2], [-3, -1], [-2, -2]])]
    assert compare(asked, passages).tolist() == [0.25 * 3 + 0.75 * 2, 0.75 * 5, 0.25 * -1 + 0.75 * -1]
    assert compare(asked, []).tolist() == []


def test_parts_that_are_summed_at_once_change_nothing() -> None:
    draw = np.random.default_rng(7)
    asked = AskedTokens(draw.normal(size=(40, 128)).astype(np.float32), np.full(40, 1 / 40, np.float32))
    passages = [draw.integers(-127, 128, (count, 128)).astype(np.int8) for count in draw.integers(1, 90, 30)]
    assert asked.rows.size * sum(map(len, passages)) > 3 * MOST
    by_hand = [(asked.rows @ rows.T.astype(np.float32)).max(axis=1).mean() for rows in passages]
    np.testing.assert_allclose(compare(asked, passages), by_hand, rtol=1e-4)


def test_a_passage_keeps_each_piece_once(space: TokenSpace) -> None:
    tokens, vectors = text(RARE, EVERYWHERE, RARER, RARE), around([2, 0, 0], [5, 5, 5], [0, 3, 4], [0, 1, 0])
    kept = space.keep(tokens, vectors)
    assert kept.dtype == np.int8
    assert kept.tolist() == [[71, 71], [0, 100]]  # the mean of two right angles; the third column is left out
    assert space.keep(text(EVERYWHERE), around([1, 1, 1])).shape == (0, 2)
    assert one_of_each(text(), around(), space.weights).shape == (0, 3)


def test_a_question_is_asked_by_what_counts(space: TokenSpace) -> None:
    asked = space.ask(text(EVERYWHERE, RARE, RARER), around([5, 5, 5], [0, 2, 0], [3, 0, 4]))
    assert asked is not None
    assert asked.weights.tolist() == [0.25, 0.75]
    np.testing.assert_allclose(asked.rows, [[0, 0.01], [0.01, 0]], atol=1e-7)
    assert compare(asked, [space.keep(text(RARE), around([0, 1, 0]))]) == pytest.approx(0.25)
    assert space.ask(text(EVERYWHERE), around([1, 1, 1])) is None
    assert space.ask(text(), around()) is None


def test_a_space_keeps_what_differs_most() -> None:
    draw = np.random.default_rng(7)
    vectors = draw.normal(size=(200, 6)) * np.array([9, 0.01, 5, 0.01, 0.01, 0.01])
    weights = np.ones(300, np.float32)
    texts = [(text(*range(100, 300)), around_six(vectors))]
    space = TokenSpace.learn(texts, weights, 2)
    assert np.abs(space.columns[[0, 2]]).max(axis=1) == pytest.approx(1, abs=0.01)
    assert np.abs(space.keep(*texts[0])).max(axis=0).tolist() == [127, 127]  # all of the 8 bits is used


def around_six(vectors: np.ndarray) -> np.ndarray:
    return np.concatenate([np.full((PREFIX, 6), 9), vectors, np.full((1, 6), 9)]).astype(np.float32)


def test_the_packaged_space() -> None:
    space = packaged_token_space()
    assert (space.columns.shape, space.steps.shape) == ((384, 128), (128,))
    np.testing.assert_allclose(space.columns.T @ space.columns, np.eye(128), atol=0.01)
    tokens = encoder()._forward._tokens
    weights = [space.weights[tokens.of(word)[1:-1]].max() for word in ("的", "银行", "贷款", "饕餮")]
    assert weights[0] == 0 < weights[2] < weights[3]


# ---- fused


def test_fused_with_late_scores_by_hand() -> None:
    rows, flat = np.arange(4), np.zeros(4)
    dense, bonus = np.array([1.0, 2, 3, 4]), np.array([0.0, 3, 0, 0])
    plain = Candidates(rows, dense, dense, flat, bonus)
    late = replace(plain, late=np.array([0.9, np.nan, 0.5, 0.7]))
    wanted = 0.7 * standard_scores(dense) + 0.3 * standard_scores(np.array([0.9, 0.5, 0.5, 0.7])) + bonus
    assert LATE_WEIGHT == 0.3
    np.testing.assert_allclose(fuse(late, 1.0), wanted, atol=1e-5)
    assert fuse(late, 1.0, 0.0).tolist() == fuse(plain, 1.0).tolist()
    assert [late_share(setting) for setting in (0.0, 0.75, 1.0)] == [0.0, LATE_WEIGHT, 0.0]


# ---- searched


def test_the_search_compares_the_best_with_the_tokens(library: Library) -> None:
    [asked] = library.embed([QUESTION])
    found = library.find(QUESTION, asked, Filters())
    plain = library.find(QUESTION, Embedded(asked.row), Filters())
    assert plain.candidates.late is None and asked.tokens and found.candidates.late is not None
    compared = np.flatnonzero(~np.isnan(found.candidates.late))
    assert len(compared) == COMPARED < len(found.candidates.rows)
    fused = fuse(plain.candidates, 0.75)
    assert set(compared) == set(np.lexsort((found.candidates.rows, -fused))[:COMPARED])
    for at in compared[:5]:
        row = int(found.candidates.rows[at])
        assert found.candidates.late[at] == pytest.approx(compare(asked.tokens, [library.store.tokens([row])[row]])[0])
    explained = library.search(QUESTION, 60, explain=True).hits
    lates = [hit.scores.late for hit in explained if hit.scores]
    assert None not in lates[:10] and all(0 < late < 1 for late in lates if late is not None)
    assert [hit.passage.id for hit in library.search_row(QUESTION, Embedded(asked.row), 10, Filters()).hits] != [
        hit.passage.id for hit in explained[:10]
    ]


def test_tokens_help_with_the_questions_of_the_sample(library: Library) -> None:
    questions = [question for question in load_gold(CORPUS / "gold.jsonl") if question.evidence]
    asked = library.embed([question.query for question in questions])
    figures = []
    for ways in (asked, [Embedded(one.row) for one in asked]):
        pairs = zip(questions, ways, strict=True)
        run = [(each, library.search_row(each.query, way, 10, each.filters).hits) for each, way in pairs]
        figures.append({score.type: score.values["ndcg"] for score in score_run(run)})
    tokens, rows = figures
    assert tokens["all"] > rows["all"] + 0.015
    assert tokens["paraphrase"] > rows["paraphrase"] + 0.03


def test_one_side_alone_is_left_alone(library: Library) -> None:
    [asked] = library.embed([QUESTION])
    with_tokens, without = (library.find(QUESTION, one, Filters()) for one in (asked, Embedded(asked.row)))
    for weight, same in ((0.0, True), (0.75, False), (1.0, True)):
        ranked = [[one.row for one in library.rank(found, weight, 10)[0]] for found in (with_tokens, without)]
        assert (ranked[0] == ranked[1]) == same


def test_passages_without_tokens_are_searched_as_before(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        [asked] = library.embed([QUESTION])
        before = library.search_row(QUESTION, Embedded(asked.row), 20, Filters(), explain=True)
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("DELETE FROM tokens")
    db.close()
    with Library.open(copied_settings, encoder()) as library:
        after = library.search(QUESTION, 20, explain=True)
        assert [hit.scores for hit in after.hits] == [hit.scores for hit in before.hits]
        assert {hit.scores.late for hit in after.hits if hit.scores} == {None}
        assert after.confidence == before.confidence


def test_tokens_go_and_come_with_their_passages(tmp_path) -> None:
    settings = Settings(index=tmp_path / "index", cache=CACHE, workers=1)
    path = CORPUS / "survey2023.pdf"
    ingest([path], settings, encoder, Silent())
    with Store.open(settings.index / STORE_FILE) as store:
        first = stored_tokens(store)
        rows = [one.row for one in store.live_passages()]
        assert set(store.tokens([*rows, 10**6])) == set(rows)
    ingest([path], settings, encoder, Silent(), force=True)
    with Store.open(settings.index / STORE_FILE) as store:
        again = stored_tokens(store)
        count = store._db.execute("SELECT count(*) FROM tokens").fetchone()[0]
    assert count == len(again) == len(first) > 20
    assert all(np.abs(first[one].astype(int) - again[one]).max() <= 1 for one in first)
    remove("survey2023.pdf", settings)
    with Store.open(settings.index / STORE_FILE) as store:
        assert store._db.execute("SELECT count(*) FROM tokens").fetchone() == (0,)


def stored_tokens(store: Store) -> dict[str, np.ndarray]:
    """The tokens of all passages by their ids."""
    ids = {one.row: one.passage.id for one in store.live_passages()}
    return {ids[row]: tokens for row, tokens in store.tokens(list(ids)).items()}
