"""Passages → tagged passages: whose they are, their dimension, topics and role."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log1p

import numpy as np
from numpy.typing import NDArray

from kb.banks import BankBook, Mention
from kb.records import Kind, Passage
from kb.taxonomy import Taxonomy, Topic
from kb.words import fold

HEADING_WEIGHT = 2.0
"""A term in a heading counts this many times as much as one in the text."""

SIMILARITY_WEIGHT = 1.5
"""Weight of the encoder's similarity (standard scores over the topics) beside that of the terms."""

DIMENSION_WEIGHT = 0.5
"""Weight of a dimension's own terms beside those of its topics."""

MAX_TOPICS = 3
LEAST_TOPIC_SHARE = 0.45
"""A further topic must reach this share of the first one's score."""

LEAST_TOPIC_SCORE = 1.0
"""A passage whose best topic stays below has none."""

SAME_BANK = re.compile(r"该(?:行|银行|城商行|农商行|农信社|机构)|本行|我行")
PARTNER = re.compile(r"(?:联合|携手|对接|借助|引入|联手|牵手)$")
WITH = re.compile(r"(?:与|和|同|跟)$")
TOGETHER = re.compile(r"^[^，。；]{0,8}(?:合作|签约|签署|签订|共建|共同|联合|携手|达成|对接)")

ROLE_LABELS = (
    ("背景", re.compile(r"背景|缘起|痛点|面临|困境|挑战|现状|问题")),
    ("措施", re.compile(r"措施|举措|做法|方案|路径|实践")),
    ("效果", re.compile(r"效果|成效|成果|成绩|收效")),
    ("建议", re.compile(r"建议|对策|启示|策略|方向")),
    ("政策", re.compile(r"政策|监管")),
)
ROLE_WORDS = (
    ("观点", re.compile(r"——\S{2,20}$|(?:认为|表示|指出|坦言)[，：:“]|我们认为")),
    ("调研", re.compile(r"问卷|受访|被调研|调研(?:发现|显示|结果)|访谈")),
    ("政策", re.compile(r"《[^》]{6,}》.{0,40}(?:提出|印发|发布|明确|要求)|(?:印发|出台|发布)[^。]{0,20}《")),
    ("效果", re.compile(r"截至|累计|同比|较(?:年初|上年|去年)|提升(?:至|了)|增长|突破|达到?\d|\d+(?:\.\d+)?(?:万|亿)")),
    ("建议", re.compile(r"应当|应该|需要|建议|可以(?:考虑|借助|通过)|必须")),
    ("措施", re.compile(r"建立|搭建|打造|推出|上线|构建|实施|开展|设立|成立|引入|推进")),
)


@dataclass(frozen=True, slots=True)
class TopicRows:
    """The encoder's rows for the topic descriptions, in the taxonomy's order: (topics, dim) unit rows."""

    topics: tuple[Topic, ...]
    rows: NDArray[np.float32]


def tag_passages(
    passages: Sequence[Passage], rows: NDArray[np.float32], book: BankBook, taxonomy: Taxonomy, topics: TopicRows
) -> list[Passage]:
    """Tag the passages of one document, in reading order. `rows` are their (n, dim) unit rows."""
    tagged: list[Passage] = []
    similar = standard_scores(rows @ topics.rows.T) if len(passages) else np.empty((0, 0), np.float32)
    for passage, similarity in zip(passages, similar, strict=True):
        banks = banks_of(passage, tagged[-1] if tagged else None, book)
        scores = topic_scores(passage, similarity, topics)
        dimension = best_dimension(passage, scores, taxonomy)
        chosen = best_topics(scores, dimension)
        tagged.append(replace(passage, banks=banks, dimension=dimension, topics=chosen, role=role_of(passage)))
    return tagged


def standard_scores(similarity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Similarities (n, topics), each topic's mean taken away, in standard deviations over a passage's topics."""
    centred = similarity - similarity.mean(axis=0, keepdims=True) if len(similarity) > 20 else similarity
    spread = centred.std(axis=1, keepdims=True) + 1e-6
    scores: NDArray[np.float32] = (centred - centred.mean(axis=1, keepdims=True)) / spread
    return scores


def banks_of(passage: Passage, before: Passage | None, book: BankBook) -> tuple[str, ...]:
    """The banks that a passage is about.

    The innermost heading that names banks owns the passage; a table row belongs to the bank of its first cell; else the
    banks named in the text, or, where the text says 该行, the one bank of the passage before in the same section.
    """
    for heading in reversed(passage.heading):
        owners = distinct(book.mentions(heading))
        if owners:
            return owners
    if passage.kind is Kind.TABLE:
        owners = distinct([mention for cell in first_cells(passage.text) for mention in book.mentions(cell)])
        if owners:
            return owners
    mentions = book.mentions(passage.text)
    found = distinct([mention for mention in mentions if not is_partner(passage.text, mention, mentions)])
    if not found and before and before.heading == passage.heading and len(before.banks) == 1:
        return before.banks if SAME_BANK.search(passage.text) else ()
    return found


def first_cells(text: str) -> list[str]:
    """The first cell of each row of a table passage: the lines that begin with the first column's name."""
    lines = text.split("\n")
    name, colon, _ = lines[0].partition("：")
    return [line for line in lines if line.startswith(name + colon)] if colon else lines[:1]


def is_partner(text: str, mention: Mention, mentions: Sequence[Mention]) -> bool:
    """Whether a bank is only somebody's partner: 与X银行合作, after another bank or 该行 in the sentence."""
    start = max(text.rfind(mark, 0, mention.start) for mark in "。；\n") + 1
    before, after = text[start : mention.start], text[mention.end :]
    led = any(start <= other.start < mention.start and other.name != mention.name for other in mentions)
    if not led and not SAME_BANK.search(before):
        return False
    return bool(PARTNER.search(before)) or bool(WITH.search(before) and TOGETHER.match(after))


def distinct(mentions: Sequence[Mention]) -> tuple[str, ...]:
    """The names of the mentions, each once, in order."""
    return tuple(dict.fromkeys(mention.name for mention in mentions))


def topic_scores(passage: Passage, similarity: NDArray[np.float32], topics: TopicRows) -> dict[Topic, float]:
    """Each topic's score: its terms in text and headings, and the encoder's similarity."""
    text, heading = fold(passage.text), fold("\n".join(passage.heading[-3:]))
    return {
        topic: term_score(topic.terms, text, heading) + SIMILARITY_WEIGHT * float(near)
        for topic, near in zip(topics.topics, similarity, strict=True)
    }


def term_score(terms: Sequence[str], text: str, heading: str) -> float:
    """How strongly terms show: repeated ones count ever less, longer ones more, those in headings double."""
    score = 0.0
    for term in terms:
        word = fold(term)
        weight = 1.0 if len(word) >= 4 else 0.8 if len(word) == 3 else 0.6
        score += weight * (log1p(text.count(word)) + HEADING_WEIGHT * (word in heading))
    return score


def best_dimension(passage: Passage, scores: dict[Topic, float], taxonomy: Taxonomy) -> str:
    """The dimension whose two best topics and own terms show most; one named in a heading as 战略层面 wins outright."""
    for heading in reversed(passage.heading):
        named = [dimension.id for dimension in taxonomy.dimensions if f"{dimension.id}层面" in heading]
        if len(named) == 1:
            return named[0]
    text, heading = fold(passage.text), fold("\n".join(passage.heading[-3:]))
    totals: dict[str, float] = {}
    for dimension in taxonomy.dimensions:
        best = sorted((score for topic, score in scores.items() if topic.dimension == dimension.id), reverse=True)[:2]
        own = term_score(dimension.terms, text, heading)
        totals[dimension.id] = best[0] + 0.4 * max(best[-1], 0.0) + DIMENSION_WEIGHT * own
    return max(totals, key=lambda name: totals[name])


def best_topics(scores: dict[Topic, float], dimension: str) -> tuple[str, ...]:
    """Up to three topics: the best of the passage's dimension first, then others near it, none where nothing shows."""
    ranked = sorted(scores, key=lambda topic: -scores[topic])
    first = next(topic for topic in ranked if topic.dimension == dimension)
    if scores[first] < LEAST_TOPIC_SCORE:
        return ()
    least = LEAST_TOPIC_SHARE * scores[ranked[0]]
    others = [topic for topic in ranked if topic is not first and scores[topic] >= least]
    return tuple(topic.id for topic in (first, *others)[:MAX_TOPICS])


def role_of(passage: Passage) -> str:
    """What part a passage plays: by its heading's label, else by the words of its text."""
    if passage.kind is Kind.QUOTE:
        return "观点"
    for heading in reversed(passage.heading[-2:]):
        for role, pattern in ROLE_LABELS:
            if len(heading) <= 8 and pattern.search(heading):
                return role
    counts: Counter[str] = Counter()
    for role, pattern in ROLE_WORDS:
        counts[role] = len(pattern.findall(passage.text))
    if not counts.total():
        return "其他"
    return counts.most_common(1)[0][0]
