"""Points, hits, findings and stored passages → excerpts as views show them, with the question's words marked."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from markupsafe import Markup, escape

from kb.bank_profile import HeldQuote
from kb.evidence import Evidence, Finding
from kb.records import Answer, BankEvidence, Citation, Document, Hit, Passage, Point
from kb.store import StoredPassage

LEAD = 160
"""Characters of a passage that are shown where no question says which of them count."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an excerpt stands; `labels` are the numbers printed on its pages, or the titles of its sections."""

    document: Document
    pages: tuple[int, ...]
    labels: tuple[str, ...] = ()
    passage_id: str = ""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Words of a passage with tags and source. `whole` tells that the words are the whole passage."""

    passage: Passage
    quote: str
    source: Source
    banks: tuple[str, ...]
    also: tuple[Source, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is left out of the passage."""
        return len(self.quote) >= len(self.passage.text)

    @property
    def at(self) -> str:
        """Where the words stand in the passage's text, as addresses have it: 12-96; empty for the whole passage."""
        start = self.passage.text.find(self.quote)
        return "" if self.whole or start < 0 else f"{start}-{start + len(self.quote)}"


@dataclass(frozen=True, slots=True)
class BankGroup:
    """Banks that share all their quotes, and these; "" stands for the industry as a whole."""

    names: tuple[str, ...]
    gist: str
    strong: bool
    excerpts: tuple[Excerpt, ...]
    more: int


def by_bank(answer: Answer) -> list[BankGroup]:
    """The evidence of an answer in its order. Banks with the same quotes share a heading; the industry has its own."""
    groups: dict[object, list[BankEvidence]] = {}
    for one in answer.evidence:
        key = tuple((point.citation.passage_id, point.citation.quote) for point in one.points) if one.bank else ""
        groups.setdefault(key, []).append(one)
    return [
        BankGroup(
            tuple(one.bank for one in same),
            same[0].gist,
            same[0].strong,
            tuple(map(of_point, same[0].points)),
            same[0].more,
        )
        for same in groups.values()
    ]


def of_citation(citation: Citation) -> Source:
    """A citation as a source."""
    return Source(citation.document, citation.pages, citation.labels, citation.passage_id)


def of_point(point: Point) -> Excerpt:
    """A point of an answer."""
    passage = point.hit.passage
    also = tuple(map(of_citation, point.also))
    return Excerpt(passage, point.citation.quote, of_citation(point.citation), passage.banks, also)


def of_hit(hit: Hit) -> Excerpt:
    """A hit, with where the same is said elsewhere."""
    also = tuple(Source(twin.document, twin.passage.pages, (), twin.passage.id) for twin in hit.also)
    source = Source(hit.document, hit.passage.pages, (), hit.passage.id)
    return Excerpt(hit.passage, hit.quote, source, hit.passage.banks, also)


def of_stored(stored: StoredPassage) -> Excerpt:
    """A passage that no question chose: its first words, to the end of a sentence where one ends there."""
    text = stored.passage.text
    ends = [found.end() for found in re.finditer(r"[。！？；]", text[:LEAD])]
    quote = text if len(text) <= LEAD else text[: ends[-1] if ends else LEAD]
    return Excerpt(
        stored.passage,
        quote,
        Source(stored.document, stored.passage.pages, (), stored.passage.id),
        stored.passage.banks,
    )


def of_held(held: HeldQuote) -> Excerpt:
    """A quote of a bank."""
    return Excerpt(held.passage, held.citation.quote, of_citation(held.citation), held.passage.banks)


def of_findings(findings: Iterable[Finding]) -> list[Excerpt]:
    """The evidence for a question, best first: what says the same in one, with all of its banks and places."""
    groups: dict[int, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.group, []).append(finding)
    return [of_group(group) for group in groups.values()]


def pool(evidence: Evidence, answer: Answer) -> list[Finding]:
    """The evidence for a question, and behind it what the answer has of banks beyond that; each with a group, which is
    one for what says the same."""
    found, groups = list(evidence.findings), {one.passage.id: one.group for one in evidence.findings}
    known = {(one.bank, one.passage.id) for one in found}
    fresh = count(max(groups.values(), default=0) + 1)
    for one in answer.evidence:
        for point in one.points:
            passage = point.hit.passage
            if (one.bank, passage.id) in known or (not one.bank and passage.id in groups):
                continue
            group = groups.setdefault(passage.id, next(fresh))
            found.append(Finding(one.bank, point.hit.score, group, point.hit.document, passage, point.citation))
    return found


def of_group(group: Sequence[Finding]) -> Excerpt:
    """Findings that say the same: the best, and where else it stands."""
    best = group[0]
    banks = tuple(dict.fromkeys(finding.bank for finding in group if finding.bank))
    others = {finding.passage.id: of_citation(finding.citation) for finding in group if finding.passage != best.passage}
    return Excerpt(best.passage, best.citation.quote, of_citation(best.citation), banks, tuple(others.values()))


def mark(text: str, words: Iterable[str]) -> Markup:
    """A text as HTML with words marked, whatever their case; everything in it is escaped."""
    ways = "|".join(re.escape(word) for word in sorted(set(words), key=len, reverse=True) if word)
    if not ways:
        return escape(text)
    pieces = re.split(f"((?:{ways})+)", text, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if at % 2 else piece for at, piece in enumerate(pieces)
    )


def mark_quote(text: str, quote: str, words: Sequence[str]) -> Markup:
    """A passage as HTML with a quote of it set off, and words marked in both."""
    start = text.find(quote) if quote else -1
    if start < 0:
        return mark(text, words)
    end = start + len(quote)
    parts = mark(text[:start], words), mark(quote, words), mark(text[end:], words)
    return Markup('{}<span class="best">{}</span>{}').format(*parts)
