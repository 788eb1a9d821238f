"""Citations → the pages that a reference names: as printed where all of them bear a number, else as counted."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kb.records import Citation

ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
ROMAN_FORM = re.compile(r"(?=[clxvi])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of citations: `text` as a reference prints them, `in_file` as counted in the file.

    `printed` tells whether `text` has the numbers printed on the pages. `unit` is page or section; of sections, which
    have no pages, `text` is empty.
    """

    text: str
    in_file: str
    printed: bool
    unit: str


def pages_of(citations: Sequence[Citation]) -> Pages:
    """The pages of citations of one report."""
    labels: dict[int, str] = {}
    for citation in citations:
        labels |= {place.page: place.label for place in citation.places if place.page in citation.pages}
    counted = [str(page) for page in sorted(labels)]
    if citations[0].document.unit == "section":
        return Pages("", ranges(counted), printed=False, unit="section")
    printed = all(labels.values())
    numbers = [labels[page] for page in sorted(labels)] if printed else counted
    return Pages(ranges(numbers), ranges(counted), printed, unit="page")


def ranges(numbers: Iterable[str]) -> str:
    """Page numbers in order, those that follow each other as a range: "12-13, 15", "iv-v, 1"."""
    runs: list[list[str]] = []
    for number in dict.fromkeys(numbers):
        if runs and follows(number, runs[-1][-1]):
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def follows(number: str, before: str) -> bool:
    """Whether a page number is the next after another of its kind."""
    style, value = counted(number)
    return value > 1 and (style, value - 1) == counted(before)


def counted(number: str) -> tuple[str, int]:
    """How a page is numbered, and its number; 0 where it bears some other name."""
    if number.isdecimal():
        return "arabic", int(number)
    if number.lower() != number and number.upper() != number or not ROMAN_FORM.fullmatch(number.lower()):
        return number, 0
    digits = [ROMAN[digit] for digit in number.lower()]
    signs = (-1 if digit < after else 1 for digit, after in zip(digits, [*digits[1:], 0], strict=True))
    return ("roman" if number.islower() else "ROMAN"), sum(
        sign * digit for sign, digit in zip(signs, digits, strict=True)
    )
