"""Watched folders → the report files in them that are new or changed, and no longer being copied."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zipfile import is_zipfile

from kb.build import is_report
from kb.metadata import beside

TAIL = 2048
"""How much of a PDF's end is looked at for its trailer: some have a few bytes behind it."""


class Stat(NamedTuple):
    """By what a file is known to be the same: its size and time, and those of the metadata beside it (0: none).

    Sizes are in bytes, times in nanoseconds. `touched` also tells that rights were changed, which mends no content: it
    counts for files that could not be read.
    """

    size: int
    changed: int
    given_size: int = 0
    given_changed: int = 0
    touched: int = 0

    def has_content_of(self, other: "Stat") -> bool:
        """Whether both are the same but for rights."""
        return self[:-1] == other[:-1]


@dataclass(frozen=True, slots=True)
class Scan:
    """The report files below some folders, by path; what could not be looked at, with the reason; links to reports."""

    files: Mapping[str, Stat]
    unread: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def scan(folders: Sequence[Path], index: Path) -> Scan:
    """What lies in the folders now, hidden folders and that of the index aside. Links are not followed: they may lead
    to any file of this machine."""
    files: dict[str, Stat] = {}
    unread: list[OSError] = []
    links: list[str] = []
    for folder in folders:
        for place, below, names in os.walk(folder, onerror=unread.append):
            below[:] = sorted(name for name in below if not name.startswith(".") and Path(place, name) != index)
            for path in (Path(place, name) for name in sorted(names)):
                try:
                    if not is_report(path):
                        continue
                    if path.is_symlink():
                        links.append(str(path))
                    elif found := stat_of(path):
                        files[str(path)] = found
                except OSError as error:  # a share that was lost a moment ago: ESTALE, EIO
                    unread.append(error)
    told = (f"{error.filename}: cannot be looked at: {error.strerror}" for error in unread)
    return Scan(files, tuple(told), tuple(links))


def stat_of(path: Path) -> Stat | None:
    """A file as it is now; None where it is gone already."""
    try:
        own = path.stat()
    except OSError:
        return None
    try:
        given = beside(path).stat()
    except OSError:
        return Stat(own.st_size, own.st_mtime_ns, touched=own.st_ctime_ns)
    touched = max(own.st_ctime_ns, given.st_ctime_ns)
    return Stat(own.st_size, own.st_mtime_ns, given.st_size, given.st_mtime_ns, touched)


def is_gone(path: str) -> bool:
    """Whether a file is not there. Of one that cannot be looked at nothing is known."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def folders_of(path: str, folders: Iterable[Path]) -> set[Path]:
    """The folders that a file is in, from its own up to the outermost of those given."""
    return {place for place in Path(path).parents for folder in folders if place.is_relative_to(folder)}


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

    A file is ready when it was seen to be the same for `quiet` seconds and has its end, or for `patience` seconds
    without it: then it is broken, and whoever reads it says so. The times of files do not count: a copy may have those
    of the original, or of another machine's clock.
    """

    quiet: float
    patience: float
    _since: dict[str, tuple[Stat, float]] = field(default_factory=dict)

    def sort(self, changed: Mapping[str, Stat], now: float) -> Sorted:
        """Changed files as they are at a moment of the monotonic clock."""
        last = self._since
        self._since = {
            path: last[path] if path in last and last[path][0] == found else (found, now)
            for path, found in changed.items()
        }
        result = Sorted([], [], [])
        for path, (_, since) in self._since.items():
            still = now - since
            if still < self.quiet:
                result.settling.append(path)
            elif still >= self.patience or is_whole(Path(path)):
                result.ready.append(path)
            else:
                result.half.append(path)
        return result
