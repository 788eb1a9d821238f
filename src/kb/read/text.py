"""Text files → sections and blocks: strictly decoded, and taken for Markdown where they are marked so."""

import re
from pathlib import Path

from kb.errors import UnreadableFile
from kb.read.markdown import markdown_to_blocks
from kb.read.plain import plain_to_blocks
from kb.read.sections import Written, cut_sections

MAX_BYTES = 50 << 20
"""A larger file is no report."""

BOM = b"\xef\xbb\xbf"

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
            return re.sub(r"\r\n?|[\f\v\x85\u2028\u2029]", "\n", data[marked:].decode(encoding))
        except UnicodeDecodeError as error:
            wrong = max(wrong, marked + error.start)  # the encoding that gets further is what it was meant to be
    raise UnreadableFile(f"{path}: neither UTF-8 nor GB18030: byte {wrong} is {data[wrong]:#04x}; save it as UTF-8")
