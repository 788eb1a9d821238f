"""Text files → sections and blocks: strictly decoded, and taken for Markdown where they are marked so."""

import re
from pathlib import Path

from kb.errors import UnreadableFile
from kb.read.legible import flaw
from kb.read.markdown import markdown_to_blocks
from kb.read.plain import plain_to_blocks
from kb.read.sections import Written, cut_sections

MAX_BYTES = 50 << 20
"""A larger file is no report."""

BOM = b"\xef\xbb\xbf"

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
"""Control characters but for tabs and line ends; in a text they tell of another encoding, or of no text."""

MARKED = re.compile(r"^(?:#{1,6} +\S.*|\|?(?: *:?-{3,}:? *\|)+(?: *:?-{3,}:?)? *)$", re.MULTILINE)
"""A heading or a table's rule in Markdown."""

MANY = 3
"""A text with so many of them is Markdown, whatever the file is called."""


def read_text(path: Path) -> Written:
    """A text file. Raises UnreadableFile where it is no text."""
    text = decode(path)
    markdown = path.suffix.lower() == ".md" or len(MARKED.findall(text)) >= MANY
    blocks = list(markdown_to_blocks(text) if markdown else plain_to_blocks(text))
    return cut_sections(text, blocks, "markdown" if markdown else "text")


def decode(path: Path) -> str:
    """The text of a file in UTF-8 or GB18030, its line ends made plain. Raises UnreadableFile for any other file."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UnreadableFile(f"{path}: {size >> 20} MB of text, over the limit of {MAX_BYTES >> 20} MB; split it")
    data = path.read_bytes()
    if (at := data.find(b"\0")) >= 0:
        raise UnreadableFile(f"{path}: no text: byte {at} is NUL; if it is UTF-16, save it as UTF-8")
    marked = len(BOM) if data.startswith(BOM) else 0
    wrong = 0
    for encoding in ("utf-8",) if marked else ("utf-8", "gb18030"):
        try:
            text = re.sub(r"\r\n?|[\f\v\x85\u2028\u2029]", "\n", data[marked:].decode(encoding))
        except UnicodeDecodeError as error:
            wrong = max(wrong, marked + error.start)  # the encoding that gets further is what it was meant to be
        else:
            check_is_text(path, text, encoding)
            return text
    raise UnreadableFile(f"{path}: neither UTF-8 nor GB18030: byte {wrong} is {data[wrong]:#04x}; save it as UTF-8")


def check_is_text(path: Path, text: str, encoding: str) -> None:
    """Raise UnreadableFile for control characters, and for what GB18030, which takes almost any bytes, made of others.

    Chinese in UTF-16 without a mark has no NUL, and may pass for GB18030.
    """
    if encoding == "gb18030" and flaw(text):
        raise UnreadableFile(f"{path}: looks like no text in UTF-8 or GB18030; save it as UTF-8")
    if found := CONTROL.search(text):
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        raise UnreadableFile(
            f"{path}: no text: character {column} of line {line} is the control character U+{ord(found[0]):04X}; "
            "take it out, or save the file as UTF-8"
        )
