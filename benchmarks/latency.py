"""What a search takes above the encoder's own time for the question, in process and warm.

    python benchmarks/latency.py [FOLDER] [--passages 100000] [--gold corpus/gold.jsonl] [--rounds 5]

On two indexes: the reports in FOLDER (default: corpus), and so many passages made of the sentences of those, drawn anew
and run together, with the sentences' rows a little disturbed and the tokens of other passages. Encoder and search are
timed in turns on every gold question, without its filters; the median and p95 are over the questions, each by the
median of its rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from systems import Silent
from timing import ROUNDS, Timing, p95, time_in_turns

from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.embed import Encoder, open_encoder
from kb.evaluate import load_gold
from kb.late import TokenRows
from kb.records import Document, Kind, Page, Passage, Span, Tag, TaggedDocument, Unit
from kb.search import Library
from kb.settings import Settings, load_settings
from kb.store import Store

Rows = NDArray[np.float32]

SEED = 2017
AT_ONCE = 2000
"""Passages of a made-up document, which is one transaction."""
NOISE = 0.25
"""Length of what is added to a sentence's row of length 1: the cosine of the two is 0.97."""
WANTED = {"reports": 4.0, "made up": 12.0}
"""Milliseconds above the encoder that the median should not pass."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage of a real report, its sentences, the numbers of their rows, and its tokens."""

    heading: tuple[str, ...]
    tags: tuple[Tag, ...]
    sentences: tuple[str, ...]
    rows: tuple[int, ...]
    tokens: TokenRows


def read_sources(store: Store) -> tuple[list[Source], Rows]:
    """The passages of a store that have sentences, and the rows of all units."""
    units, vectors = store.unit_rows()
    inside: dict[int, list[int]] = {}
    for number, unit in enumerate(units):
        if not unit.whole:
            inside.setdefault(unit.passage_row, []).append(number)
    sources = []
    tokens = store.tokens(list(inside))
    for stored in store.live_passages():
        numbers = inside.get(stored.row, [])
        ranges = [(units[number].start, units[number].end) for number in numbers]
        texts = tuple(stored.passage.text[start:end].replace("\n", "") for start, end in ranges)
        if texts and stored.row in tokens:
            tags = stored.passage.tags
            sources.append(Source(stored.passage.heading, tags, texts, tuple(numbers), tokens[stored.row]))
    return sources, vectors


def recombine(store: Store, sources: Sequence[Source], vectors: Rows, count: int) -> None:
    """Fill an empty store with so many passages made of sentences of others."""
    draw = np.random.default_rng(SEED)
    sentences = [(text, row) for source in sources for text, row in zip(source.sentences, source.rows, strict=True)]
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        models = [sources[at] for at in draw.integers(0, len(sources), len(numbers))]
        chosen = [draw.integers(0, len(sentences), len(model.sentences)) for model in models]
        parts = [[sentences[at] for at in places] for places in chosen]
        passages = [
            to_passage(number, model, [text for text, _ in part])
            for number, model, part in zip(numbers, models, parts, strict=True)
        ]
        units = [unit for passage in passages for unit in to_units(passage)]
        rows = np.concatenate(list(to_rows([[row for _, row in part] for part in parts], vectors, draw)))
        pages = [Page(at, 0.0, 0.0, passage.text, (), "made up") for at, passage in enumerate(passages, start=1)]
        tagged, tokens = TaggedDocument(tuple(passages), {}, ()), [model.tokens for model in models]
        store.add_document(to_document(first, len(pages)), pages, tagged, units, rows, tokens=tokens)


def to_passage(number: int, model: Source, sentences: Sequence[str]) -> Passage:
    """Sentences one a line, under the heading and with the tags of another passage, on a page of their own."""
    text = "\n".join(sentences)
    page = number % AT_ONCE + 1
    return Passage(f"{number:016x}", Kind.TEXT, model.heading, text, (Span(page, 0, len(text), 0),), model.tags)


def to_units(passage: Passage) -> Iterator[Unit]:
    """The whole passage, and its lines."""
    yield Unit(passage.id, 0, len(passage.text), True)
    start = 0
    for line in passage.text.split("\n"):
        yield Unit(passage.id, start, start + len(line), False)
        start += len(line) + 1


def to_rows(parts: Sequence[Sequence[int]], vectors: Rows, draw: np.random.Generator) -> Iterator[Rows]:
    """Unit rows for the units of passages: sentences' rows disturbed, before them their mean disturbed as well."""
    for numbers in parts:
        own = vectors[list(numbers)]
        rows = np.concatenate([own.mean(axis=0, keepdims=True), own])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        rows += draw.standard_normal(rows.shape, np.float32) * (NOISE / rows.shape[1] ** 0.5)
        yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def to_document(first: int, pages: int) -> Document:
    """The record of a made-up report."""
    name = f"made-up-{first:08}"
    return Document(name, name, f"/{name}", name, name, "", 2000 + first // AT_ONCE % 25, "其他", pages, "made up")


def make(settings: Settings, source: Settings, encoder: Encoder, count: int) -> None:
    """An index of so many passages, out of another one's sentences."""
    with Store.open(source.index / STORE_FILE) as store:
        model = store.model()
        sources, vectors = read_sources(store)
    with Store.create(settings.index / STORE_FILE, model) as store:
        recombine(store, sources, vectors, count)
    Library.open(settings, encoder).close()  # makes the derived indexes


def report(name: str, settings: Settings, encoder: Encoder, questions: Sequence[str], rounds: int) -> None:
    """Time the searches of an index, and print a line."""
    with Library.open(settings, encoder) as library:
        size = sum(library.store.count_passages().values())
        timing = time_in_turns(
            lambda question: encoder.queries([question]), lambda number: library.search(questions[number]),
            questions, rounds,
        )  # fmt: skip
    print(f"{name:10}{size:10}{figures(timing)}{WANTED[name]:10.0f}", flush=True)


def figures(timing: Timing) -> str:
    """Milliseconds, and how often the encoder's time they are."""
    encoder = median(timing.encoder)
    above, slow = median(timing.above), p95(timing.above)
    return f"{encoder:10.1f}{above:10.1f}{slow:10.1f}{above / encoder:10.2f}{slow / encoder:10.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("corpus"), help="reports (default corpus)")
    parser.add_argument("--passages", type=int, default=100_000, help="made-up passages (default 100000; 0: none)")
    parser.add_argument("--gold", type=Path, default=Path("corpus/gold.jsonl"), help="the questions")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"times that each is asked (default {ROUNDS})")
    options = parser.parse_args()
    questions = [question.query for question in load_gold(options.gold)]
    with tempfile.TemporaryDirectory() as folder:
        reports, made_up = (
            load_settings().model_copy(update={"index": Path(folder) / name}) for name in ("reports", "made-up")
        )
        encoder = open_encoder(reports.model, reports.cache)
        ingest([options.folder], reports, lambda: encoder, Silent())
        print(f"{'':20}{'encoder':>10}{'above it: ms':>20}{'ratio to it':>20}{'ms':>10}")
        print(f"{'index':10}{'passages':>10}{'ms':>10}{'median':>10}{'p95':>10}{'median':>10}{'p95':>10}{'wanted':>10}")
        report("reports", reports, encoder, questions, options.rounds)
        if options.passages:
            start = time.perf_counter()
            make(made_up, reports, encoder, options.passages)
            seconds = time.perf_counter() - start
            report("made up", made_up, encoder, questions, options.rounds)
            print(f"the made-up index took {seconds:.0f} s to make")


if __name__ == "__main__":
    main()
