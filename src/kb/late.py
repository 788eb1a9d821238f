"""Late interaction: a question's tokens, each compared with the one nearest to it in a passage (MaxSim)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
TokenRows = NDArray[np.int8]
"""The tokens of a passage, (tokens, columns), as they are kept."""

FILE = "token_space.npz"

PREFIX = 3
"""Tokens that a text begins with for the model: a mark, the word of its prefix, and a colon. At its end is a mark."""

MOST = 900_000
"""Products that are summed at once: up to here OpenBLAS does it by one thread (see kb.e5_forward)."""


@dataclass(frozen=True, slots=True)
class AskedTokens:
    """The tokens of a question that count: their rows (tokens, columns), and by what each is weighed."""

    rows: Rows
    weights: Rows


@dataclass(frozen=True, slots=True)
class TokenSpace:
    """Where tokens are compared: the columns that the model's are brought to, what a step of 8 bits is in each, and the
    weight of each of the model's pieces, 0 for those that stand everywhere, which are left out.

    Learnt by `scripts/train_token_space.py`. What is kept of passages is of one such space, so another one needs
    another version of the store's schema.
    """

    columns: Rows
    steps: Rows
    weights: Rows

    @classmethod
    def learn(cls, texts: Sequence[tuple[Sequence[int], Rows]], weights: Rows, width: int) -> "TokenSpace":
        """The space of so many columns that keeps most of some passages, by their tokens and these tokens' vectors."""
        vectors = np.concatenate([one_of_each(tokens, rows, weights) for tokens, rows in texts]).astype(np.float64)
        _, axes = np.linalg.eigh(vectors.T @ vectors)
        columns = axes[:, -width:].astype(np.float16).astype(np.float32)
        steps: Rows = np.abs(unit_rows(vectors.astype(np.float32) @ columns)).max(axis=0) / 127
        return cls(columns, steps, weights)

    def keep(self, tokens: Sequence[int], vectors: Rows) -> TokenRows:
        """What is kept of a passage: its pieces that count, each once by the mean of its vectors, 8 bits a column."""
        rows = unit_rows(one_of_each(tokens, vectors, self.weights) @ self.columns)
        kept: TokenRows = np.clip(np.rint(rows / self.steps), -127, 127).astype(np.int8)
        return kept

    def ask(self, tokens: Sequence[int], vectors: Rows) -> AskedTokens | None:
        """What a question is compared by; None where it has nothing but what stands everywhere."""
        weights = self.weights[list(tokens[PREFIX:-1])]
        counting = weights > 0
        if not counting.any():
            return None
        rows = unit_rows(unit_rows(vectors[PREFIX:-1][counting]) @ self.columns)
        return AskedTokens(rows * self.steps, weights[counting] / weights[counting].sum())


def compare(asked: AskedTokens, passages: Sequence[TokenRows]) -> NDArray[np.float64]:
    """For each passage the weighted mean of the cosines that the question's tokens have to those nearest to them there.

    Every passage must have a token.
    """
    if not passages:
        return np.zeros(0)
    counts = np.array([len(rows) for rows in passages])
    rows, turned = np.concatenate(passages), np.ascontiguousarray(asked.rows.T)
    at_once = max(1, MOST // turned.size)
    parts = [rows[at : at + at_once].astype(np.float32) @ turned for at in range(0, len(rows), at_once)]
    cosines = np.concatenate(parts)
    nearest = np.maximum.reduceat(cosines, np.cumsum(counts) - counts, axis=0)
    found: NDArray[np.float64] = (nearest * asked.weights).sum(axis=1, dtype=np.float64)
    return found


def one_of_each(tokens: Sequence[int], vectors: Rows, weights: Rows) -> Rows:
    """The pieces of a text that count, each once, as unit rows: the mean of the vectors of all that are the same."""
    inside, rows = np.array(tokens[PREFIX:-1], np.int64), unit_rows(vectors[PREFIX:-1])
    counting = weights[inside] > 0
    kinds, places = np.unique(inside[counting], return_inverse=True)
    sums = np.zeros((len(kinds), rows.shape[1]), np.float32)
    np.add.at(sums, places, rows[counting])
    return unit_rows(sums)


def unit_rows(rows: NDArray[Any]) -> Rows:
    """(n, dim) rows scaled to length 1 in float32, whatever precision they were computed in; a zero row stays zero."""
    rows = np.asarray(rows, np.float32)
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(rows / lengths, np.float32)


@cache
def packaged_token_space() -> TokenSpace:
    """The space for the packaged model."""
    with resources.as_file(resources.files("kb.data") / FILE) as path, np.load(path) as stored:
        return TokenSpace(*(stored[name].astype(np.float32) for name in ("columns", "steps", "weights")))


def write_token_space(space: TokenSpace, path: str) -> None:
    """Write what `packaged_token_space` reads."""
    columns, weights = space.columns.astype(np.float16), space.weights.astype(np.float16)
    np.savez_compressed(path, columns=columns, steps=space.steps, weights=weights)
