"""Tagging: whose a passage is, its dimension, topics and role, with the packaged encoder."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pdfs
import pytest

from kb.banks import BankBook, default_bank_book
from kb.build import embed_topics
from kb.embed import Encoder, open_encoder
from kb.records import Kind, Passage
from kb.tag import TopicRows, tag_passages
from kb.taxonomy import Taxonomy, default_taxonomy

FILLER = "这件事做了三年，先试点后推广，每一步都留下了记录。"


@dataclass(frozen=True)
class Tagger:
    """The tagging stage with its real parts."""

    encoder: Encoder
    book: BankBook
    taxonomy: Taxonomy
    topics: TopicRows

    def tag(self, passages: Sequence[Passage]) -> list[Passage]:
        """All tags."""
        texts = ["\n".join([*passage.heading[-2:], passage.text]) for passage in passages]
        return tag_passages(passages, self.encoder.passages(texts), self.book, self.taxonomy, self.topics)

    def banks(self, *passages: Passage) -> list[tuple[str, ...]]:
        """The banks alone, which do not depend on the rows."""
        rows = np.zeros((len(passages), self.encoder.dim), np.float32)
        return [p.banks for p in tag_passages(passages, rows, self.book, self.taxonomy, self.topics)]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    encoder = open_encoder("", tmp_path_factory.mktemp("cache"))
    taxonomy = default_taxonomy()
    return Tagger(encoder, default_bank_book(), taxonomy, embed_topics(encoder, taxonomy))


def passage(text: str, *heading: str, kind: Kind = Kind.TEXT) -> Passage:
    return Passage("id", kind, heading, text, ())


# Banks


def test_the_bank_of_the_heading_owns_the_passage(tagger: Tagger):
    words = "台州银行和北京银行也做过同样的事。"
    assert tagger.banks(passage(words, "第一章", "青岛银行：接口银行", "效果")) == [("青岛银行",)]


def test_the_innermost_heading_with_a_bank_counts(tagger: Tagger):
    assert tagger.banks(passage(FILLER, "青岛银行的启示", "台州银行")) == [("台州银行",)]


def test_all_banks_of_a_heading_own_the_passage(tagger: Tagger):
    assert tagger.banks(passage(FILLER, "青岛银行、台州银行：两种打法")) == [("青岛银行", "台州银行")]


def test_without_a_bank_in_the_headings_the_text_names_them_in_order(tagger: Tagger):
    words = "台州银行做平板。青岛银行做接口。台州银行又做了机器人。"
    assert tagger.banks(passage(words, "三种打法")) == [("台州银行", "青岛银行")]


def test_aliases_and_legal_names_become_the_canonical_name(tagger: Tagger):
    [banks] = tagger.banks(passage("青岛银行股份有限公司发布年报，工行也发布了年报。"))
    assert banks == ("青岛银行", "工商银行")


@pytest.mark.parametrize("word", ["该行", "本行", "我行", "该城商行"])
def test_this_bank_is_the_one_before_in_the_same_section(tagger: Tagger, word: str):
    first, second = passage("青岛银行做接口。", "打法"), passage(f"{word}又做了联名卡。", "打法")
    assert tagger.banks(first, second) == [("青岛银行",), ("青岛银行",)]


def test_this_bank_is_carried_on_over_several_passages(tagger: Tagger):
    more = [passage(f"该行又做了第{number}件事。", "打法") for number in "二三四"]
    assert tagger.banks(passage("青岛银行做接口。", "打法"), *more) == [("青岛银行",)] * 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (passage("青岛银行做接口。", "打法"), passage("该行又做了联名卡。", "另一节")),
        (passage("青岛银行、台州银行各做各的。", "打法"), passage("该行又做了联名卡。", "打法")),
        (passage("青岛银行做接口。", "打法"), passage("多数银行还在观望。", "打法")),
    ],
    ids=["another section", "two banks before", "no word for it"],
)
def test_else_no_bank_is_carried_on(tagger: Tagger, first: Passage, second: Passage):
    assert tagger.banks(first, second)[1] == ()


def test_a_table_row_is_its_first_cells_bank(tagger: Tagger):
    row = passage("银行：青岛银行\n举措：与台州银行共建接口\n成效：好", "表1", kind=Kind.TABLE)
    assert tagger.banks(row) == [("青岛银行",)]


def test_a_table_row_without_a_bank_in_its_first_cell_has_those_of_the_others(tagger: Tagger):
    row = passage("公司：兴业数金\n发起银行：兴业银行\n成立：2015", "表2", kind=Kind.TABLE)
    assert tagger.banks(row) == [("兴业银行",)]


def test_a_passage_of_several_rows_has_the_banks_of_all_first_cells(tagger: Tagger):
    rows = passage("银行：青岛银行\n直销：有\n银行：台州银行\n直销：无", "表3", kind=Kind.TABLE)
    assert tagger.banks(rows) == [("青岛银行", "台州银行")]


@pytest.mark.parametrize(
    "words",
    [
        "青岛银行与北京银行合作上线联名卡。",
        "青岛银行联合北京银行推出平台。",
        "去年，青岛银行携手北京银行开发接口。",
        "青岛银行引入北京银行的系统。",
    ],
)
def test_a_partner_is_left_out(tagger: Tagger, words: str):
    assert tagger.banks(passage(words)) == [("青岛银行",)]


def test_a_bank_of_another_sentence_is_no_partner(tagger: Tagger):
    assert tagger.banks(passage("青岛银行做接口。与北京银行相比，客户更少。")) == [("青岛银行", "北京银行")]


@pytest.mark.parametrize(
    "words", ["青岛农商银行与佛山农商银行都推出行内认证。", "台州银行和泰隆银行坚持上门服务，各有各的表格。"]
)
def test_banks_named_side_by_side_are_all_meant(tagger: Tagger, words: str):
    [banks] = tagger.banks(passage(words))
    assert len(banks) == 2


def test_the_partner_of_this_bank_is_no_owner(tagger: Tagger):
    first, second = passage("青岛银行做接口。", "打法"), passage("该行与北京银行合作搭建平台。", "打法")
    assert tagger.banks(first, second)[1] == ("青岛银行",)


# Dimension and topics


@pytest.mark.parametrize("dimension", ["战略", "组织", "技术", "应用", "数据", "生态"])
def test_a_heading_that_names_the_dimension_wins(tagger: Tagger, dimension: str):
    words = "建立数据治理委员会，统一数据标准，招聘数据分析人才，贷款全程线上。"
    for heading in (f"（一）{dimension}层面", f"{dimension}层面：现状与问题"):
        [found] = tagger.tag([passage(words, "第三章", heading, "小结")])
        assert found.dimension == dimension


def test_the_first_topic_is_of_the_dimension_that_the_heading_names(tagger: Tagger):
    words = "建立数据治理委员会，统一数据标准，招聘数据分析人才，贷款全程线上。"
    [found] = tagger.tag([passage(words, "战略层面")])
    dimensions = {topic.id: topic.dimension for topic in tagger.taxonomy.topics}
    assert dimensions[found.topics[0]] == "战略"


def test_a_heading_that_names_two_dimensions_decides_nothing(tagger: Tagger):
    words = "招聘既懂业务又懂技术的人才，设立培训计划与激励机制，核心人才流失减少。"
    [found] = tagger.tag([passage(words, "数据层面与生态层面")])
    assert found.dimension == "组织"


SUBJECTS = {
    "talent": ("组织", "与高校合办培训班，为数据分析岗位单设晋升通道，用奖金和股权留住复合型人才。"),
    "data-governance": (
        "数据",
        "成立数据治理委员会，统一数据标准，逐个字段认责，问题数据开工单整改，数据质量逐月通报。",
    ),
    "open-banking": ("生态", "以开放银行平台输出账户、支付接口，合作方按API规范接入，批量获得客户。"),
    "architecture-cloud": ("技术", "核心系统改为分布式架构，应用迁到私有云，微服务统一治理，扩容不再停机。"),
    "green-finance": ("应用", "推出碳减排贷款，绿色信贷系统自动识别绿色项目并测算减排量，绿色贷款余额增长。"),
    "strategy-planning": ("战略", "董事会审定三年数字化转型战略规划，由一把手牵头做顶层设计，每年回看目标。"),
    "customer-service": ("应用", "智能客服接听查询来电，远程坐席处理投诉，客户服务满意度逐月公布。"),
    "provincial-union": ("生态", "省联社统一建设核心系统，向县级行社开放接口，农信机构共用一个平台。"),
}


def test_plain_cases_get_their_dimension_and_topic(tagger: Tagger):
    found = tagger.tag([passage(words) for _, words in SUBJECTS.values()])
    assert {topic: p.dimension for topic, p in zip(SUBJECTS, found, strict=True)} == {
        topic: dimension for topic, (dimension, _) in SUBJECTS.items()
    }
    assert [p.topics[0] for p in found] == list(SUBJECTS)


def test_topics_are_known_few_and_the_first_is_of_the_dimension(tagger: Tagger):
    dimensions = {topic.id: topic.dimension for topic in tagger.taxonomy.topics}
    for found in tagger.tag([passage(words) for _, words in SUBJECTS.values()]):
        assert 1 <= len(found.topics) <= 3
        assert len(set(found.topics)) == len(found.topics)
        assert dimensions[found.topics[0]] == found.dimension


def test_radicals_and_traditional_writing_are_tagged_like_plain_text(tagger: Tagger):
    plain = "建立数据治理制度，风险管理部门统一数据标准，用户数据质量提升。"
    other = "建立數據治理制度，⻛险管理部⻔统⼀数据标准，⽤⼾数据质量提升。"
    one, two = tagger.tag([passage(plain)]) + tagger.tag([passage(other)])
    assert (one.dimension, one.topics[0], one.role) == (two.dimension, two.topics[0], two.role)


# Roles


@pytest.mark.parametrize(
    ("heading", "role"),
    [
        ("背景", "背景"),
        ("面临的困境", "背景"),
        ("措施", "措施"),
        ("主要做法", "措施"),
        ("效果", "效果"),
        ("取得的成效", "效果"),
        ("对策建议", "建议"),
        ("政策环境", "政策"),
    ],
)
def test_the_label_over_a_passage_is_its_role(tagger: Tagger, heading: str, role: str):
    [found] = tagger.tag([passage("截至年末，累计建立三十个站点，需要继续推进。", "青岛银行", heading)])
    assert found.role == role


@pytest.mark.parametrize(
    ("words", "role"),
    [
        ("截至2020年末，客户突破300万户，同比增长23.59%，累计交易152亿元。", "效果"),
        ("搭建统一平台，设立专门团队，推出三款产品，上线风控模型。", "措施"),
        ("问卷显示，七成受访银行缺少人才；被调研的农商行更甚。", "调研"),
        ("2020年7月，监管部门印发《商业银行互联网贷款管理暂行办法》，要求风控自主。", "政策"),
        ("小银行应当先算账，需要留足预算，建议与邻近行社合办训练班。", "建议"),
        ("某行长认为，系统与运营要各拿一半预算。", "观点"),
        ("天气不错。", "其他"),
    ],
)
def test_else_its_words_tell_the_role(tagger: Tagger, words: str, role: str):
    [found] = tagger.tag([passage(words)])
    assert found.role == role


def test_a_quote_is_an_opinion(tagger: Tagger):
    quote = passage("截至年末增长三成，累计突破百万。——某行行长", "措施", kind=Kind.QUOTE)
    assert tagger.tag([quote])[0].role == "观点"


# Whole documents


def test_no_passage_gives_no_tags(tagger: Tagger):
    rows = np.zeros((0, tagger.encoder.dim), np.float32)
    assert tag_passages([], rows, tagger.book, tagger.taxonomy, tagger.topics) == []


def test_tagging_changes_nothing_but_the_tags(tagger: Tagger, tmp_path: Path):
    pdfs.case_slides(tmp_path / "a.pdf")
    before = list(pdfs.read(tmp_path / "a.pdf").passages)[:3]
    after = tagger.tag(before)
    assert [(p.id, p.kind, p.heading, p.text, p.spans) for p in after] == [
        (p.id, p.kind, p.heading, p.text, p.spans) for p in before
    ]


def test_tags_do_not_depend_on_the_files_name(tagger: Tagger, tmp_path: Path):
    one, other = tmp_path / "台州银行2021生态.pdf", tmp_path / "x.pdf"
    pdfs.table_over_break(one)
    shutil.copy(one, other)
    tagged = [tagger.tag(pdfs.read(path).passages) for path in (one, other)]
    assert tagged[0] == tagged[1]


@pytest.mark.parametrize("titles", [pdfs.CASES, pdfs.MORE_CASES])
def test_every_box_of_a_case_slide_belongs_to_its_bank(tagger: Tagger, tmp_path: Path, titles: tuple[str, ...]):
    pdfs.case_slides(tmp_path / "a.pdf", titles)
    passages = pdfs.read(tmp_path / "a.pdf").passages
    banks = tagger.banks(*passages)
    assert banks == [(title.split("：")[0],) for title in titles for _ in range(3)]


def cases_of(name: str, mark: str = "") -> list[tuple[str, Passage]]:
    """The passages of a sample under a heading such as 案例　郑州银行：五朵云, with the bank that it begins with."""
    found = []
    for one in pdfs.corpus()[name].passages:
        titles = [words.removeprefix(mark).strip() for words in one.heading if words.startswith(mark) and "：" in words]
        if titles:
            found.append((titles[-1].split("：")[0], one))
    return found


CASE_BANKS = (
    "青岛银行 安徽农信 大连银行 江西农信 药都农商银行 盛京银行 浙江农信 台州银行 贵州农信 兰州银行 金谷农商银行"
    " 紫金农商银行 包商银行 北京银行"
).split()


def test_every_case_slide_of_the_sample_yields_its_bank(tagger: Tagger):
    cases = [(bank, one) for bank, one in cases_of("cases2018.pdf") if bank in CASE_BANKS]
    assert list(dict.fromkeys(bank for bank, _ in cases)) == CASE_BANKS
    assert len({one.pages for _, one in cases}) == 14
    for bank, one in cases:
        assert tagger.banks(one) == [(bank,)], one


def test_every_case_box_of_the_sample_yields_its_bank(tagger: Tagger):
    cases = cases_of("regional2021.pdf", "案例")
    assert len(cases) >= 8
    for bank, one in cases:
        assert tagger.banks(one) == [(bank,)], one


@pytest.mark.parametrize(("name", "count"), [("rural2020.pdf", 14), ("survey2023.pdf", 6)])
def test_every_table_row_of_the_samples_yields_its_bank(tagger: Tagger, name: str, count: int):
    rows = [p for p in pdfs.corpus()[name].passages if p.text.startswith("银行：")]
    assert len(rows) == count
    for row in rows:
        named = row.text.split("\n")[0].removeprefix("银行：")
        assert tagger.banks(row) == [(tagger.book.canonical(named),)]


def test_every_case_slide_of_the_sample_has_its_three_parts():
    parts: dict[str, set[str]] = {}
    for bank, one in cases_of("cases2018.pdf"):
        if bank in CASE_BANKS:
            parts.setdefault(bank, set()).add(one.heading[-1])
    assert all({"背景", "措施", "效果"} <= found for found in parts.values())
