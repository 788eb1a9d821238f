"""What tests share: a cache of their own, and the sample corpus ingested once."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CACHE = Path(tempfile.mkdtemp(prefix="kb-tests-"))
os.environ |= {"KB_CACHE": str(CACHE), "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "200"}

from kb.build import Outcome, ingest  # noqa: E402  (the settings above must stand before kb reads them)
from kb.embed import Encoder, open_encoder  # noqa: E402
from kb.search import Library  # noqa: E402
from kb.settings import Settings  # noqa: E402

ROOT = Path(__file__).parent.parent
CORPUS = ROOT / "corpus"


class Silent:
    """Progress that only keeps what became of each file."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def start(self, path: Path, pages: int) -> None: ...

    def pages(self, count: int) -> None: ...

    def embedding(self, total: int) -> None: ...

    def embedded(self, done: int) -> None: ...

    def finish(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


@cache
def encoder() -> Encoder:
    """The packaged encoder, unpacked once for all tests."""
    return open_encoder("", CACHE)


def run_kb(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "kb.cli", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | env,
        cwd=ROOT,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="session", autouse=True)
def _remove_cache() -> Iterator[None]:
    yield
    shutil.rmtree(CACHE, ignore_errors=True)


@pytest.fixture(scope="session")
def library_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose index holds the sample corpus. Tests only read it; those that write make a copy."""
    settings = Settings(index=tmp_path_factory.mktemp("corpus") / "index", cache=CACHE)
    report = ingest([CORPUS], settings, encoder, Silent())
    assert not report.failed
    return settings


@pytest.fixture
def copied_settings(library_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of that index, to be written to."""
    shutil.copytree(library_settings.index, tmp_path / "index")
    return library_settings.model_copy(update={"index": tmp_path / "index"})


@pytest.fixture(scope="session")
def library(library_settings: Settings) -> Iterator[Library]:
    """The sample corpus, open for questions."""
    with Library.open(library_settings, encoder()) as opened:
        yield opened
