"""The quotes about a bank → one short line that says what it did, cut out of them word for word."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kb.banks import BankBook
from kb.tag.roles import DOING
from kb.words import fold

SHORTEST, LONGEST = 6, 40
"""Characters of a line; the names of banks do not count for the shortest."""

SENTENCE_ENDS = re.compile(r"[。；;！!？?\n]")
CLAUSE_ENDS = re.compile(r"[，：]|(?<!\d)[,:]|[,:](?!\d)")
MARKED = re.compile(
    r"(?:[➢➤▶►●■◆◇•·▪※✓✔\-—]|[（(]?\d{1,2}(?:[)）、]|[.．](?!\d))|[（(]?[一二三四五六七八九十]{1,2}[)）]"
    r"|[一二三四五六七八九十]{1,2}、(?![一二三四五六七八九十]))\s*"
)
"""The mark or number of a point of a list, before its sentence."""

OPENING = re.compile(
    r"(?:[一二三四五六]是|第[一二三四五六](?=，)|首先|其次|再次|最后|此外|另外|同时|因此|其中|例如|比如|具体来说|一方面|另一方面"
    r"|[而但并且则也]|如(?=\w{2,6}(?:银行|农商|农信)))[，,：:、\s]*"
)
"""What binds a clause to those before it, and says nothing by itself."""

BREATH = re.compile(r"[、和及与]|以及")
"""Between banks that the same is told of."""

NUMBER_CUT = re.compile(r"[\d.,．，%％]+$")
"""A number at the end of a cut, which may go on."""

REFERRING = re.compile(r"[这那该其此使让]|上述|以上|如此|以此|对此|从而|进而")
"""A clause that begins so tells little without those before it."""

HANGING = re.compile(r"(?:基础上|之后|以后|过程中|方面|[后时中下]|为|的)$")
"""A clause that ends so tells little without those after it."""

HALF = re.compile(r"[“（(《‘【][^”）)》’】]*$|^[^“（(《‘【]*[”）)》’】]")
"""A quotation mark or bracket without its other half."""

ACTS, WHOLE, REFERS, LATER, ODD = 0.25, 0.05, 0.3, 0.1, 0.5
"""What it weighs, beside the share of the question's words (0 to 1): that a line tells of something done, that it goes
to the end of its sentence, that it refers to what stands around it, that it is from the next quote, and that it has
half of a pair of marks."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that a quote could be told in; `whole` says that its sentence ends with it."""

    text: str
    whole: bool


def gist_of(quotes: Sequence[str], words: Mapping[str, float], bank: str, book: BankBook) -> str:
    """The clauses, one to three of one sentence, that best tell what the question's words ask for; "" where none does.

    `words` are folded, each with its weight; the quotes tell of `bank`. The line stands in one of them as it is.
    """
    best, highest = "", float("-inf")
    for place, quote in enumerate(quotes):
        alone = is_alone(quote, bank, book)
        for line in lines_of(quote):
            rated = rate(line, words) - LATER * place
            if rated > highest and tells_of(line.text, bank, book, alone):
                best, highest = line.text, rated
    return best


def is_alone(quote: str, bank: str, book: BankBook) -> bool:
    """Whether a quote names no other bank; of the industry any bank may be told."""
    return not bank or {mention.name for mention in book.mentions(quote)} <= set(book.lineage(bank))


def tells_of(line: str, bank: str, book: BankBook, alone: bool) -> bool:
    """Whether a line has more than names, and tells of this bank: where it does not stand `alone` in its quote, its
    first clause must name the bank, and no other that is not told of in one breath with it (甲银行、乙银行等)."""
    mentions = book.mentions(line)
    if len(line) - sum(mention.end - mention.start for mention in mentions) < SHORTEST:
        return False
    if alone or not mentions:
        return alone
    first = CLAUSE_ENDS.search(line)
    between = (line[one.end : other.start] for one, other in pairwise(mentions))
    together = all(BREATH.fullmatch(words) for words in between)
    named = {mention.name for mention in mentions}
    in_first = mentions[0].start < (first.start() if first else len(line))
    return in_first and not named.isdisjoint(book.lineage(bank)) and (together or named <= set(book.lineage(bank)))


def lines_of(quote: str) -> Iterator[Candidate]:
    """What of a quote could be its line: runs of clauses of one sentence, and where all are too long, its beginning."""
    found = False
    for sentence in SENTENCE_ENDS.split(quote):
        marked = MARKED.match(sentence.lstrip())
        text = sentence.lstrip()[marked.end() if marked else 0 :]
        clauses = [(0, 0), *(match.span() for match in CLAUSE_ENDS.finditer(text)), (len(text), len(text))]
        for first in range(len(clauses) - 1):
            for last in range(first + 1, min(first + 4, len(clauses))):
                run = text[clauses[first][1] : clauses[last][0]].strip()
                line = run[opening.end() :] if (opening := OPENING.match(run)) else run
                if SHORTEST <= len(line) <= LONGEST:
                    found = True
                    yield Candidate(line, last == len(clauses) - 1)
    if not found and quote.strip():
        yield Candidate(NUMBER_CUT.sub("", quote.strip().splitlines()[0][:LONGEST]), False)


def rate(line: Candidate, words: Mapping[str, float]) -> float:
    """How well a line tells what was asked for."""
    folded, everything = fold(line.text), sum(words.values())
    share = sum(weight for word, weight in words.items() if word in folded) / everything if everything else 0.0
    loose = bool(REFERRING.match(line.text)) + bool(HANGING.search(line.text))
    good = ACTS * bool(DOING.search(line.text)) + WHOLE * line.whole
    return share + good - REFERS * loose - ODD * bool(HALF.search(line.text))
