"""A report's title, publisher, year and kind, from its document information and its first pages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kb.records import Line, Page

YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})(?!\d)")
PUBLISHER = re.compile(
    r"(?:公司|联盟|协会|学会|研究院|研究所|研究组|编写组|课题组|银行|大学|中心|实验室|集团|咨询|委员会)"
)
KINDS = (
    ("年报", "年度报告|年报"),
    ("季报", "季度报告|季报"),
    ("白皮书", "白皮书"),
    ("研究报告", "研究报告|报告|分析|调研"),
)
FRONT_PAGES = 3
MAX_TITLE_LINES = 4


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a citation needs to know of a report."""

    title: str
    publisher: str
    year: int | None
    kind: str


def find_metadata(stem: str, title: str, author: str, pages: Sequence[Page]) -> Metadata:
    """Metadata of a report. `title` and `author` are those of the document information; `stem` is the file's name.

    The title is the document information's, if it has Chinese in it and is no file name, else the largest text of the
    first page, else the file's name. The year is taken from the title, the cover, then the first pages, never from the
    file's date.
    """
    cover = pages[0] if pages else None
    found = title if is_title(title) else largest_text(cover) if cover else ""
    name = found or stem
    front = [name, *(page.text for page in pages[:FRONT_PAGES])]
    kind = next((kind for kind, words in KINDS if re.search(words, name)), "其他")
    return Metadata(name, author or cover_publisher(cover, name), find_year(front), kind)


def is_title(text: str) -> bool:
    """Whether document information holds a real title: some Chinese, and not a file name."""
    chinese = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return chinese >= 4 and not re.search(r"\.(?:docx?|pptx?|pdf|indd|wps)$", text, re.IGNORECASE)


def largest_text(page: Page) -> str:
    """The largest lines of a page, run together if they follow one another."""
    lines = [line for line in page.lines if any("\u4e00" <= char <= "\u9fff" for char in text_of(page, line))]
    if not lines:
        return ""
    size = max(line.size for line in lines)
    large = [line for line in lines if line.size > 0.9 * size][:MAX_TITLE_LINES]
    return "".join(text_of(page, line) for line in large)


def text_of(page: Page, line: Line) -> str:
    """A line's text."""
    return page.text[line.start : line.end]


def cover_publisher(page: Page | None, title: str) -> str:
    """The line of the cover that names an institution; empty if none does."""
    if page is None:
        return ""
    for line in page.text.splitlines():
        if PUBLISHER.search(line) and line not in title and len(line) <= 60:
            return re.sub(r"\s+", " ", re.sub(r"(?:联合)?(?:出品|发布|编写|编著|著)$", "", line)).strip()
    return ""


def find_year(texts: Sequence[str]) -> int | None:
    """The first year in the first of these texts that has one between 1990 and 2099."""
    for text in texts:
        years = [int(year) for year in YEAR.findall(text) if 1990 <= int(year) <= 2099]
        if years:
            return years[0]
    return None
