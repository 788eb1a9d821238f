"""The evidence for a question → how many excerpts there are of each dimension, bank, topic, year and report."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.page.asked import Asked
from kb.evidence import Finding
from kb.records import FILTERS, Filters

ORDER = ("dimension", "bank", "year", "topic", "report")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet, with its count, the share of it in the largest, 0 to 1, and the address that it leads to."""

    value: str
    label: str
    count: int
    share: float
    chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Facet:
    """What the excerpts can be narrowed by."""

    name: str
    choices: tuple[Choice, ...]


def matches(finding: Finding, wanted: Filters, reports: Sequence[str], leaving: str = "") -> bool:
    """Whether a finding has what the filters want, by canonical names; `leaving` one of them out."""
    has: Mapping[str, Sequence[object]] = {
        "bank": (finding.bank,),
        "dimension": (finding.passage.dimension,),
        "topic": finding.passage.topics,
        "year": (finding.document.year,),
        "report": (finding.document.id,),
    }
    asked = {name: getattr(wanted, name) for name in FILTERS} | {"report": reports}
    return all(not values or not set(values).isdisjoint(has[name]) for name, values in asked.items() if name != leaving)


def facets_of(
    findings: Iterable[Finding], asked: Asked, known: Filters, reports: Sequence[str], labels: Mapping[str, str]
) -> list[Facet]:
    """A facet for each filter: its values among what matches the others, so that choosing one more has its count."""
    found = list(findings)
    return [
        Facet(name, tuple(choices(name, counted(name, found, known, reports), asked, known, reports, labels)))
        for name in ORDER
    ]


def counted(name: str, findings: Iterable[Finding], known: Filters, reports: Sequence[str]) -> Counter[tuple[str, str]]:
    """How many excerpts have each value, as the filter takes it and as people read it; what says the same once."""
    groups: dict[tuple[str, str], set[int]] = {}
    for finding in findings:
        if matches(finding, known, reports, leaving=name):
            for value in values_of(name, finding):
                groups.setdefault(value, set()).add(finding.group)
    return Counter({value: len(group) for value, group in groups.items()})


def values_of(name: str, finding: Finding) -> list[tuple[str, str]]:
    """The values of a finding for one filter, each with what it is called."""
    passage, document = finding.passage, finding.document
    if name == "report":
        return [(document.id, document.title)]
    found: Mapping[str, Iterable[object]] = {
        "bank": [finding.bank],
        "dimension": [passage.dimension],
        "topic": passage.topics,
        "year": [document.year],
    }
    return [(str(value), str(value)) for value in found[name] if value]


def choices(
    name: str,
    counts: Counter[tuple[str, str]],
    asked: Asked,
    known: Filters,
    reports: Sequence[str],
    labels: Mapping[str, str],
) -> Iterator[Choice]:
    """The values of a facet: years by time, all others by count."""
    chosen = {str(value) for value in (reports if name == "report" else getattr(known, name))}
    ordered = counts.most_common()
    if name == "year":
        ordered.sort(reverse=True)
    most = max(counts.values(), default=1)
    for (value, label), count in ordered:
        given = int(value) if name == "year" else value
        then = clear(asked, name) if value in chosen else asked.having(name, given)
        yield Choice(value, labels.get(value, label), count, count / most, value in chosen, then.address())


def clear(asked: Asked, name: str) -> Asked:
    """The question without the filters of one name: they may be named otherwise than their values are."""
    for value in getattr(asked.filters, name):
        asked = asked.lacking(name, value)
    return asked
