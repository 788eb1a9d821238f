"""Cases: found under headings, labels and in tables, with their parts, and nothing that is none."""

from dataclasses import replace
from itertools import count

import pytest

from kb.banks import default_bank_book
from kb.records import Case, Field, Kind, Passage, Span, Tag
from kb.tag.cases import find_cases
from kb.tag.roles import role_tag

BOOK = default_bank_book()
NUMBERS = count(1)
MEASURES = "该行搭建统一的平台，推出线上贷款，引入税务与工商数据，设立专门的团队。"


def passage(
    text: str,
    *heading: str,
    page: int = 1,
    kind: Kind = Kind.TEXT,
    names: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
    banks: tuple[str, ...] = (),
) -> Passage:
    """A tagged passage; `names` are columns' names, `beside` is what is printed by itself inside a line."""
    spans: list[Span] = []
    at = 0
    for line in text.split("\n"):
        name = next((each for each in names if line.startswith(each + "：")), "")
        if name:
            spans.append(Span(page, at, at + len(name), at, True))
        spans.append(Span(page, at + len(name), at + len(line), at + len(name)))
        at += len(line) + 1
    for label in beside:
        begin = text.find(label)
        spans.append(Span(page, begin, begin + len(label), begin))
    made = Passage(f"p{next(NUMBERS)}", kind, heading, text, tuple(spans))
    return replace(made, tags=(*(Tag(Field.BANK, bank) for bank in banks), role_tag(made)))


def row(text: str, *heading: str, names: tuple[str, ...]) -> Passage:
    """A table row."""
    return passage(text, *heading, kind=Kind.TABLE, names=names)


def found(*passages: Passage) -> tuple[Case, ...]:
    """The cases of a document of these passages."""
    return find_cases("d1", passages, BOOK)


def told(case: Case, passages: tuple[Passage, ...]) -> list[tuple[str, str, str]]:
    """Each part of a case: role, label, and its text as bounded."""
    texts = {each.id: each.text for each in passages}
    parts = []
    for part in case.parts:
        *before, last = part.passages
        whole = [texts[each] for each in before] + [texts[last][: part.end]]
        whole[0] = whole[0][part.start :]
        parts.append((part.role, part.label, "|".join(whole)))
    return parts


TITLE = ("应用实践", "青岛银行：接口银行，批量获客")


def test_a_slide_with_label_headings_is_a_case_of_three_parts() -> None:
    slide = (
        passage("网点少，获客慢。", *TITLE, "背景", page=4),
        passage("1. 对接各类平台。", *TITLE, "措施", page=4, kind=Kind.LIST),
        passage("客户突破300万户。", *TITLE, "效果", page=4),
    )
    (case,) = found(*slide)
    assert (case.title, case.banks, case.pages, case.heading) == (TITLE[1], ("青岛银行",), (4,), TITLE[:1])
    assert told(case, slide) == [
        ("背景", "背景", "网点少，获客慢。"),
        ("措施", "措施", "1. 对接各类平台。"),
        ("效果", "效果", "客户突破300万户。"),
    ]


def test_a_case_goes_on_over_the_next_page_and_its_part_with_it() -> None:
    slides = (
        passage("网点少。", *TITLE, "背景", page=4),
        passage("1. 对接平台。", *TITLE, "措施", page=4),
        passage("2. 交叉销售。", TITLE[0], TITLE[1] + "（续）", "措施", page=5),
        passage("客户多了。", TITLE[0], TITLE[1] + "（续）", "效果", page=5),
    )
    (case,) = found(*slides)
    assert case.pages == (4, 5)
    assert [(role, text) for role, _, text in told(case, slides)] == [
        ("背景", "网点少。"),
        ("措施", "1. 对接平台。|2. 交叉销售。"),
        ("效果", "客户多了。"),
    ]


def test_the_same_heading_far_behind_is_another_case() -> None:
    first, second = found(passage("网点少。", *TITLE, "背景", page=4), passage("上线了平台。", *TITLE, "措施", page=9))
    assert (first.pages, second.pages) == ((4,), (9,))
    assert first.id != second.id


def test_two_boxes_of_two_banks_on_a_page_are_two_cases_and_lines_are_labels() -> None:
    above = ("他山之石-连接本地场景案例",)
    boxes = (
        passage(
            "具体举措\n➢聚焦本地\n➢持续运营\n实施效果\n➢新增用户20万", *above, "长沙银行打造本地生态", kind=Kind.LIST
        ),
        passage("连接场景战略\n➢打造接口银行\n➢发行联名卡", *above, "青岛银行践行“接口银行”", kind=Kind.LIST),
    )
    first, second = found(*boxes)
    assert [first.banks, second.banks] == [("长沙银行",), ("青岛银行",)]
    assert told(first, boxes) == [("措施", "具体举措", "➢聚焦本地\n➢持续运营"), ("效果", "实施效果", "➢新增用户20万")]
    assert told(second, boxes) == [("措施", "连接场景战略", "➢打造接口银行\n➢发行联名卡")]


def test_labels_beside_their_text_bound_its_parts() -> None:
    text = "背景为盘活土地，兰州银行建设平台。\n1. 大数据：降低风险和成措施本。\n2. 线上线下。\n效果平台获评五十强。"
    slide = passage(text, "实践", "兰州银行：服务“三农”", beside=("背景", "措施", "效果"))
    (case,) = found(slide)
    assert told(case, (slide,)) == [
        ("背景", "背景", "为盘活土地，兰州银行建设平台。"),
        ("措施", "措施", "1. 大数据：降低风险和成措施本。\n2. 线上线下。"),
        ("效果", "效果", "平台获评五十强。"),
    ]


def test_words_of_a_sentence_are_no_label() -> None:
    text = "措施得当，效果明显，背景复杂。\n效果立竿见影。\n" + MEASURES
    (case,) = found(passage(text, "实践", "兰州银行：服务“三农”"))
    assert [part.label for part in case.parts] == [""]


def test_a_list_after_the_background_tells_the_measures() -> None:
    box = passage("背景　条线分割。\n• 打散条线。\n• 组建小组。\n效果　迭代快了。", "案例　中原银行：敏捷部落")
    (case,) = found(box)
    assert told(case, (box,)) == [
        ("背景", "背景", "条线分割。"),
        ("措施", "", "• 打散条线。\n• 组建小组。"),
        ("效果", "效果", "迭代快了。"),
    ]


def test_a_box_without_labels_is_one_measure_but_for_the_effect_at_its_end() -> None:
    box = passage("该行推出线上贷款，引入税务数据。截至2019年末，累计放款50亿元。", "案例：浙江农信“浙里贷”")
    (case,) = found(box)
    assert told(case, (box,)) == [
        ("措施", "", "该行推出线上贷款，引入税务数据。"),
        ("效果", "", "截至2019年末，累计放款50亿元。"),
    ]


def test_the_bank_may_stand_in_the_label_and_the_title_below_it() -> None:
    label = "他山之石-厦门国际银行合作案例"
    cases = found(
        passage("➢共建实验室", label, "携手伙伴，加速创新", kind=Kind.LIST),
        passage("➢举办赛事", label, "联合高校，激活源头", kind=Kind.LIST),
    )
    assert [case.title for case in cases] == [f"{label}：携手伙伴，加速创新", f"{label}：联合高校，激活源头"]
    assert {case.banks for case in cases} == {("厦门国际银行",)}


def test_a_name_and_a_title_set_as_two_headings_make_one_title() -> None:
    below = found(passage("网点少。", "实践", "青岛银行", "接口银行，批量获客", "背景"))
    above = found(passage("网点少。", "实践", "接口银行，批量获客", "青岛银行", "背景"), passage("前文。", "实践"))
    assert [case.title for case in below] == ["青岛银行：接口银行，批量获客"]
    assert [(case.title, case.heading) for case in above] == [("接口银行，批量获客 青岛银行", ("实践",))]


def test_a_case_whose_headings_name_no_bank_takes_that_of_its_passages() -> None:
    slide = (
        passage("村里缺网点。", "村口的取款点", "背景", banks=("贵州农信",)),
        passage("在小卖部装终端。", "村口的取款点", "措施"),
    )
    (case,) = found(*slide)
    assert (case.title, case.banks) == ("村口的取款点", ("贵州农信",))
    assert not found(*(replace(each, tags=()) for each in slide))


def test_one_heading_of_two_banks_is_a_joint_case_unless_each_has_its_own() -> None:
    joint = "组织配套：紫金农商和成都农商"
    (case,) = found(passage(MEASURES, joint))
    assert case.banks == ("紫金农商银行", "成都农商银行")
    each = found(
        passage(MEASURES, joint), passage(MEASURES, joint, "紫金农商银行"), passage(MEASURES, joint, "成都农商银行")
    )
    assert [case.banks for case in each] == [("紫金农商银行",), ("成都农商银行",)]


def test_rows_about_one_bank_are_cases_and_columns_their_parts() -> None:
    names = ("银行", "举措", "成效")
    table = (
        row("银行：泰隆银行\n举措：坚持“三品三表”\n成效：新人也能按图索骥", "表1 举措与成效", names=names),
        row("银行：民泰银行\n举措：固化九字经验\n成效：经验得以复制", "表1 举措与成效", names=names),
    )
    first, second = found(*table)
    assert [first.title, second.title] == ["泰隆银行：坚持“三品三表”", "民泰银行：固化九字经验"]
    assert told(first, table) == [("措施", "举措", "坚持“三品三表”"), ("效果", "成效", "新人也能按图索骥")]
    assert first.heading == ("表1 举措与成效",)


def test_short_rows_in_one_passage_are_a_case_each() -> None:
    text = "银行：泰隆银行\n举措：三品三表\n银行：民泰银行\n举措：九字经验"
    assert [case.banks for case in found(row(text, "表1", names=("银行", "举措")))] == [("泰隆银行",), ("民泰银行",)]


def test_a_column_of_measures_and_effects_is_split_where_the_effect_begins() -> None:
    cell = "该行搭建平台，引入数据。截至2023年末，贷款余额增长20%。"
    given = row(f"银行：平安银行\n内容与成效：{cell}", "表1", names=("银行", "内容与成效"))
    (case,) = found(given)
    assert case.title == "平安银行：该行搭建平台，引入数据。截至2023年末，贷款余额增长20%。"
    assert told(case, (given,)) == [
        ("措施", "内容与成效", "该行搭建平台，引入数据。"),
        ("效果", "内容与成效", "截至2023年末，贷款余额增长20%。"),
    ]


NO_CASES = {
    "a pull quote": (
        passage("精耕细作才有护城河。——长沙银行首席信息官李兴双", "深耕本地", kind=Kind.QUOTE, banks=("长沙银行",)),
    ),
    "an interview": (passage(MEASURES, "高管的心声与呼声", "佛山农商："),),
    "an office": (passage(MEASURES, "一线", "某东部农商行科技部负责人"),),
    "a voice under a heading far above": (passage(MEASURES, "高管的心声与呼声", "面临困境", "本地", "佛山农商银行"),),
    "a voice among cases": (passage(MEASURES, "先进做法", "佛山农商："),),
    "one label and no bank in a heading": (passage(MEASURES, "数字化转型", "背景", banks=("青岛银行",)),),
    "an answer in a survey": (passage(MEASURES, "调研发现：积极性较高", "北京银行"),),
    "a list of banks": (passage(MEASURES, "青岛银行、盛京银行、台州银行与兰州银行"),),
    "acknowledgments": (passage(MEASURES, "特别鸣谢", "青岛银行"),),
    "a bank only in the text": (passage(MEASURES, "生态", banks=("青岛银行",)),),
    "a table of ticks": (
        row("银行：北京银行\n网上银行：√\n手机银行：√", "表1", names=("银行", "网上银行", "手机银行")),
    ),
    "a table of policies": (
        row("部门：财政部\n政策：《指引》\n特征：提出要求", "表1", names=("部门", "政策", "特征")),
    ),
    "a bank's own report": tuple(
        passage(MEASURES, f"第{number}章", f"青岛银行第{number}项业务") for number in "一二三四五"
    ),
    "a chapter": tuple(passage(MEASURES, "青岛银行的这一年", page=page) for page in range(1, 12)),
    "an entry of a chart": (passage("运营管理部", "组织架构", "青岛银行"),),
    "nothing": (),
}


def test_what_is_kept_out_below_would_be_a_case_elsewhere() -> None:
    for heading in ("青岛银行", "青岛银行开放平台", "青岛银行与盛京银行"):
        assert found(passage(MEASURES, "实践", heading))


@pytest.mark.parametrize("name", NO_CASES)
def test_it_is_no_case(name: str) -> None:
    assert not found(*NO_CASES[name])


def test_a_quotation_beside_a_case_is_no_part_of_it() -> None:
    case = passage(MEASURES, "案例：青岛银行开放平台")
    voice = passage("开放才有未来。——青岛银行行长 李四", "案例：青岛银行开放平台", kind=Kind.QUOTE)
    assert [part.passages for each in found(case, voice) for part in each.parts] == [(case.id,)]


def test_a_case_within_a_section_of_the_same_bank_stands_for_itself() -> None:
    (case,) = found(passage(MEASURES, "青岛银行的这一年", "案例：青岛银行开放平台"))
    assert case.title == "案例：青岛银行开放平台"


def test_a_measure_of_a_list_may_tell_a_figure() -> None:
    box = passage("➢打造接口银行\n➢发行联名卡，发卡量超过200万张", "案例：青岛银行开放平台", kind=Kind.LIST)
    assert [part.role for case in found(box) for part in case.parts] == ["措施"]


def test_an_id_is_permanent_and_of_its_document() -> None:
    slide = passage("网点少。", *TITLE, "背景")
    (case,), (again,), (other,) = found(slide), found(slide), find_cases("d2", (slide,), BOOK)
    assert len(case.id) == 16
    assert int(case.id, 16) >= 0
    assert case.id == again.id != other.id


def test_cases_come_in_reading_order() -> None:
    cases = found(
        passage("搭建平台，推出产品。", "案例：青岛银行开放平台"),
        row("银行：泰隆银行\n举措：三品三表", "表1", names=("银行", "举措")),
        passage("搭建平台，推出产品。", "案例：台州银行移动渠道"),
    )
    assert [case.banks[0] for case in cases] == ["青岛银行", "泰隆银行", "台州银行"]


def test_a_label_at_the_end_of_a_passage_stands_over_the_next() -> None:
    slide = (
        passage("背景\n网点少。\n具体举措", "实践", "青岛银行：接口银行"),
        passage("➢对接平台", "实践", "青岛银行：接口银行", kind=Kind.LIST),
    )
    (case,) = found(*slide)
    assert told(case, slide) == [("背景", "背景", "网点少。"), ("措施", "具体举措", "➢对接平台")]


def test_text_before_the_first_label_is_the_background() -> None:
    slide = passage("村里缺网点。\n措施\n装终端。\n效果\n村村有网点。", "实践", "贵州农信：村村通")
    (case,) = found(slide)
    assert told(case, (slide,)) == [
        ("背景", "", "村里缺网点。"),
        ("措施", "措施", "装终端。"),
        ("效果", "效果", "村村有网点。"),
    ]
