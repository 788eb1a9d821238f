"""Metadata: title, publisher, year and kind from the document information and the first pages, never from guesses."""

import hashlib
from pathlib import Path

import pdfs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.metadata import Metadata, find_metadata, find_year
from kb.read.pdf import read_facts

COVER = [(12.0, "2021年12月"), (28.0, "区域性银行数字化"), (28.0, "转型白皮书"), (14.0, "某某金融研究院联合出品")]


def metadata(path: Path, title: str, author: str, cover=COVER) -> Metadata:
    pdfs.titled(path, title, author, cover)
    facts = read_facts(path, 10)
    return find_metadata(path.stem, facts.title, facts.author, read_all(path))


def read_all(path: Path):
    return pdfs.read(path).pages


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "r1999.pdf"


def test_the_document_informations_title_counts_where_the_cover_bears_it_out(pdf: Path):
    found = metadata(pdf, "区域性银行数字化转型白皮书（2020）", "某某研究院")
    assert found == Metadata("区域性银行数字化转型白皮书（2020）", "某某研究院", 2020, "白皮书")


def test_a_title_left_over_from_another_file_does_not_count(pdf: Path):
    found = metadata(pdf, "二〇一五年迎新晚会节目单（2015）", "某某研究院")
    assert (found.title, found.year) == ("区域性银行数字化转型白皮书", 2021)


@pytest.mark.parametrize("title", ["", "untitled", "白皮书终稿.docx", "区域银行报告.indd", "Report 2019", "12345"])
def test_a_file_name_or_latin_words_are_no_title(pdf: Path, title: str):
    assert metadata(pdf, title, "某某研究院").title == "区域性银行数字化转型白皮书"


def test_the_largest_lines_of_the_cover_are_run_together(pdf: Path):
    found = metadata(pdf, "", "某某研究院")
    assert (found.title, found.year, found.kind) == ("区域性银行数字化转型白皮书", 2021, "白皮书")


def test_without_cover_text_the_title_is_the_files_name(pdf: Path):
    pdfs.gaps(pdf)
    _, empty, picture = read_all(pdf)
    assert find_metadata("甲乙丙", "", "", ()).title == "甲乙丙"
    assert find_metadata("甲乙丙", "", "", (empty, picture)).title == "甲乙丙"


def test_the_publisher_is_the_covers_institution_without_its_verb(pdf: Path):
    pdfs.titled(pdf, "", "", COVER)
    assert find_metadata("r", "", "", read_all(pdf)).publisher == "某某金融研究院"


def test_the_title_itself_is_no_publisher(pdf: Path):
    pdfs.titled(pdf, "", "", [(28.0, "中小银行转型报告"), (14.0, "二〇二一年冬")])
    assert find_metadata("r", "", "", read_all(pdf)).publisher == ""


@pytest.mark.parametrize("author", ["anonymous", "Administrator", "zhangwei", "lenovo"])
def test_a_user_name_is_no_publisher(pdf: Path, author: str):
    assert metadata(pdf, "", author).publisher == "某某金融研究院"


def test_an_author_without_a_word_for_institution_counts_if_the_cover_names_it(pdf: Path):
    assert metadata(pdf, "", "易观", [*COVER, (12.0, "易观出品")]).publisher == "易观"


def test_the_year_is_that_of_the_title_before_that_of_the_cover(pdf: Path):
    assert metadata(pdf, "区域性银行数字化转型白皮书（2019）", "").year == 2019
    assert metadata(pdf, "区域性银行数字化转型白皮书", "").year == 2021


def test_the_year_is_never_taken_from_the_files_name(pdf: Path):
    found = metadata(pdf, "小银行数字化观察", "", [(28.0, "小银行数字化观察")])
    assert found.year is None


@pytest.mark.parametrize(
    ("texts", "year"),
    [
        (["2021年报告"], 2021),
        (["没有", "二页：2018年6月，2017年末"], 2018),
        (["2019—2021年规划"], 2019),
        (["电话13820211234"], None),
        (["1949年与2150年"], None),
        (["1989年，1990年"], 1990),
        ([], None),
    ],
)
def test_year(texts: list[str], year: int | None):
    assert find_year(texts) == year


@pytest.mark.parametrize("text", ["二〇二一年年度报告", "二零二一年年度报告", "２０２１年年度报告"])
def test_a_year_in_chinese_or_full_width_digits(text: str):
    assert find_year([text]) == 2021


@given(st.integers(1990, 2099), st.text("银行年报，。（）", max_size=10), st.text("银行年报，。（）", max_size=10))
def test_a_year_among_words_is_found(year: int, before: str, after: str):
    assert find_year([f"{before}{year}{after}"]) == year


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("某银行2021年年度报告", "年报"),
        ("某银行2021年报", "年报"),
        ("某银行2023年第一季度报告", "季报"),
        ("区域性银行数字化转型白皮书", "白皮书"),
        ("中小银行金融科技发展研究报告", "研究报告"),
        ("城商行专题分析", "研究报告"),
        ("案例图册", "其他"),
    ],
)
def test_kind(title: str, kind: str):
    assert find_metadata(title, "", "", ()).kind == kind


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cases2018.pdf", Metadata("中小银行数字化案例图册（2018）", "中小银行数字化案例研究组", 2018, "其他")),
        ("regional2021.pdf", Metadata("区域性银行数字化观察（2021）", "开源样例报告编写组", 2021, "其他")),
        ("rural2020.pdf", Metadata("科技支小支农专题报告（2020）", "城乡金融科技观察小组", 2020, "研究报告")),
        ("survey2023.pdf", Metadata("中小银行数字化转型年度调研（2023）", "普惠数字金融样例调研组", 2023, "研究报告")),
    ],
)
def test_samples_with_and_without_document_information(name: str, expected: Metadata):
    pages = pdfs.corpus()[name].pages
    facts = read_facts(pdfs.CORPUS / name, 100)
    assert find_metadata("r", facts.title, facts.author, pages) == expected
    from_cover = find_metadata("r", "", "", pages)
    assert (from_cover.title, from_cover.year) == (expected.title, expected.year)


def test_metadata_of_one_file_is_the_same_under_two_names(tmp_path: Path):
    found = []
    for name in ("a2001.pdf", "b2002.pdf"):
        path = tmp_path / name
        pdfs.titled(path, "", "", COVER)
        found.append((hashlib.sha256(path.read_bytes()).digest(), find_metadata(path.stem, "", "", read_all(path))))
    assert found[0] == found[1]
