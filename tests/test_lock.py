"""One writer at a time: who holds the lock is told, a killed one is not believed, and what it left is cleared away."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.errors import DiskFull, IndexBusy, IndexDamaged
from kb.lock import Holder, held, holder, note_of, read_note
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from kb.verify import verify
from kb.writing import WRITING_LOCK, changing_store, renew_derived, writing
from tests.conftest import CORPUS, Silent, encoder

HOLD = """
import sys, time
from pathlib import Path
from kb.writing import writing
with writing(Path(sys.argv[1]), "kb ingest ../reports"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def other_writer(index: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the writer's lock until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(index)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_who_is_refused_hears_who_writes_and_since_when(tmp_path: Path) -> None:
    with other_writer(tmp_path) as other:
        since = read_note(tmp_path / WRITING_LOCK).since[11:16]
        told = rf"written by process {other.pid} of \S+ on \S+ since {since} \(kb ingest \.\./reports\); wait"
        with pytest.raises(IndexBusy, match=told), writing(tmp_path, "kb retag", 0.1):
            pass
        assert holder(tmp_path / WRITING_LOCK).pid == other.pid


def test_who_waits_long_enough_gets_its_turn(tmp_path: Path) -> None:
    with other_writer(tmp_path) as other:
        threading.Timer(0.3, other.kill).start()
        with writing(tmp_path, "kb retag", 20):
            assert holder(tmp_path / WRITING_LOCK).doing == "kb retag"
    assert holder(tmp_path / WRITING_LOCK) is None
    assert not note_of(tmp_path / WRITING_LOCK).exists()


def test_the_note_of_a_killed_writer_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with other_writer(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert read_note(tmp_path / WRITING_LOCK).pid == other.pid
        assert holder(tmp_path / WRITING_LOCK) is None
        with FileLock(tmp_path / WRITING_LOCK):  # held by one that has not written its note yet
            with (
                pytest.raises(IndexBusy, match="another process"),
                held(tmp_path / WRITING_LOCK, "x is written", "", 0),
            ):
                pass
        with caplog.at_level(logging.WARNING), writing(tmp_path, "kb retag", 0.1):
            pass
    assert f"interrupted run (0 files, 0.0 MB): process {other.pid}" in caplog.text


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"pid": 1}', "\udc80"):
        note_of(tmp_path / WRITING_LOCK).write_bytes(text.encode("utf-8", "surrogateescape"))
        assert read_note(tmp_path / WRITING_LOCK) is None
        assert holder(tmp_path / WRITING_LOCK) is None


def test_another_machines_writer_may_live(tmp_path: Path) -> None:
    there = Holder(2**22 + 1, "elsewhere", "me", "2024-05-01T10:00:00+00:00", "kb ingest")
    assert not there.is_gone()
    assert "2024-05-01" in str(there)
    here = Holder.me("kb ingest")
    assert not here.is_gone()
    assert json.loads(json.dumps(here.since)) == here.since


def test_leftovers_of_a_kill_go_and_are_told(copied_settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    index = copied_settings.index
    [present] = (index / "derived").iterdir()
    for folder in ("derived/new-abc", "derived/0123456789abcdef", "models/new-abc", "restoring-new", "restoring-9999"):
        (index / folder).mkdir(parents=True)
        (index / folder / "file").write_bytes(b"x" * 500_000)
    with caplog.at_level(logging.WARNING), changing_store(index) as store:
        renew_derived(store, index)
    assert "interrupted run (5 files, 2.5 MB)" in caplog.text
    assert sorted(path.name for path in index.iterdir()) == [
        "derived", "derived.lock", STORE_FILE, "models", WRITING_LOCK
    ]  # fmt: skip
    assert [path.name for path in (index / "derived").iterdir()] == [present.name]
    caplog.clear()
    with caplog.at_level(logging.WARNING), changing_store(index) as store:
        renew_derived(store, index)
    assert not caplog.text


def test_a_damaged_derived_set_is_made_again_and_nothing_is_lost(copied_settings: Settings) -> None:
    for file in (copied_settings.index / "derived").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    with Library.open(copied_settings, encoder()) as library:
        assert library.search("开放银行", 3).hits
        assert verify(library.store, copied_settings.index).problems == ()


# ---- disks that are full or cannot be written to; these need root, and a system that mounts


@contextmanager
def mounted(folder: Path, *words: str) -> Iterator[Path]:
    """A file system on a folder; skips where it cannot be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts")
    if (done := subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True)).returncode:
        pytest.skip(f"cannot mount here: {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # files of it may still be mapped


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """A folder that not even root can write to."""
    with mounted(folder, "--bind", str(folder)):
        if subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], capture_output=True).returncode:
            pytest.skip("cannot mount read-only here")
        yield folder


def test_a_folder_that_cannot_be_written_to_is_an_error_at_once(copied_settings: Settings) -> None:
    begun = time.monotonic()
    with read_only(copied_settings.index) as index:
        with pytest.raises(IndexDamaged, match="cannot write to the index folder"), writing(index):
            pass
        assert time.monotonic() - begun < 5
    with Store.open(copied_settings.index / STORE_FILE) as store:
        assert verify(store, copied_settings.index).problems == ()


def test_a_folder_that_cannot_be_written_to_is_searched_all_the_same(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        expected = [hit.passage.id for hit in library.search("开放银行", 5).hits]
    with read_only(copied_settings.index):
        with Library.open(copied_settings, encoder()) as library:
            assert [hit.passage.id for hit in library.search("开放银行", 5).hits] == expected
            assert verify(library.store, copied_settings.index).problems == ()
        with pytest.raises(IndexDamaged, match="cannot write to the index folder"):
            remove("survey2023.pdf", copied_settings)


@pytest.mark.parametrize("free", [0, 60_000, 700_000, 1_500_000])
def test_on_a_full_disk_the_old_state_stays(copied_settings: Settings, tmp_path: Path, free: int) -> None:
    used = sum(file.stat().st_blocks * 512 for file in copied_settings.index.rglob("*"))
    (disk := tmp_path / "disk").mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", f"size={used + free}", "none"):
        shutil.copytree(copied_settings.index, disk / "index")
        settings = copied_settings.model_copy(update={"index": disk / "index"})
        with pytest.raises((DiskFull, IndexDamaged), match="no space is left|cannot write"):
            ingest([CORPUS / "cases2018.pdf"], settings, encoder, Silent(), force=True)
        shutil.copytree(disk / "index", after := tmp_path / "after")
    with Store.open(after / STORE_FILE) as store, Store.open(copied_settings.index / STORE_FILE) as before:
        assert verify(store, after).problems == ()
        assert store.generation() == before.generation()
        assert [*store.live_passages()] == [*before.live_passages()]
