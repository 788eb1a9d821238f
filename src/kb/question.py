"""What a question tells beside its words: banks, years, reports, whether it asks over many banks, and how it looks."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from kb.banks import BankBook
from kb.records import Document, Look, Understood
from kb.tag.dates import find_dates
from kb.words import fold, has_letters

MEASURED = re.compile(
    r"[0-9０-９]|多少|几(?:个百分|成|亿|万|倍)|百分|占比|比[例重]|余额|总额|增[速长幅]|率(?:是|为|达|升|降|$)"
)
"""What questions for a figure have in them."""

KIND = (
    r"(?:(?<!手机)(?<!网上)(?<!电子)(?<!开放)(?<!直销)(?<!视频)(?<!远程)(?<!智慧)(?<!数字)"
    r"(?:银行|农商行|城商行|农信社|农信|省联社|(?:银行|农信|金融|法人)机构))"
)
SORT = "(?:大型|中型|小型|中小|各类|地方|区域性|国有|股份制|传统|民营|村镇|城市|农村|商业)*"
HOW = (
    "(?:都|是|又|还|该|应该|应当|可以|能|要)*"
    "(?:怎么|怎样|如何|靠什么|用什么|有什么|有哪些|用哪些|做了什么|做了哪些|借助|利用)"
)
MANY = re.compile(
    rf"(?:哪[些几]家?|各家?|不同|多家|几家|其他|同业|别的){SORT}{KIND}|{KIND}{HOW}|有哪些(?:做法|案例|例子|经验)|哪些做法"
)
"""What questions over many banks have in them."""

TITLE = re.compile(r"《([^《》]{2,80})》")
SHORTEST_TITLE, SHORTEST_STEM = 6, 5
"""What has fewer characters may stand in a question by chance."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report with the names that it may have in a question: its title, folded and without punctuation, and its file's
    stem."""

    document: Document
    title: str
    stem: re.Pattern[str] | None

    @classmethod
    def of(cls, document: Document) -> "Report":
        """A report's names; a short stem, such as 2021, would stand in questions by chance."""
        stem = fold(Path(document.file).stem)
        alone = re.compile(rf"(?<![0-9a-z]){re.escape(stem)}(?![0-9a-z])") if len(stem) >= SHORTEST_STEM else None
        return cls(document, squeeze(document.title), alone)

    def is_named(self, titles: Sequence[str], folded: str, asked: str) -> bool:
        """Whether it is one of `titles`, or named in a question, given as folded and as squeezed text."""
        if any(len(title) >= SHORTEST_STEM and title in self.title for title in titles):
            return True
        whole = len(self.title) >= SHORTEST_TITLE and self.title in asked
        return whole or (self.stem is not None and self.stem.search(folded) is not None)


def understand(question: str, book: BankBook, reports: Sequence[Report]) -> Understood:
    """What a question tells, with the banks that are listed in `book` and the reports that there are."""
    titles = [squeeze(name) for name in TITLE.findall(question)]
    outside = TITLE.sub("《》", question)  # a bank or year in a report's title is no other one
    banks = tuple(dict.fromkeys(mention.name for mention in book.mentions(outside)))
    years = sorted({date.year for date in find_dates(outside) if date.year and not date.relative})
    folded, asked = fold(question), squeeze(question)
    return Understood(
        banks,
        tuple(years),
        tuple(report.document for report in reports if report.is_named(titles, folded, asked)),
        not banks and MANY.search(outside) is not None,
        Look.FIGURES if MEASURED.search(outside) else Look.PLAIN,
    )


def without_banks(question: str, book: BankBook, known: Collection[str]) -> str:
    """A question without the names of some banks; all of it where nothing else is asked."""
    parts, at = [], 0
    for mention in book.mentions(question) if known else ():
        if mention.name in known:
            parts.append(question[at : mention.start])
            at = mention.end
    rest = "".join([*parts, question[at:]]).lstrip("的是和与、，, ")
    return rest if has_letters(rest) else question


def squeeze(text: str) -> str:
    """Folded text without blanks and punctuation."""
    return re.sub(r"[\W_]+", "", fold(text))
