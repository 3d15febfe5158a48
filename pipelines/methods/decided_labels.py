"""Labels that reviewers decided: which decisions apply, what is trained on, accuracy by them.

Decided labels replace given ones in train and val. Images that nobody could tell, and bad ones,
leave both. The test split keeps every image and its given label, and figures by decided labels
stand beside those by given ones: images taken out of the test after a look at a model's mistakes
make that model better on paper alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.methods import number
from pipelines.methods.intervals import Rate, rate

LEAVING = ("undecidable", "bad")
"""Verdicts on images that leave train and val."""

TRAINED_ON = ("train", "val")
"""Splits in which decided labels count: train, and val because the best epoch is chosen on it."""


@dataclass(frozen=True)
class InUse:
    """Labels to train on.

    Attributes:
        labels: int32 (n,) codes of all samples; on test those that are given.
        keep: bool (n,), False where an image leaves train or val.
        changed: bool (n,), whether the label is another than the given one.
    """

    labels: np.ndarray
    keep: np.ndarray
    changed: np.ndarray


@dataclass(frozen=True)
class Judged:
    """Images by decided labels; the given one counts where nothing is decided.

    Attributes:
        labels: Codes (n,).
        keep: bool (n,), False where an image is left out: undecidable, or bad.
        decided: On how many of them something is decided.
        changed: How many of those left are judged by another label than the given one.
    """

    labels: np.ndarray
    keep: np.ndarray
    decided: int
    changed: int


@dataclass(frozen=True)
class ByDecided:
    """Accuracy by decided labels; the given one counts where nothing is decided.

    Attributes:
        accuracy: On the images that are left.
        images: How many images there are.
        decided: On how many of them something is decided.
        changed: How many of those left are judged by another label than the given one.
        left_out: How many are left out: undecidable, or bad.
    """

    accuracy: Rate
    images: int
    decided: int
    changed: int
    left_out: int


def current(table: pd.DataFrame, samples: pd.DataFrame) -> np.ndarray:
    """Which verdicts are on the label that their image bears now.

    The same image may bear another label than the one that was judged: labels were corrected at
    their source, or flipped on purpose. Nothing follows from what was said of the label before.

    Args:
        table: Verdicts or decisions (n rows) with ``sample_id`` and ``given``, the label judged.
        samples: Samples with ``sample_id`` and ``label``.

    Returns:
        Mask (n,); False also where the image is not there any more.
    """
    there = samples[samples["sample_id"].isin(table["sample_id"])]
    now = table["sample_id"].map(there.set_index("sample_id")["label"].astype("str")).astype("str")
    mask: np.ndarray = (now == table["given"]).to_numpy(dtype=bool, na_value=False)
    return mask


def left_out(table: pd.DataFrame, samples: pd.DataFrame) -> dict[str, int]:
    """How many images have no verdict that is :func:`current`, by reason; arguments as there."""
    judged = pd.Index(table["sample_id"].unique())
    lost = judged.difference(table.loc[current(table, samples), "sample_id"])
    gone = int((~lost.isin(samples["sample_id"])).sum())
    counts = {
        "image no longer in the workspace": gone,
        "given label changed since the verdict": len(lost) - gone,
    }
    return {why: count for why, count in counts.items() if count}


def applicable(table: pd.DataFrame, samples: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """The decisions that apply to the samples as they are.

    Args:
        table: Decisions with ``sample_id``, ``given``, ``decided`` and ``verdict``.
        samples: Samples with ``sample_id`` and ``label``.

    Returns:
        The decisions on images that are there and bear the label that was judged, with the column
        ``keep``; then how many others there are, by reason.
    """
    kept = table.loc[current(table, samples), ["sample_id", "given", "decided", "verdict"]]
    kept = kept.assign(keep=~kept["verdict"].isin(LEAVING)).reset_index(drop=True)
    return kept, left_out(table, samples)


def in_use(samples: pd.DataFrame, decisions: pd.DataFrame | None) -> InUse:
    """The labels that a training takes.

    Args:
        samples: Samples (n rows) with ``sample_id``, ``split`` and ``label``.
        decisions: Those that apply, as ``Workspace.decisions`` gives them; None to take the labels
            as they are given.
    """
    given = samples["label"].cat.codes.to_numpy(dtype=np.int32)
    if decisions is None:
        return InUse(given, np.ones(len(given), bool), np.zeros(len(given), bool))
    decided, keep = _by_sample(samples, decisions)
    counts = samples["split"].isin(TRAINED_ON).to_numpy()
    labels = np.where(counts & (decided >= 0), decided, given).astype(np.int32)
    return InUse(labels, keep | ~counts, labels != given)


def emptied(samples: pd.DataFrame, used: InUse) -> list[str]:
    """What decided labels leave without any image: classes of train, and the split val."""
    classes = samples["label"].cat.categories
    codes, split = samples["label"].cat.codes.to_numpy(), samples["split"].to_numpy(dtype=object)
    train, val = split == "train", split == "val"

    def found() -> Iterator[str]:
        lost = np.setdiff1d(codes[train], used.labels[train & used.keep])
        yield from (f"the class '{classes[code]}' of train" for code in lost)
        if val.any() and not (val & used.keep).any():
            yield "the split val"

    return list(found())


def judged(of: pd.DataFrame, decisions: pd.DataFrame) -> Judged | None:
    """Judge images by decided labels.

    Args:
        of: Images of one split, with ``sample_id`` and ``label`` (the given one).
        decisions: Those that apply, as ``Workspace.decisions`` gives them.

    Returns:
        None where nothing is decided on any of the images.
    """
    decided, keep = _by_sample(of, decisions)
    given = of["label"].cat.codes.to_numpy()
    labels = np.where(decided >= 0, decided, given)
    count = int(((decided >= 0) | ~keep).sum())
    return Judged(labels, keep, count, int((labels != given)[keep].sum())) if count else None


def accuracy(predictions: pd.DataFrame, decisions: pd.DataFrame) -> ByDecided | None:
    """Accuracy by decided labels.

    Args:
        predictions: Of the images of one split, with ``sample_id``, ``label`` (the given one) and
            ``predicted``.
        decisions: Those that apply, as ``Workspace.decisions`` gives them.

    Returns:
        None where nothing is decided on any of the images.
    """
    found = judged(predictions, decisions)
    if found is None:
        return None
    right = predictions["predicted"].cat.codes.to_numpy() == found.labels
    return ByDecided(
        accuracy=rate(int(right[found.keep].sum()), int(found.keep.sum())),
        images=len(right),
        decided=found.decided,
        changed=found.changed,
        left_out=int((~found.keep).sum()),
    )


def coverage(images: int, decided: int, changed: int, left_out: int) -> str:
    """What figures by decided labels are of, and of how much nobody has looked at, in a sentence;
    arguments as the attributes of :class:`ByDecided`."""
    return (
        f"Decided on {decided:,} of {number.plural(images, 'image')}: {changed:,} judged by "
        f"another label, {left_out:,} undecidable or bad and left out here; the others by "
        "their given label."
    )


def _by_sample(of: pd.DataFrame, decisions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Decided class (n,), -1 where there is none, and whether to keep each of some images."""
    found = decisions.set_index("sample_id").reindex(of["sample_id"])
    keep = found["keep"].astype("boolean").fillna(True).to_numpy(dtype=bool)
    return found["decided"].cat.codes.to_numpy(dtype=np.int32), keep
