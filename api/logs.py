"""What became of each request: its id, its line in the log, and in the audit log where it changes something."""

import json
import logging
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.guard import Rates
from api.problems import TooManyRequests
from kb import audit

ID_HEADER = "X-Request-ID"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
NOT_ANSWERED = 499
"""The status told of a request whose client left before the answer; nginx tells the same."""

REFUSED = (401, 403, 429)
REFUSALS = 60
"""Lines a minute in the audit log about changes that were refused to someone without a key: anybody can try."""

MAX_PATH = 500
"""Characters of an address in the audit log."""

KEPT_LINES = 10_000
"""Lines that wait to be written. Where nobody reads what we write, later ones are dropped, and the server goes on."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
requests_log = logging.getLogger("kb.requests")


@dataclass(frozen=True, slots=True)
class Served:
    """A request and what became of it. `route` is the template of its address, empty where there is none; `seconds` is
    the time until the answer began; `caller` is the name of the key, empty without, and `role` its role; `changes`
    tells that it asked for a change, and `job` is the id of the one that will make it."""

    id: str
    method: str
    path: str
    route: str
    query: str
    status: int
    seconds: float
    caller: str
    role: str
    address: str
    changes: bool
    job: str


class Observe:
    """ASGI middleware that gives each request its id, and tells observers what became of it."""

    def __init__(self, app: ASGIApp, observers: Sequence[Callable[[Served], None]]) -> None:
        self.app = app
        self.observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; X-Request-ID is taken where it is sane, else made, and goes back with the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(ID_HEADER, "")
        identity = given if SANE_ID.fullmatch(given) else uuid4().hex
        request_id.set(identity)  # each request is a task of its own, with a context of its own
        started, begun, status, job = time.perf_counter(), 0.0, NOT_ANSWERED, ""

        async def send_with_id(message: Message) -> None:
            nonlocal status, begun, job
            if message["type"] == "http.response.start":
                status, begun = message["status"], time.perf_counter()
                headers = MutableHeaders(scope=message)
                headers[ID_HEADER] = identity
                job = headers.get("location", "").removeprefix("/v1/jobs/") if status == 202 else ""
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            found = served(scope, identity, status, (begun or time.perf_counter()) - started, job)
            for observer in self.observers:
                observer(found)


def served(scope: Scope, identity: str, status: int, seconds: float, job: str) -> Served:
    """What a scope tells of its request after it was routed."""
    state: dict[str, Any] = scope.get("state", {})
    client = scope.get("client")
    return Served(
        id=identity,
        method=scope["method"],
        path=scope["path"],
        route=getattr(scope.get("route"), "path", ""),
        query=scope["query_string"].decode("latin-1"),
        status=status,
        seconds=seconds,
        caller=state.get("caller", ""),
        role=state.get("role", ""),
        address=client[0] if client else "",
        changes=state.get("changes", False),
        job=job,
    )


def log_request(queries: bool) -> Callable[[Served], None]:
    """The observer that logs a line for each request. Questions are confidential: only with `queries` they are told."""

    def log(found: Served) -> None:
        told = {
            "id": found.id,
            "method": found.method,
            "route": found.route or "-",
            "status": found.status,
            "ms": round(found.seconds * 1000, 1),
            "caller": found.caller,
            "address": found.address,
        }
        if queries:
            told |= {"query": found.query}
        requests_log.info("request", extra={"told": told})

    return log


def audit_request(index: Path) -> Callable[[Served], None]:
    """The observer that writes down who changed something, or tried and may not."""
    rates = Rates()

    def wanted(found: Served) -> bool:
        if not found.changes or found.caller or found.status not in REFUSED:
            return found.changes
        try:
            rates.count(REFUSALS, "refused")
        except TooManyRequests:
            return False
        return index.is_dir()  # else there is nothing to change, and no folder is made for it

    def write(found: Served) -> None:
        if not wanted(found):
            return
        fields = {
            "who": found.caller, "role": found.role, "via": "api", "address": found.address, "method": found.method,
            "path": found.path[:MAX_PATH], "status": found.status, "request": found.id, "job": found.job,
        }  # fmt: skip
        try:
            audit.record(index, **fields)
        except OSError as error:
            logging.getLogger(__name__).error("audit log cannot be written: %s; %s", error, json.dumps(fields))

    return write


class TextLines(logging.Formatter):
    """A log for people: time, level, message, and the id of its request; of a request its fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with a traceback below it where there is one."""
        if told := getattr(record, "told", None):
            record.msg = " ".join(f"{name}={value}" for name, value in told.items() if value != "")
            record.args = None
        elif identity := request_id.get():
            record.msg = f"{record.getMessage()} id={identity}"
            record.args = None
        return super().format(record)


class JsonLines(logging.Formatter):
    """A log for machines: one JSON object a line, with the id of the request that it belongs to."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback is in its field `exception`."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if told := getattr(record, "told", None):
            line |= told
        elif identity := request_id.get():
            line["id"] = identity
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Aside(logging.Handler):
    """Writes lines to standard error from a thread of its own, so that whoever reads them slowly stops no request."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str | None] = queue.Queue(KEPT_LINES)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line behind those that wait."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, for two seconds at the most."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            pass
        self._writer.join(2)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._dropped:
                line, self._dropped = f"{line}\n{self._dropped} lines were dropped: nobody read them", 0
            try:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
            except OSError:
                return  # whoever read them is gone
