"""Figures of class coincidence and of the index: curves with intervals, recall against time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.widgets import figures
from dashboard.widgets.marks import WRONG
from pipelines.methods import number
from pipelines.methods.coincidence import Curve
from pipelines.methods.colours import POSITIVE_COLOUR
from pipelines.methods.intervals import Rate

DASHES = ("solid", "dash", "dot", "dashdot")

_SHADE = 0.16


def curves_figure(
    curves: Mapping[str, Curve],
    colours: Mapping[str, str],
    chance: float | Mapping[str, float],
    *,
    dashes: Mapping[str, str] | None = None,
    bands: Sequence[str] = (),
    at: int | None = None,
) -> go.Figure:
    """Class coincidence over the number of neighbours.

    Args:
        curves: By name.
        colours: ``#RRGGBB`` by name.
        chance: What random neighbours would give; by name where it differs, then drawn in the
            curve's colour.
        dashes: Plotly line styles by name; solid where there is none.
        bands: Names of the curves whose interval is shaded.
        at: Number of neighbours that the page looks at, marked by a line.
    """
    figure = go.Figure()
    for name in bands:
        curve = curves[name]
        figure.add_scatter(
            x=np.concatenate([curve.k, curve.k[::-1]]),
            y=np.concatenate([curve.high, curve.low[::-1]]),
            fill="toself",
            fillcolor=_shade(colours[name]),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    for name, curve in curves.items():
        figure.add_scatter(
            x=curve.k,
            y=curve.value,
            mode="lines",
            line={
                "color": colours[name],
                "width": 2,
                "dash": (dashes or {}).get(name, "solid"),
            },
            name=name,
            customdata=np.stack([curve.low, curve.high, curve.n], axis=1),
            hovertemplate=f"{name}<br>k = %{{x}}: %{{y:.1%}} (%{{customdata[0]:.1%}} to "
            "%{customdata[1]:.1%}), n = %{customdata[2]:,}<extra></extra>",
        )
    if isinstance(chance, Mapping):
        levels = [chance[name] for name in curves]
        for name in curves:
            figure.add_hline(
                y=chance[name], line={"color": colours[name], "dash": "dot", "width": 1}
            )
    else:
        levels = [chance]
        figure.add_hline(
            y=chance,
            line={"color": figures.NEUTRAL, "dash": "dash", "width": 1.5},
            annotation={
                "text": f"chance {number.percent(chance)}",
                "font": {"color": figures.NEUTRAL},
            },
            annotation_position="top right",
        )
    if at is not None:
        figure.add_vline(x=at, line={"color": figures.NEUTRAL, "width": 1, "dash": "dot"})
    figures.plain(figure, height=380)
    figure.update_xaxes(title="neighbours, k", rangemode="tozero")
    figures.percent_axis(figure, "y", "class coincidence")
    lows = [*levels, *(float(np.nanmin(curve.low)) for curve in curves.values())]
    return figure.update_yaxes(range=[max(0.0, min(lows) - 0.06), 1.02])


def rate_at(curve: Curve, k: int) -> Rate:
    """The point of a curve at k; one of no query where none has so many neighbours."""
    if k > len(curve.k):
        return Rate(math.nan, math.nan, math.nan, 0)
    place = k - 1
    return Rate(
        float(curve.value[place]),
        float(curve.low[place]),
        float(curve.high[place]),
        int(curve.n[place]),
    )


def class_figure(
    rates: Mapping[str, Rate], chances: Mapping[str, float | None], colours: Mapping[str, str]
) -> go.Figure:
    """Class coincidence of each class with its interval, and what chance would give.

    Args:
        rates: By class.
        chances: By class; None where the class has no queries.
        colours: By class.
    """
    names = list(rates)
    figure = go.Figure()
    figures.add_rates(
        figure,
        list(rates.values()),
        list(range(len(names))),
        names=names,
        colours=[colours[name] for name in names],
        symbol="circle",
        legend="class coincidence",
    )
    figure.add_scatter(
        x=[chances[name] for name in names],
        y=list(range(len(names))),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 12, "color": figures.NEUTRAL},
        name="chance",
        hovertemplate="chance %{x:.1%}<extra></extra>",
    )
    figures.plain(figure, height=90 + 26 * len(names))
    figures.named_rows(figure, names)
    figures.percent_axis(figure, "x")
    return figure.update_xaxes(range=[-0.02, 1.04])


def index_figure(document: Mapping[str, Any], measure: Literal["recall@10", "ms"]) -> go.Figure:
    """Recall or time of the index against ``search_k``, one line a number of trees.

    Args:
        document: What ``index.json`` says; its chosen setting is ringed.
        measure: What is drawn.
    """
    grid = pd.DataFrame(document["grid"]).sort_values(["trees", "search_k"])
    recall = measure == "recall@10"
    figure = go.Figure()
    for place, (trees, part) in enumerate(grid.groupby("trees")):
        figure.add_scatter(
            x=part["search_k"],
            y=part[measure],
            mode="lines+markers",
            line={"color": POSITIVE_COLOUR, "dash": DASHES[place % len(DASHES)], "width": 1.5},
            marker={"size": 6},
            name=f"{trees} trees",
            customdata=part[["recall@10", "ms"]].to_numpy(),
            hovertemplate=f"{trees} trees, search_k %{{x:,}}<br>"
            "recall@10 %{customdata[0]:.2%}, %{customdata[1]:.3g} ms<extra></extra>",
        )
    figure.add_scatter(
        x=[document["search_k"]],
        y=[document["recall"]["10"]["value"] if recall else document["ms"]],
        mode="markers",
        marker={
            "size": 16,
            "symbol": "circle-open",
            "color": WRONG.colour,
            "line": {"width": 3},
        },
        name="chosen",
        hovertemplate=f"chosen: {document['trees']} trees, search_k %{{x:,}}<extra></extra>",
    )
    if not recall:
        figure.add_hline(
            y=document["exact_ms"],
            line={"color": figures.NEUTRAL, "dash": "dash", "width": 1.5},
            annotation={"text": "exact search", "font": {"color": figures.NEUTRAL}},
            annotation_position="top left",
        )
    figures.plain(figure, height=320)
    figure.update_xaxes(type="log", title="search_k", dtick=1)
    if recall:
        figures.percent_axis(figure, "y", "recall@10")
        return figure.update_yaxes(tickformat=".1%")
    return figure.update_yaxes(title="milliseconds a query", rangemode="tozero")


def _shade(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_SHADE})"
