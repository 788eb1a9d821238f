"""kb, LlamaIndex and txtai on the same PDFs with the same encoder: quality, build time, latency and memory in a table.

    python benchmarks/retrieval.py [REPORTS] [GOLD] [--rounds 5] [--only NAME]…

Each system builds its index in one process and answers from it in another. What is found is scored as `kb eval` does,
by the first 400 characters of each hit, so that long chunks gain nothing. Memory is that of a process and all that it
starts together, at its peak (on Linux; elsewhere it is 0). Building counts from the start of Python. A search includes
its encoder's time.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from systems import KB, SYSTEMS, Asked, Found, Model
from timing import ROUNDS, p95, time_in_turns

if TYPE_CHECKING:  # a system's process imports nothing of kb that it does not use
    from kb.evaluate import Question
    from kb.records import Hit

EXCERPT = 400
NEEDED = ("llama_index", "txtai", "bm25s", "pypdf")
"""What the extra `bench` brings."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""No hub is asked for what lies on the disk; threads wait asleep, as kb's do, where they share cores."""
GLANCE = 0.5
"""Seconds between two looks at memory; each look holds a process up for some milliseconds."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A system's figures: seconds, megabytes, milliseconds by question, and what it found by question."""

    build: float
    build_mb: float
    ask_mb: float
    encoder: tuple[float, ...]
    search: tuple[float, ...]
    found: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """What a system's process has to do, and with what."""

    name: str
    reports: str
    index: str
    model: Model
    questions: list[Asked]
    rounds: int


# in the processes of the systems


def build(job: Job) -> None:
    """Make an index."""
    SYSTEMS[job.name].build(Path(job.reports), Path(job.index), job.model)


def ask(job: Job) -> None:
    """Print what is found, and how long encoder and search take."""
    opened = SYSTEMS[job.name].open(Path(job.index), job.model)
    found = [[(file, text[:EXCERPT]) for file, text in opened.find(asked)] for asked in job.questions]
    queries = [asked.query for asked in job.questions]
    timing = time_in_turns(opened.encode, lambda number: opened.find(job.questions[number]), queries, job.rounds)
    print(json.dumps({"found": found, "encoder": timing.encoder, "search": timing.search}))


STEPS: dict[str, Callable[[Job], None]] = {"build": build, "ask": ask}


def read_job(file: Path) -> Job:
    """A job as `measure` wrote it."""
    job = json.loads(file.read_text(encoding="utf-8"))
    questions = [Asked(**question) for question in job.pop("questions")]
    return Job(model=Model(**job.pop("model")), questions=questions, **job)


# in the process that compares


def measure(name: str, reports: Path, model: Model, questions: list[Asked], rounds: int) -> Measured:
    """Build and ask in two processes."""
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "job.json"
        job = Job(name, str(reports), str(Path(work) / "index"), model, questions, rounds)
        file.write_text(json.dumps(asdict(job)), encoding="utf-8")
        start = time.perf_counter()
        _, build_mb = run("build", file)
        seconds = time.perf_counter() - start
        answer, ask_mb = run("ask", file)
    told = json.loads(answer.splitlines()[-1])
    found = tuple([(file, text) for file, text in hits] for hits in told["found"])
    return Measured(seconds, build_mb, ask_mb, tuple(told["encoder"]), tuple(told["search"]), found)


def run(step: str, job: Path) -> tuple[str, float]:
    """What a system's process prints, and the megabytes that it and its own processes hold together at most."""
    command = [sys.executable, __file__, "--job", step, str(job)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ | OFFLINE)
    peak = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], sum(megabytes(number) for number in family(process.pid)))
            time.sleep(GLANCE)

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, told = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{told}\na system could not {step}, status {process.returncode}: its message is above")
    return printed, peak[0]


def family(process: int) -> Iterator[int]:
    """A process and all that come from it."""
    yield process
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # it is gone
            for child in children.read_text().split():
                yield from family(int(child))


def megabytes(process: int) -> float:
    """The memory of a process, what it shares with others in parts; 0 where that is not known."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1e3
    return 0.0


def compare(reports: Path, gold: Path, names: Sequence[str], rounds: int) -> None:
    """Measure the systems and print their figures."""
    from kb.e5_weights import unpacked_e5
    from kb.embed import cpu_precision
    from kb.evaluate import load_gold
    from kb.settings import load_settings

    questions = load_gold(gold)
    asked = [Asked(question.query, asdict(question.filters)) for question in questions]
    model = Model(str(unpacked_e5(load_settings().cache)), str(cpu_precision()).removeprefix("torch."))
    measured: dict[str, Measured] = {}
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        measured[name] = measure(name, reports, model, asked, rounds)
    scores = {name: score(questions, one.found) for name, one in measured.items()}
    print_table(measured, scores)


Table = dict[str, dict[str, float]]
"""Figures by their names, by the type of the questions, the last of which is `all`."""


def score(questions: Sequence["Question"], found: Sequence[Found]) -> Table:
    """What was found, scored as `kb eval` does it."""
    from kb.evaluate import score_run

    run = [(question, to_hits(hits)) for question, hits in zip(questions, found, strict=True)]
    return {f"{one.type} ({one.questions})": one.values for one in score_run(run)}


def to_hits(found: Found) -> list["Hit"]:
    """Hits that have what is scored: the file's name and the text."""
    from kb.records import Document, Hit, Kind, Passage

    return [
        Hit(
            rank,
            0.0,
            Document("", "", file, file, "", "", None, "", 0, ""),
            Passage("", Kind.TEXT, (), text, ()),
            text,
            0,
        )
        for rank, (file, text) in enumerate(found, start=1)
    ]


def print_table(measured: dict[str, Measured], scores: dict[str, Table]) -> None:
    """A column for each system, a row for each figure."""
    for line in zip(*(f"{name} ".split(" ")[:2] for name in measured), strict=True):
        print_row("", line)
    for kind, values in next(iter(scores.values())).items():
        for name in values:
            print_row(f"{kind} {name}@10", [f"{table[kind][name]:.3f}" for table in scores.values()])
    for label, figure in COSTS.items():
        print_row(label, [figure(one) for one in measured.values()])
    overall = {name: list(table.values())[-1]["ndcg"] for name, table in scores.items()}
    peers = [name for name in overall if name != KB]
    if KB in overall and peers:
        peer = max(peers, key=lambda name: overall[name])
        print(f"nDCG@10 over all: kb {overall[KB] / overall[peer]:.2f} times the best peer's, {peer}")


COSTS: dict[str, Callable[[Measured], str]] = {
    "build s": lambda one: f"{one.build:.0f}",
    "build MB": lambda one: f"{one.build_mb:.0f}",
    "ask MB": lambda one: f"{one.ask_mb:.0f}",
    "encoder p50 ms": lambda one: f"{median(one.encoder):.1f}",
    "search p50 ms": lambda one: f"{median(one.search):.1f}",
    "search p95 ms": lambda one: f"{p95(one.search):.1f}",
    "p50 to encoder": lambda one: f"{median(one.search) / median(one.encoder):.2f}",
    "p95 to encoder": lambda one: f"{p95(one.search) / median(one.encoder):.2f}",
}


def print_row(label: str, cells: Sequence[str]) -> None:
    """A line of the table."""
    print(f"{label:24}" + "".join(f"{cell:>12}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="?", type=Path, default=Path("corpus"), help="folder of PDFs (default corpus)")
    parser.add_argument("gold", nargs="?", type=Path, default=Path("corpus/gold.jsonl"), help="gold questions")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"times that each is timed (default {ROUNDS})")
    parser.add_argument("--only", action="append", choices=SYSTEMS, metavar="NAME", help=", ".join(SYSTEMS))
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        step, file = options.job
        STEPS[step](read_job(Path(file)))
        return
    missing = [name for name in NEEDED if not importlib.util.find_spec(name)]
    if missing:
        parser.exit(1, f"{', '.join(missing)} not installed; run: pip install -c constraints.txt -e '.[bench]'\n")
    compare(options.reports, options.gold, options.only or list(SYSTEMS), options.rounds)


if __name__ == "__main__":
    main()
