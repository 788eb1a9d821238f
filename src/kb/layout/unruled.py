"""Tables without ruled cells: rows of coloured bands, and columns of figures that stand under each other."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from kb.layout.places import Places
from kb.layout.shapes import area, height, holds, middle, overlap, union, width
from kb.layout.strips import Cell, Strip, glyphs_to_strips
from kb.marks import CAPTION, NUMERIC
from kb.records import Box, RawPage

LEAST_BANDS = 2
LEAST_ROWS = 3
MOST_NAME = 20
"""The name of a column has at most this many characters."""

MOST_BREAK = 2
"""So many lines without figures may stand between two that have some."""

PROSE = re.compile(r"[，。；！？]")

Rows = tuple[tuple[Cell | None, ...], ...]
Line = list[Strip]
"""The strips of a line, from left to right."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The x at which the columns of a table part, in points, from the left."""

    cuts: tuple[float, ...]

    def of(self, box: Box) -> int | None:
        """The column that a box stands in; None where it reaches over a cut."""
        crossed = any(box[0] + 1 < cut < box[2] - 1 for cut in self.cuts)
        return None if crossed else sum(cut <= middle(box)[0] for cut in self.cuts)

    def row(self, strips: Sequence[Strip]) -> tuple[Cell | None, ...]:
        """Strips as cells, one for each column; a strip over a cut belongs where it begins."""
        cells: dict[int, list[Strip]] = defaultdict(list)
        for strip in strips:
            at = self.of(strip.box)
            cells[sum(cut <= strip.box[0] for cut in self.cuts) if at is None else at].append(strip)
        whole = union(strip.box for strip in strips)
        return tuple(self.cell(cells[at], at, whole) for at in range(len(self.cuts) + 1))

    def names(self, strips: Sequence[Strip], lines: Sequence[Line]) -> tuple[Cell | None, ...]:
        """The names over the columns of these lines; one that stands over several columns is part of each name."""
        table = union(strip.box for line in lines for strip in line)
        names = union(strip.box for strip in strips)
        edges = (min(table[0], names[0]), *self.cuts, max(table[2], names[2]))
        over: list[list[Strip]] = [[] for _ in range(len(self.cuts) + 1)]
        for strip in strips:
            reached = [
                at
                for at, (left, right) in enumerate(pairwise(edges))
                if shared(strip.box, left, right) > 0.3 * min(width(strip.box), right - left)
            ]
            for at in reached or [sum(cut <= middle(strip.box)[0] for cut in self.cuts)]:
                over[at].append(strip)
        return tuple(self.cell(found, at, names) for at, found in enumerate(over))

    def cell(self, strips: Sequence[Strip], at: int, row: Box) -> Cell:
        """A cell; an empty one has the place that is left for it."""
        if strips:
            return Cell(union(strip.box for strip in strips), tuple(strips))
        edges = (row[0], *self.cuts, max(row[2], self.cuts[-1]))
        return Cell((edges[at], row[1], edges[at + 1], row[3]), ())


def shared(box: Box, left: float, right: float) -> float:
    """How much of a box lies between two x, in points."""
    return min(box[2], right) - max(box[0], left)


def banded_tables(page: RawPage, places: Places, taken: Sequence[Box]) -> Iterator[tuple[Box, Rows]]:
    """Tables whose rows, all or every second one, are coloured bands of one width. `taken` are known already."""
    for bands in stacks(page, taken):
        whole = with_white_row(bands)
        strips = glyphs_to_strips(places.inside(whole))
        columns = find_columns(to_lines(strips))
        if not columns:
            continue
        edges = sorted({whole[1], whole[3], *(band[1] for band in bands), *(band[3] for band in bands)})
        rows = []
        for top, bottom in pairwise(edges):
            inside = [strip for strip in strips if top <= middle(strip.box)[1] < bottom]
            rows += [columns.row(inside)] if inside else []
        if len(rows) >= LEAST_ROWS:
            yield whole, tuple(rows)


def with_white_row(bands: Sequence[Box]) -> Box:
    """The box of a table of bands; where every second row is white, so is the one under the last band."""
    left, top, right, bottom = union(bands)
    gaps = [below[1] - above[3] for above, below in pairwise(bands)]
    white = median(gaps) if gaps else 0.0
    return left, top, right, bottom + (white if white > 0.5 * median([height(band) for band in bands]) else 0.0)


def stacks(page: RawPage, taken: Sequence[Box]) -> Iterator[list[Box]]:
    """Filled areas of one width that stand under each other, touching or with room for a row between them."""
    same: dict[tuple[int, int], list[Box]] = defaultdict(list)
    size = median([glyph.size for glyph in page.glyphs] or [10.0])
    for shape in page.shapes:
        box = shape.box
        tall_enough = 1.1 * size < height(box) < 0.25 * page.height
        if shape.fill and tall_enough and width(box) > 0.2 * page.width and width(box) < 0.98 * page.width:
            if not any(overlap(other, box) > 0.3 * area(box) for other in taken):
                same[round(box[0] / 2), round(box[2] / 2)].append(box)
    for boxes in same.values():
        stack: list[Box] = []
        for box in sorted(set(boxes), key=lambda box: box[1]):
            if stack and box[1] < stack[-1][3] - 1:
                continue  # drawn twice, or one in the other
            if stack and box[1] - stack[-1][3] > 1.6 * max(height(box), height(stack[-1])):
                if len(stack) >= LEAST_BANDS:
                    yield stack
                stack = []
            stack.append(box)
        if len(stack) >= LEAST_BANDS:
            yield stack


def figure_tables(strips: Sequence[Strip], rules: Sequence[Box]) -> Iterator[tuple[Box, Rows]]:
    """Tables of lines with a label and figures in columns, as in a financial report, among the strips of a page.

    `rules` are the level rules of the page.
    """
    lines = to_lines(strips)
    at = 0
    while at < len(lines):
        end = run_of_figures(lines, at)
        run = lines[at:end]
        columns = find_columns([line for line in run if is_tabular(line)]) if is_figure_run(run, rules) else None
        if columns and (prose := prose_columns(run, columns)):
            beside = [strip for line in run for strip in line if columns.of(strip.box) not in prose]
            yield from figure_tables(beside, rules)  # the lines of a table are lines of the text beside it too
        elif columns and all(columns.of(strip.box) is not None for line in run if is_tabular(line) for strip in line):
            first, body = header_start(lines, at, columns)
            header = [strip for line in lines[first:body] for strip in line]
            rows = [columns.names(header, run)] if header else []
            rows += [columns.row(strips) for strips in joined_labels(lines[body:end])]
            yield union(strip.box for line in lines[first:end] for strip in line), tuple(rows)
        at = max(end, at + 1)


def prose_columns(run: Sequence[Line], columns: Columns) -> set[int]:
    """The columns of a run whose strips read on as sentences: text beside a table, or two columns of text."""
    words: dict[int, list[str]] = defaultdict(list)
    for strip in (strip for line in run for strip in line if not is_figure(strip)):
        at = columns.of(strip.box)
        if at is not None:
            words[at].append(strip.text)
    return {at for at, texts in words.items() if sum(bool(PROSE.search(text)) for text in texts) > 0.3 * len(texts)}


def to_lines(strips: Sequence[Strip]) -> list[Line]:
    """Strips in lines from the top down."""
    lines: list[Line] = []
    for strip in sorted(strips, key=lambda strip: middle(strip.box)[1]):
        last = lines[-1][0].box if lines else None
        if last and abs(middle(last)[1] - middle(strip.box)[1]) < 0.4 * min(height(last), height(strip.box)):
            lines[-1].append(strip)
        else:
            lines.append([strip])
    return [sorted(line, key=lambda strip: strip.box[0]) for line in lines]


def is_figure(strip: Strip) -> bool:
    """Whether a strip is what stands in a column of figures."""
    return bool(NUMERIC.match(strip.text)) or strip.text in ("不适用", "无")


def is_tabular(line: Line) -> bool:
    """Whether a line has a label and figures set apart, and is no entry of a table of contents."""
    figures = sum(is_figure(strip) for strip in line)
    return len(line) >= 2 and figures >= 1 and not is_figure(line[0])


def run_of_figures(lines: Sequence[Line], start: int) -> int:
    """Where the run of tabular lines from `start` on ends; `start` itself where none begins there."""
    if not is_tabular(lines[start]):
        return start
    end = start + 1
    for at in range(start + 1, len(lines)):
        gap = lines[at][0].box[1] - lines[at - 1][0].box[3]
        if gap > 3.5 * lines[at][0].size or at - end >= MOST_BREAK + 1:
            break
        if is_tabular(lines[at]):
            end = at + 1
        elif len(lines[at]) > 1 or len(lines[at][0].text) > 2 * MOST_NAME:
            break
    return end


def is_figure_run(run: Sequence[Line], rules: Sequence[Box]) -> bool:
    """Whether tabular lines make a table: several, with two figures each or with rules among them."""
    tabular = [line for line in run if is_tabular(line)]
    if len(tabular) < LEAST_ROWS or counts_on(tabular):
        return False
    many = sum(sum(is_figure(strip) for strip in line) >= 2 for line in tabular) >= 0.6 * len(tabular)
    box = union(strip.box for line in run for strip in line)
    around = (box[0] - 20, box[1] - 40, box[2] + 20, box[3] + 20)
    return many or sum(holds(around, *middle(rule)) for rule in rules) >= 2


def counts_on(lines: Sequence[Line]) -> bool:
    """Whether each line ends with one whole number, none lower than the one above: the pages of a table of contents."""
    numbers = [line[-1].text for line in lines]
    if not all(number.isdecimal() for number in numbers) or any(is_figure(line[-2]) for line in lines):
        return False
    return sorted(map(int, numbers)) == list(map(int, numbers))


def find_columns(lines: Sequence[Line]) -> Columns | None:
    """Where all lines of several strips leave a gap free; None where they leave none."""
    spans = sorted((strip.box[0], strip.box[2]) for line in lines if len(line) > 1 for strip in line)
    cuts: list[float] = []
    right = spans[0][1] if spans else 0.0
    for left, end in spans:
        if left > right + 1:
            cuts.append((left + right) / 2)
        right = max(right, end)
    return Columns(tuple(cuts)) if cuts else None


def header_start(lines: Sequence[Line], start: int, columns: Columns) -> tuple[int, int]:
    """Where the names of the columns begin over a run of figures, and where the rows do.

    A title over rows may stand between the names and the first figures. A line that reaches from the labels over the
    figures is the title of the table, and so is one that names few of the columns next to the figures.
    """
    body = start
    titled = start > 1 and is_near(lines[start - 1], lines[start]) and lines[start - 1][-1].box[2] < columns.cuts[0]
    if titled and names_columns(lines[start - 2], lines[start - 1], lines[start], columns):
        body -= 1
    first = body
    while first > 0 and body - first < 4 and names_columns(lines[first - 1], lines[first], lines[start], columns):
        first -= 1
    named = {columns.of(strip.box) for line in lines[first:body] for strip in line} - {None, 0}
    return (first, body) if len(named) >= len(columns.cuts) / 2 else (start, start)


def names_columns(line: Line, below: Line, figures: Line, columns: Columns) -> bool:
    """Whether a line close over another is made of names: a few words each, beside the labels or over the figures."""
    short = all(len(strip.text) <= MOST_NAME and strip.box[2] < line_end(figures) for strip in line)
    apart = all(strip.box[2] < columns.cuts[0] or strip.box[0] > columns.cuts[0] for strip in line)
    over = line[-1].box[2] > columns.cuts[0] and not CAPTION.match(line[0].text)
    return short and apart and over and is_near(line, below)


def is_near(line: Line, below: Line) -> bool:
    """Whether less than two lines of room are between two lines."""
    return below[0].box[1] - line[0].box[3] < 2 * line[0].size


def line_end(line: Line) -> float:
    """The x up to which a table reaches whose line this is, with room for what hangs over."""
    return line[-1].box[2] + 2 * line[-1].size


def joined_labels(run: Sequence[Line]) -> Iterator[list[Strip]]:
    """The strips of each row: a label about as wide as the widest goes on in the line below."""
    widest = max(line[0].box[2] for line in run)
    rows: list[list[Strip]] = []
    goes_on = False
    for line in run:
        bare = not is_tabular(line)
        row_is_full = bool(rows) and any(is_figure(strip) for strip in rows[-1])
        if goes_on and bare == row_is_full:
            rows[-1] += line
        else:
            rows.append(list(line))
        goes_on = line[0].box[2] > widest - 2.5 * line[0].size
    yield from rows
