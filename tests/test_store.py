"""The store: what goes in comes out, changes are whole, old versions stay resolvable, damage has a name."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kb.errors import IndexDamaged, IndexMissing, NotFound
from kb.records import (
    Case,
    CasePart,
    Document,
    Field,
    Figure,
    Filters,
    Kind,
    Line,
    Page,
    Passage,
    Reason,
    ReportTable,
    Span,
    Tag,
    TaggedDocument,
    Unit,
)
from kb.store import Failure, Model, Store

MODEL = Model("test model", 4)


def document(name: str = "a", path: str = "/reports/a.pdf", year: int | None = 2020) -> Document:
    return Document(
        id=f"{name:0<16}",
        sha256=f"{name:0<64}",
        path=path,
        file=Path(path).name,
        title=f"报告{name}",
        publisher="编写组",
        year=year,
        kind="研究报告",
        page_count=1,
        reader="test",
    )


def page(text: str) -> Page:
    return Page(1, 100.0, 200.0, text, (Line(0, len(text), (1.0, 2.0, 3.0, 4.0), 9.5),), "test", "12", None)


def passage(identity: str, text: str, banks: tuple[str, ...] = (), topics: tuple[str, ...] = ()) -> Passage:
    spans = (Span(1, 0, len(text), 0),)
    tags = [Tag(Field.BANK, bank, 0.9, (Reason("text", bank), Reason("heading", "节"))) for bank in banks]
    tags += [Tag(Field.DIMENSION, "组织"), *(Tag(Field.TOPIC, topic, 0.5) for topic in topics), Tag(Field.ROLE, "措施")]
    return Passage(identity, Kind.TEXT, ("章", "节"), text, spans, tuple(tags))


def figure(start: int = 0) -> Figure:
    return Figure(start, start + 2, "3家", 3.0, "家", "网点", "2020年末", "2020-12-31", "较年初增加1家", 1.0, "家")


def case(identity: str, *passages: str, bank: str = "青岛银行") -> Case:
    parts = (CasePart("措施", "做法", passages[:1], 0, 2), CasePart("效果", "", passages[1:], 1))
    return Case(identity, f"{bank}：接口", (bank,), parts, (1,), ("章",))


def alone(one: Passage) -> TaggedDocument:
    return TaggedDocument((one,), {}, ())


def table(number: int = 1) -> ReportTable:
    return ReportTable(number, (1, 2), ("章", "节"), "表1", ("银行", "余额"), (("甲", "-1"), ("甲", "")))


def add(store: Store, about: Document, *passages: Passage) -> None:
    units = [Unit(p.id, 0, len(p.text), True) for p in passages]
    vectors = np.eye(4, dtype=np.float32)[[at % 4 for at in range(len(units))]]
    store.add_document(
        about, [page("".join(p.text for p in passages))], TaggedDocument(passages, {}, ()), units, vectors
    )


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "kb.sqlite", MODEL) as opened:
        yield opened


def test_what_goes_in_comes_out(store: Store) -> None:
    stored = passage("p1", "青岛银行引进人才", ("青岛银行", "北京银行"), ("talent", "ai"))
    add(store, document(), stored)
    found = store.passage("p1")
    assert found.passage == stored
    assert found.document == document()
    assert store.pages(document().id) == [page("青岛银行引进人才")]
    units, vectors = store.unit_rows()
    assert [(unit.start, unit.end, unit.whole) for unit in units] == [(0, 8, True)]
    assert np.array_equal(vectors, np.eye(4, dtype=np.float32)[:1])
    assert store.model() == MODEL


def test_a_document_comes_out_with_its_tables_and_its_unit(store: Store) -> None:
    about = replace(document(), unit="section", year=None)
    one, vectors = passage("p1", "一"), np.eye(4, dtype=np.float32)[:1]
    store.add_document(about, [page("一")], alone(one), [Unit("p1", 0, 1, True)], vectors, [table(2), table(1)])
    assert store.document(about.id) == about
    assert store.tables(about.id) == [table(1), table(2)]
    assert list(store.live_tables()) == [(about, table(1)), (about, table(2))]
    add(store, document("b"), passage("p2", "二"))
    assert store.tables(about.id) == [table(1), table(2)]  # of a superseded report, still resolvable
    assert list(store.live_tables()) == []


def test_a_table_that_fails_leaves_nothing_of_its_document(store: Store) -> None:
    one, vectors = passage("p1", "一"), np.eye(4, dtype=np.float32)[:1]
    with pytest.raises(sqlite3.IntegrityError):
        store.add_document(
            document(),
            [page("一")],
            alone(one),
            [Unit("p1", 0, 1, True)],
            vectors,
            [table(), table()],
        )
    assert not store.has_document(document().id)
    assert store.generation() == 0


def test_every_change_moves_the_generation_on(store: Store) -> None:
    seen = [store.generation()]
    add(store, document(), passage("p1", "一"))
    seen.append(store.generation())
    store.move_document(document().id, "/elsewhere/b.pdf", "b.pdf")
    seen.append(store.generation())
    store.remove_document(document().id)
    seen.append(store.generation())
    assert seen == sorted(set(seen))


def test_a_document_that_fails_half_way_leaves_nothing(store: Store) -> None:
    add(store, document(), passage("p1", "一"))
    before = store.generation()
    twice = passage("p2", "二")
    with pytest.raises(sqlite3.IntegrityError):
        add(store, document("b", "/reports/b.pdf"), twice, twice)
    assert store.generation() == before
    assert [found.id for found in store.documents()] == [document().id]
    with pytest.raises(NotFound):
        store.passage("p2")


def test_a_replaced_report_keeps_its_passages_resolvable(store: Store) -> None:
    add(store, document("a"), passage("old", "旧文"))
    add(store, document("b"), passage("new", "新文"))
    assert store.passage("old").document.status == "superseded"
    assert [found.passage.id for found in store.live_passages()] == ["new"]
    units, _ = store.unit_rows()
    assert {unit.passage_row for unit in units} == {store.passage("new").row}
    assert store.matching_rows(Filters(dimension=("组织",)), ()) == [store.passage("new").row]


def test_tokens_belong_to_their_passages(store: Store) -> None:
    one, two = passage("p1", "一"), passage("p2", "二")
    tokens = [np.arange(6, dtype=np.int8).reshape(2, 3), np.zeros((0, 3), np.int8)]
    units = [Unit(each.id, 0, 1, True) for each in (one, two)]
    tagged = TaggedDocument((one, two), {}, ())
    store.add_document(document(), [], tagged, units, np.eye(2, 4, dtype=np.float32), tokens=tokens)
    rows = [store.passage(identity).row for identity in ("p1", "p2")]
    found = store.tokens([*rows, 99])
    assert list(found) == rows[:1]  # the second has none that count
    assert np.array_equal(found[rows[0]], tokens[0])
    units_now, vectors = store.unit_rows()
    numbers = [unit.row for unit in units_now]
    store.replace_vectors(Model("other", 4), numbers, vectors, {rows[1]: tokens[0][:1]})
    assert {row: each.tolist() for row, each in store.tokens(rows).items()} == {rows[1]: [[0, 1, 2]]}
    with pytest.raises(ValueError, match="zip\\(\\)"):
        store.add_document(document(), [], tagged, units, np.eye(2, 4, dtype=np.float32), tokens=tokens[:1])


def test_removing_takes_everything_along(store: Store, tmp_path: Path) -> None:
    one = passage("p1", "一", ("青岛银行",), ("talent",))
    units, vectors = [Unit("p1", 0, 1, True)], np.eye(4, dtype=np.float32)[:1]
    tagged = TaggedDocument((one,), {"p1": (figure(),)}, (case("c1", "p1", "p1"),))
    store.add_document(document(), [page("一")], tagged, units, vectors, [table()])
    store.remove_document(document().id)
    names = "documents pages tables passages tags figures cases case_passages units".split()
    with sqlite3.connect(tmp_path / "kb.sqlite") as db:
        for name in names:
            assert db.execute(f"SELECT COUNT(*) FROM {name}").fetchone() == (0,), name
    db.close()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(bank=("青岛银行",)), {"p1", "p2"}),
        (Filters(bank=("青岛银行", "北京银行")), {"p1", "p2", "p3"}),
        (Filters(bank=("青岛银行",), year=(2020,)), {"p1"}),
        (Filters(topic=("ai",)), {"p3"}),
        (Filters(year=(1999,)), set()),
        (Filters(bank=("无此银行",)), set()),
        (Filters(dimension=("组织",), topic=("talent",), year=(2021,)), {"p2"}),
    ],
)
def test_filters_hold_exactly(store: Store, filters: Filters, expected: set[str]) -> None:
    add(store, document("a"), passage("p1", "一", ("青岛银行",), ("talent",)))
    later = document("b", "/reports/b.pdf", 2021)
    add(store, later, passage("p2", "二", ("青岛银行",), ("talent",)), passage("p3", "三", ("北京银行",), ("ai",)))
    rows = store.matching_rows(filters, ())
    assert {found.passage.id for found in store.passages_by_row(rows)} == expected


def test_a_report_filter_that_stands_for_no_report_gives_nothing(store: Store) -> None:
    add(store, document(), passage("p1", "一"))
    assert store.matching_rows(Filters(report=("a.pdf",)), ()) == []
    assert len(store.matching_rows(Filters(report=("a.pdf",)), (document().id,))) == 1


def test_a_snapshot_does_not_see_what_is_written_later(store: Store, tmp_path: Path) -> None:
    add(store, document(), passage("p1", "一"))
    with Store.open(tmp_path / "kb.sqlite") as reader:
        generation = reader.snapshot()
        add(store, document("b", "/reports/b.pdf"), passage("p2", "二"))
        assert reader.generation() == generation
        assert len(reader.documents()) == 1
        assert reader.refresh() == generation + 1
        assert len(reader.documents()) == 2


def test_pages_that_cannot_be_read_are_listed_and_empty_ones_are_not(store: Store) -> None:
    bad = replace(page(""), problem="no text layer (scan or picture)", lines=())
    blank = replace(page(""), number=2, problem="empty page", lines=())
    one = passage("p1", "一")
    store.add_document(
        document(),
        [bad, blank],
        alone(one),
        [Unit("p1", 0, 1, True)],
        np.eye(4, dtype=np.float32)[:1],
    )
    assert store.problem_pages() == [(document().id, 1, "no text layer (scan or picture)")]


def test_failures_are_kept_until_the_file_reads_well(store: Store) -> None:
    store.note_failure(Failure("/reports/a.pdf", "00", "broken"))
    assert [failure.reason for failure in store.failures()] == ["broken"]
    add(store, document(), passage("p1", "一"))
    assert store.failures() == []


def test_no_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match="kb ingest"):
        Store.open(tmp_path / "kb.sqlite")


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "kb.sqlite").write_bytes(b"not a database at all, but long enough to look like one" * 40)
    with pytest.raises(IndexDamaged, match=r"kb\.sqlite"):
        Store.open(tmp_path / "kb.sqlite")


def test_a_store_that_a_killed_run_left_empty_is_none(tmp_path: Path) -> None:
    (tmp_path / "kb.sqlite").touch()
    for opened in (Store.open, Store.open_to_change):
        with pytest.raises(IndexMissing, match="no index"):
            opened(tmp_path / "kb.sqlite")


def test_another_schema_is_refused(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "kb.sqlite") as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    for opened in (Store.open, Store.open_to_change):
        with pytest.raises(IndexDamaged, match="schema 99.*a later kb"):
            opened(tmp_path / "kb.sqlite")
    with sqlite3.connect(tmp_path / "kb.sqlite") as db:
        db.execute("UPDATE meta SET value = '3' WHERE key = 'schema'")
    db.close()
    with pytest.raises(IndexDamaged, match="schema 3.*ingest the reports again"):
        Store.open_to_change(tmp_path / "kb.sqlite")


def test_a_store_of_schema_4_is_brought_up_when_it_is_opened_to_be_changed(store: Store, tmp_path: Path) -> None:
    add(store, document(), passage("p1", "青岛银行"), passage("p2", "北京银行"))
    editions = store.editions()
    with sqlite3.connect(tmp_path / "kb.sqlite") as db:
        for column in ("edition", "tagging", "first_row", "end_row"):
            db.execute(f"ALTER TABLE documents DROP COLUMN {column}")
        db.execute("UPDATE meta SET value = '4' WHERE key = 'schema'")
    db.close()
    with pytest.raises(IndexDamaged, match="schema 4.*loses nothing: kb retag"):
        Store.open(tmp_path / "kb.sqlite")
    with Store.open_to_change(tmp_path / "kb.sqlite") as again:
        assert [(one.document, one.first, one.end) for one in again.editions()] == [
            (one.document, one.first, one.end) for one in editions
        ]
        assert all(one.token for one in again.editions())
        again.remove_document(editions[0].document)
    with Store.open(tmp_path / "kb.sqlite") as opened:
        assert opened.editions() == []


def test_an_edition_changes_with_its_words_alone(store: Store) -> None:
    add(store, document(), passage("p1", "青岛银行"), passage("p2", "北京银行"))
    (first,) = store.editions()
    about = store.documents()[0]
    store.set_metadata(replace(about, title="另一个题目"), "")
    store.note_failure(Failure("/x.pdf", "", "broken"))
    assert store.editions() == [first]
    store.retag([(about.id, store.tagged(about.id))])
    (second,) = store.editions()
    assert second == replace(first, tagging=second.tagging) and second.tagging != first.tagging


def test_a_change_that_is_refused_before_it_is_seen_is_undone(store: Store) -> None:
    add(store, document(), passage("p1", "青岛银行"))
    seen: list[int] = []

    def refuse(changed: Store) -> None:
        seen.append(len(changed.editions()))
        raise OSError("no space")

    store.before_commit = refuse
    with pytest.raises(OSError, match="no space"):
        store.remove_document(store.documents()[0].id)
    assert (seen, len(store.documents())) == ([0], 1)


# Tags, figures, cases


def add_tagged(store: Store, about: Document, tagged: TaggedDocument) -> None:
    units = [Unit(p.id, 0, len(p.text), True) for p in tagged.passages]
    vectors = np.eye(4, dtype=np.float32)[[at % 4 for at in range(len(units))]]
    store.add_document(about, [page("".join(p.text for p in tagged.passages))], tagged, units, vectors)


def test_figures_and_cases_come_out_as_they_went_in(store: Store) -> None:
    one, two = passage("p1", "三家网点", ("青岛银行",)), passage("p2", "效果很好", ("青岛银行",))
    tagged = TaggedDocument((one, two), {"p1": (figure(), figure(1)), "p2": (figure(2),)}, (case("c1", "p1", "p2"),))
    add_tagged(store, document(), tagged)
    rows = [store.passage("p2").row, store.passage("p1").row]
    found = store.figures(rows)
    assert [(stored.passage.id, stored.figure) for stored in found] == [
        ("p2", figure(2)), ("p1", figure()), ("p1", figure(1)),
    ]  # fmt: skip
    assert store.case_ids(rows[:1]) == ["c1"]
    assert store.case_ids([]) == []
    kept = store.case("c1")
    assert (kept.case, kept.document) == (case("c1", "p1", "p2"), document())
    assert kept.passages == {"p1": one, "p2": two}
    assert [stored.figure for stored in kept.figures] == [figure(), figure(1), figure(2)]
    assert [part.text(kept.passages) for part in kept.case.parts] == ["三家", "果很好"]
    with pytest.raises(NotFound, match="nowhere"):
        store.case("nowhere")


def test_tagging_anew_replaces_tags_figures_and_cases_and_nothing_else(store: Store) -> None:
    one, two = passage("p1", "三家网点", ("青岛银行",)), passage("p2", "效果", ("青岛银行",))
    add_tagged(store, document(), TaggedDocument((one, two), {"p1": (figure(),)}, (case("c1", "p1", "p2"),)))
    add_tagged(
        store, document("b", "/reports/b.pdf"), TaggedDocument((passage("q1", "别的"),), {"q1": (figure(),)}, ())
    )
    rows = {identity: store.passage(identity).row for identity in ("p1", "p2", "q1")}
    units, vectors = store.unit_rows()
    before = store.generation()
    later = passage("p1", "三家网点", ("台州银行",)), passage("p2", "效果", (), ("ai",))
    found = TaggedDocument(later, {"p2": (figure(),)}, (case("c2", "p2", bank="台州银行"),))
    store.retag([(document().id, found)])
    assert store.generation() == before + 1
    assert {identity: store.passage(identity).row for identity in rows} == rows
    assert [store.passage(identity).passage for identity in ("p1", "p2")] == list(later)
    assert store.bank_counts() == {"台州银行": 1}
    assert [stored.passage.id for stored in store.figures(list(rows.values()))] == ["p2", "q1"]
    assert store.case_ids(rows.values()) == ["c2"]
    again, same = store.unit_rows()
    assert units == again
    assert np.array_equal(vectors, same)


def test_tagging_anew_that_breaks_off_leaves_the_old_tags(store: Store) -> None:
    one = passage("p1", "三家网点", ("青岛银行",))
    add_tagged(store, document(), TaggedDocument((one,), {"p1": (figure(),)}, ()))
    before = store.generation()

    def documents() -> Iterator[tuple[str, TaggedDocument]]:
        yield document().id, TaggedDocument((passage("p1", "三家网点"),), {}, ())
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        store.retag(documents())
    assert store.passage("p1").passage == one
    assert store.generation() == before


def test_rows_of_phrases_are_kept(store: Store) -> None:
    assert store.phrases() == {}
    row = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    store.keep_phrases({"人才": row})
    assert list(store.phrases()) == ["人才"]
    assert np.array_equal(store.phrases()["人才"], row)


def test_whole_rows_are_those_of_passages_in_reading_order(store: Store) -> None:
    one, two = passage("p1", "一"), passage("p2", "二三")
    units = [Unit("p2", 0, 2, True), Unit("p2", 0, 1, False), Unit("p1", 0, 1, True)]
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 2]]
    store.add_document(document(), [page("一二三")], TaggedDocument((one, two), {}, ()), units, vectors)
    assert np.array_equal(store.whole_rows(document().id), vectors[[2, 0]])
