"""Text, Markdown and Word files: strict decoding, sections, headings, lists, tables; spans in the text as read."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import pdfs
import pytest
from docx.document import Document as WordDocument
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from hypothesis import given
from hypothesis import strategies as st

from kb.errors import UnreadableFile
from kb.read import docx as word
from kb.read.docx import read_docx
from kb.read.sections import Written
from kb.read.text import read_text
from kb.records import Block, Kind, Passage
from kb.segment import blocks_to_passages

PROSE = pdfs.prose(1, 200)


def written(path: Path, text: str | bytes, name: str = "a.txt") -> Written:
    """A text file of this content, read."""
    content = text.encode() if isinstance(text, str) else text
    (path / name).write_bytes(content)
    return read_text(path / name)


def cut(found: Written) -> list[Passage]:
    """The passages of a text, each checked against the sections that its spans point into."""
    passages = blocks_to_passages(found.blocks, found.pages, "0" * 64, lambda text: "银行" in text)
    pdfs.check_spans(passages, found.pages)
    return passages


def kinds(found: Written) -> list[tuple[Kind, str]]:
    return [(block.kind, block.text) for block in found.blocks]


def headings(found: Written) -> list[tuple[int, str]]:
    return [(block.level, block.text) for block in found.blocks if block.kind is Kind.HEADING]


def rows(found: Written) -> list[dict[str, str]]:
    """The rows of all tables, by the names of their columns."""
    return [row(block) for block in found.blocks if block.kind is Kind.TABLE]


def row(block: Block) -> dict[str, str]:
    return {
        "".join(piece.text for piece in name): "".join(piece.text for piece in cell)
        for name, cell in block.cells
    }  # fmt: skip


# bytes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_three_encodings_and_three_line_ends_give_one_text(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"一、总体情况\n\n{PROSE}\n镕 㐀 𠀀"
    found = written(tmp_path, text.replace("\n", end).encode(encoding))
    assert found.pages[0].text == text
    assert cut(found)[0].text == f"{PROSE}\n镕 㐀 𠀀"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("好".encode() * 5 + b"\xff" + "的".encode(), "byte 15 is 0xff"),
        (b"\xef\xbb\xbfabc\xfe", "byte 6 is 0xfe"),
        ("中文".encode("gb18030") + b"\x80", "byte 4 is 0x80"),
        (b"PK\x03\x04\x00\x00", "byte 4 is NUL"),
        ("中文, a".encode("utf-16"), "byte"),
    ],
)
def test_a_byte_that_is_no_text_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(UnreadableFile, match=rf"a\.txt: .*{told}"):
        written(tmp_path, content)


def test_a_text_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.read.text.MAX_BYTES", 100)
    with pytest.raises(UnreadableFile, match="over the limit"):
        written(tmp_path, PROSE)


@given(st.text(st.sampled_from("银行一二12.、（）第章|-#*`>\t\n 。，：$[]x\\<b>")))
def test_no_text_breaks_the_readers(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    for name in ("a.txt", "a.md"):
        found = written(tmp_path_factory.getbasetemp(), text, name)
        cut(found)
        assert all(page.text == text or page.text in text for page in found.pages)


# plain text


def test_headings_are_known_by_their_numbering(tmp_path: Path) -> None:
    lines = ["第一章 转型", PROSE, "一、压力", PROSE, "（一）息差", PROSE, "1.1 存款", PROSE, "第二章 办法", PROSE]
    found = written(tmp_path, "\n\n".join(lines))
    assert headings(found) == [
        (1, "第一章 转型"),
        (2, "一、压力"),
        (3, "（一）息差"),
        (4, "1.1 存款"),
        (1, "第二章 办法"),
    ]
    assert cut(found)[3].heading == ("第一章 转型", "一、压力", "（一）息差", "1.1 存款")


@pytest.mark.parametrize(
    "line",
    [
        "一、两家银行都在做，而且做得不错。",
        "70.5%的银行已经开始",
        "12.5亿元",
        "1. 停掉空转的项目",
        "1.1 存款" + "很长" * 30,
    ],
)
def test_a_sentence_a_figure_or_a_point_is_no_heading(tmp_path: Path, line: str) -> None:
    assert headings(written(tmp_path, f"{PROSE}\n\n{line}\n\n{PROSE}")) == []


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_lines_broken_by_hand_are_joined(tmp_path: Path, between: str) -> None:
    paragraphs = [pdfs.prose(seed, 210) for seed in range(4)]
    lines = ["    " + text for text in paragraphs]
    broken = [line[at : at + 36] for line in lines for at in range(0, len(line), 36)]
    found = written(tmp_path, between.join(broken))
    assert [block.text for block in found.blocks] == paragraphs


def test_long_lines_are_paragraphs_of_their_own(tmp_path: Path) -> None:
    paragraphs = [pdfs.prose(seed, 150).rstrip("。") for seed in range(4)]
    assert [block.text for block in written(tmp_path, "\n".join(paragraphs)).blocks] == paragraphs


def test_points_captions_contents_and_running_lines(tmp_path: Path) -> None:
    text = f"第一章 转型........3\n\n• 先做减法\n\n图1 各地网点\n\n{PROSE}\n"
    text += "".join(f"\n{pdfs.prose(number, 100)}\n\n{number}\n\n小银行观察\n" for number in range(1, 5))
    found = kinds(written(tmp_path, text))
    assert found[:4] == [
        (Kind.CONTENTS, "第一章 转型........3"),
        (Kind.LIST, "• 先做减法"),
        (Kind.CAPTION, "图1 各地网点"),
        (Kind.TEXT, PROSE),
    ]
    assert not any("小银行观察" in text or text.isdigit() for _, text in found)


def test_a_signed_quotation_is_one_block(tmp_path: Path) -> None:
    found = written(tmp_path, f"{PROSE}\n\n数字化应该千行千面。\n\n——某银行副行长 李某\n\n{PROSE}")
    assert (Kind.QUOTE, "数字化应该千行千面。——某银行副行长 李某") in kinds(found)


def test_lines_with_tabs_are_a_table(tmp_path: Path) -> None:
    found = written(tmp_path, f"\t{PROSE}\n\n银行\t举措\n青岛银行\t把账户和支付做成接口\n台州银行\t\n\t平板\n\n{PROSE}")
    assert [list(one.values()) for one in rows(found)] == [
        ["青岛银行", "把账户和支付做成接口"],
        ["台州银行", ""],
        ["", "平板"],
    ]
    assert [block.text for block in found.blocks if block.kind is Kind.TEXT] == [PROSE, PROSE]
    assert any("银行：青岛银行\n举措：把账户和支付做成接口" in passage.text for passage in cut(found))
    contents = written(tmp_path, "1.1 背景\t1\n1.2 措施\t3\n1.3 效果\t8\n\n" + PROSE)
    assert [block.kind for block in contents.blocks] == [Kind.CONTENTS] * 3 + [Kind.TEXT]


# sections


def test_sections_begin_at_the_two_outer_levels_of_headings(tmp_path: Path) -> None:
    text = f"前言在先。\n\n第一章 转型\n\n一、压力\n\n{PROSE}\n\n（一）息差\n\n{PROSE}\n\n二、办法\n\n{PROSE}"
    found = written(tmp_path, text)
    assert [(page.number, page.label) for page in found.pages] == [(1, None), (2, "一、压力"), (3, "二、办法")]
    assert found.pages[1].text.startswith("第一章 转型\n\n一、压力")
    assert {passage.pages for passage in cut(found)} == {(1,), (2,), (3,)}


def test_without_headings_sections_end_with_paragraphs_after_some_length(tmp_path: Path) -> None:
    paragraphs = [pdfs.prose(seed, 400) for seed in range(12)]
    found = written(tmp_path, "\n\n".join(paragraphs))
    assert len(found.pages) == 3
    assert all(2000 <= len(page.text) < 2600 and page.text.endswith("。") for page in found.pages[:-1])
    assert "\n\n".join(page.text for page in found.pages) == "\n\n".join(paragraphs)
    cut(found)


def test_a_long_title_is_shortened_in_the_label(tmp_path: Path) -> None:
    title = "第一章 " + "很长的标题" * 7
    assert written(tmp_path, f"{title}\n\n{PROSE}").pages[0].label == title[:29] + "…"


# Markdown

MARKDOWN = f"""# 小银行报告

某某联盟出品

## 一、背景

{PROSE[:60]}
{PROSE[60:]}

第一点**很重要**，见[年报](https://example.org/a)与`接口`。

- 先做减法
- 再做加法
  接着说

1. 甲
2. 乙

> 数字化应该千行千面。

| 银行 | **举措** |
|------|:---:|
| 青岛银行 | 把账户\\|支付<br>做成接口 |
| 台州银行 |  |

## 二、措施

```
原样的行
```

一、这一行不是标题
"""


@pytest.mark.parametrize("name", ["a.md", "a.txt"])
def test_markdown_is_read_as_it_is_marked(tmp_path: Path, name: str) -> None:
    found = written(tmp_path, MARKDOWN, name)
    assert headings(found) == [(1, "小银行报告"), (2, "一、背景"), (2, "二、措施")]
    assert kinds(found)[3:9] == [
        (Kind.TEXT, PROSE),
        (Kind.TEXT, "第一点很重要，见年报与接口。"),
        (Kind.LIST, "先做减法"),
        (Kind.LIST, "再做加法接着说"),
        (Kind.LIST, "1. 甲"),
        (Kind.LIST, "2. 乙"),
    ]
    assert (Kind.QUOTE, "数字化应该千行千面。") in kinds(found)
    assert rows(found) == [{"银行": "青岛银行", "举措": "把账户|支付做成接口"}, {"银行": "台州银行", "举措": ""}]
    assert kinds(found)[-2:] == [(Kind.TEXT, "原样的行"), (Kind.LIST, "一、这一行不是标题")]
    assert (found.opening, found.pages[0].reader) == ("小银行报告", "markdown")
    assert [page.label for page in found.pages] == ["小银行报告", "一、背景", "二、措施"]
    assert any(PROSE in passage.text for passage in cut(found))


def test_the_text_of_a_section_is_stored_as_read(tmp_path: Path) -> None:
    found = written(tmp_path, MARKDOWN, "a.md")
    assert "\n\n".join(page.text for page in found.pages) == MARKDOWN.rstrip()
    lines = [page.text[line.start : line.end] for page in found.pages for line in page.lines]
    assert lines == [line for line in MARKDOWN.split("\n") if line]


def test_markdown_without_marked_headings_has_numbered_ones(tmp_path: Path) -> None:
    found = written(tmp_path, f"一、背景\n\n{PROSE}\n\n（一）压力\n\n{PROSE}", "a.md")
    assert headings(found) == [(1, "一、背景"), (2, "（一）压力")]


# what must not vanish, or pass


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("文 A<B 且 C>D，利率<5% 与 x>3", "文 A<B 且 C>D，利率<5% 与 x>3"),
        ("见 <https://example.org/a> 与 <b class='x' hidden>此</b>处<br/>", "见 <https://example.org/a> 与 此处"),
        ("`a ** b` 与 ``c ` d`` 与 `List<T>` 与 **粗**的", "a ** b 与 c ` d 与 List<T> 与 粗的"),
        ("2 ** 3，甲____乙，a__b，__强__", "2 ** 3，甲____乙，a__b，强"),
    ],
)
def test_only_what_markdown_takes_for_a_mark_is_left_out(tmp_path: Path, line: str, words: str) -> None:
    found = written(tmp_path, f"{line}\n\n| 列 | 值 |\n|---|---|\n| 甲 | {line} |\n", "a.md")
    assert kinds(found)[0] == (Kind.TEXT, words)
    assert rows(found) == [{"列": "甲", "值": words}]


def test_a_fence_that_nothing_follows_is_read(tmp_path: Path) -> None:
    assert [block.text for block in written(tmp_path, "银行\n\n~~~", "a.md").blocks] == ["银行"]


def test_a_fence_keeps_its_text(tmp_path: Path) -> None:
    found = written(tmp_path, "```\nList<T> a ** b\n`x` [甲](b)\n```\n\n    <b> **c**\n", "a.md")
    assert [[piece.text for piece in block.pieces] for block in found.blocks] == [
        ["List<T> a ** b", "`x` [甲](b)"],
        ["<b> **c**"],
    ]


def test_footnotes_and_addresses_of_links_are_text(tmp_path: Path) -> None:
    found = written(tmp_path, f"{PROSE}[^1]\n\n[^1]: 脚注的内容在此。\n\n[年报]: https://example.org/a\n", "a.md")
    assert [text for _, text in kinds(found)[1:]] == ["[^1]: 脚注的内容在此。", "[年报]: https://example.org/a"]
    assert any("脚注的内容在此。" in passage.text for passage in cut(found))


def test_front_matter_is_no_heading_and_no_title(tmp_path: Path) -> None:
    front = "---\ntitle: 某标题\ntags:\n  - 银行\n---\n"
    found = written(tmp_path, f"{front}\n# 小银行报告\n\n{PROSE}\n", "a.md")
    assert headings(found) == [(1, "小银行报告")]
    assert (found.opening, found.pages[0].text[: len(front)]) == ("小银行报告", front)
    assert all("某标题" not in passage.text for passage in cut(found))
    ruled = written(tmp_path, f"---\n\n{PROSE}\n\n---\n\n# 小银行报告\n", "a.md")
    assert kinds(ruled)[0] == (Kind.TEXT, PROSE)


@given(st.text(st.sampled_from("银行一2.、（）#*_>\t\n 。，：[]x\\<=~-"), max_size=60))
def test_no_word_of_markdown_vanishes(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    found = written(tmp_path_factory.getbasetemp(), text, "a.md")
    words = "".join(block.text for block in found.blocks)
    words += "".join(piece.text for block in found.blocks for pair in block.cells for part in pair for piece in part)
    assert all(words.count(char) >= text.count(char) for char in "银行一。")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["近年来中小银行积极推进数字化转型取得了显著成效", "报告", "中小银行。转型。", PROSE])
def test_chinese_in_utf_16_without_a_mark_is_no_gb18030(tmp_path: Path, encoding: str, text: str) -> None:
    with pytest.raises(UnreadableFile, match="save it as UTF-8"):
        written(tmp_path, text.encode(encoding))


def test_what_gb18030_makes_of_other_bytes_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.txt: looks like no text in UTF-8 or GB18030; save it as UTF-8"):
        written(tmp_path, "报告".encode("utf-16-le"))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_control_character_is_named_with_its_place(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(UnreadableFile, match=r"character 3 of line 2 is the control character U\+001B"):
        written(tmp_path, f"{PROSE}\r\n银行\x1b转型".encode(encoding))
    assert written(tmp_path, f"{PROSE}\t\f\v{PROSE}".encode(encoding)).blocks


def test_figures_that_do_not_count_on_stay(tmp_path: Path) -> None:
    figures = "营业收入\n100\n营业收入\n200\n营业收入\n300"
    assert "".join(text for _, text in kinds(written(tmp_path, figures))) == figures.replace("\n", "")
    years = "2019\n成立\n2020\n上市\n2021\n转型"
    assert "".join(text for _, text in kinds(written(tmp_path, years))) == years.replace("\n", "")
    few = "营业收入\n1\n营业收入\n2\n营业收入\n3"
    assert "".join(text for _, text in kinds(written(tmp_path, few))) == "营业收入" * 3


def test_the_numbers_of_pages_count_on_among_figures(tmp_path: Path) -> None:
    text = "".join(
        f"小银行观察\n\n{pdfs.prose(at, 100)}\n\n{at * 70}\n\n某段{at}。\n\n- {at} -\n\n" for at in range(7, 11)
    )
    found = [text for _, text in kinds(written(tmp_path, text))]
    assert [text for text in found if len(text) < 20] == [
        *("小银行观察", "490", "某段7。", "560", "某段8。", "630", "某段9。", "700", "某段10。")
    ]


@pytest.mark.parametrize("first", ["第一章 总则", "一、总则", "1. 总则"])
def test_a_numbered_heading_is_no_title(tmp_path: Path, first: str) -> None:
    assert written(tmp_path, f"{first}\n\n本办法适用于全行。\n").opening == ""
    assert written(tmp_path, f"# {first}\n\n本办法适用于全行。\n", "a.md").opening == ""
    assert written(tmp_path, f"小银行办法\n\n{first}\n\n{PROSE}").opening == "小银行办法"


# Word


@pytest.fixture
def save(tmp_path: Path) -> Callable[[WordDocument], Written]:
    """Saves a Word document and reads it."""

    def save_and_read(document: WordDocument) -> Written:
        document.save(str(tmp_path / "a.docx"))
        return read_docx(tmp_path / "a.docx")

    return save_and_read


def fill(table: object, cells: list[list[str]]) -> None:
    """Write a table of python-docx."""
    for at, line in enumerate(cells):
        for column, words in enumerate(line):
            table.cell(at, column).text = words


def test_word_headings_lists_quotes_and_paragraphs(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = "小银行报告", "某某联盟"
    document.add_paragraph("小银行报告", style="Title")
    document.add_heading("一、背景", 1)
    document.add_paragraph(PROSE)
    document.add_heading("压力", 2)
    document.add_paragraph("先做减法", style="List Bullet")
    document.add_paragraph("千行千面", style="Quote")
    document.add_paragraph("一、没有样式的一行")
    paragraph = document.add_paragraph("第一行")
    paragraph.add_run().add_break()
    paragraph.add_run("第二行")
    found = save(document)
    assert headings(found) == [(1, "一、背景"), (2, "压力")]
    assert kinds(found)[2] == (Kind.TEXT, PROSE)
    assert kinds(found)[4:] == [
        (Kind.LIST, "先做减法"),
        (Kind.QUOTE, "千行千面"),
        (Kind.LIST, "一、没有样式的一行"),
        (Kind.TEXT, "第一行第二行"),
    ]
    assert (found.title, found.author, found.opening) == ("小银行报告", "某某联盟", "小银行报告")
    assert [page.label for page in found.pages] == ["一、背景", "压力"]
    assert found.pages[0].reader == f"docx {docx.__version__}"
    cut(found)


def test_word_without_heading_styles_has_numbered_headings(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    for words in ("第一章 背景", PROSE, "一、压力", PROSE):
        document.add_paragraph(words)
    assert headings(save(document)) == [(1, "第一章 背景"), (2, "一、压力")]


def test_a_style_made_by_hand_is_what_it_is_based_on(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    style = document.styles.add_style("本行标题", docx.enum.style.WD_STYLE_TYPE.PARAGRAPH)
    style.base_style = document.styles["Heading 2"]
    document.add_paragraph("压力", style="本行标题")
    outlined = document.add_paragraph("办法")
    level = OxmlElement("w:outlineLvl")
    level.set(qn("w:val"), "0")
    outlined._p.get_or_add_pPr().append(level)
    assert headings(save(document)) == [(2, "压力"), (1, "办法")]


def test_word_tables_stand_in_their_order_with_merged_cells(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    document.add_paragraph("在表之前。" + PROSE)
    table = document.add_table(rows=4, cols=3)
    fill(
        table,
        [["银行", "举措", "成效"], ["青岛银行", "接口", "翻番"], ["", "上门", "提高"], ["台州银行", "平板", "都好"]],
    )
    table.cell(1, 0).merge(table.cell(2, 0))
    document.add_paragraph("在表之后。" + PROSE)
    found = save(document)
    assert [block.kind for block in found.blocks] == [Kind.TEXT, *[Kind.TABLE] * 3, Kind.TEXT]
    assert [list(one.values()) for one in rows(found)] == [
        ["青岛银行", "接口", "翻番"],
        ["青岛银行", "上门", "提高"],
        ["台州银行", "平板", "都好"],
    ]
    assert found.pages[0].text.count("青岛银行") == 1
    assert any("银行：青岛银行\n举措：上门\n成效：提高" in passage.text for passage in cut(found))


def test_cells_merged_across_name_each_of_their_columns(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    table = document.add_table(rows=4, cols=3)
    fill(table, [["银行", "金额", ""], ["", "今年", "去年"], ["甲行", "10", "8"], ["合计", "30", ""]])
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(3, 1).merge(table.cell(3, 2))
    for line in table.rows[:2]:
        line._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    assert rows(save(document)) == [
        {"银行": "甲行", "金额今年": "10", "金额去年": "8"},
        {"银行": "合计", "金额今年": "30", "金额去年": ""},
    ]


def test_a_box_of_one_column_holds_paragraphs(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    box = document.add_table(rows=1, cols=1).cell(0, 0)
    box.text = "案例"
    box.add_paragraph(PROSE)
    assert kinds(save(document)) == [(Kind.TEXT, "案例"), (Kind.TEXT, PROSE)]


def test_deleted_words_are_gone_and_inserted_ones_are_there(save: Callable[[WordDocument], Written]) -> None:
    document = docx.Document()
    paragraph = document.add_paragraph("留下")
    for tag, words in (("w:del", "删去"), ("w:ins", "加上")):
        change = OxmlElement(tag)
        change.append(paragraph.add_run(words)._r)
        paragraph._p.append(change)
    assert kinds(save(document)) == [(Kind.TEXT, "留下加上")]


def test_a_file_that_is_no_word_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.docx"
    path.write_text("words")
    with pytest.raises(UnreadableFile, match=r"a\.docx: not a Word file"):
        read_docx(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with pytest.raises(UnreadableFile, match="password"):
        read_docx(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sheet.xml", "<a/>")
    with pytest.raises(UnreadableFile, match=r"word/document\.xml"):
        read_docx(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<a>")
    with pytest.raises(UnreadableFile, match="broken Word file"):
        read_docx(path)
    docx.Document().save(str(path))
    monkeypatch.setattr(word, "MAX_UNPACKED", 1 << 10)
    with pytest.raises(UnreadableFile, match="unpacks to"):
        read_docx(path)
