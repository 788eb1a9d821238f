"""Small PDFs for the tests, written by reportlab without any font file, with what a right reading of them gives."""

import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

import pypdfium2 as pdfium
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import _cidfontdata, pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from kb.banks import default_bank_book
from kb.layout.blocks import layouts_to_blocks
from kb.layout.page import PageLayout, lay_out
from kb.read.pages import read_pages
from kb.read.pdf import read_facts
from kb.records import Block, Bookmark, Kind, Page, Passage, RawPage
from kb.segment import JOINERS, blocks_to_passages
from kb.words import mend

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
A4 = 595.0, 842.0
SLIDE = 960.0, 540.0
SONG, BOLD = "STSong-Light", "STSong-Bold"
BODY = 10.5
PITCH = 1.7
HANGING = "，。；：、！？”）"

HEADER = "区域银行数字化观察 二〇二〇年"
FOOTER = "内部资料 注意保存"
TITLE = "小银行的数字化之路"


def register_fonts() -> None:
    """The Chinese font that every PDF reader is to have, and the same under a bold name."""
    info = copy.deepcopy(_cidfontdata.CIDFontInfo[SONG])
    info["BaseFont"] = f"/{BOLD}"
    info["DescendantFonts"][0]["BaseFont"] = f"/{BOLD}"
    info["DescendantFonts"][0]["FontDescriptor"]["FontName"] = f"/{BOLD}"
    _cidfontdata.CIDFontInfo[BOLD] = info
    _cidfontdata.defaultUnicodeEncodings[BOLD] = _cidfontdata.defaultUnicodeEncodings[SONG]
    _cidfontdata.widthsByUnichar[BOLD] = _cidfontdata.widthsByUnichar[SONG]
    if BOLD not in _cidfontdata.allowedTypeFaces:
        _cidfontdata.allowedTypeFaces.append(BOLD)
    for face in (SONG, BOLD):
        pdfmetrics.registerFont(UnicodeCIDFont(face))


register_fonts()


# What the tests do with a PDF


@dataclass(frozen=True)
class Read:
    """A PDF taken through the stages up to its passages."""

    raw: tuple[RawPage, ...]
    layouts: tuple[PageLayout, ...]
    pages: tuple[Page, ...]
    blocks: tuple[Block, ...]
    passages: tuple[Passage, ...]


def read(path: Path, outline: Sequence[Bookmark] | None = None) -> Read:
    """Read, lay out and cut a PDF as the pipeline does, with its own bookmarks unless others are given."""
    facts = read_facts(path, 1000)
    raw = tuple(read_pages(path, range(1, facts.page_count + 1)))
    layouts = tuple(lay_out(page) for page in raw)
    pages, blocks = layouts_to_blocks(layouts, facts.outline if outline is None else outline)
    book = default_bank_book()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    passages = blocks_to_passages(blocks, pages, sha256, lambda text: bool(book.mentions(text)))
    return Read(raw, layouts, tuple(pages), tuple(blocks), tuple(passages))


@cache
def corpus() -> dict[str, Read]:
    """The sample reports by file name; each is read once in a run."""
    return {path.name: read(path) for path in sorted(CORPUS.glob("*.pdf"))}


def check_spans(passages: Iterable[Passage], pages: Iterable[Page]) -> None:
    """Assert that each passage is its spans, mended, with nothing but joiners between them."""
    texts = {page.number: page.text for page in pages}
    for passage in passages:
        at = 0
        for span in passage.spans:
            assert set(passage.text[at : span.at]) <= JOINERS, passage
            at = span.at + span.end - span.start
            assert passage.text[span.at : at] == mend(texts[span.page][span.start : span.end]), passage
        assert at == len(passage.text)


def squeeze(text: str) -> str:
    """Text without white space, for comparing."""
    return "".join(text.split())


# Words and lines

WHO = "客户经理 科技部门 分支机构 业务骨干 风险团队 运营中心 产品小组 管理层 柜面员工 合作企业 信贷专员".split()
WHEN = "去年以来 起步阶段 每逢季末 经过半年试点 在县域市场 面对同业竞争 系统上线之后 按照规划 几经讨论".split()
HOW = "逐项梳理 重新设计 集中整理 持续跟踪 反复验证 按周复盘 分批改造 统一登记 定期公布 现场核对".split()
WHAT = "授信流程 客户标签 接口清单 手机应用 数据口径 考核办法 外包合同 网点布局 风控模型 培训计划 预算安排".split()
WHY = "减少重复劳动 缩短等待时间 降低坏账比例 留住年轻客户 腾出人手走访 避免各自为政 让一线少填表".split()


def prose(seed: int, length: int) -> str:
    """A paragraph of about so many characters that ends with a full stop; another seed gives other words."""
    random, text = Random(seed), ""
    while len(text) < length:
        parts = (random.choice(words) for words in (WHEN, WHO, HOW, WHAT, WHY))
        text += "{}，{}{}{}，为的是{}。".format(*parts)
    return text


def wrap(text: str, wide: float, size: float, indent: float = 0.0, font: str = SONG) -> Iterator[tuple[float, str]]:
    """Text in lines of this width, each with its indent; a stop hangs over the edge rather than begin a line."""
    line, left = "", indent
    for char in text:
        if left + pdfmetrics.stringWidth(line + char, font, size) > wide and char not in HANGING:
            yield left, line
            line, left = "", 0.0
        line += char
    yield left, line


class Sheet:
    """A canvas with the origin at the top left, as in kb's records."""

    def __init__(self, path: Path, size: tuple[float, float] = A4, **options) -> None:
        self.width, self.height = size
        self.canvas = Canvas(str(path), pagesize=size, invariant=1, **options)
        self.font = SONG

    def line(self, x: float, top: float, text: str, size: float = BODY, font: str = SONG) -> None:
        """One line, its type's top at `top`."""
        self.canvas.setFont(font, size)
        self.canvas.drawString(x, self.height - top - 0.85 * size, text)

    def text(
        self,
        x: float,
        top: float,
        wide: float,
        words: str,
        size: float = BODY,
        indent: int = 2,
        font: str = SONG,
    ) -> float:
        """A paragraph; its bottom."""
        for left, line in wrap(words, wide, size, indent * size, font):
            self.line(x + left, top, line, size, font)
            top += PITCH * size
        return top

    def box(self, x: float, top: float, wide: float, high: float) -> None:
        """A frame."""
        self.canvas.rect(x, self.height - top - high, wide, high)

    def page(self) -> None:
        """End the page."""
        self.canvas.showPage()

    def save(self) -> None:
        """Write the file."""
        self.canvas.save()


# One column


def running_lines(sheet: Sheet, number: int) -> None:
    """Header, footer and page number; the printed number is ten more than the page's."""
    sheet.line(72, 30, HEADER, 9)
    sheet.line(72, 800, FOOTER, 9)
    sheet.line(480, 800, f"— {number + 10} —", 9)


def headed(path: Path) -> Sheet:
    """A sheet that begins with a heading."""
    sheet = Sheet(path)
    sheet.line(72, 60, TITLE, 16)
    return sheet


def plain(path: Path) -> str:
    """One paragraph and nothing else. Returns it."""
    sheet, text = Sheet(path), prose(1, 200)
    sheet.text(72, 90, 441, text)
    sheet.save()
    return text


def one_column(path: Path, pages: int = 5, seed: int = 0) -> list[str]:
    """A heading, and prose that runs over the pages, under running lines. Returns the paragraphs."""
    sheet, paragraphs, number, top = headed(path), [], 1, 90.0
    while number <= pages:
        paragraphs.append(prose(100 * seed + len(paragraphs), 230))
        for left, line in wrap(paragraphs[-1], 441, BODY, 2 * BODY):
            if top > 750:
                running_lines(sheet, number)
                sheet.page()
                number, top = number + 1, 90.0
            if number <= pages:
                sheet.line(72 + left, top, line)
            top += PITCH * BODY
    sheet.save()
    last = paragraphs.pop()  # cut off by the end of the last page
    assert last
    return paragraphs


def two_columns(path: Path) -> list[str]:
    """A heading over the page, then two columns; the paragraph at the foot of the left one runs on at the right."""
    sheet = Sheet(path)
    heading, texts = "跨栏标题写在两栏之上", [prose(seed, 200) for seed in range(4)]
    sheet.line(72, 80, heading, 18)
    lines = [(left, line) for text in texts for left, line in wrap(text, 210, BODY, 2 * BODY)]
    half = len(lines) // 2
    for at in range(half + 1):  # drawn row by row, so that the order of drawing helps nobody
        for x, row in ((72, at), (313, at + half)):
            if row < len(lines) and (x > 72 or at < half):
                sheet.line(x + lines[row][0], 130 + at * PITCH * BODY, lines[row][1])
    sheet.save()
    return [heading, *texts]


def headings_by_size(path: Path) -> list[tuple[int, str]]:
    """Headings of 20, 16 and 13 points over prose, on two pages. Returns level and text of each."""
    sheet, top, headings, seed = Sheet(path), 80.0, [], 0
    for chapter in "甲乙":
        outline = [
            (1, 20.0, f"{chapter}部总论转型"),
            (2, 16.0, f"{chapter}部第一节治理"),
            (3, 13.0, f"{chapter}部细目人才"),
        ]
        outline += [
            (3, 13.0, f"{chapter}部细目考核"),
            (2, 16.0, f"{chapter}部第二节底座"),
            (3, 13.0, f"{chapter}部细目上云"),
        ]
        for level, size, words in outline:
            headings.append((level, words))
            sheet.line(72, top, words, size)
            top = sheet.text(72, top + 1.8 * size, 441, prose(seed, 150)) + 8
            seed += 1
        sheet.page()
        top = 80.0
    sheet.save()
    return headings


def headings_by_number(path: Path) -> list[tuple[int, str]]:
    """Headings of one size, numbered 一、 （一） 1., over prose. Returns level and text of each."""
    outline = [(1, "一、转型的外部压力"), (2, "（一）息差收窄"), (3, "1. 存款定期化"), (3, "2. 贷款重定价")]
    outline += [(2, "（二）客户流失"), (1, "二、应对的办法"), (2, "（一）先做减法"), (3, "1. 停掉空转的项目")]
    sheet, top = Sheet(path), 80.0
    for seed, (_, words) in enumerate(outline):
        sheet.line(72, top, words, 12)
        top = sheet.text(72, top + 24, 441, prose(seed, 120)) + 6
    sheet.save()
    return outline


def contents(path: Path) -> tuple[list[str], list[str]]:
    """A contents page with dot leaders, then its chapters. Returns the entries and the paragraphs."""
    sheet, paragraphs = Sheet(path), []
    entries = [f"第{number}章　{words}" for number, words in zip("一二三四五六七八", WHAT, strict=False)]
    sheet.line(250, 80, "目录", 18)
    for at, entry in enumerate(entries):
        dots = "." * int((400 - pdfmetrics.stringWidth(entry, SONG, BODY)) / pdfmetrics.stringWidth(".", SONG, BODY))
        sheet.line(72, 130 + 24 * at, f"{entry}{dots}{at + 2}")
    sheet.page()
    for at, entry in enumerate(entries):
        sheet.line(72, 80, entry, 16)
        paragraphs.append(prose(at, 200))
        sheet.text(72, 120, 441, paragraphs[-1])
        sheet.page()
    sheet.save()
    return entries, paragraphs


def watermark(path: Path) -> list[str]:
    """Prose under large slanted words. Returns the paragraphs."""
    sheet, paragraphs = headed(path), []
    for page in range(4):
        sheet.canvas.saveState()
        sheet.canvas.setFillGray(0.85)
        sheet.canvas.setFont(SONG, 60)
        sheet.canvas.translate(120, 250)
        sheet.canvas.rotate(45)
        sheet.canvas.drawString(0, 0, "仅供测试不得外传")
        sheet.canvas.restoreState()
        top = 90.0
        for seed in range(3 * page, 3 * page + 3):
            paragraphs.append(prose(seed, 250))
            top = sheet.text(72, top, 441, paragraphs[-1])
        sheet.page()
    sheet.save()
    return paragraphs


def overprinted(path: Path) -> list[str]:
    """Bold by printing each character twice, a quarter point apart: a heading and words in a paragraph."""
    sheet, heading, text = Sheet(path), "人人都要学会看数", prose(1, 200)
    for shift in (0.0, 0.25):
        sheet.line(72 + shift, 80, heading, 16)
        sheet.text(72 + shift, 120, 441, text)
    sheet.save()
    return [heading, text]


def bold_words(path: Path) -> list[str]:
    """A bold heading of the body's size, a paragraph with bold words in it, and one without."""
    sheet, heading = Sheet(path), "先把账算清楚"
    texts = [prose(1, 200), prose(2, 200)]
    sheet.line(72, 80, heading, BODY, BOLD)
    top = 105.0
    for at, text in enumerate(texts):
        for row, (left, line) in enumerate(wrap(text, 441, BODY, 2 * BODY)):
            words = 8 if at == 0 and row == 0 else 0
            sheet.line(72 + left, top, line[:words], BODY, BOLD)
            sheet.line(72 + left + words * BODY, top, line[words:])
            top += PITCH * BODY
    sheet.save()
    return [heading, *texts]


def footnotes(path: Path) -> tuple[list[str], list[str]]:
    """Two pages of prose, each with two footnotes in small type under a rule. Returns paragraphs and notes."""
    sheet, paragraphs, notes = headed(path), [], []
    for page in range(2):
        paragraphs += [prose(3 * page + 1, 250), prose(3 * page + 2, 250)]
        top = sheet.text(72, 90, 441, paragraphs[-2])
        sheet.text(72, top, 441, paragraphs[-1])
        sheet.canvas.line(72, 842 - 700, 220, 842 - 700)
        for at in range(2):
            notes.append(f"{2 * page + at + 1}. {prose(50 + 2 * page + at, 30)}")
            sheet.line(72, 708 + 14 * at, notes[-1], 8)
        sheet.page()
    sheet.save()
    return paragraphs, notes


# Boxes on slides


@dataclass(frozen=True)
class Card:
    """A box with a label over its text."""

    label: str
    text: str


def draw_cards(sheet: Sheet, cards: Sequence[Card], places: Sequence[tuple[float, float]], wide: float, high: float):
    """Boxes with their texts; all first lines are drawn first, then all second lines …"""
    lines = []
    for card, (x, top) in zip(cards, places, strict=True):
        sheet.box(x, top, wide, high)
        lines.append((0, x + 12, top + 12, card.label, 18.0))
        for row, (left, line) in enumerate(wrap(card.text, wide - 24, 12, 0)):
            lines.append((row + 1, x + 12 + left, top + 48 + row * PITCH * 12, line, 12.0))
    for _, x, top, line, size in sorted(lines, key=lambda drawn: (drawn[0], drawn[2], drawn[1])):
        sheet.line(x, top, line, size)


CASES = ("青岛银行：接口银行", "台州银行：平板放贷", "贵州农信：村村通工程")
MORE_CASES = (*CASES, "盛京银行：银税互动", "兰州银行：三权流转")


def case_slides(path: Path, titles: Sequence[str] = CASES) -> dict[str, list[Card]]:
    """Slides with 背景, 措施 and 效果 side by side in boxes. Returns the cards under each title."""
    sheet, cases = Sheet(path, SLIDE), {}
    for number, title in enumerate(titles):
        sheet.line(40, 40, title, 26)
        cards = [Card(label, prose(3 * number + at, 150)) for at, label in enumerate(("背景", "措施", "效果"))]
        draw_cards(sheet, cards, [(40 + 300 * at, 120) for at in range(3)], 270, 340)
        cases[title] = cards
        sheet.page()
    sheet.save()
    return cases


def card_grid(path: Path) -> list[Card]:
    """A slide of two rows of three cards. Returns them in the order of reading, row by row."""
    sheet = Sheet(path, SLIDE)
    cards = [Card(f"要点{number}", prose(20 + at, 60)) for at, number in enumerate("甲乙丙丁戊己")]
    sheet.line(40, 30, "一线声音汇总", 26)
    places = [(40 + 300 * column, 90 + 215 * row) for row in range(2) for column in range(3)]
    draw_cards(sheet, cards, places, 270, 195)
    sheet.save()
    return cards


# Tables

TABLE_HEADER = "银行 举措 成效".split()
TABLE_ROWS = [
    ["青岛银行", "把账户和支付做成接口接到地铁与医院，合作方按规范接入即可", "零售客户三年翻番，获客成本明显下降"],
    [
        "台州银行",
        "客户经理带平板上门，录资料和查征信一次做完，两小时内传回审批",
        "人均管户数提高两倍，老系统的毛病一并解决",
    ],
    [
        "江西农信",
        "全省共用一个互联网平台，县里负责把人和货带上来，省里负责把系统建好管好",
        "平台新增用户八十万，多数是别家的老客户",
    ],
    ["盛京银行", "按纳税等级核给信用额度，等级高的走专门通道，少交材料利率也低", "放宽抵押以后不良率反而下降"],
    ["贵州农信", "在村里人来人往的小卖部装上终端和保险柜，店主经过培训后代办取款", "村民不出村就能取养老金和买化肥"],
]
WIDTHS = (80.0, 220.0, 150.0)


def draw_row(sheet: Sheet, top: float, cells: Sequence[Sequence[str]]) -> float:
    """A bordered row of cells, given as lines; its bottom."""
    high = max(len(lines) for lines in cells) * PITCH * BODY + 8
    x = 72.0
    for lines, wide in zip(cells, WIDTHS, strict=True):
        sheet.box(x, top, wide, high)
        for at, line in enumerate(lines):
            sheet.line(x + 5, top + 6 + at * PITCH * BODY, line)
        x += wide
    return top + high


def cell_lines(row: Sequence[str]) -> list[list[str]]:
    """A row's cells, each in lines."""
    return [[line for _, line in wrap(cell, wide - 10, BODY)] for cell, wide in zip(row, WIDTHS, strict=True)]


def table_over_break(path: Path) -> list[list[str]]:
    """A bordered table over two pages: header repeated, the third row cut by the break. Returns the whole rows."""
    sheet = headed(path)
    sheet.text(72, 90, 441, prose(1, 250))
    sheet.line(72, 560, "表1　五家银行的做法")
    top = draw_row(sheet, 590, [[name] for name in TABLE_HEADER])
    rows = [cell_lines(row) for row in TABLE_ROWS]
    for row in rows[:2]:
        top = draw_row(sheet, top, row)
    draw_row(sheet, top, [lines[:1] for lines in rows[2]])
    sheet.page()
    top = draw_row(sheet, 90, [[name] for name in TABLE_HEADER])
    top = draw_row(sheet, top, [lines[1:] for lines in rows[2]])
    for row in rows[3:]:
        top = draw_row(sheet, top, row)
    sheet.text(72, top + 30, 441, prose(2, 200))
    sheet.save()
    return TABLE_ROWS


# Pages without text, and files that cannot be read


def picture() -> ImageReader:
    """A small grey picture, as a scan is."""
    file = BytesIO()
    Image.new("L", (60, 80), 200).save(file, "PNG")
    file.seek(0)
    return ImageReader(file)


def gaps(path: Path) -> str:
    """Three pages: prose, nothing, a picture. Returns the prose."""
    sheet, text = headed(path), prose(1, 200)
    sheet.text(72, 90, 441, text)
    sheet.page()
    sheet.page()
    sheet.canvas.drawImage(picture(), 0, 0, *A4)
    sheet.page()
    sheet.save()
    return text


def many_pages(path: Path, count: int) -> None:
    """So many pages with a line on each."""
    sheet = Sheet(path)
    for number in range(1, count + 1):
        sheet.line(72, 90, f"第{number}张")
        sheet.page()
    sheet.save()


def titled(path: Path, title: str, author: str, cover: Sequence[tuple[float, str]] = ()) -> None:
    """Document information, and a cover with these lines of these sizes."""
    sheet, top = Sheet(path), 200.0
    sheet.canvas.setTitle(title)
    sheet.canvas.setAuthor(author)
    for size, words in cover:
        sheet.line(100, top, words, size)
        top += 2 * size
    sheet.page()
    sheet.text(72, 90, 441, prose(1, 200))
    sheet.save()


def encrypted(path: Path, user: str) -> str:
    """A PDF that needs this password to open; with an empty one it only forbids changes. Returns its words."""
    sheet, words = Sheet(path, encrypt=locked(user)), "Annual report of a small bank"
    sheet.line(72, 90, words, 12, "Helvetica")
    sheet.save()
    return words


def locked(user: str) -> StandardEncryption:
    """Encryption of 128 bits with this password."""
    return StandardEncryption(user, ownerPassword="owner", canPrint=0, strength=128)


def unmapped(path: Path) -> None:
    """Prose whose characters no reader can name: reportlab leaves the name of the font's collection unencrypted."""
    sheet = Sheet(path, encrypt=locked(""))
    sheet.text(72, 90, 441, prose(1, 200))
    sheet.save()


def truncated(path: Path, share: float) -> None:
    """The first part of a good PDF."""
    one_column(path, 2)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def turned(path: Path) -> str:
    """A page stored lying on its side and shown upright by its /Rotate. Returns its words."""
    sheet, text = Sheet(path), prose(1, 200)
    sheet.canvas.setPageRotation(90)
    sheet.canvas.translate(595, 0)
    sheet.canvas.rotate(90)
    sheet.height = 595
    sheet.line(72, 60, TITLE, 16)
    sheet.text(72, 90, 441, text)
    sheet.save()
    return text


def busy_picture(path: Path, lines: int) -> None:
    """A drawing of many small rectangles with a few words."""
    sheet = Sheet(path)
    for at in range(lines):
        sheet.canvas.rect(60 + at % 60 * 8, 60 + at // 60 * 8, 6, 6, fill=1)
    sheet.line(72, 60, "图1　各地网点分布")
    sheet.save()


# Layouts that are easy to get wrong


def sideways(path: Path, turn: int) -> str:
    """A page whose text is shown lying on its side, or upside down. Returns its words."""
    sheet, text = Sheet(path, A4 if turn == 180 else A4[::-1]), prose(1, 200)
    sheet.height = A4[1]  # reportlab turns the page's box with the page
    sheet.canvas.setPageRotation(turn)
    sheet.line(72, 60, TITLE, 16)
    sheet.text(72, 90, 441, text)
    sheet.save()
    return text


def tight_punctuation(path: Path) -> str:
    """A paragraph in which two stops in a row share the room of one and a half characters. Returns it."""
    sheet = headed(path)
    rows = ["经过半年试点，客户经理定期公布灾备演练，", "“接口银行”从此有了名字。", prose(3, 60)]
    sheet.line(72 + 2 * BODY, 90, rows[0])
    sheet.line(72 + (1.5 + len(rows[0])) * BODY, 90, rows[1])
    sheet.text(72, 90 + PITCH * BODY, 360, rows[2], indent=0)
    sheet.save()
    return "".join(rows)


def uneven_columns(path: Path) -> list[str]:
    """Two columns; the left one is longer, and a heading stands in it below the end of the right. Returns the texts."""
    sheet, texts = headed(path), ["左栏先说外部压力", prose(1, 200), "左栏再说内部短板", prose(2, 150), prose(3, 120)]
    top = 130.0
    for words in texts[:4]:
        size = 13.0 if len(words) < 20 else BODY
        top = sheet.text(72, top, 210, words, size, indent=0 if size > BODY else 2) + 8
    sheet.text(313, 130, 210, texts[4])
    sheet.save()
    return texts


def label_bands(path: Path) -> dict[str, str]:
    """A slide with three bands one below the other, each with its label at the left of its text."""
    sheet = Sheet(path, SLIDE)
    bands = {label: prose(30 + at, 130) for at, label in enumerate(("背景", "措施", "效果"))}
    sheet.line(40, 30, "青岛银行：接口银行", 26)
    for at, (label, text) in enumerate(bands.items()):
        top = 90.0 + 140 * at
        sheet.box(40, top, 860, 120)
        sheet.line(60, top + 14, label, 14, BOLD)
        sheet.text(130, top + 14, 740, text, 14, indent=0)
    sheet.save()
    return bands


def dashed_line(path: Path) -> str:
    """A paragraph with a dash at the beginning of a line. Returns it."""
    sheet = headed(path)
    rows = [
        "盛京银行换了一种看法：地税局的系统里有小企业最难作假的一份经营记录，它就是大家熟悉的",
        "——纳税。从此按时缴税也能换来贷款。",
    ]
    sheet.line(72 + 2 * BODY, 90, rows[0])
    sheet.line(72, 90 + PITCH * BODY, rows[1])
    sheet.text(72, 90 + 2 * PITCH * BODY, 441, prose(1, 200))
    sheet.save()
    return "".join(rows)


def open_row(path: Path) -> list[list[str]]:
    """A table cut by the page break, with no rule under the row that is cut and none over its rest."""
    sheet = headed(path)
    sheet.text(72, 90, 441, prose(1, 250))
    top = draw_row(sheet, 560, [[name] for name in TABLE_HEADER])
    rows = [cell_lines(row) for row in TABLE_ROWS[:3]]
    for row in rows[:2]:
        top = draw_row(sheet, top, row)
    x, high = 72.0, PITCH * BODY * 2
    edges = [x, x + WIDTHS[0], x + sum(WIDTHS[:2]), x + sum(WIDTHS)]
    for edge in edges:
        sheet.canvas.line(edge, 842 - top, edge, 842 - top - high)
    for left, lines in zip(edges, rows[2], strict=False):
        for at, line in enumerate(lines[:1]):
            sheet.line(left + 5, top + 6 + at * PITCH * BODY, line)
    sheet.page()
    top = draw_row(sheet, 90, [[name] for name in TABLE_HEADER])
    draw_row(sheet, top, [lines[1:] for lines in rows[2]])
    sheet.save()
    return TABLE_ROWS[:3]


# What the tests ask of a reading


def texts(read: Read, *kinds: Kind) -> list[str]:
    """The texts of the blocks of these kinds (all but tables if none is named), in order."""
    return [squeeze(block.text) for block in read.blocks if block.pieces and (not kinds or block.kind in kinds)]


def headings(read: Read) -> list[tuple[int, str]]:
    """Level and text of each heading."""
    return [(block.level, block.text) for block in read.blocks if block.kind is Kind.HEADING]


def table_rows(read: Read) -> list[list[tuple[str, str]]]:
    """Table rows as pairs of header and cell."""
    return [
        [("".join(p.text for p in header), "".join(p.text for p in cell)) for header, cell in block.cells]
        for block in read.blocks
        if block.kind is Kind.TABLE
    ]


def named(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[tuple[str, str]]]:
    """Rows as table_rows gives them: each cell with its column's name."""
    return [list(zip(names, row, strict=True)) for row in rows]


def fill(sheet: Sheet, box: tuple[float, float, float, float], gray: float = 0.85) -> None:
    """A coloured area without a border, at x, top, with its width and height."""
    x, top, wide, high = box
    sheet.canvas.setFillGray(gray)
    sheet.canvas.rect(x, sheet.height - top - high, wide, high, stroke=0, fill=1)
    sheet.canvas.setFillGray(0)


def flush(sheet: Sheet, right: float, top: float, words: str, size: float = BODY) -> None:
    """One line that ends at `right`."""
    sheet.line(right - pdfmetrics.stringWidth(words, SONG, size), top, words, size)


# Drawings

CHART_NAMES = "甲组 乙组 丙组 丁组".split()
CHART_VALUES = (137, 96, 164, 78)
LEGEND = "贷款余额（亿元）"


def standing_bars(sheet: Sheet, left: float, size: float) -> None:
    """A chart 190 points wide from 100 to 330: axis numbers, a figure over each bar, a name under it, a legend."""
    for number in (0, 50, 100, 150):
        flush(sheet, left + 22, 300 - number - size / 2, str(number), size)
    bare_bars(sheet, left + 30, size)
    fill(sheet, (left + 40, 324, 6, 6), 0.6)
    sheet.line(left + 50, 322, LEGEND, size)


def bare_bars(sheet: Sheet, left: float, size: float) -> None:
    """Bars on a base line at 300 with a figure over each and a name under it, and nothing else."""
    for at, (name, value) in enumerate(zip(CHART_NAMES, CHART_VALUES, strict=True)):
        x = left + 40 * at
        fill(sheet, (x, 300 - value, 24, value), 0.6)
        sheet.line(x + 3, 300 - value - size - 3, str(value), size)
        sheet.line(x + 2, 305, name, size)


def lying_bars(sheet: Sheet, left: float, size: float) -> None:
    """A chart 200 points wide from 120 to 230: a name before each bar, a figure behind it."""
    for at, (name, value) in enumerate(zip(CHART_NAMES, CHART_VALUES, strict=True)):
        top = 120 + 30 * at
        sheet.line(left, top + 3, name, size)
        fill(sheet, (left + 40, top, 0.8 * value, 16), 0.6)
        sheet.line(left + 46 + 0.8 * value, top + 3, str(value), size)


def chart_beside_prose(path: Path, draw: Callable[[Sheet, float, float], None], size: float) -> list[str]:
    """Two paragraphs in the left column, and a chart with labels of `size` in the right one. Returns the paragraphs."""
    sheet, paragraphs = headed(path), [prose(1, 200), prose(2, 200)]
    top = sheet.text(72, 90, 210, paragraphs[0])
    sheet.text(72, top, 210, paragraphs[1])
    draw(sheet, 313, size)
    sheet.save()
    return paragraphs


def chart_over_wide_prose(path: Path) -> list[str]:
    """A paragraph beside a chart, as wide as is left, and one of the page's width under both. Returns them."""
    sheet, paragraphs = headed(path), [prose(1, 250), prose(2, 250)]
    sheet.text(72, 90, 210, paragraphs[0])
    standing_bars(sheet, 323, 8)
    sheet.text(72, 420, 441, paragraphs[1])
    sheet.save()
    return paragraphs


def caption_beside_prose(path: Path) -> tuple[str, str]:
    """A paragraph in the left column, and at its right a picture with its caption over it. Returns both texts."""
    sheet, text, caption = headed(path), prose(1, 330), "图1　各组贷款余额"
    sheet.text(72, 90, 210, text)
    sheet.line(323, 125, caption, 9)
    sheet.canvas.drawImage(picture(), 323, 842 - 300, 180, 150)
    sheet.save()
    return text, caption


DIAGRAM = "智能外呼 远程面签 电子合同 自动审批 贷后预警 统一支付 开放接口 数据沙箱 隐私计算 云端核算".split()


def diagram(path: Path) -> list[str]:
    """Two rows of five small boxes with a label each, between two paragraphs. Returns the paragraphs."""
    sheet, paragraphs = headed(path), [prose(1, 250), prose(2, 250)]
    sheet.text(72, 90, 441, paragraphs[0])
    for at, label in enumerate(DIAGRAM):
        x, top = 72 + 89 * (at % 5), 300 + 50 * (at // 5)
        sheet.box(x, top, 80, 36)
        sheet.line(x + 18, top + 12, label)
    sheet.text(72, 430, 441, paragraphs[1])
    sheet.save()
    return paragraphs


def small_cards(path: Path) -> list[str]:
    """Two rows of four boxes as small as those of a diagram, with a short sentence in each. Returns these."""
    sheet, sentences = headed(path), [f"{when}，{what}先行。" for when, what in zip(WHEN, WHAT[:8], strict=False)]
    sheet.text(72, 90, 441, prose(1, 250))
    for at, sentence in enumerate(sentences):
        x, top = 72 + 112 * (at % 4), 300 + 66 * (at // 4)
        sheet.box(x, top, 102, 54)
        sheet.text(x + 6, top + 8, 90, sentence, indent=0)
    sheet.save()
    return sentences


def ruled_words(path: Path) -> list[list[str]]:
    """A ruled table of the words of DIAGRAM, five columns wide, under the names of the columns. Returns its rows."""
    sheet, rows = headed(path), ["甲行 乙行 丙行 丁行 戊行".split(), DIAGRAM[:5], DIAGRAM[5:]]
    sheet.text(72, 90, 441, prose(1, 250))
    for at, row in enumerate(rows):
        for place, word in enumerate(row):
            sheet.box(72 + 88 * place, 300 + 30 * at, 88, 30)
            sheet.line(80 + 88 * place, 308 + 30 * at, word)
    sheet.save()
    return rows


def headed_columns(path: Path, labels: Sequence[str]) -> list[Card]:
    """A slide with a row of boxes, a label in each, over columns of text without a frame."""
    sheet = Sheet(path, SLIDE)
    sheet.line(40, 30, "青岛银行：接口银行", 26)
    cards = [Card(label, prose(40 + at, 90)) for at, label in enumerate(labels)]
    step = 880 / len(cards)
    for at, card in enumerate(cards):
        x = 40 + step * at
        sheet.box(x, 100, step - 30, 30)
        sheet.line(x + 10, 108, card.label, 14)
        sheet.text(x, 145, step - 30, card.text, 12, indent=0)
    sheet.save()
    return cards


def labelled_texts(path: Path) -> list[Card]:
    """A slide with a column of boxes, a label in each, and the text of each at its right."""
    sheet = Sheet(path, SLIDE)
    cards = [Card(label, prose(50 + at, 90)) for at, label in enumerate("背景 难点 措施 效果 启示".split())]
    sheet.line(40, 30, "青岛银行：接口银行", 26)
    for at, card in enumerate(cards):
        top = 90.0 + 85 * at
        sheet.box(40, top, 90, 60)
        sheet.line(60, top + 22, card.label, 14)
        sheet.text(160, top + 4, 740, card.text, 12, indent=0)
    sheet.save()
    return cards


# Tables without rules

FIGURE_EDGES = (330.0, 420.0, 513.0)
FIGURE_NAMES = ("项目", "余额年末", "余额年初", "增幅（%）")
FIGURE_ROWS = [
    ["发放贷款和垫款", "1,284.6", "1,190.2", "7.9"],
    ["吸收存款", "2,003.1", "1,876.4", "6.8"],
    ["以公允价值计量且其变动计入当期损益的资产", "88.0", "91.7", "-4.0"],
    ["存放同业款项", "45.2", "不适用", "-"],
    ["合计", "3,420.9", "3,158.3", "8.3"],
]


def figure_row(sheet: Sheet, top: float, row: Sequence[str], indent: float, on_last: bool) -> float:
    """A label, in two lines where it is long, and its figures, on its last line or its first; the bottom."""
    lines = [line for _, line in wrap(row[0], 150, BODY)]
    for at, line in enumerate(lines):
        sheet.line(72 + indent, top + PITCH * BODY * at, line)
    for right, figure in zip(FIGURE_EDGES, row[1:], strict=True):
        flush(sheet, right, top + (PITCH * BODY * (len(lines) - 1) if on_last else 0), figure)
    return top + PITCH * BODY * len(lines)


def figures(path: Path, indent: float = 0.0, on_last: bool = True) -> list[str]:
    """A table of FIGURE_ROWS between two paragraphs: a name over two columns, and colour behind one of them.

    The labels are set in by `indent` points; a figure stands on the last line of its label, or on the first.
    """
    sheet, paragraphs = headed(path), [prose(1, 250), prose(2, 250)]
    sheet.text(72, 90, 441, paragraphs[0])
    fill(sheet, (275, 330, 60, 7.7 * PITCH * BODY))
    sheet.line(345, 332, "余额")
    top = 332 + PITCH * BODY
    sheet.line(72, top, "项目")
    for right, name in zip(FIGURE_EDGES, ("年末", "年初", "增幅（%）"), strict=True):
        flush(sheet, right, top, name)
    top += PITCH * BODY
    for row in FIGURE_ROWS:
        top = figure_row(sheet, top, row, indent, on_last)
    sheet.text(72, top + 40, 441, paragraphs[1])
    sheet.save()
    return paragraphs


YEAR_NAMES = ("指标", "2020年", "2019年", "变动")
YEAR_ROWS = [
    ["手机银行用户（万户）", "812", "640", "26.9%"],
    ["柜面替代率", "93.1%", "90.4%", "2.7%"],
    ["科技投入（亿元）", "3.4", "2.6", "30.8%"],
    ["科技人员（人）", "412", "351", "17.4%"],
]


def draw_figures(sheet: Sheet, top: float, rows: Sequence[Sequence[str]]) -> float:
    """Rows of a label and figures, or of a title alone; the bottom."""
    for row in rows:
        sheet.line(72, top, row[0])
        for right, figure in zip(FIGURE_EDGES, row[1:], strict=False):
            flush(sheet, right, top, figure)
        top += PITCH * BODY
    return top


YEAR_WORDS = ("指标", "年末", "年初", "变动")


def years(
    path: Path, names: Sequence[str] = YEAR_NAMES, title: str = "", left: float = 72, unit: str = ""
) -> list[str]:
    """A table of YEAR_ROWS under these names between two paragraphs; a title and a unit may stand right over it."""
    sheet, paragraphs = headed(path), [prose(1, 250), prose(2, 250)]
    sheet.text(72, 90, 441, paragraphs[0])
    sheet.line(left, 302 - (PITCH * BODY if unit else 0), title)
    flush(sheet, 513, 302, unit, 9)
    top = draw_figures(sheet, 320, (names, *YEAR_ROWS))
    sheet.text(72, top + 40, 441, paragraphs[1])
    sheet.save()
    return paragraphs


def filled_cells(path: Path, ruled: bool) -> None:
    """YEAR_ROWS with colour behind the header and behind each label, as bars from one left edge; with rules or not."""
    sheet = headed(path)
    sheet.text(72, 90, 441, prose(1, 250))
    for at, row in enumerate((YEAR_NAMES, *YEAR_ROWS)):
        top = 300.0 + 20 * at
        fill(sheet, (72, top, 150 if at else 441, 20))
        for left, wide in ((72, 150), (222, 110), (332, 90), (422, 91)) if ruled else ():
            sheet.box(left, top, wide, 20)
        sheet.line(76, top + 4, row[0])
        for right, figure in zip(FIGURE_EDGES, row[1:], strict=True):
            flush(sheet, right - 4, top + 4, figure)
    sheet.save()


def grouped_years(path: Path) -> list[str]:
    """YEAR_ROWS under YEAR_WORDS, a title over each two of them. Returns the titles."""
    sheet, titles = headed(path), ["客户与渠道", "科技条线"]
    sheet.text(72, 90, 441, prose(1, 250))
    rows = [YEAR_WORDS, titles[:1], *YEAR_ROWS[:2], titles[1:], *YEAR_ROWS[2:]]
    top = draw_figures(sheet, 320, rows)
    sheet.text(72, top + 40, 441, prose(2, 250))
    sheet.save()
    return titles


def years_over_break(path: Path, header_again: bool) -> list[list[str]]:
    """A table of figures over a page break, its header repeated or not. Returns the rows."""
    sheet, rows = headed(path), [*YEAR_ROWS, *(row for row in FIGURE_ROWS if len(row[0]) < 12)]
    sheet.text(72, 90, 441, prose(1, 600))
    draw_figures(sheet, 680, (YEAR_NAMES, *rows[:3]))
    sheet.page()
    top = draw_figures(sheet, 80, (YEAR_NAMES, *rows[3:]) if header_again else rows[3:])
    sheet.text(72, top + 40, 441, prose(2, 250))
    sheet.save()
    return rows


def figures_beside_prose(path: Path) -> str:
    """YEAR_ROWS in the left one of two columns, prose in the right one. Returns the prose."""
    sheet, text = headed(path), prose(1, 330)
    for at, row in enumerate((YEAR_NAMES, *YEAR_ROWS)):
        top = 120 + PITCH * BODY * at
        sheet.line(72, top, row[0])
        for right, figure in zip((205, 245, 285), row[1:], strict=True):
            flush(sheet, right, top, figure, 9)
    sheet.text(330, 120, 210, text)
    sheet.save()
    return text


def banded(path: Path, coloured: Sequence[int], apart: float = 28) -> list[str]:
    """TABLE_ROWS under their header between two paragraphs, without rules, these of its six rows coloured.

    `apart` is how many points the lines of one column end before the next one at least, but for a stop.
    """
    sheet, paragraphs = headed(path), [prose(1, 200), prose(2, 200)]
    sheet.text(72, 90, 441, paragraphs[0])
    top = 240.0
    for at, row in enumerate((TABLE_HEADER, *TABLE_ROWS)):
        cells = [[line for _, line in wrap(cell, wide - apart, BODY)] for cell, wide in zip(row, WIDTHS, strict=True)]
        high = max(len(lines) for lines in cells) * PITCH * BODY + 8
        if at in coloured:
            fill(sheet, (72, top, sum(WIDTHS), high), 0.7 if at == 0 else 0.85 + 0.1 * (at % 2))
        x = 77.0
        for lines, wide in zip(cells, WIDTHS, strict=True):
            for place, line in enumerate(lines):
                sheet.line(x, top + 6 + place * PITCH * BODY, line)
            x += wide
        top += high
    sheet.text(72, top + 40, 441, paragraphs[1])
    sheet.save()
    return paragraphs


def coloured_texts(path: Path) -> list[str]:
    """Three coloured areas of one width under each other, a paragraph in each. Returns the paragraphs."""
    sheet, paragraphs = headed(path), [prose(seed, 120) for seed in range(3)]
    for at, text in enumerate(paragraphs):
        fill(sheet, (72, 100 + 90 * at, 441, 84))
        sheet.text(82, 108 + 90 * at, 421, text)
    sheet.save()
    return paragraphs


def columns_with_figures(path: Path) -> list[str]:
    """Two columns of prose with figures in it; at the right, three of them stand on lines of their own."""
    sheet = headed(path)
    left = "2019年末贷款增长12.5%，2020年末增长9.8%。" + prose(1, 250)
    sheet.text(72, 90, 210, left)
    rights = []
    for at, (figure, words) in enumerate((("1,280亿元", "贷款余额"), ("93.1%", "柜面替代率"), ("412", "科技人员"))):
        top = 90 + 3 * PITCH * BODY * at
        sheet.line(333, top, figure)
        rights.append(f"{words}比上年又多了一成，分支机构各有不同。")
        sheet.text(333, top + PITCH * BODY, 190, rights[-1], indent=0)
    sheet.save()
    return [left, *rights]


def bare_contents(path: Path, ruled: bool) -> list[str]:
    """A cover, contents whose page numbers stand at the right edge without leaders, and the chapters. Returns entries.

    A hairline may stand under each entry.
    """
    sheet, entries = (
        headed(path),
        [f"第{number}章　{words}" for number, words in zip("一二三四五六", WHAT, strict=False)],
    )
    sheet.page()
    sheet.line(72, 80, "目录", 18)
    for at, entry in enumerate(entries):
        top = 130 + 24 * at
        sheet.line(72, top, entry)
        flush(sheet, 513, top, str(11 * at + 12))
        if ruled:
            sheet.canvas.line(72, sheet.height - top - 17, 513, sheet.height - top - 17)
    sheet.page()
    for at, entry in enumerate(entries):
        sheet.line(72, 80, entry, 16)
        sheet.text(72, 120, 441, prose(at, 200))
        sheet.page()
    sheet.save()
    return entries


# Tables over page breaks


def uprights(sheet: Sheet, top: float, high: float) -> None:
    """The upright rules of a row of a table, without those above and under it."""
    edges = [72 + sum(WIDTHS[:at]) for at in range(len(WIDTHS) + 1)]
    for edge in edges:
        sheet.canvas.line(edge, sheet.height - top, edge, sheet.height - top - high)


def draw_open_row(sheet: Sheet, top: float, cells: Sequence[Sequence[str]]) -> float:
    """A row of cells between upright rules alone; its bottom."""
    high = max(len(lines) for lines in cells) * PITCH * BODY + 8
    uprights(sheet, top, high)
    x = 72.0
    for lines, wide in zip(cells, WIDTHS, strict=True):
        for at, line in enumerate(lines):
            sheet.line(x + 5, top + 6 + at * PITCH * BODY, line)
        x += wide
    return top + high


def open_both(path: Path, header_again: bool) -> list[list[str]]:
    """A row cut by the page break, no rule under its first part; nor over what comes first on the next page."""
    sheet, rows = headed(path), [cell_lines(row) for row in TABLE_ROWS]
    sheet.text(72, 90, 441, prose(1, 250))
    top = draw_row(sheet, 560, [[name] for name in TABLE_HEADER])
    for row in rows[:2]:
        top = draw_row(sheet, top, row)
    draw_open_row(sheet, top, [lines[:1] for lines in rows[2]])
    sheet.page()
    rest = [lines[1:] for lines in rows[2]]
    if header_again:
        top = draw_row(sheet, draw_open_row(sheet, 90, [[name] for name in TABLE_HEADER]), rest)
    else:
        top = draw_open_row(sheet, 90, rest)
    for row in rows[3:]:
        top = draw_row(sheet, top, row)
    sheet.save()
    return TABLE_ROWS


def table_tail(path: Path) -> list[list[str]]:
    """A ruled table whose last page holds the header again and the last line of one cell, and nothing more."""
    sheet, rows = headed(path), [cell_lines(row) for row in TABLE_ROWS[:3]]
    sheet.text(72, 90, 441, prose(1, 250))
    top = draw_row(sheet, 560, [[name] for name in TABLE_HEADER])
    for row in rows[:2]:
        top = draw_row(sheet, top, row)
    draw_row(sheet, top, [rows[2][0], rows[2][1][:-1], rows[2][2]])
    sheet.page()
    top = draw_row(sheet, 90, [[name] for name in TABLE_HEADER])
    draw_row(sheet, top, [[], rows[2][1][-1:], []])
    sheet.save()
    return TABLE_ROWS[:3]


def titled_rows(path: Path) -> list[str]:
    """A ruled table in which a title over the whole width names the rows below it. Returns the two titles."""
    sheet, titles = headed(path), ["零售条线", "对公条线"]
    sheet.text(72, 90, 441, prose(1, 250))
    top = draw_row(sheet, 300, [[name] for name in TABLE_HEADER])
    for at, row in enumerate(TABLE_ROWS[:4]):
        if at in (0, 2):
            sheet.box(72, top, sum(WIDTHS), 26)
            sheet.line(77, top + 6, titles[at // 2])
            top += 26
        top = draw_row(sheet, top, cell_lines(row))
    sheet.save()
    return titles


# Turned pages


def turned_report(path: Path, turn: int) -> list[str]:
    """Two columns and a ruled table of TABLE_ROWS, shown lying on their side or upside down. Returns the texts."""
    sheet, texts = Sheet(path, A4 if turn == 180 else A4[::-1]), [prose(1, 150), prose(2, 150)]
    sheet.height = A4[1]  # reportlab turns the page's box with the page
    sheet.canvas.setPageRotation(turn)
    sheet.line(72, 60, TITLE, 16)
    sheet.text(72, 100, 210, texts[0])
    sheet.text(313, 100, 210, texts[1])
    top = draw_row(sheet, 320, [[name] for name in TABLE_HEADER])
    for row in TABLE_ROWS:
        top = draw_row(sheet, top, cell_lines(row))
    sheet.save()
    return [TITLE, *texts]


def side_title(path: Path, turn: int) -> tuple[str, str]:
    """Prose, and a title that runs up or down its margin. Returns both."""
    sheet, text, side = headed(path), prose(1, 400), "业务回顾与展望"
    sheet.text(72, 90, 441, text)
    sheet.canvas.saveState()
    sheet.canvas.translate(40 if turn == 270 else 560, 842 - (300 if turn == 270 else 200))
    sheet.canvas.rotate(-turn)
    sheet.canvas.setFont(SONG, 14)
    sheet.canvas.drawString(0, 0, side)
    sheet.canvas.restoreState()
    sheet.save()
    return text, side


# Outlines

OUTLINE = (
    (1, "转型从哪里来"),
    (2, "外部压力"),
    (2, "内部短板"),
    (3, "人才不够"),
    (1, "转型到哪里去"),
    (2, "先做减法"),
    (2, "再做加法"),
)


def bookmarked_headings(path: Path) -> tuple[Bookmark, ...]:
    """The headings of OUTLINE in one size over prose, two on a page, with bookmarks to them. Returns these."""
    sheet, bookmarks, page = Sheet(path), [], 1
    for at, (level, title) in enumerate(OUTLINE):
        top = 80.0 + 320 * (at % 2)
        page = 1 + at // 2
        sheet.canvas.bookmarkPage(title)
        sheet.canvas.addOutlineEntry(title, title, level - 1)
        sheet.line(72, top, title, 14)
        sheet.text(72, top + 30, 441, prose(at, 200))
        bookmarks.append(Bookmark(level, title, page))
        if at % 2:
            sheet.page()
    sheet.save()
    return tuple(bookmarks)


def indented_contents(path: Path) -> list[tuple[int, str]]:
    """A contents page whose entries are set in by level, and their headings in one size. Returns these with levels."""
    sheet = Sheet(path)
    sheet.line(250, 80, "目录", 18)
    for at, (level, title) in enumerate(OUTLINE):
        left = 72 + 24 * (level - 1)
        dots = "." * int((513 - left - pdfmetrics.stringWidth(title, SONG, BODY)) / 5)
        sheet.line(left, 130 + 24 * at, f"{title}{dots}{at + 2}")
    sheet.page()
    for at, (_, title) in enumerate(OUTLINE):
        sheet.line(72, 80, title, 14)
        sheet.text(72, 110, 441, prose(at, 200))
        sheet.page()
    sheet.save()
    return list(OUTLINE)


def plain_headings(path: Path) -> tuple[Bookmark, ...]:
    """The titles of OUTLINE set like the text that they stand over. Returns them as bookmarks."""
    sheet = Sheet(path)
    for at, (_, title) in enumerate(OUTLINE):
        top = 80.0 + 320 * (at % 2)
        sheet.line(72, top, title)
        sheet.text(72, top + 30, 441, prose(at, 200))
        if at % 2:
            sheet.page()
    sheet.save()
    return tuple(Bookmark(level, title, 1 + at // 2) for at, (level, title) in enumerate(OUTLINE))


# Notes


def notes_under_columns(path: Path) -> tuple[list[str], list[str]]:
    """Two columns of prose, each with two notes in small type at its foot. Returns paragraphs and notes."""
    sheet, paragraphs, notes = headed(path), [prose(1, 400), prose(2, 400)], []
    for column, text in enumerate(paragraphs):
        x = 72 + 241 * column
        sheet.text(x, 90, 210, text)
        sheet.canvas.line(x, 842 - 700, x + 60, 842 - 700)
        for at in range(2):
            notes.append(f"{2 * column + at + 1}. {prose(60 + 2 * column + at, 18)}"[:26])
            sheet.line(x, 708 + 14 * at, notes[-1], 7.5)
    sheet.save()
    return paragraphs, notes


def list_at_foot(path: Path) -> list[str]:
    """Prose, and a numbered list in the same type as the last thing on the page. Returns the points."""
    sheet, points = headed(path), [f"{number}. {prose(number, 25)}" for number in (1, 2, 3)]
    top = sheet.text(72, 90, 441, prose(10, 600))
    for at, point in enumerate(points):
        sheet.line(72, top + 8 + PITCH * BODY * at, point)
    sheet.save()
    return points


def marked_note(path: Path, mark: str) -> tuple[str, str]:
    """A paragraph with a raised mark in small type, and at the foot the note with the same mark. Returns both."""
    sheet, before, after = headed(path), "几经讨论，管理层集中整理接口清单", "，为的是减少重复劳动。"
    sheet.line(72 + 2 * BODY, 90, before)
    right = 72 + 2 * BODY + BODY * len(before)
    sheet.line(right, 88, mark, 5.5)
    right += pdfmetrics.stringWidth(mark, SONG, 5.5)
    sheet.line(right, 90, after)
    sheet.text(72, 120, 441, prose(1, 400))
    note = f"{mark} 接口清单见附录，由科技部门每季修订。"
    sheet.canvas.line(72, 842 - 740, 220, 842 - 740)
    sheet.line(72, 748, note, 8)
    sheet.save()
    return f"{before}{mark}{after}", note


# Marks on every page


def light_watermark(path: Path) -> list[str]:
    """Prose on four pages with large light words lying across it, on each page in another place."""
    sheet, paragraphs = headed(path), []
    for page in range(4):
        sheet.canvas.setFillGray(0.88)
        sheet.line(90 + 30 * page, 180 + 110 * page, "仅供测试不得外传", 40)
        sheet.canvas.setFillGray(0)
        top = 90.0
        for seed in range(3 * page, 3 * page + 3):
            paragraphs.append(prose(seed, 250))
            top = sheet.text(72, top, 441, paragraphs[-1])
        sheet.page()
    sheet.save()
    return paragraphs


def numbered_slides(path: Path) -> list[str]:
    """Slides with their number in the upper right corner, two of them without. Returns the texts."""
    sheet, texts = Sheet(path, SLIDE), [prose(seed, 180) for seed in range(6)]
    for number, text in enumerate(texts, 1):
        sheet.line(40, 40, f"第{'一二三四五六'[number - 1]}件事情", 26)
        sheet.text(40, 110, 880, text, 16)
        if number not in (1, 4):
            sheet.line(915, 20, f"{number:02}", 12)
        sheet.page()
    sheet.save()
    return texts


LEFT_HEADER = "区域银行数字化观察"
RIGHT_HEADERS = ("第一部分　转型概览", "第二部分　同业案例")


def facing_pages(path: Path) -> list[str]:
    """Prose under one header on every second page, and on the others the name of their part. Returns the paragraphs."""
    sheet, paragraphs = headed(path), []
    for page in range(8):
        if page % 2:
            flush(sheet, 513, 30, RIGHT_HEADERS[page // 4], 9)
        else:
            sheet.line(72, 30, LEFT_HEADER, 9)
        paragraphs.append(prose(page, 300))
        sheet.text(72, 90, 441, paragraphs[-1])
        sheet.page()
    sheet.save()
    return paragraphs


def repeated_words(path: Path) -> str:
    """Five pages with the same words on each and nothing else. Returns these."""
    sheet, words = Sheet(path), "本页有意留白"
    for _ in range(5):
        sheet.line(240, 400, words)
        sheet.page()
    sheet.save()
    return words


def endless(path: Path) -> str:
    """Three pages; the content of the second takes a reader minutes, though the file is small. Returns the words."""
    sheet, texts = Sheet(path, pageCompression=1), [prose(1, 100), prose(2, 100)]
    sheet.text(72, 90, 441, texts[0])
    sheet.page()
    sheet.canvas._code.extend(["1 0 0 1 0 0 cm 10 10 m 20 20 l S"] * 400_000)
    sheet.page()
    sheet.text(72, 90, 441, texts[1])
    sheet.save()
    return "".join(texts)


# Pages for the second reader and for OCR


PRINTED, STRIP = "rural2020.pdf", (147.0, 258.0)
"""A report with its fonts in it, and between which heights of its second page there is a heading over four lines."""


def printed_words() -> str:
    """The words of the strip, without white space."""
    [page] = read_pages(CORPUS / PRINTED, [2])
    return squeeze("".join(glyph.text for glyph in page.glyphs if STRIP[0] < glyph.box[3] < STRIP[1]))


@cache
def printed() -> Image.Image:
    """The strip as a scanner gives it, with 180 dpi."""
    with pdfium.PdfDocument(CORPUS / PRINTED) as pdf:
        page = pdf[1]
        crop = (0, page.get_height() - STRIP[1], 0, STRIP[0])
        return page.render(scale=2.5, crop=crop).to_pil().convert("L")


def draw_scan(sheet: Sheet, turn: int = 0) -> None:
    """The strip over the whole page, turned clockwise."""
    file = BytesIO()
    printed().rotate(-turn, expand=True).save(file, "PNG")
    file.seek(0)
    sheet.canvas.drawImage(ImageReader(file), 0, 0, sheet.width, sheet.height)


def strip_size(turn: int = 0) -> tuple[float, float]:
    """The page that the strip fills, in points."""
    size = A4[0], STRIP[1] - STRIP[0]
    return size if turn % 180 == 0 else size[::-1]


def scanned(path: Path, turn: int = 0) -> str:
    """A page that is nothing but a scan, which lies turned clockwise in it. Returns its words."""
    sheet = Sheet(path, strip_size(turn))
    draw_scan(sheet, turn)
    sheet.save()
    return printed_words()


def stray_over_scan(path: Path, words: str) -> str:
    """A scan with a few characters printed over it. Returns the words in the scan."""
    sheet = Sheet(path, strip_size())
    draw_scan(sheet)
    sheet.line(60, 2, words, 9)
    sheet.save()
    return printed_words()


def title_over_photograph(path: Path) -> str:
    """A cover: a few words over a picture of many shades. Returns them."""
    sheet, words = Sheet(path, strip_size()), "二〇二〇年度报告"
    shades = Image.linear_gradient("L").resize((600, 110))
    file = BytesIO()
    shades.save(file, "PNG")
    file.seek(0)
    sheet.canvas.drawImage(ImageReader(file), 0, 0, sheet.width, sheet.height)
    sheet.line(60, 40, words, 20)
    sheet.save()
    return words


def text_and_scans(path: Path) -> list[str]:
    """Prose, a scan, prose, on a page each. Returns their words."""
    sheet, texts = Sheet(path, strip_size()), [prose(1, 60), printed_words(), prose(2, 60)]
    sheet.text(40, 20, 500, texts[0])
    sheet.page()
    draw_scan(sheet)
    sheet.page()
    sheet.text(40, 20, 500, texts[2])
    sheet.save()
    return texts


def off_by_some(text: str) -> str:
    """Text under a character map that is wrong for its commonest characters: each becomes one nearby that is rare."""
    wrong = {}
    for char, _ in Counter(char for char in text if "\u4e00" <= char <= "\u9fff").most_common(12):
        code = ord(char) + 1
        while chr(code).encode("gb2312", "ignore") or chr(code).encode("big5", "ignore"):
            code += 1
        wrong[char] = chr(code)
    return text.translate(str.maketrans(wrong))


def wrong_map(path: Path, pages: int = 1) -> str:
    """Pages whose text layer has a wrong character map; a scan shows what is really there. Returns that."""
    sheet = Sheet(path, strip_size())
    for page in range(pages):
        layer = off_by_some(prose(page, 200))
        sheet.text(40, 2, 500, layer, 6)
        draw_scan(sheet)  # over it
        sheet.page()
    sheet.save()
    return printed_words()


def few_wrong(path: Path) -> None:
    """Five pages under a wrong map; on the third only two characters among two hundred show it."""
    sheet = Sheet(path)
    for page in range(5):
        text = prose(page, 260)
        if page == 2:
            common = next(char for char, other in zip(text, off_by_some(text), strict=True) if char != other)
            rare = off_by_some(text)[text.index(common)]
            sheet.text(72, 90, 441, text.replace(common, rare, 2))
        else:
            sheet.text(72, 90, 441, off_by_some(text))
        sheet.page()
    sheet.save()


def bare_pdf(path: Path, *objects: bytes) -> None:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    data, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"trailer\n<</Size %d /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(data)


def stream(head: bytes, body: bytes) -> bytes:
    """A stream object."""
    return b"<<%s /Length %d>>\nstream\n%s\nendstream" % (head, len(body), body)


def huge_image(path: Path) -> None:
    """A page whose image says that it has ten thousand million pixels."""
    image = b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /ColorSpace /DeviceGray /BitsPerComponent 1"
    bare_pdf(
        path,
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</XObject <</I 5 0 R>>>>>>",
        stream(b"", b"595 0 0 842 0 0 cm /I Do"),
        stream(image, b"\0" * 1000),
    )


def unnamed_codes(path: Path) -> None:
    """A page in a font that names none of its characters, and draws none of them."""
    font = b"<</Type /Font /Subtype /Type0 /BaseFont /Odd /Encoding /Identity-H /DescendantFonts [6 0 R]>>"
    info = b"<</Registry (Adobe) /Ordering (Identity) /Supplement 0>>"
    bare_pdf(
        path,
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F 5 0 R>>>>>>",
        stream(b"", b"BT /F 12 Tf 72 700 Td <%s> Tj ET" % b"".join(b"%04X" % code for code in range(900, 940))),
        font,
        b"<</Type /Font /Subtype /CIDFontType2 /BaseFont /Odd /CIDSystemInfo %s /DW 1000>>" % info,
    )


def cropped(path: Path) -> str:
    """A page of which only a part is shown; a note for the printer stands beside it. Returns the words shown."""
    sheet, words = Sheet(path), "每逢季末集中整理接口清单"
    sheet.line(100, 100, words, 12)
    sheet.line(100, 30, "printer's note", 12, "Helvetica")
    sheet.canvas.setCropBox((50, 100, 500, 780), name="crop")
    sheet.save()
    return words


def leaning(path: Path) -> str:
    """A line in a font that is made to lean. Returns it."""
    sheet, words = Sheet(path), "注：本页的数字由各行提供"
    text = sheet.canvas.beginText()
    text.setFont(SONG, 9)
    text.setTextTransform(1, 0, 0.35, 1, 72, 700)
    text.textOut(words)
    sheet.canvas.drawText(text)
    sheet.save()
    return words


def odd(path: Path, end: bytes) -> str:
    """A page of prose; a dictionary that ends so ends with a name that has no value instead. Returns the prose."""
    text = plain(path)
    path.write_bytes(path.read_bytes().replace(end, b"/Odd".ljust(len(end))))
    return text
