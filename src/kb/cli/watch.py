"""The command that keeps an index in step with folders."""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kb.cli.common import (
    Index,
    Password,
    PasswordFile,
    app,
    encoder_of,
    err,
    note_change,
    passwords_of,
    settings_for,
    write_json,
    writing_to,
)
from kb.errors import KbError
from kb.gate import TOLERANCE, check_tolerance
from kb.settings import Settings

if TYPE_CHECKING:  # they bring the readers along, which few other commands need
    from kb.build import Outcome
    from kb.digest import Digest
    from kb.watch import Run, Watcher


@app.command()
def watch(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Folders with reports, and those below.")],
    once: Annotated[bool, typer.Option("--once", help="Look once, for cron.")] = False,
    keep_removed: Annotated[
        bool, typer.Option("--keep-removed", help="What is removed from the folders stays in the index.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Compare the content of all files once, not only sizes and times.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Read again, once, what could not be read before.")] = False,
    remove_many: Annotated[
        bool, typer.Option("--remove-many", help="Take out, once, what is gone, even most of a folder.")
    ] = False,
    quiet: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="A file is read when it was the same for so long.")
    ] = 2.0,
    patience: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="One whose end is missing is waited for so long.")
    ] = 60.0,
    every: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="All files are looked at so often, as events get lost.")
    ] = 600.0,
    poll: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Look so often and wait for no events: for network shares.")
    ] = 0.0,
    gate: Annotated[
        Path | None, typer.Option(metavar="GOLD", help="After a change, fail where these are answered worse (kb eval).")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="By how much a figure may fall, 0 to 1.")] = TOLERANCE,
    backup: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Back the index up into this file before it is changed.")
    ] = None,
    digest: Annotated[str | None, typer.Option(help="Tell what is new, as text, md or json.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File for the digest; -: standard output [standard error].")
    ] = None,
    webhook: Annotated[str, typer.Option(metavar="URL", help="Post the digest there, as JSON.")] = "",
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that read pages [one a core].")] = None,
    password: Password = None,
    password_file: PasswordFile = None,
    index: Index = None,
) -> None:
    """Keep the index in step with folders: new, changed, renamed and removed reports.

    kb watch ~/reports --digest text
    kb watch ~/reports --once --gate gold.jsonl --backup before.zip

    Each run that changed something ends with a line of JSON on standard output. Exit status of --once: 0 done, 1 a file
    could not be read, a figure fell or something went wrong.
    """
    from kb.digest import FORMATS
    from kb.outbox import check_webhook
    from kb.watch import Gate, Options, Run, Watcher, follow, watching

    check_tolerance(tolerance)
    check_options(folders, gate, digest, output)
    if webhook:
        check_webhook(webhook)
    settings = settings_for(index)
    if workers:
        settings = settings.model_copy(update={"workers": workers})
    options = Options(
        folders=tuple(folder.resolve() for folder in folders),
        quiet=quiet,
        patience=patience,
        keep_removed=keep_removed,
        gate=Gate(gate, tolerance) if gate else None,
        backup=backup,
        webhook=webhook,
        put=writer_of(FORMATS[digest], output) if digest else None,
        passwords=passwords_of(settings, password, password_file),
        once=once,
    )
    watcher = Watcher(options, settings, lambda: encoder_of(settings), Lines(), rehash, retry, remove_many)
    doing = f"kb watch {' '.join(map(str, folders))}"
    try:
        with watching(settings.index, doing):
            if once:
                run = look_once(watcher)
                tell(run, settings)
                raise typer.Exit(1 if run.failed else 0)
            stop = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: stop.set())  # the run that is under way is finished
            err.print(f"watching {', '.join(map(str, options.folders))} (Ctrl-C ends)", highlight=False, markup=False)
            for run in follow(watcher, stop, every, poll):
                tell(run, settings)
    except KbError as error:
        tell(Run(errors=[str(error)]), settings)
        raise typer.Exit(1) from error


def check_options(folders: Sequence[Path], gate: Path | None, digest: str | None, output: Path | None) -> None:
    """Raise BadParameter for options that cannot be used, alone or together."""
    from kb.digest import FORMATS

    if digest not in (None, *FORMATS):
        raise typer.BadParameter(f"--digest {digest!r} is none of {', '.join(FORMATS)}")
    if output and not digest:
        raise typer.BadParameter("-o is the file for the digest: give --digest too")
    if gate and not gate.is_file():
        raise typer.BadParameter(f"--gate {gate}: no such file")
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise typer.BadParameter(f"{folder} is no folder; kb ingest reads single files")


def look_once(watcher: "Watcher") -> "Run":
    """One look, after waiting for files that are being copied."""
    from kb.watch import TICK

    wait = threading.Event()
    while (run := watcher.look()) is None:
        wait.wait(TICK)
    return run


def tell(run: "Run", settings: Settings) -> None:
    """A run's line on standard output, what went wrong on standard error, and what it changed in the audit log."""
    from kb.watch import run_json

    for outcome in run.outcomes:
        if outcome.what not in ("unchanged", "failed") and outcome.document:
            note_change(settings, "watch", file=outcome.path.name, what=outcome.what, document=outcome.document.id)
    for document in run.removed:
        note_change(settings, "watch", file=document.file, what="removed", document=document.id)

    falls = run.verdict.falls if run.verdict else ()
    if run.links:
        told = f"{len(run.links)} links are passed over, such as {run.links[0]}"
        err.print(told, highlight=False, soft_wrap=True, markup=False)
    for problem in (*run.errors, *falls, *([WAY_BACK] if falls else ())):
        err.print(f"kb: {problem}", style="red", highlight=False, soft_wrap=True, markup=False)
    write_json(run_json(run))
    sys.stdout.flush()


WAY_BACK = "the index stays as it is: put a backup back (kb restore), or accept it (kb eval --accept)"


def writer_of(form: "Callable[[Digest], str]", output: Path | None) -> "Callable[[Digest], None]":
    """What writes digests to a file, in one step, or to a standard stream."""
    from kb.files import replace_file

    def write(digest: "Digest") -> None:
        if output is None:
            sys.stderr.write(form(digest))
        elif str(output) == "-":
            sys.stdout.write(form(digest))
        else:
            with writing_to(output):
                replace_file(output.resolve(), form(digest))

    return write


class Lines:
    """Progress as a line for each file that was read."""

    def start(self, path: Path, pages: int) -> None:
        """Nothing: a log has no bars."""

    def pages(self, count: int) -> None:
        """Nothing."""

    def embedding(self, total: int) -> None:
        """Nothing."""

    def embedded(self, done: int) -> None:
        """Nothing."""

    def finish(self, outcome: "Outcome") -> None:
        """Say what became of a file that is not as it was."""
        from kb.progress import WORDS

        if outcome.what != "unchanged":
            detail = f" {outcome.passages} passages" if outcome.passages else escape(f" {outcome.reason}".rstrip())
            err.print(f"{WORDS[outcome.what]} {escape(str(outcome.path))}{detail}", highlight=False, soft_wrap=True)
