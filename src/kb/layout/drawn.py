"""Drawn charts and diagrams: where a page's text is labels of a drawing, which belongs to no prose."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median

from kb.layout.places import Places
from kb.layout.shapes import area, contains, height, holds, middle, overlap, union, width
from kb.layout.strips import Strip
from kb.records import Box, Glyph, RawPage

MOST_LABEL = 30
"""A label has at most this many characters."""

LEAST_BOXES = 4
"""From this many boxes with a label each on, boxes that stand close together are a diagram."""

LEAST_BARS = 3
MOST_BESIDE = 8
"""So few characters under a row of boxes, or beside a column of them, are a page number and no text with headings."""

CHART_TITLE, DIAGRAM_TITLE = 80.0, 24.0
"""How far over a drawing its title stands at most, in points."""

MOST_SHAPES = 600
"""Of more small shapes than this a drawing is no diagram of labelled boxes, and comparing them takes long."""

PROSE = re.compile(r"[。；！？，,;!?]")


def drawing_labels(page: RawPage, places: Places, strips: Sequence[Strip], taken: Sequence[Box]) -> list[Box]:
    """The boxes of the labels on a page: whole small boxes of diagrams, and the strips around the bars of charts.

    `strips` are those of the page outside its tables, whose boxes are `taken`.
    """
    shapes = distinct(shape.box for shape in page.shapes if shape.fill or shape.stroke)
    shapes = [box for box in shapes if not any(overlap(other, box) > 0.3 * area(box) for other in taken)]
    bars = distinct(shape.box for shape in page.shapes if shape.fill)
    bars = [box for box in bars if not any(overlap(other, box) > 0 for other in taken)]
    return [*diagram_boxes(page, places, strips, shapes), *bar_labels(strips, bars)]


def distinct(boxes: Iterator[Box]) -> list[Box]:
    """Boxes without those drawn twice, as for fill and border, give or take a point."""
    found = {tuple(round(edge) for edge in box): box for box in boxes}
    return list(found.values())


def diagram_boxes(page: RawPage, places: Places, strips: Sequence[Strip], shapes: Sequence[Box]) -> list[Box]:
    """Boxes that hold a label each and stand together: in rows and columns, or in one row or column beside no text."""
    size = median([glyph.size for glyph in page.glyphs] or [10.0])
    small = [
        box for box in shapes if 0.8 * size < height(box) < 7 * size and 1.5 * size < width(box) < 0.5 * page.width
    ]
    if not LEAST_BOXES <= len(small) <= MOST_SHAPES:
        return []
    labelled = [box for box in small if is_label_box(places.inside(box))]
    leaves = [box for box in labelled if not any(other is not box and contains(box, other, 1.0) for other in labelled)]
    groups = [group for group in neighbours(leaves) if is_diagram(group, leaves, places)]
    titles = [box for group in groups for box in titles_over(strips, union(group), DIAGRAM_TITLE, size)]
    return [*(box for group in groups for box in group), *titles]


def is_label_box(inside: Sequence[Glyph]) -> bool:
    """Whether the characters in a box are one to three lines of a few words, and no sentence."""
    text = "".join(glyph.text for glyph in inside).strip()
    if not 2 <= len(text) <= MOST_LABEL or PROSE.search(text):
        return False
    return height(union(glyph.box for glyph in inside)) < 4 * inside[0].size


def neighbours(boxes: Sequence[Box]) -> list[list[Box]]:
    """Boxes in groups of those that stand close to one another, directly or through others."""
    groups: list[list[Box]] = []
    for box in boxes:
        near = [group for group in groups if any(are_close(box, other) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([box, *(other for group in near for other in group)])
    return groups


def are_close(one: Box, other: Box) -> bool:
    """Whether two boxes stand beside or under each other, no farther apart than one and a half of their heights."""
    reach = 1.5 * min(height(one), height(other))
    across = max(one[0], other[0]) - min(one[2], other[2])
    down = max(one[1], other[1]) - min(one[3], other[3])
    beside = down < -0.5 * min(height(one), height(other)) and across < reach
    under = across < -0.5 * min(width(one), width(other)) and down < reach
    return beside or under


def is_diagram(group: Sequence[Box], boxes: Sequence[Box], places: Places) -> bool:
    """Whether labelled boxes are a drawing: a row of them over text is a row of headings, a column beside text too."""
    if len(group) < LEAST_BOXES:
        return False
    rows = len({round(middle(box)[1] / 8) for box in group})
    columns = len({round(box[0] / 8) for box in group})
    if rows > 1 and columns > 1:
        return True
    left, top, right, bottom = union(group)
    tall = median([height(box) for box in group])
    beyond = (left, bottom, right, bottom + 2.5 * tall) if rows == 1 else (right, top, right + 4 * tall, bottom)
    outside = [glyph for glyph in places.inside(beyond) if glyph.text.strip()]
    return sum(not any(holds(box, *middle(glyph.box)) for box in boxes) for glyph in outside) <= MOST_BESIDE


def bar_labels(strips: Sequence[Strip], shapes: Sequence[Box]) -> list[Box]:
    """The strips that stand around the bars of a chart and are short, small, and no sentence."""
    labels: list[Box] = []
    for zone in bar_zones(shapes):
        around = [strip for strip in strips if contains(zone, strip.box)]
        numbers = [strip.size for strip in around if re.fullmatch(r"[\d.,%％\s]+", strip.text)]
        if len(numbers) >= LEAST_BARS:
            labels += [strip.box for strip in around if is_bar_label(strip, 1.2 * max(numbers))]
            labels += titles_over(strips, zone, CHART_TITLE, max(numbers))
    return labels


def titles_over(strips: Sequence[Strip], box: Box, reach: float, size: float) -> list[Box]:
    """The title of a drawing: the next line over it, if it is short, in the middle, hardly larger than its labels."""
    above = box[0], box[1] - reach, box[2], box[1]
    over = [strip for strip in strips if holds(above, *middle(strip.box))]
    next_line = [strip for strip in over if strip.box[3] > max(other.box[1] for other in over)]
    centred = 0.12 * width(box)
    return [
        strip.box
        for strip in next_line
        if abs(middle(strip.box)[0] - middle(box)[0]) < centred
        and is_bar_label(replace(strip, text=strip.text.rstrip("？?")), 1.3 * size)  # many charts ask a question
    ]


def is_bar_label(strip: Strip, most: float) -> bool:
    """Whether a strip beside bars is one of their labels: hardly larger than the figures, short, no sentence."""
    return strip.size <= most and len(strip.text) <= MOST_LABEL and not re.search(r"[。；！？]", strip.text)


def bar_zones(shapes: Sequence[Box]) -> Iterator[Box]:
    """Around each set of bars: of one width on one base line, or of one height from one left edge, unequally long."""
    standing: dict[tuple[int, int], list[Box]] = defaultdict(list)
    lying: dict[tuple[int, int], list[Box]] = defaultdict(list)
    for box in shapes:
        if width(box) >= 3 and height(box) >= 0.5:
            standing[round(box[3] / 2), round(width(box) / 2)].append(box)
        if height(box) >= 3 and width(box) >= 0.5:
            lying[round(box[0] / 2), round(height(box) / 2)].append(box)
    for bars in standing.values():
        if len(bars) >= LEAST_BARS and len({round(height(box) / 2) for box in bars}) >= 2:
            left, top, right, bottom = union(bars)
            yield left - 50, top - 18, right + 30, bottom + 40
    for bars in lying.values():
        if len(bars) >= LEAST_BARS and len({round(width(box) / 2) for box in bars}) >= 2:
            left, top, right, bottom = union(bars)
            yield left - 260, top - 4, right + 60, bottom + 4
