"""The dimensions and topics of data/taxonomy.toml, with the words that point to them."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kb.errors import UnknownName
from kb.toml_file import read_toml

Name = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One of the six sides from which a report looks at a bank."""

    id: str
    description: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject within a dimension. `examples` are sentences that are about it, in nobody's words but ours."""

    id: str
    label: str
    dimension: str
    description: str
    terms: tuple[str, ...]
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """All dimensions and topics, in the order of the file."""

    dimensions: tuple[Dimension, ...]
    topics: tuple[Topic, ...]

    def dimension(self, name: str) -> str:
        """The dimension of this name. Raises UnknownName with the names that there are."""
        names = [dimension.id for dimension in self.dimensions]
        if name in names:
            return name
        raise UnknownName(f"unknown dimension {name!r}; the dimensions are {', '.join(names)}")

    def topic(self, name: str) -> str:
        """The id of the topic with this id or label. Raises UnknownName with the nearest ones."""
        known = {key: topic.id for topic in self.topics for key in (topic.id, topic.label)}
        if name in known:
            return known[name]
        near = get_close_matches(name, known, n=3, cutoff=0.2) or [topic.id for topic in self.topics[:3]]
        raise UnknownName(f"unknown topic {name!r}; nearest: {', '.join(near)}")


class Entry(BaseModel):
    """An entry of the file; a key that it does not know is an error, not a silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Name
    description: Name
    terms: tuple[Name, ...]


class TopicEntry(Entry):
    """A topic of the file."""

    label: Name
    dimension: str
    examples: tuple[Name, ...] = ()


class TaxonomyFile(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid")

    dimension: Annotated[tuple[Entry, ...], Field(min_length=1)]
    topic: Annotated[tuple[TopicEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def names_are_known(self) -> Self:
        """Every name stands once, and the dimension of every topic is there."""
        names = [entry.id for entry in self.dimension]
        ids = [*names, *(name for entry in self.topic for name in {entry.id, entry.label})]
        twice = next((one for one in ids if ids.count(one) > 1), None)
        if twice:
            raise ValueError(f"{twice!r} stands there twice")
        for entry in self.topic:
            if entry.dimension not in names:
                raise ValueError(f"topic {entry.id!r} names the unknown dimension {entry.dimension!r}")
        return self


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read the taxonomy at `path`, or the one in the package. Raises BadInput with the file and what is wrong in it."""
    if path is None:
        return default_taxonomy()
    data = read_toml(path, TaxonomyFile, "the taxonomy", "a taxonomy")
    return Taxonomy(
        tuple(Dimension(**entry.model_dump()) for entry in data.dimension),
        tuple(Topic(**entry.model_dump()) for entry in data.topic),
    )


@cache
def default_taxonomy() -> Taxonomy:
    """The taxonomy that comes with kb."""
    with resources.as_file(resources.files("kb.data") / "taxonomy.toml") as path:
        return load_taxonomy(path)
