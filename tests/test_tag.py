"""Tagging: dimension and topics with the packaged encoder, tags set by hand, whole reports."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pdfs
import pytest
from conftest import encoder

from kb.banks import default_bank_book
from kb.embed import Encoder
from kb.records import Document, Field, Kind, Passage, Reason
from kb.tag.overrides import Override
from kb.tag.passages import Tagger, tag_document, tag_passages
from kb.tag.topics import LEAST_TOPIC, TopicRows, chosen_topics, how_sure, similarities, to_topic_rows, words_of
from kb.taxonomy import Taxonomy, default_taxonomy


@dataclass(frozen=True)
class Stage:
    """The tagging stage with its real parts."""

    encoder: Encoder
    tagger: Tagger

    @property
    def taxonomy(self) -> Taxonomy:
        return self.tagger.taxonomy

    def rows(self, passages: Iterable[Passage]) -> np.ndarray:
        return self.encoder.passages(["\n".join([*passage.heading[-2:], passage.text]) for passage in passages])

    def tag(self, passages: Sequence[Passage], tagger: Tagger | None = None) -> list[Passage]:
        """All tags."""
        return list(tag_passages(passages, self.rows(passages), tagger or self.tagger, 2021))

    def banks(self, *passages: Passage) -> list[tuple[str, ...]]:
        """The banks alone, which do not depend on the rows."""
        rows = np.zeros((len(passages), self.encoder.dim), np.float32)
        return [p.banks for p in tag_passages(passages, rows, self.tagger, None)]


@pytest.fixture(scope="module")
def stage() -> Stage:
    taxonomy = default_taxonomy()
    topics = to_topic_rows(taxonomy, encoder().passages)
    return Stage(encoder(), Tagger(default_bank_book(), taxonomy, topics))


def passage(text: str, *heading: str, kind: Kind = Kind.TEXT) -> Passage:
    return Passage("id", kind, heading, text, ())


# Dimension and topics


@pytest.mark.parametrize("dimension", ["战略", "组织", "技术", "应用", "数据", "生态"])
def test_a_heading_that_names_the_dimension_wins(stage: Stage, dimension: str):
    words = "建立数据治理委员会，统一数据标准，招聘数据分析人才，贷款全程线上。"
    for heading in (f"（一）{dimension}层面", f"{dimension}层面：现状与问题"):
        [found] = stage.tag([passage(words, "第三章", heading, "小结")])
        assert found.dimension == dimension


def test_the_first_topic_is_of_the_dimension_that_the_heading_names(stage: Stage):
    words = "建立数据治理委员会，统一数据标准，招聘数据分析人才，贷款全程线上。"
    [found] = stage.tag([passage(words, "战略层面")])
    dimensions = {topic.id: topic.dimension for topic in stage.taxonomy.topics}
    assert dimensions[found.topics[0]] == "战略"


def test_a_heading_that_names_two_dimensions_decides_nothing(stage: Stage):
    words = "招聘既懂业务又懂技术的人才，设立培训计划与激励机制，核心人才流失减少。"
    [found] = stage.tag([passage(words, "数据层面与生态层面")])
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


def test_plain_cases_get_their_dimension_and_topic(stage: Stage):
    found = stage.tag([passage(words) for _, words in SUBJECTS.values()])
    assert {topic: p.dimension for topic, p in zip(SUBJECTS, found, strict=True)} == {
        topic: dimension for topic, (dimension, _) in SUBJECTS.items()
    }
    assert [p.topics[0] for p in found] == list(SUBJECTS)


def test_topics_are_known_few_and_the_first_is_of_the_dimension(stage: Stage):
    dimensions = {topic.id: topic.dimension for topic in stage.taxonomy.topics}
    for found in stage.tag([passage(words) for _, words in SUBJECTS.values()]):
        assert 1 <= len(found.topics) <= 3
        assert len(set(found.topics)) == len(found.topics)
        assert dimensions[found.topics[0]] == found.dimension


def test_radicals_and_traditional_writing_are_tagged_like_plain_text(stage: Stage):
    plain = "建立数据治理制度，风险管理部门统一数据标准，用户数据质量提升。"
    other = "建立數據治理制度，⻛险管理部⻔统⼀数据标准，⽤⼾数据质量提升。"
    one, two = stage.tag([passage(plain)]) + stage.tag([passage(other)])
    assert (one.dimension, one.topics[0], one.role) == (two.dimension, two.topics[0], two.role)


def test_each_tag_tells_how_sure_it_is_and_what_it_comes_from(stage: Stage):
    [found] = stage.tag([passage(SUBJECTS["talent"][1], "第二章", "留住人才")])
    topic = next(tag for tag in found.tags if tag.field is Field.TOPIC)
    assert (topic.value, Reason("heading", "人才")) == ("talent", topic.reasons[0])
    assert [reason.source for reason in topic.reasons] == ["heading", "term", "similarity"]
    terms = topic.reasons[1].detail.split("、")
    assert set(terms) <= set(next(t for t in stage.taxonomy.topics if t.id == "talent").terms)
    assert all(term in found.text for term in terms)
    side = next(tag for tag in found.tags if tag.field is Field.DIMENSION)
    assert side.reasons[0] == Reason("topic", "人才与激励")
    assert all(0 <= tag.score <= 1 for tag in found.tags)
    assert topic.score > 0.8


def test_a_plain_passage_is_tagged_with_more_confidence_than_a_vague_one(stage: Stage):
    plain, vague = stage.tag([passage(SUBJECTS["data-governance"][1]), passage("我们走了不少弯路，也学到很多。")])
    sure = [{tag.field: tag.score for tag in reversed(found.tags)} for found in (plain, vague)]
    assert sure[0][Field.DIMENSION] > sure[1][Field.DIMENSION]
    assert not vague.topics or sure[0][Field.TOPIC] > sure[1][Field.TOPIC]


def test_no_topic_where_nothing_fits(stage: Stage):
    low = dict.fromkeys(stage.taxonomy.topics, 1.0)
    assert how_sure(1.0) < LEAST_TOPIC
    assert list(chosen_topics(words_of(passage("又过了一年。")), low, "组织", None)) == []


def test_a_small_report_is_tagged_about_as_a_large_one(stage: Stage):
    words = [passage(words) for _, words in SUBJECTS.values()]
    assert [p.topics[:1] for one in words for p in stage.tag([one])] == [p.topics[:1] for p in stage.tag(words)]


def test_topics_without_examples_are_compared_by_their_descriptions(stage: Stage):
    bare = replace(stage.taxonomy, topics=tuple(replace(topic, examples=()) for topic in stage.taxonomy.topics))
    topics = to_topic_rows(bare, stage.encoder.passages)
    assert topics.examples.shape == (0, stage.encoder.dim)
    found = stage.tag(
        [passage(words) for _, words in SUBJECTS.values()], replace(stage.tagger, taxonomy=bare, topics=topics)
    )
    assert [p.dimension for p in found] == [dimension for dimension, _ in SUBJECTS.values()]


def test_a_text_that_is_near_to_everything_is_near_to_nothing():
    names = default_taxonomy().topics[:3]
    side, usual = np.eye(4, dtype=np.float32), np.full(4, 0.5, np.float32)
    topics = TopicRows(names, np.stack([usual, side[1], side[2]]), np.zeros((0, 4), np.float32), np.array([], np.intp))
    rows = np.stack([0.8 * usual + 0.6 * side[at] for at in (1, 2, 0, 3)] * 20)
    near = similarities(rows / np.linalg.norm(rows, axis=1, keepdims=True), topics)
    assert near[:2].argmax(axis=1).tolist() == [1, 2]


# Tags set by hand


def test_what_is_set_by_hand_holds_and_says_so(stage: Stage):
    given = Override(
        banks=("台州银行",), dimension="生态", topics=("open-banking",), role="观点", year=2019, region="浙江 台州"
    )
    tagger = replace(stage.tagger, overrides={"id": given}, source="overrides.toml")
    [found] = stage.tag([passage("2020年，青岛银行与台州银行招聘人才。")], tagger)
    assert (found.banks, found.dimension, found.topics) == (("台州银行",), "生态", ("open-banking",))
    assert (found.role, found.year, found.region) == ("观点", 2019, "浙江 台州")
    assert "台州银行" not in found.mentions
    by_hand = [tag for tag in found.tags if tag.field is not Field.MENTION]
    assert {tag.reasons for tag in by_hand} == {(Reason("override", "overrides.toml"),)}
    assert {tag.score for tag in by_hand} == {1.0}


def test_what_is_not_set_by_hand_stays_and_empty_means_none(stage: Stage):
    words = passage("青岛银行引进复合型人才，设立激励机制。")
    [plain] = stage.tag([words])
    [found] = stage.tag([words], replace(stage.tagger, overrides={"id": Override(banks=(), topics=())}))
    assert (plain.banks, found.banks, found.topics) == (("青岛银行",), (), ())
    assert (found.dimension, found.role) == (plain.dimension, plain.role)


# Whole documents


def test_no_passage_gives_no_tags(stage: Stage):
    rows = np.zeros((0, stage.encoder.dim), np.float32)
    assert tag_passages([], rows, stage.tagger, 2021) == ()


def test_tagging_changes_nothing_but_the_tags(stage: Stage, tmp_path: Path):
    pdfs.case_slides(tmp_path / "a.pdf")
    before = list(pdfs.read(tmp_path / "a.pdf").passages)[:3]
    after = stage.tag(before)
    assert [(p.id, p.kind, p.heading, p.text, p.spans) for p in after] == [
        (p.id, p.kind, p.heading, p.text, p.spans) for p in before
    ]


def test_a_report_comes_with_its_figures_and_cases(stage: Stage):
    passages = pdfs.corpus()["cases2018.pdf"].passages
    report = Document("d", "d", "/a.pdf", "a.pdf", "", "", 2018, "", 1, "")
    tagged = tag_document(report, passages, stage.rows(passages), stage.tagger)
    assert [one.id for one in tagged.passages] == [one.id for one in passages]
    texts = {one.id: one.text for one in tagged.passages}
    assert sum(map(len, tagged.figures.values())) > 50
    for identity, figures in tagged.figures.items():
        for figure in figures:
            assert texts[identity][figure.start : figure.end] == figure.text
    assert {bank for case in tagged.cases for bank in case.banks} >= set(CASE_BANKS)


def test_tags_do_not_depend_on_the_files_name(stage: Stage, tmp_path: Path):
    one, other = tmp_path / "台州银行2021生态.pdf", tmp_path / "x.pdf"
    pdfs.table_over_break(one)
    shutil.copy(one, other)
    tagged = [stage.tag(pdfs.read(path).passages) for path in (one, other)]
    assert tagged[0] == tagged[1]


@pytest.mark.parametrize("titles", [pdfs.CASES, pdfs.MORE_CASES])
def test_every_box_of_a_case_slide_belongs_to_its_bank(stage: Stage, tmp_path: Path, titles: tuple[str, ...]):
    pdfs.case_slides(tmp_path / "a.pdf", titles)
    passages = pdfs.read(tmp_path / "a.pdf").passages
    banks = stage.banks(*passages)
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


def test_every_case_slide_of_the_sample_yields_its_bank(stage: Stage):
    cases = [(bank, one) for bank, one in cases_of("cases2018.pdf") if bank in CASE_BANKS]
    assert list(dict.fromkeys(bank for bank, _ in cases)) == CASE_BANKS
    assert len({one.pages for _, one in cases}) == 14
    for bank, one in cases:
        assert stage.banks(one) == [(bank,)], one


def test_every_case_box_of_the_sample_yields_its_bank(stage: Stage):
    cases = cases_of("regional2021.pdf", "案例")
    assert len(cases) >= 8
    for bank, one in cases:
        assert stage.banks(one) == [(bank,)], one


@pytest.mark.parametrize(("name", "count"), [("rural2020.pdf", 14), ("survey2023.pdf", 6)])
def test_every_table_row_of_the_samples_yields_its_bank(stage: Stage, name: str, count: int):
    rows = [p for p in pdfs.corpus()[name].passages if p.text.startswith("银行：")]
    assert len(rows) == count
    for row in rows:
        named = row.text.split("\n")[0].removeprefix("银行：")
        assert stage.banks(row) == [(stage.tagger.book.canonical(named),)]


def test_every_case_slide_of_the_sample_has_its_three_parts():
    parts: dict[str, set[str]] = {}
    for bank, one in cases_of("cases2018.pdf"):
        if bank in CASE_BANKS:
            parts.setdefault(bank, set()).add(one.heading[-1])
    assert all({"背景", "措施", "效果"} <= found for found in parts.values())
