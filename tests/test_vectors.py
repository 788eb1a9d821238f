"""Units by meaning: exact against numpy while they are few, near it by lists, never what a filter forbids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import kb.vectors
from kb.store import UnitRow
from kb.vectors import VectorIndex


def units_of(count: int) -> list[UnitRow]:
    """Four units a passage, the first of them the whole."""
    return [UnitRow(row, row // 4, row % 4 * 10, row % 4 * 10 + 10, row % 4 == 0) for row in range(count)]


def unit_length(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_index(count: int = 200, dim: int = 16) -> tuple[list[UnitRow], np.ndarray]:
    return units_of(count), unit_length(np.random.default_rng(7).normal(size=(count, dim)))


def clustered_index(count: int = 4000, dim: int = 16) -> tuple[list[UnitRow], np.ndarray]:
    """Rows around forty centres, as texts of a few subjects are."""
    rng = np.random.default_rng(11)
    centres = rng.normal(size=(40, dim))
    return units_of(count), unit_length(centres[rng.integers(0, 40, count)] + rng.normal(size=(count, dim)) * 0.4)


def nearest_by_numpy(
    units: Sequence[UnitRow], vectors: np.ndarray, query: np.ndarray, count: int, allowed: Sequence[int] | None = None
) -> list[int]:
    order = np.argsort(-(vectors @ query), kind="stable")
    rows = [units[at].passage_row for at in order if allowed is None or units[at].passage_row in set(allowed)]
    return list(dict.fromkeys(rows[:count]))


def paths(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "vectors.faiss", folder / "rows.npy", folder / "units.npy"


@pytest.fixture
def with_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists for few units already, and a filter that leaves more than 40 is given to them."""
    monkeypatch.setattr(kb.vectors, "FLAT_UNITS", 1000)
    monkeypatch.setattr(kb.vectors, "GATHERED", 40)


@pytest.mark.parametrize("allowed", [None, [1, 3, 4, 30, 45], range(2, 50)])
def test_of_few_units_the_nearest_are_those_that_numpy_finds(allowed: Sequence[int] | None) -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    assert index.lists == 0
    rows = None if allowed is None else np.array(allowed)
    for count in (1, 15, 40, 500):
        for query in vectors[[17, 90]]:
            expected = nearest_by_numpy(units, vectors, query, count, allowed)
            assert index.nearest_passages(query, count, rows) == expected


def test_a_filter_that_leaves_nothing_known_finds_nothing() -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    assert index.nearest_passages(vectors[100], 8, np.array([999])) == []
    assert index.nearest_passages(vectors[100], 8, np.array([], np.int64)) == []
    assert set(index.nearest_passages(vectors[100], 8, np.array([3, 999]))) == {3}


@pytest.mark.usefixtures("with_lists")
def test_lists_find_nearly_what_comparing_all_finds() -> None:
    units, vectors = clustered_index()
    index = VectorIndex.build(units, vectors)
    assert index.lists == int(1.5 * 4000**0.5)
    queries = unit_length(vectors[::400] + np.random.default_rng(3).normal(size=(10, 16)) * 0.05)
    shares = [
        len(set(index.nearest_passages(query, 10, None)) & set(expected)) / len(expected)
        for query in queries
        for expected in [nearest_by_numpy(units, vectors, query, 10)]
    ]
    assert np.mean(shares) >= 0.9
    assert min(len(index.nearest_passages(query, 5000, None)) for query in queries) < 1000  # lists, not all


@pytest.mark.usefixtures("with_lists")
@pytest.mark.parametrize("allowed", [[7], [1, 7, 500, 999], range(0, 1000, 50), range(0, 1000, 3), range(100, 900)])
def test_a_filter_holds_in_lists_and_loses_no_passage_of_few(allowed: Sequence[int]) -> None:
    units, vectors = clustered_index()
    index = VectorIndex.build(units, vectors)
    found = index.nearest_passages(vectors[100], 200, np.array(allowed))
    assert set(found) <= set(allowed)
    if len(allowed) <= 50:
        assert set(found) == set(allowed)
    expected = nearest_by_numpy(units, vectors, vectors[100], 10, allowed)
    assert len(set(found) & set(expected)) >= 0.9 * len(expected)


@pytest.mark.usefixtures("with_lists")
def test_the_same_rows_have_the_same_lists(tmp_path: Path) -> None:
    units, vectors = clustered_index()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        VectorIndex.build(units, vectors).write(*paths(tmp_path / name))
    assert (tmp_path / "one/vectors.faiss").read_bytes() == (tmp_path / "two/vectors.faiss").read_bytes()


@pytest.mark.usefixtures("with_lists")
def test_lists_that_do_not_hold_the_rows_do_not_agree(tmp_path: Path) -> None:
    units, vectors = clustered_index()
    VectorIndex.build(units, vectors).write(*paths(tmp_path))
    assert VectorIndex.read(*paths(tmp_path)).agrees_with(units, vectors)
    turned = np.roll(vectors, 1, axis=0)
    VectorIndex.build(units, turned).write(tmp_path / "vectors.faiss", tmp_path / "r", tmp_path / "u.npy")
    assert not VectorIndex.read(*paths(tmp_path)).agrees_with(units, vectors)  # its lists are those of other rows
    VectorIndex.build(units[:-4], vectors[:-4]).write(tmp_path / "vectors.faiss", tmp_path / "r", tmp_path / "u.npy")
    with pytest.raises(ValueError, match="3996 in the FAISS index"):
        VectorIndex.read(*paths(tmp_path))


def test_scores_of_units_are_dot_products() -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    scored = index.score_units(vectors[0], 5)
    assert np.allclose([unit.score for unit in scored], vectors[20:24] @ vectors[0], atol=1e-6)
    assert [unit.whole for unit in scored] == [True, False, False, False]
    assert [(unit.start, unit.end) for unit in scored] == [(0, 10), (10, 20), (20, 30), (30, 40)]


def test_units_out_of_passage_order_are_sorted() -> None:
    units, vectors = random_index()
    shuffled = np.random.default_rng(1).permutation(len(units))
    index = VectorIndex.build([units[at] for at in shuffled], vectors[shuffled])
    scores = {unit.score for unit in index.score_units(vectors[0], 5)}
    assert np.allclose(sorted(scores), sorted(vectors[20:24] @ vectors[0]), atol=1e-6)


def test_cosines_of_many_passages_are_those_of_each() -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    rows = np.array([0, 7, 49])
    whole, best = index.score_passages(vectors[5], rows)
    for row, own, sentence in zip(rows.tolist(), whole.tolist(), best.tolist(), strict=True):
        scored = index.score_units(vectors[5], row)
        assert own == pytest.approx(next(unit.score for unit in scored if unit.whole), abs=1e-5)
        assert sentence == pytest.approx(max(unit.score for unit in scored if not unit.whole), abs=1e-5)
    assert np.allclose(index.whole_rows(rows), vectors[rows * 4])
    alone = VectorIndex.build([UnitRow(0, 3, 0, 9, True)], vectors[:1])
    assert alone.score_passages(vectors[0], np.array([3]))[1] == pytest.approx(1.0, abs=1e-5)


def test_written_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    units, vectors = random_index()
    VectorIndex.build(units, vectors).write(*paths(tmp_path))
    again = VectorIndex.read(*paths(tmp_path))
    assert not (tmp_path / "lists.faiss").exists()
    assert again.agrees_with(units, vectors)
    assert not again.agrees_with(units[:-1], vectors[:-1])
    assert not again.agrees_with(units, vectors[::-1])


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    units, vectors = random_index()
    VectorIndex.build(units, vectors).write(*paths(tmp_path))
    VectorIndex.build(units[:8], vectors[:8]).write(tmp_path / "other", tmp_path / "units.npy", tmp_path / "none")
    with pytest.raises(ValueError, match="8 units, 200 rows"):
        VectorIndex.read(*paths(tmp_path))


def test_an_empty_index_is_written_and_finds_nothing(tmp_path: Path) -> None:
    VectorIndex.build([], np.empty((0, 8), np.float32)).write(*paths(tmp_path))
    empty = VectorIndex.read(*paths(tmp_path))
    assert (len(empty), empty.dim) == (0, 8)
    assert empty.nearest_passages(np.ones(8, np.float32), 5, None) == []
    assert empty.nearest_passages(np.ones(8, np.float32), 5, np.array([1])) == []
    assert empty.agrees_with([], np.empty((0, 8), np.float32))
