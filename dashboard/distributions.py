"""Figures of the dataset page: class counts, pixel histograms, spreads by class, image sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from dashboard.widgets import figures
from pipelines.methods.colours import POSITIVE_COLOUR, SEQUENTIAL, SPLIT_COLOURS, class_colours

NAMED_BARS = 40
"""So many classes get a bar with their name; more stand side by side without names."""

LINES = 8
"""So many classes are drawn as lines over one another; more as rows of a heat map."""

SIZES = 5_000
"""So many images at most are drawn in the figure of sizes."""

_RGB = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}
_FINE_PERCENT = ".1~%"
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def count_figure(counts: pd.DataFrame) -> go.Figure:
    """Images of each class, one colour a split.

    Args:
        counts: As ``sample_counts.class_counts`` returns, of the classes to draw.
    """
    named = len(counts) <= NAMED_BARS
    if not named:
        order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
        counts = counts.loc[order]
    figure = go.Figure()
    names = [str(name) for name in counts.index]
    for split, colour in SPLIT_COLOURS.items():
        of_split = counts[split]
        if not of_split.any():
            continue
        share = of_split / of_split.sum()
        places = list(range(len(names)))
        figure.add_bar(
            x=of_split if named else places,
            y=places if named else of_split,
            orientation="h" if named else "v",
            name=split,
            marker={"color": colour, "line": {"width": 0}},
            customdata=np.stack([names, of_split, share], axis=1).tolist(),
            hovertemplate=f"%{{customdata[0]}}, {split}<br>%{{customdata[1]}} images, "
            f"%{{customdata[2]:.1%}} of {split}<extra></extra>",
        )
    figures.plain(figure, height=max(170, 84 + 24 * len(names)) if named else 300)
    figure.update_layout(barmode="stack", bargap=0.25 if named else 0)
    figure.update_layout(legend_traceorder="normal")
    if named:
        figures.named_rows(figure, [_short(name) for name in names]).update_yaxes(showgrid=False)
        return figure.update_xaxes(title="images", tickformat=",")
    figure.update_xaxes(
        title=f"{len(names)} classes, the largest first", showticklabels=False, ticks=""
    )
    return figure.update_yaxes(title="images", tickformat=",")


def channel_figure(counts: np.ndarray, channels: Sequence[str], scale: float) -> go.Figure:
    """Histogram of the pixel values of each channel.

    Args:
        counts: Pixels (channels, bins) in each bin.
        channels: Their names.
        scale: Value of the last edge.
    """
    shares = _shares(counts)
    colours = channel_colours(channels)
    figure = go.Figure()
    for place, (name, row) in enumerate(zip(channels, shares, strict=True)):
        dash = "solid" if len(channels) == 1 else _DASHES[place % len(_DASHES)]
        _add_steps(figure, row, _edges(counts.shape[1], scale), name, colours[name], dash)
    figures.plain(figure, legend=len(channels) > 1)
    figure.update_xaxes(title="pixel value")
    return _share_axis(figure, "share of pixels")


def by_class_figure(
    counts: np.ndarray,
    edges: np.ndarray,
    classes: Sequence[str],
    everything: Sequence[str],
    title: str,
    of: str,
) -> go.Figure:
    """Histogram of something by class: lines for few classes, rows of a heat map for many.

    Args:
        counts: Counts (classes, bins).
        edges: Edges of the bins (bins + 1).
        classes: Names of the rows.
        everything: All classes of the workspace, for their colours.
        title: What is counted, with its unit.
        of: What the shares are shares of: ``pixels`` or ``images``.
    """
    shares = _shares(counts)
    figure = go.Figure()
    if len(classes) <= LINES:
        colours = class_colours(everything)
        for place, (name, row) in enumerate(zip(classes, shares, strict=True)):
            dash = _DASHES[place % len(_DASHES)]
            _add_steps(figure, row, edges, _short(name), colours[name], dash)
        figures.plain(figure)
        _share_axis(figure, f"share of the class's {of}")
        return figure.update_xaxes(title=title)
    places = list(range(len(classes)))
    figure.add_heatmap(
        x=(edges[:-1] + edges[1:]) / 2,
        y=places,
        z=shares,
        colorscale=SEQUENTIAL,
        zmin=0.0,
        # A few bins often hold nearly all; the rest would be one dark field.
        zmax=float(np.quantile(shares, 0.98)) or float(shares.max()) or 1.0,
        customdata=np.repeat(np.array(classes, dtype=object)[:, None], shares.shape[1], axis=1),
        hovertemplate="%{customdata}<br>%{x:.3~g}: %{z:.1%}<extra></extra>",
        colorbar={
            "tickformat": _FINE_PERCENT,
            "title": {"text": f"share of {of}"},
            "thickness": 12,
        },
    )
    figures.plain(figure, height=max(280, min(560, 90 + 18 * len(classes))), legend=False)
    figure.update_xaxes(title=title, showgrid=False)
    figure.update_yaxes(showgrid=False, autorange="reversed")
    if len(classes) <= NAMED_BARS:
        return figures.named_rows(figure, [_short(name) for name in classes])
    return figure.update_yaxes(
        title=f"{len(classes)} classes, in the workspace's order", showticklabels=False, ticks=""
    )


def size_figure(frame: pd.DataFrame, everything: Sequence[str]) -> go.Figure:
    """Width and height of images, one point an image.

    Args:
        frame: Samples, at most ``SIZES``.
        everything: All classes of the workspace, for their colours.
    """
    colours = class_colours(everything)
    figure = go.Figure()
    for name, group in frame.groupby("label", observed=True, sort=True):
        single = frame["label"].nunique() > LINES
        figure.add_scattergl(
            x=group["width"],
            y=group["height"],
            mode="markers",
            name=_short(str(name)),
            marker={
                "color": POSITIVE_COLOUR if single else colours[str(name)],
                "size": 5,
                "opacity": 0.45,
            },
            showlegend=not single,
            hovertemplate=f"{_short(str(name))}<br>%{{x}} × %{{y}}<extra></extra>",
        )
    figures.plain(figure, height=340, legend=frame["label"].nunique() <= LINES)
    figure.update_xaxes(title="width, pixels", rangemode="tozero")
    return figure.update_yaxes(title="height, pixels", rangemode="tozero")


def kind_figure(counts: pd.DataFrame, everything: Sequence[str]) -> go.Figure:
    """Images of each kind, one colour a class.

    Args:
        counts: Index the kinds, columns the classes to draw.
        everything: All classes of the workspace, for their colours.
    """
    colours = class_colours(everything)
    figure = go.Figure()
    for name in counts.columns:
        figure.add_bar(
            x=counts[name],
            y=list(range(len(counts))),
            orientation="h",
            name=_short(str(name)),
            marker={"color": colours[str(name)], "line": {"width": 0}},
            hovertemplate=f"%{{x:,}} images of {_short(str(name))}<extra></extra>",
        )
    few = len(counts.columns) <= LINES
    figures.plain(figure, height=84 + 24 * len(counts), legend=few)
    figure.update_layout(barmode="stack", bargap=0.25, legend_traceorder="normal")
    names = [_short(str(kind)) for kind in counts.index]
    figures.named_rows(figure, names).update_yaxes(showgrid=False)
    return figure.update_xaxes(title="images", tickformat=",")


def channel_colours(channels: Sequence[str]) -> Mapping[str, str]:
    """Colour of each channel: its own for red, green and blue, else along viridis."""
    if set(channels) <= set(_RGB):
        return {name: _RGB[name] for name in channels}
    if len(channels) == 1:
        return {channels[0]: POSITIVE_COLOUR}
    # The ends of viridis would be lost on a dark and on a light page.
    places = np.linspace(0.25, 0.85, len(channels))
    return dict(zip(channels, sample_colorscale(SEQUENTIAL, places.tolist()), strict=True))


def _add_steps(
    figure: go.Figure, row: np.ndarray, edges: np.ndarray, name: str, colour: str, dash: str
) -> None:
    figure.add_scatter(
        x=edges,
        y=[*row, row[-1]],
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2, "dash": dash},
        name=name,
        hovertemplate=f"{name}<br>from %{{x:.3~g}}: %{{y:.1%}}<extra></extra>",
    )


def _share_axis(figure: go.Figure, title: str) -> go.Figure:
    """Shares from zero on; those of 64 bins need a digit after the point."""
    figures.percent_axis(figure, "y", title)
    return figure.update_yaxes(tickformat=_FINE_PERCENT, rangemode="tozero")


def _edges(bins: int, scale: float) -> np.ndarray:
    return np.linspace(0.0, scale, bins + 1)


def _shares(counts: np.ndarray) -> np.ndarray:
    totals = counts.sum(axis=-1, keepdims=True)
    shares: np.ndarray = counts / np.where(totals > 0, totals, 1)
    return shares


def _short(name: str, longest: int = 28) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
