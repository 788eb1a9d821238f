"""A picture of a page → its characters with boxes, by rapidocr on onnxruntime; both come with the extra `ocr`.

The models ship in rapidocr's wheel, and are named to it by their paths, so that it never looks for them elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kb.errors import ModelUnavailable
from kb.read.glyphs import sound
from kb.read.legible import is_chinese
from kb.records import Box, Glyph

if TYPE_CHECKING:
    from rapidocr import RapidOCR

Picture = NDArray[np.uint8]
"""Rows of pixels of blue, green and red."""

Quad = NDArray[np.float32]
"""The corners of a line of text: where it begins above, ends above, ends below, begins below."""

FONT = "ocr"

LONGEST_FOR_LINES = 1280
"""Lines are looked for in a picture of at most so many pixels a side: with more it takes longer and finds no more."""

LEAST_SCORE = 0.6
"""Lines that are recognised with less confidence are dropped: they are pictures, or stand another way up."""

TALL = 1.5
"""A line that is so much higher than wide stands on its side; rapidocr's own."""

EM = 0.9
"""How high an em is in the box of a line, which has some room above and below it."""

LEAST_PITCHES = 3
"""Pairs of neighbouring Chinese characters that tell the size of a line: they are as wide as they are high."""


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line of text: its corners in the picture, its characters, and where each has its middle, from 0 to 1."""

    quad: Quad
    text: str
    places: tuple[float, ...]
    turn: int


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def reader() -> str:
    """Name and version of the recogniser."""
    return f"rapidocr {version('rapidocr')}"


@cache
def engine() -> "RapidOCR":
    """The recogniser with its models, once a process, on one thread: pages are read by several processes.

    Raises ModelUnavailable where a model is not in the package.
    """
    import cv2
    import rapidocr

    cv2.setNumThreads(1)
    folder = Path(rapidocr.__file__).parent / "models"
    options: dict[str, Any] = {
        "Global.log_level": "critical",
        "Global.return_word_box": True,
        "Global.use_vertical_padding": False,  # it would shift the boxes
        "Det.limit_type": "max",
        "Det.limit_side_len": LONGEST_FOR_LINES,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Rec.rec_batch_num": 1,  # lines of a batch are made as long as the longest
        "Rec.rec_img_shape": [3, 48, 160],  # short lines are padded to this; to 320 they take twice as long
    }
    for step in ("det", "cls", "rec"):
        models = sorted(folder.glob(f"*_{step}_*.onnx"))
        if not models:
            raise ModelUnavailable(f"{folder}: rapidocr's model for {step} is missing; install kb[ocr] again")
        options[f"{step.capitalize()}.model_path"] = str(models[0])
    return rapidocr.RapidOCR(params=options)


def recognise(picture: Picture, scale: float) -> tuple[Glyph, ...]:
    """The characters in a picture of a page that has `scale` pixels a point, line by line.

    A page that lies on its side or upside down is turned upright first; its characters then have that turn.
    """
    turn, quads = upright(picture)
    if turn:
        turned = np.ascontiguousarray(np.rot90(picture, turn // 90))
        lines = read_lines(turned, find_lines(turned))
    else:
        lines = read_lines(picture, quads)
    high, wide = picture.shape[:2]
    return tuple(glyph for line in lines for glyph in to_glyphs(line, turn, wide, high, scale))


def upright(picture: Picture) -> tuple[int, Sequence[Quad]]:
    """How far the page is turned clockwise, by most of its lines, and the lines as they are found."""
    quads = find_lines(picture)
    if not quads:
        return 0, quads
    tall = sum(side_lengths(quad)[1] for quad in quads if is_tall(quad))
    wide = sum(side_lengths(quad)[0] for quad in quads if not is_tall(quad))
    most = [quad for quad in quads if is_tall(quad) == (tall > wide)]
    lengths = [max(side_lengths(quad)) for quad in most]
    flipped = sum(length for length, down in zip(lengths, upside_down(picture, most), strict=True) if down)
    return (90 if tall > wide else 0) + (180 if 2 * flipped > sum(lengths) else 0), quads


def find_lines(picture: Picture) -> Sequence[Quad]:
    """The lines of text in a picture, each by its corners."""
    from rapidocr.main import RapidOCRError

    try:
        _, found = engine().detect_and_crop(picture, {})
    except RapidOCRError:  # nothing is found
        return ()
    return tuple(np.asarray(found.boxes, dtype=np.float32))


def side_lengths(quad: Quad) -> tuple[float, float]:
    """Width and height of a line's box, in pixels."""
    return float(np.linalg.norm(quad[0] - quad[1])), float(np.linalg.norm(quad[0] - quad[3]))


def is_tall(quad: Quad) -> bool:
    """Whether a line stands on its side."""
    wide, high = side_lengths(quad)
    return high >= TALL * wide


def upside_down(picture: Picture, quads: Sequence[Quad]) -> list[bool]:
    """For each line, laid level, whether it stands upside down."""
    _, found = engine().cls_and_rotate(engine().crop_text_regions(picture, quads))
    return [label == "180" for label, _ in found.cls_res]


def read_lines(picture: Picture, quads: Sequence[Quad]) -> Iterator[FoundLine]:
    """The lines that can be read, in a page that stands upright; some of its lines may stand on their sides."""
    level = [quad for quad in quads if not is_tall(quad)]
    yield from recognised(picture, level, [0] * len(level))
    tall = [quad for quad in quads if is_tall(quad)]
    if tall:
        yield from recognised(picture, tall, [270 if down else 90 for down in upside_down(picture, tall)])


def recognised(picture: Picture, quads: Sequence[Quad], turns: Sequence[int]) -> Iterator[FoundLine]:
    """Read lines that are turned so far."""
    if not quads:
        return
    crops = engine().crop_text_regions(picture, quads)
    crops = [np.rot90(crop, 2) if turn == 270 else crop for crop, turn in zip(crops, turns, strict=True)]
    found = engine().recognize_txt(crops)
    for quad, turn, text, score, words in zip(quads, turns, found.txts, found.scores, found.word_results, strict=True):
        if score >= LEAST_SCORE and text.strip():
            columns = [column for word in words.word_cols for column in word]
            places = places_of(text, columns, words.line_txt_len)
            yield FoundLine(np.roll(quad, {0: 0, 90: -1, 270: 1}[turn], axis=0), text, places, turn)


def places_of(text: str, columns: Sequence[int], count: float) -> tuple[float, ...]:
    """The middles of a line's characters, from 0 to 1; blanks, whose columns are not told, lie between the others."""
    told = [at for at, char in enumerate(text) if not char.isspace()]
    middles = [(column + 0.5) / count for column in columns]
    if len(told) != len(middles):  # a character of two code points: spread them evenly
        return tuple((at + 0.5) / len(text) for at in range(len(text)))
    return tuple(float(place) for place in np.interp(range(len(text)), told, middles))


def to_glyphs(line: FoundLine, turn: int, wide: int, high: int, scale: float) -> Iterator[Glyph]:
    """The characters of a line that was read in a page turned upright, where they stand in the page as it is."""
    quad = turn_back(line.quad, turn, wide, high) / scale
    length, height = side_lengths(quad)
    size, places = size_of(line, length, height), line.places
    half = 0.5 * size / max(length, 1)
    between = [(first + second) / 2 for first, second in pairwise(places)]
    starts, ends = (-1.0, *between), (*between, 2.0)
    for char, place, start, end in zip(line.text, places, starts, ends, strict=True):
        box = part_of(quad, max(start, place - half), min(end, place + half))
        yield Glyph(sound(char), box, size, FONT, (turn + line.turn) % 360)


def size_of(line: FoundLine, length: float, height: float) -> float:
    """The size of a line's type: the pitch of its Chinese characters where it has some, else by its height."""
    pairs = pairwise(zip(line.text, line.places, strict=True))
    pitches = [length * (to - at) for (char, at), (other, to) in pairs if is_chinese(char) and is_chinese(other)]
    near = [pitch for pitch in pitches if 0.6 * height < pitch < 1.2 * height]
    return round(sum(near) / len(near) if len(near) >= LEAST_PITCHES else EM * height, 1)


def turn_back(quad: Quad, turn: int, wide: int, high: int) -> Quad:
    """A line's corners in a page of so many pixels that was turned upright."""
    x, y = quad[:, 0], quad[:, 1]
    back = {0: (x, y), 90: (wide - y, x), 180: (wide - x, high - y), 270: (y, high - x)}
    return np.stack(back[turn], axis=1)


def part_of(quad: Quad, start: float, end: float) -> Box:
    """The box around the part of a line between two places."""
    along, below = quad[1] - quad[0], quad[2] - quad[3]
    corners = np.stack((quad[0] + start * along, quad[0] + end * along, quad[3] + start * below, quad[3] + end * below))
    (x0, top), (x1, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return round(x0, 2), round(top, 2), round(x1, 2), round(bottom, 2)
