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
from dashboard import conditions, evidence, narrowing, selection
from dashboard.dataset_statistics import full_scale
from pipelines.methods import number

IN_SPLIT = "in_split"
IN_CLASS = "in_class"
UNITS = "units"

SCALED, NATIVE = "scaled", "native"


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


def draw(
    samples: pd.DataFrame, dataset: Dataset, origin: str = "", refused: Sequence[str] = ()
) -> tuple[Chosen, View]:
    """Draw the filters and the choice of channel and units.

    Args:
        samples: All samples of the workspace, with the columns of a run's occlusion maps where
            there are some.
        dataset: What they are.
        origin: Where the latter come from, as plain text.
        refused: Why there are no more of them, as plain text.

    Returns:
        What is left, and how to show it.
    """
    there = [split for split in SPLITS if (samples["split"] == split).any()]
    classes = list(dataset.classes)
    words: list[str] = []
    mask = np.ones(len(samples), bool)
    # Wide enough for its choices even at 800 pixels: it wraps as a whole.
    with st.container(horizontal=True, vertical_alignment="bottom"):
        conditions.of_options(IN_SPLIT, there)
        splits = st.pills("Split", there, selection_mode="multi", key=IN_SPLIT, bind="query-params")
        conditions.of_options(IN_CLASS, classes)
        labels = st.multiselect(
            "Class",
            classes,
            key=IN_CLASS,
            bind="query-params",
            placeholder=f"All {len(classes)} classes",
            width=320,
        )
        view = _view(dataset)
        more = conditions.choose(samples, origin, refused)
        for condition in more:
            mask &= condition.holds(samples)
            words.append(condition.words)
        of_maps = [each.column for each in more if evidence.is_of_map(each.column)]
        if of_maps:
            known = int(evidence.covered(samples, of_maps[0]).sum())
            words.append(f"{number.plural(known, 'image')} have {origin}")
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
