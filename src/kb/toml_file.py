"""A TOML file of the user's → checked data, or an error that names the file and the entry; and changed as it stands."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import tomlkit
from pydantic import BaseModel, ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Table

from kb.errors import BadInput

Data = TypeVar("Data", bound=BaseModel)


def read_toml(path: Path, shape: type[Data], what: str, one: str) -> Data:
    """Read a file as `shape`; errors call it `what` (the taxonomy) and `one` (a taxonomy). Raises BadInput."""
    try:
        return shape.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise BadInput(f"{path}: {what} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not {one}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        raise BadInput(f"{path}: not {one}: {place or 'in all'}: {first['msg']}") from error


def read_document(path: Path) -> tomlkit.TOMLDocument:
    """The file as it is written, with its comments. Raises BadInput."""
    try:
        return tomlkit.parse(path.read_bytes().decode("utf-8-sig")) if path.exists() else tomlkit.document()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: not TOML: {error}") from error


def put(document: tomlkit.TOMLDocument, identity: str, values: Mapping[str, object]) -> None:
    """Set values in the table of a name, made where there is none."""
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
    """Take out the table of a name, but no comment line: those inside and behind it stay in its place."""
    table = document.get(identity)
    if isinstance(table, Table):
        at = next(number for number, (_, item) in enumerate(document.body) if item is table)
        lines = [(key, item) for key, item in table.value.body if key is None]
        document.pop(identity)  # leaves an empty item, so that the others keep their numbers
        if any(isinstance(item, Comment) for _, item in lines):
            document.body[at:at] = lines
    elif identity in document:
        document.pop(identity)
