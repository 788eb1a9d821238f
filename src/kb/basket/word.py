"""A basket → a Word document: quotations with real footnotes, and the bibliography."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from io import BytesIO
from xml.sax.saxutils import escape

from docx import Document as new_document
from docx.document import Document as WordDocument
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, Pt, RGBColor
from docx.styles.style import ParagraphStyle
from docx.text.paragraph import Paragraph

from kb.basket.collect import Basket, Quote

FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML cannot hold."""

LATIN, SONG, KAI, HEI = "Times New Roman", "宋体", "楷体", "黑体"

NOTE_STYLE, NOTE_MARK_STYLE = "footnote text", "footnote reference"

A4, INDENT = (Cm(21), Cm(29.7)), Cm(0.8)
AFTER = {"Quote": 2, NOTE_STYLE: 0}
"""Points below a paragraph of a style, where not 10."""

FOOTNOTES_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
SEPARATORS = ("separator", "continuationSeparator")
"""The rules over footnotes, which Word wants as the notes -1 and 0."""


def word(basket: Basket, today: date) -> bytes:
    """The basket as .docx: each quote with a footnote, then 参考文献."""
    document = new_document()
    set_styles(document)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = "引文", "", ""
    properties.created = properties.modified = datetime(today.year, today.month, today.day)
    document.add_heading("引文", 1)
    for number, quote in enumerate(basket.quotes, 1):
        add_quote(document, basket, number, quote)
    document.add_heading("参考文献", 1)
    for source in basket.sources:
        reference = document.add_paragraph(clean(source.reference))
        reference.paragraph_format.left_indent = INDENT
        reference.paragraph_format.first_line_indent = -INDENT
        reference.paragraph_format.space_after = Pt(4)
    add_footnotes(document, [f"{basket.footnote(quote)}（{basket.where(quote)}）" for quote in basket.quotes])
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def add_quote(document: WordDocument, basket: Basket, number: int, quote: Quote) -> None:
    """A quotation with the mark of its footnote, then what it is about with the mark of its report, and the note."""
    paragraph = document.add_paragraph(clean(quote.citation.quote), style="Quote")
    mark_footnote(paragraph, number)
    told = document.add_paragraph(f"——{clean(quote.about)}" if quote.about else "——")
    told.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    told.paragraph_format.right_indent = INDENT
    told.add_run(basket.mark(quote)).font.superscript = True
    if quote.note:
        document.add_paragraph(f"按：{clean(quote.note)}")


def clean(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return FORBIDDEN.sub("", text)


# styles


def set_styles(document: WordDocument) -> None:
    """A4, Chinese fonts, plain black headings, indented quotations, and the styles of footnotes."""
    sizes = {"Normal": (SONG, 11), "Heading 1": (HEI, 16), "Quote": (KAI, 11), NOTE_STYLE: (SONG, 9)}
    document.styles.add_style(NOTE_STYLE, WD_STYLE_TYPE.PARAGRAPH, builtin=True)
    document.styles.add_style(NOTE_MARK_STYLE, WD_STYLE_TYPE.CHARACTER, builtin=True).font.superscript = True
    for name, (font, size) in sizes.items():
        style = style_of(document, name)
        set_font(style, font, size)
        style.paragraph_format.space_after = Pt(AFTER.get(name, 10))
    quotation = style_of(document, "Quote").paragraph_format
    quotation.left_indent = quotation.right_indent = INDENT
    quotation.keep_with_next = True
    document.sections[0].page_width, document.sections[0].page_height = A4
    language = document.styles.element.find(".//" + qn("w:lang"))
    if language is not None:
        language.set(qn("w:eastAsia"), "zh-CN")


def style_of(document: WordDocument, name: str) -> ParagraphStyle:
    """A paragraph style by its name."""
    style = document.styles[name]
    assert isinstance(style, ParagraphStyle)
    return style


def set_font(style: ParagraphStyle, font: str, size: int) -> None:
    """A Chinese font beside a Latin one, upright and black; the theme's fonts, which would win, taken out."""
    style.font.name, style.font.size, style.font.italic = LATIN, Pt(size), False
    style.font.color.rgb = RGBColor(0, 0, 0)
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for name in [name for name in fonts.attrib if str(name).endswith("Theme")]:
        del fonts.attrib[name]
    fonts.set(qn("w:eastAsia"), font)


# footnotes, which python-docx does not make


def mark_footnote(paragraph: Paragraph, number: int) -> None:
    """The mark of a footnote at the end of a paragraph."""
    reference = OxmlElement("w:footnoteReference")
    reference.set(qn("w:id"), str(number))
    run = paragraph.add_run(style=NOTE_MARK_STYLE)
    run._r.append(reference)


def add_footnotes(document: WordDocument, notes: list[str]) -> None:
    """The footnotes of a document, numbered from 1, in a part of their own."""
    blob = "".join(footnotes_xml(document, notes)).encode()
    part = Part(PackURI("/word/footnotes.xml"), FOOTNOTES_TYPE, blob, document.part.package)
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    known = "".join(f'<w:footnote w:id="{number}"/>' for number in (-1, 0))
    compatibility = document.settings.element.find(qn("w:compat"))
    assert compatibility is not None
    compatibility.addprevious(parse_xml(f"<w:footnotePr {nsdecls('w')}>{known}</w:footnotePr>"))


def footnotes_xml(document: WordDocument, notes: list[str]) -> Iterator[str]:
    """The part's XML, piece by piece."""
    text, mark = (document.styles[name].style_id for name in (NOTE_STYLE, NOTE_MARK_STYLE))
    yield f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:footnotes {nsdecls("w")}>'
    for number, name in enumerate(SEPARATORS, -1):
        yield f'<w:footnote w:type="{name}" w:id="{number}"><w:p><w:r><w:{name}/></w:r></w:p></w:footnote>'
    for number, note in enumerate(notes, 1):
        yield f'<w:footnote w:id="{number}"><w:p><w:pPr><w:pStyle w:val="{text}"/></w:pPr>'
        yield f'<w:r><w:rPr><w:rStyle w:val="{mark}"/></w:rPr><w:footnoteRef/></w:r>'
        yield f'<w:r><w:t xml:space="preserve"> {escape(clean(note))}</w:t></w:r></w:p></w:footnote>'
    yield "</w:footnotes>"
