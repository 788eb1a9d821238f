"""The boxes of quotes against the characters that another reader finds under them, for the whole sample corpus."""

from pathlib import Path

import pytest

from kb.boxes import boxes_of
from kb.build import ingest
from kb.catalogue import STORE_FILE
from kb.records import Line, Page
from kb.search import Library
from kb.settings import Settings
from kb.store import Store
from tests import pdfs
from tests.characters import stored_boxes
from tests.conftest import CACHE, Silent, encoder

SIZE = 10.0


def page_of(*lines: tuple[str, tuple[float, float, float, float]]) -> Page:
    """A page with these lines."""
    text, found = "", []
    for words, box in lines:
        found.append(Line(len(text), len(text) + len(words), box, SIZE))
        text += words + "\n"
    return Page(1, 600, 800, text, tuple(found), "test")


def test_boxes_cover_the_words_of_every_passage_and_sentence(library: Library) -> None:
    found = [one for document in library.store.documents() for one in stored_boxes(library.store, document)]
    assert len(found) > 2000 and sum(one.trimmed for one in found) > 400
    assert [(one.where, one.wanted, one.under) for one in found if not one.covers or one.foreign > 1] == []


def test_boxes_half_a_line_too_low_are_noticed(library: Library) -> None:
    document = library.store.documents()[0]
    found = list(stored_boxes(library.store, document, down=0.55))
    assert sum(one.covers for one in found) < len(found) / 10


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_boxes_lie_right_on_a_turned_page(tmp_path: Path, turn: int) -> None:
    pdfs.turned_report(tmp_path / "turned.pdf", turn)
    check_report(tmp_path)


def test_boxes_lie_right_on_a_cropped_page(tmp_path: Path) -> None:
    pdfs.cropped(tmp_path / "cropped.pdf")
    check_report(tmp_path, least=1)


def check_report(folder: Path, least: int = 5) -> None:
    """The one report in a folder, ingested."""
    settings = Settings(index=folder / "index", cache=CACHE, workers=1)
    assert not ingest([folder], settings, encoder, Silent()).failed
    with Store.open(settings.index / STORE_FILE) as store:
        found = list(stored_boxes(store, store.documents()[0]))
    assert len(found) >= least
    assert [(one.wanted, one.under) for one in found if not one.covers or one.foreign > 1] == []


def test_an_end_within_a_line_is_placed_by_the_widths_of_its_characters() -> None:
    page = page_of(("一二三四五六七八九十", (100, 50, 200, 60)))
    assert boxes_of(page, 2, 5) == ((119, 50, 151, 60),)  # a tenth of an em more on both sides
    assert boxes_of(page, 0, 10) == ((100, 50, 200, 60),)
    (half,) = boxes_of(page_of(("二〇二三年iiii", (100, 50, 200, 60))), 0, 5)
    assert half[2] > 170  # the narrow letters take less


def test_a_line_that_runs_up_is_trimmed_from_below() -> None:
    up = page_of(("一二三四五六七八九十", (100, 50, 110, 150)), ("甲乙丙丁戊己庚辛壬癸", (120, 50, 130, 150)))
    down = page_of(("一二三四五六七八九十", (120, 50, 130, 150)), ("甲乙丙丁戊己庚辛壬癸", (100, 50, 110, 150)))
    assert boxes_of(up, 0, 5) == ((100, 99, 110, 150),)
    assert boxes_of(down, 0, 5) == ((120, 50, 130, 101),)


def test_an_upright_line_of_unknown_direction_is_marked_whole() -> None:
    page = page_of(("一二三四五六七八九十", (100, 50, 110, 150)), ("横排的一行文字比竖排的多一些", (200, 50, 400, 60)))
    assert boxes_of(page, 0, 5) == ((100, 50, 110, 150),)


def test_a_section_of_a_text_file_has_no_boxes() -> None:
    page = Page(1, 0, 0, "没有位置", (Line(0, 4, (0, 0, 0, 0), 0.0),), "text")
    assert boxes_of(page, 0, 4) == ()
