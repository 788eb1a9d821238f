"""The store's tables, and records ↔ their rows; lists are kept as JSON."""

import json
from collections.abc import Sequence
from typing import Any

from kb.records import (
    Case,
    CasePart,
    Document,
    Field,
    Figure,
    Kind,
    Line,
    Page,
    Passage,
    Reason,
    ReportTable,
    Span,
    Tag,
)

SCHEMA_VERSION = 5

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE documents (
    id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, path TEXT NOT NULL, file TEXT NOT NULL, title TEXT NOT NULL,
    publisher TEXT NOT NULL, year INTEGER, kind TEXT NOT NULL, page_count INTEGER NOT NULL, reader TEXT NOT NULL,
    status TEXT NOT NULL, unit TEXT NOT NULL, author TEXT NOT NULL, place TEXT NOT NULL, url TEXT NOT NULL,
    superseded_by TEXT, added TEXT NOT NULL, sources TEXT NOT NULL,
    edition TEXT NOT NULL, tagging TEXT NOT NULL, first_row INTEGER NOT NULL, end_row INTEGER NOT NULL
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
    place INTEGER NOT NULL, kind TEXT NOT NULL, heading TEXT NOT NULL, text TEXT NOT NULL, spans TEXT NOT NULL
);
CREATE INDEX passages_document ON passages (document, place);
CREATE TABLE tags (
    passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE, place INTEGER NOT NULL,
    field TEXT NOT NULL, value TEXT NOT NULL, score REAL NOT NULL, reasons TEXT NOT NULL, PRIMARY KEY (passage, place)
) WITHOUT ROWID;
CREATE INDEX tags_value ON tags (field, value, passage);
CREATE TABLE figures (
    passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE, place INTEGER NOT NULL,
    start INTEGER NOT NULL, end INTEGER NOT NULL, text TEXT NOT NULL, value REAL NOT NULL, unit TEXT NOT NULL,
    name TEXT NOT NULL, as_of TEXT NOT NULL, date TEXT NOT NULL, comparison TEXT NOT NULL, change REAL,
    change_unit TEXT NOT NULL, PRIMARY KEY (passage, place)
) WITHOUT ROWID;
CREATE TABLE cases (
    id TEXT PRIMARY KEY, document TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE, place INTEGER NOT NULL,
    title TEXT NOT NULL, banks TEXT NOT NULL, parts TEXT NOT NULL, pages TEXT NOT NULL, heading TEXT NOT NULL
);
CREATE INDEX cases_document ON cases (document, place);
CREATE TABLE case_passages (
    passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE,
    case_id TEXT NOT NULL REFERENCES cases (id) ON DELETE CASCADE, PRIMARY KEY (passage, case_id)
) WITHOUT ROWID;
CREATE INDEX case_passages_case ON case_passages (case_id);
CREATE TABLE phrases (text TEXT PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE units (
    row INTEGER PRIMARY KEY, passage INTEGER NOT NULL REFERENCES passages (row) ON DELETE CASCADE,
    start INTEGER NOT NULL, end INTEGER NOT NULL, whole INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX units_passage ON units (passage);
CREATE TABLE tokens (
    passage INTEGER PRIMARY KEY REFERENCES passages (row) ON DELETE CASCADE,
    count INTEGER NOT NULL, vectors BLOB NOT NULL
);
CREATE TABLE failures (path TEXT PRIMARY KEY, sha256 TEXT NOT NULL, reason TEXT NOT NULL, noted TEXT NOT NULL);
"""

MIGRATIONS = {
    4: """
ALTER TABLE documents ADD COLUMN edition TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN tagging TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN first_row INTEGER NOT NULL DEFAULT 0;
ALTER TABLE documents ADD COLUMN end_row INTEGER NOT NULL DEFAULT 0;
UPDATE documents SET edition = lower(hex(randomblob(8))), (first_row, end_row) =
    (SELECT ifnull(min(row), 0), ifnull(max(row) + 1, 0) FROM passages WHERE document = documents.id)
""",
}
"""What brings a store of the schema before up by one."""

Row = Sequence[Any]
"""A row as SQLite gives it; its columns are those that the name beside the function lists."""

DOCUMENT_COLUMNS = (
    "d.id, d.sha256, d.path, d.file, d.title, d.publisher, d.year, d.kind, d.page_count, d.reader, d.status, d.unit,"
    " d.author, d.place, d.url"
)
PAGE_COLUMNS = "number, width, height, label, reader, problem, text, lines"
TABLE_COLUMNS = "number, pages, heading, caption, header, cells"


PASSAGE_COLUMNS = (
    "p.id, p.kind, p.heading, p.text, p.spans, (SELECT json_group_array(json_array(field, value, score, json(reasons)))"
    " FROM (SELECT * FROM tags WHERE passage = p.row ORDER BY place))"
)
FIGURE_COLUMNS = "start, end, text, value, unit, name, as_of, date, comparison, change, change_unit"
CASE_COLUMNS = "c.id, c.title, c.banks, c.parts, c.pages, c.heading"


def document_to_row(document: Document) -> Row:
    """The values of DOCUMENT_COLUMNS."""
    return (
        document.id, document.sha256, document.path, document.file, document.title, document.publisher, document.year,
        document.kind, document.page_count, document.reader, document.status, document.unit,
        document.author, document.place, document.url,
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
    """The values of PASSAGE_COLUMNS but for the tags, which have a table of their own."""
    spans = [[span.page, span.start, span.end, span.at, span.name] for span in passage.spans]
    return passage.id, passage.kind, to_json(passage.heading), passage.text, to_json(spans)


def row_to_passage(row: Row) -> Passage:
    """The record of a row of PASSAGE_COLUMNS."""
    identity, kind, heading, text, stored, tags = row
    spans = tuple(Span(*span) for span in json.loads(stored))
    return Passage(identity, Kind(kind), to_tuple(heading), text, spans, tuple(map(stored_tag, json.loads(tags))))


def tag_to_row(tag: Tag) -> Row:
    """The values of a tag in its table."""
    reasons = [[reason.source, reason.detail] for reason in tag.reasons]
    return tag.field, tag.value, tag.score, to_json(reasons)


def stored_tag(stored: Row) -> Tag:
    """The record of a tag in PASSAGE_COLUMNS."""
    field, value, score, reasons = stored
    return Tag(Field(field), value, score, tuple(Reason(*reason) for reason in reasons))


def figure_to_row(figure: Figure) -> Row:
    """The values of FIGURE_COLUMNS."""
    return (
        figure.start, figure.end, figure.text, figure.value, figure.unit, figure.name, figure.as_of, figure.date,
        figure.comparison, figure.change, figure.change_unit,
    )  # fmt: skip


def row_to_figure(row: Row) -> Figure:
    """The record of a row of FIGURE_COLUMNS."""
    return Figure(*row)


def case_to_row(case: Case) -> Row:
    """The values of CASE_COLUMNS."""
    parts = [[part.role, part.label, part.passages, part.start, part.end] for part in case.parts]
    return case.id, case.title, to_json(case.banks), to_json(parts), to_json(case.pages), to_json(case.heading)


def row_to_case(row: Row) -> Case:
    """The record of a row of CASE_COLUMNS."""
    identity, title, banks, stored, pages, heading = row
    parts = tuple(
        CasePart(role, label, tuple(passages), start, end) for role, label, passages, start, end in json.loads(stored)
    )
    return Case(identity, title, to_tuple(banks), parts, to_tuple(pages), to_tuple(heading))


def to_json(values: Sequence[object]) -> str:
    """A list as it is kept."""
    return json.dumps(values, ensure_ascii=False)


def to_tuple(stored: str) -> tuple[Any, ...]:
    """A list as it was kept."""
    return tuple(json.loads(stored))
