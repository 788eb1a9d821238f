"""Blocks → the whole tables of a report: caption, header and rows, as a spreadsheet would hold them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from kb.records import Block, Kind, Piece, ReportTable
from kb.segment import Heading, blocks_to_drafts, joined
from kb.words import mend

Headed = tuple[Block, tuple[Heading, ...]]


def blocks_to_tables(blocks: Sequence[Block]) -> list[ReportTable]:
    """The tables of a document in reading order, with the headings that their rows' passages have."""
    captions = {block.pieces for block in blocks if block.kind is Kind.CAPTION}
    numbered = groupby(rows_with_headings(blocks), key=lambda headed: headed[0].table)
    return [rows_to_table(number, list(rows), captions) for number, rows in numbered]


def rows_with_headings(blocks: Sequence[Block]) -> Iterator[Headed]:
    """The blocks that are table rows, each with the headings in force; its caption is the innermost of them."""
    rows = (block for block in blocks if block.kind is Kind.TABLE)
    drafts = (draft for draft in blocks_to_drafts(blocks, set()) if draft.atoms[0].kind is Kind.TABLE)
    return ((row, draft.path) for row, draft in zip(rows, drafts, strict=True))


def rows_to_table(number: int, rows: Sequence[Headed], captions: set[tuple[Piece, ...]]) -> ReportTable:
    """One table. All rows are as long as its longest; a missing cell is empty."""
    first, path = rows[0]
    caption = path[-1].text if path and path[-1].pieces in captions else ""
    names = tuple(cell_text(name) for name, _ in first.cells)
    columns = max(len(row.cells) for row, _ in rows)
    return ReportTable(
        number,
        pages=tuple(sorted({piece.page for row, _ in rows for cell in row.cells for part in cell for piece in part})),
        heading=tuple(heading.text for heading in (path[:-1] if caption else path)),
        caption=caption,
        header=padded(names, columns) if any(names) else (),
        rows=tuple(padded((cell_text(cell) for _, cell in row.cells), columns) for row, _ in rows),
    )


def padded(cells: Iterable[str], columns: int) -> tuple[str, ...]:
    """So many cells, empty ones at the end."""
    found = tuple(cells)
    return found + ("",) * (columns - len(found))


def cell_text(pieces: Sequence[Piece]) -> str:
    """The lines of a cell run together, a blank between Latin words, mended."""
    return mend("".join(joiner + piece.text for joiner, piece in joined(pieces)))
