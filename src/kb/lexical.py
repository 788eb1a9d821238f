"""Tantivy (BM25) over the tokens of passages: derived from the store."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import tantivy

from kb.store import StoredPassage
from kb.words import query_tokens, tokens

FIELD_WEIGHTS = {"text": 1.0, "heading": 0.6, "bank": 1.5}
"""What a token found in this field counts."""

WRITER_BYTES = 50_000_000


def schema() -> tantivy.Schema:
    """Tokens come ready made from kb.words, joined by blanks, so tantivy only splits at blanks."""
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("row", stored=True, indexed=True, fast=True)
    for field in FIELD_WEIGHTS:
        builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
    return builder.build()


class LexicalIndex:
    """An index on disk, opened for searching."""

    def __init__(self, index: tantivy.Index) -> None:
        self._index = index
        self._schema = index.schema
        self._searcher = index.searcher()

    @classmethod
    def build(cls, folder: Path, passages: Iterable[StoredPassage]) -> "LexicalIndex":
        """Write an index of the passages into an empty folder."""
        folder.mkdir(parents=True)
        index = tantivy.Index(schema(), path=str(folder))
        writer = index.writer(WRITER_BYTES, 1)
        for stored in passages:
            writer.add_document(
                tantivy.Document(
                    row=stored.row,
                    text=" ".join(tokens(stored.passage.text)),
                    heading=" ".join(tokens("\n".join(stored.passage.heading))),
                    bank=" ".join(tokens("\n".join(stored.passage.banks))),
                )
            )
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return cls(index)

    @classmethod
    def read(cls, folder: Path) -> "LexicalIndex":
        """Open an index. Raises ValueError where there is none."""
        return cls(tantivy.Index.open(str(folder)))

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def search(self, question: str, count: int, allowed: Sequence[int] | None) -> dict[int, float]:
        """BM25 scores of the best passages by row; with `allowed` only those rows."""
        words = list(dict.fromkeys(query_tokens(question)))
        if not words or not len(self):
            return {}
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, self._term(word)) for word in words])
        if allowed is not None:
            chosen = tantivy.Query.const_score_query(
                tantivy.Query.term_set_query(self._schema, "row", list(allowed)), 0.0
            )
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), (tantivy.Occur.Must, chosen)])
        hits = self._searcher.search(query, min(count, len(self))).hits
        return {int(self._searcher.doc(address)["row"][0]): float(score) for score, address in hits}

    def rows(self) -> list[int]:
        """The rows of all passages in the index."""
        if not len(self):
            return []
        hits = self._searcher.search(tantivy.Query.all_query(), len(self)).hits
        return [int(self._searcher.doc(address)["row"][0]) for _, address in hits]

    def _term(self, word: str) -> tantivy.Query:
        """A word in any field, weighted."""
        clauses = [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(tantivy.Query.term_query(self._schema, field, word, "freq"), weight),
            )
            for field, weight in FIELD_WEIGHTS.items()
        ]
        return tantivy.Query.boolean_query(clauses)
