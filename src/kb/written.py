"""A text written from quotes → its sentences that the quotes they cite bear out; the others struck, each with why."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kb.banks import BankBook
from kb.records import Answer
from kb.stated import Stated, find_stated, is_among, plain


class Strike(StrEnum):
    """Why a sentence is struck."""

    UNCITED = "uncited"
    NO_SUCH_QUOTE = "no such quote"
    QUOTATION = "quotation"
    NUMBER = "number"
    BANK = "bank"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Source:
    """A quote of an answer as the writer sees it. `number` counts them from 1; `bank` is empty for none."""

    number: int
    quote: str
    bank: str
    report: str
    year: int | None
    passage_id: str


@dataclass(frozen=True, slots=True)
class WrittenSentence:
    """A sentence that is borne out, its citation marks in their places as [1][2]; `citations` are their numbers."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Struck:
    """A sentence that was struck, the first reason found, and what it is about: the number, the bank …."""

    text: str
    reason: Strike
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote from the quotes of an answer, checked.

    `missing` says in one line why there are no sentences, and is empty where there are. `seconds` is how long the model
    took; `sources` are the quotes that it was given.
    """

    sentences: tuple[WrittenSentence, ...]
    struck: tuple[Struck, ...]
    sources: tuple[Source, ...]
    model: str
    seconds: float
    missing: str = ""

    @property
    def reasons(self) -> dict[str, int]:
        """How many sentences were struck for each reason."""
        return dict(Counter(struck.reason.value for struck in self.struck))


def sources_of(answer: Answer) -> tuple[Source, ...]:
    """The quotes of an answer in its order."""
    points = [(evidence.bank, point) for evidence in answer.evidence for point in evidence.points]
    return tuple(
        Source(
            number,
            point.citation.quote,
            bank,
            point.hit.document.title,
            point.hit.document.year,
            point.citation.passage_id,
        )
        for number, (bank, point) in enumerate(points, 1)
    )


THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
"""What models that reason aloud say first; one that was cut off has no end."""

LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
MARKUP = re.compile(
    r"^[ \t]*(?:>[ \t]?|#{1,6}[ \t]+|[-*+•·][ \t]+|[-*_=]{3,}[ \t]*$)|\*+|__+|~~|`+|</?[A-Za-z][^<>\n]{0,99}>",
    re.MULTILINE,
)
LIST_MARK = re.compile(
    r"^\s*(?:[（(]\s*(?:\d{1,2}|[一二三四五六七八九十]{1,3})\s*[)）]|\d{1,2}\s*[.．、)）](?!\d)|[①-⑳⑴-⒇]"
    r"|[一二三四五六七八九十]{1,3}\s*[、.．]|第?[一二三四五六七八九十]{1,2}\s*(?:是|[，,：:]))\s*"
)
"""A numbering of the writer's own before a sentence: 1. （1） 一、 第一， 二是."""

OPEN, CLOSE = r"[\[［【]", r"[\]］】]"
DASH = r"[-–—~～至]"
NUMBERS = rf"\d{{1,6}}(?:[ \t]*(?:{DASH}|[,，、;；]|[ \t])[ \t]*\d{{1,6}})*"
ONE_MARK = rf"{OPEN}[ \t]*\^?(?:{NUMBERS})[ \t]*{CLOSE}"
MARK = re.compile(ONE_MARK)
SENTENCE = re.compile(
    rf"(?:{ONE_MARK}|[^。！？!?；;\n.]|\.(?!\s|$))*(?:[。！？!?；;]+|\.(?=\s|$)|$)[”’」』）)]*(?:[ \t]*{ONE_MARK})*",
    re.MULTILINE,
)
"""A sentence with the citation marks behind its stop; a semicolon inside a mark is none of its ends."""

QUOTATION = re.compile(r"[“「『\"]([^“”「」『』\"]{8,})[”」』\"]")
"""Words given as somebody's; shorter ones are terms."""

OF_REPORT = re.compile(r"[^，,。；;、《]{0,10}?(?:报告(?!期)|年报|季报|白皮书)")
"""What follows the year of a report: 2023年的研究报告."""

SHORT_NAME = re.compile(
    r"(?:^|[，、：；。“‘（(]|[和与而年])\s*([一-鿿]{2})"
    r"(?=(?:也|则|还|已|已经|率先|分别)?(?:投入|推出|上线|成立|组建|建立|建成|设立|发布|采用|实施|开展|的|在|将))"
)
"""Two characters at the beginning of a clause that do something: 兴业投入很多."""

ADDRESS = re.compile(r"(?:https?://|www\.)[^\s，。；、）)]+|[\w.+-]+@[\w-]+\.\w+", re.IGNORECASE | re.ASCII)


def check_text(
    text: str, sources: Sequence[Source], book: BankBook
) -> tuple[tuple[WrittenSentence, ...], tuple[Struck, ...]]:
    """The sentences of a text that their quotes bear out, and those that were struck, both in order.

    A sentence has to cite, and every number and bank in it has to stand in one of the quotes that it cites; so have
    addresses, and words in quotation marks. The bank that a quote is given under counts as named by it; its report may
    be named by its title between 《》 and by its year (2023年的报告), which dates nothing else.
    """
    kept: list[WrittenSentence] = []
    struck: list[Struck] = []
    for sentence in split(text):
        numbers = tuple(dict.fromkeys(number for mark in MARK.finditer(sentence) for number in cited(mark[0])))
        shown = MARK.sub(lambda mark: "".join(f"[{number}]" for number in cited(mark[0])), sentence)
        found = fault(sentence, numbers, sources, book)
        if found:
            struck.append(Struck(shown, *found))
        else:
            kept.append(WrittenSentence(shown, numbers))
    return tuple(kept), tuple(struck)


def split(text: str) -> Iterator[str]:
    """The sentences of a text without Markdown, control characters and numberings; citation marks stay."""
    shown = "".join(char if char in "\n\t" or unicodedata.category(char)[0] != "C" else " " for char in text)
    bare = LINK.sub(r"\1", THOUGHT.sub("", shown))
    for match in SENTENCE.finditer(MARKUP.sub("", bare).replace("|", " ")):
        sentence = LIST_MARK.sub("", " ".join(match[0].split()))
        if any(char.isalnum() for char in MARK.sub("", sentence)):
            yield sentence


def cited(mark: str) -> list[int]:
    """The numbers of a citation mark: [1,2] or [1-3]. Of a range over more than 100 only the ends."""
    numbers: list[int] = []
    for part in re.split(r"[,，、;；]", mark):
        ends = [int(number) for number in re.findall(r"\d+", part)]
        is_range = len(ends) == 2 and re.search(DASH, part) and 0 <= ends[1] - ends[0] <= 100
        numbers += range(ends[0], ends[1] + 1) if is_range else ends
    return numbers


def fault(
    sentence: str, numbers: Sequence[int], sources: Sequence[Source], book: BankBook
) -> tuple[Strike, str] | None:
    """The first reason to strike a sentence that cites these numbers, and what it is about; None for none."""
    known = {source.number: source for source in sources}
    if not numbers:
        return Strike.UNCITED, ""
    unknown = [number for number in numbers if number not in known]
    if unknown:
        return Strike.NO_SUCH_QUOTE, f"[{unknown[0]}]"
    from_sources = [known[number] for number in numbers]
    words = MARK.sub("", sentence)
    for source in from_sources:
        words = words.replace(f"《{source.report}》", "《》")
    quotes = "\n".join(source.quote for source in from_sources)
    checks = (
        (Strike.QUOTATION, new_quotation(words, quotes)),
        (Strike.NUMBER, new_number(words, from_sources, book)),
        (Strike.BANK, new_bank(words, from_sources, book)),
        (Strike.ADDRESS, next((found for found in ADDRESS.findall(words) if found not in quotes), "")),
    )
    return next(((reason, detail) for reason, detail in checks if detail), None)


def new_quotation(words: str, quotes: str) -> str:
    """What stands in quotation marks and in no quote; white space aside."""
    squeezed = "".join(plain(quotes).split())
    found = ("".join(plain(inside).split()).rstrip("，。；、,.;") for inside in QUOTATION.findall(words))
    return next((inside for inside in found if inside not in squeezed), "")


def new_number(words: str, sources: Sequence[Source], book: BankBook) -> str:
    """A number that no quote has."""
    known = [stated for source in sources for stated in numbers_of(source.quote, book)]
    years = [stated for source in sources if source.year for stated in find_stated(f"{source.year}年")]
    folded = plain(words)
    for stated in numbers_of(words, book):
        allowed = [*known, *years] if OF_REPORT.match(folded, stated.end) else known
        if not is_among(stated, allowed):
            return stated.text
    return ""


def numbers_of(text: str, book: BankBook) -> tuple[Stated, ...]:
    """The numbers of a text, those in banks' names aside."""
    masked = list(text)
    for mention in book.mentions(text):
        masked[mention.start : mention.end] = "□" * (mention.end - mention.start)
    return find_stated("".join(masked))


def new_bank(words: str, sources: Sequence[Source], book: BankBook) -> str:
    """A bank that no quote names, by any name, also of what it was before or became."""
    known = {source.bank for source in sources} | {
        mention.name for source in sources for mention in book.mentions(source.quote)
    }
    for mention in book.mentions(words):
        nameless = "某" in mention.name and any("某" in name for name in known)
        if not nameless and known.isdisjoint(book.lineage(mention.name)):
            return mention.name
    return new_short_name(words, sources, known, book)


def new_short_name(words: str, sources: Sequence[Source], known: Collection[str], book: BankBook) -> str:
    """A joint-stock bank by its name without 银行, where a clause begins with it and no quote has the word; names of
    others so cut are places (宁波) or plain words (农业)."""
    short = {bank.name[:2]: bank.name for bank in book.banks if bank.kind == "股份制银行" and len(bank.name) == 4}
    said = (short.get(match[1], "") for match in SHORT_NAME.finditer(words))
    quotes = "\n".join(source.quote for source in sources)
    return next((name for name in said if name and name not in known and name[:2] not in quotes), "")
