"""Reading processes: a page that hangs, eats memory or kills its reader is lost, and the others are read."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pdfs
import pytest
import sources

from kb.build import PRELOADED, Pipeline
from kb.errors import UnreadableFile
from kb.read.pool import LEAST_PAGES, MOST_LOST, MOST_PAGES, Limits, Lost, Pool, mapped, tasks
from kb.settings import Settings
from tests.conftest import Silent, encoder

LIMITS = Limits(seconds=2.0, megabytes=400)


@pytest.fixture(params=[1, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with Pool(request.param, LIMITS, PRELOADED) as opened:
        yield opened


def reasons(found: dict[int, int | Lost]) -> dict[int, str]:
    """Why pages were lost."""
    return {number: result.reason for number, result in found.items() if isinstance(result, Lost)}


def test_every_page_is_read_once(pool: Pool) -> None:
    found = list(pool.pages(sources.plain, 50))
    assert sorted(found) == [(number, 10 * number) for number in range(1, 51)]
    assert sorted(pool.pages(partial(mapped, str, sources.plain), 3)) == [(1, "10"), (2, "20"), (3, "30")]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("loop", "took longer than 2 s"),
        ("hang in C", "took longer than 2 s"),
        ("memory", "needs more than 400 MB"),
        ("die", "its reading process died"),
        ("raise", "cannot be read: ValueError: an odd page"),
    ],
)
def test_a_bad_page_is_lost_and_the_others_are_read(wrong: str, told: str) -> None:
    patient = Limits(60, LIMITS.megabytes)  # a busy machine may take its time to hand out memory
    with Pool(2, LIMITS if "took longer" in told else patient, PRELOADED) as pool:
        found = dict(pool.pages(partial(sources.bad_at, wrong, (5,)), 30))
        assert list(reasons(found)) == [5]
        assert told in reasons(found)[5]
        assert all(found[number] == 10 * number for number in range(1, 31) if number != 5)
        assert len(list(pool.pages(sources.plain, 9))) == 9  # what was lost before does not matter to the next file


def test_a_file_of_bad_pages_is_given_up(pool: Pool) -> None:
    begun = time.monotonic()
    found = dict(pool.pages(partial(sources.bad_at, "sleep", range(1, 100)), 99))
    assert time.monotonic() - begun < (MOST_LOST + 2) * LIMITS.seconds
    assert sorted(found) == list(range(1, 100))
    told = reasons(found)
    assert sum("took longer" in reason for reason in told.values()) in (MOST_LOST, MOST_LOST + 1)
    assert "in a row were lost" in told[99]


def test_pages_that_fail_at_once_do_not_end_a_file(pool: Pool) -> None:
    found = dict(pool.pages(partial(sources.bad_at, "raise", range(2, 12)), 20))
    assert sorted(reasons(found)) == list(range(2, 12))
    assert all(found[number] == 10 * number for number in (1, *range(12, 21)))


def test_pages_that_are_lost_here_and_there_do_not_end_a_file(pool: Pool) -> None:
    found = dict(pool.pages(partial(sources.bad_at, "die", range(2, 21, 2)), 20))
    assert list(sorted(reasons(found))) == list(range(2, 21, 2))


def test_a_page_is_not_blamed_for_what_others_left_behind() -> None:
    with Pool(1, LIMITS, PRELOADED) as pool:
        assert reasons(dict(pool.pages(partial(sources.hoard, 90), 12))) == {}


def test_an_error_of_the_file_is_raised(pool: Pool) -> None:
    with pytest.raises(UnreadableFile, match=r"odd\.pdf"):
        list(pool.pages(partial(sources.bad_at, "refuse", (1,)), 3))
    with pytest.raises(UnreadableFile, match=r"odd\.pdf"):
        pool.call(sources.misbehave, "refuse")
    assert pool.call(sources.misbehave, "sleep") == Lost("took longer than 2 s (KB_PAGE_SECONDS)")


def test_reading_processes_are_others_have_no_torch_and_end_with_the_pool() -> None:
    with Pool(1, LIMITS, PRELOADED) as pool:
        process = pool.call(sources.process)
        assert isinstance(process, int) and process != os.getpid()
        names = pool.call(sources.loaded)
        assert isinstance(names, set) and "pdfplumber" in names
        assert not names & {"torch", "faiss", "tantivy", "sentence_transformers", "typer"}
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_process_that_was_ended_while_idle_is_replaced() -> None:
    with Pool(1, LIMITS, PRELOADED) as pool:
        process = pool.call(sources.process)
        assert isinstance(process, int)
        os.kill(process, signal.SIGKILL)
        assert sorted(pool.pages(sources.plain, 3)) == [(1, 10), (2, 20), (3, 30)]


def test_a_busy_process_does_not_outlive_the_one_that_was_killed() -> None:
    started = "import sources; from kb.read.pool import *; pool = Pool(1, Limits(0.7, 400));"
    started += " print(pool.call(sources.process), flush=True); pool.call(sources.misbehave, 'loop')"
    with subprocess.Popen([sys.executable, "-c", started], stdout=subprocess.PIPE, cwd=Path(__file__).parent) as parent:
        assert parent.stdout
        process = int(parent.stdout.readline())
        time.sleep(0.2)
        parent.kill()
    os.kill(process, 0)
    for _ in range(100):
        if has_ended(process):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process} is still there")


def has_ended(process: int) -> bool:
    """Whether a process is gone, or waits to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("count", [1, 7, 24, 441])
def test_tasks_are_runs_of_all_pages(count: int, size: int) -> None:
    runs = tasks(count, size)
    assert [number for run in runs for number in run] == list(range(1, count + 1))
    assert max(map(len, runs)) <= MOST_PAGES
    assert len(runs) == 1 or min(map(len, runs[:-1])) >= LEAST_PAGES


def pipeline(**changed: object) -> Pipeline:
    return Pipeline(Settings(**changed), encoder, workers=1)


def test_a_page_whose_content_never_ends_is_named(tmp_path: Path) -> None:
    path = tmp_path / "slow.pdf"
    text = pdfs.endless(path)
    reader = pipeline(page_seconds=3)
    try:
        _, pages, blocks = reader.read_blocks(path, Silent())
    finally:
        reader.close()
    assert pages[1].problem == "took longer than 3 s (KB_PAGE_SECONDS)"
    assert pages[0].problem is None and pages[2].problem is None
    assert "".join(block.text for block in blocks) == text


def test_a_file_that_cannot_even_be_opened_in_time_is_named(tmp_path: Path) -> None:
    pdfs.plain(tmp_path / "a.pdf")
    reader = pipeline(page_seconds=0.0001)
    with pytest.raises(UnreadableFile, match=r"a\.pdf: took longer than"):
        reader.read_blocks(tmp_path / "a.pdf", Silent())
    reader.close()
