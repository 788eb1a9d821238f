"""Files that others read and write too: replaced in one step, changed by one process at a time, named twice."""

import glob
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from kb.errors import BadInput, IndexBusy

STALE_SECONDS = 60.0
"""A draft that is older is nobody's: writing it takes no time."""

LOCK_SECONDS = 10.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time reads, changes and replaces the file; an OSError inside becomes BadInput."""
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise IndexBusy(f"{path} is being written by another process; wait for it, or end it") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error


def replace_file(target: Path, text: str) -> None:
    """Replace a file's content at once, its mode kept: whoever reads it meanwhile sees the old or the new one."""
    for left in target.parent.glob(f"{glob.escape(target.name)}.*.new"):  # by a run that was killed
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - STALE_SECONDS:
                left.unlink()
    draft = target.with_name(f"{target.name}.{uuid4().hex}.new")
    try:
        with draft.open("xb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def link(source: str, target: str) -> None:
    """A second name for a file; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
