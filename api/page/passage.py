"""One passage where it stands: its page, its neighbours there, why it was found, what its tags come from."""

from typing import Any

from api.page.asked import Asked
from api.page.excerpts import Excerpt, of_citation
from kb.cite import cite
from kb.embed import Embedded
from kb.links import successor
from kb.records import Field, Hit, Tag
from kb.search import Library
from kb.show import FIELDS, SOURCES
from kb.store import StoredPassage

LOOKED_AT = 50
"""Among so many of the best passages it is told why one was found."""

LEAD = 36
"""Characters of the other passages of a page that are shown."""


def passage_context(
    library: Library, asked: Asked, row: Embedded | None, identity: str, page: int, place: str
) -> dict[str, Any]:
    """What the view of a passage shows, on one of its report's pages; `row` is the question embedded, None without one.

    Raises NotFound.
    """
    store = library.store
    stored = store.passage(identity)
    found = hit_for(library, asked, row, identity) if row else None
    excerpt = excerpt_of(library, stored, found, place)
    here = page or excerpt.source.pages[0]
    here = min(max(here, 1), max(stored.document.page_count, 1))
    beside = [each.passage for each in store.passages_of(stored.document.id) if here in each.passage.pages]
    problems = {number: why for of, number, why in store.problem_pages() if of == stored.document.id}
    return {
        "stored": stored,
        "excerpt": excerpt,
        "page": here,
        "problem": problems.get(here, ""),
        "beside": [(each, each.text[:LEAD]) for each in beside],
        "why": found,
        "tags": [
            (FIELDS[tag.field], tag, reasons(tag)) for tag in stored.passage.tags if tag.field is not Field.MENTION
        ],
        "figures": store.figures([stored.row]),
        "later": successor(store, stored),
        "topics": library.catalogue.taxonomy.topics,
        "dimensions": library.catalogue.taxonomy.dimensions,
    }


def hit_for(library: Library, asked: Asked, row: Embedded, identity: str) -> Hit | None:
    """How a question found a passage, or one that says the same, with its scores; None where it is not among the
    best."""
    result = library.search_row(asked.question, row, LOOKED_AT, asked.filters, explain=True)
    return next(
        (hit for hit in result.hits if identity in (hit.passage.id, *(twin.passage.id for twin in hit.also))), None
    )


def excerpt_of(library: Library, stored: StoredPassage, found: Hit | None, place: str) -> Excerpt:
    """The passage with the words that matter in it, found again on their pages: those that were quoted, else those that
    answer best, else all. Raises QuoteNotFound."""
    passage = stored.passage
    start, end = 0, len(passage.text)
    first, _, last = place.partition("-")
    if last and int(first) < int(last) <= end:
        start, end = int(first), int(last)
    elif found and found.passage.id == passage.id:
        start, end = found.quote_at, found.quote_at + len(found.quote)
    citation = cite(library.store, stored.document, passage, start, end)
    return Excerpt(passage, citation.quote, of_citation(citation), passage.banks)


def reasons(tag: Tag) -> list[tuple[str, str]]:
    """Where a tag comes from, for people: what kind of place, and what was seen there."""
    return [(SOURCES.get(reason.source, reason.source), reason.detail) for reason in tag.reasons]
