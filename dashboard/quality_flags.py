"""What is odd about an image before any model is asked: copies, leaks, groups, extreme pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd

from dashboard.widgets.messages import plain
from pipelines.methods import number

EXTREME: Final = 0.005
"""Share of the images, at either end, whose brightness or contrast is called extreme."""

_MEASURES: Final = {"mean": ("darker", "brighter"), "std": ("flatter", "higher in contrast")}


def flags(samples: pd.DataFrame, row: int, near: Sequence[int]) -> list[tuple[str, str]]:
    """What is to be known of an image.

    Args:
        samples: All samples.
        row: Position of the image.
        near: Positions of its near-duplicates in an embedding.

    Returns:
        What it is, and how so in Markdown; empty where nothing is odd.
    """
    return [*_copies(samples, row, near), *_known(samples, row), *_extremes(samples, row)]


def _copies(samples: pd.DataFrame, row: int, near: Sequence[int]) -> Iterator[tuple[str, str]]:
    same = (samples["content_hash"] == samples["content_hash"].iloc[row]).to_numpy(copy=True)
    same[row] = False
    if same.any():
        yield "Identical images", _others(samples, np.flatnonzero(same), row)
    alike = [at for at in near if at != row and not same[at]]
    if alike:
        yield "Near-duplicates", _others(samples, np.array(alike), row)


def _others(samples: pd.DataFrame, rows: np.ndarray, row: int) -> str:
    others = samples.iloc[rows]
    by_split = ", ".join(
        f"{count:,} in {split}" for split, count in others["split"].value_counts().items() if count
    )
    label = samples["label"].iloc[row]
    unlike = others["label"][others["label"] != label].astype("str").unique()
    said = f"; labelled otherwise: {plain(', '.join(unlike))}" if len(unlike) else ""
    return f"{by_split}{said}"


def _known(samples: pd.DataFrame, row: int) -> Iterator[tuple[str, str]]:
    sample = samples.iloc[row]
    if sample["leaked"]:
        yield "Leaked", "its group or its pixels also stand in train"
    if pd.isna(sample["group"]):
        return
    group = samples[samples["group"] == sample["group"]]
    splits = [
        str(split) for split in group["split"].cat.categories if (group["split"] == split).any()
    ]
    if len(splits) > 1:
        yield (
            "Group in several splits",
            f"{plain(str(sample['group']))}: {number.plural(len(group), 'image')} in "
            f"{', '.join(splits)}",
        )


def _extremes(samples: pd.DataFrame, row: int) -> Iterator[tuple[str, str]]:
    for column, words in _MEASURES.items():
        values = samples[column].to_numpy()
        value, n = values[row], len(values)
        below, above = int((values < value).sum()), int((values > value).sum())
        for word, beyond, at_all in zip(words, (below, above), (above, below), strict=True):
            if at_all and beyond < EXTREME * n:
                yield "Out of the ordinary", f"{word} than all but {beyond:,} of {n - 1:,} others"
