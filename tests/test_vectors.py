"""Units by meaning: exact against numpy while they are few, near it by lists, never what a filter forbids."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import kb.vectors
from kb.store import UnitRow
from kb.vectors import VectorFiles, VectorIndex


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


def written(folder: Path, units: Sequence[UnitRow], vectors: np.ndarray) -> VectorFiles:
    """All units as files in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = VectorFiles(folder)
    files.add(0, units, vectors)
    files.renew_lists(len(units), vectors.shape[1])
    return files


def read(files: VectorFiles, count: int, dim: int = 16) -> VectorIndex:
    """All of the first so many units."""
    return VectorIndex.read(files, [(0, count)], count, dim)


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
    files = [written(tmp_path / name, *clustered_index()) for name in ("one", "two")]
    assert files[0].lists.read_bytes() == files[1].lists.read_bytes()


@pytest.mark.usefixtures("with_lists")
def test_lists_that_do_not_hold_the_rows_do_not_agree(tmp_path: Path) -> None:
    units, vectors = clustered_index()
    files = written(tmp_path / "right", units, vectors)
    assert read(files, 4000).agrees_with(units, vectors)
    turned = written(tmp_path / "turned", units, np.roll(vectors, 1, axis=0))
    shutil.copyfile(turned.lists, files.lists)
    assert not read(files, 4000).agrees_with(units, vectors)  # its lists are those of other rows
    with pytest.raises(ValueError, match="3000 rows, 4000 in the lists"):
        read(files, 3000)


@pytest.mark.usefixtures("with_lists")
def test_what_is_added_is_found_at_once_and_put_into_lists_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kb.vectors, "TAIL", 300)
    units, vectors = clustered_index(4800)
    files = written(tmp_path, units[:4000], vectors[:4000])
    for end, listed in ((4200, 4000), (4400, 4400), (4800, 4800)):
        begin = {4200: 4000, 4400: 4200, 4800: 4400}[end]
        files.add(begin, units[begin:end], vectors[begin:end])
        files.renew_lists(end, 16)
        assert (lists := files.open_lists()) is not None and lists.ntotal == listed
        index = read(files, end)
        assert index.agrees_with(units[:end], vectors[:end])
        for at in range(begin, end, 40):
            assert index.nearest_passages(vectors[at], 3, None)[0] == units[at].passage_row
            some = np.arange(units[at].passage_row, 1200)
            assert index.nearest_passages(vectors[at], 300, some)[0] == units[at].passage_row


@pytest.mark.usefixtures("with_lists")
def test_lists_are_learnt_anew_where_others_would_fit_better(tmp_path: Path) -> None:
    units, vectors = clustered_index(12_000)
    files = written(tmp_path, units[:1200], vectors[:1200])
    assert read(files, 1200).lists == int(1.5 * 1200**0.5)
    files.add(1200, units[1200:], vectors[1200:])
    files.renew_lists(12_000, 16)  # under the default of TAIL too
    assert read(files, 12_000).lists == int(1.5 * 12_000**0.5)


@pytest.mark.usefixtures("with_lists")
@pytest.mark.parametrize("count", [240, 4000])
def test_what_is_left_out_is_never_found(tmp_path: Path, count: int) -> None:
    units, vectors = clustered_index(count)
    files = written(tmp_path, units, vectors)
    half, quarter = count // 2, count // 4
    index = VectorIndex.read(files, [(0, quarter), (half, half)], count, 16)
    kept = [*range(quarter), *range(half, count)]
    assert index.agrees_with([units[at] for at in kept], vectors[kept])
    gone = {units[at].passage_row for at in range(quarter, half)}
    for at in range(quarter, half, 25):
        assert gone.isdisjoint(index.nearest_passages(vectors[at], 100, None))
        assert index.nearest_passages(vectors[at], 100, np.array(sorted(gone))) == []
        assert index.nearest_passages(vectors[at - quarter], 3, None)[0] == units[at - quarter].passage_row


@pytest.mark.usefixtures("with_lists")
def test_files_are_written_anew_with_what_is_kept_and_other_sets_stay(tmp_path: Path) -> None:
    units, vectors = clustered_index()
    files = written(tmp_path / "old", units, vectors)
    shutil.copytree(files.folder, tmp_path / "new", copy_function=os.link)
    new = VectorFiles(tmp_path / "new")
    new.keep_only([(400, 800), (2000, 1200)], 16)
    new.renew_lists(2000, 16)
    kept = [*range(400, 1200), *range(2000, 3200)]
    assert read(new, 2000).agrees_with([units[at] for at in kept], vectors[kept])
    assert read(new, 2000).nearest_passages(vectors[2100], 3, None)[0] == units[2100].passage_row
    assert read(files, 4000).agrees_with(units, vectors)


def test_what_a_killed_run_left_behind_the_rows_is_written_over(tmp_path: Path) -> None:
    units, vectors = random_index()
    files = written(tmp_path, units[:100], vectors[:100])
    files.add(100, units[100:180], vectors[100:180])  # and then it was killed
    other = written(tmp_path / "linked", units[:40], vectors[:40])
    files.add(100, units[180:], vectors[180:])
    assert read(files, 120).agrees_with([*units[:100], *units[180:]], vectors[[*range(100), *range(180, 200)]])
    assert files.rows.stat().st_size == 120 * 16 * 4
    assert read(other, 40).agrees_with(units[:40], vectors[:40])


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
    files = written(tmp_path, units, vectors)
    assert not files.lists.exists()
    again = read(files, 200)
    assert again.agrees_with(units, vectors)
    assert not again.agrees_with(units[:-1], vectors[:-1])
    assert not again.agrees_with(units, vectors[::-1])


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    units, vectors = random_index()
    files = written(tmp_path, units, vectors)
    with pytest.raises((ValueError, IndexError)):
        read(files, 240)
    with pytest.raises(ValueError, match="by passage"):
        VectorIndex.read(files, [(100, 50), (0, 50)], 200, 16)


def test_an_empty_index_is_written_and_finds_nothing(tmp_path: Path) -> None:
    empty = read(written(tmp_path, [], np.empty((0, 8), np.float32)), 0, 8)
    assert (len(empty), empty.dim) == (0, 8)
    assert empty.nearest_passages(np.ones(8, np.float32), 5, None) == []
    assert empty.nearest_passages(np.ones(8, np.float32), 5, np.array([1])) == []
    assert empty.agrees_with([], np.empty((0, 8), np.float32))
