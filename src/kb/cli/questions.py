"""Commands that ask: search, ask, and what is known of a passage, its figures and cases."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

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
from kb.search import Library, check_question, check_top
from kb.show import show_answer, show_cases, show_figures, show_passage, show_result
from kb.spreadsheet import ENCODING, write_figures


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
            for answer in search_batch(library, batch, top, explain):
                write_json(answer)
            return
        result = library.search(query or "", top, filters, explain)
    if as_json:
        write_json(result_json(result))
    else:
        show_result(result)


def search_batch(library: Library, batch: Path, top: int, explain: bool = False) -> Iterator[dict[str, Any]]:
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
            yield result_json(library.search(query, top, filters, explain), identity)
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
        figures = catalogue.store.figures([stored.row])
    if as_json:
        write_json(detail_json(stored, figures))
    else:
        show_passage(stored, figures, catalogue.taxonomy)


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
