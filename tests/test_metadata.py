"""Metadata: title, publisher, year and kind, found in the document information and the pages, or given by hand."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pdfs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.errors import BadInput
from kb.metadata import NOTHING, Given, Metadata, Sources, check_given, find_metadata, first_year, read_given
from kb.read.pdf import read_facts
from kb.records import Line, Page

COVER = [(12.0, "2021年12月"), (28.0, "区域性银行数字化"), (28.0, "转型白皮书"), (14.0, "某某金融研究院联合出品")]


def metadata(path: Path, title: str, author: str, cover=COVER) -> Metadata:
    pdfs.titled(path, title, author, cover)
    facts = read_facts(path, 10)
    return find_metadata(path.stem, facts.title, facts.author, read_all(path))


def page(number: int, *lines: str, size: float = 10.0, first: float = 0.0) -> Page:
    """A page with these lines below each other, all of one size, but for the first; of size 0 in a text file."""
    starts = [sum(len(line) + 1 for line in lines[:at]) for at in range(len(lines))]
    places = [
        Line(
            start, start + len(line), (50.0, 50 + 2 * size * at, 50 + size * len(line), 50 + 2 * size * at + size), size
        )
        for at, (start, line) in enumerate(zip(starts, lines, strict=True))
    ]
    places[0] = replace(places[0], size=first or size)
    return Page(number, 595.0, 842.0, "\n".join(lines), tuple(places), "test")


def read_all(path: Path):
    return pdfs.read(path).pages


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    return tmp_path / "r1999.pdf"


def test_the_document_informations_title_counts_where_the_cover_bears_it_out(pdf: Path):
    found = metadata(pdf, "区域性银行数字化转型白皮书（2021）", "某某研究院")
    assert found == Metadata("区域性银行数字化转型白皮书（2021）", "某某研究院", 2021, "白皮书")


def test_a_title_left_over_from_another_file_does_not_count(pdf: Path):
    found = metadata(pdf, "二〇一五年迎新晚会节目单（2015）", "某某研究院")
    assert (found.title, found.year, found.publisher) == ("区域性银行数字化转型白皮书", 2021, "某某金融研究院")


@pytest.mark.parametrize(
    "left_over", ["甲乙银行股份有限公司2007年第三季度报告", "甲乙银行股份有限公司2023年第三季度报告"]
)
def test_a_title_left_over_from_an_earlier_report_does_not_count(pdf: Path, left_over: str):
    found = metadata(pdf, left_over, "", [(26.0, "甲乙银行股份有限公司"), (26.0, "2023年第一季度报告")])
    assert found == Metadata("甲乙银行股份有限公司2023年第一季度报告", "甲乙银行股份有限公司", 2023, "季报")


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
    cover = [(12.0, "2021年12月"), (28.0, "区域性银行数字化转型白皮书（2019）")]
    assert metadata(pdf, "", "", cover).year == 2019
    assert metadata(pdf, "区域性银行数字化转型白皮书", "").year == 2021


def test_the_year_is_never_taken_from_the_files_name(pdf: Path):
    found = metadata(pdf, "小银行数字化观察", "", [(28.0, "小银行数字化观察")])
    assert found.year is None


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2021年报告", 2021),
        ("2018年6月，2017年末", 2018),
        ("2019—2021年规划", 2019),
        ("电话13820211234", None),
        ("1949年与2150年", None),
        ("1989年，1990年", 1990),
        ("", None),
    ],
)
def test_year(text: str, year: int | None):
    assert first_year(text) == year


def test_a_date_counts_before_a_year_that_is_merely_mentioned():
    told = page(1, "自1998年以来，我国中小银行走过了二十多年", *["正文里没有别的年份"] * 60)
    assert find_metadata("r", "", "", [told, page(2, "编写组，2021年5月")]).year == 2021
    assert find_metadata("r", "", "", [told]).year == 1998


@pytest.mark.parametrize("text", ["二〇二一年年度报告", "二零二一年年度报告", "２０２１年年度报告"])
def test_a_year_in_chinese_or_full_width_digits(text: str):
    assert first_year(text) == 2021


@given(st.integers(1990, 2099), st.text("银行年报，。（）", max_size=10), st.text("银行年报，。（）", max_size=10))
def test_a_year_among_words_is_found(year: int, before: str, after: str):
    assert first_year(f"{before}{year}{after}") == year


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


def test_an_annual_report_whose_cover_lacks_name_and_year():
    pages = [page(1, "年度报告"), page(2, "丙丁银行股份有限公司", "重要提示"), page(3, "2021年年度报告", "释义")]
    pages += [page(4, "丙丁银行股份有限公司", "庚辛租赁有限公司"), page(5, "2021年 年度报告")]
    assert find_metadata("r", "", "", pages) == Metadata("2021年年度报告", "丙丁银行股份有限公司", 2021, "年报")


def test_a_title_and_a_publisher_printed_in_pieces_side_by_side():
    left, right = Line(0, 6, (60.0, 200.0, 216.0, 226.0), 26.0), Line(7, 11, (216.0, 200.0, 320.0, 226.0), 26.0)
    name, rest = Line(12, 16, (60.0, 480.0, 104.0, 491.0), 11.0), Line(17, 23, (104.0, 480.0, 170.0, 491.0), 11.0)
    cover = Page(1, 595, 842, "小银行做大数\n研究报告\n甲乙咨询\n股份有限公司", (right, left, rest, name), "test")
    found = find_metadata("r", "", "", [cover])
    assert (found.title, found.publisher) == ("小银行做大数研究报告", "甲乙咨询股份有限公司")


def test_names_on_a_cover_that_the_text_speaks_of_are_its_publishers():
    cover = page(1, "小银行数字化白皮书", "星河云　北斗咨", "2021", first=26.0)
    told = page(2, *["星河云与北斗咨在本次调研中一起走访了十八家银行。"] * 2)
    assert find_metadata("r", "", "", [cover, told]).publisher == "星河云 北斗咨"
    assert find_metadata("r", "", "", [cover, page(2, "驱动商业升级")]).publisher == ""


def test_who_holds_the_rights_is_the_publisher_where_the_cover_names_none():
    last = page(
        2,
        "免责声明",
        "本报告版权属于星河云计算（北京）有限责任公司和北斗企业咨",
        "询（中国）有限公司所有，未经许可不得转载",
    )
    found = find_metadata("r", "", "", [page(1, "小银行数字化白皮书"), last])
    assert found.publisher == "星河云计算（北京）有限责任公司和北斗企业咨询（中国）有限公司"


def test_the_institution_that_cover_and_imprint_keep_naming_is_the_publisher():
    told = [
        "未经飞鱼研究院书面许可不得转载",
        "引用时注明出处飞鱼研究院2021",
        "飞鱼研究院保留一切权利",
        "参见某大学研究院的数据",
    ]
    assert find_metadata("r", "", "", [page(1, "养老产业白皮书", *told, first=26.0)]).publisher == "飞鱼研究院"
    assert find_metadata("r", "", "", [page(1, "养老产业白皮书", *told[:2], first=26.0)]).publisher == ""


def test_a_class_of_banks_in_the_title_is_no_publisher():
    cover = page(1, "中小银行", "金融科技发展研究报告", "甲乙联盟")
    assert find_metadata("r", "", "", [cover]).publisher == "甲乙联盟"


@pytest.mark.parametrize("bare", ["银行", "公司", "研究院", "数据中心", "股份有限公司", "本公司", "研究中心编著"])
def test_a_word_for_an_institution_alone_is_no_publisher(bare: str):
    assert find_metadata("r", "", "", [page(1, "小银行报告", bare, first=26.0)]).publisher == ""
    cover = page(1, "小银行报告", bare, "甲乙数据中心", first=26.0)
    assert find_metadata("r", "", "", [cover]).publisher == "甲乙数据中心"


def test_a_text_file_that_begins_with_a_chapter_is_called_by_its_name():
    told = page(1, "第一章 总则", "本办法适用于全行。", size=0.0)
    assert find_metadata("小银行办法", "", "", [told]).title == "小银行办法"


def test_the_kind_is_on_the_cover_where_the_title_does_not_tell():
    cover = [page(1, "平台型公司迎接增长", size=24.0)]
    assert find_metadata("r", "", "", cover).kind == "其他"
    brief = Page(
        1, 595, 842, "平台型公司迎接增长\n公司点评", (*cover[0].lines, Line(10, 14, (400, 20, 440, 30), 10.0)), ""
    )
    assert find_metadata("r", "", "", [brief]).kind == "研究报告"


def test_a_text_file_begins_with_its_title():
    first = page(1, "# 小银行数字化报告", "某某联盟出品", "2023年12月", size=0.0)
    found = find_metadata("r", "", "", [first], "小银行数字化报告")
    assert found == Metadata("小银行数字化报告", "某某联盟", 2023, "研究报告")


FOUND = Metadata("找到的题", "找到的人", 2001, "其他")


def test_the_command_line_holds_over_the_file_beside_the_report_and_this_over_what_was_found():
    beside = Given(title="旁边的题", year=2002)
    assert Sources(found=FOUND).merged(NOTHING) == FOUND
    assert Sources(found=FOUND).merged(beside) == Metadata("旁边的题", "找到的人", 2002, "其他")
    both = Sources(found=FOUND, command=Given(year=2003, kind="年报"))
    assert both.merged(beside) == Metadata("旁边的题", "找到的人", 2003, "年报")
    assert Sources.model_validate_json(both.model_dump_json()) == both


def test_the_file_beside_a_report(tmp_path: Path):
    report, file = tmp_path / "r.pdf", tmp_path / "r.toml"
    assert read_given(report) == NOTHING
    file.write_text('\ufefftitle = "题"\nyear = 2020\nkind = "白皮书"\n', "utf-8")
    assert read_given(report) == Given(title="题", year=2020, kind="白皮书")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('titel = "题"', "titel.*title, publisher, year, kind"),
        ('year = "2020"', "year"),
        ("year = 20", "year.*20"),
        ('kind = "论文"', "kind.*论文"),
        ('title = "  "', "title"),
        ("title = ", "cannot be read"),
    ],
)
def test_a_file_beside_a_report_that_cannot_be_used_is_named(tmp_path: Path, content: str, told: str):
    (tmp_path / "r.toml").write_text(content, "utf-8")
    with pytest.raises(BadInput, match=rf"r\.toml: .*{told}"):
        read_given(tmp_path / "r.pdf")
    (tmp_path / "r.toml").write_bytes(b'title = "\xff"')
    with pytest.raises(BadInput, match="cannot be read"):
        read_given(tmp_path / "r.pdf")


def test_a_value_on_the_command_line_that_cannot_be_used():
    with pytest.raises(BadInput, match="command line: kind"):
        check_given({"kind": "论文"}, "command line")


def test_what_is_wrong_with_an_address_or_an_empty_author_is_said_plainly():
    with pytest.raises(BadInput, match="line: url: must be an address that begins with http:// or https://.*'www.a'"):
        check_given({"url": "www.a"}, "command line")
    with pytest.raises(BadInput, match="line: author: must not be empty, got ' '"):
        check_given({"author": " "}, "command line")
