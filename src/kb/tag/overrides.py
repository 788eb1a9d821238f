"""Tags set by hand: a TOML file with a table for each passage id, which holds over what is found at every tagging."""

import glob
import os
import re
import shutil
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from uuid import uuid4

import tomlkit
from filelock import FileLock, Timeout
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Table

from kb.banks import BankBook
from kb.errors import BadInput, IndexBusy, UnknownName
from kb.records import Field as Of
from kb.records import Passage, Reason, Tag
from kb.taxonomy import Taxonomy

STALE_SECONDS = 60.0
"""A draft that is older is nobody's: writing it takes no time."""

LOCK_SECONDS = 10.0

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
    entries = read_file(path).unwrap()
    return {str(identity): checked(path, str(identity), entry, book, taxonomy) for identity, entry in entries.items()}


def read_file(path: Path) -> tomlkit.TOMLDocument:
    """The file as it is written, with its comments. Raises BadInput."""
    try:
        return tomlkit.parse(path.read_bytes().decode("utf-8-sig")) if path.exists() else tomlkit.document()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not TOML: {error}") from error


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
        document = read_file(path)
        if override is None:
            drop(document, identity)
        else:
            given = override.model_dump(exclude_none=True)
            put(document, identity, {name: list(v) if isinstance(v, tuple) else v for name, v in given.items()})
        replace_file(path.resolve(), tomlkit.dumps(document))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time reads, changes and replaces the file; an OSError inside becomes BadInput."""
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock"), timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise IndexBusy(f"{path} is being written by another process; wait for it, or end it") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror}") from error


def replace_file(target: Path, text: str) -> None:
    """Replace a file's content at once, its mode kept: whoever reads it meanwhile sees the old or the new one."""
    for left in target.parent.glob(f"{glob.escape(target.name)}.*.new"):  # by a run that was killed
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - STALE_SECONDS:
                left.unlink()
    draft = target.with_name(f"{target.name}.{uuid4().hex}.new")
    try:
        with draft.open("xb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def put(document: tomlkit.TOMLDocument, identity: str, values: Mapping[str, object]) -> None:
    """Set values in the table of a passage, made where there is none."""
    table = document.setdefault(identity, tomlkit.table())
    body = table.value.body if isinstance(table, Table) else []
    # tomlkit counts the comments after a table to it: new keys go before them, next to the other keys.
    end = max((number for number, (key, _) in enumerate(body, 1) if key is not None), default=len(body))
    behind = body[end:]
    del body[end:]
    for name, value in values.items():
        table[name] = value
    body += behind


def drop(document: tomlkit.TOMLDocument, identity: str) -> None:
    """Take out the table of a passage, but no comment line: those inside and behind it stay in its place."""
    table = document.get(identity)
    if isinstance(table, Table):
        at = next(number for number, (_, item) in enumerate(document.body) if item is table)
        lines = [(key, item) for key, item in table.value.body if key is None]
        document.pop(identity)  # leaves an empty item, so that the others keep their numbers
        if any(isinstance(item, Comment) for _, item in lines):
            document.body[at:at] = lines
    elif identity in document:
        document.pop(identity)


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
