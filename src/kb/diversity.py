"""Passages that say the same are folded into one, and no bank takes more than its share of the first ten."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kb.records import Field, Kind, Twin
from kb.store import StoredPassage
from kb.vectors import Rows
from kb.words import fold

GRAM = 4
SAID_BEFORE = 0.7
"""The share of a passage's four-character grams that must stand in one ranked before it for nothing new to be in it.
In reports that repeat each other's cases, what was reworded lightly has 0.7 and more, what only shares a subject, or
retells it in other words, 0.65 and less."""

ALIKE = 0.975
"""Passages whose cosine is lower do not say the same; the others are compared by their grams."""

FIRST = 10
SHARE = 3
"""How many of the first ten may be about one bank, in answer to a question over many."""

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class Group:
    """A ranked passage, and those after it that say nothing new."""

    first: StoredPassage
    also: tuple[Twin, ...] = ()


@dataclass(frozen=True, slots=True)
class Shingles:
    """What a passage is compared by: its four-character grams without blanks and punctuation, and its numbers."""

    grams: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "Shingles":
        """The shingles of a text."""
        folded = fold(text)
        plain = re.sub(r"[\W_]+", "", folded)
        grams = frozenset(plain[at : at + GRAM] for at in range(max(1, len(plain) - GRAM + 1)))
        return cls(grams, frozenset(NUMBER.findall(folded)))

    def holds(self, other: "Shingles") -> bool:
        """Whether there is nothing new in the other; another number is always new."""
        if not other.numbers <= self.numbers:
            return False
        return len(self.grams & other.grams) >= SAID_BEFORE * len(other.grams)


def says_nothing_new(later: StoredPassage, earlier: StoredPassage) -> bool:
    """Whether a passage only repeats one before it. Rows of tables of one report, which are alike by their form, never
    do, nor passages about different banks."""
    both_rows = later.passage.kind is earlier.passage.kind is Kind.TABLE
    if both_rows and later.document.id == earlier.document.id:
        return False
    banks = set(later.passage.values(Field.BANK)), set(earlier.passage.values(Field.BANK))
    if all(banks) and banks[0].isdisjoint(banks[1]):
        return False
    return Shingles.of(earlier.passage.text).holds(Shingles.of(later.passage.text))


def alike_before(rows: Rows) -> dict[int, list[int]]:
    """The places of ranked passages, given their unit rows, that may say the same as some before, and those."""
    cosines = np.tril(rows @ rows.T, -1)
    later, earlier = np.nonzero(cosines >= ALIKE)
    found: dict[int, list[int]] = {}
    for place, before in zip(later.tolist(), earlier.tolist(), strict=True):
        found.setdefault(place, []).append(before)
    return found


def fold_alike(stored: Mapping[int, StoredPassage], alike: Mapping[int, Sequence[int]]) -> list[Group]:
    """Ranked passages by their places, those that say nothing new with the one that says it before them."""
    kept: dict[int, list[StoredPassage]] = {}
    for place, one in stored.items():
        before = (at for at in alike.get(place, ()) if at in kept)
        same = next((at for at in before if says_nothing_new(one, kept[at][0])), place)
        kept.setdefault(same, []).append(one)
    return [Group(first, tuple(Twin(one.document, one.passage) for one in also)) for first, *also in kept.values()]


def share_out(groups: Sequence[Group]) -> list[Group]:
    """Ranked passages so that among the first ten at most three are about one bank, as long as there are others.

    What is left over follows; passages about no bank are not limited.
    """
    counts: Counter[str] = Counter()
    first: list[int] = []
    for place, group in enumerate(groups):
        banks = group.first.passage.banks
        if len(first) < FIRST and all(counts[bank] < SHARE for bank in banks):
            first.append(place)
            counts.update(banks)
    chosen = set(first)
    return [groups[at] for at in (*first, *(at for at in range(len(groups)) if at not in chosen))]
