"""The dimensions and topics of data/taxonomy.toml, with the words that point to them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from kb.errors import BadInput, UnknownName


@dataclass(frozen=True, slots=True)
class Dimension:
    """One of the six sides from which a report looks at a bank."""

    id: str
    description: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject within a dimension."""

    id: str
    label: str
    dimension: str
    description: str
    terms: tuple[str, ...]


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


def load_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy. Raises BadInput with the file and what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return parse_taxonomy(data)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not a taxonomy: {error}") from error


def parse_taxonomy(data: Mapping[str, Any]) -> Taxonomy:
    """The taxonomy in parsed TOML; every topic's dimension must be there."""
    dimensions = tuple(
        Dimension(entry["id"], entry["description"], tuple(entry["terms"])) for entry in data["dimension"]
    )
    topics = tuple(
        Topic(entry["id"], entry["label"], entry["dimension"], entry["description"], tuple(entry["terms"]))
        for entry in data["topic"]
    )
    names = {dimension.id for dimension in dimensions}
    for topic in topics:
        if topic.dimension not in names:
            raise KeyError(f"topic {topic.id} names the unknown dimension {topic.dimension}")
    return Taxonomy(dimensions, topics)


@cache
def default_taxonomy() -> Taxonomy:
    """The taxonomy that comes with kb."""
    with resources.as_file(resources.files("kb.data") / "taxonomy.toml") as path:
        return load_taxonomy(path)
