"""PDF → raw pages, by pdfplumber and the parser under it: glyphs, drawn shapes and ruled tables, each with its box."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pdfplumber
from pdfminer.pdfcolor import PDFColorSpace
from pdfminer.pdfdevice import PDFTextDevice, PDFTextSeq
from pdfminer.pdfdocument import PDFPasswordIncorrect
from pdfminer.pdffont import PDFFont, PDFUnicodeNotDefined
from pdfminer.pdfinterp import PDFGraphicState, PDFResourceManager, PDFTextState
from pdfminer.pdfpage import PDFPage
from pdfminer.pdftypes import PDFStream
from pdfminer.utils import PathSegment, mult_matrix
from pdfplumber.utils.exceptions import PdfminerException

from kb.errors import WrongPassword
from kb.read.content import ContentInterpreter
from kb.read.drawing import Drawing, Point
from kb.read.glyphs import (
    UNKNOWN,
    Matrix,
    font_family,
    lightness,
    page_matrix,
    shown_box,
    size_and_turn,
    sound,
    stands_on,
    through,
)
from kb.records import Bookmark, Glyph, RawPage

READER = f"pdfplumber {pdfplumber.__version__}"

# They log a line for each odd font descriptor and entry of the document information; what matters to the user is
# recorded page by page instead.
for name in ("pdfminer", "pdfplumber"):
    logging.getLogger(name).setLevel(logging.CRITICAL)


def ignore(*words: object, **options: object) -> None:
    """Say nothing: the parser logs each token of a page, and asking whether to takes a tenth of its time."""


for module in ("psparser", "pdfinterp", "pdfparser", "pdfdocument", "cmapdb"):
    logging.getLogger(f"pdfminer.{module}").debug = ignore  # type: ignore[method-assign]

LOWEST_FOOT = -0.16
"""No Chinese character reaches farther under its line, in ems; what fonts call descent may be room for leading."""


class PlumberPdf:
    """A PDF opened by pdfplumber. Raises WrongPassword where it is locked, else whatever the parser stumbles over."""

    NAME = "pdfplumber"

    def __init__(self, path: Path, password: str = "") -> None:
        self.password = password
        self._file = path.open("rb")
        try:
            self._pdf = pdfplumber.open(self._file, password=password)
            # pdfplumber's own pages resolve every attribute of every character; the parser's do not
            self._pages = list(PDFPage.create_pages(self._pdf.doc))
        except (PdfminerException, UnicodeEncodeError) as error:
            self._file.close()
            cause = error.args[0]
            if isinstance(cause, PDFPasswordIncorrect | UnicodeEncodeError):
                raise WrongPassword(f"{path}: needs a password") from error
            raise
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._pages)

    def close(self) -> None:
        """Close the file."""
        self._file.close()  # the library's own close would walk the pages again

    def outline(self) -> tuple[Bookmark, ...]:
        """No bookmarks: this reader does not tell the pages that they lead to."""
        return ()

    def info(self, key: str) -> str:
        """One entry of the document information as text; some files store bytes or numbers there."""
        value = self._pdf.metadata.get(key) or ""
        return value.strip() if isinstance(value, str) else ""

    def page(self, number: int) -> tuple[RawPage, Drawing]:
        """The page with this number (from 1), and what it draws. Raises whatever the parser stumbles over."""
        page = self._pages[number - 1]
        matrix, width, height = page_matrix(shown_box(page.mediabox, page.cropbox), page.rotate)
        device = PageDevice(self._pdf.rsrcmgr, width, height)
        ContentInterpreter(self._pdf.rsrcmgr, device).render_contents(page.resources, page.contents, matrix)
        drawing = device.drawing
        grids = drawing.grids() if device.glyphs else ()
        shapes, rules = tuple(drawing.shapes), tuple(drawing.rules)
        return RawPage(number, width, height, tuple(device.glyphs), shapes, grids, READER, None, rules), drawing


class PageDevice(PDFTextDevice):
    """Takes down the characters and paths of one page while the parser interprets its content.

    The parser's matrices lead to the page as shown, of `width` and `height` points; what lies off it is left out.
    """

    def __init__(self, resources: PDFResourceManager, width: float, height: float) -> None:
        super().__init__(resources)
        self.ctm: Matrix
        self.width, self.height = width, height
        self.glyphs: list[Glyph] = []
        self.drawing = Drawing()
        self._family = ""
        self._foot = self._size = self._light = 0.0
        self._turn: int | None = 0

    def render_string(
        self, textstate: PDFTextState, seq: PDFTextSeq, ncs: PDFColorSpace, graphicstate: PDFGraphicState
    ) -> None:
        """Take down a string; what its characters have in common is found out once."""
        font = textstate.font
        assert font is not None  # the interpreter leaves out a string without one
        self._family = font_family(font.fontname) if isinstance(font.fontname, str) else ""
        self._foot = max(font.get_descent(), LOWEST_FOOT)
        self._size, self._turn = size_and_turn(*mult_matrix(textstate.matrix, self.ctm)[:4], textstate.fontsize)
        self._light = paint_lightness(graphicstate)
        super().render_string(textstate, seq, ncs, graphicstate)

    def render_char(
        self,
        matrix: Matrix,
        font: PDFFont,
        fontsize: float,
        scaling: float,
        rise: float,
        cid: int,
        ncs: PDFColorSpace,
        graphicstate: PDFGraphicState,
    ) -> float:
        """Take down one character; how far it moves on. The box is one em high, from the font's descent up."""
        try:
            text = font.to_unichr(cid)
        except PDFUnicodeNotDefined:
            text = UNKNOWN
        advance: float = font.char_width(cid) * fontsize * scaling
        if font.is_vertical():
            across, down = font.char_disp(cid)  # type: ignore[misc]  # a vertical font gives both
            left = -0.5 * fontsize if across is None else -0.001 * across * fontsize
            top = 0.001 * (1000 - down) * fontsize + rise
            box = through(matrix, left, top + advance, left + fontsize, top)
        else:
            foot = self._foot * fontsize + rise
            box = through(matrix, 0, foot, advance, foot + fontsize)
        if text and stands_on(box, self.width, self.height):
            self.glyphs.append(Glyph(sound(text), box, self._size, self._family, self._turn, self._light))
        return advance

    def paint_path(
        self, graphicstate: PDFGraphicState, stroke: bool, fill: bool, evenodd: bool, path: Sequence[PathSegment]
    ) -> None:
        """Take down a painted path, stroke by stroke."""
        a, b, c, d, e, f = self.ctm
        points: list[Point] = []
        bent = False
        for operator, *numbers in (*path, ("m", 0.0, 0.0)):
            if operator == "m":
                if len(points) > 1:
                    self.drawing.add(points, bent, fill, stroke)
                points, bent = [], False
            if operator == "h":
                points += points[:1] if points and points[-1] != points[0] else []
                continue
            bent |= operator in "cvy"
            x, y = numbers[-2:]
            points.append((a * x + c * y + e, b * x + d * y + f))

    def render_image(self, name: str, stream: PDFStream) -> None:
        """Take down where a picture stands: images fill the unit square."""
        self.drawing.pictures.append(through(self.ctm, 0, 0, 1, 1))


def paint_lightness(state: PDFGraphicState) -> float:
    """The lightness of what characters are filled with; 0 for a pattern."""
    color = state.ncolor
    parts = color if isinstance(color, tuple | list) else (color,)
    numbers = [float(part) for part in parts if isinstance(part, int | float)]
    return lightness(numbers, state.ncs.name)
