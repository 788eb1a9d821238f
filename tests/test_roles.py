"""Roles: what marks a passage's part in the argument, and what its words say where nothing marks it."""

from dataclasses import replace

import pytest

from kb.records import Field, Kind, Passage, Span, Tag
from kb.tag.roles import column_role, label_role, role_tag, tells_effect


def passage(text: str, *heading: str, kind: Kind = Kind.TEXT, names: tuple[str, ...] = ()) -> Passage:
    """A passage; `names` are the columns before its cells."""
    spans = [Span(1, 0, len(name), at, True) for name in names if (at := text.find(name)) >= 0]
    return Passage("p1", kind, heading, text, tuple(spans) or (Span(1, 0, len(text), 0),))


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("背景", "背景"),
        ("战略举措：", "措施"),
        ("【实施效果】", "效果"),
        ("二、主要做法", "措施"),
        ("案例背景", "背景"),
        ("成效与经验", "效果"),
        ("背景资料的来源不一而足", ""),
        ("措施得当", ""),
        ("渠道", ""),
    ],
)
def test_a_label_is_a_line_that_names_a_role_and_nothing_else(line: str, role: str) -> None:
    assert label_role(line) == role


@pytest.mark.parametrize(
    ("name", "role"),
    [("举措", "措施"), ("内容与成效", "措施"), ("主要成效", "效果"), ("政策名称", "政策"), ("年份", ""), ("银行", "")],
)
def test_a_column_tells_the_role_of_its_cells(name: str, role: str) -> None:
    assert column_role(name) == role


def test_a_label_over_a_passage_decides_and_is_the_reason() -> None:
    tag = role_tag(passage("该行应当打造平台，截至2020年末客户达到30万户。", "甲州银行：借船出海", "实施效果"))
    assert (tag.field, tag.value) == (Field.ROLE, "效果")
    assert tag.score > 0.9
    assert [(reason.source, reason.detail) for reason in tag.reasons] == [("label", "实施效果")]


@pytest.mark.parametrize(
    ("given", "role"),
    [
        (passage("快不了，但不会断档。——甲州银行行长 李四", kind=Kind.QUOTE), "观点"),
        (passage("数字化要从理念改起。\n——甲州银行科技部总经理 李四"), "观点"),
        (passage("四个系统互不相通，客户要登录四次。", "转型之难", "甲州农商："), "观点"),
        (passage("四个系统互不相通，客户要登录四次。", "一线声音", "某城商行电子银行部总经理"), "观点"),
        (passage("问卷结果显示（图3-8），56.25%的受访银行投入占比在2%以上。", "科技投入"), "调研"),
        (passage("有七成左右的银行缺少这类人手，83%的城商行打算招聘。", "人才"), "调研"),
        (passage("2022年，原银保监会印发《银行业保险业绿色金融指引》，要求加强风险管理。", "绿色标准"), "政策"),
        (passage("中小银行应当立足本地，需要避免盲目求新。", "第六章 对策建议"), "建议"),
        (passage("近年来，大型银行网点下沉，挤压小银行的空间，利差收窄。", "竞争环境"), "背景"),
        (passage("该行搭建平台，推出线上贷款，引入外部数据，设立专门的团队。", "甲州银行：线上放贷"), "措施"),
        (passage("截至2019年末，累计放款50亿元，比上年增长23%，不良率下降0.2个百分点。", "成绩单"), "效果"),
        (passage("坏数据要有工单，改完再验。", "数据", "做法：问题数据要有工单"), "措施"),
        (passage("我们为客户搭建平台，提供服务，推出产品。", "关于我们"), "其他"),
        (passage("编号、日期、页码。", "版式"), "其他"),
    ],
)
def test_the_role_is_told_by_marks_or_else_by_words(given: Passage, role: str) -> None:
    assert role_tag(given).value == role


def test_a_table_row_with_measures_and_effects_is_a_measure() -> None:
    row = "银行：甲州银行\n举措：整合数据\n成效：截至2020年末放款50亿元"
    tag = role_tag(passage(row, "表1 典型案例", kind=Kind.TABLE, names=("银行", "举措", "成效")))
    assert (tag.value, tag.reasons[0].detail) == ("措施", "举措")


def test_a_case_told_in_one_passage_is_a_measure() -> None:
    tag = role_tag(passage("背景　客户少。\n措施　送服务上门。\n效果　客户多了。", "甲州银行"))
    assert (tag.value, tag.reasons[0].source) == ("措施", "label")


def test_reasons_are_words_as_written_and_scores_lie_between_0_and_1() -> None:
    text = "该行搭建平台，推出线上贷款；截至2019年末，累计放款50亿元。"
    tag = role_tag(passage(text, "甲州银行：线上放贷"))
    assert 0 < tag.score < 1
    assert tag.reasons
    assert all(reason.detail in text + "甲州银行：线上放贷" for reason in tag.reasons)


def test_what_speaks_for_two_roles_is_less_sure_than_what_speaks_for_one() -> None:
    one = role_tag(passage("该行搭建平台，推出贷款，引入数据，设立团队，上线系统。"))
    two = role_tag(passage("该行搭建平台，推出贷款，引入数据，应当设立团队，需要上线系统。"))
    assert one.score > two.score


def test_an_effect_is_told_by_figures_or_awards() -> None:
    assert tells_effect("客户经理效率提升200%")
    assert tells_effect("荣获年度创新奖")
    assert not tells_effect("该行搭建了平台")


@pytest.mark.parametrize(
    ("given", "source", "detail"),
    [
        (passage("编号、日期、页码。", "版式"), "text", "无明显线索"),
        (passage("平台。", "版式"), "text", "无明显线索"),
        (passage("我们提供服务。", "关于我们"), "heading", "关于我们"),
    ],
)
def test_no_role_has_a_reason_too(given: Passage, source: str, detail: str) -> None:
    tag = role_tag(given)
    assert tag.value == "其他"
    assert (tag.reasons[0].source, tag.reasons[0].detail) == (source, detail)


def test_a_passage_about_a_bank_leans_to_what_it_did():
    words = passage("该行与当地合作社同吃同住，一户一册地记下来。")
    about = replace(words, tags=(Tag(Field.BANK, "台州银行"),))
    assert (role_tag(words).value, role_tag(about).value) == ("其他", "措施")


def test_supplying_and_answering_are_no_advice():
    assert role_tag(passage("该银行向上游供应设备，快速响应需求，搭建平台。")).value == "措施"
