"""SQLite: connections, transactions, and its complaints as errors of ours."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kb.errors import DiskFull, IndexBusy, IndexDamaged

BUSY_SECONDS = 30.0
LOG_INDEX = 1 << 15
"""Bytes that SQLite needs beside a store for reading alone; where they are not free, it speaks of an I/O error."""


def is_empty(db: sqlite3.Connection) -> bool:
    """Whether there is nothing in a file: whoever was to make a store of it was killed."""
    return db.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def connect(path: Path) -> sqlite3.Connection:
    """A connection with write-ahead logging and foreign keys; transactions are begun by hand.

    In a folder that cannot be written to, it is one for reading alone.
    """
    with damage_named(path):
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            db.close()
            if os.access(path.parent, os.W_OK) or not path.exists():
                raise
            return connect_to_read(path)
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection where nothing can be written: beside a writer's log where there is one, else to the file alone.

    Without a log the file is taken for one that nobody changes: where another machine or account writes to it all the
    same, reading may fail until it is opened again.
    """
    log = path.with_name(f"{path.name}-wal")
    alone = not (log.exists() and log.stat().st_size)
    uri = f"{path.resolve().as_uri()}?mode=ro" + ("&immutable=1" if alone else "")
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints about a file into errors of ours that name it."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a fault of ours, not of the file
    except sqlite3.OperationalError as error:
        if "full" in str(error) or shutil.disk_usage(path.parent).free < LOG_INDEX:
            raise DiskFull(f"{path}: no space is left there; nothing of this change was kept") from error
        if "locked" in str(error) or "busy" in str(error):
            raise IndexBusy(f"{path} is being written by another process; try again when it is done") from error
        raise IndexDamaged(f"{path} cannot be used as an index: {error}; ingest into a new folder") from error
    except sqlite3.DatabaseError as error:
        raise IndexDamaged(f"{path} is no index of kb, or damaged: {error}; ingest into a new folder") from error


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing."""
    if db.in_transaction:
        db.execute("COMMIT")  # a reader's snapshot, which would keep the writer waiting for itself
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has rolled back by itself where the disk is full
            db.execute("ROLLBACK")
        raise


def chunks(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    """Row numbers in parts that one statement can take."""
    return (rows[at : at + 500] for at in range(0, len(rows), 500))


def marks(count: int) -> str:
    """SQL's placeholders for so many values."""
    return ",".join("?" * count)
