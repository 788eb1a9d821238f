"""Small geometry on boxes (x0, top, x1, bottom), shared by the layout modules."""

from collections.abc import Iterable

from kb.records import Box


def width(box: Box) -> float:
    """Width in points."""
    return box[2] - box[0]


def height(box: Box) -> float:
    """Height in points."""
    return box[3] - box[1]


def area(box: Box) -> float:
    """Area in square points."""
    return width(box) * height(box)


def middle(box: Box) -> tuple[float, float]:
    """The centre as x, y."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def holds(box: Box, x: float, y: float) -> bool:
    """Whether the point lies in the box."""
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def held(boxes: Iterable[Box], x: float, y: float) -> bool:
    """Whether the point lies in one of the boxes."""
    for x0, top, x1, bottom in boxes:  # a plain loop, for it is asked of each glyph
        if x0 <= x <= x1 and top <= y <= bottom:
            return True
    return False


def contains(outer: Box, inner: Box, slack: float = 2.0) -> bool:
    """Whether `inner` lies in `outer`, give or take `slack` points."""
    return (
        outer[0] - slack <= inner[0]
        and outer[1] - slack <= inner[1]
        and inner[2] <= outer[2] + slack
        and inner[3] <= outer[3] + slack
    )


def overlap(one: Box, other: Box) -> float:
    """The area that two boxes share, in square points."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them (at least one)."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
