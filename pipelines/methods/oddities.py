"""Images out of the ordinary: constant, too dark, too bright, blurred, far from all others.

Each figure is set against those of all images of the data by its modified z-score: what is odd
among X-rays is not among stamps of the sky. Sources: B. Iglewicz, D. C. Hoaglin, "How to detect
and handle outliers", ASQC (1993), for the score and its bound of 3.5; J. L. Pech-Pacheco and
others, "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR (2000), for the
variance of the Laplacian; S. Ramaswamy, R. Rastogi, K. Shim, "Efficient algorithms for mining
outliers from large data sets", SIGMOD (2000), for the distance to the nearest others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

BOUND = 3.5
"""Modified z-score beyond which a figure is out of the ordinary."""

ODDITIES = ("constant", "dark", "bright", "blurred", "outlier")

_NEAREST = 10
_FLAT = 1e-6
_MAD = 0.6745
_MEAN_DEVIATION = 0.7979


def modified_z(values: np.ndarray) -> np.ndarray:
    """Modified z-score: the distance to the median in units of the median absolute deviation.

    Where more than half of the values are equal, the mean absolute deviation stands in.

    Args:
        values: float (n,); nan and infinite ones score nan and do not count.

    Returns:
        float64 (n,), 0 throughout where all values are equal.
    """
    known = np.isfinite(values)
    scores = np.full(len(values), np.nan)
    if not known.any():
        return scores
    apart = values[known].astype(np.float64) - np.median(values[known])
    size = np.abs(apart)
    unit = np.median(size) / _MAD
    if unit == 0:
        unit = size.mean() / _MEAN_DEVIATION
    scores[known] = apart / unit if unit > 0 else 0.0
    return scores


def sharpness(images: np.ndarray) -> np.ndarray:
    """How sharp images are: the variance of the Laplacian over that of the pixels.

    Set against the pixels' own variance it does not take a dim image for a blurred one.

    Args:
        images: float32 (n, height, width, channels).

    Returns:
        float64 (n,); nan where an image is constant or smaller than 3 x 3 pixels.
    """
    grey = images.mean(axis=-1, dtype=np.float64)
    figures = np.full(len(grey), np.nan)
    if min(grey.shape[1:]) < 3:
        return figures
    inner = grey[:, 1:-1, 1:-1]
    beside = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    spread = grey.var(axis=(1, 2))
    np.divide((beside - 4 * inner).var(axis=(1, 2)), spread, out=figures, where=spread > _FLAT)
    return figures


def remoteness(distances: np.ndarray) -> np.ndarray:
    """Mean distance to the ten nearest others.

    Args:
        distances: float (n, k), to the nearest in order; nan or infinite where there is none.

    Returns:
        float64 (n,); nan where an image has no neighbours.
    """
    nearest = distances[:, :_NEAREST].astype(np.float64)
    there = np.isfinite(nearest)
    totals, counts = np.where(there, nearest, 0).sum(axis=1), there.sum(axis=1)
    means: np.ndarray = np.divide(
        totals, counts, out=np.full(len(totals), np.nan), where=counts > 0
    )
    return means


def flags(
    mean: np.ndarray, spread: np.ndarray, sharp: np.ndarray, remote: np.ndarray
) -> pd.DataFrame:
    """Which images are out of the ordinary, and how.

    Args:
        mean: Mean of each image's pixels (n,), in [0, 1].
        spread: Their standard deviation (n,).
        sharp: Its :func:`sharpness` (n,).
        remote: Its :func:`remoteness` (n,).

    Returns:
        One row an image, one column of bool for each of :data:`ODDITIES`. A constant image is
        nothing else; sharpness and remoteness are compared by their logarithms.
    """
    constant = spread <= np.sqrt(_FLAT)
    brightness = modified_z(np.where(constant, np.nan, mean))
    with np.errstate(divide="ignore"):
        focus, distance = modified_z(np.log(sharp)), modified_z(np.log(remote))
    return pd.DataFrame(
        {
            "constant": constant,
            "dark": brightness < -BOUND,
            "bright": brightness > BOUND,
            "blurred": ~constant & (focus < -BOUND),
            "outlier": ~constant & (distance > BOUND),
        }
    )
