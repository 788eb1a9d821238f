"""A TOML file of the user's → checked data, or an error that names the file and the entry."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

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
