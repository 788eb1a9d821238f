"""What `kb inspect` shows: each block of a page at its place, in order, and a picture of bounded size."""

from dataclasses import replace
from pathlib import Path

import pdfs
import pytest
from PIL import Image, ImageColor
from reportlab.pdfgen.canvas import Canvas

from kb.draw import COLOURS, GREY, MAX_SIDE, SCALE, blocks_on_page, draw_page, header_boxes, loose_lines, render_page
from kb.errors import UnreadableFile
from kb.records import Block, Box, Kind, Page
from tests.conftest import CORPUS, run_kb

SURVEY = CORPUS / "survey2023.pdf"


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


def inside(box: Box, page: Page) -> bool:
    return 0 <= box[0] < box[2] <= page.width and 0 <= box[1] < box[3] <= page.height


def words_in(box: Box, page: Page) -> str:
    """The lines of a page whose middles stand in a box."""
    middles = [(line, (line.box[0] + line.box[2]) / 2, (line.box[1] + line.box[3]) / 2) for line in page.lines]
    found = [line for line, x, y in middles if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
    return "".join(page.text[line.start : line.end] for line in found)


# Places


def test_every_block_stands_where_its_words_are(pdf: Path) -> None:
    pdfs.headings_by_size(pdf)
    read = pdfs.read(pdf)
    for page in read.pages:
        placed = blocks_on_page(page, read.blocks)
        assert [one.order for one in placed] == list(range(1, len(placed) + 1))
        for one in placed:
            [box] = one.boxes
            assert inside(box, page)
            assert words_in(box, page) == one.text
        assert sum(len(one.text) for one in placed) == len(page.text.replace("\n", ""))


def test_labels_tell_order_kind_and_level(pdf: Path) -> None:
    pdfs.headings_by_number(pdf)
    read = pdfs.read(pdf)
    labels = [one.label for one in blocks_on_page(read.pages[0], read.blocks)]
    assert labels[:5] == ["1 heading 1", "2 text", "3 heading 2", "4 text", "5 heading 3"]


def test_a_paragraph_over_a_page_break_is_drawn_on_both_pages(pdf: Path) -> None:
    pdfs.one_column(pdf)
    read = pdfs.read(pdf)
    last = blocks_on_page(read.pages[0], read.blocks)[-1]
    first = blocks_on_page(read.pages[1], read.blocks)[0]
    assert last.block is first.block
    assert words_in(last.boxes[0], read.pages[0]) + words_in(first.boxes[0], read.pages[1]) == last.text


def test_a_paragraph_over_two_columns_has_a_box_in_each(pdf: Path) -> None:
    pdfs.two_columns(pdf)
    read = pdfs.read(pdf)
    _, _, below, above, _ = read.blocks
    [both] = blocks_on_page(read.pages[0], [replace(below, pieces=below.pieces + above.pieces)])
    left, right = both.boxes
    assert left[2] < right[0] and right[1] < left[1]
    assert words_in(left, read.pages[0]) == below.text
    assert words_in(right, read.pages[0]) == above.text


def test_a_table_is_drawn_by_cells_with_its_column_names(pdf: Path) -> None:
    pdfs.table_over_break(pdf)
    read = pdfs.read(pdf)
    first, second = read.pages
    rows = [one for one in blocks_on_page(first, read.blocks) if one.block.table]
    assert [one.label for one in rows] == ["4 table 1", "5 table 1", "6 table 1"]
    assert [len(one.boxes) for one in rows] == [3, 3, 3]
    assert rows[0].text == " | ".join(pdfs.TABLE_ROWS[0])
    assert [words_in(box, first) for box in header_boxes(first, read.blocks)] == pdfs.TABLE_HEADER
    assert header_boxes(second, read.blocks) == {}
    assert [one.order for one in blocks_on_page(second, read.blocks) if one.block.table] == [1, 2, 3]


def test_a_merged_cell_is_drawn_once(pdf: Path) -> None:
    pdfs.table_over_break(pdf)
    read = pdfs.read(pdf)
    above, below = [block for block in read.blocks if block.table][:2]
    carried = replace(below, cells=(above.cells[0], *below.cells[1:]))
    one, other = blocks_on_page(read.pages[0], [above, carried])
    assert len(one.boxes) == 3 and len(other.boxes) == 2
    assert other.text.startswith(pdfs.TABLE_ROWS[0][0])


def test_what_stands_in_no_block_is_loose(pdf: Path) -> None:
    pdfs.one_column(pdf)
    read = pdfs.read(pdf)
    loose = [words_in(box, read.pages[1]) for box in loose_lines(read.pages[1], read.blocks)]
    assert sorted(loose) == sorted([pdfs.HEADER, pdfs.FOOTER, "— 12 —"])
    assert len(loose_lines(read.pages[1], [])) == len(read.pages[1].lines)


# Pictures


def test_a_picture_has_two_pixels_a_point(pdf: Path) -> None:
    pdfs.plain(pdf)
    assert render_page(pdf, 1).size == (2 * 595, 2 * 842)


@pytest.mark.parametrize("size", [(14_400, 14_400), (14_400, 100), (3000, 1000)])
def test_a_giant_page_makes_no_giant_picture(pdf: Path, size: tuple[int, int]) -> None:
    sheet = pdfs.Sheet(pdf, size)
    sheet.line(10, 10, "很大的一页")
    sheet.save()
    assert max(render_page(pdf, 1).size) <= MAX_SIDE


def test_a_picture_of_a_locked_file_needs_its_password(pdf: Path) -> None:
    pdfs.encrypted(pdf, "open sesame")
    assert render_page(pdf, 1, "open sesame").size[0] > 100
    with pytest.raises(UnreadableFile, match=r"report\.pdf: needs a password"):
        render_page(pdf, 1)


def drawn(pdf: Path, read: pdfs.Read, number: int = 1) -> tuple[Image.Image, Page]:
    """A page's picture with what was understood of it."""
    picture, page = render_page(pdf, number), read.pages[number - 1]
    draw_page(picture, page, read.blocks)
    return picture, page


def has_frame(picture: Image.Image, box: Box, colour: str) -> bool:
    """Whether the lower edge of a box is drawn in a colour."""
    wanted, y = ImageColor.getrgb(colour), round(box[3] * SCALE)
    return all(picture.getpixel((x, y)) == wanted for x in range(round(box[0] * SCALE), round(box[2] * SCALE)))


def test_blocks_are_framed_in_the_colour_of_their_kind(pdf: Path) -> None:
    pdfs.one_column(pdf)
    read = pdfs.read(pdf)
    picture, page = drawn(pdf, read)
    heading, text = blocks_on_page(page, read.blocks)[:2]
    assert has_frame(picture, heading.boxes[0], COLOURS[Kind.HEADING])
    assert has_frame(picture, text.boxes[0], COLOURS[Kind.TEXT])
    assert all(has_frame(picture, box, GREY) for box in loose_lines(page, read.blocks))
    assert not has_frame(render_page(pdf, 1), heading.boxes[0], COLOURS[Kind.HEADING])


def test_a_page_turned_in_its_viewer_is_drawn_as_it_is_shown(pdf: Path) -> None:
    pdfs.sideways(pdf, 90)
    read = pdfs.read(pdf)
    picture, page = drawn(pdf, read)
    assert picture.width == pytest.approx(page.width * SCALE, abs=1)
    assert any(has_frame(picture, one.boxes[0], one.colour) for one in blocks_on_page(page, read.blocks))


def test_a_page_that_shows_part_of_its_sheet_is_drawn_in_its_place(pdf: Path) -> None:
    sheet = Canvas(str(pdf), pagesize=(400, 400), invariant=1)
    sheet.setCropBox((100, 50, 350, 350))
    sheet.setFont(pdfs.SONG, 20)
    sheet.drawString(150, 200, "只看得见一部分的纸")
    sheet.save()
    read = pdfs.read(pdf)
    picture, page = drawn(pdf, read)
    [line] = page.lines
    assert picture.size == (round(page.width * SCALE), round(page.height * SCALE))
    bare = render_page(pdf, 1).convert("L").crop([round(edge * SCALE) for edge in line.box])
    assert bare.getextrema()[0] < 100  # the words are there


def test_labels_at_the_edge_stay_on_the_picture() -> None:
    page = Page(1, 100.0, 50.0, "题", (), "test")
    picture = Image.new("RGB", (200, 100), "white")
    draw_page(picture, page, [])
    assert picture.getcolors() == [(200 * 100, (255, 255, 255))]


def test_boxes_are_framed(pdf: Path) -> None:
    pdfs.case_slides(pdf)
    read = pdfs.read(pdf)
    groups = {one.block.group for one in blocks_on_page(read.pages[0], read.blocks)} - {0}
    assert len(groups) == 3
    bare = [replace(block, group=0) for block in read.blocks]
    with_boxes, without = render_page(pdf, 1), render_page(pdf, 1)
    draw_page(with_boxes, read.pages[0], read.blocks)
    draw_page(without, read.pages[0], bare)
    assert with_boxes.tobytes() != without.tobytes()


def test_every_kind_that_is_read_has_a_colour() -> None:
    assert set(Kind) - set(COLOURS) == {Kind.CONTENTS, Kind.NOISE}
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert Block(Kind.NOISE, ()).kind not in COLOURS


# The command


def test_inspect_lists_the_blocks_of_a_page() -> None:
    done = run_kb("inspect", SURVEY, "--page", 5)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["order", "kind", "level", "box", "text"]
    blocks = blocks_on_page(pdfs.corpus()[SURVEY.name].pages[4], pdfs.corpus()[SURVEY.name].blocks)
    assert [line.split()[0] for line in lines[1:-1]] == [str(one.order) for one in blocks]
    assert any("heading" in line and "绿色金融" in line for line in lines)
    assert lines[-1].startswith("page 5 (5): ")


def test_inspect_lists_the_blocks_of_a_section(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(
        "# 第一章 人才\n\n银行自己培养人才。\n\n# 第二章 数据\n\n数据要先盘点。\n", "utf-8"
    )
    told = run_kb("inspect", tmp_path / "notes.md", "--page", 2).stdout
    assert "第二章 数据" in told and "数据要先盘点。" in told and "人才" not in told
    drawn = run_kb("inspect", tmp_path / "notes.md", "-o", tmp_path / "page.png")
    assert drawn.returncode == 1 and "no picture" in drawn.stderr
    assert not (tmp_path / "page.png").exists()


def test_inspect_opens_a_locked_file_with_its_password(pdf: Path) -> None:
    pdfs.encrypted(pdf, "open sesame")
    assert run_kb("inspect", pdf).returncode == 1
    done = run_kb("inspect", pdf, "--password", "open sesame", "-o", pdf.with_suffix(".png"))
    assert done.returncode == 0, done.stderr
    assert pdf.with_suffix(".png").exists()


def test_inspect_draws_a_page(tmp_path: Path) -> None:
    done = run_kb("inspect", SURVEY, "--page", 5, "-o", tmp_path / "page.png")
    assert (done.returncode, done.stdout) == (0, "")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.format == "PNG"
        assert ImageColor.getrgb(COLOURS[Kind.TABLE]) in {colour for _, colour in picture.getcolors(1 << 24)}


def test_what_cannot_be_inspected_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>")
    (tmp_path / "fake.pdf").write_text("<html>")
    for words, status, told in (
        ([SURVEY, "--page", 8], 1, "pages 1 to 7"),
        ([SURVEY, "--page", 0], 2, "--page"),
        ([SURVEY, "-o", tmp_path / "no" / "page.png"], 1, "page.png"),
        ([tmp_path / "none.pdf"], 1, "none.pdf"),
        ([tmp_path], 1, str(tmp_path)),
        ([tmp_path / "fake.pdf"], 1, "not a PDF"),
    ):
        done = run_kb("inspect", *words)
        assert done.returncode == status, done.stderr
        assert told in done.stderr and "Traceback" not in done.stderr, words
