"""Tables without ruled cells, tables cut by page breaks, and what looks like a table and is none."""

from collections import Counter
from pathlib import Path

import pdfs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdfs import Read, named, squeeze, table_rows, texts

from kb.layout.strips import Strip
from kb.layout.unruled import Columns
from kb.records import Kind, Piece


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


def cell_pieces(read: Read) -> list[Piece]:
    """The pieces of all tables, names of columns among them."""
    return [piece for block in read.blocks for pair in block.cells for pieces in pair for piece in pieces]


def check_places(read: Read) -> None:
    """Each piece of a table is what its page's text has there, on a line whose box holds just its characters."""
    pages = {page.number: page for page in read.pages}
    glyphs = {raw.number: [glyph for glyph in raw.glyphs if not glyph.text.isspace()] for raw in read.raw}
    assert cell_pieces(read)
    for piece in cell_pieces(read):
        page = pages[piece.page]
        assert page.text[piece.start : piece.end] == piece.text
        [line] = [line for line in page.lines if (line.start, line.end) == (piece.start, piece.end)]
        left, top, right, bottom = line.box
        inside = [
            glyph.text
            for glyph in glyphs[piece.page]
            if left <= (glyph.box[0] + glyph.box[2]) / 2 <= right and top <= (glyph.box[1] + glyph.box[3]) / 2 <= bottom
        ]
        assert Counter(inside) == Counter(squeeze(piece.text))


def check_complete(read: Read) -> None:
    """Each character read stands once in the page's text."""
    for raw, page in zip(read.raw, read.pages, strict=True):
        assert Counter(squeeze("".join(glyph.text for glyph in raw.glyphs))) == Counter(squeeze(page.text))


# Columns of figures


def test_figures_under_each_other_are_a_table_between_paragraphs(pdf: Path):
    paragraphs = pdfs.figures(pdf)
    read = pdfs.read(pdf)
    assert [[cell for _, cell in row] for row in table_rows(read)] == pdfs.FIGURE_ROWS
    assert texts(read) == [pdfs.TITLE, *paragraphs]


def test_each_figure_has_the_names_over_its_column(pdf: Path):
    """A name over two columns is part of both; names of two lines are read from the top down."""
    pdfs.figures(pdf)
    assert {tuple(name for name, _ in row) for row in table_rows(pdfs.read(pdf))} == {pdfs.FIGURE_NAMES}


def test_a_name_over_two_columns_stands_once_on_the_page(pdf: Path):
    pdfs.figures(pdf)
    read = pdfs.read(pdf)
    assert read.pages[0].text.count("余额") == 1
    check_places(read)
    check_complete(read)


def test_a_name_over_labels_that_are_set_in_is_kept(pdf: Path):
    pdfs.figures(pdf, indent=24)
    read = pdfs.read(pdf)
    check_complete(read)
    assert table_rows(read) == named(pdfs.FIGURE_NAMES, pdfs.FIGURE_ROWS)


def test_a_label_goes_on_under_the_line_of_its_figures(pdf: Path):
    pdfs.figures(pdf, on_last=False)
    assert table_rows(pdfs.read(pdf)) == named(pdfs.FIGURE_NAMES, pdfs.FIGURE_ROWS)


@pytest.mark.parametrize(
    ("names", "title", "left", "unit"),
    [
        (pdfs.YEAR_NAMES, "表2　各项业务的余额与增幅", 225, ""),
        (pdfs.YEAR_NAMES, "表2　各项业务的余额与增幅", 225, "单位：亿元"),
        (pdfs.YEAR_WORDS, "各项业务的余额与增幅", 235, ""),
        (pdfs.YEAR_WORDS, "一、各条线余额与增幅的变化情况说明", 72, ""),
    ],
    ids=["caption", "unit", "title", "heading"],
)
def test_the_title_over_a_table_names_no_column(pdf: Path, names: tuple[str, ...], title: str, left: float, unit: str):
    paragraphs = pdfs.years(pdf, names, title, left, unit)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(names, pdfs.YEAR_ROWS)
    first, over, *_ = texts(read)[1:]
    assert (first, over) == (paragraphs[0], squeeze(title))


@pytest.mark.parametrize("names", [pdfs.YEAR_NAMES, pdfs.YEAR_WORDS])
@pytest.mark.parametrize("title", ["", "一、余额"])
def test_a_heading_over_the_labels_alone_names_no_column(pdf: Path, names: tuple[str, ...], title: str):
    paragraphs = pdfs.years(pdf, names, title)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(names, pdfs.YEAR_ROWS)
    assert texts(read)[1:] == [text for text in (paragraphs[0], title, paragraphs[1]) if text]


@pytest.mark.parametrize("ruled", [True, False])
def test_coloured_cells_are_no_bars_of_a_chart(pdf: Path, ruled: bool):
    pdfs.filled_cells(pdf, ruled)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(pdfs.YEAR_NAMES, pdfs.YEAR_ROWS)
    check_complete(read)


def test_titles_over_rows_of_figures_leave_the_columns_their_names(pdf: Path):
    titles = pdfs.grouped_years(pdf)
    rows = [row for row in table_rows(pdfs.read(pdf)) if row[0][1] not in titles]
    assert rows == named(pdfs.YEAR_WORDS, pdfs.YEAR_ROWS)


@pytest.mark.parametrize("header_again", [True, False])
def test_a_table_of_figures_goes_on_over_the_page_break(pdf: Path, header_again: bool):
    rows = pdfs.years_over_break(pdf, header_again)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(pdfs.YEAR_NAMES, rows)
    assert len({block.table for block in read.blocks if block.table}) == 1


def test_a_table_in_one_column_takes_nothing_of_the_other(pdf: Path):
    text = pdfs.figures_beside_prose(pdf)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(pdfs.YEAR_NAMES, pdfs.YEAR_ROWS)
    assert texts(read, Kind.TEXT) == [text]


def test_figures_in_two_columns_of_prose_make_no_table(pdf: Path):
    paragraphs = pdfs.columns_with_figures(pdf)
    read = pdfs.read(pdf)
    assert table_rows(read) == []
    assert texts(read, Kind.TEXT) == paragraphs


@pytest.mark.parametrize("ruled", [False, True])
def test_a_table_of_contents_is_no_table(pdf: Path, ruled: bool):
    entries = pdfs.bare_contents(pdf, ruled)
    read = pdfs.read(pdf)
    assert table_rows(read) == []
    assert texts(read, Kind.CONTENTS) == [
        "目录",
        *(f"{squeeze(entry)}{11 * at + 12}" for at, entry in enumerate(entries)),
    ]
    assert texts(read, Kind.HEADING) == [squeeze(entry) for entry in entries]
    assert not [passage for passage in read.passages if 2 in passage.pages]


# Coloured bands


@pytest.mark.parametrize("coloured", [(0, 1, 2, 3, 4, 5), (0, 1, 3, 5), (0, 2, 4)])
def test_coloured_bands_are_the_rows_of_a_table(pdf: Path, coloured: tuple[int, ...]):
    """All of them coloured or every second one; the last row may be a white one."""
    paragraphs = pdfs.banded(pdf, coloured)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(pdfs.TABLE_HEADER, pdfs.TABLE_ROWS)
    assert texts(read) == [pdfs.TITLE, *paragraphs]
    check_places(read)
    check_complete(read)


@pytest.mark.xfail(strict=True, reason="where lines of two cells come within a character, their columns are one")
def test_cells_that_come_near_each_other_are_kept_apart(pdf: Path):
    pdfs.banded(pdf, range(6), apart=12)
    assert table_rows(pdfs.read(pdf)) == named(pdfs.TABLE_HEADER, pdfs.TABLE_ROWS)


def test_coloured_areas_with_a_paragraph_each_are_no_table(pdf: Path):
    paragraphs = pdfs.coloured_texts(pdf)
    read = pdfs.read(pdf)
    assert table_rows(read) == []
    assert texts(read, Kind.TEXT) == paragraphs


# Ruled tables over page breaks, and with titles over rows


@pytest.mark.parametrize("header_again", [True, False])
def test_a_row_open_on_both_sides_of_the_page_break_is_whole(pdf: Path, header_again: bool):
    rows = pdfs.open_both(pdf, header_again)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(pdfs.TABLE_HEADER, rows)
    assert texts(read, Kind.TEXT) == [pdfs.prose(1, 250)]
    check_places(read)
    check_complete(read)


def test_the_rest_of_one_cell_alone_under_the_header_joins_its_row(pdf: Path):
    rows = pdfs.table_tail(pdf)
    read = pdfs.read(pdf)
    assert table_rows(read) == named(pdfs.TABLE_HEADER, rows)
    [last] = [passage for passage in read.passages if rows[-1][0] in passage.text]
    assert last.pages == (1, 2)


def test_a_title_over_rows_is_in_the_passage_of_the_first_of_them(pdf: Path):
    """It is no bank, though it stands in the column of the banks."""
    [_, title] = pdfs.titled_rows(pdf)
    first, second = written_rows()[2:4]
    found = [passage.text for passage in pdfs.read(pdf).passages]
    assert found[-2:] == [f"{title}\n{first}", second]


def test_a_row_under_its_title_joins_no_prose_before_the_table(pdf: Path):
    [title, _] = pdfs.titled_rows(pdf)
    assert [passage.text for passage in pdfs.read(pdf).passages][1] == f"{title}\n{written_rows()[0]}"


def written_rows() -> list[str]:
    """TABLE_ROWS as passages."""
    return ["\n".join(f"{name}：{cell}" for name, cell in row) for row in named(pdfs.TABLE_HEADER, pdfs.TABLE_ROWS)]


# Properties


@st.composite
def strips_in_columns(draw: st.DrawFn) -> tuple[Columns, list[Strip]]:
    """Cuts, and strips of a line or more anywhere between 0 and 600, some over a cut and some beyond all."""
    cuts = draw(st.lists(st.integers(5, 55), min_size=1, max_size=6, unique=True))
    strips = []
    for at in range(draw(st.integers(1, 12))):
        left, wide, row = draw(st.integers(0, 590)), draw(st.integers(1, 200)), draw(st.integers(0, 2))
        strips.append(Strip(f"格{at}", (left, 12.0 * row, left + wide, 12.0 * row + 10), 10.0, "Song"))
    return Columns(tuple(10.0 * cut for cut in sorted(cuts))), strips


@given(strips_in_columns())
def test_a_row_has_each_strip_once_and_a_cell_for_each_column(both: tuple[Columns, list[Strip]]):
    columns, strips = both
    row = columns.row(strips)
    assert len(row) == len(columns.cuts) + 1
    assert Counter(strip for cell in row if cell for strip in cell.strips) == Counter(strips)


@given(strips_in_columns())
def test_a_strip_stands_in_the_cell_of_the_column_that_holds_it(both: tuple[Columns, list[Strip]]):
    columns, strips = both
    edges = (-1.0, *columns.cuts, 1000.0)
    for at, cell in enumerate(columns.row(strips)):
        for strip in cell.strips if cell else ():
            inside = [edges[n] <= strip.box[0] and strip.box[2] <= edges[n + 1] for n in range(len(edges) - 1)]
            assert not any(inside) or inside[at]


@given(strips_in_columns(), st.integers(0, 300), st.integers(301, 600))
def test_no_name_over_a_table_is_lost(both: tuple[Columns, list[Strip]], left: int, right: int):
    columns, names = both
    line = [Strip("甲", (left, 50.0, right, 60.0), 10.0, "Song")]
    row = columns.names(names, [line])
    assert {strip for cell in row if cell for strip in cell.strips} == set(names)
