"""What all Plotly figures share: calm axes, no clutter, room for both themes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go

from pipelines.methods import number
from pipelines.methods.intervals import Rate

CONFIG: Final[dict[str, Any]] = {
    "displayModeBar": False,
    "displaylogo": False,
    "showSendToCloud": False,
    "scrollZoom": False,
}
"""For ``st.plotly_chart(config=...)`` of figures that are looked at."""

GRID: Final = "rgba(128, 140, 152, 0.22)"
"""Grid lines that are faint on white and on near-black."""


NEUTRAL: Final = "#8A949E"
"""Grey that shows on both themes: intervals, reference lines."""

_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def plain(figure: go.Figure, height: int = 280, legend: bool = True) -> go.Figure:
    """Give a figure the shared layout; colours and fonts come from Streamlit's theme.

    Args:
        figure: Changed in place.
        height: In pixels.
        legend: Whether to show the legend, above the picture.

    Returns:
        The same figure.
    """
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 36 if legend else 12, "b": 8},
        showlegend=legend,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": None},
        hoverlabel={"align": "left"},
        dragmode=False,
    )
    figure.update_xaxes(automargin=True, gridcolor=GRID, zeroline=False)
    figure.update_yaxes(automargin=True, gridcolor=GRID, zeroline=False)
    return figure


def add_rates(
    figure: go.Figure,
    rates: Sequence[Rate],
    rows: Sequence[float],
    *,
    names: Sequence[str],
    colours: Sequence[str],
    symbol: str,
    legend: str,
) -> None:
    """Draw rates as points with their intervals, one a row.

    Args:
        figure: Changed in place.
        rates: What to draw.
        rows: Height of each; rows that share a name differ by a part of one.
        names: What each is, for the hover text.
        colours: Colour of each.
        symbol: Plotly marker symbol of all.
        legend: What the symbol means.
    """
    figure.add_scatter(
        x=[rate.value for rate in rates],
        y=list(rows),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [rate.high - rate.value for rate in rates],
            "arrayminus": [rate.value - rate.low for rate in rates],
            "color": NEUTRAL,
            "thickness": 1.5,
            "width": 4,
        },
        mode="markers",
        marker={"color": list(colours), "symbol": symbol, "size": 10},
        showlegend=False,
        customdata=[[name, number.rate(rate)] for name, rate in zip(names, rates, strict=True)],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )
    same = len(set(colours)) == 1
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"color": colours[0] if same else NEUTRAL, "symbol": symbol, "size": 10},
        name=legend,
    )


def add_boxes(
    figure: go.Figure, values: Mapping[str, np.ndarray], colour: str, title: str
) -> tuple[float, float] | None:
    """Draw how values are spread, a box a name: quartiles, whiskers to the 5th and 95th percentile.

    Args:
        figure: Changed in place.
        values: By name; a name without values has no box.
        colour: Of the lines.
        title: What these boxes are of.

    Returns:
        The lowest and the highest end of a whisker; None where there is no box.
    """
    there = [name for name in values if len(values[name])]
    if not there:
        return None
    low, first, middle, third, high = (
        [float(np.quantile(values[name], share)) for name in there] for share in _QUANTILES
    )
    figure.add_box(
        y=there,
        lowerfence=low,
        q1=first,
        median=middle,
        q3=third,
        upperfence=high,
        orientation="h",
        name=title,
        line={"color": colour, "width": 1.5},
        fillcolor="rgba(128, 140, 152, 0.15)",
        offsetgroup=title,
    )
    return min(low), max(high)


def named_rows(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    """Write names at the rows 0, 1, 2 … of a figure, the first on top.

    Args:
        figure: Changed in place.
        names: One a row.

    Returns:
        The same figure.
    """
    return figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=list(names), range=[len(names) - 0.5, -0.5]
    )


def percent_axis(figure: go.Figure, axis: str = "y", title: str | None = None) -> go.Figure:
    """Show the shares of an axis in percent.

    Args:
        figure: Changed in place.
        axis: ``x`` or ``y``.
        title: Title of the axis.

    Returns:
        The same figure.
    """
    change = figure.update_xaxes if axis == "x" else figure.update_yaxes
    change(tickformat=".0%", hoverformat=".1%", title=title)
    return figure
