"""Watched folders → the report files in them that are new or changed, and no longer being copied."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from typing import NamedTuple
from zipfile import is_zipfile

from kb.build import is_report
from kb.metadata import beside

TAIL = 2048
"""How much of a PDF's end is looked at for its trailer: some have a few bytes behind it."""


class Stat(NamedTuple):
    """By what a file is known to be the same: its size and time, and those of the metadata beside it (0: none).

    Sizes are in bytes, times in nanoseconds.
    """

    size: int
    changed: int
    given_size: int = 0
    given_changed: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """The report files below some folders, by path; and what could not be listed, with the reason."""

    files: Mapping[str, Stat]
    unread: tuple[str, ...] = ()


def scan(folders: Sequence[Path], index: Path) -> Scan:
    """What lies in the folders now, hidden folders and that of the index aside. Links to folders are not followed."""
    files: dict[str, Stat] = {}
    unread: list[OSError] = []
    for folder in folders:
        for place, below, names in os.walk(folder, onerror=unread.append):
            below[:] = sorted(name for name in below if not name.startswith(".") and Path(place, name) != index)
            for path in (Path(place, name) for name in sorted(names)):
                if is_report(path) and (found := stat_of(path)):
                    files[str(path)] = found
    return Scan(files, tuple(f"{error.filename}: cannot be listed: {error.strerror}" for error in unread))


def stat_of(path: Path) -> Stat | None:
    """A file as it is now; None where it is gone already."""
    try:
        own = path.stat()
    except OSError:
        return None
    try:
        given = beside(path).stat()
    except OSError:
        return Stat(own.st_size, own.st_mtime_ns)
    return Stat(own.st_size, own.st_mtime_ns, given.st_size, given.st_mtime_ns)


def is_gone(path: str) -> bool:
    """Whether a file is not there. Of one that cannot be looked at nothing is known."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_below(path: str, folders: Iterable[Path]) -> bool:
    """Whether a path is in one of the folders."""
    return any(path.startswith(os.path.join(folder, "")) for folder in folders)


def is_whole(path: Path) -> bool:
    """Whether a file has its end: a PDF its trailer, a Word file its list of parts. Of text this is not known."""
    try:
        if path.suffix.lower() == ".docx":
            return is_zipfile(path)
        if path.suffix.lower() != ".pdf":
            return True
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            return b"%%EOF" in file.read()
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Sorted:
    """Changed files: those to be read now, those that changed a moment ago, those whose end is still missing."""

    ready: list[str]
    settling: list[str]
    half: list[str]


@dataclass(slots=True)
class Settling:
    """Which changed files may still be being copied.

    A file is ready when it was the same for `quiet` seconds and has its end, or for `patience` seconds without it:
    then it is broken, and whoever reads it says so.
    """

    quiet: float
    patience: float
    _since: dict[str, tuple[Stat, float]] = field(default_factory=dict)

    def sort(self, changed: Mapping[str, Stat]) -> Sorted:
        """Changed files as they are now."""
        now = monotonic()
        last = self._since
        self._since = {
            path: last[path] if path in last and last[path][0] == found else (found, now)
            for path, found in changed.items()
        }
        result = Sorted([], [], [])
        for path, (found, since) in self._since.items():
            still = now - since
            if still < self.quiet:
                result.settling.append(path)
            elif max(still, time() - found.changed / 1e9) >= self.patience or is_whole(Path(path)):
                result.ready.append(path)
            else:
                result.half.append(path)
        return result
