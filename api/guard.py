"""Who may do what: keys and sessions, roles by method and address, hosts, other sites' pages, requests a minute.

Every address is guarded, those of new routes too, unless this file says otherwise.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import (
    AddressTooLong,
    BodyTooLarge,
    CrossSite,
    ForeignHost,
    KeyMissing,
    NotAllowed,
    Overloaded,
    TimedOut,
    TooManyRequests,
    add_problems,
    on_kb_error,
)
from kb.errors import KbError
from kb.keys import Key, KeyRing, Role, is_loopback
from kb.settings import Settings

COOKIE = "kb_session"
RATE = 600
"""Requests a minute, where keys are asked for and KB_RATE is not set."""

GUESSES = 20
"""Keys that do not hold a minute and address, before these too are answered with 429."""

OPEN_ADDRESSES = frozenset({"/docs", "/openapi.json", "/healthz", "/readyz"})
OPEN_FOLDERS = ("/static/", "/p/")
"""What needs no key: it shows no text of reports. /p/ leads to a view, which then asks for a key."""

ADMIN_FOLDERS = ("/v1/keys",)

EXCEPTIONS: Mapping[tuple[str, str], Role | None] = {
    ("POST", "/v1/quotes"): Role.READ,  # it changes nothing: a body, since an address is too short for it
    ("POST", "/v1/session"): None,  # it takes a key
    ("DELETE", "/v1/session"): None,
}

READING = frozenset({"GET", "HEAD"})

PROXIED = ("x-forwarded-for", "forwarded", "x-real-ip")
"""Headers that proxies add: who asks is not on this machine, though the connection comes from it."""


def role_needed(method: str, path: str) -> Role | None:
    """The role that a request needs; None for what is open to everyone."""
    if (method, path) in EXCEPTIONS:
        return EXCEPTIONS[method, path]
    if path in OPEN_ADDRESSES or path.startswith(OPEN_FOLDERS):
        return None
    if path.startswith(ADMIN_FOLDERS):
        return Role.ADMIN
    return Role.READ if method in READING else Role.WRITE


class Rates:
    """Counts over the last minute: all of this minute by the clock, and of the one before the share that is left of it.

    In memory: several processes count apart. Libraries for this start a thread or a task with a count, to forget it.
    """

    def __init__(self) -> None:
        self._minute = 0
        self._now: Counter[tuple[str, ...]] = Counter()
        self._before: Counter[tuple[str, ...]] = Counter()

    def count(self, most: int, *name: str) -> None:
        """Count one more under a name. Raises TooManyRequests above `most` a minute."""
        minute, second = divmod(time.time(), 60)
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else Counter()
            self._now, self._minute = Counter(), int(minute)
        if self._now[name] + self._before[name] * (1 - second / 60) + 1 > most:
            wait = math.ceil(60 - second) or 1
            raise TooManyRequests(f"more than {most} a minute; try again in {wait} s", Retry_After=str(wait))
        self._now[name] += 1


class Door:
    """Knows who asks. `KB_KEYS=auto` asks for keys once the index has one, from then on until the server ends; and
    where proxies are named, behind which others are."""

    def __init__(self, settings: Settings) -> None:
        self.ring = KeyRing(settings.index)
        self._asks = settings.keys == "required" or bool(settings.proxies)
        self._rate = settings.rate
        self._rates = Rates()
        self._hosts = frozenset(name.strip().lower() for name in settings.hosts.split(",") if name.strip())

    def asks(self) -> bool:
        """Whether keys are asked for."""
        self._asks = self._asks or self.ring.exists()
        return self._asks

    def who(self, request: Request) -> Key:
        """The key of a request, from its header or its session. Raises KeyMissing, TooManyRequests.

        Another scheme than Bearer is meant for a proxy that asks for a password of its own, and says nothing here.
        """
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.check(request, secret.strip())
        session = request.cookies.get(COOKIE, "")
        key = self.ring.check_session(session) if session else None
        if key is None:
            raise KeyMissing(
                "a key is needed: Authorization: Bearer kb_…, or a session begun with POST /v1/session",
                WWW_Authenticate='Bearer realm="kb"',
            )
        return key

    def check(self, request: Request, secret: str) -> Key:
        """The key of a secret. Raises KeyMissing; TooManyRequests where its address has tried too many already.

        A key that holds is let in whatever its address has tried: others may be behind the same address.
        """
        key = self.ring.check(secret)
        if key is None:
            self._rates.count(GUESSES, "guesses", network(request))
            raise KeyMissing(
                "this key does not hold; it is mistyped, or revoked",
                WWW_Authenticate='Bearer realm="kb", error="invalid_token"',
            )
        return key

    def count(self, request: Request, key: Key | None) -> None:
        """Count a request for its key, or its address. Raises TooManyRequests."""
        most = self._rate if self._rate is not None else RATE if self._asks else 0
        if most:
            self._rates.count(most, "requests", key.id if key else network(request))

    def check_host(self, request: Request) -> None:
        """Without keys: that the request was sent to this machine by a name of its own, and reached it there.

        A page of another site can have its own name lead here (DNS rebinding), and would read what we answer; and a
        proxy lets others ask who are not on this machine. Raises ForeignHost.
        """
        if any(name in request.headers for name in PROXIED):
            raise ForeignHost(
                "without keys only this machine is answered, and this request came by a proxy;"
                " make keys (kb key add), and name the proxy in KB_PROXIES"
            )
        host = host_name(request.headers.get("host", ""))
        reached = (request.scope.get("server") or ("", 0))[0]
        if not all(is_loopback(name) or name.lower() in self._hosts for name in (host, reached)):
            raise ForeignHost(
                f"without keys only this machine is answered, not as {host[:100]!r};"
                " ask 127.0.0.1, make keys (kb key add), or name the host in KB_HOSTS"
            )


class Guard:
    """ASGI middleware that lets in who may."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or tell why not. Its state has `caller`, the name of its key, and `role`; `changes`, and
        `counted`, what it is counted for: its key, or its address."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        try:
            self.admit(request)
        except KbError as refused:
            await on_kb_error(request, refused)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def admit(self, request: Request) -> None:
        """Raises KeyMissing, NotAllowed, ForeignHost, CrossSite, TooManyRequests."""
        needed = role_needed(request.method, request.scope["path"])  # request.url may be made from the Host header
        request.state.changes = needed in (Role.WRITE, Role.ADMIN) and request.method not in READING
        request.state.counted = network(request)
        asks = self.door.asks()
        if not asks:
            self.door.check_host(request)
        if request.method not in READING:
            check_site(request)
        key = self.know(request) if asks and needed else None
        request.state.caller, request.state.role = (key.name, key.role.value) if key else ("", "")
        request.state.counted = key.id if key else network(request)
        self.door.count(request, key)
        if key and needed and not key.role.includes(needed):
            raise NotAllowed(f"the key {key.name!r} has the role {key.role.value}; this needs {needed.value}")

    def know(self, request: Request) -> Key:
        """The key of a request; one without is counted for its address. Raises KeyMissing, TooManyRequests."""
        try:
            return self.door.who(request)
        except KeyMissing:
            self.door.count(request, None)
            raise


def check_site(request: Request) -> None:
    """That a request which changes something comes from no page of another site. Raises CrossSite.

    Browsers tell where it comes from, other programs do not.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    host = request.headers.get("host", "")
    foreign = site not in ("same-origin", "none") if site else origin not in (None, f"http://{host}", f"https://{host}")
    if foreign:
        raise CrossSite("a page of another site sent this request; only pages of this server may")


def host_name(host: str) -> str:
    """A Host header without its port; empty for what is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def network(request: Request) -> str:
    """The address that a request is counted for: of IPv6 the /64, which one customer has to himself."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return address.exploded[:19] if isinstance(address, IPv6Address) else host


def document_guard(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document what each operation needs, and how it is refused."""
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "A key made with kb key add: kb_…"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": COOKIE,
            "description": "A session begun with POST /v1/session, as the page does.",
        },
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = role_needed(method.upper(), path)
            add_problems(operation, ForeignHost, BodyTooLarge, AddressTooLong, TooManyRequests)
            if needed:
                operation["security"] = [{"key": []}, {"session": []}]
                operation["x-role"] = needed.value
                add_problems(operation, KeyMissing, NotAllowed)
            if method.upper() not in READING:
                add_problems(operation, CrossSite)
            if path.startswith("/v1/"):
                add_problems(operation, Overloaded, TimedOut)
            operation["responses"] = dict(sorted(operation["responses"].items()))
