"""Readers fed at random: what is broken is refused in one line, and never breaks off, hangs, or takes all memory.

`scripts/fuzz_readers.py` does the same for as long as it is let.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kb.banks import default_bank_book
from kb.build import Pipeline
from kb.errors import UnreadableFile
from kb.read.text import read_text
from kb.records import Block, Kind, Page, Piece
from kb.segment import blocks_to_passages
from kb.settings import Settings
from scripts.fuzz_readers import CHANGES, Seed, find_seeds, make_case, no_encoder, written_seeds
from tests import pdfs
from tests.conftest import Silent

CASES = 30
"""Broken files in a run; the script takes as many as there is time for."""

SAME_EACH_TIME = hypothesis_settings(max_examples=60, derandomize=True, database=None)

MARKS = st.sampled_from(
    [*"#>*_`|-\\[]()!<>&~ \t\n", "\n\n", "一、", "（一）", "1. ", "表1 ", "2023年", "|-", "<!--", "\u202e"]
)
TEXTS = st.lists(MARKS | st.text(max_size=5), max_size=60).map("".join)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Seed]:
    folder = tmp_path_factory.mktemp("seeds")
    for make in (pdfs.one_column, pdfs.table_over_break, pdfs.two_columns, pdfs.label_bands, pdfs.bookmarked_headings):
        make(folder / f"{make.__name__}.pdf")
    return [*find_seeds([folder]), *written_seeds()]


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    opened = Pipeline(Settings(page_seconds=10), no_encoder, 2)
    yield opened
    opened.close()


def test_cases_are_the_same_each_time_and_differ(seeds: list[Seed]) -> None:
    assert make_case(seeds, 1, 7) == make_case(seeds, 1, 7)
    cases = [make_case(seeds, 1, number) for number in range(40)]
    assert len({data for _, data in cases}) == 40
    assert {Path(name).suffix for name, _ in cases} == set(CHANGES)


def test_broken_files_are_read_or_refused(seeds: list[Seed], pipeline: Pipeline, tmp_path: Path) -> None:
    refused = 0
    for number in range(CASES):
        name, data = make_case(seeds, 7, number)
        path = tmp_path / f"case{Path(name).suffix}"
        path.write_bytes(data)
        try:
            pipeline.read(path, "0" * 64, name, default_bank_book(), Silent())
        except UnreadableFile as error:
            assert "\n" not in str(error), name
            refused += 1
    assert 0 < refused < CASES


@SAME_EACH_TIME
@given(text=TEXTS, suffix=st.sampled_from((".md", ".txt")))
def test_any_text_is_cut_into_pieces_of_it(text: str, suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(text.encode())
    try:
        written = read_text(path)
    except UnreadableFile as error:  # control characters
        assert str(path) in str(error)
        return
    for block in written.blocks:
        for piece in (*block.pieces, *(piece for pair in block.cells for part in pair for piece in part)):
            assert written.pages[piece.page - 1].text[piece.start : piece.end] == piece.text
    pdfs.check_spans(blocks_to_passages(written.blocks, written.pages, "0" * 64, lambda _: False), written.pages)


def cut(count: int) -> float:
    """Cut so many paragraphs of one character; the seconds that it takes."""
    page = Page(1, 0.0, 0.0, "一" * count, (), "text")
    blocks = [Block(Kind.TEXT, (Piece(1, at, at + 1, "一"),)) for at in range(count)]
    start = time.process_time()
    assert blocks_to_passages(blocks, [page], "0" * 64, lambda _: False)
    return time.process_time() - start


def test_many_short_paragraphs_take_steps_in_proportion() -> None:
    def calls(count: int) -> int:
        """Calls of functions, and steps of generators."""
        found = 0

        def follow(*_: object) -> None:
            nonlocal found
            found += 1

        before = sys.getprofile()
        sys.setprofile(follow)
        try:
            cut(count)
        finally:
            sys.setprofile(before)
        return found

    assert calls(16_000) < 9 * calls(2_000)


def test_many_short_paragraphs_take_time_in_proportion() -> None:
    """Copies count too, which are no calls. Sixteen times as many may take thrice as long for each, and a busy machine
    has further tries: were it quadratic, each would be too slow."""
    assert any(cut(40_000) < 3 * 16 * cut(2_500) for _ in range(3))


@SAME_EACH_TIME
@given(data=st.binary(max_size=300) | TEXTS.map(str.encode))
def test_any_bytes_are_a_text_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(data)
    try:
        read_text(path)
    except UnreadableFile as error:
        assert str(path) in str(error)
