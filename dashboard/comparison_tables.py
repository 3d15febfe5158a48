"""What the page Compare says of runs in sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.compared import Measure, Pair, Part
from dashboard.disagreements import Duel
from dashboard.widgets import figures
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.comparison import agreement
from pipelines.methods.intervals import Rate, rate

LEVEL = 0.05
"""Largest p-value of a difference that is told as one."""

MOST_CLASSES = 20
"""Rows of the figure of classes."""


def finding(
    of: Part,
    pairs: Sequence[Pair],
    clean: Sequence[Pair],
    found: Sequence[Measure],
    reference: int,
) -> str:
    """The page's opening sentences, in Markdown.

    Args:
        of: What the runs are compared on.
        pairs: Every two of them.
        clean: The same without leaked images; none where there are no such images.
        found: Figures of the runs.
        reference: Position of the run that these are compared with.
    """
    best, other = _ranked(of)[:2]
    pair = _oriented(pairs, best, other)
    sentence = _of_two(of, pair) if len(pairs) == 1 else _of_many(of, pair, pairs)
    if len(pairs) == 1 and pair.paired.p_value >= LEVEL:
        sentence += _other_figures(of, reference, found)
    if clean:
        same = _oriented(clean, best, other)
        left_out = of.n - same.paired.n
        sentence += (
            f" Without the {left_out:,} that leaked from train: "
            f"{number.points(same.difference)}, {number.p_value(same.adjusted)}."
        )
    return sentence


def value_table(found: Sequence[Measure], names: Sequence[str]) -> pd.DataFrame:
    """Figures of each run, one row a measure and one column a run, as text."""
    return pd.DataFrame(
        {
            plain(name): [_value(each, each.values[place]) for each in found]
            for place, name in enumerate(names)
        },
        index=pd.Index([_named(each) for each in found], name="figure"),
    )


def difference_table(
    found: Sequence[Measure], names: Sequence[str], reference: int
) -> pd.DataFrame:
    """Paired differences from the reference, one row a measure and one column another run."""
    return pd.DataFrame(
        {
            plain(f"{name} minus {names[reference]}"): [_difference(each, place) for each in found]
            for place, name in enumerate(names)
            if place != reference
        },
        index=pd.Index([_named(each) for each in found], name="figure"),
    )


def pair_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """McNemar's test of every two runs, as text."""
    rows = [
        {
            "runs": plain(f"{pair.first} and {pair.second}"),
            "both right": number.count(pair.paired.both),
            "only the first": number.count(pair.paired.only_first),
            "only the second": number.count(pair.paired.only_second),
            "both wrong": number.count(pair.paired.neither),
            "accuracy, first minus second": number.points(pair.difference),
            "McNemar": number.p_value(pair.paired.p_value),
            "adjusted (Holm)": number.p_value(pair.adjusted),
        }
        for pair in pairs
    ]
    table = pd.DataFrame(rows)
    return table if len(pairs) > 1 else table.drop(columns="adjusted (Holm)")


def value_figure(
    found: Sequence[Measure], names: Sequence[str], colours: Mapping[str, str]
) -> go.Figure:
    """The figures that are shares, with intervals: one row a measure, one point a run."""
    shares = [each for each in found if each.share]
    figure = go.Figure()
    for run, name in enumerate(names):
        figures.add_rates(
            figure,
            [each.values[run] for each in shares],
            [row + _side(run, len(names)) for row in range(len(shares))],
            names=[f"{name}, {each.name}" for each in shares],
            colours=[colours[name]] * len(shares),
            symbol="circle",
            legend=name,
        )
    figures.plain(figure, height=_height(len(shares), len(names)))
    figures.named_rows(figure, [each.name for each in shares])
    return figures.percent_axis(figure, "x", "with 95 % interval")


def difference_figure(
    found: Sequence[Measure], names: Sequence[str], colours: Mapping[str, str], reference: int
) -> go.Figure:
    """How far the other runs are from the reference, with paired intervals."""
    shares = [each for each in found if each.share]
    others = [place for place in range(len(names)) if place != reference]
    figure = go.Figure()
    for turn, run in enumerate(others):
        _add_differences(
            figure,
            pd.DataFrame([vars(each.differences[run]) for each in shares]),
            [row + _side(turn, len(others)) for row in range(len(shares))],
            [f"{names[run]} minus {names[reference]}, {each.name}" for each in shares],
            colours[names[run]],
        )
    figures.plain(figure, height=_height(len(shares), len(names)))
    figure.update_layout(showlegend=False)
    figures.named_rows(figure, [each.name for each in shares])
    return _points_axis(figure, f"points more than {names[reference]}, paired 95 % interval")


def class_figure(
    table: pd.DataFrame, first: str, second: str, colours: Mapping[str, str]
) -> go.Figure:
    """Differences of recall of the classes that differ most, one row a class.

    Args:
        table: As ``compared.recall_differences`` gives it.
        first: Name of the first run.
        second: Name of the second.
        colours: Colour by run; a point has that of the run that is right more often.
    """
    shown = table.head(MOST_CLASSES)
    figure = go.Figure()
    for name, chosen in (
        (first, (shown["difference"] > 0).to_numpy()),
        (second, (shown["difference"] < 0).to_numpy()),
        (None, (shown["difference"] == 0).to_numpy()),
    ):
        _add_differences(
            figure,
            shown[["difference", "low", "high"]][chosen].rename(columns={"difference": "value"}),
            np.flatnonzero(chosen).tolist(),
            [f"{each}, {first} minus {second}" for each in shown["class"][chosen]],
            figures.NEUTRAL if name is None else colours[name],
        )
    figures.plain(figure, height=70 + 24 * len(shown), legend=False)
    figures.named_rows(figure, shown["class"].astype("str").tolist())
    return _points_axis(figure, f"recall, points more than {second}, paired 95 % interval")


def class_table(table: pd.DataFrame) -> pd.DataFrame:
    """Differences of recall as the sortable table shows them, in percentage points.

    Args:
        table: As ``compared.recall_differences`` gives it.
    """
    shown = pd.DataFrame(
        {
            "class": table["class"],
            "images": table["images"],
            "difference": 100 * table["difference"],
            "interval": [
                f"{number.signed(100 * low, 1)} to {number.signed(100 * high, 1)}"
                for low, high in zip(table["low"], table["high"], strict=True)
            ],
        }
    )
    for name in ("second", "first"):
        right = zip(table[f"{name}_right"], table["images"], strict=True)
        shown[name] = [number.short_rate(rate(int(count), int(n))) for count, n in right]
    return shown.assign(only_second=table["only_second"], only_first=table["only_first"])


def agreement_tables(of: Part) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shares of the images on which two runs are right or wrong together, and answer the same."""
    tables = []
    for values in (of.hits, of.predicted):
        counts = agreement(values)
        cells = [
            [
                number.UNKNOWN if row == column else number.short_rate(rate(int(count), of.n))
                for column, count in enumerate(line)
            ]
            for row, line in enumerate(counts)
        ]
        names = [plain(name) for name in of.names]
        tables.append(pd.DataFrame(cells, index=pd.Index(names, name="run"), columns=names))
    return tables[0], tables[1]


def agreement_sentence(duel: Duel) -> str:
    """How far two runs agree, and how far they would if their mistakes were unrelated."""
    paired, n = duel.paired, duel.part.n
    first, second = (plain(name) for name in duel.names)
    shares = duel.hits.mean(axis=1)
    unrelated = float(shares.prod() + (1.0 - shares).prod())
    same = int(agreement(duel.said)[0, 1])
    return (
        f"{first} and {second} are both right or both wrong on "
        f"{number.rate(rate(paired.both + paired.neither, n))}; with mistakes that had nothing "
        f"to do with one another it would be {number.percent(unrelated)}. They give the same "
        f"answer on {number.rate(rate(same, n))}."
    )


def _ranked(of: Part) -> list[str]:
    """Names of the runs, the one that is right most often first."""
    order = np.argsort(-of.hits.sum(axis=1), kind="stable")
    return [of.names[place] for place in order]


def _oriented(pairs: Sequence[Pair], best: str, other: str) -> Pair:
    """The pair of two runs, one of them first."""
    pair = next(each for each in pairs if {each.first, each.second} == {best, other})
    if pair.first == best:
        return pair
    paired, turned = pair.paired, pair.difference
    return replace(
        pair,
        first=best,
        second=other,
        paired=replace(paired, only_first=paired.only_second, only_second=paired.only_first),
        difference=replace(turned, value=-turned.value, low=-turned.high, high=-turned.low),
    )


def _accuracy(pair: Pair) -> Rate:
    """Accuracy of the first run of a pair."""
    return rate(pair.paired.both + pair.paired.only_first, pair.paired.n)


def _of_two(of: Part, pair: Pair) -> str:
    best, other = plain(pair.first), plain(pair.second)
    accuracy, difference = _accuracy(pair), number.points(pair.difference)
    test = f"McNemar {number.p_value(pair.paired.p_value)}"
    if not pair.paired.only_first + pair.paired.only_second:
        return (
            f"{best} and {other} are right on the same {of.split} images: {number.rate(accuracy)}."
        )
    if pair.paired.p_value >= LEVEL:
        return (
            f"No difference in accuracy between {best} and {other} can be told on {of.n:,} "
            f"{of.split} images: {best} is right on {number.rate(accuracy)}, "
            f"{difference} against {other}; {test}."
        )
    return (
        f"{best} is right on {number.rate(accuracy)} of the {of.split} images, "
        f"{difference} against {other}; {test}."
    )


def _other_figures(of: Part, reference: int, found: Sequence[Measure]) -> str:
    """Macro F1 and recall, where two runs differ in them, as a sentence."""
    other = 1 - reference
    told = [
        f"{plain(measure.name)} {number.points(difference)}"
        for measure in found
        if measure.name.startswith(("macro F1", "recall"))
        and (difference := measure.differences[other]).low * difference.high > 0
    ]
    if not told:
        return ""
    against = f"{plain(of.names[other])} against {plain(of.names[reference])}"
    return f" But they differ, {against}: {', '.join(told)}."


def _of_many(of: Part, pair: Pair, pairs: Sequence[Pair]) -> str:
    best, other = plain(pair.first), plain(pair.second)
    link = ", but cannot be told from" if pair.adjusted >= LEVEL else "; against"
    apart = sum(each.adjusted < LEVEL for each in pairs)
    return (
        f"Of {len(of.names)} runs {best} is right on most {of.split} images, "
        f"{number.rate(_accuracy(pair))}{link} {other}, the next: "
        f"{number.points(pair.difference)}, McNemar {number.p_value(pair.adjusted)}. "
        f"{apart} of {len(pairs)} pairs {'differs' if apart == 1 else 'differ'} (p-values adjusted "
        "for their number)."
    )


def _named(measure: Measure) -> str:
    """Name of a measure with what its figures are of, in Markdown."""
    return f"{plain(measure.name)}, n = {measure.values[0].n:,}"


def _value(measure: Measure, value: Rate) -> str:
    if measure.share:
        return number.short_rate(value)
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f}) nats"


def _difference(measure: Measure, run: int) -> str:
    found = measure.differences[run]
    if measure.share:
        return number.points(found)
    value, low, high = (number.signed(each, 3) for each in (found.value, found.low, found.high))
    return f"{value} ({low} to {high}) nats"


def _add_differences(
    figure: go.Figure, found: pd.DataFrame, rows: Sequence[float], names: Sequence[str], colour: str
) -> None:
    """Draw differences (columns ``value``, ``low``, ``high``) as points with their intervals."""
    value, low, high = (100 * found[name].to_numpy() for name in ("value", "low", "high"))
    figure.add_scatter(
        x=value,
        y=list(rows),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": high - value,
            "arrayminus": value - low,
            "color": figures.NEUTRAL,
            "thickness": 1.5,
            "width": 4,
        },
        mode="markers",
        marker={"color": colour, "symbol": "circle", "size": 10},
        customdata=list(names),
        hovertemplate="%{customdata}<br>%{x:+.1f} points<extra></extra>",
    )


def _points_axis(figure: go.Figure, title: str) -> go.Figure:
    figure.add_vline(x=0, line={"color": figures.NEUTRAL, "width": 1.5})
    return figure.update_xaxes(title=title, tickformat="~g")


def _side(turn: int, of: int) -> float:
    """How far a point stands from the middle of its row, among those of one row."""
    return (turn - (of - 1) / 2) * min(0.28, 0.8 / of)


def _height(rows: int, runs: int) -> int:
    return 90 + rows * max(34, 16 * runs)
