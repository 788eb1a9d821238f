"""The endpoints of sessions, which the page begins with a key, and of keys, for admins."""

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.guard import COOKIE, Door
from api.problems import KeyMissing, documented
from api.routes import answers, refuse_unknown
from api.schemas import Record, example_of
from kb.errors import IndexBusy, IndexDamaged, NotFound
from kb.keys import Key, Role

router = APIRouter(tags=["keys"])

RING_ERRORS = (IndexBusy, IndexDamaged)

KeyId = Annotated[str, Path(max_length=64, description="Id or name of a key.", examples=["5cdffc4d"])]


class GivenKey(BaseModel):
    """A key, as kb key add showed it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"key": "kb_5cdffc4d_…"}})

    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="The key.", examples=["kb_5cdffc4d_…"]
    )


class Caller(Record):
    """Who asks."""

    asks: bool = Field(description="Whether this server asks for keys.", examples=[True])
    name: str = Field(description="Name of the key; empty where none is asked for.", examples=["research desk"])
    role: str = Field(description="read, write or admin; empty where no key is asked for.", examples=["read"])


class KeyEntry(Record):
    """A key without its secret."""

    id: str = Field(description="Id of the key, which it begins with.", examples=["5cdffc4d"])
    name: str = Field(description="Whose it is.", examples=["research desk"])
    role: Role = Field(description="What it may do.", examples=["read"])
    created: str = Field(description="When it was made, in UTC.", examples=["2024-05-06T07:08:09Z"])
    used: str = Field(description="The day of its last use; empty before the first.", examples=["2024-06-01"])
    revoked: str = Field(description="When it was revoked; empty while it holds.", examples=[""])


class KeyList(Record):
    """All keys."""

    keys: list[KeyEntry] = Field(description="The oldest first.", examples=[[example_of(KeyEntry)]])


def door_of(request: Request) -> Door:
    """The door of the application."""
    refuse_unknown(request, ())
    door: Door = request.app.state.door
    return door


OfDoor = Annotated[Door, Depends(door_of)]


@router.post("/v1/session", responses=answers(Caller, KeyMissing, *RING_ERRORS))
def begin_session(door: OfDoor, request: Request, response: Response, given: Annotated[GivenKey, Body()]) -> Caller:
    """Begin a session with a key: its cookie stands for the key for twelve hours, or until the key is revoked."""
    key = door.check(request, given.key)
    secure = request.url.scheme == "https"
    session = door.ring.begin_session(key)
    response.set_cookie(COOKIE, session, path="/", secure=secure, httponly=True, samesite="strict")
    return Caller(asks=True, name=key.name, role=key.role.value)


@router.get("/v1/session", responses=answers(Caller, *RING_ERRORS))
def session(door: OfDoor, request: Request) -> Caller:
    """Whose key or session this is."""
    return Caller(asks=door.asks(), name=request.state.caller, role=request.state.role)


@router.delete("/v1/session", status_code=204, responses=documented(*RING_ERRORS, asks=True))
def end_session(door: OfDoor, request: Request) -> Response:
    """End the session of the cookie."""
    door.ring.end_session(request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict")
    return response


@router.get("/v1/keys", responses=answers(KeyList, *RING_ERRORS))
def keys(door: OfDoor) -> KeyList:
    """The keys that there are. New ones are made on the server, with kb key add."""
    return KeyList(keys=[describe(key) for key in door.ring.all()])


@router.delete("/v1/keys/{id}", responses=answers(KeyEntry, NotFound, *RING_ERRORS))
def revoke_key(door: OfDoor, id: KeyId) -> KeyEntry:
    """Revoke a key, from the next request on."""
    return describe(door.ring.revoke(id))


def describe(key: Key) -> KeyEntry:
    """A key as its record."""
    return KeyEntry(id=key.id, name=key.name, role=key.role, created=key.created, used=key.used, revoked=key.revoked)
