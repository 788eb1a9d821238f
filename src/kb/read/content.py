"""Content streams read faster: the common tokens by one regular expression, all others the parser's own way.

A token costs pdfminer several calls, and a page has thousands. What is found here is what its parser finds, down to its
oddities: whatever looks unusual (escapes, comments, inline images, dictionaries, the end of a stream) is left to it.
"""

import re
from binascii import unhexlify
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from pdfminer.pdfinterp import PDFContentParser, PDFPageInterpreter
from pdfminer.pdftypes import stream_value
from pdfminer.psparser import KWD, LIT, PSEOF, PSKeyword, keyword_name

TOKEN = re.compile(
    rb"\s*+"
    rb"(?:(/?[^\s\0#%/()<>\[\]{}]++)(?=[\s/()<>\[\]])"  # a number, a name or a keyword, and what shows that it ends
    rb"|\(([^()\\]*+)\)"
    rb"|<((?:[0-9A-Fa-f]{2})*+)>"
    rb"|(\[)|(\])|())"
)
WORD, STRING, HEX_STRING, OPEN, CLOSE = range(1, 6)

NUMBER = re.compile(rb"[-+]?(?:\d{1,18}|(\d+\.\d*|\.\d+))")

UNUSUAL = frozenset((b"BI", b"ID"))
"""Keywords that the parser itself acts upon: inline images."""


class ContentParser(PDFContentParser):
    """The parser of content streams, which gives the same objects in less time."""

    def objects(self) -> Iterator[Any]:
        """The operands and operators, in order. Raises what the parser raises, but for the end of the streams."""
        while True:
            if not (self.eof or self.results):  # the parser stands between two objects
                yield from self._common_objects()
            try:
                yield self.nextobject()[1]
            except PSEOF:
                return

    def _common_objects(self) -> Iterator[Any]:
        """The objects up to the first unusual token; there, or before the array it stands in, the parser goes on."""
        done = self.bufpos + self.charpos
        array: list[Any] | None = None
        stream: bytes = self.fp.getvalue()  # type: ignore[attr-defined]  # it is bytes in memory
        for match in TOKEN.finditer(stream, done):
            kind = match.lastindex
            value: Any
            if kind == WORD:
                value = word_value(match[WORD])
                if value is None:
                    break
            elif kind == STRING:
                value = match[STRING]
            elif kind == HEX_STRING:
                value = unhexlify(match[HEX_STRING])
            elif kind == OPEN and array is None:
                array = []
                continue
            elif kind == CLOSE and array is not None:
                value, array = array, None
            else:
                break
            if array is None:
                done = match.end()
                yield value
            else:
                array.append(value)
        self._go_on_at(done)

    def _go_on_at(self, place: int) -> None:
        """Go on at a place of the stream; the blocks in which the parser reads begin where they would have begun."""
        self.bufpos += (place - self.bufpos) // self.BUFSIZ * self.BUFSIZ
        self.fp.seek(self.bufpos)
        self.buf = self.fp.read(self.BUFSIZ)
        self.charpos = place - self.bufpos


@lru_cache(maxsize=10_000)
def word_value(word: bytes) -> object:
    """What a word stands for: a number, a name, a truth value or a keyword; None where that takes a closer look."""
    if word[:1] == b"/":
        try:
            return LIT(word[1:].decode())
        except UnicodeDecodeError:
            return LIT(word[1:])
    if number := NUMBER.fullmatch(word):
        return float(word) if number[1] else int(word)
    if word in (b"true", b"false"):
        return word == b"true"
    is_keyword = word[:1].isalpha() or (len(word) == 1 and word not in b"-+.")
    return KWD(word) if is_keyword and word not in UNUSUAL else None


class ContentInterpreter(PDFPageInterpreter):
    """The parser's interpreter, fed by the faster parser."""

    def execute(self, streams: Sequence[object]) -> None:
        """Run content streams, but for those that are being run already, and those that are no objects of the file."""
        known = [(stream.objid, stream) for stream in map(stream_value, streams) if stream.objid is not None]
        own = [(number, stream) for number, stream in known if number not in self.parent_stream_ids]
        self.stream_ids = {number for number, _ in own}
        try:
            parser = ContentParser([stream for _, stream in own])
        except PSEOF:  # no stream at all
            return
        for thing in parser.objects():
            if not isinstance(thing, PSKeyword):
                self.argstack.append(thing)
            elif found := operator(thing):
                run, count = found
                arguments = self.pop(count)
                if len(arguments) == count:
                    run(self, *arguments)


@lru_cache(maxsize=1000)
def operator(keyword: PSKeyword) -> tuple[Callable[..., Any], int] | None:
    """The method that runs an operator, and how many operands it takes; None for what is no operator."""
    name = keyword_name(keyword).replace("*", "_a").replace('"', "_w").replace("'", "_q")
    method = getattr(ContentInterpreter, f"do_{name}", None)
    return (method, method.__code__.co_argcount - 1) if method else None
