"""What works off the queue beside a server: a thread that hands jobs to a process, and notes what that says."""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from threading import Event, Thread
from typing import IO, Any

from filelock import FileLock, Timeout

from kb.catalogue import STORE_FILE
from kb.errors import IndexMissing, KbError
from kb.jobs.queue import Job, Order, Outcome, Progress, Queue, State, Task, outcome_of
from kb.jobs.uploads import clear_up
from kb.records import Document
from kb.settings import Settings
from kb.store import Store

IDLE_SECONDS = 60.0
"""The process ends when it has had nothing to do for so long: its encoder takes memory."""

LOOK_SECONDS = 0.2
"""How long a cancellation takes to be noticed."""

AGAIN_SECONDS = 30.0
"""After a fault of the queue itself, a full disk say, it is looked at again."""

log = logging.getLogger(__name__)

Message = Mapping[str, Any]


class Process:
    """A process of kb.jobs.work, and what it says."""

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kb.jobs.work"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # so that it can be ended with its reading processes, and alone answers Ctrl-C
        )
        self._said: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._ear = Thread(target=self._listen, daemon=True)
        self._ear.start()
        self._write(settings.model_dump_json(exclude={"llm_key"}))

    def give(self, order: Order) -> None:
        """Have it do an order."""
        self._write(json.dumps(asdict(order)))

    def hear(self, seconds: float) -> Message | None:
        """What it says within so many seconds, None for nothing. Raises EOFError where it has ended."""
        try:
            message = self._said.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            raise EOFError
        return message

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def end(self) -> int:
        """End it with all its processes, whatever they are doing; its exit status, below 0 for a signal."""
        with suppress(ProcessLookupError, PermissionError):  # it has ended by itself
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        status = self._process.wait()
        self._ear.join()
        for pipe in (self._process.stdin, self._process.stdout):
            close(pipe)
        return status

    def _write(self, line: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):  # that it has ended is found when it is listened to
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout
        try:
            for line in self._process.stdout:
                self._said.put(json.loads(line))
        except ValueError:  # it was killed in the middle of a line
            log.warning("the process that does jobs broke off a message")
        finally:
            self._said.put(None)


@dataclass(frozen=True, slots=True)
class Stored:
    """A report as the index has it; `reading` is another whenever its file was read anew, empty if it is superseded."""

    document: Document
    reading: str


class Runner:
    """Works off the queue of an index. Of several servers over one index, one does so at a time."""

    def __init__(self, settings: Settings) -> None:
        self.queue = Queue(settings.index, settings.queue_length)
        self._settings = settings
        self._process: Process | None = None
        self._wanted, self._closing = Event(), Event()
        self._thread = Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Go on with what was left over when the server ended, and then wait for jobs."""
        if self.queue.path.exists():
            self.wake()
        self._thread.start()

    def wake(self) -> None:
        """A job was queued."""
        self._wanted.set()

    def close(self) -> None:
        """End; the job that runs is queued again, for the next start."""
        self._closing.set()
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                if not self._wanted.wait(IDLE_SECONDS if self._process else None):
                    self._end_process()
                    continue
                self._wanted.clear()
                try:
                    if self.queue.path.exists():  # else the folder of the index was taken away
                        with self._alone():
                            self._work_off()
                except Exception:  # a full disk, say: jobs wait until it can be written to again
                    log.exception("the queue of jobs cannot be worked off now")
                    self._end_process()
                    if not self._closing.wait(AGAIN_SECONDS):
                        self.wake()
        finally:
            self._end_process()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The right to work off the queue, which one server has at a time, until it has found the queue empty."""
        lock = FileLock(self.queue.path.with_suffix(".lock"))
        while not self._closing.is_set():
            try:
                lock.acquire(timeout=1)
                break
            except Timeout:
                continue
        try:
            yield
        finally:
            lock.release()

    def _work_off(self) -> None:
        """Do jobs until none waits."""
        if not self._closing.is_set():
            self.queue.recover()
            self._clear_up()
        while not self._closing.is_set() and (job := self.queue.begin()):
            begun = time.monotonic()
            self._do(job)
            self._clear_up()
            ended = self.queue.job(job.id)
            taken = time.monotonic() - begun
            log.info(
                "job %s: %s %r %s in %.1f s %s",
                job.id,
                job.order.task,
                job.order.file,
                ended.state,
                taken,
                ended.reason,
            )

    def _clear_up(self) -> None:
        try:
            clear_up(self.queue, self._settings.index)
        except (KbError, OSError) as error:  # an index that cannot be read now is not a reason to do no jobs
            log.warning("uploads are not cleared up: %s", error)

    def _do(self, job: Job) -> None:
        """Have a job done by the process, to its end or to that of the server."""
        before = self._stored(job.order)
        if self._process and self._process.ended:
            self._end_process()
        process = self._process = self._process or Process(self._settings)
        process.give(job.order)
        while True:
            try:
                message = process.hear(LOOK_SECONDS)
            except EOFError:
                status = self._end_process()
                self._break_off(job, before, State.FAILED, f"its process ended with status {status}; out of memory?")
                return
            if message and message["tell"] != "progress":
                self._finish(job, message)
                return
            if self._closing.is_set():
                self._end_process()
                self.queue.put_back(job.id)
                return
            if self._note(job, message):
                self._end_process()
                self._break_off(job, before, State.CANCELLED, "")
                return

    def _note(self, job: Job, message: Message | None) -> bool:
        """Note how far a job is, if it said so; whether it is to be cancelled. It goes on where that cannot be told."""
        try:
            if message:
                self.queue.note(job.id, Progress(**of_record(Progress, message)), message["reason"])
            return self.queue.job(job.id).cancelling
        except KbError as error:
            log.warning("job %s goes on, though the queue cannot be used now: %s", job.id, error)
            return False

    def _finish(self, job: Job, message: Message) -> None:
        """Note what came of a job."""
        if message["tell"] == "done":
            self.queue.finish(job.id, State.DONE, outcome=Outcome(**of_record(Outcome, message)))
        else:
            self.queue.finish(job.id, State.FAILED, message["reason"])

    def _break_off(self, job: Job, before: Sequence[Stored] | None, state: State, reason: str) -> None:
        """Note the end of a job whose process was ended: it is done if what it does was stored just before that.

        `before` is what was stored when it began. Of a correction it cannot be told: it is done again.
        """
        if job.order.task is Task.CORRECT:
            self.queue.recover()
            return
        after = self._stored(job.order)
        if before is None or after is None or after == before:
            self.queue.finish(job.id, state, reason)
            return
        with Store.open(self._settings.index / STORE_FILE) as store:
            known = job.order.target or job.order.upload[:16]
            outcome = outcome_of(store, what_changed(before, after), store.superseded_by(known) or known)
        if not after:
            outcome = replace(outcome, title=before[0].document.title)
        self.queue.finish(job.id, State.DONE, "", outcome)

    def _stored(self, order: Order) -> list[Stored] | None:
        """The report that an order is about as the index has it, [] where it has none; None where that is not known."""
        try:
            with Store.open(self._settings.index / STORE_FILE) as store:
                store.snapshot()
                tokens = {edition.document: edition.token for edition in store.editions()}
                return [
                    Stored(document, tokens.get(document.id, ""))
                    for document in store.documents(live=order.task is Task.INGEST)
                    if document.id == (order.target or order.upload[:16])
                ]
        except IndexMissing:
            return []
        except KbError:
            return None

    def _end_process(self) -> int:
        """End the process, if there is one; its exit status."""
        process, self._process = self._process, None
        return process.end() if process else 0


def what_changed(before: Sequence[Stored], after: Sequence[Stored]) -> str:
    """What became of a report, as ingesting, reading again and removing call it."""
    if not before:
        return "added"
    if not after:
        return "removed"
    old, new = before[0].document, after[0].document
    if old.status != new.status:
        return "replaced"
    if before[0].reading != after[0].reading:
        return "reindexed"
    return "moved" if (old.path, old.file) != (new.path, new.file) else "updated"


def of_record(kind: type[Progress] | type[Outcome], message: Message) -> dict[str, Any]:
    """The fields of a record in a message."""
    return {field.name: message[field.name] for field in fields(kind)}


def close(pipe: IO[str] | None) -> None:
    """Close a pipe, whatever waits in it."""
    if pipe:
        with suppress(BrokenPipeError):
            pipe.close()
