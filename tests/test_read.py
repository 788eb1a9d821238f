"""Reading: glyphs, boxes and problems of PDFs whose content is known, and a named error for each file that fails."""

import gc
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pdfs
import pytest

from kb.errors import UnreadableFile, WrongPassword
from kb.read.pages import OpenPdf, read_pages
from kb.read.pdf import read_facts, try_open
from kb.read.pdfium import READER as PDFIUM_READER
from kb.read.pdfium import PdfiumPdf
from kb.read.plumber import READER, PlumberPdf
from kb.records import RawPage

LIMIT = 100


def pages_of(path: Path) -> list[RawPage]:
    return list(read_pages(path, range(1, read_facts(path, LIMIT).page_count + 1), ocr=False))


def by_pdfium(path: Path, number: int = 1) -> RawPage:
    with closing(PdfiumPdf(path)) as pdf:
        return pdf.page(number)[0]


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


def test_no_table_is_looked_for_in_a_mesh(pdf: Path):
    sheet = pdfs.headed(pdf)
    for at in range(0, 700, 4):
        sheet.canvas.line(50, 50 + at, 540, 50 + at)
        sheet.canvas.line(50 + 0.7 * at, 50, 50 + 0.7 * at, 750)
    sheet.save()
    start = time.perf_counter()
    assert pages_of(pdf)[0].grids == ()
    assert time.perf_counter() - start < 5  # all its cells would take half a minute


def test_what_is_cut_off_the_page_is_not_read(pdf: Path):
    words = pdfs.cropped(pdf)
    [page] = pages_of(pdf)
    assert (page.width, page.height, words_of(page)) == (450, 680, words)
    assert page.glyphs[0].box[:2] == (50, pytest.approx(38, abs=2))


def test_a_font_made_to_lean_is_not_turned(pdf: Path):
    words = pdfs.leaning(pdf)
    [page] = pages_of(pdf)
    assert words_of(page) == words
    assert {(glyph.turn, glyph.size) for glyph in page.glyphs} == {(0, 9.0)}


def test_bookmarks_have_levels_and_pages_from_one(pdf: Path):
    bookmarks = pdfs.bookmarked_headings(pdf)
    assert read_facts(pdf, LIMIT).outline == bookmarks


def test_a_file_without_bookmarks_has_no_outline(pdf: Path):
    pdfs.plain(pdf)
    assert read_facts(pdf, LIMIT).outline == ()


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
    assert (picture.problem, picture.glyphs) == ("no text layer, OCR switched off", ())


def test_characters_without_a_name_are_a_problem_of_the_page(pdf: Path):
    pdfs.unnamed_codes(pdf)
    [page] = pages_of(pdf)
    assert page.glyphs == ()
    assert page.problem == (
        "garbled text layer (characters without a code, the font has no character map), OCR switched off"
    )


def test_a_picture_too_large_to_unpack_is_named_and_not_rendered(pdf: Path):
    pdfs.huge_image(pdf)
    with OpenPdf(pdf) as opened:
        page = opened.page(1)
    assert page.problem.endswith("an image of 100000 × 100000 pixels, over the limit of 100,000,000")


def test_the_picture_of_a_giant_page_is_bounded(pdf: Path):
    sheet = pdfs.Sheet(pdf, (14400.0, 7200.0))
    sheet.line(72, 90, "一", 900)
    sheet.save()
    with closing(PdfiumPdf(pdf)) as opened:
        assert opened.picture(1, 300 / 72, 2000).shape == (1000, 2000, 3)


# The second reader


@pytest.mark.parametrize("make", [pdfs.one_column, pdfs.table_over_break, pdfs.turned, pdfs.case_slides, pdfs.cropped])
def test_both_readers_give_the_same_page(pdf: Path, make: Callable[[Path], object]):
    make(pdf)
    page, other = pages_of(pdf)[0], by_pdfium(pdf)
    assert (other.width, other.height) == pytest.approx((page.width, page.height), abs=0.01)
    assert words_of(other) == words_of(page)
    assert [grid.rows for grid in other.grids] == [
        tuple(tuple(cell and pytest.approx(cell, abs=0.1) for cell in row) for row in grid.rows) for grid in page.grids
    ]
    assert len(other.shapes) == len(page.shapes)
    for one, two in zip(page.glyphs, other.glyphs, strict=True):
        assert (two.size, two.turn, two.light) == (pytest.approx(one.size, abs=0.01), one.turn, one.light)
        assert two.box == pytest.approx(one.box, abs=0.1 * one.size)


def test_both_readers_place_characters_of_embedded_fonts_alike():
    path = pdfs.CORPUS / pdfs.PRINTED
    [page] = read_pages(path, [2])
    with closing(PdfiumPdf(path)) as opened:
        other = opened.page(2)[0]
    there = {(glyph.text, round(glyph.box[0])): glyph for glyph in other.glyphs}
    near = [there.get((glyph.text, round(glyph.box[0]))) for glyph in page.glyphs if not glyph.text.isspace()]
    assert sum(glyph is not None for glyph in near) > 0.9 * len(near)
    assert {glyph.font for glyph in page.glyphs} == {glyph.font for glyph in other.glyphs}


def test_a_page_that_the_first_reader_cannot_name_is_read_by_the_second(pdf: Path):
    pdfs.unmapped(pdf)
    [page] = pages_of(pdf)
    assert (words_of(page), page.reader, page.problem) == (pdfs.prose(1, 200), PDFIUM_READER, None)


@pytest.mark.parametrize(("end", "opens"), [(b"/Type /Catalog", False), (b"/Type /Font\n", True)])
def test_a_file_or_page_that_breaks_the_first_reader_is_read_by_the_second(pdf: Path, end: bytes, opens: bool):
    text = pdfs.odd(pdf, end)
    first = try_open(PlumberPdf, pdf, ())
    assert isinstance(first, PlumberPdf) == opens
    if isinstance(first, PlumberPdf):
        first.close()
    [page] = pages_of(pdf)
    assert (words_of(page), page.reader, page.problem) == (text, PDFIUM_READER, None)


def test_a_wrong_character_map_is_noticed_and_nothing_of_it_kept(pdf: Path):
    pdfs.wrong_map(pdf)
    [page] = pages_of(pdf)
    assert (page.problem, page.glyphs) == ("garbled text layer (wrong character map), OCR switched off", ())


def test_a_page_that_shows_little_of_a_wrong_map_is_judged_by_the_pages_around_it(pdf: Path):
    pdfs.few_wrong(pdf)
    assert len({page.problem for page in pages_of(pdf)}) == 1
    alone = [page for page in pages_of(pdf) if page.problem is None]
    assert alone == []


def test_a_short_title_among_curves_is_text(pdf: Path):
    sheet = pdfs.Sheet(pdf)
    sheet.canvas.circle(300, 400, 100)
    sheet.line(72, 90, "总结", 40)
    sheet.save()
    [page] = pages_of(pdf)
    assert (words_of(page), page.problem) == ("总结", None)


def test_words_over_a_photograph_are_its_title(pdf: Path):
    words = pdfs.title_over_photograph(pdf)
    [page] = read_pages(pdf, [1])
    assert (words_of(page), page.reader, page.problem) == (words, READER, None)


# Limits from outside


def test_who_limits_the_time_is_not_taken_for_a_broken_page(pdf: Path):
    def late(*_: object) -> None:
        raise TimeoutError("this page takes too long")

    pdfs.busy_picture(pdf, 3100)
    before = signal.signal(signal.SIGALRM, late)
    try:
        with OpenPdf(pdf) as opened, pytest.raises(TimeoutError, match="too long"):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            opened.page(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Files that cannot be read


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7])
def test_a_file_cut_off_is_refused_by_name_with_both_reasons(pdf: Path, share: float):
    pdfs.truncated(pdf, share)
    with pytest.raises(UnreadableFile, match="report.pdf: broken PDF: pdfplumber: .+; pypdfium2: .+"):
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
    with pytest.raises(WrongPassword) as caught:
        read_facts(pdf, LIMIT)
    way = "give it with --password, or in a file named by KB_PASSWORD_FILE"
    assert str(caught.value) == f"{pdf}: needs a password; {way}"
    with pytest.raises(WrongPassword) as caught:
        read_facts(pdf, LIMIT, ["offen", "密码"])
    assert str(caught.value) == f"{pdf}: needs a password, and none of those given opens it; {way}"
    with pytest.raises(WrongPassword):
        next(read_pages(pdf, [1], "offen"))


@pytest.mark.parametrize("password", ["geheim", "æøå"])
def test_the_right_password_among_several_opens_it(pdf: Path, password: str):
    text = pdfs.encrypted(pdf, password)
    facts = read_facts(pdf, LIMIT, ["offen", "密码", password])
    assert (facts.page_count, facts.password) == (1, password)
    [page] = read_pages(pdf, [1], password)
    assert words_of(page) == pdfs.squeeze(text)
    with closing(PdfiumPdf(pdf, password)) as opened:
        assert words_of(opened.page(1)[0]) == pdfs.squeeze(text)


def test_a_file_locked_against_changes_only_is_read(pdf: Path):
    text = pdfs.encrypted(pdf, "")
    assert words_of(pages_of(pdf)[0]) == pdfs.squeeze(text)


def test_too_many_pages_are_refused_with_both_numbers_and_the_way_out(pdf: Path):
    pdfs.many_pages(pdf, 21)
    assert read_facts(pdf, 21).page_count == 21
    with pytest.raises(UnreadableFile, match="report.pdf: 21 pages, over the limit of 20; raise KB_MAX_PAGES"):
        read_facts(pdf, 20)


def test_a_page_without_a_size_has_that_of_a_letter(pdf: Path):
    text = pdfs.plain(pdf)
    pdf.write_bytes(pdf.read_bytes().replace(b"/MediaBox", b"/MediaBux"))
    [page] = pages_of(pdf)
    assert (page.width, page.height, words_of(page)) == (612, 792, text)


def test_a_page_that_is_missing_is_named_and_the_others_are_read(pdf: Path):
    pdfs.many_pages(pdf, 3)
    first, missing, last = read_pages(pdf, [1, 4, 3])
    assert (words_of(first), words_of(last)) == ("第1张", "第3张")
    assert missing.problem.startswith("page cannot be read: pdfplumber: IndexError")


def test_no_file_is_left_open(pdf: Path):
    for share in (0.1, 0.97, 1.0):
        pdfs.truncated(pdf, share)
        with warnings.catch_warnings(action="error", record=True) as caught:
            with suppress(UnreadableFile):
                pages_of(pdf)
            gc.collect()
        assert caught == []
