"""A report's record → what a reference says of it: authors, title, place, publisher, year, address."""

import re
from dataclasses import dataclass
from datetime import date
from unicodedata import category

from kb.banks import BankBook
from kb.records import Document
from kb.reference.places import place_of

CHINESE = re.compile(r"[\u4e00-\u9fff]")

SEPARATOR = re.compile(
    r"\s*[、；;，|／/]\s*|,\s*(?=[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff）)]{2})\s+(?=[\u4e00-\u9fff]{2})"
)
"""What parts names: a mark, or a blank between two Chinese names."""

OTHERS = frozenset(("等", "et al", "et al."))
"""Stands for authors that are not named."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a reference says of a report. What is not known is empty; `year` is then None.

    `authors` are persons or institutions, each as it is to be printed; the last may be one of OTHERS. `accessed` is
    the day on which the report was cited, where it has an address; `updated` is when that page was changed.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    kind: str
    place: str
    publisher: str
    year: int | None
    url: str = ""
    accessed: date | None = None
    updated: date | None = None

    @property
    def mark(self) -> str:
        """The type mark of GB/T 7714: a report, or one online."""
        return "R/OL" if self.url else "R"

    @property
    def chinese(self) -> bool:
        """Whether the report is in Chinese, as its title tells."""
        return bool(CHINESE.search(self.title))


def entry_of(document: Document, banks: BankBook, accessed: date) -> Entry:
    """The entry of a report that is cited on a day.

    Without an author its publisher is the author. Of several publishers the first counts (GB/T 7714—2015, 8.4.2.2).
    Without a place, that of the publisher counts where its name makes it sure.
    """
    publishers = names_in(document.publisher)
    publisher = publishers[0] if publishers else ""
    return Entry(
        key=f"kb{document.id}",
        authors=names_in(document.author) or publishers,
        title=in_one_line(document.title),
        kind=document.kind,
        place=in_one_line(document.place) or place_of(publisher, banks),
        publisher=publisher,
        year=document.year,
        url=document.url,
        accessed=accessed if document.url else None,
    )


def names_in(text: str) -> tuple[str, ...]:
    """The names that a text holds, in its order: "A、B", "A；B" and, of Chinese names, "A B"."""
    return tuple(dict.fromkeys(name for name in SEPARATOR.split(in_one_line(text)) if name))


def named(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of an entry's names that name somebody."""
    return tuple(name for name in names if name.lower() not in OTHERS)


def in_one_line(text: str) -> str:
    """A text without line breaks, control characters and those that show nothing."""
    seen = "".join(char for char in text if category(char) != "Cf")
    return " ".join("".join(char if char.isprintable() else " " for char in seen).split())
