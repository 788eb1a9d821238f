"""The grid and the comparison → JSON of the contract, and CSV for spreadsheets."""

from typing import Any, TextIO

from kb.evidence import Evidence, Finding
from kb.export import LIST_MARK, citation_json, document_json, filters_json, understood_json
from kb.grid import Cell, Grid, GridRow, Head, State
from kb.records import Citation
from kb.spreadsheet import write_rows
from kb.years import Comparison, Group, SameFigure, YearFigure

STATES = {State.FOUND: "检出", State.WEAK: "依据较弱", State.NOT_FOUND: "未检出", State.NOT_HELD: "未收录"}
"""What a cell holds, for people: something; only passages with the question's words; nothing, though the library has
passages there; no passages at all."""

LEGEND = (
    "数字为达到阈值的证据段落数",
    f"{STATES[State.WEAK]}：有段落含问题的用词，但都未达到阈值",
    f"{STATES[State.NOT_FOUND]}：库中有其段落，未见上述两种",
    f"{STATES[State.NOT_HELD]}：库中无其段落",
)
"""What the numbers and words of a grid mean."""

HOLDINGS = "馆藏"
"""The title of a grid without a question."""

HOLDINGS_LEGEND = ("数字为馆藏段落数", LEGEND[-1])
"""What its numbers and words mean."""

NOTHING = "语料中未找到直接依据"


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """What was asked, and whether anything answers it."""
    return {
        "query": evidence.question,
        "abstained": evidence.abstained,
        "confidence": round(evidence.confidence, 4),
        "filters": filters_json(evidence.filters),
        "understood": understood_json(evidence.understood),
    }


def grid_json(grid: Grid) -> dict[str, Any]:
    """A grid, row by row; the cells of a row are in the order of the columns."""
    return {
        **evidence_json(grid.evidence),
        "by": {"rows": grid.rows_are.value, "columns": grid.columns_are.value},
        "columns": [head_json(head) for head in grid.columns],
        "rows": [
            {
                **head_json(row.head),
                "banks": list(row.head.banks),
                "count": row.count,
                "cells": [cell_json(cell) for cell in row.cells],
            }
            for row in grid.rows
        ],
        "count": grid.passages,
        "left_out": grid.left_out,
        "dropped": grid.evidence.dropped,
    }


def title_of(grid: Grid) -> str:
    """What a grid is of: its question, or what the library holds."""
    return grid.evidence.question or HOLDINGS


def legend_of(grid: Grid) -> tuple[str, ...]:
    """What the numbers and words of a grid mean."""
    return LEGEND if grid.asks else HOLDINGS_LEGEND


def head_json(head: Head) -> dict[str, Any]:
    """The head of a row or column."""
    return {"key": head.key, "label": head.label}


def cell_json(cell: Cell) -> dict[str, Any]:
    """A cell with its best quote and the ids of all its passages, best first; the weak where there are no others."""
    return {
        "state": cell.state.value,
        "count": cell.count,
        "best": finding_json(cell.shown[0]) if cell.shown else None,
        "passages": [finding.passage.id for finding in cell.shown],
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """A quote with its citation and tags."""
    passage = finding.passage
    return {
        "quote": finding.citation.quote,
        "passage_id": passage.id,
        "citation": citation_json(finding.citation),
        "bank": finding.bank,
        "dimension": passage.dimension,
        "topics": list(passage.topics),
        "score": round(finding.score, 4),
    }


def comparison_json(found: Comparison) -> dict[str, Any]:
    """A comparison, group by group, and the figures that several years state."""
    return {
        **evidence_json(found.evidence),
        "by": found.by.value,
        "groups": [group_json(group, found.quotes) for group in found.groups],
        "figures": [same_figure_json(figure) for figure in found.figures],
        "count": found.passages,
        "left_out": found.left_out,
        "more_figures": found.more_figures,
        "dropped": found.dropped,
    }


def group_json(group: Group, quotes: int) -> dict[str, Any]:
    """What a year, bank or report says: how much, and the best quotes; the weak where there are no others."""
    return {
        **head_json(group.head),
        "state": group.cell.state.value,
        "count": group.cell.count,
        "quotes": [finding_json(finding) for finding in group.cell.shown[:quotes]],
    }


def same_figure_json(same: SameFigure) -> dict[str, Any]:
    """One figure as several years have it."""
    return {
        "name": same.name,
        "unit": same.unit,
        "banks": list(same.banks),
        "values": [year_figure_json(value) for value in same.values],
    }


def year_figure_json(value: YearFigure) -> dict[str, Any]:
    """A figure in its year."""
    figure = value.figure
    return {
        "year": value.year,
        "year_from": "date" if value.dated else "report",
        "name": figure.name,
        "text": value.citation.quote,
        "value": figure.value,
        "as_of": figure.as_of,
        "date": figure.date,
        "passage_id": value.citation.passage_id,
        "citation": citation_json(value.citation),
        "doc": document_json(value.document),
    }


def write_grid(grid: Grid, out: TextIO) -> None:
    """A grid as CSV: a row a bank or topic; of each column count or state, best quote, source and passage.

    Without a question there are no quotes, and a column has the count or state alone.
    """
    about = ("bank" if grid.rows_are.value == "bank" else "topic", "count")
    parts = ("", " quote", " source", " passage_id") if grid.asks else ("",)
    write_rows([(*about, *(head.label + part for head in grid.columns for part in parts))], out)
    write_rows([grid_row(row, len(parts)) for row in grid.rows], out)
    notes = grid_notes(grid)
    write_rows([(note,) for note in notes], out)


def grid_row(row: GridRow, parts: int) -> tuple[object, ...]:
    """The values of a row of `write_grid`, so many of each cell."""
    cells = [part for cell in row.cells for part in cell_row(cell)[:parts]]
    return row.head.label, row.count, *cells


def cell_row(cell: Cell) -> tuple[object, ...]:
    """Count or state, quote, source, passage."""
    told = cell.count or STATES[cell.state]
    if not cell.shown:
        return told, "", "", ""
    best = cell.shown[0]
    return told, best.citation.quote, source_of(best.citation), best.passage.id


def source_of(citation: Citation) -> str:
    """Title, year, file, and page as printed where that is known."""
    document = citation.document
    pages = LIST_MARK.join(map(str, citation.pages))
    printed = f" ({LIST_MARK.join(citation.labels)})" if citation.labels and document.unit == "page" else ""
    year = f"，{document.year}" if document.year else ""
    return f"《{document.title}》{year}，{document.file}，{document.unit} {pages}{printed}"


def grid_notes(grid: Grid) -> list[str]:
    """What a reader of the grid has to know: that nothing answers, what is left out, what the words mean."""
    evidence = grid.evidence
    absent = evidence.understood.absent
    return [
        note
        for note, holds in (
            (f"{NOTHING}（有答案的把握 {evidence.confidence:.0%}）", evidence.abstained),
            (f"语料中没有 {'、'.join(absent)} 的段落", bool(absent)),
            (f"另有 {grid.left_out} 行未列出", grid.left_out > 0),
            (f"{evidence.dropped} 条引文未能核实，已略去", evidence.dropped > 0),
        )
        if holds
    ]
