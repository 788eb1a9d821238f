"""Markdown → blocks: headings, lists, quotes and tables as they are marked; the marks themselves are left out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.token import Token

from kb.read.plain import join_speakers, kind_of, number_headings, points_of_lists, tabbed_to_blocks, text_to_lines
from kb.read.sections import piece_of, rows_to_blocks
from kb.records import Block, Kind, Piece

VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
TAG = rf"</?[A-Za-z][A-Za-z0-9-]*(?:\s+[A-Za-z_:][A-Za-z0-9_:.-]*(?:\s*=\s*{VALUE})?)*\s*/?>"
"""CommonMark's grammar of a tag; a comparison such as A<B is none."""

MARKUP = re.compile(
    r"(?P<ticks>(?<!`)`+(?!`))(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|!\[[^\]\n]*\]\([^)\n]*\)"  # a picture
    r"|\[(?=[^\]\n]*\]\()|\]\([^)\n]*\)"  # what stands around the words of a link
    rf"|{TAG}|<!--.*?-->"
    r"|\*\*(?=\S)|(?<=\S)\*\*|(?<!\w)__(?=[^\s_])|(?<=[^\s_])__(?!\w)|~~"
    r"|\\(?=[!-/:-@\[-`{-~])"
)
"""Marks for how words look, and code, whose own words have none."""

FRONT_MATTER = re.compile(r"---[ \t]*\n(?:(?:\w[\w-]*:|[ \t]+\S|- |#).*\n)+(?:---|\.\.\.)[ \t]*(?=\n|$)")
"""YAML at the very top: keys, what is indented below them, points and comments."""

ORDERED = re.compile(r"\d{1,9}[.)]\s+$")
PREFIX = re.compile(r"[\s>]*\|?")
"""What stands before the first cell of a table's row."""

PIPE = re.compile(r"(?<!\\)\|")


@dataclass(slots=True)
class Reading:
    """A text while its tokens are read: where its lines begin, and what the next words stand in."""

    text: str
    starts: list[int]
    heading: int = 0
    quotes: int = 0
    item: bool = False
    rows: list[list[tuple[Piece, ...]]] = field(default_factory=list)
    tables: int = 0

    def pieces(self, first: int, contents: Sequence[str], marked: bool = True) -> list[Piece]:
        """The pieces of lines of the text, from number `first` on, each without what stands around its contents.

        `marked` tells that there may be marks in them, which are left out.
        """
        found: list[Piece] = []
        for number, words in enumerate(map(str.strip, contents), first):
            if not words:  # a fence that nothing follows has a line that the text has not
                continue
            at = self.text.find(words, self.starts[number], self.starts[number + 1])
            if at >= 0:
                end = at + len(words)
                found += unmarked(self.text, at, end) if marked else [piece_of(self.text, at, end)]
        return found


def markdown_to_blocks(text: str) -> Iterator[Block]:
    """The blocks of a Markdown text, in order; where it marks no heading, they are known by their numbering."""
    lines = text.split("\n")
    reading = Reading(text, [0, *accumulate(len(line) + 1 for line in lines)])
    front = FRONT_MATTER.match(text)
    top = front.end() if front else 0
    # without `reference`, which takes the text of a footnote for the address of a link, and gives no token for it
    parser = MarkdownIt("commonmark").enable("table").disable("reference")
    tokens = parser.parse("\n" * text.count("\n", 0, top) + text[top:])
    pieces = tuple(piece_of(text, line.start, line.end) for line in text_to_lines(text, 0, top))
    blocks = [Block(Kind.NOISE, pieces)] if pieces else []
    blocks += [block for token in tokens for block in token_to_blocks(token, reading)]
    marked = any(token.type == "heading_open" for token in tokens)
    yield from join_speakers(points_of_lists(blocks) if marked else number_headings(blocks))


def token_to_blocks(token: Token, reading: Reading) -> Iterator[Block]:
    """The blocks that a token ends; the others tell what is to come."""
    line = token.map[0] if token.map else 0
    match token.type:
        case "heading_open":
            reading.heading = int(token.tag[1])
        case "blockquote_open" | "blockquote_close":
            reading.quotes += token.nesting
        case "list_item_open":
            reading.item = True
        case "list_item_close":
            reading.item = False
        case "tr_open":
            reading.rows.append(cells_of(reading, line))
        case "table_close":
            reading.tables += 1
            yield from rows_to_blocks(reading.rows, True, reading.tables)
            reading.rows = []
        case "fence" | "code_block" | "html_block":
            skipped = 1 if token.type == "fence" else 0
            contents = token.content.rstrip("\n").split("\n")
            pieces = reading.pieces(line + skipped, contents, marked=token.type == "html_block")
            if pieces:
                yield Block(Kind.TEXT, tuple(pieces))
        case "inline" if not reading.rows:
            yield from words_to_blocks(token.content.split("\n"), line, reading)
            reading.heading, reading.item = 0, False


def words_to_blocks(contents: Sequence[str], line: int, reading: Reading) -> Iterator[Block]:
    """A heading or paragraph."""
    if not reading.heading and len(contents) > 1 and all("\t" in words for words in contents[:-1]):
        start, end = reading.starts[line], reading.starts[line + len(contents)]
        reading.tables += 1
        for block in tabbed_to_blocks(reading.text, list(text_to_lines(reading.text, start, end)), reading.tables):
            cells = tuple((plainly(reading.text, name), plainly(reading.text, cell)) for name, cell in block.cells)
            yield replace(block, pieces=plainly(reading.text, block.pieces), cells=cells)
        return
    pieces = reading.pieces(line, contents)
    if reading.item and pieces:
        pieces[0] = with_number(reading.text, reading.starts[line], pieces[0])
    words = "".join(piece.text for piece in pieces)
    kind = kind_of(words)
    if reading.heading:
        kind = Kind.HEADING if words else Kind.NOISE
    elif reading.quotes:
        kind = Kind.QUOTE
    elif reading.item and kind in (Kind.TEXT, Kind.HEADING):
        kind = Kind.LIST
    if pieces:
        yield Block(kind, tuple(pieces), reading.heading if kind is Kind.HEADING else 0)


def with_number(text: str, start: int, piece: Piece) -> Piece:
    """The first words of a list item with the number before them; a bullet is a mark and stays out."""
    number = ORDERED.search(text[start : piece.start])
    at = start + number.start() if number else piece.start
    return Piece(0, at, piece.end, text[at : piece.end])


def cells_of(reading: Reading, number: int) -> list[tuple[Piece, ...]]:
    """The cells of a table's row, which stands on one line."""
    start, end = reading.starts[number], reading.starts[number + 1] - 1
    line = reading.text[start:end].rstrip()
    begin = PREFIX.match(line)
    at = begin.end() if begin else 0
    edges = [at, *(pipe.end() for pipe in PIPE.finditer(line, at))]
    if edges[-1] < len(line):
        edges.append(len(line) + 1)
    return [
        tuple(unmarked(reading.text, start + left, start + right - 1))
        for left, right in zip(edges, edges[1:], strict=False)
    ]


def plainly(text: str, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Pieces without the marks in them."""
    return tuple(part for piece in pieces for part in unmarked(text, piece.start, piece.end))


def unmarked(text: str, start: int, end: int) -> list[Piece]:
    """The words of a range, without blanks at its ends, parted where marks stand between them."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    marks: list[tuple[int, int]] = []
    for mark in MARKUP.finditer(text, start, end):
        code = mark["code"] is not None
        marks += [mark.span("ticks"), (mark.end("code"), mark.end())] if code else [mark.span()]
    lefts, rights = [start, *(right for _, right in marks)], [*(left for left, _ in marks), end]
    return [Piece(0, left, right, text[left:right]) for left, right in zip(lefts, rights, strict=True) if left < right]
