"""Large maps, coarse first: something to look at soon, and no position computed twice.

A grid of a multiple of the stride comes first; then the stride is halved until it is the one asked
for. Each halving keeps what there is and computes the rows in between, and on the rows that are
known the columns in between; most positions belong to the last one, so that it is done in parts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipelines.methods.occlusion.engine import Engine

COARSEST = 64
"""Positions that the first grid has at most, so that it is there soon."""

PART = 0.25
"""Seconds that a part of a later grid takes, roughly."""


class Grid(NamedTuple):
    """What is known after a while.

    Attributes:
        stride: Pixels between the positions of ``maps``.
        maps: float32 (b, rows, columns, classes) at that stride.
        done: Share of all positions that are computed, those of the next grid included, up to 1.
    """

    stride: int
    maps: np.ndarray
    done: float


def refine(
    engine: Engine, images: np.ndarray, hidden: np.ndarray, *, coarsest: int = COARSEST
) -> Iterator[Grid]:
    """Maps at finer and finer strides, down to the engine's.

    Whoever has enough stops asking; nothing is computed ahead.

    Args:
        engine: Its stride is that of the last maps.
        images: As for :meth:`Engine.maps`.
        hidden: As for :meth:`Engine.maps`.
        coarsest: Positions that the first grid may have, at least 1.

    Yields:
        The first grid; then, after every part of the next one, the last grid that is whole. The
        maps of the very last are those of :meth:`Engine.maps`.

    Raises:
        ValueError: As for :meth:`Engine.maps`.
    """
    patches = engine.patches
    step = 1
    while -(-patches.shape[0] // step) * -(-patches.shape[1] // step) > max(1, coarsest):
        step *= 2
    started = time.perf_counter()
    maps = engine.at(images, hidden, patches.rows[::step], patches.columns[::step])
    spent = time.perf_counter() - started
    known = maps.shape[1] * maps.shape[2]
    stride = step * patches.stride
    yield Grid(stride, maps, known / patches.count)
    while step > 1:
        step //= 2
        rows, columns = patches.rows[::step], patches.columns[::step]
        finer = np.empty((len(maps), len(rows), len(columns), maps.shape[3]), np.float32)
        finer[:, ::2, ::2] = maps
        most = max(1, int(PART * known / max(spent, 1e-9)))
        for down, right in _between(len(rows), len(columns), most):
            started = time.perf_counter()
            found = engine.at(images, hidden, rows[down], columns[right])
            spent += time.perf_counter() - started
            finer[:, down[:, None], right] = found
            known += found.shape[1] * found.shape[2]
            if known == len(rows) * len(columns):
                stride, maps = step * patches.stride, finer
            yield Grid(stride, maps, known / patches.count)


def _between(rows: int, columns: int, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of a grid that the one before it lacks, at most so many positions a time."""
    for down, right in (
        (np.arange(0, rows, 2), np.arange(1, columns, 2)),
        (np.arange(1, rows, 2), np.arange(columns)),
    ):
        high = max(1, most // max(1, len(right)))
        for top in range(0, len(down), high):
            for left in range(0, len(right), most):
                yield down[top : top + high], right[left : left + most]
