"""The passages of one document → the same with all their tags, their figures, and the cases that they make up."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kb import __version__
from kb.banks import BankBook
from kb.records import Case, Document, Field, Passage, Reason, Tag, TaggedDocument
from kb.tag.cases import find_cases
from kb.tag.dates import year_tag
from kb.tag.figures import find_figures
from kb.tag.overrides import Overrides, banks_by_hand, overridden
from kb.tag.owners import owner_tags
from kb.tag.roles import role_tag
from kb.tag.topics import Rows, TopicRows, topic_tags
from kb.taxonomy import Taxonomy
from kb.words import hashed

OWN_REPORTS = ("年报", "季报")
"""Kinds of reports in which a bank tells of itself."""

REPORTER = 0.8
"""How sure it is that what names no bank there tells of the one that publishes it."""


@dataclass(frozen=True, slots=True)
class Tagger:
    """What tagging goes by. `source` names the file of the overrides, for the reasons."""

    book: BankBook
    taxonomy: Taxonomy
    topics: TopicRows
    overrides: Overrides = field(default_factory=dict)
    source: str = ""


def tagging_digest(book: BankBook, taxonomy: Taxonomy, overrides: Overrides) -> str:
    """A hash of what tagging goes by: another one says that passages would get other tags now."""
    known = __version__, book.banks, taxonomy, sorted(overrides.items())
    return hashed(repr(known))


def tag_document(document: Document, passages: Sequence[Passage], rows: Rows, tagger: Tagger) -> TaggedDocument:
    """Tag a document's passages, in reading order. `rows` are their (n, dim) unit rows."""
    tagged = tag_passages(passages, rows, tagger, document.year, reporter_of(document, tagger.book))
    figures = {passage.id: find_figures(passage.text, document.year, tagger.book) for passage in tagged}
    by_hand = banks_by_hand(tagger.overrides, tagger.source)
    known = {passage.id: passage for passage in tagged}
    cases = tuple(corrected(case, known, by_hand) for case in find_cases(document.id, tagged, tagger.book))
    return TaggedDocument(tagged, {identity: found for identity, found in figures.items() if found}, cases)


def reporter_of(document: Document, book: BankBook) -> Tag | None:
    """The bank whose own annual or quarterly report a document is, as the tag of what it tells of itself."""
    bank = book.bank(document.publisher) if document.kind in OWN_REPORTS else None
    return Tag(Field.BANK, bank.name, REPORTER, (Reason("report", document.publisher),)) if bank else None


def corrected(case: Case, passages: Mapping[str, Passage], by_hand: Container[str]) -> Case:
    """A case with the banks of its passages, where those set `by_hand` left it none of the banks of its heading."""
    inside = [identity for part in case.parts for identity in part.passages]
    if not any(identity in by_hand for identity in inside):
        return case
    banks = tuple(dict.fromkeys(bank for identity in inside for bank in passages[identity].banks))
    return replace(case, banks=tuple(bank for bank in case.banks if bank in banks) or banks)


def tag_passages(
    passages: Sequence[Passage], rows: Rows, tagger: Tagger, year: int | None, reporter: Tag | None = None
) -> tuple[Passage, ...]:
    """The passages with their tags; those set by hand hold. `year` is the report's, `reporter` as in `owner_tags`."""
    owners = owner_tags(passages, tagger.book, banks_by_hand(tagger.overrides, tagger.source), reporter)
    subjects = topic_tags(passages, rows, tagger.taxonomy, tagger.topics)
    tagged: list[Passage] = []
    for passage, own, subject in zip(passages, owners, subjects, strict=True):
        known = replace(passage, tags=(*own, *subject))
        dated = year_tag(passage, year)
        found = replace(known, tags=(*known.tags, role_tag(known), *((dated,) if dated else ())))
        override = tagger.overrides.get(passage.id)
        tagged.append(overridden(found, override, tagger.source) if override else found)
    return tuple(tagged)
