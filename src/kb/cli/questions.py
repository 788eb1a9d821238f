"""Commands that ask: search, ask, and what is known of a passage, its figures and cases."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from kb.answer import MAX_POINTS
from kb.answer import ask as ask_library
from kb.catalogue import Catalogue, parse_filters
from kb.cli.common import (
    AsJson,
    Bank,
    Dimension,
    Index,
    Report,
    Topic,
    Year,
    app,
    filters_of,
    settings_for,
    write_json,
    writing_to,
)
from kb.errors import BadQuery, KbError
from kb.evaluate import read_lines
from kb.export import answer_json, case_json, detail_json, figure_json, result_json
from kb.links import successor
from kb.llm import open_writer
from kb.records import Answer, Filters
from kb.search import Library, check_question, check_top
from kb.show import show_answer, show_cases, show_figures, show_passage, show_result, show_written
from kb.spreadsheet import ENCODING, write_figures
from kb.written import Written


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
    explain: Annotated[
        bool, typer.Option("--explain", help="Also tell what was looked for, and how each result was ranked.")
    ] = False,
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
            for line in run_batch(batch, lambda query, own: result_json(library.search(query, top, own, explain))):
                write_json(line)
            return
        result = library.search(query or "", top, filters, explain)
    if as_json:
        write_json(result_json(result))
    else:
        show_result(result)


def run_batch(batch: Path, run: Callable[[str, Filters], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What `run` makes of each line of a batch file, in order; a line that fails gives its error, the rest go on."""
    for number, line in read_lines(batch):
        identity: object = number
        try:
            asked = json.loads(line)
            identity = asked.get("id", number)
            query = asked["query"]
            if not isinstance(query, str):
                raise BadQuery(f"query is {query!r}, not a text")
            filters = parse_filters(asked.get("filters") or {})
            yield {"id": None} | run(query, filters) | {"id": identity}
        except KbError as error:
            yield {"id": identity, "error": str(error)}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            yield {"id": identity, "error": f"line {number} is no object with a query: {error}"}


@app.command()
def ask(
    question: Annotated[str | None, typer.Argument(help="A question such as 银行怎么解决金融科技人才短缺.")] = None,
    banks: Annotated[
        int | None, typer.Option(min=1, max=200, help="At most so many banks [20; few where one or a figure is named].")
    ] = None,
    points: Annotated[int, typer.Option(min=1, max=20, help="At most so many quotes a bank.")] = MAX_POINTS,
    batch: Annotated[
        Path | None, typer.Option(help="JSON lines with id, query and filters; answers in the same order.")
    ] = None,
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    write: Annotated[
        bool, typer.Option("--write", help="Also have a summary written from the quotes (docs/written.md).")
    ] = False,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Answer with the best quotes, bank by bank, each with its citation.

    Each quote is found again on its page before it is shown. What is not shown is counted.

    kb ask 银行怎么解决金融科技人才短缺 --banks 5
    """
    if (question is None) == (batch is None):
        raise typer.BadParameter("give either a question or --batch FILE")
    if question is not None:
        check_question(question)
    filters = filters_of(bank, dimension, topic, year, report)
    if batch is not None and filters:
        raise typer.BadParameter("in a batch, each line has its own filters; give none beside --batch")
    settings = settings_for(index)
    writer = open_writer(settings) if write else None

    def answered(query: str, own: Filters) -> tuple[Answer, Written | None]:
        answer = ask_library(library, query, own, banks, points)
        return answer, writer.write(answer, library.catalogue.book) if writer else None

    with Library.open(settings) as library:
        if batch is not None:
            for line in run_batch(batch, lambda query, own: answer_json(*answered(query, own))):
                write_json(line)
            return
        answer, written = answered(question or "", filters)
    if as_json:
        write_json(answer_json(answer, written))
        return
    show_answer(answer)
    if written:
        show_written(written)


@app.command()
def show(
    identity: Annotated[str, typer.Argument(metavar="PASSAGE_ID", help="Id of a passage; results show it.")],
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """A passage, where it stands, and for each of its tags what it comes from.

    Wrong tags are set right with kb correct.
    """
    with Catalogue.open(settings_for(index)) as catalogue:
        stored = catalogue.store.passage(identity)
        figures, later = catalogue.store.figures([stored.row]), successor(catalogue.store, stored)
    if as_json:
        write_json(detail_json(stored, figures, later))
    else:
        show_passage(stored, figures, catalogue.taxonomy, later)


@app.command()
def figures(
    bank: Bank = None,
    name: Annotated[
        str | None, typer.Option(help="Only what measures this, such as 不良贷款率; part of it will do.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Only in this unit, such as 元, %, 个百分点 or 户.")] = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write them to this CSV file, for spreadsheets.")
    ] = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Figures that the reports state: what is measured, value, date, comparison, and where it stands.

    kb figures --bank 台州银行
    kb figures --name 不良贷款率 -o npl.csv
    """
    filters = filters_of(bank, dimension, topic, year, report)
    with Catalogue.open(settings_for(index)) as catalogue:
        found = catalogue.figures(filters, name or "", unit or "").items
    if output:
        with writing_to(output), output.open("w", encoding=ENCODING, newline="") as file:
            write_figures(found, file)
    if as_json:
        write_json({"figures": [figure_json(stored) for stored in found]})
    elif not output:
        show_figures(found)


@app.command()
def cases(
    case_id: Annotated[str | None, typer.Argument(metavar="[CASE_ID]", help="Show this case whole.")] = None,
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Cases: what one bank did, in its parts (背景, 措施, 效果 …), with figures and pages.

    kb cases --topic open-banking
    """
    filters = filters_of(bank, dimension, topic, year, report)
    if case_id and filters:
        raise typer.BadParameter("give either the id of a case or filters")
    with Catalogue.open(settings_for(index)) as catalogue:
        found = (catalogue.store.case(case_id),) if case_id else catalogue.cases(filters).items
    if as_json:
        write_json(case_json(found[0]) if case_id else {"cases": [case_json(stored) for stored in found]})
    else:
        show_cases(found, whole=case_id is not None)
