"""The distributions of the dataset page: pixels, images, sizes, and what else is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from cache import Workspace
from dashboard import conditions, dataset_statistics, description, distributions
from dashboard.filters import View
from dashboard.widgets import figures
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.pixels import BINS

SEED = 0
"""Of what is drawn where not all images are."""


def show(workspace: Workspace, samples: pd.DataFrame, mask: np.ndarray, view: View) -> None:
    """Draw everything.

    Args:
        workspace: Where the images are.
        samples: All samples.
        mask: Which of them are chosen, at least one.
        view: Which channel, in what units.
    """
    dataset = workspace.dataset
    everything = list(dataset.classes)
    frame, rows = samples[mask], np.flatnonzero(mask)
    with st.grid(2, min_column_width=400):
        _show_pixels(workspace, frame, rows, view)
        if dataset.shape is None:
            _show_sizes(frame, everything)
        for name in conditions.columns(samples):
            if frame[name].notna().any():
                _show_metadata(frame, name, everything)
    heat = frame["label"].nunique() > distributions.LINES
    most = " The lightest colour stands for that share or more." if heat else ""
    simulated = f" {plain(dataset.simulated)}" if dataset.simulated else ""
    st.caption(
        f"{number.plural(len(frame), 'image')}, pixel values {view.units}, {BINS} bins of pixels; "
        f"each class adds up to 100{number.SPACE}%.{most}{simulated}"
    )


def _show_pixels(workspace: Workspace, frame: pd.DataFrame, rows: np.ndarray, view: View) -> None:
    dataset = workspace.dataset
    everything = list(dataset.classes)
    codes = frame["label"].cat.codes.to_numpy()
    counts = dataset_statistics.histograms(workspace, rows, codes, len(everything))
    there = np.unique(codes)
    names = [everything[place] for place in there]
    channel = description.channel_position(dataset, view.channel)
    several = channel is not None and len(dataset.channels) > 1
    of_class = counts[there].sum(axis=1) if channel is None else counts[there, channel]
    of = f", {view.channel}" if several else ""
    ending = f"_{channel}" if several else ""
    _draw(
        "Pixel values by channel",
        distributions.channel_figure(counts.sum(axis=0), dataset.channels, view.scale),
        "dataset_pixels",
    )
    edges = np.linspace(0.0, view.scale, BINS + 1)
    _draw(
        f"Pixel values by class{of}",
        distributions.by_class_figure(of_class, edges, names, everything, "pixel value", "pixels"),
        "dataset_pixels_by_class",
    )
    for stem, title, axis in (
        ("mean", "Mean of each image", "mean of the pixels"),
        ("std", "Contrast of each image", "standard deviation of the pixels"),
    ):
        table = dataset_statistics.binned(
            frame[f"{stem}{ending}"].to_numpy() * view.scale, codes, len(everything)
        )
        figure = distributions.by_class_figure(
            table.counts[there], table.edges, names, everything, axis, "images"
        )
        _draw(f"{title}{of}", figure, f"dataset_{stem}", _beyond(table.beyond))


def _show_sizes(frame: pd.DataFrame, everything: list[str]) -> None:
    """Width and height of the images, where they differ."""
    drawn = frame
    if len(frame) > distributions.SIZES:
        drawn = frame.sample(distributions.SIZES, random_state=SEED)
    _draw(
        "Sizes",
        distributions.size_figure(drawn, everything),
        "dataset_sizes",
        f"{number.count(len(drawn))} of {number.count(len(frame))} images drawn.",
    )


def _show_metadata(frame: pd.DataFrame, name: str, everything: list[str]) -> None:
    """One thing more that the source knows of each image."""
    column, label = frame[name], conditions.label(name)
    codes = frame["label"].cat.codes.to_numpy()
    missing = int(column.isna().sum())
    said = ""
    if missing:
        said = f"{number.count(missing)} of {number.count(len(frame))} have no {plain(label)}. "
    if conditions.is_number(column):
        values = column.to_numpy(np.float64, na_value=np.nan)
        table = dataset_statistics.binned(values, codes, len(everything))
        known = np.flatnonzero(table.counts.any(axis=1))
        names = [everything[place] for place in known]
        figure = distributions.by_class_figure(
            table.counts[known], table.edges, names, everything, label, "images"
        )
        said += _beyond(table.beyond)
    else:
        kinds = pd.crosstab(column.astype("str"), frame["label"].astype("str"))
        names = [each for each in everything if each in kinds.columns]
        figure = distributions.kind_figure(kinds[names], everything)
    _draw(label.capitalize(), figure, f"dataset_{name}", said)


def _draw(title: str, figure: object, key: str, said: str = "") -> None:
    with st.container():
        st.markdown(f"**{plain(title)}**")
        st.plotly_chart(figure, config=figures.CONFIG, key=key, alt=f"{title}, distribution")
        if said:
            st.caption(said)


def _beyond(count: int) -> str:
    """Say what lies outside a figure."""
    if not count:
        return ""
    lie = "lies" if count == 1 else "lie"
    return f"{number.plural(count, 'image')} {lie} beyond the ends, counted in the outermost bins."
