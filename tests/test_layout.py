"""Layout: reading order, noise, headings, boxes and tables of PDFs whose right reading their builder returns."""

import re
import time
from collections import Counter
from pathlib import Path

import pdfs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdfs import Read, squeeze

from kb.layout.order import Item, reading_order
from kb.layout.paragraphs import rows_to_paragraphs, strips_to_rows
from kb.layout.strips import Strip, glyphs_to_strips
from kb.layout.styles import Typography, heading_levels, numbering
from kb.records import Block, Glyph, Kind


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


def texts(read: Read, *kinds: Kind) -> list[str]:
    """The texts of the blocks of these kinds (all but tables if none is named), in order."""
    return [squeeze(block.text) for block in read.blocks if block.pieces and (not kinds or block.kind in kinds)]


def headings(read: Read) -> list[tuple[int, str]]:
    return [(block.level, block.text) for block in read.blocks if block.kind is Kind.HEADING]


def table_rows(read: Read) -> list[list[tuple[str, str]]]:
    """Table rows as pairs of header and cell."""
    return [
        [("".join(p.text for p in header), "".join(p.text for p in cell)) for header, cell in block.cells]
        for block in read.blocks
        if block.kind is Kind.TABLE
    ]


def pages_of(block: Block) -> list[int]:
    return sorted({piece.page for piece in block.pieces})


# One column


def test_paragraphs_are_read_as_written_and_whole(pdf: Path):
    written = pdfs.one_column(pdf)
    found = texts(pdfs.read(pdf), Kind.TEXT)
    assert found[: len(written)] == written
    assert len(found) == len(written) + 1  # the last one is cut off by the end of the file


def test_a_paragraph_over_a_page_break_is_one_block_on_both_pages(pdf: Path):
    written = pdfs.one_column(pdf)
    blocks = [block for block in pdfs.read(pdf).blocks if len(pages_of(block)) > 1]
    found = [pages_of(block) for block in blocks]
    assert len(found) >= 3
    assert all(following == first + 1 for first, following in found)
    assert {block.text for block in blocks} <= set(written)


def test_running_lines_stay_on_the_page_and_out_of_the_blocks(pdf: Path):
    pdfs.one_column(pdf)
    read = pdfs.read(pdf)
    for page in read.pages:
        for line in (pdfs.HEADER, pdfs.FOOTER, f"— {page.number + 10} —"):
            assert line in page.text.splitlines()
    everything = "".join(texts(read))
    for line in (pdfs.HEADER, pdfs.FOOTER, "—"):
        assert squeeze(line) not in everything


def test_page_labels_are_the_printed_numbers(pdf: Path):
    pdfs.one_column(pdf)
    assert [page.label for page in pdfs.read(pdf).pages] == ["11", "12", "13", "14", "15"]


def test_page_text_is_its_lines_one_by_one(pdf: Path):
    pdfs.one_column(pdf)
    for page in pdfs.read(pdf).pages:
        assert page.text == "\n".join(page.text[line.start : line.end] for line in page.lines)
        assert all(0 <= line.box[0] < line.box[2] <= page.width for line in page.lines)


def test_nothing_on_a_page_is_lost(pdf: Path):
    """Each character read stands once in the page's text, noise and all."""
    for build in (pdfs.one_column, pdfs.two_columns, pdfs.table_over_break, pdfs.case_slides, pdfs.watermark):
        build(pdf)
        read = pdfs.read(pdf)
        for raw, page in zip(read.raw, read.pages, strict=True):
            assert Counter(squeeze("".join(g.text for g in raw.glyphs))) == Counter(squeeze(page.text)), build


def test_a_report_without_headings_is_read(pdf: Path):
    text = pdfs.plain(pdf)
    assert texts(pdfs.read(pdf)) == [text]


def test_a_report_without_text_is_read_with_its_problem(pdf: Path):
    sheet = pdfs.Sheet(pdf)
    sheet.canvas.drawImage(pdfs.picture(), 0, 0, *pdfs.A4)
    sheet.save()
    [page] = pdfs.read(pdf).pages
    assert (page.text, page.problem) == ("", "no text layer (scan or picture)")


def test_pages_without_text_keep_their_problem_and_number(pdf: Path):
    pdfs.gaps(pdf)
    pages = pdfs.read(pdf).pages
    assert [page.number for page in pages] == [1, 2, 3]
    assert [bool(page.problem) for page in pages] == [False, True, True]
    assert [page.text for page in pages[1:]] == ["", ""]


def test_a_page_turned_by_its_rotation_is_read_as_shown(pdf: Path):
    text = pdfs.turned(pdf)
    assert texts(pdfs.read(pdf)) == [pdfs.TITLE, text]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_shown_lying_on_its_side_is_read(pdf: Path, turn: int):
    text = pdfs.sideways(pdf, turn)
    assert texts(pdfs.read(pdf)) == [pdfs.TITLE, text]


# Columns


def test_columns_are_read_one_after_the_other_below_the_heading(pdf: Path):
    written = pdfs.two_columns(pdf)
    assert texts(pdfs.read(pdf)) == written


def test_the_longer_left_column_is_read_to_its_end_first(pdf: Path):
    written = pdfs.uneven_columns(pdf)
    assert texts(pdfs.read(pdf)) == [pdfs.TITLE, *written]


# Headings


def test_levels_by_size(pdf: Path):
    written = pdfs.headings_by_size(pdf)
    assert headings(pdfs.read(pdf)) == written


def test_levels_by_numbering(pdf: Path):
    written = pdfs.headings_by_number(pdf)
    assert headings(pdfs.read(pdf)) == written


def test_a_bold_line_is_a_heading_and_bold_words_are_none(pdf: Path):
    heading, *paragraphs = pdfs.bold_words(pdf)
    read = pdfs.read(pdf)
    assert headings(read) == [(1, heading)]
    assert texts(read, Kind.TEXT) == paragraphs


@pytest.mark.parametrize(
    ("outer", "inner"),
    [("第一章 总论", "第一节 概况"), ("一、总论", "（一）概况"), ("1.1 总论", "1.1.1 概况"), ("1. 总论", "1.1 概况")],
)
def test_outer_numberings_come_before_inner_ones(outer: str, inner: str):
    assert numbering(outer) < numbering(inner)
    levels = heading_levels([(12.0, inner), (12.0, outer)])
    assert levels[12.0, numbering(outer)] < levels[12.0, numbering(inner)]


def test_contents_are_no_text(pdf: Path):
    entries, paragraphs = pdfs.contents(pdf)
    read = pdfs.read(pdf)
    found = texts(read, Kind.CONTENTS)
    assert found[0] == "目录"
    assert [re.sub(r"\.+\d+$", "", text) for text in found[1:]] == [squeeze(entry) for entry in entries]
    assert headings(read) == [(1, entry) for entry in entries]
    assert texts(read, Kind.TEXT) == paragraphs


# Noise


def test_a_watermark_stays_out_of_the_text(pdf: Path):
    written = pdfs.watermark(pdf)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, *written]
    assert all(set("外传") <= set(page.text) for page in read.pages)


def test_overprinted_characters_are_read_once(pdf: Path):
    written = pdfs.overprinted(pdf)
    assert texts(pdfs.read(pdf)) == written


def test_doubled_characters_of_words_stay(pdf: Path):
    """人人 and 看看 are words: only what is printed on the same spot is a double."""
    glyphs = [Glyph(char, (10.0 * at, 0.0, 10.0 * at + 10, 10.0), 10.0, "Song") for at, char in enumerate("人人都看看")]
    assert [strip.text for strip in glyphs_to_strips(glyphs)] == ["人人都看看"]


def test_footnotes_do_not_part_a_text(pdf: Path):
    paragraphs, notes = pdfs.footnotes(pdf)
    read = pdfs.read(pdf)
    assert texts(read, Kind.TEXT) == paragraphs
    for passage in read.passages:
        assert len({any(note in passage.text for note in notes), passage.text[:4] in "".join(paragraphs)}) == 2


def test_tightly_set_punctuation_does_not_part_a_line(pdf: Path):
    text = pdfs.tight_punctuation(pdf)
    assert texts(pdfs.read(pdf), Kind.TEXT) == [text]


def test_a_dash_at_the_head_of_a_line_makes_no_quote(pdf: Path):
    text = pdfs.dashed_line(pdf)
    read = pdfs.read(pdf)
    assert texts(read, Kind.QUOTE) == []
    assert texts(read, Kind.TEXT)[0] == text


# Boxes on slides


def test_boxes_side_by_side_are_read_one_by_one_with_their_labels(pdf: Path):
    cases = pdfs.case_slides(pdf)
    read = pdfs.read(pdf)
    found = texts(read)
    for at, (title, cards) in enumerate(cases.items()):
        assert found[7 * at : 7 * at + 7] == [title, *(words for card in cards for words in (card.label, card.text))]
    groups = [block.group for block in read.blocks if block.text in ("背景", "措施", "效果")]
    assert len(set(groups)) == 9 and 0 not in groups


def test_labels_at_the_same_place_on_every_slide_are_headings(pdf: Path):
    cases = pdfs.case_slides(pdf, pdfs.MORE_CASES)
    labels = [block.text for block in pdfs.read(pdf).blocks if block.kind is Kind.HEADING and block.group]
    assert labels == ["背景", "措施", "效果"] * len(cases)


def test_cards_are_read_row_by_row(pdf: Path):
    cards = pdfs.card_grid(pdf)
    found = texts(pdfs.read(pdf))[1:]
    assert found == [words for card in cards for words in (card.label, card.text)]


def test_labels_at_the_left_of_their_text_are_headings(pdf: Path):
    bands = pdfs.label_bands(pdf)
    assert texts(pdfs.read(pdf))[1:] == [words for band in bands.items() for words in band]


# Tables


def test_each_row_is_one_block_with_the_headers_words(pdf: Path):
    written = pdfs.table_over_break(pdf)
    expected = [list(zip(pdfs.TABLE_HEADER, row, strict=True)) for row in written]
    found = table_rows(pdfs.read(pdf))
    assert found[:2] == expected[:2]
    assert found[-2:] == expected[-2:]


def test_a_row_cut_by_the_page_break_is_whole(pdf: Path):
    written = pdfs.table_over_break(pdf)
    expected = [list(zip(pdfs.TABLE_HEADER, row, strict=True)) for row in written]
    assert table_rows(pdfs.read(pdf)) == expected


def test_the_repeated_header_is_no_row(pdf: Path):
    pdfs.table_over_break(pdf)
    rows = table_rows(pdfs.read(pdf))
    assert [(name, name) for name in pdfs.TABLE_HEADER] not in rows
    assert all([name for name, _ in row] == pdfs.TABLE_HEADER for row in rows)


def test_the_text_around_a_table_and_its_caption_are_none_of_its_rows(pdf: Path):
    pdfs.table_over_break(pdf)
    read = pdfs.read(pdf)
    assert texts(read, Kind.TEXT) == [pdfs.prose(1, 250), pdfs.prose(2, 200)]
    assert texts(read, Kind.CAPTION) == ["表1五家银行的做法"]


def test_a_row_without_a_rule_under_it_belongs_to_its_table(pdf: Path):
    written = pdfs.open_row(pdf)
    assert table_rows(pdfs.read(pdf)) == [list(zip(pdfs.TABLE_HEADER, row, strict=True)) for row in written]


# Properties


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    """Boxes anywhere on a page."""
    numbers = st.integers(0, 60)
    count = draw(st.integers(0, 25))
    found = []
    for key in range(count):
        x, y = 10.0 * draw(numbers), 10.0 * draw(numbers)
        wide, high = 10.0 * draw(st.integers(1, 20)), 10.0 * draw(st.integers(1, 6))
        found.append(Item(key, (x, y, x + wide, y + high), 10.0, draw(st.booleans())))
    return found


@given(items())
def test_reading_order_returns_every_item_exactly_once(things: list[Item]):
    found = [item.key for flow in reading_order(things) for item in flow]
    assert sorted(found) == [item.key for item in things]


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[list[Item], list[Item]]:
    """Boxes that do not touch, in two orders."""
    cells = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=1, max_size=16, unique=True))
    made = []
    for key, (column, row) in enumerate(cells):
        x, y = 140.0 * column, 40.0 * row
        wide, high = draw(st.sampled_from([20.0, 60.0, 120.0])), draw(st.sampled_from([10.0, 12.0, 36.0]))
        made.append(Item(key, (x, y, x + wide, y + high), 10.0, draw(st.booleans())))
    return made, draw(st.permutations(made))


@given(shuffled())
def test_reading_order_does_not_depend_on_the_order_of_drawing(both: tuple[list[Item], list[Item]]):
    one, other = both
    assert reading_order(one) == reading_order(other)


@given(st.lists(st.text("银行数字化转型 abc12，。", min_size=1, max_size=30), min_size=1, max_size=20))
def test_one_column_is_read_from_the_top_down(lines: list[str]):
    things = [Item(at, (50.0, 20.0 * at, 50.0 + 10 * len(text), 20.0 * at + 10), 10.0) for at, text in enumerate(lines)]
    assert [item.key for flow in reading_order(things) for item in flow] == list(range(len(lines)))


@st.composite
def pages_of_glyphs(draw: st.DrawFn) -> list[Glyph]:
    """Characters on a loose grid, so that none hides another."""
    places = draw(st.sets(st.tuples(st.integers(0, 30), st.integers(0, 15)), max_size=80))
    words = st.sampled_from("银行数字化转型abc12，。—")
    return [
        Glyph(draw(words), (12.0 * x, 18.0 * y, 12.0 * x + 10, 18.0 * y + 10), 10.0, "Song") for x, y in sorted(places)
    ]


@given(pages_of_glyphs())
def test_strips_lose_and_double_no_character(glyphs: list[Glyph]):
    strips = glyphs_to_strips(glyphs)
    assert Counter(squeeze("".join(s.text for s in strips))) == Counter("".join(glyph.text for glyph in glyphs))


@given(pages_of_glyphs())
def test_a_strip_is_one_line_from_left_to_right(glyphs: list[Glyph]):
    for strip in glyphs_to_strips(glyphs):
        left, top, right, _ = strip.box
        there = [glyph for glyph in glyphs if glyph.box[1] == top and left <= glyph.box[0] < right]
        assert squeeze(strip.text) == "".join(glyph.text for glyph in there)


@st.composite
def columns(draw: st.DrawFn) -> list[Strip]:
    """The lines of one column, of any length, size, indent and distance."""
    top, found = 0.0, []
    for _ in range(draw(st.integers(1, 25))):
        size = draw(st.sampled_from([8.0, 10.0, 10.0, 10.0, 16.0]))
        text = draw(st.text("银行数字1a，。：•—一、（）", min_size=1, max_size=30))
        left = 50.0 + draw(st.sampled_from([0.0, 0.0, 20.0, 60.0]))
        found.append(Strip(text, (left, top, left + size * len(text), top + size), size, "Song"))
        top += draw(st.sampled_from([0.5, 1.3, 1.7, 1.7, 4.0])) * size + 4
    return found


@given(columns())
def test_paragraphs_keep_every_line_in_order(strips: list[Strip]):
    paragraphs = rows_to_paragraphs(strips_to_rows(strips), Typography(10.0, "Song"))
    assert [strip for paragraph in paragraphs for strip in paragraph.strips] == strips
    assert [paragraph.first for paragraph in paragraphs] == [True] + [False] * (len(paragraphs) - 1)
    assert [paragraph.last for paragraph in paragraphs] == [False] * (len(paragraphs) - 1) + [True]


def test_reading_order_of_many_short_labels_takes_no_cubic_time():
    things = [
        Item(2 * row + side, (50.0 + 70 * side, 12.0 * row, 80.0 + 70 * side, 12.0 * row + 10), 10.0)
        for row in range(200)
        for side in (0, 1)
    ]
    start = time.process_time()
    assert len([item for flow in reading_order(things) for item in flow]) == len(things)
    assert time.process_time() - start < 0.5


# The sample reports


@pytest.mark.parametrize("name", ["cases2018.pdf", "regional2021.pdf", "rural2020.pdf", "survey2023.pdf"])
def test_sample_pages_are_complete_and_numbered(name: str):
    read = pdfs.corpus()[name]
    for raw, page in zip(read.raw, read.pages, strict=True):
        assert Counter(squeeze("".join(g.text for g in raw.glyphs))) == Counter(squeeze(page.text)), page.number
        assert page.label in (None, str(page.number))
    assert sum(page.label is not None for page in read.pages) >= 0.75 * len(read.pages)
