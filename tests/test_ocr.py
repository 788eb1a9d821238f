"""OCR of scans made from a page whose words are known; it runs for real, with the extra `ocr`."""

import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path
from textwrap import dedent

import pdfs
import pytest

from kb.read import ocr
from kb.read.pages import OpenPdf, read_pages
from kb.read.plumber import READER
from kb.records import RawPage

NOT_INSTALLED = "OCR not installed (pip install 'kb[ocr]')"


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "scan.pdf"


@pytest.fixture
def without_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)


def words_of(page: RawPage) -> str:
    return pdfs.squeeze("".join(glyph.text for glyph in page.glyphs))


def likeness(page: RawPage, words: str) -> float:
    """The share of characters that are the same, in the same order; brackets may be full or half wide."""
    found = words_of(page).translate(str.maketrans("(),:", "（），："))
    return SequenceMatcher(None, found, words, autojunk=False).ratio()


def only_page(path: Path) -> RawPage:
    [page] = read_pages(path, [1])
    return page


# Scans


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_scan_is_recognised_whichever_way_it_lies(pdf: Path, turn: int):
    words = pdfs.scanned(pdf, turn)
    page = only_page(pdf)
    assert (page.reader, page.problem) == (ocr.reader(), None)
    assert (page.width, page.height) == pdfs.strip_size(turn)
    assert likeness(page, words) > 0.97
    assert {glyph.turn for glyph in page.glyphs} == {turn}
    assert {glyph.font for glyph in page.glyphs} == {ocr.FONT}


def test_each_character_has_its_own_box_and_size(pdf: Path):
    pdfs.scanned(pdf)
    page = only_page(pdf)
    [printed] = read_pages(pdfs.CORPUS / pdfs.PRINTED, [2])
    there = [glyph for glyph in printed.glyphs if pdfs.STRIP[0] < glyph.box[3] < pdfs.STRIP[1]]
    hits = 0
    for glyph in page.glyphs:
        x, y = (glyph.box[0] + glyph.box[2]) / 2, (glyph.box[1] + glyph.box[3]) / 2 + pdfs.STRIP[0]
        under = [one for one in there if one.box[0] <= x <= one.box[2] and one.box[1] - 2 <= y <= one.box[3] + 2]
        hits += any(one.text == glyph.text and abs(one.size - glyph.size) < 0.1 * one.size for one in under)
    assert hits > 0.9 * len(page.glyphs)


def test_pages_with_and_without_text_layer_are_read_each_in_its_way(pdf: Path):
    texts = pdfs.text_and_scans(pdf)
    pages = list(read_pages(pdf, [1, 2, 3]))
    assert [page.reader for page in pages] == [READER, ocr.reader(), READER]
    assert [likeness(page, words) > 0.97 for page, words in zip(pages, texts, strict=True)] == [True] * 3


@pytest.mark.parametrize("stray", ["⚫⚫⚫ \uf028\uf02a", "某某信息平台　第3页"])
def test_a_few_characters_over_a_scan_are_no_text_layer(pdf: Path, stray: str):
    words = pdfs.stray_over_scan(pdf, stray)
    page = only_page(pdf)
    assert page.reader == ocr.reader()
    assert likeness(page, words) > 0.95


def test_a_page_with_a_wrong_character_map_is_read_from_its_picture(pdf: Path):
    words = pdfs.wrong_map(pdf)
    page = only_page(pdf)
    assert (page.reader, page.problem) == (ocr.reader(), None)
    assert likeness(page, words) > 0.97


def test_a_picture_without_text_is_named(pdf: Path):
    pdfs.gaps(pdf)
    with OpenPdf(pdf) as opened:
        pages = [opened.page(number) for number in (2, 3)]
    assert [page.problem for page in pages] == ["empty page", "no text layer, OCR found no text in it"]


# Without the extra


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_a_scan_is_named_with_the_way_out(pdf: Path):
    pdfs.text_and_scans(pdf)
    pages = list(read_pages(pdf, [1, 2]))
    assert [page.problem for page in pages] == [None, f"no text layer, {NOT_INSTALLED}"]
    assert pages[1].glyphs == ()


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_no_garbage_is_kept(pdf: Path):
    pdfs.wrong_map(pdf)
    page = only_page(pdf)
    assert (page.problem, page.glyphs) == (f"garbled text layer (wrong character map), {NOT_INSTALLED}", ())


@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_the_words_over_a_scan_are_kept_and_dots_are_not(pdf: Path):
    pdfs.stray_over_scan(pdf, "某某信息平台　第3页")
    assert (words_of(only_page(pdf)), only_page(pdf).problem) == ("某某信息平台第3页", None)
    for stray in ("⚫⚫⚫", "— 3 —"):
        pdfs.stray_over_scan(pdf, stray)
        assert (only_page(pdf).glyphs, only_page(pdf).problem) == ((), f"no text layer, {NOT_INSTALLED}")


# How it runs


def test_it_needs_no_network_says_nothing_and_starts_no_thread(pdf: Path):
    pdfs.scanned(pdf)
    script = """
        import socket, sys
        from pathlib import Path

        def refuse(*_): raise AssertionError("it asked the network")
        socket.socket.connect = socket.getaddrinfo = refuse

        from kb.read import ocr
        from kb.read.pages import read_pages
        assert "rapidocr" not in sys.modules and "onnxruntime" not in sys.modules
        import cv2, onnxruntime, rapidocr  # numpy's own threads are none of ours

        def threads(): return len(list(Path("/proc/self/task").iterdir())) if Path("/proc").is_dir() else 1
        before = threads()
        [page] = read_pages(Path(sys.argv[1]), [1])
        assert page.reader == ocr.reader(), page.problem
        assert threads() == before
    """
    done = subprocess.run([sys.executable, "-c", dedent(script), pdf], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
