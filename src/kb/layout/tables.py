"""Tables: header row, merged cells carried down, and tables joined that run over a page break."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kb.layout.strips import Cell
from kb.marks import NUMERIC
from kb.records import Box, Piece

NEAR = 6.0
"""Edges of columns on two pages that differ by less, in points, are the same."""

MAX_HEADER = 20
"""A header cell has at most this many characters."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """A cell's place on its page and its lines as pieces of the page's text."""

    box: Box
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The lines run together."""
        return "".join(piece.text for piece in self.pieces)


Row = tuple[TableCell | None, ...]


@dataclass(frozen=True, slots=True)
class DraftTable:
    """A table while it is put together: its rows, the header among them, and its columns' edges on the last page."""

    rows: tuple[Row, ...]
    edges: tuple[tuple[float, float], ...]

    @property
    def header(self) -> Row | None:
        """The first row, if it names the columns in a few words; the first cell may be empty, and one of many."""
        first = self.rows[0]
        named = sum(bool(cell and cell.text and not is_amount(cell.text)) for cell in first[1:])
        short = all(cell is not None and len(cell.text) <= MAX_HEADER for cell in first)
        return first if short and named >= len(first) - (2 if len(first) > 3 else 1) else None


def is_amount(text: str) -> bool:
    """Whether a cell holds a figure that is no year or date, as names of columns may be."""
    return bool(NUMERIC.match(text)) and "年" not in text and not re.fullmatch(r"(?:19|20)\d\d", text)


def column_edges(rows: Sequence[Sequence[Cell | None]]) -> tuple[tuple[float, float], ...]:
    """The left and right edges of a table's columns, in points, as far as they have text."""
    boxes: dict[int, list[Box]] = {}
    for row in rows:
        for at, cell in enumerate(row):
            if cell and (cell.strips or at not in boxes):
                boxes.setdefault(at, []).append(cell.box)
    return tuple((min(box[0] for box in found), max(box[2] for box in found)) for _, found in sorted(boxes.items()))


def carry_down(rows: Sequence[Row]) -> list[Row]:
    """Give a row the cell above it where that cell reaches down over it (a merged cell), or is its empty first cell."""
    carried: list[Row] = []
    for row in rows:
        bottom = max((cell.box[3] for cell in row if cell), default=0.0)
        above = carried[-1] if carried else ()
        filled = [
            above[at] if at < len(above) and goes_down(above[at], cell, bottom, at) else cell
            for at, cell in enumerate(row)
        ]
        carried.append(tuple(filled))
    return carried


def goes_down(above: TableCell | None, cell: TableCell | None, bottom: float, column: int) -> bool:
    """Whether the cell above stands for this one too: drawn down to `bottom`, or naming a group of rows."""
    if above is None:
        return False
    if cell is None:
        return above.box[3] >= bottom - 2
    return column == 0 and not cell.text


def continues(table: DraftTable, below: DraftTable) -> bool:
    """Whether the table at the top of a page has the columns of the one at the foot of the page before."""
    if len(table.edges) != len(below.edges):
        return False
    pairs = zip(table.edges, below.edges, strict=True)
    return all(min(abs(one[0] - other[0]), abs(one[1] - other[1])) < NEAR for one, other in pairs)


def join_tables(table: DraftTable, below: DraftTable) -> DraftTable:
    """Append a table's continuation: its repeated header dropped, a row cut by the page break made whole."""
    rows = list(below.rows)
    if table.header and texts(rows[0]) == texts(table.header):
        rows = rows[1:]
    joined = list(table.rows)
    if rows and is_remainder(rows[0]):
        joined[-1] = merge_rows(joined[-1], rows.pop(0))
    return replace(table, rows=(*joined, *rows), edges=below.edges)


def texts(row: Row) -> list[str]:
    """The cells' texts."""
    return [cell.text if cell else "" for cell in row]


def is_remainder(row: Row) -> bool:
    """Whether a row is the rest of one cut by the page break: its first cell is empty, another is not."""
    words = texts(row)
    return not words[0] and any(words)


def merge_rows(above: Row, below: Row) -> Row:
    """One row of two halves, cell by cell."""
    merged: list[TableCell | None] = []
    for one, other in zip(above, below, strict=False):
        if one and other:
            merged.append(replace(one, pieces=one.pieces + other.pieces))
        else:
            merged.append(one or other)
    return tuple(merged)
