"""Stored passages tagged anew, all or one report's: nothing is read, and no passage embedded again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kb.catalogue import open_names
from kb.embed import Encoder
from kb.model import check_model
from kb.records import Document, Passage, TaggedDocument
from kb.settings import Settings
from kb.store import Store
from kb.tag.overrides import check_banks, checked, load_overrides, write_override
from kb.tag.passages import Tagger, tag_document, tagging_digest
from kb.tag.topics import taxonomy_texts, to_topic_rows
from kb.writing import changing_store, renew_derived


@dataclass(frozen=True, slots=True)
class RetagReport:
    """What tagging anew did: how many reports and passages there are, how many have other tags or figures now.

    `unknown` are passages in the file of overrides that the index does not have.
    """

    documents: int
    passages: int
    changed: int
    unknown: tuple[str, ...]
    generation: int


def retag(settings: Settings, open_encoder: Callable[[], Encoder], done: Callable[[int], None]) -> RetagReport:
    """Tag all stored passages anew, after a change of taxonomy, banks or overrides; nothing is read or embedded anew.

    Only what the taxonomy says in other words than before goes through the encoder. `done` is told of each document's
    passages. Raises IndexMissing, IndexBusy, BadInput.
    """
    with changing_store(settings.index, "kb retag", settings.lock_seconds) as store:
        report = retag_store(store, settings, open_encoder, done)
        return replace(report, generation=renew_derived(store, settings.index))


def retag_store(
    store: Store, settings: Settings, open_encoder: Callable[[], Encoder], done: Callable[[int], None]
) -> RetagReport:
    """The same in a store that is locked for writing, whose derived indexes are renewed afterwards."""
    tagger = make_tagger(settings, store, open_encoder)
    retagged: list[tuple[str, TaggedDocument]] = []
    changed = count = 0
    known: set[str] = set()
    for document in store.documents(live=False):
        old = store.tagged(document.id)
        new = tag_document(document, old.passages, store.whole_rows(document.id), tagger)
        changed += sum(
            one != other or old.figures.get(one.id) != new.figures.get(one.id)
            for one, other in zip(old.passages, new.passages, strict=True)
        )
        count += len(old.passages)
        known |= {passage.id for passage in old.passages}
        retagged.append((document.id, new))
        done(len(old.passages))
    store.retag(retagged)
    store.note_tagging(digest_of(tagger))
    store.forget_phrases(taxonomy_texts(tagger.taxonomy))
    unknown = tuple(identity for identity in tagger.overrides if identity not in known)
    return RetagReport(len(retagged), count, changed, unknown, store.generation())


def correct(
    settings: Settings, open_encoder: Callable[[], Encoder], passage_id: str, changes: Mapping[str, object] | None
) -> Passage:
    """Set tags of a passage by hand, by the names of an `Override`'s fields, or take back what was set.

    The file of overrides is written first; then the passage's report is tagged anew. Raises NotFound, BadInput,
    IndexBusy.
    """
    with changing_store(settings.index, f"kb correct {passage_id}", settings.lock_seconds) as store:
        document = store.passage(passage_id).document
        book, taxonomy = open_names(settings)
        override = None if changes is None else checked(settings.overrides, passage_id, changes, book, taxonomy)
        check_banks((override and override.banks) or (), book, store.bank_counts())
        fresh = not needs_retag(settings, store)
        write_override(settings.overrides, passage_id, override)
        tagger = make_tagger(settings, store, open_encoder)
        store.retag([(document.id, tagged_anew(document, store, tagger))])
        if fresh:
            store.note_tagging(digest_of(tagger))
        renew_derived(store, settings.index)
        return store.passage(passage_id).passage


def tagged_anew(document: Document, store: Store, tagger: Tagger) -> TaggedDocument:
    """A stored document with the tags that it would get now."""
    passages = [stored.passage for stored in store.passages_of(document.id)]
    return tag_document(document, passages, store.whole_rows(document.id), tagger)


def needs_retag(settings: Settings, store: Store) -> bool:
    """Whether taxonomy, banks or overrides have changed since the documents of the store were tagged."""
    book, taxonomy = open_names(settings)
    overrides = load_overrides(settings.overrides, book, taxonomy)
    return bool(store.documents(live=False)) and store.tagged_by() != tagging_digest(book, taxonomy, overrides)


def digest_of(tagger: Tagger) -> str:
    """What a tagger goes by, as the store keeps it."""
    return tagging_digest(tagger.book, tagger.taxonomy, tagger.overrides)


def make_tagger(settings: Settings, store: Store, open_encoder: Callable[[], Encoder]) -> Tagger:
    """What tagging goes by, as the settings have it now; rows of the taxonomy's texts are kept in the store."""
    book, taxonomy = open_names(settings)
    kept = store.phrases()

    def embed(texts: list[str]) -> NDArray[np.float32]:
        missing = [text for text in texts if text not in kept]
        if missing:
            encoder = open_encoder()
            check_model(store, encoder, settings.index)
            new = dict(zip(missing, encoder.passages(missing), strict=True))
            store.keep_phrases(new)
            kept.update(new)
        return np.stack([kept[text] for text in texts])

    overrides = load_overrides(settings.overrides, book, taxonomy)
    return Tagger(book, taxonomy, to_topic_rows(taxonomy, embed), overrides, settings.overrides.name)


def as_stored(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows with the precision of the store, so that tagging anew from there gives the same."""
    return rows.astype(np.float16).astype(np.float32)
