"""The store's tables, and records ↔ their rows; lists are kept as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from kb.records import Document, Kind, Line, Page, Passage, ReportTable, Span

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, path TEXT NOT NULL, file TEXT NOT NULL, title TEXT NOT NULL,
    publisher TEXT NOT NULL, year INTEGER, kind TEXT NOT NULL, page_count INTEGER NOT NULL, reader TEXT NOT NULL,
    status TEXT NOT NULL, unit TEXT NOT NULL, superseded_by TEXT, added TEXT NOT NULL,
    sources TEXT NOT NULL
);
CREATE INDEX documents_path ON documents (path, status);
CREATE TABLE pages (
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    width REAL NOT NULL, height REAL NOT NULL, label TEXT, reader TEXT NOT NULL, problem TEXT,
    text TEXT NOT NULL, lines TEXT NOT NULL, PRIMARY KEY (document, number)
) WITHOUT ROWID;
CREATE TABLE tables (
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, number INTEGER NOT NULL,
    pages TEXT NOT NULL, heading TEXT NOT NULL, caption TEXT NOT NULL, header TEXT NOT NULL, cells TEXT NOT NULL,
    PRIMARY KEY (document, number)
) WITHOUT ROWID;
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    place INTEGER NOT NULL, kind TEXT NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, spans TEXT NOT NULL,
    dimension TEXT NOT NULL, role TEXT NOT NULL
);
CREATE INDEX passages_document ON passages (document, place);
CREATE TABLE passage_banks (
    passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE, place INTEGER NOT NULL, bank TEXT NOT NULL,
    PRIMARY KEY (passage, place)
) WITHOUT ROWID;
CREATE INDEX passage_banks_bank ON passage_banks (bank);
CREATE TABLE passage_topics (
    passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE, place INTEGER NOT NULL, topic TEXT NOT NULL,
    PRIMARY KEY (passage, place)
) WITHOUT ROWID;
CREATE INDEX passage_topics_topic ON passage_topics (topic);
CREATE TABLE units (
    row INTEGER PRIMARY KEY, passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, whole INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX units_passage ON units (passage);
CREATE TABLE failures (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, reason TEXT NOT NULL, noted TEXT NOT NULL);
"""

Row = Sequence[Any]
"""A row as SQLite gives it; its columns are those that the name beside the function lists."""

DOCUMENT_COLUMNS = (
    "d.id, d.sha256, d.path, d.file, d.title, d.publisher, d.year, d.kind, d.page_count, d.reader, d.status, d.unit"
)
PAGE_COLUMNS = "number, width, height, label, reader, problem, text, lines"
TABLE_COLUMNS = "number, pages, heading, caption, header, cells"


def ordered_list(table: str, column: str) -> str:
    """SQL for the tags of passage p in their order, as a JSON list."""
    ordered = f"SELECT {column} FROM {table} WHERE passage = p.row ORDER BY place"
    return f"(SELECT json_group_array({column}) FROM ({ordered}))"


PASSAGE_COLUMNS = (
    "p.id, p.kind, p.heading, p.text, p.spans, p.dimension, p.role, "
    f"{ordered_list('passage_banks', 'bank')}, {ordered_list('passage_topics', 'topic')}"
)


def document_to_row(document: Document) -> Row:
    """The values of DOCUMENT_COLUMNS."""
    return (
        document.id, document.sha256, document.path, document.file, document.title, document.publisher, document.year,
        document.kind, document.page_count, document.reader, document.status, document.unit,
    )  # fmt: skip


def row_to_document(row: Row) -> Document:
    """The record of a row of DOCUMENT_COLUMNS."""
    return Document(*row)


def page_to_row(page: Page) -> Row:
    """The values of PAGE_COLUMNS."""
    lines = [[line.start, line.end, *line.box, line.size] for line in page.lines]
    size = page.width, page.height
    return page.number, *size, page.label, page.reader, page.problem, page.text, json.dumps(lines)


def row_to_page(row: Row) -> Page:
    """The record of a row of PAGE_COLUMNS."""
    number, width, height, label, reader, problem, text, stored = row
    lines = tuple(
        Line(start, end, (x0, top, x1, bottom), size) for start, end, x0, top, x1, bottom, size in json.loads(stored)
    )
    return Page(number, width, height, text, lines, reader, label, problem)


def table_to_row(table: ReportTable) -> Row:
    """The values of TABLE_COLUMNS."""
    return (
        table.number, to_json(table.pages), to_json(table.heading), table.caption, to_json(table.header),
        to_json(table.rows),
    )  # fmt: skip


def row_to_table(row: Row) -> ReportTable:
    """The record of a row of TABLE_COLUMNS."""
    number, pages, heading, caption, header, cells = row
    rows = tuple(tuple(cells) for cells in json.loads(cells))
    return ReportTable(number, to_tuple(pages), to_tuple(heading), caption, to_tuple(header), rows)


def passage_to_row(passage: Passage) -> Row:
    """The values of PASSAGE_COLUMNS but for banks and topics, which have tables of their own."""
    spans = [[span.page, span.start, span.end, span.at, span.name] for span in passage.spans]
    return (
        passage.id, passage.kind, to_json(passage.heading), passage.text, to_json(spans), passage.dimension,
        passage.role,
    )  # fmt: skip


def row_to_passage(row: Row) -> Passage:
    """The record of a row of PASSAGE_COLUMNS."""
    identity, kind, heading, text, stored, dimension, role, banks, topics = row
    spans = tuple(Span(*span) for span in json.loads(stored))
    tags = to_tuple(banks), dimension, to_tuple(topics), role
    return Passage(identity, Kind(kind), to_tuple(heading), text, spans, *tags)


def to_json(values: Sequence[object]) -> str:
    """A list as it is kept."""
    return json.dumps(values, ensure_ascii=False)


def to_tuple(stored: str) -> tuple[Any, ...]:
    """A list as it was kept."""
    return tuple(json.loads(stored))
