"""Saved questions, in a file that people can edit; and for each what evidence is new since it was asked last."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from kb.catalogue import Catalogue
from kb.errors import BadInput, BadQuery, NotFound, NothingMatches, UnknownName
from kb.evidence import Finding, gather
from kb.files import locked, replace_file
from kb.records import FILTERS, Filters, Passage
from kb.search import MAX_QUERY, Library, check_question
from kb.store import Store, now
from kb.toml_file import drop, put, read_document
from kb.words import fold, hashed

SAVED_FILE = "saved.toml"
STATE_FILE = "saved.state.json"
"""What was in the index when each question was asked last: no matter of the people who edit the other file."""

HEAD = "Saved questions. Filters are bank, dimension, topic, year and report, each a list."

Names = tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)], ...]


class Saved(BaseModel):
    """A saved question with its filters, as it stands in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY)]
    bank: Names = ()
    dimension: Names = ()
    topic: Names = ()
    year: tuple[Annotated[int, Field(ge=0, le=9999, strict=True)], ...] = ()
    report: Names = ()

    @property
    def filters(self) -> Filters:
        """Its filters."""
        return Filters(self.bank, self.dimension, self.topic, self.year, self.report)

    @property
    def digest(self) -> str:
        """What it is known by: another question under the same name has not been asked before."""
        return hashed(self.model_dump_json())


class Reader(StrEnum):
    """Who is told what is new: a person, or a watch. What one was told is still news to the other."""

    PERSON = "person"
    WATCH = "watch"


class Asked(BaseModel):
    """When a question, known by its digest, was asked last, and the ids of the reports that there were then."""

    model_config = ConfigDict(frozen=True)

    question: str
    time: str
    documents: frozenset[str]


State = dict[Reader, dict[str, Asked]]
"""By who asked, then by the question's name."""

STATE = TypeAdapter(State)


@dataclass(frozen=True, slots=True)
class News:
    """What a saved question finds now, best first; `new` are those whose words were not in the index when it was asked
    last, at `since`. The first time `since` is empty, and nothing is new. `problem` says why it could not be asked.
    """

    name: str
    saved: Saved
    findings: tuple[Finding, ...] = ()
    new: tuple[Finding, ...] = ()
    since: str = ""
    problem: str = ""

    @property
    def passages(self) -> int:
        """How many passages are evidence."""
        return len({finding.passage.id for finding in self.findings})

    @property
    def new_passages(self) -> int:
        """How many of them are new."""
        return len({finding.passage.id for finding in self.new})


def load_saved(index: Path) -> dict[str, Saved]:
    """The saved questions of an index by name; none where there is no file. Raises BadInput that names the entry."""
    path = index / SAVED_FILE
    found: dict[str, Saved] = {}
    for name, entry in read_document(path).unwrap().items():
        try:
            found[str(name)] = Saved.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BadInput(f"{path}: question {name}: {where or 'the entry'}: {first['msg']}") from error
    return found


def add_saved(catalogue: Catalogue, index: Path, question: str, filters: Filters, name: str = "") -> str:
    """Save a question, and return its name: the given one, or the least number that is free.

    What is in the index now will not be news. Raises BadQuery, UnknownName for filters that the index does not know,
    BadInput for a name that is taken.
    """
    check_question(question)
    catalogue.resolve(filters)
    values = {"question": question, **{field: getattr(filters, field) for field in FILTERS}}
    try:
        saved = Saved.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r}") from error
    path = index / SAVED_FILE
    with locked(path):
        there = load_saved(index)
        name = name.strip() or next(str(number) for number in range(1, len(there) + 2) if str(number) not in there)
        if name in there:
            raise BadInput(f"a question is saved as {name!r} already: {there[name].question}; give another --name")
        document = read_document(path)
        if not path.exists():
            document.add(tomlkit.comment(HEAD))
        given = saved.model_dump(exclude_defaults=True, mode="json")
        put(document, name, given)
        replace_file(path.resolve(), tomlkit.dumps(document))
    asked = asked_now(saved, {document.id for document in catalogue.store.documents()})
    for reader in Reader:
        remember(index, reader, {name: asked})
    return name


def remove_saved(index: Path, name: str) -> Saved:
    """Take a question out of the file, comments aside. Raises NotFound."""
    path = index / SAVED_FILE
    if not path.exists():
        raise not_saved(name, ())
    with locked(path):
        there = load_saved(index)
        if name not in there:
            raise not_saved(name, there)
        document = read_document(path)
        drop(document, name)
        replace_file(path.resolve(), tomlkit.dumps(document))
    for reader in Reader:
        remember(index, reader, {})
    return there[name]


def not_saved(name: str, there: Sequence[str] | Mapping[str, Saved]) -> NotFound:
    """The error for a question that is not in the file."""
    return NotFound(f"no saved question {name!r}; there are: {', '.join(there) or 'none; kb saved add QUESTION'}")


def run_saved(library: Library, reader: Reader = Reader.PERSON, name: str = "") -> list[News]:
    """Ask the saved questions, or the one with this name; `mark_told` remembers it, once this reader has been told.

    A question that cannot be asked says why, and the others go on. Raises NotFound, BadInput.
    """
    questions = load_saved(library.settings.index)
    if name:
        if name not in questions:
            raise not_saved(name, questions)
        questions = {name: questions[name]}
    before = load_state(library.settings.index).get(reader, {})
    return [ask_saved(library, name, saved, before.get(name)) for name, saved in questions.items()]


def mark_told(library: Library, reader: Reader, news: Sequence[News]) -> None:
    """Remember that a reader was told what is in this library. Raises BadInput."""
    live = {document.id for document in library.store.documents()}
    asked = {one.name: asked_now(one.saved, live) for one in news if not one.problem}
    if asked:
        remember(library.settings.index, reader, asked)


def ask_saved(library: Library, name: str, saved: Saved, before: Asked | None) -> News:
    """What a question finds, and what of it is new since it was asked before."""
    try:
        findings = gather(library, saved.question, saved.filters).findings
    except NothingMatches:  # a year or bank of which there is nothing yet
        findings = ()
    except (BadQuery, UnknownName) as error:
        return News(name, saved, problem=str(error))
    if before is None or before.question != saved.digest:
        return News(name, saved, findings)
    return News(name, saved, findings, tuple(new_among(library.store, findings, before.documents)), before.time)


def new_among(store: Store, findings: Sequence[Finding], known: frozenset[str]) -> Iterator[Finding]:
    """The findings in reports that were not known, but for quotes that stand in a known version of their report.

    A passage of a known report can become evidence too, as others come and go around it: that is no news.
    """
    earlier = versions_before(store, known) if any(finding.document.id not in known for finding in findings) else {}
    told: dict[str, str] = {}
    for finding in findings:
        identity = finding.document.id
        if identity in known:
            continue
        if identity not in told:
            told[identity] = "".join(words_in(store, old) for old in earlier.get(identity, ()))
        if quoted_words(finding) not in told[identity]:
            yield finding


def versions_before(store: Store, known: frozenset[str]) -> dict[str, list[str]]:
    """By the ids of documents the known ones that they replaced, over any number of versions."""
    replaced = {document.id: store.superseded_by(document.id) for document in store.documents(live=False)}
    found: dict[str, list[str]] = {}
    for old in known & replaced.keys():
        later = replaced[old]
        while later:
            found.setdefault(later, []).append(old)
            later = replaced.get(later, "")
    return found


def words_in(store: Store, document: str) -> str:
    """All words of a document: of its passages, and of its pages, where a passage may have been cut otherwise."""
    passages = (own_words(stored.passage) for stored in store.passages_of(document))
    return "\n".join([*passages, *(squeeze(page.text) for page in store.pages(document))])


def quoted_words(finding: Finding) -> str:
    """The words of a finding's quote without blanks and line breaks, and without the names of columns."""
    start = finding.passage.text.find(finding.citation.quote)
    return own_words(finding.passage, start, start + len(finding.citation.quote))


def own_words(passage: Passage, start: int = 0, end: int | None = None) -> str:
    """The same of a passage, or of its text between two offsets."""
    end = len(passage.text) if end is None else end
    own = [(span.at, span.at + span.end - span.start) for span in passage.spans if not span.name]
    return squeeze("".join(passage.text[max(at, start) : min(to, end)] for at, to in own if at < end and start < to))


def squeeze(text: str) -> str:
    """Folded text without blanks."""
    return "".join(fold(text).split())


def asked_now(saved: Saved, documents: set[str]) -> Asked:
    """That a question was asked now, of these documents."""
    return Asked(question=saved.digest, time=now(), documents=frozenset(documents))


def load_state(index: Path) -> State:
    """When which question was asked; nothing where there is no file. Raises BadInput."""
    path = index / STATE_FILE
    try:
        return STATE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise BadInput(f"{path}: damaged; delete it, and the next run of each question tells of no news") from error


def remember(index: Path, reader: Reader, asked: Mapping[str, Asked]) -> None:
    """Note that questions were asked, beside what was noted before; what was noted of questions that are gone goes."""
    path = index / STATE_FILE
    with locked(path):
        state, names = load_state(index), load_saved(index)
        notes = {**state.get(reader, {}), **asked}
        state[reader] = {name: one for name, one in notes.items() if name in names}
        replace_file(path.resolve(), STATE.dump_json(state).decode())
