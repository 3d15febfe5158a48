"""What is odd about an image before any model is asked: copies, leaks, groups, extreme pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from dashboard.widgets.messages import plain
from pipelines.methods import data_faults, number, oddities


def flags(
    samples: pd.DataFrame, row: int, near: Sequence[int], odd: pd.Series | None = None
) -> list[tuple[str, str]]:
    """What is to be known of an image.

    Args:
        samples: All samples.
        row: Position of the image.
        near: Positions of its near-duplicates in an embedding.
        odd: What the stage ``quality`` found of it, by kind; None where it did not look. Then only
            brightness is judged, by the same rule.

    Returns:
        What it is, and how so in Markdown; empty where nothing is odd.
    """
    return [*_copies(samples, row, near), *_known(samples, row), *_oddities(samples, row, odd)]


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


def _oddities(samples: pd.DataFrame, row: int, odd: pd.Series | None) -> Iterator[tuple[str, str]]:
    if odd is None:
        unknown = np.full(len(samples), np.nan)
        mean, spread = samples["mean"].to_numpy(), samples["std"].to_numpy()
        odd = oddities.flags(mean, spread, unknown, unknown).iloc[row]
    for kind in oddities.ODDITIES:
        if odd[kind]:
            yield "Out of the ordinary", data_faults.MEANS[kind]
