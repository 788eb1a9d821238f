"""A lock between processes, with a note beside it that tells who holds it, since when, and what for."""

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kb.errors import IndexBusy


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. `since` is ISO 8601 with its zone, `doing` a command such as `kb ingest ../reports`."""

    pid: int
    host: str
    user: str
    since: str
    doing: str

    @classmethod
    def me(cls, doing: str) -> "Holder":
        """This process, from now on."""
        return cls(os.getpid(), socket.gethostname(), user_name(), datetime.now().astimezone().isoformat(), doing)

    def __str__(self) -> str:
        since, now = datetime.fromisoformat(self.since).astimezone(), datetime.now().astimezone()
        told = since.strftime("%H:%M" if since.date() == now.date() else "%Y-%m-%d %H:%M")
        return f"process {self.pid} of {self.user} on {self.host} since {told} ({self.doing})"

    def is_gone(self) -> bool:
        """Whether this process is known to have ended; of another machine's nothing is known."""
        if os.name != "posix" or self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


@contextmanager
def held(lock: Path, taken: str, doing: str, seconds: float) -> Iterator[Holder | None]:
    """Hold a lock; gives who held it last and was killed before letting go, if anyone.

    `taken` begins the message where another holds it for longer than `seconds`: "index is being written". Raises
    IndexBusy, and OSError where the lock's file cannot be made.
    """
    file = FileLock(lock, timeout=seconds)
    try:
        file.acquire()
    except Timeout as error:
        raise IndexBusy(f"{taken} by {told_holder(lock)}; wait for it, or end it (KB_LOCK_SECONDS)") from error
    try:
        left = read_note(lock)
        write_note(lock, Holder.me(doing))
        yield left
    finally:
        with suppress(OSError):
            note_of(lock).unlink(missing_ok=True)
        file.release()


def holder(lock: Path) -> Holder | None:
    """Who holds a lock now; None for nobody. The lock itself is asked: the note of a process that was killed stays."""
    found = read_note(lock)
    if found is None or found.is_gone():
        return None
    try:
        with FileLock(lock, timeout=0, is_singleton=False):
            return None
    except (Timeout, OSError):  # a folder that cannot be written to here may be another's to write to
        return found


def told_holder(lock: Path) -> str:
    """Who holds a lock that was refused, as far as it is known."""
    found = read_note(lock)
    return "another process" if found is None or found.is_gone() else str(found)


def note_of(lock: Path) -> Path:
    """Where the note of a lock lies: writing.lock has writing.json."""
    return lock.with_suffix(".json")


def read_note(lock: Path) -> Holder | None:
    """What the note says; None where there is none, or none that can be read."""
    try:
        return Holder(**json.loads(note_of(lock).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_note(lock: Path, mine: Holder) -> None:
    """Write the note at once. On a full disk there is none: the lock holds all the same."""
    draft = note_of(lock).with_suffix(".json.new")
    with suppress(OSError):
        note_of(lock).unlink(missing_ok=True)
        draft.write_text(json.dumps(asdict(mine), ensure_ascii=False), "utf-8")
        os.replace(draft, note_of(lock))


def user_name() -> str:
    """Who runs this process; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
