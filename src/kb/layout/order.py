"""Boxes on a page → reading order, as flows (columns), by cutting the page into bands and bands into columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from kb.layout.shapes import height, width
from kb.records import Box


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be put in order. `key` is the caller's; `solid` marks a box or table that is read whole.

    `point` marks the first line of a list item: points in columns end where other text begins.
    """

    key: int
    box: Box
    size: float
    solid: bool = False
    point: bool = False


Band = list[Item]

LABEL = 8
"""Characters of a label beside a text at most."""


def reading_order(items: Sequence[Item]) -> list[list[Item]]:
    """Flows in reading order; a flow is one column's items from the top down.

    Bands of items that overlap in height are collected from the top. Bands that share a gutter are read column by
    column, everything else from left to right. Rows of boxes, as in a card grid, are read row by row.
    """
    bands = to_bands(items)
    flows: list[list[Item]] = []
    at = 0
    while at < len(bands):
        end, gutter = columns_from(bands, at)
        if gutter is None:
            for band in bands[at:end]:
                add_flow(flows, row_order(band))
            at = end
            continue
        group = [item for band in bands[at:end] for item in band]
        flows += reading_order([item for item in group if item.box[2] <= gutter])
        flows += reading_order([item for item in group if item.box[2] > gutter])
        flows.append([])  # what comes below is another flow, though it may stand under the last column
        at = end
    return [flow for flow in flows if flow]


def order_in_box(items: Sequence[Item]) -> list[list[Item]]:
    """The same within a box, where a label may be set beside lines that begin above it: it comes before them."""
    label = side_label(items)
    rest = [item for item in items if item is not label]
    return [[label], *reading_order(rest)] if label else reading_order(rest)


def side_label(items: Sequence[Item]) -> Item | None:
    """The one item left of all others, a few characters in the middle of their height."""
    if len(items) < 3:
        return None
    label, *others = sorted(items, key=lambda item: item.box[0])
    apart = all(item.box[0] - label.box[2] >= label.size for item in others)
    above = any(item.box[3] <= label.box[1] for item in others)
    beside_some = any(item.box[1] < label.box[3] and label.box[1] < item.box[3] for item in others)
    short = not label.solid and width(label.box) <= LABEL * label.size
    return label if apart and above and beside_some and short else None


def row_order(band: Band) -> Band:
    """A band without columns: its lines from the top down, each from left to right."""
    lines: list[Band] = []
    for item in sorted(band, key=lambda item: item.box[1] + item.box[3]):
        last = lines[-1][-1].box if lines else None
        shift = abs(item.box[1] + item.box[3] - last[1] - last[3]) / 2 if last else 0.0
        if last and shift < 0.5 * min(height(item.box), height(last)):
            lines[-1].append(item)
        else:
            lines.append([item])
    return [item for line in lines for item in sorted(line, key=lambda item: item.box[0])]


def add_flow(flows: list[list[Item]], band: Band) -> None:
    """Let a band without columns go on the flow above it."""
    if flows and flows[-1]:
        flows[-1].extend(band)
    else:
        flows.append(band)


def to_bands(items: Sequence[Item]) -> list[Band]:
    """Items in bands from the top down; the items of a band overlap in height, directly or through others.

    Lines set so tightly that their boxes touch are two bands; items side by side are one however little they overlap.
    """
    bands: list[Band] = []
    for item in sorted(items, key=lambda item: item.box[1]):
        if bands and any(beside(item.box, other.box) for other in bands[-1]):
            bands[-1].append(item)
        else:
            bands.append([item])
    return bands


def beside(lower: Box, upper: Box) -> bool:
    """Whether two boxes share a band: half a line's overlap, or any where one is right of the other."""
    shared = min(lower[3], upper[3]) - lower[1]
    apart = lower[0] >= upper[2] or upper[0] >= lower[2]
    return shared > (0.5 if apart else 0.5 * min(height(lower), height(upper)))


def columns_from(bands: Sequence[Band], start: int) -> tuple[int, float | None]:
    """How far down the bands from `start` on share a gutter: the end, and its x if they are two columns.

    Without two columns, the bands up to the end are rows to be read one after the other.
    """
    end, gutter = start + 1, None
    group: list[Item] = []
    for at in range(start, len(bands)):
        if at > start and is_card_row(bands[at - 1]) and is_card_row(bands[at]):
            break
        if gutter is not None and are_points(group) and not are_points(bands[at]):
            break
        group += bands[at]
        found = find_gutter(group)
        if found is not None and two_sided(group, found):
            end, gutter = at + 1, found
        elif at > start:
            break
    if gutter is None:
        return start + 1, None
    if end < len(bands):
        end = trim(bands, start, end, gutter)
    pair = is_column_pair([item for band in bands[start:end] for item in band], gutter)
    return end, gutter if pair else None


def is_card_row(band: Band) -> bool:
    """Two or more boxes side by side and nothing else."""
    return len(band) >= 2 and all(item.solid for item in band)


def are_points(items: Sequence[Item]) -> bool:
    """Whether all items are points of one line each."""
    return all(item.point for item in items)


def two_sided(band: Band, gutter: float) -> bool:
    """Whether the band has items on both sides of the gutter."""
    return any(item.box[2] <= gutter for item in band) and any(item.box[2] > gutter for item in band)


def find_gutter(items: Sequence[Item]) -> float | None:
    """The right edge of the leftmost part, where a gap runs down between the items; None where none does."""
    spans = sorted((item.box[0], item.box[2]) for item in items)
    least = 0.9 * sorted(item.size for item in items)[len(items) // 2]
    right = spans[0][1]
    best: tuple[float, float] | None = None
    for left, end in spans[1:]:
        gap = left - right
        if gap >= least and (best is None or gap > best[0]):
            best = gap, right
        right = max(right, end)
    return best[1] if best else None


def trim(bands: Sequence[Band], start: int, end: int, gutter: float) -> int:
    """Leave to what follows the bands after one column's end, from the first wide gap or larger type on.

    Only where something crosses the gutter below: at the foot of a page a column simply goes on.
    """
    left = max(at for at in range(start, end) if any(item.box[2] <= gutter for item in bands[at]))
    right = max(at for at in range(start, end) if any(item.box[2] > gutter for item in bands[at]))
    for at in range(min(left, right) + 1, end):
        above = max(item.box[3] for item in bands[at - 1])
        first = bands[at][0]
        if first.box[1] - above > 1.4 * first.size or first.size > 1.15 * bands[at - 1][0].size:
            return at
    return end


def is_column_pair(items: Sequence[Item], gutter: float) -> bool:
    """Whether both sides carry text to be read down: a box, or lines that are long or several.

    A number beside its line, or a label beside its value, is one row and no pair of columns; one label beside several
    lines stands over them, and a line beside several, as under a picture, comes after them.
    """
    left = [item for item in items if item.box[2] <= gutter]
    right = [item for item in items if item.box[2] > gutter]
    if len(left) == 1 and is_column(right) and len(right) > 1 or len(right) == 1 and is_column(left) and len(left) > 3:
        return True
    return bool(left) and bool(right) and all(is_column(side) for side in (left, right))


def is_column(items: Sequence[Item]) -> bool:
    """A box, or at least two lines of which the widest has room for eight characters."""
    if any(item.solid for item in items):
        return True
    return len(items) >= 2 and max(width(item.box) / item.size for item in items) >= 8
