"""Pages of stored reports as PNG pictures with a passage's lines marked: drawn within limits, kept on disk."""

import hashlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kb.cite import cite
from kb.draw import render_page
from kb.errors import BadInput, FileChanged, NoPicture, NotFound, PicturesBusy, UnreadableFile, WrongPassword
from kb.read.pool import Limits, Lost, Pool
from kb.records import Box, Citation, Document
from kb.settings import Settings, read_passwords
from kb.store import Store, StoredPassage

DRAWING = 1
"""Moves on when pictures come to look otherwise: kept ones of before are then not used any more."""

LEAST_SCALE, SCALE, MOST_SCALE = 0.5, 1.5, 4.0
"""Pixels a point: 36, 108 and 288 dpi."""

MAX_SIDE = 4000
"""Pixels of the longer side at most; a larger page is drawn smaller."""

COLOURS = 256
"""Of a picture: text on a page needs no more, and its file has a third of the bytes."""

LINE_COLOUR = 255, 240, 150
QUOTE_COLOUR = 255, 205, 60
DARK = 110
"""Where a line's ground is darker, of 255, its mark makes it lighter, since it could not be seen otherwise."""

MARGIN = 0.6
"""How far a mark reaches over its line, in points."""

LEANING = 0.02
"""How much the sides of a picture may differ, in proportion, from those of the page as it was read."""

RACY_SECONDS = 2.0
"""A file written so short a time ago can be written again without a new time; it is hashed each time."""

KEPT_SHARE = 0.9
"""A full cache is emptied down to this share of its bound."""

SUCCESSOR = "kb show ID, with the passage's id, names its successor"

SIGNATURE, END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is marked on a page: a passage's lines, and stronger those of a quote in it."""

    lines: tuple[Box, ...] = ()
    quote: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A page to be drawn: `size` is its width and height in points as it was read, `scale` is in pixels a point."""

    document: Document
    number: int
    size: tuple[float, float]
    scale: float
    marks: Marks

    @property
    def key(self) -> str:
        """A name for the picture: the same for the same content, marks and way of drawing."""
        parts = (DRAWING, self.document.sha256, self.number, self.scale, self.marks.lines, self.marks.quote)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def view_page(
    store: Store,
    document: Document,
    number: int,
    scale: float = SCALE,
    stored: StoredPassage | None = None,
    quote: str = "",
) -> View:
    """What is to be drawn of a page (from 1), with the lines of a passage and of a quote in it.

    Raises NoPicture for a file without pages, NotFound for a page that there is not, BadInput where scale, passage or
    quote do not fit, and QuoteNotFound where the passage does not stand in the stored page.
    """
    if document.unit != "page":
        raise NoPicture(f"{document.file} has {document.unit}s and no pages; the text of a passage shows what it says")
    if not LEAST_SCALE <= scale <= MOST_SCALE:
        raise BadInput(f"scale {scale:g}: give {LEAST_SCALE:g} to {MOST_SCALE:g} pixels a point")
    page = next(iter(store.some_pages(document.id, [number])), None)
    if page is None:
        raise NotFound(f"no page {number} in {document.file}; it has pages 1 to {document.page_count}")
    if stored is None and quote:
        raise BadInput("a quote is marked in its passage; name the passage too")
    marks = marks_on(store, document, number, stored, quote) if stored else Marks()
    return View(document, number, (page.width, page.height), round(scale, 2), marks)


def marks_on(store: Store, document: Document, number: int, stored: StoredPassage, quote: str) -> Marks:
    """The boxes of a passage's lines, and of a quote's, on one page. Raises BadInput, QuoteNotFound."""
    passage = stored.passage
    if stored.document.id != document.id:
        raise BadInput(f"passage {passage.id} is of {stored.document.file} ({stored.document.id}), not of this report")
    whole = cite(store, document, passage, 0, len(passage.text))
    if number not in places_by_page(whole):
        pages = "、".join(map(str, places_by_page(whole)))
        raise BadInput(f"passage {passage.id} stands on page {pages} of {document.file}, not on {number}")
    at = passage.text.find(quote)
    if at < 0:
        raise BadInput(f"passage {passage.id} does not have the words {quote[:30]!r}; give the quote verbatim")
    exact = cite(store, document, passage, at, at + len(quote)) if quote else None
    return Marks(places_by_page(whole)[number], places_by_page(exact).get(number, ()) if exact else ())


def places_by_page(citation: Citation) -> dict[int, tuple[Box, ...]]:
    """The boxes of a citation by page, in order; a table row's column names too, which may stand on an earlier one."""
    found: dict[int, tuple[Box, ...]] = {}
    for place in sorted(citation.places, key=lambda place: place.page):
        found[place.page] = (*found.get(place.page, ()), *place.boxes)
    return found


class Pictures:
    """Draws views, one at a time, in a process with limits of time and memory. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = PictureCache(settings.cache / "pictures", settings.pictures_mb << 20)
        self._files = FileCheck()
        self._drawing = Lock()
        limits = Limits(settings.page_seconds, settings.worker_mb)
        self._pool = Pool(1, limits, preload=["kb.picture"])

    def __enter__(self) -> "Pictures":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the drawing process, when it is done."""
        with self._drawing:
            self._pool.close()

    def picture(self, view: View) -> bytes:
        """A view's PNG, kept or drawn; a kept one needs no file, for it is the content's that was read.

        Raises FileChanged where the report's file is gone or another one, WrongPassword, UnreadableFile where the page
        cannot be drawn within the limits, and PicturesBusy where other pages take too long.
        """
        if kept := self._cache.get(view.key):
            return kept
        if not self._drawing.acquire(timeout=self._settings.page_seconds):
            raise PicturesBusy("other pages are being drawn; try again in a moment")
        try:
            drawn = self._cache.get(view.key) or self._draw(view)
        finally:
            self._drawing.release()
        self._cache.put(view.key, drawn)
        return drawn

    def _draw(self, view: View) -> bytes:
        document, path = view.document, Path(view.document.path)
        before = self._files.check(document)
        passwords = read_passwords(self._settings.password_file)
        try:
            drawn = self._pool.call(draw_marked, path, passwords, view.number, view.size, view.scale, view.marks)
        except UnreadableFile as error:  # where it lies stays here: pictures are for others too
            raise type(error)(str(error).replace(str(path), document.file)) from error
        if isinstance(drawn, Lost):
            raise UnreadableFile(f"{document.file}: page {view.number} cannot be drawn: {drawn.reason}")
        if self._files.check(document) != before:
            raise FileChanged(f"{document.file} was written while its page was drawn; try again")
        return drawn


Stamp = tuple[int, int, int, int, int]
"""Device, inode, size, time of writing, and time of change (which cannot be set back) of a file."""


class FileCheck:
    """Tells whether a report's file is still the one that was read; hashes it only when it was written anew."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Stamp, str]] = {}

    def check(self, document: Document) -> Stamp:
        """The stamp of the file. Raises FileChanged where it is gone, or has other content than was read."""
        try:
            about = Path(document.path).stat()
            stamp = about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
            known = self._known.get(document.path)
            sha256 = known[1] if known and known[0] == stamp else hash_of(document.path)
        except OSError as error:
            way = "put it back, or ingest it from where it is now" if document.status == "live" else SUCCESSOR
            raise FileChanged(f"{document.file} is not where it was read ({error.strerror}); {way}") from error
        if time.time() - max(about.st_mtime, about.st_ctime) > RACY_SECONDS:
            self._known[document.path] = stamp, sha256
        if sha256 != document.sha256:
            told = "has been replaced by a later version" if document.status != "live" else "has changed"
            way = SUCCESSOR if document.status != "live" else "run kb ingest on it"
            raise FileChanged(f"{document.file} {told} since this passage was read, so it is not drawn; {way}")
        return stamp


def hash_of(path: str) -> str:
    """SHA-256 of a file's content. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def draw_marked(
    path: Path, passwords: Sequence[str], number: int, size: tuple[float, float], scale: float, marks: Marks
) -> bytes:
    """A page's PNG. Raises UnreadableFile where it cannot be drawn, or has another shape than when it was read."""
    pixels = np.array(render_with(path, passwords, number, scale))
    across, down = pixels.shape[1] / size[0], pixels.shape[0] / size[1]
    if abs(across / down - 1) > LEANING:  # the marks would be somewhere else
        shape = f"{pixels.shape[1]} × {pixels.shape[0]} pixels"
        raise UnreadableFile(f"{path}: page {number} was read as {size[0]:g} × {size[1]:g} points, but is {shape}")
    marked = np.zeros(pixels.shape[:2], bool)
    for boxes, colour in ((marks.quote, QUOTE_COLOUR), (marks.lines, LINE_COLOUR)):
        for box in boxes:
            paint(pixels, marked, box, (across, down), colour)
    return png_of(pixels)


def render_with(path: Path, passwords: Sequence[str], number: int, scale: float) -> Image.Image:
    """A page's picture, of a file that one of the passwords opens if it is locked. Raises UnreadableFile."""
    for password in ("", *passwords):
        with suppress(WrongPassword):
            return render_page(path, number, password, scale, MAX_SIDE)
    given = ", and none of those in KB_PASSWORD_FILE opens it" if passwords else "; put it into KB_PASSWORD_FILE"
    raise WrongPassword(f"{path}: needs a password to be drawn{given}")


def paint(
    pixels: Pixels, marked: NDArray[np.bool_], box: Box, scale: tuple[float, float], colour: tuple[int, int, int]
) -> None:
    """Mark a box given in points where nothing is marked yet: what is dark on light stays dark, and the reverse."""
    x0, top, x1, bottom = box
    rows = slice(max(int((top - MARGIN) * scale[1]), 0), max(round((bottom + MARGIN) * scale[1]), 0))
    columns = slice(max(int((x0 - MARGIN) * scale[0]), 0), max(round((x1 + MARGIN) * scale[0]), 0))
    part, fresh = pixels[rows, columns], ~marked[rows, columns]
    if not part.size:
        return
    tint = np.array(colour, np.uint16)
    if np.median(part) >= DARK:
        changed = part * tint // 255
    else:
        changed = 255 - (255 - part) * (255 - tint // 2) // 255
    part[fresh] = changed[fresh].astype(np.uint8)
    marked[rows, columns] = True


def png_of(pixels: Pixels) -> bytes:
    """Pixels of red, green and blue as a PNG file of few colours."""
    out = io.BytesIO()
    few = Image.fromarray(pixels).quantize(COLOURS, method=Image.Quantize.FASTOCTREE)
    few.save(out, "PNG", compress_level=6)
    return out.getvalue()


class PictureCache:
    """PNG files in a folder of at most so many bytes; the least recently used go first. Safe for several processes.

    A folder that cannot be written to is no error: pictures are drawn each time then, and the log says so.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes

    def get(self, key: str) -> bytes | None:
        """A whole picture by its name."""
        path = self._folder / f"{key}.png"
        with suppress(OSError):
            found = path.read_bytes()
            if found.startswith(SIGNATURE) and found.endswith(END):
                with suppress(OSError):  # of another user
                    os.utime(path)
                return found
        return None

    def put(self, key: str, picture: bytes) -> None:
        """Keep a picture, which is whole under its name from the first moment on."""
        if len(picture) > self._most_bytes:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is in it may be secret
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
                file.write(picture)
            os.replace(file.name, self._folder / f"{key}.png")
            self._make_room()
        except OSError as error:
            logging.getLogger(__name__).warning("pictures cannot be kept in %s: %s", self._folder, error)

    def _make_room(self) -> None:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self._most_bytes:
            return
        for _, size, path in files:
            if total <= self._most_bytes * KEPT_SHARE:
                return
            with suppress(OSError):  # another process was faster
                os.unlink(path)
            total -= size

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """When each file was used last, its bytes, and its path; what killed processes left behind too."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    about = entry.stat()
                    yield about.st_mtime_ns, about.st_size, entry.path
