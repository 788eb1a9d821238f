"""The command that draws the page on which a passage stands."""

from pathlib import Path
from typing import Annotated

import typer

from kb.catalogue import STORE_FILE
from kb.cite import cite
from kb.cli.common import Index, app, err, settings_for, writing_to
from kb.errors import BadInput
from kb.store import Store


@app.command()
def page(
    identity: Annotated[str, typer.Argument(metavar="PASSAGE_ID", help="Id of a passage; results show it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")],
    number: Annotated[int | None, typer.Option("--page", min=1, help="Which of its pages [the first].")] = None,
    scale: Annotated[float | None, typer.Option(help="Pixels a point, 0.5 to 4; 1 is 72 dpi [1.5].")] = None,
    quote: Annotated[str, typer.Option(help="Words of the passage to mark more strongly.")] = "",
    index: Index = None,
) -> None:
    """Draw the page on which a passage stands, with its lines marked.

    kb page 4e2e63fdcf100995 -o page.png

    The report's file must still be the one that was read.
    """
    from kb.picture import SCALE, Pictures, places_by_page, view_page  # the readers, which few other commands need

    if output.suffix.lower() != ".png":
        raise BadInput(f"-o {output}: the picture is a PNG; give it a name that ends with .png")
    settings = settings_for(index)
    with Store.open(settings.index / STORE_FILE) as store:
        stored = store.passage(identity)
        document, passage = stored.document, stored.passage
        wanted = number or passage.pages[0]
        view = view_page(store, document, wanted, SCALE if scale is None else scale, stored, quote)
        others = sorted(set(places_by_page(cite(store, document, passage, 0, len(passage.text)))) - {wanted})
    with Pictures(settings) as pictures:
        drawn = pictures.picture(view)
    with writing_to(output):
        output.write_bytes(drawn)
    also = f"; it stands on page {', '.join(map(str, others))} too (--page)" if others else ""
    err.print(f"{document.file} page {wanted}: {output}{also}", highlight=False, soft_wrap=True, markup=False)
