"""The endpoints that lay answers side by side: the grid, and over the years."""

from io import StringIO
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.problems import documented
from api.routes import INDEX_ERRORS, OfShelf, Question, ReadFilters, answers, csv_response
from api.schemas import (
    QUESTION,
    QUOTE,
    Applied,
    Citation,
    Confidence,
    DocumentOf,
    PassageId,
    Record,
    Side,
    Topics,
    Understanding,
    example_of,
)
from kb.errors import BadInput, BadQuery, NothingMatches, UnknownName
from kb.grid import MAX_ROWS, SHOWN_ROWS, Columns, Grid, Rows, make_grid
from kb.grid_export import comparison_json, grid_json, write_grid
from kb.heatmap import draw_png, draw_svg
from kb.holdings import holdings
from kb.records import Filters
from kb.search import MAX_QUERY
from kb.years import MAX_QUOTES, QUOTES, By
from kb.years import compare as compare_library

router = APIRouter()

State = Annotated[
    Literal["found", "weak", "not_found", "not_held"],
    Field(
        description="found; weak: passages there have the words of the question, and none stands out (依据较弱); "
        "not_found: the library has passages there, and none is either (未检出); not_held: it has none there (未收录).",
        examples=["found"],
    ),
]
Count = Annotated[
    int,
    Field(
        description="How many passages reach the threshold of evidence, what says the same once; without a question, "
        "how many there are.",
        examples=[2],
    ),
]
Passages = Annotated[
    list[str],
    Field(
        description="Ids of its passages, best first; where none is evidence, of the weak. Empty without a question; "
        "/v1/passages has them.",
        examples=[["4e2e63fdcf100995"]],
    ),
]
Abstained = Annotated[
    bool, Field(description="True if nothing in the corpus answers; then nothing is found.", examples=[False])
]
AskedFor = Annotated[str, Field(description="The question; empty where none was asked.", examples=[QUESTION])]
MaybeQuestion = Annotated[
    str | None,
    Query(
        description=f"What you want to know, in words; at most {MAX_QUERY} characters. Without it each cell counts the "
        "passages that the library holds.",
        examples=[QUESTION],
        json_schema_extra={"minLength": 1, "maxLength": MAX_QUERY},
    ),
]
Dropped = Annotated[int, Field(description="Quotes left out because their page does not have them.", examples=[0])]


class FoundQuote(Record):
    """A quote with its source."""

    quote: str = Field(description="Verbatim.", examples=[QUOTE])
    passage_id: PassageId
    citation: Citation = Field(description="Where it stands.")
    bank: str = Field(description="The bank that it is of; empty for none.", examples=["青岛农商银行"])
    dimension: Side
    topics: Topics
    score: float = Field(
        description="By how many standard deviations its passage stands out for this question.", examples=[2.4312]
    )


class Column(Record):
    """The head of a column."""

    key: str = Field(description="Dimension or year of reports; empty where none is known.", examples=["组织"])
    label: str = Field(description="The same for people.", examples=["组织"])


class GridCell(Record):
    """A cell."""

    state: State
    count: Count
    best: FoundQuote | None = Field(
        description="The best quote, also where all are weak; null where nothing is found, or without a question.",
        examples=[example_of(FoundQuote)],
    )
    passages: Passages


class GridRow(Record):
    """A row."""

    key: str = Field(description="Bank, or id of a topic; empty for what is about none.", examples=["青岛农商银行"])
    label: str = Field(description="The same for people.", examples=["青岛农商银行"])
    banks: list[str] = Field(
        description="Names that the row stands for: of a bank asked for, also what it was and became.",
        examples=[["青岛农商银行"]],
    )
    count: Count
    cells: list[GridCell] = Field(description="A cell for each column, in their order.")


class Sides(Record):
    """What stands down the side and along the top."""

    rows: str = Field(description="bank or topic.", examples=["bank"])
    columns: str = Field(description="dimension or year (the report's).", examples=["dimension"])


class GridResponse(Record):
    """A grid of counts and best quotes."""

    query: AskedFor
    abstained: Abstained
    confidence: Confidence
    filters: Applied
    understood: Understanding
    by: Sides = Field(description="What the rows and columns are.", examples=[example_of(Sides)])
    columns: list[Column] = Field(description="The heads of the columns.")
    rows: list[GridRow] = Field(description="Asked for first, then most evidence first; what is about no bank last.")
    count: int = Field(
        description="Passages that are evidence, in all; without a question, that match the filters.", examples=[14]
    )
    left_out: int = Field(description="Rows with evidence, or passages, that are not listed.", examples=[0])
    dropped: Dropped


class Group(Record):
    """What one year, bank or report says."""

    key: str = Field(description="Year, bank, or id of a report; empty where none is known.", examples=["2023"])
    label: str = Field(description="The same for people.", examples=["2023"])
    state: State
    count: Count
    quotes: list[FoundQuote] = Field(description="The best quotes, best first; where there is no evidence, weak ones.")


class YearFigure(Record):
    """A figure in its year."""

    year: int = Field(description="Its year.", examples=[2022])
    year_from: Literal["date", "report"] = Field(
        description="Whether the figure's own date tells the year, or only the report's.", examples=["date"]
    )
    name: str = Field(description="What it measures, as written.", examples=["绿色信贷余额"])
    text: str = Field(description="Verbatim.", examples=["263.1亿元"])
    value: float = Field(description="The number in the unit.", examples=[26310000000.0])
    as_of: str = Field(description="Its date as written; empty where none is told.", examples=["2022年末"])
    date: str = Field(description="The last day of that date; empty where it is not known.", examples=["2022-12-31"])
    passage_id: PassageId
    citation: Citation = Field(description="Where it stands.")
    doc: DocumentOf


class SameFigure(Record):
    """One figure as several years have it."""

    name: str = Field(description="What it measures.", examples=["绿色信贷余额"])
    unit: str = Field(description="Unit of the values.", examples=["元"])
    banks: list[str] = Field(description="Banks of which it is told.", examples=[["成都银行"]])
    values: list[YearFigure] = Field(description="The values, the earliest first.")


class ComparisonResponse(Record):
    """What years, banks or reports say, side by side."""

    query: AskedFor
    abstained: Abstained
    confidence: Confidence
    filters: Applied
    understood: Understanding
    by: str = Field(description="year, bank or report.", examples=["year"])
    groups: list[Group] = Field(description="Years and reports the earliest first; banks by evidence.")
    figures: list[SameFigure] = Field(description="Figures that several years state.")
    count: int = Field(description="Passages that are evidence, in all.", examples=[14])
    left_out: int = Field(description="Banks with evidence that are not listed.", examples=[0])
    more_figures: int = Field(description="Figures that are not listed.", examples=[0])
    dropped: Dropped


WantedCells = Annotated[Filters, Depends(ReadFilters("q", "rows", "columns", "top", "format"))]
WantedGroups = Annotated[Filters, Depends(ReadFilters("q", "by", "top"))]
RowsAre = Annotated[Literal["bank", "topic"], Query(description="What stands down the side.", examples=["bank"])]
ColumnsAre = Annotated[
    Literal["dimension", "year"] | None,
    Query(
        description="What stands along the top; dimension unless told, year (the report's) for rows of topics.",
        examples=["year"],
    ),
]
TopRows = Annotated[
    int,
    Query(ge=1, le=MAX_ROWS, description="How many rows, most evidence first; the rest are counted.", examples=[20]),
]
TopQuotes = Annotated[int, Query(ge=1, le=MAX_QUOTES, description="How many quotes each.", examples=[3])]
Compared = Annotated[
    Literal["year", "bank", "report"],
    Query(description="What is compared: years of reports, banks, or single reports.", examples=["year"]),
]
Format = Annotated[
    Literal["json", "csv", "svg", "png"],
    Query(description="json; csv for spreadsheets; svg or png: a heat map of the counts.", examples=["json"]),
]

ERRORS = (BadQuery, UnknownName, NothingMatches, *INDEX_ERRORS)


def or_files() -> dict[int | str, dict[str, Any]]:
    """What the grid answers with, for OpenAPI: JSON, CSV or a picture, and its problems."""
    found = answers(GridResponse, *ERRORS)
    found |= documented(BadInput, *ERRORS, asks=True)
    text = {"schema": {"type": "string"}}
    found[200]["content"] |= {"text/csv": text, "image/svg+xml": text, "image/png": text}
    return found


@router.get("/v1/matrix", tags=["questions"], response_model=GridResponse, responses=or_files())
def matrix(
    shelf: OfShelf,
    filters: WantedCells,
    q: MaybeQuestion = None,
    rows: RowsAre = "bank",
    columns: ColumnsAre = None,
    top: TopRows = SHOWN_ROWS,
    format: Format = "json",
) -> GridResponse | Response:
    """What banks or topics say to a question, by dimension or year: in each cell count, best quote and citation.

    Without a question: how many passages the library holds of each.
    """
    shape = Rows(rows), Columns(columns) if columns else None, top
    with shelf.borrow() as library:
        grid = holdings(library.catalogue, filters, *shape) if q is None else make_grid(library, q, filters, *shape)
    if format == "json":
        return GridResponse.model_validate(grid_json(grid))
    return file_response(grid, format)


def file_response(grid: Grid, format: str) -> Response:
    """A grid as a file."""
    if format == "csv":
        out = StringIO(newline="")
        write_grid(grid, out)
        return csv_response(out.getvalue(), "matrix.csv")
    if format == "png":
        return Response(draw_png(grid), media_type="image/png")
    headers = {"Content-Disposition": 'attachment; filename="matrix.svg"'}
    return Response(draw_svg(grid), headers=headers, media_type="image/svg+xml")


@router.get("/v1/compare", tags=["questions"], responses=answers(ComparisonResponse, *ERRORS))
def compare(
    shelf: OfShelf, q: Question, filters: WantedGroups, by: Compared = "year", top: TopQuotes = QUOTES
) -> ComparisonResponse:
    """What each year, bank or report says to a question, and figures that several years state."""
    with shelf.borrow() as library:
        found = compare_library(library, q, filters, By(by), top)
    return ComparisonResponse.model_validate(comparison_json(found))
