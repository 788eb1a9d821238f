"""Tables → CSV for spreadsheets: one file a table in a folder, or one long file of all their rows."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from kb.export import LIST_MARK
from kb.records import Document, ReportTable
from kb.store import StoredFigure

FoundTable = tuple[Document, ReportTable]

INDEX_FILE = "index.csv"

ENCODING = "utf-8-sig"
"""With a byte order mark, without which Excel takes UTF-8 for the encoding of the machine."""

FORMULA = re.compile(r"[=@\t\r]|[+-](?![\s+-]*(?:[\d.(]|$))|[+-].*(?:[A-Za-z]\s*\(|[|!])", re.DOTALL)
"""What a spreadsheet may run: after a sign, what is no number, and a number that a function or a link follows."""

PLACE_COLUMNS = ("file", "doc", "table", "pages", "heading", "caption")
FIGURE_COLUMNS = (
    "banks", "name", "text", "value", "unit", "as_of", "date", "comparison", "change", "change_unit", "title", "file",
    "report_year", "pages", "passage_id",
)  # fmt: skip
INDEX_COLUMNS = ("csv", *PLACE_COLUMNS, "title", "publisher", "year", "columns", "rows")


def guarded(value: object) -> str:
    """A cell that a spreadsheet shows and does not run: an apostrophe goes before what it would take for a formula.

    Everything else is verbatim, signed numbers too. Full-width signs count: Excel reads them as their narrow forms.
    """
    text = str(value)
    return "'" + text if FORMULA.match(unicodedata.normalize("NFKC", text)) else text


def write_rows(rows: Iterable[Sequence[object]], out: TextIO) -> None:
    """Rows as CSV, each cell guarded."""
    csv.writer(out).writerows([guarded(value) for value in row] for row in rows)


def table_rows(table: ReportTable) -> list[tuple[str, ...]]:
    """A table's rows, its header first where it has one."""
    return [*([table.header] if table.header else []), *table.rows]


def table_csv(table: ReportTable) -> str:
    """One table as CSV."""
    out = io.StringIO(newline="")
    write_rows(table_rows(table), out)
    return out.getvalue()


def write_figures(found: Iterable[StoredFigure], out: TextIO) -> None:
    """A header, and a row for each figure."""
    write_rows([FIGURE_COLUMNS], out)
    write_rows(map(figure_row, found), out)


def figure_row(stored: StoredFigure) -> tuple[object, ...]:
    """The values of FIGURE_COLUMNS; None leaves a cell empty."""
    figure, passage, document = stored.figure, stored.passage, stored.document
    about = LIST_MARK.join(passage.banks), figure.name, figure.text, figure.value, figure.unit
    when = figure.as_of, figure.date, figure.comparison, "" if figure.change is None else figure.change
    place = document.title, document.file, document.year or "", LIST_MARK.join(map(str, passage.pages)), passage.id
    return *about, *when, figure.change_unit, *place


def write_long(found: Sequence[FoundTable], out: TextIO) -> None:
    """All rows of all tables: where each stands, its number in the table (0: the header), then its cells."""
    columns = max((len(row) for _, table in found for row in table_rows(table)), default=0)
    write_rows([(*PLACE_COLUMNS, "row", *(f"cell_{at}" for at in range(1, columns + 1)))], out)
    for document, table in found:
        first = 0 if table.header else 1
        for number, row in enumerate(table_rows(table), first):
            write_rows([(*place(document, table), number, *row, *[""] * (columns - len(row)))], out)


def place(document: Document, table: ReportTable) -> tuple[object, ...]:
    """The values of PLACE_COLUMNS."""
    pages = LIST_MARK.join(map(str, table.pages))
    return document.file, document.id, table.number, pages, " > ".join(table.heading), table.caption


def write_folder(found: Sequence[FoundTable], folder: Path) -> None:
    """A file for each table, and INDEX_FILE, which says where each comes from. Files of the same names are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(found)
    for name, (_, table) in zip(names, found, strict=True):
        (folder / name).write_text(table_csv(table), ENCODING, newline="")
    with (folder / INDEX_FILE).open("w", encoding=ENCODING, newline="") as out:
        write_rows([INDEX_COLUMNS], out)
        for name, (document, table) in zip(names, found, strict=True):
            about = document.title, document.publisher, "" if document.year is None else document.year
            size = max(map(len, table.rows)), len(table.rows)
            write_rows([(name, *place(document, table), *about, *size)], out)


def file_names(found: Sequence[FoundTable]) -> list[str]:
    """A name for each table by report, number and page: survey2023-table-03-p45.csv.

    Reports whose files bear one name are told apart by their ids; numbers are as long as the largest, to sort well.
    """
    documents = {document.id: document for document, _ in found}.values()
    same = Counter(Path(document.file).stem.lower() for document in documents)
    last = Counter(document.id for document, _ in found)
    names = []
    for document, table in found:
        stem = Path(document.file).stem
        report = stem if same[stem.lower()] == 1 else f"{stem}-{document.id}"
        digits = max(2, len(str(last[document.id])))
        names.append(f"{report}-table-{table.number:0{digits}}-p{table.pages[0]}.csv")
    return names
