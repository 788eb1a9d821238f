"""New, changed, renamed and removed files of watched folders → the index; each run with its gate, backup and digest."""

import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pydantic
import watchfiles

from kb.backup import backup
from kb.build import Outcome, Progress, ingest, remove
from kb.catalogue import STORE_FILE
from kb.digest import Digest, State, make_digest, state_of
from kb.embed import Encoder
from kb.errors import BadInput, IndexMissing, KbError
from kb.evaluate import ALL, evaluate, load_gold, summarise
from kb.files import replace_file
from kb.folders import Scan, Settling, Sorted, Stat, folders_of, is_below, is_gone, scan
from kb.gate import compare, hash_gold, last_run_file, read_run, to_run, write_run
from kb.lock import Holder, held
from kb.outbox import put_out, send_out
from kb.records import Document
from kb.saved import News, Reader, load_saved, mark_told, run_saved
from kb.search import Library
from kb.settings import Settings
from kb.store import Store, now

WATCH_LOCK = "watch.lock"
WATCHED_FILE = "watched.json"
"""Which files a watch has read, by their sizes and times: what did not change is not opened again."""

TOLD_FILE = "told.json"
"""The state of the store that the last digest ended with: what changes beside a watch is in the next one too."""

TICK = 0.5
"""Seconds between two looks at files that are still being copied."""

ABSENT = "the folder is gone; nothing of it is removed from the index (is the share mounted?)"

MANY = 3
"""So many reports, and more than half of their folder, do not go at once: a share may have been lost."""

LATER = 30.0
"""Seconds until the next look after one that failed, or that found half a file."""


class Known(NamedTuple):
    """A file that was read: as it was then, its SHA-256, and whether it could not be read."""

    stat: Stat
    sha256: str
    failed: bool


class Watched(pydantic.BaseModel):
    """What a watch remembers of files, by path; it holds for indexes of this generation or a later one.

    `held` are those that are gone and whose reports stay all the same.
    """

    generation: int = 0
    files: dict[str, Known] = {}
    held: frozenset[str] = frozenset()


TOLD = pydantic.TypeAdapter(tuple[int, State])
"""A generation, and the state of the store then."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Gold questions that must not be answered worse after a run, and by how much a figure may fall."""

    gold: Path
    tolerance: float


@dataclass(frozen=True, slots=True)
class Options:
    """What to watch and how. `quiet` and `patience` are seconds (see Settling); `put` writes a digest for people.

    `once`: there is no later look, so that a run waits for files without their end too.
    """

    folders: tuple[Path, ...]
    quiet: float = 2.0
    patience: float = 60.0
    keep_removed: bool = False
    gate: Gate | None = None
    backup: Path | None = None
    webhook: str = ""
    put: Callable[[Digest], None] | None = None
    passwords: tuple[str, ...] = ()
    once: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: mean figures over all questions, and the falls in words; `since` is when it ran before."""

    figures: Mapping[str, float]
    falls: tuple[str, ...]
    since: str


@dataclass(slots=True)
class Run:
    """What a run did. `waiting` are files that are still being copied, `links` are passed over; `broken` counts files
    that failed in an earlier run and did not change since, `sent` the digests that the webhook took."""

    time: str = field(default_factory=now)
    outcomes: tuple[Outcome, ...] = ()
    removed: tuple[Document, ...] = ()
    unchanged: int = 0
    broken: int = 0
    waiting: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    generation: int = 0
    verdict: Verdict | None = None
    digest: Digest | None = None
    sent: int = 0
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether it did anything."""
        what = any(outcome.what != "unchanged" for outcome in self.outcomes)
        return bool(what or self.removed or self.digest or self.sent)

    @property
    def failed(self) -> bool:
        """Whether it should be looked after: a file could not be read, a figure fell, or something went wrong."""
        fell = bool(self.verdict and self.verdict.falls)
        return fell or bool(self.errors) or any(outcome.what == "failed" for outcome in self.outcomes)


def run_json(run: Run) -> dict[str, Any]:
    """A run for programs."""
    kinds = ("added", "replaced", "updated", "moved", "failed")
    return {
        "time": run.time,
        **{kind: [outcome_json(one) for one in run.outcomes if one.what == kind] for kind in kinds},
        "removed": [{"path": document.path, "doc": document.id} for document in run.removed],
        "unchanged": run.unchanged,
        "broken": run.broken,
        "waiting": list(run.waiting),
        "links": list(run.links),
        "generation": run.generation,
        "gate": asdict(run.verdict) | {"passed": not run.verdict.falls} if run.verdict else None,
        "digest": run.digest.counts | {"headline": run.digest.headline} if run.digest else None,
        "sent": run.sent,
        "errors": run.errors,
        "seconds": round(run.seconds, 2),
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """What became of a file."""
    told: dict[str, Any] = {"path": str(outcome.path)}
    if outcome.document:
        told |= {"doc": outcome.document.id, "passages": outcome.passages}
    return told | {"reason": outcome.reason} if outcome.reason else told


@contextmanager
def watching(index: Path, doing: str) -> Iterator[Holder | None]:
    """One watch of an index at a time; other commands write to it meanwhile. Raises IndexBusy, BadInput."""
    with ExitStack() as stack:
        try:
            index.mkdir(parents=True, exist_ok=True)
            left = stack.enter_context(held(index / WATCH_LOCK, f"{index} is being watched", doing, 0))
        except OSError as error:
            raise BadInput(f"{index}: the index cannot be written there: {error.strerror}; name another") from error
        yield left


@dataclass(slots=True)
class Found:
    """What a look found: the files, how the changed ones are sorted, the documents that are stored and those of them
    whose files are gone, the watched folders that are gone themselves."""

    scan: Scan
    sorted: Sorted
    documents: list[Document]
    gone: list[Document]
    absent: list[Path]


class Watcher:
    """Looks at the folders, and brings what changed into the index. `again` reads every file as if it were new, once,
    to compare its hash; `retry` those that failed; `remove_many` takes out what is gone, once, however much it is."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        open_encoder: Callable[[], Encoder],
        progress: Progress,
        again: bool = False,
        retry: bool = False,
        remove_many: bool = False,
    ) -> None:
        self.options = options
        self.settings = settings
        self.index = settings.index.resolve()
        self._open_encoder, self._progress = open_encoder, progress
        self._again, self._retry, self._remove_many = again, retry, remove_many
        self._settling = Settling(options.quiet, options.patience)
        self._missing: dict[str, float] = {}
        self._batch: float | None = None

    def look(self) -> Run | None:
        """One look, and a run over what is ready. None while files are being copied: look again in a moment."""
        begun = monotonic()
        run = Run()
        try:
            watched = self._remembered()
            found = self._find(watched, begun)
            if not self._is_time(found, begun):
                return None
            self._batch = None
            run.errors += [f"{folder}: {ABSENT}" for folder in found.absent]
            run.errors += found.scan.unread
            run.waiting = (*found.sorted.settling, *found.sorted.half)
            run.links = found.scan.links
            self._run(run, watched, found)
        except KbError as error:
            run.errors.append(" ".join(str(error).split()))
        except OSError as error:  # a share that was lost, a full disk: the next look may do better
            run.errors.append(f"{error.filename or self.index}: {error.strerror or error}")
        except sqlite3.DatabaseError as error:
            run.errors.append(f"{self.index / STORE_FILE}: {error}; kb verify says whether it is damaged")
        run.seconds = monotonic() - begun
        return run

    def _find(self, watched: Watched, begun: float) -> Found:
        """What lies in the folders, against what is remembered and stored."""
        there = scan([folder for folder in self.options.folders if os.path.isdir(folder)], self.index)
        changed = {path: found for path, found in there.files.items() if self._is_new(watched.files.get(path), found)}
        documents = self._documents()
        absent = [folder for folder in self.options.folders if not os.path.isdir(folder)]
        safe = [folder for folder in self.options.folders if folder not in absent]
        gone = [] if self.options.keep_removed else gone_below(documents, safe, there)
        self._missing = {one.path: self._missing.get(one.path, begun) for one in gone}
        sorted_files = self._settling.sort(changed, begun)
        for document in gone:  # its content may lie in another file, which was no report of its own so far
            twins = (path for path in there.files if path not in changed)
            sorted_files.ready.extend(path for path in twins if watched.files[path].sha256 == document.sha256)
        return Found(there, sorted_files, documents, gone, absent)

    def _is_new(self, known: Known | None, found: Stat) -> bool:
        """Whether a file has to be read, as far as its size and times tell."""
        if known is None or self._again or not known.stat.has_content_of(found):
            return True
        return known.failed and (self._retry or known.stat.touched != found.touched)

    def _held(self, gone: Sequence[Document], watched: Watched, found: Found) -> frozenset[str]:
        """The files that are gone and whose documents stay: too many at once, now or in an earlier run."""
        if self._remove_many or not gone:
            return frozenset()
        lost = lost_folders(gone, found, self.options.folders)
        return frozenset(
            one.path
            for one in gone
            if one.path in watched.held or not lost.isdisjoint(folders_of(one.path, self.options.folders))
        )

    def _is_time(self, found: Found, begun: float) -> bool:
        """Whether to run now: nothing is being copied or renamed any more, or that goes on for too long."""
        going = [path for path, since in self._missing.items() if begun - since < self.options.quiet]
        half = found.sorted.half if self.options.once else []
        if not (found.sorted.settling or half or going):
            return True
        self._batch = begun if self._batch is None else self._batch
        return begun - self._batch >= self.options.patience

    def _run(self, run: Run, watched: Watched, found: Found) -> None:
        """Bring in what is ready, take out what is gone, and tell of both."""
        open_encoder = cache(self._open_encoder)
        generation, before = self._told()
        if found.sorted.ready or len(found.gone) > len(self._held(found.gone, watched, found)):
            self._prepare(open_encoder)
        run.outcomes = self._ingest(found.sorted.ready, open_encoder)
        held: frozenset[str] = frozenset()
        if found.gone:  # of which some may have been found again in other files
            left = {document.id for document in gone_below(self._documents(), self.options.folders, found.scan)}
            gone = [one for one in found.gone if one.id in left]
            held = self._held(gone, watched, found)
            run.errors += told_held(held, self.options.folders)
            for one in gone:
                if one.path not in held:
                    run.removed += (remove(one.id, self.settings),)
        run.generation = self._generation()
        self._remember(run, watched, found, held)
        self._again = self._retry = self._remove_many = False
        vanished = len(set(found.sorted.ready)) - len(run.outcomes)
        run.unchanged = len(found.scan.files) - len(run.waiting) - vanished
        run.unchanged -= sum(outcome.what != "unchanged" for outcome in run.outcomes) + run.broken
        if run.generation != generation or any(outcome.what == "failed" for outcome in run.outcomes):
            self._tell(run, before, open_encoder)
        if self.options.webhook:
            run.sent, problems = send_out(self.index, self.options.webhook)
            run.errors += problems

    def _ingest(self, ready: Sequence[str], open_encoder: Callable[[], Encoder]) -> tuple[Outcome, ...]:
        """Bring files in, but for those that have vanished since the look."""
        files = [Path(path) for path in ready if not is_gone(path)]
        if not files:
            return ()
        report = ingest(files, self.settings, open_encoder, self._progress, passwords=self.options.passwords)
        return tuple(one for one in report.outcomes if one.what != "failed" or not is_gone(str(one.path)))

    def _prepare(self, open_encoder: Callable[[], Encoder]) -> None:
        """Before anything changes: a backup, and figures to compare with where there are none."""
        if not (self.index / STORE_FILE).exists():
            return
        if self.options.backup:
            backup(self.settings, self.options.backup, no_matter, no_matter)
        if self.options.gate and not last_run_file(self.index, hash_gold(self.options.gate.gold)).exists():
            with Library.open(self.settings, open_encoder()) as library:
                judge(library, self.options.gate)

    def _tell(self, run: Run, before: State, open_encoder: Callable[[], Encoder]) -> None:
        """Judge what the index is now, and put out the digest of what changed since the last one."""
        news: list[News] = []
        failed = [(str(one.path), one.reason) for one in run.outcomes if one.what == "failed"]
        if not (self.index / STORE_FILE).exists():
            return
        if self.options.gate or load_saved(self.index):
            with Library.open(self.settings, open_encoder()) as library:
                run.verdict = judge(library, self.options.gate) if self.options.gate else None
                news = run_saved(library, Reader.WATCH)
                falls = run.verdict.falls if run.verdict else ()
                self._put(run, library.store, make_digest(library.store, before, news, failed, falls))
                mark_told(library, Reader.WATCH, news)
        else:
            with Store.open(self.index / STORE_FILE) as store:
                store.snapshot()
                self._put(run, store, make_digest(store, before, news, failed))

    def _put(self, run: Run, store: Store, digest: Digest) -> None:
        """Put out a digest, and remember the state that it ends with."""
        if not digest.empty:
            run.digest = digest
            if self.options.put:
                self.options.put(digest)
            if self.options.webhook:
                put_out(self.index, digest)
        self._write(TOLD_FILE, TOLD.dump_json((digest.generation, state_of(store))))

    def _told(self) -> tuple[int, State]:
        """The generation and state that the last digest ended with; without one, those of the store."""
        path = self.index / TOLD_FILE
        try:
            return TOLD.validate_json(path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, pydantic.ValidationError) as error:
            raise BadInput(f"{path}: cannot be read; delete it, and the next digest begins anew") from error
        try:
            with Store.open(self.index / STORE_FILE) as store:
                told = store.snapshot(), state_of(store)
        except IndexMissing:
            told = 0, State({}, frozenset())
        self._write(TOLD_FILE, TOLD.dump_json(told))  # a run that does not come to its end loses no news
        return told

    def _remembered(self) -> Watched:
        """What is known of files; nothing where the store is older than that: it was put back from a backup."""
        path = self.index / WATCHED_FILE
        try:
            watched = Watched.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Watched()
        except (OSError, pydantic.ValidationError) as error:
            raise BadInput(f"{path}: cannot be read; delete it, and all files are compared once") from error
        return watched if watched.generation <= self._generation() else Watched()

    def _remember(self, run: Run, watched: Watched, found: Found, held: frozenset[str]) -> None:
        """Note the files that were read, and those held; what is known of files elsewhere stays."""
        looked = [folder for folder in self.options.folders if folder not in found.absent]
        read = {str(outcome.path): outcome for outcome in run.outcomes}
        files: dict[str, Known] = {
            path: known
            for path, known in watched.files.items()
            if path in found.scan.files or held or not is_below(path, looked)
        }
        run.broken = sum(
            known.failed and path in found.scan.files and path not in read for path, known in files.items()
        )
        for path, outcome in read.items():
            sha256 = outcome.document.sha256 if outcome.document else ""
            files[path] = Known(found.scan.files[path], sha256, outcome.what == "failed")
        elsewhere = {path for path in watched.held if not is_below(path, looked)}
        after = Watched(generation=run.generation, files=files, held=held | elsewhere)
        if after != watched:
            self._write(WATCHED_FILE, after.model_dump_json().encode())

    def _write(self, name: str, content: bytes) -> None:
        try:
            replace_file(self.index / name, content.decode())
        except OSError as error:
            raise BadInput(f"{self.index / name}: cannot be written: {error.strerror}") from error

    def _documents(self) -> list[Document]:
        """The live documents; none where there is no index yet."""
        try:
            with Store.open(self.index / STORE_FILE) as store:
                documents = store.documents()
        except IndexMissing:
            return []
        return [document for document in documents if not is_below(document.path, [self.index])]

    def _generation(self) -> int:
        """The generation of the store; 0 where there is none."""
        try:
            with Store.open(self.index / STORE_FILE) as store:
                return store.generation()
        except IndexMissing:
            return 0


def gone_below(documents: Sequence[Document], folders: Sequence[Path], there: Scan) -> list[Document]:
    """The documents of files below the folders that are not there any more."""
    return [
        document
        for document in documents
        if document.path not in there.files and is_below(document.path, folders) and is_gone(document.path)
    ]


def lost_folders(gone: Sequence[Document], found: Found, folders: Sequence[Path]) -> set[Path]:
    """The folders, watched ones and those below, that lost so much that they may be shares that are not mounted: all
    reports while the folder is there, or more than half of those known before, MANY at least."""
    known = Counter(place for one in found.documents for place in folders_of(one.path, folders))
    lost = Counter(place for one in gone for place in folders_of(one.path, folders))
    kept = {place for path in found.scan.files for place in folders_of(path, folders)}
    return {
        place
        for place, count in lost.items()
        if (place not in kept and os.path.isdir(place)) or (count >= MANY and 2 * count > known[place])
    }


def told_held(held: frozenset[str], folders: Sequence[Path]) -> list[str]:
    """That files are gone and their documents stay, in words, by watched folder."""
    mine = {folder: [path for path in held if is_below(path, [folder])] for folder in folders}
    return [
        f"{folder}: {len(paths)} reports are gone at once, such as {min(paths)}; they stay in the index"
        " (is the share mounted?); if they are to go: kb watch --remove-many, or kb remove"
        for folder, paths in mine.items()
        if paths
    ]


def judge(library: Library, gate: Gate) -> Verdict:
    """Ask the gold questions, and compare with the last run, which this one takes the place of where nothing fell.

    Raises BadInput for gold questions, or a last run, that cannot be used.
    """
    questions, digest = load_gold(gate.gold), hash_gold(gate.gold)
    kept = last_run_file(library.settings.index, digest)
    before = read_run(kept, digest, questions)
    run = to_run(library, digest, evaluate(library, questions))
    falls = tuple(map(str, compare(before, run, gate.tolerance).falls)) if before else ()
    if not falls:
        try:
            write_run(kept, run)
        except OSError as error:
            raise BadInput(f"{kept}: cannot be written: {error.strerror}") from error
    figures = next((scores.values for scores in summarise(run.outcomes, 0) if scores.type == ALL), {})
    return Verdict(figures, falls, before.time if before else "")


def no_matter(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def follow(
    watcher: Watcher, stop: threading.Event, every: float, poll: float = 0.0, pause: float = TICK
) -> Iterator[Run]:
    """Runs over what changes, until told to stop: those that have something to tell, and the first.

    Every `every` seconds all files are looked at, as events get lost; with `poll` they are looked at every so many
    seconds, and no events are waited for. Raises BadInput where the folders cannot be watched.
    """
    due, told, first = 0.0, "", True
    for stirred in ticks(watcher, stop, poll):
        if stirred:
            due = 0.0
        if monotonic() < due:
            continue
        run = watcher.look()
        if run is None:
            due = monotonic() + pause
            continue
        due = monotonic() + (min(LATER, every) if run.errors or run.waiting else every)
        problem = "; ".join((*run.errors, *run.links))
        if first or run.changed or problem != told:  # what stays wrong is told once, and that it is right again
            yield run
        told, first = problem, False


def ticks(watcher: Watcher, stop: threading.Event, poll: float) -> Iterator[bool]:
    """Moments at which to look, each with whether something may have stirred in the folders."""
    folders, gone = watcher.options.folders, False
    while not stop.is_set():
        there = [folder for folder in folders if os.path.isdir(folder)]
        if there and not poll:
            gone = False
            yield from events(there, folders, watcher.index, stop)
        else:  # that all folders are gone stirs once
            yield bool(poll) or not gone
            gone = True
            stop.wait(poll or TICK)


def events(there: Sequence[Path], folders: Sequence[Path], index: Path, stop: threading.Event) -> Iterator[bool]:
    """The same from the system's events, until told to stop, or until a folder is another one: a share was mounted.

    The first moment is when the system has begun to watch: what came before has to be looked for.
    """
    before, begun = [identity(folder) for folder in folders], False

    def ours(_: watchfiles.Change, path: str) -> bool:
        return not is_below(path, [index])

    try:
        for changes in watchfiles.watch(
            *there, watch_filter=ours, stop_event=stop, rust_timeout=int(1000 * TICK), yield_on_timeout=True
        ):
            if [identity(folder) for folder in folders] != before:
                return
            yield bool(changes) or not begun
            begun = True
    except (RuntimeError, OSError) as error:  # the first where the system has no more watches to give
        if all(os.path.isdir(folder) for folder in there):
            raise BadInput(f"{there[0]}: the system does not watch it: {error}; use --poll SECONDS") from error


def identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another at its place; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
