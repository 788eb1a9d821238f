"""Progress bars for ingesting, tagging, training and embedding, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:  # it brings the readers along, which tagging does not need
    from kb.build import Outcome

WORDS = {
    "added": "[green]added[/green]",
    "replaced": "[green]replaced[/green]",
    "updated": "[green]updated[/green]",
    "moved": "moved",
    "unchanged": "[dim]unchanged[/dim]",
    "failed": "[red]failed[/red]",
}


class Bars:
    """A bar for the pages of the current file, then for its passages and sentences; a line a file when it is done."""

    def __init__(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bars = Progress(*columns, console=console, transient=True)
        self._task = self._bars.add_task("", visible=False)
        self._name = ""

    def __enter__(self) -> "Bars":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def start(self, path: Path, pages: int) -> None:
        """Begin a file."""
        self._name = escape(path.name)
        self._bars.reset(self._task, description=f"{self._name} pages", total=pages, visible=True)

    def pages(self, count: int) -> None:
        """More pages are read."""
        self._bars.advance(self._task, count)

    def embedding(self, total: int) -> None:
        """Begin to embed."""
        self._bars.reset(self._task, description=f"{self._name} passages and sentences", total=total)

    def embedded(self, done: int) -> None:
        """So many are embedded."""
        self._bars.update(self._task, completed=done)

    def finish(self, outcome: "Outcome") -> None:
        """Say what became of a file."""
        self._bars.update(self._task, visible=False)
        detail = f" {outcome.passages} passages" if outcome.passages else escape(f" {outcome.reason}".rstrip())
        self._bars.console.print(
            f"{WORDS[outcome.what]} {escape(outcome.path.name)}{detail}",
            highlight=False,
            soft_wrap=True,
        )


class Counts:
    """A bar for each stage of a work, which shows from the first step on."""

    def __init__(self, console: Console) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bars = Progress(*columns, console=console, transient=True)

    def __enter__(self) -> "Counts":
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def of(self, what: str) -> Callable[[int, int], None]:
        """The bar of a stage: called with how many of how many steps are done."""
        task = self._bars.add_task(what, visible=False, start=False)

        def done(count: int, total: int) -> None:
            if not self._bars.tasks[task].started:
                self._bars.start_task(task)
            self._bars.update(task, completed=count, total=total, visible=count < total)

        return done


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int], None]]:
    """A bar of which only the present end is known: called with how many more are done."""
    columns = TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda count: bars.advance(task, count)
