"""The endpoints that show where a passage stands: the picture of its page, and the permanent link to it."""

from typing import Annotated, Any
from urllib.parse import quote as quoted

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.problems import documented
from api.routes import INDEX_ERRORS, DocumentId, OfShelf, PassageId, refuse_unknown
from kb.errors import (
    BadInput,
    FileChanged,
    KbError,
    NoPicture,
    NotFound,
    PicturesBusy,
    QuoteNotFound,
    UnknownName,
    UnreadableFile,
    WrongPassword,
)
from kb.picture import LEAST_SCALE, MOST_SCALE, SCALE, Pictures, view_page

router = APIRouter()

PARAMETERS = ("passage", "quote", "scale")

PageNumber = Annotated[int, Path(ge=1, le=10**6, description="Page of the file, from 1.", examples=[3])]
MarkedPassage = Annotated[
    str,
    Query(
        max_length=200,
        description="Id of a passage whose lines on this page are to be marked.",
        examples=["4e2e63fdcf100995"],
    ),
]
MarkedQuote = Annotated[
    str,
    Query(
        max_length=2000,
        description="Words of that passage, verbatim, which are to be marked more strongly.",
        examples=["六成银行在全员中开展数字化培训"],
    ),
]
Scale = Annotated[
    float, Query(ge=LEAST_SCALE, le=MOST_SCALE, description="Pixels a point; 1 is 72 dpi.", examples=[1.5])
]
Known = Annotated[
    str,
    Header(alias="If-None-Match", max_length=2000, description="ETags of pictures at hand.", examples=['"5f0c…"']),
]


def pictures_of(request: Request) -> Pictures:
    """The drawer of the application."""
    pictures: Pictures = request.app.state.pictures
    return pictures


def png(*kinds: type[KbError]) -> dict[int | str, dict[str, Any]]:
    """What the picture's endpoint answers with, for OpenAPI."""
    found = documented(*kinds, asks=True)
    schema = {"type": "string", "contentMediaType": "image/png"}
    found[200] = {"description": "The picture.", "content": {"image/png": {"schema": schema}}}
    found[304] = {"description": "The picture is that of the ETag in If-None-Match."}
    return found


PROBLEMS = (NotFound, NoPicture, UnreadableFile, BadInput, UnknownName, FileChanged, QuoteNotFound, WrongPassword)


@router.head("/v1/documents/{id}/pages/{number}.png", include_in_schema=False)
@router.get(
    "/v1/documents/{id}/pages/{number}.png",
    tags=["corpus"],
    response_class=Response,
    responses=png(*PROBLEMS, PicturesBusy, *INDEX_ERRORS),
)
def page_picture(
    shelf: OfShelf,
    pictures: Annotated[Pictures, Depends(pictures_of)],
    request: Request,
    id: DocumentId,
    number: PageNumber,
    passage: MarkedPassage = "",
    quote: MarkedQuote = "",
    scale: Scale = SCALE,
    known: Known = "",
) -> Response:
    """A page of a report as a PNG picture, with the lines of a passage marked where one is named.

    It is drawn from the report's file, which must still be the one that was read.
    """
    refuse_unknown(request, PARAMETERS)
    with shelf.borrow() as library:
        store = library.store
        stored = store.passage(passage) if passage else None
        view = view_page(store, store.document(id), number, scale, stored, quote)
    headers = {"ETag": f'"{view.key}"'}
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    return Response(pictures.picture(view), headers=headers, media_type="image/png")


@router.get(
    "/p/{id}",
    tags=["corpus"],
    response_class=RedirectResponse,
    status_code=307,
    responses={
        **documented(NotFound, *INDEX_ERRORS, asks=True),
        307: {"description": "To the page that shows the passage where it stands."},
    },
)
def permanent_link(shelf: OfShelf, id: PassageId) -> RedirectResponse:
    """The permanent link of a passage: it leads to its place, also when its report has been replaced."""
    with shelf.borrow() as library:
        found = library.store.passage(id).passage.id
    return RedirectResponse(f"/?passage={quoted(found)}")
