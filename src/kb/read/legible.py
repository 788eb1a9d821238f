"""Whether the text of a page can be what its reader sees, by its characters alone: no dictionary, no document is known.

A text layer is wrong in four ways: characters without a name; bytes of a Chinese encoding read as Latin letters;
letters thrown together at random; and a character map that is off by a few places (的 becomes 癿, 不 becomes 丌), which
looks right at first sight. The last shows in characters that no text in Chinese, simplified or traditional, nor in
Japanese has many of. Measured over 2,127 sound and 405 garbled pages of reports, papers and broken files, as either
reader gives them; where no such page was at hand, over made ones:

=================================================  ==============  ===============  ======
share                                              sound, at most  garbled, from    limit
=================================================  ==============  ===============  ======
unnamed among all characters                       0.034           0.94 (made)      0.3
Latin-1 letters and signs among all                0.010           0.82             0.3
small letters before capitals, where no Chinese    0.004           0.25 (made)      0.13
strange among the ideographs of one page           0.0043          0.0084           0.025
the same with two pages before and after it        0.0010          0.0285           0.0125
=================================================  ==============  ===============  ======

A page between 0.005 and 0.025 is judged by the pages around it, with which it shares its fonts.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache

from kb.read.glyphs import UNKNOWN

MOST_UNNAMED = 0.3
MOST_LATIN1 = 0.3
MOST_FLIPS = 0.13
LEAST_PAIRS = 60
"""Pairs of letters that a page must have to be judged by them."""

MOST_STRANGE = 0.025
"""The share of strange characters from which a page is garbled by itself: six times that of any sound page."""

SUSPECT = 0.005
"""The share from which the pages around it are asked; a list of names may come near to it."""

MOST_STRANGE_AROUND = 0.0125
"""The share from which a suspect page is garbled together with the pages around it."""

LEAST_STRANGE = 2

NO_NAMES = "characters without a code, the font has no character map"
WRONG_MAP = "wrong character map"

SIGNS = frozenset("°±·×÷§©®«»¥£¢")
"""Signs of Latin-1 that stand in sound Chinese text too."""

VARIANTS = "僞剮厠叄塡巋摳撣擯攢敍曁枱楡漚澇烴爲牀癰皁竈羣茘藴蟄衞謅謾讕躥輌鄖鄲醖釺銥鍁鍘鍺鐐閹顴饋鼈滙覈鈺鍼閆鰲麪"
"""Traditional forms of common characters, as Hong Kong writes some, that Big5 has among its rare ones."""


def flaw(text: str) -> str | None:
    """What is wrong with the text of a page, in a few words; None where nothing is, or nothing can be told."""
    counts = Counter(text)
    total = sum(count for char, count in counts.items() if not char.isspace())
    if total == 0:
        return None
    if sum(count for char, count in counts.items() if is_unnamed(char)) > MOST_UNNAMED * total:
        return NO_NAMES
    latin1 = sum(count for char, count in counts.items() if "\xa1" <= char <= "\xff" and char not in SIGNS)
    chinese, strange = strangers(counts)
    if latin1 > MOST_LATIN1 * total or (chinese < 0.05 * total and is_jumbled(text)):
        return WRONG_MAP
    return WRONG_MAP if strange >= LEAST_STRANGE and strange >= MOST_STRANGE * chinese else None


def is_suspect(text: str) -> bool:
    """Whether only the pages around this one can tell if its character map is right."""
    chinese, strange = strangers(Counter(text))
    return strange >= LEAST_STRANGE and strange >= SUSPECT * chinese


def is_garbled_around(text: str) -> bool:
    """Whether a suspect page is garbled, by its text and that of the pages around it, as one."""
    chinese, strange = strangers(Counter(text))
    return strange >= MOST_STRANGE_AROUND * chinese


def is_unnamed(char: str) -> bool:
    """Whether a character stands for nothing: unknown, or private use but for the bullets of symbol fonts."""
    return char == UNKNOWN or (unicodedata.category(char) == "Co" and not "\uf000" <= char <= "\uf0ff")


def is_jumbled(text: str) -> bool:
    """Whether letters stand together at random: every fourth pair of them then goes from small to capital."""
    pairs = len(re.findall(r"[A-Za-z](?=[A-Za-z])", text))
    return pairs >= LEAST_PAIRS and len(re.findall(r"[a-z](?=[A-Z])", text)) > MOST_FLIPS * pairs


def strangers(counts: Counter[str]) -> tuple[int, int]:
    """How many Chinese characters there are, and how many of them are strange."""
    chinese = [(char, count) for char, count in counts.items() if is_chinese(char)]
    known = known_characters()
    return sum(count for _, count in chinese), sum(count for char, count in chinese if char not in known)


def is_chinese(char: str) -> bool:
    """Whether a character is an ideograph; the look-alikes among the radicals are not counted."""
    return "\u3400" <= char <= "\u9fff" or "\U00020000" <= char <= "\U0003ffff"


@cache
def known_characters() -> frozenset[str]:
    """The ideographs that texts are written with: 9,289.

    They are both levels of GB 2312, the first, common level of Big5 and of JIS X 0208, as the codecs have them, and
    some variants.
    """
    levels = (("gb2312", 0xB0, 0xF7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xB0, 0xCF))
    chars = (char for codec, first, last in levels for char in plane(codec, first, last))
    return frozenset(char for char in (*chars, *VARIANTS) if is_chinese(char))


def plane(codec: str, first: int, last: int) -> Iterator[str]:
    """The characters of an encoding of two bytes whose lead bytes are in this range."""
    for lead in range(first, last + 1):
        for trail in (*range(0x40, 0x7F), *range(0xA1, 0xFF)):
            yield from bytes((lead, trail)).decode(codec, "ignore")
