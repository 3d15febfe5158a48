"""What a map can be coloured by, and the colours that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from plotly.colors import sample_colorscale

from cache import SPLITS, Workspace
from cache.embeddings import Embedding
from dashboard import conditions, data, embedding_data, evidence
from dashboard.widgets.marks import RIGHT, SYMBOLS, WRONG, class_symbols
from dashboard.widgets.scatter import Colouring, Entry
from pipelines.methods.colours import PALETTE, SEQUENTIAL, SPLIT_COLOURS, class_colours

LABEL: Final = "label"
PREDICTION: Final = "prediction"
RIGHT_OR_WRONG: Final = "right or wrong"
CONFIDENCE: Final = "confidence"
SPLIT: Final = "split"
TRUST: Final = "trustworthiness, UMAP"
"""On any map: how far a point's neighbours on the UMAP map in the plane are true ones."""
CLUSTERS: Final = {"cluster, HDBSCAN": "hdbscan", "cluster, k-means": "kmeans"}

_COLUMNS: Final = {"brightness": "mean", "contrast": "std", "loss": "loss", "margin": "margin"}

_IF_DIFFERENT: Final = {
    "true label": "true_label",
    "darkest pixel": "min",
    "brightest pixel": "max",
    "width": "width",
    "height": "height",
    "group": "group",
    "leaked from train": "leaked",
}
"""Offered where not all images have the same, and there are not too many groups to tell apart."""

_OF_CLASSES: Final = {LABEL: "label", PREDICTION: "predicted", "true label": "true_label"}
_STEPS: Final = 250
_MISSING: Final = 255


def choices(table: pd.DataFrame, embedding: Embedding) -> list[str]:
    """What the map of an embedding can be coloured by.

    Args:
        table: Samples, with predictions where there are some.
        embedding: What is projected.
    """
    there = [LABEL]
    if "predicted" in table:
        there += [PREDICTION, RIGHT_OR_WRONG, CONFIDENCE, *_of_positive(embedding.run.workspace)]
    there.append(SPLIT)
    if embedding_data.has(embedding, "clusters"):
        there += CLUSTERS
    there.append(TRUST)
    there += [name for name, column in _COLUMNS.items() if column in table]
    there += _different(embedding.run.workspace)
    return [*there, *(conditions.label(name) for name in conditions.columns(table))]


def colouring(
    choice: str,
    table: pd.DataFrame,
    embedding: Embedding,
    drawn: np.ndarray,
    names: dict[int, str],
) -> Colouring:
    """Colours of the drawn points of a map.

    Args:
        choice: One of ``choices``.
        table: Samples, with predictions where there are some.
        embedding: What is mapped.
        drawn: Positions (m,) of the samples that are drawn.
        names: Names that the user gave to clusters, by number.
    """
    if choice in _OF_CLASSES:
        column = table[_OF_CLASSES[choice]]
        classes = [str(name) for name in column.cat.categories]
        colours, symbols = class_colours(classes), class_symbols(classes)
        codes = column.cat.codes.to_numpy()
        return _kinds(codes, classes, list(colours.values()), list(symbols.values()), drawn)
    if choice == RIGHT_OR_WRONG:
        codes = np.where(table["correct"].to_numpy(), 0, 1)
        looks = (RIGHT, WRONG)
        words = [look.word for look in looks]
        return _kinds(
            codes, words, [look.colour for look in looks], [look.symbol for look in looks], drawn
        )
    if choice == SPLIT:
        codes = table["split"].cat.codes.to_numpy()
        return _kinds(codes, list(SPLITS), [SPLIT_COLOURS[each] for each in SPLITS], (), drawn)
    if choice in CLUSTERS:
        return _clusters(CLUSTERS[choice], embedding, drawn, names)
    if choice == TRUST:
        return _amounts(np.asarray(embedding.trustworthiness()), drawn)
    name = {conditions.label(each): each for each in conditions.columns(table)}.get(choice)
    workspace = embedding.run.workspace
    own = _COLUMNS | _IF_DIFFERENT | _of_channels(workspace) | _of_positive(workspace)
    column = table[name or own.get(choice, choice)]
    of_map = name is not None and evidence.is_of_map(name)
    if conditions.is_number(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return _amounts(values, drawn, evidence.ABSENT if of_map else "not measured")
    if pd.api.types.is_bool_dtype(column):
        column = column.map({False: "no", True: "yes"})
    codes, kinds = pd.factorize(column.astype("str"), sort=True)
    none = "no map" if of_map else "unknown"
    return _kinds(codes, list(map(str, kinds)), _cycled(PALETTE, len(kinds)), (), drawn, none)


def cluster_name(number: int, names: dict[int, str]) -> str:
    """Name of a cluster: what the user calls it, else its number."""
    return names.get(number, f"cluster {number}")


def _of_positive(workspace: Workspace) -> dict[str, str]:
    """The column of the probability of the positive class, where one is named."""
    dataset = workspace.dataset
    if dataset.positive is None:
        return {}
    return {f"probability of {dataset.positive}": f"p_{dataset.classes.index(dataset.positive)}"}


def _of_channels(workspace: Workspace) -> dict[str, str]:
    """Columns of the samples on one channel of several, by what they are called."""
    channels = workspace.dataset.channels
    return {
        f"{said}, {channel}": f"{stem}_{place}"
        for said, stem in (("brightness", "mean"), ("contrast", "std"))
        for place, channel in enumerate(channels if len(channels) > 1 else ())
    }


def _different(workspace: Workspace) -> list[str]:
    """What else of the samples is offered: what is not the same for all of them."""
    artefact = workspace.artefact("samples")
    return _found_different(str(artefact.folder), artefact.manifest.fingerprint, workspace)


@st.cache_data(max_entries=data.TABLES_IN_MEMORY, show_spinner=False)
def _found_different(folder: str, fingerprint: str, _workspace: Workspace) -> list[str]:
    samples = data.samples(_workspace)
    found = []
    for name, column in (_IF_DIFFERENT | _of_channels(_workspace)).items():
        if column in samples:
            most = conditions.KINDS if column == "group" else len(samples)
            if 1 < samples[column].nunique() <= most:
                found.append(name)
    return found


def _clusters(
    clustering: str, embedding: Embedding, drawn: np.ndarray, names: dict[int, str]
) -> Colouring:
    codes = embedding_data.clusters(embedding)[clustering].to_numpy()
    count = int(codes.max(initial=-1)) + 1
    symbols = [SYMBOLS[place // len(PALETTE) % len(SYMBOLS)] for place in range(count)]
    titles = [cluster_name(number, names) for number in range(count)]
    return _kinds(codes, titles, _cycled(PALETTE, count), symbols, drawn, none="in no cluster")


def _kinds(
    codes: np.ndarray,
    names: Sequence[str],
    palette: Sequence[str],
    shapes: Sequence[str],
    drawn: np.ndarray,
    none: str = "unknown",
) -> Colouring:
    """Colours of kinds; negative codes are of no kind, and grey."""
    small = len(names) < _MISSING
    missing = _MISSING if small else 65_535
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    entries = [Entry(i, name, int(counts[i])) for i, name in enumerate(names) if counts[i]]
    absent = int((codes < 0).sum())
    if absent:
        entries.append(Entry(missing, none, absent))
    shown = codes[drawn]
    return Colouring(
        np.where(shown < 0, missing, shown).astype(np.uint8 if small else np.uint16),
        list(palette),
        entries,
        shapes=shapes,
    )


def _amounts(values: np.ndarray, drawn: np.ndarray, none: str = "not measured") -> Colouring:
    """Colours of numbers, from the first to the 99th percentile; nan is grey."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if known.size else (0.0, 1.0)
    shown = values[drawn]
    steps = np.clip((shown - low) / max(high - low, 1e-12) * (_STEPS - 1), 0, _STEPS - 1)
    codes = np.where(np.isfinite(shown), np.nan_to_num(steps), _MISSING).astype(np.uint8)
    colours = sample_colorscale(SEQUENTIAL, np.linspace(0, 1, _STEPS).tolist(), colortype="tuple")
    palette = ["#" + "".join(f"{round(255 * part):02x}" for part in each) for each in colours]
    unknown = int((~np.isfinite(values)).sum())
    entries = [Entry(_MISSING, none, unknown)] if unknown else []
    return Colouring(codes, palette, entries, scale=(f"{low:.3g}", f"{high:.3g}"))


def _cycled(palette: Sequence[str], count: int) -> list[str]:
    return [palette[place % len(palette)] for place in range(count)]
