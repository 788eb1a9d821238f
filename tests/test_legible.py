"""Whether a page's text is what its reader sees: sound texts of many kinds pass, each kind of garbage is named."""

from collections.abc import Callable
from random import Random

import opencc
import pdfs
import pytest

from kb.read.legible import NO_NAMES, WRONG_MAP, flaw, is_garbled_around, is_suspect, known_characters

CHINESE = "".join(pdfs.prose(seed, 250) for seed in range(4))
JAPANESE = (
    "銀行の決算は、円の為替と気候変動の影響を受けました。図表の読み方、経営の転換、両者の関係、発売の実績、県の応援。"
    * 5
)
FIGURES = " ".join(f"{number:,} ({number % 97}.{number % 10}%)" for number in range(10_000, 40_000, 700))
ENGLISH = "The board of directors of a bank met in Hong Kong on 3 May, and FinTech was on its list of points. " * 4
NAMES = "李喆 王芳 张伟 刘洋 陈珺 杨勇 赵静 黄磊 周敏 吴堃 徐丽 孙强 胡军 朱杰 高娟 林涛 何超 郭明 马霞 罗平 " * 3
MANDARIN = "".join(char for char in CHINESE if char not in "，。")


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "12", "——", CHINESE, JAPANESE, FIGURES, ENGLISH, "\uf06c 一个项目\n\uf0b7 又一个项目" * 9, "①②③④" * 20]
    + [opencc.OpenCC(way).convert(CHINESE) for way in ("s2t", "s2tw", "s2hk")],
)
def test_sound_text_has_no_flaw(text: str):
    assert flaw(text) is None
    assert not is_suspect(text)


def test_names_written_with_rare_characters_are_at_most_suspect():
    assert is_suspect(NAMES) and flaw(NAMES + CHINESE) is None
    assert not is_garbled_around(NAMES + 4 * CHINESE)


@pytest.mark.parametrize(
    ("garble", "words"),
    [
        (pdfs.off_by_some, WRONG_MAP),
        (lambda text: text.encode("gb18030").decode("latin-1"), WRONG_MAP),
        (lambda text: "".join(chr(0x3400 + ord(char) % 0x1900) for char in text), WRONG_MAP),
        (lambda text: "\ufffd" * len(text), NO_NAMES),
        (lambda text: "".join(chr(0xE200 + ord(char) % 0x1000) for char in text), NO_NAMES),
        (lambda text: "".join(Random(ord(char)).choice("ABCDXYZabcdxyz") for char in text), WRONG_MAP),
    ],
)
def test_garbage_is_named(garble: Callable[[str], str], words: str):
    assert flaw(garble(CHINESE)) == words


def test_a_flaw_of_a_smaller_part_of_the_page_is_none():
    assert flaw(CHINESE + "\ufffd" * (len(CHINESE) // 4)) is None
    assert flaw(CHINESE + "é" * (len(CHINESE) // 4)) is None


def test_two_strange_characters_are_the_least_that_makes_a_page_suspect():
    assert not is_suspect(CHINESE[:200] + "癿")
    assert is_suspect(CHINESE[:200] + "癿仐")
    assert flaw(CHINESE[:200] + "癿仐") is None
    assert is_garbled_around(CHINESE[:200] + "癿仐" + pdfs.off_by_some(CHINESE))


def test_characters_of_ordinary_text_are_known_and_those_of_a_shifted_map_are_not():
    known = known_characters()
    assert set(MANDARIN) <= known
    assert not set("癿仐呾巟仹幵挄") & known
