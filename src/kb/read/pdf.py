"""Opening PDFs with the two readers, and what a PDF says of itself."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pdfplumber.utils.exceptions import PdfminerException

from kb.errors import UnreadableFile, WrongPassword
from kb.read.pdfium import PdfiumPdf
from kb.read.plumber import PlumberPdf
from kb.records import Bookmark

Reader = TypeVar("Reader", PlumberPdf, PdfiumPdf)

LONGEST_REASON = 120


@dataclass(frozen=True, slots=True)
class PdfFacts:
    """What a PDF says of itself: number of pages, title and author from the document information, its outline.

    `password` is the one that opened it, empty where none was needed.
    """

    page_count: int
    title: str
    author: str
    outline: tuple[Bookmark, ...] = ()
    password: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a reader does not open a file; `locked` where it only lacks the password."""

    reason: str
    locked: bool = False


def read_facts(path: Path, max_pages: int, passwords: Sequence[str] = ()) -> PdfFacts:
    """Open a PDF, with one of the passwords where it needs one, and read its page count, information and outline.

    Where the readers count differently, the larger number holds: a page that one of them loses is not lost unnamed.
    Raises UnreadableFile where it is no PDF, has no page or more than `max_pages`, WrongPassword where it is locked.
    """
    check_is_pdf(path)
    with ExitStack() as stack:
        tried = try_open(PlumberPdf, path, passwords), try_open(PdfiumPdf, path, passwords)
        readers = [stack.enter_context(closing(one)) for one in tried if not isinstance(one, Refusal)]
        if not readers:
            raise refused([one for one in tried if isinstance(one, Refusal)], path, passwords)
        count = max(len(reader) for reader in readers)
        if count > max_pages:
            raise UnreadableFile(f"{path}: {count} pages, over the limit of {max_pages}; raise KB_MAX_PAGES to read it")
        first = readers[0]
        return PdfFacts(count, first.info("Title"), first.info("Author"), readers[-1].outline(), first.password)


def check_is_pdf(path: Path) -> None:
    """Raise UnreadableFile unless the file has a PDF header in its first kilobyte (ISO 32000, annex H.3.4.1)."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise UnreadableFile(f"{path}: not a PDF: the file is empty")
    if b"%PDF-" not in head:
        raise UnreadableFile(f"{path}: not a PDF: it begins with {head[:16]!r}")


def try_open(reader: type[Reader], path: Path, passwords: Sequence[str]) -> Reader | Refusal:
    """The PDF, opened by a reader without a password or with one of these, or why it does not open it."""
    for password in ("", *passwords):
        try:
            pdf = reader(path, password)
        except WrongPassword:
            continue
        except (MemoryError, TimeoutError):  # said by who limits this process, not by the file
            raise
        except PdfminerException as error:  # what the parser under pdfplumber said
            return Refusal(f"{reader.NAME}: {reason(error.args[0])}")
        except Exception as error:  # a broken file can fail anywhere in a parser, with any exception
            return Refusal(f"{reader.NAME}: {reason(error)}")
        if len(pdf):
            return pdf
        pdf.close()
        return Refusal(f"{reader.NAME}: finds no page")
    return Refusal(f"{reader.NAME}: needs a password", locked=True)


def refused(refusals: Sequence[Refusal], path: Path, passwords: Sequence[str]) -> UnreadableFile:
    """The error for a file that no reader opens."""
    if all(refusal.locked for refusal in refusals):
        given = ", and none of those given opens it" if passwords else ""
        way = "give it with --password, or in a file named by KB_PASSWORD_FILE"
        return WrongPassword(f"{path}: needs a password{given}; {way}")
    return UnreadableFile(f"{path}: broken PDF: {'; '.join(refusal.reason for refusal in refusals)}")


def reason(error: object) -> str:
    """An exception in a few words: its own, or its name where it has none."""
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0][:LONGEST_REASON]}" if words else type(error).__name__
