"""An index ↔ one file of all that cannot be made again, checked by checksums; taken and put back while in use."""

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kb import __version__
from kb.catalogue import STORE_FILE
from kb.database import connect as open_store
from kb.database import damage_named
from kb.derived import open_derived
from kb.errors import BadInput, IndexDamaged, IndexMissing
from kb.files import locked, replace_file
from kb.rows import SCHEMA_VERSION
from kb.settings import Settings
from kb.store import Store
from kb.writing import finish_restore, renew_derived, writing

FORMAT = "kb backup 1"
MANIFEST, OVERRIDES, FILES = "manifest.json", "overrides.toml", "files/"

BESIDE = "overrides-restored.toml"
"""Corrections from a backup, where there are other ones already."""

UPLOADS = "uploads"
ONLY_ADDED = ("models", UPLOADS)
"""Folders of files that are named for their content: never changed, and named in the store only when they are whole."""

OWN = (*ONLY_ADDED, "evaluations", "saved.toml", "saved.state.json", "watched.json", "told.json")
"""What of an index folder goes into a backup beside the store, which is copied apart. Not what is made again, nor what
belongs to the server that runs there: its keys, its jobs, its log, what it has still to send; nor files of others."""

LEVEL = 3
"""Of compression: 6 takes half as long again, and makes the file 1 % smaller."""

PIECE = 1 << 20
STEP = 256
"""Pages of the store that are copied between two reports of progress."""

MOST_MANIFEST = 32 << 20
MOST_TIMES = 100
"""A file that would unpack to more than so many times its size is refused, unless that is little."""
LITTLE = 64 << 20

Done = Callable[[int, int], None]
"""Told how many bytes of how many are done."""


class Member(BaseModel):
    """A file in a backup: its size in bytes, unpacked, and its SHA-256."""

    model_config = ConfigDict(frozen=True)

    size: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a backup holds. `index` is the folder that it was taken of, `made` when, ISO 8601 in UTC."""

    model_config = ConfigDict(frozen=True)

    format: str
    kb: str
    made: str
    index: str
    schema_version: int = Field(alias="schema")
    generation: int = Field(ge=0)
    model: str
    documents: int
    passages: int
    members: Mapping[str, Member]

    @property
    def size(self) -> int:
        """Bytes of all members, unpacked."""
        return sum(member.size for member in self.members.values())


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back: its manifest, the generation that the index has now, and where the corrections are."""

    manifest: Manifest
    generation: int
    overrides: Path | None


# ---- taking one


def backup(settings: Settings, target: Path, copied: Done, packed: Done) -> Manifest:
    """Write one generation of an index into a file, while others read and write; a backup that is there is replaced.

    The file is written aside, and moved into place when it is whole. Raises IndexMissing, IndexDamaged, BadInput.
    """
    store = settings.index / STORE_FILE
    if not store.exists():
        raise IndexMissing(f"no index in {settings.index}; name its folder with --index")
    check_target(target, settings.index)
    try:
        with draft_beside(target) as draft:
            own = {FILES + name: settings.index / name for name in own_files(settings.index)}
            for name, path in list(own.items()):  # before the store: what they remember of it must not be ahead of it
                if path.relative_to(settings.index).parts[0] not in ONLY_ADDED:
                    own[name] = draft / f"{len(own)}-{hashlib.sha256(name.encode()).hexdigest()}"
                    shutil.copyfile(path, own[name])
            if settings.overrides.exists():
                own[OVERRIDES] = settings.overrides
            copy_store(store, draft / STORE_FILE, copied)
            for name in own_files(settings.index):  # and what the store names since
                own.setdefault(FILES + name, settings.index / name)
            manifest = pack(draft / "backup", settings.index, {STORE_FILE: draft / STORE_FILE, **own}, packed)
            os.replace(draft / "backup", target)
    except OSError as error:
        raise BadInput(f"{target}: the backup cannot be written: {error.strerror or error}") from error
    return manifest


def check_target(target: Path, index: Path) -> None:
    """Refuse a place for a backup where it would do harm. Raises BadInput."""
    if target.is_dir():
        raise BadInput(f"{target} is a folder; name the file to write: {target / 'kb-backup.zip'}")
    if not target.parent.is_dir():
        raise BadInput(f"{target}: there is no folder {target.parent}")
    if target.resolve().is_relative_to(index.resolve()):
        raise BadInput(f"{target} lies in the index itself; write the backup to another disk, or at least elsewhere")
    if target.exists():
        try:
            read_manifest(target)
        except BadInput as error:
            raise BadInput(f"{target} is there already, and is no backup; give another name") from error


@contextmanager
def draft_beside(target: Path) -> Iterator[Path]:
    """A folder beside a backup for what it is made of; those that killed backups left there are removed."""
    for left in target.parent.glob(".kb-backup-*"):
        with suppress(Timeout), FileLock(left / "lock", timeout=0, is_singleton=False):
            shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=".kb-backup-", dir=target.parent))
    try:
        with FileLock(draft / "lock", is_singleton=False):  # tells the next one that this one is alive
            yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def own_files(index: Path) -> list[str]:
    """The files of an index folder that go into a backup beside the store, by their names in it, sorted."""
    found = [name for name in OWN if (index / name).is_file()]
    for own in OWN:
        for folder, _, files in os.walk(index / own):  # which passes over what goes meanwhile
            found += [(Path(folder) / file).relative_to(index).as_posix() for file in files]
    return sorted(name for name in found if is_own(PurePosixPath(name)) and not (index / name).is_symlink())


def is_own(name: PurePosixPath) -> bool:
    """Whether a file of an index folder goes into a backup; drafts and hidden files do not."""
    draft = any(part.startswith((".", "new-")) or part.endswith((".new", ".part", ".tmp")) for part in name.parts)
    return not draft and name.parts[0] in OWN


def copy_store(source: Path, target: Path, done: Done) -> None:
    """Copy one generation of a store, whatever is written meanwhile. Raises IndexDamaged."""
    try:
        with closing(open_store(source)) as old, closing(connect(target)) as new:
            page = int(old.execute("PRAGMA page_size").fetchone()[0])
            old.execute("BEGIN")
            old.execute("SELECT 1 FROM sqlite_master").fetchone()  # from here on, this generation
            old.backup(new, pages=STEP, progress=lambda _, left, total: done((total - left) * page, total * page))
    except sqlite3.OperationalError as error:
        raise BadInput(f"{target.parent.parent}: the store cannot be copied there: {error}") from error
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(f"{source} is damaged: {error}; restore an earlier backup, or ingest anew") from error


def pack(target: Path, index: Path, paths: Mapping[str, Path], done: Done) -> Manifest:
    """Write the file: each member with its checksum, the manifest last."""
    total = sum(map(size_of, paths.values()))
    named = uploads_of(paths[STORE_FILE])
    members: dict[str, Member] = {}
    packed = 0
    with target.open("xb") as raw, ZipFile(raw, "w", ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, path in sorted(paths.items()):
            try:
                file = path.open("rb")
            except FileNotFoundError as error:
                if name in named:
                    raise BadInput(f"{index / name.removeprefix(FILES)} went while it was packed; try again") from error
                continue  # an upload that went while the others were packed, and that this store knows nothing of
            with file, archive.open(name, "w", force_zip64=True) as member:
                size, digest = 0, hashlib.sha256()
                for piece in iter(lambda: file.read(PIECE), b""):  # noqa: B023
                    member.write(piece)
                    digest.update(piece)
                    size += len(piece)
                    done(packed + size, total)
            packed += size
            members[name] = Member(size=size, sha256=digest.hexdigest())
        manifest = describe(paths[STORE_FILE], index, members)
        archive.writestr(MANIFEST, manifest.model_dump_json(indent=1, by_alias=True))
        archive.close()
        raw.flush()
        os.fsync(raw.fileno())
    return manifest


def size_of(path: Path) -> int:
    """Bytes of a file; 0 for one that is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def uploads_of(store: Path) -> set[str]:
    """The uploads that a copied store has documents of, by their names in a backup."""
    with closing(connect(store)) as db:
        places = [Path(path) for (path,) in db.execute("SELECT path FROM documents").fetchall()]
    return {f"{FILES}{UPLOADS}/{place.name}" for place in places if place.parent.name == UPLOADS}


def describe(store: Path, index: Path, members: Mapping[str, Member]) -> Manifest:
    """What is in the copy of a store, of whatever schema."""
    with closing(connect(store)) as db:
        meta = dict(db.execute("SELECT key, value FROM meta").fetchall())
        documents, passages = (
            db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("documents", "passages")
        )
    return Manifest(
        format=FORMAT,
        kb=__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        index=str(index.resolve()),
        schema=int(meta["schema"]),
        generation=int(meta["generation"]),
        model=meta["model"],
        documents=documents,
        passages=passages,
        members=members,
    )


def connect(path: Path) -> sqlite3.Connection:
    """A plain connection; transactions are begun by hand."""
    return sqlite3.connect(path, timeout=30, isolation_level=None)


# ---- checking one


def check_backup(path: Path, done: Done) -> Manifest:
    """See that a backup is whole: its members by their checksums, and its store by SQLite. Raises BadInput."""
    with opened(path) as archive, tempfile.TemporaryDirectory(prefix="kb-check-") as folder:
        manifest = checked_manifest(path, archive)
        unpack(path, archive, manifest, {STORE_FILE: Path(folder) / STORE_FILE}, done)
        check_store(path, Path(folder) / STORE_FILE)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """What a backup says that it holds. Raises BadInput."""
    with opened(path) as archive:
        return checked_manifest(path, archive)


@contextmanager
def opened(path: Path) -> Iterator[ZipFile]:
    """A backup, opened; whatever is wrong with the file becomes a BadInput that names it."""
    try:
        with ZipFile(path) as archive:
            yield archive
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    except (BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        raise BadInput(f"{path} is no backup of kb, or damaged: {error}; take another one") from error


def checked_manifest(path: Path, archive: ZipFile) -> Manifest:
    """The manifest, where the archive holds what it says, nothing else, and nothing that would do harm."""
    entries = {entry.filename: entry for entry in archive.infolist()}
    manifest = parsed_manifest(path, archive, entries)
    if set(entries) != {*manifest.members, MANIFEST} or len(archive.infolist()) != len(entries):
        raise BadInput(f"{path} is damaged: it does not hold the files that its {MANIFEST} lists")
    if STORE_FILE not in entries:
        raise BadInput(f"{path} is no backup of kb: it has no {STORE_FILE}")
    for name, member in manifest.members.items():
        if entries[name].file_size != member.size:
            raise BadInput(
                f"{path}: {name} has {entries[name].file_size} bytes, not the {member.size} of the {MANIFEST}"
            )
        if not is_safe(entries[name]):
            raise BadInput(f"{path}: {name!r} is no file of an index; this backup was not made by kb")
    if manifest.size > max(MOST_TIMES * path.stat().st_size, LITTLE):
        raise BadInput(f"{path} would unpack to {manifest.size / 1e6:,.0f} MB, over {MOST_TIMES} times its size")
    return manifest


def parsed_manifest(path: Path, archive: ZipFile, entries: Mapping[str, ZipInfo]) -> Manifest:
    """The manifest of a backup that this kb can read."""
    if any(entry.flag_bits & 1 for entry in entries.values()):
        raise BadInput(f"{path} is no backup of kb: it is encrypted; decrypt it first")
    if MANIFEST not in entries or entries[MANIFEST].file_size > MOST_MANIFEST:
        raise BadInput(f"{path} is no backup of kb: it has no {MANIFEST}")
    try:
        manifest = Manifest.model_validate_json(archive.read(MANIFEST))
    except ValidationError as error:
        raise BadInput(f"{path}: its {MANIFEST} cannot be read: {error.errors()[0]['msg']}") from error
    if manifest.format != FORMAT or manifest.schema_version > SCHEMA_VERSION:
        raise BadInput(
            f"{path} was made by kb {manifest.kb} ({manifest.format}, schema {manifest.schema_version}), this is"
            f" kb {__version__} ({FORMAT}, schema {SCHEMA_VERSION}); restore it with that kb or a later one"
        )
    return manifest


def is_safe(entry: ZipInfo) -> bool:
    """Whether a member may be unpacked: a plain file, under a name that `backup` gives."""
    if stat.S_ISLNK(entry.external_attr >> 16) or entry.is_dir():
        return False
    if entry.filename in (STORE_FILE, OVERRIDES):
        return True
    name = PurePosixPath(entry.filename.removeprefix(FILES))
    plain = bool(name.parts) and not name.is_absolute() and name.as_posix() == entry.filename.removeprefix(FILES)
    harmless = not any(part == ".." or set(part) & set("\\:\0") for part in name.parts)
    return entry.filename.startswith(FILES) and plain and harmless and is_own(name)


def unpack(path: Path, archive: ZipFile, manifest: Manifest, places: Mapping[str, Path], done: Done) -> None:
    """Check all members by their sizes and checksums, and write those that have a place to it. Raises BadInput."""
    read = 0
    for name, member in manifest.members.items():
        digest, size = hashlib.sha256(), 0
        with archive.open(name) as file, writing_file(places.get(name)) as target:
            for piece in iter(lambda: file.read(PIECE), b""):
                size += len(piece)
                if size > member.size:
                    break
                digest.update(piece)
                if target:
                    target.write(piece)
                done(read + size, manifest.size)
        read += size
        if digest.hexdigest() != member.sha256:
            raise BadInput(f"{path} is damaged: {name} does not have the checksum that it had; take another backup")


@contextmanager
def writing_file(path: Path | None) -> Iterator[IO[bytes] | None]:
    """A new file, on the disk when it is closed; None for none."""
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def check_store(path: Path, store: Path) -> None:
    """See that an unpacked store is whole, and has nothing in it that runs. Raises BadInput."""
    try:
        with closing(connect(store)) as db:
            db.execute("PRAGMA trusted_schema = OFF")
            wrong = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            active = db.execute("SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchone()
            lost = db.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as error:
        wrong, active, lost = str(error), None, None
    if wrong != "ok" or active or lost:
        reason = wrong if wrong != "ok" else f"{active[0]} is no table" if active else f"{lost[0]} has a row too many"
        raise BadInput(f"{path} is damaged: its {STORE_FILE} is not whole ({reason}); take another backup")


# ---- putting one back


def restore(settings: Settings, path: Path, replace: bool, checked: Done, unpacked: Done) -> Restored:
    """Make the index as it was when the backup was taken; an index that is there is replaced only if told.

    Everything is checked before the index is touched. Readers see the old state until the new one is whole; what the
    index has beside the store follows at once, and after a kill by the next writer. Keys and jobs stay as they are,
    and so do the uploads of jobs that have not ended.
    Raises BadInput, IndexBusy, IndexDamaged.
    """
    index = settings.index
    if (index / STORE_FILE).exists() and not replace:
        raise BadInput(f"{index} holds an index already; restore into another folder, or over it with --replace")
    with opened(path) as archive:
        manifest = checked_manifest(path, archive)
        unpack(path, archive, manifest, {}, checked)
        with writing(index, f"kb restore {path}", settings.lock_seconds):
            if (free := shutil.disk_usage(index).free) < 2 * manifest.size:
                raise BadInput(
                    f"{index}: {free / 1e6:,.0f} MB are free, and restoring {path} takes {2 * manifest.size / 1e6:,.0f}"
                )
            draft = index / "restoring-new"
            try:
                places = {
                    name: draft / (name if name.startswith(FILES) else PurePosixPath(name).name)
                    for name in manifest.members
                }
                unpack(path, archive, manifest, places, unpacked)
                check_store(path, draft / STORE_FILE)
                with damage_named(index / STORE_FILE):
                    return put_back(settings, draft, manifest)
            except OSError as error:
                raise IndexDamaged(f"cannot write to the index folder {index}: {error.strerror or error}") from error
            finally:
                shutil.rmtree(draft, ignore_errors=True)


def put_back(settings: Settings, unpacked: Path, manifest: Manifest) -> Restored:
    """Let the unpacked files take the place of the index's: new models first, then the store, then all others.

    Uploads come last, since the server clears away those that its store does not name.
    """
    index = settings.index
    generation = prepare_store(unpacked / STORE_FILE, index, manifest)
    for file in [path for path in (unpacked / "files" / "models").rglob("*") if path.is_file()]:
        target = index / file.relative_to(unpacked / "files")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
    kept = {name.removeprefix(FILES) for name in manifest.members} | uploads_waiting(index)
    dropped = [name for name in own_files(index) if name not in kept]
    (unpacked / "files").mkdir(exist_ok=True)
    (unpacked / "dropped.json").write_text(json.dumps(dropped), "utf-8")
    with Store.open(unpacked / STORE_FILE) as store:
        open_derived(store, index)
    overrides = put_overrides(unpacked, settings)
    draft = index / f"restoring-{generation}"
    os.replace(unpacked, draft)
    try:
        replace_store(draft / STORE_FILE, index / STORE_FILE)
        finish_restore(index, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    with Store.open(index / STORE_FILE) as store:
        return Restored(manifest, renew_derived(store, index), overrides)


def uploads_waiting(index: Path) -> set[str]:
    """The uploads that jobs of this place are still to read; all where its queue (kb.jobs.queue) does not tell."""
    queue = index / "jobs.sqlite"
    if not queue.exists():
        return set()
    try:
        with closing(connect(queue)) as db:
            found = db.execute("SELECT upload FROM jobs WHERE state IN ('queued', 'running')").fetchall()
    except sqlite3.DatabaseError:
        return {name for name in own_files(index) if name.startswith(f"{UPLOADS}/")}
    return {f"{UPLOADS}/{upload}" for (upload,) in found}


def prepare_store(store: Path, index: Path, manifest: Manifest) -> int:
    """Bring an unpacked store up to this schema, to this place, and to a generation after the index's; gives that."""
    Store.open_to_change(store).close()
    before = 0
    with suppress(Exception):  # a damaged index has no generation
        with Store.open(index / STORE_FILE) as old:
            before = old.generation()
    generation = max(before + 1, manifest.generation)
    with closing(connect(store)) as db:
        db.execute("BEGIN")
        db.execute("UPDATE meta SET value = ? WHERE key = 'generation'", (str(generation),))
        home, here = f"{manifest.index}{os.sep}", f"{index.resolve()}{os.sep}"  # uploads lie in the index itself
        db.execute(
            "UPDATE documents SET path = ? || substr(path, ?) WHERE substr(path, 1, ?) = ?",
            (here, len(home) + 1, len(home), home),
        )
        db.execute("COMMIT")
    return generation


def replace_store(new: Path, target: Path) -> None:
    """Put a store in the place of another in one transaction, which readers of the old one do not notice.

    Where there is no other, or one that SQLite does not know for one, the file is moved there.
    """
    if target.exists() and is_database(target):
        with closing(connect(new)) as source, closing(connect(target)) as over:
            source.backup(over)
            over.execute("PRAGMA wal_checkpoint(PASSIVE)")  # others would wait for whoever reads
        return
    for left in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
        if left.exists():
            os.replace(left, left.with_name(f"damaged-{left.name}"))
    os.replace(new, target)


def is_database(path: Path) -> bool:
    """Whether SQLite can read a file at all."""
    try:
        with closing(connect(path)) as db:
            db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False
    return True


def put_overrides(unpacked: Path, settings: Settings) -> Path | None:
    """Put corrections where the settings look for them; where other ones are, they go among the index's files.

    Gives the place of those from the backup; None where it had none.
    """
    restored, target = unpacked / OVERRIDES, settings.overrides
    if not restored.exists():
        return None
    content = restored.read_bytes()
    if target.exists() and target.read_bytes() != content:
        os.replace(restored, unpacked / "files" / BESIDE)
        return settings.index / BESIDE
    with locked(target):
        replace_file(target.resolve(), content.decode())
    return target
