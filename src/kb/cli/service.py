"""The command that serves the page and the API."""

import os
from enum import StrEnum
from typing import Annotated, Any

import typer

from kb.cli.common import Index, app, err, settings_for
from kb.errors import BadInput
from kb.keys import KeyRing, is_loopback
from kb.settings import Settings, load_settings

LAST_SECONDS = 20
"""How long requests in work are waited for when the server is ended."""

MOST_CONNECTIONS = 1000

IDLE_SECONDS = 75
"""How long a connection is kept open for a next request. A busy client may send it late: after uvicorn's 5 s it can be
closed just as that comes, which fails it."""


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; all but loopback's needs keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    log_format: Annotated[LogFormat, typer.Option(help="Log lines for people, or as JSON.")] = LogFormat.TEXT,
    index: Index = None,
) -> None:
    """Serve the page and the API until interrupted.

    On 127.0.0.1 without keys whoever uses this machine may ask. For others make keys first, with kb key add.
    """
    import uvicorn

    settings = settings_for(index)
    check_keys(settings, host)
    os.environ["KB_INDEX"] = str(settings.index.resolve())
    if others_reach(settings, host):
        os.environ["KB_KEYS"] = "required"  # also when the folder of the index, and its keys, go while we serve
    load_settings.cache_clear()  # the application, which stands above this package, reads its settings by itself
    check_port(host, port)
    shown = f"[{host}]" if ":" in host else host
    err.print(f"page http://{shown}:{port}/   API http://{shown}:{port}/docs   (Ctrl-C ends)", highlight=False)
    err.print("try: 银行怎么解决金融科技人才短缺", highlight=False)
    if not is_loopback(host):
        err.print("keys and answers go over the network as they are, unless TLS is put in front: docs/serving.md")
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=host,
        port=port,
        log_config=logging_config(log_format),
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies or None,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=LAST_SECONDS,
        h11_max_incomplete_event_size=1 << 18,  # a question that is too long is answered, not cut off
    )


def check_keys(settings: Settings, host: str) -> None:
    """That nobody can ask who should not. Raises BadInput where keys are needed and there are none."""
    if settings.keys == "auto" and not others_reach(settings, host):
        return
    if any(not key.revoked for key in KeyRing(settings.index).all()):
        return
    why = "KB_KEYS=required asks for them"
    if others_reach(settings, host):
        why = f"others can reach {host}" if not is_loopback(host) else "others can reach it by a proxy (KB_PROXIES)"
    raise BadInput(
        f"there are no keys for the index {settings.index}, and {why};"
        f" make one: kb key add NAME --role read --index {settings.index};"
        " or serve on 127.0.0.1 without keys and without KB_PROXIES"
    )


def others_reach(settings: Settings, host: str) -> bool:
    """Whether others than who uses this machine can ask: at its own address, or at that of a proxy before it."""
    return not is_loopback(host) or bool(settings.proxies)


def check_port(host: str, port: int) -> None:
    """That the port is free. Raises BadInput."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error


def logging_config(log_format: LogFormat) -> dict[str, Any]:
    """What logging.config takes: a line for each request and each job, and warnings, on standard error."""
    lines: dict[LogFormat, dict[str, str]] = {
        LogFormat.TEXT: {"()": "api.logs.TextLines", "format": "%(asctime)s %(levelname)s %(message)s"},
        LogFormat.JSON: {"()": "api.logs.JsonLines"},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": lines[log_format]},
        "handlers": {"aside": {"class": "api.logs.Aside", "formatter": "lines"}},
        "root": {"level": "WARNING", "handlers": ["aside"]},
        "loggers": {"kb": {"level": "INFO"}},
    }
