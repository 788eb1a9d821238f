"""Digests → a webhook; those that it does not take lie in the index until it does."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kb.digest import Digest, as_json
from kb.errors import BadInput
from kb.tag.overrides import replace_file

WEBHOOK_SECONDS = 15.0

OUTBOX = "outbox"
"""Where an index keeps the digests that a webhook did not take, until it does."""

KEPT = 100
"""How many of them at most; the oldest go."""


class Refused(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a digest goes to the address that the user named, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        """None: the answer that redirects is an error."""


OPENER = urllib.request.build_opener(Refused)


def check_webhook(url: str) -> None:
    """Raise BadInput for what is no address of a webhook."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"webhook {url!r}: must be an address that begins with http:// or https://")


def post(url: str, body: str) -> str:
    """Send JSON to a webhook; why it was not taken, empty where it was."""
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json; charset=utf-8"})
    try:
        with OPENER.open(request, timeout=WEBHOOK_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"answered {error.code} {error.reason}"
    except (
        OSError,
        ValueError,
        http.client.HTTPException,
    ) as error:  # no connection, no answer in time, or one that is no HTTP
        return str(getattr(error, "reason", "") or error or type(error).__name__)


def put_out(index: Path, digest: Digest) -> None:
    """Lay a digest ready for the webhook."""
    folder = index / OUTBOX
    folder.mkdir(parents=True, exist_ok=True)
    stamp = digest.time.replace(":", "").replace("+", "-")
    replace_file(folder / f"{stamp}-{digest.generation:08}.json", as_json(digest))
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)


def send_out(index: Path, url: str) -> tuple[int, str]:
    """Send what lies ready, the oldest first: how many were taken, and why the next was not, if it was not."""
    sent = 0
    for file in sorted((index / OUTBOX).glob("*.json")):
        if problem := post(url, file.read_text("utf-8")):
            return sent, problem
        file.unlink()
        sent += 1
    return sent, ""
