"""Running headers and footers, page numbers and watermarks, known by how they recur over a document's pages."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb.layout.page import PageLayout
from kb.layout.shapes import middle
from kb.layout.strips import Strip

ZONE = 0.12
"""The share of a page's height, at its top and its bottom, where running lines are looked for."""

EDGE_SHARE = 0.5
INNER_SHARE = 0.9
"""On which share of the pages words must recur at one place to be a mark: at the edges, and elsewhere."""

PAGE_NUMBER = re.compile(r"^[\s—–\-·|•/第]*(\d{1,4})[\s—–\-·|•页]*(?:/\s*\d{1,4})?$")


@dataclass(frozen=True, slots=True)
class Noise:
    """What recurs: (page number, strip) pairs to leave out of the text, and the number printed on each page."""

    strips: frozenset[tuple[int, Strip]]
    labels: dict[int, str]

    def __contains__(self, item: object) -> bool:
        return item in self.strips


def find_noise(layouts: Sequence[PageLayout], body_size: float) -> Noise:
    """Everything on these pages that recurs from page to page and is no part of the text."""
    numbers, labels = page_numbers(layouts)
    found = numbers | running_lines(layouts, body_size) | fixed_marks(layouts)
    if all((layout.number, strip) in found for layout in layouts for strip in page_strips(layout)):
        found = set()  # a file of nothing but repeated words says just that
    return Noise(frozenset(found), labels)


def page_strips(layout: PageLayout, boxed: bool = True) -> Iterator[Strip]:
    """The strips of a page outside its tables, and outside its boxes too unless told."""
    for flow in layout.flows:
        if boxed or not flow.panel:
            yield from (part for part in flow.parts if isinstance(part, Strip))


def zone_of(layout: PageLayout, strip: Strip) -> str:
    """In which margin the strip stands: top, bottom, or none."""
    y = middle(strip.box)[1]
    if y < ZONE * layout.height:
        return "top"
    return "bottom" if y > (1 - ZONE) * layout.height else ""


def page_numbers(layouts: Sequence[PageLayout]) -> tuple[set[tuple[int, Strip]], dict[int, str]]:
    """Numbers in the margins that count on with the pages: those at the distance from the page's place most share."""
    candidates: list[tuple[int, int, Strip]] = []
    for layout in layouts:
        for strip in page_strips(layout):
            match = PAGE_NUMBER.match(strip.text) if zone_of(layout, strip) else None
            if match:
                candidates.append((layout.number, int(match[1]), strip))
    distances = Counter(printed - number for number, printed, _ in candidates)
    if not distances:
        return set(), {}
    distance, votes = distances.most_common(1)[0]
    if votes < min(3, len(layouts)):
        return set(), {}
    chosen = [(number, printed, strip) for number, printed, strip in candidates if printed - number == distance]
    return {(number, strip) for number, _, strip in chosen}, {number: str(printed) for number, printed, _ in chosen}


def running_lines(layouts: Sequence[PageLayout], body_size: float) -> set[tuple[int, Strip]]:
    """Small lines in the margins whose words recur, and others at the same height as those, as chapter names are."""
    where: dict[tuple[str, str], list[tuple[PageLayout, Strip]]] = defaultdict(list)
    for layout in layouts:
        for strip in page_strips(layout):
            zone = zone_of(layout, strip)
            if zone and strip.size <= 1.1 * body_size:
                where[zone, re.sub(r"\d+", "#", strip.text)].append((layout, strip))
    recurring = [pair for pairs in where.values() if len({layout.number for layout, _ in pairs}) >= 3 for pair in pairs]
    heights = Counter(level(layout, strip) for layout, strip in recurring)
    usual = {key for key, count in heights.items() if count >= max(3, 0.3 * len(layouts))}
    level_with = [pair for pairs in where.values() for pair in pairs if level(*pair) in usual]
    return {(layout.number, strip) for layout, strip in (*recurring, *level_with)}


def level(layout: PageLayout, strip: Strip) -> tuple[str, int, float]:
    """The height at which a strip stands, to two points, with its size: what running lines share."""
    return zone_of(layout, strip), round(middle(strip.box)[1] / 2), round(strip.size)


def fixed_marks(layouts: Sequence[PageLayout]) -> set[tuple[int, Strip]]:
    """The same words at the same place on most pages: logos and stamps at the edges, watermarks across the text.

    At the edges half of the pages do, and at least four. Elsewhere nearly all of them, for the labels of a row of case
    slides stand at one place too; what stands in a box is spared for the same reason.
    """
    where: dict[tuple[str, int, int], list[tuple[PageLayout, Strip]]] = defaultdict(list)
    for layout in layouts:
        for strip in page_strips(layout, boxed=False):
            where[strip.text, round(strip.box[0] / 4), round(strip.box[1] / 4)].append((layout, strip))
    found: set[tuple[int, Strip]] = set()
    for pairs in where.values():
        share = EDGE_SHARE if all(at_edge(*pair) for pair in pairs) else INNER_SHARE
        if len(pairs) >= max(4, share * len(layouts)):
            found |= {(layout.number, strip) for layout, strip in pairs}
    return found


def at_edge(layout: PageLayout, strip: Strip) -> bool:
    """Whether a strip stands in one of a page's four margins."""
    x = middle(strip.box)[0]
    return bool(zone_of(layout, strip)) or not ZONE * layout.width < x < (1 - ZONE) * layout.width
