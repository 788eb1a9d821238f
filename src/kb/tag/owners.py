"""Whose passage is it: the banks that a passage is about, those that it only names, and its region."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kb.banks import BankBook, Mention
from kb.records import Field, Kind, Passage, Reason, Tag

SAME_BANK = re.compile(r"(?P<that>该(?:行(?!业)|银行(?!业)|城商行|农商行|农信社|机构))|本行|我行")
SENTENCE = re.compile(r"[^。！？；\n]+")

# Named for somebody else's sake: 与X银行合作, 与X银行相比, 超过X银行, 感谢X银行.
PARTNER = re.compile(r"(?:联合|携手|对接|借助|引入|联手|牵手)$")
WITH = re.compile(r"(?:与|和|同|跟)$")
TOGETHER = re.compile(r"^[^，。；]{0,8}(?:合作|签约|签署|签订|共建|共同|联合|携手|达成|对接)")
COMPARED = re.compile(
    r"(?:超过|高于|低于|优于|不及|不如|落后于|仅次于|区别于|不同于|类似于?|对标|媲美|赶超|借鉴|相较于?|相比于?"
    r"|(?<![例如同占环对])比)$"
)
COMPARED_WITH = re.compile(r"^[^，。；]{0,6}(?:相比|相较|不同|类似|一样|比较)")
EXCEPTED = re.compile(r"除了?$")
THANKED = re.compile(r"(?:感谢|鸣谢|致谢|(?:访谈|采访|走访|调研)了)[^，。；]{0,6}$")

# An enumeration of so many banks is a list, not a tale of each; of fewer where it is summed up: 等5家城商行.
JOINT = re.compile(r"\s*(?:[、和与及或]|以及)\s*")
LONG_LIST, COUNTED_LIST, FEW = 6, 4, 3
COUNTED = re.compile(r"等?[\d一二三四五六七八九十两多数几]+家")

# What may stand between the beginning of a clause and its subject: 例如，X银行…; 2022年4月X银行…; 一是X银行….
LONGEST_LEAD = 24
LEAD = re.compile(
    r"(?:例如|比如|譬如|正如|如|其中|而|但|同时|此外|另外|目前|当前|近年来|去年|今年|实践案例[上中]|案例|以|为此|对此|仅有?|只有|[一二三四五六七八]是|第[一二三四五]"
    r"|[\d.、（）()①-⑩•·✓➢年月日上下半末初“\"\s]|[在从到自][^，]{1,12}[中上下里面年月日]|以[^，]{0,8}的)*"
)
PREDICATE = re.compile(r"(?!\s*(?:[、）)]|等|[和与及或]|以及|为代表|为首|在内|[这那]样|这类|之类))[^。；\n]{5}")
EXAMPLE = re.compile(r"(?:如|例如|比如|譬如|以)$")
MAIN_SHARE = 0.25
"""Banks that are no subjects are what a passage is about where what is told with them is this much of its text."""

SPEAKER = re.compile(r"——?[^，。；\n“”]{0,8}$")
TITLE = re.compile(
    r"[^，。；、—\n]{0,20}(?:行长|董事长|理事长|监事长|总裁|总监|总经理|经理|部长|主任|主管|负责人|首席|专家|书记|[CＣ][A-Z]O)[^，。；\n]{0,12}$"
)

# 苏州 in 苏州市 and 苏州地区 is where something happens, in 上海九江路 and 厦门大学 part of a name.
PLACE_TAIL = re.compile(r"省|市(?![场值民])|自治区|地区|各[县地]")
NAME_TAIL = re.compile(r"大学|路|街|证券|交易所|小异|[）)]|[^，。；、\n]{0,20}(?:公司|联盟|协会)")
ADDRESS = re.compile(r"地址|邮编")


@dataclass(frozen=True, slots=True)
class Named:
    """The banks of a stretch of text: those that it is about, and those only named, each with why and how surely."""

    about: tuple[Tag, ...]
    passing: tuple[Tag, ...]


def owner_tags(
    passages: Sequence[Passage],
    book: BankBook,
    by_hand: Mapping[str, Sequence[Tag]] | None = None,
    reporter: Tag | None = None,
) -> list[tuple[Tag, ...]]:
    """The bank, mention and region tags of each passage of one document, in reading order.

    Reasons are told by source: heading (that heading), cell and text (the name as written), speaker (the signature),
    neighbour (the bank of the passage before, and the word that stands for it here), bank (of the region), report
    (the publisher).
    `by_hand` has the bank tags of passages, by id, that hold over what is found; region and 该行 go by them too.
    `reporter` is the bank whose own report it is: what tells of no bank tells of that one.
    """
    found: list[tuple[Tag, ...]] = []
    before: tuple[Passage, list[Tag]] | None = None
    for passage in passages:
        tags = bank_tags(passage, before, book)
        if by_hand and passage.id in by_hand:
            tags = with_banks(tags, by_hand[passage.id])
        elif reporter and all(tag.field is not Field.BANK for tag in tags):
            tags = with_banks(tags, [reporter])
        region = region_tag(passage, tags, book)
        found.append((*tags, *((region,) if region else ())))
        before = passage, tags
    return found


def bank_tags(passage: Passage, before: tuple[Passage, list[Tag]] | None, book: BankBook) -> list[Tag]:
    """Bank and mention tags of a passage, given the passage before and its tags.

    The innermost heading that tells of banks owns the passage; a table row belongs to the bank of its first cell, a
    quotation to the bank of its speaker; else the text tells, and 该行 before any name is the bank of the passage
    before.
    """
    named = named_in(passage.text, book, 0 if passage.kind is Kind.TABLE else MAIN_SHARE)
    owners = heading_owners(passage, named, book) or cell_owners(passage, book) or speakers(passage, book)
    if not owners:
        owners = [*carried(passage, before, named, book), *named.about]
    owned = {tag.value for tag in owners}
    others = [only_mentioned(tag) for tag in (*named.about, *named.passing) if tag.value not in owned]
    return [*best_first(owners), *best_first(others)]


def with_banks(tags: Sequence[Tag], banks: Sequence[Tag]) -> list[Tag]:
    """Other bank tags in place of those found, and the mentions of other banks than these."""
    names = {tag.value for tag in banks}
    return [*banks, *(tag for tag in tags if tag.field is Field.MENTION and tag.value not in names)]


def heading_owners(passage: Passage, named: Named, book: BankBook) -> list[Tag]:
    """The banks of the innermost heading that tells of any; of several, those that the text takes up, if it does."""
    for heading in reversed(passage.heading):
        owners = named_in(heading, book, 0, brackets=True).about
        if owners:
            taken_up = {tag.value for tag in named.about}
            mine = [tag for tag in owners if tag.value in taken_up] or owners
            return [Tag(Field.BANK, tag.value, 1.0, (Reason("heading", heading),)) for tag in mine]
    return []


def cell_owners(passage: Passage, book: BankBook) -> list[Tag]:
    """The banks of the first cell of each row of a table."""
    if passage.kind is not Kind.TABLE:
        return []
    return [
        Tag(tag.field, tag.value, 1.0, (Reason("cell", tag.reasons[0].detail),))
        for tag in distinct(
            tag for cell in first_cells(passage.text) for tag in named_in(cell, book, 0, brackets=True).about
        )
    ]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of a table passage: the lines that begin with the first column's name."""
    lines = text.split("\n")
    name, colon, _ = lines[0].partition("：")
    return [line for line in lines if line.startswith(name + colon)] if colon else lines[:1]


def speakers(passage: Passage, book: BankBook) -> list[Tag]:
    """The bank of a signature at the end of a line: ——长沙银行首席信息官李兴双."""
    found = []
    for line in passage.text.split("\n"):
        for mention in book.mentions(line):
            if SPEAKER.search(line, 0, mention.start) and TITLE.match(line, mention.end):
                signature = line[mention.start :].strip()
                found.append(Tag(Field.BANK, mention.name, 0.95, (Reason("speaker", signature),)))
    return distinct(found)


def carried(passage: Passage, before: tuple[Passage, list[Tag]] | None, named: Named, book: BankBook) -> list[Tag]:
    """The bank of the passage before, where the text says 该行 and has not yet told of a bank itself."""
    word = SAME_BANK.search(passage.text)
    if not word or not before:
        return []
    told = {tag.value for tag in named.about}
    if any(mention.start < word.start() and mention.name in told for mention in book.mentions(passage.text)):
        return []
    bank = meant(before, passage, bool(word["that"]), book)
    return [Tag(Field.BANK, bank, 0.8, (Reason("neighbour", f"{bank}，{word[0]}"),))] if bank else []


def meant(before: tuple[Passage, list[Tag]], passage: Passage, that: bool, book: BankBook) -> str:
    """The bank that 该行 or, if not `that`, 本行 stands for after the passage `before`; empty if it is not certain.

    本行 is also any bank's word for itself: it needs the same heading and one bank. 该行 is the only bank, or that of
    the last sentence, under the same heading, one above or one below.
    """
    last, tags = before
    banks = {tag.value for tag in tags if tag.field is Field.BANK}
    depth = min(len(last.heading), len(passage.heading)) if that else None
    if last.heading != passage.heading and (not depth or last.heading[:depth] != passage.heading[:depth]):
        return ""
    if that and len(banks) > 1:
        for sentence in reversed(SENTENCE.findall(last.text)):
            told = banks & {mention.name for mention in book.mentions(sentence)}
            if told:
                banks = told
                break
    return banks.pop() if len(banks) == 1 else ""


def named_in(text: str, book: BankBook, share: float, brackets: bool = False) -> Named:
    """The banks that a text is about, and those that it only names.

    It is about the subjects of clauses, and about others where what is told with them is at least `share` of it.
    Partners, lists, comparisons and what stands in brackets are names only; a title's `brackets` name its bank.
    """
    mentions = book.mentions(text)
    runs = list(enumerations(text, mentions))
    aside = {m for m in mentions if is_beside(text, m, mentions) or (in_brackets(text, m) and not brackets)}
    aside |= {mention for run in runs if is_list(text, run) or run[0] in aside for mention in run}
    subjects = {mention for run in runs if is_subject(text, run) for mention in run}
    about: list[Tag] = []
    passing = [name_tag(text, mention, 0.9) for mention in mentions if mention in aside]
    sentences = [hit.span() for hit in SENTENCE.finditer(text)]
    told = [[m for m in mentions if start <= m.start < end and m not in aside] for start, end in sentences]
    length = sum(told_length(text, *span, inside) for span, inside in zip(sentences, told, strict=True) if inside)
    for inside in told:
        leads = any(mention in subjects for mention in inside)
        kept = about if leads or length >= share * len(text.strip()) else passing
        kept += [name_tag(text, mention, 0.95 if mention in subjects else 0.8) for mention in inside]
    return Named(tuple(distinct(about)), tuple(distinct(passing)))


def told_length(text: str, start: int, end: int, inside: Sequence[Mention]) -> int:
    """How much of a sentence is told of its banks: all from the first on; as examples, they stand for all of it."""
    example = any(EXAMPLE.search(text, start, mention.start) for mention in inside)
    return end - (start if example else inside[0].start)


def is_list(text: str, run: Sequence[Mention]) -> bool:
    """Whether banks side by side are one name of many each: six or more, or four and more summed up (等5家城商行)."""
    names = len({mention.name for mention in run})
    return names >= LONG_LIST or (names >= COUNTED_LIST and COUNTED.match(text, run[-1].end) is not None)


def is_subject(text: str, run: Sequence[Mention]) -> bool:
    """Whether up to three banks begin a clause that goes on to say something: X银行、Y银行推出…, not X银行等推出…."""
    start = max(text.rfind(mark, 0, run[0].start) for mark in "，。；：！？\n") + 1
    return (
        len(run) <= FEW
        and run[0].start - start <= LONGEST_LEAD
        and LEAD.fullmatch(text, start, run[0].start) is not None
        and PREDICATE.match(text, run[-1].end) is not None
    )


def is_beside(text: str, mention: Mention, mentions: Sequence[Mention]) -> bool:
    """Whether a bank is a partner, one compared with or left out, or one thanked."""
    start = max(text.rfind(mark, 0, mention.start) for mark in "。；\n") + 1
    before, after = text[start : mention.start], text[mention.end :]
    if COMPARED.search(before) or EXCEPTED.search(before) or THANKED.search(before):
        return True
    if WITH.search(before) and COMPARED_WITH.match(after):
        return True
    led = any(start <= other.start < mention.start and other.name != mention.name for other in mentions)
    return (led or bool(SAME_BANK.search(before))) and (
        bool(PARTNER.search(before)) or bool(WITH.search(before) and TOGETHER.match(after))
    )


def in_brackets(text: str, mention: Mention) -> bool:
    """Whether a bracket is open before a bank: （例如，X银行、Y银行的增速 …）."""
    line = text[text.rfind("\n", 0, mention.start) + 1 : mention.start]
    return max(line.rfind("（"), line.rfind("(")) > max(line.rfind("）"), line.rfind(")"))


def enumerations(text: str, mentions: Sequence[Mention]) -> Iterator[list[Mention]]:
    """The mentions in runs that stand side by side: A、B和C."""
    run: list[Mention] = []
    for mention in mentions:
        if run and not JOINT.fullmatch(text, run[-1].end, mention.start):
            yield run
            run = []
        run.append(mention)
    if run:
        yield run


def region_tag(passage: Passage, tags: Sequence[Tag], book: BankBook) -> Tag | None:
    """The region of the passage's banks where it is one for all; without banks, the place that it tells of."""
    banks = [tag.value for tag in tags if tag.field is Field.BANK]
    if not banks:
        return place_tag(passage, book)
    regions = {book.region(bank) for bank in banks}
    region = regions.pop() if len(regions) == 1 else ""
    return Tag(Field.REGION, region, 0.9, (Reason("bank", banks[0]),)) if region else None


def place_tag(passage: Passage, book: BankBook) -> Tag | None:
    """The one place of the innermost heading that names places, or of the text where it is plainly told of."""
    for heading in reversed(passage.heading):
        if places := places_in(heading, book):
            return one_region(places, 0.8, book)
    if ADDRESS.search(passage.text):
        return None
    places = places_in(passage.text, book)
    plain = any(PLACE_TAIL.match(passage.text, start + len(place)) for place, start in places)
    return one_region(places, 0.7, book) if plain else None


def places_in(text: str, book: BankBook) -> list[tuple[str, int]]:
    """The provinces and cities in a text, with where they stand; not those in the names of banks and of others."""
    banks = [(mention.start, mention.end) for mention in book.mentions(text)]
    found = []
    end = 0
    for start in range(len(text)):
        place = book.places.prefix(text[start : start + 5])
        wide = place in book.places.provinces or place in book.places.cities
        named = any(first <= start < last for first, last in banks)
        if start >= end and wide and not named and not NAME_TAIL.match(text, start + len(place)):
            found.append((place, start))
            end = start + len(place)
    return found


def one_region(places: Sequence[tuple[str, int]], score: float, book: BankBook) -> Tag | None:
    """The region that all places lie in: the city where it is one, else the province; None for several provinces."""
    regions = list(dict.fromkeys(book.places.home[place] for place, _ in places))
    provinces = {region.split()[0] for region in regions}
    if len(provinces) != 1:
        return None
    cities = [region for region in regions if " " in region]
    region = cities[0] if len(cities) == 1 else provinces.pop()
    return Tag(Field.REGION, region, score, (Reason("text", places[0][0]),))


def name_tag(text: str, mention: Mention, score: float) -> Tag:
    """A bank tag of a mention, for the name as written."""
    return Tag(Field.BANK, mention.name, score, (Reason("text", text[mention.start : mention.end]),))


def only_mentioned(tag: Tag) -> Tag:
    """The same bank and reason, as a mention."""
    return Tag(Field.MENTION, tag.value, tag.score, tag.reasons)


def distinct(tags: Iterable[Tag]) -> list[Tag]:
    """One tag a bank, in order of appearance, the surest of each."""
    found: dict[str, Tag] = {}
    for tag in tags:
        if tag.value not in found or tag.score > found[tag.value].score:
            found[tag.value] = tag
    return list(found.values())


def best_first(tags: Iterable[Tag]) -> list[Tag]:
    """One tag a bank, the surest first, in order of appearance else."""
    return sorted(distinct(tags), key=lambda tag: -tag.score)
