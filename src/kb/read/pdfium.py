"""PDF → raw pages, by pypdfium2: the same glyphs and shapes as pdfplumber gives, and pictures of pages.

It is not safe for threads. It opens some files that pdfplumber refuses, and names some characters that it does not.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray
from pypdfium2 import PdfBookmark, PdfDocument, PdfiumError, PdfPage, PdfTextPage
from pypdfium2.internal import ErrorToStr

from kb.errors import UnreadableFile, WrongPassword
from kb.read.drawing import Drawing, Point
from kb.read.glyphs import (
    UNKNOWN,
    Matrix,
    after,
    font_family,
    lightness,
    page_matrix,
    shown_box,
    size_and_turn,
    sound,
    stands_on,
    through,
)
from kb.records import Bookmark, Box, Glyph, RawPage

READER = f"pypdfium2 {pypdfium2.version.PYPDFIUM_INFO}"

MOST_BOOKMARKS = 10_000

MOST_DEEP = 15
"""Forms within forms, and bookmarks under bookmarks: deeper ones are left out."""

MOST_PIXELS = 100_000_000
"""A page with a larger image in it is not rendered: it would be unpacked in memory. A4 at 600 dpi has 35 million."""

DESCENT = 0.2
"""How far an em reaches below its line where the library does not tell: for turned text."""


class PdfiumPdf:
    """A PDF opened by pypdfium2. Raises WrongPassword where it is locked, PdfiumError where it cannot be opened."""

    NAME = "pypdfium2"

    def __init__(self, path: Path, password: str = "") -> None:
        self.password = password
        # the library's class cannot tell a file without pages from one that it does not open: the code is an old one
        handle = pdfium.FPDF_LoadDocument(os.fsencode(path) + b"\0", password.encode() + b"\0")
        code = 0 if handle else pdfium.FPDF_GetLastError()
        if code == pdfium.FPDF_ERR_PASSWORD:
            raise WrongPassword(f"{path}: needs a password")
        if not handle:
            raise PdfiumError(f"cannot be opened: {ErrorToStr.get(code)}")
        self._pdf = PdfDocument(handle)

    def __len__(self) -> int:
        return len(self._pdf)

    def close(self) -> None:
        """Close the file."""
        self._pdf.close()

    def info(self, key: str) -> str:
        """One entry of the document information as text."""
        return str(self._pdf.get_metadata_value(key)).strip()

    def outline(self) -> tuple[Bookmark, ...]:
        """The bookmarks, from the first to the last; one that leads nowhere in this file has page 0."""
        return tuple(to_bookmark(entry) for entry in islice(self._pdf.get_toc(MOST_DEEP), MOST_BOOKMARKS))

    def page(self, number: int) -> tuple[RawPage, Drawing]:
        """The page with this number (from 1), and what it draws. Raises PdfiumError."""
        with self._page(number) as page:
            matrix, width, height = page_matrix(shown_box(page.get_mediabox(), page.get_cropbox()), page.get_rotation())
            with text_of(page) as words:
                glyphs = tuple(glyph for glyph in read_glyphs(words, matrix) if stands_on(glyph.box, width, height))
            drawing = Drawing()
            for path in objects(pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject, page, matrix):
                draw(drawing, *path)
            grids = drawing.grids() if glyphs else ()
            shapes, rules = tuple(drawing.shapes), tuple(drawing.rules)
            return RawPage(number, width, height, glyphs, shapes, grids, READER, None, rules), drawing

    def picture(self, number: int, scale: float, longest: int) -> NDArray[np.uint8]:
        """The page as shown, as rows of pixels of blue, green and red: `scale` a point, at most `longest` a side.

        Raises UnreadableFile where an image in the page is too large to be unpacked, PdfiumError where it is broken.
        """
        with self._page(number) as page:
            for image in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=MOST_DEEP):
                wide, high = image.get_px_size()
                if wide * high > MOST_PIXELS:
                    raise UnreadableFile(f"an image of {wide} × {high} pixels, over the limit of {MOST_PIXELS:,}")
            scale = min(scale, longest / max(*page.get_size(), 1))
            bitmap = page.render(scale=scale, limit_image_cache=True)
            try:
                return np.array(bitmap.to_numpy())
            finally:
                bitmap.close()

    @contextmanager
    def _page(self, number: int) -> Iterator[PdfPage]:
        """An open page."""
        page = self._pdf[number - 1]
        try:
            yield page
        finally:
            page.close()


@contextmanager
def text_of(page: PdfPage) -> Iterator[PdfTextPage]:
    """The characters of an open page."""
    words = page.get_textpage()
    try:
        yield words
    finally:
        words.close()


def to_bookmark(entry: PdfBookmark) -> Bookmark:
    """An entry of the outline; the library counts levels and pages from 0."""
    place = entry.get_dest()
    index = place.get_index() if place else None
    return Bookmark(entry.level + 1, entry.get_title().strip(), 0 if index is None else index + 1)


def read_glyphs(words: PdfTextPage, page: Matrix) -> Iterator[Glyph]:
    """The characters that are drawn, in the order of the file; blanks that the library adds are not among them."""
    matrix, fonts = pdfium.FS_MATRIX(), FontNames(words)
    color = [ctypes.c_uint() for _ in range(4)]
    for at in range(pdfium.FPDFText_CountChars(words)):
        if pdfium.FPDFText_IsGenerated(words, at) == 1:
            continue
        if not pdfium.FPDFText_GetMatrix(words, at, matrix):
            continue
        way = after((matrix.a, matrix.b, matrix.c, matrix.d, 0.0, 0.0), page)
        size, turn = size_and_turn(*way[:4], pdfium.FPDFText_GetFontSize(words, at))
        light = 0.0
        if pdfium.FPDFText_GetFillColor(words, at, *color):
            light = lightness([part.value / 255 for part in color[:3]])
        font = fonts.name(at)
        box = char_box(words, at, page, size, turn, named=bool(font))
        yield Glyph(char_text(words, at), box, size, font, turn, light)


def char_text(words: PdfTextPage, at: int) -> str:
    """One character; a hyphen at the end of a line is one here too, though the library takes it out."""
    if pdfium.FPDFText_IsHyphen(words, at) == 1:
        return "-"
    if pdfium.FPDFText_HasUnicodeMapError(words, at) == 1:  # what it gives is a guess
        return UNKNOWN
    return sound(chr(pdfium.FPDFText_GetUnicode(words, at)))


def char_box(words: PdfTextPage, at: int, page: Matrix, size: float, turn: int | None, named: bool) -> Box:
    """The box of a character: along the line as far as it moves on, and one em across it, as pdfplumber's.

    The library's loose box tells both; but not where text is turned in the file, and a font that is drawn by the file
    itself, which has no name, tells no descent.
    """
    loose = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(words, at, loose)
    box = through(page, loose.left, loose.bottom, loose.right, loose.top)
    flat = box[0] == box[2] or box[1] == box[3]
    numbers = [ctypes.c_double() for _ in range(4)]
    if flat or turn is None:
        pdfium.FPDFText_GetCharBox(words, at, *numbers)
        left, right, bottom, top = (number.value for number in numbers)
        box = through(page, left, bottom, right, top)
    if flat or not named:
        pdfium.FPDFText_GetCharOrigin(words, at, *numbers[:2])
        x, y = numbers[0].value, numbers[1].value
        box = stand(box, through(page, x, y, x, y), DESCENT * size, turn)
    return one_em(box, size, turn)


def stand(box: Box, origin: Box, foot: float, turn: int | None) -> Box:
    """A box whose foot is so far below the line on which a character has its origin."""
    x0, top, x1, bottom = box
    if turn == 0:
        return x0, top, x1, origin[1] + foot
    if turn == 180:
        return x0, origin[1] - foot, x1, bottom
    if turn == 90:
        return origin[0] - foot, top, x1, bottom
    return (x0, top, origin[0] + foot, bottom) if turn == 270 else box


def one_em(box: Box, size: float, turn: int | None) -> Box:
    """A box made one em high from its foot up."""
    x0, top, x1, bottom = box
    if turn == 0:
        return x0, round(bottom - size, 2), x1, round(bottom, 2)
    if turn == 180:
        return x0, round(top, 2), x1, round(top + size, 2)
    if turn == 90:
        return round(x0, 2), top, round(x0 + size, 2), bottom
    return (round(x1 - size, 2), top, round(x1, 2), bottom) if turn == 270 else box


class FontNames:
    """The families of a page's fonts; characters of one text object share a font, so each is asked once."""

    def __init__(self, words: PdfTextPage) -> None:
        self._words = words
        self._names: dict[int, str] = {}
        self._buffer = ctypes.create_string_buffer(256)

    def name(self, at: int) -> str:
        """The family of a character's font."""
        thing = pdfium.FPDFText_GetTextObject(self._words, at)
        key = ctypes.addressof(thing.contents) if thing else 0
        if key not in self._names:
            length = pdfium.FPDFText_GetFontInfo(self._words, at, self._buffer, len(self._buffer), None)
            name = self._buffer.raw[: max(min(length, len(self._buffer)) - 1, 0)].decode("utf-8", "replace")
            self._names[key] = font_family(name)
        return self._names[key]


def objects(
    count: Callable[[object], int], get: Callable[[object, int], object], holder: object, way: Matrix, depth: int = 0
) -> Iterator[tuple[object, Matrix]]:
    """The paths and images of a page or form, with the way from their own coordinates to the page as shown."""
    for index in range(count(holder)):
        thing = get(holder, index)
        kind = pdfium.FPDFPageObj_GetType(thing)
        if kind not in (pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM):
            continue
        own = pdfium.FS_MATRIX()
        pdfium.FPDFPageObj_GetMatrix(thing, own)
        there = after((own.a, own.b, own.c, own.d, own.e, own.f), way)
        if kind != pdfium.FPDF_PAGEOBJ_FORM:
            yield thing, there
        elif depth < MOST_DEEP:
            inner = pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject
            yield from objects(*inner, thing, there, depth + 1)


def draw(drawing: Drawing, thing: object, way: Matrix) -> None:
    """Take down a path or an image."""
    if pdfium.FPDFPageObj_GetType(thing) == pdfium.FPDF_PAGEOBJ_IMAGE:
        drawing.pictures.append(through(way, 0, 0, 1, 1))
        return
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(thing, fill, stroke)
    if not fill.value and not stroke.value:
        return
    for points, bent in subpaths(thing, way):
        drawing.add(points, bent, bool(fill.value), bool(stroke.value))


def subpaths(path: object, way: Matrix) -> Iterator[tuple[list[Point], bool]]:
    """A path's points, stroke by stroke, and whether there are curves in it; of a curve only its end."""
    a, b, c, d, e, f = way
    points: list[Point] = []
    bezier, x, y = 0, ctypes.c_float(), ctypes.c_float()
    for index in range(pdfium.FPDFPath_CountSegments(path)):
        segment = pdfium.FPDFPath_GetPathSegment(path, index)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            if len(points) > 1:
                yield points, bool(bezier)
            points, bezier = [], 0
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        curve = kind == pdfium.FPDF_SEGMENT_BEZIERTO
        bezier += curve
        if not curve or bezier % 3 == 0:  # two of three are control points
            points.append((a * x.value + c * y.value + e, b * x.value + d * y.value + f))
        if pdfium.FPDFPathSegment_GetClose(segment) and points[-1] != points[0]:
            points.append(points[0])
    if len(points) > 1:
        yield points, bool(bezier)
