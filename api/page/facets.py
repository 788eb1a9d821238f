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
    asked = {name: wanted_of(name, wanted, reports) for name in FILTERS if name != leaving}
    return all(not values or not values.isdisjoint(values_of(name, finding)) for name, values in asked.items())


def wanted_of(name: str, wanted: Filters, reports: Sequence[str]) -> set[object]:
    """What is asked for of one filter, as `values_of` gives it."""
    return set(reports if name == "report" else getattr(wanted, name))


def values_of(name: str, finding: Finding) -> list[object]:
    """The values of a finding for one filter."""
    found: Mapping[str, Iterable[object]] = {
        "bank": [finding.bank],
        "dimension": [finding.passage.dimension],
        "topic": finding.passage.topics,
        "year": [finding.document.year],
        "report": [finding.document.id],
    }
    return [value for value in found[name] if value]


def facets_of(
    findings: Iterable[Finding], asked: Asked, known: Filters, reports: Sequence[str], labels: Mapping[str, str]
) -> list[Facet]:
    """A facet for each filter: its values among what matches the others, so that choosing one more has its count."""
    found = list(findings)
    return [
        Facet(name, tuple(choices(name, counted(name, found, known, reports), asked, known, reports, labels)))
        for name in ORDER
    ]


def counted(name: str, findings: Iterable[Finding], known: Filters, reports: Sequence[str]) -> Counter[object]:
    """How many excerpts have each value; what says the same once."""
    groups: dict[object, set[int]] = {}
    for finding in findings:
        if matches(finding, known, reports, leaving=name):
            for value in values_of(name, finding):
                groups.setdefault(value, set()).add(finding.group)
    return Counter({value: len(group) for value, group in groups.items()})


def choices(
    name: str,
    counts: Counter[object],
    asked: Asked,
    known: Filters,
    reports: Sequence[str],
    labels: Mapping[str, str],
) -> Iterator[Choice]:
    """The values of a facet: years by time, all others by count. Choosing one that is chosen takes all of its facet
    back, which may be named otherwise than they are."""
    chosen = wanted_of(name, known, reports)
    ordered = counts.most_common()
    if name == "year":
        ordered.sort(key=lambda one: str(one[0]), reverse=True)
    most = max(counts.values(), default=1)
    for value, count in ordered:
        then = asked.setting(name) if value in chosen else asked.having(name, value)
        written = str(value)
        yield Choice(written, labels.get(written, written), count, count / most, value in chosen, then.address())
