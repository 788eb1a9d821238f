"""The upright glyphs of a page by place, to be asked many times for those in a box."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from kb.records import Box, Glyph


class Places:
    """Glyphs by the height of their middle."""

    def __init__(self, glyphs: Iterable[Glyph]) -> None:
        placed = [((g.box[1] + g.box[3]) / 2, (g.box[0] + g.box[2]) / 2, at, g) for at, g in enumerate(glyphs)]
        self._placed = sorted(placed, key=lambda one: one[0])
        self._heights = [one[0] for one in self._placed]

    def inside(self, box: Box) -> list[Glyph]:
        """The glyphs whose middle lies in the box, in the order of the file."""
        first, last = bisect_left(self._heights, box[1]), bisect_right(self._heights, box[3])
        found = [(at, glyph) for _, x, at, glyph in self._placed[first:last] if box[0] <= x <= box[2]]
        return [glyph for _, glyph in sorted(found, key=lambda one: one[0])]
