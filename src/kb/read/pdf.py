"""PDF → raw pages, by pdfplumber: glyphs, drawn shapes and ruled tables, each with its box."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pdfplumber
from pdfminer.pdfdocument import PDFPasswordIncorrect
from pdfplumber.page import Page as PlumberPage
from pdfplumber.utils.exceptions import PdfminerException

from kb.errors import UnreadableFile, WrongPassword
from kb.records import Bookmark, Box, Glyph, Grid, RawPage, Shape

READER = f"pdfplumber {pdfplumber.__version__}"

# pdfminer logs a line for each odd font descriptor; what matters to the user is recorded page by page instead.
logging.getLogger("pdfminer").setLevel(logging.CRITICAL)

MAX_SHAPES_FOR_TABLES = 3000
"""A page with more drawn shapes is a picture, and looking for ruled tables in it takes minutes."""

MOST_UNNAMED = 0.3
"""A page where more of the characters have no code is garbage, not text."""


@dataclass(frozen=True, slots=True)
class PdfFacts:
    """What a PDF says of itself: number of pages, title and author from the document information, its outline.

    `password` is the one that opened it, empty where none was needed.
    """

    page_count: int
    title: str
    author: str
    outline: tuple[Bookmark, ...] = ()
    password: str = ""


def read_facts(path: Path, max_pages: int) -> PdfFacts:
    """Open a PDF and read its page count and document information.

    Raises UnreadableFile where it is no PDF, has no page or more than `max_pages`, WrongPassword where it is locked.
    """
    check_is_pdf(path)
    with open_pdf(path) as pdf:
        count = len(pdf.pages)
        if count == 0:
            raise UnreadableFile(f"{path}: the PDF has no page that can be read; it may be cut off, fetch it again")
        if count > max_pages:
            raise UnreadableFile(f"{path}: {count} pages, over the limit of {max_pages}; raise KB_MAX_PAGES to read it")
        return PdfFacts(count, info_text(pdf.metadata, "Title"), info_text(pdf.metadata, "Author"))


def check_is_pdf(path: Path) -> None:
    """Raise UnreadableFile unless the file has a PDF header in its first kilobyte (ISO 32000, annex H.3.4.1)."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise UnreadableFile(f"{path}: not a PDF: the file is empty")
    if b"%PDF-" not in head:
        raise UnreadableFile(f"{path}: not a PDF: it begins with {head[:16]!r}")


def open_pdf(path: Path) -> pdfplumber.pdf.PDF:
    """The PDF, opened, its page tree read. What the parser stumbles over becomes an UnreadableFile."""
    try:
        pdf = pdfplumber.open(path)
        try:
            assert pdf.pages is not None  # builds the page tree, which is where a broken one shows
        except BaseException:
            pdf.stream.close()  # pdf.close() would walk the pages again
            raise
        return pdf
    except PdfminerException as error:
        if isinstance(error.args[0], PDFPasswordIncorrect):
            raise WrongPassword(f"{path}: needs a password; save it without one and ingest that") from error
        raise UnreadableFile(f"{path}: broken PDF: {reason(error.args[0])}") from error
    except Exception as error:  # a broken file can fail anywhere in the parser, with any exception
        raise UnreadableFile(f"{path}: broken PDF: {reason(error)}") from error


def reason(error: object) -> str:
    """An exception in a few words: its own, or its name where it has none."""
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0][:120]}" if words else type(error).__name__


def info_text(metadata: dict[str, Any], key: str) -> str:
    """One entry of the document information as text; some files store bytes or numbers there."""
    value = metadata.get(key) or ""
    return value.strip() if isinstance(value, str) else ""


def read_pages(path: Path, numbers: Sequence[int]) -> Iterator[RawPage]:
    """The pages with these numbers (from 1). A page that cannot be read comes with its problem, and the rest follow."""
    with open_pdf(path) as pdf:
        for number in numbers:
            page = pdf.pages[number - 1]
            try:
                yield read_page(page)
            except Exception as error:  # the content stream of one page can break in any way; the others are still good
                size = float(page.width), float(page.height)
                yield RawPage(number, *size, (), (), (), READER, f"page cannot be read: {reason(error)}")
            finally:
                page.close()


def read_page(page: PlumberPage) -> RawPage:
    """One page. A page without any character is named as such: it is a scan, a picture, or empty."""
    glyphs = tuple(char_to_glyph(char) for char in page.chars if char["text"])
    problem = None
    unnamed = sum(glyph.text.startswith("(cid:") for glyph in glyphs)
    if unnamed > MOST_UNNAMED * len(glyphs):
        glyphs, problem = (), f"{unnamed} characters without a code (the font has no character map)"
    elif not any(not glyph.text.isspace() for glyph in glyphs):
        problem = "no text layer (scan or picture)" if page.images or page.curves else "empty page"
    shapes = tuple(shape for shape in (to_shape(drawn) for drawn in [*page.rects, *page.curves]) if shape)
    grids = find_grids(page) if glyphs else ()
    rules = tuple(box_of(line) for line in page.lines)
    size = float(page.width), float(page.height)
    return RawPage(page.page_number, *size, glyphs, shapes, grids, READER, problem, rules)


def char_to_glyph(char: dict[str, Any]) -> Glyph:
    """pdfplumber's character. Its turn is that of the text matrix: pdfminer calls a slanted watermark upright."""
    turn = turn_of(char["matrix"])
    light = lightness(char.get("non_stroking_color"))
    return Glyph(char["text"], box_of(char), float(char["size"]), font_family(char["fontname"]), turn, light)


def turn_of(matrix: Sequence[float]) -> int | None:
    """How far a text matrix turns its characters, clockwise on the page as shown; None for a slant or a mirror."""
    a, b, c, d = matrix[:4]
    if abs(b) + abs(c) < 0.1 * (abs(a) + abs(d)):
        return 0 if d > 0 else 180 if a < 0 else None
    if abs(a) + abs(d) < 0.1 * (abs(b) + abs(c)):
        return 90 if b < 0 < c else 270 if c < 0 < b else None
    return None


def lightness(color: object) -> float:
    """The lightness of a fill colour from 0 to 1: gray, RGB or CMYK by its number of parts; 0 for what is no colour."""
    parts = [float(part) for part in color if isinstance(part, int | float)] if isinstance(color, list | tuple) else []
    if isinstance(color, int | float):
        parts = [float(color)]
    if len(parts) == 4:
        return max(0.0, 1 - sum(parts[:3]) / 3 - parts[3])
    return sum(parts) / len(parts) if len(parts) in (1, 3) else 0.0


@cache
def font_family(name: str) -> str:
    """A font's name without the tag of its subset and the number that some writers give each subset."""
    return re.sub(r"^[A-Z]{6}\+|[-+]\d+$", "", name)


def box_of(thing: dict[str, Any]) -> Box:
    """The box of one of pdfplumber's objects, rounded to a hundredth of a point."""
    return round(thing["x0"], 2), round(thing["top"], 2), round(thing["x1"], 2), round(thing["bottom"], 2)


def to_shape(drawn: dict[str, Any]) -> Shape | None:
    """A rectangle or closed curve that paints something."""
    fill, stroke = bool(drawn.get("fill")), bool(drawn.get("stroke"))
    return Shape(box_of(drawn), fill, stroke) if fill or stroke else None


def find_grids(page: PlumberPage) -> tuple[Grid, ...]:
    """The ruled tables of a page that have at least two rows and two columns."""
    if len(page.rects) + len(page.lines) + len(page.curves) > MAX_SHAPES_FOR_TABLES:
        return ()
    grids = []
    for table in page.find_tables():
        rows = tuple(tuple(row.cells) for row in table.rows)
        if len(rows) >= 2 and max(len(row) for row in rows) >= 2:
            grids.append(Grid(table.bbox, rows))
    return tuple(grids)
