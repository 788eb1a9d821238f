"""What the library holds without a question, counted against an export of the corpus; profiles, quotes, endpoints."""

import csv
import io
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from kb.bank_profile import BankProfile, bank_profile
from kb.catalogue import STORE_FILE, Catalogue
from kb.cli import app as command
from kb.errors import BadQuery, NothingMatches, UnknownName
from kb.export import passage_json
from kb.grid import INDUSTRY, NO_TOPIC, Columns, Head, Rows, State
from kb.grid_export import HOLDINGS, grid_json, write_grid
from kb.heatmap import draw_png, draw_svg
from kb.holdings import bank_entries, browse, holdings
from kb.records import Filters, Kind
from kb.search import Library
from kb.settings import Settings
from kb.store import StoredPassage

FILTERS = [
    Filters(),
    Filters(year=(2023,)),
    Filters(dimension=("组织",)),
    Filters(topic=("talent",), year=(2021, 2023)),
]


@pytest.fixture(scope="module")
def exported(library: Library) -> list[StoredPassage]:
    """Every live passage, as an export has them: what is counted here one by one."""
    return list(library.store.live_passages())


@pytest.fixture(scope="module")
def client(library_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(library_settings)) as opened:
        yield opened


@pytest.fixture(scope="module")
def profile(library: Library) -> BankProfile:
    """The bank that most passages are about."""
    return bank_profile(library.catalogue, bank_entries(library.catalogue)[0].name)


def matches(stored: StoredPassage, filters: Filters) -> bool:
    """Whether a passage matches filters by canonical names."""
    passage = stored.passage
    return (
        (not filters.bank or not set(filters.bank).isdisjoint(passage.banks))
        and (not filters.dimension or passage.dimension in filters.dimension)
        and (not filters.topic or not set(filters.topic).isdisjoint(passage.topics))
        and (not filters.year or stored.document.year in filters.year)
    )


# banks


def test_banks_are_counted_as_an_export_counts_them(library: Library, exported: list[StoredPassage]) -> None:
    entries = bank_entries(library.catalogue)
    counts = Counter(bank for stored in exported for bank in stored.passage.banks)
    assert {entry.name: entry.passages for entry in entries} == counts
    assert [entry.passages for entry in entries] == sorted(counts.values(), reverse=True)
    for entry in entries:
        of_bank = [stored for stored in exported if entry.name in stored.passage.banks]
        sides = Counter(stored.passage.dimension for stored in of_bank)
        assert entry.dimensions == {side: sides[side] for side in ("战略", "组织", "技术", "应用", "数据", "生态")}
        assert entry.years == tuple(sorted({stored.document.year for stored in of_bank}))


def test_a_bank_has_the_cases_that_are_told_of_it(library: Library) -> None:
    every = library.catalogue.cases(Filters()).items
    for entry in bank_entries(library.catalogue):
        assert entry.cases == sum(entry.name in stored.case.banks for stored in every)


def test_what_the_list_knows_of_a_bank_is_told_and_nothing_made_up(library: Library) -> None:
    entries = {entry.name: entry for entry in bank_entries(library.catalogue)}
    assert (entries["青岛银行"].kind, entries["青岛银行"].region) == ("城商行", "山东 青岛")
    unlisted = [entry for entry in entries.values() if not library.catalogue.book.bank(entry.name)]
    assert unlisted and all(entry.kind == "" and entry.aliases == () for entry in unlisted)


def test_passages_of_replaced_reports_do_not_count(copied_settings: Settings) -> None:
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE documents SET status = 'superseded' WHERE file != 'survey2023.pdf'")
    db.close()
    with Catalogue.open(copied_settings) as catalogue:
        entries, live = bank_entries(catalogue), list(catalogue.store.live_passages())
        counts = Counter(bank for stored in live for bank in stored.passage.banks)
        assert {entry.name: entry.passages for entry in entries} == counts
        assert all(entry.years == (2023,) for entry in entries)
        assert sum(entry.cases for entry in entries) == sum(len(banks) for banks in catalogue.store.case_banks())
        assert holdings(catalogue, Filters()).passages == browse(catalogue, Filters()).total == len(live)


# one bank


def test_a_profile_counts_as_an_export_does(library: Library, exported: list[StoredPassage]) -> None:
    for entry in bank_entries(library.catalogue)[:12]:
        line = library.catalogue.bank_names(entry.name)
        found = bank_profile(library.catalogue, entry.name)
        of_bank = [stored for stored in exported if matches(stored, Filters(bank=line))]
        sides = Counter(stored.passage.dimension for stored in of_bank)
        assert found.entry.passages == len(of_bank)
        assert {held.dimension: held.passages for held in found.dimensions} == sides
        topics = Counter((topic, s.document.year) for s in of_bank for topic in s.passage.topics)
        assert {(one.topic, year): n for one in found.topics for year, n in one.years.items()} == topics
        assert all(one.passages == sum(one.years.values()) for one in found.topics)
        stated = [stored.figure for stored in found.figures.items]
        rows = library.store.matching_rows(Filters(bank=line), ())
        assert stated == [stored.figure for stored in library.store.figures(rows)][:50]
        assert found.cases.total >= len(found.cases.items) and found.entry.cases == found.cases.total


def test_quotes_are_verbatim_few_and_of_their_bank_and_dimension(library: Library) -> None:
    told = 0
    for entry in bank_entries(library.catalogue):
        found = bank_profile(library.catalogue, entry.name, cases=1, figures=1)
        line = set(library.catalogue.bank_names(entry.name))
        assert found.dropped == 0
        for held in found.dimensions:
            assert 1 <= len(held.quotes) <= min(3, held.passages)
            for quote in held.quotes:
                words = quote.citation.quote
                assert words in quote.passage.text and len(words) <= 160 and quote.citation.places
                assert quote.passage.dimension == held.dimension and not line.isdisjoint(quote.passage.banks)
                named = {mention.name for mention in library.catalogue.book.mentions(quote.passage.text)}
                if not line.isdisjoint(named):
                    told += 1
                    assert not line.isdisjoint(mention.name for mention in library.catalogue.book.mentions(words))
    assert told > 50


def test_what_a_bank_did_is_quoted_first_and_the_newest_report_before_others(library: Library) -> None:
    order = {"措施": 0, "效果": 1}
    several = 0
    for entry in bank_entries(library.catalogue):
        for held in bank_profile(library.catalogue, entry.name).dimensions:
            roles = [
                3 if quote.passage.kind is Kind.TABLE else order.get(quote.passage.role, 2) for quote in held.quotes
            ]
            assert roles == sorted(roles)
            if len(set(roles)) == 1 and len({quote.citation.document.id for quote in held.quotes}) > 1:
                years = [quote.citation.document.year or 0 for quote in held.quotes]
                assert years[0] == max(years)
                several += 1
    assert several


def test_a_bank_is_found_by_its_alias_and_with_what_it_became(library: Library, exported: list[StoredPassage]) -> None:
    both = ("浙江农信", "浙江农商联合银行")
    count = sum(not set(both).isdisjoint(stored.passage.banks) for stored in exported)
    old, new, alias = (bank_profile(library.catalogue, name) for name in (*both, "浙江省农村信用社联合社"))
    assert old == alias
    assert (old.entry.name, old.before, old.after) == ("浙江农信", (), ("浙江农商联合银行",))
    assert (new.entry.name, new.before, new.after) == ("浙江农商联合银行", ("浙江农信",), ())
    assert old.entry.passages == new.entry.passages == count > 0


def test_a_bank_that_is_not_there(library: Library) -> None:
    with pytest.raises(UnknownName, match="青岛银行"):
        bank_profile(library.catalogue, "青道银行")
    with pytest.raises(NothingMatches, match="农业银行"):
        bank_profile(library.catalogue, "农业银行")


def test_a_quote_that_its_page_does_not_have_is_dropped_and_counted(copied_settings: Settings) -> None:
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE pages SET text = substr(text, 2)")
    db.close()
    with Catalogue.open(copied_settings) as catalogue:
        found = bank_profile(catalogue, "北京银行")
    assert found.dropped == found.entry.passages and not any(held.quotes for held in found.dimensions)


# the grid without a question


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("columns", list(Columns))
def test_each_cell_counts_the_passages_of_an_export(
    library: Library, exported: list[StoredPassage], filters: Filters, columns: Columns
) -> None:
    grid = holdings(library.catalogue, filters, columns=columns, top=100)
    held = [stored for stored in exported if matches(stored, filters)]
    counts: Counter[tuple[str, str]] = Counter()
    for stored in held:
        key = stored.passage.dimension if columns is Columns.DIMENSION else str(stored.document.year or "")
        counts.update((bank, key) for bank in stored.passage.banks or [""])
    told = {
        (row.head.key, head.key): cell for row in grid.rows for head, cell in zip(grid.columns, row.cells, strict=True)
    }
    assert {place: cell.count for place, cell in told.items() if cell.count} == counts
    assert {cell.state for cell in told.values()} <= {State.FOUND, State.NOT_HELD}
    assert all((cell.state is State.FOUND) == bool(cell.count) for cell in told.values())
    assert (grid.passages, grid.left_out, grid.asks) == (len(held), 0, False)
    assert grid.rows[-1].head == Head("", INDUSTRY)
    sizes = [row.count for row in grid.rows[:-1]]
    assert sizes == sorted(sizes, reverse=True)


def test_topics_stand_by_year(library: Library, exported: list[StoredPassage]) -> None:
    grid = holdings(library.catalogue, Filters(), Rows.TOPIC, top=100)
    counts = Counter((topic, str(s.document.year)) for s in exported for topic in s.passage.topics or [""])
    told = {
        (row.head.key, head.key): cell for row in grid.rows for head, cell in zip(grid.columns, row.cells, strict=True)
    }
    assert {place: cell.count for place, cell in told.items() if cell.count} == counts
    loose = any(not stored.passage.topics for stored in exported)
    assert (grid.rows[-1].head.label == NO_TOPIC) is loose
    [one] = holdings(library.catalogue, Filters(topic=("人才与激励",)), Rows.TOPIC).rows
    assert one.head == Head("talent", "人才与激励")


def test_a_bank_asked_for_has_a_row_for_its_line_and_is_not_held_where_there_is_none(library: Library) -> None:
    wanted = Filters(bank=("浙江农商联合银行", "农业银行"))
    merged, unheld = holdings(library.catalogue, wanted).rows
    assert merged.head.banks == ("浙江农商联合银行", "浙江农信")
    assert merged.count == bank_profile(library.catalogue, "浙江农信").entry.passages
    assert unheld.count == 0 and {cell.state for cell in unheld.cells} == {State.NOT_HELD}


def test_rows_beyond_those_shown_are_counted_but_the_industry_stays(library: Library) -> None:
    every, short = (holdings(library.catalogue, Filters(), top=top) for top in (100, 2))
    assert [row.head for row in short.rows] == [row.head for row in (*every.rows[:2], every.rows[-1])]
    assert short.left_out == len(every.rows) - 3


def test_what_cannot_be_laid_out(library: Library) -> None:
    for wrong in ({"rows": Rows.TOPIC, "columns": Columns.DIMENSION}, {"top": 0}):
        with pytest.raises(BadQuery):
            holdings(library.catalogue, Filters(), **wrong)
    with pytest.raises(NothingMatches, match="year 1999"):
        holdings(library.catalogue, Filters(bank=("青岛银行",), year=(1999,)))
    with pytest.raises(UnknownName, match="无此银行"):
        holdings(library.catalogue, Filters(bank=("无此银行",)))


def test_files_of_the_grid_say_that_nothing_was_asked(library: Library) -> None:
    grid = holdings(library.catalogue, Filters(), top=5)
    out = io.StringIO(newline="")
    write_grid(grid, out)
    header, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert header == ["bank", "count", "战略", "组织", "技术", "应用", "数据", "生态"]
    for row, written in zip(grid.rows, rows, strict=False):
        told = [str(cell.count) if cell.count else "未收录" for cell in row.cells]
        assert written == [row.head.label, str(row.count), *told]
    assert rows[-1] == [f"另有 {grid.left_out} 行未列出"]
    svg = draw_svg(grid).decode()
    assert HOLDINGS in svg and "馆藏段落数" in svg and "未检出" not in svg and "证据" not in svg
    assert draw_png(grid).startswith(b"\x89PNG")


def test_the_command_shows_what_is_held(library_settings: Settings, library: Library) -> None:
    shown = CliRunner().invoke(command, ["matrix", "--index", str(library_settings.index), "--json"])
    assert shown.exit_code == 0, shown.output
    told = holdings(library.catalogue, Filters())
    assert json.loads(shown.stdout) == grid_json(told)


# passages


@pytest.mark.parametrize("filters", FILTERS)
def test_passages_are_leafed_through_newest_report_first(
    library: Library, exported: list[StoredPassage], filters: Filters
) -> None:
    held = [stored for stored in exported if matches(stored, filters)]  # by file, each in reading order
    held.sort(key=lambda stored: -(stored.document.year or 0))
    assert browse(library.catalogue, filters).items == tuple(held)
    part = browse(library.catalogue, filters, limit=3, offset=2)
    assert (part.total, part.items) == (len(held), tuple(held[2:5]))
    assert browse(library.catalogue, filters, offset=10**6).items == ()


# the API


def test_the_api_lists_banks_and_tells_of_one(client: TestClient, profile: BankProfile, library: Library) -> None:
    listed = client.get("/v1/banks").json()
    assert [(bank["name"], bank["passages"]) for bank in listed["banks"]] == [
        (entry.name, entry.passages) for entry in bank_entries(library.catalogue)
    ]
    assert listed["total"] == len(listed["banks"])
    told = client.get(f"/v1/banks/{profile.entry.name}", params={"figures": 1}).json()
    assert told["bank"]["passages"] == profile.entry.passages
    for held, record in zip(profile.dimensions, told["dimensions"], strict=True):
        assert [quote["quote"] for quote in record["quotes"]] == [quote.citation.quote for quote in held.quotes]
    assert told["figures"]["total"] == profile.figures.total and len(told["figures"]["figures"]) == 1
    assert told["cases"]["total"] == profile.cases.total


def test_the_api_gives_passages_and_the_grid_without_a_question(client: TestClient, library: Library) -> None:
    given = client.get("/v1/passages", params={"dimension": "组织", "limit": 4, "offset": 1}).json()
    found = browse(library.catalogue, Filters(dimension=("组织",)), 4, 1)
    assert given["total"] == found.total
    assert given["passages"] == [passage_json(stored.passage, stored.document) for stored in found.items]
    assert client.get("/v1/matrix").json() == grid_json(holdings(library.catalogue, Filters()))
    assert client.get("/v1/matrix", params={"format": "csv"}).content.startswith(b"\xef\xbb\xbfbank,")


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("/v1/banks?limit=3", 422, "unknown-name"),
        ("/v1/banks/青道银行", 422, "unknown-name"),
        ("/v1/banks/农业银行", 404, "nothing-matches"),
        ("/v1/banks/青岛银行?quotes=0", 422, "invalid-request"),
        ("/v1/banks/青岛银行?year=2023", 422, "unknown-name"),
        ("/v1/passages?year=1999", 404, "nothing-matches"),
        ("/v1/passages?q=人才", 422, "unknown-name"),
    ],
)
def test_the_api_tells_what_is_wrong(client: TestClient, address: str, status: int, kind: str) -> None:
    answer = client.get(address)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:kb:problem:{kind}")
