"""Whose passage is it: banks, mentions and region, each with where it was seen."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.banks import default_bank_book
from kb.records import Document, Field, Kind, Passage, Reason, Tag
from kb.tag.owners import owner_tags
from kb.tag.passages import reporter_of

BOOK = default_bank_book()
FILLER = "这件事做了三年，先试点后推广，每一步都留下了记录。"
LONG = FILLER * 6


def passage(text: str, *heading: str, kind: Kind = Kind.TEXT) -> Passage:
    return Passage("id", kind, heading, text, ())


def tags(*passages: Passage) -> list[tuple[Tag, ...]]:
    return owner_tags(passages, BOOK)


def values(field: Field, *passages: Passage) -> list[tuple[str, ...]]:
    return [tuple(tag.value for tag in found if tag.field is field) for found in tags(*passages)]


def banks(*passages: Passage) -> list[tuple[str, ...]]:
    return values(Field.BANK, *passages)


def told(text: str, *heading: str, kind: Kind = Kind.TEXT) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Banks and mentions of one passage."""
    one = passage(text, *heading, kind=kind)
    return banks(one)[0], values(Field.MENTION, one)[0]


def reasons(text: str, *heading: str, kind: Kind = Kind.TEXT) -> dict[tuple[Field, str], Reason]:
    [found] = tags(passage(text, *heading, kind=kind))
    return {(tag.field, tag.value): tag.reasons[0] for tag in found}


# Headings


def test_the_bank_of_the_heading_owns_the_passage_and_others_are_mentions():
    words = "台州银行和北京银行也做过同样的事。"
    assert told(words, "第一章", "青岛银行：接口银行", "效果") == (("青岛银行",), ("台州银行", "北京银行"))
    reason = reasons(words, "第一章", "青岛银行：接口银行", "效果")[Field.BANK, "青岛银行"]
    assert reason == Reason("heading", "青岛银行：接口银行")


def test_the_innermost_heading_with_a_bank_counts():
    assert banks(passage(FILLER, "青岛银行的启示", "台州银行")) == [("台州银行",)]


def test_all_banks_of_a_heading_own_the_passage():
    assert banks(passage(FILLER, "青岛银行、台州银行：两种打法")) == [("青岛银行", "台州银行")]


def test_of_several_banks_in_a_heading_those_that_the_text_takes_up():
    assert told("台州银行做了平板。", "青岛银行、台州银行：两种打法") == (("台州银行",), ())


@pytest.mark.parametrize("heading", ["渠道创新（青岛银行）", "守住本地、做精特色、做大平台的一条新路子——青岛银行"])
def test_the_bank_of_a_heading_may_stand_in_brackets_or_at_its_end(heading: str):
    assert banks(passage(FILLER, heading, "措施")) == [("青岛银行",)]


def test_a_heading_that_only_compares_with_a_bank_owns_nothing():
    assert told("青岛银行做接口。", "台州银行：平板", "与招商银行相比") == (("台州银行",), ("青岛银行",))


# The text


def test_without_a_bank_in_the_headings_the_text_names_them_in_order():
    assert told("台州银行做平板。青岛银行做接口。台州银行又做了机器人。", "三种打法") == (("台州银行", "青岛银行"), ())


def test_aliases_and_legal_names_become_the_canonical_name_and_the_reason_is_as_written():
    found = reasons("青岛银行股份有限公司发布年报，工行也发布了年报。")
    assert found == {
        (Field.BANK, "青岛银行"): Reason("text", "青岛银行股份有限公司"),
        (Field.BANK, "工商银行"): Reason("text", "工行"),
    }


@pytest.mark.parametrize(
    "words",
    [
        f"{LONG}例如，青岛银行推出了接口平台。",
        f"{LONG}2022年4月，青岛银行推出了接口平台。",
        f"{LONG}一是青岛银行推出了接口平台。",
        f"青岛银行信息科技部总经理王某在访谈中表示，先试点。{LONG}",
        f"以青岛银行为例，先算账再动手。{LONG}",
        f"仅有青岛银行设立了专门的部门。{LONG}",
    ],
)
def test_a_bank_that_is_subject_of_a_clause_is_told_of_in_a_long_passage_too(words: str):
    assert told(words) == (("青岛银行",), ())


def test_a_passage_that_tells_of_three_banks_one_after_another_is_about_all():
    words = "例如，青岛银行做接口平台。台州银行带平板上门；泰隆银行把流程拆成五段。"
    assert told(LONG + words) == (("青岛银行", "台州银行", "泰隆银行"), ())


@pytest.mark.parametrize(
    "words",
    [
        "青岛农商银行与佛山农商银行都推出行内认证。",
        "台州银行和泰隆银行坚持上门服务，各有各的表格。",
        f"青岛银行、台州银行率先推出平板开户。{LONG}",
    ],
)
def test_a_few_banks_that_act_together_are_all_meant(words: str):
    [found] = banks(passage(words))
    assert len(found) == 2


@pytest.mark.parametrize(
    "words",
    [
        f"市场已被分完，工行、建行等大行也在下沉，小银行再进去很难。{LONG}",
        f"这一方向渐成共识，工行、建行以及民营银行如微众银行均已开始探索。{LONG}",
        f"以工行、建行为代表的银行走在前面。{LONG}",
        f"客户可以绑定工行、建行的卡。{LONG}",
        f"部分银行（例如，2021年工行、建行的投入分别增长一成）已经放慢，多数仍在加快。{FILLER}",
    ],
)
def test_banks_that_only_stand_for_others_are_mentions(words: str):
    found, named = told(words)
    assert found == ()
    assert set(named) >= {"工商银行", "建设银行"}


def test_examples_stand_for_the_whole_sentence_that_they_illustrate():
    words = "有两种做法：一种是把它看作独立的利润中心来分配资源、考核业绩，如青岛银行；"
    assert told(words + FILLER) == (("青岛银行",), ())


SIX = "青岛银行、台州银行、泰隆银行、盛京银行、兰州银行、大连银行"


@pytest.mark.parametrize(
    "words",
    [
        f"我们访谈了{SIX}等银行的负责人。",
        f"{SIX}都上线了平台。",
        "青岛银行、台州银行、泰隆银行、盛京银行、兰州银行等5家城商行都上线了平台。",
    ],
)
def test_a_long_or_counted_list_is_no_tale_of_each(words: str):
    found, named = told(words)
    assert found == ()
    assert len(named) >= 5


def test_a_bank_of_a_list_that_is_told_of_beside_it_is_an_owner():
    assert told(f"{SIX}都在探索。其中，大连银行推出了模型平台。")[0] == ("大连银行",)


@pytest.mark.parametrize(
    "words",
    [
        "青岛银行与北京银行合作上线联名卡。",
        "青岛银行联合北京银行推出平台。",
        "去年，青岛银行携手北京银行开发接口。",
        "青岛银行引入北京银行的系统。",
        "与北京银行相比，青岛银行的客户更少。",
        "青岛银行做接口。与北京银行不同，客户更少。",
        "青岛银行的投入超过北京银行。",
        "除北京银行外，青岛银行也做了接口。",
        "青岛银行做接口。特别感谢北京银行。",
    ],
)
def test_partners_and_those_compared_with_are_mentions(words: str):
    assert told(words) == (("青岛银行",), ("北京银行",))


@pytest.mark.parametrize("words", ["例如北京银行做接口。", "占比北京银行最高。", "对比北京银行和台州银行的做法。"])
def test_words_that_end_like_a_comparison_are_none(words: str):
    assert "北京银行" in banks(passage(words))[0]


def test_surer_banks_come_first_and_scores_are_shares_of_one():
    [found] = tags(passage("如台州银行。青岛银行推出了接口平台。与北京银行相比，它更小。"))
    assert [tag.value for tag in found if tag.field is Field.BANK] == ["青岛银行", "台州银行"]
    scores = [tag.score for tag in found if tag.field is Field.BANK]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < tag.score <= 1 for tag in found)


def test_all_partners_of_a_list_are_mentions():
    assert told("青岛银行做接口，与北京银行、台州银行合作上线联名卡。") == (("青岛银行",), ("北京银行", "台州银行"))


def test_a_long_lead_before_a_name_is_read_in_no_time():
    began = time.perf_counter()
    assert told("在上" * 5000 + "青岛银行推出了接口平台。")[1] == ("青岛银行",)
    assert time.perf_counter() - began < 2


# 该行


@pytest.mark.parametrize("word", ["该行", "本行", "我行", "该城商行"])
def test_this_bank_is_the_one_before_in_the_same_section(word: str):
    first, second = passage("青岛银行做接口。", "打法"), passage(f"{word}又做了联名卡。", "打法")
    assert banks(first, second) == [("青岛银行",), ("青岛银行",)]
    assert tags(first, second)[1][0].reasons == (Reason("neighbour", f"青岛银行，{word}"),)


def test_this_bank_is_carried_on_over_several_passages():
    more = [passage(f"该行又做了第{number}件事。", "打法") for number in "二三四"]
    assert banks(passage("青岛银行做接口。", "打法"), *more) == [("青岛银行",)] * 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (passage("青岛银行做接口。", "打法"), passage("该行又做了联名卡。", "另一节")),
        (passage("青岛银行、台州银行各做各的。", "打法"), passage("该行又做了联名卡。", "打法")),
        (passage("青岛银行做接口。台州银行做平板。", "打法"), passage("本行又做了联名卡。", "打法")),
        (passage("青岛银行做接口。", "打法"), passage("多数银行还在观望。", "打法")),
        (passage("青岛银行做接口。", "打法"), passage("该行业还在观望，该银行业也是。", "打法")),
        (passage("青岛银行做接口。", "打法"), passage("各家要盘点本行的客户。", "打法", "建议")),
        (passage("多数银行还在观望。", "打法"), passage("该行又做了联名卡。", "打法")),
    ],
    ids=[
        "another section",
        "two banks before",
        "two for 本行",
        "no word for it",
        "行业",
        "one's own bank",
        "no bank before",
    ],
)
def test_else_no_bank_is_carried_on(first: Passage, second: Passage):
    assert banks(first, second)[1] == ()


def test_this_bank_may_be_the_one_told_of_last_and_stand_under_a_heading_below():
    first = passage("台州银行做平板。青岛银行做接口。", "打法")
    assert banks(first, passage("该行又做了联名卡。", "打法", "效果"))[1] == ("青岛银行",)


def test_this_bank_after_a_name_in_the_passage_is_that_name():
    first = passage("青岛银行做接口。", "打法")
    assert banks(first, passage("台州银行做平板，该行还做了机器人。", "打法"))[1] == ("台州银行",)


def test_this_bank_before_another_name_makes_two():
    first = passage("青岛银行做接口。", "打法")
    assert set(banks(first, passage("该行还做了联名卡。台州银行做平板。", "打法"))[1]) == {"青岛银行", "台州银行"}


def test_the_partner_of_this_bank_is_no_owner():
    first, second = passage("青岛银行做接口。", "打法"), passage("该行与北京银行合作搭建平台。", "打法")
    assert banks(first, second)[1] == ("青岛银行",)
    assert values(Field.MENTION, first, second)[1] == ("北京银行",)


# Tables


def test_a_table_row_is_its_first_cells_bank():
    words = "银行：青岛银行\n举措：与台州银行共建接口\n成效：好"
    assert told(words, "表1", kind=Kind.TABLE) == (("青岛银行",), ("台州银行",))
    assert reasons(words, kind=Kind.TABLE)[Field.BANK, "青岛银行"] == Reason("cell", "青岛银行")


def test_a_table_row_without_a_bank_in_its_first_cell_has_those_of_the_others():
    row = passage(f"公司：兴业数金\n发起银行：兴业银行\n成立：2015\n说明：{LONG}", "表2", kind=Kind.TABLE)
    assert banks(row) == [("兴业银行",)]


def test_a_passage_of_several_rows_has_the_banks_of_all_first_cells():
    names = SIX.split("、")
    rows = passage("\n".join(f"银行：{name}\n直销：有" for name in names), "表3", kind=Kind.TABLE)
    assert banks(rows) == [tuple(names)]


# Quotations


@pytest.mark.parametrize("mark", ["——", "—"])
def test_a_quotation_belongs_to_the_bank_of_its_speaker(mark: str):
    words = f"像招商银行那样做零售，我们做不到。{mark}杭州银行副行长 李某"
    assert told(words, kind=Kind.QUOTE) == (("杭州银行",), ("招商银行",))
    assert reasons(words, kind=Kind.QUOTE)[Field.BANK, "杭州银行"] == Reason("speaker", "杭州银行副行长 李某")


def test_a_dash_in_a_table_or_sentence_is_no_signature():
    words = "实践者：江西农信——“春丰贷”浙江农信、贵州农信——贷款线上化"
    assert set(banks(passage(words, kind=Kind.TABLE))[0]) == {"江西农信", "浙江农信", "贵州农信"}


# Region


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("青岛银行做接口。", "山东 青岛"),
        ("青岛银行与青岛农商银行都做接口。", "山东 青岛"),
        ("浙江农信统一建设核心系统。", "浙江"),
        ("长葛农商行做了新平台。", "河南 长葛"),
        ("招商银行在杭州市开出新网点。", ""),
        ("青岛银行做接口。台州银行做平板。", ""),
        ("苏州市出台办法，奖补小微贷款。", "江苏 苏州"),
        ("浙江省出台办法，先在杭州和温州试点。", "浙江"),
        ("浙江省和江苏省都出台了办法。", ""),
        ("消费端各家大同小异，与厦门大学合作。", ""),
        ("上海某科技有限公司参与编写。", ""),
        ("地址：深圳市福田区", ""),
        ("杭州市与厦门大学合作，消费端大同小异。", "浙江 杭州"),
        ("北京市开会，上海某科技有限公司到场。", "北京"),
        ("城市商业银行都做接口。", ""),
    ],
)
def test_region_of_the_bank_or_of_the_place_told_of(text: str, region: str):
    assert values(Field.REGION, passage(text)) == [(region,) if region else ()]


def test_region_of_a_heading_and_its_reasons():
    assert reasons(FILLER, "重庆的做法", "措施")[Field.REGION, "重庆"] == Reason("text", "重庆")
    assert reasons("青岛银行做接口。")[Field.REGION, "山东 青岛"] == Reason("bank", "青岛银行")


# All of it


def test_no_passage_gives_no_tags():
    assert owner_tags([], BOOK) == []


PIECES = st.sampled_from(
    "青岛银行 台州银行 工行 某银行 该行 本行 与 、 和 ，。 。 （ ） 例如， 如 等5家 合作 —— 行长".split()
    + "苏州市 朝阳 西安 海城 大同 做了三年 \n ：".split(" ")
)


@given(st.lists(st.tuples(st.lists(PIECES, max_size=12), st.sampled_from(list(Kind))), max_size=4))
def test_any_text_gives_sound_tags(texts: list[tuple[list[str], Kind]]):
    passages = [passage("".join(words), "节", kind=kind) for words, kind in texts]
    found = tags(*passages)
    assert len(found) == len(passages)
    for one, its in zip(passages, found, strict=True):
        names = [tag.value for tag in its if tag.field in (Field.BANK, Field.MENTION)]
        assert len(names) == len(set(names))
        assert {m.name for m in BOOK.mentions(one.text)} <= set(names)
        assert sum(tag.field is Field.REGION for tag in its) <= 1
        assert all(0 < tag.score <= 1 and tag.reasons[0].detail for tag in its)


# Banks set by hand


def test_banks_set_by_hand_hold_for_the_region_and_for_what_comes_after():
    passages = [
        Passage(name, Kind.TEXT, ("节",), text, ()) for name, text in (("a", "青岛银行做接口。"), ("b", "该行成了。"))
    ]
    by_hand = Tag(Field.BANK, "台州银行", 1.0, (Reason("override", "overrides.toml"),))
    first, second = owner_tags(passages, BOOK, {"a": (by_hand,)})
    assert first[0] == by_hand
    assert [(tag.field, tag.value) for tag in first[1:]] == [(Field.REGION, "浙江 台州")]
    assert (second[0].value, second[0].reasons[0]) == ("台州银行", Reason("neighbour", "台州银行，该行"))


def test_a_bank_set_by_hand_is_no_mention_beside_it():
    one = passage("青岛银行与台州银行合作推出接口。")
    assert [tag.value for tag in owner_tags([one], BOOK)[0] if tag.field is Field.MENTION] == ["台州银行"]
    [found] = owner_tags([one], BOOK, {"id": (Tag(Field.BANK, "台州银行"),)})
    assert [(tag.field, tag.value) for tag in found if tag.field is not Field.REGION] == [(Field.BANK, "台州银行")]


def test_what_a_bank_reports_of_no_bank_is_about_itself() -> None:
    own = reporter_of(report("年报", "兴业银行股份有限公司"), BOOK)
    assert own and (own.value, own.reasons) == ("兴业银行", (Reason("report", "兴业银行股份有限公司"),))
    passages = [
        Passage("a", Kind.TEXT, ("经营情况",), "手机银行用户达到5000万户。", ()),
        Passage("b", Kind.TEXT, ("经营情况",), "青岛银行上线了开放银行。", ()),
        Passage("c", Kind.TEXT, ("经营情况",), "全年未发生重大事故。", ()),
    ]
    banks = [
        [tag.value for tag in tags if tag.field is Field.BANK]
        for tags in owner_tags(passages, BOOK, {"c": ()}, reporter=own)
    ]
    assert banks == [["兴业银行"], ["青岛银行"], []]


@pytest.mark.parametrize(
    ("kind", "publisher"), [("研究报告", "兴业银行股份有限公司"), ("年报", "某某研究院"), ("季报", "")]
)
def test_other_reports_are_of_no_bank(kind: str, publisher: str) -> None:
    assert reporter_of(report(kind, publisher), BOOK) is None


def report(kind: str, publisher: str) -> Document:
    return Document("d", "", "", "", "", publisher, 2021, kind, 1, "")
