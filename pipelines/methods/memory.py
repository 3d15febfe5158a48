"""Reading memory-mapped pixels without keeping them resident."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


def give_back(array: np.ndarray) -> None:
    """Give the pages that were read of a memory map back to the system.

    What has been read of a mapped file counts as the process's memory until the system wants it;
    a pass over a large file would look like the whole of it. The pages stay in the system's own
    cache, so reading them again is cheap. Arrays that are no memory map are left alone.

    Args:
        array: A read-only memory map, or a view of one.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    # Not every system can be told (Windows cannot).
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
