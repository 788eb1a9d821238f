"""Reading: glyphs, boxes and problems of PDFs whose content is known, and a named error for each file that fails."""

import gc
import time
import warnings
from pathlib import Path

import pdfs
import pytest

from kb.errors import UnreadableFile, WrongPassword
from kb.read.pdf import READER, read_facts, read_pages
from kb.records import RawPage

LIMIT = 100


def pages_of(path: Path) -> list[RawPage]:
    return list(read_pages(path, range(1, read_facts(path, LIMIT).page_count + 1)))


def words_of(page: RawPage) -> str:
    return pdfs.squeeze("".join(glyph.text for glyph in page.glyphs))


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


# Good pages


def test_every_character_is_read_in_the_order_of_the_file(pdf: Path):
    text = pdfs.plain(pdf)
    [page] = pages_of(pdf)
    assert words_of(page) == text
    assert (page.number, page.width, page.height, page.reader, page.problem) == (1, 595, 842, READER, None)


def test_boxes_are_where_the_characters_were_drawn(pdf: Path):
    pdfs.plain(pdf)
    [page] = pages_of(pdf)
    first, second = page.glyphs[:2]
    assert first.box[0] == pytest.approx(72 + 2 * pdfs.BODY)
    assert second.box[0] == first.box[2] == pytest.approx(72 + 3 * pdfs.BODY)
    assert 85 < first.box[1] < 95 < first.box[3] < 105  # the line's top is at 90
    assert first.size == pdfs.BODY


def test_fonts_are_told_apart(pdf: Path):
    pdfs.bold_words(pdf)
    [page] = pages_of(pdf)
    assert {glyph.font for glyph in page.glyphs[:7]} == {pdfs.BOLD}
    assert len({glyph.font for glyph in page.glyphs}) == 2


def test_slanted_words_are_not_upright(pdf: Path):
    pdfs.watermark(pdf)
    page = pages_of(pdf)[0]
    assert "".join(glyph.text for glyph in page.glyphs if glyph.turn != 0) == "仅供测试不得外传"


def test_a_page_turned_by_its_rotation_reads_as_shown(pdf: Path):
    text = pdfs.turned(pdf)
    [page] = pages_of(pdf)
    assert (page.width, page.height) == pdfs.A4
    assert all(glyph.turn == 0 for glyph in page.glyphs)
    assert words_of(page) == pdfs.TITLE + text


def test_pages_come_by_number_and_in_the_order_asked(pdf: Path):
    pdfs.many_pages(pdf, 5)
    found = [(page.number, words_of(page)) for page in read_pages(pdf, [4, 2])]
    assert found == [(4, "第4张"), (2, "第2张")]


def test_two_readings_are_equal(pdf: Path):
    pdfs.table_over_break(pdf)
    assert pages_of(pdf) == pages_of(pdf)


def test_a_ruled_table_is_a_grid_of_its_rows_and_columns(pdf: Path):
    pdfs.table_over_break(pdf)
    grids = [grid for page in pages_of(pdf) for grid in page.grids]
    assert [[len(row) for row in grid.rows] for grid in grids] == [[3, 3, 3, 3], [3, 3, 3, 3]]


def test_boxes_side_by_side_are_shapes(pdf: Path):
    pdfs.case_slides(pdf)
    page = pages_of(pdf)[0]
    assert [shape.box[2] - shape.box[0] for shape in page.shapes] == [270, 270, 270]
    assert all(shape.stroke for shape in page.shapes)


def test_no_table_is_looked_for_in_a_drawing(pdf: Path):
    pdfs.busy_picture(pdf, 3100)
    start = time.perf_counter()
    [page] = pages_of(pdf)
    assert page.grids == ()
    assert words_of(page) == "图1各地网点分布"
    assert time.perf_counter() - start < 10  # looking for them takes minutes


def test_document_information(pdf: Path):
    pdfs.titled(pdf, "数字化观察", "某某研究院")
    facts = read_facts(pdf, LIMIT)
    assert (facts.page_count, facts.title, facts.author) == (2, "数字化观察", "某某研究院")


# Pages without text


def test_empty_page_and_picture_are_named_and_the_rest_is_read(pdf: Path):
    text = pdfs.gaps(pdf)
    full, empty, picture = pages_of(pdf)
    assert (full.problem, words_of(full)) == (None, pdfs.TITLE + text)
    assert (empty.problem, empty.glyphs) == ("empty page", ())
    assert (picture.problem, picture.glyphs) == ("no text layer (scan or picture)", ())


def test_characters_without_a_name_are_a_problem_of_the_page(pdf: Path):
    pdfs.unmapped(pdf)
    [page] = pages_of(pdf)
    assert page.problem


# Files that cannot be read


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99])
def test_a_file_cut_off_is_refused_by_name(pdf: Path, share: float):
    pdfs.truncated(pdf, share)
    with pytest.raises(UnreadableFile, match="report.pdf: broken PDF: "):
        read_facts(pdf, LIMIT)


def test_a_file_without_its_last_line_is_read(pdf: Path):
    pdfs.truncated(pdf, 0.999)
    assert [page.problem for page in pages_of(pdf)] == [None, None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a PDF: the file is empty"),
        (b"<!DOCTYPE html><p>not found", "not a PDF: it begins with b'<!DOCTYPE html><'"),
        (b"\x00" * 2000 + b"%PDF-1.4", "not a PDF"),
        (b"%PDF-1.4\n", "broken PDF"),
        (b"%PDF-1.4\n" + bytes(range(256)) * 20, "broken PDF"),
    ],
)
def test_what_is_no_pdf_is_said_to_be_none(pdf: Path, content: bytes, words: str):
    pdf.write_bytes(content)
    with pytest.raises(UnreadableFile) as caught:
        read_facts(pdf, LIMIT)
    assert str(caught.value).startswith(f"{pdf}: {words}")


def test_bytes_before_the_header_do_no_harm(pdf: Path):
    text = pdfs.plain(pdf)
    pdf.write_bytes(b"junk from a mail gateway\n" * 4 + pdf.read_bytes())
    assert words_of(pages_of(pdf)[0]) == text


def test_a_locked_file_asks_for_its_password(pdf: Path):
    pdfs.encrypted(pdf, "geheim")
    with pytest.raises(WrongPassword, match="report.pdf: needs a password"):
        read_facts(pdf, LIMIT)


def test_a_file_locked_against_changes_only_is_read(pdf: Path):
    text = pdfs.encrypted(pdf, "")
    assert words_of(pages_of(pdf)[0]) == pdfs.squeeze(text)


def test_too_many_pages_are_refused_with_both_numbers_and_the_way_out(pdf: Path):
    pdfs.many_pages(pdf, 21)
    assert read_facts(pdf, 21).page_count == 21
    with pytest.raises(UnreadableFile, match="report.pdf: 21 pages, over the limit of 20; raise KB_MAX_PAGES"):
        read_facts(pdf, 20)


def test_a_page_without_a_size_is_refused_by_name(pdf: Path):
    pdfs.plain(pdf)
    pdf.write_bytes(pdf.read_bytes().replace(b"/MediaBox", b"/MediaBux"))
    raised, words = None, ""
    with warnings.catch_warnings(action="ignore"):
        try:
            read_facts(pdf, LIMIT)
        except Exception as error:  # kept by name only, since its frames hold the open file
            raised, words = type(error), str(error)
        gc.collect()
    assert raised is UnreadableFile
    assert "report.pdf" in words
