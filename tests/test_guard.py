"""Who may do what over the API: roles, sessions, hosts, other sites, limits; and what is written down of it."""

import asyncio
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient
from httpx2 import Response as Answer
from playwright.sync_api import expect, sync_playwright
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from api import limits, logs
from api.app import HEADERS, create_app
from api.guard import COOKIE, GUESSES, Rates, network, role_needed
from api.limits import Limits
from api.logs import Aside, JsonLines, TextLines
from api.problems import TimedOut, TooManyRequests, problem_type
from api.schemas import QUESTION
from kb import errors
from kb.audit import AUDIT_FILE
from kb.cli.service import LogFormat, check_keys, logging_config
from kb.errors import BadInput
from kb.keys import KEYS_FILE, KeyRing, Role
from kb.settings import Settings
from tests.conftest import CACHE, ROOT, run_kb
from tests.test_page import CHROMIUM, FLAGS, serving

NEEDED: dict[tuple[str, str], Role | None] = {
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/p/{id}"): None,
    ("POST", "/v1/session"): None,
    ("DELETE", "/v1/session"): None,
    ("GET", "/v1/session"): Role.READ,
    ("GET", "/metrics"): Role.READ,
    ("GET", "/v1/search"): Role.READ,
    ("GET", "/v1/ask"): Role.READ,
    ("GET", "/v1/matrix"): Role.READ,
    ("GET", "/v1/compare"): Role.READ,
    ("GET", "/v1/documents"): Role.READ,
    ("GET", "/v1/documents/{id}"): Role.READ,
    ("GET", "/v1/documents/{id}/tables"): Role.READ,
    ("GET", "/v1/documents/{id}/tables/{number}"): Role.READ,
    ("GET", "/v1/documents/{id}/pages/{number}.png"): Role.READ,
    ("GET", "/v1/passages"): Role.READ,
    ("GET", "/v1/banks"): Role.READ,
    ("GET", "/v1/banks/{name}"): Role.READ,
    ("GET", "/v1/passages/{id}"): Role.READ,
    ("GET", "/v1/figures"): Role.READ,
    ("GET", "/v1/cases"): Role.READ,
    ("GET", "/v1/cases/{id}"): Role.READ,
    ("GET", "/v1/taxonomy"): Role.READ,
    ("GET", "/v1/jobs"): Role.READ,
    ("GET", "/v1/jobs/{id}"): Role.READ,
    ("GET", "/v1/jobs/{id}/events"): Role.READ,
    ("GET", "/v1/jobs/events"): Role.READ,
    ("POST", "/v1/quotes"): Role.READ,
    ("POST", "/v1/documents"): Role.WRITE,
    ("POST", "/v1/documents/{id}/reindex"): Role.WRITE,
    ("DELETE", "/v1/documents/{id}"): Role.WRITE,
    ("PUT", "/v1/passages/{id}/tags"): Role.WRITE,
    ("DELETE", "/v1/passages/{id}/tags"): Role.WRITE,
    ("DELETE", "/v1/jobs/{id}"): Role.WRITE,
    ("GET", "/v1/keys"): Role.ADMIN,
    ("DELETE", "/v1/keys/{id}"): Role.ADMIN,
}
"""Every operation there is; a new one has to be entered here with the role that it is meant to need."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an index that is not there: guards stand before it."""
    return Settings(index=tmp_path / "index", cache=CACHE)


@pytest.fixture
def secrets(settings: Settings) -> dict[Role, str]:
    """A key for each role, by which the index has keys."""
    return {role: KeyRing(settings.index).add(f"{role} desk", role)[1] for role in Role}


def bearer(secret: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {secret}"}


def kind(answer: Answer) -> str:
    """The kind of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["type"]).removeprefix("urn:kb:problem:")


def client_of(settings: Settings, **more: Any) -> TestClient:
    """A client of a fresh application, without its jobs."""
    return TestClient(create_app(settings), **more)


# roles


def operations() -> set[tuple[str, str]]:
    """Method and template of every operation in the OpenAPI document."""
    document = create_app(Settings(cache=CACHE)).openapi()
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def test_every_operation_is_in_the_matrix() -> None:
    assert operations() == set(NEEDED)


@pytest.mark.parametrize("caller", [None, *Role], ids=str)
def test_every_operation_lets_in_its_roles_and_nobody_else(
    settings: Settings, secrets: dict[Role, str], caller: Role | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_SECONDS", 0.02)  # that of all jobs ends by nothing else
    client = client_of(settings, follow_redirects=False)
    headers = bearer(secrets[caller]) if caller else {}
    for (method, template), needed in NEEDED.items():
        path = template.replace("{id}", "0000").replace("{number}", "1")
        answer = client.request(method, path, headers=headers)
        if needed is None or (caller and caller.includes(needed)):
            assert answer.status_code not in (401, 403) or path == "/v1/session", (method, path, answer.text)
        elif caller is None:
            assert (answer.status_code, kind(answer)) == (401, "key-missing"), (method, path)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        else:
            assert (answer.status_code, kind(answer)) == (403, "not-allowed"), (method, path)


def test_the_openapi_document_tells_who_may() -> None:
    document = create_app(Settings(cache=CACHE)).openapi()
    assert set(document["components"]["securitySchemes"]) == {"key", "session"}
    for (method, path), needed in NEEDED.items():
        operation = document["paths"][path][method.lower()]
        assert operation.get("x-role") == (needed.value if needed else None), (method, path)
        assert ("security" in operation) == (needed is not None)
        refusals = {"403", "413", "414", "429"} | ({"401"} if needed else set())
        assert refusals <= set(operation["responses"]), (method, path)


def test_a_new_route_is_guarded_without_being_told(settings: Settings, secrets: dict[Role, str]) -> None:
    app = create_app(settings)
    app.get("/v1/new")(lambda: {})
    app.post("/new")(lambda: {})
    client = TestClient(app)
    assert client.get("/v1/new").status_code == client.post("/new").status_code == 401
    read = bearer(secrets[Role.READ])
    assert (client.get("/v1/new", headers=read).status_code, client.post("/new", headers=read).status_code) == (
        200,
        403,
    )


@pytest.mark.parametrize("path", ["//v1/search", "/v1/../v1/keys", "/V1/search", "/static", "/pp", "/v1/session/", "*"])
def test_addresses_that_are_written_otherwise_are_not_open(path: str) -> None:
    assert role_needed("GET", path) is not None and role_needed("POST", path) is not None


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/static/page.js", "/healthz", "/p/0000"])
def test_what_shows_no_report_is_open(settings: Settings, secrets: dict[Role, str], path: str) -> None:
    answer = client_of(settings, follow_redirects=False).get(path)
    assert answer.status_code in (200, 307) or kind(answer) == "index-missing"


@pytest.mark.parametrize(
    "path", ["/", "/?q=x", "/excerpts?q=x", "/evidence/0", "/banks", "/banks/x", "/grid", "/cases", "/library"]
)
def test_views_need_a_key_and_show_the_form_that_takes_one(
    settings: Settings, secrets: dict[Role, str], path: str
) -> None:
    client = client_of(settings)
    answer = client.get(path)
    assert (answer.status_code, kind(answer)) == (401, "key-missing")
    shown = client.get(path, headers={"Accept": "text/html"})
    assert shown.status_code == 401 and shown.headers["www-authenticate"].startswith("Bearer")
    assert 'id="key"' in shown.text and 'type="password"' in shown.text
    assert client.get(path, headers=bearer(secrets[Role.READ])).status_code != 401


def test_web_sockets_are_closed(settings: Settings) -> None:
    with pytest.raises(WebSocketDisconnect), client_of(settings).websocket_connect("/v1/search"):
        pass


def test_routes_are_told_who_asks(settings: Settings, secrets: dict[Role, str]) -> None:
    client = client_of(settings)
    told = client.get("/v1/session", headers=bearer(secrets[Role.WRITE])).json()
    assert told == {"asks": True, "name": "write desk", "role": "write"}


# keys


def test_a_revoked_key_stops_at_the_next_request(settings: Settings, secrets: dict[Role, str]) -> None:
    client, read = client_of(settings), bearer(secrets[Role.READ])
    assert client.get("/v1/session", headers=read).status_code == 200
    answer = client.delete("/v1/keys/read desk", headers=bearer(secrets[Role.ADMIN]))
    assert answer.status_code == 200 and answer.json()["revoked"]
    refused = client.get("/v1/session", headers=read)
    assert refused.status_code == 401 and "invalid_token" in refused.headers["www-authenticate"]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer ", "Basic a2I6a2I=", "Bearer kb_x", "bearer é", "Bearer a b"])
def test_what_is_no_key_is_refused(settings: Settings, secrets: dict[Role, str], given: str) -> None:
    headers = {"Authorization": given.encode()}
    assert client_of(settings).get("/v1/keys", headers=headers).status_code == 401


def test_guessing_is_slowed_and_good_keys_from_there_still_pass(settings: Settings, secrets: dict[Role, str]) -> None:
    app = create_app(settings)
    client = TestClient(app)
    guess = bearer("kb_00000000_" + "0" * 64)
    assert {client.get("/v1/session", headers=guess).status_code for _ in range(GUESSES)} == {401}
    slowed = client.get("/v1/session", headers=guess)
    assert (slowed.status_code, kind(slowed)) == (429, "too-many-requests")
    assert 1 <= int(slowed.headers["retry-after"]) <= 120
    assert client.post("/v1/session", json={"key": "kb_00000000_" + "0" * 64}).status_code == 429
    assert client.get("/v1/session", headers=bearer(secrets[Role.READ])).status_code == 200
    elsewhere = TestClient(app, client=("10.1.1.1", 5))
    assert elsewhere.get("/v1/session", headers=guess).status_code == 401


def test_keys_made_while_serving_are_asked_for_and_stay_so(settings: Settings) -> None:
    client = client_of(settings)
    assert client.get("/v1/session").json() == {"asks": False, "name": "", "role": ""}
    KeyRing(settings.index).add("desk", Role.READ)
    assert client.get("/v1/session").status_code == 401
    (settings.index / KEYS_FILE).unlink()
    assert client.get("/v1/session").status_code == 401


def test_a_broken_file_of_keys_opens_nothing(settings: Settings, secrets: dict[Role, str]) -> None:
    (settings.index / KEYS_FILE).write_bytes(b"no database at all, but long enough to be one" * 100)
    answer = client_of(settings).get("/v1/session", headers=bearer(secrets[Role.ADMIN]))
    assert kind(answer) == "index-damaged"


@pytest.mark.parametrize(
    "told",
    [
        errors.IndexMissing, errors.IndexDamaged, errors.IndexBusy, errors.DiskFull, errors.ModelMismatch,
        errors.ModelUnavailable, errors.BadSettings, sqlite3.DatabaseError,
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_server_is_told_in_its_log_alone(
    settings: Settings, caplog: pytest.LogCaptureFixture, told: type[Exception]
) -> None:
    app = create_app(settings)

    @app.get("/v1/fault")
    def fault() -> None:
        raise told("/srv/secret/kb.sqlite is written by process 4711 of root on host9")

    answer = TestClient(app).get("/v1/fault", headers={"X-Request-ID": "mine-1"})
    wanted = errors.IndexDamaged if told is sqlite3.DatabaseError else told
    assert answer.json()["type"] == problem_type(wanted)
    assert not re.search("secret|4711|root|host9", answer.text)
    record = next(record for record in caplog.records if "/srv/secret/kb.sqlite" in record.getMessage())
    assert record.levelno == logging.WARNING


def test_a_broken_file_of_keys_is_not_named_to_strangers(
    settings: Settings, secrets: dict[Role, str], caplog: pytest.LogCaptureFixture
) -> None:
    (settings.index / KEYS_FILE).write_bytes(b"no database at all, but long enough to be one" * 100)
    for path in ("/docs", "/readyz"):
        answer = client_of(settings).get(path)
        assert kind(answer) == "index-damaged" and str(settings.index) not in answer.text
    assert str(settings.index / KEYS_FILE) in caplog.text


def test_lines_of_the_log_name_their_request() -> None:
    record = logging.LogRecord("api.problems", logging.WARNING, "", 0, "100 %% of %s", ("it",), None)
    before = logs.request_id.set("mine-1")
    try:
        assert json.loads(JsonLines().format(record))["id"] == "mine-1"
        assert TextLines("%(message)s").format(record) == "100 % of it id=mine-1"
    finally:
        logs.request_id.reset(before)


def test_required_keys_are_asked_for_where_there_are_none(settings: Settings) -> None:
    strict = settings.model_copy(update={"keys": "required"})
    assert client_of(strict).get("/v1/session").status_code == 401


# sessions


def test_a_session_stands_in_for_the_key_until_it_ends(settings: Settings, secrets: dict[Role, str]) -> None:
    client = client_of(settings)
    begun = client.post("/v1/session", json={"key": secrets[Role.READ]})
    assert begun.json() == {"asks": True, "name": "read desk", "role": "read"}
    cookie = begun.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=kbs_") and secrets[Role.READ].rsplit("_")[-1] not in cookie
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert flags == {"httponly", "path=/", "samesite=strict"}
    assert client.get("/v1/session").status_code == 200
    assert client.delete("/v1/keys/x").status_code == 403
    kept = client.cookies[COOKIE]
    assert client.delete("/v1/session").status_code == 204 and COOKIE not in client.cookies
    assert (
        client.get("/v1/session", headers={"Cookie": f"{COOKIE}={kept}"}).status_code == 401
    )  # it has ended on the server too


def test_a_password_for_a_proxy_hides_no_session_and_is_no_guess(settings: Settings, secrets: dict[Role, str]) -> None:
    client = client_of(settings)
    client.post("/v1/session", json={"key": secrets[Role.READ]})
    basic = {"Authorization": "Basic a2I6a2I="}
    assert client.get("/v1/session", headers=basic).json()["name"] == "read desk"
    client.cookies.clear()
    assert {client.get("/v1/session", headers=basic).status_code for _ in range(GUESSES + 5)} == {401}


def test_the_cookie_is_for_https_alone_where_it_was_set_there(settings: Settings, secrets: dict[Role, str]) -> None:
    client = client_of(settings, base_url="https://testserver")
    assert "Secure" in client.post("/v1/session", json={"key": secrets[Role.READ]}).headers["set-cookie"]


def test_a_session_ends_with_its_key(settings: Settings, secrets: dict[Role, str]) -> None:
    client = client_of(settings)
    client.post("/v1/session", json={"key": secrets[Role.READ]})
    KeyRing(settings.index).revoke("read desk")
    assert client.get("/v1/session").status_code == 401


def test_a_wrong_key_begins_no_session(settings: Settings, secrets: dict[Role, str]) -> None:
    refused = client_of(settings).post("/v1/session", json={"key": secrets[Role.READ][:-1]})
    assert refused.status_code == 401 and "set-cookie" not in refused.headers


# other hosts, other sites


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200), ("localhost", 200), ("[::1]:8000", 200), ("TestServer", 200),
        ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("localhost.evil.example:80", 403), ("", 403),
        ("[::1", 403), ("10.0.0.1", 403),
    ],
)  # fmt: skip
def test_without_keys_only_this_machine_is_answered(settings: Settings, host: str, status: int) -> None:
    answer = client_of(settings).get("/v1/session", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert kind(answer) == "foreign-host"


def test_without_keys_a_connection_from_outside_is_refused_whatever_host_it_names(settings: Settings) -> None:
    outside = client_of(settings, base_url="http://10.0.0.5")
    assert outside.get("/v1/session", headers={"Host": "localhost"}).status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_without_keys_what_comes_by_a_proxy_is_refused(settings: Settings, header: str) -> None:
    headers = {header: "203.0.113.9", "Host": "127.0.0.1:8000"}
    for method, path in (("GET", "/v1/documents"), ("DELETE", "/v1/documents/0000"), ("GET", "/")):
        answer = client_of(settings).request(method, path, headers=headers)
        assert (answer.status_code, kind(answer)) == (403, "foreign-host")
        assert "kb key add" in answer.json()["detail"]


def test_behind_a_proxy_that_is_named_keys_are_asked_for(settings: Settings) -> None:
    behind = client_of(settings.model_copy(update={"proxies": "127.0.0.1"}))
    assert behind.get("/v1/session", headers={"Host": "127.0.0.1"}).status_code == 401


def test_the_address_is_not_taken_from_the_host(
    settings: Settings, secrets: dict[Role, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "url", URL("http://kb/docs?/v1/keys"))  # as older versions of starlette made it
    assert client_of(settings).get("/v1/keys").status_code == 401


def test_with_keys_any_host_is_answered(settings: Settings, secrets: dict[Role, str]) -> None:
    headers = bearer(secrets[Role.READ]) | {"Host": "kb.example"}
    assert client_of(settings).get("/v1/session", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Origin": "http://testserver"}, 404),
        ({"Origin": "https://testserver"}, 404),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, 404),
        ({"Sec-Fetch-Site": "none"}, 404),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://testserver.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, 403),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_pages_of_other_sites_change_nothing(
    settings: Settings, request: pytest.FixtureRequest, headers: dict[str, str], status: int, keyed: bool
) -> None:
    client = client_of(settings)
    if keyed:
        client.post("/v1/session", json={"key": request.getfixturevalue("secrets")[Role.ADMIN]})
    answer = client.delete("/v1/keys/0000", headers=headers)
    assert answer.status_code == status, answer.text
    assert kind(answer) == ("cross-site" if status == 403 else "not-found")


def test_every_response_has_the_headers_and_keeps_its_own_caching(settings: Settings) -> None:
    app = create_app(settings)
    app.get("/v1/kept")(lambda: Response(headers={"Cache-Control": "max-age=60"}))
    client = TestClient(app)
    for path in ("/", "/v1/none", "/v1/search", "/v1/session"):
        found = client.get(path).headers
        assert {name: found[name] for name in HEADERS} == HEADERS
        assert found["cache-control"] == "private, no-cache"
        assert "strict-transport-security" not in found and "server" not in found
    assert client.get("/v1/kept").headers["cache-control"] == "max-age=60"
    safe = TestClient(app, base_url="https://testserver").get("/")
    assert safe.headers["strict-transport-security"].startswith("max-age=")


# limits


def test_a_minute_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = Rates()

    def taken(second: float, tries: int) -> int:
        monkeypatch.setattr(time, "time", lambda: 6000 + second)
        count = 0
        for _ in range(tries):
            with suppress(TooManyRequests):
                rates.count(10, "who")
                count += 1
        return count

    assert taken(50, 20) == 10
    assert taken(60, 5) == 0  # a new minute by the clock is none for who asked ten times ten seconds ago
    assert taken(90, 20) == 5
    assert taken(119, 20) == 4
    assert taken(300, 20) == 10
    with pytest.raises(TooManyRequests) as raised:
        rates.count(10, "who")
    assert raised.value.headers == {"Retry-After": "60"}
    rates.count(10, "another")


def test_requests_a_minute_are_counted_for_each_key(settings: Settings, secrets: dict[Role, str]) -> None:
    client = client_of(settings.model_copy(update={"rate": 3}))
    read, write = bearer(secrets[Role.READ]), bearer(secrets[Role.WRITE])
    assert [client.get("/v1/session", headers=read).status_code for _ in range(4)] == [200, 200, 200, 429]
    slowed = client.get("/v1/session", headers=read)
    assert kind(slowed) == "too-many-requests" and int(slowed.headers["retry-after"]) >= 1
    assert client.get("/v1/session", headers=write).status_code == 200


def test_requests_without_key_are_counted_for_their_address(settings: Settings, secrets: dict[Role, str]) -> None:
    app = create_app(settings.model_copy(update={"rate": 3}))
    client = TestClient(app, client=("10.1.1.1", 5))
    assert [client.get("/v1/session").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert client.get("/docs").status_code == 429
    assert client.get("/v1/session", headers=bearer(secrets[Role.READ])).status_code == 200
    assert TestClient(app, client=("10.1.1.2", 5)).get("/docs").status_code == 200


def test_who_is_alone_on_the_machine_is_not_slowed_unless_told(settings: Settings) -> None:
    client = client_of(settings)
    assert {client.get("/healthz").status_code for _ in range(700)} == {200}
    slowed = client_of(settings.model_copy(update={"rate": 2}))
    assert [slowed.get("/healthz").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("address", "counted"),
    [("10.1.1.1", "10.1.1.1"), ("2001:db8:1:2:3::4", "2001:0db8:0001:0002"), ("testclient", "testclient")],
)
def test_addresses_of_one_customer_are_one(address: str, counted: str) -> None:
    assert network(Request({"type": "http", "client": (address, 1), "headers": []})) == counted


def test_a_body_that_is_too_large_is_refused(settings: Settings) -> None:
    client = client_of(settings.model_copy(update={"body_mb": 0.01}))
    for body in (b"x" * 10_001, iter([b"x" * 6_000] * 2)):  # the second tells no length before
        answer = client.post("/v1/quotes", content=body)
        assert (answer.status_code, kind(answer)) == (413, "body-too-large")
    answer = client.post("/v1/quotes", content=b"x" * 10_000)
    assert answer.status_code == 422
    pieces = iter([b'{"quotes": [{"passage_id"', b': "0"}], "format": "md"}'])
    answer = client.post("/v1/quotes", content=pieces, headers={"Content-Type": "application/json"})
    assert kind(answer) == "index-missing"  # a body in pieces arrives whole


BARE = FastAPI()
"""An application without views: its problems are told as to programs."""
BARE.state.show_problem = lambda *_: None


class Ask:
    """A request whose body comes in pieces that a test sends."""

    def __init__(self, method: str, path: str, body: bool = False, caller: str = "desk") -> None:
        self.scope: dict[str, Any] = {
            "type": "http", "method": method, "path": path, "query_string": b"", "state": {"counted": caller},
            "scheme": "http", "server": ("127.0.0.1", 80), "app": BARE,
            "headers": [(b"host", b"localhost"), *([(b"transfer-encoding", b"chunked")] if body else [])],
        }  # fmt: skip
        self.pieces: asyncio.Queue[Message] = asyncio.Queue()
        self.received = 0
        self.sent: list[Message] = []
        self.task: asyncio.Task[None]

    def of(self, stack: ASGIApp) -> "Ask":
        """Begin it."""
        self.task = asyncio.create_task(stack(self.scope, self.receive, self.send))
        return self

    async def receive(self) -> Message:
        message = await self.pieces.get()
        self.received += len(message["body"])
        return message

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def status(self) -> int:
        """The status of its answer."""
        await asyncio.wait_for(self.task, 20)
        return int(self.sent[0]["status"])


async def waiting_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Begins its answer to streams at once and never ends; of others it takes the body, and answers."""
    stream = scope["path"].endswith(limits.STREAMS)
    while not stream and limits.tells_body(scope) and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": stream})
    if stream:
        await asyncio.Event().wait()


MORE: Message = {"type": "http.request", "body": b"x" * 1000, "more_body": True}
LAST: Message = {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize(("path", "most"), [("/docs", 0), ("/static/page.js", 0), ("/v1/session", 5000)])
def test_what_is_sent_without_a_key_is_not_kept(settings: Settings, path: str, most: int) -> None:
    async def run() -> None:
        ask = Ask("POST", path, body=True)
        for _ in range(100):
            ask.pieces.put_nowait(MORE)
        assert await ask.of(Limits(waiting_app, settings)).status() == 413
        assert ask.received <= most

    asyncio.run(run())


def test_bodies_that_do_not_end_have_places_of_their_own_and_no_more(settings: Settings) -> None:
    async def run() -> None:
        stack = Limits(waiting_app, settings.model_copy(update={"at_once": 2, "waiting": 0}))
        slow = [Ask("POST", "/v1/quotes", body=True).of(stack) for _ in range(2)]
        await asyncio.sleep(0)
        refused = Ask("POST", "/v1/quotes", body=True)
        refused.pieces.put_nowait(MORE)
        assert await refused.of(stack).status() == 503 and not refused.received
        assert await Ask("GET", "/v1/search").of(stack).status() == 200
        for ask in slow:
            ask.pieces.put_nowait(LAST)
        assert [await ask.status() for ask in slow] == [200, 200]
        assert await Ask("GET", "/v1/search").of(stack).status() == 200

    asyncio.run(run())


def test_streams_of_one_key_keep_nobody_out(settings: Settings) -> None:
    async def run() -> None:
        stack = Limits(waiting_app, settings)
        path = "/v1/jobs/0000/events"
        held = [Ask("GET", path).of(stack) for _ in range(limits.OF_ONE)]
        while any(not ask.sent for ask in held):
            await asyncio.sleep(0.01)
        assert await Ask("GET", path).of(stack).status() == 503
        others = [Ask("GET", path, caller=f"desk {number // 8}").of(stack) for number in range(24)]
        while any(not ask.sent for ask in others):
            await asyncio.sleep(0.01)
        assert await Ask("GET", path, caller="one more").of(stack).status() == 503  # no place is left
        assert await Ask("POST", "/v1/documents").of(stack).status() == 200
        for ask in held + others:
            ask.task.cancel()
        await asyncio.wait([ask.task for ask in held + others])
        again = Ask("GET", path).of(stack)
        while not again.sent:
            await asyncio.sleep(0.01)
        assert again.sent[0]["status"] == 200
        again.task.cancel()

    asyncio.run(run())


def test_a_stream_ends_in_time_for_its_key_to_be_checked_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STREAM_SECONDS", 0.05)

    async def run() -> None:
        ask = Ask("GET", "/v1/jobs/0000/events").of(Limits(waiting_app, settings))
        assert await ask.status() == 200
        assert ask.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    asyncio.run(run())


def test_an_upload_that_stops_coming_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PIECE_SECONDS", 0.05)
    boundary = (b"content-type", b"multipart/form-data; boundary=b")

    async def run() -> None:
        stack = create_app(settings)
        for _ in range(limits.OF_ONE + 1):  # each gives its place back
            ask = Ask("POST", "/v1/documents", body=True)
            ask.scope["headers"].append(boundary)
            ask.pieces.put_nowait({"type": "http.request", "body": b"--b\r\n", "more_body": True})
            assert await ask.of(stack).status() == 503
            assert json.loads(ask.sent[1]["body"])["type"] == problem_type(TimedOut) and len(ask.sent) == 2
        whole = Ask("POST", "/v1/documents", body=True)  # after its last piece, time is no matter of the upload
        whole.pieces.put_nowait(LAST)
        assert await whole.of(stack).status() == 422

    asyncio.run(run())


def test_an_address_that_is_too_long_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ADDRESS", 1000)  # the client sends none that is as long as the real limit
    client = client_of(settings)
    assert kind(client.get("/v1/search?q=" + "a" * 989)) == "address-too-long"
    assert client.get("/" + "a" * 1000).status_code == 414
    assert kind(client.get("/v1/search?q=" + "a" * 988)) == "index-missing"


class Slow:
    """An endpoint that works until it is let go."""

    def __init__(self, app: FastAPI) -> None:
        self.begun = threading.Semaphore(0)
        self.let_go = threading.Event()
        app.get("/v1/slow")(self.work)

    def work(self) -> dict[str, str]:
        self.begun.release()
        assert self.let_go.wait(30)
        return {"done": "yes"}


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    give_up = time.monotonic() + 20
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_too_many_requests_at_once_are_sent_away_and_the_others_answered(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"at_once": 2, "waiting": 1}))
    slow = Slow(app)
    with TestClient(app) as client, ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(client.get, "/v1/slow") for _ in range(3)]
        for _ in range(2):
            assert slow.begun.acquire(timeout=20)
        until(lambda: client.get("/v1/session").status_code == 503)  # two work, one waits
        refused = client.get("/v1/session")
        assert (kind(refused), refused.headers["retry-after"]) == ("overloaded", "1")
        assert client.get("/healthz").status_code == 200
        assert not slow.begun.acquire(blocking=False)
        slow.let_go.set()
        assert [answer.result().status_code for answer in asked] == [200, 200, 200]
        assert client.get("/v1/session").status_code == 200


def test_an_answer_that_takes_too_long_is_given_up_and_keeps_its_place_until_it_is_done(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"request_seconds": 0.4, "at_once": 1, "waiting": 5}))
    slow = Slow(app)
    with TestClient(app) as client:
        late = client.get("/v1/slow")
        assert (late.status_code, kind(late)) == (503, "timed-out") and int(late.headers["retry-after"]) >= 1
        assert kind(client.get("/v1/session")) == "overloaded"  # the thread works on
        slow.let_go.set()
        until(lambda: client.get("/v1/session").status_code == 200)


def test_a_fault_gives_its_place_back(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"at_once": 1, "waiting": 0}))
    app.get("/v1/fault")(lambda: 1 / 0)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert [client.get("/v1/fault").status_code for _ in range(3)] == [500, 500, 500]
        assert client.get("/v1/session").status_code == 200


# what is written down


def audit_of(settings: Settings) -> list[dict[str, Any]]:
    """The lines of the audit log."""
    file = settings.index / AUDIT_FILE
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def test_changes_are_written_down_with_who_made_them(settings: Settings, secrets: dict[Role, str]) -> None:
    client = TestClient(create_app(settings), client=("10.1.1.1", 5))
    write, admin = bearer(secrets[Role.WRITE]), bearer(secrets[Role.ADMIN])
    client.get("/v1/keys", headers=admin)
    client.post("/v1/quotes", json={}, headers=write)
    client.delete("/v1/keys/0000")
    assert [(line["status"], "who" in line) for line in audit_of(settings)] == [(401, False)]  # nothing was changed
    client.delete("/v1/keys/0000", headers=write)
    client.delete("/v1/keys/read desk", headers=admin | {"X-Request-ID": "mine-1"})
    upload = client.post("/v1/documents", files={"file": ("a.txt", "一份报告".encode())}, headers=write)
    assert upload.status_code == 202, upload.text
    refused, revoked, uploaded = audit_of(settings)[1:]
    assert refused.items() >= {"who": "write desk", "role": "write", "status": 403, "method": "DELETE"}.items()
    assert {name: revoked[name] for name in revoked if name != "time"} == {
        "who": "admin desk",
        "role": "admin",
        "via": "api",
        "address": "10.1.1.1",
        "method": "DELETE",
        "path": "/v1/keys/read desk",
        "status": 200,
        "request": "mine-1",
    }
    assert uploaded["job"] == upload.json()["id"] and uploaded["path"] == "/v1/documents"
    assert stat.S_IMODE((settings.index / AUDIT_FILE).stat().st_mode) == 0o600


def test_an_audit_log_that_cannot_be_written_is_told_in_the_log(
    settings: Settings, secrets: dict[Role, str], caplog: pytest.LogCaptureFixture
) -> None:
    (settings.index / AUDIT_FILE).mkdir()
    answer = client_of(settings).delete("/v1/keys/read desk", headers=bearer(secrets[Role.ADMIN]))
    assert answer.status_code == 200
    assert "audit log cannot be written" in caplog.text and "admin desk" in caplog.text


def test_changes_tried_without_a_key_are_written_down_so_many_a_minute(
    settings: Settings, secrets: dict[Role, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "REFUSALS", 3)
    client = client_of(settings)
    for _ in range(5):
        client.delete("/v1/documents/" + "a" * 600, headers=bearer("kb_00000000_" + "0" * 64))
    client.delete("/v1/keys/0000", headers={"Origin": "http://evil.example"})
    assert [(line["status"], len(line["path"])) for line in audit_of(settings)] == [(401, logs.MAX_PATH)] * 3
    client.delete("/v1/keys/0000", headers=bearer(secrets[Role.READ]))
    assert audit_of(settings)[-1]["who"] == "read desk"  # whom strangers cannot crowd out


def test_a_refused_change_makes_no_folder(settings: Settings) -> None:
    assert client_of(settings).delete("/v1/keys/0000", headers={"Origin": "http://evil.example"}).status_code == 403
    assert not settings.index.exists()


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of the log of requests, as JSON."""
    return [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "kb.requests"]


def test_each_request_has_a_line_without_its_question(
    settings: Settings, secrets: dict[Role, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kb.requests")
    read = bearer(secrets[Role.READ])
    client = client_of(settings)
    client.get("/v1/search?q=confidential", headers=read | {"X-Request-ID": "mine-1"})
    client.get("/v1/passages/0000", headers=read)
    client.get("/no/such/place", headers=read)
    lines = lines_of(caplog)
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/v1/search", 409),
        ("GET", "/v1/passages/{id}", 409),
        ("GET", "-", 404),
    ]
    assert lines[0]["id"] == "mine-1" and lines[0]["caller"] == "read desk" and lines[0]["ms"] > 0
    assert "confidential" not in str(lines) and secrets[Role.READ] not in str(lines)
    text = TextLines("%(message)s").format(caplog.records[-1])
    assert "route=- status=404" in text and "caller=read desk" in text
    client_of(settings.model_copy(update={"log_queries": True})).get("/v1/search?q=confidential", headers=read)
    assert "confidential" in lines_of(caplog)[-1]["query"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("a.B-1_9", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("a\tb", False),
        ("<b>", False),
        ("", False),
    ],
)
def test_a_request_id_is_taken_where_it_is_sane(settings: Settings, given: str, taken: bool) -> None:
    back = client_of(settings).get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"]
    assert (back == given) is taken and logs.SANE_ID.fullmatch(back)


def test_a_fault_is_logged_as_one_line_with_its_request(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(settings)
    app.get("/v1/fault")(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as raised:
        TestClient(app).get("/v1/fault")
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "fault\nin %s", ("it",), raised._excinfo)
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "fault\nin it") and "ZeroDivisionError" in told["exception"]


def test_who_reads_the_log_slowly_stops_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stuck:
        """A standard error that nobody reads at first."""

        def __init__(self) -> None:
            self.let_go = threading.Event()
            self.text = ""

        def write(self, text: str) -> None:
            assert self.let_go.wait(30)
            self.text += text

        def flush(self) -> None: ...

    stuck = Stuck()
    monkeypatch.setattr(sys, "stderr", stuck)
    monkeypatch.setattr(logs, "KEPT_LINES", 5)
    aside = Aside()
    for number in range(50):
        aside.emit(logging.LogRecord("kb", logging.INFO, "", 0, f"line {number}", (), None))
    stuck.let_go.set()
    until(lambda: "line 4" in stuck.text)
    aside.emit(logging.LogRecord("kb", logging.INFO, "", 0, "the last", (), None))
    aside.close()
    assert stuck.text.startswith("line 0\n") and "the last\n" in stuck.text
    assert "lines were dropped" in stuck.text and "line 49" not in stuck.text


# the page


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium: none on the path, and KB_CHROMIUM is not set")
def test_the_page_asks_for_a_key_and_shows_what_its_role_may(copied_settings: Settings) -> None:
    ring = KeyRing(copied_settings.index)
    secrets = {role: ring.add(f"{role} desk", role)[1] for role in (Role.READ, Role.WRITE)}
    with serving(copied_settings) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(f"{address}/?q={quote(QUESTION)}")
        field = page.get_by_label("访问密钥")
        expect(field).to_be_visible()
        assert page.locator(".bank, .reports, .excerpt").count() == 0
        field.fill("kb_00000000_" + "0" * 64)
        field.press("Enter")
        expect(page.locator("#refused")).to_have_text("密钥无效或已停用。")
        field.fill(secrets[Role.READ])
        field.press("Enter")
        expect(page.locator(".found > .bank h2").first).to_contain_text("银行")
        expect(field).to_have_count(0)
        expect(page.locator("footer")).to_contain_text("read desk")
        page.locator(".found .excerpt a.open").first.click()  # its picture is fetched with the cookie
        picture = page.locator("#evidence figure.page img")
        assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 300
        assert page.locator(".correct").count() == 0
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("link", name="资料库").first.click()
        expect(page.locator("#reports tbody tr")).to_have_count(4)
        assert page.locator("#drop, [data-remove], [data-reindex]").count() == 0

        page.get_by_role("button", name="退出").click()
        expect(field).to_be_visible()
        field.fill(secrets[Role.WRITE])
        field.press("Enter")
        expect(page.locator("#drop")).to_be_visible()
        expect(page.locator("[data-remove]")).to_have_count(4)
        page.goto(f"{address}/?q={quote(QUESTION)}")
        page.locator(".found .excerpt a.open").first.click()
        expect(page.locator(".correct")).to_have_count(1)
        browser.close()


# the command


@pytest.mark.parametrize(
    ("host", "env"), [("0.0.0.0", {}), ("::", {}), ("127.0.0.1", {"KB_KEYS": "required"}), ("kb.example", {})]
)
def test_serve_refuses_to_start_where_keys_are_needed_and_there_are_none(
    tmp_path: Path, host: str, env: dict[str, str]
) -> None:
    KeyRing(tmp_path).add("gone", Role.READ)
    KeyRing(tmp_path).revoke("gone")
    done = run_kb("serve", "--host", host, "--port", 1, "--index", tmp_path, **env)
    assert done.returncode == 1
    assert "kb key add" in done.stderr and "127.0.0.1" in done.stderr and "Traceback" not in done.stderr


def test_a_proxy_is_an_outer_address(settings: Settings, secrets: dict[Role, str]) -> None:
    check_keys(settings.model_copy(update={"proxies": "127.0.0.1"}), "127.0.0.1")
    without = settings.model_copy(update={"proxies": "127.0.0.1", "index": settings.index / "none"})
    with pytest.raises(BadInput, match="KB_PROXIES"):
        check_keys(without, "127.0.0.1")
    check_keys(without.model_copy(update={"proxies": ""}), "127.0.0.1")


def test_lines_of_jobs_and_requests_are_shown() -> None:
    loggers = logging_config(LogFormat.JSON)["loggers"]
    names = ("kb.requests", "kb.jobs.runner", "kb.jobs.work")
    assert all(any(f"{name}.".startswith(f"{each}.") for each in loggers) for name in names)
    assert {each["level"] for each in loggers.values()} == {"INFO"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str, "subprocess.Popen[str]"]]:
    """A server on all addresses behind a trusted proxy, with an admin's key: its address, the key, the process."""
    index = tmp_path / "index"
    _, secret = KeyRing(index).add("desk", Role.ADMIN)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "kb.cli", "serve", "--host", "0.0.0.0", "--port", str(port)]
    command += ["--log-format", "json", "--index", str(index)]
    env = os.environ | {"KB_PROXIES": "127.0.0.1"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{port}", secret, server
        finally:
            server.kill()


def fetch(address: str, **headers: str) -> tuple[int, Any]:
    """Status and headers of what an address gives, once its server is up."""
    for _ in range(150):
        try:
            request = urllib.request.Request(address, headers=headers)
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


def test_serve_asks_for_keys_logs_json_and_ends_when_told(served: tuple[str, str, "subprocess.Popen[str]"]) -> None:
    address, secret, server = served
    status, headers = fetch(address + "/healthz")
    assert status == 200 and headers["Server"] is None
    assert fetch(address + "/v1/keys", Host="localhost")[0] == 401
    behind = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Request-ID": "mine-1"}
    status, headers = fetch(address + "/v1/keys", Authorization=f"Bearer {secret}", **behind)
    assert status == 200 and headers["Strict-Transport-Security"]
    server.send_signal(signal.SIGTERM)
    told = server.communicate(timeout=30)[1]
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    found = next(line for line in lines if line.get("id") == "mine-1")
    assert found.items() >= {"route": "/v1/keys", "status": 200, "caller": "desk", "address": "203.0.113.9"}.items()
    assert secret not in told and server.returncode in (0, -signal.SIGTERM)
