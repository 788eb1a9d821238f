"""A stretch of a page's text → the boxes around it, one for each printed line that it takes part in."""

from itertools import pairwise
from unicodedata import east_asian_width

from kb.records import Box, Line, Page

SLIM, MIDDLE, STOUT = 0.34, 0.57, 0.8
"""Widths of characters that are not Chinese, as shares of a Chinese one's: they place ends right 98 times in 100."""

SLIM_ONES, STOUT_ONES = frozenset(" iljtfrI.,:;!'|()[]-/\"`"), frozenset("mwMW%@")

SLACK = 0.1
"""How far, in ems, a box reaches over an end within a line: too far by a little marks less wrongly than too short."""

TALL = 1.5
"""A line so much higher than wide stands upright."""


def boxes_of(page: Page, start: int, end: int) -> tuple[Box, ...]:
    """The boxes around `page.text[start:end]`, in PDF points; none where the page's lines have no place."""
    lines = (line for line in page.lines if line.start < end and start < line.end)
    return tuple(box_within(page, line, max(start, line.start), min(end, line.end)) for line in lines if line.size)


def box_within(page: Page, line: Line, start: int, end: int) -> Box:
    """The part of a line's box that `text[start:end]` takes, by the widths that its characters usually have.

    It is the whole box where it is not known which way the line runs.
    """
    back = runs_back(page, line) if (start, end) != (line.start, line.end) else None
    if back is None:
        return line.box
    x0, top, x1, bottom = line.box
    low, high = (top, bottom) if is_upright(line) else (x0, x1)
    widths = [width_of(character) for character in page.text[line.start : line.end]]
    em = (high - low) / sum(widths)
    before = em * sum(widths[: start - line.start]) - SLACK * line.size
    after = em * sum(widths[end - line.start :]) - SLACK * line.size
    if back:
        before, after = after, before
    low, high = low + max(before, 0), high - max(after, 0)
    return (x0, low, x1, high) if is_upright(line) else (low, top, high, bottom)


def runs_back(page: Page, line: Line) -> bool | None:
    """Whether a line runs leftwards or upwards, as on a page that lies on its head or on its right side.

    It is told by where lines of its kind follow each other: below or to the left they run forward. None where that
    cannot be told: on a page that has but some upright words.
    """
    upright = is_upright(line)
    alike = [other for other in page.lines if is_upright(other) == upright]
    if upright and 2 * sum(other.end - other.start for other in alike) < len(page.text):
        return None
    if upright:
        steps = [two.box[0] > one.box[0] for one, two in pairwise(alike) if overlap(one.box, two.box, 1)]
    else:
        steps = [two.box[1] < one.box[1] for one, two in pairwise(alike) if overlap(one.box, two.box, 0)]
    if upright and not steps:
        return None
    return 2 * sum(steps) > len(steps)


def is_upright(line: Line) -> bool:
    """Whether a line runs down or up the page as it is shown."""
    x0, top, x1, bottom = line.box
    return bottom - top > TALL * (x1 - x0) and line.end - line.start > 1


def overlap(one: Box, two: Box, side: int) -> bool:
    """Whether two boxes overlap across (side 0) or down (side 1)."""
    return max(one[side], two[side]) < min(one[side + 2], two[side + 2])


def width_of(character: str) -> float:
    """How wide a character usually is, a Chinese one being 1."""
    if east_asian_width(character) in "WFA":  # A are marks such as “ and — that are wide in Chinese fonts
        return 1.0
    if character in SLIM_ONES:
        return SLIM
    return STOUT if character in STOUT_ONES else MIDDLE
