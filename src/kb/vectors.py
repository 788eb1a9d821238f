"""Units by meaning, in a FAISS index: flat, and in lists of like ones where they are many."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import faiss
import numpy as np
from faiss.contrib.inspect_tools import get_invlist
from numpy.typing import NDArray

from kb.store import UnitRow

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]
Cosines = NDArray[np.float64]
Lists = faiss.IndexIVFScalarQuantizer

UNIT_TYPE = np.dtype([("row", "i8"), ("passage", "i8"), ("start", "i4"), ("end", "i4"), ("whole", "?")])

FLAT_UNITS = 50_000
"""Up to here every unit is compared with the question: 4 ms, about 10,000 passages."""

LISTS = 1.5
"""Lists of like units, of the square root of their number."""

PROBED = 1 / 24
"""Share of the lists that are looked through: of 500,000 units .99 of the ten nearest are found, in 3 ms."""

LEARNT = 20
"""Units for each list that the lists are learnt from."""

SEED = 2017

GATHERED = 10_000
"""Up to so many units that a filter leaves are compared each, where there are lists."""


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """A unit of a passage with its cosine to the question."""

    start: int
    end: int
    whole: bool
    score: float


class VectorIndex:
    """All units of the live passages, by passage; a position is the same in `units`, `rows` and the FAISS index."""

    def __init__(self, units: NDArray[np.void], rows: Rows, index: faiss.Index) -> None:
        """Raises ValueError where the parts do not belong together."""
        if not len(rows) == len(units) == index.ntotal:
            raise ValueError(f"{len(units)} units, {len(rows)} rows, {index.ntotal} in the FAISS index")
        self._units = units
        self._rows = rows
        self._index = index
        self._whole = np.ascontiguousarray(units["whole"])
        self._begins = np.concatenate([[0], np.cumsum(np.bincount(units["passage"]))])

    @classmethod
    def build(cls, units: Sequence[UnitRow], vectors: Rows) -> "VectorIndex":
        """The index of units in the store's order and their (n, dim) unit rows."""
        table, rows = by_passage(units, vectors)
        return cls(table, rows, to_lists(rows) if len(rows) > FLAT_UNITS else to_flat(rows))

    def write(self, vectors: Path, rows: Path, units: Path) -> None:
        """Write the files."""
        faiss.write_index(self._index, str(vectors))
        np.save(rows, self._rows)
        np.save(units, self._units)

    @classmethod
    def read(cls, vectors: Path, rows: Path, units: Path) -> "VectorIndex":
        """Open what `write` wrote; rows stay on disk until they are asked for.

        Raises ValueError where the files do not belong together.
        """
        return cls(np.load(units), np.load(rows, mmap_mode="r").view(np.ndarray), faiss.read_index(str(vectors)))

    def __len__(self) -> int:
        return len(self._units)

    @property
    def dim(self) -> int:
        """Columns of a row."""
        return int(self._rows.shape[1])

    @property
    def lists(self) -> int:
        """How many lists of like units there are; 0 where all are compared."""
        return int(self._index.nlist) if isinstance(self._index, Lists) else 0

    def nearest_passages(self, query: Rows, count: int, allowed: Numbers | None) -> list[int]:
        """Rows of the passages that the `count` units nearest to `query` (dim,) belong to, nearest first.

        With `allowed` (passage rows) only their units are looked at. Where there are lists, some may be missed.
        """
        if not len(self):
            return []
        among = None if allowed is None else self._positions(allowed)[1]
        if among is not None and (not self.lists or len(among) <= GATHERED):
            found = self._compare(query, count, among)
        else:
            found = self._look_up(query, count, among)
        return list(dict.fromkeys(self._units["passage"][found].tolist()))

    def _compare(self, query: Rows, count: int, among: Numbers) -> Numbers:
        """The positions of the nearest among some units, by the cosine of each."""
        scores = cosines(self._rows[among], query)
        best = np.argpartition(-scores, count)[:count] if count < len(scores) else np.arange(len(scores))
        nearest: Numbers = among[best[np.lexsort((best, -scores[best]))]]
        return nearest

    def _look_up(self, query: Rows, count: int, among: Numbers | None) -> Numbers:
        """The same in the FAISS index; of lists, a filter lets the more be looked through."""
        parameters = None
        if isinstance(self._index, Lists):
            probed, selector = self._index.nlist * PROBED, None
            if among is not None:
                probed *= len(self) / len(among)
                mask = np.zeros(len(self), bool)
                mask[among] = True
                bits = np.packbits(mask, bitorder="little")
                selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            nprobe = min(self._index.nlist, ceil(probed))
            parameters = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)  # type: ignore[call-arg]
        faiss.omp_set_num_threads(1)  # two take longer: they wait for each other
        _, found = self._index.search(query[None, :], min(count, len(self)), params=parameters)
        nearest: Numbers = found[0][found[0] >= 0]
        return nearest

    def score_units(self, query: Rows, passage_row: int) -> list[ScoredUnit]:
        """The cosine of each unit of a passage to `query` (dim,); the whole passage is among them."""
        first, last = self._begins[passage_row : passage_row + 2]
        scores = cosines(self._rows[first:last], query).tolist()
        return [
            ScoredUnit(start, end, whole, score)
            for (_, _, start, end, whole), score in zip(self._units[first:last].tolist(), scores, strict=True)
        ]

    def score_passages(self, query: Rows, rows: Numbers) -> tuple[Cosines, Cosines]:
        """For each passage row its cosine to `query` (dim,), and that of its best sentence, else its own again."""
        if not len(rows):
            return np.zeros(0), np.zeros(0)
        starts, positions = self._positions(rows)
        scores = cosines(self._rows[positions], query).astype(np.float64)
        whole = self._whole[positions]
        own = np.maximum.reduceat(np.where(whole, scores, -np.inf), starts)
        best = np.maximum.reduceat(np.where(whole, -np.inf, scores), starts)
        return own, np.where(np.isfinite(best), best, own)

    def whole_rows(self, rows: Numbers) -> Rows:
        """The unit rows of whole passages, (passages, dim)."""
        _, positions = self._positions(rows)
        found: Rows = self._rows[positions[self._whole[positions]]]
        return found

    def _positions(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """Where the units of passages stand, passage after passage, and before it where each passage begins there."""
        last = len(self._begins) - 1
        first = self._begins[np.minimum(rows, last)]
        counts = self._begins[np.minimum(rows + 1, last)] - first
        starts = np.cumsum(counts) - counts
        return starts, np.repeat(first - starts, counts) + np.arange(counts.sum())

    def agrees_with(self, units: Sequence[UnitRow], vectors: Rows) -> bool:
        """Whether the index holds exactly these units and rows."""
        table, rows = by_passage(units, vectors)
        same = np.array_equal(self._units, table) and np.array_equal(self._rows, rows)
        return same and holds(self._index, rows)


def by_passage(units: Sequence[UnitRow], vectors: Rows) -> tuple[NDArray[np.void], Rows]:
    """Units as a table and their rows, sorted by passage."""
    table = np.array([(u.row, u.passage_row, u.start, u.end, u.whole) for u in units], UNIT_TYPE)
    order = np.argsort(table["passage"], kind="stable")
    return table[order], np.ascontiguousarray(vectors[order], np.float32)


def cosines(rows: Rows, query: Rows) -> Rows:
    """The cosine of each unit row to `query` (dim,)."""
    # not `@`: BLAS parts even a few thousand rows between threads, which wait for each other longer than the sum takes
    found: Rows = np.einsum("ij,j->i", rows, query)
    return found


def to_flat(rows: Rows) -> faiss.IndexFlatIP:
    """Rows as they are."""
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    return flat


def to_lists(rows: Rows) -> Lists:
    """Rows in lists of like ones, 8 bits a column; the same for the same rows."""
    count, dim = rows.shape
    number = int(LISTS * count**0.5)
    quantizer, metric = faiss.IndexFlatIP(dim), faiss.METRIC_INNER_PRODUCT
    lists = faiss.IndexIVFScalarQuantizer(quantizer, dim, number, faiss.ScalarQuantizer.QT_8bit, metric, False)
    lists.cp.seed = SEED
    lists.cp.min_points_per_centroid = LEARNT  # else FAISS warns that they are few
    sample = np.random.default_rng(SEED).choice(count, LEARNT * number, replace=False)
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    lists.train(rows[np.sort(sample)])
    lists.add(rows)
    return lists


def holds(index: faiss.Index, rows: Rows) -> bool:
    """Whether a FAISS index has each row once: as it is, or in one of the lists as 8 bits a column."""
    if not isinstance(index, Lists):
        return np.array_equal(index.reconstruct_n(0, index.ntotal), rows)
    places = []
    for number in range(index.nlist):
        at, codes = get_invlist(index.invlists, number)  # type: ignore[no-untyped-call]
        if len(at) and (at.max() >= len(rows) or not np.array_equal(index.sq.compute_codes(rows[at]), codes)):
            return False
        places.append(at)
    return np.array_equal(np.sort(np.concatenate(places)), np.arange(len(rows)))
