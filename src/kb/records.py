"""The frozen records that flow from page to citation; they know nothing of how they are stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

Box = tuple[float, float, float, float]
"""x0, top, x1, bottom in PDF points; the origin is the top left corner of the page as it is shown."""


class Kind(StrEnum):
    """What a block is, and what a passage is made of."""

    HEADING = "heading"
    TEXT = "text"
    LIST = "list"
    CASE = "case"
    TABLE = "table"
    QUOTE = "quote"
    CAPTION = "caption"
    NOTE = "note"
    CONTENTS = "contents"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character as a reader found it: text, box, size in points, font.

    `turn` is how far it is turned, clockwise: 0, 90, 180 or 270 degrees, None for any slant between; `light` is the
    lightness of its paint, from 0 for black to 1 for white.
    """

    text: str
    box: Box
    size: float
    font: str
    turn: int | None = 0
    light: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A drawn area or rule. `fill` and `stroke` tell what is painted."""

    box: Box
    fill: bool
    stroke: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A ruled table as a reader found it: rows of cell boxes, None where a merged cell goes on."""

    box: Box
    rows: tuple[tuple[Box | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An entry of a PDF's outline: its level from 1, its title, and the page that it leads to (0: none)."""

    level: int
    title: str
    page: int


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page as read, before any order is known. `rules` are drawn lines; `problem` says why a page has no text."""

    number: int
    width: float
    height: float
    glyphs: tuple[Glyph, ...]
    shapes: tuple[Shape, ...]
    grids: tuple[Grid, ...]
    reader: str
    problem: str | None = None
    rules: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One printed line, or a cell's part of it. `start` and `end` are offsets into the page's text."""

    start: int
    end: int
    box: Box
    size: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its text in reading order, one printed line a line, nothing left out or rewritten.

    `number` counts from 1 in the file, `label` is the number printed on the page, if any.
    """

    number: int
    width: float
    height: float
    text: str
    lines: tuple[Line, ...]
    reader: str
    label: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """`end - start` characters of a page's text, which stand at offset `at` of the passage's text.

    `name` marks a column's name in a table row; it may stand on an earlier page than the row.
    """

    page: int
    start: int
    end: int
    at: int
    name: bool = False


def pages_of(spans: Iterable[Span]) -> tuple[int, ...]:
    """The pages of spans, in order; those of column names only where there is nothing else."""
    found = list(spans)
    own = [span for span in found if not span.name] or found
    return tuple(sorted({span.page for span in own}))


@dataclass(frozen=True, slots=True)
class Piece:
    """A printed line inside a block: its page and its offsets there, and the text as read."""

    page: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph, table row … in reading order.

    `level` counts heading levels from 1. `group` is the same for the blocks of one box, slide or column set that
    belong together. For a table, `cells` holds one row: for each column its header's pieces and the cell's pieces
    (none where it is empty), `table` numbers the table in the document from 1, and `pieces` is empty.
    """

    kind: Kind
    pieces: tuple[Piece, ...]
    level: int = 0
    group: int = 0
    cells: tuple[tuple[tuple[Piece, ...], tuple[Piece, ...]], ...] = ()
    table: int = 0

    @property
    def text(self) -> str:
        """The block's lines, run together as they are."""
        return "".join(piece.text for piece in self.pieces)


class Field(StrEnum):
    """What a tag tells of a passage."""

    BANK = "bank"
    MENTION = "mention"
    DIMENSION = "dimension"
    TOPIC = "topic"
    ROLE = "role"
    YEAR = "year"
    REGION = "region"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a passage has a tag. `source` is where that was seen, `detail` what was seen there, as written.

    Sources: heading, text, cell (the first of a table row), speaker, label, term, similarity, neighbour (a passage
    before or after), bank and topic (what follows from those), report, override (set by hand).
    """

    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag of a passage: its value, how sure it is (0 to 1), and why."""

    field: Field
    value: str
    score: float = 1.0
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A citable stretch of a report. `text` is made of `spans` and of joiners between them (see segment.py).

    `tags` come in the order of their weight, those of one field best first.
    """

    id: str
    kind: Kind
    heading: tuple[str, ...]
    text: str
    spans: tuple[Span, ...]
    tags: tuple[Tag, ...] = ()

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages it stands on, in order; column names aside."""
        return pages_of(self.spans)

    def values(self, field: Field) -> tuple[str, ...]:
        """The values of its tags of one field."""
        return tuple(tag.value for tag in self.tags if tag.field is field)

    @property
    def banks(self) -> tuple[str, ...]:
        """The banks that it is about."""
        return self.values(Field.BANK)

    @property
    def mentions(self) -> tuple[str, ...]:
        """Banks that it only names."""
        return self.values(Field.MENTION)

    @property
    def dimension(self) -> str:
        """Its dimension; empty before it is tagged."""
        return "".join(self.values(Field.DIMENSION)[:1])

    @property
    def topics(self) -> tuple[str, ...]:
        """The ids of its topics, best first."""
        return self.values(Field.TOPIC)

    @property
    def role(self) -> str:
        """Its part in the argument; empty before it is tagged."""
        return "".join(self.values(Field.ROLE)[:1])

    @property
    def year(self) -> int | None:
        """The year of the matter that it tells, if any."""
        return next((int(value) for value in self.values(Field.YEAR)), None)

    @property
    def region(self) -> str:
        """The region that it tells of: province, and city after a blank; empty for none."""
        return "".join(self.values(Field.REGION)[:1])


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a passage states, `text[start:end]` of the passage's text with its unit.

    `value` is the number in `unit`, with 万, 亿, 万亿 and bp worked out: 640万户 is 6,400,000户, 35bp is 0.35个百分点;
    of a range it is the lower end. `unit` is empty for a bare 万 or 亿.
    `name` is what it measures, as written: 绑卡注册客户. `as_of` is the date or period that it holds for, as written,
    and `date` that date's last day, or the day, as ISO 8601, empty where it is not known. `comparison` is what it is
    compared with, as written: 较2016年末下降0.21个百分点; `change` is that change in `change_unit`, below 0 for a fall.
    """

    start: int
    end: int
    text: str
    value: float
    unit: str
    name: str
    as_of: str = ""
    date: str = ""
    comparison: str = ""
    change: float | None = None
    change_unit: str = ""


@dataclass(frozen=True, slots=True)
class CasePart:
    """A part of a case: its role, the label over it as printed (empty: none), and its passages in order.

    `start` and `end` bound it in the text of the first and of the last of them, where one passage holds several parts.
    """

    role: str
    label: str
    passages: tuple[str, ...]
    start: int = 0
    end: int | None = None

    def text(self, passages: Mapping[str, Passage]) -> str:
        """Its words, by the passages with their ids."""
        texts = [passages[identity].text for identity in self.passages]
        texts[-1] = texts[-1][: self.end]
        texts[0] = texts[0][self.start :]
        return "\n".join(texts)

    def holds(self, passage_id: str, at: int) -> bool:
        """Whether an offset in a passage's text lies in it."""
        if passage_id not in self.passages:
            return False
        begun = passage_id != self.passages[0] or at >= self.start
        return begun and (passage_id != self.passages[-1] or self.end is None or at < self.end)


@dataclass(frozen=True, slots=True)
class Case:
    """What one bank did, told in parts (背景, 措施, 效果 …). `id` is permanent, as the ids of its passages are."""

    id: str
    title: str
    banks: tuple[str, ...]
    parts: tuple[CasePart, ...]
    pages: tuple[int, ...]
    heading: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaggedDocument:
    """The tagged passages of one document in reading order, the figures of each by passage id, and its cases."""

    passages: tuple[Passage, ...]
    figures: Mapping[str, tuple[Figure, ...]]
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A whole table of a report. `header` is empty where no row names the columns; a merged cell is in each row."""

    number: int
    pages: tuple[int, ...]
    heading: tuple[str, ...]
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A report. `id` is made of its content's hash; `status` is live or superseded.

    `unit` is what its "pages" are: `page`, or `section` in a text file, where a page's label is the section's title.
    `author`, `place` (of publication) and `url` are for its citations, given by hand and else empty.
    """

    id: str
    sha256: str
    path: str
    file: str
    title: str
    publisher: str
    year: int | None
    kind: str
    page_count: int
    reader: str
    status: str = "live"
    unit: str = "page"
    author: str = ""
    place: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What has a vector: a whole passage (`start` 0, `end` its length) or one of its sentences."""

    passage_id: str
    start: int
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Filters:
    """What a result must have. Values of one field are alternatives; fields are all required."""

    bank: tuple[str, ...] = ()
    dimension: tuple[str, ...] = ()
    topic: tuple[str, ...] = ()
    year: tuple[int, ...] = ()
    report: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.bank, self.dimension, self.topic, self.year, self.report))


FILTERS = tuple(field.name for field in fields(Filters))
"""What filters go by: bank, dimension, topic, year, report."""


class Look(StrEnum):
    """What a question looks like, which tells which half of the search to trust more."""

    FIGURES = "figures"
    SPOKEN = "spoken"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Understood:
    """What was understood of a question; nothing of it filters.

    `banks` are canonical names as they were named; `years` are those that dates in it name; `reports` are the named
    reports of the index; `absent` are the banks of which no passage is.
    """

    banks: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    reports: tuple[Document, ...] = ()
    many_banks: bool = False
    look: Look = Look.PLAIN
    absent: tuple[str, ...] = ()

    @property
    def present(self) -> tuple[str, ...]:
        """The named banks that passages are about."""
        return tuple(bank for bank in self.banks if bank not in self.absent)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Part of a passage's text, and how well it answers a question."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Twin:
    """A passage elsewhere that says the same as a hit."""

    document: Document
    passage: Passage


@dataclass(frozen=True, slots=True)
class HitScores:
    """How a hit was ranked.

    `whole` and `sentence` are the cosines of the passage and of its best sentence, `lexical` is BM25, `bonus` is for
    what the question names, `fused` is made of them all. `words` are those of the question, or synonyms, that it has.
    `rerank` is the reranker's score, None where it was not asked; `late` is the mean cosine of the
    question's tokens to those nearest to them in the passage, None where they were not compared.
    """

    whole: float
    sentence: float
    lexical: float
    bonus: float
    fused: float
    words: tuple[str, ...]
    rerank: float | None = None
    late: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found, with the one to three of its sentences that answer best.

    `also` are the passages that say the same elsewhere; `scores` is told where an explanation was asked for.
    """

    rank: int
    score: float
    document: Document
    passage: Passage
    quote: str
    quote_at: int
    sentences: tuple[Sentence, ...] = ()
    also: tuple[Twin, ...] = ()
    scores: HitScores | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The stretch of one page's stored text that a quote takes there, `start` to `end`.

    `label` is the number printed on the page (the title of a section), empty where there is none; `boxes` are around
    the quote's printed lines, in PDF points as `Line.box` has them. A section of a text file has no boxes.
    `name` marks the name of a table's column, which may stand on an earlier page than the row.
    """

    page: int
    label: str
    start: int
    end: int
    boxes: tuple[Box, ...]
    name: bool = False


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a quote stands, found again in the stored page text; `places` are in the order of the quote's words."""

    passage_id: str
    quote: str
    document: Document
    places: tuple[Place, ...]

    @property
    def pages(self) -> tuple[int, ...]:
        """The pages it stands on, in order, as counted in the file; those of column names only without others."""
        own = [place for place in self.places if not place.name] or self.places
        return tuple(sorted({place.page for place in own}))

    @property
    def labels(self) -> tuple[str, ...]:
        """The numbers printed on these pages, those that have one."""
        labels = {place.page: place.label for place in self.places}
        return tuple(labels[page] for page in self.pages if labels[page])


@dataclass(frozen=True, slots=True)
class Point:
    """One quoted point of an answer; `also` is where the same words stand elsewhere."""

    hit: Hit
    citation: Citation
    also: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class BankEvidence:
    """What an answer found about one bank; `bank` is empty for what is about no single bank.

    `gist` says in a few words of the quotes what it did; `strong` tells that the evidence comes near to the best of the
    answer; `more` counts the points that are not shown.
    """

    bank: str
    points: tuple[Point, ...]
    gist: str = ""
    strong: bool = True
    more: int = 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was searched: reports, passages, and the pages that could not be read.

    `banks` counts those with evidence, shown or not.
    """

    documents: int
    passages: int
    unreadable_pages: int
    unreadable_files: int
    banks: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The best evidence by bank, or an abstention with the nearest passages.

    `filters` are those that were set, `understood` is what the question itself tells; `confidence` is the probability,
    0 to 1, that the corpus answers it. `dropped` counts the quotes that were not found again on their page,
    `more_banks` the banks with evidence that are not shown.
    """

    question: str
    abstained: bool
    evidence: tuple[BankEvidence, ...]
    nearest: tuple[Hit, ...]
    coverage: Coverage
    dropped: int = 0
    more_banks: int = 0
    filters: Filters = Filters()
    understood: Understood = Understood()
    confidence: float = 0.0
