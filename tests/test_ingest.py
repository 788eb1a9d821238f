"""Ingesting: skipped, replaced, moved and broken files, metadata by hand, one writer, a store that always verifies."""

import shutil
import sqlite3
from pathlib import Path

import docx
import pdfs
import pytest
from filelock import FileLock

from kb import build
from kb.answer import ask
from kb.build import find_files, ingest, remove
from kb.catalogue import STORE_FILE
from kb.errors import BadInput, DiskFull, IndexBusy, ModelMismatch, UnknownName
from kb.export import answer_json
from kb.metadata import NOTHING, Given, Metadata
from kb.records import Document, Filters
from kb.search import Library
from kb.settings import Settings, read_passwords
from kb.show import citation_line
from kb.store import Store
from kb.verify import verify
from tests.conftest import CACHE, CORPUS, Quick, Silent, encoder

SMALL = CORPUS / "survey2023.pdf"
OTHER = CORPUS / "rural2020.pdf"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(index=tmp_path / "index", cache=CACHE, workers=1)


def run(settings: Settings, *paths: Path, force: bool = False) -> list[str]:
    """Ingest, and say what became of each file."""
    report = ingest(list(paths), settings, Quick, Silent(), force)
    return [f"{outcome.path.name} {outcome.what}" for outcome in report.outcomes]


def quickly(settings: Settings, path: Path, given: Given = NOTHING, force: bool = False, passwords=()) -> str:
    """Ingest one file without a model, and say what became of it."""
    report = ingest([path], settings, Quick, Silent(), force, given, passwords)
    return " ".join([report.outcomes[0].what, report.outcomes[0].reason]).strip()


def stored(settings: Settings) -> Document:
    """The one document of an index."""
    with Store.open(settings.index / STORE_FILE) as store:
        [document] = store.documents()
    return document


def metadata(settings: Settings) -> Metadata:
    """Its metadata."""
    return build.metadata_of(stored(settings))


def check(settings: Settings) -> tuple[str, ...]:
    """What verify finds wrong."""
    with Store.open(settings.index / STORE_FILE) as store:
        return verify(store, settings.index).problems


def test_the_sample_corpus_verifies(library_settings: Settings) -> None:
    with Store.open(library_settings.index / STORE_FILE) as store:
        done = verify(store, library_settings.index)
    assert done.problems == ()
    assert done.documents >= 4
    assert done.passages > 120
    assert done.spans > done.passages
    assert done.units > done.passages


def test_unchanged_files_are_neither_read_nor_embedded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(settings, SMALL) == ["survey2023.pdf added"]
    with Store.open(settings.index / STORE_FILE) as store:
        generation = store.generation()
    monkeypatch.setattr(build.Pipeline, "read", lambda *_: pytest.fail("the file was read again"))
    assert run(settings, SMALL) == ["survey2023.pdf unchanged"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert store.generation() == generation


def test_force_reads_again_and_gives_the_same_passages(settings: Settings) -> None:
    def ids() -> list[str]:
        with Store.open(settings.index / STORE_FILE) as store:
            return [stored.passage.id for stored in store.live_passages()]

    run(settings, SMALL)
    before = ids()
    assert run(settings, SMALL, force=True) == ["survey2023.pdf replaced"]
    assert ids() == before
    assert check(settings) == ()


def test_a_changed_file_replaces_the_old_version(settings: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    shutil.copy(SMALL, report)
    run(settings, report)
    with Store.open(settings.index / STORE_FILE) as store:
        old = next(store.live_passages()).passage.id
    shutil.copy(OTHER, report)
    assert run(settings, report) == ["report.pdf replaced"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert [document.status for document in store.documents()] == ["live"]
        assert store.passage(old).document.status == "superseded"
    assert check(settings) == ()


def test_a_moved_file_keeps_its_passages(settings: Settings, tmp_path: Path) -> None:
    first, second = tmp_path / "a.pdf", tmp_path / "b.pdf"
    shutil.copy(SMALL, first)
    run(settings, first)
    first.rename(second)
    assert run(settings, second) == ["b.pdf moved"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert [document.file for document in store.documents()] == ["b.pdf"]
    assert check(settings) == ()


def test_a_file_moved_over_another_replaces_it(settings: Settings, tmp_path: Path) -> None:
    report, new = tmp_path / "report.pdf", tmp_path / "new.pdf"
    shutil.copy(SMALL, report)
    shutil.copy(OTHER, new)
    run(settings, report, new)
    with Store.open(settings.index / STORE_FILE) as store:
        title = next(d.title for d in store.documents() if d.file == "new.pdf")
    new.rename(report)
    assert run(settings, report) == ["report.pdf moved"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert [(d.file, d.title) for d in store.documents()] == [("report.pdf", title)]
    assert check(settings) == ()


def test_a_failure_is_forgotten_with_its_file_and_moves_the_generation(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    run(settings, tmp_path / "broken.pdf")
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.failures()) == 1
        noted = store.generation()
    assert noted > 0
    (tmp_path / "broken.pdf").unlink()
    run(settings, SMALL)
    with Store.open(settings.index / STORE_FILE) as store:
        assert store.failures() == []


def test_a_superseded_report_is_removed_by_its_id(settings: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    shutil.copy(SMALL, report)
    run(settings, report)
    with Store.open(settings.index / STORE_FILE) as store:
        old = store.documents()[0].id
    shutil.copy(OTHER, report)
    run(settings, report)
    assert remove(old, settings).status == "superseded"
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents(live=False)) == 1
    assert check(settings) == ()


def test_the_same_content_twice_is_one_document(settings: Settings, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        shutil.copy(SMALL, tmp_path / name)
    assert run(settings, tmp_path / "a.pdf", tmp_path / "b.pdf") == ["a.pdf added", "b.pdf unchanged"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents()) == 1


def test_a_broken_file_does_not_stop_the_others(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "a_empty.pdf").write_bytes(b"")
    (folder / "b_page.pdf").write_text("<!DOCTYPE html><p>404</p>")
    (folder / "c_cut.pdf").write_bytes(SMALL.read_bytes()[:3000])
    shutil.copy(SMALL, folder / "d_good.pdf")
    assert run(settings, folder) == ["a_empty.pdf failed", "b_page.pdf failed", "c_cut.pdf failed", "d_good.pdf added"]
    with Store.open(settings.index / STORE_FILE) as store:
        reasons = {Path(failure.path).name: failure.reason for failure in store.failures()}
    assert "empty" in reasons["a_empty.pdf"]
    assert "not a PDF" in reasons["b_page.pdf"]
    assert "c_cut.pdf" in reasons["c_cut.pdf"]


def test_a_file_that_breaks_leaves_its_stored_version(settings: Settings, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    shutil.copy(SMALL, report)
    run(settings, report)
    report.write_bytes(b"%PDF-1.7 and then nothing")
    assert run(settings, report) == ["report.pdf failed"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents()) == 1
        assert len(store.failures()) == 1
    shutil.copy(SMALL, report)
    assert run(settings, report) == ["report.pdf unchanged"]
    with Store.open(settings.index / STORE_FILE) as store:
        assert store.failures() == []


def test_a_failure_while_storing_leaves_the_old_state(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run(settings, SMALL)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "_insert_passages", fail)
    with pytest.raises(DiskFull, match="no space is left"):
        run(settings, OTHER)
    monkeypatch.undo()
    with Store.open(settings.index / STORE_FILE) as store:
        assert [document.file for document in store.documents()] == [SMALL.name]
    assert check(settings) == ()


def test_a_file_may_be_known_by_another_name(settings: Settings, tmp_path: Path) -> None:
    def ingest_as(path: Path, name: str) -> str:
        report = ingest([path], settings, Quick, Silent(), name=name)
        return report.outcomes[0].what

    def live() -> list[str]:
        with Store.open(settings.index / STORE_FILE) as store:
            return [document.file for document in store.documents()]

    (tmp_path / "uploads").mkdir()
    first, second = tmp_path / "uploads" / "a1b2.pdf", tmp_path / "uploads" / "c3d4.pdf"
    shutil.copy(SMALL, first)
    shutil.copy(OTHER, second)
    assert (ingest_as(first, "年报.pdf"), live()) == ("added", ["年报.pdf"])
    assert (ingest_as(first, "年报.pdf"), live()) == ("unchanged", ["年报.pdf"])
    assert (ingest_as(first, "年报2022.pdf"), live()) == ("moved", ["年报2022.pdf"])
    assert (ingest_as(second, "年报2022.pdf"), live()) == ("replaced", ["年报2022.pdf"])
    with Store.open(settings.index / STORE_FILE) as store:
        assert len(store.documents(live=False)) == 2
        assert store.documents()[0].path == str(second)
    assert check(settings) == ()


def test_several_processes_read_the_same_as_one(settings: Settings, tmp_path: Path) -> None:
    def texts(of: Settings) -> list[str]:
        with Store.open(of.index / STORE_FILE) as store:
            return [stored.passage.text for stored in store.live_passages()]

    two = settings.model_copy(update={"index": tmp_path / "two", "workers": 2})
    slides = CORPUS / "cases2018.pdf"
    run(settings, slides)
    run(two, slides)
    assert texts(settings) == texts(two)


def test_one_writer_at_a_time(settings: Settings) -> None:
    hurried = settings.model_copy(update={"lock_seconds": 0.1})
    settings.index.mkdir()
    with FileLock(settings.index / "writing.lock"), pytest.raises(IndexBusy, match="another process"):
        run(hurried, SMALL)


def test_another_model_is_refused_before_anything_is_read(copied_settings: Settings) -> None:
    class Other:
        name, dim = "another model", 8

    with pytest.raises(ModelMismatch):
        ingest([SMALL], copied_settings, Other, Silent())
    assert check(copied_settings) == ()


def test_removing_a_report(copied_settings: Settings) -> None:
    with Library.open(copied_settings, encoder()) as library:
        document = next(d for d in library.store.documents() if d.file == SMALL.name)
        assert library.search("银行", 5, Filters(report=(SMALL.name,))).hits
    remove(document.id, copied_settings)
    with Library.open(copied_settings, encoder()) as library:
        assert document.id not in {hit.document.id for hit in library.search("银行怎么做调研", 100).hits}
    assert check(copied_settings) == ()
    with pytest.raises(UnknownName, match=document.id):
        remove(document.id, copied_settings)


def test_paths_that_hold_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        find_files([tmp_path / "missing"])
    with pytest.raises(BadInput, match=r"no PDF in this folder, and no \.txt, \.md, \.docx file"):
        find_files([tmp_path])
    (tmp_path / "notes.xyz").write_text("x")
    with pytest.raises(BadInput, match="not a PDF, text, Markdown or Word file"):
        find_files([tmp_path / "notes.xyz"])


def test_which_files_of_a_folder_are_read(tmp_path: Path) -> None:
    for name in ("b.PDF", "a.md", "c/d.docx", "e.txt", "README.md", "~$d.docx", ".hidden.txt", "a.toml", "x.doc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path.name for path in find_files([tmp_path])] == ["a.md", "b.PDF", "d.docx", "e.txt"]
    assert find_files([tmp_path / "README.md", tmp_path / "README.md"]) == [tmp_path / "README.md"]


# metadata by hand


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A report of two pages, with a title and a year on its cover."""
    path = tmp_path / "small.pdf"
    pdfs.titled(path, "", "", [(28.0, "小银行观察报告"), (12.0, "2021年12月"), (14.0, "甲乙研究院")])
    return path


def test_metadata_beside_a_report_hold_and_are_taken_up_without_reading_it_again(
    settings: Settings, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert quickly(settings, small) == "added"
    found = metadata(settings)
    assert found == Metadata("小银行观察报告", "甲乙研究院", 2021, "研究报告")
    monkeypatch.setattr(build.Pipeline, "read", lambda *_: pytest.fail("the file was read again"))
    beside = small.with_suffix(".toml")
    beside.write_text('title = "小银行白皮书"\nkind = "白皮书"', "utf-8")
    assert quickly(settings, small) == "updated"
    assert metadata(settings) == Metadata("小银行白皮书", "甲乙研究院", 2021, "白皮书")
    assert quickly(settings, small) == "unchanged"
    beside.write_text('titel = "小银行白皮书"', "utf-8")
    assert "small.toml: unknown key 'titel'" in quickly(settings, small)
    assert metadata(settings).title == "小银行白皮书"
    beside.unlink()
    assert quickly(settings, small) == "updated"
    assert metadata(settings) == found
    assert check(settings) == ()


def test_metadata_of_the_command_line_stay_until_the_content_changes(settings: Settings, small: Path) -> None:
    assert quickly(settings, small, Given(year=2019, publisher="丙")) == "added"
    small.with_suffix(".toml").write_text('year = 2020\ntitle = "题"', "utf-8")
    assert quickly(settings, small) == "updated"
    assert metadata(settings) == Metadata("题", "丙", 2019, "研究报告")
    assert quickly(settings, small, force=True) == "replaced"
    assert metadata(settings) == Metadata("题", "丙", 2019, "研究报告")
    assert quickly(settings, small, Given(year=2018)) == "updated"
    assert (metadata(settings).year, metadata(settings).publisher) == (2018, "丙")
    moved = small.rename(small.with_name("moved.pdf"))
    assert quickly(settings, moved) == "moved"
    assert metadata(settings) == Metadata("小银行观察报告", "丙", 2018, "研究报告")
    pdfs.titled(moved, "", "", [(28.0, "另一份报告"), (12.0, "2022年3月")])
    assert quickly(settings, moved) == "replaced"
    assert metadata(settings) == Metadata("另一份报告", "", 2022, "研究报告")


def test_a_change_of_metadata_moves_the_generation_and_no_change_does_not(settings: Settings, small: Path) -> None:
    def generation() -> int:
        with Store.open(settings.index / STORE_FILE) as store:
            return store.generation()

    quickly(settings, small)
    first = generation()
    quickly(settings, small, Given(year=2021))  # the value that was found, now given by hand
    second = generation()
    quickly(settings, small)
    assert (second, generation()) == (first + 1, first + 1)


# files without pages


def test_text_markdown_and_word_are_cited_by_section(settings: Settings, tmp_path: Path) -> None:
    texts = [pdfs.prose(seed, 150) for seed in range(3)]
    (tmp_path / "a.txt").write_text(f"一、背景\n\n{texts[0]}", "gb18030")
    (tmp_path / "b.md").write_text(f"# 背景\n\n## 压力\n\n{texts[1]}\n\n| 银行 | 举措 |\n|--|--|\n| 甲 | 乙 |", "utf-8")
    document = docx.Document()
    document.add_heading("背景", 1)
    document.add_paragraph(texts[2])
    document.save(str(tmp_path / "c.docx"))
    report = ingest([tmp_path], settings, Quick, Silent())
    assert [outcome.what for outcome in report.outcomes] == ["added"] * 3
    with Library.open(settings, Quick()) as library:
        assert {document.unit for document in library.store.documents()} == {"section"}
        assert [table.rows for table in library.store.tables(library.store.documents()[1].id)] == [(("甲", "乙"),)]
        answer = ask(library, "客户经理怎么做")
        citations = [point.citation for evidence in answer.evidence for point in evidence.points]
        told = {line for citation in citations if (line := citation_line(citation))}
        found = answer_json(answer)["banks"][0]["points"][0]["citation"]
    assert found["unit"] == "section" and found["pages"] == [1] and found["labels"]
    assert any("，第 1 节（背景）" in line for line in told) and not any("页" in line for line in told)
    assert check(settings) == ()


def test_a_text_over_the_limit_of_sections_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "".join(f"# 第{number}段\n\n{pdfs.prose(1, 100)}\n\n" for number in range(5)), "utf-8"
    )
    few = settings.model_copy(update={"max_pages": 4})
    assert "5 sections, over the limit of 4" in quickly(few, tmp_path / "a.md")
    (tmp_path / "a.md").write_bytes(b"\xff")
    assert "byte 0 is 0xff" in quickly(settings, tmp_path / "a.md")
    (tmp_path / "a.md").write_text("# 题\n")
    assert "its sections hold no prose" in quickly(settings, tmp_path / "a.md")


# passwords


def test_a_file_of_passwords(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_bytes("\ufeffkb 2017\r\n\næøå \n".encode())
    assert read_passwords(file) == ("kb 2017", "æøå ")
    assert read_passwords(None) == ()
    file.write_bytes(b"secret\n\xff")
    with pytest.raises(BadInput, match="byte 7 is no UTF-8") as error:
        read_passwords(file)
    assert "secret" not in str(error.value)
    with pytest.raises(BadInput, match="cannot be read"):
        read_passwords(tmp_path / "missing")


def test_verify_sees_what_is_wrong(copied_settings: Settings) -> None:
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("UPDATE pages SET text = replace(text, '银行', '很行') WHERE number = 3")
    db.close()
    problems = check(copied_settings)
    assert problems
    assert "很" in problems[0]
    with sqlite3.connect(copied_settings.index / STORE_FILE) as db:
        db.execute("DELETE FROM units WHERE row IN (SELECT row FROM units LIMIT 3)")
    db.close()
    assert any("FAISS" in problem for problem in check(copied_settings))


def test_a_report_that_turns_out_to_be_a_banks_own_is_about_it(settings: Settings, small: Path) -> None:
    quickly(settings, small)
    about = Given(kind="年报", publisher="兴业银行股份有限公司")
    assert quickly(settings, small, about) == "updated"
    with Store.open(settings.index / STORE_FILE) as store:
        banks = [stored.passage.banks for stored in store.live_passages()]
    assert banks and all(found == ("兴业银行",) for found in banks)
