"""The derived indexes: BM25 under filters, sets that are stamped, and made again when broken."""

import errno
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from fastapi.testclient import TestClient

import kb.derived
import kb.lexical
from api.app import create_app
from kb.catalogue import STORE_FILE
from kb.derived import Contents, Derived, DerivedFiles, Growth, open_derived, prune_derived, read_derived
from kb.errors import DiskFull
from kb.lexical import LexicalIndex
from kb.records import Document, Field, Tag, TaggedDocument, Unit
from kb.settings import Settings
from kb.store import Failure, Store
from kb.synonyms import Clue, SynonymTable, clues_of
from kb.vectors import VectorFiles
from kb.verify import verify


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


@pytest.mark.parametrize("harm", ["missing", "no stamp", "truncated", "no passages", "of an older kb"])
def test_broken_derived_files_are_made_again(copied_settings: Settings, harm: str) -> None:
    index = copied_settings.index
    with Store.open(index / STORE_FILE) as store:
        files = DerivedFiles.of(index, Contents.of(store))
        if harm == "missing":
            shutil.rmtree(files.folder)
        elif harm == "no stamp":
            files.stamp.unlink()
        elif harm == "truncated":
            files.vectors.rows.write_bytes(files.vectors.rows.read_bytes()[:5000])
        elif harm == "no passages":
            shutil.rmtree(files.lexical)
            LexicalIndex.build(files.lexical, [])
        else:
            files.stamp.write_text('{"generation": 4, "model": "packaged"}')
        derived = open_derived(store, index)
        assert_fits(derived, store)
        assert files.exist()


def assert_fits(derived: Derived, store: Store) -> None:
    """A set holds what the store holds."""
    assert derived.vectors.agrees_with(*store.unit_rows())
    assert set(derived.lexical.rows()) == {stored.row for stored in store.live_passages()}


def test_sets_of_other_states_are_pruned(copied_settings: Settings) -> None:
    index = copied_settings.index
    with Store.open(index / STORE_FILE) as store:
        (index / "derived" / "new-left-by-a-kill").mkdir()
        (index / "derived" / "1000").mkdir()
        open_derived(store, index)
        prune_derived(store, index)
        assert [folder.name for folder in (index / "derived").iterdir()] == [Contents.of(store).key]


@pytest.fixture
def growing(copied_settings: Settings) -> Iterator[tuple[Store, Path]]:
    """A store whose changes are followed by derived indexes."""
    with Store.open_to_change(copied_settings.index / STORE_FILE) as store:
        Growth(copied_settings.index).begin(store)
        yield store, copied_settings.index


def twin(store: Store, document: Document, name: str, turn: bool = False) -> None:
    """Add a copy of a stored document, as of another file; with other rows, if told."""
    old = store.passages_of(document.id)
    ids = {one.passage.id: f"{name}-{one.passage.id}" for one in old}
    tagged = TaggedDocument(tuple(replace(one.passage, id=ids[one.passage.id]) for one in old), {}, ())
    passages = {one.row: ids[one.passage.id] for one in old}
    found, vectors = store.unit_rows(document.id)
    units = [Unit(passages[unit.passage_row], unit.start, unit.end, unit.whole) for unit in found]
    about = replace(document, id=name, sha256=name, path=f"/{name}", file=name)
    store.add_document(about, store.pages(document.id), tagged, units, -vectors if turn else vectors)


def retagged(tagged: TaggedDocument) -> TaggedDocument:
    """Passages that are all about one bank now."""
    tag = Tag(Field.BANK, "青岛银行", 1.0, ())
    return replace(tagged, passages=tuple(replace(one, tags=(tag,)) for one in tagged.passages))


def test_each_change_has_a_set_that_equals_one_made_anew(growing: tuple[Store, Path], tmp_path: Path) -> None:
    store, index = growing
    first, second, *_ = store.documents()
    changes = {
        "add": lambda: twin(store, first, "one"),
        "add another": lambda: twin(store, second, "two"),
        "tag": lambda: store.retag([(first.id, retagged(store.tagged(first.id)))]),
        "remove": lambda: store.remove_document(second.id),
        "remove the last": lambda: store.remove_document("two"),
        "take its row numbers": lambda: twin(store, first, "three"),
        "read it again, with other rows in the same numbers": lambda: twin(store, first, "three", turn=True),
        "replace": lambda: twin(store, first, "one"),
        "tell of it": lambda: store.set_metadata(replace(first, title="另一个题目"), ""),
        "fail": lambda: store.note_failure(Failure("/x.pdf", "", "broken")),
        "tag all": lambda: store.retag([(d.id, retagged(store.tagged(d.id))) for d in store.documents()]),
    }
    asked = clues("青岛银行 银行 数据 风险 人才")
    for number, (name, change) in enumerate(changes.items()):
        change()
        files = DerivedFiles.of(index, Contents.of(store))
        assert files.exist(), name
        grown = read_derived(files, Contents.of(store))
        assert_fits(grown, store)
        anew = open_derived(store, tmp_path / str(number))
        assert grown.lexical.search(asked, 500, None) == pytest.approx(anew.lexical.search(asked, 500, None)), name
        assert {folder.name for folder in (index / "derived").iterdir()} >= {files.folder.name}
    assert len(list((index / "derived").iterdir())) <= 2


def test_a_set_shares_with_the_one_before_it_what_stays(growing: tuple[Store, Path]) -> None:
    store, index = growing
    before = DerivedFiles.of(index, Contents.of(store))
    kept = {file.name for file in before.lexical.iterdir()}
    twin(store, store.documents()[0], "one")
    after = DerivedFiles.of(index, Contents.of(store))
    assert after.vectors.rows.samefile(before.vectors.rows)
    segments = [name for name in kept if name.endswith((".store", ".term", ".idx"))]
    assert segments and all((after.lexical / name).samefile(before.lexical / name) for name in segments)
    assert_fits(read_derived(after, Contents.of(store)), store)


def test_an_open_set_stays_as_it_is_while_others_grow_out_of_it(growing: tuple[Store, Path]) -> None:
    store, index = growing
    with Store.open(index / STORE_FILE) as reader:
        old = open_derived(reader, index)
        for name in ("one", "two", "three"):
            twin(store, store.documents()[0], name)
        assert_fits(old, reader)
        reader.refresh()
        assert_fits(open_derived(reader, index), reader)


def test_a_reader_whose_set_is_gone_takes_that_of_the_present(growing: tuple[Store, Path]) -> None:
    store, index = growing
    with Store.open(index / STORE_FILE) as reader:
        reader.snapshot()
        for name in ("one", "two", "three"):
            twin(store, store.documents()[0], name)
        sets = {folder.name for folder in (index / "derived").iterdir()}
        found = open_derived(reader, index)
        assert found.stamp.contents == Contents.of(store)
        assert {folder.name for folder in (index / "derived").iterdir()} == sets


def test_a_change_whose_set_cannot_be_made_is_undone(
    growing: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, index = growing
    before, contents = store.generation(), Contents.of(store)
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(VectorFiles, "add", Mock(side_effect=full))
        with pytest.raises(DiskFull, match="derived"):
            twin(store, store.documents()[0], "one")
    assert (store.generation(), Contents.of(store)) == (before, contents)
    assert_fits(read_derived(DerivedFiles.of(index, contents), contents), store)
    twin(store, store.documents()[0], "one")
    assert_fits(read_derived(DerivedFiles.of(index, Contents.of(store)), Contents.of(store)), store)


def test_vectors_of_another_model_with_the_same_name_are_taken(growing: tuple[Store, Path]) -> None:
    store, index = growing
    units, vectors = store.unit_rows()
    store.replace_vectors(store.model(), [unit.row for unit in units], -vectors, {})
    assert_fits(read_derived(DerivedFiles.of(index, Contents.of(store)), Contents.of(store)), store)


def test_a_library_of_many_passages_keeps_deleted_ones_until_they_are_too_many(
    growing: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, index = growing
    monkeypatch.setattr(kb.derived, "SMALL", 10)
    monkeypatch.setattr(kb.derived, "MOST_DELETED", 0.3)
    deleted = []
    for document in store.documents()[:1:-1]:
        store.remove_document(document.id)
        derived = read_derived(DerivedFiles.of(index, Contents.of(store)), Contents.of(store))
        assert_fits(derived, store)
        deleted.append(derived.stamp.deleted)
    assert deleted[0] > 0 and deleted[1] == 0


def damage(folder: Path, kind: str) -> None:
    """Other bytes in the middle of tantivy's files, of the same length."""
    for file in folder.glob(f"*{kind}"):
        content = file.read_bytes()
        third = len(content) // 3
        file.unlink()  # the file may stand in other sets too
        turned = bytes(255 - byte for byte in content[third : 2 * third])
        file.write_bytes(content[:third] + turned + content[2 * third :])


@pytest.mark.parametrize("kind", [".idx", ".fast", ".term", ".store", ".fieldnorm"])
def test_a_damaged_file_of_tantivy_is_told_and_made_anew(copied_settings: Settings, kind: str) -> None:
    index = copied_settings.index
    with Store.open(index / STORE_FILE) as store:
        damage(DerivedFiles.of(index, Contents.of(store)).lexical, kind)
        (told,) = verify(store, index).problems
        assert f"{kind} is damaged; delete the folder derived" in told or "the next search makes them anew" in told
    with TestClient(create_app(copied_settings)) as client:
        answers = [client.get("/v1/search", params={"q": "银行怎么解决金融科技人才短缺"}) for _ in range(2)]
    assert answers[0].status_code in (200, 409) and answers[1].status_code == 200
    if answers[0].status_code == 409:
        with Store.open(index / STORE_FILE) as store:
            assert verify(store, index).problems == ()


def test_a_set_that_cannot_be_grown_from_is_said(growing: tuple[Store, Path], caplog: pytest.LogCaptureFixture) -> None:
    store, index = growing
    DerivedFiles.of(index, Contents.of(store)).stamp.write_text("{")
    twin(store, store.documents()[0], "one")
    assert "made anew" in caplog.text


def test_a_set_that_fails_in_faiss_is_an_error_of_ours(
    growing: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = growing
    full = RuntimeError("write error: No space left on device")
    monkeypatch.setattr(VectorFiles, "renew_lists", Mock(side_effect=full))
    with pytest.raises(DiskFull):
        twin(store, store.documents()[0], "one")


def test_checking_beside_a_writer_is_no_false_alarm(growing: tuple[Store, Path]) -> None:
    store, index = growing
    with Store.open(index / STORE_FILE) as reader:
        reader.snapshot()
        for name in ("one", "two", "three"):
            twin(store, store.documents()[0], name)
        assert verify(reader, index).problems == ()


@pytest.mark.parametrize("harm", ["stamp", "rows", "tantivy", "all"])
def test_a_set_that_is_damaged_is_not_grown_from(growing: tuple[Store, Path], harm: str) -> None:
    store, index = growing
    files = DerivedFiles.of(index, Contents.of(store))
    if harm == "stamp":
        files.stamp.write_text("{")
    elif harm == "rows":
        files.vectors.rows.unlink()
    elif harm == "tantivy":
        (files.lexical / "meta.json").write_text("{}")
    else:
        shutil.rmtree(files.folder)
    twin(store, store.documents()[0], "one")
    assert_fits(read_derived(DerivedFiles.of(index, Contents.of(store)), Contents.of(store)), store)


def test_an_empty_store_has_empty_indexes(tmp_path: Path) -> None:
    index = LexicalIndex.build(tmp_path / "lexical", [])
    assert index.search(clues("银行"), 5, None) == {}


def test_an_index_of_words_cut_otherwise_is_made_again(
    growing: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, index = growing
    contents = Contents.of(store)
    monkeypatch.setattr(kb.derived, "dictionary_digest", lambda: "another dictionary")
    assert Contents.of(store).key != contents.key
    store.note_failure(Failure("/x.pdf", "", "a change of nothing that is derived"))
    assert DerivedFiles.of(index, Contents.of(store)).exist()
    with pytest.raises(ValueError, match="other contents"):
        read_derived(DerivedFiles.of(index, contents), Contents.of(store))
