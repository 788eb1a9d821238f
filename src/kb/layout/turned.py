"""Pages whose text is turned as a whole: brought into the position in which they are read, and places brought back."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from kb.layout.shapes import height
from kb.records import Box, Glyph, Grid, RawPage


def reading_turn(page: RawPage) -> int:
    """How far most characters of a page are turned, clockwise in degrees: 0, 90, 180 or 270."""
    turns = Counter(glyph.turn for glyph in page.glyphs if glyph.turn is not None and glyph.text.strip())
    return turns.most_common(1)[0][0] if turns else 0


def upright_page(page: RawPage, turn: int) -> RawPage:
    """The page turned back by `turn`, so that its text stands upright; its number and its reader stay."""
    if not turn:
        return page

    def place(box: Box) -> Box:
        return turn_box(box, page.width, page.height, turn)

    size = (page.width, page.height) if turn == 180 else (page.height, page.width)
    return replace(
        page,
        width=size[0],
        height=size[1],
        glyphs=tuple(turn_glyph(glyph, place(glyph.box), turn) for glyph in page.glyphs),
        shapes=tuple(replace(shape, box=place(shape.box)) for shape in page.shapes),
        grids=tuple(turn_grid(grid, [place(cell) for row in grid.rows for cell in row if cell]) for grid in page.grids),
        rules=tuple(place(rule) for rule in page.rules),
    )


def turn_glyph(glyph: Glyph, box: Box, turn: int) -> Glyph:
    """A glyph on the page that was turned back; readers take the width of a lying character for its size."""
    lying = glyph.turn == turn and turn in (90, 270)
    size = height(box) if lying else glyph.size
    return replace(glyph, box=box, size=size, turn=None if glyph.turn is None else (glyph.turn - turn) % 360)


def turn_grid(grid: Grid, cells: Iterable[Box]) -> Grid:
    """A grid of the turned cells: what were columns may now be rows."""
    boxes = sorted(cells, key=lambda box: (round(box[1]), box[0]))
    lefts = sorted({round(box[0]) for box in boxes})
    rows: dict[int, list[Box | None]] = {}
    for box in boxes:
        row = rows.setdefault(round(box[1]), [None] * len(lefts))
        row[lefts.index(round(box[0]))] = box
    edges = list(zip(*boxes, strict=True))
    whole = min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3])
    return replace(grid, box=whole, rows=tuple(tuple(row) for row in rows.values()))


def turn_box(box: Box, width: float, height: float, turn: int) -> Box:
    """A place on a page of this size after the page is turned back (anticlockwise) by `turn` degrees."""
    x0, top, x1, bottom = box
    if turn == 90:
        return top, width - x1, bottom, width - x0
    if turn == 180:
        return width - x1, height - bottom, width - x0, height - top
    if turn == 270:
        return height - bottom, x0, height - top, x1
    return box


def shown_box(box: Box, width: float, height: float, turn: int) -> Box:
    """A place on the page turned back, which has this size, as a place on the page as it is shown."""
    return turn_box(box, width, height, (360 - turn) % 360)
