"""SQLite, the one source of truth: documents, pages, passages, tags, vectors. Each change moves the generation on."""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kb.database import chunks, connect, damage_named, is_empty, marks, transaction
from kb.errors import IndexDamaged, IndexMissing, NotFound
from kb.records import Case, Document, Field, Figure, Filters, Page, Passage, ReportTable, TaggedDocument, Unit
from kb.rows import (
    CASE_COLUMNS,
    DOCUMENT_COLUMNS,
    FIGURE_COLUMNS,
    MIGRATIONS,
    PAGE_COLUMNS,
    PASSAGE_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    TABLE_COLUMNS,
    Row,
    case_to_row,
    document_to_row,
    figure_to_row,
    page_to_row,
    passage_to_row,
    row_to_case,
    row_to_document,
    row_to_figure,
    row_to_page,
    row_to_passage,
    row_to_table,
    table_to_row,
    tag_to_row,
    to_tuple,
)

TokenRows = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its row number in the store and its document."""

    row: int
    passage: Passage
    document: Document


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A vector's row number, and the part of which passage it stands for."""

    row: int
    passage_row: int
    start: int
    end: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Edition:
    """What derived indexes are made of, of one live document.

    `token` is new whenever the document is read or embedded anew, `tagging` whenever it is tagged anew; its passages
    have the row numbers from `first` up to `end`.
    """

    document: str
    token: str
    tagging: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class StoredFigure:
    """A figure with its passage and document."""

    figure: Figure
    passage: Passage
    document: Document


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with its document, its passages by their ids, and their figures."""

    case: Case
    document: Document
    passages: Mapping[str, Passage]
    figures: tuple[StoredFigure, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read."""

    path: str
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """The encoder that the vectors come from."""

    name: str
    dim: int


class Store:
    """An open store. Reading sees one generation from `snapshot` on; writing goes through the methods that say so.

    `before_commit` is called with what a change has made, while nobody else sees it; where it raises, the change is
    undone.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.before_commit: Callable[[Store], None] = lambda _: None
        self._db = connection

    @classmethod
    def create(cls, path: Path, model: Model | None) -> "Store":
        """Open the store for writing, making it if it is not there, and bringing up one of an older schema.

        Without a model none is made. Raises IndexMissing, IndexDamaged.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        db = connect(path)
        try:
            with damage_named(path), transaction(db):
                if is_empty(db):
                    if model is None:
                        raise no_index(path)
                    for statement in SCHEMA.split(";"):
                        db.execute(statement)
                    values = {"schema": SCHEMA_VERSION, "generation": 0, "model": model.name, "dim": model.dim}
                    db.executemany(
                        "INSERT INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in values.items()]
                    )
                else:
                    migrate(db)
            return cls._checked(path, db)
        except BaseException:
            db.close()
            raise

    @classmethod
    def open_to_change(cls, path: Path) -> "Store":
        """The same of a store that is there. Raises IndexMissing, IndexDamaged."""
        if not path.exists():
            raise no_index(path)
        return cls.create(path, None)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open an existing store. Raises IndexMissing where there is none, IndexDamaged where it is none of ours."""
        if not path.exists():
            raise no_index(path)
        db = connect(path)
        try:
            return cls._checked(path, db)
        except BaseException:
            db.close()
            raise

    @classmethod
    def _checked(cls, path: Path, db: sqlite3.Connection) -> "Store":
        with damage_named(path):
            if is_empty(db):
                raise no_index(path)
            schema = read_schema(db)
        if schema == SCHEMA_VERSION:
            return cls(path, db)
        if schema in MIGRATIONS:
            way_out = f"bring it up, which loses nothing: kb retag --index {path.parent}"
        elif schema > SCHEMA_VERSION:
            way_out = "it was written by a later kb; install that one"
        else:
            way_out = "ingest the reports again into a new folder, or delete this one first"
        raise IndexDamaged(f"{path} has schema {schema}, this kb reads {SCHEMA_VERSION}; {way_out}")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def snapshot(self) -> int:
        """Begin to read one generation, and return its number; what is written later stays unseen."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        return self.generation()

    def refresh(self) -> int:
        """Give up the snapshot and begin a new one."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        return self.snapshot()

    def generation(self) -> int:
        """The number of changes so far."""
        with damage_named(self.path):
            row = self._db.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        return int(row[0])

    def model(self) -> Model:
        """The encoder that the vectors come from."""
        values = dict(self._db.execute("SELECT key, value FROM meta WHERE key IN ('model', 'dim')").fetchall())
        return Model(values["model"], int(values["dim"]))

    # writing

    def add_document(
        self,
        document: Document,
        pages: Sequence[Page],
        tagged: TaggedDocument,
        units: Sequence[Unit],
        vectors: NDArray[np.float32],
        tables: Sequence[ReportTable] = (),
        sources: str = "",
        tokens: Sequence[TokenRows] = (),
        replaces: Sequence[str] = (),
    ) -> None:
        """Add a document with all that belongs to it, in one transaction. `sources` is kept for `set_metadata`.

        A live document at the same path, or with an id among `replaces`, is marked as superseded by it, and keeps its
        passages. A document with the same id is replaced. `vectors` are (len(units), dim) unit rows; they are stored as
        float16. `tokens` are those of each passage, or of none.
        """
        with self._changing():
            self._db.execute("DELETE FROM documents WHERE id = ?", (document.id,))
            self._db.execute(
                "UPDATE documents SET status = 'superseded', superseded_by = ?"
                f" WHERE status = 'live' AND (path = ? OR id IN ({marks(len(replaces))}))",
                (document.id, document.path, *replaces),
            )
            self._db.execute("DELETE FROM failures WHERE path = ?", (document.path,))
            self._db.execute(
                f"INSERT INTO documents VALUES ({marks(15)}, NULL, ?, ?, ?, '', 0, 0)",
                (*document_to_row(document), now(), sources, new_token()),
            )
            self._db.executemany(
                f"INSERT INTO pages VALUES ({marks(9)})", [(document.id, *page_to_row(page)) for page in pages]
            )
            self._db.executemany(
                f"INSERT INTO tables VALUES ({marks(7)})", [(document.id, *table_to_row(table)) for table in tables]
            )
            rows = self._insert_passages(document.id, tagged.passages)
            if rows:
                ends = min(rows.values()), max(rows.values()) + 1
                self._db.execute("UPDATE documents SET first_row = ?, end_row = ? WHERE id = ?", (*ends, document.id))
            self._insert_units(rows, units, vectors)
            if tokens:
                self._insert_tokens(dict(zip(rows.values(), tokens, strict=True)))
            self._insert_tags(document.id, rows, tagged)

    def _insert_passages(self, document: str, passages: Sequence[Passage]) -> dict[str, int]:
        """Insert the passages; their row numbers by id."""
        rows: dict[str, int] = {}
        for place, passage in enumerate(passages):
            cursor = self._db.execute(
                f"INSERT INTO passages (id, kind, heading, text, spans, document, place) VALUES ({marks(7)})",
                (*passage_to_row(passage), document, place),
            )
            rows[passage.id] = int(cursor.lastrowid or 0)
        return rows

    def _insert_units(self, rows: Mapping[str, int], units: Sequence[Unit], vectors: NDArray[np.float32]) -> None:
        self._db.executemany(
            "INSERT INTO units (passage, start, end, whole, vector) VALUES (?, ?, ?, ?, ?)",
            [
                (rows[unit.passage_id], unit.start, unit.end, unit.whole, vector.tobytes())
                for unit, vector in zip(units, vectors.astype(np.float16), strict=True)
            ],
        )

    def _insert_tokens(self, tokens: Mapping[int, TokenRows]) -> None:
        """Insert the tokens of passages, by their row numbers."""
        self._db.executemany(
            "INSERT INTO tokens VALUES (?, ?, ?)",
            [(row, len(vectors), vectors.tobytes()) for row, vectors in tokens.items()],
        )

    def _insert_tags(self, document: str, rows: Mapping[str, int], tagged: TaggedDocument) -> None:
        """Insert tags, figures and cases of passages that are there."""
        tags = [
            (rows[passage.id], at, *tag_to_row(tag))
            for passage in tagged.passages
            for at, tag in enumerate(passage.tags)
        ]
        self._db.executemany(f"INSERT INTO tags VALUES ({marks(6)})", tags)
        figures = [
            (rows[identity], at, *figure_to_row(figure))
            for identity, found in tagged.figures.items()
            for at, figure in enumerate(found)
        ]
        self._db.executemany(f"INSERT INTO figures VALUES ({marks(13)})", figures)
        for place, case in enumerate(tagged.cases):
            self._db.execute(
                f"INSERT INTO cases (id, title, banks, parts, pages, heading, document, place) VALUES ({marks(8)})",
                (*case_to_row(case), document, place),
            )
            inside = dict.fromkeys(rows[identity] for part in case.parts for identity in part.passages)
            self._db.executemany("INSERT INTO case_passages VALUES (?, ?)", [(row, case.id) for row in inside])

    def retag(self, documents: Iterable[tuple[str, TaggedDocument]]) -> None:
        """Give stored documents, by their ids, other tags, figures and cases, all in one transaction."""
        with self._changing():
            for document, tagged in documents:
                rows = dict(self._db.execute("SELECT id, row FROM passages WHERE document = ?", (document,)).fetchall())
                for table in ("tags", "figures"):
                    self._db.execute(
                        f"DELETE FROM {table} WHERE passage IN (SELECT row FROM passages WHERE document = ?)",
                        (document,),
                    )
                self._db.execute("DELETE FROM cases WHERE document = ?", (document,))
                self._db.execute("UPDATE documents SET tagging = ? WHERE id = ?", (new_token(), document))
                self._insert_tags(document, rows, tagged)

    def forget_phrases(self, kept: Iterable[str]) -> None:
        """Drop the rows of all texts but these."""
        known = set(kept)
        gone = [(text,) for text in self.phrases() if text not in known]
        if gone:
            with self._writing():
                self._db.executemany("DELETE FROM phrases WHERE text = ?", gone)

    def keep_phrases(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep the rows of texts that are compared with passages, so that comparing anew needs no encoder."""
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO phrases VALUES (?, ?)",
                [(text, vector.astype(np.float32).tobytes()) for text, vector in vectors.items()],
            )

    def replace_vectors(
        self, model: Model, units: Sequence[int], vectors: NDArray[np.float32], tokens: Mapping[int, TokenRows]
    ) -> None:
        """Give units, by their row numbers, the vectors of another model, (len(units), dim), in one transaction.

        `tokens` are those of passages, by their row numbers; what there was of tokens goes. The rows of texts that are
        compared with passages are dropped: they come from the old model, and so does what the passages were tagged by.
        The editions are new: another model may have the same name.
        """
        with self._changing():
            self._db.executemany(
                "UPDATE units SET vector = ? WHERE row = ?",
                [(vector.tobytes(), row) for row, vector in zip(units, vectors.astype(np.float16), strict=True)],
            )
            self._db.execute("DELETE FROM tokens")
            self._insert_tokens(tokens)
            self._db.execute("DELETE FROM phrases")
            self._db.execute("UPDATE documents SET edition = lower(hex(randomblob(8)))")
            values = {"model": model.name, "dim": model.dim, "tagged_by": ""}
            self._db.executemany(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", [(key, str(value)) for key, value in values.items()]
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction. Raises IndexBusy, IndexDamaged and DiskFull, and then nothing of it is kept."""
        with damage_named(self.path), transaction(self._db):
            yield

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """A transaction that moves the generation on."""
        with self._writing():
            yield
            self._db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'")
            self.before_commit(self)

    def move_document(self, document_id: str, path: str, file: str) -> None:
        """Note that the same file now lies elsewhere; a live document read from there before is superseded by it."""
        with self._changing():
            self._db.execute(
                "UPDATE documents SET status = 'superseded', superseded_by = ?"
                " WHERE path = ? AND id != ? AND status = 'live'",
                (document_id, path, document_id),
            )
            self._db.execute("UPDATE documents SET path = ?, file = ? WHERE id = ?", (path, file, document_id))

    def set_metadata(self, document: Document, sources: str) -> None:
        """Give a stored document what this record tells of the report: title, publisher, year, kind, author …

        `sources` tells where they come from; the store keeps it as it is.
        """
        with self._changing():
            self._db.execute(
                "UPDATE documents SET title = ?, publisher = ?, year = ?, kind = ?, author = ?, place = ?, url = ?,"
                " sources = ? WHERE id = ?",
                (
                    document.title,
                    document.publisher,
                    document.year,
                    document.kind,
                    document.author,
                    document.place,
                    document.url,
                    sources,
                    document.id,
                ),  # fmt: skip
            )

    def remove_document(self, document_id: str) -> None:
        """Remove a document with everything that belongs to it."""
        with self._changing():
            self._db.execute("UPDATE documents SET superseded_by = NULL WHERE superseded_by = ?", (document_id,))
            self._db.execute("DELETE FROM documents WHERE id = ?", (document_id,))

    def note_failure(self, failure: Failure) -> None:
        """Keep why a file could not be read; what is stored of an earlier version of it stays."""
        if failure in self.failures():
            return
        with self._changing():
            row = (failure.path, failure.sha256, failure.reason, now())
            self._db.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", row)

    def forget_failure(self, path: str) -> None:
        """Drop what was noted of a file that reads well now, or is gone."""
        if all(failure.path != path for failure in self.failures()):
            return
        with self._changing():
            self._db.execute("DELETE FROM failures WHERE path = ?", (path,))

    # reading

    def documents(self, live: bool = True) -> list[Document]:
        """All documents by file name, live ones only unless told."""
        where = "WHERE status = 'live'" if live else ""
        rows = self._db.execute(f"SELECT {DOCUMENT_COLUMNS} FROM documents d {where} ORDER BY file, id").fetchall()
        return [row_to_document(row) for row in rows]

    def document(self, document_id: str) -> Document:
        """The document with this id. Raises NotFound."""
        row = self._db.execute(f"SELECT {DOCUMENT_COLUMNS} FROM documents d WHERE id = ?", (document_id,)).fetchone()
        if row is None:
            raise NotFound(f"no document {document_id!r}; kb status lists them")
        return row_to_document(row)

    def sources(self, document_id: str) -> str:
        """What was kept of where a document's metadata come from; empty where nothing was."""
        row = self._db.execute("SELECT sources FROM documents WHERE id = ?", (document_id,)).fetchone()
        return str(row[0]) if row else ""

    def superseded_by(self, document_id: str) -> str:
        """The id of the document that replaced this one; empty for a live one, and where that one was removed."""
        row = self._db.execute("SELECT superseded_by FROM documents WHERE id = ?", (document_id,)).fetchone()
        return str(row[0] or "") if row else ""

    def has_document(self, document_id: str) -> bool:
        """Whether there is a document with this id, live or superseded."""
        return self._db.execute("SELECT 1 FROM documents WHERE id = ?", (document_id,)).fetchone() is not None

    def failures(self) -> list[Failure]:
        """The files that could not be read."""
        rows = self._db.execute("SELECT path, sha256, reason FROM failures ORDER BY path").fetchall()
        return [Failure(*row) for row in rows]

    def pages(self, document_id: str) -> list[Page]:
        """The pages of a document in order."""
        rows = self._db.execute(
            f"SELECT {PAGE_COLUMNS} FROM pages WHERE document = ? ORDER BY number", (document_id,)
        ).fetchall()
        return [row_to_page(row) for row in rows]

    def some_pages(self, document_id: str, numbers: Iterable[int]) -> list[Page]:
        """Some pages of a document in order; those that there are not are left out."""
        wanted = list(numbers)
        rows = self._db.execute(
            f"SELECT {PAGE_COLUMNS} FROM pages WHERE document = ? AND number IN ({marks(len(wanted))}) ORDER BY number",
            (document_id, *wanted),
        ).fetchall()
        return [row_to_page(row) for row in rows]

    def tables(self, document_id: str) -> list[ReportTable]:
        """The tables of a document in order."""
        rows = self._db.execute(
            f"SELECT {TABLE_COLUMNS} FROM tables WHERE document = ? ORDER BY number", (document_id,)
        ).fetchall()
        return [row_to_table(row) for row in rows]

    def live_tables(self) -> Iterator[tuple[Document, ReportTable]]:
        """Every table of the live documents with its document, in the order of `live_passages`."""
        for document in self.documents():
            yield from ((document, table) for table in self.tables(document.id))

    def problem_pages(self) -> list[tuple[str, int, str]]:
        """(document id, page number, reason) of the pages of live documents that could not be read."""
        return self._db.execute(
            "SELECT p.document, p.number, p.problem FROM pages p JOIN documents d ON d.id = p.document"
            " WHERE p.problem IS NOT NULL AND p.problem != 'empty page' AND d.status = 'live' ORDER BY d.file, p.number"
        ).fetchall()

    def passage(self, passage_id: str) -> StoredPassage:
        """The passage with this id, of a live or superseded document. Raises NotFound."""
        row = self._db.execute("SELECT row FROM passages WHERE id = ?", (passage_id,)).fetchone()
        if row is None:
            raise NotFound(f"no passage {passage_id!r} in this index")
        return self.passages_by_row([row[0]])[0]

    def passages_by_row(self, rows: Sequence[int]) -> list[StoredPassage]:
        """Passages by their row numbers, in the order asked for; unknown rows are left out."""
        found: dict[int, StoredPassage] = {}
        for chunk in chunks(rows):
            some = self._passages(f"p.row IN ({marks(len(chunk))})", tuple(chunk))
            found |= {stored.row: stored for stored in some}
        return [found[row] for row in rows if row in found]

    def tokens(self, rows: Sequence[int]) -> dict[int, TokenRows]:
        """The tokens of passages, (tokens, columns), by their row numbers; those that have none are left out."""
        found: dict[int, TokenRows] = {}
        for chunk in chunks(rows):
            stored = self._db.execute(
                f"SELECT passage, count, vectors FROM tokens WHERE count AND passage IN ({marks(len(chunk))})",
                tuple(chunk),
            )
            found |= {row: np.frombuffer(vectors, np.int8).reshape(count, -1) for row, count, vectors in stored}
        return found

    def live_passages(self) -> Iterator[StoredPassage]:
        """Every passage of the live documents in reading order, documents by file name."""
        for document in self.documents():
            yield from self.passages_of(document.id)

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """The passages of a document in reading order, live or not."""
        return self._passages("p.document = ?", (document_id,))

    def _passages(self, where: str, values: tuple[object, ...]) -> list[StoredPassage]:
        rows = self._db.execute(
            f"SELECT p.row, {DOCUMENT_COLUMNS}, {PASSAGE_COLUMNS} FROM passages p JOIN documents d ON d.id = p.document"
            f" WHERE {where} ORDER BY p.document, p.place",
            values,
        ).fetchall()
        return [row_to_stored(row) for row in rows]

    def phrases(self) -> dict[str, NDArray[np.float32]]:
        """The rows of the texts kept by `keep_phrases`."""
        stored = self._db.execute("SELECT text, vector FROM phrases").fetchall()
        return {text: np.frombuffer(vector, np.float32) for text, vector in stored}

    def whole_rows(self, document_id: str) -> NDArray[np.float32]:
        """The rows of a document's passages in reading order, (passages, dim)."""
        stored = self._db.execute(
            "SELECT u.vector FROM units u JOIN passages p ON p.row = u.passage"
            " WHERE p.document = ? AND u.whole ORDER BY p.place",
            (document_id,),
        ).fetchall()
        buffer = b"".join(vector for (vector,) in stored)
        return np.frombuffer(buffer, np.float16).reshape(len(stored), self.model().dim).astype(np.float32)

    def figures(self, rows: Sequence[int]) -> list[StoredFigure]:
        """The figures of passages by their row numbers, in that order."""
        return self.with_passages(self.bare_figures(rows))

    def bare_figures(self, rows: Sequence[int]) -> list[tuple[int, Figure]]:
        """The same without passages and documents, each with its passage's row number."""
        found: dict[int, list[Figure]] = {}
        for chunk in chunks(rows):
            inside = f"passage IN ({marks(len(chunk))}) ORDER BY passage, place"
            stated = self._db.execute(f"SELECT passage, {FIGURE_COLUMNS} FROM figures WHERE {inside}", tuple(chunk))
            for passage, *values in stated:
                found.setdefault(passage, []).append(row_to_figure(values))
        return [(row, figure) for row in rows for figure in found.get(row, ())]

    def with_passages(self, figures: Sequence[tuple[int, Figure]]) -> list[StoredFigure]:
        """Figures from `bare_figures` with their passages and documents."""
        rows = list(dict.fromkeys(row for row, _ in figures))
        homes = {stored.row: stored for stored in self.passages_by_row(rows)}
        return [StoredFigure(figure, homes[row].passage, homes[row].document) for row, figure in figures]

    def case_ids(self, rows: Iterable[int], banks: Sequence[str] = ()) -> list[str]:
        """The ids of the cases that have one of these passages, in reading order, documents by file name.

        With `banks`, only the cases of one of them: a passage can hold cases of several.
        """
        wanted = set(rows)
        having = {case for row, case in self._db.execute("SELECT passage, case_id FROM case_passages") if row in wanted}
        stored = self._db.execute(
            "SELECT c.id, c.banks FROM cases c JOIN documents d ON d.id = c.document ORDER BY d.file, d.id, c.place"
        )
        return [
            case for case, of in stored if case in having and (not banks or not set(banks).isdisjoint(to_tuple(of)))
        ]

    def case(self, case_id: str) -> StoredCase:
        """The case with this id, of a live or superseded document. Raises NotFound."""
        row = self._db.execute(f"SELECT c.document, {CASE_COLUMNS} FROM cases c WHERE id = ?", (case_id,)).fetchone()
        if row is None:
            raise NotFound(f"no case {case_id!r} in this index; kb cases lists them")
        inside = self._db.execute(
            "SELECT passage FROM case_passages WHERE case_id = ? ORDER BY 1", (case_id,)
        ).fetchall()
        rows = [passage for (passage,) in inside]
        passages = {stored.passage.id: stored.passage for stored in self.passages_by_row(rows)}
        case = row_to_case(row[1:])
        figures = tuple(
            stored
            for stored in self.figures(rows)
            if any(part.holds(stored.passage.id, stored.figure.start) for part in case.parts)
        )
        return StoredCase(case, self.document(row[0]), passages, figures)

    def tagged(self, document_id: str) -> TaggedDocument:
        """A document's passages as they are tagged, with their figures and its cases."""
        stored = self.passages_of(document_id)
        figures: dict[str, tuple[Figure, ...]] = {}
        ids = {one.row: one.passage.id for one in stored}
        for row, figure in self.bare_figures(list(ids)):
            figures[ids[row]] = (*figures.get(ids[row], ()), figure)
        cases = self._db.execute(
            f"SELECT {CASE_COLUMNS} FROM cases c WHERE document = ? ORDER BY place", (document_id,)
        ).fetchall()
        return TaggedDocument(tuple(one.passage for one in stored), figures, tuple(map(row_to_case, cases)))

    def tagged_by(self) -> str:
        """What `note_tagging` was told last; empty where it was told nothing."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'tagged_by'").fetchone()
        return str(row[0]) if row else ""

    def note_tagging(self, digest: str) -> None:
        """Note what all documents are tagged by."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('tagged_by', ?)", (digest,))

    def count_passages(self) -> dict[str, int]:
        """Passages by live document id."""
        return dict(
            self._db.execute(
                "SELECT d.id, COUNT(p.row) FROM documents d LEFT JOIN passages p ON p.document = d.id"
                " WHERE d.status = 'live' GROUP BY d.id"
            ).fetchall()
        )

    def bank_counts(self) -> dict[str, int]:
        """Passages of live documents by bank."""
        return dict(
            self._db.execute(
                "SELECT t.value, COUNT(*) FROM tags t JOIN passages p ON p.row = t.passage"
                " JOIN documents d ON d.id = p.document WHERE t.field = 'bank' AND d.status = 'live'"
                " GROUP BY t.value ORDER BY 2 DESC, 1"
            ).fetchall()
        )

    def tagged_rows(self, field: Field) -> dict[str, list[int]]:
        """For each value of a field the rows of the passages that have it, those of superseded documents too."""
        found: dict[str, list[int]] = {}
        for value, row in self._db.execute("SELECT value, passage FROM tags WHERE field = ?", (field,)):
            found.setdefault(value, []).append(row)
        return found

    def report_years(self) -> dict[int, int | None]:
        """The year of its report for each live passage, by row."""
        rows = self._db.execute(
            "SELECT p.row, d.year FROM documents d JOIN passages p ON p.document = d.id WHERE d.status = 'live'"
        )
        return dict(rows.fetchall())

    def case_banks(self) -> list[tuple[str, ...]]:
        """The banks of each case of a live document."""
        rows = self._db.execute(
            "SELECT c.banks FROM documents d JOIN cases c ON c.document = d.id WHERE d.status = 'live'"
        )
        return [to_tuple(banks) for (banks,) in rows]

    def editions(self) -> list[Edition]:
        """What derived indexes are made of, by the documents' passages."""
        rows = self._db.execute(
            "SELECT id, edition, tagging, first_row, end_row FROM documents WHERE status = 'live'"
            " ORDER BY first_row, id"
        ).fetchall()
        return [Edition(*row) for row in rows]

    def unit_rows(self, document_id: str = "") -> tuple[list[UnitRow], NDArray[np.float32]]:
        """All units of live documents, or of one document, by row; and their vectors as (n, dim) float32."""
        where, values = ("d.id = ?", (document_id,)) if document_id else ("d.status = 'live'", ())
        rows = self._db.execute(
            "SELECT u.row, u.passage, u.start, u.end, u.whole, u.vector FROM units u"
            " JOIN passages p ON p.row = u.passage JOIN documents d ON d.id = p.document"
            f" WHERE {where} ORDER BY u.row",
            values,
        ).fetchall()
        units = [UnitRow(row, passage, start, end, bool(whole)) for row, passage, start, end, whole, _ in rows]
        buffer = b"".join(row[5] for row in rows)
        vectors = np.frombuffer(buffer, np.float16).reshape(len(rows), self.model().dim).astype(np.float32)
        return units, vectors

    def rows_about_banks(self) -> list[int]:
        """The rows of live passages that are about a bank, in order."""
        rows = self._db.execute(
            "SELECT DISTINCT t.passage FROM tags t JOIN passages p ON p.row = t.passage"
            " JOIN documents d ON d.id = p.document WHERE t.field = 'bank' AND d.status = 'live' ORDER BY 1"
        )
        return [row for (row,) in rows]

    def units_of(self, document_id: str) -> list[UnitRow]:
        """The units of a document, superseded or not, by row."""
        rows = self._db.execute(
            "SELECT u.row, u.passage, u.start, u.end, u.whole FROM units u JOIN passages p ON p.row = u.passage"
            " WHERE p.document = ? ORDER BY u.row",
            (document_id,),
        )
        return [UnitRow(row, passage, start, end, bool(whole)) for row, passage, start, end, whole in rows]

    def matching_rows(self, filters: Filters, reports: Sequence[str], newest: bool = False) -> list[int]:
        """Rows of live passages that match the filters. `reports` are the ids that `filters.report` stands for.

        They come by number; with `newest` in reading order, the newest reports first.
        """
        clauses: list[str] = ["d.status = 'live'"]
        values: list[str | int] = []
        for name, wanted in (("bank", filters.bank), ("dimension", filters.dimension), ("topic", filters.topic)):
            if wanted:
                tagged = f"SELECT passage FROM tags WHERE field = '{name}' AND value IN ({marks(len(wanted))})"
                clauses.append(f"p.row IN ({tagged})")
                values += list(wanted)
        if filters.year:
            clauses.append(f"d.year IN ({marks(len(filters.year))})")
            values += list(filters.year)
        if filters.report:
            clauses.append(f"d.id IN ({marks(len(reports))})")
            values += list(reports)
        source = "passages p JOIN documents d ON d.id = p.document"
        order = "d.year IS NULL, d.year DESC, d.file, d.id, p.place" if newest else "1"
        rows = self._db.execute(f"SELECT p.row FROM {source} WHERE {' AND '.join(clauses)} ORDER BY {order}", values)
        return [row for (row,) in rows]


def no_index(path: Path) -> IndexMissing:
    """The error for a store that is not there."""
    return IndexMissing(f"no index in {path.parent}; make one with: kb ingest PATH --index {path.parent}")


def read_schema(db: sqlite3.Connection) -> int:
    """The schema of a store."""
    row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    return int(row[0]) if row else 0


def migrate(db: sqlite3.Connection) -> None:
    """Bring a store of an older schema up, as far as there is a way."""
    while (schema := read_schema(db)) in MIGRATIONS:
        for statement in MIGRATIONS[schema].split(";"):
            db.execute(statement)
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(schema + 1),))


def new_token() -> str:
    """A token that nothing else has, not even what a run stored that was killed before it was done."""
    return secrets.token_hex(8)


def row_to_stored(row: Row) -> StoredPassage:
    """A row of `Store._passages`: its number, DOCUMENT_COLUMNS, PASSAGE_COLUMNS."""
    columns = DOCUMENT_COLUMNS.count(",") + 2
    return StoredPassage(row[0], row_to_passage(row[columns:]), row_to_document(row[1:columns]))


def now() -> str:
    """The time, for the record."""
    return datetime.now(UTC).isoformat(timespec="seconds")
