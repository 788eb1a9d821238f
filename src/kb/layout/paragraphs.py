"""A flow's strips → paragraphs: lines joined where the text goes on, parted at indents, bullets, gaps and new type."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from kb.layout.shapes import middle
from kb.layout.strips import Strip, same_line
from kb.layout.styles import Typography
from kb.marks import BULLET, CAPTION, NO_START, NUMBERED, SENTENCE_END, is_speaker

LONG_LINE = 12
LEVEL_LINES = 3
"""So many lines of so many characters that end at one x are a paragraph's, not points of a list."""


@dataclass(frozen=True, slots=True)
class Row:
    """The strips of a flow that stand on one line."""

    strips: tuple[Strip, ...]

    @property
    def text(self) -> str:
        """The line's text; strips set apart are parted by a blank."""
        return " ".join(strip.text for strip in self.strips)

    @property
    def size(self) -> float:
        """The size of the longest strip."""
        return max(self.strips, key=lambda strip: len(strip.text)).size

    @property
    def left(self) -> float:
        """x of the left edge."""
        return self.strips[0].box[0]

    @property
    def right(self) -> float:
        """x of the right edge."""
        return self.strips[-1].box[2]

    @property
    def y(self) -> float:
        """y of the middle."""
        return middle(self.strips[0].box)[1]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Rows that read on. `full` tells that the last row reaches the right edge, so that the text may go on elsewhere.

    `indented` tells that the first row stands in from the left edge: it begins a paragraph.
    """

    rows: tuple[Row, ...]
    full: bool
    indented: bool
    first: bool
    last: bool

    @property
    def text(self) -> str:
        """The rows run together."""
        return "".join(row.text for row in self.rows)

    @property
    def strips(self) -> tuple[Strip, ...]:
        """All strips in reading order."""
        return tuple(strip for row in self.rows for strip in row.strips)

    @property
    def size(self) -> float:
        """The size of the first row's type."""
        return self.rows[0].size


def strips_to_rows(strips: Sequence[Strip]) -> list[Row]:
    """Strips, in reading order, as rows."""
    rows: list[list[Strip]] = []
    for strip in strips:
        if rows and same_line(rows[-1][-1].box, strip.box) and strip.box[0] >= rows[-1][-1].box[2] - 1:
            rows[-1].append(strip)
        else:
            rows.append([strip])
    return [Row(tuple(row)) for row in rows]


def rows_to_paragraphs(rows: Sequence[Row], style: Typography) -> list[Paragraph]:
    """Join the rows of one flow into paragraphs."""
    if not rows:
        return []
    rights = right_edges(rows)
    pitch = usual_pitch(rows)
    groups: list[list[Row]] = []
    for row in rows:
        if groups and goes_on(groups[-1], row, rights[groups[-1][-1]], pitch, style):
            groups[-1].append(row)
        else:
            groups.append([row])
    left = min(row.left for row in rows)
    return [
        Paragraph(
            tuple(group),
            full=group[-1].right > rights[group[-1]] - 2 * group[-1].size,
            indented=group[0].left > left + 1.2 * group[0].size,
            first=at == 0,
            last=at == len(groups) - 1,
        )
        for at, group in enumerate(groups)
    ]


def right_edges(rows: Sequence[Row]) -> dict[Row, float]:
    """Where each line would end if it were full: where most of its size do, or its neighbours beside a picture.

    For most lines it is the ninth tenth of the right edges, since punctuation may hang out.
    """
    edges: dict[int, list[float]] = {}
    for row in rows:
        edges.setdefault(round(row.size), []).append(row.right)
    usual = {size: sorted(found)[int(0.9 * (len(found) - 1))] for size, found in edges.items()}
    rights = {row: usual[round(row.size)] for row in rows}
    for run in level_runs(rows):
        rights.update({row: max(row.right for row in run) for row in run})
    return rights


def level_runs(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Stretches of long lines that end at one x, as the lines of a paragraph set around a picture do."""
    run: list[Row] = []
    for row in rows:
        if run and abs(row.right - run[-1].right) < 0.6 * row.size and len(row.text) >= LONG_LINE:
            run.append(row)
            continue
        if len(run) >= LEVEL_LINES:
            yield run
        run = [row] if len(row.text) >= LONG_LINE else []
    if len(run) >= LEVEL_LINES:
        yield run


def usual_pitch(rows: Sequence[Row]) -> float:
    """The usual distance from line to line, in sizes of type; 1.6 where there is nothing to measure."""
    steps = [
        (below.y - above.y) / below.size
        for above, below in zip(rows, rows[1:], strict=False)
        if abs(above.size - below.size) < 0.5 and 0 < below.y - above.y < 2.2 * below.size
    ]
    return median(steps) if steps else 1.6


def goes_on(group: Sequence[Row], row: Row, right: float, pitch: float, style: Typography) -> bool:
    """Whether the row continues the paragraph."""
    last = group[-1]
    short = last.right < right - 2.2 * last.size
    if abs(row.size - last.size) > 0.08 * last.size or changes_face(last, row, style):
        return False
    if not 0 < row.y - last.y <= (1.25 * pitch + 0.05) * row.size:
        return False
    ended = bool(SENTENCE_END.search(last.text))
    signs = is_speaker(row.text) and (ended or short or row.left > last.left + row.size)
    if BULLET.match(row.text) or CAPTION.match(row.text) or signs:
        return False
    if is_speaker(group[0].text):
        return len(row.text) <= 6
    if NO_START.match(row.text):
        return True
    if short and not may_break_early(last, right, ended, style):
        return is_large(last, style) and not ended and len(group) < 3
    if NUMBERED.match(row.text) and (ended or starts_item(group)):
        return False
    hanging = starts_item(group[:1]) and len(group) == 1
    return hanging or row.left <= last.left + 1.2 * row.size


def may_break_early(row: Row, right: float, ended: bool, style: Typography) -> bool:
    """Whether a line that stops up to five characters short was broken for a long word or figure after it."""
    body = abs(row.size - style.size) < 0.12 * style.size and len(row.text) > 12
    return body and not ended and row.right > right - 5 * row.size


def starts_item(group: Sequence[Row]) -> bool:
    """Whether the paragraph is a list item."""
    return bool(BULLET.match(group[0].text) or NUMBERED.match(group[0].text))


def is_large(row: Row, style: Typography) -> bool:
    """Whether a row is set larger than the body: a title may break its lines anywhere."""
    return row.size > 1.15 * style.size


def changes_face(above: Row, below: Row, style: Typography) -> bool:
    """Whether one row is bold as a whole and the other not at all, as a heading and its text are."""
    return {face(above, style), face(below, style)} == {"bold", "plain"}


def face(row: Row, style: Typography) -> str:
    """bold, plain, or mixed where bold words stand in a line."""
    if any(strip.mixed for strip in row.strips):
        return "mixed"
    return "bold" if all(style.is_bold(strip) for strip in row.strips) else "plain"
