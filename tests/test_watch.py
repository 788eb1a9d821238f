"""Watching folders: what came, changed, moved and went; half files, lost shares, two at once, a gate that falls."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pdfs
import pytest

from kb.backup import check_backup
from kb.build import ingest, remove
from kb.catalogue import STORE_FILE
from kb.cli import app
from kb.digest import Digest
from kb.embed import Encoder
from kb.errors import BadInput, IndexBusy
from kb.folders import Settling, scan, stat_of
from kb.outbox import OUTBOX
from kb.settings import Settings
from kb.store import Store
from kb.verify import verify
from kb.watch import WATCH_LOCK, Gate, Options, Run, Watcher, follow, run_json, ticks, watching
from tests.conftest import CACHE, CORPUS, ROOT, Quick, Silent, encoder, run_kb


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(index=tmp_path / "index", cache=CACHE, workers=1)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    folder = tmp_path / "reports"
    folder.mkdir()
    (tmp_path / "index").mkdir()
    return Options((folder,), quiet=0.1, patience=30)


def report(path: Path, words: str) -> Path:
    """A small report as Markdown."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"# {words}\n\n青岛银行为{words}组建了专门的团队，用一年时间上线了新的系统。\n", "utf-8")
    return path


def run_of(watcher: Watcher) -> Run:
    """Looks until what is copied or renamed has settled, as --once does."""
    while (run := watcher.look()) is None:
        time.sleep(0.02)
    return run


def once(options: Options, settings: Settings, **more: bool) -> Run:
    """What --once does, with a watcher that knows no more than what was written down."""
    return run_of(Watcher(options, settings, Quick, Silent(), **more))


def told(run: Run) -> list[str]:
    """What became of the files of a run, in the order of their names."""
    kinds = [(outcome.path.name, outcome.what) for outcome in run.outcomes]
    kinds += [(document.file, "removed") for document in run.removed]
    return [f"{name} {what}" for name, what in sorted(kinds)]


def stored(settings: Settings) -> list[str]:
    """The files of the live documents, and that the store is whole."""
    with Store.open(settings.index / STORE_FILE) as store:
        assert verify(store, settings.index).problems == ()
        return [document.file for document in store.documents()]


def test_what_came_changed_moved_and_went(options: Options, settings: Settings) -> None:
    [folder] = options.folders
    report(folder / "a.md", "风控")
    report(folder / "below/b.md", "零售")
    report(folder / ".trash/c.md", "已删除")
    first = once(options, settings)
    assert told(first) == ["a.md added", "b.md added"] and not first.failed
    assert told(once(options, settings)) == []

    report(folder / "a.md", "风控平台")
    (folder / "below/b.md").rename(folder / "d.md")
    report(folder / "e.md", "网点")
    second = once(options, settings)
    assert told(second) == ["a.md replaced", "d.md moved", "e.md added"]
    assert second.unchanged == 0
    (folder / "e.md").unlink()
    third = once(options, settings)
    assert told(third) == ["e.md removed"] and third.unchanged == 2
    assert stored(settings) == ["a.md", "d.md"]


def test_an_unchanged_file_costs_no_more_than_its_size_and_time(options: Options, settings: Settings) -> None:
    path = report(options.folders[0] / "a.md", "风控")
    once(options, settings)
    before = path.stat()
    report(path, "零售")  # as long as the other
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    unnoticed = once(options, settings)
    assert told(unnoticed) == [] and unnoticed.unchanged == 1
    assert told(once(options, settings, again=True)) == ["a.md replaced"]


def test_what_was_touched_and_what_was_ingested_before_is_not_read_again(options: Options, settings: Settings) -> None:
    path = report(options.folders[0] / "a.md", "风控")
    ingest([path], settings, Quick, Silent())
    run = once(options, settings)
    assert told(run) == ["a.md unchanged"] and run.unchanged == 1 and not run.changed
    os.utime(path, (1, 1))
    assert told(once(options, settings)) == ["a.md unchanged"]


def test_a_report_stays_while_one_of_two_equal_files_is_left(options: Options, settings: Settings) -> None:
    [folder] = options.folders
    shutil.copy(report(folder / "a.md", "风控"), folder / "b.md")
    assert told(once(options, settings)) == ["a.md added", "b.md unchanged"]
    (folder / "a.md").unlink()
    assert told(once(options, settings)) == ["b.md moved"]
    (folder / "b.md").unlink()
    report(folder / "c.md", "零售")
    assert told(once(options, settings)) == ["b.md removed", "c.md added"]


def test_metadata_beside_a_report_are_taken_up(options: Options, settings: Settings) -> None:
    path = report(options.folders[0] / "a.md", "风控")
    once(options, settings)
    for text, what in (('title = "风控年报"', "updated"), ("title =", "failed"), ("", "updated")):
        path.with_suffix(".toml").write_text(text, "utf-8")
        assert told(once(options, settings)) == [f"a.md {what}"]
    assert told(once(options, settings)) == []


def test_a_file_that_is_being_copied_is_waited_for(options: Options, settings: Settings, tmp_path: Path) -> None:
    pdfs.many_pages(tmp_path / "whole.pdf", 3)
    content, target = (tmp_path / "whole.pdf").read_bytes(), options.folders[0] / "copied.pdf"
    step = len(content) // 8 + 1
    done: list[float] = []

    def copy() -> None:
        with target.open("wb") as file:
            for at in range(0, len(content), step):
                file.write(content[at : at + step])
                file.flush()
                time.sleep(0.08 if at else 0.4)  # longer than a file has to be quiet: its end is missing
        done.append(time.monotonic())

    writer = threading.Thread(target=copy)
    writer.start()
    progress = Silent()
    watcher = Watcher(options, settings, Quick, progress)
    runs: list[Run] = []
    while not (runs and runs[-1].outcomes):
        if run := watcher.look():
            runs.append(run)
        time.sleep(0.02)
    assert done, "it was read before it was whole"
    writer.join()
    assert told(runs[-1]) == ["copied.pdf added"]
    assert all(run.waiting in ((), (str(target),)) and not run.errors for run in runs[:-1])
    assert any(run.waiting for run in runs)


def test_a_broken_file_is_told_once(options: Options, settings: Settings, tmp_path: Path) -> None:
    whole, target = tmp_path / "whole.pdf", options.folders[0] / "a.pdf"
    pdfs.many_pages(whole, 2)
    target.write_bytes(whole.read_bytes()[:300])
    waiting = once(options, settings)
    assert waiting.waiting == (str(target),) and not waiting.outcomes and not waiting.failed
    failed = once(replace(options, once=True, patience=0.4), settings)
    assert told(failed) == ["a.pdf failed"] and failed.failed
    assert str(target) in run_json(failed)["failed"][0]["reason"]
    assert failed.digest and failed.digest.counts["failed"] == 1
    after = once(options, settings)
    assert told(after) == [] and after.broken == 1 and not after.failed and not after.changed
    patient = replace(options, patience=0.1)
    assert told(once(patient, settings, retry=True)) == ["a.pdf failed"]
    target.chmod(0o640)  # which may be why it could not be read
    assert told(once(patient, settings)) == ["a.pdf failed"]
    assert told(once(patient, settings)) == []
    shutil.copy(whole, target)
    good = once(options, settings)
    assert told(good) == ["a.pdf added"] and good.broken == 0


def test_a_lost_share_removes_nothing(options: Options, settings: Settings, tmp_path: Path) -> None:
    [folder] = options.folders
    report(folder / "a.md", "风控")
    once(options, settings)
    folder.rename(tmp_path / "away")
    gone = once(options, settings)
    assert gone.failed and str(folder) in gone.errors[0] and "is gone" in gone.errors[0]
    folder.mkdir()
    other = report(tmp_path / "other" / "b.md", "零售").parent
    empty = once(replace(options, folders=(folder, other)), settings)
    assert f"{folder}: 1 reports are gone at once" in empty.errors[0] and "--remove-many" in empty.errors[0]
    assert told(empty) == ["b.md added"]
    folder.rmdir()
    (tmp_path / "away").rename(folder)
    back = once(options, settings)
    assert told(back) == [] and not back.failed and back.unchanged == 1
    assert stored(settings) == ["a.md", "b.md"]


def test_a_share_that_is_lost_in_part_removes_nothing(options: Options, settings: Settings, tmp_path: Path) -> None:
    [folder] = options.folders
    for name in ("a", "b", "c", "mounted/d", "deleted/e"):
        report(folder / f"{name}.md", f"{name}项目")
    once(options, settings)
    for name in ("mounted/d", "deleted/e"):
        (folder / f"{name}.md").unlink()
    (folder / "deleted").rmdir()
    part = once(options, settings)
    assert told(part) == ["e.md removed"]
    assert part.failed and "mounted/d.md" in part.errors[0] and "1 reports" in part.errors[0]

    for name in ("a", "b", "c"):
        (folder / f"{name}.md").rename(tmp_path / f"{name}.md")
    for number in range(5):  # more than are left: what is held stays so, whatever comes
        report(folder / f"not-mounted{number}.md", f"第{number}份")
    saved = tmp_path / "before.zip"
    most = once(options, settings)
    assert {what.split()[1] for what in told(most)} == {"added"} and "4 reports" in most.errors[0]
    again = once(replace(options, backup=saved), settings)
    assert told(again) == [] and again.errors == most.errors and not saved.exists()
    (tmp_path / "a.md").rename(folder / "mounted" / "moved.md")
    (tmp_path / "b.md").rename(folder / "b.md")
    back = once(options, settings)
    assert told(back) == ["moved.md moved"] and "2 reports" in back.errors[0]
    assert told(once(options, settings, remove_many=True)) == ["c.md removed", "d.md removed"]
    assert not once(options, settings).failed


def test_what_moves_to_other_folders_is_not_lost(options: Options, settings: Settings) -> None:
    [folder] = options.folders
    for name in "abcd":
        report(folder / "old" / f"{name}.md", f"{name}项目")
    once(options, settings)
    (folder / "new").mkdir()
    for name in "abcd":
        (folder / "old" / f"{name}.md").rename(folder / "new" / f"{name}.md")
    moved = once(options, settings)
    assert told(moved) == [f"{name}.md moved" for name in "abcd"] and not moved.failed


def test_links_are_passed_over_and_told(options: Options, settings: Settings, tmp_path: Path) -> None:
    [folder] = options.folders
    secret = report(tmp_path / "elsewhere" / "secret.md", "机密")
    (folder / "link.md").symlink_to(secret)
    report(folder / "a.md", "风控")
    run = once(options, settings)
    assert told(run) == ["a.md added"] and not run.failed
    assert run_json(run)["links"] == [str(folder / "link.md")] and run.unchanged == 0
    assert stored(settings) == ["a.md"]


def test_a_faulty_disk_costs_neither_the_run_nor_the_others(
    options: Options, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    [folder] = options.folders
    report(folder / "a.md", "风控")
    bad, stat = report(folder / "b.md", "零售"), Path.stat

    def stale(path: Path, **more: bool) -> os.stat_result:
        if path == bad:
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return stat(path, **more)

    monkeypatch.setattr(Path, "stat", stale)
    run = once(options, settings)
    assert told(run) == ["a.md added"]
    assert run.errors == [f"{bad}: cannot be looked at: Stale file handle"]
    monkeypatch.undo()

    (settings.index / OUTBOX).write_text("no folder", "utf-8")
    unsent = once(replace(options, webhook="http://127.0.0.1:9/"), settings)
    assert told(unsent) == ["b.md added"] and f"{settings.index / OUTBOX}: File exists" in unsent.errors
    with sqlite3.connect(settings.index / STORE_FILE) as store:
        [root] = store.execute("SELECT rootpage FROM sqlite_master WHERE name = 'documents'").fetchone()
        [size] = store.execute("PRAGMA page_size").fetchone()
    store.close()
    with (settings.index / STORE_FILE).open("r+b") as file:  # past what opening looks at
        file.seek((root - 1) * size)
        file.write(b"x" * size)
    assert "malformed; kb verify" in once(options, settings).errors[0]


def test_a_lock_that_cannot_be_made_is_told_in_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index" / WATCH_LOCK).mkdir(parents=True)
    status = app(["watch", str(tmp_path), "--once", "--index", str(tmp_path / "index")], standalone_mode=False)
    assert status == 1
    assert str(tmp_path / "index") in json.loads(capsys.readouterr().out)["errors"][0]


@pytest.mark.parametrize("when", ["before", "in"])
def test_a_file_that_vanishes_does_not_cost_the_others(when: str, options: Options, settings: Settings) -> None:
    [folder] = options.folders
    report(folder / "a.md", "风控")
    lost = report(folder / "b.md", "零售")

    class Late(Watcher):
        def _prepare(self, open_encoder: Callable[[], Encoder]) -> None:
            if when == "before":
                lost.unlink()

    def opened() -> Quick:
        lost.unlink(missing_ok=True)
        return Quick()

    run = run_of(Late(options, settings, opened, Silent()))
    assert told(run) == ["a.md added"] and not run.failed and run.unchanged == 0


def test_how_long_a_file_is_the_same_counts_from_when_it_was_seen(options: Options, tmp_path: Path) -> None:
    half = tmp_path / "a.pdf"
    half.write_bytes(b"%PDF-1.7")
    os.utime(half, (1, 1))  # as cp -p leaves it, or another machine's clock
    found, settling = stat_of(half), Settling(2, 60)
    assert found
    changed = {str(half): found}
    assert [settling.sort(changed, now).half for now in (0.0, 3.0, 59.0)] == [[], [str(half)], [str(half)]]
    assert settling.sort(changed, 60.0).ready == [str(half)]


def test_folders_that_are_gone_are_not_looked_at_all_the_time(options: Options, settings: Settings) -> None:
    options.folders[0].rmdir()
    stop = threading.Event()
    looks = ticks(Watcher(options, settings, Quick, Silent()), stop, 0)
    assert [next(looks) for _ in range(3)] == [True, False, False]
    options.folders[0].mkdir()
    assert next(looks) is True
    stop.set()


def test_the_unit_of_the_server_asks_for_keys_behind_its_proxy() -> None:
    unit = (ROOT / "scripts" / "kb-serve.service").read_text("utf-8")
    assert "\nEnvironment=KB_KEYS=required KB_PROXIES=127.0.0.1\n" in unit and "\nOOMPolicy=continue\n" in unit


def test_what_is_removed_may_stay_and_other_folders_are_let_alone(
    options: Options, settings: Settings, tmp_path: Path
) -> None:
    [folder] = options.folders
    elsewhere = report(tmp_path / "reports2" / "x.md", "对公")
    ingest([elsewhere, report(folder / "a.md", "风控"), report(folder / "b.md", "零售")], settings, Quick, Silent())
    elsewhere.unlink()
    (folder / "a.md").unlink()
    assert told(once(replace(options, keep_removed=True), settings)) == ["b.md unchanged"]
    assert told(once(options, settings)) == ["a.md removed"]
    assert stored(settings) == ["b.md", "x.md"]


def test_what_was_taken_out_by_hand_stays_out(options: Options, settings: Settings) -> None:
    report(options.folders[0] / "a.md", "风控")
    report(options.folders[0] / "b.md", "零售")
    once(options, settings)
    remove("a.md", settings)
    assert told(once(options, settings)) == []
    assert told(once(options, settings, again=True)) == ["a.md added", "b.md unchanged"]


def test_the_index_may_lie_in_the_folder_and_be_put_back(options: Options, settings: Settings) -> None:
    [folder] = options.folders
    inside = settings.model_copy(update={"index": folder / "index"})
    inside.index.mkdir()
    report(inside.index / "uploads" / "u.md", "上传")
    report(folder / "a.md", "风控")
    assert list(scan([folder], inside.index).files) == [str(folder / "a.md")]
    once(options, inside)
    old = inside.index / "old.sqlite"
    with sqlite3.connect(inside.index / STORE_FILE) as live, sqlite3.connect(old) as copy:
        live.backup(copy)
    live.close(), copy.close()
    report(folder / "b.md", "零售")
    assert told(once(options, inside)) == ["b.md added"]
    for end in ("-wal", "-shm"):
        (inside.index / (STORE_FILE + end)).unlink(missing_ok=True)
    old.replace(inside.index / STORE_FILE)
    assert told(once(options, inside)) == ["a.md unchanged", "b.md added"]


def test_a_digest_that_was_not_put_out_is_in_the_next(options: Options, settings: Settings) -> None:
    [folder] = options.folders
    digests: list[Digest] = []

    def full(digest: Digest) -> None:
        raise BadInput("news.txt: cannot be written")

    report(folder / "a.md", "风控")
    lost = once(replace(options, put=full), settings)
    assert told(lost) == ["a.md added"] and lost.failed and "news.txt" in lost.errors[0]
    ingest([report(folder / "b.md", "零售")], settings, Quick, Silent())
    once(replace(options, put=digests.append), settings)
    assert [news.document.file for news in digests[0].reports] == ["a.md", "b.md"]
    once(replace(options, put=digests.append), settings)
    assert len(digests) == 1


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("poll", [0.0, 0.1])
def test_it_follows_the_folder_over_a_lost_share(
    poll: float, options: Options, settings: Settings, stop: threading.Event, tmp_path: Path
) -> None:
    [folder] = options.folders
    watcher = Watcher(options, settings, Quick, Silent())
    runs: list[Run] = []

    def collect() -> None:
        for run in follow(watcher, stop, 600, poll, pause=0.05):
            runs.append(run)

    thread = threading.Thread(target=collect)
    thread.start()

    def wait_for(what: Callable[[Run], bool]) -> Run:
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            if found := [run for run in runs if what(run)]:
                return found[0]
            time.sleep(0.02)
        raise AssertionError([told(run) for run in runs])

    wait_for(lambda run: not run.changed)  # the first look
    report(folder / "a.md", "风控")
    report(folder / "b.md", "零售")
    wait_for(lambda run: told(run) == ["a.md added", "b.md added"])  # both in one run
    folder.rename(tmp_path / "away")
    wait_for(lambda run: "is gone" in "".join(run.errors))
    report(tmp_path / "away" / "c.md", "网点")
    (tmp_path / "away").rename(folder)
    wait_for(lambda run: told(run) == ["c.md added"])
    (folder / "b.md").rename(folder / "d.md")
    wait_for(lambda run: told(run) == ["d.md moved"])
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert sum("is gone" in "".join(run.errors) for run in runs) == 1
    assert stored(settings) == ["a.md", "c.md", "d.md"]


def test_two_at_once_are_refused_with_who_is_there(options: Options, settings: Settings) -> None:
    with watching(settings.index, "kb watch somewhere"):
        second = run_kb("watch", options.folders[0], "--once", "--index", settings.index)
        with pytest.raises(IndexBusy), watching(settings.index, "again"):
            pass
    assert second.returncode == 1
    line = json.loads(second.stdout)
    assert str(os.getpid()) in line["errors"][0] and "kb watch somewhere" in line["errors"][0]
    free = run_kb("watch", options.folders[0], "--once", "--index", settings.index)
    assert free.returncode == 0, free.stderr


def test_the_command_writes_a_line_a_run_and_ends_when_told(options: Options, settings: Settings) -> None:
    [folder] = options.folders
    report(folder / "a.md", "风控")
    ingest([folder], settings, Quick, Silent())
    words = ["watch", folder, "--quiet", "0.2", "--index", settings.index, "--digest", "text", "-o", "-"]
    with subprocess.Popen(
        [sys.executable, "-m", "kb.cli", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        try:
            # the packaged encoder is not what the index was made with: said in the line, and the watch goes on
            assert "kb reembed" in json.loads(process.stdout.readline())["errors"][0]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--digest", "html"], "none of"),
        (["-o", "news.txt"], "--digest"),
        (["--gate", "none.jsonl"], "no such file"),
        (["--quiet", "0"], "--quiet"),
    ],
)
def test_wrong_usage_is_status_two(words: list[str], said: str, tmp_path: Path) -> None:
    done = run_kb("watch", tmp_path, "--once", *words, "--index", tmp_path / "index")
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "index").exists()


def test_a_gate_that_falls_fails_the_run(copied_settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    shutil.copytree(CORPUS, folder)
    with sqlite3.connect(copied_settings.index / STORE_FILE) as store:
        store.execute("UPDATE documents SET path = ? || file", (f"{folder}/",))
    store.close()
    gold, saved = tmp_path / "gold.jsonl", tmp_path / "before.zip"
    shutil.copy(CORPUS / "gold.jsonl", gold)
    digests: list[Digest] = []
    options = Options((folder,), quiet=0.1, gate=Gate(gold, 0.02), backup=saved, put=digests.append)

    def run() -> Run:
        return run_of(Watcher(options, copied_settings, encoder, Silent()))

    assert {outcome.what for outcome in run().outcomes} == {"unchanged"}
    (folder / "survey2023.pdf").unlink()
    fell = run()
    assert told(fell) == ["survey2023.pdf removed"] and fell.failed
    assert fell.verdict and fell.verdict.falls and "fell from" in fell.verdict.falls[0]
    assert run_json(fell)["gate"]["passed"] is False
    assert digests[-1].gate == fell.verdict.falls and "评测未通过" in digests[-1].headline
    assert check_backup(saved, lambda done, total: None).generation == fell.generation - 1
    assert not run().failed  # nothing changed since
    shutil.copy(CORPUS / "survey2023.pdf", folder)
    back = run()
    assert told(back) == ["survey2023.pdf added"] and not back.failed
    assert back.verdict and back.verdict.figures["ndcg"] > fell.verdict.figures["ndcg"]
