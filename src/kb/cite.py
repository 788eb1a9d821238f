"""Hits → citations: each quote is found again in the stored text of its page, or it is not cited."""

from collections.abc import Iterator, Mapping, Sequence

from kb.boxes import boxes_of
from kb.errors import QuoteNotFound
from kb.records import Citation, Document, Page, Passage, Place, Span
from kb.store import Store
from kb.words import mend


def cite(store: Store, document: Document, passage: Passage, start: int, end: int) -> Citation:
    """The citation of `passage.text[start:end]`, with its places found again on the pages.

    Raises QuoteNotFound where the stored page texts do not have these words at the passage's spans.
    """
    spans = [clip(span, start, end) for span in passage.spans if span.at < end and start < end_of(span)]
    if not spans:
        raise QuoteNotFound(f"passage {passage.id}: the quote stands on no page of {document.file}")
    pages = {page.number: page for page in store.some_pages(document.id, {span.page for span in spans})}
    check_spans(document, passage, spans, pages)
    return Citation(passage.id, passage.text[start:end], document, tuple(places_of(spans, pages)))


def end_of(span: Span) -> int:
    """Where a span ends in the passage's text."""
    return span.at + span.end - span.start


def clip(span: Span, start: int, end: int) -> Span:
    """The part of a span that stands between two offsets of the passage's text."""
    before, after = max(start - span.at, 0), max(end_of(span) - end, 0)
    return Span(span.page, span.start + before, span.end - after, span.at + before, span.name)


def check_spans(document: Document, passage: Passage, spans: Sequence[Span], pages: Mapping[int, Page]) -> None:
    """Compare each span with the stored text of its page."""
    for span in spans:
        stored = mend(pages[span.page].text[span.start : span.end]) if span.page in pages else ""
        quoted = passage.text[span.at : end_of(span)]
        if not stored or stored != quoted:
            place = f"{document.unit} {span.page} of {document.file}"
            raise QuoteNotFound(f"passage {passage.id}: {quoted[:30]!r} is not on {place}")


def places_of(spans: Sequence[Span], pages: Mapping[int, Page]) -> Iterator[Place]:
    """The places of spans; those that only white space parts on their page are one."""
    run: list[Span] = []
    for span in spans:
        if run and not follows(span, run[-1], pages[span.page]):
            yield place_of(run, pages)
            run = []
        run.append(span)
    yield place_of(run, pages)


def follows(span: Span, before: Span, page: Page) -> bool:
    """Whether a span goes on where another ends, white space aside."""
    if (span.page, span.name) != (before.page, before.name) or span.start < before.end:
        return False
    return not page.text[before.end : span.start].strip()


def place_of(run: Sequence[Span], pages: Mapping[int, Page]) -> Place:
    """The place of spans that follow each other."""
    page, start, end = pages[run[0].page], run[0].start, run[-1].end
    return Place(page.number, page.label or "", start, end, boxes_of(page, start, end), run[0].name)
