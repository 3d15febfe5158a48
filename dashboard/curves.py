"""Figures and tables of the training page: curves, gaps, settings side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from cache import Run
from dashboard import data, decided
from dashboard.widgets import figures
from dashboard.widgets.marks import SPLIT_DASHES
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.comparison import Gaps, gaps, mcnemar
from pipelines.methods.intervals import Rate

Measure = Literal["loss", "accuracy"]


@dataclass(frozen=True)
class Standing:
    """Where a run stands between the ideal and what it does on unseen images.

    Attributes:
        run: Its name.
        train: Accuracy on train, in inference mode on un-augmented images.
        val: Accuracy on val.
        gaps: Avoidable bias and variance.
    """

    run: str
    train: Rate
    val: Rate
    gaps: Gaps


def measure_figure(
    histories: Mapping[str, pd.DataFrame],
    best_epochs: Mapping[str, int],
    colours: Mapping[str, str],
    measure: Measure,
    ideal: float | None = None,
) -> go.Figure:
    """Curves of loss or accuracy of several runs: val solid, train dotted, best epoch marked.

    Args:
        histories: Table of epochs by run.
        best_epochs: Epoch whose weights are kept, by run.
        colours: Colour by run.
        measure: What is drawn.
        ideal: Accuracy of people, drawn as a line; for ``accuracy``.
    """
    figure = go.Figure()
    for name, history in histories.items():
        for split in ("train", "val"):
            values = history[f"{split}_{measure}"]
            if values.isna().all():
                continue
            figure.add_scatter(
                x=history["epoch"],
                y=values,
                mode="lines" if len(history) > 1 else "markers",
                line={"color": colours[name], "dash": SPLIT_DASHES[split], "width": 2},
                name=name,
                legendgroup=name,
                showlegend=split == "val",
                hovertemplate=_hover(f"{name}, {split}", measure),
            )
        _mark_best(figure, name, history, best_epochs[name], colours[name], measure)
    if measure == "accuracy" and ideal is not None:
        figure.add_hline(
            y=ideal,
            line={"color": figures.NEUTRAL, "dash": "dashdot", "width": 1.5},
            annotation={"text": "people", "font": {"color": figures.NEUTRAL}},
            annotation_position="bottom right",
        )
    figures.plain(figure, height=320)
    figure.update_xaxes(title="epoch", dtick=_epoch_tick(histories))
    if measure == "accuracy":
        return figures.percent_axis(figure, "y", "accuracy")
    figure.update_yaxes(title="cross-entropy, nats", rangemode="tozero")
    return figure


def epoch_figure(
    histories: Mapping[str, pd.DataFrame],
    colours: Mapping[str, str],
    column: Literal["learning_rate", "seconds"],
) -> go.Figure:
    """Learning rate (logarithmic, in steps) or seconds by epoch, one line a run."""
    figure = go.Figure()
    stepped = column == "learning_rate"
    for name, history in histories.items():
        figure.add_scatter(
            x=history["epoch"],
            y=history[column],
            mode="lines" if len(history) > 1 else "markers",
            line={"color": colours[name], "width": 2, "shape": "hv" if stepped else "linear"},
            name=name,
            hovertemplate=f"{name}, epoch %{{x}}<br>%{{y:.3~g}}<extra></extra>",
        )
    figures.plain(figure, height=220, legend=False)
    figure.update_xaxes(title="epoch", dtick=_epoch_tick(histories))
    if stepped:
        rates = sorted({rate for history in histories.values() for rate in history[column]})
        # Labels at the rates themselves: a run has few, and powers of ten would miss them.
        ticks = rates[:: -(-len(rates) // 6)]
        figure.update_yaxes(
            type="log", title="learning rate", tickvals=ticks, ticktext=[f"{r:g}" for r in ticks]
        )
    else:
        figure.update_yaxes(title="seconds", rangemode="tozero")
    return figure


def standings(runs: Sequence[Run], ideal: float) -> list[Standing]:
    """Gaps of the runs that have predictions on train and on val, by the labels they learnt.

    Args:
        runs: The runs to compare.
        ideal: Accuracy that is possible, 1 minus the human error.
    """
    found = []
    for run in runs:
        train, val = decided.in_training(run, "train"), decided.in_training(run, "val")
        if train is not None and val is not None:
            found.append(Standing(run.name, train, val, gaps(train, val, ideal)))
    return found


def gap_figure(found: Sequence[Standing], colours: Mapping[str, str], ideal: float) -> go.Figure:
    """One line a run: from the ideal to train (avoidable bias), from train to val (variance)."""
    figure = go.Figure()
    names = [each.run for each in found]
    for place, each in enumerate(found):
        figure.add_scatter(
            x=[ideal, each.train.value, each.val.value],
            y=[place] * 3,
            mode="lines",
            line={"color": colours[each.run], "width": 4},
            opacity=0.4,
            showlegend=False,
            hoverinfo="skip",
        )
    for split, symbol, side in (("train", "triangle-up", -0.17), ("val", "circle", 0.17)):
        rates = [each.train if split == "train" else each.val for each in found]
        figures.add_rates(
            figure,
            rates,
            [place + side for place in range(len(found))],
            names=[f"{name}, {split}" for name in names],
            colours=[colours[name] for name in names],
            symbol=symbol,
            legend=split,
        )
    figure.add_vline(
        x=ideal,
        line={"color": figures.NEUTRAL, "dash": "dashdot", "width": 1.5},
        annotation={
            "text": "people" if ideal < 1 else "no errors",
            "font": {"color": figures.NEUTRAL},
            "xanchor": "center",
            "yanchor": "bottom",
        },
    )
    figures.plain(figure, height=100 + 48 * len(found))
    figures.named_rows(figure, names)
    return figures.percent_axis(figure, "x", "accuracy, with 95 % interval")


def gap_table(found: Sequence[Standing]) -> pd.DataFrame:
    """The gaps in numbers, one row a run, as text."""
    return pd.DataFrame(
        {
            "train": [number.rate(each.train) for each in found],
            "val": [number.rate(each.val) for each in found],
            "avoidable bias": [number.points(each.gaps.bias) for each in found],
            "variance": [number.points(each.gaps.variance) for each in found],
            "weighs more": [weighs_more(each.gaps) for each in found],
        },
        index=pd.Index([each.run for each in found], name="run"),
    )


def weighs_more(found: Gaps) -> str:
    """Which of the two gaps is larger, in a word; ``neither`` where their intervals meet."""
    bias, variance = found.bias, found.variance
    if variance.low > bias.high:
        return "variance"
    if bias.low > variance.high:
        return "avoidable bias"
    return "neither clearly"


def paired_table(run: Run, others: Sequence[Run], split: str = "val") -> pd.DataFrame:
    """Compare a run with others on the same images, with McNemar's exact test.

    Raises:
        CacheError: Predictions are missing or belong to other samples.
    """
    rows = []
    mine = _right(run, split)
    for other in others:
        theirs = _right(other, split).reindex(mine.index)
        paired = mcnemar(mine.to_numpy(dtype=bool), theirs.to_numpy(dtype=bool))
        rows.append(
            {
                "against": other.name,
                "images": number.count(paired.n),
                f"only {run.name} right": number.count(paired.only_first),
                "only the other right": number.count(paired.only_second),
                "McNemar": number.p_value(paired.p_value),
            }
        )
    return pd.DataFrame(rows).set_index("against")


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and short texts: ``{"optimizer.name": "adam"}``."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif value is None:
            found[f"{prefix}{key}"] = "none"
        elif isinstance(value, bool):
            found[f"{prefix}{key}"] = "yes" if value else "no"
        elif isinstance(value, list | tuple):
            found[f"{prefix}{key}"] = ", ".join(map(str, value))
        else:
            found[f"{prefix}{key}"] = f"{value:g}" if isinstance(value, float) else str(value)
    return found


def settings_table(documents: Mapping[str, Mapping[str, Any]]) -> tuple[pd.DataFrame, pd.Series]:
    """Settings of runs side by side.

    Args:
        documents: ``run.json`` by run.

    Returns:
        A table with a row a setting and a column a run (``–`` where a run does not have it), and
        a mask of the rows in which the runs differ.
    """
    columns = {name: flat(document["settings"]) for name, document in documents.items()}
    # A part that one run leaves out ("augmentation: none") stands beside another's fields.
    names = dict.fromkeys(key for column in columns.values() for key in column)
    frame = pd.DataFrame(
        {
            run: [column.get(name, number.UNKNOWN) for name in names]
            for run, column in columns.items()
        },
        index=pd.Index(list(names), name="setting"),
    )
    return frame, frame.nunique(axis=1) > 1


def marked_settings(frame: pd.DataFrame, different: pd.Series) -> pd.DataFrame:
    """Settings as Markdown: rows that differ carry a sign and bold values, and come first."""
    order = [*frame.index[different], *frame.index[~different]]
    shown = frame.loc[order].map(plain)
    for name in frame.index[different]:
        shown.loc[name] = [f"**{value}**" for value in shown.loc[name]]
    shown.index = pd.Index(
        [f"≠ {plain(name)}" if different[name] else plain(name) for name in order], name="setting"
    )
    shown.columns = [plain(name) for name in shown.columns]
    return shown


def facts_table(documents: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """What training made and cost, a row a fact and a column a run."""
    return pd.DataFrame({run: _facts(document) for run, document in documents.items()})


def _facts(document: Mapping[str, Any]) -> dict[str, str]:
    parameters, latency = document["parameters"], document["latency_ms"]
    one, many = latency["1"], latency["32"]
    height, width, channels = document["input_shape"]
    return {
        "model": str(document["model"]),
        "input": f"{height} × {width} × {channels} ({', '.join(document['channels'])})",
        "parameters": number.count(parameters["total"]),
        "trainable": number.count(parameters["trainable"]),
        "frozen": number.count(parameters["frozen"]),
        "size on disk": number.size(document["bytes"]),
        "best epoch": f"{document['best_epoch']} of {document['epochs']}",
        "ended by": str(document["stopped"]),
        "training": number.seconds(document["seconds"]),
        "an epoch": number.seconds(document["seconds"] / document["epochs"]),
        "peak memory": number.size(document["peak_memory_bytes"]),
        "latency, 1 image": _latency(one),
        "latency, 32 images": _latency(many),
        "an image in 32": f"{number.milliseconds(many['median'] / 32)}, "
        f"{32 * one['median'] / many['median']:.1f} times as fast as alone",
        "measured on": _machine(document["environment"]),
    }


def _latency(measured: Mapping[str, float]) -> str:
    median, low, high = (number.milliseconds(measured[key]) for key in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def _machine(environment: Mapping[str, Any]) -> str:
    cores = number.plural(int(environment["cores"]), "core")
    return f"{environment['processor']}, {cores}, {number.size(environment['memory_bytes'])}"


def _right(run: Run, split: str) -> pd.Series:
    frame = data.predictions(run)
    return frame[frame["split"] == split].set_index("sample_id")["correct"]


def _mark_best(
    figure: go.Figure, name: str, history: pd.DataFrame, best: int, colour: str, measure: Measure
) -> None:
    row = history[history["epoch"] == best]
    column = f"val_{measure}"
    if row.empty or row[column].isna().all():
        column = f"train_{measure}"
    figure.add_scatter(
        x=row["epoch"],
        y=row[column],
        mode="markers",
        marker={
            "symbol": "diamond",
            "size": 11,
            "color": colour,
            "line": {"color": figures.NEUTRAL, "width": 1.5},
        },
        name=f"{name}, best epoch",
        legendgroup=name,
        showlegend=False,
        cliponaxis=False,
        hovertemplate=_hover(f"{name}, best epoch", measure),
    )


def _hover(title: str, measure: Measure) -> str:
    form = ".1%" if measure == "accuracy" else ".4f"
    return f"{title}<br>epoch %{{x}}: %{{y:{form}}}<extra></extra>"


def _epoch_tick(histories: Mapping[str, pd.DataFrame]) -> int | None:
    """Whole epochs only, where the axis would else show halves."""
    longest = max((len(history) for history in histories.values()), default=0)
    return 1 if longest <= 12 else None
