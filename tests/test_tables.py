"""Tables: whole from the blocks, kept with their report, and out again as JSON and as CSV that spreadsheets open."""

import csv
import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pdfs
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from kb.catalogue import STORE_FILE
from kb.export import document_json, table_json
from kb.records import Block, Document, Kind, Piece, ReportTable
from kb.search import Library
from kb.settings import Settings
from kb.spreadsheet import FoundTable, file_names, guarded, table_csv, write_folder, write_long
from kb.store import Store
from kb.tables import blocks_to_tables
from kb.verify import verify
from tests.conftest import run_kb

COLUMNS = ["file", "doc", "table", "pages", "heading", "caption", "row"]


def pieces(*lines: str, page: int = 1) -> tuple[Piece, ...]:
    return tuple(Piece(page, 0, len(line), line) for line in lines)


def row(table: int, header: Sequence[str], cells: Sequence[str], page: int = 1) -> Block:
    """A table row of one line a cell; an empty text has no piece."""
    pairs = zip(header, cells, strict=True)
    made = tuple((pieces(name) if name else (), pieces(cell, page=page) if cell else ()) for name, cell in pairs)
    return Block(Kind.TABLE, (), cells=made, table=table)


def block(kind: Kind, text: str, level: int = 0) -> Block:
    return Block(kind, pieces(text), level)


def report(file: str = "r.pdf", identity: str = "a1") -> Document:
    return Document(identity, identity, f"/{file}", file, "报告", "编写组", None, "研究报告", 9, "test")


def table(number: int = 1, rows: Sequence[Sequence[str]] = (("甲", "1"),), page: int = 4) -> ReportTable:
    return ReportTable(number, (page,), ("章", "节"), "表1", ("银行", "余额"), tuple(map(tuple, rows)))


def read_csv(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


# From the blocks


def test_a_table_over_a_page_break_is_one_table(tmp_path: Path) -> None:
    written = pdfs.table_over_break(tmp_path / "report.pdf")
    [found] = blocks_to_tables(pdfs.read(tmp_path / "report.pdf").blocks)
    assert [list(cells) for cells in found.rows] == written
    assert list(found.header) == pdfs.TABLE_HEADER
    assert (found.number, found.pages, found.heading) == (1, (1, 2), (pdfs.TITLE,))
    assert found.caption == "表1　五家银行的做法"


def test_the_tables_of_the_samples_have_their_captions_and_headings() -> None:
    first, second = blocks_to_tables(pdfs.corpus()["rural2020.pdf"].blocks)
    assert first.caption == "表1　十四家银行科技支小支农的举措与成效"
    assert first.heading == ("二、十四家银行的做法", "（一）一张表看全貌")
    assert (first.number, first.header, len(first.rows)) == (1, ("银行", "举措", "成效"), 14)
    assert (second.number, second.header[0], second.rows[0]) == (2, "公司", ("兴业数金", "兴业银行", "2015"))


def test_a_caption_belongs_to_the_table_right_below_it() -> None:
    blocks = [
        block(Kind.HEADING, "第一章", 1),
        block(Kind.CAPTION, "表1 甲"),
        row(1, ["银行", ""], ["青岛银行", "一"]),
        row(1, ["银行", ""], ["", "二"]),
        block(Kind.HEADING, "第一节", 2),
        block(Kind.CAPTION, "图2 乙"),
        block(Kind.TEXT, "这一句话不是表格。"),
        row(2, ["", ""], ["丙", "丁"], page=3),
    ]
    first, second = blocks_to_tables(blocks)
    assert (first.caption, first.heading) == ("表1 甲", ("第一章",))
    assert first.header == ("银行", "")
    assert first.rows == (("青岛银行", "一"), ("", "二"))
    assert (second.caption, second.heading) == ("", ("第一章", "第一节"))
    assert (second.header, second.pages) == ((), (3,))


def test_rows_are_of_one_length_and_cells_run_together() -> None:
    long = Block(Kind.TABLE, (), cells=(((), pieces("⻛险", "管理")), ((), pieces("Open", "API")), ((), ())), table=1)
    short = row(1, [""], ["合计"])
    [found] = blocks_to_tables([short, long])
    assert found.rows == (("合计", "", ""), ("风险管理", "Open API", ""))


def test_a_report_without_tables_has_none() -> None:
    assert blocks_to_tables([block(Kind.TEXT, "这里没有表格。")]) == []


# As CSV


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        '=HYPERLINK("http://x","y")',
        "＝1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "+1+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        "-IMPORTDATA (A1)",
        "-1\n+WEBSERVICE(A1)",
        "－Sheet2!A1",
        "- 完善机制",
        "+互联网",
    ],
)
def test_what_a_spreadsheet_would_run_is_guarded(cell: str) -> None:
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize(
    "cell",
    [
        "-3.2%",
        "+0.5",
        "－12.5",
        "-",
        "--",
        "—",
        "-12亿元",
        "+15个百分点（同比）",
        "-0.3(注1)",
        "A=1",
        "",
        "青岛银行",
    ],
)
def test_data_is_verbatim(cell: str) -> None:
    assert guarded(cell) == cell


@given(st.lists(st.lists(st.text(alphabet="银行=+-@,\"'\n\r \t(a1"), min_size=2, max_size=2), min_size=1, max_size=4))
def test_csv_holds_every_cell_and_runs_none(rows: list[list[str]]) -> None:
    found = read_csv(table_csv(table(rows=rows)))[1:]
    assert [[cell.removeprefix("'") if guarded(was) != was else cell for cell, was in zip(*both, strict=True)]
            for both in zip(found, rows, strict=True)] == rows  # fmt: skip
    assert not any(cell.startswith(("=", "@")) for cells in found for cell in cells)


def test_one_csv_of_all_tables_says_where_each_row_stands() -> None:
    bare = ReportTable(2, (5, 6), (), "", (), (("一", "二", "三"),))
    out = io.StringIO(newline="")
    write_long([(report(), table()), (report(), bare)], out)
    assert read_csv(out.getvalue()) == [
        [*COLUMNS, "cell_1", "cell_2", "cell_3"],
        ["r.pdf", "a1", "1", "4", "章 > 节", "表1", "0", "银行", "余额", ""],
        ["r.pdf", "a1", "1", "4", "章 > 节", "表1", "1", "甲", "1", ""],
        ["r.pdf", "a1", "2", "5；6", "", "", "1", "一", "二", "三"],
    ]


def test_no_tables_make_a_header_alone(tmp_path: Path) -> None:
    out = io.StringIO(newline="")
    write_long([], out)
    assert read_csv(out.getvalue()) == [COLUMNS]
    write_folder([], tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["index.csv"]


def test_a_folder_has_a_file_a_table_and_an_index(tmp_path: Path) -> None:
    found: list[FoundTable] = [(report(), table(1)), (report(), table(3, [["乙", "-2"], ["丙", "=1"]], page=45))]
    write_folder(found, tmp_path)
    names = ["r-table-01-p4.csv", "r-table-03-p45.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.csv", *names]
    raw = (tmp_path / names[1]).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert read_csv(raw.decode("utf-8-sig")) == [["银行", "余额"], ["乙", "-2"], ["丙", "'=1"]]
    listed = list(csv.DictReader(io.StringIO((tmp_path / "index.csv").read_text("utf-8-sig"), newline="")))
    assert [entry["csv"] for entry in listed] == names
    assert (listed[1]["file"], listed[1]["pages"], listed[1]["columns"], listed[1]["rows"]) == ("r.pdf", "45", "2", "2")
    assert listed[1]["year"] == ""


def test_tables_of_files_of_one_name_are_told_apart() -> None:
    found = [(report("年报.pdf", "a1"), table()), (report("年报.PDF", "b2"), table()), (report("x.pdf", "c3"), table())]
    names = file_names(found)
    assert names == ["年报-a1-table-01-p4.csv", "年报-b2-table-01-p4.csv", "x-table-01-p4.csv"]


def test_names_of_many_tables_sort_as_the_tables_do() -> None:
    names = file_names([(report(), table(number)) for number in range(1, 121)])
    assert names == sorted(names)
    assert names[6] == "r-table-007-p4.csv"


# On the command line


@pytest.fixture
def tables(library: Library) -> list[FoundTable]:
    return list(library.store.live_tables())


def test_export_makes_a_folder_of_tables(library_settings: Settings, tables: list[FoundTable], tmp_path: Path) -> None:
    done = run_kb("export", "--tables", "-o", tmp_path / "tables", "--index", library_settings.index)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"{len(tables)} tables" in done.stderr
    for name, (_, kept) in zip(file_names(tables), tables, strict=True):
        written = read_csv((tmp_path / "tables" / name).read_text("utf-8-sig"))
        assert written == [list(kept.header), *map(list, kept.rows)]
    assert len(tables) >= 4


def test_export_of_tables_to_one_file_and_to_standard_output(
    library_settings: Settings, tables: list[FoundTable], tmp_path: Path
) -> None:
    done = run_kb("export", "--tables", "-o", tmp_path / "all.CSV", "--index", library_settings.index)
    assert done.returncode == 0, done.stderr
    rows = read_csv((tmp_path / "all.CSV").read_text("utf-8-sig"))
    assert len(rows) == 1 + sum(bool(kept.header) + len(kept.rows) for _, kept in tables)
    told = run_kb("export", "--tables", "--index", library_settings.index).stdout
    assert read_csv(told) == rows  # no byte order mark in a pipe


def test_export_of_tables_as_json_lines(library_settings: Settings, tables: list[FoundTable]) -> None:
    lines = run_kb("export", "--tables", "--format", "jsonl", "--index", library_settings.index).stdout.splitlines()
    expected = [{"doc": document_json(about), **table_json(kept)} for about, kept in tables]
    assert list(map(json.loads, lines)) == expected


def test_tables_that_cannot_be_exported(library_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    for words, status, told in (
        (["-o", tmp_path / "taken"], 1, "taken"),
        (["-o", "/no/such/folder/tables.csv"], 1, "/no/such/folder"),
        (["--format", "parquet", "-o", tmp_path / "x"], 2, "parquet"),
    ):
        done = run_kb("export", "--tables", *words, "--index", library_settings.index)
        assert done.returncode == status, words
        assert told in done.stderr and "Traceback" not in done.stderr


# In the store and in the API


def test_tables_are_kept_with_their_report(library: Library) -> None:
    document = next(found for found in library.store.documents() if found.file == "rural2020.pdf")
    assert library.store.tables(document.id) == blocks_to_tables(pdfs.corpus()["rural2020.pdf"].blocks)
    assert library.store.tables("no such id") == []


def test_tables_go_with_their_report(copied_settings: Settings) -> None:
    with Store.open(copied_settings.index / STORE_FILE) as store:
        document = next(found for found in store.documents() if found.file == "rural2020.pdf")
        store.remove_document(document.id)
        assert store.tables(document.id) == []
        assert all(about.id != document.id for about, _ in store.live_tables())


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings)) as opened:
        yield opened


def test_the_api_gives_the_tables_of_a_report(client: TestClient, library: Library) -> None:
    for document in library.store.documents():
        kept = library.store.tables(document.id)
        listed = client.get(f"/v1/documents/{document.id}/tables").json()
        assert listed == {"doc": document_json(document), "tables": [table_json(one) for one in kept]}
        for one in kept:
            assert client.get(f"/v1/documents/{document.id}/tables/{one.number}").json() == table_json(one)


def test_the_api_gives_csv_to_save(client: TestClient, tables: list[FoundTable]) -> None:
    document, kept = tables[-1]
    address = f"/v1/documents/{document.id}/tables"
    one = client.get(f"{address}/{kept.number}", params={"format": "csv"})
    assert one.content == table_csv(kept).encode("utf-8-sig")
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    assert file_names([(document, kept)])[0] in one.headers["content-disposition"]
    together = client.get(address, params={"format": "csv"})
    rows = read_csv(together.content.decode("utf-8-sig"))
    assert rows[0][: len(COLUMNS)] == COLUMNS
    assert {row[1] for row in rows[1:]} == {document.id}


@pytest.mark.parametrize(
    ("address", "query", "status", "said"),
    [
        ("/v1/documents/0000/tables", {}, 404, "0000"),
        ("/v1/documents/0000/tables/1", {}, 404, "0000"),
        ("/v1/documents/{id}/tables/99", {}, 404, "no table 99"),
        ("/v1/documents/{id}/tables/0", {}, 422, "number"),
        ("/v1/documents/{id}/tables/first", {}, 422, "number"),
        ("/v1/documents/{id}/tables", {"format": "xml"}, 422, "format"),
    ],
)
def test_tables_that_there_are_not(
    client: TestClient, library: Library, address: str, query: dict[str, str], status: int, said: str
) -> None:
    response = client.get(address.format(id=library.store.documents()[0].id), params=query)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert said in response.json()["detail"]


def test_verify_names_a_table_whose_page_is_gone(copied_settings: Settings) -> None:
    with Store.open(copied_settings.index / STORE_FILE) as store:
        assert verify(store, copied_settings.index).tables == len(list(store.live_tables())) >= 4
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE tables SET pages = '[3, 99]' WHERE number = 1")
    db.close()
    with Store.open(copied_settings.index / STORE_FILE) as store:
        problems = verify(store, copied_settings.index).problems
    assert any("rural2020.pdf: table 1 stands on page 99" in problem for problem in problems)
