"""Real reports and files that break readers, where they lie beside the checkout; a user's checkout has none."""

import importlib.util
import json
import re
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import pdfs
import pytest

from kb.banks import default_bank_book
from kb.build import Pipeline, ReadDocument, read_or_name
from kb.errors import UnreadableFile, WrongPassword
from kb.export import passage_json
from kb.read import ocr
from kb.read.pages import OpenPdf, read_pages, text_of
from kb.records import Case
from kb.settings import Settings
from kb.tag.cases import find_cases
from kb.tag.owners import owner_tags
from kb.tag.roles import role_tag
from tests.characters import marked_boxes
from tests.conftest import CACHE, ROOT, Silent, encoder

SHARED = ROOT.parent / "shared"
REPORTS = sorted((SHARED / "reports").glob("*.pdf"))
NASTY = sorted((SHARED / "nasty").glob("*.pdf"))
REAL = sorted((SHARED / "real").glob("*.pdf"))
DUMPS = sorted((SHARED / "reports-text").glob("*.txt"))
SCORE = SHARED / "eval" / "score.py"
SECONDS_A_FILE = 60
BOOK = default_bank_book()

PLUMBER, PDFIUM, OCR = "pdfplumber", "pypdfium2", "rapidocr"


@dataclass(frozen=True, slots=True)
class Good:
    """A file that is read: words of it, in this order, and how many of its pages come from which reader, in order.

    `only` are the pages that are read here, where all would take too long; `problems` are the pages without text.
    """

    words: tuple[str, ...]
    readers: Mapping[str, int]
    only: tuple[int, ...] = ()
    password: str = ""
    problems: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bad:
    """A file that is refused, with these words in the error."""

    reason: str


NASTY_FILES: Mapping[str, Good | Bad] = {
    "attach_embedded_file": Good(("Lorem",), {PLUMBER: 1}),
    "broken_184bytes": Bad("broken PDF"),
    "broken_fuzz_poppler742": Bad("broken PDF"),
    "broken_no_startxref": Bad("empty page"),
    "broken_page_tree_cycle": Good(("loop",), {PLUMBER: 2}, problems={2: "page cannot be read"}),
    "broken_redhat_1531897": Bad("broken PDF"),
    "cjk_issue12823": Good(("团队",), {PLUMBER: 1}),
    "cjk_vertical_kampo_noembed": Good(("歩道",), {PLUMBER: 1}),
    "cjk_xiaobiaosong_no_tounicode": Good(("游击区", "方针"), {PDFIUM: 1}),
    "enc_aes256_r6_pw_usersecret": Good(("Hello",), {PLUMBER: 1}, password="usersecret"),
    "enc_bad_crypt_dict": Bad("broken PDF"),
    "enc_lo_pw_openpassword": Good(("Lorem",), {PLUMBER: 1}, password="openpassword"),
    "enc_nonascii_pw": Good(("Issue",), {PLUMBER: 1}, password="æøå"),
    "evil_bomb_giant_page": Good(("1.16GB",), {PLUMBER: 1}),
    "evil_javascript": Bad("empty page"),
    "evil_operator_cycle": Bad("empty page"),
    "glyph_paths_no_text_zh": Good(("交易日历", "数据库"), {OCR: 1}),
    "html_named": Bad("not a PDF"),
    "junk_before_header": Good(("董事会", "净利润"), {PLUMBER: 18}),
    "r2017_encrypted": Good(("中小银行", "金融科技"), {PLUMBER: 48}, password="kb2017"),
    "r2018_scanned": Good(("农村商业银行",), {OCR: 1}, only=(2,)),
    "r2021_rotated": Good(("数字化转型现状", "问卷调研"), {PLUMBER: 3}),
    "r2023_truncated": Bad("broken PDF"),
    "rot_all_four": Good(("habibi",) * 4, {PLUMBER: 4}),
    "scan_hant_rot180": Good(("盈餘", "會計主管"), {OCR: 1}),
    "scan_tiles_zh_kailaiying": Good(("营业收入", "同比"), {OCR: 1}, only=(1,)),
    "scan_zh_book_2p": Good(("交换价值",), {OCR: 2}),
    "unsupported_brotli": Bad("BrotliDecode"),
    "zero_bytes": Bad("not a PDF"),
    "zh_bank_mixed_text_and_scan": Good(("董事会", "净利润"), {PLUMBER: 3, OCR: 3}),
    "zh_bank_no_tounicode": Good(("董事会", "净利润"), {PLUMBER: 18}),
    "zh_bank_truncated_last_1KB": Good(("董事会", "净利润"), {PDFIUM: 18}),
}
ENCRYPTED = [name for name, expected in NASTY_FILES.items() if isinstance(expected, Good) and expected.password]

REAL_FILES: Mapping[str, Good] = {
    "cib_2022_annual_garbled_tounicode": Good(("银行", "财务报告"), {PLUMBER: 2}, only=(10, 149)),
    "cib_2023q1": Good(("董事会", "净利润"), {PLUMBER: 18}),
    "cmbc_2021_annual": Good(("年度报告", "行长", "审计报告", "补充资料"), {PLUMBER: 4}, only=(1, 10, 200, 441)),
    "fisco_bcos_whitepaper_zh": Good(("区块链", "金融行业"), {PLUMBER: 35}),
    "maipu_huaan_note": Good(("公司点评",), {PLUMBER: 4}),
    "mineru_2list_1table": Good(("审图与检验",), {PLUMBER: 1}),
    "mineru_3list_1table": Good(("职工代表大会",), {PLUMBER: 1}),
    "mineru_two_column_figures": Good(("好莱坞",), {PLUMBER: 1}),
    "zhihui_yanglao_2025": Good(("养老",), {PLUMBER: 35}),
}

PAGES_OF_THE_LONG = {"cib_2022_annual_garbled_tounicode": 342, "cmbc_2021_annual": 441}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a report must score; noise is what it may."""

    cover: float
    noise: float
    order: float
    page: float
    heading: float
    table_rows: float
    case_bank: float


LIMITS = {
    "r2017": Limits(0.98, 0.04, 0.97, 0.99, 0.92, 0.90, 0.95),
    "r2021": Limits(0.98, 0.06, 0.97, 0.98, 0.90, 0.90, 0.85),
    "r2023": Limits(0.985, 0.02, 0.985, 0.98, 0.95, 0.92, 0.95),
}
AS_PRINTED = {"r2017"}
"""Truths that write some banks as the page does, not by the canonical name that passages are tagged with."""

needs_reports = pytest.mark.skipif(not REPORTS, reason="no ../shared/reports beside this checkout")
needs_dumps = pytest.mark.skipif(not DUMPS, reason="no ../shared/reports-text beside this checkout")
needs_nasty = pytest.mark.skipif(not NASTY, reason="no ../shared/nasty beside this checkout")
needs_real = pytest.mark.skipif(not REAL, reason="no ../shared/real beside this checkout")
needs_score = pytest.mark.skipif(not SCORE.exists(), reason="no ../shared/eval beside this checkout")


def stem(path: Path) -> str:
    return path.name.split(".")[0]


def squeeze(text: str) -> str:
    return "".join(text.split())


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """Two reading processes for all files, with all passwords; nothing is embedded."""
    passwords = tuple(NASTY_FILES[name].password for name in ENCRYPTED)
    shared = Pipeline(Settings(cache=CACHE), encoder, 2, passwords)
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def read(pipeline: Pipeline) -> Callable[[Path], ReadDocument]:
    """Reads and cuts a report, each once."""
    return cache(lambda path: read_with(path, pipeline))


def read_with(path: Path, pipeline: Pipeline) -> ReadDocument:
    """A file read and cut, whatever goes wrong named."""
    return read_or_name(path, "0" * 64, path.name, pipeline, BOOK, Silent())


def check_good(path: Path, expected: Good, pipeline: Pipeline) -> None:
    """That a file is read by the readers that are expected, with its words, and no page lost but those expected."""
    if OCR in expected.readers and not ocr.is_installed():
        pytest.skip("the extra ocr is not installed")
    if expected.only:
        pages = list(read_pages(path, expected.only))
        text = "".join(map(text_of, pages))
    else:
        done = read_with(path, pipeline)
        assert done.passages
        pages = list(done.pages)
        text = "".join(page.text for page in pages)
    assert [page.reader.split()[0] for page in pages] == [
        name for name, count in expected.readers.items() for _ in range(count)
    ]
    problems = {page.number: page.problem for page in pages if page.problem}
    assert problems.keys() == expected.problems.keys(), problems
    assert all(reason in problems[number] for number, reason in expected.problems.items()), problems
    assert re.search(".*?".join(map(re.escape, expected.words)), squeeze(text)), expected.words


@needs_nasty
def test_it_is_said_of_every_nasty_and_real_file_what_should_happen() -> None:
    assert {path.stem for path in NASTY} == set(NASTY_FILES)
    assert {path.stem for path in REAL} == set(REAL_FILES)


@needs_nasty
@pytest.mark.parametrize("name", NASTY_FILES)
def test_a_nasty_file_is_read_or_refused_by_name(name: str, pipeline: Pipeline) -> None:
    path, expected = SHARED / "nasty" / f"{name}.pdf", NASTY_FILES[name]
    started = time.monotonic()
    if isinstance(expected, Good):
        check_good(path, expected, pipeline)
    else:
        with pytest.raises(UnreadableFile) as caught:
            read_with(path, pipeline)
        message = str(caught.value)
        assert path.name in message
        assert expected.reason in message
        assert "\n" not in message.strip()
    assert time.monotonic() - started < SECONDS_A_FILE


@needs_nasty
@pytest.mark.parametrize("name", ENCRYPTED)
@pytest.mark.parametrize("passwords", [(), ("another",)], ids=["none", "another"])
def test_an_encrypted_file_needs_its_password(name: str, passwords: tuple[str, ...], pipeline: Pipeline) -> None:
    assert pipeline.pool  # which the copy shares
    with pytest.raises(WrongPassword, match="needs a password"):
        read_with(SHARED / "nasty" / f"{name}.pdf", replace(pipeline, passwords=passwords))


@needs_real
@pytest.mark.parametrize("name", REAL_FILES)
def test_a_real_report_is_read(name: str, pipeline: Pipeline) -> None:
    check_good(SHARED / "real" / f"{name}.pdf", REAL_FILES[name], pipeline)


@needs_real
@pytest.mark.parametrize("name", PAGES_OF_THE_LONG)
def test_a_long_report_has_all_its_pages(name: str) -> None:
    with OpenPdf(SHARED / "real" / f"{name}.pdf", ocr=False) as pdf:
        last = PAGES_OF_THE_LONG[name]
        assert "cannot be read" not in (pdf.page(last).problem or "")
        assert "cannot be read" in (pdf.page(last + 1).problem or "")


@needs_real
def test_pages_with_a_wrong_character_map_are_recognised_or_named() -> None:
    path = SHARED / "real" / "cib_2022_annual_garbled_tounicode.pdf"
    for page in read_pages(path, (160, 237), ocr=False):
        assert page.problem and "garbled" in page.problem
        assert not page.glyphs
    if ocr.is_installed():
        (page,) = read_pages(path, (160,))
        assert page.reader.startswith(OCR)
        assert page.problem is None
        assert "银行" in text_of(page)


@needs_reports
@pytest.mark.parametrize("path", REPORTS, ids=stem)
def test_a_report_tells_its_year_its_publisher_and_its_kind(path: Path, read: Callable[[Path], ReadDocument]) -> None:
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
def test_every_word_of_a_passage_stands_on_its_page(path: Path, read: Callable[[Path], ReadDocument]) -> None:
    done = read(path)
    pdfs.check_spans(done.passages, done.pages)


@pytest.mark.parametrize(
    "path",
    [
        *(pytest.param(path, marks=needs_reports) for path in REPORTS),
        *(pytest.param(path, marks=needs_dumps) for path in DUMPS),
    ],
    ids=stem,
)
def test_passages_are_neither_slips_nor_chapters(path: Path, read: Callable[[Path], ReadDocument]) -> None:
    lengths = [len(passage.text) for passage in read(path).passages]
    assert 150 <= sum(lengths) / len(lengths) <= 320
    assert max(lengths) <= 600
    assert sum(length < 30 for length in lengths) < 0.03 * len(lengths)


@needs_dumps
@pytest.mark.parametrize("path", DUMPS, ids=stem)
def test_the_pages_of_raw_text_are_sections(path: Path, read: Callable[[Path], ReadDocument]) -> None:
    done = read(path)
    assert done.document.unit == "section"
    assert len(done.pages) > 1


def tagged(done: ReadDocument) -> ReadDocument:
    """A report with its banks and roles, which do not hang on vectors."""
    owners = owner_tags(done.passages, BOOK)
    passages = [replace(each, tags=(*own, role_tag(each))) for each, own in zip(done.passages, owners, strict=True)]
    return replace(done, passages=tuple(passages))


def exported(done: ReadDocument) -> list[dict[str, object]]:
    """The passages as `kb export` gives them."""
    return [passage_json(passage, done.document) for passage in tagged(done).passages]


def load_score() -> ModuleType:
    """The scoring program as a module."""
    spec = importlib.util.spec_from_file_location("shared_score", SCORE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_canonical_banks(truth: Path, folder: Path) -> Path:
    """A copy of a truth whose blocks name their banks by canonical name."""
    blocks = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
    for block in blocks:
        block["bank"] = BOOK.canonical(block["bank"]) or block["bank"]
    copy = folder / truth.name
    copy.write_text("".join(json.dumps(block) + "\n" for block in blocks), "utf-8")
    return copy


def figures(printed: str) -> dict[str, float]:
    """The scores in the last line that is printed: names and figures in turns, some as part/whole."""
    words = printed.splitlines()[-1].split()
    scores: dict[str, float] = {}
    for name, figure in zip(words[::2], words[1::2], strict=True):
        part, _, whole = figure.partition("/")
        scores[name] = float(part) / float(whole) if whole else float(part)
    return scores


@needs_score
@pytest.mark.parametrize("name", LIMITS)
def test_a_report_is_read_as_a_person_reads_it(
    name: str,
    read: Callable[[Path], ReadDocument],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passages = exported(read(SHARED / "reports" / f"{name}.pdf"))
    truth = SHARED / "eval" / "truth" / f"{name}.truth.jsonl"
    if name in AS_PRINTED:
        truth = with_canonical_banks(truth, tmp_path)
    score = load_score()
    monkeypatch.setattr(score, "run", lambda *_: passages)
    score.score_extract(Namespace(gold=truth, pdf=f"{name}.pdf", kb="", index="", out=None))
    scores, limits = figures(capsys.readouterr().out), LIMITS[name]
    assert scores.pop("noise") <= limits.noise
    missed = {what: figure for what, figure in scores.items() if figure < getattr(limits, what)}
    assert not missed


LEAST_BANKS = 0.93

TAGS = SHARED / "eval" / "tags_dev.jsonl"


@needs_score
def test_passages_belong_to_the_banks_that_an_analyst_would_name(
    read: Callable[[Path], ReadDocument], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = [passage for path in REPORTS for passage in exported(read(path))]
    score = load_score()
    monkeypatch.setattr(score, "run", lambda *_: passages)
    score.score_tags(Namespace(gold=TAGS, kb="", index="", out=None))
    scores = figures(capsys.readouterr().out)
    assert scores["bank_precision"] >= LEAST_BANKS
    assert scores["bank_f1"] >= LEAST_BANKS


# Cases


def cases_of(done: ReadDocument) -> tuple[Case, ...]:
    """The cases of a report."""
    return find_cases(done.document.id, tagged(done).passages, BOOK)


def case_boxes(truth: Path) -> set[tuple[int, str]]:
    """Page and bank of each case box that a truth names."""
    rows = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
    boxes = [row for row in rows if row.get("bank") and row["type"] == "case"]
    return {(row["page"], BOOK.canonical(row["bank"]) or row["bank"]) for row in boxes}


@needs_score
@pytest.mark.parametrize("name", ["r2017", "r2021"])
def test_the_case_boxes_of_a_report_are_found_with_their_banks(name: str, read: Callable[[Path], ReadDocument]) -> None:
    wanted = case_boxes(SHARED / "eval" / "truth" / f"{name}.truth.jsonl")
    cases = cases_of(read(SHARED / "reports" / f"{name}.pdf"))
    got = {(page, bank) for case in cases for page in case.pages for bank in case.banks}
    assert len(wanted & got) >= 0.9 * len(wanted), wanted - got
    assert len(wanted & got) >= 0.9 * len(got), got - wanted


@needs_reports
def test_every_case_slide_tells_background_measures_and_effect(read: Callable[[Path], ReadDocument]) -> None:
    cases = cases_of(read(SHARED / "reports" / "r2017.pdf"))
    assert [case.pages for case in cases] == [(page,) for page in range(19, 27)]
    assert [[part.role for part in case.parts] for case in cases] == [["背景", "措施", "效果"]] * 8


@needs_reports
@pytest.mark.parametrize("path", REPORTS, ids=stem)
def test_parts_of_cases_lie_within_their_passages_and_do_not_overlap(
    path: Path, read: Callable[[Path], ReadDocument]
) -> None:
    done = read(path)
    texts = {passage.id: passage.text for passage in done.passages}
    for case in cases_of(done):
        assert case.parts and case.banks and case.title and list(case.pages) == sorted(case.pages)
        ends: dict[str, int] = {}
        for part in case.parts:
            first, last = part.passages[0], part.passages[-1]
            end = len(texts[last]) if part.end is None else part.end
            assert ends.get(first, 0) <= part.start < len(texts[first])
            assert end <= len(texts[last]) and (first != last or part.start < end)
            ends[last] = end


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_the_boxes_of_a_report_cover_their_quotes(path: Path, read: Callable[[Path], ReadDocument]) -> None:
    document = read(path)
    found = list(marked_boxes(document.document, document.pages, document.passages))
    assert len(found) > 500
    assert sum(one.covers for one in found) >= 0.995 * len(found)
    assert sum(one.foreign > 1 for one in found) <= 0.005 * len(found)  # a watermark runs across some lines
