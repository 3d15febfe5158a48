"""A map in three dimensions, to be turned: for the eye; selections are made in the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from cache.embeddings import Embedding
from dashboard import embedding_data
from dashboard.picked import Picked
from dashboard.widgets import figures
from dashboard.widgets.scatter import Colouring

PROJECTION: Final = "umap_3d"
MOST_POINTS: Final = 8_000
"""Most images that are drawn: a figure that is turned is drawn anew many times a second."""

_FAINT: Final = {"color": figures.NEUTRAL, "opacity": 0.12}

_SHAPES: Final = {"square": "square", "diamond": "diamond", "x": "diamond"}
"""In three dimensions Plotly draws symbols as text: these any typeface has, its cross few."""


def has(embedding: Embedding) -> bool:
    """Whether the recipe asked for this map and it is made."""
    return embedding_data.has(embedding, "projection") and bool(
        embedding_data.document(embedding, "projection")["umap"].get("three_d")
    )


def show(
    embedding: Embedding,
    chosen: Picked | None,
    coloured: Callable[[np.ndarray], Colouring],
    colour: str,
) -> None:
    """Draw the map.

    Args:
        embedding: What is mapped.
        chosen: What is picked; all else is drawn faintly.
        coloured: Gives the colours of the images at some positions.
        colour: What they tell.
    """
    places = np.asarray(embedding.projection(PROJECTION))
    rows = np.sort(np.random.default_rng(0).permutation(len(places))[:MOST_POINTS])
    bright = np.ones(len(places), bool) if chosen is None else chosen.mask(len(places))
    st.plotly_chart(
        figure(places[rows], coloured(rows), bright[rows], colour),
        config={**figures.CONFIG, "scrollZoom": True},
        key="embeddings_space",
        alt=f"UMAP of {embedding.title} in three dimensions, coloured by {colour}",
    )
    shown = f"{len(rows):,} images"
    if len(rows) < len(places):
        shown = f"{len(rows):,} of {len(places):,} images, a random sample"
    st.caption(
        f"UMAP in three dimensions, {shown}, coloured as the map above. Drag to turn it; what is "
        "picked stays bright."
    )


def figure(places: np.ndarray, colouring: Colouring, bright: np.ndarray, colour: str) -> go.Figure:
    """The figure: a trace a kind, or one for all numbers, and faint ones of what is not picked.

    Args:
        places: float32 (m, 3).
        colouring: Of these points.
        bright: bool (m,), which are picked.
        colour: What the colours tell.
    """
    drawn = go.Figure()
    codes, palette = colouring.codes.astype(int), colouring.palette
    if colouring.scale is not None:
        measured = codes < len(palette)
        marker = {
            "color": codes[measured & bright],
            "colorscale": [[i / (len(palette) - 1), each] for i, each in enumerate(palette)],
            "cmin": 0,
            "cmax": len(palette) - 1,
            "colorbar": {
                "title": colour,
                "tickvals": [0, len(palette) - 1],
                "ticktext": list(colouring.scale),
                "thickness": 12,
                "len": 0.5,
            },
        }
        _add(drawn, places[measured & bright], colour, marker, legend=False)
        _add(drawn, places[measured & ~bright], colour, _FAINT, legend=False)
    for entry in colouring.entries:
        mine = codes == entry.code
        known = entry.code < len(palette)
        shape = colouring.shapes[entry.code] if known and colouring.shapes else ""
        marker = {
            "color": palette[entry.code] if known else figures.NEUTRAL,
            "symbol": _SHAPES.get(shape, "circle"),
        }
        _add(drawn, places[mine & bright], entry.name, marker, legend=True)
        _add(drawn, places[mine & ~bright], entry.name, _FAINT, legend=False)
    figures.plain(drawn, height=560)
    axis = {
        "showticklabels": False,
        "title": "",
        "showbackground": False,
        "gridcolor": figures.GRID,
    }
    drawn.update_layout(
        dragmode="turntable",
        scene={"xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "data"},
        legend={"itemsizing": "constant"},
    )
    return drawn


def _add(
    drawn: go.Figure, places: np.ndarray, name: str, marker: Mapping[str, Any], *, legend: bool
) -> None:
    if not len(places):
        return
    x, y, z = places.T
    drawn.add_scatter3d(
        x=x,
        y=y,
        z=z,
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=legend,
        hoverinfo="name",
        marker={"size": 2.5, "opacity": 0.9, **marker},
    )
