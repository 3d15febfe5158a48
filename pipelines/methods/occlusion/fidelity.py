"""How faithful an estimated occlusion map is to the exact one, image by image.

All maps are of probabilities, (n, rows, columns) in [0, 1], of the class that was asked for; low
means that the model needs that place. SSIM: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli,
"Image quality assessment: from error visibility to structural similarity", IEEE Transactions on
Image Processing 13 (2004), 600-612.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.methods.intervals import Rate, bootstrap

FLAT = 0.02
"""Least range of a map's probabilities that is worth comparing: below it the map is flat."""

BETTER_HIGH = {
    "mse": False,
    "mae": False,
    "pearson": True,
    "spearman": True,
    "ssim": True,
    "iou10": True,
}
"""Each measure of :func:`fidelity`, and whether more of it is better."""

STUDY_SIDE = 24
"""Pixels a side that the HiTS study brought its maps of 21x21 to, with zeros."""

_SHARE = 0.1
_WINDOW_RADIUS = 5
_WINDOW_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
# Values that are worked on at once: a dozen arrays of float64 stay below 100 MB.
_VALUES = 1_000_000


@dataclass(frozen=True)
class Summary:
    """The fidelity of many estimates.

    Attributes:
        n: Maps that are not flat; they are what ``means`` is of.
        flat: Maps that are.
        means: Mean of each measure over the maps that are not flat, with a bootstrap interval.
        flat_means: The same over the flat ones, of the measures that mean something there: mean
            squared and mean absolute error.
    """

    n: int
    flat: int
    means: dict[str, Rate]
    flat_means: dict[str, Rate]

    def plain(self) -> dict[str, Any]:
        """The same as plain data; of each mean ``value``, ``low``, ``high`` and ``n``."""
        document = asdict(self)
        for part in ("means", "flat_means"):
            for mean in document[part].values():
                del mean["count"]
        return document


@dataclass(frozen=True)
class Extremes:
    """Positions of the worst and the best values, int64, the utmost first."""

    worst: np.ndarray
    best: np.ndarray


def fidelity(exact: np.ndarray, estimate: np.ndarray, least: float = FLAT) -> dict[str, np.ndarray]:
    """Compare each estimated map with the exact one.

    Args:
        exact: (n, rows, columns), finite.
        estimate: The same of the estimates.
        least: See :func:`flat`.

    Returns:
        By name, float64 (n,): ``mse`` and ``mae``, mean squared and mean absolute error;
        ``pearson`` and ``spearman`` (ties share their mean rank), nan where the exact map is flat,
        0 where only the estimate is constant, so that an estimator that has collapsed is not left
        out of a mean; ``ssim``, the structural similarity for data in [0, 1]; ``iou10``, the
        intersection over union of the tenth of the positions with the lowest probability (ties by
        position).

    Raises:
        ValueError: The shapes differ or are not of maps, or a value is not finite.
    """
    _check(exact, estimate)
    measured = {name: np.empty(len(exact)) for name in BETTER_HIGH}
    step = max(1, _VALUES // max(1, exact[0].size if len(exact) else 1))
    for start in range(0, len(exact), step):
        rows = slice(start, start + step)
        truth, guess = (np.asarray(maps[rows], np.float64) for maps in (exact, estimate))
        for name, values in _measures(truth, guess, least).items():
            measured[name][rows] = values
    return measured


def flat(exact: np.ndarray, least: float = FLAT) -> np.ndarray:
    """Which maps are flat: the probability hardly moves, wherever the patch is.

    A correlation with such a map is one with its rounding, and says nothing.

    Args:
        exact: (n, rows, columns).
        least: Range (largest minus smallest probability) from which a map is not flat. A map
            without any range is flat whatever this is.

    Returns:
        bool (n,).
    """
    # Of numbers that are close to the bound, the same answer whatever the type of the maps.
    ends = exact.max(axis=(1, 2)), exact.min(axis=(1, 2))
    highest, lowest = (np.asarray(end, np.float64) for end in ends)
    ranges = highest - lowest
    return np.asarray((ranges < least) | (ranges == 0))


def summary(measured: Mapping[str, np.ndarray], flat_maps: np.ndarray, seed: int = 0) -> Summary:
    """Means of the measures, flat maps apart.

    Args:
        measured: As :func:`fidelity` gives it; other measures of the same images may be added.
        flat_maps: bool (n,), as :func:`flat` gives it.
        seed: Of the bootstrap over the images.
    """
    everywhere = [name for name in ("mse", "mae") if name in measured]
    return Summary(
        n=int((~flat_maps).sum()),
        flat=int(flat_maps.sum()),
        means={name: _mean(values[~flat_maps], seed) for name, values in measured.items()},
        flat_means={name: _mean(measured[name][flat_maps], seed) for name in everywhere},
    )


def worst_and_best(values: np.ndarray, count: int = 20, *, better_high: bool = True) -> Extremes:
    """Where a measure is worst and where it is best.

    Args:
        values: (n,); nan is neither.
        count: How many of each, at most. Where there are fewer than twice as many values, no
            position is in both: the best get the half that is larger.
        better_high: Whether high values are good; see :data:`BETTER_HIGH`.

    Raises:
        ValueError: The count is below 1.
    """
    if count < 1:
        raise ValueError(
            "The 'count' of worst_and_best must be an integer >= 1. "
            f"Received: count={count}. Ask for 20, for instance."
        )
    known = np.flatnonzero(~np.isnan(values))
    signed = values[known] if better_high else -values[known]
    order = known[np.argsort(signed, kind="stable")]
    from_best = known[np.argsort(-signed, kind="stable")]
    return Extremes(
        worst=order[: min(count, len(known) // 2)],
        best=from_best[: min(count, -(-len(known) // 2))],
    )


def study_mse(exact: np.ndarray, estimate: np.ndarray, side: int = STUDY_SIDE) -> np.ndarray:
    """Mean squared error of each map as the HiTS study counted it.

    The study filled its maps of 21x21 with zeros to 24x24 and divided by all 576 positions, so
    its figures are up to 576/441 = 1.31 times smaller than the error on the image. Its maps were
    summed and standardised (:func:`pipelines.methods.occlusion.study.of_maps`), and the network was
    trained to draw those; bring an estimate of raw probabilities to that form as well before giving
    it here.

    Args:
        exact: (n, rows, columns), in the study's form.
        estimate: The same of the estimates, or (n, side, side) with the border as the network
            drew it, the map in the middle (the smaller half of an odd border first).
        side: Rows and columns that are divided by; maps that are larger stay as they are.

    Returns:
        float64 (n,).

    Raises:
        ValueError: The shapes do not go together, or a value is not finite.
    """
    truth, guess = (_padded(np.asarray(maps, np.float64), side) for maps in (exact, estimate))
    _check(truth, guess)
    return np.asarray(np.mean((truth - guess) ** 2, axis=(1, 2)))


def _measures(truth: np.ndarray, guess: np.ndarray, least: float) -> dict[str, np.ndarray]:
    from scipy.stats import rankdata

    one, other = (maps.reshape(len(maps), -1) for maps in (truth, guess))
    apart = one - other
    unknown = flat(truth, least)
    return {
        "mse": np.mean(apart**2, axis=1),
        "mae": np.mean(np.abs(apart), axis=1),
        "pearson": np.where(unknown, np.nan, correlations(one, other)),
        "spearman": np.where(
            unknown, np.nan, correlations(rankdata(one, axis=1), rankdata(other, axis=1))
        ),
        "ssim": structural_similarity(truth, guess),
        "iou10": _overlap(lowest_tenth(one), lowest_tenth(other)),
    }


def correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson correlation of each row of one array with that of another.

    Args:
        one: (n, d).
        other: (n, d).

    Returns:
        float64 (n,) in [-1, 1]; 0 where a row is constant.
    """
    first, second = (np.asarray(values, np.float64) for values in (one, other))
    constant = (np.ptp(first, axis=1) == 0) | (np.ptp(second, axis=1) == 0)
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    # Each by its own largest value first, so that squares of small numbers do not vanish.
    first, second = (
        np.divide(values, top, out=np.zeros_like(values), where=top > 0)
        for values in (first, second)
        for top in [np.abs(values).max(axis=1, keepdims=True)]
    )
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = np.einsum("nd,nd->n", first, second)
    found = np.divide(products, lengths, out=np.zeros(len(first)), where=~constant & (lengths > 0))
    return np.asarray(np.clip(found, -1, 1))


def structural_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean structural similarity of maps of values in [0, 1].

    As published: a Gaussian window of 11x11 and standard deviation 1.5, wherever it lies wholly
    inside the map. On maps of fewer than 11 rows or columns the window is the largest odd one
    that fits.

    Args:
        one: float64 (n, rows, columns).
        other: The same.

    Returns:
        float64 (n,) in [-1, 1]; 1 where the maps are equal.
    """
    from scipy.ndimage import correlate1d

    radius = min(_WINDOW_RADIUS, (min(one.shape[1:]) - 1) // 2)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / _WINDOW_SIGMA) ** 2)
    weights /= weights.sum()
    inside = slice(radius, -radius or None)

    def blurred(values: np.ndarray) -> np.ndarray:
        across = correlate1d(correlate1d(values, weights, axis=1), weights, axis=2)
        return np.asarray(across[:, inside, inside])

    mean_one, mean_other = blurred(one), blurred(other)
    # Rounding can make the variance of a constant window negative.
    variance_one = np.maximum(blurred(one * one) - mean_one**2, 0)
    variance_other = np.maximum(blurred(other * other) - mean_other**2, 0)
    together = blurred(one * other) - mean_one * mean_other
    similar = (2 * mean_one * mean_other + _C1) * (2 * together + _C2)
    similar /= (mean_one**2 + mean_other**2 + _C1) * (variance_one + variance_other + _C2)
    return np.asarray(similar.mean(axis=(1, 2)))


def lowest_tenth(values: np.ndarray) -> np.ndarray:
    """Which tenth of the positions has the lowest values, ties by position.

    Args:
        values: (n, positions).

    Returns:
        bool (n, positions); a tenth of them is true, rounded, at least one.
    """
    count = max(1, round(_SHARE * values.shape[1]))
    chosen = np.argsort(values, axis=1, kind="stable")[:, :count]
    mask = np.zeros(values.shape, bool)
    np.put_along_axis(mask, chosen, True, axis=1)
    return mask


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray((one & other).sum(axis=1) / (one | other).sum(axis=1))


def _mean(values: np.ndarray, seed: int) -> Rate:
    known = values[~np.isnan(values)]
    if not len(known):
        return Rate(float("nan"), float("nan"), float("nan"), 0)
    low, high = bootstrap(np.mean, known, seed=seed)
    return Rate(float(known.mean()), low, high, len(known))


def _padded(maps: np.ndarray, side: int) -> np.ndarray:
    more = [max(side - length, 0) for length in maps.shape[1:]]
    border = [(missing // 2, missing - missing // 2) for missing in more]
    return np.pad(maps, [(0, 0), *border])


def _check(exact: np.ndarray, estimate: np.ndarray) -> None:
    if exact.ndim != 3 or exact.shape != estimate.shape or 0 in exact.shape[1:]:
        raise ValueError(
            "Exact and estimated maps must be of one shape (n, rows, columns). "
            f"Received: {exact.shape} and {estimate.shape}. Give the maps of one class an image, "
            "of the same images in the same order."
        )
    for name, maps in (("exact", exact), ("estimated", estimate)):
        if not np.isfinite(maps).all():
            raise ValueError(
                f"The {name} maps must be finite. Received: "
                f"{int((~np.isfinite(maps)).sum())} values that are NaN or infinite. "
                "Check the model that made them."
            )
