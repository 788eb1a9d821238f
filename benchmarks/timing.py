"""Milliseconds of an encoder alone and of a whole search, in turns, so that a busy machine slows both alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds by question, each the median of its rounds.

    `above` is what a search takes over the encoder's time for the same question in the same round.
    """

    encoder: tuple[float, ...]
    search: tuple[float, ...]
    above: tuple[float, ...]


def time_in_turns(
    encode: Callable[[str], object], search: Callable[[int], object], questions: Sequence[str], rounds: int = ROUNDS
) -> Timing:
    """Time both on each question, after a round that warms them up. `search` gets the question's number.

    All questions are asked in a round, so that none finds in the processor's cache what it left there itself.
    """
    for number, question in enumerate(questions):
        encode(question)
        search(number)
    rows = [
        [(milliseconds(encode, question), milliseconds(search, number)) for number, question in enumerate(questions)]
        for _ in range(rounds)
    ]
    by_question = list(zip(*rows, strict=True))
    return Timing(
        encoder=tuple(median([encoder for encoder, _ in pairs]) for pairs in by_question),
        search=tuple(median([search for _, search in pairs]) for pairs in by_question),
        above=tuple(median([search - encoder for encoder, search in pairs]) for pairs in by_question),
    )


def milliseconds(function: Callable[..., object], *arguments: object) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return (time.perf_counter() - start) * 1000


def p95(values: Sequence[float]) -> float:
    """The value that one in twenty passes."""
    return quantiles(values, n=20, method="inclusive")[-1]
