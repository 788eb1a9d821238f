"""How many searches and answers a second the server gives to 1, 8 and 32 clients, and whether they stay right.

    python benchmarks/load.py [FOLDER] [--gold corpus/gold.jsonl] [--clients 1 8 32] [--seconds 10] [--rounds 3]
                              [--check]
    python benchmarks/load.py [FOLDER] --mixed 30

The server is `kb serve` on loopback over an index of the reports in FOLDER (default: corpus), made in a temporary
folder; the clients are locust's. No question is asked twice, so that nothing is answered out of a cache. The encoder
alone runs in another process of the same settings, with as many threads as there are clients, in turns with the
searches while the server rests; with --check it exits with 1 where what is wanted of the two, or of p99, is missed.
Ingest beside: one report after another is changed, ingested by `kb ingest` and taken
out by `kb remove`, the whole time.

With --mixed, 8 clients ask for searches, answers, grids, figures, cases and pages' pictures for so many minutes, while
the last report of the folder is ingested and removed. What the server answers without and with that report is noted
before, one request after the other; each later answer must be one of the two, byte for byte.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, product
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

import gevent
import gevent.event
import psutil
from encoder_alone import EncoderAlone
from locust import FastHttpUser, constant, task
from locust.env import Environment
from locust.exception import StopUser
from served import KB, READY, serving

BESIDE = ("search", "ask")
COMPARED = (1, 8)
"""Clients for whom searches and the encoder alone take turns."""
MIXED_CLIENTS = 8
SPAWNED = 100
"""Clients that are started a second."""
SAMPLED = 10.0
"""Seconds between two looks at the server's memory."""
EARLY = 300.0
"""The memory at the end is compared with that after so many seconds; after a sixth of a shorter run."""
WANTED = {"of the encoder": 0.7, "p99 of p50": 10.0, "memory": 1.2}

BEFORE = ("", "请问", "想了解", "材料里提到", "报告中")
WHEN = ("", "近年来", "目前", "疫情以后", "过去五年")
BEHIND = (
    "", "，有哪些做法", "，请举例", "，成效如何", "，近年的情况", "，谁做得好", "，难在哪里",
    "，中小银行怎样", "，大型银行怎样", "，以后会怎样", "，有没有数字", "，用了什么技术", "，花了多少钱",
)  # fmt: skip


def read_gold(path: Path) -> list[str]:
    """The gold questions."""
    return [json.loads(line)["query"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def varied(questions: Sequence[str]) -> Iterator[str]:
    """The questions and variations of them, none twice."""
    ways = list(product(BEFORE, WHEN, BEHIND))
    random.Random(2017).shuffle(ways)
    for before, when, behind in ways:
        yield from (f"{before}{when}{question.rstrip('？?。')}{behind}" for question in questions)


def path_of(endpoint: str, **parameters: object) -> str:
    """An address under /v1."""
    return f"/v1/{endpoint}?{urlencode(parameters)}" if parameters else f"/v1/{endpoint}"


# the server


def run_kb(index: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of kb on an index."""
    command = [*KB, *arguments, "--index", str(index)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def must_run_kb(index: Path, *arguments: str) -> None:
    """The same for what the benchmark needs before it begins."""
    done = run_kb(index, *arguments)
    if done.returncode:
        sys.exit(f"kb {' '.join(arguments)}: {done.stderr.strip()}")


@dataclass(frozen=True, slots=True)
class Server:
    """A running `kb serve`."""

    address: str
    process: psutil.Process

    def memory(self) -> float:
        """Resident megabytes of the server, the process that draws pages included."""
        return sum(map(resident, (self.process, *self.process.children(recursive=True)))) / 1e6


def resident(process: psutil.Process) -> int:
    """The bytes that a process has in memory; 0 for one that has just ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def watched(index: Path) -> Iterator[Server]:
    """`kb serve` over an index, ready for questions, whose memory can be looked at."""
    with serving(index) as (address, process):
        yield Server(address, psutil.Process(process.pid))


# the clients


@dataclass(slots=True)
class Answered:
    """What clients got: milliseconds of each answer, what went wrong, and how long it took in all."""

    times: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times) / self.seconds

    def at(self, percent: int) -> float:
        """The milliseconds that so many in a hundred answers take at most."""
        return quantiles(self.times, n=100, method="inclusive")[percent - 1] if len(self.times) > 1 else 0.0

    def add(self, other: "Answered") -> None:
        """Take in what clients got at another time."""
        self.times += other.times
        self.errors += other.errors
        self.seconds += other.seconds


Check = Callable[[str, int, bytes], str]
"""Path, status and body of an answer → what is wrong with it; empty where nothing is."""


def right_status(path: str, status: int, body: bytes) -> str:
    """All that is asked of answers that are not known before."""
    return "" if status == 200 else f"{path.split('?')[0]}: {status} {body[:200].decode('utf-8', 'replace')}"


def ask_for(
    server: Server, paths: Iterator[str], clients: int, seconds: float, check: Check = right_status
) -> Answered:
    """Let so many clients ask, each one thing after the other; who has asked waits for the answer, at the end too."""
    found, end = Answered(), time.perf_counter() + seconds

    class Client(FastHttpUser):
        host = server.address
        wait_time = constant(0)

        @task
        def ask(self) -> None:
            path = next(paths)
            start = time.perf_counter()
            if start >= end:
                raise StopUser
            response = self.client.get(path)
            found.times.append((time.perf_counter() - start) * 1000)
            if wrong := check(path, response.status_code, response.content or b""):
                found.errors[wrong] += 1

    runner = Environment(user_classes=[Client], catch_exceptions=False).create_local_runner()
    start = time.perf_counter()
    runner.start(clients, SPAWNED)
    runner.spawning_greenlet.join()
    runner.user_greenlets.join()
    found.seconds = time.perf_counter() - start
    runner.quit()
    return found


# an ingest beside


@dataclass(slots=True)
class Ingesting:
    """Ingests and removals that run beside the clients."""

    done: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def command(self, index: Path, *arguments: str) -> None:
        """Run a command of kb and count it."""
        found = run_kb(index, *arguments)
        self.done[arguments[0]] += 1
        if found.returncode:
            self.errors[f"kb {arguments[0]}: {found.returncode} {found.stderr.strip()[:300]}"] += 1


@contextmanager
def ingesting(index: Path, steps: Iterator[Callable[[Ingesting], None]]) -> Iterator[Ingesting]:
    """Do one step after the other beside, until the end; the last one is waited for."""
    beside, over = Ingesting(), gevent.event.Event()

    def work() -> None:
        for step in steps:
            if over.is_set():
                return
            step(beside)

    worker = gevent.spawn(work)
    try:
        yield beside
    finally:
        over.set()
        worker.join()


def changed_reports(index: Path, reports: Sequence[Path], folder: Path) -> Iterator[Callable[[Ingesting], None]]:
    """Each report in turn, changed by a comment behind its end, so that it is read and embedded anew; then removed."""
    for number, report in enumerate(cycle(reports)):
        copy = folder / f"changed-{report.name}"

        def ingest(beside: Ingesting, report: Path = report, copy: Path = copy, number: int = number) -> None:
            copy.write_bytes(report.read_bytes() + b"\n%% " + str(number).encode() + b"\n")
            beside.command(index, "ingest", str(copy))

        def remove(beside: Ingesting, name: str = copy.name) -> None:
            beside.command(index, "remove", name)

        yield ingest
        yield remove


def same_report(index: Path, report: Path) -> Iterator[Callable[[Ingesting], None]]:
    """One report, ingested and removed."""
    while True:
        yield lambda beside: beside.command(index, "ingest", str(report))
        yield lambda beside: beside.command(index, "remove", report.name)


# speed


def measure_speed(options: argparse.Namespace, index: Path, folder: Path) -> bool:
    """Print how fast answers come, and how that compares with the encoder alone; whether that is as wanted."""
    questions, fresh = varied(read_gold(options.gold)), list(varied(read_gold(options.gold)))
    reports = sorted(options.folder.glob("*.pdf"))
    with watched(index) as server, EncoderAlone.started(index) as encoder:
        ask_for(server, (path_of("search", q=question) for question in questions), 2, 3)  # warms up
        encoder.rate(fresh, 1, 2)
        print(
            f"{'':8}{'clients':>8}{'beside':>8}{'a second':>10}{'p50 ms':>9}{'p95':>8}{'p99':>8}{'errors':>8}{'MB':>7}"
        )
        for ingest in (False, True):
            for clients in options.clients:
                for kind in BESIDE:
                    paths = (path_of(kind, q=question) for question in questions)
                    if not ingest:
                        found = ask_for(server, paths, clients, options.seconds)
                        print_row(kind, clients, "", found, server)
                        continue
                    with ingesting(index, changed_reports(index, reports, folder)) as beside:
                        found = ask_for(server, paths, clients, options.seconds)
                    found.errors += beside.errors
                    print_row(kind, clients, f"{beside.done.total()} kb", found, server)
        held = [compare_with_encoder(server, encoder, questions, fresh, clients, options) for clients in COMPARED]
    return all(held)


def print_row(kind: str, clients: int, beside: str, found: Answered, server: Server) -> None:
    """A line of the table, and the commonest errors."""
    times = f"{found.at(50):9.0f}{found.at(95):8.0f}{found.at(99):8.0f}"
    errors = f"{found.errors.total():8}{server.memory():7.0f}"
    print(f"{kind:8}{clients:8}{beside:>8}{found.rate:10.1f}{times}{errors}", flush=True)
    for error, times_seen in found.errors.most_common(3):
        print(f"        {times_seen} × {error}")


def compare_with_encoder(
    server: Server,
    encoder: EncoderAlone,
    questions: Iterator[str],
    fresh: Sequence[str],
    clients: int,
    options: argparse.Namespace,
) -> bool:
    """Searches and the encoder alone in turns; print the ratio of each turn's rates, and p99 to p50; whether the median
    ratio and the latter are as wanted, without errors."""
    all_found, by_clients, by_cores = Answered(), [], []
    for _ in range(options.rounds):
        paths = (path_of("search", q=question) for question in questions)
        found = ask_for(server, paths, clients, options.seconds)
        by_clients.append(found.rate / encoder.rate(fresh, clients, options.seconds))
        by_cores.append(found.rate / encoder.rate(fresh, os.cpu_count() or 1, options.seconds))
        all_found.add(found)
    spread = all_found.at(99) / all_found.at(50)
    print(
        f"{clients} clients: {all_found.rate:.1f} searches a second, p99 {spread:.1f} times p50"
        f" (wanted under {WANTED['p99 of p50']:.0f}), {all_found.errors.total()} errors; of what the encoder alone"
        f" embeds: by {clients} threads {spanned(by_clients)} (wanted at least {WANTED['of the encoder']}),"
        f" by a thread a core {spanned(by_cores)}; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    fast = median(by_clients) >= WANTED["of the encoder"] and spread < WANTED["p99 of p50"]
    return fast and not all_found.errors


def spanned(values: Sequence[float]) -> str:
    """The median, and between what the values lie."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


# correctness


@dataclass(frozen=True, slots=True)
class Known:
    """What the server answers to each path, without the further report and with it; status and body."""

    without: dict[str, tuple[int, bytes]]
    having: dict[str, tuple[int, bytes]]

    def check(self, path: str, status: int, body: bytes) -> str:
        """What is wrong with an answer."""
        answer = status, lasting(body)
        if answer in (self.without[path], self.having[path]):
            return ""
        return f"{path}: {status}, neither the answer without the report nor the one with it: {body[:300]!r}"


def lasting(body: bytes) -> bytes:
    """A body without what tells only when it was made: the number of the index's generation, and of the request."""
    try:
        found = json.loads(body)
    except ValueError:
        return body
    if isinstance(found, dict) and found.keys() & {"generation", "request_id"}:
        return json.dumps({key: found[key] for key in found if key not in ("generation", "request_id")}).encode()
    return body


def get(server: Server, path: str) -> tuple[int, bytes]:
    """One answer, errors included."""
    import requests

    response = requests.get(server.address + path, timeout=READY)
    return response.status_code, lasting(response.content)


def mixed_paths(server: Server, questions: Sequence[str]) -> list[str]:
    """What the clients of the mixed run ask for: searches above all, and some of everything else."""
    documents = json.loads(get(server, "/v1/documents")[1])["documents"]
    pictures = []
    for question in questions[::6]:
        hits = json.loads(get(server, path_of("search", q=question, top=2))[1])["results"]
        pictures += [
            path_of(f"documents/{hit['doc']['id']}/pages/{hit['pages'][0]}.png", passage=hit["passage_id"])
            for hit in hits
        ]
    return [
        *(path_of("search", q=question, top=10) for question in questions),
        *(path_of("search", q=question, explain="true") for question in questions[::3]),
        *(path_of("ask", q=question) for question in questions[::2]),
        *(path_of("matrix", q=question) for question in questions[::6]),
        *(path_of("compare", q=question) for question in questions[::12]),
        *(path_of("search", q=questions[0], report=document["id"]) for document in documents),
        *(path_of("figures", limit=50, offset=at) for at in range(0, 200, 50)),
        *(path_of("cases", limit=20, offset=at) for at in range(0, 60, 20)),
        *(path_of("figures", report=document["id"]) for document in documents),
        *pictures,
    ]


def further_of(folder: Path) -> Path:
    """The report that comes and goes."""
    return max(folder.glob("*.pdf"))


def run_mixed(options: argparse.Namespace, index: Path) -> bool:
    """Run everything at once, print what is judged, and tell whether it held."""
    further, chosen = further_of(options.folder), random.Random(2017)
    with watched(index) as server:
        must_run_kb(index, "ingest", str(further))
        paths = mixed_paths(server, read_gold(options.gold))
        having = {path: get(server, path) for path in paths}
        must_run_kb(index, "remove", further.name)
        known = Known({path: get(server, path) for path in paths}, having)
        differ = sum(known.without[path] != known.having[path] for path in paths)
        print(f"{len(paths)} requests, of which {differ} are answered otherwise with {further.name}", flush=True)
    with watched(index) as server:
        memory: list[tuple[float, float]] = []
        sampler = gevent.spawn(sample_memory, server, memory)
        requests = (chosen.choice(paths) for _ in cycle([0]))
        with ingesting(index, same_report(index, further)) as beside:
            found = ask_for(server, requests, MIXED_CLIENTS, options.mixed * 60, known.check)
        sampler.kill()
    return tell_mixed(found, beside, memory)


def sample_memory(server: Server, memory: list[tuple[float, float]]) -> None:
    """Note seconds and megabytes, again and again."""
    start = time.monotonic()
    while True:
        memory.append((time.monotonic() - start, server.memory()))
        gevent.sleep(SAMPLED)


def tell_mixed(found: Answered, beside: Ingesting, memory: Sequence[tuple[float, float]]) -> bool:
    """Print the figures of the mixed run. The memory of a moment is the median of the seven samples around it."""
    at = min(EARLY, memory[-1][0] / 6)
    early = median(size for when, size in memory if abs(when - at) <= 3 * SAMPLED)
    late = median(size for _, size in memory[-7:])
    errors = found.errors + beside.errors
    print(
        f"{len(found.times)} answers in {found.seconds / 60:.1f} minutes, {found.rate:.1f} a second,"
        f" p50 {found.at(50):.0f} ms, p95 {found.at(95):.0f}, p99 {found.at(99):.0f};"
        f" beside them {beside.done['ingest']} ingests and {beside.done['remove']} removals\n"
        f"errors and wrong answers: {errors.total()} (wanted 0)\n"
        f"memory: {early:.0f} MB after {at:.0f} s, {late:.0f} MB at the end, ratio {late / early:.2f}"
        f" (wanted at most {WANTED['memory']}), peak {max(size for _, size in memory):.0f} MB"
    )
    for error, times_seen in errors.most_common(10):
        print(f"  {times_seen} × {error}")
    return not errors and late <= WANTED["memory"] * early


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("corpus"), help="reports (default corpus)")
    parser.add_argument("--gold", type=Path, default=Path("corpus/gold.jsonl"), help="the questions")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32], help="at once (default 1 8 32)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of searches and encoder (default 3)")
    parser.add_argument("--mixed", type=float, metavar="MINUTES", help="the mixed run, for so long")
    parser.add_argument("--check", action="store_true", help="exit with 1 where the ratio or p99 wanted is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index, reports = Path(folder) / "index", Path(folder) / "reports"
        reports.mkdir()
        for report in sorted(options.folder.glob("*.pdf")):  # copies, since the index knows files by their places
            shutil.copy(report, reports)
        options.folder = reports
        before = sorted(reports.glob("*.pdf"))
        if options.mixed:  # the further one always comes last, so that the rows of the others stay before its own
            before.remove(further_of(reports))
        must_run_kb(index, "ingest", *map(str, before))
        if options.mixed:
            sys.exit(not run_mixed(options, index))
        held = measure_speed(options, index, Path(folder))
        sys.exit(options.check and not held)


if __name__ == "__main__":
    main()
