"""What a passage is about: its dimension and topics, from words, headings and the encoder's similarity."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log1p

import numpy as np
from numpy.typing import NDArray

from kb.records import Field, Passage, Reason, Tag
from kb.taxonomy import Taxonomy, Topic
from kb.words import fold

Rows = NDArray[np.float32]

HEADING_WEIGHT = 2.0
"""A term in a heading counts this many times as much as one in the text."""

DIMENSION_WEIGHT = 0.5
"""Weight of a dimension's own terms beside those of its topics."""

SECOND_TOPIC_WEIGHT = 0.4
"""Weight of the second best topic of a dimension beside the best one."""

NEAREST_EXAMPLES = 2
"""A topic's examples are as near as so many of them are on average, the nearest ones."""

USUAL_PASSAGES = 10
"""How near a text is to everything is reckoned over a report's passages, and over the examples as so many passages."""

MAX_TOPICS = 3
LEAST_TOPIC_SHARE = 0.45
"""A further topic must reach this share of the best one's score."""

LEAST_TOPIC = 0.15
"""A passage whose best topic is less sure has none."""

TOPIC_MIDDLE, TOPIC_STEEPNESS = 4.9, 0.55
"""A topic of the first score is right half of the time; the curve was fitted to the labels of the sample corpus."""

DIMENSION_TEMPERATURE = 2.0
"""Divides the dimensions' scores before their softmax; fitted to labels too."""

MOST_TERMS = 5
"""How many terms a reason names."""


@dataclass(frozen=True, slots=True)
class TopicRows:
    """The encoder's unit rows for the taxonomy: (topics, dim) of descriptions, (examples, dim) of all examples.

    Both are in the taxonomy's order; `owner[i]` is the place of the i-th example's topic.
    """

    topics: tuple[Topic, ...]
    descriptions: Rows
    examples: Rows
    owner: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Words:
    """A passage's text and its innermost headings, folded for looking terms up."""

    text: str
    heading: str


def taxonomy_texts(taxonomy: Taxonomy) -> list[str]:
    """What is embedded of a taxonomy: each topic's label with its description, then all examples."""
    described = [f"{topic.label}：{topic.description}" for topic in taxonomy.topics]
    return described + [example for topic in taxonomy.topics for example in topic.examples]


def to_topic_rows(taxonomy: Taxonomy, embed: Callable[[list[str]], Rows]) -> TopicRows:
    """The rows of `taxonomy_texts`, told apart. `embed` gives (texts, dim) unit rows."""
    rows, count = embed(taxonomy_texts(taxonomy)), len(taxonomy.topics)
    owner = [at for at, topic in enumerate(taxonomy.topics) for _ in topic.examples]
    return TopicRows(taxonomy.topics, rows[:count], rows[count:], np.array(owner, np.intp))


def topic_tags(passages: Sequence[Passage], rows: Rows, taxonomy: Taxonomy, topics: TopicRows) -> list[tuple[Tag, ...]]:
    """The dimension and the topics of each passage of one document. `rows` are their (n, dim) unit rows."""
    if not passages:
        return []
    similar = similarities(rows, topics)
    nearest = (rows @ topics.examples.T).argmax(axis=1) if len(topics.examples) else None
    examples = [example for topic in taxonomy.topics for example in topic.examples]
    tagged: list[tuple[Tag, ...]] = []
    for at, passage in enumerate(passages):
        words = words_of(passage)
        scores = topic_scores(words, similar[at], topics)
        side = dimension_tag(passage, words, scores, taxonomy)
        near = None if nearest is None else examples[nearest[at]]
        tagged.append((side, *chosen_topics(words, scores, side.value, near)))
    return tagged


def similarities(rows: Rows, topics: TopicRows) -> NDArray[np.float64]:
    """How near each passage is to each topic, (n, topics): standard scores to descriptions and to examples, added."""
    near = standard_scores(unusual(rows @ topics.descriptions.T, topics.examples @ topics.descriptions.T))
    if not len(topics.examples):
        return near
    among = unusual(rows @ topics.examples.T, topics.examples @ topics.examples.T)
    return near + standard_scores(by_topic(among, topics))


def unusual(similarity: Rows, usual: Rows) -> NDArray[np.float64]:
    """Cosines (n, texts) less how near each text is to anything: some texts are near to all that banks write."""
    known = similarity.sum(axis=0) + USUAL_PASSAGES * (usual.mean(axis=0) if len(usual) else 0.0)
    centred: NDArray[np.float64] = similarity - known / (len(similarity) + USUAL_PASSAGES)
    return centred


def by_topic(among: NDArray[np.float64], topics: TopicRows) -> NDArray[np.float64]:
    """How near each passage is to each topic by the nearest of its examples; 0 for a topic that has none."""
    near = np.zeros((len(among), len(topics.topics)))
    for at in range(len(topics.topics)):
        own = np.sort(among[:, topics.owner == at], axis=1)[:, -NEAREST_EXAMPLES:]
        near[:, at] = own.mean(axis=1) if own.shape[1] else 0.0
    return near


def standard_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row in standard deviations from its mean."""
    centred = values - values.mean(axis=1, keepdims=True)
    scores: NDArray[np.float64] = centred / (values.std(axis=1, keepdims=True) + 1e-6)
    return scores


def topic_scores(words: Words, similarity: NDArray[np.float64], topics: TopicRows) -> dict[Topic, float]:
    """Each topic's score: its terms in text and headings, and the encoder's similarity."""
    return {
        topic: term_score(topic.terms, words) + float(near)
        for topic, near in zip(topics.topics, similarity, strict=True)
    }


def words_of(passage: Passage) -> Words:
    """The folded text of a passage, and its innermost headings."""
    return Words(fold(passage.text), fold("\n".join(passage.heading[-3:])))


@lru_cache(maxsize=10_000)
def folded(term: str) -> str:
    """A term as it is looked for; each is looked for in every passage."""
    return fold(term)


def term_score(terms: Sequence[str], words: Words) -> float:
    """How strongly terms show: repeated ones count ever less, longer ones more, those in headings double."""
    score = 0.0
    for term in terms:
        word = folded(term)
        weight = 1.0 if len(word) >= 4 else 0.8 if len(word) == 3 else 0.6
        score += weight * (log1p(words.text.count(word)) + HEADING_WEIGHT * (word in words.heading))
    return score


def dimension_tag(passage: Passage, words: Words, scores: Mapping[Topic, float], taxonomy: Taxonomy) -> Tag:
    """The dimension whose two best topics and own terms show most; one named in a heading as 战略层面 wins outright."""
    for heading in reversed(passage.heading):
        named = [dimension.id for dimension in taxonomy.dimensions if f"{dimension.id}层面" in heading]
        if len(named) == 1:
            return Tag(Field.DIMENSION, named[0], reasons=(Reason("heading", heading),))
    totals: dict[str, float] = {}
    for dimension in taxonomy.dimensions:
        best = sorted((score for topic, score in scores.items() if topic.dimension == dimension.id), reverse=True)[:2]
        totals[dimension.id] = DIMENSION_WEIGHT * term_score(dimension.terms, words)
        totals[dimension.id] += best[0] + SECOND_TOPIC_WEIGHT * max(best[-1], 0.0) if best else 0.0
    found = max(taxonomy.dimensions, key=lambda dimension: totals[dimension.id])
    first = max((t for t in scores if t.dimension == found.id), key=lambda topic: scores[topic], default=None)
    why = Reason("topic", first.label) if first else Reason("similarity", found.description)
    sure = 1 / sum(exp((total - totals[found.id]) / DIMENSION_TEMPERATURE) for total in totals.values())
    return Tag(Field.DIMENSION, found.id, round(sure, 2), (why, *term_reasons(found.terms, words)))


def chosen_topics(words: Words, scores: Mapping[Topic, float], dimension: str, near: str | None) -> Iterator[Tag]:
    """Up to three topics: the best of the passage's dimension first, then others near it, none where nothing shows.

    `near` is the example that the passage is nearest to.
    """
    ranked = sorted(scores, key=lambda topic: -scores[topic])
    first = next((topic for topic in ranked if topic.dimension == dimension), None)
    if first is None or how_sure(scores[first]) < LEAST_TOPIC:
        return
    least = LEAST_TOPIC_SHARE * scores[ranked[0]]
    others = [topic for topic in ranked if topic is not first and scores[topic] >= least]
    for topic in (first, *others)[:MAX_TOPICS]:
        like = near if near in topic.examples else topic.description
        reasons = (*term_reasons(topic.terms, words), Reason("similarity", like))
        yield Tag(Field.TOPIC, topic.id, round(how_sure(scores[topic]), 2), reasons)


def how_sure(score: float) -> float:
    """The share of topics with this score that are right."""
    return 1 / (1 + exp(-TOPIC_STEEPNESS * (score - TOPIC_MIDDLE)))


def term_reasons(terms: Sequence[str], words: Words) -> Iterator[Reason]:
    """The terms that a passage has in its headings, and those in its text."""
    for source, told in (("heading", words.heading), ("term", words.text)):
        if found := [term for term in terms if folded(term) in told]:
            yield Reason(source, "、".join(found[:MOST_TERMS]))
