"""What is known without a question asked: filters by any name → the passages, figures and cases that match."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Generic, TypeVar

from kb.banks import BankBook, default_bank_book, load_bank_book
from kb.errors import BadInput, BadQuery, BadSettings, NothingMatches, UnknownName
from kb.records import FILTERS, Document, Filters
from kb.settings import Settings
from kb.store import Store, StoredCase, StoredFigure
from kb.tag.amounts import normal_unit
from kb.taxonomy import Taxonomy, load_taxonomy
from kb.words import fold

STORE_FILE = "kb.sqlite"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """Some of all that was found, and how many that are."""

    total: int
    items: tuple[T, ...]


class Catalogue:
    """An open store with the banks and the taxonomy by which its passages are found."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.book, self.taxonomy = open_names(settings)

    @classmethod
    def open(cls, settings: Settings) -> "Catalogue":
        """Open the index that the settings name, as it is now. Raises IndexMissing, IndexDamaged, BadInput."""
        store = Store.open(settings.index / STORE_FILE)
        try:
            store.snapshot()
            return cls(store, settings)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> "Catalogue":
        return self

    def __exit__(self, *exc: object) -> None:
        self.store.close()

    def figures(
        self, filters: Filters, name: str = "", unit: str = "", limit: int | None = None, offset: int = 0
    ) -> Part[StoredFigure]:
        """The figures of the passages that match, whose name has `name` in it and whose unit is `unit`.

        `unit` may be one that is normalised away: 亿元, bp. Raises UnknownName, NothingMatches where there is none.
        """
        wanted, measure = fold(name.strip()), normal_unit(unit.strip())
        found = [
            (row, figure)
            for row, figure in self.store.bare_figures(self.matching_rows(*self.resolve(filters)))
            if wanted in fold(figure.name) and measure in ("", figure.unit)
        ]
        if not found:
            asked = [describe_filters(filters), f"name {name}" if name else "", f"unit {unit}" if unit else ""]
            words = ", ".join(filter(None, asked)) or "this index"
            raise NothingMatches(f"no figure matches {words}; drop or change a filter")
        return Part(len(found), tuple(self.store.with_passages(found[offset:][:limit])))

    def cases(self, filters: Filters, limit: int | None = None, offset: int = 0) -> Part[StoredCase]:
        """The cases of which a passage matches. Raises UnknownName, and NothingMatches where there is none."""
        known, reports = self.resolve(filters)
        found = self.store.case_ids(self.matching_rows(known, reports), known.bank)
        if not found:
            words = describe_filters(filters) or "this index"
            raise NothingMatches(f"no case matches {words}; drop or change a filter")
        return Part(len(found), tuple(self.store.case(case) for case in found[offset:][:limit]))

    def matching_rows(self, filters: Filters, reports: Sequence[str], newest: bool = False) -> list[int]:
        """The row numbers of the passages that match resolved filters, with `newest` those of the newest reports first.

        Raises NothingMatches where there is none.
        """
        rows = self.store.matching_rows(filters, reports, newest)
        if not rows and filters:
            raise nothing_matches(filters)
        return rows

    def resolve(self, filters: Filters) -> tuple[Filters, tuple[str, ...]]:
        """Filters by their canonical names, and the ids of the reports meant. Raises UnknownName."""
        documents = self.store.documents() if filters.report else []
        reports = tuple(found for name in filters.report for found in find_report(name, documents))
        known = replace(
            filters,
            bank=tuple(dict.fromkeys(same for name in filters.bank for same in self.bank_names(name))),
            dimension=tuple(self.taxonomy.dimension(name) for name in filters.dimension),
            topic=tuple(self.taxonomy.topic(name) for name in filters.topic),
        )
        return known, reports

    def bank_names(self, name: str) -> tuple[str, ...]:
        """The canonical name of a bank, known by the list or by a tag, and of what it was or became.

        Raises UnknownName with the nearest names.
        """
        found = self.book.canonical(name.strip())
        if found:
            return self.book.lineage(found)
        tagged = self.store.bank_counts()
        if name.strip() in tagged:
            return (name.strip(),)
        near = get_close_matches(name, tagged, n=2, cutoff=0.5) + self.book.nearest(name)
        raise UnknownName(f"unknown bank {name!r}; nearest: {', '.join(dict.fromkeys(near)) or 'none'}")


def open_names(settings: Settings) -> tuple[BankBook, Taxonomy]:
    """The banks and the taxonomy that the settings name. Raises BadSettings."""
    try:
        book = load_bank_book(settings.banks) if settings.banks else default_bank_book()
        return book, load_taxonomy(settings.taxonomy)
    except BadInput as error:
        raise BadSettings(str(error)) from error


def find_report(name: str, documents: Sequence[Document], whole: bool = False) -> list[str]:
    """Ids of the reports with this id, file name, file stem or title, or unless `whole` part of it.

    Raises UnknownName.
    """
    wanted = fold(name.strip())
    part = [d for d in documents if wanted and wanted in fold(d.title)]
    exact = [d.id for d in documents if wanted in (fold(d.id), fold(d.file), fold(Path(d.file).stem), fold(d.title))]
    found = exact or [d.id for d in part if not whole]
    if found:
        return found
    names = [word for d in documents for word in (d.file, d.title)]
    near = [d.file for d in part[:3]] or get_close_matches(name, names, n=3, cutoff=0.2)
    near = near or [d.file for d in documents[:3]]
    raise UnknownName(f"unknown report {name!r}; nearest: {', '.join(near) or 'the index is empty'}")


def parse_filters(raw: dict[str, object]) -> Filters:
    """Filters as they come in JSON: a value or a list for each of bank, dimension, topic, year, report.

    Raises UnknownName for another key, BadQuery for a year that is no number.
    """
    unknown = set(raw) - set(FILTERS)
    if unknown:
        raise UnknownName(f"unknown filter {sorted(unknown)[0]!r}; there are {', '.join(FILTERS)}")
    lists = {key: value if isinstance(value, list) else [value] for key, value in raw.items() if value is not None}
    try:
        years = tuple(int(str(year)) for year in lists.pop("year", []))
    except ValueError as error:
        raise BadQuery(f"year {raw['year']!r} is not a number") from error
    if any(not 0 <= year <= 9999 for year in years):
        raise BadQuery(f"year {raw['year']!r} is no year")
    return Filters(year=years, **{key: tuple(str(item) for item in items) for key, items in lists.items()})


def nothing_matches(filters: Filters) -> NothingMatches:
    """The error for filters that no passage matches."""
    return NothingMatches(f"no passage matches {describe_filters(filters)}; drop or change one of them")


def describe_filters(filters: Filters) -> str:
    """Filters in words, for messages."""
    return ", ".join(
        f"{name} {' or '.join(map(str, getattr(filters, name)))}" for name in FILTERS if getattr(filters, name)
    )
