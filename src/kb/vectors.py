"""FAISS over the store's unit rows: derived from the store, exact, and with the filter applied before the search."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from kb.store import UnitRow

Rows = NDArray[np.float32]

UNIT_TYPE = np.dtype([("row", "i8"), ("passage", "i8"), ("start", "i4"), ("end", "i4"), ("whole", "?")])


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """A unit of a passage with its cosine to the question."""

    start: int
    end: int
    whole: bool
    score: float


class VectorIndex:
    """All units of the live passages, by passage; positions in FAISS are positions in `units`."""

    def __init__(self, index: faiss.Index, units: NDArray[np.void]) -> None:
        self._index = index
        self._passages: NDArray[np.int64] = np.ascontiguousarray(units["passage"])
        self._units = units
        self._matrix: Rows = index.reconstruct_n(0, index.ntotal)

    @classmethod
    def build(cls, units: Sequence[UnitRow], vectors: Rows) -> "VectorIndex":
        """The index of units in the store's order and their (n, dim) unit rows."""
        table = np.array([(u.row, u.passage_row, u.start, u.end, u.whole) for u in units], UNIT_TYPE)
        order = np.argsort(table["passage"], kind="stable")
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors[order]))
        return cls(index, table[order])

    def write(self, vectors: Path, units: Path) -> None:
        """Write both files."""
        faiss.write_index(self._index, str(vectors))
        np.save(units, self._units)

    @classmethod
    def read(cls, vectors: Path, units: Path) -> "VectorIndex":
        """Read what `write` wrote. Raises ValueError where the two files do not belong together."""
        index, table = faiss.read_index(str(vectors)), np.load(units)
        if index.ntotal != len(table):
            raise ValueError(f"{vectors.name} has {index.ntotal} rows, {units.name} {len(table)}")
        return cls(index, table)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dim(self) -> int:
        """Columns of a row."""
        return int(self._index.d)

    def nearest_passages(self, query: Rows, count: int, allowed: NDArray[np.int64] | None) -> list[int]:
        """Rows of the passages that the `count` units nearest to `query` (dim,) belong to, nearest first.

        With `allowed` (sorted passage rows) only their units are looked at.
        """
        if not len(self):
            return []
        parameters = None
        if allowed is not None:
            positions = np.flatnonzero(np.isin(self._passages, allowed)).astype(np.int64)
            if not len(positions):
                return []
            selector = faiss.IDSelectorBatch(positions)
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        _, found = self._index.search(query[None, :], min(count, len(self)), params=parameters)
        rows = self._passages[found[0][found[0] >= 0]]
        return [int(row) for row in dict.fromkeys(rows.tolist())]

    def score_units(self, query: Rows, passage_row: int) -> list[ScoredUnit]:
        """The cosine of each unit of a passage to `query` (dim,); the whole passage is among them."""
        first, last = np.searchsorted(self._passages, [passage_row, passage_row + 1])
        scores = self._matrix[first:last] @ query
        return [
            ScoredUnit(int(unit["start"]), int(unit["end"]), bool(unit["whole"]), float(score))
            for unit, score in zip(self._units[first:last], scores, strict=True)
        ]

    def agrees_with(self, units: Sequence[UnitRow], vectors: Rows) -> bool:
        """Whether the index holds exactly these units and rows."""
        other = VectorIndex.build(units, vectors) if len(units) else None
        if other is None or len(other) != len(self):
            return len(self) == 0 and other is None
        return bool(np.array_equal(self._units, other._units) and np.array_equal(self._matrix, other._matrix))
