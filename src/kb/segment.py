"""Blocks → passages: stretches of one section, of 120 to 400 characters where the text allows, with their spans."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from kb.records import Block, Kind, Page, Passage, Piece, Span, pages_of
from kb.words import hashed, mend, sentences

LEAST = 120
AIM = 340
MOST = 400
TINY = 120
"""A passage shorter than this joins its neighbour under the same parent heading."""

LEAST_POINT = 8
"""A heading without text that is shorter is a label of a drawing or a part's number, and no point of its own."""

ROW_ALONE = 50
"""A table row from this length on is a passage of its own; shorter rows go together."""

LONGEST_ROW = 600
"""A table row longer than this is cut between sentences."""

ROW_TITLE = 24
"""A table row shorter than this names the rows below it, or has next to nothing in it."""

MAX_LABEL = 8
"""A label over a part of a case has at most this many characters."""

JOINERS = frozenset("\n ：")
"""What may stand in a passage between its spans; everything else is a page's text, mended."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading while it is in force, with the box or slide that it belongs to."""

    text: str
    level: int
    group: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Atom:
    """The smallest thing that is not cut: a paragraph, a list item, a table row. Parts are joined without a break."""

    kind: Kind
    parts: tuple[tuple[str, Piece], ...]
    """Each piece with the joiner before it."""

    names: frozenset[int] = frozenset()
    """Which of the parts are names of columns."""

    @property
    def length(self) -> int:
        """How many characters it will take."""
        return sum(len(joiner) + len(piece.text) for joiner, piece in self.parts)


@dataclass(frozen=True, slots=True)
class Draft:
    """A passage before it has its id: its headings and its atoms, which stand on lines of their own."""

    path: tuple[Heading, ...]
    group: int
    slide: int
    atoms: tuple[Atom, ...]

    @property
    def length(self) -> int:
        """How many characters it will take."""
        return sum(atom.length for atom in self.atoms)


def blocks_to_passages(
    blocks: Sequence[Block], pages: Sequence[Page], sha256: str, names_bank: Callable[[str], bool]
) -> list[Passage]:
    """Cut a document into passages. Passages do not cross headings that name another bank, boxes or slides.

    `names_bank` tells whether a heading names a bank, which keeps short neighbours apart.
    """
    slides = {page.number for page in pages if page.width > page.height}
    drafts = [draft for section in to_sections(blocks, slides) for draft in pack(section)]
    drafts = join_tiny(drafts, names_bank)
    return number_passages(drafts, sha256)


def to_sections(blocks: Sequence[Block], slides: set[int]) -> Iterator[Draft]:
    """Runs of blocks under one heading path, in one box, and on one slide."""
    for _, run in groupby(blocks_to_drafts(blocks, slides), lambda draft: (draft.path, draft.group, draft.slide)):
        first, *rest = run
        yield replace(first, atoms=(*first.atoms, *(atom for draft in rest for atom in draft.atoms)))


def blocks_to_drafts(blocks: Sequence[Block], slides: set[int]) -> Iterator[Draft]:
    """Each block with the headings in force; a heading that no text ever follows becomes text under those above it."""
    path: tuple[Heading, ...] = ()
    caption: Heading | None = None
    notes: list[Draft] = []  # footnotes, which wait for the end of the section that they interrupt
    told: set[Heading] = set()  # headings with text below them
    bare = False  # whether the last heading has had no text yet
    for block in (*blocks, END):
        before = path
        if block.kind is Kind.NOTE:
            page = first_page(block)
            notes.append(Draft(path, NOTES, page, tuple(block_to_atoms(block))))
            continue
        if block.kind is Kind.HEADING or block is END:
            yield from notes
            notes = []
        if block.kind is Kind.HEADING:
            path, bare = enter(path, block, bare), True
        elif block.kind is Kind.CAPTION:
            caption = Heading(mend(block.text), 99, block.group, block.pieces)
        elif block.kind not in (Kind.CONTENTS, Kind.NOISE):
            path = tuple(heading for heading in path if heading.group in (0, block.group))
        yield from untold(before, path if block is not END else (), told, slides)
        if block is END or block.kind in (Kind.HEADING, Kind.CAPTION, Kind.CONTENTS, Kind.NOISE):
            continue
        told |= set(path)
        bare = False
        here = (*path, caption) if block.kind is Kind.TABLE and caption else path
        caption = caption if block.kind is Kind.TABLE else None
        page = first_page(block)
        yield Draft(here, block.group, page if page in slides else 0, tuple(block_to_atoms(block)))


NOTES = -1
"""The group of footnotes, which join no other text."""

END = Block(Kind.NOISE, ())
"""Stands behind the last block, where all headings end."""


def untold(
    before: tuple[Heading, ...], after: tuple[Heading, ...], told: set[Heading], slides: set[int]
) -> Iterator[Draft]:
    """The headings that have just ended without a text below them, such as the points of a slide set in large type."""
    for at, heading in enumerate(before):
        if heading not in after and heading not in told:
            told |= set(before[: at + 1])
            if len(heading.text) < LEAST_POINT:
                continue
            page = heading.pieces[0].page
            atom = Atom(Kind.LIST, tuple(joined(heading.pieces)))
            yield Draft(before[:at], heading.group, page if page in slides else 0, (atom,))


def enter(path: tuple[Heading, ...], block: Block, bare: bool) -> tuple[Heading, ...]:
    """The heading path below a new heading: those of its level and deeper end, and those of boxes left behind.

    A label right under a heading of its level stands below it: a bank's name over 具体举措, set in the same type.
    """
    text = mend(block.text)
    above = path[-1] if bare and path and path[-1].level == block.level and is_label(text, path[-1].text) else None
    kept = tuple(h for h in path if (h.level < block.level or h is above) and h.group in (0, block.group))
    return (*kept, Heading(text, block.level, block.group, block.pieces))


def is_label(text: str, above: str) -> bool:
    """Whether a heading only labels what follows: it ends with a colon, or is a word or two under a longer one."""
    return text.endswith(("：", ":")) or len(text) <= MAX_LABEL < len(above)


def first_page(block: Block) -> int:
    """The page that a block begins on."""
    pieces = block.pieces or next(cell for _, cell in block.cells if cell)
    return pieces[0].page


def block_to_atoms(block: Block) -> Iterator[Atom]:
    """A block as atoms; a long paragraph is cut between sentences."""
    if block.kind is Kind.TABLE:
        yield from cut_row(row_to_atom(block), block)
        return
    parts = tuple(joined(block.pieces))
    if sum(len(joiner) + len(piece.text) for joiner, piece in parts) <= MOST:
        yield Atom(block.kind, parts)
    else:
        yield from cut_atom(Atom(block.kind, parts))


def joined(pieces: Sequence[Piece]) -> Iterator[tuple[str, Piece]]:
    """Pieces of one paragraph, each with what stands before it: a blank between Latin words, else nothing."""
    before = ""
    for piece in pieces:
        latin = (
            before[-1:].isascii() and before[-1:].isalnum() and piece.text[:1].isascii() and piece.text[:1].isalnum()
        )
        yield " " if latin else "", piece
        before = piece.text


def row_to_atom(block: Block) -> Atom:
    """A table row: each filled cell on its line, behind its column's name; a cell alone is a title over rows."""
    parts: list[tuple[str, Piece]] = []
    names: set[int] = set()
    filled = [(header, cell) for header, cell in block.cells if cell]
    for header, cell in filled if len(filled) > 1 else [((), cell) for _, cell in filled]:
        names |= set(range(len(parts), len(parts) + len(header)))
        line = [*joined(header), ("：", cell[0]), *list(joined(cell))[1:]] if header else list(joined(cell))
        parts += [("\n" if parts else "", line[0][1]), *line[1:]]
    return Atom(Kind.TABLE, tuple(parts), frozenset(names))


def cut_row(atom: Atom, block: Block) -> Iterator[Atom]:
    """A table row whole; one that is far too long in parts, each of which begins with its first cell."""
    if atom.length <= LONGEST_ROW:
        yield atom
        return
    first = next(cell for _, cell in block.cells if cell)
    named = {atom.parts[at][1] for at in atom.names}
    at = next(at for at, (_, piece) in enumerate(atom.parts) if piece is first[-1]) + 1
    head = atom.parts[:at] if sum(len(piece.text) for _, piece in atom.parts[:at]) <= LEAST else ()
    for part in cut_atom(Atom(Kind.TABLE, atom.parts[len(head) :])):
        (_, begin), *rest = part.parts
        parts = (*head, ("\n" if head else "", begin), *rest)
        yield Atom(Kind.TABLE, parts, frozenset(at for at, (_, piece) in enumerate(parts) if piece in named))


def cut_atom(atom: Atom) -> Iterator[Atom]:
    """A long paragraph in parts of about equal length, cut between sentences, none longer than MOST."""
    text = "".join(joiner + piece.text for joiner, piece in atom.parts)
    aim = len(text) / -(-len(text) // MOST)
    cuts = [0]
    ends = [end for _, end in sentences(text)]
    for end, following in zip(ends, ends[1:], strict=False):
        if end - cuts[-1] >= 0.8 * aim and len(text) - end > LEAST / 2 or following - cuts[-1] > MOST:
            cuts.append(end)
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        yield Atom(atom.kind, tuple(parts_between(atom, start, end)))


def parts_between(atom: Atom, start: int, end: int) -> Iterator[tuple[str, Piece]]:
    """The parts of an atom that stand between two offsets of its text; the first has no joiner."""
    at, first = 0, True
    for joiner, piece in atom.parts:
        at += len(joiner)
        left, right = max(start - at, 0), min(end - at, len(piece.text))
        if left < right:
            yield "" if first else joiner, part_of(piece, left, right)
            first = False
        at += len(piece.text)


def part_of(piece: Piece, start: int, end: int) -> Piece:
    """Part of a printed line."""
    return replace(piece, start=piece.start + start, end=piece.start + end, text=piece.text[start:end])


def pack(section: Draft) -> Iterator[Draft]:
    """A section's atoms in passages: filled up to AIM, never over MOST; a short rest goes to the one before."""
    groups: list[list[Atom]] = []
    length = 0  # of the last group
    for atom in section.atoms:
        if groups and fits(groups[-1], length, atom):
            groups[-1].append(atom)
            length += atom.length
        else:
            groups.append([atom])
            length = atom.length
    if len(groups) > 1:
        last, before = sum(a.length for a in groups[-1]), sum(a.length for a in groups[-2])
        alone = stands_alone(groups[-1][0]) or stands_alone(groups[-2][-1])
        if last < LEAST and last + before <= MOST and not alone:
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        yield replace(section, atoms=tuple(group))


def fits(group: Sequence[Atom], length: int, atom: Atom) -> bool:
    """Whether an atom goes into the passage."""
    if len(group) == 1 and names_rows(group[0]) and atom.kind is Kind.TABLE:
        return length + atom.length <= MOST
    if stands_alone(atom) or stands_alone(group[-1]) or (atom.kind is Kind.TABLE) != (group[-1].kind is Kind.TABLE):
        return False
    return length + atom.length <= (MOST if length < LEAST else AIM)


def names_rows(atom: Atom) -> bool:
    """Whether a table row is a title over the rows below it, a few words; it goes with the first of them."""
    return atom.kind is Kind.TABLE and atom.length < ROW_TITLE


def stands_alone(atom: Atom) -> bool:
    """Quotes and table rows of some length are passages of their own."""
    return atom.kind is Kind.QUOTE or atom.kind is Kind.TABLE and atom.length >= ROW_ALONE


def join_tiny(drafts: Sequence[Draft], names_bank: Callable[[str], bool]) -> list[Draft]:
    """Join very short passages to the one before under the same parent heading, with the headings between them."""
    result: list[Draft] = []
    for draft in drafts:
        if result and may_join(result[-1], draft, names_bank):
            result[-1] = join_under_parent(result[-1], draft)
        else:
            result.append(draft)
    return result


def may_join(before: Draft, draft: Draft, names_bank: Callable[[str], bool]) -> bool:
    """Whether two neighbours are parts of one short thing: one of them tiny, same place, no other bank's heading."""
    shortest, both = min(before.length, draft.length), before.length + draft.length
    if (
        both > MOST
        or NOTES in (before.group, draft.group)
        or any(atom.kind is Kind.QUOTE for atom in (*before.atoms, *draft.atoms))
    ):
        return False
    if draft.slide and (before.slide, before.path) == (draft.slide, draft.path):
        return shortest < LEAST  # boxes without a heading of their own: steps, years, points of one slide
    if shortest >= TINY:
        return False
    if (before.group, before.slide) != (draft.group, draft.slide):
        return False
    if any(stands_alone(atom) and atom.kind is Kind.TABLE for atom in (before.atoms[-1], *draft.atoms[:2])):
        return False
    shared = shared_path(before, draft)
    deeper = (*before.path[len(shared) :], *draft.path[len(shared) :])
    near = len(before.path) - len(shared) <= 1 and len(draft.path) - len(shared) <= 1
    return near and (bool(shared) or not deeper) and not any(names_bank(heading.text) for heading in deeper)


def shared_path(one: Draft, other: Draft) -> tuple[Heading, ...]:
    """The headings that two drafts have in common."""
    shared: list[Heading] = []
    for left, right in zip(one.path, other.path, strict=False):
        if left != right:
            break
        shared.append(left)
    return tuple(shared)


def join_under_parent(before: Draft, draft: Draft) -> Draft:
    """One draft of two; headings that only one of them has become lines of the text."""
    shared = shared_path(before, draft)

    def with_headings(one: Draft) -> tuple[Atom, ...]:
        own = [Atom(Kind.TEXT, tuple(joined(heading.pieces))) for heading in one.path[len(shared) :]]
        return (*own, *one.atoms)

    return replace(before, path=shared, atoms=with_headings(before) + with_headings(draft))


def number_passages(drafts: Sequence[Draft], sha256: str) -> list[Passage]:
    """Drafts as passages with permanent ids: a hash of the document's hash, page and text; equal ones are counted."""
    seen: Counter[tuple[int, str]] = Counter()
    passages: list[Passage] = []
    for draft in drafts:
        text, spans = write_text(draft.atoms)
        page = pages_of(spans)[0]
        key = page, text
        seen[key] += 1
        material = "\x1f".join((sha256, str(page), text, str(seen[key])))
        identity = hashed(material)
        path = tuple(heading.text for heading in draft.path)
        passages.append(Passage(identity, passage_kind(draft), path, text, spans))
    return passages


def write_text(atoms: Sequence[Atom]) -> tuple[str, tuple[Span, ...]]:
    """The text of a passage and the spans that it is made of."""
    text = ""
    spans: list[Span] = []
    for atom in atoms:
        for at, (joiner, piece) in enumerate(atom.parts):
            text += "\n" if at == 0 and text else joiner if at else ""
            spans.append(Span(piece.page, piece.start, piece.end, len(text), at in atom.names))
            text += mend(piece.text)
    return text, tuple(spans)


def passage_kind(draft: Draft) -> Kind:
    """What most of a passage is."""
    lengths: Counter[Kind] = Counter()
    for atom in draft.atoms:
        lengths[atom.kind] += atom.length
    kind = lengths.most_common(1)[0][0]
    return Kind.TEXT if kind is Kind.NOTE else kind
