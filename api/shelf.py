"""The open library: opened at the first request, lent to requests, replaced when the index has moved on."""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

from kb.catalogue import STORE_FILE
from kb.errors import IndexDamaged, IndexMissing, ModelMismatch
from kb.search import Library
from kb.settings import Settings
from kb.store import Store


@dataclass(frozen=True, slots=True)
class Edition:
    """What an index is at a moment: which file (device and inode), and its generation."""

    file: tuple[int, int]
    generation: int


@dataclass(slots=True)
class Loan:
    """An open library with the requests that read from it; a retired one is closed by the last of them."""

    library: Library
    edition: Edition
    readers: int = 0
    retired: bool = False


class Turns:
    """So many threads at a time; the others in the order in which they came.

    Encoding a question is many short steps in numpy. Where more threads take them than there are cores, they wait for
    each other so often that all together get a fifth less done.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[Lock] = deque()
        self._counting = Lock()

    def __enter__(self) -> None:
        with self._counting:
            if self._free:
                self._free -= 1
                return
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # until somebody who leaves releases it

    def __exit__(self, *exc: object) -> None:
        with self._counting:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class Shelf:
    """Keeps one library open, and lends it to so many requests at a time, one a core unless told. Safe to share between
    threads.

    Every request looks at the store's generation (a tenth of a millisecond). The first one to see a newer generation
    opens it; the others are answered from the old one meanwhile, and the old one is closed when nobody reads from it.
    """

    def __init__(self, settings: Settings, at_once: int = os.cpu_count() or 1) -> None:
        self._settings = settings
        self._loan: Loan | None = None
        self._counting = Lock()
        self._opening = Lock()
        self._turns = Turns(at_once)

    @contextmanager
    def borrow(self) -> Iterator[Library]:
        """The library of the present generation, which stays open for as long as it is held.

        Raises IndexMissing, IndexDamaged, IndexBusy, ModelMismatch and ModelUnavailable.
        """
        loan = self._lend()
        try:
            with self._turns:
                yield loan.library
        except IndexDamaged:
            self._replace(None)  # the next one opens it anew, which makes what can be made
            raise
        finally:
            self._take_back(loan)

    def close(self) -> None:
        """Close the library, now or when its last reader is done."""
        self._replace(None)

    def _lend(self) -> Loan:
        wanted = self._look()
        if loan := self._lend_if(wanted):
            return loan
        if not self._opening.acquire(blocking=False):
            if older := self._lend_any_of(wanted.file):
                return older
            self._opening.acquire()
        try:
            return self._lend_if(wanted) or self._open()
        finally:
            self._opening.release()

    def _look(self) -> Edition:
        path = self._settings.index / STORE_FILE
        with Store.open(path) as store:
            return Edition(self._file(), store.generation())

    def _file(self) -> tuple[int, int]:
        try:
            found = (self._settings.index / STORE_FILE).stat()
        except FileNotFoundError as error:
            raise IndexMissing(f"no index in {self._settings.index}; it was removed just now") from error
        return found.st_dev, found.st_ino

    def _lend_if(self, wanted: Edition) -> Loan | None:
        with self._counting:
            if self._loan is None or self._loan.edition != wanted:
                return None
            self._loan.readers += 1
            return self._loan

    def _lend_any_of(self, file: tuple[int, int]) -> Loan | None:
        with self._counting:
            if self._loan is None or self._loan.edition.file != file:
                return None
            self._loan.readers += 1
            return self._loan

    def _open(self) -> Loan:
        encoder = self._loan.library.encoder if self._loan else None
        file = self._file()
        try:
            library = Library.open(self._settings, encoder)
        except ModelMismatch:  # the index has another model since, adapted to it or chosen anew
            library = Library.open(self._settings)
        library.warm()
        loan = Loan(library, Edition(file, library.generation), readers=1)
        self._replace(loan)
        return loan

    def _replace(self, loan: Loan | None) -> None:
        with self._counting:
            old, self._loan = self._loan, loan
            if old:
                old.retired = True
                self._close_if_done(old)

    def _take_back(self, loan: Loan) -> None:
        with self._counting:
            loan.readers -= 1
            self._close_if_done(loan)

    def _close_if_done(self, loan: Loan) -> None:
        if loan.retired and not loan.readers:
            loan.library.close()
