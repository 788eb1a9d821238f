"""What the words of a line tell of it, whatever it is printed in: bullets, numberings, captions, bare numbers."""

import re

SENTENCE_END = re.compile(r"[。！？；!?;…][”’」』）)]*$")
BULLET = re.compile(r"^[•●·▪◆■□➢➤✓✔▶►○◇※★⚫\uf000-\uf0ff\ue000-\ue0ff]")
NUMBERED = re.compile(
    r"^(?:[（(]?\d{1,2}[)）]|\d{1,2}\s?[.、．](?!\d)|[①-⑳]|[一二三四五六七八九十]{1,3}、|[（(][一二三四五六七八九十]{1,3}[)）]|[-–—]\s)"
)
CAPTION = re.compile(r"^(?:(?:图表?|表|Figure|Table|Fig\.)\s*\d|(?:资料|数据)?来源[：:]|注[：:]|说明[：:])")
NOTE_MARK = re.compile(
    r"^(?:[（(\[【]\d{1,3}[)）\]】]|\d{1,3}[.、．\s](?!\d)|[①-⑳]|[*＊†‡※]|\d{1,2}(?=[《“\u4e00-\u9fff])(?![年月日世个家亿万元]))"
)
SPEAKER = re.compile(r"^[—–-]{1,2}\s*[^\s\d—–-]")
NUMERIC = re.compile(r"^[\d\s.,，%％‰\-–—~+＋±/:：xX×年月亿万元个户（）()\[\]<>≤≥]+$")
NO_START = re.compile(r"^[，。；：、）》」』”’！？,;)\]%]")
"""No line of Chinese begins a paragraph with one of these."""

CONTENTS_ROW = re.compile(r"(?:[.．…·_•\s]{3,}|\s)\d{1,3}$")
"""The end of a row of a table of contents: leaders or a gap, and a page number."""

NUMBERINGS = (
    re.compile(r"^第[一二三四五六七八九十百\d]+[章篇部编]"),
    re.compile(r"^第[一二三四五六七八九十百\d]+节"),
    re.compile(r"^[一二三四五六七八九十]{1,3}、"),
    re.compile(r"^[（(][一二三四五六七八九十]{1,3}[)）]"),
    re.compile(r"^\d{1,2}[.、．\s](?!\d)"),
    re.compile(r"^\d{1,2}\.\d{1,2}(?![.\d])"),
    re.compile(r"^\d{1,2}\.\d{1,2}\.\d{1,2}(?![.\d])"),
    re.compile(r"^\d{1,2}(?:\.\d{1,2}){3}"),
    re.compile(r"^[（(]\d{1,2}[)）]"),
)
"""Numberings of headings from the outermost in."""

LIST_NUMBERINGS = frozenset((4, 8))
"""Those of them that number the points of a list as often: 1. and (1)."""

QUANTITY = re.compile(r"^[\d.]+\s*(?:[%％‰亿万元个户家年月倍]|$)")
"""Begins like a numbering, and is a figure."""

MAX_NUMBERED = 40
"""A numbered line that is longer is a sentence."""


def is_speaker(text: str) -> bool:
    """Whether a line signs a quotation: a dash, and the office and name of somebody."""
    return bool(SPEAKER.match(text)) and len(text) <= 40 and not re.search(r"[，。；：]", text)


def numbering(text: str) -> int:
    """How deep a heading's numbering is, as a place in NUMBERINGS; their count where it has none."""
    found = [depth for depth, pattern in enumerate(NUMBERINGS) if pattern.match(text)]
    return found[-1] if found else len(NUMBERINGS)


def is_numbered_heading(text: str) -> bool:
    """Whether a line that stands alone is a heading by its numbering: short, no sentence, and no point of a list."""
    if len(text) > MAX_NUMBERED or SENTENCE_END.search(text.rstrip("?？")) or "。" in text or "：" in text[:-1]:
        return False
    if QUANTITY.match(text):
        return False
    return numbering(text) < len(NUMBERINGS) and numbering(text) not in LIST_NUMBERINGS
