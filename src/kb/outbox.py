"""Digests → a webhook; those that it does not take lie in the index until it does."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kb.digest import Digest, as_json
from kb.errors import BadInput
from kb.files import replace_file

WEBHOOK_SECONDS = 15.0

OUTBOX = "outbox"
"""Where an index keeps the digests that a webhook did not take, until it does."""

KEPT = 100
"""How many of them at most; the oldest go."""

REFUSED = "refused"
"""Where in there those lie that the webhook will never take; as many at most."""

OF_THE_DIGEST = (400, 413, 415, 422)
"""Answers about what was sent. Others (no access, no such address, too many) hold for the next digest too."""


class Refused(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a digest goes to the address that the user named, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        """None: the answer that redirects is an error."""


OPENER = urllib.request.build_opener(Refused)


def check_webhook(url: str) -> None:
    """Raise BadInput for what is no address of a webhook."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise BadInput("--webhook: must be an address that begins with http:// or https://")


def told_address(url: str) -> str:
    """A webhook's address for messages: who knows the rest of it may post there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def post(url: str, body: str) -> tuple[int, str]:
    """Send JSON to a webhook; the status (0: no answer), and why it was not taken, empty where it was."""
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json; charset=utf-8"})
    try:
        with OPENER.open(request, timeout=WEBHOOK_SECONDS) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, f"answered {error.code} {error.reason}"
    except OSError as error:  # no connection, or no answer in time
        return 0, str(getattr(error, "reason", "") or error or type(error).__name__)
    except (ValueError, http.client.HTTPException) as error:  # no HTTP; the message may hold the address
        return 0, type(error).__name__


def put_out(index: Path, digest: Digest) -> None:
    """Lay a digest ready for the webhook."""
    folder = index / OUTBOX
    folder.mkdir(parents=True, exist_ok=True)
    stamp = digest.time.replace(":", "").replace("+", "-")
    replace_file(folder / f"{stamp}-{digest.generation:08}.json", as_json(digest))
    keep_latest(folder)


def keep_latest(folder: Path) -> None:
    """Let the oldest digests of a folder go."""
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)


def send_out(index: Path, url: str) -> tuple[int, list[str]]:
    """Send what lies ready, the oldest first: how many were taken, and why others were not.

    One that the webhook will never take is set aside; after any other problem the rest waits. Raises OSError.
    """
    sent, problems = 0, []
    for file in sorted((index / OUTBOX).glob("*.json")):
        status, problem = post(url, file.read_text("utf-8"))
        if status in OF_THE_DIGEST:
            problems.append(f"{told_address(url)}: {problem}; set aside: {set_aside(file)}")
        elif problem:
            return sent, [*problems, f"{told_address(url)}: {problem}; the next run sends it again"]
        else:
            file.unlink()
            sent += 1
    return sent, problems


def set_aside(file: Path) -> Path:
    """Move a digest out of the way of the others, and return where it is now."""
    folder = file.parent / REFUSED
    folder.mkdir(exist_ok=True)
    moved = file.replace(folder / file.name)
    keep_latest(folder)
    return moved
