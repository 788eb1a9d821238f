"""Pages a second through kb's reading and through a plain pdfplumber loop, over the same file in the same run.

    python benchmarks/reading.py FILE… [--workers N]

Each runs in a process of its own, one after the other, and so does docling where it is installed. kb reads with its
layout and its blocks; its memory is that of its largest process. The seconds leave out a reader's imports, those of
kb's processes too; the processor's seconds are those of all its processes, imports among them.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

Figures = dict[str, float]


def measured(pages: int, seconds: float) -> Figures:
    """The figures of this process and of its living workers: processor seconds of all, peak memory of the largest."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    found = {
        "pages": pages,
        "seconds": seconds,
        "cpu": own.ru_utime + own.ru_stime,
        "peak_mb": own.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
    }
    for process in multiprocessing.active_children():
        of = Path(f"/proc/{process.pid}")
        if of.exists():  # on Linux; elsewhere the workers go uncounted
            times = (of / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
            found["cpu"] += sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
            peak = next(line for line in (of / "status").read_text().splitlines() if line.startswith("VmHWM"))
            found["peak_mb"] = max(found["peak_mb"], int(peak.split()[1]) / 1e3)
    return found


def read_with_kb(path: Path, workers: int) -> Figures:
    """kb's pages and blocks."""
    from kb.build import Pipeline
    from kb.settings import Settings

    class Silent:
        """Progress that nobody sees."""

        def start(self, path: Path, pages: int) -> None: ...

        def pages(self, count: int) -> None: ...

        def embedding(self, total: int) -> None: ...

        def embedded(self, done: int) -> None: ...

        def finish(self, outcome: object) -> None: ...

    def no_encoder() -> object:
        raise AssertionError("reading needs no encoder")

    pipeline = Pipeline(Settings(), no_encoder, workers)
    pipeline.pool.call(len, "")  # the processes are there, their imports done, as the plain loop's are
    start = time.perf_counter()
    _, pages, _ = pipeline.read_blocks(path, Silent())
    figures = measured(len(pages), time.perf_counter() - start)
    pipeline.close()
    return figures


def read_with_pdfplumber(path: Path, workers: int) -> Figures:
    """The words and the tables of each page, one after the other; a page is let go when it is read."""
    import pdfplumber

    start = time.perf_counter()
    with pdfplumber.open(path) as pdf:
        count = len(pdf.pages)
        for page in pdf.pages:
            page.extract_text()
            page.extract_tables()
            page.close()
    return measured(count, time.perf_counter() - start)


def read_with_docling(path: Path, workers: int) -> Figures:
    """docling's document with its defaults, which recognise tables by a model; its loading is not counted."""
    from docling.datamodel.base_models import InputFormat
    from docling.document_converter import DocumentConverter

    converter = DocumentConverter()
    converter.initialize_pipeline(InputFormat.PDF)
    start = time.perf_counter()
    count = len(converter.convert(path).document.pages)
    return measured(count, time.perf_counter() - start)


READERS: dict[str, Callable[[Path, int], Figures]] = {
    "pdfplumber": read_with_pdfplumber,
    "kb": read_with_kb,
    "docling": read_with_docling,
}


def measure_in_process(name: str, path: Path, workers: int) -> Figures:
    """A reader's figures from a process of its own."""
    command = [sys.executable, __file__, str(path), "--workers", str(workers), "--measure", name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def report(path: Path, workers: int) -> None:
    """Measure every reader on a file, and print them side by side."""
    names = [name for name in READERS if name in ("kb", "pdfplumber") or importlib.util.find_spec(name)]
    found = {name: measure_in_process(name, path, workers) for name in names}
    plain = found["pdfplumber"]["pages"] / found["pdfplumber"]["seconds"]
    print(f"{path.name}, {found['kb']['pages']:.0f} pages; kb with {workers} workers")
    print(f"{'':12}{'seconds':>10}{'CPU s':>8}{'pages/s':>10}{'ratio':>8}{'peak MB':>10}")
    for name, figures in found.items():
        speed = figures["pages"] / figures["seconds"]
        used = f"{figures['seconds']:10.1f}{figures['cpu']:8.1f}"
        print(f"{name:12}{used}{speed:10.1f}{speed / plain:8.2f}{figures['peak_mb']:10.0f}")
    if "docling" not in found:
        print("docling is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="PDF files")
    parser.add_argument("--workers", type=int, default=2, help="kb's reading processes (default 2)")
    parser.add_argument("--measure", choices=READERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(READERS[options.measure](options.files[0], options.workers)))
        return
    for path in options.files:
        report(path, options.workers)


if __name__ == "__main__":
    main()
