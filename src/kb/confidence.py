"""What a search found → the probability that the corpus answers the question, by a logistic model of a few signs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from math import exp

import numpy as np

from kb.records import Field, Look, Understood
from kb.store import StoredPassage
from kb.synonyms import Clue
from kb.words import fold

JUDGED = 3
"""How many of the first passages are looked through for what the question says."""

OTHERWISE = 0.7
"""What a synonym in a passage counts, of what the word itself would."""

STRANGERS = (
    "医院怎样缩短挂号和候诊的时间",
    "钢铁厂炼一吨钢要耗多少度电",
    "学校食堂怎样保证饭菜干净",
    "航空公司弄丢了行李怎么赔",
    "水稻得了稻瘟病用什么药",
    "游戏公司靠什么留住玩家",
    "古建筑的木梁裂了怎么修",
    "电影票房是怎么统计的",
    "马拉松比赛前吃什么好",
    "孩子不爱写作业怎么办",
    "火星上有没有水",
    "羽绒服能不能机洗",
    "博物馆的陶器怎么断定年代",
    "电动自行车的电池寿命有多长",
    "法院多久才会开庭",
    "梅雨季节衣服怎么晾干",
)
"""Questions that no bank report answers. How near the corpus comes to them tells what nearness means to the model in
use: cosines of one model do not compare with those of another."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells whether the corpus answers a question.

    `near` is by how much its best dense score exceeds those of the strangers, in their standard deviations. `covered`
    is the share of the rarity of its words that one of the first passages has. `missing` counts what it names that is
    not there: a bank without passages, a year of which the first passages do not tell. `unmet` is what is not
    covered of a question for a figure, else 0: figures are told in the words that they are asked for in, or not at all.
    """

    near: float
    covered: float
    missing: float
    unmet: float


@dataclass(frozen=True, slots=True)
class Strangers:
    """Mean and standard deviation of the best dense scores of questions about other things."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, best: Sequence[float]) -> "Strangers":
        """Those of some scores."""
        return cls(float(np.mean(best)), float(np.std(best)) or 1.0)


def probability(signs: Signs) -> float:
    """How probable it is, 0 to 1, that the corpus answers the question."""
    weights = model()
    return 1 / (1 + exp(-weights["constant"] - sum(weights[name] * value for name, value in asdict(signs).items())))


@cache
def model() -> Mapping[str, float]:
    """The weight of each sign, and a constant (scripts/train_confidence.py)."""
    weights: Mapping[str, float] = json.loads(
        (resources.files("kb.data") / "confidence.json").read_text(encoding="utf-8")
    )
    return weights


def read_signs(
    best: float,
    strangers: Strangers,
    understood: Understood,
    clues: Sequence[Clue],
    rarity: Mapping[str, float],
    first: Sequence[StoredPassage],
) -> Signs:
    """The signs of a question: its best dense score, its clues with the rarity of their words, its first passages."""
    covered = cover(clues, rarity, [text_of(stored) for stored in first])
    missing = bool(understood.absent) + lacks_year(understood.years, first)
    unmet = 1 - covered if understood.look is Look.FIGURES else 0.0
    return Signs((best - strangers.mean) / strangers.deviation, covered, float(missing), unmet)


def text_of(stored: StoredPassage) -> str:
    """All that a passage may be found by, folded."""
    passage = stored.passage
    return fold("\n".join([passage.text, *passage.heading, *passage.banks]))


def cover(clues: Sequence[Clue], rarity: Mapping[str, float], texts: Sequence[str]) -> float:
    """The greatest share of the rarity of the clues' words that a folded text has."""
    most = sum(rarity[word] for clue in clues for word in clue.words)
    held = (sum(held_of(clue, rarity, text) for clue in clues) for text in texts)
    return max(held, default=0.0) / most if most else 0.0


def held_of(clue: Clue, rarity: Mapping[str, float], text: str) -> float:
    """The rarity of the words of a clue that a text has; synonyms stand for all of them at a lower weight."""
    said = sum(rarity[word] for word in clue.words if word in text)
    if not any(all(word in text for word in other) for other in clue.others):
        return said
    return max(said, OTHERWISE * sum(rarity[word] for word in clue.words))


def lacks_year(years: Sequence[int], first: Sequence[StoredPassage]) -> bool:
    """Whether years are named and none of the passages is of one of them, or tells of it."""
    return bool(years) and not any(tells_of(year, stored) for year in years for stored in first)


def tells_of(year: int, stored: StoredPassage) -> bool:
    """Whether a passage stands in a report of a year, or names it."""
    passage = stored.passage
    text = "".join([passage.text, *passage.heading])
    named = str(year) in text or f"{year % 100:02}年" in text or str(year) in passage.values(Field.YEAR)
    return named or stored.document.year == year
