"""An entry → BibTeX, CSL-JSON and RIS, which reference managers read."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from kb.reference.entry import Entry, named

KIND_UNKNOWN = "其他"

TEX = {
    "\\": r"\textbackslash{}", "{": r"\textbraceleft{}", "}": r"\textbraceright{}", "&": r"\&", "%": r"\%",
    "$": r"\$", "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip

Cited = tuple[Entry, str]
"""An entry, and the pages that are cited of it."""


def bibtex(cited: Sequence[Cited]) -> str:
    """The entries as a .bib file."""
    return "\n".join(bibtex_entry(entry, pages) for entry, pages in cited)


def bibtex_entry(entry: Entry, pages: str) -> str:
    """One entry. Each name stands in braces, so that it is not taken apart at its blanks."""
    names = named(entry.authors)
    authors = [f"{{{tex(name)}}}" for name in names] + (["others"] if names and len(names) < len(entry.authors) else [])
    fields = {
        "author": " and ".join(authors),
        "title": f"{{{tex(entry.title)}}}",
        "institution": f"{{{tex(entry.publisher)}}}" if entry.publisher else "",
        "address": tex(entry.place),
        "year": str(entry.year or ""),
        "type": tex(kind_of(entry)),
        "pages": tex(pages).replace("-", "--"),
        "url": address(entry.url),
        "urldate": str(entry.accessed or ""),
        "language": "chinese" if entry.chinese else "english",
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@techreport{{{entry.key},\n{lines}}}\n"


def tex(text: str) -> str:
    """A text in which nothing means anything to TeX."""
    return "".join(TEX.get(char, char) for char in text)


def address(url: str) -> str:
    """An address without the characters that would end a field of BibTeX; \\url takes the others as they are."""
    return url.replace("\\", "%5C").replace("{", "%7B").replace("}", "%7D")


def csl_json(cited: Sequence[Cited]) -> list[dict[str, Any]]:
    """The entries as items of CSL-JSON. Names are literal: whether one is a person's is not known."""
    return [csl_item(entry, pages) for entry, pages in cited]


def csl_item(entry: Entry, pages: str) -> dict[str, Any]:
    """One entry as an item."""
    item: dict[str, Any] = {
        "id": entry.key,
        "type": "report",
        "title": entry.title,
        "author": [{"literal": name} for name in named(entry.authors)],
        "genre": kind_of(entry),
        "publisher": entry.publisher,
        "publisher-place": entry.place,
        "issued": {"date-parts": [[entry.year]]} if entry.year else None,
        "page": pages,
        "URL": entry.url,
        "accessed": {"date-parts": [date_parts(entry.accessed)]} if entry.accessed else None,
        "language": "zh-CN" if entry.chinese else "en",
    }
    return {name: value for name, value in item.items() if value}


def date_parts(day: date) -> list[int]:
    """Year, month and day."""
    return [day.year, day.month, day.day]


def ris(cited: Sequence[Cited]) -> str:
    """The entries as a RIS file."""
    return "\n".join(ris_entry(entry, pages) for entry, pages in cited)


def ris_entry(entry: Entry, pages: str) -> str:
    """One entry, a tag a line."""
    first, _, last = pages.partition("-") if re.fullmatch(r"\w+-\w+", pages) else (pages, "", "")
    tags = [
        ("ID", entry.key),
        *(("AU", name) for name in named(entry.authors)),
        ("TI", entry.title),
        ("PB", entry.publisher),
        ("CY", entry.place),
        ("PY", str(entry.year or "")),
        ("M3", kind_of(entry)),
        ("SP", first),
        ("EP", last),
        ("UR", entry.url),
        ("Y2", f"{entry.accessed:%Y/%m/%d}" if entry.accessed else ""),
        ("LA", "zh" if entry.chinese else "en"),
    ]
    lines = "".join(f"{tag}  - {value}\n" for tag, value in tags if value)
    return f"TY  - RPRT\n{lines}ER  - \n"


def kind_of(entry: Entry) -> str:
    """The kind of report, where it is known."""
    return "" if entry.kind == KIND_UNKNOWN else entry.kind
