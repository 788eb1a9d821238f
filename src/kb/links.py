"""A passage of a replaced report → the nearest passage of the version that is live now."""

from collections import Counter
from dataclasses import dataclass

from kb.records import Document, Passage
from kb.store import Store, StoredPassage

FLOOR = 0.7
"""Of the similarity: vectors of one report are 0.94 alike or more, so about half of the words must be there again.

Of 337 passages of nine reports 96 in 100, were they dropped, would so have none; the others have a near-double.
"""


@dataclass(frozen=True, slots=True)
class Successor:
    """What took a passage's place: `similarity` is 1 for the same words, FLOOR at the least."""

    document: Document
    passage: Passage
    similarity: float


def successor(store: Store, stored: StoredPassage) -> Successor | None:
    """The nearest passage of the live version of a superseded passage's report; None where nothing is near.

    None too for a live passage, and where the later version was removed. Several replacements are followed to the last.
    """
    live = live_version(store, stored.document)
    if live is None or live.id == stored.document.id:
        return None
    before, rows = store.passages_of(stored.document.id), store.whole_rows(stored.document.id)
    row = rows[[one.row for one in before].index(stored.row)]
    candidates = store.passages_of(live.id)
    if not candidates:
        return None
    words = pairs_of(stored.passage)
    cosines = store.whole_rows(live.id) @ row
    scores = [
        (min(float(cosine), 1.0) + share_of(words, pairs_of(one.passage))) / 2
        for cosine, one in zip(cosines, candidates, strict=True)
    ]
    best = max(range(len(scores)), key=scores.__getitem__)
    return Successor(live, candidates[best].passage, round(scores[best], 4)) if scores[best] >= FLOOR else None


def live_version(store: Store, document: Document) -> Document | None:
    """The live document that a document was replaced by, over any number of versions; None where it was removed."""
    while document.status != "live":
        later = store.superseded_by(document.id)
        if not later:
            return None
        document = store.document(later)
    return document


def pairs_of(passage: Passage) -> Counter[str]:
    """The pairs of neighbouring characters of a passage's own words: column names are alike in all rows of a table."""
    own = [passage.text[span.at : span.at + span.end - span.start] for span in passage.spans if not span.name]
    text = "".join("".join(own).split())
    return Counter(text[at : at + 2] for at in range(max(len(text) - 1, 1)))


def share_of(words: Counter[str], others: Counter[str]) -> float:
    """How much of a passage's words are in another, which may hold more."""
    return (words & others).total() / max(words.total(), 1)
