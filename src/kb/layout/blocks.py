"""Laid-out pages → pages with text, and the document's blocks: headings with level, paragraphs, lists, table rows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from kb.layout.kinds import MAX_HEADING, MAX_LABEL, chart_rows, find_notes, is_contents, kind_of
from kb.layout.noise import Noise, find_noise
from kb.layout.outline import contents_outline, levels_by_outline, match_outline, title_of
from kb.layout.page import Flow, PageLayout, Table
from kb.layout.paragraphs import Row, rows_to_paragraphs, strips_to_rows
from kb.layout.strips import Strip
from kb.layout.styles import Typography, document_typography, heading_levels, page_typography
from kb.layout.tables import DraftTable, TableCell, carry_down, column_edges, continues, join_tables
from kb.layout.turned import shown_box
from kb.marks import SENTENCE_END, numbering
from kb.records import Block, Bookmark, Kind, Line, Page, Piece

COVER_CHARACTERS = 200
"""A first page with less text is a cover."""

MIN_BOX = 40
"""A box with less text than this is a label of a drawing, and its text goes with what stands around it."""


@dataclass(slots=True)
class PageWriter:
    """Collects a page's text, one strip a line, and tells where each strip came to stand."""

    lines: list[Line] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    length: int = 0

    def write(self, page: int, strip: Strip) -> Piece:
        """Add a strip to the text."""
        start, end = self.length, self.length + len(strip.text)
        self.lines.append(Line(start, end, strip.box, strip.size))
        self.parts.append(strip.text)
        self.length = end + 1
        return Piece(page, start, end, strip.text)

    def text(self) -> str:
        """All lines so far."""
        return "\n".join(self.parts)


@dataclass(frozen=True, slots=True)
class Draft:
    """A block before levels are known, with what decides whether the next one goes on with it."""

    kind: Kind
    page: int
    panel: int
    size: float
    pieces: tuple[Piece, ...] = ()
    table: DraftTable | None = None
    open_end: bool = False
    open_start: bool = False

    @property
    def text(self) -> str:
        """The lines run together."""
        return "".join(piece.text for piece in self.pieces)


def layouts_to_blocks(
    layouts: Sequence[PageLayout], outline: Sequence[Bookmark] = ()
) -> tuple[list[Page], list[Block]]:
    """The document's pages with their text, and its blocks in reading order, noise left out of the blocks.

    `outline` are its bookmarks; without them its table of contents tells the levels of headings.
    """
    style = document_typography(layouts)
    noise = find_noise(layouts, style.size)
    contents = [layout for layout in layouts if is_contents(layout, noise)]
    pages: list[Page] = []
    drafts: list[Draft] = []
    for layout in layouts:
        writer = PageWriter()
        found = list(page_to_drafts(layout, writer, style, noise, layout in contents))
        if layout.number == 1 and len(layouts) > 3 and writer.length < COVER_CHARACTERS:
            found = [replace(draft, kind=Kind.NOISE) for draft in found]
        drafts += found
        pages.append(finish_page(layout, writer, noise.labels.get(layout.number)))
    drafts = join_drafts(list(without_repeats([draft for draft in drafts if draft.kind is not Kind.NOISE])))
    outline = outline or contents_outline([rows for layout in contents for rows in rows_of_flows(layout, noise)])
    return pages, list(drafts_to_blocks(*apply_outline(drafts, outline)))


def without_repeats(drafts: Sequence[Draft]) -> Iterator[Draft]:
    """The drafts but for a heading still in force that a page repeats over its text, in whatever size."""
    open_headings: list[Draft] = []
    for before, draft in pairwise([None, *drafts]):
        assert draft
        if draft.kind is Kind.HEADING:
            heads_page = before is None or before.page != draft.page
            if heads_page and any(title_of(draft.text) == title_of(other.text) for other in open_headings):
                continue
            open_headings = [other for other in open_headings if other.size > draft.size] + [draft]
        yield draft


def rows_of_flows(layout: PageLayout, noise: Noise) -> Iterator[list[Row]]:
    """The rows of a page, column by column."""
    for flow in layout.flows:
        strips = [part for part in flow.parts if isinstance(part, Strip) and (layout.number, part) not in noise]
        if strips:
            yield strips_to_rows(strips)


def apply_outline(drafts: Sequence[Draft], outline: Sequence[Bookmark]) -> tuple[list[Draft], dict[int, int]]:
    """The drafts, paragraphs that are titles of the outline made headings, and the level of each of those headings."""
    short = (Kind.HEADING, Kind.TEXT, Kind.LIST)
    texts = [
        (at, draft.page, draft.text)
        for at, draft in enumerate(drafts)
        if draft.kind in short and len(draft.text) <= MAX_HEADING
    ]
    stated = match_outline(outline, texts)
    return [replace(d, kind=Kind.HEADING) if at in stated else d for at, d in enumerate(drafts)], stated


def label_apart(rows: Sequence[Row], style: Typography) -> list[Row]:
    """The rows of a box, its bold label on a row of its own where it stands beside the first line."""
    first = rows[0].strips if rows else ()
    if (
        len(first) == 2
        and len(first[0].text) <= MAX_LABEL
        and [style.is_bold(strip) for strip in first] == [True, False]
    ):
        return [Row(first[:1]), Row(first[1:]), *rows[1:]]
    return list(rows)


def finish_page(layout: PageLayout, writer: PageWriter, label: str | None) -> Page:
    """The page as it is shown, with what was written of it."""
    across = layout.turn in (90, 270)
    width, height = (layout.height, layout.width) if across else (layout.width, layout.height)
    lines = tuple(
        replace(line, box=shown_box(line.box, layout.width, layout.height, layout.turn)) for line in writer.lines
    )
    return Page(layout.number, width, height, writer.text(), lines, layout.reader, label, layout.problem)


def page_to_drafts(
    layout: PageLayout, writer: PageWriter, style: Typography, noise: Noise, contents: bool
) -> Iterator[Draft]:
    """Write a page's text and draft its blocks; `contents` tells that it is a table of contents."""
    style = page_typography(layout, style)
    notes = [] if contents else find_notes(layout, style, noise)
    for flow in layout.flows:
        for strips, table in runs_of_strips(flow):
            text = [strip for strip in strips if strip not in notes]
            yield from strips_to_drafts(layout, flow, text, writer, style, noise, contents)
            if table:
                yield Draft(Kind.TABLE, layout.number, flow.panel, style.size, table=draft_table(table, layout, writer))
    for paragraph in rows_to_paragraphs(strips_to_rows(notes), style):
        pieces = tuple(writer.write(layout.number, strip) for strip in paragraph.strips)
        yield Draft(Kind.NOTE, layout.number, 0, paragraph.size, pieces)
    for strip in layout.loose:
        writer.write(layout.number, strip)


def runs_of_strips(flow: Flow) -> Iterator[tuple[list[Strip], Table | None]]:
    """A flow as stretches of strips, each with the table that ends it."""
    strips: list[Strip] = []
    for part in flow.parts:
        if isinstance(part, Strip):
            strips.append(part)
        else:
            yield strips, part
            strips = []
    yield strips, None


def strips_to_drafts(
    layout: PageLayout,
    flow: Flow,
    strips: Sequence[Strip],
    writer: PageWriter,
    style: Typography,
    noise: Noise,
    contents: bool,
) -> Iterator[Draft]:
    """Draft the paragraphs of a stretch of strips; noise and chart labels are written and drafted as such."""
    running = [strip for strip in strips if (layout.number, strip) in noise]
    rows = strips_to_rows([strip for strip in strips if (layout.number, strip) not in noise])
    rows = label_apart(rows, style) if flow.panel else rows
    labels = [] if contents else chart_rows(rows, style, flow.panel > 0)
    for strip in (*running, *(strip for row in labels for strip in row.strips)):
        yield Draft(Kind.NOISE, layout.number, flow.panel, strip.size, (writer.write(layout.number, strip),))
    for paragraph in rows_to_paragraphs([row for row in rows if row not in labels], style):
        kind = Kind.CONTENTS if contents else kind_of(paragraph, style, flow.panel > 0)
        pieces = tuple(writer.write(layout.number, strip) for strip in paragraph.strips)
        prose = kind in (Kind.TEXT, Kind.LIST)
        ended = bool(SENTENCE_END.search(paragraph.text))
        yield Draft(
            kind,
            layout.number,
            flow.panel,
            paragraph.size,
            pieces,
            open_end=prose and paragraph.last and paragraph.full and not ended,
            open_start=kind is Kind.TEXT and paragraph.first and not paragraph.indented,
        )


def draft_table(table: Table, layout: PageLayout, writer: PageWriter) -> DraftTable:
    """Write a table's text cell by cell, and draft it."""
    written: dict[Strip, Piece] = {}  # a name over several columns stands once on the page
    rows: list[tuple[TableCell | None, ...]] = []
    for row in table.rows:
        for strip in (strip for cell in row if cell for strip in cell.strips if strip not in written):
            written[strip] = writer.write(layout.number, strip)
        rows.append(tuple(TableCell(c.box, tuple(written[strip] for strip in c.strips)) if c else None for c in row))
    return DraftTable(tuple(rows), column_edges(table.rows))


def join_drafts(drafts: Sequence[Draft]) -> list[Draft]:
    """Join what a column or page break parted: paragraphs, tables, and a quote with its speaker."""
    joined: list[Draft] = []
    for draft in drafts:
        last = joined[-1] if joined else None
        if draft.table and (at := table_before(joined, draft)) is not None:
            before = joined[at]
            assert before.table
            joined[at] = replace(before, table=join_tables(before.table, draft.table), page=draft.page)
        elif draft.kind is Kind.QUOTE and last and last.kind in (Kind.TEXT, Kind.HEADING) and last.page == draft.page:
            joined[-1] = replace(last, kind=Kind.QUOTE, pieces=last.pieces + draft.pieces, open_end=False)
        elif draft.open_start and (at := text_before(joined, draft)) is not None:
            before = joined[at]
            pieces = before.pieces + draft.pieces
            joined[at] = replace(before, pieces=pieces, open_end=draft.open_end, page=draft.page)
        else:
            joined.append(draft)
    return joined


def table_before(joined: Sequence[Draft], draft: Draft) -> int | None:
    """Where the table stands that this one continues: on the page before, with nothing but captions since."""
    for at in range(len(joined) - 1, -1, -1):
        before = joined[at]
        if before.table and draft.table:
            follows = before.page == draft.page - 1 and continues(before.table, draft.table)
            return at if follows else None
        if before.kind not in (Kind.CAPTION, Kind.NOTE):
            return None
    return None


def text_before(joined: Sequence[Draft], draft: Draft) -> int | None:
    """Where the paragraph stands that this one continues: open at its end, of the same type, captions apart."""
    for at in range(len(joined) - 1, -1, -1):
        before = joined[at]
        if before.open_end:
            same = abs(before.size - draft.size) < 0.6 and draft.page - before.page <= 1
            boxed = before.panel != draft.panel and before.page == draft.page
            return at if same and not boxed else None
        if before.kind not in (Kind.CAPTION, Kind.NOTE):
            return None
    return None


def drafts_to_blocks(drafts: Sequence[Draft], stated: Mapping[int, int]) -> Iterator[Block]:
    """Drafts as blocks, headings with their level, table rows one by one, boxes as groups.

    `stated` are the levels of those drafts that the outline names.
    """
    types = {at: type_of(draft) for at, draft in enumerate(drafts) if draft.kind is Kind.HEADING}
    levels = heading_levels([(key[0], drafts[at].text) for at, key in types.items()])
    levels = levels_by_outline(types, levels, stated)
    filled: Counter[tuple[int, int]] = Counter()
    for draft in drafts:
        filled[draft.page, draft.panel] += (
            0 if draft.kind is Kind.HEADING else len(draft.text) + MIN_BOX * bool(draft.table)
        )
    boxes = {key for key, length in filled.items() if length >= MIN_BOX and key[1]}
    tables = 0
    for at, draft in enumerate(drafts):
        group = draft.page * 1000 + draft.panel if (draft.page, draft.panel) in boxes else 0
        if draft.table:
            tables += 1
            yield from table_to_blocks(draft.table, group, tables)
        elif draft.kind is Kind.HEADING:
            yield Block(Kind.HEADING, draft.pieces, stated.get(at, levels[types[at]]), group)
        else:
            yield Block(draft.kind, draft.pieces, 0, group)


def type_of(draft: Draft) -> tuple[float, int]:
    """What decides on a heading's level: its size in half points, and its numbering."""
    return round(draft.size * 2) / 2, numbering(draft.text)


def table_to_blocks(table: DraftTable, group: int, number: int) -> Iterator[Block]:
    """One block a row, each with the header's words for every column."""
    header = table.header
    for row in carry_down(table.rows[1:] if header else table.rows):
        names = header or (None,) * len(row)
        cells = tuple(
            (name.pieces if name else (), cell.pieces if cell else ()) for name, cell in zip(names, row, strict=False)
        )
        if any(pieces for _, pieces in cells):
            yield Block(Kind.TABLE, (), 0, group, cells, number)
