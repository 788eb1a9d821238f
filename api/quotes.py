"""The endpoint that gives quotes with their sources as a file."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from api.problems import documented
from api.routes import INDEX_ERRORS, OfShelf
from kb.basket.collect import Wanted, collect
from kb.basket.formats import FORMATS
from kb.errors import BadInput, NotFound, UnknownName

router = APIRouter()

MAX_QUOTES = 500
NAME = "quotes"

EXAMPLE: JsonDict = {"quotes": [{"passage_id": "4e2e63fdcf100995", "note": "组织一章"}], "format": "docx"}
CSL_EXAMPLE = [
    {
        "id": "kb9c71824403b59fe5",
        "type": "report",
        "title": "中小银行数字化转型年度调研（2023）",
        "author": [{"literal": "普惠数字金融样例调研组"}],
        "issued": {"date-parts": [[2023]]},
        "page": "3",
    }
]


class WantedQuote(BaseModel):
    """A passage to quote, or the words of it that are wanted."""

    model_config = ConfigDict(extra="forbid")

    passage_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Id of a passage.", examples=["4e2e63fdcf100995"]
    )
    quote: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)] | None = Field(
        default=None,
        description="Words that stand in the passage, white space aside; without this field the whole passage is"
        " quoted.",
        examples=["行内认证分三级"],
    )
    note: Annotated[str, StringConstraints(max_length=5_000)] = Field(
        default="", description="A note of yours that goes with the quote.", examples=["组织一章"]
    )


class QuoteRequest(BaseModel):
    """Quotes in the order in which they are wanted, and the format of the file."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": EXAMPLE})

    quotes: Annotated[list[WantedQuote], Field(min_length=1, max_length=MAX_QUOTES)] = Field(
        description="The quotes; the same one twice is kept once."
    )
    format: Literal["txt", "md", "docx", "bibtex", "csl-json", "ris", "gbt7714", "footnote", "csv"] = Field(
        description="txt: quotes with their sources in brackets, to paste; docx and md: quotes, footnotes and 参考文献;"
        " bibtex, csl-json and ris: for reference managers; gbt7714: the references by GB/T 7714—2015; footnote: the"
        " Chinese footnotes; csv: a line for each quote.",
        examples=["docx"],
    )


def files() -> dict[int | str, dict[str, Any]]:
    """What the endpoint answers with, for OpenAPI: a file of each media type, and its problems."""
    found = documented(NotFound, BadInput, UnknownName, *INDEX_ERRORS, asks=True)
    content: dict[str, dict[str, Any]] = {
        format.media_type: {"schema": {"type": "string"}} for format in FORMATS.values()
    }
    binary = {"schema": {"type": "string", "contentMediaType": FORMATS["docx"].media_type}}
    csl = {"schema": {"type": "array", "items": {"type": "object"}}, "example": CSL_EXAMPLE}
    content |= {FORMATS["docx"].media_type: binary, FORMATS["csl-json"].media_type: csl}
    found[200] = {"description": "The file.", "content": content}
    return found


@router.post("/v1/quotes", tags=["questions"], response_class=Response, responses=files())
def quotes(shelf: OfShelf, request: Request, wanted: Annotated[QuoteRequest, Body()]) -> Response:
    """Quotes with their sources as a file: plain text, Word, Markdown, references, CSV.

    Each quote is found again on its pages first; where one is not, there is no file, and all that is wrong is told.
    """
    if request.query_params:
        raise UnknownName("there are no parameters in this address; quotes and format go into the body")
    today = date.today()
    asked = [Wanted(each.passage_id, quote=each.quote or "", note=each.note) for each in wanted.quotes]
    with shelf.borrow() as library:
        basket = collect(library.store, asked, library.catalogue.book, today)
    format = FORMATS[wanted.format]
    headers = {"Content-Disposition": f'attachment; filename="{NAME}{format.suffix}"'}
    return Response(format.write(basket, today), headers=headers, media_type=format.media_type)
