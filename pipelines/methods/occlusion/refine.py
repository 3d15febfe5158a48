"""Large maps, coarse first: something to look at soon, and no position computed twice.

A grid of a multiple of the stride comes first; then the stride is halved until it is the one asked
for. Each step keeps what there is and computes the rows in between, and on the rows that are known
the columns in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipelines.methods.occlusion.engine import Engine

COARSEST = 64
"""Positions that the first grid has at most, so that it is there soon."""


class Grid(NamedTuple):
    """What is known after a while.

    Attributes:
        stride: Pixels between the positions that are known by now.
        maps: float32 (b, rows, columns, classes) at that stride.
        done: Share of all positions that are computed, up to 1.
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
        One grid a stride. The last one's maps are those of :meth:`Engine.maps`.

    Raises:
        ValueError: As for :meth:`Engine.maps`.
    """
    patches = engine.patches
    step = 1
    while -(-patches.shape[0] // step) * -(-patches.shape[1] // step) > max(1, coarsest):
        step *= 2
    rows, columns = patches.rows[::step], patches.columns[::step]
    maps = engine.at(images, hidden, rows, columns)
    while True:
        yield Grid(step * patches.stride, maps, maps.shape[1] * maps.shape[2] / patches.count)
        if step == 1:
            return
        step //= 2
        rows, columns = patches.rows[::step], patches.columns[::step]
        finer = np.empty((len(maps), len(rows), len(columns), maps.shape[3]), np.float32)
        finer[:, ::2, ::2] = maps
        if len(columns) > 1:
            finer[:, ::2, 1::2] = engine.at(images, hidden, rows[::2], columns[1::2])
        if len(rows) > 1:
            finer[:, 1::2] = engine.at(images, hidden, rows[1::2], columns)
        maps = finer
