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

from api.banks import router as banks_router
from api.grids import router as grids_router
from api.guard import Door, Guard, document_guard
from api.jobs import router as jobs_router
from api.limits import Limits
from api.logs import Observe, audit_request, log_request
from api.metrics import Metrics
from api.metrics import router as metrics_router
from api.page.render import show_problem
from api.page.routes import views
from api.pictures import router as pictures_router
from api.problems import add_problem_handlers, problem_schemas
from api.quotes import router as quotes_router
from api.routes import router
from api.session import router as session_router
from api.shelf import Shelf
from api.uploads import router as uploads_router
from kb import __version__
from kb.jobs.runner import Runner
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
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every response. The text of reports is not ours: nothing but our own files may run in the page."""

KEPT_PRIVATE = "private, no-cache"
"""For responses that do not say themselves how they may be kept: asked for anew each time, by no cache of others."""

ONLY_HTTPS = "max-age=31536000"


class SafeHeaders:
    """ASGI middleware that puts HEADERS on every response, and on those over https that it is to stay so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and add the headers to what comes back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", KEPT_PRIVATE)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = ONLY_HTTPS
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class KbApi(FastAPI):
    """FastAPI with our problems in its OpenAPI document, and our middleware outside of everything, errors included."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = super().openapi()
            self.openapi_schema["components"]["schemas"] |= problem_schemas()
            document_guard(self.openapi_schema)
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """All middleware, ours outermost: the answer to an unexpected error is made outside of what add_middleware
        reaches."""
        settings: Settings = self.state.settings
        guarded = Guard(Limits(super().build_middleware_stack(), settings), self.state.door)
        observers = (log_request(settings.log_queries), audit_request(settings.index), self.state.metrics.served)
        return SafeHeaders(Observe(guarded, observers))


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application over the index that the settings name; it starts without an index, and waits for one."""
    settings = settings or load_settings()
    shelf, pictures, jobs = Shelf(settings), Pictures(settings), Runner(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        jobs.start()
        yield
        jobs.close()
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
    app.state.settings, app.state.shelf, app.state.pictures, app.state.jobs = settings, shelf, pictures, jobs
    app.state.door, app.state.metrics, app.state.show_problem = Door(settings), Metrics(settings), show_problem
    app.include_router(router)
    app.include_router(banks_router)
    app.include_router(grids_router)
    app.include_router(quotes_router)
    app.include_router(pictures_router)
    app.include_router(uploads_router)
    app.include_router(jobs_router)
    app.include_router(session_router)
    app.include_router(metrics_router)
    add_problem_handlers(app)
    add_pages(app)
    return app


def add_pages(app: FastAPI) -> None:
    """The views, the documentation, and the files that both are made of."""
    app.include_router(views)

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")

    app.mount("/static", StaticFiles(directory=STATIC))
