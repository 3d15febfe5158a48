"""Occlusion maps as columns of a table: where the evidence lies, and how much hangs on it.

The importance of a position is what the probability loses when the patch is there: ``max(clean
probability - map, 0)``. A map that nowhere loses anything worth mentioning has no place of its
evidence; its columns are nan, but for the drop.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pipelines.methods.occlusion.fidelity import FLAT
from pipelines.methods.occlusion.many import Maps, blocks

BORDER = 0.1
"""Share of the rows on each side, and of the columns, that counts as border; at least one."""

_SHARE = 0.1


@dataclass(frozen=True)
class Features:
    """What maps have in common with numbers; all float32 (n,).

    Attributes:
        row: Centroid of the importance, 0 at the top row of positions, 1 at the bottom one.
        column: The same from left to right.
        spread: Root mean square distance of the importance from its centroid, as a share of the
            length of the diagonal; 0 where it is all in one place.
        border: Share of the importance in the outer tenth of each side. Evenly spread, it would be
            :func:`border_share`.
        top_tenth: Share of the importance in the most important tenth of the positions; .1 where
            it is evenly spread, 1 where it is nowhere else.
        drop: Clean probability minus the lowest on the map: what hiding the worst place costs.
            Negative where hiding anything helps.
    """

    row: np.ndarray
    column: np.ndarray
    spread: np.ndarray
    border: np.ndarray
    top_tenth: np.ndarray
    drop: np.ndarray

    def columns(self) -> dict[str, np.ndarray]:
        """By name, in order, for a table."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def importance(maps: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """What the probability loses at each position.

    Args:
        maps: (n, rows, columns) of one class an image.
        clean: Probability of that class on the whole image (n,).

    Returns:
        float64 (n, rows, columns), 0 where nothing is lost.
    """
    _check(maps, clean)
    lost = np.asarray(clean, np.float64)[:, None, None] - np.asarray(maps, np.float64)
    return np.asarray(np.maximum(lost, 0))


def features(maps: Maps, clean: np.ndarray, least: float = FLAT) -> Features:
    """Describe each map by a few numbers, a block of maps at a time.

    Args:
        maps: (n, rows, columns) of one class an image.
        clean: Probability of that class on the whole image (n,).
        least: Where the probability falls by less than this at most, nothing is said of the place.

    Raises:
        ValueError: The shapes do not go together.
    """
    _check(maps, clean)
    parts = [_described(maps[block], clean[block], least) for block in blocks(maps)]
    return Features(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def border_share(rows: int, columns: int) -> float:
    """Share of the positions that count as border: what evidence without a place would have."""
    return float(_border_of((rows, columns)).mean())


def _described(maps: np.ndarray, clean: np.ndarray, least: float) -> dict[str, np.ndarray]:
    mass = importance(maps, clean)
    drop = np.asarray(clean, np.float64) - maps.min(axis=(1, 2))
    known = (drop >= least) & (drop > 0)
    total = np.where(known, mass.sum(axis=(1, 2)), np.nan)
    # nan in, nan out: a map without evidence has none anywhere.
    share = mass / total[:, None, None]
    along = [np.arange(length, dtype=np.float64) for length in maps.shape[1:]]
    rows, columns = share.sum(axis=2), share.sum(axis=1)
    centre = [rows @ along[0], columns @ along[1]]
    square = rows @ along[0] ** 2 - centre[0] ** 2 + columns @ along[1] ** 2 - centre[1] ** 2
    longest = [max(length - 1, 1) for length in maps.shape[1:]]
    positions = maps.shape[1] * maps.shape[2]
    flat_share = share.reshape(-1, positions)
    count = max(1, round(_SHARE * positions))
    found = {
        "row": centre[0] / longest[0],
        "column": centre[1] / longest[1],
        # Rounding can bring the spread of a single place below zero.
        "spread": np.sqrt(np.maximum(square, 0)) / np.hypot(*longest),
        "border": share[:, _border_of(maps.shape[1:])].sum(axis=1),
        "top_tenth": np.sort(flat_share, axis=1)[:, -count:].sum(axis=1),
        "drop": drop,
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def _border_of(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.ones(shape, bool)
    rows, columns = (max(1, round(BORDER * length)) for length in shape)
    mask[rows:-rows, columns:-columns] = False
    return mask


def _check(maps: Maps, values: np.ndarray) -> None:
    if len(maps.shape) != 3 or values.shape != maps.shape[:1]:
        raise ValueError(
            "Maps must be of shape (n, rows, columns), with one number each. "
            f"Received: maps {maps.shape} and {values.shape}. Give the maps of one class an image."
        )
