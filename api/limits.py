"""Limits on each request: length of its address, size of its body, how many are worked on at once, and for how long."""

import asyncio
from collections.abc import Iterator

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import AddressTooLong, BodyTooLarge, Overloaded, Refusal, TimedOut, on_kb_error
from kb.settings import Settings

MAX_ADDRESS = 1 << 16
"""Bytes of path and parameters. A question of 7,000 characters, which is answered with what is wrong, is 63,000."""

LASTING = 32
"""Uploads and streams of events that there may be at once; they have places of their own, since they last."""

UPLOADS = ("POST", "/v1/documents")
STREAMS = "/events"


class Places:
    """So many requests are worked on at once, so many more may wait for it; the next are refused."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._may_wait = waiting
        self._waiting = 0

    async def take(self, seconds: float) -> None:
        """Wait for a place. Raises Overloaded where too many wait already, or no place is free in time."""
        if self._free.locked() and self._waiting >= self._may_wait:
            raise Overloaded(f"{self._waiting} requests are waiting already; try again in a moment", Retry_After="1")
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(f"no request was done within {seconds:g} s; try again later", Retry_After="5") from None
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """Let the next one in."""
        self._free.release()


class Limits:
    """ASGI middleware that holds these limits."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._most_bytes = int(settings.body_mb * 1e6)
        self._seconds = settings.request_seconds
        self._written_seconds = settings.llm_seconds
        self._places = Places(settings.at_once, settings.waiting)
        self._lasting = Places(LASTING, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or tell why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._within_limits(scope, receive, send)
        except Refusal as refusal:
            await on_kb_error(Request(scope), refusal)(scope, receive, send)

    async def _within_limits(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if length > MAX_ADDRESS:
            raise AddressTooLong(f"the address has {length} bytes; {MAX_ADDRESS} are taken")
        seconds = self._seconds_for(scope)
        upload, stream = (scope["method"], scope["path"]) == UPLOADS, scope["path"].endswith(STREAMS)
        if not upload:  # which is written to disk as it comes, and has a limit of its own
            receive = await self._read_body(scope, receive, seconds)
        if not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        places = self._lasting if upload or stream else self._places
        await places.take(seconds)
        await self._in_time(scope, receive, send, places, None if upload else seconds)

    def _seconds_for(self, scope: Scope) -> float:
        """How long a request may take until its answer begins; a written answer has the time of its server on top."""
        written = scope["path"] == "/v1/ask" and b"write=" in scope["query_string"]
        return self._seconds + (self._written_seconds if written else 0)

    async def _read_body(self, scope: Scope, receive: Receive, seconds: float) -> Receive:
        """The body, read before any work is begun for it; as a channel that gives it again.

        Raises BodyTooLarge, and TimedOut for one that does not come.
        """
        headers = Headers(scope=scope)
        told = headers.get("content-length", "0")
        if told == "0" and "transfer-encoding" not in headers:
            return receive
        if told.isdecimal() and int(told) > self._most_bytes:
            raise self._too_large()
        parts: list[Message] = []
        size = 0
        try:
            async with asyncio.timeout(seconds):
                while not parts or parts[-1].get("more_body"):
                    parts.append(await receive())
                    size += len(parts[-1].get("body", b""))
                    if size > self._most_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise TimedOut(f"the request did not come within {seconds:g} s", Connection="close") from None
        return again(parts, receive)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"more than {self._most_bytes:,} bytes are not taken here (KB_BODY_MB)", Connection="close")

    async def _in_time(self, scope: Scope, receive: Receive, send: Send, places: Places, seconds: float | None) -> None:
        """Answer, or raise TimedOut. Work in a thread cannot be ended: it keeps its place until it is done."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        given_up = False

        async def send_in_time(message: Message) -> None:
            if given_up:
                return
            if not begun.done():
                begun.set_result(None)
            await send(message)

        def done(task: asyncio.Task[None]) -> None:
            places.give_back()
            if given_up and not task.cancelled():
                task.exception()  # nobody waits for it any more

        async def answer() -> None:
            await self.app(scope, receive, send_in_time)

        work = asyncio.create_task(answer())
        work.add_done_callback(done)
        try:
            await asyncio.wait({work, begun}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not begun.done():
                given_up = True
                raise TimedOut(f"no answer within {seconds:g} s; ask for less, or try again later", Retry_After="5")
            await work
        except asyncio.CancelledError:
            work.cancel()
            raise


def again(parts: list[Message], receive: Receive) -> Receive:
    """A channel that gives messages which were received already, and then what comes."""
    kept: Iterator[Message] = iter(parts)

    async def next_part() -> Message:
        for part in kept:
            return part
        return await receive()

    return next_part
