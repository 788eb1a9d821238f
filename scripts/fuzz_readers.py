"""Feed broken PDF, Word, text and Markdown files to the readers as ingesting does, and tell what they do not withstand.

Each case is a seed file, changed at random; a number tells it again. It must be read or refused in one line, within the
limits of time and memory. The files that are not are kept in a folder, and the exit status is 1.
"""

import argparse
import io
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pypdfium2

from kb.banks import default_bank_book
from kb.build import Outcome, Pipeline
from kb.embed import Encoder
from kb.errors import BadInput, UnreadableFile
from kb.settings import Settings, load_settings

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
GRACE = 40.0
"""Seconds without news, over the limit of a page, after which the program itself is said to hang."""

MAIN_MB = 1500
"""Megabytes that the process which collects the pages may take."""

BESIDE_MB = 500
"""Megabytes of a reading process that its limit does not count: what it maps and shares."""

HUGE = b"0 -1 1 65536 2147483647 2147483648 -2147483649 4294967296 1e999 0.00000000001 99999999999999.9".split() + [
    b"9" * 40,
    *b"null /Odd (odd) [] <<>> true 0 0 R".split(b" "),
]
FILTERS = b"FlateDecode LZWDecode ASCIIHexDecode ASCII85Decode RunLengthDecode DCTDecode JPXDecode JBIG2Decode".split()
CONTENT = [
    b"q " * 50_000,
    b"BT " * 10_000,
    b"[ " * 50_000,
    b"<< " * 50_000,
    b"( " * 50_000,
    b"/F1 1e9 Tf ",
    b"1e9 0 0 1e9 0 0 cm ",
    b"0 0 0 0 0 0 cm ",
    b"0 0 m 1 1 l S " * 20_000,
    b"0 0 9 9 re f " * 20_000,
    b"(\xff\xfe) Tj " * 20_000,
    b"BI /W 99999 /H 99999 /BPC 8 /CS /RGB ID ",
    b"/Fm0 Do " * 100,
]
WRITTEN = [
    *"[ ![ ]( ` * ** _ > - | |- <a <!-- &# \\ # 一、 （一） 1. 第一章 表1 2023年 % 亿元 银行 “ 的".split(),
    *("\t", "\u3000", "\u202e", "\x00", "\x1b"),
]
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "big5", "shift-jis", "utf-32", "utf-7")

NUMBER = re.compile(rb"(?<![\w.#])[-+]?\d+(?:\.\d+)?(?![\w.])")
REFERENCE = re.compile(rb"\b\d+ \d+ R\b")
NAME = re.compile(rb"/[A-Za-z]\w*")
OBJECT = re.compile(rb"(?<!\d)(\d{1,6}) \d{1,5} obj\b(.*?)\bendobj", re.DOTALL)
STREAM = re.compile(rb"\bstream\r?\n(.*?)\r?\nendstream", re.DOTALL)
TAG = re.compile(rb"<[^<>]{1,200}>")

Change = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True, slots=True)
class Seed:
    """A sound file from which cases are made."""

    name: str
    suffix: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case. `wrong` tells what may not happen; `words` are the reason, or what a page's problem is."""

    outcome: str
    words: str
    wrong: bool = False


@dataclass(slots=True)
class Tally:
    """What became of all cases."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    largest_mb: int = 0

    def note(self, name: str, verdict: Verdict, seconds: float) -> None:
        """Count a case."""
        self.outcomes[f"{verdict.outcome}: {verdict.words}" if verdict.words else verdict.outcome] += 1
        self.slowest = sorted([*self.slowest, (seconds, name)], reverse=True)[:5]


# Changes of any file


def flip_bytes(data: bytes, chance: random.Random) -> bytes:
    """Other bytes in up to 64 places."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 16, 64))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut_off(data: bytes, chance: random.Random) -> bytes:
    """The end, or a stretch in the middle, taken out."""
    start, end = sorted(chance.randrange(len(data) + 1) for _ in "ab")
    return data[: max(start, 1)] if chance.random() < 0.5 else data[:start] + data[end:]


def repeat_part(data: bytes, chance: random.Random) -> bytes:
    """A stretch of it put in again, some times over, anywhere."""
    start, at = chance.randrange(len(data)), chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 10, 100, 5000))] * chance.choice((1, 2, 50))
    return data[:at] + part + data[at:]


def junk(data: bytes, chance: random.Random) -> bytes:
    """Random bytes put in; at the front too."""
    at = chance.choice((0, chance.randrange(len(data))))
    return data[:at] + chance.randbytes(chance.choice((1, 100, 2000))) + data[at:]


# Changes of a PDF


def replace_some(pattern: re.Pattern[bytes], others: Sequence[bytes], data: bytes, chance: random.Random) -> bytes:
    """Some of what a pattern finds, replaced by others."""
    places = list(pattern.finditer(data))
    chosen = sorted(chance.sample(places, min(chance.choice((1, 3, 20)), len(places))), key=lambda match: match.start())
    done, parts = 0, []
    for match in chosen:
        parts += [data[done : match.start()], chance.choice(others)]
        done = match.end()
    return b"".join(parts) + data[done:]


def change_numbers(data: bytes, chance: random.Random) -> bytes:
    """Numbers made huge, negative, or things that are none."""
    return rebuilt(replace_some(NUMBER, HUGE, data, chance), chance)


def change_references(data: bytes, chance: random.Random) -> bytes:
    """References to other objects, which may lead in circles."""
    found = REFERENCE.findall(data)
    return rebuilt(replace_some(REFERENCE, found, data, chance), chance) if found else data


def change_names(data: bytes, chance: random.Random) -> bytes:
    """Names taken for each other, and filters that do not fit."""
    found = NAME.findall(data)
    others = [b"/" + name for name in FILTERS] if chance.random() < 0.3 else found
    return rebuilt(replace_some(NAME, others, data, chance), chance) if found else data


def change_tail(data: bytes, chance: random.Random) -> bytes:
    """The cross-reference table and trailer, changed."""
    at = max(data.rfind(b"xref", 0, max(data.rfind(b"startxref"), 0)), 0)
    change = chance.choice((flip_bytes, cut_off, repeat_part, lambda part, by: replace_some(NUMBER, HUGE, part, by)))
    return data[:at] + change(data[at:] or b" ", chance)


def swap_streams(data: bytes, chance: random.Random) -> bytes:
    """Two streams in each other's place: a font for a page, a picture for a font."""
    found = list(STREAM.finditer(data))
    if len(found) < 2:
        return flip_bytes(data, chance)
    first, second = sorted(chance.sample(found, 2), key=lambda match: match.start())
    between = data[first.end(1) : second.start(1)]
    return rebuilt(data[: first.start(1)] + second[1] + between + first[1] + data[second.end(1) :], chance)


def change_content(data: bytes, chance: random.Random) -> bytes:
    """A stream unpacked, changed, and stored as it is then; or a bomb in its place."""
    found = [match for match in OBJECT.finditer(data) if STREAM.search(match[2])]
    if not found:
        return flip_bytes(data, chance)
    match = chance.choice(found)
    inner = STREAM.search(match[2])
    assert inner
    body = unpacked(inner[1])
    if chance.random() < 0.1:
        head, body = b"/Filter [/FlateDecode /FlateDecode]", bomb()
    else:
        head, body = b"", changed_content(body, chance)
    kept = re.sub(
        rb"/(?:Filter|Length|DecodeParms)\s*(?:\[[^\]]*\]|<<.*?>>|/\w+|\d+ \d+ R|\d+)", b"", match[2][: inner.start()]
    )
    start = kept.find(b"<<") + 2
    made = kept[:start] + head + b"/Length %d" % len(body) + kept[start:] + b"stream\n" + body + b"\nendstream\n"
    return rebuilt(data[: match.start(2)] + made + data[match.end(2) :], chance)


def changed_content(body: bytes, chance: random.Random) -> bytes:
    """The content of a page, or of a font, changed."""
    way = chance.randrange(4)
    if way == 0:
        return replace_some(NUMBER, HUGE, body, chance)
    if way == 1:
        at = chance.choice([0, len(body), *(match.start() for match in NUMBER.finditer(body))])
        return body[:at] + b" " + chance.choice(CONTENT) + body[at:]
    lines = body.splitlines(keepends=True)
    if way == 2 and lines:
        chance.shuffle(lines)
        return b"".join(lines)
    return flip_bytes(body or b" ", chance)


def unpacked(body: bytes) -> bytes:
    """What a stream holds, as far as it is packed by zlib."""
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(body, 10 << 20)
    return body


@cache
def bomb() -> bytes:
    """Little that unpacks, twice, to 400 million blanks."""
    packer = zlib.compressobj()
    once = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(400)) + packer.flush()
    return zlib.compress(once)


def rebuilt(data: bytes, chance: random.Random) -> bytes:
    """Most times with its cross-reference table made anew, so that what was changed is reached."""
    last = data.rfind(b"trailer")
    if chance.random() < 0.3 or last < 0:
        return data
    out, places = bytearray(b"%PDF-1.7\n"), {}
    for match in OBJECT.finditer(data):
        places[int(match[1])] = len(out)
        out += match[0] + b"\n"
    start, size = len(out), max(places, default=0) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    out += b"".join(b"%010d 00000 %c \n" % (places.get(n, 0), b"fn"[n in places]) for n in range(1, size))
    trailer = data[last : data.find(b"startxref", last)]
    return bytes(out) + trailer + b"\nstartxref\n%d\n%%%%EOF\n" % start


# Changes of a Word file


def change_part(data: bytes, chance: random.Random) -> bytes:
    """One of the files in the zip changed, dropped, or stored twice."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # what was changed before can break a zip in any way
        return flip_bytes(data, chance)
    chosen = "word/document.xml" if chance.random() < 0.6 and "word/document.xml" in parts else chance.choice([*parts])
    change = chance.choice((flip_bytes, cut_off, repeat_part, shuffle_tags, nest_tags, fill_part))
    parts[chosen] = change(parts[chosen] or b" ", chance)
    if chance.random() < 0.1:
        del parts[chance.choice([*parts])]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def shuffle_tags(data: bytes, chance: random.Random) -> bytes:
    """Tags taken for each other, so that some are never closed."""
    found = TAG.findall(data)
    return replace_some(TAG, found, data, chance) if found else data


def nest_tags(data: bytes, chance: random.Random) -> bytes:
    """An element within itself, many times."""
    name = chance.choice((b"w:tbl", b"w:tc", b"w:p", b"w:r", b"w:sdt", b"w:txbxContent", b"w:ins"))
    depth = chance.choice((10, 200, 5000))
    inside = b"<%s>" % name * depth + b"</%s>" % name * depth
    return data.replace(b"<w:body>", b"<w:body>" + inside, 1)


def fill_part(data: bytes, chance: random.Random) -> bytes:
    """Millions of blanks, or of empty elements."""
    return data.replace(b"<w:body>", b"<w:body>" + chance.choice((b" ", b"<w:p/>")) * chance.choice((10**5, 10**6)), 1)


# Changes of a text


def write_otherwise(data: bytes, chance: random.Random) -> bytes:
    """The same text in another encoding."""
    return data.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


def repeat_marks(data: bytes, chance: random.Random) -> bytes:
    """Marks of Markdown and of reports, many thousand times, in one line or in many."""
    words = chance.choice(("", " ", "\n", "\n\n")).join([*chance.choices(WRITTEN, k=chance.choice((1, 2, 5))), ""])
    at = chance.randrange(len(data))
    return data[:at] + (words * chance.choice((100, 5000, 50_000))).encode() + data[at:]


def random_text(data: bytes, chance: random.Random) -> bytes:
    """Any characters at all."""
    return "".join(map(chr, chance.choices([*range(0x2000), *range(0x3000, 0xD7FF)], k=2000))).encode("utf-8")


ANY: Sequence[Change] = (flip_bytes, cut_off, repeat_part, junk)
TEXT: Sequence[Change] = (*ANY, write_otherwise, repeat_marks, random_text)
PDF: Sequence[Change] = (
    *(flip_bytes, cut_off, repeat_part, junk, change_tail),
    *(change_numbers, change_references, change_names, swap_streams, change_content) * 2,
)
CHANGES = {".pdf": PDF, ".docx": (*ANY, *(change_part,) * 4), ".txt": TEXT, ".md": TEXT}


def make_case(seeds: Sequence[Seed], seed: int, number: int) -> tuple[str, bytes]:
    """The name and content of a case: always the same for the same seeds and numbers."""
    chance = random.Random(f"{seed} {number}")
    kinds = [".pdf", ".pdf", ".pdf", ".docx", ".txt", ".md"]
    suffix = chance.choice([kind for kind in kinds if any(one.suffix == kind for one in seeds)])
    chosen = chance.choice([one for one in seeds if one.suffix == suffix])
    data, changes = chosen.data, []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        change = chance.choice(CHANGES[suffix])
        data = change(data, chance) or b" "
        changes.append(change.__name__)
    return f"{number:06}-{chosen.name}-{'-'.join(changes)}{suffix}", data


def find_seeds(paths: Sequence[Path]) -> list[Seed]:
    """The files among and below the paths that the readers take, and of long PDFs single pages too."""
    files = [below for path in paths for below in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    seeds = [
        Seed(file.stem[:40], file.suffix.lower(), file.read_bytes())
        for file in files
        if file.suffix.lower() in CHANGES and file.is_file()
    ]
    pages = [page for seed in seeds if seed.suffix == ".pdf" for page in single_pages(seed)]
    return [seed for seed in (*seeds, *pages) if 0 < len(seed.data) < 5 << 20]


def single_pages(seed: Seed) -> Iterator[Seed]:
    """Some pages of a PDF, each as a file of its own: small files are changed where it matters."""
    with suppress(pypdfium2.PdfiumError), pypdfium2.PdfDocument(seed.data) as whole:
        for at in range(0, len(whole), max(len(whole) // 3, 1)):
            one, out = pypdfium2.PdfDocument.new(), io.BytesIO()
            one.import_pages(whole, [at])
            one.save(out)
            yield Seed(f"{seed.name}-p{at + 1}", ".pdf", out.getvalue())


def written_seeds() -> list[Seed]:
    """A text, a Markdown and a Word file."""
    import docx

    text = (
        "一、人才\n\n多数受访银行表示，金融科技人才短缺，缺口达35%。\n项目\t2022年\t2023年\n存款\t12.5亿元\t14亿元\n"
        * 5
    )
    marked = (
        "# 人才\n\n> 说明\n\n| 项目 | 2023年 |\n|---|---|\n| 存款 | 14亿元 |\n\n1. **一是**[引进](x)\n2. `培养`\n" * 5
    )
    document, out = docx.Document(), io.BytesIO()
    document.add_heading("人才", 1)
    document.add_paragraph("多数受访银行表示，金融科技人才短缺，缺口达35%。")
    table = document.add_table(3, 3)
    for cell in table.columns[0].cells:
        cell.text = "存款"
    table.cell(0, 0).merge(table.cell(1, 1))
    document.save(out)
    written = {".txt": text.encode(), ".md": marked.encode(), ".docx": out.getvalue()}
    return [Seed("written", suffix, data) for suffix, data in written.items()]


# Reading cases, in a process that is watched


class News:
    """Progress that tells the watching process that reading goes on."""

    def __init__(self, connection: Connection) -> None:
        self._tell = connection.send

    def start(self, path: Path, pages: int) -> None:
        """The file is open."""
        self._tell(None)

    def pages(self, count: int) -> None:
        """A page is read."""
        self._tell(None)

    def embedding(self, total: int) -> None:
        """Not reached."""

    def embedded(self, done: int) -> None:
        """Not reached."""

    def finish(self, outcome: Outcome) -> None:
        """Not reached."""


def no_encoder() -> Encoder:
    """Reading must not need the model."""
    raise AssertionError("reading asked for the encoder")


def work(connection: Connection, settings: Settings) -> None:
    """Judge one file after the other, until there are no more."""
    os.setpgrp()
    pipeline = Pipeline(settings, no_encoder, settings.processes)
    with suppress(EOFError):
        while True:
            connection.send(judge(pipeline, connection.recv(), News(connection)))
    pipeline.close()


def judge(pipeline: Pipeline, path: Path, progress: News) -> Verdict:
    """Read a file and cut it into passages, as ingesting does."""
    try:
        read = pipeline.read(path, "0" * 64, path.name, default_bank_book(), progress)
    except (UnreadableFile, BadInput) as error:
        return Verdict("refused", in_general(str(error).replace(str(path), "")))
    except Exception:
        return Verdict("wrong", traceback.format_exc(), wrong=True)
    problems = [page.problem for page in read.pages if page.problem]
    return Verdict("read in part", in_general(problems[0])) if problems else Verdict("read", "")


def in_general(words: str) -> str:
    """A reason without what is of this case alone, so that cases can be counted."""
    known = re.split(r"; |[<\[({'\"]|byte \d|character \d", words.strip(": "))[0]
    return re.sub(r"\d+", "N", known)[:70].strip(": ")


class Reader:
    """The process that reads cases; started again where a case ends it, or has to be ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.largest_mb = 0
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, self._settings))
        self._process.start()
        theirs.close()

    def read(self, path: Path) -> Verdict:
        """What becomes of a file."""
        self._ours.send(path)
        due = time.monotonic() + self._settings.page_seconds + GRACE
        while True:
            if self._ours.poll(0.25):
                due = time.monotonic() + self._settings.page_seconds + GRACE
                try:
                    verdict: Verdict | None = self._ours.recv()
                except EOFError:
                    return self._again(Verdict("wrong", "the program died", wrong=True))
                if verdict:
                    return verdict
            elif time.monotonic() > due:
                return self._again(
                    Verdict("wrong", f"no news for {self._settings.page_seconds + GRACE:g} s", wrong=True)
                )
            elif too_large := self._too_large():
                return self._again(Verdict("wrong", too_large, wrong=True))

    def _too_large(self) -> str:
        """What is wrong with the memory of the processes at this moment."""
        sizes = memory_of_group(self._process.pid or 0)
        self.largest_mb = max([self.largest_mb, *sizes.values()])
        for pid, size in sizes.items():
            limit = MAIN_MB if pid == self._process.pid else self._settings.worker_mb + BESIDE_MB
            if size > limit:
                return f"{size} MB of memory, over the limit of {limit}"
        return ""

    def _again(self, verdict: Verdict) -> Verdict:
        self.close()
        self._start()
        return verdict

    def close(self) -> None:
        """End the process and those that it started."""
        if self._process.pid:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()
        self._ours.close()


def memory_of_group(group: int) -> dict[int, int]:
    """Megabytes in memory of each process of a group, where the platform tells (/proc)."""
    sizes: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                pages = int((entry / "statm").read_text().split()[1])
                sizes[int(entry.name)] = pages * resource.getpagesize() >> 20
    return sizes


def fuzz(
    seeds: Sequence[Seed], seed: int, first: int, count: int, minutes: float, settings: Settings, out: Path
) -> Tally:
    """Read cases until the time is over, or so many are read; those that go wrong are kept in `out`."""
    tally, number, end = Tally(), first, time.monotonic() + 60 * minutes
    with closing(Reader(settings)) as reader, tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end and number < first + count:
            name, data = make_case(seeds, seed, number)
            path = Path(folder) / f"case{Path(name).suffix}"
            path.write_bytes(data)
            start = time.monotonic()
            verdict = reader.read(path)
            tally.note(name, verdict, time.monotonic() - start)
            if verdict.wrong:
                out.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(data)
                tally.wrong.append(f"{out / name}: {verdict.words}")
                print(tally.wrong[-1], file=sys.stderr, flush=True)
            number += 1
    tally.largest_mb = reader.largest_mb
    return tally


def main() -> int:
    """Run, print what became of the cases, and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "seeds", nargs="*", type=Path, help="files and folders to start from, beside the sample reports"
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1, help="another one makes other cases")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=10**6, help="at most so many")
    parser.add_argument("--out", type=Path, default=Path("fuzzed"), help="folder for the files that go wrong")
    options = parser.parse_args()
    settings = load_settings().model_copy(update={"workers": 2})
    seeds = [*find_seeds([CORPUS, *options.seeds]), *written_seeds()]
    tally = fuzz(seeds, options.seed, options.first, options.cases, options.minutes, settings, options.out)
    print(f"{tally.outcomes.total()} cases from {len(seeds)} seeds; largest process {tally.largest_mb} MB; slowest:")
    for seconds, name in tally.slowest:
        print(f"{seconds:6.1f} s  {name}")
    for outcome, count in tally.outcomes.most_common():
        print(f"{count:6}  {outcome}")
    print("\n".join(["", f"wrong: {len(tally.wrong)}", *tally.wrong]))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
