"""The grid and the comparison on a terminal, for people."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Column, Table

from kb.evidence import Evidence, Finding
from kb.grid import INDUSTRY, Cell, Columns, Grid, Head
from kb.grid_export import LEGEND, STATES, grid_notes, legend_of
from kb.show import citation_line, out, show_abstention, show_scope
from kb.years import By, Comparison, SameFigure, YearFigure

QUOTED = 3
"""Of how many cells the best quote is shown for each row, the ones with most evidence."""


def show_grid(grid: Grid) -> None:
    """A grid: the counts as a table, then row by row the best quotes of its cells, cited."""
    show_asked(grid.evidence)
    if grid.rows:
        show_counts(grid)
    for row in grid.rows:
        show_row(row.head, [(head, cell) for head, cell in zip(grid.columns, row.cells, strict=True) if cell.shown])
    years = "，年份为报告年份" if grid.columns_are is Columns.YEAR else ""
    notes = [] if grid.evidence.abstained else grid_notes(grid)
    show_note("；".join([f"{grid.passages} 段{'证据' if grid.asks else ''}{years}", *notes]))
    show_note("；".join(legend_of(grid)))


def show_asked(evidence: Evidence) -> None:
    """What was filtered by, and that nothing answers, if so."""
    show_scope(evidence.filters, evidence.understood)
    if evidence.abstained:
        show_abstention(evidence.confidence, nearest=False)


def show_note(note: str) -> None:
    """A line in small print."""
    out.print(f"[dim]{escape(note)}[/dim]", highlight=False, soft_wrap=True)


def show_counts(grid: Grid) -> None:
    """The grid with numbers alone, or why there are none."""
    table = Table("", Column("合计", justify="right"), *(Column(head.label, justify="right") for head in grid.columns))
    for row in grid.rows:
        table.add_row(escape(row.head.label), str(row.count), *map(told, row.cells))
    out.print(table)
    out.print()


def told(cell: Cell) -> str:
    """A cell in a word."""
    return f"[bold]{cell.count}[/bold]" if cell.count else f"[dim]{STATES[cell.state]}[/dim]"


def show_row(head: Head, cells: Sequence[tuple[Head, Cell]]) -> None:
    """The best quotes of a row's cells."""
    if not cells:
        return
    names = "、".join(bank for bank in head.banks if bank != head.label)
    out.print(f"[bold cyan]{escape(head.label)}[/bold cyan]" + (f" [dim]含 {escape(names)}[/dim]" if names else ""))
    fullest = sorted(cells, key=lambda one: -one[1].count)[:QUOTED]
    for column, cell in cells:
        if (column, cell) in fullest:
            show_quote(cell.shown[0], f"{column.label}（{cell.count or STATES[cell.state]}）")
    out.print()


def show_quote(finding: Finding, label: str) -> None:
    """A quote after its label, and where it stands."""
    before = f"[bold]{escape(label)}[/bold] " if label else ""
    out.print(f"  {before}“{escape(finding.citation.quote)}”", highlight=False, soft_wrap=True)
    source = f"{citation_line(finding.citation)}  {finding.passage.id}"
    out.print(f"    [dim]{escape(source)}[/dim]", highlight=False, soft_wrap=True)


def show_comparison(found: Comparison) -> None:
    """A comparison: group by group the best quotes, then the figures that several years state."""
    show_asked(found.evidence)
    for group in found.groups if not found.evidence.abstained else ():
        count = f"{group.cell.count} 段" if group.cell.count else STATES[group.cell.state]
        out.print(f"[bold cyan]{escape(group.head.label)}[/bold cyan]  {count}", highlight=False)
        for finding in group.cell.shown[: found.quotes]:
            show_quote(finding, "" if found.by is By.BANK else finding.bank or INDUSTRY)
        out.print()
    if found.figures:
        show_same_figures(found.figures)
    more = [
        f"{found.passages} 段证据，年份为报告年份",
        f"另有 {found.left_out} 家银行未列出" if found.left_out else "",
        f"另有 {found.more_figures} 项数据未列出" if found.more_figures else "",
        f"{found.dropped} 条引文未能核实，已略去" if found.dropped else "",
    ]
    show_note("；".join(filter(None, more)))
    show_note("；".join(LEGEND))


def show_same_figures(figures: Sequence[SameFigure]) -> None:
    """Figures that several years state, a column a year; their sources stand below, where they have a line each."""
    years = sorted({value.year for same in figures for value in same.values})
    table = Table("银行", "指标", *(Column(str(year), overflow="fold") for year in years), title="各年数据")
    values = [value for same in figures for value in same.values]
    for same in figures:
        numbered = [(values.index(value) + 1, value) for value in same.values]
        cells = ["\n".join(figure_words(*one) for one in numbered if one[1].year == year) for year in years]
        table.add_row(escape("、".join(same.banks) or INDUSTRY), escape(same.name), *map(escape, cells))
    out.print(table)
    for number, value in enumerate(values, start=1):
        show_note(f"[{number}] {citation_line(value.citation)}  {value.citation.passage_id}")
    show_note("年份取自数据自身的时点；未注明时点的按报告年份，标“报”")


def figure_words(number: int, value: YearFigure) -> str:
    """A value with what its year comes from, and the number of its source."""
    year_from = value.figure.as_of or str(value.year) if value.dated else "报"
    quote = value.citation.quote
    bare = f" [{value.figure.value:,.10g} {value.figure.unit}]" if quote[-1].isdigit() else ""
    return f"{quote}{bare}（{year_from}）[{number}]"
