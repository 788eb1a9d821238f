"""The command that measures retrieval and tags over gold questions, and fails where figures fell."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kb.cli.common import AsJson, Index, app, err, fail, settings_for, write_json, writing_to
from kb.errors import BadInput
from kb.evaluate import TagScores, count_abstentions, evaluate, evaluate_tags, load_gold, summarise
from kb.gate import (
    TOLERANCE,
    Comparison,
    Run,
    check_tolerance,
    compare,
    dump_run,
    hash_gold,
    last_run_file,
    read_run,
    to_run,
    write_run,
)
from kb.search import Library
from kb.show_scores import show_scores, show_tag_scores, show_tuning
from kb.tune import advised, tune


@app.command(name="eval")
def evaluate_command(
    gold: Annotated[Path, typer.Argument(help="JSON lines of questions with evidence.")] = Path("corpus/gold.jsonl"),
    tolerance: Annotated[float, typer.Option(help="By how much a figure may fall, 0 to 1.")] = TOLERANCE,
    accept: Annotated[
        bool, typer.Option("--accept", help="Let figures fall, and compare with this run later.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with the run in this file, not with the last one.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write this run to, for --against.")
    ] = None,
    tuning: Annotated[
        bool, typer.Option("--tune", help="Try other weights and thresholds, and tell what to set; nothing is kept.")
    ] = False,
    as_json: AsJson = False,
    index: Index = None,
) -> None:
    """Figures over gold questions: nDCG, recall and reciprocal rank at 10 by type; how right the tags are.

    The run is compared with the last one over the same gold file, which the
    index keeps. Exit status 1 where a figure over all questions, or over a type
    with 10 of them or more, fell by more than the tolerance, or where the share
    of answerable questions on which the search abstained rose by more. Such a
    run is not kept as the last one, unless --accept says that it is meant so;
    nor is one that was compared with another file.

    With --tune, other weights of the dense score and thresholds of abstention
    are tried by cross-validation, and what to set is told; nothing is changed.
    """
    if tuning:
        if accept or against or output:
            raise typer.BadParameter("--tune keeps and compares no run: leave --accept, --against and -o out")
        tune_command(gold, as_json, index)
        return
    check_tolerance(tolerance)
    settings, questions, digest = settings_for(index), load_gold(gold), hash_gold(gold)
    kept = last_run_file(settings.index, digest)
    before = read_run(against or kept, digest, questions)
    if against and not before:
        raise BadInput(f"{against}: there is no such run; write one with kb eval -o {against}")
    with Library.open(settings) as library:
        run = to_run(library, digest, evaluate(library, questions))
        tags = evaluate_tags(library.store, questions)
    comparison = compare(before, run, tolerance) if before else None
    (write_figures if as_json else show_figures)(run, tags, comparison)
    failed = bool(comparison and comparison.falls and not accept)
    if output and not (failed and same_file(output, against or kept)):
        with writing_to(output):
            output.write_text(dump_run(run), "utf-8")
    if accept or not (failed or against):
        keep(kept, run)
    tell(comparison, accept)


def tune_command(gold: Path, as_json: bool, index: Path | None) -> None:
    """What weight and threshold to set, by gold questions."""
    questions = load_gold(gold)
    with Library.open(settings_for(index)) as library:
        found = tune(library, questions)
    if as_json:
        write_json(asdict(found) | {"advised": advised(found)})
    else:
        show_tuning(found)


def write_figures(run: Run, tags: Sequence[TagScores], comparison: Comparison | None) -> None:
    """All figures as JSON."""
    write_json(
        {
            "figures": [asdict(row) for row in summarise(run.outcomes)],
            "abstentions": asdict(count_abstentions(run.outcomes)),
            "tags": [asdict(row) for row in tags],
            "run": asdict(run),
            "comparison": asdict(comparison) if comparison else None,
        }
    )


def show_figures(run: Run, tags: Sequence[TagScores], comparison: Comparison | None) -> None:
    """The same for a person."""
    show_scores(summarise(run.outcomes), count_abstentions(run.outcomes), comparison)
    show_tag_scores(tags)


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one place."""
    return one.resolve() == other.resolve()


def keep(path: Path, run: Run) -> None:
    """Keep a run as the last one; an index that cannot be written to is warned of."""
    try:
        write_run(path, run)
    except OSError as error:
        message = f"warning: no later run can be compared with this one: {path} cannot be written: {error.strerror}"
        err.print(message, highlight=False, soft_wrap=True, markup=False)


def tell(comparison: Comparison | None, accept: bool) -> None:
    """Say what a run was held against; fail where figures fell and that is not accepted."""
    if not comparison:
        err.print("nothing to compare with: this is the first run over these questions", highlight=False)
        return
    if not comparison.falls:
        return
    falls = f"{'; '.join(map(str, comparison.falls))} (by more than {comparison.tolerance:g})"
    if not accept:
        fail(f"{falls} since the run of {comparison.before.time}; if it is meant so, give --accept")
    err.print(f"accepted: {falls}", highlight=False, soft_wrap=True, markup=False)
