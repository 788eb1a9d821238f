"""Commands on saved questions: what is new for each since it was asked last."""

from typing import Annotated

import typer
from rich.table import Table

from kb.catalogue import Catalogue
from kb.cli.common import (
    AsJson,
    Bank,
    Dimension,
    Index,
    Report,
    Topic,
    Year,
    app,
    err,
    filters_of,
    settings_for,
    write_json,
)
from kb.digest import news_json, news_lines
from kb.records import FILTERS
from kb.saved import Reader, Saved, add_saved, load_saved, mark_told, remove_saved, run_saved
from kb.search import Library
from kb.show import out

commands = typer.Typer(no_args_is_help=True, help="Saved questions: what is new for each since it was asked last.")
app.add_typer(commands, name="saved")


@commands.command()
def add(
    question: Annotated[str, typer.Argument(help="A question such as 银行怎么解决金融科技人才短缺.")],
    name: Annotated[str, typer.Option(help="What to call it [the least number that is free].")] = "",
    bank: Bank = None,
    dimension: Dimension = None,
    topic: Topic = None,
    year: Year = None,
    report: Report = None,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Save a question. What the index has now is not news; what comes later is.

    kb saved add 银行怎么解决金融科技人才短缺 --dimension 组织 --name 人才

    The questions are in saved.toml in the folder of the index, and may be edited there.
    """
    filters = filters_of(bank, dimension, topic, year, report)
    settings = settings_for(index)
    with Catalogue.open(settings) as catalogue:
        name = add_saved(catalogue, settings.index, question, filters, name)
    if as_json:
        write_json({"name": name, **told(load_saved(settings.index)[name])})
    else:
        err.print(f"saved as {name}; kb saved run tells what is new for it", highlight=False, markup=False)


@commands.command("list")
def list_saved(as_json: AsJson = False, index: Index = None) -> None:
    """The saved questions with their filters."""
    questions = load_saved(settings_for(index).index)
    if as_json:
        write_json({"questions": [{"name": name, **told(saved)} for name, saved in questions.items()]})
        return
    table = Table("name", "question", "filters", box=None)
    for name, saved in questions.items():
        words = [f"{field} {'、'.join(map(str, getattr(saved, field)))}" for field in FILTERS if getattr(saved, field)]
        table.add_row(name, saved.question, "; ".join(words))
    out.print(table)


@commands.command()
def remove(
    name: Annotated[str, typer.Argument(help="Name of a saved question; see kb saved list.")], index: Index = None
) -> None:
    """Take a question out."""
    saved = remove_saved(settings_for(index).index, name)
    out.print(f"removed {name}: {saved.question}", highlight=False, markup=False, soft_wrap=True)


@commands.command()
def run(
    name: Annotated[str, typer.Argument(help="Only the question of this name.")] = "",
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Ask the saved questions: how many passages are evidence, and which are new since you asked last.

    A passage that stands in a new version of a report as it did in the old one is not new.
    """
    with Library.open(settings_for(index)) as library:
        news = run_saved(library, Reader.PERSON, name)
        if as_json:
            write_json({"generation": library.generation, "questions": [news_json(one) for one in news]})
        else:
            for one in news:
                for depth, words in news_lines(one):
                    out.print(f"{'  ' * depth}{words}", highlight=False, markup=False, soft_wrap=True)
        mark_told(library, Reader.PERSON, news)
    if not news:
        err.print("no question is saved; kb saved add QUESTION", highlight=False)


def told(saved: Saved) -> dict[str, object]:
    """A saved question with its filters, as JSON."""
    return saved.model_dump(mode="json", exclude_defaults=True)
