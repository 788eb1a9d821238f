"""The command that writes quotes with their sources."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from kb.basket.collect import collect, parse_wanted
from kb.basket.formats import FORMATS, format_of
from kb.catalogue import Catalogue
from kb.cli.common import Index, app, settings_for, writing_to


@app.command()
def quote(
    passages: Annotated[
        list[str],
        typer.Argument(metavar="ID", help="Ids of passages, as results show them; ID:START-END for a part of one."),
    ],
    format: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(FORMATS)}; else as the file is named, else md."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; default: standard output.")
    ] = None,
    index: Index = None,
) -> None:
    """Quotes with their sources, for documents and reference managers.

    kb quote 4e2e63fdcf100995 a7c20be91f3d4456 -o quotes.docx

    writes a Word document: the quotes, a footnote each, and 参考文献 by
    GB/T 7714—2015. quotes.md, .bib, .json, .ris, .csv and .txt go the same way.

    kb quote 4e2e63fdcf100995:0-58 --format gbt7714

    prints the reference for the first 58 characters of a passage; footnote
    prints it as Chinese books have it at the foot of a page.

    Each quote is found again on its pages first; where one is not, nothing is
    written. A report is one entry, however often it is cited. Its author,
    place and address are given with kb ingest or in report.toml beside it.
    """
    if format is not None and format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is none of {', '.join(FORMATS)}")
    name = format_of(output, format) if output else format or "md"
    if name == "docx" and output is None and sys.stdout.isatty():
        raise typer.BadParameter("docx is no text for a terminal; give a file: -o quotes.docx")
    wanted, today = parse_wanted(passages), date.today()
    with Catalogue.open(settings_for(index)) as catalogue:
        basket = collect(catalogue.store, wanted, catalogue.book, today)
    content = FORMATS[name].write(basket, today)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    with writing_to(output):
        output.write_bytes(content)
