"""Commands that change the encoder of an index: fit one to the corpus, embed all passages by another."""

from pathlib import Path
from typing import Annotated

import typer

from kb.cli.common import AsJson, Index, app, encoder_of, err, note_change, settings_for, write_json
from kb.show import out


@app.command()
def adapt(
    gold: Annotated[Path, typer.Argument(help="JSON lines of questions with evidence, to judge by.")] = Path(
        "corpus/gold.jsonl"
    ),
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Fit the encoder to your reports; where gold questions are then answered better, the index uses it.

    It learns from the passages of the index (headings and sentences, and what
    they belong to), without labels and without network, in some minutes on two
    cores. The gold questions only judge it. The model is an ordinary sentence-transformers folder in the index's
    folder, models/; where it is no better, nothing changes. Back to the packaged
    model: KB_MODEL=default kb reembed.
    """
    from kb.adapt import MOST_LOSS, Stages, figures_of
    from kb.adapt import adapt as run
    from kb.evaluate import count_abstentions, summarise
    from kb.gate import compare
    from kb.progress import Counts
    from kb.show_scores import show_scores

    settings = settings_for(index)
    with Counts(err) as counts:
        found = run(settings, encoder_of(settings), gold, Stages(counts.of("training"), counts.of("embedding")))
    if as_json:
        write_json(figures_of(found))
        return
    comparison = compare(found.before, found.after, MOST_LOSS)
    show_scores(summarise(found.after.outcomes), count_abstentions(found.after.outcomes), comparison)
    if found.model:
        out.print(f"better: the index uses {found.model} now", highlight=False, soft_wrap=True, markup=False)
        if settings.model:
            out.print("KB_MODEL is set to another one: unset it", highlight=False)
    else:
        out.print("no better than before: nothing was changed", highlight=False)


@app.command()
def reembed(index: Index = None) -> None:
    """Make all vectors anew by the model that KB_MODEL names; nothing is read again, and ids stay.

    KB_MODEL=models/bge-base-zh kb reembed
    """
    from kb.progress import Counts
    from kb.reembed import reembed as run

    settings = settings_for(index)
    encoder = encoder_of(settings)
    with Counts(err) as counts:
        count = run(settings, encoder, counts.of("embedding"))
    note_change(settings, "reembed", model=encoder.name)
    out.print(f"{count:,} passages and sentences have vectors of {encoder.name} now", highlight=False, soft_wrap=True)
