"""Passage ids, with the part that is wanted of each → a basket: verified quotes, and the reports that they cite."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from kb.banks import BankBook
from kb.cite import cite
from kb.errors import BadInput, KbError
from kb.records import Citation, Document, Kind, Passage
from kb.reference.entry import Entry, entry_of
from kb.reference.gbt7714 import footnote, mark, reference
from kb.reference.pages import Pages, are_numbered, pages_of
from kb.store import Store
from kb.words import mend, trimmed

PART = re.compile(r"(?P<id>[^:]+)(?::(?P<start>\d{1,9})-(?P<end>\d{1,9}))?")

SUPERSEDED = "该报告已有新版，引文出自旧版"
TABLE_ROW = "据表格行整理"
"""Said of a quote that is a table's row, for its colons, its strokes and their order are not on the page."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A quote that is asked for: a whole passage, `text[start:end]` of it, or words that stand in it.

    `note` is the user's own, and goes with the quote.
    """

    passage_id: str
    start: int | None = None
    end: int | None = None
    quote: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote found on its pages, and the passage that it is of."""

    citation: Citation
    passage: Passage
    note: str

    @property
    def about(self) -> str:
        """The banks and the dimension of its passage, and whether it is made of a table's row: 青岛银行 · 生态."""
        row = TABLE_ROW if self.is_table_row else ""
        return " · ".join(part for part in ("、".join(self.passage.banks), self.passage.dimension, row) if part)

    @property
    def is_table_row(self) -> bool:
        """Whether it is of a table's row, which reads otherwise on the page."""
        return self.passage.kind is Kind.TABLE

    @property
    def is_superseded(self) -> bool:
        """Whether its report has a newer version."""
        return self.citation.document.status != "live"

    @property
    def remarks(self) -> list[str]:
        """What is to be known of it besides its source."""
        return [TABLE_ROW] * self.is_table_row + [SUPERSEDED] * self.is_superseded


@dataclass(frozen=True, slots=True)
class Source:
    """A cited report: its number in the bibliography, its entry, and all quotes of it, also of its other versions.

    `files` are the ids of its versions and copies; `printed` tells whether its pages are named by their own numbers.
    """

    number: int
    entry: Entry
    quotes: tuple[Quote, ...]
    files: frozenset[str]
    printed: bool

    @property
    def pages(self) -> Pages:
        """The pages of all its quotes."""
        return pages_of([quote.citation for quote in self.quotes], self.printed)

    @property
    def reference(self) -> str:
        """Its line in the bibliography. Cited several times it has no pages: they go with the marks (10.1.3)."""
        pages = self.pages.text if len(self.quotes) == 1 else ""
        return f"{mark(self.number)} {reference(self.entry, pages)}"


@dataclass(frozen=True, slots=True)
class Basket:
    """Quotes in the order they were asked for, and the reports that they cite in that of their first quotes."""

    quotes: tuple[Quote, ...]
    sources: tuple[Source, ...]

    def source(self, quote: Quote) -> Source:
        """The report that a quote is of."""
        return next(source for source in self.sources if quote.citation.document.id in source.files)

    def pages(self, quote: Quote) -> Pages:
        """The pages of a quote, named as those of its report's other quotes are."""
        return pages_of([quote.citation], self.source(quote).printed)

    def mark(self, quote: Quote) -> str:
        """The mark after a quote in the text: [1], or [1]22-23 where its report is cited several times."""
        source = self.source(quote)
        return mark(source.number, self.pages(quote).text if len(source.quotes) > 1 else "")

    def footnote(self, quote: Quote) -> str:
        """The footnote of a quote."""
        return footnote(self.source(quote).entry, self.pages(quote))

    def where(self, quote: Quote) -> str:
        """Where a quote is found again: pages as the file counts them, the passage's id, and what is to be known."""
        pages = self.pages(quote)
        counted = f"文件第 {pages.in_file} {'节' if pages.unit == 'section' else '页'}"
        on_page = [f"{counted}，{printed_on(pages)}" if pages.counted else counted]
        return f"{quote.citation.document.file} " + "；".join([*on_page, f"段 {quote.passage.id}", *quote.remarks])


def parse_wanted(words: Iterable[str]) -> list[Wanted]:
    """What each ID or ID:START-END asks for. Raises BadInput that tells all that is neither."""
    given = [(each, PART.fullmatch(each)) for each in words]
    if wrong := [repr(each[:60]) for each, found in given if not found]:
        raise BadInput(f"{', '.join(wrong)}: give ID, or ID:START-END for characters START to END of a passage's text")
    parts = [found.group("id", "start", "end") for _, found in given if found]
    return [Wanted(passage, int(start), int(end)) if start else Wanted(passage) for passage, start, end in parts]


def collect(store: Store, wanted: Iterable[Wanted], banks: BankBook, today: date) -> Basket:
    """The quotes that are asked for, each found again on its pages; what is asked for twice is kept once.

    `today` is the day of citing, which references to reports online name. Raises one error that tells all there is:
    NotFound where ids are not known, QuoteNotFound where pages do not have a quote, else BadInput.
    """
    quotes: dict[Quote, None] = {}
    problems: list[KbError] = []
    for each in wanted:
        try:
            quotes[find(store, each)] = None
        except KbError as problem:
            problems.append(problem)
    if problems:
        kinds = {type(problem) for problem in problems}
        kind = kinds.pop() if len(kinds) == 1 else BadInput
        raise kind("; ".join(dict.fromkeys(map(str, problems))))
    return Basket(tuple(quotes), tuple(sources(list(quotes), banks, today)))


def find(store: Store, wanted: Wanted) -> Quote:
    """One quote. Raises NotFound, BadInput and QuoteNotFound."""
    stored = store.passage(wanted.passage_id)
    start, end = trimmed(stored.passage.text, *part_of(stored.passage, wanted))
    if start >= end:
        raise BadInput(f"passage {wanted.passage_id}: {wanted.start}-{wanted.end} has no words in it")
    return Quote(cite(store, stored.document, stored.passage, start, end), stored.passage, wanted.note.strip())


def part_of(passage: Passage, wanted: Wanted) -> tuple[int, int]:
    """Where the wanted part of a passage begins and ends in its text. Raises BadInput."""
    if wanted.quote.strip():
        return place_in(passage, wanted.quote)
    start = wanted.start or 0
    end = len(passage.text) if wanted.end is None else wanted.end
    if not 0 <= start < end <= len(passage.text):
        raise BadInput(f"passage {passage.id}: {start}-{end} is no part of its {len(passage.text)} characters")
    return start, end


def place_in(passage: Passage, quote: str) -> tuple[int, int]:
    """Where words stand in a passage, white space aside. Raises BadInput."""
    at = [place for place, character in enumerate(passage.text) if not character.isspace()]
    text = "".join(passage.text[place] for place in at)
    words = mend("".join(quote.split()))
    found = text.find(words)
    if found < 0:
        raise BadInput(f"passage {passage.id}: {quote.strip()[:30]!r} does not stand in it; quote it verbatim")
    return at[found], at[found + len(words) - 1] + 1


def sources(quotes: Sequence[Quote], banks: BankBook, today: date) -> Iterable[Source]:
    """The reports of quotes, numbered in the order of their first quotes.

    Files whose references are the same, as those of two versions or of copies, are one report to a reader.
    """
    entries: dict[Document, Entry] = {}
    alike: dict[str, list[Quote]] = {}
    for quote in quotes:
        document = quote.citation.document
        if document not in entries:
            entries[document] = entry_of(document, banks, today)
        alike.setdefault(reference(entries[document]), []).append(quote)
    for number, of_it in enumerate(alike.values(), 1):
        files = frozenset(quote.citation.document.id for quote in of_it)
        printed = are_numbered([quote.citation for quote in of_it])
        yield Source(number, entries[of_it[0].citation.document], tuple(of_it), files, printed)


def printed_on(pages: Pages) -> str:
    """What the pages of a quote bear that are named as the file counts them."""
    return f"页上印 {pages.labels}" if pages.labels else "页上无页码"
