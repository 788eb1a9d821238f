"""Tagging stored reports anew against ingesting them: seconds of both commands, and their ratio.

    python benchmarks/retag.py PATH…

Each command is a process of its own; the model is unpacked before, by a first ingest of the same files.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def seconds_of(*words: str) -> float:
    """How long a command of kb takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "kb.cli", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(paths: Sequence[str], folder: Path) -> None:
    """Print both times."""
    warm, index = str(folder / "warm"), str(folder / "index")
    seconds_of("ingest", *paths, "--index", warm)
    ingest = seconds_of("ingest", *paths, "--index", index)
    retag = seconds_of("retag", "--index", index)
    print(f"ingest {ingest:.1f} s, retag {retag:.1f} s, ratio {retag / ingest:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders, as kb ingest takes them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.paths, Path(folder))


if __name__ == "__main__":
    main()
