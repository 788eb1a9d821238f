"""Backup and restore: one file, one generation, checked before anything is touched, while others read and write."""

import hashlib
import json
import re
import shutil
import sqlite3
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from filelock import FileLock

from api.app import create_app
from kb.answer import ask
from kb.backup import MANIFEST, backup, check_backup, own_files, read_manifest, restore
from kb.build import remove
from kb.catalogue import STORE_FILE
from kb.errors import BadInput, IndexBusy, IndexMissing
from kb.export import answer_json, result_json
from kb.jobs.queue import Order, Queue, Task
from kb.retag import correct
from kb.rows import MIGRATIONS, SCHEMA_VERSION
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from kb.verify import verify
from tests.conftest import CORPUS, ROOT, encoder, run_kb

QUESTIONS = ("银行怎么解决金融科技人才短缺", "青岛银行的开放银行", "不良贷款率下降了多少")


def quiet(count: int, total: int) -> None: ...


def take(settings: Settings, target: Path) -> Path:
    """A backup of an index."""
    backup(settings, target, quiet, quiet)
    return target


def put(settings: Settings, file: Path, replace: bool = False):
    """What restoring a backup gives."""
    return restore(settings, file, replace, quiet, quiet)


def answers(settings: Settings) -> list[str]:
    """What an index answers, as JSON."""
    with Library.open(settings, encoder()) as library:
        found = [result_json(library.search(question, 5)) for question in QUESTIONS]
        found += [answer_json(ask(library, question)) for question in QUESTIONS]
    return [json.dumps(one, ensure_ascii=False) for one in found]


def problems(settings: Settings) -> tuple[str, ...]:
    """What verify finds wrong."""
    with Store.open(settings.index / STORE_FILE) as store:
        return verify(store, settings.index).problems


@pytest.fixture
def settings(copied_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of the sample index with corrections of its own."""
    (tmp_path / "overrides.toml").write_text('[0123456789abcdef]\nrole = "观点"\n', "utf-8")
    return copied_settings.model_copy(update={"overrides": tmp_path / "overrides.toml"})


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """An empty place on another machine."""
    there = tmp_path / "elsewhere"
    return settings.model_copy(update={"index": there / "index", "overrides": there / "overrides.toml"})


def test_restored_into_an_empty_place_it_gives_the_same_answers(
    settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    (settings.index / "models" / "adapted-1").mkdir(parents=True)
    (settings.index / "models" / "adapted-1" / "weights").write_bytes(b"w" * 3_000_000)
    (settings.index / "saved.toml").write_text('query = "开放银行"\n', "utf-8")
    for name in ("keys.sqlite", "jobs.sqlite", "audit.jsonl", "saved.toml.new", ".hidden"):
        (settings.index / name).write_text("stays here", "utf-8")
    file = take(settings, tmp_path / "kb.zip")
    manifest = read_manifest(file)
    assert set(manifest.members) == {STORE_FILE, "overrides.toml", "files/models/adapted-1/weights", "files/saved.toml"}
    assert (manifest.schema_version, manifest.documents) == (SCHEMA_VERSION, 4)
    assert file.stat().st_size < manifest.size - 2_000_000
    restored = put(elsewhere, file)
    assert restored.generation == manifest.generation
    assert answers(elsewhere) == answers(settings)
    assert problems(elsewhere) == ()
    assert own_files(elsewhere.index) == ["models/adapted-1/weights", "saved.toml"]
    assert elsewhere.overrides.read_bytes() == settings.overrides.read_bytes()
    assert not (elsewhere.index / "keys.sqlite").exists()


def test_over_an_index_it_brings_the_old_state_back(settings: Settings, tmp_path: Path) -> None:
    before, file = answers(settings), take(settings, tmp_path / "kb.zip")
    (settings.index / "saved.toml").write_text("made since", "utf-8")
    (settings.index / "keys.sqlite").write_text("the server's", "utf-8")
    with Library.open(settings, encoder()) as reading:
        remove("survey2023.pdf", settings)
        removed = answers(settings)
        with pytest.raises(BadInput, match="--replace"):
            put(settings, file)
        with Store.open(settings.index / STORE_FILE) as open_store:
            open_store.snapshot()
            restored = put(settings, file, replace=True)
            assert len(open_store.documents()) == 3  # whoever reads goes on reading what there was
        assert len(reading.search(QUESTIONS[0], 5).hits) == 5
    assert restored.generation > read_manifest(file).generation
    assert answers(settings) == before != removed
    assert problems(settings) == ()
    names = {path.name for path in settings.index.iterdir()}
    assert not names & {"saved.toml"} and "keys.sqlite" in names
    assert not [name for name in names if name.startswith("restoring")]


def test_files_of_others_in_the_folder_stay_and_corrections_kept_there_too(settings: Settings, tmp_path: Path) -> None:
    inside = settings.model_copy(update={"overrides": settings.index / "overrides.toml"})
    inside.overrides.write_text('[0123456789abcdef]\nrole = "观点"\n', "utf-8")
    file = take(inside, tmp_path / "kb.zip")
    assert set(read_manifest(file).members) == {STORE_FILE, "overrides.toml"}
    (settings.index / "reports").mkdir()
    (settings.index / "reports" / "mine.pdf").write_text("not kb's", "utf-8")
    inside.overrides.write_text('[0123456789abcdef]\nrole = "措施"\n', "utf-8")
    put(inside, file, replace=True)
    assert (settings.index / "reports" / "mine.pdf").exists()
    assert "措施" in inside.overrides.read_text("utf-8")


def test_an_encrypted_archive_is_refused(settings: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")
    content = bytearray(file.read_bytes())
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + flags] |= 1
    file.write_bytes(content)
    with pytest.raises(BadInput, match="encrypted"):
        check_backup(file, quiet)


def test_corrections_made_since_stay(settings: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")
    with Store.open(settings.index / STORE_FILE) as store:
        passage = next(store.live_passages()).passage.id
    correct(settings, encoder, passage, {"dimension": "数据"})
    later = settings.overrides.read_bytes()
    restored = put(settings, file, replace=True)
    assert settings.overrides.read_bytes() == later
    assert restored.overrides and restored.overrides.parent == settings.index
    assert "0123456789abcdef" in restored.overrides.read_text("utf-8") and b"0123456789abcdef" in later
    assert restored.overrides.read_bytes() != later


def test_a_damaged_index_is_replaced_too(settings: Settings, tmp_path: Path) -> None:
    before, file = answers(settings), take(settings, tmp_path / "kb.zip")
    store = settings.index / STORE_FILE
    content = store.read_bytes()
    for harm in (b"no database" * 1000, b"", content[:5000], content[:8192] + b"\0" * 90_000 + content[98_192:]):
        store.write_bytes(harm)
        put(settings, file, replace=True)
        assert answers(settings) == before
        assert problems(settings) == ()


def test_a_server_shows_the_restored_index_without_a_restart(settings: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")
    with TestClient(create_app(settings)) as client:
        remove("survey2023.pdf", settings)
        assert len(client.get("/v1/documents").json()["documents"]) == 3
        put(settings, file, replace=True)
        assert len(client.get("/v1/documents").json()["documents"]) == 4
        assert client.get("/v1/search", params={"q": QUESTIONS[0]}).status_code == 200


def test_uploads_are_found_in_the_new_place(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    upload = settings.index / "uploads" / "abc.pdf"
    upload.parent.mkdir()
    shutil.copyfile(CORPUS / "survey2023.pdf", upload)
    with sqlite3.connect(settings.index / STORE_FILE) as db:
        db.execute("UPDATE documents SET path = ? WHERE file = 'survey2023.pdf'", (str(upload.resolve()),))
    db.close()
    put(elsewhere, take(settings, tmp_path / "kb.zip"))
    with Store.open(elsewhere.index / STORE_FILE) as store:
        paths = {document.file: Path(document.path) for document in store.documents()}
    assert paths["survey2023.pdf"].read_bytes() == upload.read_bytes()
    assert paths["survey2023.pdf"].is_relative_to(elsewhere.index.resolve())
    assert paths["cases2018.pdf"].parent == CORPUS


def test_uploads_of_waiting_jobs_stay(settings: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")
    queue, names = Queue(settings.index, 9), ["0" * 64 + ".pdf", "1" * 64 + ".pdf", "2" * 64 + ".pdf"]
    (settings.index / "uploads").mkdir()
    for name in names:
        (settings.index / "uploads" / name).touch()
    for name in names[:2]:
        queue.add(Order(Task.INGEST, "a.pdf", upload=name), "")
    assert queue.begin()
    put(settings, file, replace=True)
    assert [(settings.index / "uploads" / name).exists() for name in names] == [True, True, False]


def test_an_upload_that_goes_while_a_backup_is_taken(settings: Settings, tmp_path: Path) -> None:
    (settings.index / "uploads").mkdir()
    (upload := settings.index / "uploads" / "abc.pdf").touch()

    def delete(count: int, total: int) -> None:
        upload.unlink(missing_ok=True)  # the store is copied, and nothing packed

    backup(settings, tmp_path / "kb.zip", delete, quiet)
    assert "files/uploads/abc.pdf" not in read_manifest(tmp_path / "kb.zip").members
    with sqlite3.connect(settings.index / STORE_FILE) as db:
        db.execute("UPDATE documents SET path = ? WHERE file = 'survey2023.pdf'", (str(upload.resolve()),))
    db.close()
    backup(settings, tmp_path / "without.zip", quiet, quiet)  # it was lost before
    upload.touch()
    with pytest.raises(BadInput, match=r"abc\.pdf went while it was packed"):
        backup(settings, tmp_path / "kb.zip", delete, quiet)


def test_taken_while_others_write_it_holds_one_generation(settings: Settings, tmp_path: Path) -> None:
    """Two rows that always say the same are changed all the time; a copy of pages from two moments would tell."""
    path, stop = settings.index / STORE_FILE, threading.Event()
    with sqlite3.connect(path) as db:
        db.executemany("INSERT INTO meta VALUES (?, ?)", [(f"mark{n:05}", "0" * 500) for n in range(2000)])
    db.close()

    def write() -> None:
        other, number = sqlite3.connect(path, timeout=30), 0
        while not stop.is_set():
            number += 1
            with other:
                other.execute("UPDATE meta SET value = ? WHERE key LIKE 'mark%'", (f"{number:0500}",))
        other.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            file = take(settings, tmp_path / f"{number}.zip")
            with zipfile.ZipFile(file) as archive:
                archive.extract(STORE_FILE, tmp_path / str(number))
            with sqlite3.connect(tmp_path / str(number) / STORE_FILE) as db:
                marks = db.execute("SELECT COUNT(*), COUNT(DISTINCT value) FROM meta WHERE key LIKE 'mark%'").fetchone()
            db.close()
            assert marks == (2000, 1)
    finally:
        stop.set()
        writer.join()


def test_the_writers_lock_is_waited_for(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    hurried = settings.model_copy(update={"lock_seconds": 0.1})
    with FileLock(settings.index / "writing.lock"):
        file = take(settings, tmp_path / "kb.zip")  # takes no lock
        with pytest.raises(IndexBusy):
            put(hurried, file, replace=True)
    put(elsewhere, file)


# ---- files that are no backups, damaged ones, and hostile ones


def rewritten(file: Path, change: Callable[[dict[str, bytes]], None], describe: bool = True) -> Path:
    """A backup with other members; `describe` writes a manifest that fits them."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(members)
    if describe:
        told = {name: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for name, c in members.items()}
        manifest |= {"members": told} | json.loads(members.pop("as manifest", b"{}"))
        manifest["members"].pop("as manifest", None)
    target = file.with_name("changed.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, json.dumps(manifest))
    return target


def refused(settings: Settings, file: Path, match: str) -> None:
    """Neither checked nor restored, and nothing is touched."""
    for replace in (False, True):
        with pytest.raises(BadInput, match=match):
            put(settings, file, replace)
    with pytest.raises(BadInput, match=match):
        check_backup(file, quiet)
    assert not settings.index.exists() or not (settings.index / STORE_FILE).exists()


@pytest.mark.parametrize("name", ["../evil", "files/../../evil", "/evil", "files/a\\..\\evil", "files/C:evil", "evil"])
def test_names_that_lead_out_of_the_index_are_refused(
    settings: Settings, elsewhere: Settings, tmp_path: Path, name: str
) -> None:
    file = rewritten(take(settings, tmp_path / "kb.zip"), lambda members: members.update({name: b"evil"}))
    refused(elsewhere, file, "no file of an index")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("name", ["keys.sqlite", "derived/x", "writing.lock", "kb.sqlite-wal", ".profile", "a/./b"])
def test_what_is_no_part_of_a_backup_is_refused(
    settings: Settings, elsewhere: Settings, tmp_path: Path, name: str
) -> None:
    file = rewritten(take(settings, tmp_path / "kb.zip"), lambda members: members.update({f"files/{name}": b"evil"}))
    refused(elsewhere, file, "no file of an index")


def test_a_changed_byte_is_found(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")

    def flip(members: dict[str, bytes]) -> None:
        members[STORE_FILE] = members[STORE_FILE][:-1] + bytes([members[STORE_FILE][-1] ^ 1])

    refused(elsewhere, rewritten(file, flip, describe=False), "checksum")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    refused(elsewhere, file, "damaged")
    file.write_bytes(content[: len(content) // 2])
    refused(elsewhere, file, "no backup of kb, or damaged")


def test_a_bomb_is_refused_before_it_is_unpacked(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")
    bomb = rewritten(file, lambda members: members.update({"files/models/bomb": bytes(1_000_000_000)}))
    refused(elsewhere, bomb, "would unpack to")
    small = rewritten(file, lambda members: members.update({"files/saved.toml": b"x" * 100_000}))
    content = small.read_bytes()  # a member that is larger than it says
    small.write_bytes(content.replace(struct.pack("<I", 100_000), struct.pack("<I", 10)))
    refused(elsewhere, small, "not the 100000 of the manifest")


def test_a_store_that_is_not_whole_is_refused(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    file = take(settings, tmp_path / "kb.zip")

    def spoil(members: dict[str, bytes]) -> None:
        content = members[STORE_FILE]
        members[STORE_FILE] = content[:40_960] + b"\xff" * 40_960 + content[81_920:]

    def add_trigger(members: dict[str, bytes]) -> None:
        (tmp_path / "store").write_bytes(members[STORE_FILE])
        with sqlite3.connect(tmp_path / "store") as db:
            db.execute("CREATE TRIGGER evil AFTER INSERT ON meta BEGIN DELETE FROM documents; END")
        db.close()
        members[STORE_FILE] = (tmp_path / "store").read_bytes()

    refused(elsewhere, rewritten(file, spoil), "not whole")
    refused(elsewhere, rewritten(file, add_trigger), "evil is no table")


def test_a_later_backup_is_refused_with_what_to_do(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    later = json.dumps({"schema": SCHEMA_VERSION + 1, "kb": "9.0"}).encode()
    file = rewritten(take(settings, tmp_path / "kb.zip"), lambda members: members.update({"as manifest": later}))
    refused(elsewhere, file, r"made by kb 9\.0 .* restore it with that kb or a later one")


def test_a_backup_of_the_schema_before_is_brought_up(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    expected = answers(settings)
    with sqlite3.connect(settings.index / STORE_FILE) as db:
        for table, column in re.findall(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", MIGRATIONS[4]):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        db.execute("UPDATE meta SET value = '4' WHERE key = 'schema'")
    db.close()
    file = take(settings, tmp_path / "kb.zip")
    assert read_manifest(file).schema_version == 4
    put(elsewhere, file)
    assert answers(elsewhere) == expected
    assert problems(elsewhere) == ()


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"PK\x05\x06" + bytes(18)])
def test_another_file_is_no_backup_and_is_not_overwritten(settings: Settings, tmp_path: Path, content: bytes) -> None:
    (other := tmp_path / "report.pdf").write_bytes(content)
    with pytest.raises(BadInput, match="no backup"):
        check_backup(other, quiet)
    with pytest.raises(BadInput, match="give another name"):
        take(settings, other)
    assert other.read_bytes() == content


def test_places_where_no_backup_can_be_written(settings: Settings, elsewhere: Settings, tmp_path: Path) -> None:
    for target, match in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "kb.zip", "there is no folder"),
        (settings.index / "kb.zip", "lies in the index itself"),
    ):
        with pytest.raises(BadInput, match=match):
            take(settings, target)
    with pytest.raises(IndexMissing):
        take(elsewhere, tmp_path / "kb.zip")
    assert not list(tmp_path.glob(".kb-backup-*"))


def test_leftovers_of_a_killed_backup_go_and_a_running_one_stays(settings: Settings, tmp_path: Path) -> None:
    (killed := tmp_path / ".kb-backup-1").mkdir()
    (killed / STORE_FILE).write_bytes(b"half")
    (running := tmp_path / ".kb-backup-2").mkdir()
    with FileLock(running / "lock"):
        take(settings, tmp_path / "kb.zip")
    assert not killed.exists() and running.exists()


def test_the_commands(settings: Settings, tmp_path: Path) -> None:
    file, overrides = tmp_path / "kb.zip", str(tmp_path / "o.toml")
    done = run_kb("backup", file, "--index", settings.index, KB_OVERRIDES=overrides)
    assert done.returncode == 0 and "4 reports" in done.stdout, done.stderr
    checked = run_kb("backup", file, "--check", "--json")
    assert json.loads(checked.stdout)["documents"] == 4
    done = run_kb("restore", file, "--index", tmp_path / "new", KB_OVERRIDES=overrides)
    assert done.returncode == 0 and "restored: 4 reports" in done.stdout, done.stderr
    assert run_kb("verify", "--index", tmp_path / "new").returncode == 0
    again = run_kb("restore", file, "--index", tmp_path / "new", KB_OVERRIDES=overrides)
    assert again.returncode == 1 and "--replace" in again.stderr and "Traceback" not in again.stderr
    missing = run_kb("restore", ROOT / "no.zip", "--index", tmp_path / "new2")
    assert missing.returncode == 1 and "No such file" in missing.stderr
    assert not (tmp_path / "new2").exists()
