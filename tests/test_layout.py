"""Layout: reading order, noise, headings, boxes and tables of PDFs whose right reading their builder returns."""

import re
import time
from collections import Counter
from pathlib import Path

import pdfplumber
import pdfs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdfs import headings, squeeze, table_rows, texts

from kb.layout.order import Item, order_in_box, reading_order
from kb.layout.outline import levels_by_outline, match_outline
from kb.layout.paragraphs import rows_to_paragraphs, strips_to_rows
from kb.layout.strips import Strip, drop_doubles, glyphs_to_strips
from kb.layout.styles import Typography, heading_levels
from kb.layout.turned import shown_box, turn_box
from kb.marks import numbering
from kb.records import Block, Bookmark, Box, Glyph, Kind, Page, Piece
from kb.segment import blocks_to_passages


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


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
    assert page.text == ""
    assert page.problem and page.problem.startswith("no text layer")


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


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_columns_and_a_table_on_a_turned_page_are_read(pdf: Path, turn: int):
    written = pdfs.turned_report(pdf, turn)
    read = pdfs.read(pdf)
    assert texts(read) == written
    assert table_rows(read) == pdfs.named(pdfs.TABLE_HEADER, pdfs.TABLE_ROWS)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_lines_of_a_turned_page_have_their_places_on_it_as_shown(pdf: Path, turn: int):
    pdfs.turned_report(pdf, turn)
    [page] = pdfs.read(pdf).pages
    with pdfplumber.open(pdf) as shown:
        chars = [char for char in shown.pages[0].chars if not char["text"].isspace()]
        assert (page.width, page.height) == pytest.approx((shown.pages[0].width, shown.pages[0].height))
    assert len(page.lines) > 20
    for line in page.lines:
        left, top, right, bottom = line.box
        inside = [
            char
            for char in chars
            if left < (char["x0"] + char["x1"]) / 2 < right and top < (char["top"] + char["bottom"]) / 2 < bottom
        ]
        assert Counter(char["text"] for char in inside) == Counter(squeeze(page.text[line.start : line.end]))
        edges = [min(char["x0"] for char in inside), max(char["x1"] for char in inside)]
        edges += [min(char["top"] for char in inside), max(char["bottom"] for char in inside)]
        assert edges == pytest.approx([left, right, top, bottom], abs=5)


@pytest.mark.parametrize("turn", [90, 270])
def test_a_title_turned_into_the_margin_stays_on_the_page_and_out_of_the_text(pdf: Path, turn: int):
    text, side = pdfs.side_title(pdf, turn)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, text]
    assert Counter(side) <= Counter(read.pages[0].text)


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


# The outline


def test_bookmarks_set_the_levels_of_headings_of_one_type(pdf: Path):
    bookmarks = pdfs.bookmarked_headings(pdf)
    assert {level for level, _ in headings(pdfs.read(pdf, outline=()))} == {1}
    assert headings(pdfs.read(pdf)) == [(mark.level, mark.title) for mark in bookmarks]


def test_what_the_bookmarks_leave_out_stands_below_what_they_name(pdf: Path):
    """Bookmarks that put chapters and sections side by side, and know nothing of what is smaller."""
    written = pdfs.headings_by_size(pdf)
    bookmarks = [Bookmark(1, title, 0) for level, title in written if level < 3]
    assert headings(pdfs.read(pdf, bookmarks)) == [(1 if level < 3 else 2, title) for level, title in written]


def test_a_bookmark_finds_its_title_on_its_own_page():
    outline = [Bookmark(1, "背景", 2), Bookmark(2, "措施", 2), Bookmark(2, "效果", 3)]
    texts = [(0, 1, "背景"), (1, 2, "背景"), (2, 2, "措施"), (3, 3, "一、效果")]
    assert match_outline(outline, texts) == {1: 1, 2: 2, 3: 2}


@pytest.mark.parametrize(
    "outline",
    [
        [Bookmark(level, f"别的报告第{level}级", 1) for level in (1, 2, 3, 2)],
        [Bookmark(3, "外部压力", 1), Bookmark(3, "内部短板", 2), Bookmark(1, "别的报告", 1)],
    ],
)
def test_an_outline_left_over_from_another_file_changes_nothing(pdf: Path, outline: list[Bookmark]):
    pdfs.bookmarked_headings(pdf)
    assert pdfs.read(pdf, outline).blocks == pdfs.read(pdf, outline=()).blocks


def test_sizes_that_share_a_level_do_so_without_an_outline(pdf: Path):
    """The title of a preface is larger than those of the chapters, and no part of its own."""
    titles = [(20.0, "前言几句"), (16.0, "转型总论"), (13.0, "人才缺口"), (16.0, "转型路径"), (13.0, "考核办法")]
    levels = heading_levels(titles)
    types = [(size, numbering(title)) for size, title in titles]
    assert [levels[key] for key in types] == [1, 1, 2, 1, 2]
    assert levels_by_outline(dict(enumerate(types)), levels, {}) == levels


def test_contents_set_in_by_level_set_the_levels_of_headings(pdf: Path):
    written = pdfs.indented_contents(pdf)
    read = pdfs.read(pdf)
    assert headings(read) == written
    assert all(".." not in passage.text and 1 not in passage.pages for passage in read.passages)


def test_a_line_set_like_the_text_is_a_heading_if_a_bookmark_names_it(pdf: Path):
    bookmarks = pdfs.plain_headings(pdf)
    assert headings(pdfs.read(pdf, outline=())) == []
    assert headings(pdfs.read(pdf, bookmarks)) == [(mark.level, mark.title) for mark in bookmarks]


# Footnotes


def test_footnotes_under_two_columns_part_neither(pdf: Path):
    paragraphs, notes = pdfs.notes_under_columns(pdf)
    read = pdfs.read(pdf)
    assert texts(read, Kind.TEXT) == paragraphs
    assert texts(read, Kind.NOTE) == [squeeze(note) for note in notes]


def test_a_list_in_the_type_of_the_text_at_the_foot_is_no_footnote(pdf: Path):
    points = pdfs.list_at_foot(pdf)
    read = pdfs.read(pdf)
    assert texts(read, Kind.NOTE) == []
    assert texts(read, Kind.LIST) == [squeeze(point) for point in points]


@pytest.mark.parametrize("mark", ["①", "1", "[1]", "*"])
def test_a_note_is_known_by_its_mark(pdf: Path, mark: str):
    _, note = pdfs.marked_note(pdf, mark)
    read = pdfs.read(pdf)
    assert texts(read, Kind.NOTE) == [squeeze(note)]
    assert mark in read.pages[0].text.replace(note, "")
    assert all(("见附录" in passage.text) <= (pdfs.prose(1, 400)[:20] not in passage.text) for passage in read.passages)


@pytest.mark.parametrize(
    "mark",
    [
        pytest.param("①", marks=pytest.mark.xfail(strict=True, reason="a raised ① is a list item of its own")),
        "1",
        "[1]",
        "*",
    ],
)
def test_a_raised_mark_does_not_part_its_paragraph(pdf: Path, mark: str):
    """Whether it stays in the text or not."""
    text, _ = pdfs.marked_note(pdf, mark)
    first, *rest = texts(pdfs.read(pdf), Kind.TEXT, Kind.LIST)
    assert first in (text, text.replace(mark, ""))
    assert rest == [pdfs.prose(1, 400)]


@given(st.permutations([Kind.TEXT, Kind.TEXT, Kind.TEXT, Kind.NOTE, Kind.NOTE, Kind.HEADING]))
def test_no_passage_holds_text_and_notes(kinds: list[Kind]):
    blocks, at = [], 0
    for kind in kinds:
        words = "注一句。" if kind is Kind.NOTE else f"第{at}段。"
        blocks.append(Block(kind, (Piece(1, at, at + len(words), words),), int(kind is Kind.HEADING)))
        at += len(words)
    page = Page(1, 595, 842, "".join(block.text for block in blocks), (), "test")
    passages = blocks_to_passages(blocks, [page], "sha", lambda _: False)
    assert not [passage for passage in passages if "注" in passage.text and "段" in passage.text]
    assert sum(passage.text.count("注一句。") for passage in passages) == 2
    paragraphs = [block.text for block in blocks if block.kind is Kind.TEXT]
    assert [line for p in passages for line in p.text.splitlines() if line in paragraphs] == paragraphs


# Noise


def test_a_light_watermark_that_lies_across_the_text_stays_out_of_it(pdf: Path):
    written = pdfs.light_watermark(pdf)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, *written]
    assert all("仅供测试不得外传" in page.text for page in read.pages)


def test_numbers_in_the_corner_of_slides_are_labels(pdf: Path):
    written = pdfs.numbered_slides(pdf)
    read = pdfs.read(pdf)
    assert [page.label for page in read.pages] == [None, "2", "3", None, "5", "6"]
    assert texts(read, Kind.TEXT) == written
    assert not any(char.isdigit() for text in texts(read) for char in text)


def test_headers_that_differ_on_facing_pages_stay_out_of_the_text(pdf: Path):
    written = pdfs.facing_pages(pdf)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, *written]
    for page in read.pages:
        header = pdfs.LEFT_HEADER if page.number % 2 else pdfs.RIGHT_HEADERS[(page.number - 1) // 4]
        assert header in page.text.splitlines()


def test_a_report_of_nothing_but_repeated_words_keeps_them(pdf: Path):
    words = pdfs.repeated_words(pdf)
    [passage] = pdfs.read(pdf).passages
    assert passage.text.replace(words, "") == ""
    assert len(passage.pages) >= 4  # the first page may be a cover


def test_a_watermark_stays_out_of_the_text(pdf: Path):
    written = pdfs.watermark(pdf)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, *written]
    assert all(set("外传") <= set(page.text) for page in read.pages)


def test_overprinted_characters_are_read_once(pdf: Path):
    written = pdfs.overprinted(pdf)
    assert texts(pdfs.read(pdf)) == written


def test_narrow_letters_that_follow_each_other_are_no_doubles():
    """At a third of their size apart or less: what is printed twice is closer than half of a letter's width."""
    glyphs = [Glyph(char, (1.5 * at, 0.0, 1.5 * at + 1.5, 10.0), 10.0, "Narrow") for at, char in enumerate("ill1000")]
    assert [glyph.text for glyph in drop_doubles([*glyphs, *glyphs])] == list("ill1000")


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


boxes = st.tuples(*[st.floats(0, 900, width=32)] * 4).map(
    lambda box: (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
)


@given(boxes, st.sampled_from([(595.0, 842.0), (960.0, 540.0)]), st.sampled_from([0, 90, 180, 270]))
def test_a_place_turned_back_and_shown_again_is_the_same(box: Box, size: tuple[float, float], turn: int):
    upright = size[::-1] if turn in (90, 270) else size
    assert shown_box(turn_box(box, *size, turn), *upright, turn) == pytest.approx(box, abs=1e-6)


@given(boxes, st.sampled_from([90, 180, 270]))
def test_turning_a_place_four_times_by_a_quarter_or_twice_by_half_returns_it(box: Box, turn: int):
    width, height, place = 595.0, 842.0, box
    for _ in range(2 if turn == 180 else 4):
        place = turn_box(place, width, height, turn)
        assert place[0] <= place[2] and place[1] <= place[3]
        width, height = (width, height) if turn == 180 else (height, width)
    assert place == pytest.approx(box, abs=1e-6)


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


def test_a_label_set_beside_its_lines_stands_before_them_all() -> None:
    lines = [Item(at, (134.0, top, 905.0, top + 14.0), 14.0) for at, top in enumerate((180.0, 204.0, 233.0, 256.0))]
    label = Item(9, (74.0, 231.0, 102.0, 245.0), 14.0)
    assert [item.key for flow in order_in_box([*lines, label]) for item in flow] == [9, 0, 1, 2, 3]
    number = Item(9, (74.0, 180.0, 82.0, 194.0), 14.0)
    assert [item.key for flow in order_in_box([*lines, number]) for item in flow] == [9, 0, 1, 2, 3]
    near = Item(9, (120.0, 231.0, 130.0, 245.0), 14.0)
    assert [item.key for flow in order_in_box([*lines, near]) for item in flow] == [0, 1, 9, 2, 3]
