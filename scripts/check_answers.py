"""Prove from answers as JSON and from the PDFs alone, read with pypdfium2, that every quote stands where it is cited.

    kb ask --batch questions.jsonl > answers.jsonl
    python scripts/check_answers.py answers.jsonl FOLDER_OF_PDFS [--gold questions.jsonl]

A quote holds if its characters, white space aside, stand on the pages that its citation names: each of its paragraphs
in one piece, or, where a page break or the cells of a table part it, in no more pieces than it has places. Its boxes
cover it if all its characters have their middles in them; a box is tight if beside those of the quote at most one other
has, at either end. With `--gold`, a file of questions that may name `expected_banks`, the share of them that the
answers have is told too. The exit status is 1 where a quote does not hold, or fewer than 0.99 of them are covered.
"""

import argparse
import ctypes
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium

FINE = 100
"""Parts of a point that places on a page are told in."""

JOINERS = "：；:;"
"""What kb puts between a column's name and its cell, and between cells."""

MARK = re.compile(r"\d{1,2}[.、)]|\(\d{1,2}\)|·")
"""Of a list's point, in folded text."""

BULLETS = str.maketrans("•●▪", "···")
"""Readers give the same dot different names."""


@dataclass(frozen=True, slots=True)
class Character:
    """A printed character, and the middle of its box in points from the page's top left corner."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a quote stands on its pages, whether its boxes cover it, and how many of how many boxes are tight."""

    stands: bool
    covered: bool
    boxes: int
    tight: int


class Reports:
    """The PDFs of a folder, by their file names."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.name: path for path in folder.rglob("*.pdf")}
        self.page = lru_cache(maxsize=2000)(self._read)

    def _read(self, file: str, number: int) -> tuple[Character, ...]:
        """The characters of a page, in the order of the file."""
        document = pypdfium2.PdfDocument(self._paths[file])
        try:
            page = document[number - 1]
            return tuple(characters(page, page.get_textpage()))
        finally:
            document.close()


def characters(page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage) -> Iterator[Character]:
    """The characters of a page, with their places as the page is shown."""
    width, height = (round(side * FINE) for side in page.get_size())
    for at in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(at)
        x, y = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(page, 0, 0, width, height, 0, (left + right) / 2, (bottom + top) / 2, x, y)
        for character in plain(chr(pdfium.FPDFText_GetUnicode(text, at))):
            yield Character(character, x.value / FINE, y.value / FINE)


def plain(text: str) -> str:
    """Compatibility forms and bullets folded, white space and control characters left out."""
    folded = unicodedata.normalize("NFKC", text).translate(BULLETS)
    return "".join(char for char in folded if char.isprintable() and not char.isspace())


def check_quote(quote: str, citation: dict[str, Any], reports: Reports) -> Verdict:
    """Look a quote up on its pages."""
    file, wanted = citation["file"], plain(quote)
    pages = dict.fromkeys(place["page"] for place in citation["places"])
    texts = ["".join(char.text for char in reports.page(file, page)) for page in pages]
    boxes = [(place["page"], box) for place in citation["places"] for box in place["boxes"]]
    under = ["".join(char.text for char in reports.page(file, page) if within(char, box)) for page, box in boxes]
    missing = Counter(char for char in wanted if char not in JOINERS) - Counter("".join(under))
    return Verdict(
        stands=stands_in(quote, texts, len(citation["places"])),
        covered=not missing,
        boxes=len(boxes),
        tight=sum(is_tight(text, wanted) for text in under),
    )


def stands_in(quote: str, texts: list[str], places: int) -> bool:
    """Whether each paragraph of a quote stands in texts in one piece, or all of it in one piece a place."""
    paragraphs = [cut(without_mark(plain(line), texts), texts) for line in quote.split("\n")]
    if None in paragraphs:
        return False
    return all(pieces == 1 for pieces in paragraphs) or sum(filter(None, paragraphs)) <= max(places, len(paragraphs))


def without_mark(paragraph: str, texts: list[str]) -> str:
    """A paragraph without the mark of a list's point, which some files draw apart, where texts have the mark."""
    mark = MARK.match(paragraph)
    return paragraph[mark.end() :] if mark and any(mark[0] in text for text in texts) else paragraph


def within(char: Character, box: list[float]) -> bool:
    """Whether the middle of a character lies in a box."""
    return box[0] <= char.x <= box[2] and box[1] <= char.y <= box[3]


def is_tight(under: str, quote: str) -> bool:
    """Whether what lies under a box is a run of the quote, but for a character at either end."""
    cuts = (under, under[1:], under[:-1], under[1:-1])
    return bool(under) and any(is_run(text, quote) for text in cuts if text)


def is_run(text: str, quote: str) -> bool:
    """Whether a text is a run of the quote, in whatever order the file has its characters."""
    wanted = sorted(text)
    return text in quote or any(wanted == sorted(quote[at : at + len(text)]) for at in range(len(quote)))


def cut(quote: str, texts: list[str]) -> int | None:
    """In how many pieces, the longest first found, a quote stands in texts; None where a part stands in none."""
    pieces = 0
    while quote:
        length = next((n for n in range(len(quote), 0, -1) if any(quote[:n] in text for text in texts)), 0)
        if not length:
            return None
        quote, pieces = quote[length:].lstrip(JOINERS), pieces + 1
    return pieces


def cited(answer: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The quotes of an answer with their citations, those of other places too."""
    for bank in answer.get("banks", ()):
        for point in bank["points"]:
            yield from ((point["quote"], citation) for citation in (point["citation"], *point["also"]))


def share_expected(answers: list[dict[str, Any]], gold: Path) -> dict[str, tuple[int, float]]:
    """By type of question, how many name banks that are expected, and the share of those that their answers have."""
    wanted = {line["id"]: line for line in map(json.loads, gold.read_text("utf-8").splitlines())}
    shares: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        line = wanted.get(answer["id"], {})
        if expected := {bank for bank in line.get("expected_banks", ()) if bank}:
            found = {bank["bank"] for bank in answer.get("banks", ())}
            shares[line.get("type", "")].append(len(expected & found) / len(expected))
    return {kind: (len(found), sum(found) / len(found)) for kind, found in shares.items()}


def main() -> None:
    """Check all answers of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=Path, help="what kb ask --batch printed")
    parser.add_argument("folder", type=Path, help="folder of the PDFs")
    parser.add_argument("--gold", type=Path, help="questions, as JSON lines with id, type and expected_banks")
    options = parser.parse_args()
    answers = [json.loads(line) for line in options.answers.read_text("utf-8").splitlines()]
    reports, verdicts = Reports(options.folder), []
    for answer in answers:
        for quote, citation in cited(answer):
            verdicts.append(check_quote(quote, citation, reports))
            if not verdicts[-1].stands:
                print(f"{answer['id']}: not on page {citation['pages']} of {citation['file']}: {quote}")
    failed = sum("error" in answer for answer in answers)
    stand = sum(verdict.stands for verdict in verdicts)
    covered, boxes = sum(verdict.covered for verdict in verdicts), sum(verdict.boxes for verdict in verdicts)
    tight, abstained = (
        sum(verdict.tight for verdict in verdicts),
        sum(bool(answer.get("abstained")) for answer in answers),
    )
    print(f"{len(answers)} answers, {failed} errors, {abstained} abstained")
    print(f"{stand} of {len(verdicts)} quotes stand on their pages")
    print(f"{covered} of them ({covered / max(len(verdicts), 1):.4f}) have all characters under boxes")
    print(f"{tight} of {boxes} boxes ({tight / max(boxes, 1):.4f}) have at most one other character at either end")
    for kind, (count, share) in (share_expected(answers, options.gold) if options.gold else {}).items():
        print(f"expected banks, {kind or 'all'}: {share:.3f} of them in {count} answers")
    sys.exit(stand < len(verdicts) or covered < 0.99 * len(verdicts) or not verdicts)


if __name__ == "__main__":
    main()
