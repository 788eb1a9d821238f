"""A table passage → its cells, each behind its column's name."""

from collections.abc import Iterator
from dataclasses import dataclass

from kb.records import Passage


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table row: its column's name, and its bounds in the passage's text."""

    name: str
    start: int
    end: int


def cells_of(passage: Passage) -> Iterator[Cell]:
    """The cells that stand behind the name of a column, in order; lines without a name are none."""
    names = {span.at for span in passage.spans if span.name}
    for at, end in lines_of(passage.text):
        name, colon, _ = passage.text[at:end].partition("：")
        if colon and at in names:
            yield Cell(name, at + len(name) + 1, end)


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """The bounds of a text's lines."""
    at = 0
    for line in text.split("\n"):
        yield at, at + len(line)
        at += len(line) + 1
