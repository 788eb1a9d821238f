"""The endpoint that takes reports: a form whose file is read no further than it may be large, and becomes a job."""

from collections.abc import Callable, Coroutine
from errno import ENOSPC
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from api.jobs import AskingRoute, Caller, OfRunner, accepted, no_parameters, told_of
from api.jobs_schemas import JobDetail
from kb.errors import BadInput, DiskFull, UnknownName, UploadTooLarge, WrongType
from kb.jobs.uploads import submit, too_large
from kb.settings import Settings

FIELDS = ("title", "publisher", "year", "kind", "author", "place", "url")
FIELDS_BYTES = 1 << 16
"""What a form may have beside its file."""

Words = Annotated[str | None, Form(max_length=200)]


async def known_fields(request: Request) -> None:
    """Raise UnknownName for a field of the form that there is not, BadInput for one given twice."""
    no_parameters(request)
    names = [name for name, _ in (await request.form()).multi_items()]
    known = ("file", *FIELDS)
    if unknown := next((name for name in names if name not in known), None):
        raise UnknownName(f"unknown field {unknown[:50]!r}; there are {', '.join(known)}")
    if twice := next((name for name in known if names.count(name) > 1), None):
        raise BadInput(f"{twice} was given {names.count(twice)} times; one report is taken at a time")


class UploadRoute(AskingRoute):
    """A route whose body is read no further than uploads may be large."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with the body counted as it comes."""
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            settings: Settings = request.app.state.settings
            body = Counted(request.receive, (settings.upload_mb << 20) + FIELDS_BYTES)
            told = request.headers.get("content-length", "")
            if told.isdecimal() and int(told) > body.most:
                raise too_large(settings.upload_mb)
            try:
                return await handle(Request(request.scope, body.receive))
            except HTTPException as error:
                if body.over:
                    raise too_large(settings.upload_mb) from error
                if isinstance(error.__cause__, OSError) and error.__cause__.errno == ENOSPC:
                    raise DiskFull("the server has no room for the file; try again later") from error
                if error.status_code == 400:
                    raise BadInput(f"the form cannot be read: {error.detail}; send multipart/form-data") from error
                raise

        return limited


class Counted:
    """A body that breaks off where it is larger than `most` bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.most = most
        self.over = False
        self._receive = receive
        self._size = 0

    async def receive(self) -> Message:
        """The next piece. Raises ValueError where they are too many."""
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > self.most:
            self.over = True
            raise ValueError("too large")
        return message


router = APIRouter(route_class=UploadRoute)


@router.post(
    "/v1/documents",
    tags=["jobs"],
    status_code=202,
    responses=accepted(BadInput, UploadTooLarge, WrongType),
    dependencies=[Depends(known_fields)],
)
def upload(
    request: Request,
    response: Response,
    runner: OfRunner,
    caller: Caller,
    file: Annotated[UploadFile, File(description="A PDF, Word (.docx), text or Markdown file; its content counts.")],
    title: Annotated[Words, Form(description="Title of the report; found in it unless given.")] = None,
    publisher: Annotated[Words, Form(description="Who published it.")] = None,
    year: Annotated[int | None, Form(ge=1900, le=2100, description="Year of the report.")] = None,
    kind: Annotated[Literal["年报", "季报", "白皮书", "研究报告", "其他"] | None, Form(description="Its kind.")] = None,
    author: Annotated[Words, Form(description="Who wrote it, for citations.")] = None,
    place: Annotated[Words, Form(description="Where it was published, for citations.")] = None,
    url: Annotated[str | None, Form(max_length=1000, description="Where it can be read, for citations.")] = None,
) -> JobDetail:
    """Bring a report into the index: the answer is a job, and the report is found once that is done.

    A file of a name that was uploaded before replaces that report; one whose content is there already changes nothing.
    """
    settings: Settings = request.app.state.settings
    given = dict(zip(FIELDS, (title, publisher, year, kind, author, place, url), strict=True))
    known: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    return told_of(runner, response, submit(runner.queue, settings, file.file, file.filename or "", known, caller))
