"""What a dataset is, in numbers: counts, imbalance, pooled pixel statistics, histograms.

Everything comes from what the pipeline measured once an image (``samples.parquet``,
``histograms.npy``); no pixel is read here, so a page stays quick with any number of images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from scipy.sparse import csr_array

from cache import SPLITS, Workspace
from dashboard import data
from pipelines.methods.pixels import BINS
from pipelines.methods.sample_counts import (
    class_counts,
    duplicates,
    groups_across,
    imbalance,
    leak_table,
)

ALL_CHANNELS = "all channels"
"""Name of the row, or of the choice, that takes the channels together."""

_FULL_SCALE = {"uint8": 255.0, "uint16": 65_535.0}
_CHUNK = 8_192
_INNER = (0.005, 0.995)
_FAR = 4.0


def full_scale(dtype: str) -> float:
    """Value of a stored pixel that stands for 1 on the scale of [0, 1]; 1 for floats."""
    return _FULL_SCALE.get(dtype, 1.0)


def pooled(frame: pd.DataFrame, channels: Sequence[str]) -> pd.DataFrame:
    """Statistics of all pixels of some images, exact, from those of each image.

    Images count by their number of pixels. The variance is that of the population: the mean over
    the images of (variance inside the image + squared distance of its mean).

    Args:
        frame: Samples, at least one.
        channels: Names of the channels, in order.

    Returns:
        One row for all channels together, then one a channel; columns ``max``, ``min``, ``mean``,
        ``variance``, ``std``, of pixels scaled to [0, 1].
    """
    weights = _pixels(frame)
    names = [ALL_CHANNELS, *channels] if len(channels) > 1 else [channels[0]]
    endings = ["", *(f"_{i}" for i in range(len(channels)))] if len(channels) > 1 else [""]
    rows = []
    for ending in endings:
        means = frame[f"mean{ending}"].to_numpy(np.float64)
        spreads = frame[f"std{ending}"].to_numpy(np.float64)
        mean, variance = _pool(means, spreads, weights)
        rows.append(
            {
                "max": float(frame[f"max{ending}"].max()),
                "min": float(frame[f"min{ending}"].min()),
                "mean": mean,
                "variance": variance,
                "std": float(np.sqrt(variance)),
            }
        )
    return pd.DataFrame(rows, index=pd.Index(names, name="channel"))


def pooled_by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Mean and standard deviation of all pixels, by split or class; all channels together.

    Args:
        frame: Samples.
        column: ``label`` or ``split``.

    Returns:
        Index: the values that occur, in their order; columns ``mean``, ``std`` in [0, 1].
    """
    measured = pd.DataFrame(
        {
            "by": frame[column].array,
            "weight": _pixels(frame),
            "mean": frame["mean"].to_numpy(np.float64),
            "std": frame["std"].to_numpy(np.float64),
        }
    )
    measured["first"] = measured["weight"] * measured["mean"]
    measured["second"] = measured["weight"] * (measured["std"] ** 2 + measured["mean"] ** 2)
    sums = measured.groupby("by", observed=True)[["weight", "first", "second"]].sum()
    mean = sums["first"] / sums["weight"]
    variance = (sums["second"] / sums["weight"] - mean**2).clip(lower=0.0)
    return pd.DataFrame({"mean": mean, "std": np.sqrt(variance)}).rename_axis(column)


def split_table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a split that has images.

    Returns:
        Index ``split``; columns ``images``, ``share``, ``imbalance``, ``made`` (images put there
        by Centauro), ``leaked`` (whose group or pixels also stand in train), ``mean``, ``std``.
    """
    counts = class_counts(frame)
    by_split = frame.groupby("split", observed=True)
    table = pd.DataFrame(
        {
            "images": by_split.size(),
            "made": by_split["split_made"].sum(),
            "leaked": by_split["leaked"].sum(),
        }
    )
    table["share"] = table["images"] / len(frame)
    table["imbalance"] = [imbalance(counts[split]) for split in table.index]
    return table.join(pooled_by(frame, "split"))


def class_table(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a class that has images.

    Returns:
        Index ``label``; columns ``images``, ``share``, and for each split that has images its
        count and ``<split>_share`` (of that split); ``mean``, ``std``.
    """
    counts = class_counts(frame)
    total = counts.sum(axis=1)
    table = pd.DataFrame({"images": total, "share": total / len(frame)})
    for split in SPLITS:
        of_split = int(counts[split].sum())
        if of_split:
            table[split] = counts[split]
            table[f"{split}_share"] = counts[split] / of_split
    return table[total > 0].rename_axis("label").join(pooled_by(frame, "label"))


def duplicates_of(workspace: Workspace) -> pd.DataFrame:
    """:func:`duplicates` of a whole workspace, kept in memory."""
    artefact = workspace.artefact("samples")
    return _duplicates(str(artefact.folder), artefact.manifest.fingerprint, workspace)


@dataclass(frozen=True)
class Shared:
    """What the splits of a workspace share.

    Attributes:
        leaks: As :func:`leak_table` returns.
        groups: How many groups there are.
        across: How many of them stand in more than one split.
    """

    leaks: pd.DataFrame
    groups: int
    across: int


def shared_of(workspace: Workspace) -> Shared:
    """What the splits of a whole workspace share, kept in memory."""
    artefact = workspace.artefact("samples")
    return _shared(str(artefact.folder), artefact.manifest.fingerprint, workspace)


def histograms(workspace: Workspace, rows: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
    """Pixel histograms of some images by class, each image counting by its number of pixels.

    Args:
        workspace: Where the images are.
        rows: Positions in ``samples.parquet``, ascending.
        codes: Class of each of them, from 0.
        k: Number of classes.

    Returns:
        Number of pixels (k, channels, 64) in each bin of [0, 1]; see ``pixels.histogram``.
    """
    digest = hashlib.blake2b(rows.tobytes() + codes.tobytes(), digest_size=16).hexdigest()
    artefact = workspace.artefact("samples")
    return _histograms(
        str(artefact.folder), artefact.manifest.fingerprint, digest, k, workspace, rows, codes
    )


@dataclass(frozen=True)
class Binned:
    """Histogram of one value an image by class.

    Attributes:
        counts: Images (classes, bins).
        edges: Edges of the bins (bins + 1).
        beyond: Images outside the edges, counted in the first and the last bin.
    """

    counts: np.ndarray
    edges: np.ndarray
    beyond: int


def binned(values: np.ndarray, codes: np.ndarray, k: int, bins: int = 40) -> Binned:
    """Count one value an image by class; values that are not numbers are left out.

    The bins go from the smallest to the largest value, unless a few values lie so far out that
    all others would fall together: then they cover the middle 99 %.

    Args:
        values: One an image.
        codes: Class of each, from 0.
        k: Number of classes.
        bins: How many.
    """
    numbers = np.isfinite(values)
    there = values[numbers].astype(np.float64)
    low, high = (float(there.min()), float(there.max())) if len(there) else (0.0, 1.0)
    if len(there):
        inner = np.quantile(there, _INNER)
        if high - low > _FAR * (inner[1] - inner[0]) > 0:
            low, high = float(inner[0]), float(inner[1])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    places = np.clip(((there - low) / (high - low) * bins).astype(np.int64), 0, bins - 1)
    # Codes of a categorical column are of 8 bits.
    flat = np.bincount(codes[numbers].astype(np.int64) * bins + places, minlength=k * bins)
    beyond = int(((there < low) | (there > high)).sum())
    return Binned(flat.reshape(k, bins), np.linspace(low, high, bins + 1), beyond)


@st.cache_data(max_entries=12, show_spinner="Looking for duplicates …")
def _duplicates(folder: str, fingerprint: str, _workspace: Workspace) -> pd.DataFrame:
    return duplicates(data.samples(_workspace))


@st.cache_data(max_entries=12, show_spinner="Looking for leaks …")
def _shared(folder: str, fingerprint: str, _workspace: Workspace) -> Shared:
    samples = data.samples(_workspace)
    return Shared(leak_table(samples), *groups_across(samples))


@st.cache_data(max_entries=48, show_spinner="Adding up the histograms …")
def _histograms(
    folder: str,
    fingerprint: str,
    digest: str,
    k: int,
    _workspace: Workspace,
    _rows: np.ndarray,
    _codes: np.ndarray,
) -> np.ndarray:
    shares = _workspace.histograms()
    weights = _pixels(data.samples(_workspace))[_rows]
    total = np.zeros((k, shares.shape[1] * BINS))
    for start in range(0, len(_rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        n = len(_rows[part])
        chosen = shares[_rows[part]].reshape(n, -1).astype(np.float32)
        # Half precision keeps three digits: the shares of an image do not quite add up to one.
        chosen *= shares.shape[1] / chosen.sum(axis=1, keepdims=True)
        to_class = csr_array((weights[part], (_codes[part], np.arange(n))), shape=(k, n))
        total += to_class @ chosen
    return total.reshape(k, shares.shape[1], BINS)


def _pixels(frame: pd.DataFrame) -> np.ndarray:
    """Number of pixels of each image."""
    counted: np.ndarray = frame["width"].to_numpy(np.float64) * frame["height"].to_numpy(np.float64)
    return counted


def _pool(means: np.ndarray, spreads: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    total = weights.sum()
    mean = float((weights * means).sum() / total)
    variance = float((weights * (spreads**2 + (means - mean) ** 2)).sum() / total)
    return mean, variance
