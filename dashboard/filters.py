"""The filters of the dataset page: split, class, and whatever else the source knows.

Each is a widget bound to a parameter of the URL. An empty choice means everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from cache import SPLITS, Dataset
from dashboard import narrowing, selection
from dashboard.dataset_statistics import full_scale
from dashboard.widgets import number

IN_SPLIT = "in_split"
IN_CLASS = "in_class"
UNITS = "units"

KINDS = 30
"""A column with more different words than this is no filter."""

SCALED, NATIVE = "scaled", "native"

_META = "meta_"
_FROM, _TO = "_from", "_to"


@dataclass(frozen=True)
class View:
    """How images and numbers are shown.

    Attributes:
        channel: One of the dataset's views.
        scale: What a pixel of 1 stands for: 1, or the largest value where they stand as stored.
    """

    channel: str
    scale: float

    @property
    def native(self) -> bool:
        """Whether values stand as they are stored, not scaled to [0, 1]."""
        return self.scale > 1

    @property
    def units(self) -> str:
        """What values are in, in words."""
        return f"as stored, 0 to {self.scale:,.0f}" if self.native else "scaled to [0, 1]"


@dataclass(frozen=True)
class Chosen:
    """What the filters leave.

    Attributes:
        mask: One truth value a sample, in the order of the samples.
        words: What was asked for, in words; empty where nothing was.
    """

    mask: np.ndarray
    words: tuple[str, ...]


def draw(samples: pd.DataFrame, dataset: Dataset) -> tuple[Chosen, View]:
    """Draw the filters and the choice of channel and units.

    Args:
        samples: All samples of the workspace.
        dataset: What they are.

    Returns:
        What is left, and how to show it.
    """
    there = [split for split in SPLITS if (samples["split"] == split).any()]
    classes = list(dataset.classes)
    words: list[str] = []
    mask = np.ones(len(samples), bool)
    # Wide enough for its choices even at 800 pixels: it wraps as a whole.
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _of_options(IN_SPLIT, there)
        splits = st.pills("Split", there, selection_mode="multi", key=IN_SPLIT, bind="query-params")
        _of_options(IN_CLASS, classes)
        labels = st.multiselect(
            "Class",
            classes,
            key=IN_CLASS,
            bind="query-params",
            placeholder=f"All {len(classes)} classes",
            width=320,
        )
        view = _view(dataset)
        meta = metadata(samples)
        if meta:
            with st.popover("More filters", icon=":material/filter_list:"):
                for name in meta:
                    with st.grid(2, min_column_width=140):
                        kept, said = _by_metadata(samples[name], name)
                    mask &= kept
                    words += said
    # What is not there any more in a dataset made anew must not empty the page.
    splits = [split for split in splits if split in there]
    labels = [label for label in labels if label in classes]
    if labels:
        mask &= samples["label"].isin(labels).to_numpy()
        words.insert(0, ", ".join(labels) if len(labels) <= 4 else f"{len(labels)} classes")
    if splits:
        mask &= samples["split"].isin(splits).to_numpy()
        words.insert(0, " and ".join(splits))
    return Chosen(mask, tuple(words)), view


def metadata(samples: pd.DataFrame) -> list[str]:
    """The ``meta_`` columns that can be filtered by and drawn: numbers, and few words."""
    return [
        str(name)
        for name in samples.columns
        if str(name).startswith(_META)
        and samples[name].nunique() > 1
        and (is_number(samples[name]) or samples[name].nunique() <= KINDS)
    ]


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers (truth values are words)."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def meta_label(name: str) -> str:
    """``meta_host_flux`` as ``host flux``."""
    return name.removeprefix(_META).replace("_", " ")


def _view(dataset: Dataset) -> View:
    views = list(dataset.views)
    channel = narrowing.choose_channel(views, views)
    native: str | None = SCALED
    if dataset.dtype != "float32":
        selection.of_workspace(UNITS, SCALED)
        native = st.segmented_control(
            "Pixel values",
            [SCALED, NATIVE],
            required=True,
            key=UNITS,
            bind="query-params",
            help=f"Scaled to [0, 1], or as stored ({dataset.dtype}).",
        )
    scale = full_scale(dataset.dtype) if native == NATIVE else 1.0
    return View(channel, scale)


def _by_metadata(column: pd.Series, name: str) -> tuple[np.ndarray, list[str]]:
    label = meta_label(name)
    if is_number(column):
        # Two fields rather than a slider: a single value far out would leave it no precision.
        low = _bound(f"{label} from", f"{name}{_FROM}", float(column.min()))
        high = _bound(f"{label} to", f"{name}{_TO}", float(column.max()))
        if low is None and high is None:
            return np.ones(len(column), bool), []
        kept = column.between(-np.inf if low is None else low, np.inf if high is None else high)
        said = label + ("" if low is None else f" from {low:g}")
        said += "" if high is None else f" to {high:g}"
        return kept.to_numpy(bool), [said]
    there = sorted({str(value) for value in column.dropna()})
    _of_options(name, there)
    kinds = st.multiselect(
        label.capitalize(), there, key=name, bind="query-params", placeholder="All"
    )
    if not kinds:
        return np.ones(len(column), bool), []
    said = ", ".join(kinds) if len(kinds) <= 3 else number.plural(len(kinds), "kind")
    return column.astype("str").isin(kinds).to_numpy(bool), [f"{label}: {said}"]


def _bound(label: str, key: str, end: float) -> float | None:
    """One end of a range; empty leaves it open."""
    selection.of_workspace(key, None)
    return st.number_input(
        label.capitalize(),
        value=None,
        key=key,
        bind="query-params",
        placeholder=f"{end:.4g}",
        help="Images without this value are left out once you set a bound.",
    )


def _of_options(key: str, options: Sequence[str]) -> None:
    """Start a bound choice empty; drop what is no option any more."""
    selection.of_workspace(key, [])
    kept = st.session_state.get(key)
    if isinstance(kept, list) and not set(kept) <= set(options):
        st.session_state[key] = [each for each in kept if each in options]
