"""The derived indexes of one generation: made from the store at any time, used only where their stamp matches it."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from kb.errors import IndexDamaged
from kb.lexical import LexicalIndex
from kb.store import Model, Store
from kb.vectors import VectorIndex
from kb.words import dictionary_digest


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a set of derived indexes was made from."""

    generation: int
    model: str
    dim: int
    passages: int
    units: int
    lists: int
    """Of like units; 0 where they are few (kb.vectors). A set from before there were any has no such entry."""
    words: str
    """How texts were cut into words: an index of words cut otherwise would not find them."""


@dataclass(frozen=True, slots=True)
class DerivedFiles:
    """Where the derived indexes of one generation lie."""

    folder: Path

    @classmethod
    def of(cls, index: Path, generation: int) -> "DerivedFiles":
        """The files of a generation in an index folder."""
        return cls(index / "derived" / str(generation))

    @property
    def lexical(self) -> Path:
        """Tantivy's folder."""
        return self.folder / "lexical"

    @property
    def rows(self) -> Path:
        """The unit rows, by passage."""
        return self.folder / "rows.npy"

    @property
    def units(self) -> Path:
        """Which part of which passage each row stands for."""
        return self.folder / "units.npy"

    @property
    def vectors(self) -> Path:
        """The FAISS index."""
        return self.folder / "vectors.faiss"

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
    """The derived indexes of the generation that the store shows; made now where they are missing or broken."""
    files = DerivedFiles.of(index, store.snapshot())
    with suppress(Exception):  # whatever is wrong with a derived file, the store can make it again
        return read_derived(files, store.snapshot(), store.model())
    return build_derived(store, index)


@contextmanager
def changing(index: Path) -> Iterator[None]:
    """One at a time, threads and processes: who makes a set, or deletes sets, so that none vanishes in the making."""
    (index / "derived").mkdir(parents=True, exist_ok=True)
    with FileLock(index / "derived.lock", is_singleton=False):
        yield


def read_derived(files: DerivedFiles, generation: int, model: Model) -> Derived:
    """Open a set of files. Raises ValueError where stamp and files do not fit each other."""
    stamp = Stamp(**json.loads(files.stamp.read_text(encoding="utf-8")))
    lexical, vectors = LexicalIndex.read(files.lexical), VectorIndex.read(files.vectors, files.rows, files.units)
    seen = stamp_of(generation, model, lexical, vectors)
    if seen != stamp:
        raise ValueError(f"{files.folder}: stamp {stamp}, found {seen}")
    return Derived(stamp, lexical, vectors)


def stamp_of(generation: int, model: Model, lexical: LexicalIndex, vectors: VectorIndex) -> Stamp:
    """The stamp of a set."""
    sizes = len(lexical), len(vectors), vectors.lists
    return Stamp(generation, model.name, vectors.dim, *sizes, dictionary_digest())


def build_derived(store: Store, index: Path) -> Derived:
    """Make the derived indexes of the store's generation aside, and move them to their place when they are whole."""
    generation, model = store.snapshot(), store.model()
    files = DerivedFiles.of(index, generation)
    try:
        with changing(index):
            with suppress(Exception):  # another was faster
                return read_derived(files, generation, model)
            shutil.rmtree(files.folder, ignore_errors=True)
            draft = DerivedFiles(Path(tempfile.mkdtemp(prefix="new-", dir=files.folder.parent)))
            try:
                write_derived(store, draft, generation)
                draft.folder.chmod(0o755)  # a server may run as another user
                os.replace(draft.folder, files.folder)
            finally:
                shutil.rmtree(draft.folder, ignore_errors=True)
            return read_derived(files, generation, model)
    except OSError as error:
        raise IndexDamaged(f"cannot write the derived indexes to {files.folder.parent}: {error}") from error


def write_derived(store: Store, files: DerivedFiles, generation: int) -> None:
    """Write all files of a set, the stamp last."""
    lexical = LexicalIndex.build(files.lexical, store.live_passages())
    units, vectors = store.unit_rows()
    dense = VectorIndex.build(units, vectors)
    dense.write(files.vectors, files.rows, files.units)
    stamp = stamp_of(generation, store.model(), lexical, dense)
    files.stamp.write_text(json.dumps(asdict(stamp), ensure_ascii=False), encoding="utf-8")


def prune_derived(index: Path, keep: int) -> None:
    """Delete the sets of other generations and drafts left by a kill; files that are in use elsewhere may stay."""
    with changing(index):
        for folder in (index / "derived").glob("*"):
            if folder.name != str(keep):
                shutil.rmtree(folder, ignore_errors=True)
