"""Ingesting: skipped, replaced, moved and broken files, one writer at a time, and a store that always verifies."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from filelock import FileLock

from kb import build
from kb.build import find_files, ingest, remove
from kb.errors import BadInput, IndexBusy, ModelMismatch, UnknownName
from kb.records import Filters
from kb.search import STORE_FILE, Library
from kb.settings import Settings
from kb.store import Store
from kb.verify import verify
from tests.conftest import CACHE, CORPUS, Silent, encoder

SMALL = CORPUS / "survey2023.pdf"
OTHER = CORPUS / "rural2020.pdf"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(index=tmp_path / "index", cache=CACHE, workers=1)


def run(settings: Settings, *paths: Path, force: bool = False) -> list[str]:
    """Ingest, and say what became of each file."""
    report = ingest(list(paths), settings, encoder, Silent(), force)
    return [f"{outcome.path.name} {outcome.what}" for outcome in report.outcomes]


def check(settings: Settings) -> tuple[str, ...]:
    """What verify finds wrong."""
    with Store.open(settings.index / STORE_FILE) as store:
        return verify(store, settings.index).problems


def test_the_sample_corpus_verifies(library_settings: Settings) -> None:
    with Store.open(library_settings.index / STORE_FILE) as store:
        done = verify(store, library_settings.index)
    assert done.problems == ()
    assert done.documents >= 4
    assert done.passages > 120
    assert done.spans > done.passages
    assert done.units > done.passages


def test_unchanged_files_are_neither_read_nor_embedded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(settings, SMALL) == ["survey2023.pdf added"]
    with Store.open(settings.index / STORE_FILE) as store:
        generation = store.generation()
    monkeypatch.setattr(build, "read_facts", lambda *_: pytest.fail("the file was read again"))
    assert run(settings, SMALL) == ["survey2023.pdf unchanged"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert store.generation() == generation


def test_force_reads_again_and_gives_the_same_passages(settings: Settings) -> None:
    def ids() -> list[str]:
        with Store.open(settings.index / STORE_FILE) as store:
            return [stored.passage.id for stored in store.live_passages()]

    run(settings, SMALL)
    before = ids()
    assert run(settings, SMALL, force=True) == ["survey2023.pdf replaced"]
    assert ids() == before
    assert check(settings) == ()


def test_a_changed_file_replaces_the_old_version(settings: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    shutil.copy(SMALL, report)
    run(settings, report)
    with Store.open(settings.index / STORE_FILE) as store:
        old = next(store.live_passages()).passage.id
    shutil.copy(OTHER, report)
    assert run(settings, report) == ["report.pdf replaced"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert [document.status for document in store.documents()] == ["live"]
        assert store.passage(old).document.status == "superseded"
    assert check(settings) == ()


def test_a_moved_file_keeps_its_passages(settings: Settings, tmp_path: Path) -> None:
    first, second = tmp_path / "a.pdf", tmp_path / "b.pdf"
    shutil.copy(SMALL, first)
    run(settings, first)
    first.rename(second)
    assert run(settings, second) == ["b.pdf moved"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert [document.file for document in store.documents()] == ["b.pdf"]
    assert check(settings) == ()


def test_a_file_moved_over_another_replaces_it(settings: Settings, tmp_path: Path) -> None:
    report, new = tmp_path / "report.pdf", tmp_path / "new.pdf"
    shutil.copy(SMALL, report)
    shutil.copy(OTHER, new)
    run(settings, report, new)
    with Store.open(settings.index / STORE_FILE) as store:
        title = next(d.title for d in store.documents() if d.file == "new.pdf")
    new.rename(report)
    assert run(settings, report) == ["report.pdf moved"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert [(d.file, d.title) for d in store.documents()] == [("report.pdf", title)]
    assert check(settings) == ()


def test_a_failure_is_forgotten_with_its_file_and_moves_the_generation(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    run(settings, tmp_path / "broken.pdf")
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.failures()) == 1
        noted = store.generation()
    assert noted > 0
    (tmp_path / "broken.pdf").unlink()
    run(settings, SMALL)
    with Store.open(settings.index / STORE_FILE) as store:
        assert store.failures() == []


def test_a_superseded_report_is_removed_by_its_id(settings: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    shutil.copy(SMALL, report)
    run(settings, report)
    with Store.open(settings.index / STORE_FILE) as store:
        old = store.documents()[0].id
    shutil.copy(OTHER, report)
    run(settings, report)
    assert remove(old, settings).status == "superseded"
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents(live=False)) == 1
    assert check(settings) == ()


def test_the_same_content_twice_is_one_document(settings: Settings, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        shutil.copy(SMALL, tmp_path / name)
    assert run(settings, tmp_path / "a.pdf", tmp_path / "b.pdf") == ["a.pdf added", "b.pdf unchanged"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents()) == 1


def test_a_broken_file_does_not_stop_the_others(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "a_empty.pdf").write_bytes(b"")
    (folder / "b_page.pdf").write_text("<!DOCTYPE html><p>404</p>")
    (folder / "c_cut.pdf").write_bytes(SMALL.read_bytes()[:3000])
    shutil.copy(SMALL, folder / "d_good.pdf")
    assert run(settings, folder) == ["a_empty.pdf failed", "b_page.pdf failed", "c_cut.pdf failed", "d_good.pdf added"]
    with Store.open(settings.index / STORE_FILE) as store:
        reasons = {Path(failure.path).name: failure.reason for failure in store.failures()}
    assert "empty" in reasons["a_empty.pdf"]
    assert "not a PDF" in reasons["b_page.pdf"]
    assert "c_cut.pdf" in reasons["c_cut.pdf"]


def test_a_file_that_breaks_leaves_its_stored_version(settings: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    shutil.copy(SMALL, report)
    run(settings, report)
    report.write_bytes(b"%PDF-1.7 and then nothing")
    assert run(settings, report) == ["report.pdf failed"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents()) == 1
        assert len(store.failures()) == 1
    shutil.copy(SMALL, report)
    assert run(settings, report) == ["report.pdf unchanged"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert store.failures() == []


def test_a_failure_while_storing_leaves_the_old_state(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run(settings, SMALL)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "_insert_passages", fail)
    with pytest.raises(sqlite3.OperationalError):
        run(settings, OTHER)
    monkeypatch.undo()
    with Store.open(settings.index / STORE_FILE) as store:
        assert [document.file for document in store.documents()] == [SMALL.name]
    assert check(settings) == ()


def test_several_processes_read_the_same_as_one(settings: Settings, tmp_path: Path) -> None:
    def texts(of: Settings) -> list[str]:
        with Store.open(of.index / STORE_FILE) as store:
            return [stored.passage.text for stored in store.live_passages()]

    two = settings.model_copy(update={"index": tmp_path / "two", "workers": 2})
    slides = CORPUS / "cases2018.pdf"
    run(settings, slides)
    run(two, slides)
    assert texts(settings) == texts(two)


def test_one_writer_at_a_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "LOCK_SECONDS", 0.1)
    settings.index.mkdir()
    with FileLock(settings.index / "writing.lock"), pytest.raises(IndexBusy, match="another process"):
        run(settings, SMALL)


def test_another_model_is_refused_before_anything_is_read(copied_settings: Settings) -> None:
    class Other:
        name, dim = "another model", 8

    with pytest.raises(ModelMismatch):
        ingest([SMALL], copied_settings, Other, Silent())
    assert check(copied_settings) == ()


def test_removing_a_report(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        document = next(d for d in library.store.documents() if d.file == SMALL.name)
        assert library.search("银行", 5, Filters(report=(SMALL.name,))).hits
    remove(document.id, copied_settings)
    with Library.open(copied_settings, encoder()) as library:
        assert document.id not in {hit.document.id for hit in library.search("银行怎么做调研", 100).hits}
    assert check(copied_settings) == ()
    with pytest.raises(UnknownName, match=document.id):
        remove(document.id, copied_settings)


def test_paths_that_hold_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        find_files([tmp_path / "missing"])
    with pytest.raises(BadInput, match="no PDF in this folder"):
        find_files([tmp_path])
    (tmp_path / "notes.xyz").write_text("x")
    with pytest.raises(BadInput, match="not a PDF"):
        find_files([tmp_path / "notes.xyz"])


def test_verify_sees_what_is_wrong(copied_settings: Settings) -> None:
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE pages SET text = replace(text, '银行', '很行') WHERE number = 3")
    db.close()
    problems = check(copied_settings)
    assert problems
    assert "很" in problems[0]
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("DELETE FROM units WHERE row IN (SELECT row FROM units LIMIT 3)")
    db.close()
    assert any("FAISS" in problem for problem in check(copied_settings))
