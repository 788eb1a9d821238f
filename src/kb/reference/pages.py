"""Citations → the pages that a reference names: as printed where each bears its own number, else as counted."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kb.records import Citation

ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
ROMAN_FORM = re.compile(r"(?=[clxvi])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of citations: `text` as a reference prints them, `in_file` as counted in the file.

    `printed` tells whether `text` has the numbers printed on the pages, which are `labels`, of those that bear one.
    `unit` is page or section; of sections, which have no pages, `text` and `labels` are empty.
    """

    text: str
    in_file: str
    printed: bool
    unit: str
    labels: str = ""

    @property
    def counted(self) -> bool:
        """Whether `text` has pages as the file counts them, which a reader must be told."""
        return self.unit == "page" and not self.printed


def are_numbered(citations: Sequence[Citation]) -> bool:
    """Whether the pages of a report are named by the numbers printed on them: each has one, no two have the same."""
    paged = (each for each in citations if each.document.unit == "page")
    labels = {(each.document.id, page): label for each in paged for page, label in labels_of(each).items()}
    return all(labels.values()) and len({(file, label) for (file, _), label in labels.items()}) == len(labels)


def pages_of(citations: Sequence[Citation], printed: bool) -> Pages:
    """The pages of citations of one report, of files with pages where it is cited from others too.

    `printed` tells what are_numbered found of all that is cited of the report, so that its pages are of one kind.
    """
    paged = [citation for citation in citations if citation.document.unit == "page"]
    named = [item for citation in paged or citations for item in labels_of(citation).items()]
    in_file = ranges(str(page) for page in sorted({page for page, _ in named}))
    if not paged:
        return Pages("", in_file, printed=False, unit="section")
    labels = ranges(in_order([label for _, label in sorted(named) if label]))
    return Pages(labels if printed else in_file, in_file, printed, "page", labels)


def labels_of(citation: Citation) -> dict[int, str]:
    """The number printed on each page of a citation, empty where there is none."""
    return {place.page: place.label for place in citation.places if place.page in citation.pages}


def in_order(numbers: list[str]) -> list[str]:
    """Page numbers in the order of their pages; by value where all are Arabic, as two files may count differently."""
    return sorted(numbers, key=int) if all(map(str.isdecimal, numbers)) else numbers


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
