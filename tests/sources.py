"""What tests have reading processes do: yield numbers, hang, eat memory, die."""

import os
import re
import sys
import time
from collections.abc import Iterator, Sequence

from kb.errors import UnreadableFile


def plain(numbers: Sequence[int]) -> Iterator[int]:
    """Ten times each number."""
    for number in numbers:
        yield 10 * number


def bad_at(wrong: str, at: Sequence[int], numbers: Sequence[int]) -> Iterator[int]:
    """The same, but what is wrong happens at some of the numbers."""
    for number in numbers:
        if number in at:
            misbehave(wrong)
        yield 10 * number


def misbehave(wrong: str) -> None:
    """One thing that a page can do to its reader."""
    if wrong == "loop":
        while True:
            pass
    elif wrong == "hang in C":
        re.match(r"(a+)+$", "a" * 60 + "b")
    elif wrong == "sleep":
        time.sleep(60)
    elif wrong == "memory":
        kept = []
        while True:
            kept.append(bytearray(1 << 24))
    elif wrong == "die":
        os._exit(3)
    elif wrong == "raise":
        raise ValueError("an odd page")
    elif wrong == "refuse":
        raise UnreadableFile("odd.pdf: refused")


class Hoard:
    """What a process keeps from page to page."""

    kept: list[bytearray] = []


def hoard(megabytes: int, numbers: Sequence[int]) -> Iterator[int]:
    """Each number takes so much memory, and lets go of it in another process only."""
    for number in numbers:
        Hoard.kept.append(bytearray(megabytes << 20))
        yield 10 * number


def loaded() -> set[str]:
    """The packages that the process has imported."""
    return {name.split(".")[0] for name in sys.modules}


def process() -> int:
    """Which process it is."""
    return os.getpid()
