"""Keys: what is stored of them, who they let in, how they end, and the commands that make them."""

import json
import re
import stat
from pathlib import Path

import pytest

from kb import keys
from kb.audit import AUDIT_FILE
from kb.cli import keys as commands
from kb.errors import BadInput, IndexDamaged, NotFound
from kb.keys import KEYS_FILE, KeyRing, Role, is_loopback
from tests.conftest import run_kb


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "index")


def test_each_role_includes_those_before_it() -> None:
    included = {role: {other for other in Role if role.includes(other)} for role in Role}
    assert included == {
        Role.READ: {Role.READ},
        Role.WRITE: {Role.READ, Role.WRITE},
        Role.ADMIN: {Role.READ, Role.WRITE, Role.ADMIN},
    }


def test_a_secret_is_told_once_and_stored_nowhere(ring: KeyRing, tmp_path: Path) -> None:
    key, secret = ring.add("desk", Role.WRITE)
    assert re.fullmatch(rf"kb_{key.id}_[0-9a-f]{{64}}", secret)
    file = tmp_path / "index" / KEYS_FILE
    assert secret.rsplit("_")[-1].encode() not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret not in repr(ring.all())
    assert ring.add("other", Role.READ)[1] != secret


def test_only_the_very_secret_opens(ring: KeyRing) -> None:
    key, secret = ring.add("desk", Role.READ)
    found = ring.check(secret)
    assert found and (found.id, found.name, found.role) == (key.id, "desk", Role.READ)
    changed = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    other, _ = ring.add("other", Role.ADMIN)
    swapped = secret.replace(key.id, other.id)
    wrong = [
        changed,
        swapped,
        secret[:-1],
        secret + "0",
        secret.upper(),
        f"kb_{key.id}_",
        key.id,
        "",
        "kb",
        "é_中_\x00",
    ]
    assert [ring.check(each) for each in wrong] == [None] * len(wrong)


def test_a_revoked_key_stops_in_every_process_at_once(ring: KeyRing, tmp_path: Path) -> None:
    key, secret = ring.add("desk", Role.READ)
    elsewhere = KeyRing(tmp_path / "index")
    assert elsewhere.check(secret)
    assert ring.revoke("desk").revoked
    assert elsewhere.check(secret) is None
    with pytest.raises(NotFound, match=key.id):
        ring.revoke(key.id)
    assert elsewhere.exists()  # an API whose only key was revoked is not open to everyone


def test_a_key_is_revoked_by_id_or_name_and_its_name_is_free_again(ring: KeyRing) -> None:
    first, _ = ring.add("desk", Role.READ)
    with pytest.raises(BadInput, match="already"):
        ring.add("desk", Role.ADMIN)
    ring.revoke(first.id)
    second, secret = ring.add("desk", Role.ADMIN)
    assert [(key.id, bool(key.revoked)) for key in ring.all()] == [(first.id, True), (second.id, False)]
    named_like_it, _ = ring.add(second.id, Role.READ)
    assert ring.revoke(second.id).id == second.id  # an id goes before a name
    assert ring.check(secret) is None
    assert ring.revoke(second.id).id == named_like_it.id


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[2J", "n" * 65])
def test_names_that_would_spoil_a_log_are_refused(ring: KeyRing, name: str) -> None:
    with pytest.raises(BadInput, match="printable"):
        ring.add(name, Role.READ)
    assert not ring.exists()


def test_the_day_of_the_last_use_is_noted(ring: KeyRing) -> None:
    _, secret = ring.add("desk", Role.READ)
    assert [key.used for key in ring.all()] == [""]
    ring.check(secret)
    assert [key.used for key in ring.all()] == [keys.today()]


def test_a_session_stands_for_its_key_until_either_ends(ring: KeyRing) -> None:
    key, secret = ring.add("desk", Role.WRITE)
    first, second = ring.begin_session(key), ring.begin_session(key)
    assert first != second and secret.rsplit("_")[-1] not in first
    assert ring.check(first) is None and ring.check_session(secret) is None  # neither passes for the other
    found = ring.check_session(first)
    assert found and found.id == key.id
    ring.end_session(first)
    assert ring.check_session(first) is None and ring.check_session(second)
    ring.revoke("desk")
    assert ring.check_session(second) is None


def test_a_key_has_so_many_sessions(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_SESSIONS", 3)
    key, other = ring.add("desk", Role.READ)[0], ring.add("other", Role.READ)[0]
    elsewhere = ring.begin_session(other)
    begun = [ring.begin_session(key) for _ in range(5)]
    assert [bool(ring.check_session(each)) for each in begun] == [False, False, True, True, True]
    assert ring.check_session(elsewhere)


def test_a_session_ends_by_itself(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _ = ring.add("desk", Role.READ)
    monkeypatch.setattr(keys, "SESSION_SECONDS", -1)
    assert ring.check_session(ring.begin_session(key)) is None


def test_no_keys_is_no_file(ring: KeyRing, tmp_path: Path) -> None:
    assert not ring.exists() and ring.all() == [] and ring.check("kb_00000000_" + "0" * 64) is None
    with pytest.raises(NotFound):
        ring.revoke("desk")
    assert not (tmp_path / "index").exists()


def test_a_file_that_is_broken_lets_nobody_in(ring: KeyRing, tmp_path: Path) -> None:
    _, secret = ring.add("desk", Role.READ)
    (tmp_path / "index" / KEYS_FILE).write_bytes(b"no database at all, but long enough to be one" * 100)
    for ask in (ring.exists, lambda: ring.check(secret), ring.all):
        with pytest.raises(IndexDamaged, match=KEYS_FILE):
            ask()


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("kb.localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("", False),
        ("localhost.example", False), ("127.0.0.1.example", False),
    ],
)  # fmt: skip
def test_loopback_is_known_by_name_and_address(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_an_audit_log_that_cannot_be_written_hides_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / AUDIT_FILE).mkdir()
    commands.add("desk", Role.READ, True, tmp_path)
    secret = json.loads(capsys.readouterr().out)["secret"]
    assert KeyRing(tmp_path).check(secret)
    commands.revoke("desk", tmp_path)
    told = capsys.readouterr()
    assert "revoked" in told.out and "audit log cannot be written" in told.err
    assert KeyRing(tmp_path).check(secret) is None


def test_the_commands_make_list_and_revoke_and_leave_a_trace(tmp_path: Path) -> None:
    index = tmp_path / "index"
    made = run_kb("key", "add", "desk", "--role", "write", "--index", index)
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    key = KeyRing(index).check(secret)
    assert key and key.role == Role.WRITE
    listed = run_kb("key", "list", "--json", "--index", index)
    assert json.loads(listed.stdout)["name"] == "desk" and secret.rsplit("_")[-1] not in listed.stdout
    revoked = run_kb("key", "revoke", "desk", "--index", index)
    assert revoked.returncode == 0 and KeyRing(index).check(secret) is None
    trace = [json.loads(line) for line in (index / AUDIT_FILE).read_text("utf-8").splitlines()]
    assert [(line["command"], line["name"], line["key"]) for line in trace] == [
        ("key add", "desk", key.id),
        ("key revoke", "desk", key.id),
    ]
    assert all(line["who"] and line["time"] for line in trace) and secret not in str(trace)
    failed = run_kb("key", "revoke", "desk", "--index", index)
    assert failed.returncode == 1 and "kb key list" in failed.stderr
