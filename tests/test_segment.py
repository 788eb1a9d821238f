"""Segmenting: passages that are rebuilt from their spans, of the right length, and cross nothing they must not."""

import json
import re
import shutil
from pathlib import Path

import pdfs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdfs import CORPUS, Read, squeeze

from kb.banks import default_bank_book
from kb.records import Block, Kind, Page, Passage, Piece
from kb.segment import LEAST, MOST, Atom, blocks_to_passages, cut_atom, parts_between
from kb.words import sentences

SAMPLES = ["cases2018.pdf", "regional2021.pdf", "rural2020.pdf", "survey2023.pdf"]
BUILDERS = [
    pdfs.one_column,
    pdfs.two_columns,
    pdfs.case_slides,
    pdfs.card_grid,
    pdfs.table_over_break,
    pdfs.headings_by_size,
    pdfs.headings_by_number,
    pdfs.contents,
    pdfs.overprinted,
    pdfs.watermark,
]


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


def check_spans(read: Read) -> None:
    """Each passage is its spans, mended, with nothing but joiners between them."""
    pdfs.check_spans(read.passages, read.pages)
    for passage in read.passages:
        assert passage.pages == tuple(sorted({span.page for span in passage.spans if not span.name}))


def by_heading(read: Read) -> dict[str, str]:
    """The text under each innermost heading."""
    found: dict[str, str] = {}
    for passage in read.passages:
        found[passage.heading[-1]] = found.get(passage.heading[-1], "") + squeeze(passage.text)
    return found


# Spans


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_spans_rebuild_the_passage(pdf: Path, build):
    build(pdf)
    read = pdfs.read(pdf)
    assert read.passages
    check_spans(read)


@pytest.mark.parametrize("name", SAMPLES)
def test_spans_rebuild_the_passages_of_the_samples(name: str):
    check_spans(pdfs.corpus()[name])


def test_radicals_are_mended_in_the_passage_and_kept_on_the_page():
    page, words = one_page("⾦⾏的⻛险⻓期看得⻅，农⼾放⼼。")
    [passage] = blocks_to_passages(words, [page], "sha", names_no_bank)
    assert passage.text == "金行的风险长期看得见，农户放心。"
    [span] = passage.spans
    assert page.text[span.start : span.end].startswith("⾦⾏")


# Length, and where passages end


def test_a_row_that_is_far_too_long_is_cut_and_each_part_names_its_bank():
    lines = ["银行", "做法", "甲银行", *(f"第{at}件事做完了，有记录可查。" for at in range(90))]
    starts = [sum(len(line) + 1 for line in lines[:at]) for at in range(len(lines))]
    pieces = [Piece(1, start, start + len(line), line) for start, line in zip(starts, lines, strict=True)]
    page = Page(1, 595, 842, "\n".join(lines), (), "test")
    row = Block(Kind.TABLE, (), 0, 0, (((pieces[0],), (pieces[2],)), ((pieces[1],), tuple(pieces[3:]))), 1)
    passages = blocks_to_passages([row], [page], "sha", names_no_bank)
    assert len(passages) > 2
    assert all(passage.text.startswith("银行：甲银行\n") and len(passage.text) <= 600 for passage in passages)
    assert "".join(passage.text.removeprefix("银行：甲银行\n") for passage in passages) == "做法：" + "".join(lines[3:])
    assert [span.name for span in passages[1].spans[:2]] == [True, False]


def test_paragraphs_make_passages_of_120_to_400_characters(pdf: Path):
    written = pdfs.one_column(pdf)
    passages = pdfs.read(pdf).passages
    assert all(LEAST <= len(passage.text) <= MOST for passage in passages)
    assert squeeze("".join(p.text for p in passages)).startswith("".join(written))


@pytest.mark.parametrize("name", SAMPLES)
def test_no_passage_of_the_samples_is_too_long_or_empty(name: str):
    for passage in pdfs.corpus()[name].passages:
        assert 0 < len(passage.text) <= MOST
        assert passage.text == passage.text.strip()


def test_passages_keep_to_their_box_and_slide(pdf: Path):
    cases = pdfs.case_slides(pdf)
    found = [(p.heading, squeeze(p.text), p.pages) for p in pdfs.read(pdf).passages]
    assert found == [
        ((title, card.label), card.text, (number,))
        for number, (title, cards) in enumerate(cases.items(), 1)
        for card in cards
    ]


def test_passages_keep_to_their_heading(pdf: Path):
    written = pdfs.headings_by_size(pdf)
    found = by_heading(pdfs.read(pdf))
    assert list(found) == [words for _, words in written]
    assert list(found.values()) == [pdfs.prose(seed, 150) for seed in range(len(written))]


def test_the_heading_path_leads_from_the_outermost_in(pdf: Path):
    pdfs.headings_by_number(pdf)
    assert [p.heading for p in pdfs.read(pdf).passages][2:6] == [
        ("一、转型的外部压力", "（一）息差收窄", "1. 存款定期化"),
        ("一、转型的外部压力", "（一）息差收窄", "2. 贷款重定价"),
        ("一、转型的外部压力", "（二）客户流失"),
        ("二、应对的办法",),
    ]


def test_the_heading_of_a_box_ends_with_it():
    boxed = [heading("背景", 2, group=7), text("银行在盒子里。", group=7), text("银行在盒子外。")]
    page, blocks = on_page([heading("案例", 1), *boxed])
    assert [p.heading for p in blocks_to_passages(blocks, [page], "sha", names_no_bank)] == [
        ("案例", "背景"),
        ("案例",),
    ]


def test_running_lines_and_page_numbers_are_in_no_passage(pdf: Path):
    pdfs.one_column(pdf)
    for passage in pdfs.read(pdf).passages:
        assert pdfs.HEADER not in passage.text
        assert pdfs.FOOTER not in passage.text
        assert "—" not in passage.text
        assert passage.heading == (pdfs.TITLE,)


def test_table_rows_carry_their_headers_and_caption(pdf: Path):
    pdfs.table_over_break(pdf)
    rows = [passage for passage in pdfs.read(pdf).passages if passage.kind is Kind.TABLE]
    first = "\n".join(f"{name}：{cell}" for name, cell in zip(pdfs.TABLE_HEADER, pdfs.TABLE_ROWS[0], strict=True))
    assert rows[0].text == first
    assert {row.heading for row in rows} == {(pdfs.TITLE, "表1　五家银行的做法")}


def test_a_row_stands_on_its_own_page(pdf: Path):
    pdfs.table_over_break(pdf)
    [row] = [passage for passage in pdfs.read(pdf).passages if passage.text.startswith("银行：贵州农信")]
    assert row.pages == (2,)


def test_tiny_neighbours_join_with_their_headings_as_lines():
    page, blocks = on_page(
        [
            heading("策略", 1),
            heading("先做减法", 2),
            text("停掉空转的项目。"),
            heading("再做加法", 2),
            text("补上短板。"),
        ]
    )
    [passage] = blocks_to_passages(blocks, [page], "sha", names_no_bank)
    assert passage.heading == ("策略",)
    assert passage.text == "先做减法\n停掉空转的项目。\n再做加法\n补上短板。"


def test_headings_that_name_banks_keep_tiny_neighbours_apart():
    page, blocks = on_page(
        [heading("策略", 1), heading("青岛银行", 2), text("接口先行。"), heading("台州银行", 2), text("平板先行。")]
    )
    book = default_bank_book()
    passages = blocks_to_passages(blocks, [page], "sha", lambda words: bool(book.mentions(words)))
    assert [(p.heading, p.text) for p in passages] == [
        (("策略", "青岛银行"), "接口先行。"),
        (("策略", "台州银行"), "平板先行。"),
    ]


# Ids


def test_ids_are_the_same_in_two_runs_and_under_another_name(pdf: Path):
    pdfs.one_column(pdf)
    other = pdf.with_name("other.pdf")
    shutil.copy(pdf, other)
    ids = [passage.id for passage in pdfs.read(pdf).passages]
    assert ids == [passage.id for passage in pdfs.read(other).passages]
    assert len(set(ids)) == len(ids)


def test_ids_differ_between_documents_and_for_equal_text():
    page, blocks = on_page([heading("一", 1), text("同样的话。", 150), heading("二", 1), text("同样的话。", 150)])
    one = [passage.id for passage in blocks_to_passages(blocks, [page], "sha1", names_no_bank)]
    other = [passage.id for passage in blocks_to_passages(blocks, [page], "sha2", names_no_bank)]
    assert len({*one, *other}) == 4


# Properties


def names_no_bank(_: str) -> bool:
    return False


def heading(words: str, level: int, group: int = 0) -> Block:
    return Block(Kind.HEADING, (Piece(1, 0, len(words), words),), level, group)


def text(words: str, times: int = 1, group: int = 0) -> Block:
    words = words * (-(-times // len(words)))
    return Block(Kind.TEXT, (Piece(1, 0, len(words), words),), 0, group)


def on_page(blocks: list[Block]) -> tuple[Page, list[Block]]:
    """A page that holds these blocks, a line each, and the blocks with their places."""
    lines, placed, at = [], [], 0
    for block in blocks:
        words = block.text
        placed.append(Block(block.kind, (Piece(1, at, at + len(words), words),), block.level, block.group))
        lines.append(words)
        at += len(words) + 1
    return Page(1, 595, 842, "\n".join(lines), (), "test"), placed


def one_page(words: str) -> tuple[Page, list[Block]]:
    return on_page([text(words)])


sentence = st.builds(
    lambda words, times, end: words * times + end,
    st.text("银行数账", min_size=1, max_size=9),
    st.integers(1, 10),
    st.sampled_from("。！？；"),
)
paragraph = st.lists(sentence, min_size=1, max_size=12).map("".join)


@st.composite
def atoms(draw: st.DrawFn) -> Atom:
    """A paragraph as printed lines, with the blanks that Latin words need."""
    words = draw(st.lists(st.text("银行a1 。，；", min_size=1, max_size=40), min_size=1, max_size=40))
    at, parts = 0, []
    for line in words:
        parts.append((draw(st.sampled_from(["", " "])) if parts else "", Piece(1, at, at + len(line), line)))
        at += len(line) + 1
    return Atom(Kind.TEXT, tuple(parts))


def pieces_text(parts) -> str:
    return "".join(piece.text for _, piece in parts)


@given(atoms(), st.data())
def test_parts_between_lose_no_character(atom: Atom, data: st.DataObject):
    whole = "".join(joiner + piece.text for joiner, piece in atom.parts)
    cut = data.draw(st.integers(0, len(whole)))
    left, right = list(parts_between(atom, 0, cut)), list(parts_between(atom, cut, len(whole)))
    assert pieces_text(left) + pieces_text(right) == pieces_text(atom.parts)
    for _, piece in (*left, *right):
        [line] = [line for _, line in atom.parts if line.start <= piece.start and piece.end <= line.end]
        assert line.text[piece.start - line.start : piece.end - line.start] == piece.text


@given(atoms())
def test_cut_atoms_lose_no_character(atom: Atom):
    assert "".join(pieces_text(part.parts) for part in cut_atom(atom)) == pieces_text(atom.parts)


@given(st.lists(paragraph, min_size=1, max_size=10))
def test_passages_hold_all_text_once_and_in_order(paragraphs: list[str]):
    page, blocks = on_page([text(words) for words in paragraphs])
    passages = blocks_to_passages(blocks, [page], "sha", names_no_bank)
    assert squeeze("".join(passage.text for passage in passages)) == "".join(paragraphs)


@given(st.lists(paragraph, min_size=1, max_size=10))
def test_a_tiny_passage_has_no_neighbour_that_it_fits(paragraphs: list[str]):
    page, blocks = on_page([text(words) for words in paragraphs])
    lengths = [len(passage.text) for passage in blocks_to_passages(blocks, [page], "sha", names_no_bank)]
    for one, other in zip(lengths, lengths[1:], strict=False):
        assert min(one, other) >= 60 or one + other + 1 > MOST


def test_no_part_of_a_long_paragraph_is_too_long():
    page, blocks = one_page(pdfs.prose(5, 1500))
    lengths = [len(passage.text) for passage in blocks_to_passages(blocks, [page], "sha", names_no_bank)]
    assert max(lengths) <= MOST


def test_a_long_paragraph_is_cut_between_sentences():
    words = pdfs.prose(5, 1500)
    page, blocks = one_page(words)
    passages = blocks_to_passages(blocks, [page], "sha", names_no_bank)
    ends = {end for _, end in sentences(words)}
    at = 0
    for passage in passages:
        at += len(passage.text.replace("\n", ""))
        assert at in ends
        assert len(passage.text) >= LEAST
    assert at == len(words)


# The sample reports


def recurring_lines(read: Read) -> set[str]:
    """Short lines that stand on most pages: running headers and footers, whatever the code takes them for."""
    count = len(read.pages)
    lines = [line for page in read.pages for line in set(page.text.splitlines()) if len(line) > 4]
    return {line for line in lines if lines.count(line) > count / 2}


@pytest.mark.parametrize("name", SAMPLES)
def test_no_passage_of_the_samples_holds_a_running_line(name: str):
    read = pdfs.corpus()[name]
    running = recurring_lines(read)
    assert running, "each sample has a running line"
    for passage in read.passages:
        assert not any(line in passage.text or line in passage.heading for line in running), passage
        assert not re.search(r"(?m)^[—\s]*\d{1,2}[—\s]*$", passage.text), passage


def quads(words: str) -> set[str]:
    words = squeeze(words)
    return {words[at : at + 4] for at in range(len(words) - 3)}


def best_share(quote: str, page: int, passages: tuple[Passage, ...]) -> float:
    """The share of the quote's sequences of four that the best passage on its page has."""
    wanted = quads(quote)
    return max((len(wanted & quads(p.text)) / len(wanted) for p in passages if page in p.pages), default=0.0)


def gold_quotes() -> list[tuple[str, int, str]]:
    lines = (CORPUS / "gold.jsonl").read_text(encoding="utf-8").splitlines()
    return [(a["file"], a["page"], a["quote"]) for line in lines for a in json.loads(line)["answers"]]


LOST_LABEL = ("survey2023.pdf", 2, "77.5%科技投入超过营业收入的2%")


def test_gold_quotes_are_inside_one_passage_of_their_page():
    quotes = gold_quotes()
    assert len(quotes) == 205
    lost = [q for q in quotes if best_share(q[2], q[1], pdfs.corpus()[q[0]].passages) < 0.6]
    assert [quote for quote in lost if quote != LOST_LABEL] == []


def test_the_label_under_a_large_figure_is_kept():
    file, page, quote = LOST_LABEL
    assert best_share(quote, page, pdfs.corpus()[file].passages) >= 0.6


def test_a_heading_right_under_one_of_its_level_stands_below_it():
    def block(kind: Kind, text: str, level: int = 0) -> Block:
        return Block(kind, (Piece(1, 0, len(text), text),), level)

    blocks = [
        block(Kind.HEADING, "甲银行的数字化转型", 2),
        block(Kind.HEADING, "具体举措", 2),
        block(Kind.TEXT, "甲银行的做法。" * 20),
        block(Kind.HEADING, "乙银行的数字化转型", 2),
        block(Kind.HEADING, "具体举措", 2),
        block(Kind.TEXT, "乙银行的做法。" * 20),
    ]
    page = Page(1, 500, 800, "x" * 200, (), "test")
    paths = [passage.heading for passage in blocks_to_passages(blocks, [page], "0", lambda text: "银行" in text)]
    assert paths == [("甲银行的数字化转型", "具体举措"), ("乙银行的数字化转型", "具体举措")]
