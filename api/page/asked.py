"""What a view was asked: question and filters, and the addresses of the same with a little changed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from kb.records import FILTERS, Filters


def encoded(value: str) -> str:
    """A value as part of an address in HTML. Chinese stays as it is: encoded, it would take three times the room."""
    return "".join(char if ord(char) > 127 else quote(char, safe="") for char in value)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the address without it."""

    name: str
    value: str
    without: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, which may be empty, and its filters as their user named them, at the address `path`."""

    path: str
    question: str = ""
    filters: Filters = Filters()

    def address(self, path: str = "", **more: object) -> str:
        """The address of this, at `path` if one is given, with `more` parameters, those that are empty left out."""
        given: list[tuple[str, object]] = [("q", self.question)] if self.question else []
        given += [(name, value) for name in FILTERS for value in getattr(self.filters, name)]
        given += [(name, value) for name, value in more.items() if value]
        written = "&".join(f"{name}={encoded(str(value))}" for name, value in given)
        return (path or self.path) + (f"?{written}" if given else "")

    def having(self, name: str, value: object) -> "Asked":
        """The same with one more filter."""
        return self.setting(name, *dict.fromkeys([*getattr(self.filters, name), value]))

    def lacking(self, name: str, value: object) -> "Asked":
        """The same without one filter."""
        return self.setting(name, *(each for each in getattr(self.filters, name) if each != value))

    def toggled(self, name: str, value: object) -> "Asked":
        """The same with a filter, or without it where it is set."""
        return self.lacking(name, value) if value in getattr(self.filters, name) else self.having(name, value)

    def narrowed(self, name: str, value: object) -> "Asked":
        """The same with one value of a filter in the place of what it was; as it is for an empty one."""
        return self.setting(name, value) if value else self

    def setting(self, name: str, *values: object) -> "Asked":
        """The same with these values of a filter in the place of what it was."""
        filters: dict[str, Any] = {name: values}
        return replace(self, filters=replace(self.filters, **filters))

    def only(self, **filters: object) -> "Asked":
        """The same question with these filters in place of all."""
        return replace(self, filters=Filters(**{name: (value,) for name, value in filters.items() if value}))  # type: ignore[arg-type]

    @property
    def bare(self) -> "Asked":
        """The same without filters."""
        return replace(self, filters=Filters())

    @property
    def bare_question(self) -> "Asked":
        """The same filters without a question."""
        return replace(self, question="")

    @property
    def pairs(self) -> list[tuple[str, object]]:
        """Each filter that is set, with its name."""
        return [(name, value) for name in FILTERS for value in getattr(self.filters, name)]

    def chips(self) -> Iterator[Chip]:
        """The filters that are set, each with the way out of it."""
        for name, value in self.pairs:
            yield Chip(name, str(value), self.lacking(name, value).address())
