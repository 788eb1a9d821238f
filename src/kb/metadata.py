"""A report's title, publisher, year and kind: found in its document information and its pages, or given by hand."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from kb.errors import BadInput
from kb.records import Line, Page
from kb.words import fold, mend

DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})(?!\d)")
DATED = re.compile(r"(?<!\d)((?:19|20)\d{2})(?:\s*年\s*\d{1,2}\s*月|[-./]\d{1,2}(?!\d))")
NUMBER = re.compile(r"\d+|第.")
REPORT_OF = re.compile(r"(?:年度|季度)\s*报告|年报|季报")
"""What a bank's own reports are called."""

PERIODICAL = re.compile(r"20\d{2}\s*年\s*(?:第[一二三四]季度|半年度|年度)\s*报告")
INSTITUTION = (
    r"(?:公司|联盟|协会|学会|研究院|研究所|研究组|调研组|编写组|课题组|小组|银行|大学|中心|实验室|集团|咨询|委员会)"
)
GENERIC = r"(?:股份|有限|责任|数据|信息|研究|发展|商业|科技|技术|服务|咨询)"
PUBLISHER = re.compile(rf"(?:(?!{GENERIC}*{INSTITUTION})\w\s?){{2}}.*?{INSTITUTION}(?:[（(][^（()）]{{2,6}}[)）])?$")
"""A name of two characters or more before the word for an institution; 数据中心 or 有限公司 by itself names nobody."""

COMPANY = re.compile(r"^[\u4e00-\u9fff（）()]{2,20}股份有限公司$")
SIGNED = re.compile(r"\s*(?:联合)?(?:出品|发布|编写|编著|编制|编|著)$")
OWNED = re.compile(r"(?:版权|著作权)(?:属于|归属?于?|为)\s*([^，。；：“”\n]{2,60}?)\s*(?:共同)?所有")
REPEATED = re.compile(r"(?=([\u4e00-\u9fff]{2,10}?(?:研究院|研究所|研究中心|联盟|协会|学会|课题组)))")
KINDS = (
    ("年报", "年度报告|年报"),
    ("季报", "季度报告|季报"),
    ("白皮书", "白皮书"),
    ("研究报告", "研究报告|报告|分析|调研|点评"),
)
COVER_KINDS = re.compile("年度报告|季度报告|白皮书|研究报告|点评")
"""What tells the kind on a cover whose title does not."""

FRONT_PAGES = 3
MAX_TITLE_LINES = 4
MAX_TITLE = 60
MAX_NAME = 80
MAX_SHORT_NAME = 8
"""A name without a word for an institution has at most this many characters."""

COVER_CHARACTERS = 500
"""A first page with more text than this is no cover; names stand in its first rows alone."""

COVER_ROWS = 12

OFTEN = 3
"""An institution that the cover and the imprint name so many times is no passing mention."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a citation needs to know of a report. `author`, `place` and `url` are given by hand, never found."""

    title: str
    publisher: str
    year: int | None
    kind: str
    author: str = ""
    place: str = ""
    url: str = ""


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


WRONG = {
    "string_pattern_mismatch": "must be an address that begins with http:// or https://, without blanks",
    "string_too_short": "must not be empty",
}
"""What is said of a value by hand in place of pydantic's words, by the type of its error."""


class Given(BaseModel):
    """What is given by hand for a report; None is what is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Words | None = None
    publisher: Words | None = None
    year: Annotated[int, Field(ge=1900, le=2100, strict=True)] | None = None
    kind: Literal["年报", "季报", "白皮书", "研究报告", "其他"] | None = None
    author: Words | None = None
    place: Words | None = None
    url: Annotated[Words, StringConstraints(pattern=r"^https?://\S+$", max_length=1000)] | None = None

    def overlaid(self, later: "Given") -> "Given":
        """The same with what is given later in place of what was given before."""
        return self.model_copy(update=later.model_dump(exclude_none=True))


NOTHING = Given()


class Sources(BaseModel):
    """Where the metadata of a stored report come from, but for the file beside it, which is read each time."""

    found: Metadata
    command: Given = NOTHING

    def merged(self, beside: Given) -> Metadata:
        """The metadata that hold: the command line's over those of the file beside the report over those found."""
        return replace(self.found, **beside.overlaid(self.command).model_dump(exclude_none=True))


def check_given(values: dict[str, object], source: str) -> Given:
    """Values by hand, checked. Raises BadInput that names the source (a file, or the command line) and the key."""
    try:
        return Given.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise BadInput(f"{source}: unknown key {name!r}; there are {', '.join(Given.model_fields)}") from error
        said = WRONG.get(first["type"], first["msg"])
        raise BadInput(f"{source}: {name}: {said}, got {first['input']!r}") from error


def beside(path: Path) -> Path:
    """Where the metadata of a report are given by hand: report.toml beside report.pdf."""
    return path.with_suffix(".toml")


def read_given(path: Path) -> Given:
    """What the file beside a report gives; nothing where there is none. Raises BadInput."""
    file = beside(path)
    try:
        return check_given(tomllib.loads(file.read_text("utf-8-sig")), str(file))
    except FileNotFoundError:
        return NOTHING
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: cannot be read: {error}") from error
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}") from error


def find_metadata(stem: str, title: str, author: str, pages: Sequence[Page], opening: str = "") -> Metadata:
    """What a report tells of itself.

    `title` and `author` are those of its document information, `opening` the words that a text file begins with,
    `stem` is the file's name. Document information is often left over from another file, so it counts only where the
    first pages bear it out; else the title is what is printed largest on the first page. The year is that of the
    title, of the cover, then of the first pages, never of the file's date.
    """
    front = "\n".join(page.text for page in pages[:FRONT_PAGES])
    cover = list(page_rows(pages[0])) if pages else []
    borne_out = is_title(title) and stands_in(title, front)
    name = title if borne_out else opening or largest_text(cover) or stem
    if REPORT_OF.search(name) and not YEAR.search(fold(name).translate(DIGITS)):
        name = most_common(PERIODICAL.findall("\n".join(page.text for page in pages))) or name
    publisher = author if author and (author in front or borne_out and PUBLISHER.search(author)) else ""
    return Metadata(
        name, publisher or find_publisher(cover, name, pages), find_year(name, cover, pages), find_kind(name, cover)
    )


def is_title(text: str) -> bool:
    """Whether document information holds a real title: some Chinese, and not a file name."""
    chinese = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return chinese >= 4 and not re.search(r"\.(?:docx?|pptx?|pdf|indd|wps)$", text, re.IGNORECASE)


def stands_in(title: str, front: str) -> bool:
    """Whether the numbers of a title and most of its pairs of characters stand in a text."""
    plain = [re.sub(r"[\W_]+", "", fold(text).translate(DIGITS)) for text in (title, front)]
    pairs = [plain[0][at : at + 2] for at in range(len(plain[0]) - 1)]
    numbers = all(number in plain[1] for number in NUMBER.findall(plain[0]))
    return numbers and sum(pair in plain[1] for pair in pairs) >= 0.6 * len(pairs)


@dataclass(frozen=True, slots=True)
class Row:
    """The lines of a page that stand beside each other, run together; `top`, `bottom` and `size` are in points."""

    text: str
    top: float
    bottom: float
    size: float


def page_rows(page: Page) -> Iterator[Row]:
    """A page's rows from the top down. Lines of a text file stand nowhere, and are rows of their own."""
    groups: list[list[Line]] = []
    for line in sorted(page.lines, key=lambda line: (line.box[1], line.box[0])):
        last = groups[-1][-1] if groups else None
        if last and line.size and abs(line.box[1] - last.box[1]) < 0.3 * line.size and beside_each_other(last, line):
            groups[-1].append(line)
        else:
            groups.append([line])
    for group in groups:
        text = "".join(page.text[line.start : line.end] for line in group)
        spaced = re.sub(r"(?<=[\u4e00-\u9fff\d]) (?=[\u4e00-\u9fff\d])", "", mend(text))
        yield Row(spaced.strip(), group[0].box[1], group[0].box[3], max(line.size for line in group))


def beside_each_other(left: Line, right: Line) -> bool:
    """Whether one line goes on where another ends, in the same type."""
    return abs(left.size - right.size) < 0.5 and abs(right.box[0] - left.box[2]) < right.size


def largest_text(cover: Sequence[Row]) -> str:
    """The largest Chinese rows of a page, run together where they stand close; only one of them on a page of text."""
    rows = [row for row in cover if re.search(r"^[^（(].*[\u4e00-\u9fff]|^[\u4e00-\u9fff]", row.text)]
    rows = [row for row in rows if "。" not in row.text]
    size = max((row.size for row in rows), default=0.0)
    large = [row for row in rows if row.size > 0.9 * size and size]
    title = [row for row in large[:1] if len(large) <= MAX_TITLE_LINES or not re.search("[，。；]", row.text)]
    for row in large[1:] if len(large) <= MAX_TITLE_LINES else ():
        if row.top - title[-1].bottom < 1.5 * size:
            title.append(row)
    return "".join(re.sub(r"(?<=[\u4e00-\u9fff\d])\s+(?=[\u4e00-\u9fff\d])", "", row.text) for row in title)[:MAX_TITLE]


def find_publisher(cover: Sequence[Row], title: str, pages: Sequence[Page]) -> str:
    """Who published a report; empty if nothing tells. The cover comes first, then what the other pages say."""
    front = [line.strip() for page in pages[:FRONT_PAGES] for line in page.text.splitlines()]
    covers = [row.text for row in cover]
    covers = covers if sum(map(len, covers)) <= COVER_CHARACTERS else covers[:COVER_ROWS]
    everything = "\n".join(page.text for page in pages)
    ends = "\n".join(page.text for page in (*pages[:1], *pages[1:][-1:]))
    named = sorted(map(institution, covers), key=lambda name: name.endswith("银行"))  # 中小银行 names nobody
    signed = [SIGNED.sub("", line) for line in front if SIGNED.search(line)]
    owners = [name for name in OWNED.findall(re.sub(r"\n(?!\n)", "", everything)) if re.search(INSTITUTION, name)]
    reporters = [line for line in everything.splitlines() if COMPANY.match(line)] if REPORT_OF.search(title) else []
    return (
        next((name for name in named if name and name != title), "")
        or next((name for name in map(institution, signed) if name), "")
        or next((" ".join(line.split()) for line in covers if is_told_of(line, title, pages)), "")
        or most_common(reporters)
        or most_common(owners)
        or named_often(ends)
    )


def institution(line: str) -> str:
    """A line that is the name of an institution, or several, without what signs it; empty for any other line."""
    name = re.sub(r"\s+", " ", SIGNED.sub("", line.strip()))
    if len(name) > MAX_NAME or re.search(r"[，。：；的由是]|^[（(]", name) or not PUBLISHER.search(name):
        return ""
    return name


def is_told_of(line: str, title: str, pages: Sequence[Page]) -> bool:
    """Whether a cover's line is made of short names, each of which the sentences of the first pages have too."""
    names = line.split()
    if len(names) < 2 or any(len(name) > MAX_SHORT_NAME or name in title for name in names):
        return False
    after = [line for page in pages[1 : 2 * FRONT_PAGES] for line in page.text.splitlines()]
    return all(
        re.fullmatch(r"[\u4e00-\u9fff]{2,}", name)
        and sum(name in line and len(line) > 2 * len(name) for line in after) > 1
        for name in names
    )


def named_often(text: str) -> str:
    """The institution that a text names most, if it does so often: the longest name that is about as common."""
    counts = Counter(REPEATED.findall(text))
    most = max(counts.values(), default=0)
    return max((name for name, count in counts.items() if count >= max(OFTEN, 0.6 * most)), key=len, default="")


def find_year(name: str, cover: Sequence[Row], pages: Sequence[Page]) -> int | None:
    """The year of the title, of the cover, of the first date in the first pages, or the first in them."""
    front = [page.text for page in pages[:FRONT_PAGES]]
    printed = "\n".join(row.text for row in cover)
    sources = [(YEAR, name), (YEAR, printed if len(printed) <= COVER_CHARACTERS else "")]
    sources += [(DATED, text) for text in front] + [(YEAR, text) for text in front]
    return next((year for pattern, text in sources if (year := first_year(text, pattern))), None)


def first_year(text: str, pattern: re.Pattern[str] = YEAR) -> int | None:
    """The first year between 1990 and 2099 in a text."""
    years = (int(year) for year in pattern.findall(fold(text).translate(DIGITS)))
    return next((year for year in years if 1990 <= year <= 2099), None)


def find_kind(name: str, cover: Sequence[Row]) -> str:
    """The kind of a report by its title, else by what stands on its cover."""
    printed = "".join(
        found[0] for row in cover if (found := COVER_KINDS.search(row.text)) and len(row.text) < MAX_TITLE
    )
    return next((kind for text in (name, printed) for kind, words in KINDS if re.search(words, text)), "其他")


def most_common(names: Sequence[str]) -> str:
    """The name that occurs most, blanks aside; empty where there is none."""
    counts = Counter(re.sub(r"\s+", "", name) for name in names)
    return counts.most_common(1)[0][0] if counts else ""
