"""The grid: what counts as evidence, what cells tell, its files, and pictures whose Chinese is drawn."""

import csv
import io
import json
import re
import sqlite3
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from api.grids import GridResponse
from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.errors import BadInput, BadQuery, NothingMatches, UnknownName
from kb.evidence import STANDS_OUT, gather, same_words, share_said
from kb.grid import INDUSTRY, Cell, Columns, Grid, GridRow, Head, Rows, State, make_grid
from kb.grid_export import grid_json, write_grid
from kb.heatmap import GETA, Drawable, chinese_font, draw_png, draw_svg
from kb.records import Filters, Twin
from kb.search import Library
from kb.settings import Settings
from kb.synonyms import Clue
from kb.words import mend
from tests.conftest import CACHE, Silent, encoder, run_kb

QUESTION = "银行怎么解决金融科技人才短缺"


@pytest.fixture(scope="module")
def grid(library: Library) -> Grid:
    return make_grid(library, QUESTION, Filters())


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings)) as opened:
        yield opened


def states(grid: Grid) -> dict[str, list[State]]:
    return {row.head.label: [cell.state for cell in row.cells] for row in grid.rows}


# what is evidence


def test_every_quote_stands_on_the_page_that_is_cited(library: Library) -> None:
    evidence = gather(library, QUESTION, Filters())
    assert evidence.findings
    for finding in evidence.findings:
        citation = finding.citation
        assert citation.quote in finding.passage.text
        for place in citation.places:
            [page] = library.store.some_pages(citation.document.id, {place.page})
            said = "".join(mend(page.text[place.start : place.end]).split())
            assert said and said in "".join(finding.passage.text.split())


def test_evidence_stands_out_and_comes_best_first(library: Library) -> None:
    scores = [finding.score for finding in gather(library, QUESTION, Filters()).findings]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= STANDS_OUT
    assert len(gather(library, QUESTION, Filters(), cut=0.5).findings) > len(scores)


@pytest.mark.parametrize(
    "filters", [Filters(year=(2023,)), Filters(report=("rural2020.pdf",)), Filters(dimension=("组织",))]
)
def test_filters_only_choose_among_the_evidence(library: Library, filters: Filters) -> None:
    found = {(one.passage.id, one.bank, one.score) for one in gather(library, QUESTION, Filters()).findings}
    chosen = gather(library, QUESTION, filters)
    assert {(one.passage.id, one.bank, one.score) for one in chosen.findings} < found
    for one in chosen.findings:
        assert not filters.year or one.document.year == 2023
        assert not filters.report or one.document.file == "rural2020.pdf"
        assert not filters.dimension or one.passage.dimension == "组织"


def test_a_twin_is_quoted_by_its_own_words(library: Library) -> None:
    stored = next(stored for stored in library.store.live_passages() if len(stored.passage.text) > 100)
    text = stored.passage.text
    assert same_words(Twin(stored.document, stored.passage), text[10:40]) == (10, 40)
    start, end = same_words(Twin(stored.document, stored.passage), text[10:40] + "以及此处没有的话")
    assert set(text[10:40]) & set(text[start:end])


def test_a_twin_is_quoted_for_the_banks_that_its_words_tell_of(tmp_path: Path) -> None:
    settings = Settings(index=tmp_path / "index", cache=CACHE, workers=1, abstain_below=0)
    said = "青岛银行建立数据治理委员会，由行长任主任，按季通报数据质量问题，并把数据治理结果纳入分支行考核。"
    (tmp_path / "a.md").write_text(f"# 数据\n\n{said}\n\n# 网点\n\n柜员转为大堂经理，排队时间缩短。\n", "utf-8")
    (tmp_path / "b.md").write_text(f"# 数据\n\n{said}宁波银行则先做移动端改版。\n", "utf-8")
    assert not ingest([tmp_path / "a.md", tmp_path / "b.md"], settings, encoder, Silent()).failed
    with Library.open(settings, encoder()) as library:
        result = library.search("数据治理")
        assert len(result.hits[0].also) == 1
        evidence = gather(library, "数据治理", Filters(), cut=0)
    found = {(one.bank, one.document.file, one.citation.quote) for one in evidence.findings if one.group == 1}
    assert found == {("青岛银行", "a.md", said), ("青岛银行", "b.md", said)}


def test_passages_with_the_words_are_weak_evidence_where_they_do_not_stand_out(library: Library) -> None:
    evidence = gather(library, "人才", Filters(), cut=99)
    having = {
        stored.passage.id
        for stored in library.store.live_passages()
        if "人才" in "".join([stored.passage.text, *stored.passage.heading])
    }
    strong, weak = ({one.passage.id for one in found} for found in (evidence.findings, evidence.weak))
    assert len(strong) == 1 and len(weak) > 3
    assert weak == having - strong
    of_2023 = gather(library, "人才", Filters(year=(2023,)), cut=99)
    assert {one.passage.id for one in of_2023.weak} == {
        one.passage.id for one in evidence.weak if one.document.year == 2023
    }
    without = gather(library, "人才", Filters(), cut=-99)
    assert not without.weak


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("加强数据治理，引进人才", 1.0),
        ("加强数据管控，引进人才", 1.0),
        ("加强治理，引进人才", 0.2),
        ("无关", 0.0),
    ],
)
def test_how_much_of_the_words_a_passage_has(library: Library, text: str, share: float) -> None:
    stored = next(library.store.live_passages())
    made = replace(stored, passage=replace(stored.passage, text=text, heading=()))
    clues = (
        Clue("数据治理", ("数据", "治理", "数据治理"), (("数据", "管控"),)),
        Clue("人才", ("人才",)),
    )
    rarity = {"数据": 1.0, "治理": 1.0, "数据治理": 2.0, "人才": 1.0}
    query = library.find("人才", library.embed(["人才"])[0], Filters())
    assert share_said(replace(query, clues=clues, rarity=rarity), made) == pytest.approx(share)


def test_a_quote_that_is_not_on_its_page_is_dropped_and_counted(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        before = make_grid(library, QUESTION, Filters())
        gone = before.evidence.findings[0].document.id
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE pages SET text = substr(text, 2) WHERE document = ?", (gone,))
    db.close()
    with Library.open(copied_settings, encoder()) as library:
        after = make_grid(library, QUESTION, Filters())
    assert after.evidence.dropped == sum(one.document.id == gone for one in before.evidence.findings)
    assert len(after.evidence.findings) == len(before.evidence.findings) - after.evidence.dropped
    assert all(one.document.id != gone for one in after.evidence.findings)


# rows, columns, cells


def test_a_cell_holds_the_passages_of_its_bank_and_dimension(grid: Grid) -> None:
    assert [head.label for head in grid.columns] == ["战略", "组织", "技术", "应用", "数据", "生态"]
    assert len(grid.rows) > 3
    for row in grid.rows:
        for head, cell in zip(grid.columns, row.cells, strict=True):
            assert all((one.bank, one.passage.dimension) == (row.head.key, head.key) for one in cell.findings)
            assert cell.best is None or cell.best == cell.findings[0].citation
        assert row.count == sum(cell.count for cell in row.cells)
    assert grid.rows[-1].head == Head("", INDUSTRY)
    counts = [row.count for row in grid.rows[:-1]]
    assert counts == sorted(counts, reverse=True)


def test_years_are_those_of_the_reports(library: Library, grid: Grid) -> None:
    by_year = make_grid(library, QUESTION, Filters(), columns=Columns.YEAR)
    assert [head.key for head in by_year.columns] == ["2018", "2020", "2021", "2023"]
    for row in by_year.rows:
        for head, cell in zip(by_year.columns, row.cells, strict=True):
            assert all(str(one.document.year) == head.key for one in cell.findings)
    assert [(row.head, row.count) for row in by_year.rows] == [(row.head, row.count) for row in grid.rows]


def test_what_is_not_found_is_told_from_what_is_not_held(library: Library) -> None:
    wanted = Filters(bank=("浙江农信", "农业银行"))
    by_year = states(make_grid(library, QUESTION, wanted, columns=Columns.YEAR))
    held = [
        bool(library.store.matching_rows(Filters(bank=("浙江农信", "浙江农商联合银行"), year=(year,)), ()))
        for year in (2018, 2020, 2021, 2023)
    ]
    assert True in held and False in held
    assert by_year["浙江农信"] == [State.NOT_FOUND if one else State.NOT_HELD for one in held]
    assert by_year["农业银行"] == [State.NOT_HELD] * 4
    by_side = states(make_grid(library, QUESTION, wanted))
    assert set(by_side["浙江农信"]) == {State.NOT_FOUND}
    assert set(by_side["农业银行"]) == {State.NOT_HELD}


def test_where_it_was_searched_tells_what_is_held(library: Library) -> None:
    [held, unheld] = (
        states(make_grid(library, QUESTION, Filters(bank=("大连银行",), year=(year,)))) for year in (2018, 2020)
    )
    assert State.FOUND in held["大连银行"] and State.NOT_HELD not in held["大连银行"]
    assert set(unheld["大连银行"]) == {State.NOT_HELD}


def test_a_bank_asked_for_stands_for_what_it_became(library: Library) -> None:
    grid = make_grid(library, "农户贷款怎么办", Filters(bank=("浙江农商联合银行",)), columns=Columns.YEAR)
    [row] = grid.rows
    assert row.head == Head("浙江农商联合银行", "浙江农商联合银行", ("浙江农商联合银行", "浙江农信"))
    assert State.NOT_FOUND in states(grid)["浙江农商联合银行"] or row.count
    both = make_grid(library, "农户贷款怎么办", Filters(bank=("浙江农商联合银行", "浙江农信")))
    assert [row.head.banks for row in both.rows] == [("浙江农商联合银行",), ("浙江农信",)]


def test_a_bank_that_the_question_names_has_the_first_row(library: Library) -> None:
    grid = make_grid(library, "青岛银行怎么做零售", Filters())
    assert grid.rows[0].head.key == "青岛银行" and grid.rows[0].count
    assert len(grid.rows) > 1


def test_topics_over_years(library: Library) -> None:
    grid = make_grid(library, QUESTION, Filters(), rows=Rows.TOPIC)
    assert (grid.columns_are, grid.rows[0].head) == (Columns.YEAR, Head("talent", "人才与激励"))
    for row in grid.rows:
        assert all(row.head.key in one.passage.topics for cell in row.cells for one in cell.findings)
    [one] = make_grid(library, QUESTION, Filters(topic=("风控、反欺诈与不良处置",)), rows=Rows.TOPIC).rows
    assert one.head.key == "risk-control"


def test_rows_are_bounded_and_the_rest_counted(library: Library, grid: Grid) -> None:
    short = make_grid(library, QUESTION, Filters(), top=2)
    assert [row.head.key for row in short.rows] == [*(row.head.key for row in grid.rows[:2]), ""]
    assert short.left_out == len(grid.rows) - 3
    assert short.passages == grid.passages


def test_what_nothing_answers_has_an_empty_grid_that_says_so(library: Library) -> None:
    grid = make_grid(library, "火星上有没有水", Filters(bank=("青岛银行",)))
    assert grid.evidence.abstained and not grid.passages
    assert set(states(grid)["青岛银行"]) == {State.NOT_FOUND}
    out = io.StringIO()
    write_grid(grid, out)
    assert "未找到直接依据" in out.getvalue()


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"question": " "}, BadQuery, "empty"),
        ({"top": 0}, BadQuery, "top is 0"),
        ({"top": 101}, BadQuery, "1 to 100"),
        ({"rows": Rows.TOPIC, "columns": Columns.DIMENSION}, BadQuery, "columns year"),
        ({"filters": Filters(bank=("无此银行",))}, UnknownName, "无此银行"),
        ({"filters": Filters(bank=("青岛银行",), year=(1999,))}, NothingMatches, "year 1999"),
    ],
)
def test_what_cannot_be_asked(library: Library, asked: dict, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make_grid(library, **{"question": QUESTION, "filters": Filters(), **asked})


def test_a_cell_of_weak_evidence_is_told_from_an_empty_one(library: Library) -> None:
    grid = make_grid(library, "人才", Filters(), rows=Rows.TOPIC, cut=99)
    cells = [cell for row in grid.rows for cell in row.cells]
    assert {State.FOUND, State.WEAK, State.NOT_FOUND} >= {cell.state for cell in cells} >= {State.FOUND, State.WEAK}
    assert grid.passages == 1 == sum(cell.count for cell in cells)
    [weak, *_] = [cell for cell in cells if cell.state is State.WEAK]
    assert weak.best == weak.weak[0].citation
    told = [cell for row in grid_json(grid)["rows"] for cell in row["cells"] if cell["state"] == "weak"][0]
    assert (told["count"], told["best"]["quote"]) == (0, weak.best.quote)
    assert told["passages"] == [one.passage.id for one in weak.weak]
    out = io.StringIO()
    write_grid(grid, out)
    assert "依据较弱" in out.getvalue() and weak.best.quote in out.getvalue()
    assert draw_svg(grid).decode().count("依据较弱") > 1


# files


def test_csv_has_a_row_a_bank_and_runs_nothing(grid: Grid) -> None:
    risky = GridRow(Head("=1+1", "=1+1"), (Cell(False),) * len(grid.columns), 0)
    out = io.StringIO(newline="")
    write_grid(Grid(grid.evidence, grid.rows_are, grid.columns_are, grid.columns, (*grid.rows, risky), 1), out)
    header, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert header[:6] == ["bank", "count", "战略", "战略 quote", "战略 source", "战略 passage_id"]
    assert [row[0] for row in rows] == [*(row.head.label for row in grid.rows), "'=1+1"]
    assert rows[-1][2] == "未收录"
    for row, written in zip(grid.rows, rows, strict=False):
        for at, cell in enumerate(row.cells):
            count, quote, source, passage = written[2 + 4 * at : 6 + 4 * at]
            if not cell.count:
                assert (count, quote, source, passage) == ("未检出", "", "", "")
                continue
            best = cell.findings[0]
            assert (count, quote, passage) == (str(cell.count), best.citation.quote, best.passage.id)
            assert best.document.title in source and str(best.citation.pages[0]) in source


def drawn(grid: Grid) -> np.ndarray:
    with Image.open(io.BytesIO(draw_png(grid))) as picture:
        return np.asarray(picture.convert("L"))


def titled(grid: Grid, title: str) -> Grid:
    """An empty grid that is called so."""
    evidence = grid.evidence
    named = type(evidence)(title, Filters(), (), evidence.understood, 1.0, False)
    return Grid(named, Rows.BANK, Columns.DIMENSION, grid.columns, (), 0)


def test_png_draws_each_character_and_no_box_for_a_missing_one(grid: Grid) -> None:
    characters = "银行数据治理未检出收录战略组织技术应用生态整体"
    glyphs = [drawn(titled(grid, char))[:100, :120] for char in characters]
    missing = drawn(titled(grid, GETA))[:100, :120]
    assert all((glyph < 128).sum() > 20 for glyph in glyphs)
    for at, glyph in enumerate(glyphs):
        assert not np.array_equal(glyph, missing)
        assert not any(np.array_equal(glyph, other) for other in glyphs[:at])
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(chinese_font()))
    assert all(font.get_char_index(ord(char)) for char in characters + GETA + "…（）；：")


def test_what_the_font_has_not_is_marked() -> None:
    words = Drawable(chinese_font())
    assert words.text("数据\U000f0000\n治理", 10) == f"数据{GETA} 治理"
    assert words.text("一二三四五六", 4) == "一二三…"


def test_the_picture_grows_with_its_rows_and_shades_by_count(grid: Grid) -> None:
    whole, empty = drawn(grid), drawn(titled(grid, QUESTION))
    assert whole.shape[0] > empty.shape[0]
    assert whole.min() < 100 < empty.max()


def test_svg_has_its_text_as_text_escaped_and_without_script(grid: Grid) -> None:
    odd = '<script>alert(1)</script>&"$x_2$'
    svg = draw_svg(Grid(titled(grid, odd).evidence, Rows.BANK, Columns.YEAR, grid.columns, grid.rows, 1)).decode()
    assert "<script" not in svg and "javascript" not in svg
    texts = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert odd in texts
    assert {"战略", "组织", "未检出"} <= set(texts)
    assert {f"{row.head.label}（{row.count}）" for row in grid.rows} <= set(texts)
    assert re.search(r"font-family: '[^']+', .*'Microsoft YaHei'.*sans-serif", svg)


def test_without_matplotlib_or_a_font_the_way_out_is_told(grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kb.heatmap.FONTS", ("No Such Font",))
    with pytest.raises(BadInput, match="fonts-noto-cjk"):
        draw_png(grid)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BadInput, match=re.escape("pip install 'kb[charts]'")):
        draw_svg(grid)


def test_threads_draw_the_same_pictures_as_one(grid: Grid) -> None:
    import matplotlib

    grids = [grid, titled(grid, "数据")] * 4
    alone = [draw_svg(one) for one in grids[:2]], [draw_png(one) for one in grids[:2]]
    before = {name: value for name, value in matplotlib.rcParams.items() if name != "backend"}
    with ThreadPoolExecutor(4) as threads:
        svgs, pngs = list(threads.map(draw_svg, grids)), list(threads.map(draw_png, grids))
    assert set(svgs) == set(alone[0]) and set(pngs) == set(alone[1])
    assert {name: matplotlib.rcParams[name] for name in before} == before


# the API and the command


def test_the_api_gives_the_json_of_the_grid(client: TestClient, grid: Grid) -> None:
    answer = client.get("/v1/matrix", params={"q": QUESTION})
    assert answer.status_code == 200
    assert answer.json() == grid_json(grid)
    GridResponse.model_validate(answer.json())
    best = answer.json()["rows"][0]["cells"]
    assert [cell["state"] for cell in best].count("found") == sum(cell["best"] is not None for cell in best) > 0


@pytest.mark.parametrize(
    ("format", "media", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", b"\xef\xbb\xbfbank,"),
        ("svg", "image/svg+xml", b"<?xml"),
        ("png", "image/png", b"\x89PNG"),
    ],
)
def test_the_api_gives_files(client: TestClient, format: str, media: str, begins: bytes) -> None:
    answer = client.get("/v1/matrix", params={"q": QUESTION, "columns": "year", "format": format})
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)
    assert answer.content.startswith(begins)


@pytest.mark.parametrize(
    ("query", "status", "kind"),
    [
        ({"q": ""}, 422, "bad-query"),
        ({"q": "人才", "rows": "year"}, 422, "invalid-request"),
        ({"q": "人才", "top": 101}, 422, "invalid-request"),
        ({"q": "人才", "rows": "topic", "columns": "dimension"}, 422, "bad-query"),
        ({"q": "人才", "banks": "青岛银行"}, 422, "unknown-name"),
        ({"q": "人才", "year": 1999}, 404, "nothing-matches"),
    ],
)
def test_the_api_tells_what_is_wrong(client: TestClient, query: dict, status: int, kind: str) -> None:
    answer = client.get("/v1/matrix", params=query)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:kb:problem:{kind}")


def test_the_command_shows_and_writes(library_settings: Settings, tmp_path: Path, grid: Grid) -> None:
    index = ("--index", library_settings.index)
    shown = run_kb("matrix", QUESTION, *index)
    assert shown.returncode == 0, shown.stderr
    assert INDUSTRY in shown.stdout and "未检出" in shown.stdout
    assert grid.rows[0].head.label in shown.stdout
    assert "".join(grid.rows[-1].cells[1].findings[0].citation.quote.split()) in "".join(shown.stdout.split())
    target = tmp_path / "grid.csv"
    done = run_kb("matrix", QUESTION, "-o", target, "--json", *index)
    assert json.loads(done.stdout) == grid_json(grid)
    assert target.read_text("utf-8-sig").splitlines()[0].startswith("bank,count,战略,")
    refused = run_kb("matrix", QUESTION, "-o", tmp_path / "grid.pdf", *index)
    assert refused.returncode == 2 and ".svg" in refused.stderr


def test_an_answered_question_has_evidence_however_high_the_cut(library: Library) -> None:
    found = gather(library, QUESTION, Filters(), cut=99)
    assert len({one.passage.id for one in found.findings}) == 1
