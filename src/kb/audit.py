"""The audit log: one JSON line for each change that was made or tried, added at the end of INDEX/audit.jsonl."""

import getpass
import json
import os
from datetime import UTC, datetime
from pathlib import Path

AUDIT_FILE = "audit.jsonl"


def record(index: Path, **fields: object) -> None:
    """Add a line with the time and these fields, empty ones left out. Raises OSError where it cannot be written.

    A line goes to the file in one piece, so several processes may write; a file that logrotate has moved away is
    begun anew.
    """
    entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
    told = {name: value for name, value in entry.items() if value not in ("", None)}
    line = (json.dumps(told, ensure_ascii=False) + "\n").encode("utf-8", "replace")
    index.mkdir(parents=True, exist_ok=True)
    file = os.open(index / AUDIT_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
    finally:
        os.close(file)


def record_command(index: Path, command: str, **fields: object) -> None:
    """The same for a command of the command line, by the account that ran it."""
    record(index, who=account(), via="command line", command=command, **fields)


def account() -> str:
    """The name of the account that runs this process; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
