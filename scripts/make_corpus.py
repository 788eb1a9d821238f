"""Build the sample reports: each scripts/corpus/*.html becomes corpus/*.pdf, the same bytes every time."""

import argparse
import os
import sys
from pathlib import Path

from weasyprint import HTML

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "scripts" / "corpus"
CORPUS = ROOT / "corpus"


def build(source: Path, target: Path) -> int:
    """Write `source` (HTML) as the PDF `target`; return its number of pages."""
    document = HTML(filename=source).render()
    document.write_pdf(target, pdf_identifier=source.stem.encode())
    return len(document.pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="reports to build, such as cases2018 (default: all)")
    parser.add_argument("--to", type=Path, default=CORPUS, help="folder for the PDFs (default: corpus/)")
    args = parser.parse_args()

    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"  # font subsets carry a time stamp
    args.to.mkdir(parents=True, exist_ok=True)
    sources = [SOURCES / f"{name}.html" for name in args.names] or sorted(SOURCES.glob("*.html"))
    for source in sources:
        target = args.to / f"{source.stem}.pdf"
        pages = build(source, target)
        sys.stdout.write(f"{target.name}: {pages} pages, {target.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    main()
