"""Keys for the API: made, listed, revoked, checked; and the sessions that a page begins with one."""

import hashlib
import hmac
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from kb.errors import BadInput, IndexBusy, IndexDamaged, NotFound

KEYS_FILE = "keys.sqlite"
BUSY_SECONDS = 1.0
SESSION_SECONDS = 12 * 3600
MAX_NAME = 64
MOST_SESSIONS = 20
"""Sessions that a key has at a time; each further one ends the oldest."""

TABLES = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL,
    created TEXT NOT NULL, used TEXT NOT NULL DEFAULT '', revoked TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL, key TEXT NOT NULL REFERENCES keys (id), ends REAL NOT NULL
) STRICT;
"""
COLUMNS = "k.id, k.name, k.role, k.created, k.used, k.revoked"


class Role(StrEnum):
    """What a key may do; each may also do what those before it may."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether who has this role may do what asks for the other."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. Times are ISO 8601 in UTC; `used` is only the day, empty before the first use;
    `revoked` is empty while the key holds."""

    id: str
    name: str
    role: Role
    created: str
    used: str
    revoked: str


class KeyRing:
    """The keys of an index, in a file of their own beside its store, which only its owner may read.

    Nothing is kept in memory, so a key that is revoked by another process stops at the next request.
    Of secrets only SHA-256 is stored. They are 256 random bits: nobody can try them out, so a slow hash as for
    passwords would add nothing but its cost to every request.
    """

    def __init__(self, index: Path) -> None:
        self._path = index / KEYS_FILE

    def add(self, name: str, role: Role) -> tuple[Key, str]:
        """A new key and its secret, which is told this once. Raises BadInput for a name that cannot be used or is."""
        if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise BadInput(f"key name {name[:MAX_NAME]!r}: 1 to {MAX_NAME} printable characters are wanted")
        self._make_file()
        secret, key = new_secret("kb"), Key("", name, role, now(), "", "")
        identity, hashed = parts(secret)
        with self._changing() as db:
            if db.execute("SELECT 1 FROM keys WHERE name = ? AND revoked = ''", (name,)).fetchone():
                raise BadInput(f"there is a key {name!r} already; choose another name, or revoke it before")
            db.execute(
                "INSERT INTO keys (id, name, role, hash, created) VALUES (?, ?, ?, ?, ?)",
                (identity, name, role.value, hashed, key.created),
            )
        return Key(identity, name, role, key.created, "", ""), secret

    def all(self) -> list[Key]:
        """All keys, the oldest first, revoked ones too."""
        if not self._path.exists():
            return []
        with self._reading() as db:
            return [to_key(row) for row in db.execute(f"SELECT {COLUMNS} FROM keys k ORDER BY k.created, k.rowid")]

    def revoke(self, wanted: str) -> Key:
        """End a key, by its id or name, and the sessions begun with it. Raises NotFound."""
        held = [key for key in self.all() if not key.revoked and wanted in (key.id, key.name)]
        if not held:
            raise NotFound(f"no key {wanted[:MAX_NAME]!r} that holds; kb key list shows them")
        key = next((key for key in held if key.id == wanted), held[0])
        with self._changing() as db:
            db.execute("UPDATE keys SET revoked = ? WHERE id = ?", (now(), key.id))
            db.execute("DELETE FROM sessions WHERE key = ?", (key.id,))
        return next(found for found in self.all() if found.id == key.id)

    def exists(self) -> bool:
        """Whether any key was ever made here: one that is revoked does not open the API to everyone."""
        return self._path.exists() and bool(self.all())

    def check(self, secret: str) -> Key | None:
        """The key of a secret; None where there is none, or it is revoked. Notes the day of its use."""
        return self._find(secret, f"SELECT {COLUMNS}, k.hash FROM keys k WHERE k.id = ?", ())

    def begin_session(self, key: Key) -> str:
        """The secret of a session with this key's role, which ends after SESSION_SECONDS, with the key, or by
        MOST_SESSIONS later ones."""
        secret = new_secret("kbs")
        identity, hashed = parts(secret)
        with self._changing() as db:
            db.execute("DELETE FROM sessions WHERE ends < ?", (time.time(),))
            db.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", (identity, hashed, key.id, time.time() + SESSION_SECONDS)
            )
            db.execute(
                "DELETE FROM sessions WHERE key = ? AND rowid NOT IN"
                " (SELECT rowid FROM sessions WHERE key = ? ORDER BY rowid DESC LIMIT ?)",
                (key.id, key.id, MOST_SESSIONS),
            )
        return secret

    def check_session(self, secret: str) -> Key | None:
        """The key with which a session was begun; None where it has ended."""
        query = f"SELECT {COLUMNS}, s.hash FROM sessions s JOIN keys k ON k.id = s.key WHERE s.id = ? AND s.ends > ?"
        return self._find(secret, query, (time.time(),))

    def end_session(self, secret: str) -> None:
        """End a session; one that is not there has ended already."""
        if self.check_session(secret):
            with self._changing() as db:
                db.execute("DELETE FROM sessions WHERE id = ?", (parts(secret)[0],))

    def _find(self, secret: str, query: str, more: tuple[object, ...]) -> Key | None:
        identity, hashed = parts(secret)
        if not identity or not self._path.exists():
            return None
        with self._reading() as db:
            row = db.execute(query, (identity, *more)).fetchone()
        if row is None or not hmac.compare_digest(row[-1], hashed):
            return None
        key = to_key(row[:-1])
        if key.revoked:
            return None
        if key.used != today():
            self._note_use(key)
        return key

    def _note_use(self, key: Key) -> None:
        try:
            with self._changing() as db:
                db.execute("UPDATE keys SET used = ? WHERE id = ?", (today(), key.id))
        except (IndexBusy, IndexDamaged):
            pass  # a disk that is full or read-only keeps nobody out

    def _make_file(self) -> None:
        """The file with its tables, for its owner alone from its first byte on. Raises IndexDamaged."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise IndexDamaged(f"{self._path}: cannot be written: {error.strerror}") from error
        with self._changing() as db:
            db.executescript(TABLES)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as db:
                yield db
        except sqlite3.DatabaseError as error:
            raise self._named(error) from error

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db, db:
            yield db

    def _named(self, error: sqlite3.DatabaseError) -> IndexBusy | IndexDamaged:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
            return IndexBusy(f"{self._path} is being written by another process; try again")
        return IndexDamaged(f"{self._path}: cannot be read or written ({error}); remove it, and make new keys")


def is_loopback(host: str) -> bool:
    """Whether a name or address is one that only this machine reaches."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def new_secret(prefix: str) -> str:
    """A secret that tools which look for leaked ones can know: kb_1f2e3d4c_ and 64 hexadecimal digits."""
    return f"{prefix}_{secrets.token_hex(4)}_{secrets.token_hex(32)}"


def parts(secret: str) -> tuple[str, str]:
    """A secret's id, which is none, and the hash of the whole; the id of what is no secret is empty."""
    prefix, _, rest = secret.partition("_")
    identity, _, random = rest.partition("_")
    known = prefix in ("kb", "kbs") and len(random) == 64
    return (identity if known else ""), hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def to_key(row: tuple[str, ...]) -> Key:
    """A row of COLUMNS as a key."""
    identity, name, role, created, used, revoked = row
    return Key(identity, name, Role(role), created, used, revoked)


def now() -> str:
    """This moment, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def today() -> str:
    """This day, in UTC."""
    return now()[:10]
