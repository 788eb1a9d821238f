"""The derived indexes: BM25 under filters, sets that are stamped, and made again when broken."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kb.lexical
from kb.catalogue import STORE_FILE
from kb.derived import DerivedFiles, build_derived, open_derived, prune_derived
from kb.lexical import LexicalIndex
from kb.settings import Settings
from kb.store import Store
from kb.synonyms import Clue, SynonymTable, clues_of


def clues(question: str) -> list[Clue]:
    """What to look for, without synonyms."""
    return clues_of(question, SynonymTable({}, 0))


def test_bm25_ranks_the_rarer_word_higher(copied_settings: Settings) -> None:
    with Store.open(copied_settings.index / STORE_FILE) as store:
        derived = open_derived(store, copied_settings.index)
        found = derived.lexical.search(clues("青岛银行 接口银行"), 5, None)
        best = store.passages_by_row([max(found, key=lambda row: found[row])])[0]
        assert "接口" in best.passage.text + "".join(best.passage.heading)
        assert derived.lexical.search(clues("？！"), 5, None) == {}


@pytest.mark.parametrize("looked_at", [0, 60, 10_000])
def test_bm25_under_a_filter_is_that_of_all_where_it_lets_pass(
    library_settings: Settings, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(kb.lexical, "LOOKED_AT", looked_at)
    with Store.open(library_settings.index / STORE_FILE) as store:
        lexical = open_derived(store, library_settings.index).lexical
        everything = lexical.search(clues("银行 数据 风险"), len(lexical), None)
        rows = sorted(lexical.rows())
        for allowed in ([], rows[:3], rows[::7], rows[::2], rows[5:]):
            expected = {row: score for row, score in everything.items() if row in allowed}
            for count in (4, 25):
                found = lexical.search(clues("银行 数据 风险"), count, np.array(allowed, np.int64))
                assert set(found) <= set(allowed)
                assert list(found.values()) == pytest.approx(list(expected.values())[:count])


@pytest.mark.parametrize("query", ['text:银行 AND "', "银行 OR (", "row:[1 TO 5]", "*", "~!@#$%^&*()\\", "a" * 900])
def test_query_syntax_is_only_words(library_settings: Settings, query: str) -> None:
    with Store.open(library_settings.index / STORE_FILE) as store:
        derived = open_derived(store, library_settings.index)
        assert isinstance(derived.lexical.search(clues(query), 5, None), dict)


@pytest.mark.parametrize("harm", ["missing", "no stamp", "truncated", "other stamp", "before lists"])
def test_broken_derived_files_are_made_again(copied_settings: Settings, harm: str) -> None:
    index = copied_settings.index
    with Store.open(index / STORE_FILE) as store:
        files = DerivedFiles.of(index, store.snapshot())
        if harm == "missing":
            shutil.rmtree(files.folder)
        elif harm == "no stamp":
            files.stamp.unlink()
        elif harm == "truncated":
            files.rows.write_bytes(files.rows.read_bytes()[:5000])
        elif harm == "before lists":
            files.stamp.write_text(files.stamp.read_text().replace('"lists": 0, ', ""))
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
    assert index.search(clues("银行"), 5, None) == {}


def test_an_index_of_words_cut_otherwise_is_made_again(copied_settings: Settings) -> None:
    folder = copied_settings.index
    with Store.open(folder / STORE_FILE) as store:
        stamp = DerivedFiles.of(folder, store.snapshot()).stamp
        before = json.loads(stamp.read_text("utf-8"))
        stamp.write_text(json.dumps(before | {"words": "another dictionary"}), "utf-8")
        open_derived(store, folder)
        assert json.loads(stamp.read_text("utf-8")) == before
