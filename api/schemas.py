"""What the API answers with, field by field: the JSON of `kb.export`, declared and checked."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

QUESTION = "银行怎么解决金融科技人才短缺"
TEXT = (
    "最常见的人才措施有两项：六成银行在全员中开展数字化培训，51.25%在晋升和招聘时要求有科技背景。"
    "青岛农商银行与佛山农商银行都推出行内认证，员工考取数据分析资格，可以计入行政、营销、风控等序列的晋升条件。"
)
QUOTE = "最常见的人才措施有两项：六成银行在全员中开展数字化培训，51.25%在晋升和招聘时要求有科技背景。"
GIST = "六成银行在全员中开展数字化培训"


class Record(BaseModel):
    """A record whose fields are all declared: one that kb.export adds has to be declared here too."""

    model_config = ConfigDict(extra="forbid")


Heading = Annotated[
    list[str], Field(description="Headings above it, outermost first.", examples=[["做法：人才从内部长出来"]])
]
Banks = Annotated[list[str], Field(description="Banks that it is about.", examples=[["青岛农商银行", "佛山农商银行"]])]
Side = Annotated[str, Field(description="战略, 组织, 技术, 应用, 数据 or 生态; empty if none fits.", examples=["组织"])]
Topics = Annotated[list[str], Field(description="Ids of topics; /v1/taxonomy has their labels.", examples=[["talent"]])]
Role = Annotated[
    str,
    Field(description="Its part in the argument: 背景, 措施, 效果, 观点, 调研, 政策, 建议 or 其他.", examples=["措施"]),
]
PassageId = Annotated[
    str, Field(description="Permanent id; /v1/passages/{id} resolves it.", examples=["4e2e63fdcf100995"])
]
Pages = Annotated[list[int], Field(description="Pages of the file that it stands on, from 1.", examples=[[3]])]
Text = Annotated[str, Field(description="The passage, verbatim but for line breaks.", examples=[TEXT])]
Score = Annotated[float, Field(description="Fused score; comparable within one answer only.", examples=[3.2226])]
DocumentId = Annotated[str, Field(description="Id of the report, made of its content.", examples=["9c71824403b59fe5"])]
Title = Annotated[str, Field(description="Title of the report.", examples=["中小银行数字化转型年度调研（2023）"])]
File = Annotated[str, Field(description="Name of the file.", examples=["survey2023.pdf"])]
Publisher = Annotated[
    str, Field(description="Who published it; empty if it is not known.", examples=["普惠数字金融样例调研组"])
]
Year = Annotated[int | None, Field(description="Year of the report; null if it is not known.", examples=[2023])]
Unit = Annotated[
    str,
    Field(
        description="What `pages` counts: page, or section in a text, Markdown or Word file, which has no pages.",
        examples=["page"],
    ),
]
Generation = Annotated[int, Field(description="Number of changes to the index so far.", examples=[4])]


class DocumentBrief(Record):
    """The report that a passage stands in."""

    id: DocumentId
    title: Title
    file: File
    publisher: Publisher
    year: Year


DocumentOf = Annotated[DocumentBrief, Field(description="The report that it stands in.")]


class TaggedPassage(Record):
    """A passage with its report and tags."""

    passage_id: PassageId
    doc: DocumentOf
    pages: Pages
    heading: Heading
    text: Text
    banks: Banks
    mentions: list[str] = Field(description="Banks that it only names.", examples=[["网商银行"]])
    dimension: Side
    topics: Topics
    role: Role
    year: int | None = Field(description="Year of the matter that it tells; null if none is told.", examples=[2022])
    region: str = Field(description="Region that it tells of; empty if none.", examples=["山东 青岛"])


class Ranked(Record):
    """A place in a ranking."""

    rank: int = Field(description="Place in the ranking, from 1.", examples=[1])
    score: Score


class Twin(Record):
    """A passage that says the same elsewhere."""

    passage_id: PassageId
    doc: DocumentOf
    pages: Pages


class HitScores(Record):
    """How a result was ranked."""

    whole: float = Field(description="Cosine of the passage.", examples=[0.8409])
    sentence: float = Field(description="Cosine of its best sentence.", examples=[0.8572])
    lexical: float = Field(description="BM25.", examples=[14.2083])
    late: float | None = Field(
        description="Mean cosine of the question's tokens to those nearest in it; null where they were not compared.",
        examples=[0.8123],
    )
    bonus: float = Field(description="For the bank or report that the question names.", examples=[0.0])
    fused: float = Field(description="What they make together.", examples=[3.2226])
    rerank: float | None = Field(description="Score of the reranker; null where it was not asked.", examples=[0.93])
    words: list[str] = Field(
        description="Words of the question, or synonyms of them, that it has.", examples=[["金融科技", "人才"]]
    )


class SearchHit(TaggedPassage, Ranked):
    """A passage found. Rank and score come first: pydantic takes the fields of the last class before the others'."""

    quote: str = Field(description="The part of `text` that answers best, at most 160 characters.", examples=[QUOTE])
    also: list[Twin] = Field(description="Where the same is said elsewhere.", examples=[[]])
    scores: HitScores | None = Field(default=None, description="With explain=true only.", examples=[None])


class AppliedFilters(Record):
    """The filters that were set, by canonical names."""

    bank: list[str] = Field(description="Banks.", examples=[[]])
    dimension: list[str] = Field(description="Dimensions.", examples=[["组织"]])
    topic: list[str] = Field(description="Ids of topics.", examples=[[]])
    year: list[int] = Field(description="Years of reports.", examples=[[]])
    report: list[str] = Field(description="Reports, as they were named.", examples=[[]])


class Understood(Record):
    """What was understood of the question. Passages of its banks and reports come first; nothing of it filters."""

    banks: list[str] = Field(description="Banks that it names.", examples=[[]])
    years: list[int] = Field(description="Years that it names.", examples=[[]])
    reports: list[DocumentBrief] = Field(description="Reports that it names.", examples=[[]])
    many_banks: bool = Field(
        description="It asks over many banks: of the first ten, at most three results are about one.", examples=[True]
    )
    look: str = Field(description="plain, figures or spoken: which half of the search counts more.", examples=["plain"])
    absent: list[str] = Field(description="Banks among them that no passage is about.", examples=[[]])


Applied = Annotated[AppliedFilters, Field(description="The filters that were set, by canonical names.")]
Understanding = Annotated[Understood, Field(description="What was understood of the question; it filters nothing.")]


Confidence = Annotated[
    float, Field(description="How probable it is, 0 to 1, that the corpus answers the question.", examples=[0.93])
]


class LookedFor(Record):
    """Words of the question, and what else they may be called."""

    said: str = Field(description="The place in the question.", examples=["人才短缺"])
    words: list[str] = Field(description="The words in it, with their parts.", examples=[["人才", "短缺"]])
    weight: float = Field(description="How rare they are: sum of BM25's inverse frequencies.", examples=[6.1])
    synonyms: list[str] = Field(description="Found in their place, at a lower weight.", examples=[["人才匮乏"]])


class Signs(Record):
    """By what it was judged whether the corpus answers the question."""

    near: float = Field(
        description="How much nearer the corpus is than to strange questions, in standard deviations.", examples=[3.1]
    )
    covered: float = Field(description="Share of the words, by rarity, in one of the first three.", examples=[0.62])
    missing: float = Field(description="Banks and years named of which there is nothing: 0, 1 or 2.", examples=[0])
    unmet: float = Field(description="What is not covered of a question for a figure, else 0.", examples=[0])


class Explanation(Record):
    """How the question was searched for."""

    dense_weight: float = Field(description="Share of the dense score; the rest is BM25's.", examples=[0.75])
    synonym_weight: float = Field(description="What a synonym counts, of what its word would.", examples=[0.5])
    words: list[LookedFor] = Field(description="What was looked for.")
    signs: Signs


class SearchResponse(Record):
    """Ranked excerpts."""

    id: str | int | None = Field(
        default=None, description="Null; kb search --batch has the line's id here.", examples=[None]
    )
    query: str = Field(description="The question as it was understood.", examples=[QUESTION])
    abstained: bool = Field(description="True if nothing answers; the results are then the nearest.", examples=[False])
    confidence: Confidence
    filters: Applied
    understood: Understanding
    results: list[SearchHit] = Field(description="The best passages, best first.")
    explanation: Explanation | None = Field(default=None, description="With explain=true only.", examples=[None])


class CitedPlace(Record):
    """The part of a quote that stands on one page."""

    page: int = Field(description="Page of the file, from 1.", examples=[3])
    label: str = Field(description="The number printed on it, or the section's title; empty if none.", examples=["3"])
    start: int = Field(description="Offset of its first character in the page's stored text.", examples=[120])
    end: int = Field(description="Offset after its last character.", examples=[219])
    boxes: list[tuple[float, float, float, float]] = Field(
        description="Around its printed lines: left, top, right, bottom in points from the page's top left corner.",
        examples=[[(90.0, 100.5, 480.0, 112.0)]],
    )


class Citation(Record):
    """Where a quote stands; checked against the stored page."""

    passage_id: PassageId
    link: str = Field(description="Its address on this server, which stays.", examples=["/p/4e2e63fdcf100995"])
    doc: DocumentId
    title: Title
    publisher: Publisher
    year: Year
    file: File
    pages: Pages
    labels: list[str] = Field(
        description="The numbers printed on these pages, or the titles of these sections, if any.", examples=[["3"]]
    )
    unit: Unit
    places: list[CitedPlace] = Field(description="The stretches of the pages' texts that it takes, in its order.")


class Point(Record):
    """One quoted point."""

    quote: str = Field(description="Verbatim.", examples=[QUOTE])
    passage_id: PassageId
    citation: Citation = Field(description="Where it stands.")
    also: list[Citation] = Field(description="Where the same words stand elsewhere.", examples=[[]])
    heading: Heading
    banks: Banks
    dimension: Side
    topics: Topics
    role: Role
    score: Score


class BankPoints(Record):
    """What was found about one bank."""

    bank: str = Field(
        description="Name of the bank; empty for what is about no single bank.", examples=["青岛农商银行"]
    )
    gist: str = Field(
        description="What it did, in a few words cut out of its quotes; empty where none tells it.", examples=[GIST]
    )
    strong: bool = Field(
        description="Whether its evidence comes near to the best of the answer; weak evidence has one point.",
        examples=[True],
    )
    points: list[Point] = Field(description="Its points, best first.")
    more_points: int = Field(description="Its points that are not shown.", examples=[0])


class Coverage(Record):
    """What was searched."""

    documents: int = Field(description="Reports in the index.", examples=[4])
    passages: int = Field(description="Passages in the index.", examples=[172])
    banks: int = Field(description="Banks with evidence, shown or not.", examples=[14])
    unreadable_pages: int = Field(description="Pages that could not be read.", examples=[0])
    unreadable_files: int = Field(description="Files that could not be read.", examples=[0])


class WrittenSentence(Record):
    """A sentence that the quotes it cites bear out."""

    text: str = Field(
        description="The sentence, with the numbers of its quotes.", examples=["六成银行在全员中开展数字化培训[1]。"]
    )
    citations: list[int] = Field(description="Numbers of the quotes that it cites.", examples=[[1]])


class StruckSentence(Record):
    """A sentence that was struck."""

    text: str = Field(description="The sentence.", examples=["七成银行开展培训[1]。"])
    reason: str = Field(
        description="uncited, no such quote, quotation, number, bank or address: what its quotes do not have.",
        examples=["number"],
    )
    detail: str = Field(description="What it is about, such as the number.", examples=["七成"])


class GivenQuote(Record):
    """A quote of the answer, as it was given to the model."""

    number: int = Field(description="Its number in the citations.", examples=[1])
    passage_id: PassageId
    bank: str = Field(description="The bank that it is under; empty for the industry as a whole.", examples=[""])
    quote: str = Field(description="Its words.", examples=[QUOTE])


class WrittenAnswer(Record):
    """What a model wrote from the quotes, each sentence checked against those that it cites."""

    sentences: list[WrittenSentence] = Field(description="What is borne out, in order.")
    missing: str = Field(description="Why there are no sentences; empty where there are.", examples=[""])
    struck: list[StruckSentence] = Field(description="What was struck.")
    reasons: dict[str, int] = Field(description="How many were struck for each reason.", examples=[{"number": 1}])
    sources: list[GivenQuote] = Field(description="The quotes that the model was given.")
    model: str = Field(description="The model.", examples=["qwen3:8b"])
    seconds: float = Field(description="How long it took.", examples=[8.4])


class AnswerResponse(Record):
    """An answer by bank, or an abstention with the nearest passages."""

    question: str = Field(description="The question.", examples=[QUESTION])
    abstained: bool = Field(description="True if nothing in the corpus answers the question.", examples=[False])
    confidence: Confidence
    filters: Applied
    understood: Understanding
    banks: list[BankPoints] = Field(description="Evidence by bank, best bank first, the industry as a whole last.")
    more_banks: int = Field(description="Banks with evidence that are not shown.", examples=[0])
    nearest: list[SearchHit] = Field(description="In an abstention, the nearest passages.", examples=[[]])
    coverage: Coverage = Field(description="What was searched.")
    dropped: int = Field(description="Quotes left out because their page does not have them.", examples=[0])
    written: WrittenAnswer | None = Field(default=None, description="With write=true only.", examples=[None])


class PageProblem(Record):
    """A page that could not be read."""

    page: int = Field(description="Page of the file, from 1.", examples=[12])
    reason: str = Field(description="Why not.", examples=["scanned page without text"])


class DocumentDetail(DocumentBrief):
    """A report in the index."""

    kind: str = Field(description="Kind of report; empty if it is not known.", examples=["调研报告"])
    page_count: int = Field(description="Pages of the file, or its sections.", examples=[7])
    unit: Unit
    reader: str = Field(description="What its pages were read with.", examples=["pdfplumber 0.11.10"])
    status: str = Field(description="live, or superseded by a later version of the same file.", examples=["live"])
    passages: int = Field(description="Passages made of it.", examples=[32])
    problem_pages: list[PageProblem] = Field(description="Pages that could not be read.", examples=[[]])


class TableDetail(Record):
    """A table of a report."""

    number: int = Field(description="Its place among the tables of the report, from 1.", examples=[1])
    pages: Pages
    heading: Heading
    caption: str = Field(
        description="Its caption; empty if it has none.", examples=["表1　几家银行的绿色金融做法与数字"]
    )
    header: list[str] = Field(
        description="Names of the columns; empty if no row names them.", examples=[["银行", "做法", "数字"]]
    )
    rows: list[list[str]] = Field(
        description="The cells of each row, verbatim but for line breaks; a merged cell is in each row that it spans.",
        examples=[[["成都银行", "自建系统自动识别绿色项目", "2022年末绿色信贷余额263.1亿元"]]],
    )


class TableList(Record):
    """The tables of a report."""

    doc: DocumentOf
    tables: list[TableDetail] = Field(description="Tables in reading order.")


class FileFailure(Record):
    """A file that could not be read."""

    file: File
    reason: str = Field(description="Why not.", examples=["locked.pdf: encrypted, and no password opens it"])


class DocumentList(Record):
    """The reports in the index."""

    generation: Generation
    documents: list[DocumentDetail] = Field(description="Live reports by file name.")
    failures: list[FileFailure] = Field(description="Files that could not be read.", examples=[[]])


class TextSpan(Record):
    """A range of a page's stored text."""

    page: int = Field(description="Page of the file, from 1.", examples=[3])
    start: int = Field(description="Offset of its first character.", examples=[120])
    end: int = Field(description="Offset after its last character.", examples=[219])


class TagReason(Record):
    """What a tag comes from."""

    source: str = Field(
        description="heading, text, cell (first of a table row), speaker, label, term, similarity, neighbour, bank,"
        " topic, report, or override: set by hand.",
        examples=["term"],
    )
    detail: str = Field(description="What was seen there, as written.", examples=["人才、培训"])


class TagDetail(Record):
    """A tag, how sure it is, and why it is there."""

    field: str = Field(description="bank, mention, dimension, topic, role, year or region.", examples=["topic"])
    value: str = Field(description="Its value.", examples=["talent"])
    score: float = Field(description="How sure it is, from 0 to 1.", examples=[0.93])
    reasons: list[TagReason] = Field(description="What it comes from.")


class Figure(Record):
    """A number that a passage states."""

    banks: Banks
    name: str = Field(description="What it measures, as written; empty if that is unclear.", examples=["绑卡注册客户"])
    text: str = Field(description="The number with its unit, as written.", examples=["640万"])
    value: float = Field(description="The number in `unit`, 万 and 亿 worked out.", examples=[6400000.0])
    unit: str = Field(description="元, %, 个百分点, 户, 个 …", examples=["户"])
    as_of: str = Field(description="The date or period that it holds for, as written.", examples=["截至2016年末"])
    date: str = Field(description="The last day of that, ISO 8601; empty if it is not known.", examples=["2016-12-31"])
    comparison: str = Field(description="What it is compared with, as written.", examples=["较年初增长20%"])
    change: float | None = Field(description="That change, below 0 for a fall.", examples=[20.0])
    change_unit: str = Field(description="Unit of the change.", examples=["%"])
    sentence: str = Field(description="The sentence that states it, verbatim.", examples=["新增640万绑卡注册客户。"])
    passage_id: PassageId
    start: int = Field(description="Offset of the number in the passage's text.", examples=[31])
    end: int = Field(description="Offset after its unit.", examples=[35])
    doc: DocumentOf
    pages: Pages


class FigureList(Record):
    """Figures of the passages that match."""

    total: int = Field(description="How many there are.", examples=[1])
    figures: list[Figure] = Field(description="Those from `offset` on, in reading order of their reports.")


class CasePart(Record):
    """A part of a case."""

    role: Role
    label: str = Field(description="The label over it as printed; empty if it has none.", examples=["做法"])
    text: Text
    passages: list[str] = Field(description="Ids of the passages that it is made of.", examples=[["4e2e63fdcf100995"]])


class CaseDetail(Record):
    """What one bank did, in parts."""

    id: str = Field(description="Its id, made of report, first passage and title.", examples=["7d1c0b2f9a3e4d55"])
    title: str = Field(description="Its title as printed.", examples=["青岛农商银行：行内认证"])
    banks: Banks
    doc: DocumentOf
    pages: Pages
    heading: Heading
    dimensions: list[str] = Field(description="Dimensions of its passages.", examples=[["组织"]])
    topics: Topics
    parts: list[CasePart] = Field(description="Its parts in order.")
    figures: list[Figure] = Field(description="Figures that it states.")


class CaseList(Record):
    """Cases of which a passage matches."""

    total: int = Field(description="How many there are.", examples=[1])
    cases: list[CaseDetail] = Field(description="Those from `offset` on, in reading order of their reports.")


class Successor(Record):
    """The passage of a report's live version that is nearest to one of a replaced version."""

    passage_id: PassageId
    doc: DocumentOf
    pages: Pages
    similarity: float = Field(description="How near; 1 for the same words.", examples=[0.97])


class PassageDetail(TaggedPassage):
    """A passage with its places, neighbours, figures, and what its tags come from."""

    kind: str = Field(description="text, case, table, list or quote.", examples=["text"])
    spans: list[TextSpan] = Field(description="Where its text stands in the stored page texts.")
    status: str = Field(description="live, or superseded with its report.", examples=["live"])
    successor: Successor | None = Field(
        description="Of a superseded passage: the nearest one of the live version; null where none is near.",
        examples=[
            {
                "passage_id": "4e2e63fdcf100995",
                "doc": {
                    "id": "9c71824403b59fe5",
                    "title": "中小银行数字化转型年度调研（2023）",
                    "file": "survey2023.pdf",
                    "publisher": "普惠数字金融样例调研组",
                    "year": 2023,
                },
                "pages": [3],
                "similarity": 0.97,
            }
        ],
    )
    tags: list[TagDetail] = Field(description="Its tags, with what each comes from.")
    figures: list[Figure] = Field(description="Figures that it states.")
    before: str | None = Field(description="Id of the passage before it in the report.", examples=["0d1f4f5c8b2a6e93"])
    after: str | None = Field(description="Id of the passage after it in the report.", examples=["a7c20be91f3d4456"])


class Dimension(Record):
    """One of the six sides from which a report looks at a bank."""

    id: str = Field(description="Its name, as filters take it.", examples=["组织"])
    description: str = Field(
        description="What belongs to it.", examples=["组织架构、部门设置、敏捷团队、人才培训与激励"]
    )


class Topic(Record):
    """A subject within a dimension."""

    id: str = Field(description="Its id, as filters take it.", examples=["talent"])
    label: str = Field(description="Its name, which filters take too.", examples=["人才与激励"])
    dimension: str = Field(description="The dimension that it belongs to.", examples=["组织"])


class TaxonomyResponse(Record):
    """The tags that a passage may have."""

    dimensions: list[Dimension] = Field(description="The six dimensions.")
    topics: list[Topic] = Field(description="The topics of all dimensions.")


class Health(Record):
    """The process is alive."""

    status: str = Field(description="ok.", examples=["ok"])
    version: str = Field(description="Version of kb.", examples=["0.1.0"])


class Readiness(Record):
    """The index is open."""

    status: str = Field(description="ready.", examples=["ready"])
    generation: Generation


def example_of(model: type[BaseModel]) -> dict[str, Any]:
    """A record of a model made of its fields' examples; a field that has none is made of the records it holds."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if field.examples:
            found[name] = field.examples[0]
            continue
        inner = next(iter(get_args(field.annotation)), None)
        found[name] = [example_of(inner)] if inner else example_of(field.annotation)  # type: ignore[arg-type]
    return found
