"""Plain text → blocks: hard-wrapped lines joined, headings by their numbering, lines with tabs as tables."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kb.marks import (
    BULLET,
    CAPTION,
    CONTENTS_ROW,
    NO_START,
    NUMBERED,
    SENTENCE_END,
    is_numbered_heading,
    is_speaker,
    numbering,
)
from kb.read.sections import piece_of, rows_to_blocks
from kb.records import Block, Kind, Piece

WRAPPED = (24, 130)
"""Lines that were broken by hand are so wide, in columns; a Chinese character takes two."""

INDENT = 2
"""A line that stands in by so many columns more than the one before begins a paragraph."""

RUNNING = 3
"""So many numbers that count on are those of pages; words that stand beside them so many times are a running line."""

PAGE_NUMBER = re.compile(r"[-–—~·\s]*(\d{1,3})(?:\s*/\s*\d{1,3})?[-–—~·\s]*")
"""A page's number on a line of its own: 3, - 3 - or 3/20; a year is none."""

MAX_HEADER = 20
"""A cell that names a column has at most this many characters."""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line that is not blank, without blanks at its ends.

    `indent` and `width` are in columns, `gap` is the number of blank lines before it. `row` is the line with the tabs
    at its ends, which stand beside empty cells, and `row_start` is where it begins.
    """

    start: int
    end: int
    text: str
    row: str
    row_start: int
    indent: int
    gap: int
    width: int


def plain_to_blocks(text: str) -> Iterator[Block]:
    """The blocks of a plain text, in order; headings are known by their numbering."""
    lines = list(text_to_lines(text))
    noise = find_noise(lines)
    paragraphs = join_lines([line for line in lines if line not in noise])
    yield from join_speakers(number_headings(list(paragraphs_to_blocks(text, paragraphs))))


def text_to_lines(text: str, start: int = 0, end: int | None = None) -> Iterator[TextLine]:
    """The lines that are not blank, of a text or of a range of whole lines in it."""
    gap = 0
    for raw in text[start:end].split("\n"):
        words = raw.strip()
        if words:
            at, row = start + raw.index(words), raw.strip(" \u3000")
            place = start + raw.index(row)
            indent = columns(raw[: at - start])
            yield TextLine(at, at + len(words), words, row, place, indent, gap, columns(words))
        gap = 0 if words else gap + 1
        start += len(raw) + 1


def columns(text: str) -> int:
    """How many columns a text takes; a Chinese character, and a tab, takes two or more."""
    return sum(2 if char == "\t" or unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def find_noise(lines: Sequence[TextLine]) -> set[TextLine]:
    """The numbers of pages, and the running lines that recur beside them. All that a page has is no running line."""
    pages = page_numbers(lines)
    beside = [at for at in range(len(lines)) if at not in pages and len({at - 1, at + 1} & pages) == 1]
    counts = Counter(lines[at].text for at in beside)
    return {lines[at] for at in (*pages, *(at for at in beside if counts[lines[at].text] >= RUNNING))}


def page_numbers(lines: Sequence[TextLine]) -> set[int]:
    """Which lines are the numbers of pages: they count on one by one, with text between; other numbers are figures."""
    runs: dict[int, list[int]] = {}  # by the number that comes next
    found: set[int] = set()
    for at, line in enumerate(lines):
        if number := PAGE_NUMBER.fullmatch(line.text):
            run = runs.pop(int(number[1]), [])
            run = [*run, at] if run and at - run[-1] > 1 else [at]
            runs[int(number[1]) + 1] = run
            found |= set(run) if len(run) >= RUNNING else set()
    return found


def join_lines(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    """Lines as paragraphs: those that were broken by hand read on."""
    wrapped, spaced = is_wrapped(lines), is_spaced(lines)
    paragraphs: list[list[TextLine]] = []
    for line in lines:
        if paragraphs and wrapped and reads_on(paragraphs[-1], line, spaced):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([line])
    return paragraphs


def is_wrapped(lines: Sequence[TextLine]) -> bool:
    """Whether a text was broken into lines by hand: next to nothing of it stands in lines that are wider."""
    wide = sum(line.width for line in lines if line.width > WRAPPED[1])
    return wide < 0.2 * sum(line.width for line in lines)


def is_spaced(lines: Sequence[TextLine]) -> bool:
    """Whether a blank line stands between most lines, so that it parts no paragraphs."""
    open_ends = [
        after.gap
        for line, after in zip(lines, lines[1:], strict=False)
        if WRAPPED[0] <= line.width <= WRAPPED[1] and not SENTENCE_END.search(line.text)
    ]
    return sum(gap == 1 for gap in open_ends) > 0.5 * len(open_ends)


def reads_on(paragraph: Sequence[TextLine], line: TextLine, spaced: bool) -> bool:
    """Whether a line goes on with the paragraph: the one before is full, and nothing tells of a beginning."""
    last = paragraph[-1]
    if line.gap > int(spaced) or "\t" in line.row.lstrip() or "\t" in last.row.lstrip():
        return False
    if NO_START.match(line.text):
        return True
    if line.indent >= last.indent + INDENT or begins(line.text):
        return False
    if not WRAPPED[0] <= last.width <= WRAPPED[1] or line.width > 1.1 * last.width + 2:
        return False
    widest = max(before.width for before in paragraph)
    full = last.width >= 0.9 * widest - 2
    ended = bool(SENTENCE_END.search(last.text))
    return full and not (ended and (line.gap or len(paragraph) == 1))


def begins(text: str) -> bool:
    """Whether a line begins something by its words: a bullet, a number, a caption, a heading."""
    return any(mark.match(text) for mark in (BULLET, NUMBERED, CAPTION)) or is_numbered_heading(text)


def paragraphs_to_blocks(text: str, paragraphs: Sequence[Sequence[TextLine]]) -> Iterator[Block]:
    """Paragraphs as blocks; runs of lines with tabs as tables."""
    tabbed: list[TextLine] = []
    tables = 0
    for paragraph in (*paragraphs, []):
        goes_on = bool(tabbed and paragraph and not paragraph[0].gap and "\t" in paragraph[0].row)
        if goes_on or paragraph and not tabbed and "\t" in paragraph[0].text:
            tabbed.append(paragraph[0])
            continue
        if tabbed:
            tables += 1
            yield from tabbed_to_blocks(text, tabbed, tables)
            tabbed = []
        if paragraph:
            pieces = tuple(Piece(0, line.start, line.end, line.text) for line in paragraph)
            yield Block(kind_of("".join(line.text for line in paragraph)), pieces)


def tabbed_to_blocks(text: str, lines: Sequence[TextLine], number: int) -> Iterator[Block]:
    """Lines with tabs: a table, or the rows of a table of contents, or words that a tab sets apart."""
    if 2 * sum(bool(CONTENTS_ROW.search(line.text)) for line in lines) > len(lines):
        yield from (Block(Kind.CONTENTS, (piece_of(text, line.start, line.end),)) for line in lines)
    elif len(lines) < 2:
        yield from (Block(kind_of(line.text), (piece_of(text, line.start, line.end),)) for line in lines)
    else:
        rows = [tabbed_cells(text, line) for line in lines]
        yield from rows_to_blocks(rows, names_columns(rows[0]), number)


def tabbed_cells(text: str, line: TextLine) -> list[tuple[Piece, ...]]:
    """The cells of a line with tabs."""
    cells: list[tuple[Piece, ...]] = []
    start = line.row_start
    for words in line.row.split("\t"):
        piece = piece_of(text, start, start + len(words))
        cells.append((piece,) if piece.text else ())
        start += len(words) + 1
    return cells


def names_columns(row: Sequence[tuple[Piece, ...]]) -> bool:
    """Whether the first row of a table names its columns: a few words in each cell; the first may be empty."""
    lengths = [sum(len(piece.text) for piece in cell) for cell in row]
    return bool(lengths) and lengths[0] <= MAX_HEADER and all(0 < length <= MAX_HEADER for length in lengths[1:])


def kind_of(text: str) -> Kind:
    """What a paragraph is, by its words."""
    if not any(char.isalnum() for char in text):
        return Kind.NOISE
    if CAPTION.match(text):
        return Kind.CAPTION
    if CONTENTS_ROW.search(text) and re.search(r"[.．…·]{3,}", text):
        return Kind.CONTENTS
    if is_numbered_heading(text):
        return Kind.HEADING
    return Kind.LIST if BULLET.match(text) or NUMBERED.match(text) else Kind.TEXT


def number_headings(blocks: Sequence[Block]) -> Iterator[Block]:
    """Headings with their levels: the outermost numbering that a text has is 1."""
    depths = sorted({numbering(block.text) for block in blocks if block.kind is Kind.HEADING})
    for block in blocks:
        heading = block.kind is Kind.HEADING
        yield Block(Kind.HEADING, block.pieces, depths.index(numbering(block.text)) + 1) if heading else block


def points_of_lists(blocks: Iterable[Block]) -> Iterator[Block]:
    """In a text whose headings are marked, a numbered line that is not is a point of a list."""
    for block in blocks:
        unmarked = block.kind is Kind.HEADING and not block.level
        yield Block(Kind.LIST, block.pieces) if unmarked else block


def join_speakers(blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks with each line that signs a quotation joined to the paragraph before it."""
    before: Block | None = None
    for block in blocks:
        if before and before.kind is Kind.TEXT and block.kind is Kind.TEXT and is_speaker(block.text):
            yield Block(Kind.QUOTE, before.pieces + block.pieces)
            before = None
            continue
        if before:
            yield before
        before = block
    if before:
        yield before
