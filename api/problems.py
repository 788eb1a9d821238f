"""Every error as problem+json (RFC 9457): those of kb, wrong requests, unknown addresses, and the unexpected."""

import logging
import re
import sqlite3
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from kb import errors
from kb.errors import KbError

MEDIA_TYPE = "application/problem+json"
URN = "urn:kb:problem:"
INVALID_REQUEST = URN + "invalid-request"
INTERNAL_ERROR = URN + "internal-error"


class Refusal(KbError):
    """A request that is turned away before it is worked on."""

    def __init__(self, detail: str, **headers: str) -> None:
        """`headers` go onto the answer, with - for _."""
        super().__init__(detail)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class KeyMissing(Refusal):
    """No key was given, or none that holds."""


class NotAllowed(Refusal):
    """The role of the key does not include this."""


class ForeignHost(Refusal):
    """Without keys the server answers this machine alone, and the request named another host or came by a proxy."""


class CrossSite(Refusal):
    """A page of another site sent this; only pages of this server may change something."""


class BodyTooLarge(Refusal):
    """The request carries more than the server takes."""


class AddressTooLong(Refusal):
    """The address with its parameters is longer than the server takes."""


class TooManyRequests(Refusal):
    """So many requests in a minute are not answered; Retry-After says when to come back."""


class Overloaded(Refusal):
    """More requests than the server takes wait to be worked on; Retry-After says when to come back."""


class TimedOut(Refusal):
    """The answer took longer than the server allows."""


STATUS: Mapping[type[KbError], int] = {
    KeyMissing: 401,
    NotAllowed: 403,
    ForeignHost: 403,
    CrossSite: 403,
    BodyTooLarge: 413,
    AddressTooLong: 414,
    TooManyRequests: 429,
    Overloaded: 503,
    TimedOut: 503,
    errors.BadQuery: 422,
    errors.BadInput: 422,
    errors.BadSettings: 503,
    errors.UnknownName: 422,
    errors.NothingMatches: 404,
    errors.NotFound: 404,
    errors.IndexMissing: 409,
    errors.IndexDamaged: 409,
    errors.DiskFull: 507,
    errors.IndexBusy: 503,
    errors.ModelMismatch: 409,
    errors.ModelUnavailable: 503,
    errors.NoPicture: 404,
    errors.UnreadableFile: 404,
    errors.WrongPassword: 503,
    errors.FileChanged: 409,
    errors.QuoteNotFound: 409,
    errors.PicturesBusy: 503,
    errors.UploadTooLarge: 413,
    errors.WrongType: 415,
    errors.QueueFull: 503,
    errors.Superseded: 409,
    errors.JobEnded: 409,
}
"""What the classes of kb's errors are in HTTP; any other is a fault of ours, 500."""


class FieldProblem(BaseModel):
    """What is wrong with one parameter."""

    name: str = Field(description="The parameter.", examples=["top"])
    reason: str = Field(description="What is wrong with it.", examples=["Input should be less than or equal to 100"])


class Problem(BaseModel):
    """An error as RFC 9457 has it. Tell errors apart by `type`, which is stable; `detail` is for people."""

    type: str = Field(description="A stable name for the kind of error.", examples=[URN + "not-found"])
    title: str = Field(description="The kind of error in words.", examples=["Not found"])
    status: int = Field(description="The HTTP status again.", examples=[404])
    detail: str = Field(
        description="What is wrong here, with the value that was given and the way out.",
        examples=["no passage '0000000000000000' in this index"],
    )
    instance: str = Field(description="The address asked for.", examples=["/v1/passages/0000000000000000"])
    errors: list[FieldProblem] | None = Field(
        default=None, description="One entry a parameter, in invalid requests only."
    )


ShowProblem = Callable[[Request, Problem, Mapping[str, str] | None], Response | None]
"""Makes a view of a problem, or None where a program asks; the application's state has it as `show_problem`."""


def problem_type(kind: type[KbError]) -> str:
    """The URN of an error class: urn:kb:problem:not-found for NotFound."""
    return URN + "-".join(words_of(kind))


def problem_title(kind: type[KbError]) -> str:
    """An error class in words: "Not found" for NotFound."""
    return " ".join(words_of(kind)).capitalize()


def words_of(kind: type[KbError]) -> list[str]:
    """The words in a class name, in small letters."""
    return [word.lower() for word in re.findall(r"[A-Z][a-z]*", kind.__name__)]


READINESS = "/readyz"
"""Here every error means 503: balancers ask it whether to send requests."""

NOT_READY = "the index cannot be used now; kb status on the server says why"

KEPT_INSIDE: Mapping[type[KbError], str] = {
    errors.IndexMissing: "no index is there yet; bring reports in, by an upload or with kb ingest on the server",
    errors.IndexDamaged: "the index, or a file beside it, cannot be used; the server's log says why",
    errors.IndexBusy: "the index is being written to; try again in a moment",
    errors.DiskFull: "the server has no room left, and stored nothing of this; its log says where",
    errors.ModelMismatch: "the index was made with another model than the server's; its log says what to do",
    errors.ModelUnavailable: "a model of the server cannot be loaded; its log says why",
    errors.BadSettings: "a file that the server's settings name cannot be used; its log says why",
}
"""What is told of errors of the server itself: their own messages name paths, processes and accounts of the machine,
and go to its log."""


def problem_status(error: KbError) -> int:
    """The HTTP status of an error: that of the nearest of its classes which has one."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def respond(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as response, with the address asked for: as a view where a browser asks for one, else as JSON."""
    found = problem.model_copy(update={"instance": request.url.path})
    show: ShowProblem = request.app.state.show_problem
    shown = show(request, found, headers)
    return shown or JSONResponse(found.model_dump(exclude_none=True), found.status, headers, MEDIA_TYPE)


def on_kb_error(request: Request, error: Exception) -> Response:
    """What kb reports to its user."""
    assert isinstance(error, KbError)
    kind, status = type(error), problem_status(error)
    detail = next((KEPT_INSIDE[each] for each in kind.__mro__ if each in KEPT_INSIDE), str(error))
    if request.scope["path"] == READINESS and not isinstance(error, Refusal):
        status, detail = 503, NOT_READY
    if detail != str(error):
        logging.getLogger(__name__).warning("%s: %s", kind.__name__, error)
    found = Problem(type=problem_type(kind), title=problem_title(kind), status=status, detail=detail, instance="")
    return respond(request, found, error.headers if isinstance(error, Refusal) else None)


def on_database_error(request: Request, error: Exception) -> Response:
    """A store that turns out to be damaged while it is read."""
    return on_kb_error(request, errors.IndexDamaged(f"{error}; ingest the reports into a new folder"))


def on_invalid_request(request: Request, error: Exception) -> Response:
    """Parameters that are missing, of another type, or out of range. The values given are not repeated: they may be
    of any length."""
    assert isinstance(error, RequestValidationError)
    wrong = [FieldProblem(name=parameter(entry["loc"]), reason=entry["msg"]) for entry in error.errors()]
    detail = "; ".join(f"{field.name}: {field.reason}" for field in wrong[:5])
    found = Problem(
        type=INVALID_REQUEST, title="Invalid request", status=422, detail=detail, instance="", errors=wrong[:20]
    )
    return respond(request, found)


def parameter(place: tuple[str | int, ...]) -> str:
    """The name of a parameter: ("query", "year", 0) is year."""
    return str(place[1] if len(place) > 1 else place[0])


def on_http_error(request: Request, error: Exception) -> Response:
    """An address or a method that there is not, and a body that is no text or no form at all."""
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        return on_invalid_request(request, RequestValidationError([{"loc": ("body",), "msg": error.detail}]))
    phrase = HTTPStatus(error.status_code).phrase
    detail = {
        404: "there is nothing at this address; /docs lists the ones that there are",
        405: f"{request.method} is not for this address",
    }.get(error.status_code, str(error.detail))
    found = Problem(type="about:blank", title=phrase, status=error.status_code, detail=detail, instance="")
    return respond(request, found, error.headers)


def on_unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours. What it was goes to the server's log, not to the client."""
    detail = "the server failed at this request; its log says why"
    found = Problem(type=INTERNAL_ERROR, title="Internal error", status=500, detail=detail, instance="")
    return respond(request, found)


def add_problem_handlers(app: FastAPI) -> None:
    """Let an application answer every error with a problem."""
    app.add_exception_handler(KbError, on_kb_error)
    app.add_exception_handler(sqlite3.DatabaseError, on_database_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_unexpected)


def documented(*kinds: type[KbError], asks: bool = False, status: int = 0) -> dict[int | str, dict[str, Any]]:
    """The problems of an endpoint for OpenAPI: those of the errors named, the unexpected one, and if it asks for
    parameters, the invalid request. `status` stands for that of each error, where it is given."""
    names: dict[int, dict[str, str]] = {}
    for kind in kinds:
        names.setdefault(status or STATUS[kind], {})[problem_type(kind)] = (kind.__doc__ or "").strip()
    if asks:
        names.setdefault(422, {})[INVALID_REQUEST] = "A parameter is missing, of another type, or out of range."
    names[500] = {INTERNAL_ERROR: "A fault of the server."}
    return {status: problem_response(status, found) for status, found in sorted(names.items())}


def add_problems(operation: dict[str, Any], *kinds: type[KbError]) -> None:
    """Add problems to an operation of an OpenAPI document, beside those that it has for the same status."""
    for status, told in documented(*kinds).items():
        held = operation["responses"].setdefault(str(status), told)
        if held is not told:
            held["content"][MEDIA_TYPE]["examples"] |= told["content"][MEDIA_TYPE]["examples"]
            names = list(held["content"][MEDIA_TYPE]["examples"])
            held["description"] = f"{HTTPStatus(int(status)).phrase}: " + ", ".join(names)


def problem_response(status: int, kinds: Mapping[str, str]) -> dict[str, Any]:
    """One status in OpenAPI, with an example for each kind of problem."""
    return {
        "description": f"{HTTPStatus(status).phrase}: " + ", ".join(name.removeprefix(URN) for name in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {name.removeprefix(URN): example(name, status, text) for name, text in kinds.items()},
            }
        },
    }


def example(kind: str, status: int, text: str) -> dict[str, Any]:
    """An example of a problem; its summary says when it occurs."""
    title = kind.removeprefix(URN).replace("-", " ").capitalize()
    value = Problem(type=kind, title=title, status=status, detail="…", instance="/v1/…")
    return {"summary": text, "value": value.model_dump(exclude_none=True)}


def problem_schemas() -> dict[str, Any]:
    """The schemas that the documented responses refer to."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}
