"""The HTTP API under /v1, its documentation at /docs, and the page at /."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.grids import router as grids_router
from api.pictures import router as pictures_router
from api.problems import add_problem_handlers, problem_schemas
from api.quotes import router as quotes_router
from api.routes import router
from api.shelf import Shelf
from kb import __version__
from kb.picture import Pictures
from kb.settings import Settings, load_settings

STATIC = Path(__file__).parent / "static"

DESCRIPTION = (
    "Ask Chinese bank reports a question and get verbatim excerpts, each with bank, dimension, report and page.\n"
    "Errors are application/problem+json (RFC 9457); tell them apart by their type."
)

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""On every response. The text of reports is not ours: nothing but our own files may run in the page."""


class SafeHeaders:
    """ASGI middleware that puts HEADERS on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and add the headers to what comes back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class KbApi(FastAPI):
    """FastAPI with our problems in its OpenAPI document, and our headers outside of everything, errors included."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        document["components"]["schemas"] |= problem_schemas()
        return document

    def build_middleware_stack(self) -> ASGIApp:
        """All middleware, ours outermost: the answer to an unexpected error is made outside of what add_middleware
        reaches."""
        return SafeHeaders(super().build_middleware_stack())


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application over the index that the settings name; it starts without an index, and waits for one."""
    settings = settings or load_settings()
    shelf, pictures = Shelf(settings), Pictures(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        pictures.close()
        shelf.close()

    app = KbApi(
        title="kb",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.shelf, app.state.pictures = shelf, pictures
    app.include_router(router)
    app.include_router(grids_router)
    app.include_router(quotes_router)
    app.include_router(pictures_router)
    add_problem_handlers(app)
    add_pages(app)
    return app


def add_pages(app: FastAPI) -> None:
    """The page, the documentation, and the files that both are made of."""

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")

    app.mount("/static", StaticFiles(directory=STATIC))
