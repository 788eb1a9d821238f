"""Ruled grids, completed: the rows that a page break left without a rule above or under them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kb.layout.shapes import height, width
from kb.records import Box, Grid, RawPage

REACH = 3.0
"""Rules that end within this many points of each other meet."""

LEAST_OPEN = 8.0
"""Rules that reach this far beyond a grid, in points, leave room for a line of text."""


def whole_grids(page: RawPage) -> list[Grid]:
    """The page's grids, each with the open row that its upright rules reach down or up to.

    A table that a page break cuts inside a row is drawn without a rule at the break.
    """
    uprights = [box for box in upright_rules(page) if height(box) >= LEAST_OPEN]
    return [with_open_rows(grid, uprights) for grid in page.grids]


def upright_rules(page: RawPage) -> Iterator[Box]:
    """Rules that stand upright."""
    return (box for box in drawn_lines(page) if width(box) <= 2 < height(box))


def level_rules(page: RawPage) -> Iterator[Box]:
    """Rules that lie level."""
    return (box for box in drawn_lines(page) if height(box) <= 2 < width(box))


def drawn_lines(page: RawPage) -> Iterator[Box]:
    """Drawn lines, and areas, of which some are as thin as lines."""
    yield from page.rules
    yield from (shape.box for shape in page.shapes)


def with_open_rows(grid: Grid, uprights: Sequence[Box]) -> Grid:
    """A grid with a last row down to where its upright rules end, and a first one from where they begin."""
    edges = column_edges(grid)
    top, bottom = grid.box[1], grid.box[3]
    below = [box for box in uprights if abs(box[1] - bottom) < REACH and meets(box, edges)]
    above = [box for box in uprights if abs(box[3] - top) < REACH and meets(box, edges)]
    rows = grid.rows
    if len(below) > len(edges) / 2:
        bottom = max(box[3] for box in below)
        rows = (*rows, open_row(edges, grid.box[3], bottom))
    if len(above) > len(edges) / 2:
        top = min(box[1] for box in above)
        rows = (open_row(edges, top, grid.box[1]), *rows)
    return replace(grid, box=(grid.box[0], top, grid.box[2], bottom), rows=rows)


def column_edges(grid: Grid) -> list[float]:
    """The x of the column borders of a grid, in points, from the row with the most cells."""
    fullest = max(grid.rows, key=lambda row: sum(cell is not None for cell in row))
    cells = [cell for cell in fullest if cell]
    return [*(cell[0] for cell in cells), cells[-1][2]]


def meets(rule: Box, edges: Sequence[float]) -> bool:
    """Whether an upright rule stands on one of the borders."""
    return any(abs(rule[0] - edge) < REACH for edge in edges)


def open_row(edges: Sequence[float], top: float, bottom: float) -> tuple[Box | None, ...]:
    """A row of cells between the borders."""
    return tuple((left, top, right, bottom) for left, right in zip(edges, edges[1:], strict=False))
