"""Records → the JSON of the contract, and every live passage as JSON lines, CSV or Parquet."""

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from kb.errors import BadInput
from kb.lexical import SYNONYM_WEIGHT
from kb.links import Successor
from kb.records import (
    Answer,
    CasePart,
    Citation,
    Document,
    Filters,
    Hit,
    HitScores,
    Passage,
    Place,
    Point,
    ReportTable,
    Tag,
    Twin,
    Understood,
)
from kb.search import Explanation, SearchResult
from kb.store import StoredCase, StoredFigure, StoredPassage
from kb.words import sentences
from kb.written import Written

LIST_MARK = "；"
"""Between the values of a list in CSV."""


def document_json(document: Document) -> dict[str, Any]:
    """What a result says of its report."""
    return {
        "id": document.id,
        "title": document.title,
        "file": document.file,
        "publisher": document.publisher,
        "year": document.year,
    }


def passage_json(passage: Passage, document: Document) -> dict[str, Any]:
    """A passage with its report and tags."""
    return {
        "passage_id": passage.id,
        "doc": document_json(document),
        "pages": list(passage.pages),
        "heading": list(passage.heading),
        "text": passage.text,
        "banks": list(passage.banks),
        "mentions": list(passage.mentions),
        "dimension": passage.dimension,
        "topics": list(passage.topics),
        "role": passage.role,
        "year": passage.year,
        "region": passage.region,
    }


def tag_json(tag: Tag) -> dict[str, Any]:
    """A tag with what it comes from."""
    reasons = [{"source": reason.source, "detail": reason.detail} for reason in tag.reasons]
    return {"field": tag.field.value, "value": tag.value, "score": tag.score, "reasons": reasons}


def figure_json(stored: StoredFigure) -> dict[str, Any]:
    """A figure with the sentence that states it, the banks that this is about, and where it stands."""
    figure, passage = stored.figure, stored.passage
    return {
        "banks": list(passage.banks),
        "name": figure.name,
        "text": figure.text,
        "value": figure.value,
        "unit": figure.unit,
        "as_of": figure.as_of,
        "date": figure.date,
        "comparison": figure.comparison,
        "change": figure.change,
        "change_unit": figure.change_unit,
        "sentence": sentence_around(passage.text, figure.start, figure.end),
        "passage_id": passage.id,
        "start": figure.start,
        "end": figure.end,
        "doc": document_json(stored.document),
        "pages": list(passage.pages),
    }


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentences that a stretch of a text stands in."""
    bounds = [(first, last) for first, last in sentences(text) if first < end and start < last]
    return text[bounds[0][0] : bounds[-1][1]] if bounds else text[start:end]


def case_json(stored: StoredCase) -> dict[str, Any]:
    """A case with its parts and figures."""
    case = stored.case
    return {
        "id": case.id,
        "title": case.title,
        "banks": list(case.banks),
        "doc": document_json(stored.document),
        "pages": list(case.pages),
        "heading": list(case.heading),
        "dimensions": first_ones(passage.dimension for passage in stored.passages.values()),
        "topics": first_ones(topic for passage in stored.passages.values() for topic in passage.topics),
        "parts": [part_json(part, stored.passages) for part in case.parts],
        "figures": [figure_json(figure) for figure in stored.figures],
    }


def part_json(part: CasePart, passages: Mapping[str, Passage]) -> dict[str, Any]:
    """A part of a case."""
    return {"role": part.role, "label": part.label, "text": part.text(passages), "passages": list(part.passages)}


def first_ones(values: Iterable[str]) -> list[str]:
    """Values, each once, in order."""
    return list(dict.fromkeys(value for value in values if value))


def table_json(table: ReportTable) -> dict[str, Any]:
    """A table of a report."""
    return {
        "number": table.number,
        "pages": list(table.pages),
        "heading": list(table.heading),
        "caption": table.caption,
        "header": list(table.header),
        "rows": [list(row) for row in table.rows],
    }


def exported_json(stored: StoredPassage) -> dict[str, Any]:
    """An export line: a passage with its kind and its spans in the pages' texts."""
    passage = stored.passage
    spans = [{"page": span.page, "start": span.start, "end": span.end} for span in passage.spans]
    return {**passage_json(passage, stored.document), "kind": passage.kind.value, "spans": spans}


def detail_json(
    stored: StoredPassage, figures: Iterable[StoredFigure], later: Successor | None = None
) -> dict[str, Any]:
    """An exported passage with what each of its tags comes from, its figures, and what took its place."""
    return {
        **exported_json(stored),
        "status": stored.document.status,
        "successor": successor_json(later) if later else None,
        "tags": [tag_json(tag) for tag in stored.passage.tags],
        "figures": [figure_json(figure) for figure in figures],
    }


def successor_json(later: Successor) -> dict[str, Any]:
    """The passage of the live version that is nearest to one of a replaced report."""
    return {
        "passage_id": later.passage.id,
        "doc": document_json(later.document),
        "pages": list(later.passage.pages),
        "similarity": later.similarity,
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """A search result; with its scores where they were asked for."""
    return {
        "rank": hit.rank,
        "score": round(hit.score, 4),
        **passage_json(hit.passage, hit.document),
        "quote": hit.quote,
        "also": [twin_json(twin) for twin in hit.also],
        **({"scores": scores_json(hit.scores)} if hit.scores else {}),
    }


def twin_json(twin: Twin) -> dict[str, Any]:
    """A passage that says the same elsewhere."""
    return {
        "passage_id": twin.passage.id,
        "doc": document_json(twin.document),
        "pages": list(twin.passage.pages),
    }


def scores_json(scores: HitScores) -> dict[str, Any]:
    """How a result was ranked."""
    numbers = {
        name: getattr(scores, name) for name in ("whole", "sentence", "lexical", "late", "bonus", "fused", "rerank")
    }
    rounded = {name: value if value is None else round(value, 4) for name, value in numbers.items()}
    return {**rounded, "words": list(scores.words)}


def understood_json(understood: Understood) -> dict[str, Any]:
    """What was understood of a question."""
    return {
        "banks": list(understood.banks),
        "years": list(understood.years),
        "reports": [document_json(document) for document in understood.reports],
        "many_banks": understood.many_banks,
        "look": understood.look.value,
        "absent": list(understood.absent),
    }


def filters_json(filters: Filters) -> dict[str, Any]:
    """The filters that were set, by canonical names."""
    return {name: list(values) for name, values in asdict(filters).items()}


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """How a question was searched for."""
    return {
        "dense_weight": round(explanation.dense_weight, 4),
        "synonym_weight": SYNONYM_WEIGHT,
        "words": [
            {
                "said": clue.said,
                "words": list(clue.words),
                "weight": round(rarity, 4),
                "synonyms": ["".join(other) for other in clue.others],
            }
            for clue, rarity in explanation.clues
        ],
        "signs": {name: round(value, 4) for name, value in asdict(explanation.signs).items()},
    }


def result_json(result: SearchResult) -> dict[str, Any]:
    """All results of a question; `id` is for the lines of a batch."""
    return {
        "id": None,
        "query": result.query,
        "abstained": result.abstained,
        "confidence": round(result.confidence, 4),
        "filters": filters_json(result.filters),
        "understood": understood_json(result.understood),
        "results": [hit_json(hit) for hit in result.hits],
        **({"explanation": explanation_json(result.explanation)} if result.explanation else {}),
    }


def citation_json(citation: Citation) -> dict[str, Any]:
    """Where a quote stands."""
    document = citation.document
    return {
        "passage_id": citation.passage_id,
        "link": link_to(citation.passage_id),
        "doc": document.id,
        "title": document.title,
        "publisher": document.publisher,
        "year": document.year,
        "file": document.file,
        "pages": list(citation.pages),
        "labels": list(citation.labels),
        "unit": document.unit,
        "places": [place_json(place) for place in citation.places],
    }


def link_to(passage_id: str) -> str:
    """Where a passage is found on the server that serves the index, for as long as its report is kept."""
    return f"/p/{passage_id}"


def place_json(place: Place) -> dict[str, Any]:
    """The part of a quote that one page has: offsets in the page's stored text, and boxes in PDF points."""
    boxes = [[round(edge, 2) for edge in box] for box in place.boxes]
    return {"page": place.page, "label": place.label, "start": place.start, "end": place.end, "boxes": boxes}


def point_json(point: Point) -> dict[str, Any]:
    """A quoted point of an answer."""
    passage = point.hit.passage
    return {
        "quote": point.citation.quote,
        "passage_id": passage.id,
        "citation": citation_json(point.citation),
        "also": [citation_json(citation) for citation in point.also],
        "heading": list(passage.heading),
        "banks": list(passage.banks),
        "dimension": passage.dimension,
        "topics": list(passage.topics),
        "role": passage.role,
        "score": round(point.hit.score, 4),
    }


def answer_json(answer: Answer, written: Written | None = None) -> dict[str, Any]:
    """An answer by bank, with what was searched; and what was written from it, where that was asked for."""
    coverage = answer.coverage
    return {
        "question": answer.question,
        "abstained": answer.abstained,
        "confidence": round(answer.confidence, 4),
        "filters": filters_json(answer.filters),
        "understood": understood_json(answer.understood),
        "banks": [
            {
                "bank": evidence.bank,
                "gist": evidence.gist,
                "strong": evidence.strong,
                "points": [point_json(point) for point in evidence.points],
                "more_points": evidence.more,
            }
            for evidence in answer.evidence
        ],
        "more_banks": answer.more_banks,
        "nearest": [hit_json(hit) for hit in answer.nearest],
        "coverage": {
            "documents": coverage.documents,
            "passages": coverage.passages,
            "banks": coverage.banks,
            "unreadable_pages": coverage.unreadable_pages,
            "unreadable_files": coverage.unreadable_files,
        },
        "dropped": answer.dropped,
        **({"written": written_json(written)} if written else {}),
    }


def written_json(written: Written) -> dict[str, Any]:
    """What a model wrote from an answer's quotes; `citations` are the numbers of `sources`."""
    return {
        "sentences": [{"text": one.text, "citations": list(one.citations)} for one in written.sentences],
        "missing": written.missing,
        "struck": [{"text": one.text, "reason": one.reason.value, "detail": one.detail} for one in written.struck],
        "reasons": written.reasons,
        "sources": [
            {"number": source.number, "passage_id": source.passage_id, "bank": source.bank, "quote": source.quote}
            for source in written.sources
        ],
        "model": written.model,
        "seconds": written.seconds,
    }


def write_jsonl(records: Iterable[dict[str, Any]], out: TextIO) -> None:
    """One JSON object a line."""
    for record in records:
        out.write(json.dumps(record, ensure_ascii=False) + "\n")


def flat_row(stored: StoredPassage) -> dict[str, Any]:
    """A passage as one row of plain values."""
    passage, document = stored.passage, stored.document
    return {
        "passage_id": passage.id,
        "doc": document.id,
        "file": document.file,
        "title": document.title,
        "publisher": document.publisher,
        "year": document.year,
        "pages": LIST_MARK.join(map(str, passage.pages)),
        "heading": " > ".join(passage.heading),
        "kind": passage.kind.value,
        "banks": LIST_MARK.join(passage.banks),
        "dimension": passage.dimension,
        "topics": LIST_MARK.join(passage.topics),
        "role": passage.role,
        "mentions": LIST_MARK.join(passage.mentions),
        "passage_year": passage.year,
        "region": passage.region,
        "text": passage.text,
        "spans": LIST_MARK.join(f"{span.page}:{span.start}-{span.end}" for span in passage.spans),
    }


COLUMNS = (
    "passage_id", "doc", "file", "title", "publisher", "year", "pages", "heading", "kind", "banks", "dimension",
    "topics", "role", "mentions", "passage_year", "region", "text", "spans",
)  # fmt: skip


def write_csv(passages: Iterable[StoredPassage], out: TextIO) -> None:
    """A header and one row a passage."""
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(map(flat_row, passages))


def write_parquet(passages: Iterable[StoredPassage], path: Path) -> None:
    """The records of `write_jsonl` as a Parquet file. Raises BadInput where pyarrow is not installed."""
    try:
        import pyarrow  # an optional extra
        import pyarrow.parquet
    except ImportError as error:
        raise BadInput("Parquet needs pyarrow: pip install 'kb[parquet]'") from error
    table = pyarrow.Table.from_pylist([exported_json(stored) for stored in passages])
    pyarrow.parquet.write_table(table, path)
