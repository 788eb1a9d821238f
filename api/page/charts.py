"""Counts → the coordinates of drawings, which templates put into SVG: a radar, and bars over the years."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

RADIUS = 100.0
"""Of the radar, in units of its drawing; the middle is at 0, 0."""

RINGS = (0.25, 0.5, 0.75, 1.0)
LABEL = 1.17
"""How far outside of the last ring the labels stand."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """An axis of a radar: its name, its end, and where its label stands."""

    name: str
    x: float
    y: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Web:
    """The line of one bank: its corners as SVG takes them, and the counts that they stand for."""

    name: str
    points: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Radar:
    """A radar: rings, spokes, and a line for each bank. `most` is the count at the outer ring."""

    rings: tuple[str, ...]
    spokes: tuple[Spoke, ...]
    webs: tuple[Web, ...]
    most: int


def radar(names: Sequence[str], banks: Mapping[str, Mapping[str, int]]) -> Radar:
    """A radar over the named axes. Counts go by their square roots, so that small ones are seen beside large."""
    most = max((counts.get(name, 0) for counts in banks.values() for name in names), default=0)
    return Radar(
        tuple(corners([share] * len(names)) for share in RINGS),
        tuple(spoke(name, at, len(names)) for at, name in enumerate(names)),
        tuple(web(bank, [counts.get(name, 0) for name in names], most) for bank, counts in banks.items()),
        most,
    )


def place(at: int, count: int, share: float) -> tuple[float, float]:
    """A point on one of so many axes, the first of which goes up, then clockwise."""
    turn = 2 * pi * at / count - pi / 2
    return round(RADIUS * share * cos(turn), 1), round(RADIUS * share * sin(turn), 1)


def corners(shares: Sequence[float]) -> str:
    """The points of a line over all axes."""
    return " ".join("{},{}".format(*place(at, len(shares), share)) for at, share in enumerate(shares))


def spoke(name: str, at: int, count: int) -> Spoke:
    """One axis with its label."""
    label_x, label_y = place(at, count, LABEL)
    anchor = "middle" if abs(label_x) < RADIUS / 10 else "start" if label_x > 0 else "end"
    return Spoke(name, *place(at, count, 1.0), label_x, label_y, anchor)


def web(bank: str, counts: Sequence[int], most: int) -> Web:
    """The line of a bank."""
    return Web(bank, corners([(count / most) ** 0.5 if most else 0.0 for count in counts]), tuple(counts))


def shade(count: int, most: int, levels: int = 5) -> int:
    """How dark a cell is drawn, from 0 for nothing to `levels`."""
    return 1 + round((levels - 1) * (count / most) ** 0.5) if count and most else 0
