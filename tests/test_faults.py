"""Writers killed at random moments and steps: the old state or a new one, never half of one (scripts/fault_test.py)."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "scripts" / "fault_test.py"

NO_TRANSACTIONS = f"""
import runpy, sys
from contextlib import contextmanager
import kb.store

@contextmanager
def careless(db):
    if db.in_transaction:
        db.execute("COMMIT")
    yield

kb.store.transaction = careless
sys.argv = [{str(SCRIPT)!r}, "--json", "--kills", "8", "--seed", "3"]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="the test forks")
def test_25_kills_are_clean() -> None:
    done = run(str(SCRIPT), "--json", "--kills", "25", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    tally = json.loads(done.stdout)
    assert tally["problems"] == []
    assert tally["kills"] == tally["clean"] == 25
    assert tally["old"] and tally["new"] and tally["cleaned"]
    assert {"step", "behind", "moment"} == set(tally["by_way"])
    assert any("in transaction" in step for step in tally["by_step"])


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="the test forks")
def test_a_store_without_transactions_is_found_out() -> None:
    done = run("-c", NO_TRANSACTIONS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(done.stdout)["problems"]
