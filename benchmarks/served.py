"""`kb serve` over an index on a port of its own, for benchmarks of the server."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

KB = [sys.executable, "-m", "kb.cli"]
READY = 120.0
"""Seconds that a server may take until it is ready."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(index: Path) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """A server that is ready for questions: its address and its process; ended at the end."""
    port = free_port()
    log = tempfile.TemporaryFile("w+")
    process = subprocess.Popen([*KB, "serve", "--port", str(port), "--index", str(index)], stdout=log, stderr=log)
    try:
        wait_until_ready(port, process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(30)
        log.seek(0)
        told = [line for line in log.read().splitlines() if "Error" in line or "Traceback" in line]
        if told:
            print(f"the server told of errors, the first: {told[0]}")
        log.close()


def wait_until_ready(port: int, process: subprocess.Popen[Any]) -> None:
    """Wait for /readyz."""
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        try:
            if urlopen(f"http://127.0.0.1:{port}/readyz", timeout=READY).status == 200:
                return
        except OSError:
            time.sleep(0.2)
    sys.exit("the server does not become ready")
