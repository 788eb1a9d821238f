"""Units by meaning, in a FAISS index: flat, and in lists of like ones where they are many."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, cast

import faiss
import numpy as np
from faiss.contrib.inspect_tools import get_invlist
from numpy.typing import NDArray

from kb.store import UnitRow

Rows = NDArray[np.float32]
Numbers = NDArray[np.int64]
Cosines = NDArray[np.float64]
Lists = faiss.IndexIVFScalarQuantizer
Stretch = tuple[int, int]
"""A place in the files, and how many rows from there."""

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

TAIL = 10_000
"""So many units may be in none of the lists, and are compared each, until they are added to them."""

ASTRAY = 0.5
"""The lists are learnt anew where half as many more or less would fit: at 2.25 times the units, or a quarter."""

GATHERED = 10_000
"""Up to so many units that a filter leaves are compared each, where there are lists."""


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """A unit of a passage with its cosine to the question."""

    start: int
    end: int
    whole: bool
    score: float


@dataclass(frozen=True, slots=True)
class VectorFiles:
    """Where vectors lie. Rows and units are only ever added to, so sets made one out of the other share these files,
    and each knows which stretches of them are its own; `lists` is there once they are many."""

    folder: Path

    @property
    def rows(self) -> Path:
        """Unit rows, float32."""
        return self.folder / "rows.f32"

    @property
    def units(self) -> Path:
        """Which part of which passage each row stands for, UNIT_TYPE."""
        return self.folder / "units.bin"

    @property
    def lists(self) -> Path:
        """Lists of like units, in FAISS's format, of the first rows."""
        return self.folder / "lists.faiss"

    def add(self, place: int, units: Sequence[UnitRow], vectors: Rows) -> None:
        """Write units and their (n, dim) rows behind the first `place` ones; what a killed run left there goes."""
        table, rows = by_passage(units, vectors)
        put(self.rows, place * rows.shape[1] * rows.itemsize, rows)
        put(self.units, place * UNIT_TYPE.itemsize, table)

    def renew_lists(self, place: int, dim: int) -> None:
        """Bring the lists up to the first `place` rows: by adding to them, or anew where others would fit better."""
        listed = self.open_lists()
        if place <= FLAT_UNITS or listed and place - listed.ntotal <= TAIL:
            return
        rows = open_rows(self.rows, place, dim)
        if listed and abs(listed.nlist / list_count(place) - 1) <= ASTRAY:
            lists = faiss.read_index(str(self.lists))  # into memory, where they can be added to
            lists.add(rows[lists.ntotal :])
        else:
            lists = to_lists(rows)
        self.lists.unlink(missing_ok=True)  # under its name in another set it stays as it is
        faiss.write_index(lists, str(self.lists))

    def open_lists(self) -> Lists | None:
        """The lists, if there are any; they stay on disk until they are looked through."""
        if not self.lists.exists():
            return None
        return cast(Lists, faiss.read_index(str(self.lists), faiss.IO_FLAG_MMAP_IFC))

    def keep_only(self, stretches: Sequence[Stretch], dim: int) -> None:
        """Write the files anew with these stretches alone, one behind the other."""
        places = places_of(stretches)
        count = int(places[-1]) + 1 if len(places) else 0
        rows, units = open_rows(self.rows, count, dim)[places], np.fromfile(self.units, UNIT_TYPE, count)[places]
        for file in (self.rows, self.units, self.lists):
            file.unlink(missing_ok=True)  # likewise
        put(self.rows, 0, rows)
        put(self.units, 0, units)


class VectorIndex:
    """All units of the live passages, by passage. A place is the same in `units` and `places`; the latter tells where
    in the files the unit stands."""

    def __init__(self, units: NDArray[np.void], places: Numbers, rows: Rows, lists: Lists | None = None) -> None:
        """Raises ValueError where the parts do not belong together."""
        listed = lists.ntotal if lists else 0
        if len(units) != len(places) or len(places) and places[-1] >= len(rows) or listed > len(rows):
            raise ValueError(f"{len(units)} units at {len(places)} places, {len(rows)} rows, {listed} in the lists")
        if (np.diff(places) <= 0).any() or (np.diff(units["passage"]) < 0).any():
            raise ValueError("the units do not stand by passage")
        self._units = units
        self._places = places
        self._rows = rows
        self._lists = lists
        self._flat = None if lists else to_flat(rows[places])
        self._tail = np.arange(np.searchsorted(places, listed), len(places))
        self._whole = np.ascontiguousarray(units["whole"])
        self._begins = np.concatenate([[0], np.cumsum(np.bincount(units["passage"]))])

    @classmethod
    def build(cls, units: Sequence[UnitRow], vectors: Rows) -> "VectorIndex":
        """The index of units in the store's order and their (n, dim) unit rows, in memory alone."""
        table, rows = by_passage(units, vectors)
        return cls(table, np.arange(len(table)), rows, to_lists(rows) if len(rows) > FLAT_UNITS else None)

    @classmethod
    def read(cls, files: VectorFiles, stretches: Sequence[Stretch], count: int, dim: int) -> "VectorIndex":
        """Open some stretches of files of `count` rows; these stay on disk until they are asked for.

        Raises ValueError where the files do not belong together.
        """
        rows = open_rows(files.rows, count, dim)
        units = np.fromfile(files.units, UNIT_TYPE, count)
        places = places_of(stretches)
        return cls(units[places], places, rows, files.open_lists())

    def __len__(self) -> int:
        return len(self._units)

    @property
    def dim(self) -> int:
        """Columns of a row."""
        return int(self._rows.shape[1])

    @property
    def lists(self) -> int:
        """How many lists of like units there are; 0 where all are compared."""
        return int(self._lists.nlist) if self._lists else 0

    def nearest_passages(self, query: Rows, count: int, allowed: Numbers | None) -> list[int]:
        """Rows of the passages that the `count` units nearest to `query` (dim,) belong to, nearest first.

        With `allowed` (passage rows) only their units are looked at. Where there are lists, some may be missed.
        """
        if not len(self):
            return []
        among = None if allowed is None else self._positions(allowed)[1]
        if self._flat and among is None:
            found = self._look_up(self._flat, query, count, None)
        elif among is not None and (not self._lists or len(among) <= GATHERED):
            found = self._compare(query, count, among)
        else:
            found = self._look_through(query, count, among)
        return list(dict.fromkeys(self._units["passage"][found].tolist()))

    def _compare(self, query: Rows, count: int, among: Numbers) -> Numbers:
        """The nearest among some units, by the cosine of each."""
        scores = cosines(self._rows[self._places[among]], query)
        best = np.argpartition(-scores, count)[:count] if count < len(scores) else np.arange(len(scores))
        nearest: Numbers = among[best[np.lexsort((best, -scores[best]))]]
        return nearest

    def _look_through(self, query: Rows, count: int, among: Numbers | None) -> Numbers:
        """The nearest that the lists find, and of those that are in none yet; a filter lets more lists be looked at."""
        assert self._lists is not None
        allowed = np.arange(len(self)) if among is None else among
        probed, selector = self._lists.nlist * PROBED, None
        if among is not None or len(self) < len(self._rows):
            probed *= len(self) / len(allowed)
            mask = np.zeros(len(self._rows), bool)
            mask[self._places[allowed]] = True
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        nprobe = min(self._lists.nlist, ceil(probed))
        parameters = faiss.SearchParametersIVF(nprobe=nprobe, sel=selector)  # type: ignore[call-arg]
        listed = np.searchsorted(self._places, self._look_up(self._lists, query, count, parameters))
        tail = self._tail if among is None else np.intersect1d(self._tail, among, assume_unique=True)
        return self._compare(query, count, np.concatenate([listed, tail]))

    def _look_up(
        self, index: faiss.Index, query: Rows, count: int, parameters: faiss.SearchParameters | None
    ) -> Numbers:
        """What a FAISS index finds."""
        faiss.omp_set_num_threads(1)  # two take longer: they wait for each other
        _, found = index.search(query[None, :], min(count, index.ntotal), params=parameters)
        nearest: Numbers = found[0][found[0] >= 0]
        return nearest

    def score_units(self, query: Rows, passage_row: int) -> list[ScoredUnit]:
        """The cosine of each unit of a passage to `query` (dim,); the whole passage is among them."""
        first, last = self._begins[passage_row : passage_row + 2]
        scores = cosines(self._rows[self._places[first:last]], query).tolist()
        return [
            ScoredUnit(start, end, whole, score)
            for (_, _, start, end, whole), score in zip(self._units[first:last].tolist(), scores, strict=True)
        ]

    def score_passages(self, query: Rows, rows: Numbers) -> tuple[Cosines, Cosines]:
        """For each passage row its cosine to `query` (dim,), and that of its best sentence, else its own again."""
        if not len(rows):
            return np.zeros(0), np.zeros(0)
        starts, positions = self._positions(rows)
        scores = cosines(self._rows[self._places[positions]], query).astype(np.float64)
        whole = self._whole[positions]
        own = np.maximum.reduceat(np.where(whole, scores, -np.inf), starts)
        best = np.maximum.reduceat(np.where(whole, -np.inf, scores), starts)
        return own, np.where(np.isfinite(best), best, own)

    def whole_rows(self, rows: Numbers) -> Rows:
        """The unit rows of whole passages, (passages, dim)."""
        _, positions = self._positions(rows)
        found: Rows = self._rows[self._places[positions[self._whole[positions]]]]
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
        if not np.array_equal(self._units, table) or not np.array_equal(self._rows[self._places], rows):
            return False
        return not self._lists or holds(self._lists, self._rows[: self._lists.ntotal])


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
    number = list_count(count)
    quantizer, metric = faiss.IndexFlatIP(dim), faiss.METRIC_INNER_PRODUCT
    lists = faiss.IndexIVFScalarQuantizer(quantizer, dim, number, faiss.ScalarQuantizer.QT_8bit, metric, False)
    lists.cp.seed = SEED
    lists.cp.min_points_per_centroid = LEARNT  # else FAISS warns that they are few
    sample = np.random.default_rng(SEED).choice(count, LEARNT * number, replace=False)
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    lists.train(rows[np.sort(sample)])
    lists.add(rows)
    return lists


def places_of(stretches: Sequence[Stretch]) -> Numbers:
    """All places in stretches."""
    return np.concatenate([np.arange(0), *(np.arange(place, place + size) for place, size in stretches)])


def list_count(units: int) -> int:
    """How many lists so many units are best kept in."""
    return int(LISTS * units**0.5)


def open_rows(file: Path, count: int, dim: int) -> Rows:
    """The first rows of a file, (count, dim), which stay on disk until they are asked for."""
    if not count:
        return np.zeros((0, dim), np.float32)
    return np.memmap(file, np.float32, "r", shape=(count, dim)).view(np.ndarray)


def put(file: Path, offset: int, values: NDArray[Any]) -> None:
    """Write values at an offset and end the file behind them. Raises ValueError where the file ends before it."""
    with file.open("r+b" if file.exists() else "wb") as out:
        if out.seek(0, os.SEEK_END) < offset:
            raise ValueError(f"{file} ends before byte {offset}")
        out.seek(offset)
        out.truncate()
        out.write(values.tobytes())
        out.flush()
        os.fsync(out.fileno())


def holds(lists: Lists, rows: Rows) -> bool:
    """Whether lists have each row once, as 8 bits a column."""
    places = []
    for number in range(lists.nlist):
        at, codes = get_invlist(lists.invlists, number)  # type: ignore[no-untyped-call]
        if len(at) and (at.max() >= len(rows) or not np.array_equal(lists.sq.compute_codes(rows[at]), codes)):
            return False
        places.append(at)
    return np.array_equal(np.sort(np.concatenate(places)), np.arange(len(rows)))
