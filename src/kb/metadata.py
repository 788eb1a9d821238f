"""A report's title, publisher, year and kind, from its document information and its first pages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kb.records import Line, Page
from kb.words import fold, mend

DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})(?!\d)")
INSTITUTION = r"(?:公司|联盟|协会|学会|研究院|研究所|研究组|编写组|课题组|小组|银行|大学|中心|实验室|集团|咨询|委员会)"
PUBLISHER = re.compile(rf"{INSTITUTION}$")
SIGNED = re.compile(r"\s*(?:联合)?(?:出品|发布|编写|编著|编|著)$")
KINDS = (
    ("年报", "年度报告|年报"),
    ("季报", "季度报告|季报"),
    ("白皮书", "白皮书"),
    ("研究报告", "研究报告|报告|分析|调研"),
)
FRONT_PAGES = 3
MAX_TITLE_LINES = 4
MAX_TITLE = 60


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a citation needs to know of a report."""

    title: str
    publisher: str
    year: int | None
    kind: str


def find_metadata(stem: str, title: str, author: str, pages: Sequence[Page]) -> Metadata:
    """Metadata of a report. `title` and `author` are those of the document information; `stem` is the file's name.

    Document information is often left over from another file, so it counts only where the first pages bear it out.
    Else the title is the largest text of the first page, or the file's name. The year is taken from the title, the
    cover, then the first pages, never from the file's date.
    """
    front = "\n".join(page.text for page in pages[:FRONT_PAGES])
    found = title if is_title(title) and stands_in(title, front) else largest_text(pages[0]) if pages else ""
    name = found or stem
    named = author if PUBLISHER.search(author) or author and author in front else ""
    kind = next((kind for kind, words in KINDS if re.search(words, name)), "其他")
    year = find_year([name, *(page.text for page in pages[:FRONT_PAGES])])
    return Metadata(name, named or cover_publisher(pages[0] if pages else None, name), year, kind)


def is_title(text: str) -> bool:
    """Whether document information holds a real title: some Chinese, and not a file name."""
    chinese = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return chinese >= 4 and not re.search(r"\.(?:docx?|pptx?|pdf|indd|wps)$", text, re.IGNORECASE)


def stands_in(title: str, front: str) -> bool:
    """Whether most of a title's pairs of characters stand in a text, blanks and punctuation aside."""
    plain = [re.sub(r"[\W_]+", "", fold(text)) for text in (title, front)]
    pairs = [plain[0][at : at + 2] for at in range(len(plain[0]) - 1)]
    return sum(pair in plain[1] for pair in pairs) >= 0.6 * len(pairs)


def largest_text(page: Page) -> str:
    """The largest lines of a page, run together."""
    lines = [line for line in page.lines if any("\u4e00" <= char <= "\u9fff" for char in text_of(page, line))]
    if not lines:
        return ""
    size = max(line.size for line in lines)
    large = [line for line in lines if line.size > 0.9 * size][:MAX_TITLE_LINES]
    joined = "".join(text_of(page, line) for line in large)
    return mend(re.sub(r"(?<=[\u4e00-\u9fff\d])\s+(?=[\u4e00-\u9fff\d])", "", joined))[:MAX_TITLE]


def text_of(page: Page, line: Line) -> str:
    """A line's text."""
    return page.text[line.start : line.end]


def cover_publisher(page: Page | None, title: str) -> str:
    """The line of the cover that is an institution's name; empty if none is."""
    for line in page.text.splitlines() if page else ():
        name = SIGNED.sub("", line.strip())
        if (
            PUBLISHER.search(name)
            and len(name) <= 60
            and name not in title
            and not re.search(r"[，。：；]|^[（(]", name)
        ):
            return re.sub(r"\s+", " ", name)
    return ""


def find_year(texts: Sequence[str]) -> int | None:
    """The first year in the first of these texts that has one between 1990 and 2099."""
    for text in texts:
        years = [int(year) for year in YEAR.findall(fold(text).translate(DIGITS)) if 1990 <= int(year) <= 2099]
        if years:
            return years[0]
    return None
