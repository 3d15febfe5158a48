"""Many maps on disk, read a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from pipelines.methods.occlusion.patches import of_class

_VALUES = 4_000_000
"""Positions that a block holds, of all its maps together."""


class Maps(Protocol):
    """Maps of one class an image (n, rows, columns): an array, or something that reads them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, rows, columns)."""

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        """The maps of a slice, or of positions."""


@dataclass(frozen=True)
class OfClass:
    """Maps of one class an image, taken out of those of all classes when they are asked for.

    Attributes:
        maps: (n, rows, columns, classes), a memory map for instance.
        classes: The class of each (n,).
    """

    maps: np.ndarray
    classes: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, rows, columns)."""
        return self.maps.shape[:3]

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        return of_class(np.asarray(self.maps[rows]), self.classes[rows])


def blocks(maps: Maps, count: int | None = None) -> Iterator[slice]:
    """Cuts that together are all maps, each small enough for memory; at least one.

    Args:
        maps: What is read.
        count: How many maps there are to read, where it is not all of them.
    """
    n = maps.shape[0] if count is None else count
    step = max(1, _VALUES // max(1, maps.shape[1] * maps.shape[2]))
    for start in range(0, max(n, 1), step):
        yield slice(start, min(start + step, n))
