"""The endpoints: parameters → the library → the JSON of `kb.export`."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from api.metrics import OfMetrics
from api.problems import READINESS, documented
from api.schemas import (
    QUESTION,
    AnswerResponse,
    CaseDetail,
    CaseList,
    Dimension,
    DocumentDetail,
    DocumentList,
    FigureList,
    FileFailure,
    Health,
    PageProblem,
    PassageDetail,
    Readiness,
    Record,
    SearchResponse,
    TableDetail,
    TableList,
    TaxonomyResponse,
    Topic,
    example_of,
)
from api.shelf import Shelf
from kb import __version__
from kb.answer import MAX_POINTS
from kb.answer import ask as ask_library
from kb.errors import (
    BadInput,
    BadQuery,
    BadSettings,
    IndexBusy,
    IndexDamaged,
    IndexMissing,
    KbError,
    ModelMismatch,
    ModelUnavailable,
    NotFound,
    NothingMatches,
    UnknownName,
)
from kb.export import answer_json, case_json, detail_json, document_json, figure_json, result_json, table_json
from kb.links import successor
from kb.llm import open_writer
from kb.records import FILTERS, Document, Filters
from kb.search import MAX_QUERY, MAX_TOP
from kb.spreadsheet import ENCODING, file_names, table_csv, write_long
from kb.store import Failure, Store

router = APIRouter()

INDEX_ERRORS = (IndexMissing, IndexDamaged, IndexBusy, ModelMismatch, ModelUnavailable, BadSettings)

Name = Annotated[str, StringConstraints(max_length=200)]
Year = Annotated[int, Field(ge=1000, le=9999)]
Question = Annotated[
    str,
    Query(
        description=f"What you want to know, in words; at most {MAX_QUERY} characters.",
        examples=[QUESTION],
        json_schema_extra={"minLength": 1, "maxLength": MAX_QUERY},
    ),
]
Top = Annotated[int, Query(ge=1, le=MAX_TOP, description="How many results.", examples=[5])]
MaxBanks = Annotated[
    int | None,
    Query(ge=1, le=200, description="At most so many banks; 20 unless told, few where one is named.", examples=[8]),
]
MaxPoints = Annotated[int, Query(ge=1, le=20, description="At most so many points a bank.", examples=[3])]
DocumentId = Annotated[str, Path(max_length=200, description="Id of a report.", examples=["9c71824403b59fe5"])]
TableNumber = Annotated[int, Path(ge=1, description="Number of a table in its report.", examples=[1])]
TableFormat = Annotated[
    Literal["json", "csv"],
    Query(
        description="json, where all is verbatim; or csv for spreadsheets, with a byte order mark, and an apostrophe"
        " before what would run as a formula.",
        examples=["csv"],
    ),
]
PassageId = Annotated[str, Path(max_length=200, description="Id of a passage.", examples=["4e2e63fdcf100995"])]


def several(description: str, example: str | int) -> object:
    """A parameter that may be repeated."""
    return Query(max_length=50, description=description + " May be repeated.", examples=[[example]])


def refuse_unknown(request: Request, known: Sequence[str]) -> None:
    """Raise UnknownName for a parameter that there is not, which would otherwise do nothing."""
    if unknown := sorted(set(request.query_params) - set(known)):
        raise UnknownName(f"unknown parameter {unknown[0][:50]!r}; there are {', '.join(known) or 'none'}")


class ReadFilters:
    """Filters from the address, of an endpoint that takes some other parameters beside them."""

    def __init__(self, *beside: str) -> None:
        self._known = (*beside, *FILTERS)

    def __call__(
        self,
        request: Request,
        bank: Annotated[tuple[Name, ...], several("Only about this bank, by name or alias.", "青岛农商银行")] = (),
        dimension: Annotated[tuple[Name, ...], several("战略, 组织, 技术, 应用, 数据 or 生态.", "组织")] = (),
        topic: Annotated[tuple[Name, ...], several("Topic, by id or label.", "talent")] = (),
        year: Annotated[tuple[Year, ...], several("Year of the report.", 2023)] = (),
        report: Annotated[tuple[Name, ...], several("Report, by id, file name or title.", "survey2023.pdf")] = (),
    ) -> Filters:
        """Values of one parameter are alternatives; different parameters are all required.

        Raises UnknownName for a parameter that there is not, which would otherwise filter nothing.
        """
        refuse_unknown(request, self._known)
        return Filters(bank, dimension, topic, year, report)


def shelf_of(request: Request) -> Shelf:
    """The shelf of the application, from which an endpoint borrows the open library."""
    shelf: Shelf = request.app.state.shelf
    return shelf


OfShelf = Annotated[Shelf, Depends(shelf_of)]
WantedResults = Annotated[Filters, Depends(ReadFilters("q", "top", "explain"))]
WantedAnswer = Annotated[Filters, Depends(ReadFilters("q", "banks", "points", "write"))]
Write = Annotated[
    bool,
    Query(
        description="Also have a summary written from the quotes, by the server that KB_LLM_URL names.",
        examples=[False],
    ),
]
Explain = Annotated[
    bool, Query(description="Also tell what was looked for, and how each result was ranked.", examples=[False])
]
WantedFigures = Annotated[Filters, Depends(ReadFilters("name", "unit", "limit", "offset"))]
WantedCases = Annotated[Filters, Depends(ReadFilters("limit", "offset"))]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many.", examples=[100])]
Offset = Annotated[int, Query(ge=0, le=10**9, description="How many to leave out before.", examples=[0])]
FigureName = Annotated[
    str, Query(max_length=200, description="Only what measures this, or part of its name.", examples=["不良贷款率"])
]
Unit = Annotated[str, Query(max_length=50, description="Only in this unit.", examples=["%"])]
CaseId = Annotated[str, Path(max_length=200, description="Id of a case.", examples=["7d1c0b2f9a3e4d55"])]


def answers(
    model: type[Record], *kinds: type[KbError], asks: bool = True, status: int = 0
) -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers with, for OpenAPI: an example of the record, and its problems."""
    found = documented(*kinds, asks=asks, status=status)
    found[200] = {"content": {"application/json": {"example": example_of(model)}}}
    return found


def or_csv(responses: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """The same where CSV may be asked for too."""
    responses[200]["content"]["text/csv"] = {"schema": {"type": "string"}}
    return responses


@router.get(
    "/v1/search",
    tags=["questions"],
    response_model_exclude_unset=True,
    responses=answers(SearchResponse, BadQuery, UnknownName, NothingMatches, *INDEX_ERRORS),
)
def search(
    shelf: OfShelf, metrics: OfMetrics, q: Question, filters: WantedResults, top: Top = 10, explain: Explain = False
) -> SearchResponse:
    """Ranked excerpts for a question."""
    with shelf.borrow() as library:
        found = library.search(q, top, filters, explain)
    metrics.searched(found)
    return SearchResponse.model_validate(result_json(found))


@router.get(
    "/v1/ask",
    tags=["questions"],
    response_model_exclude_unset=True,
    responses=answers(AnswerResponse, BadInput, BadQuery, UnknownName, NothingMatches, *INDEX_ERRORS),
)
def ask(
    shelf: OfShelf,
    metrics: OfMetrics,
    q: Question,
    filters: WantedAnswer,
    banks: MaxBanks = None,
    points: MaxPoints = MAX_POINTS,
    write: Write = False,
) -> AnswerResponse:
    """The best quotes for a question, bank by bank, each with its citation."""
    with shelf.borrow() as library:
        writer = open_writer(library.settings) if write else None
        answer = ask_library(library, q, filters, banks, points)
        book = library.catalogue.book
    metrics.asked(answer)
    written = writer.write(answer, book) if writer else None  # may take a minute: the library is given back before
    return AnswerResponse.model_validate(answer_json(answer, written))


@router.get("/v1/documents", tags=["corpus"], responses=answers(DocumentList, *INDEX_ERRORS, asks=False))
def documents(shelf: OfShelf) -> DocumentList:
    """The reports in the index, and the files that could not be read."""
    with shelf.borrow() as library:
        return DocumentList(
            generation=library.generation,
            documents=describe_documents(library.store, library.store.documents()),
            failures=[describe_failure(failure) for failure in library.store.failures()],
        )


@router.get("/v1/documents/{id}", tags=["corpus"], responses=answers(DocumentDetail, NotFound, *INDEX_ERRORS))
def document(shelf: OfShelf, id: DocumentId) -> DocumentDetail:
    """A report, live or superseded."""
    with shelf.borrow() as library:
        return describe_documents(library.store, [library.store.document(id)])[0]


@router.get(
    "/v1/documents/{id}/tables",
    tags=["corpus"],
    response_model=TableList,
    responses=or_csv(answers(TableList, NotFound, *INDEX_ERRORS)),
)
def tables(shelf: OfShelf, id: DocumentId, format: TableFormat = "json") -> TableList | Response:
    """The tables of a report; as CSV a line for each of their rows, with where its table stands."""
    with shelf.borrow() as library:
        about, found = library.store.document(id), library.store.tables(id)
    if format == "csv":
        out = StringIO(newline="")
        write_long([(about, table) for table in found], out)
        return csv_response(out.getvalue(), f"{FilePath(about.file).stem}-tables.csv")
    return TableList.model_validate({"doc": document_json(about), "tables": [table_json(table) for table in found]})


@router.get(
    "/v1/documents/{id}/tables/{number}",
    tags=["corpus"],
    response_model=TableDetail,
    responses=or_csv(answers(TableDetail, NotFound, *INDEX_ERRORS)),
)
def table(shelf: OfShelf, id: DocumentId, number: TableNumber, format: TableFormat = "json") -> TableDetail | Response:
    """One table of a report; as CSV its header and its rows alone."""
    with shelf.borrow() as library:
        about, found = library.store.document(id), library.store.tables(id)
    wanted = next((table for table in found if table.number == number), None)
    if wanted is None:
        raise NotFound(f"no table {number} in {about.file}; it has {len(found)} tables")
    if format == "csv":
        return csv_response(table_csv(wanted), file_names([(about, wanted)])[0])
    return TableDetail.model_validate(table_json(wanted))


def csv_response(text: str, name: str) -> Response:
    """CSV as a file to be saved under a name, which may be Chinese."""
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
    return Response(text.encode(ENCODING), headers=headers, media_type="text/csv")


@router.get("/v1/passages/{id}", tags=["corpus"], responses=answers(PassageDetail, NotFound, *INDEX_ERRORS))
def passage(shelf: OfShelf, id: PassageId) -> PassageDetail:
    """A passage with its places, neighbours and figures, and what its tags come from.

    Its id stays valid when the report is replaced; `successor` is then what the new version has in its place.
    """
    with shelf.borrow() as library:
        stored = library.store.passage(id)
        figures, later = library.store.figures([stored.row]), successor(library.store, stored)
        order = [other.passage.id for other in library.store.passages_of(stored.document.id)]
    at = order.index(id)
    return PassageDetail.model_validate(
        {
            **detail_json(stored, figures, later),
            "before": order[at - 1] if at else None,
            "after": order[at + 1] if at + 1 < len(order) else None,
        }
    )


@router.get("/v1/figures", tags=["corpus"], responses=answers(FigureList, UnknownName, NothingMatches, *INDEX_ERRORS))
def figures(
    shelf: OfShelf,
    filters: WantedFigures,
    name: FigureName = "",
    unit: Unit = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> FigureList:
    """Figures that the reports state, with date, comparison and the sentence that states them."""
    with shelf.borrow() as library:
        found = library.catalogue.figures(filters, name, unit, limit, offset)
    shown = [figure_json(figure) for figure in found.items]
    return FigureList.model_validate({"total": found.total, "figures": shown})


@router.get("/v1/cases", tags=["corpus"], responses=answers(CaseList, UnknownName, NothingMatches, *INDEX_ERRORS))
def cases(shelf: OfShelf, filters: WantedCases, limit: Limit = 50, offset: Offset = 0) -> CaseList:
    """Cases: what one bank did, in parts, with figures and pages."""
    with shelf.borrow() as library:
        found = library.catalogue.cases(filters, limit, offset)
    return CaseList.model_validate({"total": found.total, "cases": [case_json(case) for case in found.items]})


@router.get("/v1/cases/{id}", tags=["corpus"], responses=answers(CaseDetail, NotFound, *INDEX_ERRORS))
def case(shelf: OfShelf, id: CaseId) -> CaseDetail:
    """One case, also of a replaced report."""
    with shelf.borrow() as library:
        return CaseDetail.model_validate(case_json(library.store.case(id)))


@router.get("/v1/taxonomy", tags=["corpus"], responses=answers(TaxonomyResponse, *INDEX_ERRORS, asks=False))
def taxonomy(shelf: OfShelf) -> TaxonomyResponse:
    """The dimensions and topics that filters take, with their names."""
    with shelf.borrow() as library:
        known = library.catalogue.taxonomy
    return TaxonomyResponse(
        dimensions=[Dimension(id=side.id, description=side.description) for side in known.dimensions],
        topics=[Topic(id=topic.id, label=topic.label, dimension=topic.dimension) for topic in known.topics],
    )


@router.get("/healthz", tags=["service"], responses=answers(Health, asks=False))
def healthz() -> Health:
    """Whether the process is alive."""
    return Health(status="ok", version=__version__)


@router.get(READINESS, tags=["service"], responses=answers(Readiness, *INDEX_ERRORS, asks=False, status=503))
def readyz(shelf: OfShelf) -> Readiness:
    """Whether there is an index, and it opens."""
    with shelf.borrow() as library:
        return Readiness(status="ready", generation=library.generation)


def describe_documents(store: Store, found: Sequence[Document]) -> list[DocumentDetail]:
    """Documents with what became of their pages. Where they lie on the server stays there."""
    counts, problems = store.count_passages(), store.problem_pages()
    return [
        DocumentDetail(
            **document_json(document),
            kind=document.kind,
            page_count=document.page_count,
            unit=document.unit,
            reader=document.reader,
            status=document.status,
            passages=counts[document.id] if document.id in counts else len(store.passages_of(document.id)),
            problem_pages=[PageProblem(page=page, reason=why) for of, page, why in problems if of == document.id],
        )
        for document in found
    ]


def describe_failure(failure: Failure) -> FileFailure:
    """A file that could not be read, by its name; the folder is left out of the reason too."""
    name = FilePath(failure.path).name
    return FileFailure(file=name, reason=failure.reason.replace(failure.path, name))
