"""Maps as pictures."""

from __future__ import annotations

import numpy as np
from plotly.colors import sample_colorscale

from pipelines.methods.colours import SEQUENTIAL
from pipelines.methods.pixels import data_url, encode


def painted(values: np.ndarray, scale: tuple[float, float]) -> str:
    """A map as a picture, one pixel a position, in the colours of all maps: a data URL.

    Args:
        values: Probabilities (rows, columns).
        scale: Those of the first and the last colour.
    """
    low, high = scale
    levels = np.clip(np.rint(255 * (values - low) / (high - low)), 0, 255).astype(int)
    return data_url(encode(_palette()[levels], lossless=True))


def _palette() -> np.ndarray:
    colours = sample_colorscale(SEQUENTIAL, np.linspace(0, 1, 256).tolist(), colortype="tuple")
    return np.asarray(np.rint(255 * np.array(colours)), np.uint8)
