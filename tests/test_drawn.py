"""Drawn charts and diagrams: their labels stay on the page and out of the text, and what only looks drawn is read."""

from collections import Counter
from pathlib import Path

import pdfs
import pytest
from pdfs import Read, squeeze, table_rows, texts

from kb.records import Kind

LABELS = [*pdfs.CHART_NAMES, *map(str, pdfs.CHART_VALUES)]


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "report.pdf"


def check_left_out(read: Read, labels: list[str]) -> None:
    """Each label is a line of its page, and no passage, nor any block, holds a word of it."""
    lines = [squeeze(line) for line in read.pages[0].text.splitlines()]
    assert Counter(labels) <= Counter(lines)
    for text in (*texts(read), *(squeeze(" ".join((*p.heading, p.text))) for p in read.passages)):
        assert not [label for label in labels if label in text]


# Charts


@pytest.mark.parametrize("draw", [pdfs.standing_bars, pdfs.bare_bars, pdfs.lying_bars])
def test_labels_around_bars_stay_out_of_the_prose_beside_them(pdf: Path, draw):
    paragraphs = pdfs.chart_beside_prose(pdf, draw, 8)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, *paragraphs]
    check_left_out(read, LABELS)


def test_axis_numbers_and_legend_of_a_chart_stay_out(pdf: Path):
    pdfs.chart_beside_prose(pdf, pdfs.standing_bars, 8)
    check_left_out(pdfs.read(pdf), ["0", "50", "100", "150", pdfs.LEGEND])


@pytest.mark.parametrize("draw", [pdfs.standing_bars, pdfs.bare_bars, pdfs.lying_bars])
def test_prose_hardly_larger_than_the_labels_beside_it_is_whole(pdf: Path, draw):
    paragraphs = pdfs.chart_beside_prose(pdf, draw, 9)
    assert texts(pdfs.read(pdf), Kind.TEXT) == paragraphs


def test_a_paragraph_beside_a_chart_is_whole_over_wider_ones(pdf: Path):
    paragraphs = pdfs.chart_over_wide_prose(pdf)
    assert texts(pdfs.read(pdf), Kind.TEXT) == paragraphs


def test_the_caption_of_a_picture_is_none_of_the_prose_beside_it(pdf: Path):
    text, caption = pdfs.caption_beside_prose(pdf)
    read = pdfs.read(pdf)
    assert texts(read, Kind.TEXT) == [text]
    assert texts(read, Kind.CAPTION) == [squeeze(caption)]


# Diagrams


def test_small_boxes_in_rows_and_columns_are_a_diagram(pdf: Path):
    paragraphs = pdfs.diagram(pdf)
    read = pdfs.read(pdf)
    assert texts(read) == [pdfs.TITLE, *paragraphs]
    check_left_out(read, pdfs.DIAGRAM)


def test_small_boxes_with_a_sentence_each_are_text(pdf: Path):
    sentences = pdfs.small_cards(pdf)
    assert texts(pdfs.read(pdf), Kind.TEXT)[1:] == sentences


def test_a_ruled_table_of_single_words_is_no_diagram(pdf: Path):
    names, *rows = pdfs.ruled_words(pdf)
    assert table_rows(pdfs.read(pdf)) == pdfs.named(names, rows)


@pytest.mark.parametrize("labels", ["背景 措施 效果", "背景 难点 措施 效果 启示"])
def test_boxes_over_columns_of_text_are_their_headings(pdf: Path, labels: str):
    cards = pdfs.headed_columns(pdf, labels.split())
    read = pdfs.read(pdf)
    assert texts(read)[1:] == [words for card in cards for words in (card.label, card.text)]
    assert texts(read, Kind.HEADING)[1:] == labels.split()


def test_boxes_beside_their_texts_are_no_diagram(pdf: Path):
    cards = pdfs.labelled_texts(pdf)
    read = pdfs.read(pdf)
    assert not [strip for layout in read.layouts for strip in layout.loose]
    everything = "".join(texts(read))
    assert not [card.label for card in cards if card.label not in everything]


@pytest.mark.xfail(strict=True, reason="a label level with the second line is read between the first and the second")
def test_a_label_in_the_middle_beside_its_text_is_read_before_it(pdf: Path):
    cards = pdfs.labelled_texts(pdf)
    assert texts(pdfs.read(pdf))[1:] == [words for card in cards for words in (card.label, card.text)]
