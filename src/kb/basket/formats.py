"""A basket → a file in any of the formats: what each is called, and how it is made."""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath

from kb.basket.collect import Basket, Quote, printed_on
from kb.basket.markdown import markdown
from kb.basket.plain import plain
from kb.errors import BadInput
from kb.reference.gbt7714 import reference
from kb.reference.managers import Cited, bibtex, csl_json, ris
from kb.spreadsheet import ENCODING, write_rows

CSV_COLUMNS = (
    "quote", "banks", "dimension", "note", "title", "authors", "place", "publisher", "year", "pages", "file_pages",
    "reference", "footnote", "url", "file", "passage_id", "superseded",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Format:
    """A format of files: what its files' names end with, its media type, and how a basket is written in it."""

    suffix: str
    media_type: str
    write: Callable[[Basket, date], bytes]


def references(basket: Basket) -> str:
    """The bibliography by GB/T 7714—2015; then the marks of the quotes that need more than it tells.

    Those are the quotes of reports that are cited several times, of pages as the file counts them, and with remarks.
    """
    lines = [source.reference for source in basket.sources]
    told = [
        quote
        for quote in basket.quotes
        if len(basket.source(quote).quotes) > 1 or basket.pages(quote).counted or quote.remarks
    ]
    if told:
        lines += ["", "正文标注：", *(f"{basket.mark(quote)}  {opening(basket, quote)}" for quote in told)]
    return "\n".join(lines) + "\n"


def opening(basket: Basket, quote: Quote) -> str:
    """How a quote begins, to know it by; its passage, and what is to be known of its pages and of it."""
    words, pages = "".join(quote.citation.quote.split()), basket.pages(quote)
    counted = [f"页码为文件页，{printed_on(pages)}"] if pages.counted else []
    known = "；".join([f"段 {quote.passage.id}", *counted, *quote.remarks])
    return f"“{words[:20]}{'…' if len(words) > 20 else ''}”（{known}）"


def footnotes(basket: Basket) -> str:
    """A footnote for each quote, a line each, with its remarks."""
    remarks = {quote: f"（{'；'.join(quote.remarks)}）" if quote.remarks else "" for quote in basket.quotes}
    return "".join(f"{basket.footnote(quote)}{remarks[quote]}\n" for quote in basket.quotes)


def csv_rows(basket: Basket) -> Iterable[tuple[object, ...]]:
    """The values of CSV_COLUMNS for each quote."""
    for quote in basket.quotes:
        entry, pages = basket.source(quote).entry, basket.pages(quote)
        document, passage = quote.citation.document, quote.passage
        said = quote.citation.quote, "、".join(passage.banks), passage.dimension, quote.note
        about = entry.title, "、".join(entry.authors), entry.place, entry.publisher, entry.year or ""
        cited = pages.text, pages.in_file, reference(entry, pages.text), basket.footnote(quote)
        yield *said, *about, *cited, entry.url, document.file, passage.id, "yes" if quote.is_superseded else ""


def csv_bytes(basket: Basket, _: date) -> bytes:
    """A line for each quote, for spreadsheets."""
    out = io.StringIO(newline="")
    write_rows([CSV_COLUMNS, *csv_rows(basket)], out)
    return out.getvalue().encode(ENCODING)


def cited(basket: Basket) -> list[Cited]:
    """The entries with all pages that are cited of each."""
    return [(source.entry, source.pages.text) for source in basket.sources]


def word(basket: Basket, today: date) -> bytes:
    """A Word document."""
    from kb.basket.word import word as write  # python-docx, which few commands need

    return write(basket, today)


def in_utf8(write: Callable[[Basket], str]) -> Callable[[Basket, date], bytes]:
    """A writer of text as one of bytes."""
    return lambda basket, _: write(basket).encode()


FORMATS = {
    "md": Format(".md", "text/markdown", in_utf8(markdown)),
    "docx": Format(".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", word),
    "bibtex": Format(".bib", "application/x-bibtex", in_utf8(lambda basket: bibtex(cited(basket)))),
    "csl-json": Format(
        ".json",
        "application/json",
        in_utf8(lambda basket: json.dumps(csl_json(cited(basket)), ensure_ascii=False, indent=2) + "\n"),
    ),
    "ris": Format(".ris", "application/x-research-info-systems", in_utf8(lambda basket: ris(cited(basket)))),
    "txt": Format(".txt", "text/plain", in_utf8(plain)),
    "gbt7714": Format(".txt", "text/plain", in_utf8(references)),
    "footnote": Format(".txt", "text/plain", in_utf8(footnotes)),
    "csv": Format(".csv", "text/csv", csv_bytes),
}
"""The formats by their names; of two with one suffix, the first is meant by it."""


def format_of(path: PurePath, wanted: str | None = None) -> str:
    """The format that a file's name asks for, or the wanted one. Raises BadInput where the name is another's."""
    suffix = path.suffix.lower()
    known = [name for name, format in FORMATS.items() if format.suffix == suffix]
    if wanted and known and wanted not in known:
        raise BadInput(f"-o {path}: {wanted} goes into {FORMATS[wanted].suffix}; name it so, or leave --format out")
    if wanted:
        return wanted
    if not known:
        suffixes = ", ".join(dict.fromkeys(format.suffix for format in FORMATS.values()))
        raise BadInput(f"-o {path}: no format has files like this; name it {suffixes}, or give --format")
    return known[0]
