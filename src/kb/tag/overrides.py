"""Tags set by hand: a TOML file with a table for each passage id, which holds over what is found at every tagging."""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tomlkit
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from kb.banks import BankBook
from kb.errors import BadInput, UnknownName
from kb.files import locked, replace_file
from kb.records import Field as Of
from kb.records import Passage, Reason, Tag
from kb.taxonomy import Taxonomy
from kb.toml_file import drop, put, read_document

ANONYMOUS = re.compile(".*某.*(?:行|社|农信)")
"""A bank that a report does not name: 某城商行."""

Role = Literal["背景", "措施", "效果", "观点", "调研", "政策", "建议", "其他"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def year_or_none(year: int) -> int:
    """The year, or 0; raises ValueError for what is neither."""
    if year and not 1900 <= year <= 2100:
        raise ValueError(year)
    return year


class Override(BaseModel):
    """What was set by hand for one passage; a field that is None is left as it is found.

    An empty list, the year 0 and an empty region say: none. The descriptions stand in messages, behind "wanted".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    banks: tuple[Name, ...] | None = Field(default=None, description="a list of banks, [] for none")
    dimension: Name | None = Field(default=None, description="the name of a dimension")
    topics: Annotated[tuple[Name, ...], Field(max_length=3)] | None = Field(
        default=None, description="a list of topics, at most three, [] for none"
    )
    role: Role | None = Field(default=None, description="背景, 措施, 效果, 观点, 调研, 政策, 建议 or 其他")
    year: Annotated[int, AfterValidator(year_or_none)] | None = Field(
        default=None, description="a year from 1900 to 2100, 0 for none"
    )
    region: Annotated[str, StringConstraints(strip_whitespace=True)] | None = Field(
        default=None, description='a region such as 山东 or 山东 青岛, "" for none'
    )


Overrides = Mapping[str, Override]
"""By passage id."""


def load_overrides(path: Path, book: BankBook, taxonomy: Taxonomy) -> Overrides:
    """Read the file, an empty one where there is none. Raises BadInput with the file, the passage and the value."""
    entries = read_document(path).unwrap()
    return {str(identity): checked(path, str(identity), entry, book, taxonomy) for identity, entry in entries.items()}


def checked(path: Path, identity: str, entry: object, book: BankBook, taxonomy: Taxonomy) -> Override:
    """One entry, its names in their canonical form, each once. Raises BadInput."""
    try:
        override = Override.model_validate(entry)
        return override.model_copy(
            update={
                "banks": override.banks and distinct(book.canonical(name) or name for name in override.banks),
                "dimension": override.dimension and taxonomy.dimension(override.dimension),
                "topics": override.topics and distinct(taxonomy.topic(name) for name in override.topics),
            }
        )
    except ValidationError as error:
        raise BadInput(f"{path}: passage {identity}: {wrong_in(error)}") from error
    except UnknownName as error:
        raise BadInput(f"{path}: passage {identity}: {error}") from error


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(names))


def wrong_in(error: ValidationError) -> str:
    """What is wrong with an entry: the tag, what it takes, and the value."""
    first = error.errors()[0]
    if not first["loc"]:
        return "not a table of tags"
    name = str(first["loc"][0])
    field = Override.model_fields.get(name)
    if field is None:
        return f"unknown tag {name!r}; the tags are {', '.join(Override.model_fields)}"
    return f"{name}: wanted {field.description}, got {first['input']!r}"


def check_banks(banks: Iterable[str], book: BankBook, tagged: Container[str]) -> None:
    """Hold that banks are listed, of a known form, anonymous, or `tagged` in the index already. Raises BadInput."""
    for name in banks:
        if not (book.canonical(name) or name in tagged or ANONYMOUS.fullmatch(name)):
            raise BadInput(f"unknown bank {name!r}; nearest: {', '.join(book.nearest(name)) or 'none'}")


def write_override(path: Path, identity: str, override: Override | None) -> None:
    """Set what is given for a passage beside what was set before, or drop its table where `override` is None.

    Comments and other tables stay as they are; the file is replaced whole, and where it is a link, what that leads to.
    Raises BadInput, and IndexBusy where another process writes the file.
    """
    with locked(path):
        document = read_document(path)
        if override is None:
            drop(document, identity)
        else:
            given = override.model_dump(exclude_none=True)
            put(document, identity, {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()})
        replace_file(path.resolve(), tomlkit.dumps(document))


def banks_by_hand(overrides: Overrides, source: str) -> dict[str, tuple[Tag, ...]]:
    """The bank tags set by hand, by passage id. `source` names the file."""
    why = (Reason("override", source),)
    return {
        identity: tuple(Tag(Of.BANK, bank, 1.0, why) for bank in override.banks)
        for identity, override in overrides.items()
        if override.banks is not None
    }


def overridden(passage: Passage, override: Override, source: str) -> Passage:
    """A tagged passage with what was set by hand in place of what was found, banks aside. `source` names the file."""
    why = (Reason("override", source),)
    given: dict[Of, tuple[str, ...]] = {}
    if override.topics is not None:
        given[Of.TOPIC] = override.topics
    for field, value in (
        (Of.DIMENSION, override.dimension),
        (Of.ROLE, override.role),
        (Of.YEAR, override.year),
        (Of.REGION, override.region),
    ):
        if value is not None:
            given[field] = (str(value),) if value else ()
    kept = [tag for tag in passage.tags if tag.field not in given]
    set_by_hand = [Tag(field, value, 1.0, why) for field, values in given.items() for value in values]
    return replace(passage, tags=(*set_by_hand, *kept))
