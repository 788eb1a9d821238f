"""Real reports and files that break readers, where they lie beside the checkout; a user's checkout has none."""

import json
from functools import cache
from pathlib import Path

import pytest

from kb.build import Pipeline, ReadDocument, read_or_name
from kb.errors import UnreadableFile, WrongPassword
from kb.segment import JOINERS
from kb.settings import Settings
from kb.words import mend
from tests.conftest import CACHE, ROOT, Silent, encoder

SHARED = ROOT.parent / "shared"
TRUTHS = sorted((SHARED / "eval" / "truth").glob("*.truth.jsonl"))
REPORTS = sorted((SHARED / "reports").glob("*.pdf"))
NASTY = sorted((SHARED / "nasty").glob("*.pdf"))
DUMPS = sorted((SHARED / "reports-text").glob("*.txt"))
PASSWORDS = {
    "r2017_encrypted": "kb2017",
    "enc_aes256_r6_pw_usersecret": "usersecret",
    "enc_lo_pw_openpassword": "openpassword",
    "enc_nonascii_pw": "æøå",
}

needs_reports = pytest.mark.skipif(not REPORTS, reason="no ../shared/reports beside this checkout")
needs_dumps = pytest.mark.skipif(not DUMPS, reason="no ../shared/reports-text beside this checkout")
needs_nasty = pytest.mark.skipif(not NASTY, reason="no ../shared/nasty beside this checkout")


def stem(path: Path) -> str:
    return path.name.split(".")[0]


@cache
def read(path: Path) -> ReadDocument:
    """A report read and cut, by one process."""
    return read_with(path)


def read_with(path: Path, *passwords: str) -> ReadDocument:
    """A file read and cut with these passwords, whatever goes wrong named."""
    pipeline = Pipeline(Settings(cache=CACHE), encoder, 1, passwords)
    try:
        return read_or_name(path, "0" * 64, pipeline, Silent())
    finally:
        pipeline.close()


def squeeze(text: str) -> str:
    return "".join(text.split())


def grams(text: str) -> set[str]:
    return {text[at : at + 4] for at in range(len(text) - 3)}


@needs_reports
@pytest.mark.parametrize("path", REPORTS, ids=stem)
def test_a_report_tells_its_year_its_publisher_and_its_kind(path: Path) -> None:
    document = read(path).document
    assert f"{document.year}" in path.stem
    assert document.publisher
    assert document.kind in ("研究报告", "白皮书")


@pytest.mark.parametrize(
    "path",
    [
        *(pytest.param(path, marks=needs_reports) for path in REPORTS),
        *(pytest.param(path, marks=needs_dumps) for path in DUMPS),
    ],
    ids=stem,
)
def test_every_word_of_a_passage_stands_on_its_page(path: Path) -> None:
    done = read(path)
    texts = {page.number: page.text for page in done.pages}
    for passage in done.passages:
        at = 0
        for span in passage.spans:
            assert set(passage.text[at : span.at]) <= JOINERS
            at = span.at + span.end - span.start
            assert passage.text[span.at : at] == mend(texts[span.page][span.start : span.end])
        assert at == len(passage.text)


@needs_reports
@pytest.mark.parametrize("truth", TRUTHS, ids=stem)
def test_the_text_is_covered_and_its_page_is_right(truth: Path) -> None:
    done = read(SHARED / "reports" / f"{stem(truth)}.pdf")
    passages = [(grams(squeeze(passage.text)), passage.pages) for passage in done.passages]
    everything = set().union(*(found for found, _ in passages))
    blocks = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
    wanted = [(grams(squeeze(b["text"])), b["page"]) for b in blocks if b["type"] in ("paragraph", "list", "case")]
    wanted = [(gold, page) for gold, page in wanted if len(gold) > 8]
    covered = [len(gold & everything) / len(gold) for gold, _ in wanted]
    best = [max(passages, key=lambda one, gold=gold: len(gold & one[0]))[1] for gold, _ in wanted]
    assert sum(covered) / len(covered) >= 0.93
    assert sum(page in pages for (_, page), pages in zip(wanted, best, strict=True)) / len(wanted) >= 0.95


@needs_reports
@pytest.mark.parametrize("path", REPORTS, ids=stem)
def test_passages_are_neither_slips_nor_chapters(path: Path) -> None:
    lengths = [len(passage.text) for passage in read(path).passages]
    assert max(lengths) <= 600
    assert 120 <= sum(lengths) / len(lengths) <= 320


@needs_dumps
@pytest.mark.parametrize("path", DUMPS, ids=stem)
def test_raw_text_is_cut_into_passages_of_some_length(path: Path) -> None:
    done = read(path)
    lengths = [len(passage.text) for passage in done.passages]
    assert done.document.unit == "section" and len(done.pages) > 1
    assert 150 <= sum(lengths) / len(lengths) <= 320
    assert max(lengths) <= 600
    assert sum(length < 30 for length in lengths) < 0.03 * len(lengths)


@needs_nasty
@pytest.mark.parametrize("name", PASSWORDS)
def test_an_encrypted_file_is_read_with_its_password_alone(name: str) -> None:
    path = SHARED / "nasty" / f"{name}.pdf"
    assert read_with(path, "another", PASSWORDS[name]).passages
    for wrong in ((), ("another",)):
        with pytest.raises(WrongPassword, match="needs a password"):
            read_with(path, *wrong)


@needs_nasty
@pytest.mark.parametrize("path", NASTY, ids=lambda path: path.stem)
def test_a_nasty_file_is_read_or_refused_by_name(path: Path) -> None:
    try:
        done = read_with(path)
    except UnreadableFile as error:
        assert path.name in str(error)
        assert "\n" not in str(error).strip()
    else:
        assert done.passages
