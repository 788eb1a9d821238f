"""Hits → citations: each quote is found again in the stored text of its page, or it is not cited."""

from kb.errors import QuoteNotFound
from kb.records import Citation, Document, Passage, Span, pages_of
from kb.store import Store
from kb.words import mend


def cite(store: Store, document: Document, passage: Passage, start: int, end: int) -> Citation:
    """The citation of `passage.text[start:end]`.

    Raises QuoteNotFound where the stored page texts do not have these words at the passage's spans.
    """
    spans = [span for span in passage.spans if span.at < end and span.at + span.end - span.start > start]
    check_spans(store, document, passage, spans)
    pages = pages_of(spans)
    labels = store.page_labels(document.id)
    return Citation(
        passage.id,
        passage.text[start:end],
        document.title,
        document.publisher,
        document.year,
        document.file,
        pages,
        tuple(labels[page] for page in pages if page in labels),
        document.unit,
    )


def check_spans(store: Store, document: Document, passage: Passage, spans: list[Span]) -> None:
    """Compare each span with the stored text of its page."""
    texts = store.page_texts(document.id, {span.page for span in spans})
    if not spans:
        raise QuoteNotFound(f"passage {passage.id}: the quote stands on no page of {document.file}")
    for span in spans:
        stored = mend(texts.get(span.page, "")[span.start : span.end])
        quoted = passage.text[span.at : span.at + span.end - span.start]
        if not stored or stored != quoted:
            place = f"{document.unit} {span.page} of {document.file}"
            raise QuoteNotFound(f"passage {passage.id}: {quoted[:30]!r} is not on {place}")
