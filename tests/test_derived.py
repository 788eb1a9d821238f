"""The derived indexes: exact against numpy, filtered before the search, stamped, and made again when broken."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from kb.catalogue import STORE_FILE
from kb.derived import DerivedFiles, build_derived, open_derived, prune_derived
from kb.lexical import LexicalIndex
from kb.settings import Settings
from kb.store import Store, UnitRow
from kb.vectors import VectorIndex


def random_index(count: int = 200, dim: int = 16) -> tuple[list[UnitRow], np.ndarray]:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(count, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    units = [UnitRow(row, row // 4, row % 4 * 10, row % 4 * 10 + 10, row % 4 == 0) for row in range(count)]
    return units, vectors


def test_nearest_passages_are_those_that_numpy_finds() -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    query = vectors[17]
    order = np.argsort(-(vectors @ query), kind="stable")[:40]
    expected = list(dict.fromkeys(units[at].passage_row for at in order))
    assert index.nearest_passages(query, 40, None) == expected


def test_a_filter_is_applied_before_the_search() -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    allowed = np.array([3, 11])
    assert set(index.nearest_passages(vectors[100], 5, allowed)) <= {3, 11}
    assert len(index.nearest_passages(vectors[100], 8, allowed)) == 2
    assert index.nearest_passages(vectors[100], 8, np.array([999])) == []


def test_scores_of_units_are_dot_products() -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    scores = [unit.score for unit in index.score_units(vectors[0], 5)]
    assert np.allclose(scores, vectors[20:24] @ vectors[0], atol=1e-6)
    assert [unit.whole for unit in index.score_units(vectors[0], 5)] == [True, False, False, False]


def test_units_out_of_passage_order_are_sorted() -> None:
    units, vectors = random_index()
    shuffled = np.random.default_rng(1).permutation(len(units))
    index = VectorIndex.build([units[at] for at in shuffled], vectors[shuffled])
    scores = {unit.score for unit in index.score_units(vectors[0], 5)}
    assert np.allclose(sorted(scores), sorted(vectors[20:24] @ vectors[0]), atol=1e-6)


def test_written_and_read_again_it_is_the_same(tmp_path: Path) -> None:
    units, vectors = random_index()
    index = VectorIndex.build(units, vectors)
    index.write(tmp_path / "v", tmp_path / "u.npy")
    again = VectorIndex.read(tmp_path / "v", tmp_path / "u.npy")
    assert again.agrees_with(units, vectors)
    assert not again.agrees_with(units[:-1], vectors[:-1])


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    units, vectors = random_index()
    VectorIndex.build(units, vectors).write(tmp_path / "v", tmp_path / "u.npy")
    VectorIndex.build(units[:8], vectors[:8]).write(tmp_path / "w", tmp_path / "u.npy")
    with pytest.raises(ValueError, match="200 rows"):
        VectorIndex.read(tmp_path / "v", tmp_path / "u.npy")


def test_bm25_ranks_the_rarer_word_higher(copied_settings: Settings) -> None:
    with Store.open(copied_settings.index / STORE_FILE) as store:
        derived = open_derived(store, copied_settings.index)
        found = derived.lexical.search("青岛银行 接口银行", 5, None)
        best = store.passages_by_row([max(found, key=lambda row: found[row])])[0]
        assert "接口" in best.passage.text + "".join(best.passage.heading)
        allowed = [row for row in derived.lexical.rows() if row % 2]
        assert set(derived.lexical.search("银行 数据", 50, allowed)) <= set(allowed)
        assert derived.lexical.search("？！", 5, None) == {}


@pytest.mark.parametrize("query", ['text:银行 AND "', "银行 OR (", "row:[1 TO 5]", "*", "~!@#$%^&*()\\", "a" * 900])
def test_query_syntax_is_only_words(library_settings: Settings, query: str) -> None:
    with Store.open(library_settings.index / STORE_FILE) as store:
        derived = open_derived(store, library_settings.index)
        assert isinstance(derived.lexical.search(query, 5, None), dict)


@pytest.mark.parametrize("harm", ["missing", "no stamp", "truncated", "other stamp"])
def test_broken_derived_files_are_made_again(copied_settings: Settings, harm: str) -> None:
    index = copied_settings.index
    with Store.open(index / STORE_FILE) as store:
        files = DerivedFiles.of(index, store.snapshot())
        if harm == "missing":
            shutil.rmtree(files.folder)
        elif harm == "no stamp":
            files.stamp.unlink()
        elif harm == "truncated":
            files.vectors.write_bytes(files.vectors.read_bytes()[:100])
        else:
            files.stamp.write_text(files.stamp.read_text().replace('"passages": ', '"passages": 1'))
        derived = open_derived(store, index)
        assert derived.vectors.agrees_with(*store.unit_rows())
        assert set(derived.lexical.rows()) == {stored.row for stored in store.live_passages()}
        assert files.exist()


def test_sets_of_other_generations_are_pruned(copied_settings: Settings) -> None:
    index = copied_settings.index
    with Store.open(index / STORE_FILE) as store:
        generation = store.snapshot()
        (index / "derived" / "new-left-by-a-kill").mkdir()
        (index / "derived" / "1000").mkdir()
        build_derived(store, index)
        prune_derived(index, generation)
    assert [folder.name for folder in (index / "derived").iterdir()] == [str(generation)]


def test_an_empty_store_has_empty_indexes(tmp_path: Path) -> None:
    index = LexicalIndex.build(tmp_path / "lexical", [])
    assert index.search("银行", 5, None) == {}
    empty = VectorIndex.build([], np.empty((0, 8), np.float32))
    assert empty.nearest_passages(np.ones(8, np.float32), 5, None) == []
