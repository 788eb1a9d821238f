"""Reading processes with limits of time and memory: what hangs or breaks one of them costs a page, not the file."""

import gc
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from types import ModuleType
from typing import Any, TypeVar

from kb.errors import KbError

with suppress(ImportError):  # Windows has no limits of this kind
    import resource

T = TypeVar("T")
R = TypeVar("R")

MOST_PAGES = 24
"""A process gets at most so many pages at once, so that all end at about one time."""

NEW_OBJECTS = 50_000
"""After so many new objects the garbage is looked for; Python's 700 have it done all the time on a page of glyphs."""

LEAST_PAGES = 6
"""With fewer pages for each, another process does not pay."""

MOST_LOST = 3
"""After so many lost pages in a row the rest of a file is given up: it would cost its limit page by page."""

Source = Callable[[Sequence[int]], Iterator[T]]
"""Yields one result for each page number. It goes to a process by name: a function of a module, or a partial of one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may use: seconds for one page, and megabytes of memory in all."""

    seconds: float
    megabytes: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a page has no result. `again` tells that the fault may be with the pages that its process read before.

    `cheap` tells that finding it out took no longer than reading the page would.
    """

    reason: str
    again: bool = False
    cheap: bool = False


@dataclass(slots=True)
class Worker:
    """A reading process, the pages that it owes, and when the next of them is due."""

    process: Any
    connection: Connection
    owed: deque[int] = field(default_factory=deque)
    due: float = 0.0
    fresh: bool = True

    @classmethod
    def start(cls, context: BaseContext, limits: Limits) -> "Worker":
        """Start a process."""
        ours, theirs = multiprocessing.Pipe()
        process = context.Process(target=serve, args=(theirs, limits), daemon=True)  # type: ignore[attr-defined]
        with main_module_hidden():
            process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, source: Source[Any], numbers: Sequence[int], seconds: float) -> None:
        """Have it read these pages, each within so many seconds."""
        self.owed.extend(numbers)
        self.due = time.monotonic() + seconds
        with suppress(OSError):  # a process that has ended meanwhile is found when it is listened to
            self.connection.send((source, numbers))

    def take(self, limits: Limits) -> object:
        """What it says of the first page that it owes. Raises the KbError that reading the file raises."""
        try:
            if not self.connection.poll():
                return Lost(f"took longer than {limits.seconds:g} s (KB_PAGE_SECONDS)")
            message = self.connection.recv()
        except (EOFError, OSError):
            return Lost("its reading process died", again=True)
        if isinstance(message, KbError):
            raise message
        self.due = time.monotonic() + limits.seconds
        return message

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()


class Pool:
    """Up to `size` reading processes, started when there is work for them, replaced when they lose a page.

    `preload` names the modules that they need; where the platform can fork a clean process, it imports them once.
    """

    def __init__(self, size: int, limits: Limits, preload: Sequence[str] = ()) -> None:
        self._size = size
        self._limits = limits
        self._context = reading_context(preload)
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for worker in (*self._idle, *self._busy):
            worker.end()
        self._idle, self._busy = [], []

    def call(self, function: Callable[..., T], *args: object) -> T | Lost:
        """`function(*args)`, within the limits of one page. Raises the KbError that it raises."""
        source: Source[T] = partial(once, function, args)
        return next(result for _, result in self.pages(source, 1))

    def pages(self, source: Source[T], count: int) -> Iterator[tuple[int, T | Lost]]:
        """What `source` yields for the pages 1 to `count`, each with its number, in the order in which they come.

        A page that takes too long, needs too much memory or ends its process is lost, and the others go on; after
        MOST_LOST in a row the rest is lost too. Raises the KbError that `source` raises.
        """
        waiting = deque(tasks(count, self._size))
        lost = 0
        try:
            while (waiting or self._busy) and lost < MOST_LOST:
                self._hand_out(source, waiting)
                for number, result in self._collect(waiting):
                    lost = lost + 1 if isinstance(result, Lost) and not result.cheap else 0
                    yield number, result
            left = [number for task in (*(worker.owed for worker in self._busy), *waiting) for number in task]
            yield from ((number, Lost(f"not read, as {lost} pages in a row were lost")) for number in left)
        finally:
            for worker in self._busy:
                worker.end()
            self._busy = []

    def _hand_out(self, source: Source[T], waiting: deque[Sequence[int]]) -> None:
        """Give a task to each process that has none."""
        while waiting and len(self._busy) < self._size:
            worker = self._idle.pop() if self._idle else Worker.start(self._context, self._limits)
            self._busy.append(worker)
            worker.give(source, waiting.popleft(), self._limits.seconds)

    def _collect(self, waiting: deque[Sequence[int]]) -> list[tuple[int, Any]]:
        """Wait for the processes; the pages that are read or lost now. What a lost page leaves undone waits again."""
        earliest = min(worker.due for worker in self._busy)
        ready = wait([worker.connection for worker in self._busy], max(earliest - time.monotonic(), 0))
        found: list[tuple[int, Any]] = []
        for worker in list(self._busy):
            if worker.connection not in ready and worker.due > time.monotonic():
                continue
            message = worker.take(self._limits)
            broken = isinstance(message, Lost)
            if not (isinstance(message, Lost) and message.again and not worker.fresh):
                found.append((worker.owed.popleft(), message))
            worker.fresh = False
            if broken and worker.owed:
                waiting.appendleft(list(worker.owed))
            if broken or not worker.owed:
                self._busy.remove(worker)
            if broken:
                worker.end()
            elif not worker.owed:
                self._idle.append(worker)
        return found


def tasks(count: int, size: int) -> list[Sequence[int]]:
    """The page numbers from 1 to `count` in runs: two or more for each process, so that all end at about one time."""
    length = min(max(-(-count // (2 * size)), LEAST_PAGES), MOST_PAGES)
    return [range(first, min(first + length, count + 1)) for first in range(1, count + 1, length)]


def once(function: Callable[..., T], args: Sequence[object], numbers: Sequence[int]) -> Iterator[T]:
    """A source of one result that has nothing to do with page numbers."""
    for _ in numbers:
        yield function(*args)


def mapped(function: Callable[[T], R], source: Source[T], numbers: Sequence[int]) -> Iterator[R]:
    """A source with a function behind it, which runs in the reading process too."""
    return map(function, source(numbers))


def reading_context(preload: Sequence[str]) -> BaseContext:
    """How processes are started: forked from one that has only the readers in it, or else from nothing.

    A fork of this process would take its threads' locks and its memory along.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


@contextmanager
def main_module_hidden() -> Iterator[None]:
    """Start a process without importing again the program that runs here: what a process does is named in kb."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def serve(connection: Connection, limits: Limits) -> None:
    """What a reading process does: take tasks, send results, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts kb is answered by the process that was started
    limit_memory(limits.megabytes)
    gc.set_threshold(NEW_OBJECTS)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError, MemoryError):  # a result can be too large to send
        while True:
            source, numbers = connection.recv()
            for message in results(source, numbers, limits):
                connection.send(message)
                outlive(limits.seconds)
            outlive(0)


def results(source: Source[T], numbers: Sequence[int], limits: Limits) -> Iterator[object]:
    """The results of a task; what breaks it off comes as the last."""
    outlive(limits.seconds)
    try:
        yield from source(numbers)
    except KbError as error:
        yield error
    except MemoryError:
        yield Lost(f"needs more than {limits.megabytes} MB (KB_WORKER_MB)", again=True)
    except Exception as error:  # a page that no one foresaw must not cost the others
        yield Lost(f"cannot be read: {type(error).__name__}: {error}", cheap=True)


def outlive(seconds: float) -> None:
    """End this process if it is still busy when the time is long over, since who should have ended it is gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds)  # nobody handles the signal: it ends the process


def limit_memory(megabytes: int) -> None:
    """Let what this process allocates fail beyond the limit, where the platform can."""
    if "resource" in globals():
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20, megabytes << 20))
