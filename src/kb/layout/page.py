"""One raw page → its strips in reading order, box by box and column by column, with tables as cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from kb.layout.drawn import drawing_labels
from kb.layout.grids import level_rules, whole_grids
from kb.layout.order import Item, order_in_box, reading_order
from kb.layout.places import Places
from kb.layout.shapes import area, contains, height, held, holds, middle, overlap, width
from kb.layout.strips import Cell, Strip, drop_doubles, glyphs_to_strips
from kb.layout.turned import reading_turn, upright_page
from kb.layout.unruled import banded_tables, figure_tables
from kb.marks import BULLET, NUMERIC
from kb.records import Box, Glyph, Grid, RawPage

MIN_BOX_WIDTH = 50.0
MIN_BOX_GLYPHS = 6
FAINT, WHITE = 0.75, 0.97
"""The lightness of a watermark's paint; white is read on dark ground."""

FAINT_SIZE = 1.3
"""A watermark's characters are larger than most on the page by this factor."""

MARGIN = 0.065
"""The share of a page's height, at its top and its bottom, where running lines stand."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows of cells, from the top down; None where a merged cell goes on."""

    box: Box
    rows: tuple[tuple[Cell | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A column's strips and tables from the top down, in the innermost box that holds them.

    `frame` is that box, or the page; `panel` numbers the outermost box on the page that the flow stands in (0: none).
    """

    frame: Box
    panel: int
    parts: tuple[Strip | Table, ...]


@dataclass(frozen=True, slots=True)
class PageLayout:
    """A page in reading order. `loose` are strips that belong to no text: watermarks, turned text, chart labels.

    Where the text of the whole page is turned, sizes and places are those of the page turned back by `turn` degrees.
    """

    number: int
    width: float
    height: float
    flows: tuple[Flow, ...]
    loose: tuple[Strip, ...]
    reader: str
    problem: str | None
    turn: int = 0


@dataclass(slots=True)
class Region:
    """A box with what lies directly in it; the root is the page. Filled while a page is laid out."""

    box: Box
    children: list["Region"]
    glyphs: list[Glyph]
    tables: list[Table]


def lay_out(page: RawPage) -> PageLayout:
    """Put one page in reading order."""
    turn = reading_turn(page)
    page = upright_page(replace(page, glyphs=tuple(drop_doubles(page.glyphs))), turn)
    places = Places(glyph for glyph in page.glyphs if glyph.turn == 0)
    tables, charts = grids_to_tables(page, places)
    free = free_glyphs(page, [table.box for table in tables if has_labels(table)])
    strips = glyphs_to_strips(free)
    tables, charts = with_unruled(page, places, strips, tables, charts)
    charts += drawing_labels(page, places, strips, [table.box for table in tables])
    taken = [table.box for table in tables]
    root = nest_boxes(page, places, taken + charts)
    faint = faint_glyphs(page)
    loose: list[Glyph] = []
    for glyph in page.glyphs:
        x, y = middle(glyph.box)
        # whether it is light is asked first, for to look up a glyph takes long
        if glyph.turn != 0 or (glyph.light >= FAINT and glyph in faint) or held(charts, x, y):
            loose.append(glyph)
        elif not held(taken, x, y):
            innermost(root, x, y).glyphs.append(glyph)
    for table in tables:
        innermost(root, *middle(table.box)).tables.append(table)
    flows = tuple(region_to_flows(root, 0, strips if root.glyphs == free else None))
    apart = tuple(glyphs_to_strips(loose))
    return PageLayout(page.number, page.width, page.height, flows, apart, page.reader, page.problem, turn)


def faint_glyphs(page: RawPage) -> set[Glyph]:
    """Large characters in a paint so light that they cannot be meant for reading: a watermark across the text.

    On a coloured area light paint is what one reads.
    """
    faint = [glyph for glyph in page.glyphs if FAINT <= glyph.light <= WHITE]
    if not faint:
        return set()
    least = FAINT_SIZE * median([glyph.size for glyph in page.glyphs])
    areas = [shape.box for shape in page.shapes if shape.fill and area(shape.box) < 0.85 * page.width * page.height]
    large = (glyph for glyph in faint if glyph.size >= least)
    return {glyph for glyph in large if not held(areas, *middle(glyph.box))}


def free_glyphs(page: RawPage, taken: Sequence[Box]) -> list[Glyph]:
    """The upright glyphs outside these boxes."""
    return [glyph for glyph in page.glyphs if glyph.turn == 0 and not held(taken, *middle(glyph.box))]


def with_unruled(
    page: RawPage, places: Places, strips: Sequence[Strip], ruled: Sequence[Table], charts: Sequence[Box]
) -> tuple[list[Table], list[Box]]:
    """The tables of a page, ruled or not, and the boxes of ruled grids that are drawn charts.

    Coloured columns of figures look like ruled ones; such a grid is part of the table of figures that it stands in.
    """
    figures = [Table(box, rows) for box, rows in figure_tables(strips, list(level_rules(page)))]
    boxes = [table.box for table in figures]
    tables = [table for table in ruled if has_labels(table) or not any(overlap(table.box, box) > 0 for box in boxes)]
    tables += figures
    drawn = [chart for chart in charts if not any(overlap(chart, box) > 0 for box in boxes)]
    for box, rows in banded_tables(page, places, [*(table.box for table in tables), *drawn]):
        banded = Table(box, rows)
        if is_table(banded, len(rows)) and not any(overlap(box, table.box) > 0 for table in tables):
            tables.append(banded)
    return tables, drawn


def has_labels(table: Table) -> bool:
    """Whether the first cells of most rows are words, not figures."""
    first = [row[0].text for row in table.rows if row[0] and row[0].strips]
    return 2 * sum(bool(NUMERIC.match(text)) for text in first) <= len(first)


def grids_to_tables(page: RawPage, places: Places) -> tuple[list[Table], list[Box]]:
    """The ruled grids that are tables, and the boxes of those that are drawn charts."""
    tables: list[Table] = []
    charts: list[Box] = []
    for grid in whole_grids(page):
        table = Table(grid.box, tuple(grid_row_to_cells(row, places) for row in grid.rows))
        rows = tuple(row for row in table.rows if any(cell and cell.strips for cell in row))
        table = Table(grid.box, rows)
        if is_table(table, len(grid.rows)):
            tables.append(table)
        elif looks_drawn(grid):
            charts.append(grid.box)
    return tables, charts


def grid_row_to_cells(row: Sequence[Box | None], places: Places) -> tuple[Cell | None, ...]:
    """A row of cell boxes with the text that stands in each."""
    return tuple(Cell(box, tuple(glyphs_to_strips(places.inside(box)))) if box else None for box in row)


def is_table(table: Table, grid_rows: int) -> bool:
    """Tell a table from a chart's grid lines and from boxes that touch: nearly every row has text in two cells.

    Under a row of column names half of the rows will do: others name a group of rows, or are the rest of one.
    """
    if len(table.rows) < 2 or len(table.rows) < 0.6 * grid_rows:
        return False
    filled = [sum(bool(cell and cell.strips) for cell in row) for row in table.rows]
    cells = sum(cell is not None for row in table.rows for cell in row)
    least = 0.5 if filled[0] == len(table.rows[0]) else 0.7
    return sum(count >= 2 for count in filled) >= least * len(filled) and sum(filled) >= 0.5 * cells


def looks_drawn(grid: Grid) -> bool:
    """Whether a grid that is no table is a chart: many cells, as bars over grid lines give."""
    return sum(box is not None for row in grid.rows for box in row) >= 6


def nest_boxes(page: RawPage, places: Places, taken: Sequence[Box]) -> Region:
    """The page's drawn boxes that hold text, as a tree by containment. `taken` are tables and charts."""
    root = Region((0.0, 0.0, page.width, page.height), [], [], [])
    chosen: list[Box] = []
    shapes = sorted((shape.box for shape in page.shapes), key=area, reverse=True)
    sizes = [glyph.size for glyph in page.glyphs] or [10.0]
    least = 1.5 * median(sizes)
    for box in shapes:
        if width(box) < MIN_BOX_WIDTH or height(box) < least or area(box) > 0.85 * area(root.box):
            continue
        if any(contains(other, box, 1.0) or overlap(other, box) > 0.3 * area(box) for other in taken):
            continue
        if any(clashes(box, other) for other in chosen):
            continue
        if len(places.inside(box)) >= MIN_BOX_GLYPHS:
            chosen.append(box)
            parent = innermost(root, *middle(box), box)
            parent.children.append(Region(box, [], [], []))
    return root


def clashes(box: Box, other: Box) -> bool:
    """Whether a smaller box is nearly the same as a larger one, or cuts its edge."""
    shared = overlap(box, other)
    return shared > 0.9 * area(other) or 0.05 * area(box) < shared < 0.95 * area(box)


def innermost(region: Region, x: float, y: float, box: Box | None = None) -> Region:
    """The smallest region that holds the point (and the box, where given)."""
    for child in region.children:
        if holds(child.box, x, y) and (box is None or contains(child.box, box)):
            return innermost(child, x, y, box)
    return region


def region_to_flows(region: Region, panel: int, known: Sequence[Strip] | None = None) -> list[Flow]:
    """A region's own text, tables and inner boxes in reading order; each box is read whole where it stands.

    `known` are its strips where they have been found before.
    """
    strips = glyphs_to_strips(region.glyphs) if known is None else known
    size = median([strip.size for strip in strips]) if strips else 10.0
    things: list[Strip | Table | Region] = [*strips, *region.tables, *region.children]
    items = [
        Item(key, thing.box, thing.size, point=bool(BULLET.match(thing.text)))
        if isinstance(thing, Strip)
        else Item(key, thing.box, size, solid=True)
        for key, thing in enumerate(things)
    ]
    flows: list[Flow] = []
    order = order_in_box if panel else reading_order
    for column in [column for part in apart_from_margins(items, region.box) for column in order(part)]:
        parts: list[Strip | Table] = []
        for item in column:
            thing = things[item.key]
            if isinstance(thing, Region):
                flows += [Flow(region.box, panel, tuple(parts))] if parts else []
                parts = []
                flows += region_to_flows(thing, panel or item.key + 1)
            else:
                parts.append(thing)
        flows += [Flow(region.box, panel, tuple(parts))] if parts else []
    return flows


def apart_from_margins(items: Sequence[Item], frame: Box) -> list[list[Item]]:
    """Items in the top margin, the body and the bottom margin, so that a running line joins no column."""
    top, bottom = frame[1] + MARGIN * height(frame), frame[3] - MARGIN * height(frame)
    if frame[1] > 0:  # a box on the page has no running lines
        return [list(items)]
    head = [item for item in items if middle(item.box)[1] < top]
    foot = [item for item in items if middle(item.box)[1] > bottom]
    taken = {item.key for item in (*head, *foot)}
    return [head, [item for item in items if item.key not in taken], foot]
