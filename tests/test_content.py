"""Content streams: the fast parser gives what pdfminer's own gives, token by token, and its interpreter runs the same.

pdfminer's parser is the truth here, oddities and all: neither nonsense nor the place of a token may tell them apart.
"""

from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pdfminer.pdfdevice import PDFDevice
from pdfminer.pdfinterp import PDFContentParser, PDFPageInterpreter, PDFResourceManager
from pdfminer.pdftypes import PDFStream
from pdfminer.psparser import KWD, LIT, PSEOF, PSKeyword, PSLiteral

from kb.read.content import ContentInterpreter, ContentParser

BLOCK = PDFContentParser.BUFSIZ

TEXT = b"BT /F1 12 Tf 1 0 0 1 72.5 -.25 Tm [(Bank) -120 <00410042> 3.] TJ (one) Tj T* (two) ' ET\n"

PIECES = (
    # common
    *(b"0", b"12", b"-3", b"+7", b"1.5", b"-.5", b"5.", b"007", b"/F1", b"/\xe9", b"/a.b-c", b"Tj", b"T*", b"'", b'"'),
    *(b"(text)", b"()", b"(\r\n \x00\xff)", b"<41>", b"<>", b"<4E2d>", b"[", b"]", b"true", b"false", b"null", b"f*"),
    # uncommon
    *(b".", b"-", b"+", b"--5", b"1-2", b"1.2.3", b"1e5", b"12abc", b"9" * 19, b"9" * 5000, b"1" * 400 + b".5"),
    *(b"/", b"//", b"/#41b", b"/a#", b"/\xff", b"/\xe9\x93\xb6", b"/a\x00b", b"a\x00b", b"a#b", b"a{b", b"\x00", b"*x"),
    *(b"((a)b)", b"(a\\)b)", b"(\\101\\8)", b"(\\\r\nx)", b"(open", b")", b"\\", b"(\\777)", b"(\\", b"\x80", b"\xe9a"),
    *(b"<4>", b"<4 1>", b"<41", b"<4g>", b">", b">>", b"<<", b"<< /A 1 >>", b"<41>>", b"<", b"{", b"}", b"{ 1 }"),
    *(b"% comment\n", b"%", b"1%x\n", b"/N%x\r", b"[[1] 2]", b"[/A (b) << /C [1] >>]", b"[1 2"),
    *(
        b"BI",
        b"ID",
        b"EI",
        b"BI /W 1 /H 1 ID \x00(\xff EI ",
        b"BI /F /A85 ID <~87~> EI",
        b"BI /W ID ",
        b"[ BI /W 1 ID x EI ",
    ),
)

streams = st.lists(
    st.builds(
        lambda pieces, between: between.join(pieces),
        st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=12),
        st.sampled_from((b" ", b"\n", b"", b"\r\n", b"\x00")),
    ),
    min_size=1,
    max_size=3,
)


def stream_of(data: bytes, number: int | None = 1, **about: object) -> PDFStream:
    stream = PDFStream(about, data)
    if number is not None:
        stream.set_objid(number, 0)
    return stream


def plain(value: object) -> object:
    """An object in a form that tells 1 from 1.0 and from True, and a picture by what it holds."""
    match value:
        case list():
            return [plain(one) for one in value]
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case PDFStream():
            return "picture", plain(value.attrs), value.rawdata
        case PSKeyword() | PSLiteral():
            return type(value), value.name
    return type(value), value


def taken(things: Iterable[object]) -> list[object]:
    """What is given, up to the error that ends it."""
    found: list[object] = []
    try:
        for thing in things:
            found.append(plain(thing))
    except Exception as error:
        found.append((type(error), str(error)))
    return found


def theirs(data: Iterable[bytes]) -> Iterator[object]:
    parser = PDFContentParser([stream_of(one) for one in data])
    while True:
        try:
            yield parser.nextobject()[1]
        except PSEOF:
            return


def ours(data: Iterable[bytes]) -> Iterator[object]:
    return ContentParser([stream_of(one) for one in data]).objects()


def assert_same(*data: bytes) -> None:
    assert taken(ours(data)) == taken(theirs(data))


# Objects


def test_a_line_of_text_is_what_it_says():
    found = list(ours([TEXT]))
    assert found[:4] == [KWD(b"BT"), LIT("F1"), 12, KWD(b"Tf")]
    assert [b"Bank", -120, b"\x00A\x00B", 3.0] in found
    assert_same(TEXT)


@pytest.mark.parametrize("piece", PIECES)
def test_each_oddity_is_read_the_parsers_way(piece: bytes):
    for data in (
        piece,
        piece + b" Tj",
        b"1 " + piece + b" 2 Tj",
        b"[1 " + piece + b" 2] TJ 3",
        piece + piece,
        TEXT + piece + TEXT,
    ):
        assert_same(data)
        assert_same(data, data)


@settings(max_examples=600, deadline=None)
@given(streams)
@example([b"12", b"34 (a", b"b) Tj"])
@example([b"[(a)", b"] TJ <4", b"1>"])
def test_mixtures_are_read_the_parsers_way(data: list[bytes]):
    assert_same(*data)


@pytest.mark.parametrize(
    "piece", [b"(a\\\r\nb)", b"(a\\053)", b"<4142>", b"<</A 1>>", b"/Name#20x", b"-12.5", b"BI /W 1 ID x EI "]
)
def test_a_block_that_ends_anywhere_in_a_token_changes_nothing(piece: bytes):
    for cut in range(len(piece) + 2):
        assert_same(TEXT * 10 + b" " * (BLOCK - 10 * len(TEXT) - cut) + piece + TEXT * 60 + piece + TEXT)


def test_a_picture_moves_the_blocks_for_both():
    picture = b"BI /W 1 /H 1 ID abc EI "
    for cut in range(8):
        assert_same(TEXT + picture + b" " * (BLOCK - cut) + b"(a\\\r\nb) Tj " + TEXT)


def test_common_objects_come_without_the_slow_parser(monkeypatch: pytest.MonkeyPatch):
    slow: list[object] = []
    nexttoken = PDFContentParser.nexttoken
    monkeypatch.setattr(ContentParser, "nexttoken", lambda self: slow.append(0) or nexttoken(self))
    assert len(list(ours([TEXT * 1000]))) == 1000 * len(list(theirs([TEXT])))
    assert len(slow) <= 2  # the end


# Operators


class Recorder(PDFDevice):
    """Notes what an interpreter has it draw."""

    def __init__(self, resources: PDFResourceManager) -> None:
        super().__init__(resources)
        self.noted: list[object] = []

    def render_string(self, textstate, seq, ncs, graphicstate):
        self.noted.append(("string", str(textstate), repr(seq), ncs.name, str(graphicstate), self.ctm))

    def paint_path(self, graphicstate, stroke, fill, evenodd, path):
        self.noted.append(("path", str(graphicstate), stroke, fill, evenodd, list(path), self.ctm))

    def begin_figure(self, name, bbox, matrix):
        self.noted.append(("figure", bbox, matrix))  # a picture in the stream gets its address for a name

    def render_image(self, name, stream):
        self.noted.append(("picture", plain(stream)))


def drawn(
    interpreter: Callable[..., PDFPageInterpreter], contents: list[PDFStream], resources: dict[object, object]
) -> list[object]:
    device = Recorder(PDFResourceManager())
    interpreter(device.rsrcmgr, device).render_contents(resources, contents)
    return device.noted


FONTS = {"F1": {"Subtype": LIT("Type1"), "BaseFont": LIT("Helvetica")}}

RUNS = {
    "text and paths": [TEXT + b"q .5 g 1 0 0 rg 0 0 9 9 re f* 1 2 m 3 4 l S Q BI /W 1 /H 1 ID x EI "],
    "too few operands": [b"1 0 0 rg 5 w 3 cm 1 2 m l S " + TEXT],
    "operands left over": [b"7 8 9 1 2 m 3 4 l S " + TEXT],
    "no operators": [b"foo do_Tj __class__ 1 bar " + TEXT],
    "odd names of operators": [b"BT\xff /F1 9 Tf (a) Tj\xfe ET " + TEXT],
    "over two streams": [TEXT[:40], TEXT[40:]],
    "nothing": [],
}


@pytest.mark.parametrize("data", RUNS.values(), ids=RUNS.keys())
def test_operators_are_run_as_by_the_parsers_interpreter(data: list[bytes]):
    contents = [stream_of(one, number) for number, one in enumerate(data, 1)]
    expected = drawn(PDFPageInterpreter, contents, {"Font": FONTS})
    assert drawn(ContentInterpreter, contents, {"Font": FONTS}) == expected
    assert expected or not data


def test_streams_run_once_in_themselves_as_often_as_they_are_named_and_never_without_a_number():
    resources: dict[object, object] = {"Font": FONTS}
    form = stream_of(TEXT + b"/X Do", 7, Subtype=LIT("Form"), BBox=[0, 0, 9, 9], Resources=resources)
    resources["XObject"] = {"X": form}
    page, loose = stream_of(b"/X Do " + TEXT, 3), stream_of(TEXT, None)
    expected = drawn(PDFPageInterpreter, [page, loose, page], resources)
    assert drawn(ContentInterpreter, [page, loose, page], resources) == expected
    assert sum(note[0] == "string" for note in expected) == 4 * 3
