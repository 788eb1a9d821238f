"""The process that does jobs, one after another: orders come in as JSON lines, progress and results go out as such.

Its first line holds the settings, each other an order. It keeps its encoder, and ends at once when its input does.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from kb import build
from kb.build import ingest, stored_sources
from kb.catalogue import STORE_FILE
from kb.digest import SHOWN, ReportNews, State, news_since, report_news, state_of, words_of
from kb.embed import Encoder
from kb.errors import BadInput, BadSettings, IndexBusy, IndexMissing, KbError, NotFound, UnknownName
from kb.jobs.queue import Order, Outcome, Progress, Task, outcome_of
from kb.jobs.uploads import FOLDER
from kb.lock import holder
from kb.metadata import Given
from kb.model import encoder_for, model_of
from kb.records import Document
from kb.retag import correct
from kb.saved import versions_before
from kb.settings import Settings, read_passwords
from kb.store import Store
from kb.writing import WRITING_LOCK, changing_store

AGAIN_SECONDS = 1.0
"""Between two attempts while another process writes."""

TOLD_SECONDS = 0.2
"""Between two reports of progress within a stage."""

NICENESS = 10
"""Searches come first."""

log = logging.getLogger(__name__)

Tell = Callable[[Mapping[str, object]], None]


WAITS = "another command is writing to the index"
FAULT = "the server failed at this job; its log says why"
"""All that its user is told of who writes, and of faults that are not theirs."""


class Failed(KbError):
    """The job cannot be done."""


OF_ITS_USER = (Failed, BadInput, NotFound, UnknownName)
"""What is wrong with what was asked for; other errors tell of the server."""


class Told:
    """Progress of an ingestion, told when a stage begins and now and then within it."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._now = Progress()
        self._due = 0.0

    def start(self, path: Path, pages: int) -> None:
        """The file has so many pages."""
        self._change(stage="reading", pages_total=pages)

    def pages(self, count: int) -> None:
        """More pages are read."""
        self._change(pages_done=self._now.pages_done + count)

    def embedding(self, total: int) -> None:
        """So many passages and sentences are to be embedded."""
        self._change(stage="embedding", units_total=total)

    def embedded(self, done: int) -> None:
        """So many of them are; after the last they are tagged and stored."""
        self._change(stage="storing" if done >= self._now.units_total else "embedding", units_done=done)

    def finish(self, outcome: build.Outcome) -> None:
        """What became of the file is told by the job's end."""

    def _change(self, **changes: int | str) -> None:
        new = replace(self._now, **changes)  # type: ignore[arg-type]
        begins, self._now = new.stage != self._now.stage, new
        if begins or time.monotonic() > self._due:
            self._due = time.monotonic() + TOLD_SECONDS
            self._tell({"tell": "progress", **asdict(new), "reason": ""})


class Worker:
    """Does orders over the index of its settings."""

    def __init__(self, settings: Settings, tell: Tell) -> None:
        self._settings = settings
        self._tell = tell
        self._encoder = cache(lambda model: encoder_for(settings))
        self._waits_for = ""

    def work(self, order: Order) -> None:
        """Do an order, and tell what came of it; while another process writes, say so and try again."""
        try:
            if busy := holder(self._settings.index / WRITING_LOCK):
                self._wait(order, str(busy))
            while True:
                try:
                    outcome = self._do(order)
                    break
                except IndexBusy as error:
                    self._wait(order, str(error))
                    time.sleep(AGAIN_SECONDS)
            self._tell({"tell": "done", **asdict(outcome)})
        except Exception as error:  # whatever it is, the next job is to be done, and the user of this one to be told
            if isinstance(error, OF_ITS_USER) and not isinstance(error, BadSettings):
                self._tell({"tell": "failed", "reason": self._placeless(str(error))})
                return
            log.exception("job failed: %s %s", order.task, order.file)
            self._tell({"tell": "failed", "reason": FAULT})

    def _wait(self, order: Order, whom: str) -> None:
        """Tell that another process writes; who it is stays on the server."""
        if whom != self._waits_for:
            log.warning("job waits: %s %s: %s", order.task, order.file, whom)
        self._waits_for = whom
        self._tell({"tell": "progress", **asdict(Progress("waiting")), "reason": WAITS})

    def _placeless(self, reason: str) -> str:
        """A reason without the places of the server's files."""
        for place in (self._settings.index / FOLDER, self._settings.overrides.parent):
            for known in (place.resolve(), place.absolute(), place):  # the last may be the end of the others
                reason = reason.replace(f"{known}{os.sep}", "") if known != Path() else reason
        return reason

    def _do(self, order: Order) -> Outcome:
        return {
            Task.INGEST: self._ingest,
            Task.REINDEX: self._reindex,
            Task.REMOVE: self._remove,
            Task.CORRECT: self._correct,
        }[order.task](order)

    def _ingest(self, order: Order) -> Outcome:
        """Bring an upload in. Its failure is the job's: the index does not keep it, as the file is deleted."""
        path = self._uploads / order.upload
        if not path.exists():
            raise Failed(f"the uploaded file of {order.file} is gone; upload it again")
        before = self._state()
        what, document = self._read(order.file, path, Given.model_validate_json(order.given), force=False)
        with self._store() as store:
            known = frozenset(before.documents)
            old = [document.id] if document.id in known else versions_before(store, known).get(document.id, [])
            news = report_news(store, document, old, before.banks)
        return self._outcome(what, document.id, news)

    def _reindex(self, order: Order) -> Outcome:
        """Read the file of a report again, whatever is in it now; what was given for it by hand holds."""
        with self._store() as store:
            if not store.has_document(order.target):
                raise Failed(f"{order.file} is no longer in the index; bring it in again")
            document = store.document(order.target)
            before, old = state_of(store), words_of(store, [document.id])
            given = stored_sources(document, store).command
        if document.id not in before.documents:
            raise Failed(f"{order.file} has a newer version by now; read that one again")
        path = Path(document.path)
        if not path.is_file():
            raise Failed(f"the file of {order.file} is no longer where it was read; bring it in again")
        _, found = self._read(document.file, path, given, force=True)
        with self._store() as store:
            news = news_since(store, found, old, before.banks)
        return self._outcome("reindexed" if found.id == document.id else "replaced", found.id, news)

    def _read(self, name: str, path: Path, given: Given, force: bool) -> tuple[str, Document]:
        """Ingest a file: what became of it, and the document. Raises Failed without its place."""
        settings, passwords = self._settings, read_passwords(self._settings.password_file)
        report = ingest([path], settings, self._open, Told(self._tell), force, given, passwords, name)
        outcome = report.outcomes[0]
        if outcome.document is None:
            with suppress(IndexBusy), changing_store(settings.index, "a failed job") as store:
                store.forget_failure(str(path.resolve()))
            raise Failed(outcome.reason.replace(str(path), name).replace(f"{path.parent}{os.sep}", ""))
        return outcome.what, outcome.document

    def _remove(self, order: Order) -> Outcome:
        """Take a document out; one that is gone already, as by a job that was broken off, is removed."""
        with self._store() as store:
            there, title = store.has_document(order.target), ""
        if there:
            title = build.remove(order.target, self._settings).title
        return replace(self._outcome("removed", order.target), title=title)

    def _correct(self, order: Order) -> Outcome:
        """Set the tags of a passage by hand."""
        correct(self._settings, self._open, order.target, json.loads(order.given))
        with self._store() as store:
            document = store.passage(order.target).document.id
        return self._outcome("corrected", document)

    def _outcome(self, what: str, document: str, news: ReportNews | None = None) -> Outcome:
        with self._store() as store:
            return replace(outcome_of(store, what, document), news=news_json(news) if news else "")

    @property
    def _uploads(self) -> Path:
        return self._settings.index / FOLDER

    def _store(self) -> Store:
        return Store.open(self._settings.index / STORE_FILE)

    def _state(self) -> State:
        """What the index holds, nothing where there is none yet; an older one is brought up, as by ingesting."""
        try:
            with Store.open_to_change(self._settings.index / STORE_FILE) as store:
                return state_of(store)
        except IndexMissing:
            return State({}, frozenset())

    def _open(self) -> Encoder:
        """The encoder of the index, which another may have taken the place of since the last job."""
        return self._encoder(model_of(self._settings))


def news_json(news: ReportNews) -> str:
    """What a report brought, as the queue keeps it: the first of its new cases, and how many there are."""
    told = {
        "passages": news.passages,
        "new_passages": news.new_passages,
        "cases": news.new_cases[:SHOWN],
        "case_count": len(news.new_cases),
        "banks": news.banks,
        "new_banks": news.new_banks,
    }
    return json.dumps(told, ensure_ascii=False)


def read_orders(orders: "SimpleQueue[str]") -> None:
    """Take in lines until the server is gone, or wants this process to end; then end it, whatever it is doing.

    The store is safe from that: a change is made whole or not at all.
    """
    for line in sys.stdin:
        orders.put(line)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # the reading processes too
    os._exit(0)


def main() -> None:
    """Work until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no message
    if hasattr(os, "nice"):
        os.nice(NICENESS)

    def tell(message: Mapping[str, object]) -> None:
        with suppress(BrokenPipeError):  # the server is gone, and so is this process in a moment
            out.write(json.dumps(message) + "\n")
            out.flush()

    orders: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=read_orders, args=(orders,), daemon=True).start()
    worker = Worker(Settings.model_validate_json(orders.get()), tell)
    while True:
        order = json.loads(orders.get())
        worker.work(Order(**order | {"task": Task(order["task"])}))


if __name__ == "__main__":
    main()
