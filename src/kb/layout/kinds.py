"""What the lines of a page are: paragraph, list item, heading, caption, quote, footnote, table of contents, label."""

import re
from collections.abc import Sequence

from kb.layout.noise import Noise, page_strips
from kb.layout.page import PageLayout, Table
from kb.layout.paragraphs import Paragraph, Row, strips_to_rows
from kb.layout.strips import Strip
from kb.layout.styles import Typography
from kb.marks import (
    BULLET,
    CAPTION,
    CONTENTS_ROW,
    NOTE_MARK,
    NUMBERED,
    NUMBERINGS,
    NUMERIC,
    SENTENCE_END,
    is_speaker,
    numbering,
)
from kb.records import Box, Kind

MAX_HEADING = 60
MAX_LABEL = 14

NOTE_SIZE = 0.93
"""Footnotes are set in type smaller than this share of the text's size."""

PUNCTUATION = re.compile(r"[，。；、：:,;]")
PART_NUMBER = re.compile(r"^(?:0?\d|1\d|[一二三四五六七八九十]{1,3}|[IVX]{1,4})$")
"""The number of a part or point, when it stands alone in large type beside or over its title."""


def kind_of(paragraph: Paragraph, style: Typography, boxed: bool) -> Kind:
    """What a paragraph is, by its words and its type."""
    if not any(char.isalnum() for char in paragraph.text):
        return Kind.NOISE
    if PART_NUMBER.match(paragraph.text) and paragraph.size >= 1.12 * style.size:
        return Kind.NOISE
    if CAPTION.match(paragraph.text):
        return Kind.CAPTION
    if is_speaker(paragraph.text):
        return Kind.QUOTE
    if is_heading(paragraph, style, boxed):
        return Kind.HEADING
    if is_chart_title(paragraph, style):
        return Kind.CAPTION
    if BULLET.match(paragraph.text) or NUMBERED.match(paragraph.text):
        return Kind.LIST
    return Kind.TEXT


def is_heading(paragraph: Paragraph, style: Typography, boxed: bool) -> bool:
    """Larger, bolder or numbered, short, and no sentence; or a label that opens a box or ends with a colon."""
    text, rows = paragraph.text, len(paragraph.rows)
    if not 2 <= len(text) <= MAX_HEADING or rows > 3 or NUMERIC.match(text):
        return False
    if SENTENCE_END.search(text.rstrip("?？")) or "。" in text or BULLET.match(text):
        return False
    if paragraph.size >= 1.12 * style.size:
        return "，" not in text or all(style.is_body(s) or style.is_bold(s) for s in paragraph.strips)
    if is_label(paragraph, boxed):
        return True
    if paragraph.size < 0.97 * style.size and not style.is_bold(paragraph.strips[0]):
        return False
    if all(style.is_bold(strip) for strip in paragraph.strips):
        return rows <= 2 and paragraph.size >= 0.97 * style.size
    if rows > 1 or paragraph.full and len(text) > MAX_LABEL:
        return False
    return numbering(text) in (0, 1, 2, 3, 5, 6, 7) and len(text) <= 40 and "：" not in text[:-1]


def is_label(paragraph: Paragraph, boxed: bool) -> bool:
    """A few words on a line of their own over text: they end with a colon, or open a box."""
    if len(paragraph.rows) > 1 or len(paragraph.text) > MAX_LABEL or "，" in paragraph.text or paragraph.last:
        return False
    return paragraph.text.endswith(("：", ":")) or boxed and paragraph.first


def is_chart_title(paragraph: Paragraph, style: Typography) -> bool:
    """A short bold line smaller than the body, which is no heading: the title over a chart or table."""
    bold = all(style.is_bold(strip) for strip in paragraph.strips)
    small = paragraph.size < 0.97 * style.size
    return bold and small and len(paragraph.rows) == 1 and not SENTENCE_END.search(paragraph.text)


def is_contents(layout: PageLayout, noise: Noise) -> bool:
    """Whether most rows of the page end with a number, behind leaders or set apart, as a table of contents does."""
    strips = [part for flow in layout.flows for part in flow.parts if isinstance(part, Strip)]
    rows = strips_to_rows([strip for strip in strips if (layout.number, strip) not in noise])
    entries = sum(bool(CONTENTS_ROW.search(row.text)) and len(row.text) > 4 for row in rows)
    return entries >= 5 and entries >= 0.5 * len(rows)


def chart_rows(rows: Sequence[Row], style: Typography, boxed: bool) -> list[Row]:
    """Rows that are labels and axis numbers of a chart: small, short, unpunctuated, several or beside numbers.

    In a box, small labels explain its figures, and only bare numbers are left out.
    """
    if boxed:
        return [row for row in rows if looks_like_axis(row, style) and NUMERIC.match(row.text)]
    is_label = [
        looks_like_axis(row, style) and not (at and ends_in_figure(rows[at - 1], row)) for at, row in enumerate(rows)
    ]
    for at, row in enumerate(rows):
        beside = is_label[at - 1 : at] + is_label[at + 1 : at + 2]
        if not is_label[at] and any(beside) and is_short(row, style) and len(row.strips) == 1:
            is_label[at] = True
    return [row for row, label in zip(rows, is_label, strict=True) if label]


def ends_in_figure(above: Row, row: Row) -> bool:
    """Whether a line of figures goes on the sentence above it: the same type, and more than a label unended."""
    same = abs(above.size - row.size) < 0.5 and row.y - above.y < 2 * row.size and len(row.strips) == 1
    return (
        same and len(above.text) >= MAX_LABEL and not SENTENCE_END.search(above.text) and not NUMERIC.match(above.text)
    )


def looks_like_axis(row: Row, style: Typography) -> bool:
    """A row of numbers alone, or of several short labels smaller than the body."""
    if NUMERIC.match(row.text) and len(row.text) <= 12 and row.size <= 1.3 * style.size:
        return True
    return len(row.strips) >= 2 and all(is_short(Row((strip,)), style) for strip in row.strips)


def is_short(row: Row, style: Typography) -> bool:
    """A few characters without punctuation, smaller than the body."""
    return len(row.text) <= 16 and row.size < 0.97 * style.size and not PUNCTUATION.search(row.text)


def find_notes(layout: PageLayout, style: Typography, noise: Noise) -> list[Strip]:
    """A page's footnotes: small type under all of the text above it, from the first line with a mark on."""
    strips = [strip for strip in page_strips(layout, boxed=False) if (layout.number, strip) not in noise]
    small = [strip for strip in strips if strip.size < NOTE_SIZE * style.size]
    text = [strip.box for strip in strips if strip.size >= NOTE_SIZE * style.size]
    text += [part.box for flow in layout.flows for part in flow.parts if isinstance(part, Table)]
    low = [strip for strip in small if not any(box[3] > strip.box[1] and shares_column(box, strip.box) for box in text)]
    marked = [strip.box for strip in low if NOTE_MARK.match(strip.text)]
    return [strip for strip in low if any(box[1] <= strip.box[3] and box[0] <= strip.box[2] for box in marked)]


def shares_column(one: Box, other: Box) -> bool:
    """Whether one of two boxes stands above the other, in part at least."""
    return one[0] < other[2] and other[0] < one[2]


assert len(NUMBERINGS) > 7  # is_heading names some of them by their place
