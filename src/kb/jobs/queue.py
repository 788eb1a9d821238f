"""The queue of jobs, in SQLite beside the store: what was asked, how far it is, and what came of it."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from errno import ENOSPC
from pathlib import Path
from typing import Any
from uuid import uuid4

from kb.database import BUSY_SECONDS, marks, transaction
from kb.errors import DiskFull, IndexBusy, IndexDamaged, JobEnded, NotFound, QueueFull
from kb.store import Store, now

QUEUE_FILE = "jobs.sqlite"

KEPT = 1000
"""So many ended jobs are remembered."""

MOST_ATTEMPTS = 3
"""A job whose server died so often while it ran may be the cause of it, and is not begun again."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL, file TEXT NOT NULL, upload TEXT NOT NULL, target TEXT NOT NULL, given TEXT NOT NULL,
    by TEXT NOT NULL, state TEXT NOT NULL, asked TEXT NOT NULL,
    begun TEXT NOT NULL DEFAULT '', ended TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '',
    stage TEXT NOT NULL DEFAULT '', pages_done INTEGER NOT NULL DEFAULT 0, pages_total INTEGER NOT NULL DEFAULT 0,
    units_done INTEGER NOT NULL DEFAULT 0, units_total INTEGER NOT NULL DEFAULT 0,
    what TEXT NOT NULL DEFAULT '', document TEXT NOT NULL DEFAULT '', passages INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,
    cancelling INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 1
)"""

ADDED = ("title", "news")
"""Columns of text that came later; a file of an earlier kb gets them when it is opened."""

LAYOUT = 1
"""Kept in the file as its user_version, 0 before there were any."""


class Task(StrEnum):
    """What a job does."""

    INGEST = "ingest"
    REINDEX = "reindex"
    REMOVE = "remove"
    CORRECT = "correct"


class State(StrEnum):
    """Where a job is; the last three are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDS = (State.DONE, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    `file` is the file's name as its user gave it, cleaned. `upload` is the name of what is to be ingested, in the
    folder of uploads; `target` the id of the document to read again or to remove, or of the passage to correct. `given`
    is JSON: metadata by hand, or the tags to set (null: to take back).
    """

    task: Task
    file: str
    upload: str = ""
    target: str = ""
    given: str = "{}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `stage` is waiting, reading, embedding or storing; units are what has a vector."""

    stage: str = ""
    pages_done: int = 0
    pages_total: int = 0
    units_done: int = 0
    units_total: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job that is done: `what` as ingesting calls it, or reindexed, removed, corrected.

    `document` is the id of the report and `title` its title, `passages` are those that it has, `generation` that of the
    store from which on searches see it. `news` is what a report brought that was read, as JSON; else empty.
    """

    what: str = ""
    document: str = ""
    passages: int = 0
    generation: int = 0
    title: str = ""
    news: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job. `by` is the name of the key that asked for it, empty where no keys are asked for; times are ISO 8601.

    `reason` tells why it failed, or what it waits for. `cancelling` tells that it is to end; `version` grows with each
    change of it.
    """

    id: str
    order: Order
    by: str
    state: State
    asked: str
    begun: str
    ended: str
    reason: str
    progress: Progress
    outcome: Outcome
    cancelling: bool
    version: int


COLUMNS = ", ".join(
    (
        "id, by, state, asked, begun, ended, reason, cancelling, version",
        *(field.name for kind in (Order, Progress, Outcome) for field in fields(kind)),
    )
)


class Queue:
    """The jobs of an index. Safe to share between threads and processes; its file is made with the first job."""

    def __init__(self, index: Path, longest: int) -> None:
        self.path = index / QUEUE_FILE
        self._longest = longest

    # asking

    def add(self, order: Order, by: str, put: Callable[[], None] = lambda: None) -> Job:
        """Queue a job; `put` moves its file into place while nobody clears up, and must be quick: jobs wait for it.

        Raises QueueFull, IndexBusy, IndexDamaged, DiskFull.
        """
        identity = uuid4().hex
        with self.changing() as db:
            (waiting,) = db.execute("SELECT COUNT(*) FROM jobs WHERE state = 'queued'").fetchone()
            if waiting >= self._longest:
                raise QueueFull(f"{waiting} jobs are waiting, the most that KB_QUEUE_LENGTH allows; try again later")
            put()
            db.execute(
                "INSERT INTO jobs (id, by, state, asked, task, file, upload, target, given)"
                " VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
                (identity, by, now(), *astuple(order)),
            )
        return self.job(identity)

    def job(self, identity: str) -> Job:
        """The job with this id. Raises NotFound."""
        found = self._jobs("WHERE id = ?", identity)
        if not found:
            raise NotFound(f"no job {identity!r}; the last {KEPT:,} that ended are kept")
        return found[0]

    def jobs(self, state: State | None = None, limit: int = KEPT, offset: int = 0) -> list[Job]:
        """The jobs in a state, or all, the newest first; a `limit` below 0 is none."""
        where, values = ("WHERE state = ?", [state]) if state else ("", [])
        return self._jobs(f"{where} ORDER BY number DESC LIMIT ? OFFSET ?", *values, limit, offset)

    def versions(self) -> dict[str, int]:
        """The version of each job by its id, the oldest job first."""
        with self._reading() as db:
            return dict(db.execute("SELECT id, version FROM jobs ORDER BY number").fetchall() if db else [])

    def counts(self) -> dict[State, int]:
        """How many jobs there are in each state."""
        with self._reading() as db:
            found = dict(db.execute("SELECT state, COUNT(*) FROM jobs GROUP BY 1").fetchall()) if db else {}
        return {state: found.get(state, 0) for state in State}

    def cancel(self, identity: str) -> Job:
        """Cancel a job: at once where it is queued; where it runs, its process is told.

        A correction that was begun, also by a server that has ended since, is not broken off: what is half done of it
        would take effect later. It is done whole instead. Raises NotFound, JobEnded.
        """
        job = self.job(identity)
        begun = job.state is State.RUNNING or job.state is State.QUEUED and job.version > 1
        if job.order.task is Task.CORRECT and begun:
            raise JobEnded(f"job {identity} has begun to set tags, which is not broken off; take them back afterwards")
        with self.changing() as db:
            cancelled = db.execute(
                "UPDATE jobs SET state = 'cancelled', ended = ?, version = version + 1"
                " WHERE id = ? AND state = 'queued' AND (task != 'correct' OR version = 1)",
                (now(), identity),
            )
            running = db.execute(
                "UPDATE jobs SET cancelling = 1, version = version + 1"
                " WHERE id = ? AND state = 'running' AND task != 'correct'",
                (identity,),
            )
        if not cancelled.rowcount + running.rowcount:
            raise JobEnded(f"job {identity} of {job.order.file} is {self.job(identity).state} already")
        return self.job(identity)

    # working off

    def recover(self) -> None:
        """Queue the jobs again that were running in a process which is gone; call it where no other can run one."""
        with self.changing() as db:
            db.execute(
                "UPDATE jobs SET state = 'failed', ended = ?, version = version + 1, reason = 'its process ended '"
                " || attempts || ' times while it ran; ask for it again to try once more'"
                " WHERE state = 'running' AND attempts >= ?",
                (now(), MOST_ATTEMPTS),
            )
            db.execute(
                "UPDATE jobs SET state = 'cancelled', ended = ?, version = version + 1"
                " WHERE state = 'running' AND cancelling",
                (now(),),
            )
            self._queue_again(db, "state = 'running'")

    def put_back(self, identity: str) -> None:
        """Queue a running job again, as its server is ending in good order."""
        with self.changing() as db:
            self._queue_again(db, "id = ? AND state = 'running'", identity)
            db.execute("UPDATE jobs SET attempts = attempts - 1 WHERE id = ?", (identity,))

    @staticmethod
    def _queue_again(db: sqlite3.Connection, where: str, *values: str) -> None:
        db.execute(
            "UPDATE jobs SET state = 'queued', begun = '', reason = '', stage = '', pages_done = 0, pages_total = 0,"
            f" units_done = 0, units_total = 0, version = version + 1 WHERE {where}",
            values,
        )

    def begin(self) -> Job | None:
        """The job that has waited longest, which now runs; None where none waits."""
        with self.changing() as db:
            row = db.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY number LIMIT 1").fetchone()
            if row:
                db.execute(
                    "UPDATE jobs SET state = 'running', begun = ?, attempts = attempts + 1, version = version + 1"
                    " WHERE id = ?",
                    (now(), *row),
                )
        return self.job(row[0]) if row else None

    def note(self, identity: str, progress: Progress, reason: str) -> None:
        """Note how far a running job is, and what it waits for."""
        changes = ", ".join(f"{field.name} = ?" for field in fields(Progress))
        with self.changing() as db:
            db.execute(
                f"UPDATE jobs SET {changes}, reason = ?, version = version + 1 WHERE id = ?",
                (*astuple(progress), reason, identity),
            )

    def finish(self, identity: str, state: State, reason: str = "", outcome: Outcome | None = None) -> Job:
        """End a job, and forget the oldest of those that have ended."""
        changes = ", ".join(f"{field.name} = ?" for field in fields(Outcome))
        with self.changing() as db:
            db.execute(
                f"UPDATE jobs SET state = ?, reason = ?, {changes}, ended = ?, stage = '', cancelling = 0,"
                " version = version + 1 WHERE id = ?",
                (state, reason, *astuple(outcome or Outcome()), now(), identity),
            )
            db.execute(
                f"DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE state IN ({marks(len(ENDS))})"
                " ORDER BY number DESC LIMIT -1 OFFSET ?) AND id != ?",
                (*ENDS, KEPT, identity),
            )
        return self.job(identity)

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """The database in a transaction, made if it is not there; nobody else writes meanwhile.

        Raises IndexBusy, IndexDamaged, DiskFull.
        """
        with named(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(connect(self.path)) as db, transaction(db):
                yield db

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """The database, None where there is none yet."""
        if not self.path.exists():
            yield None
            return
        with named(self.path), closing(connect(self.path)) as db:
            yield db

    def _jobs(self, rest: str, *values: object) -> list[Job]:
        with self._reading() as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM jobs {rest}", values).fetchall() if db else []
        return [row_to_job(row) for row in rows]


def outcome_of(store: Store, what: str, document: str) -> Outcome:
    """What came of a job, with what the store has of its report; no title where that is gone."""
    generation = store.snapshot()
    title = store.document(document).title if store.has_document(document) else ""
    return Outcome(what, document, store.count_passages().get(document, 0), generation, title)


def uploads_wanted(db: sqlite3.Connection) -> set[str]:
    """The uploads that queued and running jobs are about."""
    rows = db.execute("SELECT upload FROM jobs WHERE state IN ('queued', 'running')").fetchall()
    return {upload for (upload,) in rows}


def row_to_job(row: Sequence[Any]) -> Job:
    """A job from a row of COLUMNS."""
    identity, by, state, asked, begun, ended, reason, cancelling, version, task, *rest = row
    order = Order(Task(task), *rest[:4])
    progress, outcome = Progress(*rest[4:9]), Outcome(*rest[9:])
    return Job(
        identity, order, by, State(state), asked, begun, ended, reason, progress, outcome, bool(cancelling), version
    )


def connect(path: Path) -> sqlite3.Connection:
    """A connection with write-ahead logging; transactions are begun by hand."""
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        bring_up(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def bring_up(db: sqlite3.Connection) -> None:
    """Make the table, or give that of an earlier kb the columns that it has not."""
    if layout_of(db) >= LAYOUT:
        return
    with transaction(db):
        if layout_of(db) < LAYOUT:  # another process may have been first
            db.execute(SCHEMA)
            for column in ADDED:
                db.execute(f"ALTER TABLE jobs ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
            db.execute(f"PRAGMA user_version = {LAYOUT}")


def layout_of(db: sqlite3.Connection) -> int:
    """Which columns a file has."""
    (found,) = db.execute("PRAGMA user_version").fetchone()
    return int(found)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say of a file into errors of ours. Raises DiskFull, IndexBusy, IndexDamaged."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells of its kinds
        if getattr(error, "errno", 0) == ENOSPC or code == sqlite3.SQLITE_FULL:
            raise DiskFull(f"{path.parent}: the disk is full; make room, and ask again") from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise IndexBusy(f"the queue of jobs {path} is being written by another process; ask again") from error
        raise IndexDamaged(
            f"the queue of jobs {path} cannot be used: {error}; see that its folder can be written to; if the file is"
            " broken, stop the server and delete it"
        ) from error
