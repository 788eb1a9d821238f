"""The command line: thin commands over the library; results to standard output, progress and messages to the other."""

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kb import __version__
from kb.answer import ask as ask_library
from kb.embed import Encoder, open_encoder
from kb.errors import BadInput, BadQuery, KbError
from kb.evaluate import evaluate, load_gold, read_lines
from kb.export import (
    answer_json,
    document_json,
    exported_json,
    result_json,
    table_json,
    write_csv,
    write_jsonl,
    write_parquet,
)
from kb.records import Filters
from kb.search import STORE_FILE, Library, check_question, check_top, parse_filters
from kb.settings import Settings, load_settings, read_passwords
from kb.show import out, show_answer, show_blocks, show_figures, show_result
from kb.spreadsheet import ENCODING, INDEX_FILE, write_folder, write_long
from kb.store import Store
from kb.verify import verify as verify_store

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


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and exit status 1."""
    try:
        app()
    except KbError as error:
        fail(str(error))
    except sqlite3.DatabaseError as error:  # found while reading or writing, past the checks at opening
        fail(f"the index cannot be read or written ({STORE_FILE}: {str(error)[:80]}); free the disk, or ingest anew")
    except KeyboardInterrupt:
        err.print("kb: interrupted; what was stored before is whole")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        sys.exit(141)


def fail(message: str) -> NoReturn:
    """One line on standard error, and exit status 1."""
    err.print("kb: " + escape(" ".join(message.split())), style="red", soft_wrap=True, highlight=False)
    sys.exit(1)


def settings_for(index: Path | None) -> Settings:
    """The settings of the process, with the index of the command."""
    settings = load_settings()
    return settings.model_copy(update={"index": index}) if index else settings


def encoder_of(settings: Settings) -> Encoder:
    """The encoder that the settings name."""
    return open_encoder(settings.model, settings.cache)


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


@app.command()
def ingest(
    paths: Annotated[
        list[Path], typer.Argument(help="PDF, text, Markdown and Word (.docx) files, and folders with such files.")
    ],
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that read pages [one a core].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Read again what has not changed.")] = False,
    password: Password = None,
    password_file: PasswordFile = None,
    title: Annotated[str | None, typer.Option(help="Title of the report, for a single file.")] = None,
    publisher: Annotated[str | None, typer.Option(help="Its publisher.")] = None,
    year: Annotated[int | None, typer.Option(help="Its year.")] = None,
    kind: Annotated[str | None, typer.Option(help="年报, 季报, 白皮书, 研究报告 or 其他.")] = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Bring reports into the index: unchanged files are skipped, changed ones replaced, broken ones named.

    Title, publisher, year and kind that are given here hold over those in
    report.toml beside report.pdf, and these over what the report itself tells.
    """
    from kb.build import ingest as run  # the readers, which few other commands need
    from kb.metadata import check_given
    from kb.progress import Bars

    by_hand = {"title": title, "publisher": publisher, "year": year, "kind": kind}
    given = check_given({name: value for name, value in by_hand.items() if value is not None}, "command line")
    if given.model_fields_set and (len(paths) > 1 or paths[0].is_dir()):
        raise typer.BadParameter("--title, --publisher, --year and --kind are for a single file")
    settings = settings_for(index)
    if workers:
        settings = settings.model_copy(update={"workers": workers})
    passwords = passwords_of(settings, password, password_file)
    with Bars(err) as bars:
        report = run(paths, settings, cache(lambda: encoder_of(settings)), bars, force, given, passwords)
    if as_json:
        write_json(
            {
                "generation": report.generation,
                "files": [
                    {
                        "file": outcome.path.name,
                        "outcome": outcome.what,
                        "passages": outcome.passages,
                        "reason": outcome.reason,
                    }
                    for outcome in report.outcomes
                ],
            }
        )
    if report.failed:
        raise BadInput(f"{len(report.failed)} of {len(report.outcomes)} files could not be read; see kb status")


@app.command()
def search(
    query: Annotated[str | None, typer.Argument(help="What you want to know, in words.")] = None,
    top: Annotated[int, typer.Option(help="How many results, 1 to 100.")] = 10,
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    batch: Annotated[
        Path | None, typer.Option(help="JSON lines with id, query and filters; answers in the same order.")
    ] = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Rank excerpts for a question.

    kb search 银行怎么解决金融科技人才短缺 --dimension 组织 --top 5
    """
    if (query is None) == (batch is None):
        raise typer.BadParameter("give either a question or --batch FILE")
    check_top(top)
    if query is not None:
        check_question(query)
    filters = filters_of(bank, dimension, topic, year, report)
    if batch is not None and filters:
        raise typer.BadParameter("in a batch, each line has its own filters; give none beside --batch")
    with Library.open(settings_for(index)) as library:
        if batch is not None:
            for answer in search_batch(library, batch, top):
                write_json(answer)
            return
        result = library.search(query or "", top, filters)
    if as_json:
        write_json(result_json(result))
    else:
        show_result(result)


def search_batch(library: Library, batch: Path, top: int) -> Iterator[dict[str, Any]]:
    """Answers to the lines of a batch file, in order; a line that fails gives its error, and the rest go on."""
    for number, line in read_lines(batch):
        identity: object = number
        try:
            asked = json.loads(line)
            identity = asked.get("id", number)
            query = asked["query"]
            if not isinstance(query, str):
                raise BadQuery(f"query is {query!r}, not a text")
            filters = parse_filters(asked.get("filters") or {})
            yield result_json(library.search(query, top, filters), identity)
        except KbError as error:
            yield {"id": identity, "error": str(error)}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            yield {"id": identity, "error": f"line {number} is no object with a query: {error}"}


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="A question such as 银行怎么解决金融科技人才短缺.")],
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Answer with the best quotes, bank by bank, each with its citation."""
    check_question(question)
    filters = filters_of(bank, dimension, topic, year, report)
    with Library.open(settings_for(index)) as library:
        answer = ask_library(library, question, filters)
    if as_json:
        write_json(answer_json(answer))
    else:
        show_answer(answer)


@app.command()
def export(
    tables: Annotated[bool, typer.Option("--tables", help="The tables of the reports, in place of passages.")] = False,
    format: Annotated[
        str | None, typer.Option("--format", help="jsonl (default), csv or parquet; tables: csv (default) or jsonl.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write, or with --tables a folder; default: standard output."),
    ] = None,
    index: Index = None,
) -> None:
    """Every live passage in reading order, or every table.

    kb export --tables -o tables

    makes a CSV file for each table, such as tables/survey2023-table-01-p5.csv,
    and index.csv, which says where each table stands. With -o tables.csv,
    or without -o, all tables come as one CSV, a line for each of their rows:
    file and page, the row's number (0: the header), its cells.

    CSV files of tables begin with a byte order mark, so that Excel reads
    Chinese. A cell that a spreadsheet would run as a formula has an apostrophe
    before it; signed numbers stay as they are. In jsonl all is verbatim.
    """
    formats = ("csv", "jsonl") if tables else ("jsonl", "csv", "parquet")
    format = format or formats[0]
    if format not in formats:
        raise typer.BadParameter(f"{format!r} is none of {', '.join(formats)}")
    if format == "parquet" and output is None:
        raise typer.BadParameter("parquet needs a file: -o passages.parquet")
    with Store.open(settings_for(index).index / STORE_FILE) as store:
        store.snapshot()
        try:
            (export_tables if tables else export_passages)(store, format, output)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise BadInput(f"{output}: cannot be written: {error.strerror or error}") from error


def export_passages(store: Store, format: str, output: Path | None) -> None:
    """Passages as JSON lines, CSV or Parquet."""
    passages = store.live_passages()
    if format == "parquet":
        assert output
        write_parquet(passages, output)
        return
    with opened(output, "utf-8") as file:
        if format == "jsonl":
            write_jsonl(map(exported_json, passages), file)
        else:
            write_csv(passages, file)


def export_tables(store: Store, format: str, output: Path | None) -> None:
    """Tables as JSON lines, as one long CSV, or as a folder of CSV."""
    found = list(store.live_tables())
    if format == "jsonl":
        with opened(output, "utf-8") as file:
            write_jsonl(({"doc": document_json(document), **table_json(table)} for document, table in found), file)
    elif output is None or output.suffix.lower() == ".csv":
        with opened(output, ENCODING) as file:
            write_long(found, file)
    else:
        write_folder(found, output)
        err.print(f"{len(found)} tables in {output}; {INDEX_FILE} says where each stands", highlight=False)


def opened(output: Path | None, encoding: str) -> AbstractContextManager[TextIO]:
    """A file to write to, or standard output, which stays open."""
    return output.open("w", encoding=encoding, newline="") if output else nullcontext(sys.stdout)


@app.command()
def status(as_json: AsJson = False, index: Index = None) -> None:
    """What is in the index: reports, passages, pages and files that could not be read."""
    settings = settings_for(index)
    with Store.open(settings.index / STORE_FILE) as store:
        generation = store.snapshot()
        documents, passages = store.documents(), store.count_passages()
        problems, failures, model = store.problem_pages(), store.failures(), store.model()
    if as_json:
        write_json(
            {
                "index": str(settings.index),
                "generation": generation,
                "model": asdict(model),
                "documents": [{**asdict(document), "passages": passages[document.id]} for document in documents],
                "problem_pages": [{"doc": doc, "page": page, "reason": reason} for doc, page, reason in problems],
                "failures": [asdict(failure) for failure in failures],
            }
        )
        return
    table = Table("报告", "年份", "出版者", "页", "段", "不可读页", "id", box=None)
    for document in documents:
        unreadable = sum(doc == document.id for doc, _, _ in problems)
        row = (document.file, document.year or "", document.publisher, document.page_count, passages[document.id])
        table.add_row(*map(str, row), str(unreadable or ""), document.id)
    out.print(table)
    out.print(f"{len(documents)} reports, {sum(passages.values()):,} passages, generation {generation}, {model.name}")
    for doc, page, reason in problems[:SHOWN]:
        file = next(document.file for document in documents if document.id == doc)
        out.print(f"[yellow]{escape(file)} page {page}:[/yellow] {escape(reason)}", highlight=False, soft_wrap=True)
    if len(problems) > SHOWN:
        out.print(f"… and {len(problems) - SHOWN} more pages; kb status --json lists all")
    for failure in failures:
        out.print(f"[red]not read:[/red] {escape(failure.reason)}", highlight=False, soft_wrap=True)


@app.command()
def verify(as_json: AsJson = False, index: Index = None) -> None:
    """Check every quote's place against the stored pages, and the derived indexes against the store."""
    settings = settings_for(index)
    with Store.open(settings.index / STORE_FILE) as store:
        check = verify_store(store, settings.index)
    if as_json:
        write_json(asdict(check))
    else:
        counted = f"{check.documents} documents, {check.passages} passages, {check.spans} spans"
        out.print(f"{counted}, {check.tables} tables, {check.units} vectors")
        for problem in check.problems[:SHOWN]:
            out.print(f"[red]{escape(problem)}[/red]", highlight=False)
    if check.problems:
        raise KbError(f"{len(check.problems)} problems found; kb ingest --force reads the reports again")


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A file as kb ingest takes it; it need not be in the index.")],
    page: Annotated[int, typer.Option(min=1, help="Page of the file, from 1; of a text, its section.")] = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Draw the blocks on the page's picture, into this PNG file.")
    ] = None,
    password: Password = None,
    password_file: PasswordFile = None,
) -> None:
    """Show how a page is understood: its blocks in order. For people who work on the layout.

    kb inspect corpus/survey2023.pdf --page 5 -o page.png

    draws them: order, kind and heading level at the corner of each block, cells
    of tables in thin lines, frames around what stands in one box, and in grey
    what stands in no block. All pages are read, since running lines, sizes and
    heading levels are those of the whole file.
    """
    from kb.build import Pipeline
    from kb.draw import blocks_on_page, draw_page, render_page
    from kb.progress import Bars

    if not file.is_file():
        raise BadInput(f"{file}: is a folder; name one file" if file.is_dir() else f"{file}: no such file")
    if output is not None and output.suffix.lower() != ".png":
        raise BadInput(f"-o {output}: the picture is a PNG; give it a name that ends with .png")
    settings = load_settings()
    passwords = passwords_of(settings, password, password_file)
    pipeline = Pipeline(settings, lambda: encoder_of(settings), settings.processes, passwords)
    try:
        with Bars(err) as bars:
            about, pages, blocks = pipeline.read_blocks(file, bars)
        if page > len(pages):
            raise BadInput(f"--page {page}: {file} has {about.unit}s 1 to {len(pages)}")
        shown = pages[page - 1]
        if output is None:
            show_blocks(shown, blocks_on_page(shown, blocks), about.unit)
            return
        if about.unit != "page":
            raise BadInput(f"{file}: its sections have no picture; leave out -o")
        picture = pipeline.within_limits(file, render_page, file, page, about.password)
    finally:
        pipeline.close()
    draw_page(picture, shown, blocks)
    try:
        picture.save(output, "PNG")
    except OSError as error:
        raise BadInput(f"{output}: cannot be written: {error.strerror or error}") from error


@app.command()
def remove(
    doc: Annotated[str, typer.Argument(metavar="DOC", help="Id, file name or title of a report; see kb status.")],
    index: Index = None,
) -> None:
    """Take a report out of the index, with everything that belongs to it."""
    from kb.build import remove as run

    settings = settings_for(index)
    document = run(doc, settings)
    out.print(f"removed {document.file} ({document.title})")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    index: Index = None,
) -> None:
    """Serve the page and the API until interrupted."""
    import socket

    import uvicorn

    settings = settings_for(index)
    os.environ["KB_INDEX"] = str(settings.index.resolve())
    load_settings.cache_clear()  # the application, which stands above this package, reads its settings by itself
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BadInput(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
    err.print(f"page http://{host}:{port}/   API http://{host}:{port}/docs   (Ctrl-C ends)", highlight=False)
    err.print("try: 银行怎么解决金融科技人才短缺", highlight=False)
    uvicorn.run(
        "api.app:create_app",
        factory=True,
        host=host,
        port=port,
        log_level="warning",
        h11_max_incomplete_event_size=1 << 18,  # a question that is too long is answered, not cut off
    )


@app.command(name="eval")
def evaluate_command(
    gold: Annotated[Path, typer.Argument(help="JSON lines of questions with evidence.")] = Path("corpus/gold.jsonl"),
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Retrieval figures over gold questions: nDCG, recall and reciprocal rank at 10, by type."""
    questions = load_gold(gold)
    with Library.open(settings_for(index)) as library:
        figures, abstentions = evaluate(library, questions)
    if as_json:
        write_json({"figures": [asdict(row) for row in figures], "abstentions": asdict(abstentions)})
    else:
        show_figures(figures, abstentions)


if __name__ == "__main__":
    main()
