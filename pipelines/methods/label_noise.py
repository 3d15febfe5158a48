"""Labels that are flipped on purpose, so that it is known which of them are wrong."""

from __future__ import annotations

import numpy as np


def flip(
    labels: np.ndarray, among: np.ndarray, share: float, classes: int, seed: int
) -> np.ndarray:
    """Flip a share of some labels, each to another class, all of which are equally likely.

    Args:
        labels: Codes (n,) from 0 to classes - 1.
        among: Positions (m,) of the labels that may be flipped.
        share: Of those; ``round(share * m)`` are flipped, no more and no fewer.
        classes: How many classes there are, at least two.
        seed: Same seed, same labels: same flips.

    Returns:
        The labels (n,) after it; those given stay as they are.
    """
    # A stream of its own: the splits are drawn from the same seed.
    rng = np.random.default_rng([seed, 1])
    chosen = rng.choice(among, size=round(share * len(among)), replace=False)
    noisy = labels.copy()
    noisy[chosen] = (labels[chosen] + rng.integers(1, classes, len(chosen))) % classes
    return noisy
