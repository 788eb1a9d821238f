"""The derived indexes: made from the store at any time, grown by what is added, used only where they fit the store."""

import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from filelock import FileLock

from kb.errors import DiskFull, IndexDamaged
from kb.files import link
from kb.lexical import LexicalIndex
from kb.store import Edition, Store
from kb.vectors import Stretch, VectorFiles, VectorIndex
from kb.words import dictionary_digest, hashed

log = logging.getLogger(__name__)

MOST_DELETED = 0.02
SMALL = 5000
"""Passages deleted from a tantivy index still count in how rare words are. So it is written anew, beyond that share,
and whenever it has so few passages, which takes half a second."""

MOST_UNUSED = 0.25
"""Of the rows in the files: beyond this they are written anew."""


NOT_SHARED = shutil.ignore_patterns("stamp.json", "*.lock")
"""Of a set's files, those that one grown out of it has of its own."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a set of derived indexes is made of. Two sets with the same contents hold the same.

    `words` stands for how texts were cut into words: an index of words cut otherwise would not find them.
    """

    model: str
    dim: int
    words: str
    editions: tuple[Edition, ...]

    @classmethod
    def of(cls, store: Store) -> "Contents":
        """What a set for the store as it is now is made of."""
        model = store.model()
        return cls(model.name, model.dim, dictionary_digest(), tuple(store.editions()))

    @property
    def key(self) -> str:
        """The name of the set."""
        return hashed(json.dumps(asdict(self)))

    def alike(self, other: "Contents") -> bool:
        """Whether a set of these contents can be grown into one of others."""
        return (self.model, self.dim, self.words) == (other.model, other.dim, other.words)

    @property
    def passages(self) -> int:
        """How many there are."""
        return sum(edition.end - edition.first for edition in self.editions)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a set holds: its contents, and for each of their editions the stretch of its rows in the files; how many
    rows the files have, and how many passages are deleted from the tantivy index and still in its files; and the
    CRC-32 of these files, which never change."""

    contents: Contents
    stretches: tuple[Stretch, ...]
    rows: int
    deleted: int
    checksums: Mapping[str, int]

    def write(self, file: Path) -> None:
        """Write it to its place, where it stays."""
        with file.open("w", encoding="utf-8") as out:
            json.dump(asdict(self), out, ensure_ascii=False)
            out.flush()
            os.fsync(out.fileno())

    @classmethod
    def read(cls, file: Path) -> "Stamp":
        """What was written. Raises whatever is wrong with the file."""
        raw = json.loads(file.read_text(encoding="utf-8"))
        contents, stretches = raw.pop("contents"), raw.pop("stretches")
        editions = tuple(Edition(**edition) for edition in contents.pop("editions"))
        return cls(Contents(**contents, editions=editions), tuple((at, count) for at, count in stretches), **raw)


@dataclass(frozen=True, slots=True)
class DerivedFiles:
    """Where a set lies."""

    folder: Path

    @classmethod
    def of(cls, index: Path, contents: Contents) -> "DerivedFiles":
        """The files of a set in an index folder."""
        return cls(index / "derived" / contents.key)

    @property
    def lexical(self) -> Path:
        """Tantivy's folder."""
        return self.folder / "lexical"

    @property
    def vectors(self) -> VectorFiles:
        """Rows, units and lists."""
        return VectorFiles(self.folder)

    @property
    def stamp(self) -> Path:
        """The stamp, written last."""
        return self.folder / "stamp.json"

    def exist(self) -> bool:
        """Whether the set was written to its end."""
        return self.stamp.exists()


@dataclass(frozen=True, slots=True)
class Derived:
    """An opened set of derived indexes."""

    stamp: Stamp
    lexical: LexicalIndex
    vectors: VectorIndex


def open_derived(store: Store, index: Path) -> Derived:
    """The derived indexes of what the store shows; made now where they are missing or broken.

    A store that has moved on since its snapshot shows its present generation afterwards, where the set of the other
    is gone.
    """
    generation = store.snapshot()
    while True:
        contents = Contents.of(store)
        with suppress(Exception):  # whatever is wrong with a derived file, the store can make it again
            return read_derived(DerivedFiles.of(index, contents), contents)
        if generation == (generation := store.refresh()):
            return build_derived(store, index, contents)


def read_derived(files: DerivedFiles, contents: Contents) -> Derived:
    """Open a set of files. Raises ValueError where they do not hold these contents."""
    stamp = Stamp.read(files.stamp)
    if stamp.contents != contents:
        raise ValueError(f"{files.folder} was made of other contents")
    lexical = LexicalIndex.read(files.lexical)
    if len(lexical) != contents.passages:
        raise ValueError(f"{files.lexical}: {len(lexical)} passages, {contents.passages} expected")
    return Derived(stamp, lexical, VectorIndex.read(files.vectors, stamp.stretches, stamp.rows, contents.dim))


def build_derived(store: Store, index: Path, contents: Contents) -> Derived:
    """Make a set from the store alone, aside, and move it to its place when it is whole."""
    files = DerivedFiles.of(index, contents)
    with changing(index):
        with suppress(Exception):  # another was faster
            return read_derived(files, contents)
        make_anew(store, files, contents)
        return read_derived(files, contents)


class Growth:
    """The derived indexes of a store that is being written: each of its changes gets its set before it is seen.

    A set is grown out of the one before it, and shares with it what stays; so a change costs what it brings. Only one
    process may do so at a time, since it writes behind the rows of shared files: the one that writes to the store.
    """

    def __init__(self, index: Path) -> None:
        self._index = index
        self._latest: DerivedFiles | None = None

    def begin(self, store: Store) -> None:
        """See that there is a set to grow from, and follow the changes of a store from now on."""
        self._latest = DerivedFiles.of(self._index, Contents.of(store))
        store.before_commit = self.follow

    def follow(self, store: Store) -> None:
        """See that the store as it is now has its set. Raises DiskFull, IndexDamaged."""
        contents = Contents.of(store)
        files = DerivedFiles.of(self._index, contents)
        if files == self._latest and files.exist():
            return
        with changing(self._index):
            if not (self._latest and self._grow(store, self._latest, files, contents)):
                make_anew(store, files, contents)
            prune(self._index, {files.folder.name, *([self._latest.folder.name] if self._latest else [])})
        self._latest = files

    def _grow(self, store: Store, old: DerivedFiles, files: DerivedFiles, contents: Contents) -> bool:
        """Make a set out of another, unless that one is damaged, or of another model or dictionary."""
        if not old.exist():
            return False
        try:
            stamp = Stamp.read(old.stamp)
            if not stamp.contents.alike(contents):
                return False
            with draft(files) as aside:
                shutil.copytree(old.folder, aside.folder, copy_function=link, ignore=NOT_SHARED, dirs_exist_ok=True)
                grow_all(store, aside, stamp, contents).write(aside.stamp)
            return True
        except DiskFull:
            raise
        except Exception as error:  # the store has all that it takes to make the set without it
            log.warning("derived indexes are made anew: those in %s cannot be used: %s", old.folder, error)
            return False


def make_anew(store: Store, files: DerivedFiles, contents: Contents) -> None:
    """Make a set out of the store alone."""
    with draft(files) as aside:
        write_all(store, aside, contents).write(aside.stamp)


def write_all(store: Store, files: DerivedFiles, contents: Contents) -> Stamp:
    """Write all files of a set but its stamp."""
    LexicalIndex.build(files.lexical, store.live_passages())
    units, vectors = store.unit_rows()
    files.vectors.add(0, units, vectors)
    files.vectors.renew_lists(len(units), contents.dim)
    passages = np.sort(np.array([unit.passage_row for unit in units], np.int64))
    ends = np.searchsorted(passages, [(edition.first, edition.end) for edition in contents.editions])
    stretches = tuple((int(at), int(end - at)) for at, end in ends)
    return Stamp(contents, stretches, len(units), 0, checksums(files.lexical, {}))


def grow_all(store: Store, files: DerivedFiles, old: Stamp, contents: Contents) -> Stamp:
    """Change the files of another set, but its stamp, to what a set of these contents has."""
    deleted = grow_lexical(store, files, old, contents)
    stretches, count = grow_vectors(store, files.vectors, old, contents)
    return Stamp(contents, stretches, count, deleted, checksums(files.lexical, old.checksums))


def grow_lexical(store: Store, files: DerivedFiles, old: Stamp, contents: Contents) -> int:
    """Bring tantivy's folder up; how many deleted passages it still has."""
    known, wanted = set(old.contents.editions), set(contents.editions)
    gone = [edition for edition in old.contents.editions if edition not in wanted]
    fresh = [edition for edition in contents.editions if edition not in known]
    deleted = old.deleted + sum(edition.end - edition.first for edition in gone)
    if len(gone) == len(known):
        shutil.rmtree(files.lexical)
        LexicalIndex.build(files.lexical, store.live_passages())
        return 0
    if gone or fresh:
        lexical = LexicalIndex.read(files.lexical)
        passages = (passage for edition in fresh for passage in store.passages_of(edition.document))
        lexical.grow([edition.document for edition in gone], passages)
        if deleted > (MOST_DELETED * contents.passages if contents.passages > SMALL else 0):
            lexical.rewritten(files.folder / "rewritten")
            shutil.rmtree(files.lexical)
            os.replace(files.folder / "rewritten", files.lexical)
            return 0
    return deleted


def grow_vectors(store: Store, files: VectorFiles, old: Stamp, contents: Contents) -> tuple[tuple[Stretch, ...], int]:
    """Add what is new to the files; the stretches of all editions, and how many rows there are then.

    Tags may have changed and the rows not: an edition is known by its token and row numbers here.
    """
    count = old.rows
    stretches = {rows_of(edition): at for edition, at in zip(old.contents.editions, old.stretches, strict=True)}
    for edition in contents.editions:
        if rows_of(edition) not in stretches:
            units, vectors = store.unit_rows(edition.document)
            files.add(count, units, vectors)
            stretches[rows_of(edition)] = count, len(units)
            count += len(units)
    kept = tuple(stretches[rows_of(edition)] for edition in contents.editions)
    used = sum(size for _, size in kept)
    if count - used > MOST_UNUSED * count:
        files.keep_only(kept, contents.dim)
        ends = list(accumulate(size for _, size in kept))
        kept, count = tuple((end - size, size) for end, (_, size) in zip(ends, kept, strict=True)), used
    files.renew_lists(count, contents.dim)
    return kept, count


def checksums(folder: Path, known: Mapping[str, int]) -> dict[str, int]:
    """The CRC-32 of each file of tantivy's that never changes; of those that were there before, as it was then."""
    names = [file.name for file in folder.iterdir() if file.suffix not in ("", ".json", ".lock")]
    return {name: known[name] if name in known else zlib.crc32((folder / name).read_bytes()) for name in names}


def rows_of(edition: Edition) -> tuple[str, int, int]:
    """What stands for the rows of an edition."""
    return edition.token, edition.first, edition.end


@contextmanager
def changing(index: Path) -> Iterator[None]:
    """One at a time, threads and processes: who makes a set, or deletes sets, so that none vanishes in the making."""
    lock = FileLock(index / "derived.lock", is_singleton=False)
    try:
        (index / "derived").mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise IndexDamaged(f"cannot make the derived indexes in {index}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def draft(files: DerivedFiles) -> Iterator[DerivedFiles]:
    """A folder for a set that is being made, which takes its place when it is whole, or is deleted."""
    try:
        shutil.rmtree(files.folder, ignore_errors=True)
        aside = DerivedFiles(Path(tempfile.mkdtemp(prefix="new-", dir=files.folder.parent)))
        try:
            yield aside
            aside.folder.chmod(0o755)  # a server may run as another user
            os.replace(aside.folder, files.folder)
        finally:
            shutil.rmtree(aside.folder, ignore_errors=True)
    except (OSError, ValueError, RuntimeError) as error:  # tantivy and FAISS turn the first into the others
        if "No space left" in str(error) or "os error 28" in str(error):
            raise DiskFull(f"{files.folder.parent}: no space is left for the derived indexes") from error
        raise IndexDamaged(f"cannot write the derived indexes to {files.folder.parent}: {error}") from error


def prune(index: Path, keep: set[str]) -> None:
    """Delete all sets but some, and drafts left by a kill; files that are in use elsewhere may stay."""
    for folder in (index / "derived").glob("*"):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def prune_derived(store: Store, index: Path) -> None:
    """The same but the set of the store as it is now."""
    with changing(index):
        prune(index, {Contents.of(store).key})
