"""Text → tokens of the packaged E5, as XLM-RoBERTa's tokenizer cuts it, in microseconds and without loading one."""

import re
import unicodedata
from math import inf

from kb.e5_image import E5Image

TILDE, STAND_IN = "\uff5e", "\ufdd0"
"""The full-width tilde, which SentencePiece does not fold; the second is no character, so no text holds it."""

MARK = "▁"
"""What begins a word."""

DROPPED = re.compile("[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]")
SPACES = re.compile("[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]")
"""What SentencePiece's Nmt drops, and what it takes for spaces."""


class Tokens:
    """The tokens of texts, by their best path through the model's pieces."""

    def __init__(self, image: E5Image) -> None:
        self._numbers = {piece: number for number, piece in enumerate(image.pieces) if number != image.unk}
        self._scores = image.scores
        self._unknown, self._unknown_score = image.unk, min(image.scores) - 10
        self._longest = max(map(len, image.pieces))
        self._ends = image.bos, image.eos
        self._window = image.positions

    def of(self, text: str) -> list[int]:
        """The tokens of a text between the marks of its begin and end; what is longer than the window is cut."""
        bos, eos = self._ends
        found = [token for word in words(text) for token in self._cut(word)]
        return [bos, *found[: self._window - 2], eos]

    def _cut(self, word: str) -> list[int]:
        """The tokens of a word with the greatest sum of scores; unknown characters that stand together are one."""
        data = word.encode()
        ends = [at for at in range(1, len(data)) if data[at] & 0xC0 != 0x80] + [len(data)]
        starts, first = [0, *ends[:-1]], 0
        # for each place between characters: the best score up to there, where its last token begins, and which it is
        best: dict[int, tuple[float, int, int]] = {0: (0.0, 0, self._unknown)}
        for number, end in enumerate(ends):
            while end - starts[first] > self._longest:
                first += 1
            found = (-inf, 0, self._unknown)
            for start in starts[first : number + 1]:
                token = self._numbers.get(data[start:end])
                if token is not None and best[start][0] + self._scores[token] > found[0]:
                    found = best[start][0] + self._scores[token], start, token
            alone = best[starts[number]][0] + self._unknown_score
            best[end] = found if found[0] >= alone else (alone, starts[number], self._unknown)
        return self._walk_back(best, len(data))

    def _walk_back(self, best: dict[int, tuple[float, int, int]], at: int) -> list[int]:
        tokens: list[int] = []
        while at:
            _, at, token = best[at]
            if token != self._unknown or tokens[-1:] != [token]:
                tokens.append(token)
        return tokens[::-1]


def words(text: str) -> list[str]:
    """The words of a text, folded, each with the mark before it."""
    folded = SPACES.sub(" ", DROPPED.sub("", text.replace(TILDE, STAND_IN)))
    folded = unicodedata.normalize("NFKC", folded).replace(STAND_IN, TILDE)
    folded = re.sub(" {2,}", " ", folded).replace(" ", MARK)
    return re.findall(f"{MARK}[^{MARK}]*", folded if folded.startswith(MARK) else MARK + folded)
