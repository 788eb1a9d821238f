"""Synonyms: a visible table, read again when its file changes; a question's words → what else reports may call them."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kb.errors import BadInput, BadSettings
from kb.toml_file import read_toml
from kb.words import fold, query_tokens, stop_words, tokens_at, whole_tokens


def has_words(text: str) -> str:
    """The text itself. Raises ValueError where nothing in it could be looked for."""
    if not whole_tokens(fold(text)):
        raise ValueError(f"{text!r} has no letter or digit")
    return text


Word = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(has_words)]


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing to look for: words of the question, or in their place one of `others`, each a few words.

    `said` is that part of the question, folded.
    """

    said: str
    words: tuple[str, ...]
    others: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SynonymTable:
    """Folded words → what else they may be called, folded; `longest` is the length of the longest of them."""

    entries: Mapping[str, tuple[str, ...]]
    longest: int

    def matches(self, folded: str) -> Iterator[tuple[int, int]]:
        """Where words of the table stand in a folded text, from left to right, the longest first."""
        at = 0
        while at < len(folded):
            sizes = range(min(self.longest, len(folded) - at), 0, -1)
            size = next((size for size in sizes if self._stands(folded, at, at + size)), 0)
            if size:
                yield at, at + size
            at += size or 1

    def _stands(self, folded: str, start: int, end: int) -> bool:
        """Whether a word of the table is there; Latin letters and digits must not go on before or behind it."""
        if folded[start:end] not in self.entries:
            return False
        return not (is_latin(folded[start - 1 : start + 1], 2) or is_latin(folded[end - 1 : end + 1], 2))


def is_latin(text: str, length: int) -> bool:
    """Whether a text is so many Latin letters or digits."""
    return len(text) == length and text.isascii() and text.isalnum()


class SynonymsOf:
    """The table of a file, or the packaged one, as it is now. Safe to share between threads."""

    def __init__(self, path: Path | None) -> None:
        """Read it. Raises BadSettings."""
        self._path = path
        self._lock = Lock()
        self._seen = stamp_of(path)
        self._table = load_synonyms(path)

    def current(self) -> SynonymTable:
        """The table; read again where the file has changed. One that is broken now leaves the old table, and a line in
        the log."""
        seen = stamp_of(self._path)
        with self._lock:
            if seen != self._seen:
                self._seen = seen
                try:
                    self._table = load_synonyms(self._path)
                except BadSettings as error:
                    logging.getLogger(__name__).warning("%s; the synonyms read before are kept", error)
            return self._table


@lru_cache(maxsize=8)
def open_synonyms(path: Path | None) -> SynonymsOf:
    """The synonyms that a setting names; the same when the index is opened anew. Raises BadSettings."""
    return SynonymsOf(path)


def stamp_of(path: Path | None) -> tuple[int, int]:
    """Time and size of a file; zeros where it is not there, or is the packaged one."""
    try:
        found = path.stat() if path else None
    except OSError:
        return 0, 0
    return (found.st_mtime_ns, found.st_size) if found else (0, 0)


class Same(BaseModel):
    """Words that mean about the same."""

    model_config = ConfigDict(extra="forbid")

    words: Annotated[tuple[Word, ...], Field(min_length=2)]


class Spoken(BaseModel):
    """What people say, and what reports write in its place."""

    model_config = ConfigDict(extra="forbid")

    say: Annotated[tuple[Word, ...], Field(min_length=1)]
    means: Annotated[tuple[Word, ...], Field(min_length=1)]


class SynonymFile(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid")

    same: tuple[Same, ...] = ()
    spoken: tuple[Spoken, ...] = ()

    @model_validator(mode="after")
    def words_stand_once(self) -> Self:
        """A word is of one group of `same`."""
        seen: set[str] = set()
        for number, group in enumerate(self.same, start=1):
            words = {fold(word) for word in group.words}
            if twice := sorted(words & seen):
                raise ValueError(f"same.{number}: {twice[0]!r} stands in a group before it too")
            seen |= words
        return self


def load_synonyms(path: Path | None = None) -> SynonymTable:
    """Read the table at `path`, or the one in the package. Raises BadSettings with the file, and the line or entry."""
    if path is None:
        with resources.as_file(resources.files("kb.data") / "synonyms.toml") as packaged:
            return load_synonyms(packaged)
    try:
        data = read_toml(path, SynonymFile, "the synonyms", "a table of synonyms")
    except BadInput as error:
        raise BadSettings(str(error)) from error
    return to_table(data)


def to_table(data: SynonymFile) -> SynonymTable:
    """The entries by word; a word that is both spoken and written has the others of both."""
    entries: dict[str, dict[str, None]] = {}
    for group in data.same:
        words = [fold(word) for word in group.words]
        for word in words:
            entries.setdefault(word, {}).update({other: None for other in words if other != word})
    for pair in data.spoken:
        means = dict.fromkeys(map(fold, pair.means))
        for said in map(fold, pair.say):
            entries.setdefault(said, {}).update({other: None for other in means if other != said})
    return SynonymTable({word: tuple(others) for word, others in entries.items()}, max(map(len, entries), default=0))


def clues_of(question: str, table: SynonymTable) -> list[Clue]:
    """What to look for: the places where the table has synonyms, and every other word of the question."""
    folded = fold(question)
    placed = [(word, start, end) for word, start, end in tokens_at(folded) if word not in stop_words()]
    found: dict[str, Clue] = {}
    taken: set[tuple[str, int, int]] = set()
    for start, end in table.matches(folded):
        inside = [token for token in placed if start <= token[1] and token[2] <= end]
        taken |= set(inside)
        said = folded[start:end]
        others = tuple(whole_tokens(other) for other in table.entries[said])
        found[said] = Clue(said, tuple(dict.fromkeys(word for word, _, _ in inside)), others)
    left = [word for word, start, end in placed if (word, start, end) not in taken]
    words = left if placed else query_tokens(question)
    covered = {word for clue in found.values() for word in clue.words}
    return [*found.values(), *(Clue(word, (word,)) for word in dict.fromkeys(words) if word not in covered)]
