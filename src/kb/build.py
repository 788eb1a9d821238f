"""The pipeline: file → pages → blocks → passages → vectors and tags → store. The only module that names every stage."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kb.banks import BankBook
from kb.catalogue import STORE_FILE, find_report
from kb.derived import Growth
from kb.embed import Encoder, embed_units
from kb.errors import BadInput, KbError, UnreadableFile
from kb.late import TokenRows
from kb.layout.blocks import layouts_to_blocks
from kb.layout.page import PageLayout, lay_out
from kb.metadata import NOTHING, Given, Metadata, Sources, find_metadata, read_given
from kb.model import check_model
from kb.read.docx import read_docx
from kb.read.pages import read_on
from kb.read.pdf import read_facts
from kb.read.pool import Limits, Lost, Pool, mapped
from kb.read.sections import Written
from kb.read.text import read_text
from kb.records import Block, Document, Page, Passage, ReportTable, TaggedDocument, Unit
from kb.retag import as_stored, digest_of, make_tagger, tagged_anew
from kb.segment import blocks_to_passages
from kb.settings import Settings
from kb.store import Failure, Model, Store
from kb.tables import blocks_to_tables
from kb.tag.passages import Tagger, tag_document
from kb.units import passages_to_units
from kb.writing import changing_store, renew_derived, writing

TEXT_READERS: Mapping[str, Callable[[Path], Written]] = {".txt": read_text, ".md": read_text, ".docx": read_docx}
"""How files without pages are read, by the ends of their names."""

SUFFIXES = (".pdf", *TEXT_READERS)
OF_THE_FOLDER = "readme"
"""A file of this name tells of the folder that it lies in, and is read only when it is named itself."""

PRELOADED = ("kb.read.pages", "kb.read.text", "kb.read.docx", "kb.layout.page")
"""What reading processes need, and nothing more: no encoder, no index."""

T = TypeVar("T")


class Progress(Protocol):
    """What ingesting tells its caller, for bars and messages."""

    def start(self, path: Path, pages: int) -> None:
        """A file with this many pages is being read."""

    def pages(self, count: int) -> None:
        """So many more pages are read."""

    def embedding(self, total: int) -> None:
        """This many passages and sentences are to be embedded now."""

    def embedded(self, done: int) -> None:
        """So many of them are."""

    def finish(self, outcome: "Outcome") -> None:
        """The file is done, one way or the other."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: added, replaced, updated in its metadata, unchanged, moved, or failed with a reason."""

    path: Path
    what: str
    document: Document | None = None
    passages: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of all files of a run."""

    outcomes: tuple[Outcome, ...]
    generation: int

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The files that could not be ingested."""
        return tuple(outcome for outcome in self.outcomes if outcome.what == "failed")


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself: title and author, the words that it begins with, its unit, what opened it."""

    title: str
    author: str
    opening: str = ""
    unit: str = "page"
    password: str = ""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document read and cut, not yet tagged."""

    document: Document
    pages: tuple[Page, ...]
    tables: tuple[ReportTable, ...]
    passages: tuple[Passage, ...]


@dataclass(slots=True)
class Pipeline:
    """What the stages share during a run; the encoder and the reading processes start when first needed."""

    settings: Settings
    open_encoder: Callable[[], Encoder]
    workers: int
    passwords: tuple[str, ...] = ()
    _pool: Pool | None = None

    @property
    def pool(self) -> Pool:
        """The reading processes."""
        if self._pool is None:
            limits = Limits(self.settings.page_seconds, self.settings.worker_mb)
            self._pool = Pool(self.workers, limits, PRELOADED)
        return self._pool

    def read(self, path: Path, sha256: str, name: str, book: BankBook, progress: Progress) -> ReadDocument:
        """Read a file, known by its own name or another, and cut it into passages. Raises UnreadableFile."""
        about, pages, blocks = self.read_blocks(path, progress)
        passages = blocks_to_passages(blocks, pages, sha256, lambda text: bool(book.mentions(text)))
        if not passages:
            raise UnreadableFile(f"{path}: no text could be read: {first_problem(pages, about.unit)}")
        document = describe(path, sha256, name, about, pages)
        return ReadDocument(document, tuple(pages), tuple(blocks_to_tables(blocks)), tuple(passages))

    def read_blocks(self, path: Path, progress: Progress) -> tuple[About, Sequence[Page], Sequence[Block]]:
        """What a file says of itself, its pages, and what was understood of them. Raises UnreadableFile."""
        reader = TEXT_READERS.get(path.suffix.lower())
        return self.read_written(path, reader, progress) if reader else self.read_pdf(path, progress)

    def read_written(
        self, path: Path, reader: Callable[[Path], Written], progress: Progress
    ) -> tuple[About, Sequence[Page], Sequence[Block]]:
        """A file that has sections instead of pages."""
        written = self.within_limits(path, reader, path)
        if len(written.pages) > self.settings.max_pages:
            raise too_long(path, len(written.pages), "sections", self.settings.max_pages)
        progress.start(path, len(written.pages))
        progress.pages(len(written.pages))
        return About(written.title, written.author, written.opening, "section"), written.pages, written.blocks

    def read_pdf(self, path: Path, progress: Progress) -> tuple[About, Sequence[Page], Sequence[Block]]:
        """A PDF; its pages are read and laid out in several processes, and put in order here."""
        facts = self.within_limits(path, read_facts, path, self.settings.max_pages, self.passwords)
        progress.start(path, facts.page_count)
        source = partial(mapped, lay_out, partial(read_on, path, password=facts.password))
        layouts: dict[int, PageLayout] = {}
        for number, result in self.pool.pages(source, facts.page_count):
            layouts[number] = lost_page(number, result) if isinstance(result, Lost) else result
            progress.pages(1)
        pages, blocks = layouts_to_blocks([layouts[number] for number in sorted(layouts)], facts.outline)
        return About(facts.title, facts.author, password=facts.password), pages, blocks

    def within_limits(self, path: Path, function: Callable[..., T], *args: object) -> T:
        """What a reader gives for a file, in a reading process. Raises UnreadableFile where it breaks the limits."""
        result = self.pool.call(function, *args)
        if isinstance(result, Lost):
            raise UnreadableFile(f"{path}: {result.reason}")
        return result

    def embed(
        self, passages: Sequence[Passage], progress: Progress
    ) -> tuple[list[Unit], NDArray[np.float32], list[TokenRows]]:
        """The units of passages with their (units, dim) rows; and the passages' tokens, if the encoder tells them."""
        units, texts = passages_to_units(passages)
        progress.embedding(len(texts))
        rows, tokens = embed_units(self.open_encoder(), texts, [unit.whole for unit in units], progress.embedded)
        return units, rows, tokens

    def close(self) -> None:
        """End the reading processes."""
        if self._pool is not None:
            self._pool.close()


def ingest(
    paths: Sequence[Path],
    settings: Settings,
    open_encoder: Callable[[], Encoder],
    progress: Progress,
    force: bool = False,
    given: Given = NOTHING,
    passwords: Sequence[str] = (),
    name: str = "",
) -> IngestReport:
    """Bring files and folders into the index. A file that fails is noted, and the others go on.

    Unchanged files are skipped by their content hash unless `force`; a changed file replaces what was read from
    the same path. `given` are metadata by hand, for a single file; `name` is what a single file is known by, where
    that is not its own name: it then also replaces what lies in its folder under that name. `passwords` are tried on
    what is encrypted, and kept nowhere. Raises BadInput for a path that is not there, IndexBusy where another process
    is writing.
    """
    files = find_files(paths)
    outcomes: list[Outcome] = []
    doing = f"kb ingest {name or paths[0]}" + (" …" if len(paths) > 1 else "")
    with writing(settings.index, doing, settings.lock_seconds), open_for_writing(settings, open_encoder) as store:
        tagger = make_tagger(settings, store, open_encoder)
        if not store.documents(live=False):
            store.note_tagging(digest_of(tagger))
        pipeline = Pipeline(settings, open_encoder, settings.processes, tuple(passwords))
        try:
            for path in files:
                outcome = ingest_file(path, name or path.name, store, pipeline, tagger, progress, force, given)
                outcomes.append(outcome)
                progress.finish(outcome)
        finally:
            pipeline.close()
        for failure in store.failures():
            if not Path(failure.path).exists():
                store.forget_failure(failure.path)
        derived = renew_derived(store, settings.index)
    return IngestReport(tuple(outcomes), derived)


def ingest_file(
    path: Path,
    name: str,
    store: Store,
    pipeline: Pipeline,
    tagger: Tagger,
    progress: Progress,
    force: bool,
    given: Given,
) -> Outcome:
    """Bring one file in under a name: read, cut, embed, tag, store."""
    place, sha256 = str(path.resolve()), ""
    try:
        sha256 = hash_file(path)
        beside = read_given(path)
        same = next((d for d in store.documents() if d.sha256 == sha256), None)
        if same and not force:
            return keep(path, name, same, store, tagger, given, beside)
        read = read_or_name(path, sha256, name, pipeline, tagger.book, progress)
        sources = Sources(
            found=metadata_of(read.document), command=given_before(read.document.id, store).overlaid(given)
        )
        document = with_metadata(read.document, sources.merged(beside))
        units, rows, tokens = pipeline.embed(read.passages, progress)
        tagged = tag_or_name(path, document, read.passages, as_stored(rows[[unit.whole for unit in units]]), tagger)
    except (UnreadableFile, BadInput) as error:
        store.note_failure(Failure(place, sha256, str(error)))
        return Outcome(path, "failed", reason=str(error))
    old = versions_of(document, store)
    store.add_document(document, read.pages, tagged, units, rows, read.tables, sources.model_dump_json(), tokens, old)
    return Outcome(path, "replaced" if old else "added", document, len(tagged.passages))


def versions_of(document: Document, store: Store) -> list[str]:
    """The ids of live documents that a document is a version of: those at its path; those beside it under its name,
    which two files of a folder can have only where they are known by names given to them."""
    folder = Path(document.path).parent
    return [
        other.id
        for other in store.documents()
        if other.path == document.path or other.file == document.file and Path(other.path).parent == folder
    ]


def read_or_name(
    path: Path, sha256: str, name: str, pipeline: Pipeline, book: BankBook, progress: Progress
) -> ReadDocument:
    """Read a file; whatever goes wrong with this one file becomes an UnreadableFile, and the others go on."""
    try:
        return pipeline.read(path, sha256, name, book, progress)
    except KbError:
        raise
    except Exception as error:  # a page that no one foresaw must not cost the rest of the folder
        raise UnreadableFile(f"{path}: could not be read: {type(error).__name__}: {error}") from error


def tag_or_name(
    path: Path, document: Document, passages: Sequence[Passage], rows: NDArray[np.float32], tagger: Tagger
) -> TaggedDocument:
    """Tag what was read; what goes wrong with this one file becomes an UnreadableFile, as in reading it."""
    try:
        return tag_document(document, passages, rows, tagger)
    except Exception as error:
        raise UnreadableFile(f"{path}: could not be tagged: {type(error).__name__}: {error}") from error


def keep(path: Path, name: str, same: Document, store: Store, tagger: Tagger, given: Given, beside: Given) -> Outcome:
    """What to do with a file whose content is stored: nothing, or note that it moved, or has other metadata now."""
    place = str(path.resolve())
    store.forget_failure(place)
    here = (same.path, same.file) == (place, name)
    moved = not here and (same.path == place or not Path(same.path).exists())
    if moved or not here and any(document.path == place for document in store.documents()):
        store.move_document(same.id, place, name)  # what was read from this path before is superseded by it
    elif not here:
        return Outcome(path, "unchanged", same)
    old = stored_sources(same, store)
    new = Sources(found=old.found, command=old.command.overlaid(given))
    document = with_metadata(same, new.merged(beside))
    if (document, new) != (same, old):
        store.set_metadata(document, new.model_dump_json())
    if tagged_by(document) != tagged_by(same):
        store.retag([(document.id, tagged_anew(document, store, tagger))])
    what = "unchanged" if document == same else "updated"
    return Outcome(path, what if here else "moved", document)


def tagged_by(document: Document) -> tuple[object, ...]:
    """What tags follow from: 去年 hangs on the year, whose an annual report is on publisher and kind."""
    return document.year, document.publisher, document.kind


def stored_sources(document: Document, store: Store) -> Sources:
    """Where the metadata of a stored document come from; they were found where nothing else is known."""
    kept = store.sources(document.id)
    return Sources.model_validate_json(kept) if kept else Sources(found=metadata_of(document))


def given_before(document_id: str, store: Store) -> Given:
    """What the command line has given for a document that is to be read again."""
    if not store.has_document(document_id):
        return NOTHING
    return stored_sources(store.document(document_id), store).command


def metadata_of(document: Document) -> Metadata:
    """The metadata in a document's record."""
    return Metadata(
        document.title, document.publisher, document.year, document.kind, document.author, document.place, document.url
    )


def with_metadata(document: Document, about: Metadata) -> Document:
    """A document's record with other metadata."""
    return replace(document, **asdict(about))


def remove(name: str, settings: Settings) -> Document:
    """Take a document out of the index, by its id, file name or whole title; a superseded one goes by its id alone.

    Raises UnknownName where nothing, BadInput where more than one report has this name.
    """
    with changing_store(settings.index, f"kb remove {name}", settings.lock_seconds) as store:
        live = find_report(name, store.documents(), whole=True) if not store.has_document(name) else [name]
        if len(live) > 1:
            raise BadInput(f"{name!r} stands for {len(live)} reports; name one by its id: {', '.join(live)}")
        document = store.document(live[0])
        store.remove_document(document.id)
        renew_derived(store, settings.index)
    return document


def open_for_writing(settings: Settings, open_encoder: Callable[[], Encoder]) -> Store:
    """The store, made if it is not there. Raises ModelMismatch where it was made with another model."""
    encoder = open_encoder()
    store = Store.create(settings.index / STORE_FILE, Model(encoder.name, encoder.dim))
    try:
        check_model(store, encoder, settings.index)
        Growth(settings.index).begin(store)
    except KbError:
        store.close()
        raise
    return store


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The readable files among and below the paths, sorted, each once. Raises BadInput where there is none."""
    files: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
        if path.is_dir():
            files.update(dict.fromkeys(sorted(below for below in path.rglob("*") if is_report(below))))
        elif path.suffix.lower() in SUFFIXES:
            files[path] = None
        else:
            raise BadInput(f"{path}: not a PDF, text, Markdown or Word file ({', '.join(SUFFIXES)})")
    if not files:
        raise BadInput(f"{', '.join(map(str, paths))}: no PDF in this folder, and no {', '.join(TEXT_READERS)} file")
    return list(files)


def is_report(path: Path) -> bool:
    """Whether a file in a folder is one to read: not hidden, not opened in Word, not about the folder."""
    passing = path.name.startswith((".", "~$")) or path.stem.lower() == OF_THE_FOLDER
    return path.suffix.lower() in SUFFIXES and not passing and path.is_file()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read: {error.strerror}") from error


def too_long(path: Path, count: int, unit: str, limit: int) -> UnreadableFile:
    """The error for a file over the limit of pages."""
    return UnreadableFile(f"{path}: {count} {unit}, over the limit of {limit}; raise KB_MAX_PAGES to read it")


def lost_page(number: int, lost: Lost) -> PageLayout:
    """A page of which nothing is known but why."""
    return PageLayout(number, 0.0, 0.0, (), (), "", lost.reason)


def describe(path: Path, sha256: str, name: str, about: About, pages: Sequence[Page]) -> Document:
    """A document's record, with the metadata that were found."""
    found = find_metadata(Path(name).stem, about.title, about.author, pages, about.opening)
    readers = sorted({page.reader for page in pages if page.reader})
    return Document(
        id=sha256[:16],
        sha256=sha256,
        path=str(path.resolve()),
        file=name,
        title=found.title,
        publisher=found.publisher,
        year=found.year,
        kind=found.kind,
        page_count=len(pages),
        reader=", ".join(readers),
        unit=about.unit,
    )


def first_problem(pages: Sequence[Page], unit: str) -> str:
    """Why a document has no passage."""
    problems = [f"{unit} {page.number}: {page.problem}" for page in pages if page.problem]
    return problems[0] if problems else f"its {unit}s hold no prose"
