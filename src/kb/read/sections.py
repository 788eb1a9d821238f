"""A text file's blocks → its sections, which are to it what pages are to a PDF."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from kb.marks import NUMBERED, NUMERIC, is_numbered_heading
from kb.records import Block, Kind, Line, Page, Piece

CUT_LEVELS = 2
"""Sections begin at headings of this many of the outermost levels that a file has."""

HEADED = 6000
"""A section under a heading is cut, at a paragraph's end, when it grows over this many characters."""

UNHEADED = 2000
"""The same where there are no headings."""

MAX_LABEL = 30
MAX_TITLE = 60
NOWHERE = (0.0, 0.0, 0.0, 0.0)
"""The box of a line that stands on no sheet of paper."""

Cells = tuple[tuple[tuple[Piece, ...], tuple[Piece, ...]], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A text file as read: its sections as pages, what it says of its title and author, and how it begins."""

    pages: tuple[Page, ...]
    blocks: tuple[Block, ...]
    title: str
    author: str
    opening: str


def piece_of(text: str, start: int, end: int) -> Piece:
    """A range of the whole text, blanks at its ends left out; its section is not yet known."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return Piece(0, start, end, text[start:end])


def rows_to_blocks(rows: Sequence[Sequence[tuple[Piece, ...]]], headed: bool, number: int) -> Iterator[Block]:
    """The rows of a table, its cells as pieces, as one block a row; `headed` tells that the first names the columns."""
    width = max(len(row) for row in rows)
    whole = [(*row, *((),) * (width - len(row))) for row in rows]
    names = whole[0] if headed else ((),) * width
    for row in whole[1:] if headed else whole:
        if any(row):
            yield Block(Kind.TABLE, (), cells=tuple(zip(names, row, strict=True)), table=number)


def cut_sections(text: str, blocks: Sequence[Block], reader: str, title: str = "", author: str = "") -> Written:
    """Cut a text into sections, and let the blocks' pieces, which count from its beginning, count in them."""
    labels = dict(find_cuts(text, blocks))
    starts = list(labels)
    ends = [*starts[1:], len(text)]
    pages = tuple(
        section_to_page(at + 1, text[start:end].rstrip(), labels[start], reader)
        for at, (start, end) in enumerate(zip(starts, ends, strict=True))
    )

    def placed(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        at = [bisect_right(starts, piece.start) - 1 for piece in pieces]
        return tuple(
            Piece(number + 1, piece.start - starts[number], piece.end - starts[number], piece.text)
            for number, piece in zip(at, pieces, strict=True)
        )

    moved = (
        replace(
            block,
            pieces=placed(block.pieces),
            cells=tuple((placed(name), placed(cell)) for name, cell in block.cells),
        )
        for block in blocks
    )
    return Written(pages, tuple(moved), title, author, opening(blocks))


def find_cuts(text: str, blocks: Sequence[Block]) -> Iterator[tuple[int, str | None]]:
    """Where sections begin in the text, each with its label: the headings of its first lines, or the one in force."""
    levels = sorted({block.level for block in blocks if block.kind is Kind.HEADING})[:CUT_LEVELS]
    most = HEADED if levels else UNHEADED
    start, label, filled = 0, "", False  # of the present section: where, what it is called, whether it has text
    before: Block | None = None
    for block in blocks:
        heading = block.kind is Kind.HEADING and block.level in levels
        at = text.rfind("\n", 0, start_of(block)) + 1
        runs_on = before is not None and (before.kind is Kind.HEADING or block.table and before.table == block.table)
        if at > start and (filled if heading else at - start >= most and not runs_on):
            yield start, shorten(label)
            start, filled = at, False
        label = block.text if heading else label
        filled = filled or block.kind not in (Kind.HEADING, Kind.NOISE, Kind.CONTENTS)
        before = block
    yield start, shorten(label)


def start_of(block: Block) -> int:
    """Where a block begins in the text; the first row of a table begins with the names of its columns."""
    return min(piece.start for piece in (*block.pieces, *(p for pair in block.cells for part in pair for p in part)))


def shorten(label: str) -> str | None:
    """A section's title in a few words, or None where it has none."""
    return f"{label[: MAX_LABEL - 1]}…" if len(label) > MAX_LABEL else label or None


def section_to_page(number: int, text: str, label: str | None, reader: str) -> Page:
    """A section as a page without size."""
    lines, start = [], 0
    for line in text.split("\n"):
        if line.strip():
            lines.append(Line(start, start + len(line), NOWHERE, 0.0))
        start += len(line) + 1
    problem = None if lines else "empty page"
    return Page(number, 0.0, 0.0, text, tuple(lines), reader, label, problem)


def opening(blocks: Sequence[Block]) -> str:
    """The words that a text begins with, if they are few enough for a title, and not those of its first chapter.

    What begins with a rule is the front matter of Markdown.
    """
    words = (block.text for block in blocks if block.kind is not Kind.CONTENTS)
    first = next((text for text in words if not NUMERIC.match(text) and not text.startswith("---")), "")
    numbered = is_numbered_heading(first) or NUMBERED.match(first)
    return first if len(first) <= MAX_TITLE and not numbered else ""
