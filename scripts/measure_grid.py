"""How right the cells of the grid are, at several cuts: gold questions → the cells found against those that gold has.

    python scripts/measure_grid.py GOLD.jsonl --index DIR

Gold names some of the evidence, never all, so precision is a lower bound; the empty grids are of questions without
evidence. A cell of gold is the bank and dimension of an answer; a row is its bank.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kb.banks import BankBook
from kb.catalogue import parse_filters
from kb.evaluate import mean, read_lines
from kb.grid import MAX_ROWS, Grid, State, make_grid
from kb.search import Library
from kb.settings import load_settings

CUTS = (1.0, 1.2, 1.5, 1.8, 2.0, 2.3)
TYPES = ("how", "paraphrase", "bank")
"""The questions that a grid is for; those for one figure are not."""

Cell = tuple[str, str]


def main() -> None:
    """Ask every question at every cut."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", type=Path)
    parser.add_argument("--index", type=Path, default=load_settings().index)
    given = parser.parse_args()
    questions = [json.loads(line) for _, line in read_lines(given.gold)]
    with Library.open(load_settings().model_copy(update={"index": given.index})) as library:
        print("cut   passages  cells  of gold found  are gold's  rows of gold found  expected banks  empty where none")
        print("      then of weak cells: cells  of gold found or weak")
        for cut in CUTS:
            print(f"{cut:<6}" + "  ".join(f"{value:.2f}" for value in measure(library, questions, cut)))


def measure(library: Library, questions: list[dict[str, Any]], cut: float) -> Iterator[float]:
    """The columns of the table."""
    book = library.catalogue.book
    asked = [question for question in questions if question["answers"] and question["type"] in TYPES]
    grids = [grid_of(library, question, cut) for question in asked]
    wanted = [gold_cells(question, book) for question in asked]
    found = [found_cells(grid) for grid in grids]
    yield mean([grid.passages for grid in grids])
    yield mean([len(cells) for cells in found])
    yield mean([len(gold & cells) / len(gold) for gold, cells in zip(wanted, found, strict=True)])
    yield sum(len(gold & cells) for gold, cells in zip(wanted, found, strict=True)) / sum(map(len, found))
    rows = [
        ({bank for bank, _ in gold}, {bank for bank, _ in cells}) for gold, cells in zip(wanted, found, strict=True)
    ]
    yield mean([len(gold & held) / len(gold) for gold, held in rows])
    banks = [(set(one.get("expected_banks") or ()), held) for one, (_, held) in zip(asked, rows, strict=True)]
    yield mean([len(expected & held) / len(expected) for expected, held in banks if expected])
    yield mean([not grid_of(library, one, cut).passages for one in questions if not one["answers"]])
    weak = [found_cells(grid, State.WEAK) for grid in grids]
    yield mean([len(cells) for cells in weak])
    either = [cells | faint for cells, faint in zip(found, weak, strict=True)]
    yield mean([len(gold & cells) / len(gold) for gold, cells in zip(wanted, either, strict=True)])


def grid_of(library: Library, question: dict[str, Any], cut: float) -> Grid:
    """The grid of a gold question."""
    return make_grid(library, question["query"], parse_filters(question.get("filters") or {}), top=MAX_ROWS, cut=cut)


def gold_cells(question: dict[str, Any], book: BankBook) -> set[Cell]:
    """The banks and dimensions of a gold question's answers; "" for what is about no bank."""
    return {(book.canonical(one["bank"]) or one["bank"], one["dimension"]) for one in question["answers"]}


def found_cells(grid: Grid, state: State = State.FOUND) -> set[Cell]:
    """The banks and dimensions in which something was found, or only weak evidence."""
    return {
        (finding.bank, column.key)
        for row in grid.rows
        for cell, column in zip(row.cells, grid.columns, strict=True)
        if cell.state is state
        for finding in cell.shown
    }


if __name__ == "__main__":
    main()
