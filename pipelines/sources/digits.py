"""Source ``digits``: scikit-learn's scanned digits, real data that needs no download."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from pipelines.sources.base import Loaded, Progress
from pipelines.sources.checks import keep_rows

_FULL = 16  # each pixel counts the black ones in a block of 4 x 4 of the scan


def signature(options: Any) -> str:
    """Names the data by the version of the library that holds it."""
    return f"scikit-learn {version('scikit-learn')}"


def load(options: Any, progress: Progress) -> Loaded:
    """Reads the 1,797 digits, 8 x 8 pixels, as float32 in [0, 1].

    Args:
        options: The dataset of the recipe; nothing of it is needed.
        progress: Told once, when all are read.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    records, rows, _ = keep_rows(digits.target.astype(str), None, {})
    progress(len(rows), len(rows))
    return Loaded(
        title="Handwritten digits",
        description=(
            "1,797 digits written by 13 people, scanned and reduced to 8 x 8 pixels: the test part "
            "of 'Optical Recognition of Handwritten Digits' (Alpaydin and Kaynak, 1998, UCI "
            "Machine Learning Repository, CC BY 4.0), as it comes with scikit-learn."
        ),
        simulated=None,
        root=None,
        channels=("grey",),
        classes=tuple("0123456789"),
        records=records,
        images=(digits.images[..., None] / _FULL).astype(np.float32),
    )
