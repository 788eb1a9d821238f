"""Pages of a PDF as raw pages: by pdfplumber, by pypdfium2 where that fails, by OCR where the text layer does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np
from pypdfium2 import PdfiumError

from kb.errors import KbError, UnreadableFile
from kb.read import ocr
from kb.read.drawing import Drawing
from kb.read.legible import WRONG_MAP, flaw, is_garbled_around, is_suspect
from kb.read.pdf import Refusal, reason, refused, try_open
from kb.read.pdfium import PdfiumPdf
from kb.read.plumber import READER, PlumberPdf
from kb.records import Box, Glyph, RawPage

NO_TEXT = "no text layer"
STRAY = "a few characters over a picture"

STRAY_WORDS = 50
"""Fewer letters, digits and ideographs over a page-filling picture may be a scan's stamp, or a photograph's title."""

LEAST_WORDS = 5
"""Fewer of them over a scan that cannot be recognised are no text layer: the page is named instead."""

MORE_WORDS = 3
"""How many times as much OCR must find in the picture to replace the few characters over it."""

FILLED = 0.7
"""The share of a page that a page-filling picture covers; it is measured at so many points across and down."""

MARKS = 20

PAPER = 0.5
"""The share of a picture that has about one lightness: of scans more than 0.59 has, of photographs less than 0.4."""

LONGEST_PREVIEW = 400

AROUND = 2
"""How many pages before and after a suspect one are asked."""

DOTS_PER_POINT = 300 / 72
LONGEST_SIDE = 2000
"""The picture of a page has 300 dpi, and at most so many pixels a side: an A4 page then has 170."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A page as one reader gives it, what it draws, and what is wrong with its text (None: nothing)."""

    page: RawPage
    drawing: Drawing
    flaw: str | None


class NotRecognised(Exception):
    """Why a page is not recognised from its picture, in a few words."""


class OpenPdf:
    """A PDF whose pages can be read one by one, in any order; what is read of one does not hang on the others.

    `ocr` allows pictures of text to be recognised. Entering it raises UnreadableFile where no reader opens the file.
    It is for one thread. A MemoryError or TimeoutError raised in a page passes through, and so does a KbError.
    """

    def __init__(self, path: Path, password: str = "", ocr: bool = True) -> None:
        self._path, self._passwords, self._ocr = path, [password] if password else [], ocr
        self._plumber: PlumberPdf | Refusal | None = None
        self._pdfium: PdfiumPdf | Refusal | None = None

    def __enter__(self) -> "OpenPdf":
        if isinstance(self.plumber, Refusal) and isinstance(self.pdfium, Refusal):
            raise refused([self.plumber, self.pdfium], self._path, self._passwords)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in (self._plumber, self._pdfium):
            if reader is not None and not isinstance(reader, Refusal):
                reader.close()
        self._plumber = self._pdfium = None

    @property
    def plumber(self) -> PlumberPdf | Refusal:
        """The file in pdfplumber."""
        if self._plumber is None:
            self._plumber = try_open(PlumberPdf, self._path, self._passwords)
        return self._plumber

    @property
    def pdfium(self) -> PdfiumPdf | Refusal:
        """The file in pypdfium2, opened when a page first needs it."""
        if self._pdfium is None:
            self._pdfium = try_open(PdfiumPdf, self._path, self._passwords)
        return self._pdfium

    def page(self, number: int) -> RawPage:
        """The page with this number (from 1), by the best reader; without glyphs and with a problem where none can."""
        attempts: list[Attempt] = []
        reasons: list[str] = []
        for reader in self._readers():
            attempt = self._attempt(reader, number)
            if isinstance(attempt, str):
                reasons.append(attempt)
            elif attempt.flaw is None:
                return attempt.page
            else:
                attempts.append(attempt)
        if not attempts:
            problem = f"page cannot be read: {'; '.join(reasons)}"
            return RawPage(number, 0.0, 0.0, (), (), (), READER, problem)
        return self._without_text_layer(max(attempts, key=lambda attempt: len(attempt.page.glyphs)), attempts)

    def _readers(self) -> Iterator[PlumberPdf | PdfiumPdf | Refusal]:
        """The readers in the order in which they are asked; the second is opened only where the first is not enough."""
        yield self.plumber
        yield self.pdfium

    def _attempt(self, reader: PlumberPdf | PdfiumPdf | Refusal, number: int) -> Attempt | str:
        """A page by one reader, or why that has none."""
        if isinstance(reader, Refusal):
            return reader.reason
        read = self._read(reader, number)
        return read if isinstance(read, str) else Attempt(*read, self._flaw(reader, *read))

    def _read(self, reader: PlumberPdf | PdfiumPdf, number: int) -> tuple[RawPage, Drawing] | str:
        """A page and what it draws, or why the reader cannot read it."""
        try:
            return reader.page(number)
        except (KbError, MemoryError, TimeoutError):
            raise
        except Exception as error:  # the content of one page can break a parser in any way; the others are still good
            return f"{reader.NAME}: {reason(error)}"

    def _flaw(self, reader: PlumberPdf | PdfiumPdf, page: RawPage, drawing: Drawing) -> str | None:
        """What is wrong with the text of a page."""
        text = text_of(page)
        words = words_in(text)
        if not text or text.isspace() or (words == 0 and has_picture(drawing)):
            return NO_TEXT
        found = flaw(text)
        if found is None and is_suspect(text) and is_garbled_around(text + self._around(reader, page.number)):
            return WRONG_MAP
        if found is None and words < STRAY_WORDS and is_covered(page, drawing.pictures):
            return STRAY
        return found

    def _around(self, reader: PlumberPdf | PdfiumPdf, number: int) -> str:
        """The text of the pages around one, as far as its reader can read it."""
        text = ""
        for other in range(max(number - AROUND, 1), min(number + AROUND, len(reader)) + 1):
            page = self._read(reader, other) if other != number else ""
            text += page if isinstance(page, str) else text_of(page[0])
        return text

    def _without_text_layer(self, best: Attempt, attempts: Sequence[Attempt]) -> RawPage:
        """A page whose text layer is missing or wrong, recognised as far as it can be."""
        page = best.page
        if best.flaw == NO_TEXT and not any(has_picture(attempt.drawing) for attempt in attempts):
            return replace(page, glyphs=(), problem="empty page")
        if best.flaw == STRAY:
            return self._with_scan(page)
        kind = NO_TEXT if best.flaw == NO_TEXT else f"garbled text layer ({best.flaw})"
        try:
            return replace(page, glyphs=self._recognise(page), reader=ocr.reader())
        except NotRecognised as error:
            return replace(page, glyphs=(), grids=(), problem=f"{kind}, {error}")

    def _with_scan(self, page: RawPage) -> RawPage:
        """A page with a few words over a picture: the text in the picture, if that is a scan with far more of it."""
        words = words_in(text_of(page))
        try:
            if not shows_paper(self._picture(page.number, LONGEST_PREVIEW)):
                return page
            glyphs = self._recognise(page)
        except NotRecognised as error:
            bare = replace(page, glyphs=(), grids=(), problem=f"{NO_TEXT}, {error}")
            return bare if words < LEAST_WORDS else page
        found = sum(words_in(glyph.text) for glyph in glyphs)
        return replace(page, glyphs=glyphs, reader=ocr.reader()) if found >= MORE_WORDS * words else page

    def _recognise(self, page: RawPage) -> tuple[Glyph, ...]:
        """The characters in the picture of a page. Raises NotRecognised."""
        if not self._ocr:
            raise NotRecognised("OCR switched off")
        if not ocr.is_installed():
            raise NotRecognised("OCR not installed (pip install 'kb[ocr]')")
        picture = self._picture(page.number, LONGEST_SIDE)
        try:
            glyphs = ocr.recognise(picture, picture.shape[1] / page.width)
        except (KbError, MemoryError, TimeoutError):
            raise
        except Exception as error:  # the models can fail in their own ways
            raise NotRecognised(f"OCR failed: {reason(error)}") from error
        if not words_in("".join(glyph.text for glyph in glyphs)):
            raise NotRecognised("OCR found no text in it")
        return glyphs

    def _picture(self, number: int, longest: int) -> ocr.Picture:
        """A page as shown, at most so many pixels a side. Raises NotRecognised."""
        if isinstance(self.pdfium, Refusal):
            raise NotRecognised(f"no picture of it for OCR: {self.pdfium.reason}")
        try:
            return self.pdfium.picture(number, DOTS_PER_POINT, longest)
        except (PdfiumError, UnreadableFile) as error:
            raise NotRecognised(f"no picture of it for OCR: {error}") from error


def read_pages(path: Path, numbers: Sequence[int], password: str = "", ocr: bool = True) -> Iterator[RawPage]:
    """The pages with these numbers (from 1). A page that cannot be read comes with its problem, and the rest follow.

    Raises UnreadableFile where no reader opens the file, WrongPassword where the password does not.
    """
    with OpenPdf(path, password, ocr) as pdf:
        for number in numbers:
            yield pdf.page(number)


def read_on(path: Path, numbers: Sequence[int], password: str = "") -> Iterator[RawPage]:
    """The same in a process that reads one file piece by piece: the file stays open until the next one."""
    about = path.stat()
    pdf = kept_open(path, password, about.st_mtime_ns, about.st_size)
    for number in numbers:
        yield pdf.page(number)


@lru_cache(maxsize=1)
def kept_open(path: Path, password: str, changed: int, size: int) -> OpenPdf:
    """A file that stays open while it is the same; to open a large one takes as long as to read thirty pages of it."""
    return OpenPdf(path, password).__enter__()


def text_of(page: RawPage) -> str:
    """The characters of a page in the order of the file."""
    return "".join(glyph.text for glyph in page.glyphs)


def words_in(text: str) -> int:
    """How many letters, digits and ideographs there are."""
    return sum(char.isalnum() for char in text)


def has_picture(drawing: Drawing) -> bool:
    """Whether there is something to see in which text may be: an image, or paths that are no rules or boxes."""
    return bool(drawing.pictures) or drawing.curves > 0


def shows_paper(picture: ocr.Picture) -> bool:
    """Whether most of a picture has one lightness, as a scan of paper has and a photograph has not."""
    light = picture.mean(axis=2).astype(int).ravel() // 16
    return bool(np.bincount(light).max() >= PAPER * light.size)


def is_covered(page: RawPage, pictures: Sequence[Box]) -> bool:
    """Whether pictures fill a page, by a grid of points."""
    marks = [(at + 0.5) / MARKS for at in range(MARKS)]
    points = [(across * page.width, down * page.height) for across in marks for down in marks]
    hit = sum(any(x0 <= x <= x1 and top <= y <= bottom for x0, top, x1, bottom in pictures) for x, y in points)
    return hit >= FILLED * len(points)
