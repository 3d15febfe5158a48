"""What every source of samples returns, whatever it read.

A source is a module with two functions:

- ``signature(options) -> str``: names the present content of its input, cheaply. It is part of
  the fingerprint of the samples, so a file added or changed makes them anew.
- ``load(options, progress) -> Loaded``: reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

Progress = Callable[[int, int], None]
"""Called with how many items are done and how many there are."""


@dataclass(frozen=True)
class Rejected:
    """One input that could not be read or used.

    Attributes:
        path: Its place: a path relative to the root, or ``row 17``.
        label: The label it would have had, if known.
        split: The split it would have been in, if known.
        reason: Why it is left out, in words for the user.
    """

    path: str
    label: str | None
    split: str | None
    reason: str


@dataclass
class Loaded:
    """What a source read.

    Attributes:
        title: Name of the data for people.
        description: One or two sentences: what it is, from where, under which licence.
        simulated: A sentence that says what is simulated, or None for real data.
        root: Folder that the places are relative to, or None where pixels are in ``images``.
        channels: Name of each channel, in order. Empty where the files decide (grey or RGB).
        classes: Class names in order, or None to sort the labels.
        records: One row a sample. Columns: ``place`` (str, unique), ``label`` (str), ``split``
            (``train``, ``val``, ``test`` or None), ``group`` (str or None), ``source`` (str), and
            any ``meta_*`` the source knows.
        images: Array (n, height, width, channels) aligned with ``records``: uint8, uint16, or
            float32 in [0, 1]. None where pixels are read from ``root / place``.
        rejected: Inputs that could not be read or used.
    """

    title: str
    description: str
    simulated: str | None
    root: Path | None
    channels: tuple[str, ...]
    classes: tuple[str, ...] | None
    records: pd.DataFrame
    images: np.ndarray | None
    rejected: list[Rejected] = field(default_factory=list)
