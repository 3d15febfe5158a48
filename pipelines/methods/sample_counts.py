"""Counts of samples: by class and split, of those there twice, and of those known from train."""

from __future__ import annotations

import pandas as pd

from cache import SPLITS


def class_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Images of each class in each split: index all classes in order, columns all splits."""
    counts = pd.crosstab(frame["label"], frame["split"], dropna=False)
    classes = frame["label"].cat.categories
    return counts.reindex(index=classes, columns=list(SPLITS), fill_value=0).astype("int64")


def imbalance(counts: pd.Series) -> float:
    """Images of the largest class over those of the smallest, of the classes that have any."""
    there = counts[counts > 0]
    return float(there.max() / there.min()) if len(there) else float("nan")


def duplicates(samples: pd.DataFrame) -> pd.DataFrame:
    """Groups of images with exactly the same pixels, those that matter most first.

    Args:
        samples: All samples, or those to look among.

    Returns:
        Index ``content_hash``; columns ``images``, ``conflicting`` (more than one label),
        ``across`` (more than one split). Conflicting groups first, then those across splits, then
        the larger ones.
    """
    twins = samples[samples["content_hash"].duplicated(keep=False)]
    codes = pd.DataFrame(
        {
            "content_hash": twins["content_hash"],
            "label": twins["label"].cat.codes,
            "split": twins["split"].cat.codes,
        }
    )
    grouped = codes.groupby("content_hash", sort=False)
    table = pd.DataFrame(
        {
            "images": grouped.size(),
            "conflicting": grouped["label"].nunique() > 1,
            "across": grouped["split"].nunique() > 1,
        }
    )
    keys = ["conflicting", "across", "images"]
    return table.sort_values(keys, ascending=False, kind="stable")


def leak_table(samples: pd.DataFrame) -> pd.DataFrame:
    """Images of val and test that a model may know from training.

    Returns:
        Index ``split`` (val and test, where they have images); columns ``images``, ``leaked``,
        ``pixels`` (the same image stands in train), ``group`` (its group does).
    """
    train = samples[samples["split"] == "train"]
    same = samples["content_hash"].isin(train["content_hash"])
    grouped = samples["group"].notna() & samples["group"].isin(train["group"].dropna())
    held_out = pd.DataFrame(
        {
            "split": samples["split"].array,
            "images": 1,
            "leaked": samples["leaked"].to_numpy(),
            "pixels": same.to_numpy(),
            "group": grouped.to_numpy(),
        }
    )[(samples["split"] != "train").to_numpy()]
    return held_out.groupby("split", observed=True).sum().astype("int64")


def crossing_groups(samples: pd.DataFrame) -> pd.DataFrame:
    """Groups with images in more than one split, the largest first.

    Args:
        samples: All samples, or those of such groups.

    Returns:
        Index ``group``; a column of counts for each split, and ``images``, all of them.
    """
    grouped = samples[samples["group"].notna()]
    counts = pd.crosstab(grouped["group"], grouped["split"].astype("str"))
    counts = counts.reindex(columns=list(SPLITS), fill_value=0).astype("int64")
    crossing = counts[(counts > 0).sum(axis=1) > 1]
    crossing = crossing.assign(images=crossing.sum(axis=1))
    return crossing.sort_values("images", ascending=False, kind="stable")


def groups_across(samples: pd.DataFrame) -> tuple[int, int]:
    """How many groups there are, and how many of them stand in more than one split."""
    grouped = samples[samples["group"].notna()]
    splits = grouped.groupby("group")["split"].nunique()
    return len(splits), int((splits > 1).sum())
