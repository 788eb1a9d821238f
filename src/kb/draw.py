"""What was understood of one page, for people who work on the layout: its blocks in order, and a picture of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from pypdfium2 import PdfiumError

from kb.errors import UnreadableFile, WrongPassword
from kb.layout.shapes import union
from kb.read.pdfium import PdfiumPdf
from kb.records import Block, Box, Kind, Line, Page, Piece

SCALE = 2.0
"""Pixels a point, 144 dpi; a page larger than MAX_SIDE allows is drawn smaller."""

MAX_SIDE = 2400
"""Pixels of the longer side at most."""

FONT_SIZE = 14
BOX_MARGIN = 5.0
"""How far, in points, the frame of a box stands off its text."""

GREY = "#8c8c8c"
BOX_COLOUR = "#b58ad6"
COLOURS = {
    Kind.HEADING: "#d62728",
    Kind.TEXT: "#1f5fd0",
    Kind.LIST: "#0f8a8a",
    Kind.CASE: "#7a3fb0",
    Kind.TABLE: "#2a8a2a",
    Kind.QUOTE: "#e07b00",
    Kind.CAPTION: "#9c5b2e",
    Kind.NOTE: "#6b7d00",
}
"""What is in no passage (contents, noise) is grey."""


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block on one page: `order` counts from 1 there; `boxes` are its columns, for a table row its cells.

    A cell that was carried down from a row above is left out: it is drawn where it stands.
    """

    order: int
    block: Block
    boxes: tuple[Box, ...]

    @property
    def label(self) -> str:
        """Order, kind, and the heading's level or the table's number: "3 heading 2"."""
        number = self.block.level or self.block.table
        return f"{self.order} {self.block.kind}" + (f" {number}" if number else "")

    @property
    def colour(self) -> str:
        """The colour of its kind."""
        return COLOURS.get(self.block.kind, GREY)

    @property
    def text(self) -> str:
        """Its text; the cells of a table row parted by a bar."""
        cells = ["".join(piece.text for piece in cell) for _, cell in self.block.cells]
        return " | ".join(cells) if cells else self.block.text


def blocks_on_page(page: Page, blocks: Sequence[Block]) -> list[PlacedBlock]:
    """The blocks that stand on a page, wholly or in part, in reading order."""
    drawn: set[Piece] = set()
    found: list[PlacedBlock] = []
    for block in blocks:
        parts = [cell for _, cell in block.cells] if block.cells else [block.pieces]
        own = [[piece for piece in part if piece.page == page.number and piece not in drawn] for part in parts]
        drawn.update(piece for part in own for piece in part)
        boxes = tuple(box for part in own for box in part_boxes(part, page))
        if boxes:
            found.append(PlacedBlock(len(found) + 1, block, boxes))
    return found


def header_boxes(page: Page, blocks: Sequence[Block]) -> dict[Box, int]:
    """The boxes of column names on a page, each with its table's number."""
    names = ((block.table, name) for block in blocks for name, _ in block.cells if name and name[0].page == page.number)
    return {box: table for table, name in names for box in part_boxes(name, page)}


def part_boxes(pieces: Sequence[Piece], page: Page) -> Iterator[Box]:
    """The boxes around pieces of a page: one for each column that they run through."""
    column: list[Box] = []
    for box in (line.box for piece in pieces for line in lines_of(piece, page)):
        if column and box[3] < column[-1][1]:  # higher up than the line before: another column
            yield union(column)
            column = []
        column.append(box)
    if column:
        yield union(column)


def lines_of(piece: Piece, page: Page) -> list[Line]:
    """The printed lines of a page that a piece of it takes part in."""
    return [line for line in page.lines if line.start < piece.end and piece.start < line.end]


def loose_lines(page: Page, blocks: Sequence[Block]) -> list[Box]:
    """The lines of a page that stand in no block: running lines, page numbers, watermarks, labels of charts."""
    parts = (part for block in blocks for part in (block.pieces, *(p for cell in block.cells for p in cell)))
    own = [piece for part in parts for piece in part if piece.page == page.number]
    taken = {line for piece in own for line in lines_of(piece, page)}
    return [line.box for line in page.lines if line not in taken]


def render_page(
    path: Path, number: int, password: str = "", scale: float = SCALE, max_side: int = MAX_SIDE
) -> Image.Image:
    """A PDF page's picture, of bounded size. Raises WrongPassword, and UnreadableFile where it cannot be drawn."""
    try:
        pdf = PdfiumPdf(path, password)
        try:
            return Image.fromarray(pdf.picture(number, scale, max_side)[:, :, ::-1])  # from blue, green, red
        finally:
            pdf.close()
    except WrongPassword:
        raise
    except (PdfiumError, UnreadableFile) as error:
        raise UnreadableFile(f"{path}: page {number} cannot be drawn: {error}") from error


def draw_page(picture: Image.Image, page: Page, blocks: Sequence[Block]) -> None:
    """Draw on a page's picture what was understood of it: loose lines, boxes, then each block with its label."""
    pen = Pen(ImageDraw.Draw(picture), picture.width / page.width, [line.box for line in page.lines])
    placed = blocks_on_page(page, blocks)
    for box in loose_lines(page, blocks):
        pen.frame(box, GREY)
    for group in sorted({one.block.group for one in placed} - {0}):
        left, top, right, bottom = union(box for one in placed if one.block.group == group for box in one.boxes)
        outer = left - BOX_MARGIN, top - BOX_MARGIN, right + BOX_MARGIN, bottom + BOX_MARGIN
        pen.frame(outer, BOX_COLOUR)
        pen.label(outer, f"box {group}", BOX_COLOUR)
    for box, table in header_boxes(page, blocks).items():
        pen.frame(box, COLOURS[Kind.TABLE])
        pen.label(box, f"names {table}", COLOURS[Kind.TABLE])
    for one in placed:
        for box in one.boxes:
            pen.frame(box, one.colour, 1 if one.block.cells else 2)
        pen.label(one.boxes[0], one.label, one.colour)


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws at places given in points. `lines` are where text stands, which labels keep clear of if they can."""

    draw: ImageDraw.ImageDraw
    scale: float
    lines: Sequence[Box]

    def frame(self, box: Box, colour: str, width: int = 1) -> None:
        """An outline."""
        left, top, right, bottom = self.pixels(box)
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=width)

    def label(self, box: Box, text: str, colour: str) -> None:
        """White words on a coloured ground: left of a box where nothing stands, else over its corner."""
        font = ImageFont.load_default(FONT_SIZE)
        left, top, _, _ = self.pixels(box)
        wide = round(self.draw.textlength(text, font=font))
        beside, above = (left - wide - 4, top), (max(left - 4, 0), max(top - FONT_SIZE - 2, 0))
        at = beside if self.is_free(*beside, wide) else above
        self.draw.rectangle((*at, at[0] + wide + 2, at[1] + FONT_SIZE + 2), fill=colour)
        self.draw.text((at[0] + 1, at[1]), text, fill="white", font=font)

    def is_free(self, x: int, y: int, wide: int) -> bool:
        """Whether a label at this place is on the picture and hides no text."""
        return x >= 0 and not any(
            left < x + wide and x < right and top < y + FONT_SIZE and y < bottom
            for left, top, right, bottom in map(self.pixels, self.lines)
        )

    def pixels(self, box: Box) -> tuple[int, int, int, int]:
        """A box in pixels of the picture."""
        left, top, right, bottom = (round(edge * self.scale) for edge in box)
        return left, top, right, bottom
