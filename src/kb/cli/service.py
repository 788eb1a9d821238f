"""The command that serves the page and the API."""

import os
from typing import Annotated

import typer

from kb.cli.common import Index, app, err, settings_for
from kb.errors import BadInput
from kb.settings import load_settings


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    index: Index = None,
) -> None:
    """Serve the page and the API until interrupted."""
    import socket

    import uvicorn

    settings = settings_for(index)
    os.environ["KB_INDEX"] = str(settings.index.resolve())
    load_settings.cache_clear()  # the application, which stands above this package, reads its settings by itself
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    err.print(f"page http://{host}:{port}/   API http://{host}:{port}/docs   (Ctrl-C ends)", highlight=False)
    err.print("try: 银行怎么解决金融科技人才短缺", highlight=False)
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=host,
        port=port,
        log_level="warning",
        h11_max_incomplete_event_size=1 << 18,  # a question that is too long is answered, not cut off
    )
