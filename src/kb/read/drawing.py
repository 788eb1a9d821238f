"""What a page draws besides characters: areas, rules, pictures, and the ruled grids that its edges make."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from pdfplumber.table import cells_to_tables, edges_to_intersections, intersections_to_cells, merge_edges

from kb.records import Box, Grid, Shape

Point = tuple[float, float]

MOST_DRAWN = 3000
"""A page with more drawn shapes is a picture, and looking for ruled tables in it takes minutes."""

MOST_PAIRS = 2_000_000
MOST_CROSSINGS = 10_000
"""So many pairs of upright and level rules, and so many points where they meet, are looked at in two seconds each."""

TOLERANCE = 3.0
"""How far edges may stand apart, in points, and still meet; a shorter edge is none. pdfplumber's own."""


@dataclass(slots=True)
class Drawing:
    """What one page draws, filled as it is drawn; coordinates are those of the page as shown.

    `curves` counts what is neither a straight rule nor an upright rectangle.
    """

    shapes: list[Shape] = field(default_factory=list)
    rules: list[Box] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    edges: list[dict[str, Any]] = field(default_factory=list)
    curves: int = 0

    def add(self, points: Sequence[Point], bent: bool, fill: bool, stroke: bool) -> None:
        """A painted path that does not lift the pen; a closed one ends where it began, a bent one has curves in it."""
        if not bent and (len(points) == 2 or (len(points) == 3 and points[0] == points[2])):
            self.rules.append(around(points))
            self._edge(points[0], points[1])
            return
        self.curves += bent or not is_rectangle(points)
        self.shapes.append(Shape(around(points), fill, stroke))
        for start, end in pairwise(points):
            self._edge(start, end)

    def _edge(self, start: Point, end: Point) -> None:
        """One straight stretch, where it is level or upright; the names are pdfplumber's."""
        (x0, x1), (top, bottom) = sorted((start[0], end[0])), sorted((start[1], end[1]))
        wide, high = x1 - x0, bottom - top
        if (wide == 0 and high >= 1) or (high == 0 and wide >= 1):
            way = "h" if high == 0 else "v"
            edge = {"x0": x0, "x1": x1, "top": top, "bottom": bottom, "width": wide, "height": high, "orientation": way}
            self.edges.append(edge)

    def grids(self) -> tuple[Grid, ...]:
        """The ruled tables that have at least two rows and two columns; none in a drawing that has too many rules."""
        upright = sum(edge["orientation"] == "v" for edge in self.edges)
        if upright < 2 or len(self.edges) - upright < 2 or len(self.shapes) + len(self.rules) > MOST_DRAWN:
            return ()
        merged = merge_edges(self.edges, TOLERANCE, TOLERANCE, TOLERANCE, TOLERANCE)
        edges = [edge for edge in merged if edge["bottom"] - edge["top"] + edge["x1"] - edge["x0"] >= TOLERANCE]
        upright = sum(edge["orientation"] == "v" for edge in edges)
        if upright * (len(edges) - upright) > MOST_PAIRS:
            return ()
        crossings = edges_to_intersections(edges, TOLERANCE, TOLERANCE)
        if len(crossings) > MOST_CROSSINGS:
            return ()
        grids = [to_grid(table) for table in cells_to_tables(intersections_to_cells(crossings))]
        return tuple(grid for grid in grids if len(grid.rows) >= 2 and len(grid.rows[0]) >= 2)


def around(points: Sequence[Point]) -> Box:
    """The box around points, rounded to a hundredth of a point."""
    xs, ys = zip(*points, strict=True)
    return round(min(xs), 2), round(min(ys), 2), round(max(xs), 2), round(max(ys), 2)


def is_rectangle(points: Sequence[Point]) -> bool:
    """Whether a path is a rectangle with level and upright sides."""
    if len(points) != 5 or points[0] != points[4]:
        return False
    return all(start[0] == end[0] or start[1] == end[1] for start, end in pairwise(points))


def to_grid(cells: Sequence[Box]) -> Grid:
    """The cells of one table by rows; None stands where a merged cell goes on."""
    lefts = sorted({cell[0] for cell in cells})
    rows = []
    for _, row in groupby(sorted(cells, key=itemgetter(1, 0)), itemgetter(1)):
        by_left = {cell[0]: cell for cell in row}
        rows.append(tuple(by_left.get(left) for left in lefts))
    x0s, tops, x1s, bottoms = zip(*cells, strict=True)
    return Grid((min(x0s), min(tops), max(x1s), max(bottoms)), tuple(rows))
