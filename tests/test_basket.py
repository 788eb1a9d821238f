"""The quote basket: what may be quoted, numbering, and each format read again by a program of others."""

import csv
import io
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import docx
import pypdfium2
import pytest
import rispy
from fastapi.testclient import TestClient
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin
from pybtex.database import parse_string

from api.app import create_app
from kb.banks import default_bank_book
from kb.basket.collect import Basket, Quote, Wanted, collect, parse_wanted, sources
from kb.basket.formats import FORMATS, format_of
from kb.catalogue import STORE_FILE
from kb.errors import BadInput, NotFound, QuoteNotFound
from kb.records import Citation, Document, Field, Kind, Passage, Place, Tag
from kb.search import Library
from kb.settings import Settings
from kb.store import Store, StoredPassage
from tests.conftest import run_kb
from tests.test_references import document

TODAY = date(2024, 5, 6)
HOSTILE = '=cmd|"/c"!A1 *b* _i_ <b>x</b> [a](http://e.example) `c` &amp; ![i](x) $y$ ~~z~~ \\ \x00\x07\ufffe| 报告'


@pytest.fixture(scope="module")
def passages(library: Library) -> list[StoredPassage]:
    """Passages of the sample corpus, those of one report beside each other."""
    return list(library.store.live_passages())


@pytest.fixture(scope="module")
def of_one(passages: list[StoredPassage]) -> list[StoredPassage]:
    """Two passages of the survey, the second after one of another report."""
    survey = [stored for stored in passages if stored.document.file == "survey2023.pdf"]
    other = next(stored for stored in passages if stored.document.file == "rural2020.pdf")
    return [survey[3], other, survey[9]]


def gather(library: Library, *wanted: Wanted) -> Basket:
    """The basket of what is wanted from the sample corpus."""
    return collect(library.store, wanted, library.catalogue.book, TODAY)


def made(*texts: str, note: str = "", status: str = "live", **about: object) -> Basket:
    """A basket of quotes of one made-up report, as no index need have it."""
    known = document(status=status, **about)
    return basket_of(*(a_quote(number, text, note, known) for number, text in enumerate(texts, 1)))


def a_quote(page: int, text: str = "甲", note: str = "", of: Document | None = None, label: str | None = None) -> Quote:
    """A quote on a page of a made-up report, which bears its own number where no label is given."""
    place = Place(page, str(page) if label is None else label, 0, 1, ())
    tags = Tag(Field.BANK, "青岛银行"), Tag(Field.DIMENSION, "组织")
    passage = Passage(f"p{page}", Kind.TEXT, (), text, (), tags)
    return Quote(Citation(passage.id, text, of or document(), (place,)), passage, note)


def basket_of(*quotes: Quote) -> Basket:
    """The basket of quotes."""
    return Basket(quotes, tuple(sources(quotes, default_bank_book(), TODAY)))


def written(basket: Basket, format: str) -> str:
    """A basket in a format of text."""
    return FORMATS[format].write(basket, TODAY).decode()


# what may be quoted


def test_a_whole_passage_or_a_part_is_quoted(library: Library, passages: list[StoredPassage]) -> None:
    stored = next(each for each in passages if len(each.passage.text) > 60)
    text = stored.passage.text
    whole, part, words = gather(
        library,
        Wanted(stored.passage.id),
        Wanted(stored.passage.id, 3, 20),
        Wanted(stored.passage.id, quote=f" {text[10:20]}\n{text[20:40]} ", note=" 好 "),
    ).quotes
    assert whole.citation.quote == text.strip()
    assert part.citation.quote == text[3:20].strip()
    assert (words.citation.quote, words.note) == (text[10:40].strip(), "好")
    assert set(part.citation.pages) <= set(whole.citation.pages)


def test_words_that_do_not_stand_in_the_passage_are_refused(library: Library, passages: list[StoredPassage]) -> None:
    passage = passages[0].passage
    with pytest.raises(BadInput, match=f"{passage.id}: '没有这样的话' does not stand in it"):
        gather(library, Wanted(passage.id, quote="没有这样的话"))
    changed = passage.text[:9] + "改" + passage.text[10:20]
    with pytest.raises(BadInput):
        gather(library, Wanted(passage.id, quote=changed))


@pytest.mark.parametrize(("start", "end"), [(0, 10**6), (5, 5), (9, 3)])
def test_a_part_that_there_is_not(library: Library, passages: list[StoredPassage], start: int, end: int) -> None:
    with pytest.raises(BadInput, match=f"{start}-{end} is no part of its {len(passages[0].passage.text)} characters"):
        gather(library, Wanted(passages[0].passage.id, start, end))


def test_all_that_is_wrong_is_told_at_once(library: Library, passages: list[StoredPassage]) -> None:
    good = passages[0].passage.id
    with pytest.raises(NotFound, match="'nope1'.*; .*'nope2'"):
        gather(library, Wanted("nope1"), Wanted(good), Wanted("nope2"), Wanted("nope1"))
    with pytest.raises(BadInput, match=f"'nope'.*; passage {good}: 7-2 is no part"):
        gather(library, Wanted("nope"), Wanted(good, 7, 2))


def test_a_quote_that_its_page_does_not_have_is_not_written(copied_settings: Settings) -> None:
    file = copied_settings.index / STORE_FILE
    with Store.open(file) as opened:
        passage = next(opened.live_passages()).passage
    with sqlite3.connect(file) as db:
        db.execute("update pages set text = replace(text, ?, '改改')", (passage.text[2:4],))
    db.close()
    with Store.open(file) as opened, pytest.raises(QuoteNotFound, match=passage.id):
        collect(opened, [Wanted(passage.id)], default_bank_book(), TODAY)


def test_ids_with_parts_are_read() -> None:
    assert parse_wanted(["abc", "abc:0-12"]) == [Wanted("abc"), Wanted("abc", 0, 12)]
    with pytest.raises(BadInput, match="'abc:3', ':1-2', 'a:-1-2': give ID, or ID:START-END"):
        parse_wanted(["abc:3", "ok", ":1-2", "a:-1-2"])


def test_the_same_quote_twice_is_one(library: Library, passages: list[StoredPassage]) -> None:
    passage = passages[0].passage
    basket = gather(library, Wanted(passage.id), Wanted(passage.id), Wanted(passage.id, 0, len(passage.text)))
    assert len(basket.quotes) == 1
    assert len(gather(library, Wanted(passage.id), Wanted(passage.id, 0, 9)).quotes) == 2


# numbering


def test_a_report_is_one_entry_and_pages_go_with_its_marks(library: Library, of_one: list[StoredPassage]) -> None:
    basket = gather(library, *(Wanted(stored.passage.id) for stored in of_one))
    survey, rural = basket.sources
    pages = [
        "-".join(map(str, sorted({quote.citation.labels[0], quote.citation.labels[-1]}, key=int)))
        for quote in basket.quotes
    ]
    assert [basket.mark(quote) for quote in basket.quotes] == [f"[1]{pages[0]}", "[2]", f"[1]{pages[2]}"]
    assert survey.reference.endswith(", 2023.") and rural.reference.endswith(f", 2020: {pages[1]}.")
    text = written(basket, "gbt7714")
    assert text.splitlines()[:2] == [survey.reference, rural.reference]
    assert f"[1]{pages[2]}  “" in text and "[2]  “" not in text
    assert written(basket, "gbt7714").count("[R]") == 2


def test_one_quote_has_its_pages_in_the_entry(library: Library, of_one: list[StoredPassage]) -> None:
    text = written(gather(library, Wanted(of_one[0].passage.id)), "gbt7714")
    assert re.fullmatch(
        r"\[1\] 普惠数字金融样例调研组\. .*\[R\]\. \[S\.l\.\]: 普惠数字金融样例调研组, 2023: \d+(-\d+)?\.\n", text
    )


def test_where_a_quote_is_found_again() -> None:
    assert where(made("甲", "乙")) == ["a.pdf 文件第 1 页；段 p1", "a.pdf 文件第 2 页；段 p2"]
    assert where(basket_of(a_quote(7, label=""))) == ["a.pdf 文件第 7 页，页上无页码；段 p7"]
    assert where(made("甲", status="superseded")) == ["a.pdf 文件第 1 页；段 p1；该报告已有新版，引文出自旧版"]
    assert where(made("甲", unit="section")) == ["a.pdf 文件第 1 节；段 p1"]


def where(basket: Basket) -> list[str]:
    """Where each quote of a basket is found again."""
    return [basket.where(quote) for quote in basket.quotes]


def test_pages_of_one_report_are_of_one_kind_and_those_of_the_file_are_said_to_be() -> None:
    basket = basket_of(a_quote(12, "甲", label="5"), a_quote(20, "乙", label=""))
    assert [basket.mark(quote) for quote in basket.quotes] == ["[1]12", "[1]20"]
    assert "  pages = {12, 20},\n" in written(basket, "bibtex")
    assert where(basket) == ["a.pdf 文件第 12 页，页上印 5；段 p12", "a.pdf 文件第 20 页，页上无页码；段 p20"]
    assert written(basket, "gbt7714").splitlines()[1:] == [
        "",
        "正文标注：",
        "[1]12  “甲”（段 p12；页码为文件页，页上印 5）",
        "[1]20  “乙”（段 p20；页码为文件页，页上无页码）",
    ]
    assert written(basket, "footnote").splitlines() == [
        "《数字化报告》，2023年，文件第12页。", "《数字化报告》，2023年，文件第20页。"
    ]  # fmt: skip
    twice = basket_of(a_quote(12, label="5"), a_quote(13, label="5"))
    assert [source.pages.text for source in twice.sources] == ["12-13"]
    alone = written(basket_of(a_quote(7, label="")), "gbt7714")
    assert alone.splitlines()[0].endswith(", 2023: 7.") and "[1]  “甲”（段 p7；页码为文件页，页上无页码）" in alone


def test_files_with_the_same_reference_are_one_report() -> None:
    versions = document(id="new"), document(id="old", status="superseded"), document(id="copy")
    other = document(id="other", title="另一报告")
    basket = basket_of(*(a_quote(page, of=each) for page, each in enumerate((*versions[:2], other, versions[2]), 3)))
    assert [source.reference for source in basket.sources] == [
        "[1] 数字化报告[R]. [S.l.: s.n.], 2023.", "[2] 另一报告[R]. [S.l.: s.n.], 2023: 5."
    ]  # fmt: skip
    assert [basket.mark(quote) for quote in basket.quotes] == ["[1]3", "[1]4", "[2]", "[1]6"]
    assert [entry["id"] for entry in rispy.loads(written(basket, "ris"))] == ["kbnew", "kbother"]
    assert rispy.loads(written(basket, "ris"))[0]["start_page"] == "3-4, 6"
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].write(basket, TODAY).decode("utf-8-sig"))))
    assert [row["superseded"] for row in rows] == ["", "yes", "", ""]


@pytest.mark.parametrize("format", ["md", "gbt7714", "footnote"])
def test_a_newer_version_is_told(format: str) -> None:
    assert "该报告已有新版，引文出自旧版" in written(made("甲", status="superseded"), format)
    assert "新版" not in written(made("甲"), format)


def test_a_table_row_is_said_to_be_arranged() -> None:
    plain = a_quote(3, "银行：青岛银行 / 做法：分级认证")
    row = basket_of(replace(plain, passage=replace(plain.passage, kind=Kind.TABLE)))
    assert "据表格行整理" not in written(basket_of(plain), "md")
    assert "> ——青岛银行 · 组织 · 据表格行整理 \\[1\\]" in written(row, "md")
    assert written(row, "footnote") == "《数字化报告》，2023年，第3页。（据表格行整理）\n"
    texts = [paragraph.text for paragraph in docx.Document(io.BytesIO(FORMATS["docx"].write(row, TODAY))).paragraphs]
    assert "——青岛银行 · 组织 · 据表格行整理[1]" in texts


# formats


def test_a_file_name_tells_the_format() -> None:
    found = {name: format_of(Path(f"a{format.suffix.upper()}")) for name, format in FORMATS.items()}
    assert found == {name: name for name in FORMATS} | {"gbt7714": "txt", "footnote": "txt"}
    with pytest.raises(BadInput, match=r"x\.pdf: no format has files like this; name it \.md, \.docx"):
        format_of(Path("x.pdf"))


def test_a_file_is_not_named_for_another_format() -> None:
    with pytest.raises(BadInput, match=r"-o x\.csv: docx goes into \.docx; name it so, or leave --format out"):
        format_of(Path("x.csv"), "docx")
    assert format_of(Path("x.txt"), "footnote") == "footnote"
    assert format_of(Path("references"), "gbt7714") == "gbt7714"


def test_markdown_is_read_again(library: Library, of_one: list[StoredPassage]) -> None:
    basket = gather(library, *(Wanted(stored.passage.id, note="按语") for stored in of_one))
    html = MarkdownIt().use(footnote_plugin).render(written(basket, "md"))
    quoted = re.findall(r"<blockquote>\n<p>(.*?)<sup", html, re.DOTALL)
    assert [shown(quote) for quote in quoted] == ["".join(quote.citation.quote.split()) for quote in basket.quotes]
    notes = re.findall(r'<li id="fn\d+" class="footnote-item"><p>(.*?) <a', html)
    assert len(notes) == 3
    assert all(
        shown(note).startswith("".join(basket.footnote(quote).split()))
        for note, quote in zip(notes, basket.quotes, strict=True)
    )
    assert html.count("按：按语") == 3
    assert "<p>" + basket.sources[0].reference + "</p>" in html


def shown(html: str) -> str:
    """What a piece of HTML shows, white space aside."""
    plain = re.sub(r"<[^>]*>", "", html)
    for written, meant in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        plain = plain.replace(written, meant)
    return "".join(plain.split())


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "# 题", "1. 一", "2) 二", "- 三", "+ 四", "> 五", "===", "---", "```", "    缩进", "a\n\n# b\n- c",
     "[^1]: 六", "| a | b |\n|---|---|\n| 1 | 2 |", ": 七", "<!-- 八", "[九]: http://e.example", "12\\. 十"],
)  # fmt: skip
def test_markdown_in_a_report_stays_text(text: str) -> None:
    basket = made(text, title=text.split("\n")[0], note=text)
    html = MarkdownIt("gfm-like", {"linkify": False}).use(footnote_plugin).render(written(basket, "md"))
    quoted = re.findall(r"<blockquote>\n(.*?)</blockquote>", html, re.DOTALL)
    plain = re.sub(r"[\x00\x07\s]", "", text)
    assert len(quoted) == 1 and shown(quoted[0]).startswith(f"{plain}[1]——青岛银行·组织")
    tags = set(re.findall(r"</?([a-z0-9]+)", html))
    assert tags <= {"h1", "h2", "blockquote", "p", "sup", "a", "br", "hr", "section", "ol", "li"}
    assert 'e.example"' not in html and html.count("<h") == 3  # two headings, and the rule over the footnotes


def test_word_is_read_again(library: Library, of_one: list[StoredPassage], tmp_path: Path) -> None:
    basket = gather(library, *(Wanted(stored.passage.id, note="按语") for stored in of_one))
    file = tmp_path / "q.docx"
    file.write_bytes(FORMATS["docx"].write(basket, TODAY))
    opened = docx.Document(str(file))
    quoted = [paragraph.text for paragraph in opened.paragraphs if paragraph.style.name == "Quote"]
    assert quoted == [quote.citation.quote for quote in basket.quotes]
    texts = [paragraph.text for paragraph in opened.paragraphs]
    assert texts[texts.index("参考文献") + 1 :] == [source.reference for source in basket.sources]
    assert [text for text in texts if text.startswith("——")] == [
        f"——{quote.about}{basket.mark(quote)}" for quote in basket.quotes
    ]
    assert texts.count("按：按语") == 3
    with ZipFile(file) as packed:
        notes, body = packed.read("word/footnotes.xml").decode(), packed.read("word/document.xml").decode()
        assert "/word/footnotes.xml" in packed.read("[Content_Types].xml").decode()
    assert re.findall(r'<w:footnoteReference w:id="(\d+)"', body) == ["1", "2", "3"]
    assert re.findall(r'<w:footnote w:id="(\d+)"', notes) == ["1", "2", "3"]
    assert all(basket.footnote(quote) in notes for quote in basket.quotes)


def test_word_holds_what_xml_forbids() -> None:
    made_of = FORMATS["docx"].write(made(HOSTILE + "\ud800", title=HOSTILE, note=HOSTILE), TODAY)
    opened = docx.Document(io.BytesIO(made_of))
    quoted = next(paragraph.text for paragraph in opened.paragraphs if paragraph.style.name == "Quote")
    assert quoted == re.sub("[\x00\x07\ufffe]", "", HOSTILE)


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
def test_word_opens_in_libreoffice(library: Library, of_one: list[StoredPassage], tmp_path: Path) -> None:
    basket = gather(library, *(Wanted(stored.passage.id) for stored in of_one))
    (tmp_path / "q.docx").write_bytes(FORMATS["docx"].write(basket, TODAY))
    command = ["soffice", f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless"]
    subprocess.run(
        [*command, "--convert-to", "pdf", "--outdir", str(tmp_path), str(tmp_path / "q.docx")],
        env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    with pypdfium2.PdfDocument(tmp_path / "q.pdf") as printed:
        text = "".join("".join(page.get_textpage().get_text_range() for page in printed).split())
    for quote in basket.quotes:
        assert "".join(quote.citation.quote.split())[:40] in text
        assert "".join(basket.footnote(quote).split()) in text
    for source in basket.sources:
        assert "".join(source.reference.split()) in text


def test_plain_text_is_quotes_with_their_sources(library: Library, of_one: list[StoredPassage]) -> None:
    text = written(made("甲", "乙\n\n 丙", publisher="某所", title="《数》报告", note="好\n的"), "txt")
    assert text == (
        "“甲”（青岛银行，《〈数〉报告》，某所，2023年，第1页）\n按：好\n的\n\n"
        "“乙\n丙”（青岛银行，《〈数〉报告》，某所，2023年，第2页）\n按：好\n的\n"
    )
    basket = gather(library, *(Wanted(stored.passage.id) for stored in of_one))
    blocks = written(basket, "txt").removesuffix("\n").split("\n\n")
    for quote, block in zip(basket.quotes, blocks, strict=True):
        assert "".join(block.split()).startswith(f"“{''.join(quote.citation.quote.split())}”（")
        assert f"《{quote.citation.document.title}》" in block and f"第{basket.pages(quote).text}页" in block


def test_plain_text_says_what_is_to_be_known_of_a_quote() -> None:
    counted = written(basket_of(a_quote(7, label="")), "txt")
    assert counted == "“甲”（青岛银行，《数字化报告》，2023年，文件第7页）\n"
    assert "，第1节；该报告已有新版，引文出自旧版）\n" in written(
        made("甲", status="superseded", unit="section"), "txt"
    )
    assert written(made("甲\x00\x07乙"), "txt").startswith("“甲乙”")


def test_csv_is_for_spreadsheets() -> None:
    content = FORMATS["csv"].write(made(HOSTILE, "乙\n丙", note="@n"), TODAY)
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert rows[0]["quote"] == f"'{HOSTILE}" and rows[0]["note"] == "'@n"
    assert (rows[1]["quote"], rows[1]["banks"], rows[1]["pages"], rows[1]["passage_id"]) == (
        "乙\n丙",
        "青岛银行",
        "2",
        "p2",
    )
    assert rows[1]["reference"] == "数字化报告[R]. [S.l.: s.n.], 2023: 2."


def test_reference_managers_get_one_entry_a_report(library: Library, of_one: list[StoredPassage]) -> None:
    basket = gather(library, *(Wanted(stored.passage.id) for stored in of_one))
    keys = [source.entry.key for source in basket.sources]
    assert list(parse_string(written(basket, "bibtex"), "bibtex").entries) == keys
    assert [entry["id"] for entry in rispy.loads(written(basket, "ris"))] == keys
    assert written(basket, "footnote").count("《中小银行数字化转型年度调研（2023）》") == 2


# the command and the endpoint


def test_the_command_writes_files_and_names_what_is_wrong(
    library_settings: Settings, of_one: list[StoredPassage], tmp_path: Path
) -> None:
    index, ids = library_settings.index, [stored.passage.id for stored in of_one]
    done = run_kb("quote", *ids, "-o", tmp_path / "q.docx", "--index", index)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "q.docx").read_bytes()[:2] == b"PK"
    printed = run_kb("quote", f"{ids[0]}:0-9", "--index", index).stdout
    assert printed.startswith("# 引文\n\n> ")
    unknown = run_kb("quote", "nope", ids[0], "neither", "-o", tmp_path / "none.md", "--index", index)
    assert unknown.returncode == 1 and len(unknown.stderr.splitlines()) == 1
    assert "'nope'" in unknown.stderr and "'neither'" in unknown.stderr
    assert not (tmp_path / "none.md").exists()
    assert run_kb("quote", ids[0], "--format", "pdf", "--index", index).returncode == 2
    misnamed = run_kb("quote", ids[0], "-o", tmp_path / "x.csv", "--format", "docx", "--index", index)
    assert misnamed.returncode == 1 and not (tmp_path / "x.csv").exists()
    assert "cannot be written" in run_kb("quote", ids[0], "-o", tmp_path / "no" / "q.md", "--index", index).stderr


def test_word_is_not_printed_on_a_terminal() -> None:
    terminal, there = pty.openpty()
    command = [sys.executable, "-m", "kb.cli", "quote", "4e2e63fdcf100995", "--format", "docx"]
    done = subprocess.run(command, stdout=there, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    os.close(there)
    os.close(terminal)
    assert done.returncode == 2 and "-o quotes.docx" in done.stderr


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings)) as opened:
        yield opened


@pytest.mark.parametrize("format", FORMATS)
def test_the_endpoint_gives_the_file(client: TestClient, passages: list[StoredPassage], format: str) -> None:
    stored = passages[0].passage
    response = client.post("/v1/quotes", json={"quotes": [{"passage_id": stored.id}], "format": format})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].split(";")[0] == FORMATS[format].media_type
    assert response.headers["content-disposition"] == f'attachment; filename="quotes{FORMATS[format].suffix}"'
    if format == "docx":
        assert stored.text.strip() in [
            paragraph.text for paragraph in docx.Document(io.BytesIO(response.content)).paragraphs
        ]
    elif format == "csl-json":
        assert response.json()[0]["id"] == f"kb{passages[0].document.id}"
    else:
        assert passages[0].document.title in response.content.decode("utf-8-sig")


@pytest.mark.parametrize(
    ("body", "status", "kind", "said"),
    [
        ({"quotes": [{"passage_id": "nope"}], "format": "md"}, 404, "not-found", "nope"),
        ({"quotes": [], "format": "md"}, 422, "invalid-request", "quotes"),
        ({"quotes": [{"passage_id": "nope"}], "format": "pdf"}, 422, "invalid-request", "format"),
        ({"quotes": [{"passage_id": "nope", "bank": "x"}], "format": "md"}, 422, "invalid-request", "quotes"),
        ({"quotes": [{"passage_id": "nope", "quote": ""}], "format": "md"}, 422, "invalid-request", "quotes"),
        ({"quotes": [{"passage_id": "nope", "quote": " "}], "format": "md"}, 422, "invalid-request", "quotes"),
    ],
)
def test_the_endpoint_refuses(client: TestClient, body: dict, status: int, kind: str, said: str) -> None:
    response = client.post("/v1/quotes", json=body)
    assert response.status_code == status
    assert response.json()["type"] == f"urn:kb:problem:{kind}"
    assert said in response.json()["detail"]


def test_the_endpoint_refuses_unverified_words_and_strange_parameters(
    client: TestClient, passages: list[StoredPassage]
) -> None:
    wanted = {"passage_id": passages[0].passage.id, "quote": "并无此语"}
    response = client.post("/v1/quotes", json={"quotes": [wanted], "format": "docx"})
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert "并无此语" in response.json()["detail"]
    strange = client.post("/v1/quotes?format=md", json={"quotes": [wanted], "format": "docx"})
    assert strange.json()["type"] == "urn:kb:problem:unknown-name"
