"""What every reader says of a character in the same words: its text, turn, lightness and font, and the page's axes."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

from kb.records import Box

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: x' = ax + cy + e, y' = bx + dy + f."""

UNKNOWN = "\ufffd"
"""What stands for a character that a font does not name."""


@cache
def sound(text: str) -> str:
    """A character's text: control characters are blanks where they break lines, and unknown otherwise."""
    return "".join(sound_char(char) for char in text)


def sound_char(char: str) -> str:
    """One character that can stand in a line of text."""
    if char in "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029":
        return " "
    return UNKNOWN if unicodedata.category(char) in ("Cc", "Cn", "Cs") else char


def page_matrix(box: Box, rotation: int) -> tuple[Matrix, float, float]:
    """The way from a PDF's coordinates to the page as shown, with its width and height in points.

    `box` is left, bottom, right, top of what is shown, before it is turned clockwise by `rotation` degrees.
    """
    left, bottom, right, top = box
    if rotation == 90:
        return (0, 1, 1, 0, -bottom, -left), top - bottom, right - left
    if rotation == 180:
        return (-1, 0, 0, 1, right, -bottom), right - left, top - bottom
    if rotation == 270:
        return (0, -1, -1, 0, top, right), top - bottom, right - left
    return (1, 0, 0, -1, -left, top), right - left, top - bottom


def shown_box(media: Sequence[float], crop: Sequence[float]) -> Box:
    """What is shown of a page: its crop box, as far as it lies on the page."""
    page = min(media[0], media[2]), min(media[1], media[3]), max(media[0], media[2]), max(media[1], media[3])
    cut = min(crop[0], crop[2]), min(crop[1], crop[3]), max(crop[0], crop[2]), max(crop[1], crop[3])
    shown = max(page[0], cut[0]), max(page[1], cut[1]), min(page[2], cut[2]), min(page[3], cut[3])
    return shown if shown[0] < shown[2] and shown[1] < shown[3] else page


def through(matrix: Matrix, x0: float, y0: float, x1: float, y1: float) -> Box:
    """The box around a rectangle's picture under a matrix, rounded to a hundredth of a point."""
    a, b, c, d, e, f = matrix
    if b == 0 == c and x0 <= x1 and y0 <= y1 and a > 0 > d:  # level text, as nearly all is
        return round(a * x0 + e, 2), round(d * y1 + f, 2), round(a * x1 + e, 2), round(d * y0 + f, 2)
    xs = a * x0 + c * y0, a * x1 + c * y0, a * x0 + c * y1, a * x1 + c * y1
    ys = b * x0 + d * y0, b * x1 + d * y0, b * x0 + d * y1, b * x1 + d * y1
    return round(min(xs) + e, 2), round(min(ys) + f, 2), round(max(xs) + e, 2), round(max(ys) + f, 2)


def stands_on(box: Box, width: float, height: float) -> bool:
    """Whether the middle of a box is on a page of this size."""
    return 0 <= box[0] + box[2] <= 2 * width and 0 <= box[1] + box[3] <= 2 * height


def after(first: Matrix, then: Matrix) -> Matrix:
    """One way after the other."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


@lru_cache(maxsize=1024)
def size_and_turn(a: float, b: float, c: float, d: float, fontsize: float) -> tuple[float, int | None]:
    """The size of a font on the page, and how it is turned, by the first four numbers of a text matrix."""
    matrix = a, b, c, d, 0.0, 0.0
    return em_height(matrix, fontsize), turn_of(matrix)


def em_height(matrix: Matrix, fontsize: float) -> float:
    """The size of a font on the page: how high its em stands over the line, in points."""
    a, b, c, d = matrix[:4]
    along = (a * a + b * b) ** 0.5
    return round(abs((a * d - b * c) * fontsize) / along, 4) if along else 0.0


def turn_of(matrix: Matrix) -> int | None:
    """How far a text matrix turns its characters, clockwise on the page as shown; None for a slant or a mirror.

    The matrix leads to the page as shown, whose y goes down. A font that leans is not turned: its lines lie level.
    """
    a, b, c, d = matrix[:4]
    if a * d >= b * c:  # a mirror: upright characters flip the y axis once
        return None
    if abs(b) < 0.1 * abs(a):
        return 0 if a > 0 else 180
    if abs(a) < 0.1 * abs(b):
        return 90 if b > 0 else 270
    return None


def lightness(parts: Sequence[float], space: str = "") -> float:
    """The lightness of a colour from 0 to 1: gray, RGB or CMYK by its number of parts; 0 for what is no colour."""
    if space in ("Separation", "DeviceN"):  # parts of inks: none leaves the paper
        return max(0.0, 1 - max(parts, default=1.0))
    if space == "Indexed":  # a place in a table that is not read
        return 0.0
    if len(parts) == 4:
        return max(0.0, 1 - sum(parts[:3]) / 3 - parts[3])
    return min(1.0, max(0.0, sum(parts) / len(parts))) if len(parts) in (1, 3) else 0.0


@cache
def font_family(name: str) -> str:
    """A font's name without the tag of its subset and the number that some writers give each subset."""
    return re.sub(r"^[A-Z]{6}\+|[-+]\d+$", "", name)
