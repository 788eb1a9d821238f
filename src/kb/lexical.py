"""Tantivy (BM25) over the tokens of passages: derived from the store, and grown by additions."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import compress, islice
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tantivy
from numpy.typing import NDArray

from kb.errors import IndexDamaged
from kb.store import StoredPassage
from kb.synonyms import Clue
from kb.words import tokens

FIELD_WEIGHTS = {"text": 1.0, "heading": 0.6, "bank": 1.5}
"""What a token found in this field counts."""

SYNONYM_WEIGHT = 0.5
"""What a synonym counts, of what it would count if it had been said."""

SPREAD = 2
LOOKED_AT = 10_000
"""A filter that leaves many passages is applied to the best that are found without it: so many that they hold SPREAD
times what is wanted where the filter leaves some everywhere, and at most LOOKED_AT. They take 3 ms to find, where a
query for 20,000 rows by their numbers takes 19."""

WRITER_BYTES = 50_000_000


def schema() -> tantivy.Schema:
    """Tokens come ready made from kb.words, joined by blanks, so tantivy only splits at blanks.

    They are stored too: an index is written anew out of itself, and no text is cut into words a second time.
    """
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", stored=True, indexed=True, fast=True)
    builder.add_text_field("document", stored=True, tokenizer_name="raw", index_option="basic")
    for field in FIELD_WEIGHTS:
        builder.add_text_field(field, stored=True, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


class LexicalIndex:
    """An index on disk, opened for searching."""

    def __init__(self, index: tantivy.Index, folder: Path) -> None:
        self._index = index
        self._folder = folder
        self._schema = index.schema
        self._searcher = index.searcher()

    @classmethod
    def build(cls, folder: Path, passages: Iterable[StoredPassage]) -> "LexicalIndex":
        """Write an index of the passages into an empty folder."""
        return cls.filled(folder, map(entry, passages))

    @classmethod
    def filled(cls, folder: Path, entries: Iterable[tantivy.Document]) -> "LexicalIndex":
        """Write an index of entries into an empty folder."""
        folder.mkdir(parents=True)
        index = tantivy.Index(schema(), path=str(folder))
        change(index, (), entries)
        return cls(index, folder)

    def grow(self, gone: Iterable[str], passages: Iterable[StoredPassage]) -> None:
        """Drop the passages of documents, by their ids, and add others. Files that are there are never written to."""
        change(self._index, gone, map(entry, passages))
        self._searcher = self._index.searcher()

    def rewritten(self, folder: Path) -> "LexicalIndex":
        """The same without what is deleted, which counts in the rarity of words until then, into an empty folder."""
        with panics_named(self._folder):
            hits = self._searcher.search(tantivy.Query.all_query(), max(len(self), 1)).hits
            kept = (self._searcher.doc(address).to_dict().items() for _, address in hits)
            return self.filled(folder, (tantivy.Document(**{name: values[0] for name, values in one}) for one in kept))

    @classmethod
    def read(cls, folder: Path) -> "LexicalIndex":
        """Open an index. Raises ValueError where there is none, IndexDamaged where a file of it is damaged."""
        with panics_named(folder):
            if not folder.is_dir() or os.access(folder, os.W_OK):
                return cls(tantivy.Index.open(str(folder)), folder)
            with TemporaryDirectory(prefix="kb-") as aside:  # tantivy makes a lock file in the folder that it opens
                for file in folder.iterdir():
                    if file.suffix != ".lock":
                        (Path(aside) / file.name).symlink_to(file.resolve())
                return cls(tantivy.Index.open(aside), folder)

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def search(self, clues: Sequence[Clue], count: int, allowed: NDArray[np.int64] | None) -> dict[int, float]:
        """BM25 scores of the best passages by row; with `allowed` only those rows."""
        if not clues or not len(self):
            return {}
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, self._clue(clue)) for clue in clues])
        if allowed is None:
            return self._best(query, count)
        found = self._sifted(query, count, allowed) if len(allowed) else {}
        if found is None:
            rows = tantivy.Query.term_set_query(self._schema, "row", allowed.tolist())
            return self._best(all_of([query, tantivy.Query.const_score_query(rows, 0.0)]), count)
        return found

    def _sifted(self, query: tantivy.Query, count: int, allowed: NDArray[np.int64]) -> dict[int, float] | None:
        """The best allowed passages among the best; None where they may not be all."""
        enough = SPREAD * count * len(self) // len(allowed)
        if enough > LOOKED_AT:
            return None
        found = self._best(query, enough)
        kept = compress(found.items(), np.isin(np.fromiter(found, np.int64, len(found)), allowed))
        best = dict(islice(kept, count))
        return best if len(best) == count or len(found) < enough else None

    def _best(self, query: tantivy.Query, count: int) -> dict[int, float]:
        """The scores of the best passages by row, best first."""
        with panics_named(self._folder):
            hits = self._searcher.search(query, min(count, len(self))).hits
            rows = self._rows_at([address for _, address in hits])
        return {row: float(score) for row, (score, _) in zip(rows, hits, strict=True)}

    def rarity(self, word: str) -> float:
        """BM25's inverse document frequency of a word, in the field where it is most frequent."""
        with panics_named(self._folder):
            having = max(int(self._searcher.doc_freq(field, word)) for field in FIELD_WEIGHTS)
        return log(1 + (len(self) - having + 0.5) / (having + 0.5))

    def rows(self) -> list[int]:
        """The rows of all passages in the index."""
        if not len(self):
            return []
        hits = self._searcher.search(tantivy.Query.all_query(), len(self)).hits
        return self._rows_at([address for _, address in hits])

    def _rows_at(self, addresses: list[tantivy.DocAddress]) -> list[int]:
        """The rows of passages, out of a column, for which no document is read."""
        return [int(row) for row in self._searcher.fast_field_values("row", addresses) if row is not None]

    def _clue(self, clue: Clue) -> tantivy.Query:
        """The words that were said, or the best of their synonyms at a lower weight."""
        said = [self._term(word) for word in clue.words]
        if not clue.others:
            return said[0] if len(said) == 1 else any_of(said)
        others = [
            tantivy.Query.boost_query(all_of([self._term(word) for word in other]), SYNONYM_WEIGHT / len(other))
            for other in clue.others
        ]
        return tantivy.Query.disjunction_max_query([*([any_of(said)] if said else []), *others])

    def _term(self, word: str) -> tantivy.Query:
        """A word in any field, weighted."""
        return any_of(
            [
                tantivy.Query.boost_query(tantivy.Query.term_query(self._schema, field, word, "freq"), weight)
                for field, weight in FIELD_WEIGHTS.items()
            ]
        )


def entry(stored: StoredPassage) -> tantivy.Document:
    """What is kept of a passage."""
    return tantivy.Document(
        row=stored.row,
        document=stored.document.id,
        text=" ".join(tokens(stored.passage.text)),
        heading=" ".join(tokens("\n".join(stored.passage.heading))),
        bank=" ".join(tokens("\n".join(stored.passage.banks))),
    )


def change(index: tantivy.Index, gone: Iterable[str], entries: Iterable[tantivy.Document]) -> None:
    """Delete the passages of documents, then add others, and wait until all of it is on disk."""
    writer = index.writer(WRITER_BYTES, 1)
    for document in gone:
        writer.delete_documents_by_term("document", document)
    for one in entries:
        writer.add_document(one)
    writer.commit()
    writer.wait_merging_threads()
    index.reload()


@contextmanager
def panics_named(folder: Path) -> Iterator[None]:
    """Turn tantivy's panic over a damaged file into an error of ours; the index opens no more, so it is made anew."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # which is no Exception, and has no place to be imported from
            raise
        with suppress(OSError):
            (folder / "meta.json").unlink()
        raise IndexDamaged(f"a file in {folder} is damaged; ask again: it is made anew") from error


def any_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    """What matches some of the queries, by the sum of their scores."""
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def all_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    """What matches all of the queries, by the sum of their scores."""
    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query) for query in queries])
