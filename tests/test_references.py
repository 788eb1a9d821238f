"""References in print form: the standard's own examples, what is not known, pages, names, places, other programs."""

import re
from dataclasses import replace
from datetime import date

import pytest
import rispy
from pybtex.database import parse_string
from pybtex.richtext import Text

from kb.banks import default_bank_book
from kb.records import Citation, Document, Place
from kb.reference.entry import Entry, entry_of, names_in
from kb.reference.gbt7714 import footnote, reference
from kb.reference.managers import TEX, bibtex, csl_json, ris, tex
from kb.reference.pages import Pages, are_numbered, pages_of, ranges
from kb.reference.places import place_of

TODAY = date(2024, 5, 6)
HOSTILE = r"50% of $x_1$ & #2 {a} ~b^c \d } 报告"


def entry(**values: object) -> Entry:
    """An entry of which only the given is known."""
    known: dict = {"key": "k", "authors": (), "kind": "研究报告", "place": "", "publisher": "", "year": None, **values}
    return Entry(**known)


def document(**values: object) -> Document:
    """A report's record."""
    known: dict = {
        "id": "9c71824403b59fe5", "sha256": "", "path": "", "file": "a.pdf", "title": "数字化报告", "publisher": "",
        "year": 2023, "kind": "研究报告", "page_count": 9, "reader": "", **values,
    }  # fmt: skip
    return Document(**known)


def told(**values: object) -> str:
    """The reference of a report's record."""
    return reference(entry_of(document(**values), default_bank_book(), TODAY))


def citation(*pages: tuple[int, str], unit: str = "page") -> Citation:
    """A citation of pages, given by number and label."""
    places = tuple(Place(page, label, 0, 1, ()) for page, label in pages)
    return Citation("p", "字", document(unit=unit), places)


# GB/T 7714—2015, appendix A.4 and section 8


@pytest.mark.parametrize(
    ("known", "pages", "printed"),
    [
        (
            entry(
                authors=("U.S. Department of Transportation Federal Highway Administration",),
                title="Guidelines for handling excavated acid-producing materials: PB 91-194001",
                place="Springfield",
                publisher="U.S. Department of Commerce National Information Service",
                year=1990,
            ),
            "",
            "U.S. Department of Transportation Federal Highway Administration. Guidelines for handling excavated"
            " acid-producing materials: PB 91-194001[R]. Springfield: U.S. Department of Commerce National Information"
            " Service, 1990.",
        ),
        (
            entry(
                authors=("World Health Organization",),
                title="Factors regulating the immune response: report of WHO Scientific Group",
                place="Geneva",
                publisher="WHO",
                year=1970,
            ),
            "",
            "World Health Organization. Factors regulating the immune response: report of WHO Scientific Group[R]."
            " Geneva: WHO, 1970.",
        ),
        (
            entry(
                authors=("汤万金", "杨跃翔", "刘文", "等"),
                title="人体安全重要技术标准研制最终报告：7178999X-2006BAK04A10/10.2013",
                url="http://www.nstrs.org.cn/xiangxiBG.aspx?id=41707",
                updated=date(2013, 9, 30),
                accessed=date(2014, 6, 24),
            ),
            "",
            "汤万金, 杨跃翔, 刘文, 等. 人体安全重要技术标准研制最终报告：7178999X-2006BAK04A10/10.2013[R/OL]."
            " (2013-09-30)[2014-06-24]. http://www.nstrs.org.cn/xiangxiBG.aspx?id=41707.",
        ),
        (
            entry(
                authors=("CALKIN D", "AGER A", "THOMPSON M"),
                title="A comparative risk assessment framework for wildland fire management: the 2010 cohesive"
                " strategy science report: RMRS-GTR-262",
                year=2011,
            ),
            "8-9",
            "CALKIN D, AGER A, THOMPSON M. A comparative risk assessment framework for wildland fire management: the"
            " 2010 cohesive strategy science report: RMRS-GTR-262[R]. [S.l.: s.n.], 2011: 8-9.",
        ),
        (
            entry(
                authors=("中华人民共和国国务院新闻办公室",),
                title="国防白皮书：中国武装力量的多样化运用",
                url="http://www.mod.gov.cn/affair/2013-04/16/content_4442839.htm",
                updated=date(2013, 4, 16),
                accessed=date(2014, 6, 11),
            ),
            "",
            "中华人民共和国国务院新闻办公室. 国防白皮书：中国武装力量的多样化运用[R/OL]. (2013-04-16)[2014-06-11]."
            " http://www.mod.gov.cn/affair/2013-04/16/content_4442839.htm.",
        ),
        (  # an example of the edition of 2005
            entry(
                authors=("冯西桥",),
                title="核反应堆压力管道与压力容器的LBB分析",
                place="北京",
                publisher="清华大学核能技术设计研究院",
                year=1997,
            ),
            "",
            "冯西桥. 核反应堆压力管道与压力容器的LBB分析[R]. 北京: 清华大学核能技术设计研究院, 1997.",
        ),
    ],
)
def test_examples_of_the_standard(known: Entry, pages: str, printed: str) -> None:
    assert reference(known, pages) == printed


def test_a_report_of_an_institution() -> None:
    known = entry_of(
        document(title="中小银行金融科技发展研究报告2023", publisher="中小银行互联网金融（深圳）联盟"),
        default_bank_book(),
        TODAY,
    )
    assert reference(known, "22-23") == (
        "中小银行互联网金融（深圳）联盟. 中小银行金融科技发展研究报告2023[R]."
        " 深圳: 中小银行互联网金融（深圳）联盟, 2023: 22-23."
    )
    assert footnote(known, Pages("22-23", "24-25", True, "page")) == (
        "中小银行互联网金融（深圳）联盟：《中小银行金融科技发展研究报告2023》，深圳：中小银行互联网金融（深圳）联盟，2023年，第22-23页。"
    )


@pytest.mark.parametrize(
    ("known", "printed"),
    [
        (
            {"title": "三户", "place": "", "publisher": "三户图书刊行社", "year": 1990},
            "[S.l.]: 三户图书刊行社, 1990.",
        ),
        ({"title": "Macro", "publisher": "MacMillan", "year": 1975}, "[S.l.]: MacMillan, 1975."),
        ({"title": "报告", "place": "哈尔滨", "year": 2013}, "哈尔滨: [s.n.], 2013."),
        ({"title": "Report", "place": "Salt Lake City", "year": 1964}, "Salt Lake City: [s.n.], 1964."),
        ({"title": "报告", "year": 2013}, "[S.l.: s.n.], 2013."),
        ({"title": "报告", "place": "哈尔滨", "publisher": "甲社"}, "哈尔滨: 甲社, [s.a.]."),
        ({"title": "报告"}, "[S.l.: s.n.], [s.a.]."),
    ],
)
def test_what_is_not_known_is_said_in_print(known: dict, printed: str) -> None:
    assert reference(entry(**known)).endswith(f"[R]. {printed}")


def test_what_is_not_known_is_left_out_online() -> None:
    online = {"title": "报告", "url": "https://a.example/b", "accessed": TODAY}
    said = {
        "[R/OL]. [2024-05-06]. https://a.example/b.": {},
        "[R/OL]. 2020: 105[2024-05-06]. https://a.example/b.": {"year": 2020},
        "[R/OL]. 甲社, 2020: 105[2024-05-06]. https://a.example/b.": {"publisher": "甲社", "year": 2020},
        "[R/OL]. 北京: 甲社[2024-05-06]. https://a.example/b.": {"publisher": "甲社", "place": "北京"},
    }
    for printed, known in said.items():
        assert reference(entry(**online, **known), "105" if "105" in printed else "") == f"报告{printed}"


def test_the_day_of_citing_goes_with_an_address_alone() -> None:
    online = told(publisher="甲社", url="https://a.example/b")
    assert online == "甲社. 数字化报告[R/OL]. 甲社, 2023[2024-05-06]. https://a.example/b."
    assert "2024" not in told(publisher="甲社")


def test_up_to_three_authors_and_the_first_publisher() -> None:
    assert told(publisher="腾讯云 毕马威") == "腾讯云, 毕马威. 数字化报告[R]. [S.l.]: 腾讯云, 2023."
    four = told(author="甲某、乙某；丙某，丁某", publisher="北京甲咨询有限公司")
    assert four == "甲某, 乙某, 丙某, 等. 数字化报告[R]. 北京: 北京甲咨询有限公司, 2023."
    assert told(author="A Smith; B Doe; C Roe; D Poe", title="On banks").startswith("A Smith, B Doe, C Roe, et al. On")


def test_no_author_at_all_begins_with_the_title() -> None:
    assert told() == "数字化报告[R]. [S.l.: s.n.], 2023."


def test_author_and_place_given_by_hand_hold() -> None:
    given = told(author="张三", place="广州", publisher="深圳市甲科技有限公司")
    assert given == "张三. 数字化报告[R]. 广州: 深圳市甲科技有限公司, 2023."


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("甲公司、乙公司；丙公司", ("甲公司", "乙公司", "丙公司")),
        ("某某（深圳）联盟 上海甲公司", ("某某（深圳）联盟", "上海甲公司")),
        ("某某(深圳)联盟 上海甲公司", ("某某(深圳)联盟", "上海甲公司")),
        ("Boston Consulting Group", ("Boston Consulting Group",)),
        ("Tencent, Inc.", ("Tencent, Inc.",)),
        ("毕马威 KPMG", ("毕马威 KPMG",)),
        ("张 三", ("张 三",)),
        ("甲社\n乙社", ("甲社", "乙社")),
        ("甲公司、甲公司", ("甲公司",)),
        ("", ()),
    ],
)
def test_names_are_parted_where_it_is_sure(text: str, names: tuple[str, ...]) -> None:
    assert names_in(text) == names


@pytest.mark.parametrize(
    ("publisher", "place"),
    [
        ("中小银行互联网金融（深圳）联盟", "深圳"),
        ("某某(深圳市)联盟", "深圳"),
        ("毕马威华振会计师事务所（特殊普通合伙）", ""),
        ("北京优智汇咨询有限公司", "北京"),
        ("上海新金融研究院", "上海"),
        ("深圳市甲科技有限公司", "深圳"),
        ("北京银行股份有限公司", "北京"),
        ("青岛农商银行", "青岛"),
        ("兴业银行股份有限公司", "福州"),
        ("招商银行股份有限公司", "深圳"),
        ("中信银行", "北京"),
        ("平安银行股份有限公司", "深圳"),
        ("中国邮政储蓄银行股份有限公司", "北京"),
        ("上海浦东发展银行股份有限公司", "上海"),
        ("重庆三峡银行", "重庆"),
        ("河北银行股份有限公司", "石家庄"),
        ("江西省农村信用社联合社", "南昌"),
        ("海南海口农村商业银行股份有限公司", "海口"),
        ("中国银行（香港）有限公司", "香港"),
        ("东亚银行", "香港"),
        ("东亚银行（中国）有限公司", ""),
        ("景德镇银行", ""),  # now 江西银行, of 南昌
        ("招商银行研究院", ""),
        ("北京大学", "北京"),
        ("北京大学深圳研究院", ""),
        ("上海海东科技有限公司", ""),  # 海东 is a city
        ("上海东方证券研究所", "上海"),  # not here
        ("中山大学", ""),
        ("中山市甲有限公司", "中山"),
        ("海南省农村信用社联合社", "海口"),
        ("海南省甲协会", ""),
        ("北京那些事", ""),
        ("腾讯云", ""),
        ("", ""),
    ],
)
def test_the_place_is_derived_where_the_name_makes_it_sure(publisher: str, place: str) -> None:
    assert place_of(publisher, default_bank_book()) == place


# pages


@pytest.mark.parametrize(
    ("numbers", "printed"),
    [
        (["12"], "12"),
        (["12", "13"], "12-13"),
        (["12", "15"], "12, 15"),
        (["1", "2", "3", "7", "8"], "1-3, 7-8"),
        (["iii", "iv", "1"], "iii-iv, 1"),
        (["IX", "X"], "IX-X"),
        (["iv", "V"], "iv, V"),
        (["xcix", "c"], "xcix-c"),
        (["A-1", "A-2"], "A-1, A-2"),
        (["mix", "12"], "mix, 12"),
        (["5", "5"], "5"),
        ([], ""),
    ],
)
def test_page_numbers_that_follow_each_other_are_a_range(numbers: list[str], printed: str) -> None:
    assert ranges(numbers) == printed


def named(*citations: Citation) -> Pages:
    """The pages of all that is cited of a report."""
    return pages_of(citations, are_numbered(citations))


def test_printed_numbers_count_where_all_pages_bear_one() -> None:
    assert named(citation((24, "22"), (25, "23"))) == Pages("22-23", "24-25", True, "page", "22-23")
    assert named(citation((24, "22"), (25, ""))) == Pages("24-25", "24-25", False, "page", "22")
    assert named(citation((30, "28")), citation((24, "22"))) == Pages("22, 28", "24, 30", True, "page", "22, 28")
    assert named(citation((24, "iv")), citation((25, "1"))).text == "iv, 1"


def test_pages_of_one_report_are_all_of_one_kind() -> None:
    assert named(citation((12, "5")), citation((20, ""))).text == "12, 20"
    assert named(citation((12, "5")), citation((20, "5"))).text == "12, 20"
    assert named(citation((12, "5")), citation((12, "5"))).text == "5"
    copy = replace(citation((14, "5"), (15, "6")), document=document(id="copy"))
    assert named(citation((16, "9")), copy, citation((12, "5"))).text == "5-6, 9"


def test_pages_of_column_names_do_not_count() -> None:
    places = (Place(3, "1", 0, 1, (), name=True), Place(4, "2", 0, 1, ()))
    assert named(Citation("p", "字", document(), places)).text == "2"


def test_sections_have_no_pages() -> None:
    section = citation((3, "二、做法"), unit="section")
    pages = named(section)
    assert pages == Pages("", "3", False, "section")
    assert named(section, section, citation((7, "5"))) == Pages("5", "7", True, "page", "5")
    assert footnote(entry(title="报告", year=2020), pages) == "《报告》，2020年，第3节。"


def test_a_footnote_says_that_its_pages_are_those_of_the_file() -> None:
    assert footnote(entry(title="报告", year=2020), named(citation((7, "")))) == "《报告》，2020年，文件第7页。"


def test_a_footnote_names_its_address_and_turns_inner_marks() -> None:
    known = entry(title="《条例》解读", authors=("甲", "乙", "丙", "丁"), url="https://a.example", accessed=TODAY)
    assert footnote(known, Pages("3", "3", True, "page")) == (
        "甲、乙、丙等：《〈条例〉解读》，第3页，https://a.example，2024年5月6日。"
    )


# other programs


def test_bibtex_is_read_by_a_library() -> None:
    known = entry(
        key="kb9c71",
        authors=("某某（深圳）联盟 and 研究组", "B & C, Inc."),
        title=HOSTILE,
        place="深圳",
        publisher="某某（深圳）联盟 and 研究组",
        year=2023,
        url="https://a.example/a_b%20c#d{",
        accessed=TODAY,
    )
    text = bibtex([(known, "22-23"), (entry(key="k2", title="其他", kind="其他"), "")])
    read = parse_string(text, "bibtex")
    first, second = read.entries["kb9c71"], read.entries["k2"]
    assert first.type == "techreport" and list(read.entries) == ["kb9c71", "k2"]
    assert [str(person) for person in first.persons["author"]] == ["{某某（深圳）联盟 and 研究组}", r"{B \& C, Inc.}"]
    assert (first.fields["year"], first.fields["pages"], first.fields["address"]) == ("2023", "22--23", "深圳")
    assert first.fields["institution"] == "{某某（深圳）联盟 and 研究组}"
    assert first.fields["url"] == "https://a.example/a_b%20c#d%7B"
    assert first.fields["urldate"] == "2024-05-06"
    meant = {written: char for char, written in TEX.items()}
    assert (
        re.sub("|".join(map(re.escape, meant)), lambda found: meant[found[0]], first.fields["title"])
        == f"{{{HOSTILE}}}"
    )
    assert str(Text.from_latex(tex("3% & #2"))) == "3% & #2"
    assert set(second.fields) == {"title", "language"}


def test_a_title_is_one_line_of_characters_that_show() -> None:
    known = entry_of(
        document(title="数字\u200b化\nTY  - BOOK\x07报告", publisher="甲\r\n社"), default_bank_book(), TODAY
    )
    assert (known.title, known.publisher) == ("数字化 TY - BOOK 报告", "甲 社")
    assert len(rispy.loads(ris([(known, "3")]))) == 1


def test_a_key_is_ascii_and_of_the_report() -> None:
    key = entry_of(document(), default_bank_book(), TODAY).key
    assert key == "kb9c71824403b59fe5" and key.isascii()


def test_authors_that_are_not_named_are_others_in_bibtex() -> None:
    assert "author = {{甲} and others}" in bibtex_of("甲、等")
    assert "author = {{甲} and {乙} and {丙} and {丁}}" in bibtex_of("甲、乙、丙、丁")


def bibtex_of(author: str) -> str:
    return bibtex([(entry(title="报告", authors=names_in(author)), "")])


def test_ris_is_read_by_a_library() -> None:
    known = entry_of(
        document(publisher="腾讯云 毕马威", url="https://a.example", place="深圳"), default_bank_book(), TODAY
    )
    first, second = rispy.loads(ris([(known, "22-23"), (entry(key="k2", title="其他", kind="其他"), "12, 15")]))
    assert first == {
        "type_of_reference": "RPRT", "id": "kb9c71824403b59fe5", "authors": ["腾讯云", "毕马威"],
        "title": "数字化报告", "publisher": "腾讯云", "place_published": "深圳", "year": "2023",
        "type_of_work": "研究报告", "start_page": "22", "end_page": "23", "urls": ["https://a.example"],
        "access_date": "2024/05/06", "language": "zh",
    }  # fmt: skip
    assert second == {
        "type_of_reference": "RPRT", "id": "k2", "title": "其他", "start_page": "12, 15", "language": "zh"
    }  # fmt: skip


def test_csl_json_has_literal_authors_and_date_parts() -> None:
    known = entry_of(document(publisher="腾讯云 毕马威", url="https://a.example"), default_bank_book(), TODAY)
    assert csl_json([(known, "22-23")]) == [
        {
            "id": "kb9c71824403b59fe5",
            "type": "report",
            "title": "数字化报告",
            "author": [{"literal": "腾讯云"}, {"literal": "毕马威"}],
            "genre": "研究报告",
            "publisher": "腾讯云",
            "issued": {"date-parts": [[2023]]},
            "page": "22-23",
            "URL": "https://a.example",
            "accessed": {"date-parts": [[2024, 5, 6]]},
            "language": "zh-CN",
        }
    ]
    assert set(csl_json([(entry(title="报告", kind="其他"), "")])[0]) == {"id", "type", "title", "language"}
