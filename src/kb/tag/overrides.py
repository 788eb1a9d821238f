"""Tags set by hand: a TOML file with a table for each passage id, which holds over what is found at every tagging."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tomlkit.exceptions import TOMLKitError

from kb.banks import BankBook
from kb.errors import BadInput, UnknownName
from kb.records import Field as Of
from kb.records import Passage, Reason, Tag
from kb.taxonomy import Taxonomy

Role = Literal["背景", "措施", "效果", "观点", "调研", "政策", "建议", "其他"]


class Override(BaseModel):
    """What was set by hand for one passage; a field that is None is left as it is found, an empty list says: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    banks: tuple[str, ...] | None = None
    dimension: str | None = None
    topics: tuple[str, ...] | None = Field(None, max_length=3)
    role: Role | None = None
    year: int | None = Field(None, ge=1900, le=2100)
    region: str | None = None


Overrides = Mapping[str, Override]
"""By passage id."""


def load_overrides(path: Path, book: BankBook, taxonomy: Taxonomy) -> Overrides:
    """Read the file, an empty one where there is none. Raises BadInput with the file, the passage and the value."""
    entries = read_file(path).unwrap()
    return {str(identity): checked(path, str(identity), entry, book, taxonomy) for identity, entry in entries.items()}


def read_file(path: Path) -> tomlkit.TOMLDocument:
    """The file as it is written, with its comments. Raises BadInput."""
    try:
        return tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not TOML: {error}") from error


def checked(path: Path, identity: str, entry: object, book: BankBook, taxonomy: Taxonomy) -> Override:
    """One entry, its names in their canonical form. Raises BadInput."""
    try:
        override = Override.model_validate(entry)
        return override.model_copy(
            update={
                "banks": override.banks and tuple(book.canonical(name) or name for name in override.banks),
                "dimension": override.dimension and taxonomy.dimension(override.dimension),
                "topics": override.topics and tuple(taxonomy.topic(name) for name in override.topics),
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(map(str, first["loc"]))
        raise BadInput(f"{path}: passage {identity}: {place}: {first['msg']}") from error
    except UnknownName as error:
        raise BadInput(f"{path}: passage {identity}: {error}") from error


def write_override(path: Path, identity: str, override: Override | None) -> None:
    """Set what is given for a passage beside what was set before, or drop its table where `override` is None.

    Comments and other tables stay as they are; the file is replaced whole. Raises BadInput.
    """
    document = read_file(path)
    if override is None:
        document.pop(identity, None)
    else:
        table = document.setdefault(identity, tomlkit.table())
        for name, value in override.model_dump(exclude_none=True).items():
            table[name] = list(value) if isinstance(value, tuple) else value
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        draft.write_text(tomlkit.dumps(document), "utf-8")
        draft.replace(path)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error


def overridden(passage: Passage, override: Override, source: str) -> Passage:
    """A tagged passage with what was set by hand in place of what was found. `source` names the file."""
    why = (Reason("override", source),)
    given: dict[Of, tuple[str, ...]] = {}
    for field, values in ((Of.BANK, override.banks), (Of.TOPIC, override.topics)):
        if values is not None:
            given[field] = values
    for field, value in (
        (Of.DIMENSION, override.dimension),
        (Of.ROLE, override.role),
        (Of.YEAR, override.year),
        (Of.REGION, override.region),
    ):
        if value is not None:
            given[field] = (str(value),) if value != "" else ()
    kept = [tag for tag in passage.tags if tag.field not in given and not named_again(tag, given)]
    set_by_hand = [Tag(field, value, 1.0, why) for field, values in given.items() for value in values]
    return replace(passage, tags=(*set_by_hand, *kept))


def named_again(tag: Tag, given: Mapping[Of, tuple[str, ...]]) -> bool:
    """Whether a mention of a bank stands among the banks set by hand."""
    return tag.field is Of.MENTION and tag.value in given.get(Of.BANK, ())
