"""Passages → what gets a vector, with the text that is embedded for it."""

from collections.abc import Sequence

from kb.records import Passage, Unit
from kb.words import sentences

CONTEXT_HEADINGS = 1
"""How many headings, from the innermost out, are embedded with a passage."""


def passages_to_units(passages: Sequence[Passage]) -> tuple[list[Unit], list[str]]:
    """The units of passages in their order, and their texts: each passage with its headings, and each sentence bare."""
    units: list[Unit] = []
    texts: list[str] = []
    for passage in passages:
        ranges = [(0, len(passage.text), True), *((start, end, False) for start, end in sentences(passage.text))]
        for start, end, whole in ranges:
            units.append(Unit(passage.id, start, end, whole))
            texts.append(unit_text(passage, start, end, whole))
    return units, texts


def unit_text(passage: Passage, start: int, end: int, whole: bool) -> str:
    """What is embedded for a part of a passage."""
    return "\n".join([*passage.heading[-CONTEXT_HEADINGS:], passage.text]) if whole else passage.text[start:end]
