"""What a question tells: banks, years, reports, many banks, and how it looks."""

import pytest

from kb.banks import default_bank_book
from kb.question import Report, understand, without_banks
from kb.records import Document, Look, Understood

REPORTS = [
    Report.of(Document(name, name, file, file, title, "", 2021, "", 9, ""))
    for name, file, title in [
        ("a", "regional2021.pdf", "区域性银行数字化观察（2021）"),
        ("b", "2020.pdf", "年报"),
        ("c", "支小支农专题.pdf", "科技支小支农专题报告 2020"),
    ]
]


def ask(question: str) -> Understood:
    return understand(question, default_bank_book(), REPORTS)


def test_banks_go_by_their_aliases_and_years_by_any_writing() -> None:
    assert ask("招行和渝农商行2021年度怎么做").banks == ("招商银行", "重庆农商银行")
    assert ask("二〇二一年、2019年末的情况").years == (2019, 2021)
    assert ask("去年做了什么").years == ()
    assert ask("手机银行与开放银行").banks == ()


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("《区域性银行数字化观察（2021）》怎么说", "a"),
        ("《数字化观察》怎么说", "a"),
        ("区域性银行数字化观察2021里的中台", "a"),
        ("regional2021 里的中台", "a"),
        ("xregional2021 里的中台", ""),
        ("支小支农专题里的数据", "c"),
        ("2020年的年报", ""),
        ("《年报》", ""),
    ],
)
def test_reports_go_by_title_and_by_the_stem_of_their_file(question: str, named: str) -> None:
    assert "".join(document.id for document in ask(question).reports) == named


def test_what_stands_in_a_title_is_no_bank_and_no_year() -> None:
    found = ask("《青岛银行2019年报告》里的中台")
    assert (found.banks, found.years) == ((), ())


@pytest.mark.parametrize(
    "question",
    [
        "银行怎么招人",
        "哪些中小银行做了中台",
        "各家城商行的做法",
        "农信社该如何转型",
        "数据治理有哪些做法",
        "城市商业银行如何上云",
    ],
)
def test_questions_over_many_banks(question: str) -> None:
    assert ask(question).many_banks


@pytest.mark.parametrize("question", ["青岛银行怎么招人", "手机银行怎么改版", "数据治理怎么做", "开放银行如何建设"])
def test_questions_over_one_bank_or_none(question: str) -> None:
    assert not ask(question).many_banks


def test_questions_for_figures() -> None:
    for question in ("不良率是多少", "绿色贷款余额", "投入占比", "覆盖几万户"):
        assert ask(question).look is Look.FIGURES, question
    for question in ("中台怎么建", "几家机构一起做"):
        assert ask(question).look is Look.PLAIN, question


def test_a_question_without_its_banks_keeps_something_to_ask() -> None:
    book = default_bank_book()
    assert without_banks("招行的数据治理", book, ["招商银行"]) == "数据治理"
    assert without_banks("和青岛银行比，招行的数据治理", book, ["招商银行"]) == "青岛银行比，的数据治理"
    assert without_banks("招行的数据治理", book, []) == "招行的数据治理"
    assert without_banks("招行？", book, ["招商银行"]) == "招行？"
