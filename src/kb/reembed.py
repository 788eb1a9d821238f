"""The vectors of an index made anew by another encoder: nothing is read again, and ids stay."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.catalogue import open_names
from kb.embed import Encoder, embed_units
from kb.late import TokenRows
from kb.retag import retag_store
from kb.settings import Settings
from kb.store import Model, Store, UnitRow
from kb.tag.overrides import load_overrides
from kb.units import unit_text
from kb.writing import changing_store, renew_derived


@dataclass(frozen=True, slots=True)
class FreshRows:
    """Vectors of all units of a store, those of superseded reports too: (n,) numbers of units, (n, dim) unit rows.

    `tokens` are those of passages, by their row numbers, if the encoder tells them.
    """

    units: NDArray[np.int64]
    vectors: NDArray[np.float32]
    tokens: Mapping[int, TokenRows]

    def of(self, units: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some units, by their numbers, (units, dim)."""
        order = np.argsort(self.units)
        return self.vectors[order[np.searchsorted(self.units, units, sorter=order)]]


def embed_store(store: Store, encoder: Encoder, done: Callable[[int, int], None]) -> FreshRows:
    """Embed all that is stored. `done` is told how many texts of how many are done."""
    units: list[UnitRow] = []
    texts: list[str] = []
    for document in store.documents(live=False):
        passages = {stored.row: stored.passage for stored in store.passages_of(document.id)}
        for unit in store.units_of(document.id):
            units.append(unit)
            texts.append(unit_text(passages[unit.passage_row], unit.start, unit.end, unit.whole))
    whole = [unit.whole for unit in units]
    vectors, tokens = embed_units(encoder, texts, whole, lambda count: done(count, len(texts)))
    rows = [unit.passage_row for unit in units if unit.whole]
    numbers = np.array([unit.row for unit in units], np.int64)
    return FreshRows(numbers, vectors, dict(zip(rows, tokens, strict=True)) if tokens else {})


def reembed(settings: Settings, encoder: Encoder, done: Callable[[int, int], None]) -> int:
    """Give an index the vectors of another encoder, and the tags that follow from them; the number of vectors.

    Raises IndexMissing, IndexBusy, BadInput.
    """
    with changing_store(settings.index, "kb reembed", settings.lock_seconds) as store:
        check_tagging(settings)
        rows = embed_store(store, encoder, done)
        use_rows(store, settings, encoder, rows)
    return len(rows.units)


def check_tagging(settings: Settings) -> None:
    """See that what the passages are to be tagged by can be used, before any work. Raises BadSettings, BadInput."""
    load_overrides(settings.overrides, *open_names(settings))


def use_rows(store: Store, settings: Settings, encoder: Encoder, rows: FreshRows) -> None:
    """Put vectors of another encoder into a store that is locked for writing, and tag its passages by them.

    A run that is killed before the tags are done leaves the new vectors with the old tags; `kb retag` goes on.
    """
    store.replace_vectors(Model(encoder.name, encoder.dim), rows.units.tolist(), rows.vectors, rows.tokens)
    retag_store(store, settings, lambda: encoder, lambda _: None)
    renew_derived(store, settings.index)
