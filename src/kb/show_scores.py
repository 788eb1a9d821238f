"""Figures over gold questions on a terminal: scores and what changed since another run, abstentions, tags, tuning."""

from collections.abc import Mapping, Sequence

from rich.table import Column, Table

from kb.evaluate import MEASURES, Abstentions, Scores, TagScores
from kb.gate import TITLES, Comparison
from kb.show import out
from kb.tune import CHOSEN_BY, DENSE, FEWEST, LOST, Tuning, WeightChoice, advised


def show_scores(scores: Sequence[Scores], abstentions: Abstentions, comparison: Comparison | None = None) -> None:
    """Figures as a table, with their changes where there is a run to compare with."""
    columns = ["type", "n", "figure", "mean", "95 %"] + ["change", "95 %"] * bool(comparison)
    table = Table(
        *(Column(name, justify="left" if name in ("type", "figure") else "right") for name in columns), box=None
    )
    changes = comparison.changes if comparison else [None] * len(scores)
    for row, change in zip(scores, changes, strict=True):
        for number, figure in enumerate(MEASURES):
            cells = [row.type, str(row.questions)] if number == 0 else ["", ""]
            cells += [TITLES[figure], f"{row.values[figure]:.3f}", interval(row, figure, ".3f")]
            if change:
                cells += [f"{change.values[figure]:+.3f}", interval(change, figure, "+.3f")]
            table.add_row(*cells)
    out.print(table)
    out.print(told(abstentions), highlight=False, soft_wrap=True)
    if comparison:
        run = comparison.before
        source = f"generation {run.generation}, {run.model}, kb {run.kb}"
        then = f"it {told(comparison.abstentions)}"
        out.print(
            f"change: since the run of {run.time} ({source}); {then}", highlight=False, soft_wrap=True, markup=False
        )


def interval(row: Scores, figure: str, form: str) -> str:
    """The interval of a figure; empty where one question tells of none."""
    return " … ".join(format(end, form) for end in row.intervals.get(figure, ()))


def told(abstentions: Abstentions) -> str:
    """How often the search abstained, in words."""
    rightly = f"{abstentions.rightly} of {abstentions.unanswerable} unanswerable questions"
    return f"abstained on {rightly}, wrongly on {abstentions.wrongly} of {abstentions.answerable}"


def show_tag_scores(figures: Sequence[TagScores]) -> None:
    """How right the tags are, as a table."""
    if not figures:
        return
    table = Table("tag", "quotes", "found", "first", "sure", "off", box=None)
    for row in figures:
        values = ("" if value is None else f"{value:.3f}" for value in (row.found, row.first, row.sure, row.off))
        table.add_row(row.field, str(row.quotes), *values)
    out.print(table)


def show_tuning(found: Tuning) -> None:
    """Which settings were tried, what is best, and the lines that set it."""
    show_weights(found.weight)
    say(verdict(found.weight))
    say(threshold_told(found))
    settings = advised(found)
    say("\n".join(["", "# kb.toml", *(f"{name} = {value:g}" for name, value in settings.items())]))
    say("# environment\n" + " ".join(f"KB_{name.upper()}={value:g}" for name, value in settings.items()))


def say(line: str) -> None:
    """One line as it is."""
    out.print(line, highlight=False, soft_wrap=True, markup=False)


def show_weights(choice: WeightChoice) -> None:
    """The figures with each weight, and those on questions left out."""
    table = Table("dense weight", *(Column(TITLES[name], justify="right") for name in MEASURES), "", box=None)
    for trial in choice.trials:
        marks = {0.0: "lexical alone", DENSE: "dense alone", choice.present: "present", choice.best: "best"}
        noted = [mark for weight, mark in marks.items() if weight == trial.dense_weight]
        if choice.present == choice.best == trial.dense_weight:
            noted = ["present, best"]
        table.add_row(f"{trial.dense_weight:g}", *figures(trial.values), ", ".join(noted))
    table.add_row("held out", *figures(choice.held_out.values), "chosen by the other four fifths")
    out.print(table)


def figures(values: Mapping[str, float]) -> list[str]:
    """Figures as they are shown."""
    return [f"{values[name]:.3f}" for name in MEASURES]


def verdict(choice: WeightChoice) -> str:
    """Whether the weight is worth a change, in words."""
    half = "dense" if choice.better_half == DENSE else "lexical"
    gains = f"{gain_told(choice.gain)} to the present weight, {gain_told(choice.over_half)} to {half} alone"
    if choice.best == choice.present:
        advice = "the present weight is the best: keep it"
    elif choice.keep:
        advice = f"the best is within noise of the present weight: keep {choice.present:g}"
    else:
        advice = f"set {choice.best:g}"
    return f"dense weight: {advice}; held out, nDCG@10 has {gains}"


def gain_told(gain: Scores) -> str:
    """A gain with its interval."""
    return f"{gain.values[CHOSEN_BY]:+.3f} ({interval(gain, CHOSEN_BY, '+.3f')})"


def threshold_told(found: Tuning) -> str:
    """What to do about the threshold, in words."""
    choice = found.threshold
    if not choice:
        return (
            f"abstention: the threshold stays; to choose one, {FEWEST} questions with and without an answer are needed"
        )
    low, high = choice.interval
    gain = f"{choice.gain:+.3f} ({low:+.3f} … {high:+.3f}) of all questions decided rightly"
    kept = f"within noise: keep {choice.present:g}" if choice.keep else f"set {choice.best:g}"
    return (
        f"abstention: {kept}; now {told(choice.now)}; where at most {LOST:.1%} of those with an answer may be lost"
        f" ({choice.best:g}), held out, {told(choice.held_out)}: {gain}"
    )
