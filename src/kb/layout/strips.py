"""Glyphs → strips: stretches of one printed line that belong together, split at gaps wider than a character."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from kb.layout.shapes import middle, union
from kb.records import Box, Glyph

T = TypeVar("T", str, float)

GAP = 1.0
"""A gap wider than this, in character sizes, parts two strips of one line: columns, cells, labels."""

ROW = 4.0
"""The grain, in points, at which characters are looked for that may be printed twice: more than a sixth of any size."""

OVERHANG = 0.6
"""Tightly set punctuation reaches back into the character before it, up to this many sizes."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Part of a printed line. `size` and `font` are those of most of its characters.

    `mixed` marks a line whose Chinese is set in more than one font, as with bold words in it.
    """

    text: str
    box: Box
    size: float
    font: str
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: its box and its strips from the top down."""

    box: Box
    strips: tuple[Strip, ...]

    @property
    def text(self) -> str:
        """The cell's lines run together."""
        return "".join(strip.text for strip in self.strips)


def glyphs_to_strips(glyphs: Iterable[Glyph]) -> list[Strip]:
    """Strips of glyphs that share a region, from the top down."""
    runs: list[list[Glyph]] = []
    for glyph in glyphs:
        if runs and follows(runs[-1][-1], glyph):
            runs[-1].append(glyph)
        else:
            runs.append([glyph])
    runs = [run for run in runs if not all(glyph.text.isspace() for glyph in run)]
    return sorted((run_to_strip(run) for run in join_runs(runs)), key=lambda strip: (strip.box[1], strip.box[0]))


def drop_doubles(glyphs: Iterable[Glyph]) -> Iterator[Glyph]:
    """Leave out a character printed again within a sixth of its size and half of its own width: bold by overprint."""
    seen: dict[str, dict[int, list[Glyph]]] = {}
    for glyph in glyphs:
        rows = seen.setdefault(glyph.text, {})
        row = round(glyph.box[1] / ROW)
        for other in (*rows.get(row, ()), *rows.get(row - 1, ()), *rows.get(row + 1, ())):
            if is_double(other.box, glyph.box, other.size):
                break
        else:
            rows.setdefault(row, []).append(glyph)
            yield glyph


def is_double(one: Box, other: Box, size: float) -> bool:
    """Whether two equal characters stand on one spot: closer than narrow letters stand that follow each other."""
    across = abs(one[0] - other[0])
    if across >= size / 6 or across >= (one[2] - one[0]) / 2:
        return False
    return abs(one[1] - other[1]) < min(size / 6, (one[3] - one[1]) / 2)


def follows(before: Glyph, after: Glyph) -> bool:
    """Whether `after` goes on where `before` ends, on the same line."""
    size = max(before.size, after.size)
    gap = after.box[0] - before.box[2]
    return same_line(before.box, after.box) and -OVERHANG * size < gap < GAP * size


def same_line(one: Box, other: Box) -> bool:
    """Whether the middles of two boxes are level, up to a third of the lower one's height."""
    lower = min(one[3] - one[1], other[3] - other[1])
    return abs(one[1] + one[3] - other[1] - other[3]) < 0.7 * max(lower, 1.0)


def join_runs(runs: Sequence[list[Glyph]]) -> list[list[Glyph]]:
    """Join runs that stand side by side on a line but were drawn apart (numbers, links, other fonts)."""
    boxes = [union(glyph.box for glyph in run) for run in runs]
    order = sorted(range(len(runs)), key=lambda i: (round(middle(boxes[i])[1] / 2), boxes[i][0]))
    joined: list[tuple[Box, list[Glyph]]] = []
    for i in order:
        size = runs[i][0].size
        for at in range(len(joined) - 1, max(-1, len(joined) - 12), -1):
            box, run = joined[at]
            gap = max(boxes[i][0] - box[2], box[0] - boxes[i][2])
            if same_line(box, boxes[i]) and -OVERHANG * size < gap < GAP * max(size, run[-1].size):
                run += runs[i]
                joined[at] = union((box, boxes[i])), run
                break
        else:
            joined.append((boxes[i], list(runs[i])))
    return [sorted(run, key=lambda glyph: glyph.box[0]) for _, run in joined]


def run_to_strip(run: Sequence[Glyph]) -> Strip:
    """A run as a strip, with the blank that a gap between two Latin words stands for."""
    text = ""
    for before, glyph in zip([None, *run], run, strict=False):
        if before and is_word_gap(before, glyph):
            text += " "
        text += glyph.text
    inked = [glyph for glyph in run if not glyph.text.isspace()]
    size = most([round(glyph.size, 1) for glyph in inked])
    font = most([glyph.font for glyph in inked])
    mixed = any(glyph.font != font and "\u4e00" <= glyph.text <= "\u9fff" for glyph in inked)
    return Strip(text.strip(), union(glyph.box for glyph in inked), size, font, mixed)


def is_word_gap(before: Glyph, after: Glyph) -> bool:
    """Whether a blank between two Latin characters was left out by the typesetter."""
    if not (before.text[-1:].isascii() and after.text[:1].isascii()):
        return False
    if before.text.isspace() or after.text.isspace():
        return False
    return after.box[0] - before.box[2] > 0.2 * after.size


def most(values: Sequence[T]) -> T:
    """The most frequent value; the first of equals."""
    return values[0] if values.count(values[0]) == len(values) else Counter(values).most_common(1)[0][0]
