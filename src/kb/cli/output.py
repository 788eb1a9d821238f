"""The command that writes passages and tables to files."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer

from kb.catalogue import STORE_FILE
from kb.cli.common import Index, app, err, settings_for, writing_to
from kb.export import document_json, exported_json, table_json, write_csv, write_jsonl, write_parquet
from kb.spreadsheet import ENCODING, INDEX_FILE, write_folder, write_long
from kb.store import Store


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
        with writing_to(output):
            (export_tables if tables else export_passages)(store, format, output)


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
