"""Have atheris change files, led by the branches that they take in the readers (pip install atheris, Python 3.11+).

    python scripts/fuzz_by_coverage.py [FOLDER_OF_PDFS] -max_total_time=600

Everything runs in this process; `scripts/fuzz_readers.py` reads in processes with limits, as ingesting does. It ends
with a trace, and keeps the input, where a reader raises what is neither an error of kb nor said by a limit.
"""

import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import FrameType

import atheris

with atheris.instrument_imports(include=["kb.read", "kb.layout", "kb.segment", "pdfminer", "markdown_it", "docx"]):
    from kb.read.docx import read_docx
    from kb.read.pages import read_pages
    from kb.read.pdf import read_facts
    from kb.read.text import read_text

from kb.errors import KbError
from kb.read.pool import limit_memory

SECONDS = 20
MEGABYTES = 3000
MOST_PAGES = 20

SUFFIXES = {b"P": ".pdf", b"W": ".docx", b"T": ".txt", b"M": ".md"}
"""The first byte of an input tells what the rest is."""


def read(path: Path) -> None:
    """Read a file to its end."""
    if path.suffix == ".pdf":
        for _ in read_pages(path, range(1, read_facts(path, MOST_PAGES).page_count + 1), ocr=False):
            pass
    else:
        (read_docx if path.suffix == ".docx" else read_text)(path)


def out_of_time(number: int, frame: FrameType | None) -> None:
    """What a reading process is ended for."""
    raise TimeoutError


def one_input(data: bytes) -> None:
    """Read one input within the limits of a page."""
    path = FOLDER / f"case{SUFFIXES.get(data[:1], '.pdf')}"
    path.write_bytes(data[1:])
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    with suppress(KbError, MemoryError, TimeoutError):
        read(path)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def write_seeds(folder: Path, sources: list[Path]) -> None:
    """The files to start from, each behind the byte that tells what it is."""
    from fuzz_readers import CORPUS, find_seeds, written_seeds

    folder.mkdir()
    marks = {suffix: mark for mark, suffix in SUFFIXES.items()}
    for number, seed in enumerate([*find_seeds([CORPUS, *sources]), *written_seeds()]):
        if len(seed.data) < 200_000:
            (folder / f"{number}").write_bytes(marks[seed.suffix] + seed.data)


if __name__ == "__main__":
    FOLDER = Path(tempfile.mkdtemp(prefix="kb-fuzz-"))
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    write_seeds(FOLDER / "seeds", [Path(word) for word in sys.argv[1:] if not word.startswith("-")])
    limit_memory(MEGABYTES)
    signal.signal(signal.SIGVTALRM, out_of_time)
    atheris.Setup([sys.argv[0], *options, "-timeout=200", "-rss_limit_mb=0", str(FOLDER / "seeds")], one_input)
    atheris.Fuzz()
