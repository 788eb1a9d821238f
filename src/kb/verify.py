"""The store checked: spans against the pages' texts, passages, tables, figures, cases, and the derived indexes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kb.derived import Contents, DerivedFiles, checksums, read_derived
from kb.records import Passage, TaggedDocument
from kb.segment import JOINERS
from kb.store import Store
from kb.words import mend


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, and what is wrong; nothing is wrong where `problems` is empty."""

    documents: int
    passages: int
    spans: int
    tables: int
    units: int
    problems: tuple[str, ...]


def verify(store: Store, index: Path) -> Check:
    """Check the store against itself, and the derived indexes against the store."""
    generation = store.snapshot()
    while not DerivedFiles.of(index, Contents.of(store)).exist() and generation != (generation := store.refresh()):
        pass  # while another process writes, the set of a state is there before it, and goes after the next one
    problems = list(derived_problems(store, index))
    passages = spans = tables = 0
    documents = store.documents(live=False)
    for document in documents:
        texts = {page.number: page.text for page in store.pages(document.id)}
        if len(texts) != document.page_count:
            problems.append(f"{document.file}: {len(texts)} of {document.page_count} pages are stored")
        tagged = store.tagged(document.id)
        for passage in tagged.passages:
            passages += 1
            spans += len(passage.spans)
            problems += [f"{document.file}: {problem}" for problem in passage_problems(passage, texts)]
        problems += [f"{document.file}: {problem}" for problem in tagging_problems(tagged)]
        for table in store.tables(document.id):
            tables += 1
            if missing := sorted(set(table.pages) - set(texts)):
                problems.append(
                    f"{document.file}: table {table.number} stands on page {missing[0]}, which is not stored"
                )
    units, vectors = store.unit_rows()
    whole = {unit.passage_row for unit in units if unit.whole}
    live = sum(store.count_passages().values())
    if len(whole) != live or len(vectors) != len(units):
        problems.append(f"{live} live passages, {len(whole)} of them with a vector")
    return Check(len(documents), passages, spans, tables, len(units), tuple(problems))


def passage_problems(passage: Passage, texts: dict[int, str]) -> Iterator[str]:
    """Spans that do not match their page, and words of the passage that no span accounts for."""
    at = 0
    for span in passage.spans:
        stored = mend(texts.get(span.page, "")[span.start : span.end])
        end = span.at + span.end - span.start
        if not stored or stored != passage.text[span.at : end]:
            yield f"passage {passage.id}: page {span.page} has {stored[:20]!r} where the passage has its span"
        if not set(passage.text[at : span.at]) <= JOINERS:
            yield f"passage {passage.id}: {passage.text[at : span.at][:20]!r} stands in no span"
        at = end
    if at != len(passage.text):
        yield f"passage {passage.id}: {passage.text[at:][:20]!r} stands in no span"


def tagging_problems(tagged: TaggedDocument) -> Iterator[str]:
    """Figures and parts of cases that do not stand where they are said to."""
    texts = {passage.id: passage.text for passage in tagged.passages}
    for identity, figures in tagged.figures.items():
        for figure in figures:
            if texts[identity][figure.start : figure.end] != figure.text:
                yield f"passage {identity}: figure {figure.text!r} does not stand at {figure.start}"
    for case in tagged.cases:
        for part in case.parts:
            known = [texts[identity] for identity in part.passages if identity in texts]
            if len(known) != len(part.passages) or part.start > len(known[0]) or (part.end or 0) > len(known[-1]):
                yield f"case {case.id}: its part {part.label or part.role} does not stand in its passages"


def derived_problems(store: Store, index: Path) -> Iterator[str]:
    """Whether the derived indexes hold what the store holds."""
    contents = Contents.of(store)
    files = DerivedFiles.of(index, contents)
    if not files.exist() and not contents.editions:
        return  # a store that was made just now
    if not files.exist():
        yield f"no derived indexes of generation {store.generation()}; the next search makes them"
        return
    try:
        derived = read_derived(files, contents)
    except Exception as error:  # anything can be wrong with a damaged file
        yield f"derived indexes of generation {store.generation()}: {error}; the next search makes them anew"
        return
    if not derived.vectors.agrees_with(*store.unit_rows()):
        yield "the FAISS index does not hold the store's vectors; delete the folder derived and search"
    known = derived.stamp.checksums
    if damaged := [name for name, crc in checksums(files.lexical, {}).items() if crc != known.get(name)]:
        yield f"{files.lexical / damaged[0]} is damaged; delete the folder derived and search"
        return
    stored = {found.row for found in store.live_passages()}
    if set(derived.lexical.rows()) != stored:
        yield "the tantivy index does not hold the store's passages; delete the folder derived and search"
