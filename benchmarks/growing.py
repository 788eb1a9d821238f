"""What one more report costs in a large library, and in an empty one.

    python benchmarks/growing.py [REPORT] [--passages 50000] [--rounds 5]

REPORT (default: the longest of corpus/) is ingested in turns into an empty index and into one of so many passages, made
as `latency.py` makes them, from which it is removed again afterwards; encoder and reading processes are warm in both.
Removing is timed too, and looking at an unchanged report.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from latency import make
from systems import Silent

from kb.build import ingest, remove
from kb.embed import Encoder, open_encoder
from kb.settings import Settings, load_settings

WANTED = 1.3


def timed(action: Callable[[], object]) -> float:
    """Seconds that something takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def take_in(report: Path, settings: Settings, encoder: Encoder, what: str) -> None:
    """Ingest a report, and see that it was not taken for another."""
    outcome = ingest([report], settings, lambda: encoder, Silent()).outcomes[0]
    if outcome.what != what:
        raise SystemExit(f"{report}: {outcome.what} {outcome.reason}, expected {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", nargs="?", type=Path, help="PDF (default: the longest of corpus/)")
    parser.add_argument("--passages", type=int, default=50_000, help="made-up passages (default 50000)")
    parser.add_argument("--rounds", type=int, default=5, help="times (default 5)")
    options = parser.parse_args()
    chosen = options.report or max(Path("corpus").glob("*.pdf"), key=lambda file: file.stat().st_size)
    with tempfile.TemporaryDirectory() as folder:
        samples, large, empty = (
            load_settings().model_copy(update={"index": Path(folder) / name}) for name in ("samples", "large", "empty")
        )
        encoder = open_encoder(samples.model, samples.cache)
        ingest([Path("corpus")], samples, lambda: encoder, Silent())
        seconds = timed(lambda: make(large, samples, encoder, options.passages))
        print(f"making {options.passages} passages took {seconds:.0f} s")
        rounds = []
        for _ in range(options.rounds):
            shutil.rmtree(empty.index, ignore_errors=True)
            into_empty = timed(lambda: take_in(chosen, empty, encoder, "added"))
            into_large = timed(lambda: take_in(chosen, large, encoder, "added"))
            again = timed(lambda: take_in(chosen, large, encoder, "unchanged"))
            gone = timed(lambda: remove(chosen.name, large))
            rounds.append((into_empty, into_large, again, gone))
        first, second, third, fourth = (median(column) for column in zip(*rounds, strict=True))
    print(f"{chosen.name}, median of {options.rounds}")
    print(f"into an empty index       {first:8.2f} s")
    print(f"into {options.passages:6} passages      {second:8.2f} s, {second / first:.2f} of it (wanted {WANTED})")
    print(f"unchanged                 {third:8.2f} s")
    print(f"removed                   {fourth:8.2f} s")


if __name__ == "__main__":
    main()
