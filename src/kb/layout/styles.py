"""What a document's type looks like: body size and font, and what makes a line a heading, caption or list item."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kb.layout.noise import page_strips
from kb.layout.page import PageLayout
from kb.layout.strips import Strip
from kb.marks import numbering

BOLD = re.compile(r"bold|black|heavy|semibold|demi|medium|simhei|zenhei", re.IGNORECASE)

LEAST_TEXT = 80
"""A page with fewer characters tells nothing of its type."""


@dataclass(frozen=True, slots=True)
class Typography:
    """The size and the font of most of a document's text."""

    size: float
    font: str

    def is_body(self, strip: Strip) -> bool:
        """Whether the strip is set in the font of the body."""
        return strip.font == self.font

    def is_bold(self, strip: Strip) -> bool:
        """Whether the whole strip is set in a bolder font than the body."""
        return not strip.mixed and bool(BOLD.search(strip.font)) and not self.is_body(strip)


def document_typography(layouts: Sequence[PageLayout]) -> Typography:
    """The size (in half points) and the font that most characters outside tables have."""
    sizes: Counter[float] = Counter()
    fonts: Counter[tuple[float, str]] = Counter()
    for strip in (strip for layout in layouts for strip in page_strips(layout)):
        half = round(strip.size * 2) / 2
        sizes[half] += len(strip.text)
        fonts[half, strip.font] += len(strip.text)
    if not sizes:
        return Typography(10.0, "")
    size = sizes.most_common(1)[0][0]
    font = max((key for key in fonts if key[0] == size), key=lambda key: fonts[key])[1]
    return Typography(size, font)


def page_typography(layout: PageLayout, style: Typography) -> Typography:
    """The document's type, or that of a page set throughout in smaller type, as a slide with much text is."""
    sizes: Counter[float] = Counter()
    for strip in page_strips(layout):
        sizes[round(strip.size * 2) / 2] += len(strip.text)
    usual = sum(count for size, count in sizes.items() if size >= 0.94 * style.size and size < 1.12 * style.size)
    if usual > 0.1 * sum(sizes.values()) or sum(sizes.values()) < LEAST_TEXT:
        return style
    return replace(style, size=min(style.size, sizes.most_common(1)[0][0]))


def heading_levels(headings: Sequence[tuple[float, str]]) -> dict[tuple[float, int], int]:
    """Levels from 1 for (size in half points, numbering): larger type first, then the outer numbering.

    A size that only one heading has is taken for the next smaller one: a preface's title is no part of its own.
    """
    counts = Counter(size for size, _ in headings)
    sizes = sorted(counts, reverse=True)
    usual: dict[float, float] = {}
    for size, below in zip(reversed(sizes), [0.0, *reversed(sizes)], strict=False):
        usual[size] = usual.get(below, size) if counts[size] == 1 else size
    ranks = {(size, numbering(text)): (-usual[size], numbering(text)) for size, text in headings}
    order = sorted(set(ranks.values()))
    return {key: order.index(rank) + 1 for key, rank in ranks.items()}
