"""Uploaded files: checked by content, kept under names made of their content, deleted when nothing needs them."""

import codecs
import hashlib
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from kb.catalogue import STORE_FILE
from kb.errors import BadInput, UploadTooLarge, WrongType
from kb.jobs.queue import Job, Order, Queue, Task, named, uploads_wanted
from kb.metadata import check_given
from kb.settings import Settings
from kb.store import Store

FOLDER = "uploads"

HEAD = 1024
"""A PDF's header stands within so many bytes (ISO 32000, annex H.3.4.1)."""

SAMPLE = 1 << 20
"""So many bytes tell whether a file is text; reading it tells the rest."""

ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
WORD_ENTRY = re.compile(rb"PK\x01\x02.{42}word/document\.xml", re.DOTALL)
"""An entry of a zip's directory: its signature, 42 bytes of numbers, its name."""

MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml|svg|!--)", re.IGNORECASE)
TYPES = "PDF, Word (.docx), text and Markdown files are read"

OURS = re.compile(r"[0-9a-f]{64}\.(?:pdf|docx|txt|md)(?:\.[0-9a-f]{32}\.part)?")
"""The names that files have here; any other file was put here by somebody else, and is left alone."""

STALE_SECONDS = 3600.0
"""A draft that nothing was written to for so long is left over from a server that was killed."""

LONGEST_NAME = 150
MARK = 8
"""So many characters of its content's hash tell a file's name from others where its own cannot."""
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters that have no place in a name: control, direction, surrogates, breaks."""


def submit(queue: Queue, settings: Settings, file: BinaryIO, name: str, given: dict[str, object], by: str) -> Job:
    """Keep an uploaded file and queue its ingestion. `name` is whatever its user calls it, `given` metadata by hand.

    Raises BadInput for an empty file, or metadata that cannot be, UploadTooLarge, WrongType, QueueFull, DiskFull,
    IndexBusy and IndexDamaged.
    """
    by_hand = check_given(given, "form").model_dump_json(exclude_none=True)
    check_size(file, settings.upload_mb)
    suffix = suffix_of(file, name)
    sha256 = sha256_of(file)
    stored = sha256 + suffix
    order = Order(Task.INGEST, clean_name(name, suffix, sha256), upload=stored, given=by_hand)
    with named(queue.path), drafted(file, settings.index / FOLDER / stored) as put:
        return queue.add(order, by, put)


def sha256_of(file: BinaryIO) -> str:
    """SHA-256 of a file's content."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(SAMPLE):
        digest.update(piece)
    return digest.hexdigest()


def check_size(file: BinaryIO, megabytes: int) -> None:
    """Raise BadInput for an empty file, UploadTooLarge for one over the limit."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise BadInput("the file is empty")
    if size > megabytes << 20:
        raise too_large(megabytes)


def too_large(megabytes: int) -> UploadTooLarge:
    """The error for a file over the limit."""
    return UploadTooLarge(f"a file of more than {megabytes} MB is not taken; KB_UPLOAD_MB is the limit")


def suffix_of(file: BinaryIO, name: str) -> str:
    """What a file is, as the end of a file name, by its content. Raises WrongType.

    Text may be Markdown with hardly a mark in it: there the end of its own name says which of the two.
    """
    file.seek(0)
    sample = file.read(SAMPLE)
    if b"%PDF-" in sample[:HEAD]:
        return ".pdf"
    if sample.startswith(ZIP) and has_word_document(file):
        return ".docx"
    if sample.startswith(OLE):
        raise WrongType(f"an old .doc, or a file with a password; save it as .docx without one; {TYPES}")
    if MARKUP.match(sample) or not is_text(sample):
        raise WrongType(f"the content is that of no file that can be read, whatever its name; {TYPES}")
    return ".md" if name.lower().endswith(".md") else ".txt"


def has_word_document(file: BinaryIO) -> bool:
    """Whether a zip's directory has a Word document; nothing is unpacked, and a directory of millions costs nothing."""
    file.seek(0)
    last = b""
    while piece := file.read(SAMPLE):
        if WORD_ENTRY.search(last + piece):
            return True
        last = piece[-100:]
    return False


def is_text(sample: bytes) -> bool:
    """Whether the beginning of a file is text in UTF-8 or GB18030."""
    if b"\0" in sample:
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        return not re.search(r"[\x00-\x08\x0e-\x1f\x7f]", text)
    return False


def clean_name(name: str, suffix: str, sha256: str) -> str:
    """A name to be shown and stored in the database, never used for a file: no folders, nothing unseen, the suffix
    that its content tells. Where nothing is left of it, or it is cut, the content's hash keeps it from being that of
    another report, which it would replace."""
    last = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    seen = "".join(char for char in last if unicodedata.category(char) not in UNSEEN)
    stem = " ".join(seen.split())
    if stem.lower().endswith(suffix):
        stem = stem[: -len(suffix)]
    stem, mark = stem.strip(". "), "-" + sha256[:MARK]
    most = LONGEST_NAME - len(suffix)
    if len(stem) > most:
        stem = stem[: most - len(mark)].strip() + mark
    return (stem or "upload" + mark) + suffix


@contextmanager
def drafted(file: BinaryIO, place: Path) -> Iterator[Callable[[], None]]:
    """Copy a file beside its place, which may take long; gives what moves it there, whole, in a moment."""
    draft = place.with_name(f"{place.name}.{uuid4().hex}.part")
    place.parent.mkdir(parents=True, exist_ok=True)

    def put() -> None:
        if not place.exists():
            os.replace(draft, place)

    file.seek(0)
    try:
        with draft.open("wb") as out:
            shutil.copyfileobj(file, out, SAMPLE)
        yield put
    finally:
        draft.unlink(missing_ok=True)


def clear_up(queue: Queue, index: Path) -> None:
    """Delete the uploads that neither a waiting job nor a document of the index, live or superseded, is about.

    Without an index nothing is deleted: the files may be all that is left of it.
    """
    if not (index / FOLDER).is_dir() or not (index / STORE_FILE).exists():
        return
    with queue.changing() as db, Store.open(index / STORE_FILE) as store:
        names = {Path(document.path).name for document in store.documents(live=False)}
        wanted = names | uploads_wanted(db)
        for file in (index / FOLDER).iterdir():
            if OURS.fullmatch(file.name) and file.name not in wanted and not is_drafted(file):
                file.unlink(missing_ok=True)


def is_drafted(file: Path) -> bool:
    """Whether a file may be a draft that is being written."""
    try:
        return file.suffix == ".part" and time.time() - file.stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:  # it was moved to its place
        return True
