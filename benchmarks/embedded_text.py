"""What to embed, and how to weigh it: ranks gold questions over an index under each choice, and prints a table.

    python benchmarks/embedded_text.py [--index index] [--gold corpus/gold.jsonl] [--plain]

Passages are embedded anew for each choice of headings; vectors in the index are not used. With --plain, questions have
the rows that the packaged model gives them, without what was learnt from spoken questions.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kb.embed import PackagedE5
from kb.evaluate import Question, load_gold, score_run
from kb.fusion import Candidates, fuse
from kb.records import Hit
from kb.search import CANDIDATES, Library
from kb.settings import load_settings
from kb.store import StoredPassage
from kb.synonyms import clues_of, load_synonyms
from kb.words import sentences

Rows = NDArray[np.float32]
WHOLE_WEIGHTS = (1.0, 0.5, 0.4)
DENSE_WEIGHTS = (1.0, 0.85, 0.75, 0.65, 0.0)


def with_headings(stored: StoredPassage, count: int) -> str:
    """A passage's text behind so many of its headings, from the innermost out."""
    headings = stored.passage.heading[-count:] if count else ()
    return "\n".join([*headings, stored.passage.text])


def best_sentences(rows: Rows, owners: NDArray[np.int64], query: Rows, whole: Rows) -> Rows:
    """Each passage's best sentence's cosine, or its own where it has none."""
    best = np.full(len(whole), -1.0, np.float32)
    np.maximum.at(best, owners, rows @ query)
    return np.where(best < 0, whole, best)


def rank(
    library: Library, stored: Sequence[StoredPassage], question: Question, dense: Rows, dense_weight: float
) -> list[Hit]:
    """The first ten passages by the fusion that the search uses, without what it does for single questions."""
    filters, reports = library.catalogue.resolve(question.filters)
    allowed = library.store.matching_rows(filters, reports) if filters else None
    clues = clues_of(question.query, load_synonyms())
    lexical = library._derived.lexical.search(clues, CANDIDATES, None if allowed is None else np.array(allowed))
    places = [at for at, one in enumerate(stored) if allowed is None or one.row in set(allowed)]
    near = sorted(places, key=lambda at: -dense[at])[:CANDIDATES]
    at_row = {stored[at].row: at for at in places}
    chosen = [at_row[row] for row in dict.fromkeys([*(stored[at].row for at in near), *lexical])]
    rows = np.array([stored[at].row for at in chosen])
    both = dense[chosen].astype(np.float64)
    bm25 = np.array([lexical.get(int(row), 0.0) for row in rows])
    scores = fuse(Candidates(rows, both, both, bm25, np.zeros(len(rows))), dense_weight)
    best = np.lexsort((rows, -scores))[:10]
    return [
        Hit(place, float(scores[at]), stored[chosen[at]].document, stored[chosen[at]].passage, "", 0)
        for place, at in enumerate(best, start=1)
    ]


def main() -> None:
    """Run all choices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, default=Path("index"))
    parser.add_argument("--gold", type=Path, default=Path("corpus/gold.jsonl"))
    parser.add_argument("--plain", action="store_true", help="rows of questions as the packaged model gives them")
    chosen = parser.parse_args()
    questions = [question for question in load_gold(chosen.gold) if question.evidence]
    with Library.open(load_settings().model_copy(update={"index": chosen.index})) as library:
        stored = list(library.store.live_passages())
        ranges = [(at, part) for at, one in enumerate(stored) for part in sentences(one.passage.text)]
        owners = np.array([at for at, _ in ranges])
        parts = library.encoder.passages([stored[at].passage.text[start:end] for at, (start, end) in ranges])
        encode = PackagedE5(load_settings().cache).plain_queries if chosen.plain else library.encoder.queries
        queries = encode([question.query for question in questions])
        print(f"{len(stored)} passages, {len(ranges)} sentences, {len(questions)} questions: nDCG@10 / recall@10")
        print("headings  whole  " + "".join(f"dense {weight:<9}" for weight in DENSE_WEIGHTS))
        for count in (0, 1, 2, 3):
            whole_rows = library.encoder.passages([with_headings(one, count) for one in stored])
            for whole_weight in WHOLE_WEIGHTS:
                cells = []
                for weight in DENSE_WEIGHTS:
                    run = []
                    for question, query in zip(questions, queries, strict=True):
                        whole = whole_rows @ query
                        best = best_sentences(parts, owners, query, whole)
                        dense = whole_weight * whole + (1 - whole_weight) * best
                        run.append((question, rank(library, stored, question, dense, weight)))
                    values = score_run(run)[-1].values
                    cells.append(f"{values['ndcg']:.3f} / {values['recall']:.3f}")
                print(f"{count:<9} {whole_weight:<6} " + "  ".join(cells))


if __name__ == "__main__":
    main()
