"""Writing to an index: one process at a time, and the derived indexes renewed at the end."""

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kb.catalogue import STORE_FILE
from kb.derived import Contents, Growth, changing, open_derived, prune_derived
from kb.errors import IndexDamaged, KbError
from kb.lock import Holder, held
from kb.store import Store, no_index

WRITING_LOCK = "writing.lock"
LOCK_SECONDS = 10.0

LEFTOVERS = ("models/new-*", "restoring-*", "writing.json.new")
"""What only a run that was killed leaves behind in the index folder, derived indexes aside."""

log = logging.getLogger(__name__)


@contextmanager
def writing(index: Path, doing: str = "writing", seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """One process writes at a time; the next one clears away what a killed one left, and says so in the log.

    `doing` tells those who wait what for, as a command; they wait for so many seconds. Raises IndexBusy where another
    process writes for longer, IndexDamaged where the folder cannot be written to.
    """
    with ExitStack() as stack:
        try:
            index.mkdir(parents=True, exist_ok=True)
            killed = stack.enter_context(held(index / WRITING_LOCK, f"{index} is being written", doing, seconds))
            clean_up(index, killed)
        except OSError as error:
            raise IndexDamaged(f"cannot write to the index folder {index}: {error.strerror or error}") from error
        yield


def clean_up(index: Path, killed: Holder | None) -> None:
    """Clear away what killed runs left in a locked index folder, and finish a restore that was under way."""
    for draft in index.glob("restoring-*"):
        finish_restore(index, draft)
    left = [path for pattern in LEFTOVERS for path in index.glob(pattern)]
    with changing(index):  # no reader is at work on a draft
        left += orphans(index)
        files = [file for path in left for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
        size = sum(file.stat().st_size for file in files if file.stat().st_nlink == 1)  # else it stays in another set
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if left or killed:
        whom = f": {killed}" if killed else ""
        log.warning("cleaned up after an interrupted run (%d files, %.1f MB)%s", len(files), size / 1e6, whom)


def orphans(index: Path) -> list[Path]:
    """Drafts of derived indexes, and sets of another state than the store's; drafts alone where it cannot be read."""
    kept = ""
    if (index / STORE_FILE).exists():
        with suppress(KbError, sqlite3.DatabaseError), Store.open(index / STORE_FILE) as store:
            kept = Contents.of(store).key
    sets = (index / "derived").iterdir()
    return [path for path in sets if (path.name != kept if kept else path.name.startswith("new-"))]


def finish_restore(index: Path, draft: Path) -> None:
    """Where the store of a restore is in place, put its other files in place too; else leave it to be cleared away.

    `draft` is named for the generation that the store has from then on. Its folder `files` holds what is to replace
    files of the index, `dropped.json` names those that go.
    """
    number = draft.name.removeprefix("restoring-")
    if not number.isdigit() or not (index / STORE_FILE).exists():
        return
    try:
        with Store.open(index / STORE_FILE) as store:
            if store.generation() < int(number):
                return
    except KbError:  # another restore is what helps
        return
    for file in sorted((draft / "files").rglob("*")):
        if file.is_file():
            target = index / file.relative_to(draft / "files")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
    dropped = draft / "dropped.json"
    for name in json.loads(dropped.read_text("utf-8")) if dropped.exists() else ():  # it is being cleared away
        (index / name).unlink(missing_ok=True)


@contextmanager
def changing_store(index: Path, doing: str = "writing", seconds: float = LOCK_SECONDS) -> Iterator[Store]:
    """The store of an index that is there, while no other process writes; see `writing`.

    Raises IndexMissing, IndexDamaged, IndexBusy.
    """
    if not (index / STORE_FILE).exists():  # before the lock, which would make the folder
        raise no_index(index / STORE_FILE)
    with writing(index, doing, seconds), Store.open_to_change(index / STORE_FILE) as store:
        Growth(index).begin(store)
        yield store


def renew_derived(store: Store, index: Path) -> int:
    """See that the store has its derived indexes, drop those of earlier states, and return the generation."""
    generation = store.refresh()
    open_derived(store, index)
    prune_derived(store, index)
    return generation
