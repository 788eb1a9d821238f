"""Limits on each request: length of its address, size of its body, how many are worked on at once, and for how long."""

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import AddressTooLong, BodyTooLarge, Overloaded, Refusal, TimedOut, on_kb_error
from kb.settings import Settings

MAX_ADDRESS = 1 << 16
"""Bytes of path and parameters. A question of 7,000 characters, which is answered with what is wrong, is 63,000."""

LASTING = 32
"""Uploads that there may be at once, and as many streams of events; they have places of their own, since they last."""

OF_ONE = 8
"""How many of these one key may have, or one address without."""

STREAM_SECONDS = 15 * 60.0
"""A stream ends after so long: who asks for it again, as browsers do by themselves, has his key checked anew."""

PIECE_SECONDS = 30.0
"""An upload of which nothing comes for so long is given up."""

SESSION_BYTES = 4096
"""What may be sent to begin a session: that needs no key, and waits for no place."""

LIGHT, LIGHT_FOLDER = frozenset({"/docs", "/openapi.json", "/healthz", "/readyz", "/metrics"}), "/static/"
"""What takes no work to answer, and has to be answered when the server is busy; it waits for no place."""

UPLOADS = ("POST", "/v1/documents")
STREAMS = "/events"
SESSION = "/v1/session"


class Places:
    """So many requests are worked on at once, so many more may wait for it; the next are refused, and those of one
    caller beyond `of_one`."""

    def __init__(self, at_once: int, waiting: int, of_one: int | None = None) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._may_wait = waiting
        self._waiting = 0
        self._of_one = of_one
        self._taken: Counter[str] = Counter()

    async def take(self, seconds: float, caller: str) -> None:
        """Wait for a place. Raises Overloaded where too many wait already, or no place is free in time; or where this
        caller has as many as one may have."""
        if self._of_one is not None and self._taken[caller] >= self._of_one:
            raise Overloaded(f"{self._of_one} of these are yours already; end one, or try again later", Retry_After="5")
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
        self._taken[caller] += 1

    def give_back(self, caller: str) -> None:
        """Let the next one in."""
        self._taken -= Counter((caller,))  # which forgets who has none
        self._free.release()


class Limits:
    """ASGI middleware that holds these limits."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._most_bytes = int(settings.body_mb * 1e6)
        self._seconds = settings.request_seconds
        self._written_seconds = settings.llm_seconds
        self._places = Places(settings.at_once, settings.waiting)
        self._bodies = Places(settings.at_once, settings.waiting)
        self._uploads, self._streams = Places(LASTING, 0, OF_ONE), Places(LASTING, 0, OF_ONE)
        self._streaming = Streaming()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or tell why not."""
        if scope["type"] != "http":
            with told_to_end(self._streaming.end):
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
        path, seconds = scope["path"], self._seconds_for(scope)
        if not path.startswith("/v1/") and tells_body(scope):
            raise BodyTooLarge("nothing may be sent to this address", Connection="close")
        if path in LIGHT or path.startswith(LIGHT_FOLDER):
            await self.app(scope, receive, send)
            return
        caller = scope.get("state", {}).get("counted", "")
        if (scope["method"], path) == UPLOADS:  # which is written to disk as it comes, and has a limit of its own
            await self._uploads.take(seconds, caller)
            await self._in_time(scope, receive, send, lambda: self._uploads.give_back(caller), None)
            return
        places = self._streams if path.endswith(STREAMS) else self._places
        receive = await self._with_body(scope, receive, seconds, places, caller)
        await self._in_time(scope, receive, send, lambda: places.give_back(caller), seconds)

    async def _with_body(self, scope: Scope, receive: Receive, seconds: float, places: Places, caller: str) -> Receive:
        """Take a place, and read the body before, of which there are only so many in memory: those that are read, or
        wait for a place, have places of their own. So who sends slowly keeps nobody who sends nothing waiting."""
        if not tells_body(scope):
            await places.take(seconds, caller)
            return receive
        if scope["path"] == SESSION:
            receive = await read_body(scope, receive, seconds, SESSION_BYTES)
            await places.take(seconds, caller)
            return receive
        await self._bodies.take(seconds, caller)
        try:
            receive = await read_body(scope, receive, seconds, self._most_bytes)
            await places.take(seconds, caller)
        finally:
            self._bodies.give_back(caller)
        return receive

    def _seconds_for(self, scope: Scope) -> float:
        """How long a request may take until its answer begins; a written answer has the time of its server on top."""
        written = scope["path"] == "/v1/ask" and b"write=" in scope["query_string"]
        return self._seconds + (self._written_seconds if written else 0)

    async def _in_time(
        self, scope: Scope, receive: Receive, send: Send, give_back: Callable[[], None], seconds: float | None
    ) -> None:
        """Answer, or raise TimedOut. Without `seconds` the body may take any time, if only it goes on coming.

        Work in a thread cannot be ended: it keeps its place until it is done.
        """
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        pieces = Pieces(receive)
        given_up = False

        async def send_in_time(message: Message) -> None:
            if given_up or pieces.stopped:
                return
            if not begun.done():
                begun.set_result(None)
            await send(message)

        def done(task: asyncio.Task[None]) -> None:
            give_back()
            if given_up and not task.cancelled():
                task.exception()  # nobody waits for it any more

        async def answer() -> None:
            await self.app(scope, receive if seconds else pieces.receive, send_in_time)

        work = asyncio.create_task(answer())
        work.add_done_callback(done)
        try:
            await asyncio.wait({work, begun}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not begun.done():
                given_up = True
                raise TimedOut(f"no answer within {seconds:g} s; ask for less, or try again later", Retry_After="5")
            await (self._streaming.follow(work, send) if scope["path"].endswith(STREAMS) else work)
        except asyncio.CancelledError:
            work.cancel()
            raise
        if pieces.stopped and not begun.done():
            raise TimedOut(f"of the upload nothing came for {PIECE_SECONDS:g} s; send it again", Connection="close")


class Streaming:
    """The streams that there are, each ended between two of its events: after STREAM_SECONDS, or as the server ends,
    which would else wait for them."""

    def __init__(self) -> None:
        self._ending = False
        self._waits: set[asyncio.Future[None]] = set()

    def end(self) -> None:
        """End them all, and those to come."""
        self._ending = True
        for wait in self._waits:
            wait.get_loop().call_soon_threadsafe(wait.cancel)

    async def follow(self, stream: asyncio.Task[None], send: Send) -> None:
        """Wait for a stream to end, and end it in time."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waits.add(told)
        try:
            seconds = 0 if self._ending else STREAM_SECONDS
            await asyncio.wait({stream, told}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waits.discard(told)
        if stream.done():
            await stream
            return
        stream.cancel()
        await asyncio.wait({stream})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@contextmanager
def told_to_end(tell: Callable[[], None]) -> Iterator[None]:
    """Tell when the process is asked to end, before the server is, which waits for streams and tells them nothing."""
    if threading.current_thread() is not threading.main_thread():  # no signal comes here
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def hear(number: int, frame: FrameType | None) -> None:
        tell()
        if callable(handle := before[signal.Signals(number)]):
            handle(number, frame)

    for number, handle in before.items():
        if callable(handle):
            signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handle in before.items():
            if signal.getsignal(number) is hear:
                signal.signal(number, handle)


class Pieces:
    """A body that breaks off where nothing of it comes for PIECE_SECONDS. The application sees a client that has left;
    what it answers to that is not to be sent."""

    def __init__(self, receive: Receive) -> None:
        self.stopped = False
        self._receive = receive
        self._more = True

    async def receive(self) -> Message:
        """The next piece; after the last whatever comes, whenever."""
        if not self._more:
            return await self._receive()
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                message = await self._receive()
        except TimeoutError:
            self.stopped = True
            return {"type": "http.disconnect"}
        self._more = message.get("more_body", False)
        return message


def tells_body(scope: Scope) -> bool:
    """Whether a request says that it has a body."""
    headers = Headers(scope=scope)
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def read_body(scope: Scope, receive: Receive, seconds: float, most: int) -> Receive:
    """The body, read before any work is begun for it; as a channel that gives it again.

    Raises BodyTooLarge, and TimedOut for one that does not come.
    """
    refusal = BodyTooLarge(f"more than {most:,} bytes are not taken at this address", Connection="close")
    told = Headers(scope=scope).get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise refusal
    parts: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while not parts or parts[-1].get("more_body"):
                parts.append(await receive())
                size += len(parts[-1].get("body", b""))
                if size > most:
                    raise refusal
    except TimeoutError:
        raise TimedOut(f"the request did not come within {seconds:g} s", Connection="close") from None
    return again(parts, receive)


def again(parts: list[Message], receive: Receive) -> Receive:
    """A channel that gives messages which were received already, and then what comes."""
    kept: Iterator[Message] = iter(parts)

    async def next_part() -> Message:
        for part in kept:
            return part
        return await receive()

    return next_part
