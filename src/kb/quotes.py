"""The sentences of a passage, and the one to three of them that answer a question best."""

from collections.abc import Sequence

from kb.records import Passage, Sentence
from kb.vectors import ScoredUnit
from kb.words import fold

MAX_QUOTE = 160
AIM_QUOTE = 60
"""A shorter quote takes in a neighbouring sentence, if that one is to the point too."""

MARK = "\x1f"
"""Between sentences that are folded at once; it stands in no text."""


def score_sentences(passage: Passage, units: Sequence[ScoredUnit], words: frozenset[str]) -> tuple[Sentence, ...]:
    """A passage's sentences in order, each with its cosine and a share of the question's words."""
    found = sorted((unit for unit in units if not unit.whole), key=lambda unit: unit.start)
    folded = fold(MARK.join(passage.text[unit.start : unit.end] for unit in found)).split(MARK)
    return tuple(
        Sentence(unit.start, unit.end, unit.score + word_bonus(text, words))
        for unit, text in zip(found, folded, strict=False)
    )


def best_quote(passage: Passage, sentences: Sequence[Sentence]) -> tuple[int, int]:
    """The range of the one to three sentences that answer best: the best one, and neighbours while it is short."""
    if not sentences:
        return 0, min(len(passage.text), MAX_QUOTE)
    first = last = max(range(len(sentences)), key=lambda at: sentences[at].score)
    while last - first < 2 and sentences[last].end - sentences[first].start < AIM_QUOTE:
        options = [at for at in (first - 1, last + 1) if 0 <= at < len(sentences)]
        options = [at for at in options if span_of(sentences, first, last, at) <= MAX_QUOTE]
        if not options:
            break
        chosen = max(options, key=lambda at: sentences[at].score)
        first, last = min(first, chosen), max(last, chosen)
    start = sentences[first].start
    return start, min(sentences[last].end, start + MAX_QUOTE)


def span_of(sentences: Sequence[Sentence], first: int, last: int, more: int) -> int:
    """Length of a quote with one more sentence."""
    return sentences[max(last, more)].end - sentences[min(first, more)].start


def word_bonus(folded: str, words: frozenset[str]) -> float:
    """Up to 0.05, for the share of the question's words that stand in a folded sentence."""
    return 0.05 * sum(word in folded for word in words) / max(1, len(words))
