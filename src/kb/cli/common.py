"""What all commands share: the application, its options, settings, and how errors are told."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from kb import __version__
from kb.audit import record_command
from kb.catalogue import parse_filters
from kb.embed import Encoder
from kb.errors import BadInput, BadQuery
from kb.model import encoder_for
from kb.records import Filters
from kb.settings import Settings, load_settings, read_passwords
from kb.show import out

app = typer.Typer(
    name="kb",
    help="Ask Chinese bank reports a question and get verbatim excerpts, each cited to report and page.\n\n"
    "Begin with: [bold]kb ingest corpus/[/bold], then: [bold]kb ask 银行怎么解决金融科技人才短缺[/bold]",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

err = Console(stderr=True)

SHOWN = 20
"""How many pages or problems a command lists for a person."""

Index = Annotated[
    Path | None, typer.Option("--index", metavar="DIR", help="Folder of the index [KB_INDEX, else index/].")
]
Bank = Annotated[list[str] | None, typer.Option("--bank", help="Only about this bank, by name or alias; repeatable.")]
Dimension = Annotated[
    list[str] | None, typer.Option("--dimension", help="战略, 组织, 技术, 应用, 数据 or 生态; repeatable.")
]
Topic = Annotated[list[str] | None, typer.Option("--topic", help="Topic id or label, such as talent; repeatable.")]
Year = Annotated[list[str] | None, typer.Option("--year", help="Year of the report, such as 2021; repeatable.")]
Report = Annotated[list[str] | None, typer.Option("--report", help="File name, id or title of a report; repeatable.")]
Password = Annotated[
    list[str] | None, typer.Option(help="Tried on encrypted files; repeatable. Others on this machine may see it.")
]
PasswordFile = Annotated[
    Path | None, typer.Option(help="File of passwords to try, one a line, UTF-8 [KB_PASSWORD_FILE].")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")]


def note_change(settings: Settings, command: str, **fields: object) -> None:
    """Write a change into the audit log. Where that fails it is said, and the change stays."""
    try:
        record_command(settings.index, command, **fields)
    except OSError as error:
        err.print(f"the audit log cannot be written: {error.strerror}", style="yellow", highlight=False)


def fail(message: str) -> NoReturn:
    """One line on standard error, and exit status 1."""
    err.print("kb: " + escape(" ".join(message.split())), style="red", soft_wrap=True, highlight=False)
    sys.exit(1)


def settings_for(index: Path | None) -> Settings:
    """The settings of the process, with the index of the command."""
    settings = load_settings()
    return settings.model_copy(update={"index": index}) if index else settings


def encoder_of(settings: Settings) -> Encoder:
    """The encoder of the index that the settings name."""
    return encoder_for(settings)


def passwords_of(settings: Settings, given: list[str] | None, file: Path | None) -> tuple[str, ...]:
    """The passwords to try: those of the command, then those of the file that it or the settings name."""
    return (*(given or ()), *read_passwords(file or settings.password_file))


def filters_of(
    bank: list[str] | None,
    dimension: list[str] | None,
    topic: list[str] | None,
    year: list[str] | None,
    report: list[str] | None,
) -> Filters:
    """Filters from repeated options."""
    try:
        return parse_filters({"bank": bank, "dimension": dimension, "topic": topic, "year": year, "report": report})
    except BadQuery as error:
        raise typer.BadParameter(str(error)) from error


def write_json(value: object) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """What holds for every command."""
    if show:
        out.print(f"kb {__version__}")
        raise typer.Exit


@contextmanager
def writing_to(path: Path | None) -> Iterator[None]:
    """Name the file that cannot be written. Raises BadInput."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from error
