"""Small PDFs for the tests, written by reportlab without any font file, with what a right reading of them gives."""

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import _cidfontdata, pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from kb.banks import default_bank_book
from kb.layout.blocks import layouts_to_blocks
from kb.layout.page import PageLayout, lay_out
from kb.read.pdf import read_facts, read_pages
from kb.records import Block, Page, Passage, RawPage
from kb.segment import blocks_to_passages

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


def read(path: Path) -> Read:
    """Read, lay out and cut a PDF as the pipeline does."""
    count = read_facts(path, 1000).page_count
    raw = tuple(read_pages(path, range(1, count + 1)))
    layouts = tuple(lay_out(page) for page in raw)
    pages, blocks = layouts_to_blocks(layouts)
    book = default_bank_book()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    passages = blocks_to_passages(blocks, pages, sha256, lambda text: bool(book.mentions(text)))
    return Read(raw, layouts, tuple(pages), tuple(blocks), tuple(passages))


@cache
def corpus() -> dict[str, Read]:
    """The sample reports by file name; each is read once in a run."""
    return {path.name: read(path) for path in sorted(CORPUS.glob("*.pdf"))}


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
