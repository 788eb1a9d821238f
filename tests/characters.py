"""Where the characters of a PDF's pages stand, by pypdfium2 alone: not by what kb made of its boxes or its rotation."""

import ctypes
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import pypdfium2
import pypdfium2.raw as pdfium

from kb.cite import cite
from kb.records import Box, Document, Page, Passage
from kb.store import Store
from kb.words import mend, sentences

FINE = 100
"""Places come from the library in whole pixels, so they are asked for on a page a hundred times as large."""

BULLETS = dict.fromkeys(map(ord, "·•・▪■●"), "·")
"""Readers do not agree about these."""


@dataclass(frozen=True)
class Character:
    """A character, and the middle of its ink in points from the top left corner of the page as it is shown."""

    text: str
    x: float
    y: float

    def within(self, box: Box) -> bool:
        x0, top, x1, bottom = box
        return x0 <= self.x <= x1 and top <= self.y <= bottom


def characters_of(page: pypdfium2.PdfPage) -> list[Character]:
    """The printed characters of a page."""
    wide, high = page.get_size()
    words = page.get_textpage()
    found, edges, (x, y) = [], [ctypes.c_double() for _ in range(4)], (ctypes.c_int(), ctypes.c_int())
    for at in range(pdfium.FPDFText_CountChars(words)):
        text = "-" if pdfium.FPDFText_IsHyphen(words, at) == 1 else chr(pdfium.FPDFText_GetUnicode(words, at))
        if not text.strip() or pdfium.FPDFText_IsGenerated(words, at) == 1:
            continue
        pdfium.FPDFText_GetCharBox(words, at, *edges)
        left, right, bottom, top = (edge.value for edge in edges)
        frame = 0, 0, round(wide * FINE), round(high * FINE), 0
        pdfium.FPDF_PageToDevice(page, *frame, (left + right) / 2, (bottom + top) / 2, x, y)
        found.append(Character(text, x.value / FINE, y.value / FINE))
    words.close()
    return found


def folded(text: str) -> Counter[str]:
    """Characters as they are compared: without white space, wide or narrow, and radicals as characters."""
    return Counter(unicodedata.normalize("NFKC", mend("".join(text.split()))).translate(BULLETS))


@dataclass(frozen=True)
class Marked:
    """A highlight box, what the quote has on its line, and the characters under it."""

    where: str
    wanted: str
    under: str
    trimmed: bool

    @property
    def covers(self) -> bool:
        return not folded(self.wanted) - folded(self.under)

    @property
    def foreign(self) -> int:
        return (folded(self.under) - folded(self.wanted)).total()


@dataclass(frozen=True)
class OnlyPages:
    """The pages of a report that is read and not stored: all that citing asks of a store."""

    pages: Sequence[Page]

    def some_pages(self, _: str, numbers: Iterable[int]) -> list[Page]:
        wanted = set(numbers)
        return [page for page in self.pages if page.number in wanted]


def stored_boxes(store: Store, document: Document, down: float = 0.0) -> Iterator[Marked]:
    """`marked_boxes` of a stored report."""
    passages = [stored.passage for stored in store.passages_of(document.id)]
    return marked_boxes(document, store.pages(document.id), passages, down)


def marked_boxes(
    document: Document, all_pages: Sequence[Page], passages: Iterable[Passage], down: float = 0.0
) -> Iterator[Marked]:
    """The boxes of each passage of a report and of each of its sentences, moved `down` by a share of their height."""
    pages = {page.number: page for page in all_pages}
    source = cast(Store, OnlyPages(all_pages))
    pdf = pypdfium2.PdfDocument(document.path)
    try:
        characters: dict[int, list[Character]] = {}
        for passage in passages:
            for start, end in quotes_of(passage):
                for place in cite(source, document, passage, start, end).places:
                    if place.page not in characters:
                        characters[place.page] = characters_of(pdf[place.page - 1])
                    parts = list(parts_of(pages[place.page], place.start, place.end))
                    assert len(parts) == len(place.boxes)
                    for (wanted, trimmed), box in zip(parts, place.boxes, strict=True):
                        moved = moved_down(box, down)
                        under = "".join(one.text for one in characters[place.page] if one.within(moved))
                        yield Marked(f"{document.file} page {place.page}", wanted, under, trimmed)
    finally:
        pdf.close()


def quotes_of(passage: Passage) -> Iterable[tuple[int, int]]:
    """A passage as a whole, and its sentences."""
    return [(0, len(passage.text)), *sentences(passage.text)]


def parts_of(page: Page, start: int, end: int) -> Iterator[tuple[str, bool]]:
    """What a stretch of a page's text has on each printed line, and whether the line has more words."""
    for line in page.lines:
        if line.start < end and start < line.end:
            first, last = max(start, line.start), min(end, line.end)
            rest = page.text[line.start : first] + page.text[last : line.end]
            yield page.text[first:last], bool(rest.strip())


def moved_down(box: Box, share: float) -> Box:
    """A box lower by a share of its height."""
    x0, top, x1, bottom = box
    by = (bottom - top) * share
    return x0, top + by, x1, bottom + by
