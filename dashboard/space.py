"""A map in three dimensions, to be turned: for the eye; selections are made in the plane."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from cache.embeddings import Embedding
from dashboard import embedding_data
from dashboard.picked import Picked
from dashboard.widgets import figures
from pipelines.methods.colours import class_colours

PROJECTION: Final = "umap_3d"
MOST_POINTS: Final = 8_000
"""Most images that are drawn: a figure that is turned is drawn anew many times a second."""

_FAINT = 0.12


def has(embedding: Embedding) -> bool:
    """Whether the recipe asked for this map and it is made."""
    return embedding_data.has(embedding, "projection") and bool(
        embedding_data.document(embedding, "projection")["umap"].get("three_d")
    )


def show(embedding: Embedding, table: pd.DataFrame, chosen: Picked | None) -> None:
    """Draw the map, coloured by label.

    Args:
        embedding: What is mapped.
        table: Samples, with predictions where there are some.
        chosen: What is picked; all else is drawn faintly.
    """
    places = np.asarray(embedding.projection(PROJECTION))
    rows = np.sort(np.random.default_rng(0).permutation(len(places))[:MOST_POINTS])
    bright = np.ones(len(places), bool) if chosen is None else chosen.mask(len(places))
    st.plotly_chart(
        figure(places[rows], table["label"].iloc[rows], bright[rows]),
        config={**figures.CONFIG, "scrollZoom": True},
        key="embeddings_space",
    )
    shown = f"{len(rows):,} images"
    if len(rows) < len(places):
        shown = f"{len(rows):,} of {len(places):,} images, a random sample"
    st.caption(f"UMAP in three dimensions, {shown}. Drag to turn it; what is picked stays bright.")


def figure(places: np.ndarray, labels: pd.Series, bright: np.ndarray) -> go.Figure:
    """The figure: a trace a class, and a faint one of what is not picked.

    Args:
        places: float32 (m, 3).
        labels: Labels (m,), categorical.
        bright: bool (m,), which are picked.
    """
    classes = list(labels.cat.categories)
    colours = class_colours(classes)
    drawn = go.Figure()
    for name in classes:
        mine = (labels == name).to_numpy()
        for part, opacity, legend in ((mine & bright, 0.9, True), (mine & ~bright, _FAINT, False)):
            if part.any():
                x, y, z = places[part].T
                drawn.add_scatter3d(
                    x=x,
                    y=y,
                    z=z,
                    mode="markers",
                    name=str(name),
                    legendgroup=str(name),
                    showlegend=legend,
                    hoverinfo="name",
                    marker={
                        "size": 2.5,
                        "color": colours[name] if legend else figures.NEUTRAL,
                        "opacity": opacity,
                    },
                )
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
