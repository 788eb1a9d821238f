"""Text → mended text, folded text, tokens and sentences: the same functions when indexing and when asking."""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources

import jieba
import opencc

from kb.banks import default_bank_book
from kb.errors import BadInput
from kb.settings import load_settings

jieba.setLogLevel(logging.WARNING)

# Radicals of the Supplement that stand for whole characters in some PDF fonts; Unicode does not fold them all.
SUPPLEMENT = (
    "⺀冫⺄乙⺅亻⺆冂⺈刀⺉刂⺊卜⺌小⺍小⺎兀⺏尣⺐尢⺑尢⺒巳⺓幺⺔彑⺕彐⺖忄⺗心⺘扌⺙攵⺛旡⺜日⺝月⺞歺⺟母⺠民⺡氵⺢水⺣灬⺤爫⺥爫⺦丬⺧牛⺨犭"
    "⺩王⺪疋⺫目⺬示⺭礻⺮竹⺯糹⺰纟⺱罓⺲罒⺳冈⺴罔⺵罒⺶羊⺷羊⺸羋⺹耂⺺肀⺻聿⺼月⺽臼⺾艹⺿艹⻀艹⻁虎⻂衤⻃覀⻄西⻅见⻆角⻇角⻈讠⻉贝⻊足⻋车"
    "⻌辶⻍辶⻎辶⻏阝⻐钅⻑長⻒镸⻓长⻔门⻕阜⻖阝⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻞飠⻟飠⻠饣⻡首⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫齐⻬齐⻭齿⻮齿⻯竜⻰龙⻱龟⻲龟⻳龟"
)
SIMPLIFIED = str.maketrans("戶見長門風飛馬魚鳥鹵麥黃黽齊齒龍龜車貝頁韋", "户见长门风飞马鱼鸟卤麦黄黾齐齿龙龟车贝页韦")


def radical_table() -> dict[int, str]:
    """Kangxi radicals and their Supplement → the characters that they look like, in their simplified form."""
    kangxi = {code: unicodedata.normalize("NFKC", chr(code)).translate(SIMPLIFIED) for code in range(0x2F00, 0x2FD6)}
    supplement = dict(zip(map(ord, SUPPLEMENT[::2]), SUPPLEMENT[1::2], strict=True))
    return kangxi | supplement


RADICALS = radical_table()

SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]+[”’」』）)]*|[^。！？!?；;\n]+$")
MAX_SENTENCE = 150


def mend(text: str) -> str:
    """Radical look-alikes as the characters they stand for; the length stays the same."""
    return text.translate(RADICALS)


def fold(text: str) -> str:
    """Text for comparing: mended, full width and other compatibility forms folded (NFKC), simplified, lower case."""
    return str(converter().convert(unicodedata.normalize("NFKC", mend(text)))).lower()


@cache
def converter() -> opencc.OpenCC:
    """The converter from traditional to simplified characters."""
    return opencc.OpenCC("t2s")


@cache
def tokenizer() -> jieba.Tokenizer:
    """jieba with the banking dictionary and the names of banks; its cache lies in the user's cache folder."""
    cutter = jieba.Tokenizer()
    folder = load_settings().cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"KB_CACHE: cannot make the folder {folder}: {error.strerror}; set it to another one") from error
    cutter.tmp_dir = str(folder)
    cutter.cache_file = "jieba.cache"
    for term in dictionary():
        cutter.add_word(term)
    return cutter


@cache
def dictionary() -> tuple[str, ...]:
    """The words that are kept whole beside those that jieba knows: banking terms and names of banks, folded."""
    return tuple(map(fold, (*listed_words("terms.txt"), *default_bank_book().words())))


@cache
def dictionary_digest() -> str:
    """What stands for the dictionary in the stamp of an index whose words were cut by it."""
    return hashed("\n".join(dictionary()))


def listed_words(file: str) -> list[str]:
    """The words of a file in data/, parted by blanks; lines with # are remarks."""
    lines = (resources.files("kb.data") / file).read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


@cache
def stop_words() -> frozenset[str]:
    """The words that every question has."""
    return frozenset(listed_words("stopwords.txt"))


def tokens(text: str) -> list[str]:
    """Words and their parts as jieba cuts them for search, without blanks and punctuation."""
    return list(filter(has_letters, tokenizer().cut_for_search(fold(text))))


def tokens_at(folded: str) -> list[tuple[str, int, int]]:
    """The same of a folded text, each with its place, (word, start, end)."""
    placed = tokenizer().tokenize(folded, mode="search")
    return [(word, start, end) for word, start, end in placed if has_letters(word)]


@lru_cache(maxsize=4096)
def whole_tokens(folded: str) -> tuple[str, ...]:
    """The words of a folded text without their parts."""
    return tuple(filter(has_letters, tokenizer().cut(folded)))


def has_letters(text: str) -> bool:
    """Whether there is a letter, a character or a digit in a text, and not blanks and punctuation alone."""
    return any(char.isalnum() for char in text)


def query_tokens(text: str) -> list[str]:
    """The tokens of a question without the words that every question has; all tokens where nothing else is left."""
    found = tokens(text)
    return [token for token in found if token not in stop_words()] or found


def hashed(words: str) -> str:
    """Words as an id that says nothing of them: 16 hexadecimal digits of their SHA-256."""
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of a text as (start, end), end marks included; over-long ones are cut at commas.

    A sentence ends at a stop, question or exclamation mark, a semicolon or a line break.
    """
    found: list[tuple[int, int]] = []
    for match in SENTENCE.finditer(text):
        start, end = trimmed(text, match.start(), match.end())
        if start < end:
            found += cut_long(text, start, end)
    return found


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A range without blanks at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def cut_long(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence longer than MAX_SENTENCE in parts that end with a comma, or anywhere if there is none."""
    while end - start > MAX_SENTENCE:
        cut = max(text.rfind(mark, start + MAX_SENTENCE // 3, start + MAX_SENTENCE) for mark in "，,：、") + 1
        cut = cut or start + MAX_SENTENCE
        yield start, cut
        start = cut
    yield start, end
