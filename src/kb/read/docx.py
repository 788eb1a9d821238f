"""Word files (.docx) → sections and blocks: headings by style, tables with merged cells, everything in its order."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile, zip_longest
from pathlib import Path

import docx
from docx.document import Document as WordDocument
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.styles.style import BaseStyle

from kb.errors import UnreadableFile
from kb.read.plain import join_speakers, kind_of, names_columns, number_headings, points_of_lists
from kb.read.sections import Written, cut_sections, rows_to_blocks
from kb.records import Block, Kind, Piece

READER = f"docx {docx.__version__}"

MAX_UNPACKED = 500 << 20
"""A file that unpacks to more bytes than this is a bomb, or a book of pictures."""

MAX_XML = 50 << 20
"""A part of XML larger than this is no report's; parsed, it takes many times its size in memory."""

OLE = b"\xd0\xcf\x11\xe0"
"""What an encrypted .docx begins with, and a .doc of old."""

HEADING_STYLE = re.compile(r"^(?:heading|标题)\s*(\d)$", re.IGNORECASE)
STYLES = (
    (re.compile(r"^(?:title|subtitle|标题|副标题)$", re.IGNORECASE), Kind.NOISE),  # a cover is no heading over all
    (re.compile(r"^(?:toc|目录)\s*(?:\d|heading)|^目录$", re.IGNORECASE), Kind.CONTENTS),
    (re.compile(r"^(?:caption|题注)$", re.IGNORECASE), Kind.CAPTION),
    (re.compile(r"quote$|^引用$|^明显引用$", re.IGNORECASE), Kind.QUOTE),
    (re.compile(r"^(?:list (?:bullet|number|continue)|列表)", re.IGNORECASE), Kind.LIST),
)
"""What the names of Word's own styles say of a paragraph."""

WRAPPERS = frozenset(qn(name) for name in ("w:sdt", "w:sdtContent", "w:ins", "w:moveTo", "w:smartTag", "w:customXml"))
"""What may stand around paragraphs, rows and words without a meaning for them."""

FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
HIDDEN = frozenset(qn(name) for name in ("w:del", "w:moveFrom", "w:txbxContent", "w:pPr")) | {FALLBACK}
"""What is no text of the paragraph around it: deleted, moved away, or in a box of its own."""

SIGNS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}

Row = tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph style makes of its paragraphs: a heading of a level from 1, or a kind; neither for most."""

    level: int = 0
    kind: Kind | None = None


@dataclass(slots=True)
class Writer:
    """Collects the text of a file line by line."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    tables: int = 0

    def write(self, words: str) -> tuple[Piece, ...]:
        """Add the lines of a paragraph."""
        found = []
        for line in filter(None, (line.strip() for line in words.split("\n"))):
            found.append(Piece(0, self.length, self.length + len(line), line))
            self.parts.append(line)
            self.length += len(line) + 1
        return tuple(found)


def read_docx(path: Path) -> Written:
    """A Word file. Raises UnreadableFile where it is none, is locked, or unpacks to more than it should."""
    check_is_docx(path)
    try:
        document = docx.Document(str(path))
        styles = {style.style_id: style_of(style) for style in document.styles if hasattr(style, "base_style")}
        writer = Writer()
        blocks = [block for child in contents_of(document.element.body) for block in blocks_of(child, styles, writer)]
    except MemoryError:  # said by who limits this process, not by the file
        raise
    except Exception as error:  # a broken file can fail anywhere in zip, XML or the library
        raise UnreadableFile(f"{path}: broken Word file: {type(error).__name__}: {str(error)[:120]}") from error
    styled = any(block.kind is Kind.HEADING and block.level for block in blocks)
    blocks = list(points_of_lists(blocks) if styled else number_headings(blocks))
    title, author = said_of_itself(document)
    return cut_sections("\n".join(writer.parts), list(join_speakers(blocks)), READER, title, author)


def check_is_docx(path: Path) -> None:
    """Raise UnreadableFile unless the file is a zip of bounded size with a Word document in it."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == OLE:
        raise UnreadableFile(f"{path}: needs a password, or is an old .doc; save it as .docx without a password")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableFile(f"{path}: not a Word file: {error}") from error
    if all(entry.filename != "word/document.xml" for entry in entries):
        raise UnreadableFile(f"{path}: not a Word file: nothing in it is called word/document.xml")
    if (total := sum(entry.file_size for entry in entries)) > MAX_UNPACKED:
        raise UnreadableFile(
            f"{path}: unpacks to {total >> 20} MB, over the limit of {MAX_UNPACKED >> 20} MB; shrink it"
        )
    largest = max(
        (entry.file_size for entry in entries if entry.filename.lower().endswith((".xml", ".rels"))), default=0
    )
    if largest > MAX_XML:
        raise UnreadableFile(
            f"{path}: has {largest >> 20} MB of text with its marks, over the limit of {MAX_XML >> 20} MB; split it"
        )


def said_of_itself(document: WordDocument) -> tuple[str, str]:
    """Title and author from the document's properties; some files have none, or broken ones."""
    try:
        return document.core_properties.title.strip(), document.core_properties.author.strip()
    except Exception:  # they are optional, and the library makes what is missing
        return "", ""


def style_of(style: BaseStyle | None) -> Style:
    """What a style is, by its name or outline level, or by those of the styles that it is based on."""
    while style is not None:
        if heading := HEADING_STYLE.match(style.name or ""):
            return Style(int(heading[1]))
        level = outline_level(style.element)
        if level:
            return Style(level)
        for name, kind in STYLES:
            if name.search(style.name or ""):
                return Style(kind=kind)
        style = getattr(style, "base_style", None)
    return Style()


def outline_level(element: BaseOxmlElement) -> int:
    """The outline level that a style or paragraph has set, from 1; 0 for none and for that of plain text."""
    found = element.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
    value = found.get(qn("w:val"), "9") if found is not None else "9"
    return int(value) + 1 if value.isdigit() and int(value) < 9 else 0


def contents_of(element: BaseOxmlElement) -> Iterator[BaseOxmlElement]:
    """The children of an element, and those of what is merely wrapped around them."""
    for child in element.iterchildren("*"):
        if child.tag in WRAPPERS:
            yield from contents_of(child)
        else:
            yield child


def blocks_of(element: BaseOxmlElement, styles: dict[str, Style], writer: Writer) -> Iterator[Block]:
    """Write a paragraph or table, and what it is. A table of one column is a box around paragraphs."""
    if element.tag == qn("w:p"):
        yield from paragraph_to_blocks(element, styles, writer)
    elif element.tag == qn("w:tbl"):
        rows = [row for row in contents_of(element) if row.tag == qn("w:tr")]
        if all(len(cells_of(row)) < 2 for row in rows):
            inner = (child for row in rows for cell in cells_of(row) for child in contents_of(cell))
            yield from (block for child in inner for block in blocks_of(child, styles, writer))
        else:
            yield from table_to_blocks(rows, writer)


def paragraph_to_blocks(paragraph: BaseOxmlElement, styles: dict[str, Style], writer: Writer) -> Iterator[Block]:
    """A paragraph, and behind it the text boxes that hang on it."""
    words = "".join(words_of(paragraph))
    if any(not char.isspace() for char in words):
        style = styles.get(paragraph.style or "", Style())
        level = outline_level(paragraph) or style.level
        kind = Kind.HEADING if level else style.kind or kind_of(words.strip())
        if kind is Kind.TEXT and paragraph.find(f"{qn('w:pPr')}/{qn('w:numPr')}") is not None:
            kind = Kind.LIST
        yield Block(kind, writer.write(words), level)
    boxes = (box for box in paragraph.iter(qn("w:txbxContent")) if not is_fallback(box))
    yield from (block for box in boxes for child in contents_of(box) for block in blocks_of(child, styles, writer))


def words_of(element: BaseOxmlElement) -> Iterator[str]:
    """The words of a paragraph in order, without what is deleted."""
    for child in element.iterchildren("*"):
        if child.tag == qn("w:t"):
            yield child.text or ""
        elif child.tag not in HIDDEN:
            yield SIGNS.get(child.tag, "")
            yield from words_of(child)


def is_fallback(element: BaseOxmlElement) -> bool:
    """Whether an element is the second copy of a drawing, for old readers."""
    return any(above.tag == FALLBACK for above in element.iterancestors())


def cells_of(row: BaseOxmlElement) -> list[BaseOxmlElement]:
    """The cells of a table's row; a merged cell is there once."""
    return [cell for cell in contents_of(row) if cell.tag == qn("w:tc")]


def table_to_blocks(rows: Sequence[BaseOxmlElement], writer: Writer) -> Iterator[Block]:
    """Write a table cell by cell. A cell that was merged down is in every row, one merged across names every column."""
    found: list[Row] = []
    for row in rows:
        found.append(row_to_cells(row, found[-1] if found else (), writer))
    marked = sum(1 for _ in takewhile(is_header, rows))
    headers = marked or int(names_columns(found[0]))
    if headers == len(rows):
        headers = 0
    body = [apart(cells) for cells in found[headers:]]
    writer.tables += 1
    yield from rows_to_blocks([stacked(found[:headers]), *body] if headers else body, headers > 0, writer.tables)


def stacked(rows: Sequence[Row]) -> Row:
    """Several rows of column names as one; a name that was merged down stands there once."""
    columns = zip_longest(*rows, fillvalue=())
    return tuple(tuple(dict.fromkeys(piece for cell in column for piece in cell)) for column in columns)


def apart(row: Row) -> Row:
    """A row with what was merged across in its first column alone."""
    return tuple(() if at and cell == row[at - 1] else cell for at, cell in enumerate(row))


def row_to_cells(row: BaseOxmlElement, above: Row, writer: Writer) -> Row:
    """One row's cells by column: a merged cell in each of its columns, one merged down as it stands above."""
    cells: list[tuple[Piece, ...]] = [()] * row.grid_before
    for cell in cells_of(row):
        at = len(cells)
        if cell.vMerge == "continue":
            pieces = above[at] if at < len(above) else ()
        else:
            inside = (inner for inner in cell.iter(qn("w:p")) if not is_fallback(inner))
            pieces = tuple(piece for inner in inside for piece in writer.write("".join(words_of(inner))))
        cells += [pieces] * cell.grid_span
    return tuple(cells)


def is_header(row: BaseOxmlElement) -> bool:
    """Whether a row is marked as one that is repeated on each page."""
    mark = row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}")
    return mark is not None and mark.get(qn("w:val"), "true") not in ("0", "false", "off")
