"""Writing to an index: one process at a time, and the derived indexes renewed at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from kb.catalogue import STORE_FILE
from kb.derived import open_derived, prune_derived
from kb.errors import IndexBusy, IndexDamaged
from kb.store import Store

LOCK_SECONDS = 10.0


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """One process writes at a time. Raises IndexBusy where another does."""
    try:
        index.mkdir(parents=True, exist_ok=True)
        lock = FileLock(index / "writing.lock", timeout=LOCK_SECONDS)
        lock.acquire()
    except Timeout as error:
        raise IndexBusy(f"{index} is being written by another process; wait for it, or end it") from error
    except OSError as error:
        raise IndexDamaged(f"cannot write to the index folder {index}: {error}") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def changing_store(index: Path) -> Iterator[Store]:
    """The store of an index that is there, while no other process writes.

    Raises IndexMissing, IndexDamaged, IndexBusy.
    """
    Store.open(index / STORE_FILE).close()  # before the lock, which would make the folder
    with writing(index), Store.open(index / STORE_FILE) as store:
        yield store


def renew_derived(store: Store, index: Path) -> int:
    """See that the store's generation has its derived indexes, drop those of others, and return the generation."""
    generation = store.refresh()
    open_derived(store, index)
    prune_derived(index, generation)
    return generation
