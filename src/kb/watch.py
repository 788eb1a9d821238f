"""New, changed, renamed and removed files of watched folders → the index; each run with its gate, backup and digest."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pydantic
import watchfiles

from kb.backup import backup
from kb.build import IngestReport, Outcome, Progress, ingest, remove
from kb.catalogue import STORE_FILE
from kb.digest import Digest, State, make_digest, state_of
from kb.embed import Encoder
from kb.errors import BadInput, IndexMissing, KbError
from kb.evaluate import ALL, evaluate, load_gold, summarise
from kb.folders import Scan, Settling, Sorted, Stat, is_below, is_gone, scan
from kb.gate import compare, hash_gold, last_run_file, read_run, to_run, write_run
from kb.lock import Holder, held
from kb.outbox import put_out, send_out
from kb.records import Document
from kb.saved import News, Reader, load_saved, mark_told, run_saved
from kb.search import Library
from kb.settings import Settings
from kb.store import Store, now
from kb.tag.overrides import replace_file

WATCH_LOCK = "watch.lock"
WATCHED_FILE = "watched.json"
"""Which files a watch has read, by their sizes and times: what did not change is not opened again."""

TOLD_FILE = "told.json"
"""The state of the store that the last digest ended with: what changes beside a watch is in the next one too."""

TICK = 0.5
"""Seconds between two looks at files that are still being copied."""

LATER = 30.0
"""Seconds until the next look after one that failed, or that found half a file."""


class Known(NamedTuple):
    """A file that was read: as it was then, its SHA-256, and whether it could not be read."""

    stat: Stat
    sha256: str
    failed: bool


class Watched(pydantic.BaseModel):
    """What a watch remembers of files, by path; it holds for indexes of this generation or a later one."""

    generation: int = 0
    files: dict[str, Known] = {}


TOLD = pydantic.TypeAdapter(tuple[int, State])
"""A generation, and the state of the store then."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Gold questions that must not be answered worse after a run, and by how much a figure may fall."""

    gold: Path
    tolerance: float


@dataclass(frozen=True, slots=True)
class Options:
    """What to watch and how. `quiet` and `patience` are seconds (see Settling); `put` writes a digest for people."""

    folders: tuple[Path, ...]
    quiet: float = 2.0
    patience: float = 60.0
    keep_removed: bool = False
    gate: Gate | None = None
    backup: Path | None = None
    webhook: str = ""
    put: Callable[[Digest], None] | None = None
    passwords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found: mean figures over all questions, and the falls in words; `since` is when it ran before."""

    figures: Mapping[str, float]
    falls: tuple[str, ...]
    since: str


@dataclass(slots=True)
class Run:
    """What a run did. `waiting` are files that are still being copied; `broken` counts those that failed in an earlier
    run and did not change since. `sent` counts the digests that the webhook took."""

    time: str = field(default_factory=now)
    outcomes: tuple[Outcome, ...] = ()
    removed: tuple[Document, ...] = ()
    unchanged: int = 0
    broken: int = 0
    waiting: tuple[str, ...] = ()
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


def watching(index: Path, doing: str) -> AbstractContextManager[Holder | None]:
    """One watch of an index at a time; other commands write to it meanwhile. Raises IndexBusy, BadInput."""
    try:
        index.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{index}: no folder can be made there for the index: {error.strerror}") from error
    return held(index / WATCH_LOCK, f"{index} is being watched", doing, 0)


@dataclass(slots=True)
class Found:
    """What a look found: the files, how the changed ones are sorted, and the documents whose files are gone."""

    scan: Scan
    sorted: Sorted
    gone: list[Document]
    absent: list[str]


class Watcher:
    """Looks at the folders, and brings what changed into the index. `again` reads every file as if it were new, once,
    to compare its hash; `retry` those that failed."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        open_encoder: Callable[[], Encoder],
        progress: Progress,
        again: bool = False,
        retry: bool = False,
    ) -> None:
        self.options = options
        self.settings = settings
        self.index = settings.index.resolve()
        self._open_encoder, self._progress = open_encoder, progress
        self._again, self._retry = again, retry
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
            run.errors += [*found.absent, *found.scan.unread]
            run.waiting = (*found.sorted.settling, *found.sorted.half)
            self._run(run, watched, found)
        except KbError as error:
            run.errors.append(" ".join(str(error).split()))
        run.seconds = monotonic() - begun
        return run

    def _find(self, watched: Watched, begun: float) -> Found:
        """What lies in the folders, against what is remembered and stored."""
        there = scan([folder for folder in self.options.folders if folder.is_dir()], self.index)
        changed = {path: found for path, found in there.files.items() if self._is_new(watched.files.get(path), found)}
        documents = self._documents()
        paths = [*watched.files, *(document.path for document in documents)]
        absent = {
            folder: problem
            for folder in self.options.folders
            if (problem := self._absent(folder, there, paths))
        }  # fmt: skip
        safe = [folder for folder in self.options.folders if folder not in absent]
        gone = [] if self.options.keep_removed else gone_below(documents, safe, there)
        self._missing = {one.path: self._missing.get(one.path, begun) for one in gone}
        sorted_files = self._settling.sort(changed)
        for document in gone:  # its content may lie in another file, which was no report of its own so far
            twins = (path for path in there.files if path not in changed)
            sorted_files.ready.extend(path for path in twins if watched.files[path].sha256 == document.sha256)
        return Found(there, sorted_files, gone, list(absent.values()))

    def _is_new(self, known: Known | None, found: Stat) -> bool:
        """Whether a file has to be read, as far as its size and times tell."""
        return known is None or known.stat != found or self._again or (self._retry and known.failed)

    def _absent(self, folder: Path, there: Scan, paths: Sequence[str]) -> str:
        """Why nothing is removed below a folder; empty where it is as it should be."""
        if not folder.is_dir():
            return f"{folder}: the folder is gone; nothing of it is removed from the index (is the share mounted?)"
        if self.options.keep_removed or any(is_below(path, [folder]) for path in there.files):
            return ""
        lost = sum(is_below(path, [folder]) and not is_below(path, [self.index]) for path in set(paths))
        if not lost:
            return ""
        return (
            f"{folder}: no reports are left in the folder, and {lost} were known there; nothing is removed from the"
            " index (is the share mounted?); if they are to go: kb remove"
        )

    def _is_time(self, found: Found, begun: float) -> bool:
        """Whether to run now: nothing is being copied or renamed any more, or that goes on for too long."""
        going = [path for path, since in self._missing.items() if begun - since < self.options.quiet]
        if not found.sorted.settling and not going:
            return True
        self._batch = begun if self._batch is None else self._batch
        return begun - self._batch >= self.options.patience

    def _run(self, run: Run, watched: Watched, found: Found) -> None:
        """Bring in what is ready, take out what is gone, and tell of both."""
        open_encoder = cache(self._open_encoder)
        generation, before = self._told()
        if found.sorted.ready or found.gone:
            self._prepare(open_encoder)
        if found.sorted.ready:
            run.outcomes = self._ingest(found.sorted.ready, open_encoder).outcomes
        if found.gone:
            left = {document.id for document in gone_below(self._documents(), self.options.folders, found.scan)}
            run.removed = tuple(remove(one.id, self.settings) for one in found.gone if one.id in left)
        run.generation = self._generation()
        self._remember(run, watched, found)
        self._again = self._retry = False
        run.unchanged = len(found.scan.files) - len(run.waiting)
        run.unchanged -= sum(outcome.what != "unchanged" for outcome in run.outcomes) + run.broken
        if run.generation != generation or any(outcome.what == "failed" for outcome in run.outcomes):
            self._tell(run, before, open_encoder)
        if self.options.webhook:
            run.sent, problem = send_out(self.index, self.options.webhook)
            if problem:
                run.errors.append(f"{self.options.webhook}: {problem}; the next run sends it again")

    def _ingest(self, ready: Sequence[str], open_encoder: Callable[[], Encoder]) -> IngestReport:
        files = [Path(path) for path in ready]
        return ingest(files, self.settings, open_encoder, self._progress, passwords=self.options.passwords)

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

    def _remember(self, run: Run, watched: Watched, found: Found) -> None:
        """Note the files that were read; what is known of files elsewhere stays."""
        read = {str(outcome.path): outcome for outcome in run.outcomes}
        files: dict[str, Known] = {
            path: known
            for path, known in watched.files.items()
            if path in found.scan.files or not is_below(path, self.options.folders) or found.absent
        }
        run.broken = sum(
            known.failed and path in found.scan.files and path not in read for path, known in files.items()
        )
        for path, outcome in read.items():
            sha256 = outcome.document.sha256 if outcome.document else ""
            files[path] = Known(found.scan.files[path], sha256, outcome.what == "failed")
        after = Watched(generation=run.generation, files=files)
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
        problem = "; ".join(run.errors)
        if first or run.changed or problem != told:  # what stays wrong is told once, and that it is right again
            yield run
        told, first = problem, False


def ticks(watcher: Watcher, stop: threading.Event, poll: float) -> Iterator[bool]:
    """Moments at which to look, each with whether something may have stirred in the folders."""
    folders = watcher.options.folders
    while not stop.is_set():
        there = [folder for folder in folders if folder.is_dir()]
        if there and not poll:
            yield from events(there, folders, watcher.index, stop)
        else:
            yield True
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
        if all(folder.is_dir() for folder in there):
            raise BadInput(f"{there[0]}: the system does not watch it: {error}; use --poll SECONDS") from error


def identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another at its place; None where there is none."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
