"""The pipeline: file → pages → blocks → passages → tags and vectors → store. The only module that names every stage."""

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from kb.banks import BankBook, default_bank_book
from kb.derived import open_derived, prune_derived
from kb.embed import Encoder
from kb.errors import BadInput, IndexBusy, IndexDamaged, KbError, UnreadableFile
from kb.layout.blocks import layouts_to_blocks
from kb.layout.page import PageLayout, lay_out
from kb.metadata import find_metadata
from kb.read.pdf import PdfFacts, read_facts, read_pages
from kb.records import Document, Page, Passage, Unit
from kb.search import STORE_FILE, check_model, find_report
from kb.segment import blocks_to_passages
from kb.settings import Settings
from kb.store import Failure, Model, Store
from kb.tag import TopicRows, tag_passages
from kb.taxonomy import Taxonomy, default_taxonomy
from kb.words import sentences

PAGES_A_TASK = 12
"""Pages that a reading process gets at once."""

POOL_FROM = 24
"""From this many pages on, reading processes are started; below, starting them takes longer than they save."""

LOCK_SECONDS = 10.0
CONTEXT_HEADINGS = 1
"""How many headings, from the innermost out, are embedded with a passage."""

SUFFIXES = (".pdf",)


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
    """What became of a file: added, replaced, unchanged, moved, or failed with a reason."""

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
class ReadDocument:
    """A document read and cut, not yet tagged."""

    document: Document
    pages: tuple[Page, ...]
    passages: tuple[Passage, ...]


@dataclass(slots=True)
class Pipeline:
    """What the stages share during a run; the encoder and the reading processes start when first needed."""

    settings: Settings
    open_encoder: Callable[[], Encoder]
    workers: int
    book: BankBook = field(default_factory=default_bank_book)
    taxonomy: Taxonomy = field(default_factory=default_taxonomy)
    _pool: ProcessPoolExecutor | None = None
    _topics: TopicRows | None = None

    def read(self, path: Path, sha256: str, progress: Progress) -> ReadDocument:
        """Read a file and cut it into passages. Raises UnreadableFile."""
        facts = read_facts(path, self.settings.max_pages)
        progress.start(path, facts.page_count)
        layouts: list[PageLayout] = []
        for part in self.lay_out_pages(path, facts.page_count):
            layouts += part
            progress.pages(len(part))
        pages, blocks = layouts_to_blocks(layouts)
        passages = blocks_to_passages(blocks, pages, sha256, lambda text: bool(self.book.mentions(text)))
        if not passages:
            raise UnreadableFile(f"{path}: no text could be read: {first_problem(pages)}")
        return ReadDocument(describe(path, sha256, facts, pages), tuple(pages), tuple(passages))

    def lay_out_pages(self, path: Path, count: int) -> Iterator[list[PageLayout]]:
        """All pages of a file, laid out, in parts; several processes read where that is worth their start."""
        tasks = [range(first, min(first + PAGES_A_TASK, count + 1)) for first in range(1, count + 1, PAGES_A_TASK)]
        if self.workers < 2 or count < POOL_FROM:
            yield from (read_and_lay_out(path, task) for task in tasks)
            return
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context)
        futures: list[Future[list[PageLayout]]] = [self._pool.submit(read_and_lay_out, path, task) for task in tasks]
        try:
            yield from (future.result() for future in futures)
        except BrokenProcessPool as error:
            self._pool = None
            raise UnreadableFile(f"{path}: a reading process died on it, of memory perhaps; see KB_WORKERS") from error

    def tag_and_embed(
        self, read: ReadDocument, progress: Progress
    ) -> tuple[list[Passage], list[Unit], NDArray[np.float32]]:
        """Tagged passages, and the units of each with their (units, dim) rows."""
        encoder = self.open_encoder()
        units, texts = passages_to_units(read.passages)
        progress.embedding(len(texts))
        rows = encoder.passages(texts, progress.embedded)
        whole = rows[[at for at, unit in enumerate(units) if unit.whole]]
        if self._topics is None:
            self._topics = embed_topics(encoder, self.taxonomy)
        return tag_passages(read.passages, whole, self.book, self.taxonomy, self._topics), units, rows

    def close(self) -> None:
        """End the reading processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def ingest(
    paths: Sequence[Path],
    settings: Settings,
    open_encoder: Callable[[], Encoder],
    progress: Progress,
    force: bool = False,
) -> IngestReport:
    """Bring files and folders into the index. A file that fails is noted, and the others go on.

    Unchanged files are skipped by their content hash unless `force`; a changed file replaces what was read from
    the same path. Raises BadInput for a path that is not there, IndexBusy where another process is writing.
    """
    files = find_files(paths)
    outcomes: list[Outcome] = []
    with writing(settings.index), open_for_writing(settings, open_encoder) as store:
        pipeline = Pipeline(settings, open_encoder, settings.workers or os.cpu_count() or 1)
        try:
            for path in files:
                outcome = ingest_file(path, store, pipeline, progress, force)
                outcomes.append(outcome)
                progress.finish(outcome)
        finally:
            pipeline.close()
        for failure in store.failures():
            if not Path(failure.path).exists():
                store.forget_failure(failure.path)
        derived = renew_derived(store, settings.index)
    return IngestReport(tuple(outcomes), derived)


def ingest_file(path: Path, store: Store, pipeline: Pipeline, progress: Progress, force: bool) -> Outcome:
    """Bring one file in: read, cut, tag, embed, store."""
    place, sha256 = str(path.resolve()), ""
    try:
        sha256 = hash_file(path)
        same = next((d for d in store.documents() if d.sha256 == sha256), None)
        if same and not force:
            return keep(path, place, same, store)
        read = read_or_name(path, sha256, pipeline, progress)
    except UnreadableFile as error:
        store.note_failure(Failure(place, sha256, str(error)))
        return Outcome(path, "failed", reason=str(error))
    passages, units, rows = pipeline.tag_and_embed(read, progress)
    replaced = any(document.path == place for document in store.documents())
    store.add_document(read.document, read.pages, passages, units, rows)
    return Outcome(path, "replaced" if replaced else "added", read.document, len(passages))


def read_or_name(path: Path, sha256: str, pipeline: Pipeline, progress: Progress) -> ReadDocument:
    """Read a file; whatever goes wrong with this one file becomes an UnreadableFile, and the others go on."""
    try:
        return pipeline.read(path, sha256, progress)
    except KbError:
        raise
    except Exception as error:  # a page that no one foresaw must not cost the rest of the folder
        raise UnreadableFile(f"{path}: could not be read: {type(error).__name__}: {error}") from error


def keep(path: Path, place: str, same: Document, store: Store) -> Outcome:
    """What to do with a file whose content is stored: nothing, or note that it moved."""
    store.forget_failure(place)
    if same.path == place:
        return Outcome(path, "unchanged", same)
    moved = not Path(same.path).exists()
    if moved or any(document.path == place for document in store.documents()):
        store.move_document(same.id, place, path.name)  # what was read from this path before is superseded by it
    return Outcome(path, "moved" if moved else "unchanged", same)


def remove(name: str, settings: Settings) -> Document:
    """Take a document out of the index, by its id, file name or whole title; a superseded one goes by its id alone.

    Raises UnknownName where nothing, BadInput where more than one report has this name.
    """
    store_path = settings.index / STORE_FILE
    Store.open(store_path).close()  # before the lock, which would make the folder
    with writing(settings.index), Store.open(store_path) as store:
        live = find_report(name, store.documents(), whole=True) if not store.has_document(name) else [name]
        if len(live) > 1:
            raise BadInput(f"{name!r} stands for {len(live)} reports; name one by its id: {', '.join(live)}")
        document = store.document(live[0])
        store.remove_document(document.id)
        renew_derived(store, settings.index)
    return document


@contextmanager
def writing(index: Path) -> Iterator[None]:
    """One process writes at a time. Raises IndexBusy where another does."""
    try:
        index.mkdir(parents=True, exist_ok=True)
        lock = FileLock(index / "writing.lock", timeout=LOCK_SECONDS)
        lock.acquire()
    except Timeout as error:
        raise IndexBusy(f"{index} is being written by another process; wait for it, or end it") from error
    except OSError as error:
        raise IndexDamaged(f"cannot write to the index folder {index}: {error}") from error
    try:
        yield
    finally:
        lock.release()


def open_for_writing(settings: Settings, open_encoder: Callable[[], Encoder]) -> Store:
    """The store, made if it is not there. Raises ModelMismatch where it was made with another model."""
    encoder = open_encoder()
    store = Store.create(settings.index / STORE_FILE, Model(encoder.name, encoder.dim))
    try:
        check_model(store, encoder, settings.index)
    except KbError:
        store.close()
        raise
    return store


def renew_derived(store: Store, index: Path) -> int:
    """See that the store's generation has its derived indexes, drop those of others, and return the generation."""
    generation = store.refresh()
    open_derived(store, index)
    prune_derived(index, generation)
    return generation


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The readable files among and below the paths, sorted, each once. Raises BadInput where there is none."""
    files: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
        below = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        found = [p for p in below if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if not found and not path.is_dir():
            raise BadInput(f"{path}: not a PDF file")
        files.update(dict.fromkeys(found))
    if not files:
        raise BadInput(f"{', '.join(map(str, paths))}: no PDF in this folder")
    return list(files)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(f"{path}: cannot be read: {error.strerror}") from error


def read_and_lay_out(path: Path, numbers: range) -> list[PageLayout]:
    """Read some pages and lay each out; runs in a reading process."""
    return [lay_out(page) for page in read_pages(path, numbers)]


def describe(path: Path, sha256: str, facts: PdfFacts, pages: Sequence[Page]) -> Document:
    """A document's record."""
    about = find_metadata(path.stem, facts.title, facts.author, pages)
    readers = sorted({page.reader for page in pages})
    return Document(
        id=sha256[:16],
        sha256=sha256,
        path=str(path.resolve()),
        file=path.name,
        title=about.title,
        publisher=about.publisher,
        year=about.year,
        kind=about.kind,
        page_count=len(pages),
        reader=", ".join(readers),
    )


def first_problem(pages: Sequence[Page]) -> str:
    """Why a document has no passage."""
    problems = [f"page {page.number}: {page.problem}" for page in pages if page.problem]
    return problems[0] if problems else "its pages hold no prose"


def passages_to_units(passages: Sequence[Passage]) -> tuple[list[Unit], list[str]]:
    """What gets a vector, with the text that is embedded: each passage with its headings, and each of its sentences."""
    units: list[Unit] = []
    texts: list[str] = []
    for passage in passages:
        units.append(Unit(passage.id, 0, len(passage.text), True))
        texts.append("\n".join([*passage.heading[-CONTEXT_HEADINGS:], passage.text]))
        for start, end in sentences(passage.text):
            units.append(Unit(passage.id, start, end, False))
            texts.append(passage.text[start:end])
    return units, texts


def embed_topics(encoder: Encoder, taxonomy: Taxonomy) -> TopicRows:
    """The topic descriptions' rows."""
    return TopicRows(
        taxonomy.topics, encoder.passages([f"{topic.label}：{topic.description}" for topic in taxonomy.topics])
    )
