"""Commands on the corpus: bring reports in, tag them anew, take them out, see what is there and whether it is whole."""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from kb.catalogue import STORE_FILE
from kb.cli.common import (
    SHOWN,
    AsJson,
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
)
from kb.errors import BadInput, KbError
from kb.lock import holder
from kb.settings import load_settings
from kb.show import out, show_blocks, show_tags
from kb.store import Store
from kb.taxonomy import load_taxonomy
from kb.verify import verify as verify_store
from kb.writing import WRITING_LOCK


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
    author: Annotated[str | None, typer.Option(help="Who wrote it, for citations [its publisher].")] = None,
    place: Annotated[str | None, typer.Option(help="Where it was published, for citations.")] = None,
    url: Annotated[str | None, typer.Option(help="Where it can be read, for citations.")] = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Bring reports into the index: unchanged files are skipped, changed ones replaced, broken ones named.

    Title, publisher, year, kind, author, place and url that are given here hold over those
    in report.toml beside report.pdf, and these over what the report itself tells.
    """
    from kb.build import ingest as run  # the readers, which few other commands need
    from kb.metadata import check_given
    from kb.progress import Bars

    by_hand = {
        "title": title, "publisher": publisher, "year": year, "kind": kind, "author": author, "place": place, "url": url
    }  # fmt: skip
    given = check_given({name: value for name, value in by_hand.items() if value is not None}, "command line")
    if given.model_fields_set and (len(paths) > 1 or paths[0].is_dir()):
        raise typer.BadParameter("--title, --publisher and the like are for a single file")
    settings = settings_for(index)
    if workers:
        settings = settings.model_copy(update={"workers": workers})
    passwords = passwords_of(settings, password, password_file)
    with Bars(err) as bars:
        report = run(paths, settings, cache(lambda: encoder_of(settings)), bars, force, given, passwords)
    for outcome in report.outcomes:
        if outcome.what not in ("unchanged", "failed") and outcome.document:
            note_change(settings, "ingest", file=outcome.path.name, what=outcome.what, document=outcome.document.id)
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
def retag(as_json: AsJson = False, index: Index = None) -> None:
    """Tag all passages anew, after a change of the taxonomy, of the list of banks or of the overrides.

    Nothing is read or embedded again: KB_TAXONOMY and KB_BANKS name files of
    your own, and corpus/overrides.toml (KB_OVERRIDES) holds what was set by hand.
    """
    from kb.progress import counting
    from kb.retag import retag as run

    settings = settings_for(index)
    with counting(err, "tagging") as done:
        report = run(settings, cache(lambda: encoder_of(settings)), done)
    note_change(settings, "retag", passages=report.changed)
    if as_json:
        write_json(asdict(report))
    else:
        out.print(
            f"{report.changed:,} of {report.passages:,} passages in {report.documents} reports have other tags now"
        )
    for identity in report.unknown:
        err.print(f"{settings.overrides}: no passage {identity} in this index", style="yellow", highlight=False)


@app.command()
def correct(
    passage_id: Annotated[str, typer.Argument(metavar="PASSAGE_ID", help="Id of a passage; see kb show.")],
    bank: Annotated[list[str] | None, typer.Option(help="The bank that it is about; repeatable.")] = None,
    no_bank: Annotated[bool, typer.Option("--no-bank", help="It is about no bank.")] = False,
    dimension: Annotated[str | None, typer.Option(help="战略, 组织, 技术, 应用, 数据 or 生态.")] = None,
    topic: Annotated[list[str] | None, typer.Option(help="Topic id or label, first the main one; up to three.")] = None,
    no_topic: Annotated[bool, typer.Option("--no-topic", help="It has none of the topics.")] = False,
    role: Annotated[str | None, typer.Option(help="背景, 措施, 效果, 观点, 调研, 政策, 建议 or 其他.")] = None,
    year: Annotated[int | None, typer.Option(help="Year of the matter that it tells.")] = None,
    no_year: Annotated[bool, typer.Option("--no-year", help="It tells of no year.")] = False,
    region: Annotated[str | None, typer.Option(help="Region that it tells of, such as 山东 or '山东 青岛'.")] = None,
    no_region: Annotated[bool, typer.Option("--no-region", help="It tells of no region.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was set by hand.")] = False,
    index: Index = None,
) -> None:
    """Set a passage's tags by hand; what is not given stays as it was.

    kb correct 3f9c2a7be01d4455 --bank 青岛银行 --dimension 生态 --topic open-banking

    The correction is written to corpus/overrides.toml (KB_OVERRIDES) under the
    passage's id, and holds at every tagging from now on.
    """
    from kb.retag import correct as run

    for name, value, none in (
        ("bank", bank, no_bank),
        ("topic", topic, no_topic),
        ("year", year, no_year),
        ("region", region, no_region),
    ):
        if none and value is not None:
            raise typer.BadParameter(f"give --{name} or --no-{name}, not both")
    given = {
        "banks": [] if no_bank else bank,
        "dimension": dimension,
        "topics": [] if no_topic else topic,
        "role": role,
        "year": 0 if no_year else year,
        "region": "" if no_region else region,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if bool(changes) == undo:
        raise typer.BadParameter("give the tags to set, or --undo alone")
    settings = settings_for(index)
    corrected = run(settings, cache(lambda: encoder_of(settings)), passage_id, None if undo else changes)
    note_change(settings, "correct", passage=passage_id, tags=changes or "as found")
    show_tags(corrected, load_taxonomy(settings.taxonomy))


@app.command()
def status(as_json: AsJson = False, index: Index = None) -> None:
    """What is in the index: reports, passages, pages and files that could not be read."""
    from kb.retag import needs_retag

    settings = settings_for(index)
    writer = holder(settings.index / WRITING_LOCK)
    with Store.open(settings.index / STORE_FILE) as store:
        generation = store.snapshot()
        documents, passages = store.documents(), store.count_passages()
        problems, failures, model = store.problem_pages(), store.failures(), store.model()
        stale, unusable = False, ""
        try:
            stale = needs_retag(settings, store)
        except BadInput as error:
            unusable = str(error)
    if as_json:
        write_json(
            {
                "index": str(settings.index),
                "generation": generation,
                "model": asdict(model),
                "retag": stale,
                "writing": asdict(writer) if writer else None,
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
    if writer:
        out.print(f"being written by {writer}", highlight=False, soft_wrap=True, markup=False)
    if stale:
        out.print("[yellow]taxonomy, banks or overrides have changed since the reports were tagged:[/yellow] kb retag")
    if unusable:
        out.print(f"[red]cannot be used:[/red] {escape(unusable)}", highlight=False, soft_wrap=True)
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
    note_change(settings, "remove", file=document.file, document=document.id)
    out.print(f"removed {document.file} ({document.title})")
