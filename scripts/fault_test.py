"""Kills writers at random moments and at every kind of step, and checks after each kill that nothing is half there.

    python scripts/fault_test.py --kills 200

A library of small generated reports is ingested, changed, corrected, backed up and so on by processes that are killed
with SIGKILL. What may be there after a kill is known from a run of the same work without one, on the same state:
each committed state that this run went through, whole, and nothing else. Then the work is done again: it must
clear away what the kill left, say so, and come to the same end.

Kills come in three ways: at a moment drawn over the time that the work takes; at a step (a file opened, a file or
folder renamed or removed, an SQL statement begun), drawn so that all kinds of steps have their turn; and some
tenths of a millisecond behind such a step, which is inside of SQLite's, tantivy's and the system's own work.

Each piece of work is a fork of one process that has everything imported. The encoder is one of hashed characters: how
good the vectors are is not asked here.
"""

import argparse
import hashlib
import json
import logging
import mmap
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb import build
from kb.backup import backup, check_backup, restore
from kb.build import Outcome, ingest, remove
from kb.catalogue import STORE_FILE, open_names
from kb.embed import QueryMap
from kb.errors import IndexMissing, KbError
from kb.reembed import reembed
from kb.retag import correct, retag
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from kb.tag.overrides import load_overrides
from kb.verify import verify
from kb.words import tokens as cut_words
from kb.writing import changing_store, renew_derived

BANKS = ("青岛银行", "台州银行", "招商银行", "浙商银行", "宁波银行", "江苏银行", "北京银行", "微众银行")
MATTERS = ("开放银行接口", "金融科技人才", "数据治理平台", "普惠信贷产品", "智能风控模型", "移动银行渠道")
DIMENSIONS = ("战略", "组织", "技术", "应用", "数据", "生态")
QUERIES = ("银行怎么解决金融科技人才短缺", "青岛银行的开放银行接口", "数据治理平台")
MOST_REPORTS = 9
LONGEST = 60
"""Seconds that a piece of work may take; what takes longer hangs."""

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "sqlite3.connect"}
WAYS = ("moment", "step", "behind")
STATE = dict[str, tuple[str, str, str]]
"""What a store holds, by document: digests of its text with all that belongs to it, of its tags, of its vectors."""


class Hashed:
    """An encoder that counts pairs of characters: deterministic, and quick."""

    dim = 48
    query_map: QueryMap | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """(n, 48) unit rows."""
        rows = np.full((len(texts), self.dim), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for one, other in zip(text, text[1:], strict=False):
                row[zlib.crc32(f"{self.name}{one}{other}".encode("utf-8", "replace")) % self.dim] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    queries = passages


class InOneProcess:
    """Stands in for the reading processes, which touch no index: starting them would take most of the time."""

    def __init__(self, *_: object) -> None: ...

    def call(self, function: Callable[..., Any], *args: object) -> object:
        """What the function gives."""
        return function(*args)

    def close(self) -> None:
        """Nothing to end."""


@dataclass(frozen=True, slots=True)
class World:
    """A folder with reports, an index of them, corrections and backups."""

    folder: Path

    @property
    def reports(self) -> Path:
        """The folder that is ingested."""
        return self.folder / "reports"

    @property
    def settings(self) -> Settings:
        """The settings of its index."""
        return Settings(  # type: ignore[call-arg]
            index=self.folder / "index",
            cache=self.folder.parent / "cache",
            overrides=self.folder / "overrides.toml",
            workers=1,
            lock_seconds=1,
        )

    @property
    def index(self) -> Path:
        """The index."""
        return self.folder / "index"

    @property
    def backup(self) -> Path:
        """The backup that is written again and again."""
        return self.folder / "backups" / "kb.zip"

    def encoder(self) -> Hashed:
        """The encoder of the index as it is."""
        try:
            with Store.open(self.index / STORE_FILE) as store:
                return Hashed(store.model().name)
        except IndexMissing:
            return Hashed("hashed-1")


@dataclass(slots=True)
class Followed:
    """Progress of an ingest that notes the state after each file."""

    world: World
    states: list[STATE] = field(default_factory=list)

    def start(self, path: Path, pages: int) -> None: ...

    def pages(self, count: int) -> None: ...

    def embedding(self, total: int) -> None: ...

    def embedded(self, done: int) -> None: ...

    def finish(self, outcome: Outcome) -> None:
        """A file is done."""
        if outcome.what == "failed":
            raise AssertionError(outcome.reason)
        self.states.append(state_of(self.world))


class Unfollowed(Followed):
    """The same where nobody wants to know."""

    def finish(self, outcome: Outcome) -> None:
        """A file is done."""


# ---- what is done


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work with its arguments, to be done in a process of its own. `run` gives the states between."""

    name: str
    run: Callable[[World, bool], list[STATE]]


def draw_work(world: World, random: Random, state: STATE) -> Work:
    """What to do next; what it needs in the folder of reports is prepared."""
    names = ["ingest"] * 4 + ["first ingest", "read again", "retag", "correct", "reembed", "backup", "backup"]
    names += ["restore", "restore to nothing"] if world.backup.exists() else []
    names += ["remove"] * (4 if len(state) > 2 * MOST_REPORTS else 2)
    name = random.choice(names)
    if name in ("ingest", "first ingest"):
        change_reports(world, random)
    if name == "retag":
        write_correction(world)
    if name in ("first ingest", "restore to nothing"):
        shutil.rmtree(world.index)
    report = random.choice(sorted(world.reports.iterdir()))
    ingested = partial(do_ingest, paths=[world.reports], force=False)
    works: dict[str, Callable[[World, bool], list[STATE]]] = {
        "ingest": ingested,
        "first ingest": ingested,
        "read again": partial(do_ingest, paths=[report], force=True),
        "remove": partial(do_remove, document=random.choice(sorted(state) or [""])),
        "retag": do_retag,
        "correct": partial(do_correct, seed=random.random(), dimension=random.choice(DIMENSIONS)),
        "reembed": partial(do_reembed, model=f"hashed-{random.randint(1, 9)}"),
        "backup": do_backup,
        "restore": partial(do_restore, replace=True),
        "restore to nothing": partial(do_restore, replace=False),
    }
    return Work(name, works[name])


def do_ingest(world: World, follow: bool, paths: Sequence[Path], force: bool) -> list[STATE]:
    """Bring reports in, of which some are new, some changed, some renamed."""
    progress = (Followed if follow else Unfollowed)(world)
    encoder = world.encoder()
    ingest(paths, world.settings, lambda: encoder, progress, force)
    return progress.states


def do_remove(world: World, follow: bool, document: str) -> list[STATE]:
    """Take a report out, live or not."""
    remove(document, world.settings)
    return []


def do_retag(world: World, follow: bool) -> list[STATE]:
    """Tag everything anew, after a correction that was written without tagging."""
    encoder = world.encoder()
    retag(world.settings, lambda: encoder, lambda _: None)
    return []


def do_nothing(world: World, follow: bool) -> list[STATE]:
    """Open the store for writing, which clears up."""
    with changing_store(world.index) as store:
        renew_derived(store, world.index)
    return []


def do_correct(world: World, follow: bool, seed: float, dimension: str) -> list[STATE]:
    """Set a tag by hand."""
    with Store.open(world.index / STORE_FILE) as store:
        passages = sorted(stored.passage.id for stored in store.live_passages())
    if passages:
        encoder = world.encoder()
        correct(world.settings, lambda: encoder, Random(seed).choice(passages), {"dimension": dimension})
    return []


def do_reembed(world: World, follow: bool, model: str) -> list[STATE]:
    """Make all vectors anew."""
    reembed(world.settings, Hashed(model), lambda count, total: None)
    return []


def do_backup(world: World, follow: bool) -> list[STATE]:
    """Write a backup over the last one."""
    backup(world.settings, world.backup, lambda count, total: None, lambda count, total: None)
    return []


def do_restore(world: World, follow: bool, replace: bool) -> list[STATE]:
    """Put the last backup back."""
    replace = replace or (world.index / STORE_FILE).exists()  # where it was killed after it was done
    restore(world.settings, world.backup, replace, lambda count, total: None, lambda count, total: None)
    return []


def change_reports(world: World, random: Random) -> None:
    """One new report, one changed, one renamed, and some taken away where they are many."""
    present = sorted(world.reports.iterdir())
    while len(present) > MOST_REPORTS:
        present.pop(random.randrange(len(present))).unlink()
    fresh = f"report-{random.randrange(10**6):06}"
    (world.reports / f"{fresh}.txt").write_text(report_text(fresh, random), "utf-8")
    if len(present) > 1:
        changed, renamed = random.sample(present, 2)
        with changed.open("a", encoding="utf-8") as file:
            file.write(f"\n\n{paragraph(random)}\n")
        renamed.rename(world.reports / f"renamed-{random.randrange(10**6):06}.txt")


def write_correction(world: World) -> None:
    """Correct one more passage in the file, as with an editor."""
    path = world.settings.overrides
    text = path.read_text("utf-8") if path.exists() else ""
    with Store.open(world.index / STORE_FILE) as store:
        fresh = [stored.passage.id for stored in store.live_passages() if stored.passage.id not in text]
    if fresh:
        path.write_text(f'{text}\n[{fresh[0]}]\nrole = "观点"\n', "utf-8")


def report_text(name: str, random: Random) -> str:
    """A small report."""
    parts = [f"{name} 银行数字化报告"]
    for number in ("一", "二", "三"):
        parts += [f"{number}、{random.choice(BANKS)}的{random.choice(MATTERS)}"]
        parts += [paragraph(random) for _ in range(random.randint(1, 4))]
    return "\n\n".join(parts) + "\n"


def paragraph(random: Random) -> str:
    """A paragraph as reports have them."""
    bank, matter, other = random.choice(BANKS), random.choice(MATTERS), random.choice(MATTERS)
    count, share = random.randint(2, 900), random.randint(1, 99)
    return (
        f"{bank}建设{matter}，{random.randint(2016, 2023)}年服务客户{count}万户，占比{share}%。"
        f"为解决{other}的不足，该行成立专门团队，与高校合作培养人才，不良贷款率下降0.{share}个百分点。"
    )


# ---- what is there


def state_of(world: World) -> STATE:
    """What the store holds; nothing where there is none."""
    try:
        with Store.open(world.index / STORE_FILE) as store:
            store.snapshot()
            return {document.id: digests(store, document.id) for document in store.documents(live=False)}
    except IndexMissing:
        return {}


def digests(store: Store, identity: str) -> tuple[str, str, str]:
    """Digests of a document: text and all that belongs to it; tags, figures and cases; vectors."""
    tagged = store.tagged(identity)
    passages = [(passage.id, passage.kind, passage.heading, passage.text, passage.spans) for passage in tagged.passages]
    text = [
        store.document(identity),
        store.superseded_by(identity),
        store.sources(identity),
        store.pages(identity),
        store.tables(identity),
        passages,
        [(unit.start, unit.end, unit.whole) for unit in store.units_of(identity)],
    ]
    tags = [[passage.tags for passage in tagged.passages], sorted(tagged.figures.items()), tagged.cases]
    vectors = [store.model(), store.whole_rows(identity).tobytes()]
    return digest(text), digest(tags), digest(vectors)


def digest(value: object) -> str:
    """A short name for a value, by how it is written."""
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).hexdigest()[:12]


def is_between(found: STATE, before: STATE, states: Sequence[STATE], work: str) -> bool:
    """Whether a state is one that the work goes through.

    Embedding anew gives all documents their vectors in one step, and then all of them their tags in one step.
    """
    if found in (before, *states):
        return True
    if work != "reembed" or set(found) != set(before):
        return False
    half = {name: (before[name][0], before[name][1], states[-1][name][2]) for name in before}
    return found == half


def problems_of(world: World) -> list[str]:
    """What is wrong with an index as a reader finds it, which nobody has cleaned up yet."""
    problems: list[str] = []
    if (world.index / STORE_FILE).exists():
        try:
            with Store.open(world.index / STORE_FILE) as store:
                problems += [f"verify: {problem}" for problem in verify(store, world.index).problems]
            problems += sqlite_problems(world.index / STORE_FILE)
            with Library.open(world.settings, world.encoder()) as library:
                live = {document.id for document in library.store.documents()}
                for query in QUERIES if live else ():
                    found = library.search(query, 10).hits
                    problems += [
                        f"{hit.document.id} was found and is not live" for hit in found if hit.document.id not in live
                    ]
                    problems += [] if found else [f"nothing was found for {query}"]
        except IndexMissing:
            pass
        except Exception as error:
            problems.append(f"reader: {type(error).__name__}: {error}")
    try:
        load_overrides(world.settings.overrides, *open_names(world.settings))
        if world.backup.exists():
            check_backup(world.backup, lambda count, total: None)
    except KbError as error:
        problems.append(f"files: {error}")
    return problems


def sqlite_problems(path: Path) -> list[str]:
    """What SQLite itself says."""
    db = sqlite3.connect(path)
    try:
        wrong = [row[0] for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        return wrong + [f"{row[0]}: a row without its parent" for row in db.execute("PRAGMA foreign_key_check")]
    finally:
        db.close()


def leftovers(world: World) -> list[str]:
    """Files and folders that have no place in an index where nobody is at work, nor beside it."""
    kept = {STORE_FILE, f"{STORE_FILE}-wal", f"{STORE_FILE}-shm", "writing.lock", "derived.lock", "derived"}
    kept |= {"overrides-restored.toml"}  # corrections of a backup, where there are other ones
    found = [path.name for path in world.index.iterdir() if path.name not in kept] if world.index.exists() else []
    sets = sorted(path.name for path in (world.index / "derived").glob("*"))
    found += [f"derived/{name}" for name in sets if name.startswith("new-")]
    found += [f"{len(sets)} derived sets"] if len(sets) > 1 else []
    kept = {"reports", "index", "overrides.toml", "overrides.toml.lock", "backups"}
    found += [path.name for path in world.folder.iterdir() if path.name not in kept]
    return found + [f"backups/{path.name}" for path in world.backup.parent.iterdir() if path != world.backup]


def is_due(name: str, work: str) -> bool:
    """Whether what is left behind should be gone after this work: what lies outside of the index goes with the next
    work that writes there."""
    return (not name.startswith("backups/") or work == "backup") and (
        not name.startswith("overrides") or work == "correct"
    )


# ---- killing


@dataclass(slots=True)
class Steps:
    """Counts the steps of this process by kind, and ends it at one of them; what it saw last is seen by its parent."""

    seen: mmap.mmap
    kill: tuple[str, int] | None = None
    delay: float | None = None
    counts: Counter[str] = field(default_factory=Counter)
    writing: bool = False

    def begin(self) -> None:
        """Follow this process from now on."""
        sys.addaudithook(self.audit)
        connect = sqlite3.connect

        def followed(*args: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401
            db = connect(*args, **options)
            db.set_trace_callback(self.statement)
            return db  # type: ignore[no-any-return]

        sqlite3.connect = followed  # type: ignore[assignment]

    def audit(self, event: str, args: tuple[Any, ...]) -> None:
        """An event of Python: files and folders that are made, renamed or removed."""
        if event in EVENTS:
            path = str(args[1] if event in ("os.rename", "os.link") else args[0])
            changes = event != "open" or bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if changes and "/world/" in path:
                self.step(f"{event.removeprefix('os.')} {place_of(path)}" + (" in transaction" if self.writing else ""))

    def statement(self, sql: str) -> None:
        """An SQL statement begins."""
        first = sql.lstrip().split(None, 1)[0].upper()
        if sql.startswith("BEGIN IMMEDIATE"):
            self.writing = True
        if first == "COMMIT" and self.writing:
            self.step("commit")
            self.writing = False
            self.step("after a commit")
        elif first in ("INSERT", "UPDATE", "DELETE", "BEGIN", "CREATE", "ALTER", "PRAGMA"):
            self.step(f"sql {first.lower()}" + (" in transaction" if self.writing else ""))

    def step(self, kind: str) -> None:
        """One more step; the last one, where it is to be."""
        self.counts[kind] += 1
        self.seen[:] = kind.encode("utf-8", "replace")[: len(self.seen)].ljust(len(self.seen))
        if self.kill == (kind, self.counts[kind]):
            if self.delay is None:
                os.kill(os.getpid(), signal.SIGKILL)
            signal.setitimer(signal.ITIMER_REAL, self.delay or 1e-6)  # nobody handles it: it ends the process at once


def place_of(path: str) -> str:
    """Which part of a world a file belongs to."""
    for part, name in (
        ("/derived", "derived"),
        ("/restoring-", "restore draft"),
        ("/.kb-backup-", "backup draft"),
        ("/backups/", "backup"),
        ("/writing.", "lock"),
        ("overrides", "corrections"),
        (STORE_FILE, "store"),
    ):
        if part in path:
            return name
    return "index"


class ChildFailed(Exception):
    """Work that nobody killed did not come to its end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: what it gave, or by which signal, its last step, and the seconds that it took."""

    result: Any
    signal: int
    last: str
    seconds: float


def in_child(function: Callable[[], Any], steps: Steps, after: float | None = None) -> Ended:
    """Run a function in a fork of this process, which is killed after so many seconds, if told."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    read, write = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        os._exit(run_child(function, steps, write))
    os.close(write)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read, "rb") as file:
        content = file.read()
    _, status = os.waitpid(child, 0)
    last = steps.seen[:].decode("utf-8", "replace").strip()
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if killed == signal.SIGALRM and steps.kill is None:
        raise ChildFailed(f"a process of the test hangs after {last}")
    if not killed and status:
        raise ChildFailed(pickle.loads(content))
    return Ended(pickle.loads(content) if content and not killed else None, killed, last, time.monotonic() - begun)


def run_child(function: Callable[[], Any], steps: Steps, write: int) -> int:
    """What the fork does: 0 where it came to its end."""
    signal.alarm(LONGEST)
    with os.fdopen(write, "wb") as file:
        try:
            steps.begin()
            file.write(pickle.dumps(function()))
        except BaseException:
            import traceback

            file.write(pickle.dumps(traceback.format_exc()))
            return 1
    return 0


@dataclass(frozen=True, slots=True)
class Said:
    """What a piece of work came to, and what it logged."""

    states: list[STATE]
    logged: list[str]


def done(world: World, work: Work, follow: bool) -> Said:
    """Do the work, and tell the states that the store went through; the last one is where it ends."""
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("kb").addHandler(handler)
    states = work.run(world, follow)
    return Said([*states, state_of(world)] if follow else [], logged)


# ---- the test


@dataclass(slots=True)
class Tally:
    """What came of the kills."""

    kills: int = 0
    unkilled: int = 0
    clean: int = 0
    old: int = 0
    new: int = 0
    cleaned: int = 0
    by_work: Counter[str] = field(default_factory=Counter)
    by_way: Counter[str] = field(default_factory=Counter)
    by_step: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def run(kills: int, seed: int, seconds: float) -> Tally:
    """Kill so many times, or for as long."""
    random, tally, seen = Random(seed), Tally(), mmap.mmap(-1, 80)
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="kb-faults-") as folder:
        world = make_world(Path(folder).resolve() / "world", random, seen)
        while tally.kills < kills and time.monotonic() < end and len(tally.problems) < 10:
            try:
                one_kill(world, random, tally, seen)
                if tally.kills % 20 == 0:
                    print(f"{tally.clean} of {tally.kills} clean", file=sys.stderr, flush=True)
            except ChildFailed as error:  # the world is of no more use
                tally.problems.append(str(error))
                break
    return tally


def make_world(folder: Path, random: Random, seen: mmap.mmap) -> World:
    """Some reports and an index of them."""
    world = World(folder)
    (folder / "backups").mkdir(parents=True)
    world.reports.mkdir()
    for number in range(5):
        (world.reports / f"report-{number}.txt").write_text(report_text(f"report-{number}", random), "utf-8")
    in_child(lambda: do_ingest(world, False, [world.reports], False), Steps(seen))
    return world


def one_kill(world: World, random: Random, tally: Tally, seen: mmap.mmap) -> None:
    """Do a piece of work on a copy of the world to its end, then on the world itself until it is killed; check."""
    before = state_of(world)
    work = draw_work(world, random, before)
    if not world.index.exists():
        before = {}
    shutil.copytree(world.folder, saved := world.folder.with_name("saved"))
    counting = Steps(seen)
    whole = in_child(lambda: (done(world, work, True), dict(counting.counts)), counting)
    said, counts = whole.result
    shutil.rmtree(world.folder)
    saved.rename(world.folder)
    backed_up = world.backup.exists()
    way = random.choice(WAYS)
    steps, after = draw_kill(way, whole.seconds, counts, random, seen)
    ended = in_child(lambda: done(world, work, False), steps, after)
    if not ended.signal:
        tally.unkilled += 1
    else:
        tally.kills += 1
        tally.by_way[way] += 1
        tally.by_work[work.name] += 1
        tally.by_step[ended.last] += 1
    try:
        problems = check(world, work, before, said.states, tally, seen, bool(ended.signal))
    except ChildFailed as error:
        raise ChildFailed(f"{work.name}, killed at {ended.last} ({way}): {error}") from error
    tally.problems += [f"{work.name}, killed at {ended.last} ({way}): {problem}" for problem in problems]
    tally.clean += bool(ended.signal) and not problems
    if backed_up and not world.backup.exists():
        tally.problems.append(f"{work.name}: the backup is gone")


def draw_kill(
    way: str, seconds: float, counts: Mapping[str, int], random: Random, seen: mmap.mmap
) -> tuple[Steps, float | None]:
    """Where or when to kill."""
    if way == "moment" or not counts:
        return Steps(seen), random.uniform(0, 0.8 * seconds)  # nobody notes states meanwhile
    kind = random.choice(sorted(counts))
    delay = random.uniform(1e-5, 4e-3) if way == "behind" else None
    return Steps(seen, (kind, random.randint(1, counts[kind])), delay), None


def check(
    world: World, work: Work, before: STATE, states: list[STATE], tally: Tally, seen: mmap.mmap, killed: bool
) -> list[str]:
    """What is wrong after a kill, and after the work is done again."""
    found = state_of(world)
    problems: list[str] = in_child(lambda: problems_of(world), Steps(seen)).result
    if not is_between(found, before, states, work.name):
        problems.append(f"the state is neither old nor new: {difference(found, before, states[-1])}")
    tally.old += killed and found == before
    tally.new += killed and found != before
    dirty = leftovers(world)
    for file in world.folder.rglob("*.new"):
        os.utime(file, (0, 0))  # the next start comes later: nobody may still be at work on it
    removed = work.name == "remove" and found == states[-1]
    again = Work("nothing", do_nothing) if removed else work
    said: Said = in_child(lambda: done(world, again, False), Steps(seen)).result
    final = state_of(world)
    if final != states[-1]:
        problems.append(f"done again, it comes to another end: {difference(final, states[-1], states[-1])}")
    problems += in_child(lambda: problems_of(world), Steps(seen)).result
    left = [name for name in leftovers(world) if is_due(name, again.name)]
    problems += [f"left behind: {name}" for name in left]
    inside = [name for name in dirty if is_due(name, "") and name != "writing.json.new"]  # its writer did nothing yet
    told = any("cleaned up" in line for line in said.logged)
    tally.cleaned += told
    if inside and again.name != "backup" and not told:
        problems.append(f"{', '.join(inside)} went without a word")
    return problems


def difference(found: STATE, before: STATE, after: STATE) -> str:
    """Which documents are in neither state."""
    odd = [name for name in {*found, *before, *after} if found.get(name) not in (before.get(name), after.get(name))]
    return ", ".join(f"{name} {found.get(name)}" for name in odd) or "each document is, but not together"


def main() -> int:
    """Exit status 0 where every kill was clean."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    setattr(build, "Pool", InOneProcess)  # noqa: B010
    list(cut_words("开放银行"))  # loads the dictionary once for all
    begun = time.monotonic()
    tally = run(options.kills, options.seed, options.seconds)
    if options.json:
        print(json.dumps({name: getattr(tally, name) for name in tally.__slots__}, ensure_ascii=False))
    else:
        report(tally, time.monotonic() - begun)
    return int(bool(tally.problems) or tally.kills < options.kills)


def report(tally: Tally, seconds: float) -> None:
    """For a person."""
    print(
        f"{tally.clean} of {tally.kills} kills clean in {seconds:.0f} s; {tally.old} left the old state, {tally.new} a"
        f" new one; {tally.cleaned} were cleaned up after with a word; {tally.unkilled} runs ended before their kill"
    )
    for title, counter in (("work", tally.by_work), ("way", tally.by_way), ("step", tally.by_step)):
        print(f"by {title}: " + ", ".join(f"{name or 'before the first'} {n}" for name, n in counter.most_common()))
    for problem in tally.problems:
        print(f"PROBLEM {problem}")


if __name__ == "__main__":
    sys.exit(main())
