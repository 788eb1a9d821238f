"""Commands that lay answers side by side: matrix and compare."""

from pathlib import Path
from typing import Annotated

import typer

from kb.catalogue import Catalogue
from kb.cli.common import (
    AsJson,
    Bank,
    Dimension,
    Index,
    Report,
    Topic,
    Year,
    app,
    filters_of,
    settings_for,
    write_json,
    writing_to,
)
from kb.grid import SHOWN_ROWS, Columns, Grid, Rows, make_grid
from kb.grid_export import comparison_json, grid_json, write_grid
from kb.heatmap import draw_png, draw_svg
from kb.holdings import holdings
from kb.search import Library
from kb.show_grid import show_comparison, show_grid
from kb.spreadsheet import ENCODING
from kb.years import QUOTES, By
from kb.years import compare as compare_library

FORMATS = (".csv", ".svg", ".png")


@app.command()
def matrix(
    question: Annotated[
        str | None, typer.Argument(help="A topic or question, such as 人才; without one, what the library holds.")
    ] = None,
    rows: Annotated[Rows, typer.Option(help="What stands down the side.")] = Rows.BANK,
    columns: Annotated[
        Columns | None, typer.Option(help="What stands along the top [dimension; of topics: year, the report's].")
    ] = None,
    top: Annotated[int, typer.Option(help="How many rows, 1 to 100; the rest are counted.")] = SHOWN_ROWS,
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write it to this file: .csv, or a heat map: .svg, .png.")
    ] = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Lay what banks or topics say to a question in a grid: counts, best quotes, citations.

    Without a question: how many passages the library holds of each.

    kb matrix 人才
    kb matrix 数据治理 --columns year -o grid.png
    """
    if output and output.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"{output.name!r} ends in none of {', '.join(FORMATS)}")
    filters = filters_of(bank, dimension, topic, year, report)
    if question is None:
        with Catalogue.open(settings_for(index)) as catalogue:
            grid = holdings(catalogue, filters, rows, columns, top)
    else:
        with Library.open(settings_for(index)) as library:
            grid = make_grid(library, question, filters, rows, columns, top)
    if output:
        write_file(grid, output)
    if as_json:
        write_json(grid_json(grid))
    elif not output:
        show_grid(grid)


def write_file(grid: Grid, output: Path) -> None:
    """A grid as CSV, or drawn."""
    suffix = output.suffix.lower()
    if suffix == ".csv":
        with writing_to(output), output.open("w", encoding=ENCODING, newline="") as file:
            write_grid(grid, file)
        return
    drawn = draw_svg(grid) if suffix == ".svg" else draw_png(grid)
    with writing_to(output):
        output.write_bytes(drawn)


@app.command()
def compare(
    question: Annotated[str, typer.Argument(help="A topic or question, such as 数据治理.")],
    by: Annotated[By, typer.Option(help="What is compared: the years of the reports, banks, or single reports.")] = (
        By.YEAR
    ),
    top: Annotated[int, typer.Option(help="How many quotes each, 1 to 20.")] = QUOTES,
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Compare how each year, bank or report spoke of something, with figures that several years state.

    kb compare 数据治理 --by year
    """
    filters = filters_of(bank, dimension, topic, year, report)
    with Library.open(settings_for(index)) as library:
        found = compare_library(library, question, filters, by, top)
    if as_json:
        write_json(comparison_json(found))
    else:
        show_comparison(found)
