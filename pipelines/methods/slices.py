"""Slices of the data whose error rate is out of line: one source, one date, one machine.

In one of the published studies nine errors in ten came from a single acquisition batch, and were
taken for a limit of the classifier (B12). Source of the test: R. A. Fisher, "The design of
experiments" (1935), the exact test of a two by two table; p-values are adjusted after S. Holm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.methods.comparison import holm
from pipelines.methods.intervals import Rate, rate

LEVEL = 0.05
"""Adjusted p-value below which a slice is out of line."""

MOST_VALUES = 200
FEWEST = 5
"""A column slices the data if it has 2 to 200 values; those with fewer images are not tested."""


@dataclass(frozen=True)
class Slice:
    """The images that have one value in one column, against all others.

    Attributes:
        column: Name of the column.
        value: The value, as text.
        errors: Error rate of the slice.
        others: Error rate of all other images.
        p_value: Two-sided Fisher's exact test of equal rates, adjusted for all slices tested.
    """

    column: str
    value: str
    errors: Rate
    others: Rate
    p_value: float

    @property
    def out_of_line(self) -> bool:
        """Whether its rate differs from that of the others beyond chance."""
        return self.p_value < LEVEL


def by_error(columns: Mapping[str, pd.Series], wrong: np.ndarray) -> list[Slice]:
    """Error rate of every slice, the least likely by chance first.

    Args:
        columns: By name: one value a sample (n), missing where it is not known.
        wrong: Mask (n,) of the samples that a model has wrong; one that never saw them.

    Returns:
        A slice for each value that enough samples have; none where no column slices the data.
    """
    from scipy.stats import fisher_exact

    found: list[tuple[str, str, Rate, Rate]] = []
    raw: list[float] = []
    total, all_wrong = len(wrong), int(wrong.sum())
    for name, column in columns.items():
        codes, values = pd.factorize(column)
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        if not 2 <= len(counts) <= MOST_VALUES:
            continue
        for code, (value, n) in enumerate(zip(values, counts.tolist(), strict=True)):
            if n < FEWEST or total - n < FEWEST:
                continue
            own = int(wrong[codes == code].sum())
            rest = all_wrong - own
            table = [[own, n - own], [rest, total - n - rest]]
            raw.append(float(fisher_exact(table).pvalue))
            found.append((name, str(value), rate(own, n), rate(rest, total - n)))
    adjusted = holm(raw) if raw else []
    slices = [Slice(*each, p) for each, p in zip(found, adjusted, strict=True)]
    return sorted(slices, key=lambda each: (each.p_value, -each.errors.value))
