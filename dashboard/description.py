"""The sentences and the readable tables of the dataset page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from cache import SPLITS, Dataset
from dashboard import dataset_statistics
from dashboard.dataset_statistics import Shared
from dashboard.widgets.messages import plain
from pipelines.methods import number, sample_counts

SIMILAR = 1.05
"""Up to this imbalance classes are called equally large."""


def finding(samples: pd.DataFrame, dataset: Dataset, twins: pd.DataFrame, refused: int) -> str:
    """The page's first sentences, in Markdown: how much, how balanced, what is wrong.

    Args:
        samples: All samples.
        dataset: What they are.
        twins: All groups of duplicates.
        refused: How many inputs were rejected.
    """
    images = number.plural(len(samples), "image")
    classes = number.plural(len(dataset.classes), "class", "classes")
    return f"{images} of {classes}; {_balance(samples)}. {_problems(samples, twins, refused)}"


def origin(samples: pd.DataFrame, dataset: Dataset, recipe: Mapping[str, Any]) -> str:
    """What the data is and where its splits come from, in Markdown.

    Args:
        samples: All samples.
        dataset: What they are.
        recipe: The dataset's part of the recipe as resolved.
    """
    made, came = [], []
    for split in SPLITS:
        of_split = samples[samples["split"] == split]
        if of_split.empty:
            continue
        share = of_split["split_made"].mean()
        if share == 1:
            made.append(split)
        elif share == 0:
            came.append(split)
        else:
            made.append(f"{number.percent(float(share))} of {split}")
    parts = [plain(dataset.description)]
    if came:
        parts.append(f"Came with the data: {_listed(came)}.")
    if made:
        how = "by class, identical images kept together"
        if samples["group"].notna().any():
            how += ", by group"
        seed = recipe.get("seed")
        how += f"; seed {seed}" if seed is not None else ""
        what = "Taken out of train" if "train" in came else "Divided"
        parts.append(f"{what} by Centauro: {_listed(made)} ({how}).")
    parts += [f"**{plain(said)}**" for said in (dataset.simulated, dataset.label_noise) if said]
    if dataset.left_out:
        parts.append(
            f"Left out by the recipe: {number.plural(sum(dataset.left_out.values()), 'image')} of "
            f"{number.plural(len(dataset.left_out), 'other class', 'other classes')}."
        )
    return " ".join(part for part in parts if part)


def chosen_sentence(chosen: int, total: int, words: Sequence[str]) -> str:
    """What the filters leave, in Markdown."""
    if not words:
        return f"All {number.plural(total, 'image')} chosen."
    return f"{number.count(chosen)} of {number.plural(total, 'image')} chosen: " + plain(
        "; ".join(words) + "."
    )


def dimension_table(frame: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Count, shape, type: one row a fact, one column of Markdown."""
    sizes = frame[["width", "height"]].drop_duplicates()
    facts = {
        "images": number.count(len(frame)),
        "classes": f"{frame['label'].nunique():,} of {len(dataset.classes):,}",
        "positive class": plain(dataset.positive) if dataset.positive else None,
        "shape": _shape(frame, dataset),
        "array": _array(frame, dataset),
        "different sizes": number.count(len(sizes)) if len(sizes) > 1 else None,
        "channels": plain(", ".join(dataset.channels)),
        "type of pixels": {
            "uint8": "8 bit, 0 to 255",
            "uint16": "16 bit, 0 to 65,535",
        }.get(dataset.dtype, f"{dataset.dtype}, 0 to 1"),
        "pixels": number.count(int((frame["width"].astype("int64") * frame["height"]).sum())),
        "groups": _groups(frame),
        "source": plain(dataset.source),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return pd.DataFrame({"value": known})


def statistics_table(frame: pd.DataFrame, dataset: Dataset, scale: float) -> Styler:
    """Maximum, minimum, mean, variance and standard deviation by channel.

    Args:
        frame: Samples, at least one.
        dataset: What they are.
        scale: What a pixel of 1 stands for in the units wanted.
    """
    table = dataset_statistics.pooled(frame, dataset.channels)
    scaled = table * scale
    scaled["variance"] *= scale
    names = {"std": "standard deviation"}
    looks = _digits(scale, ends=("max", "min"), others=("mean", "standard deviation"))
    looks["variance"] = "{:,.2f}" if scale > 1 else "{:.5f}"
    return scaled.rename(columns=names, index=plain).style.format(looks)


def readable_splits(table: pd.DataFrame, scale: float) -> Styler:
    """``dataset_statistics.split_table`` with names and digits for people."""
    readable = pd.DataFrame(
        {
            "images": table["images"],
            "share": table["share"],
            "imbalance": table["imbalance"],
            "mean": table["mean"] * scale,
            "std": table["std"] * scale,
            "divided by Centauro": table["made"],
            "known from train": table["leaked"],
        }
    )
    readable.index = readable.index.astype("str")
    looks: dict[str, Any] = {
        "share": number.percent,
        "imbalance": "{:.2f}",
        **_digits(scale, ends=(), others=("mean", "std")),
        **dict.fromkeys(("images", "divided by Centauro", "known from train"), number.count),
    }
    return readable.style.format(looks)


def channel_position(dataset: Dataset, view: str) -> int | None:
    """Place of a view on the channel axis, or None where a view shows all channels."""
    return dataset.channels.index(view) if view in dataset.channels else None


def leak_sentence(shared: Shared) -> str:
    """What val and test share with train, in Markdown."""
    leaks, groups, across = shared.leaks, shared.groups, shared.across
    if not leaks["leaked"].any():
        start = "No image of val or test has its pixels or its group in train."
    else:
        start = " ".join(
            f"{number.count(known)} of {number.plural(images, 'image')} of {split} "
            f"{'is' if known == 1 else 'are'} known from train."
            for split, known, images in zip(
                leaks.index, leaks["leaked"].tolist(), leaks["images"].tolist(), strict=True
            )
            if known
        )
    if not groups:
        return f"{start} The data names no groups (patients, nights …)."
    stand = "stands" if across == 1 else "stand"
    of_groups = f"{number.count(across)} of {number.plural(groups, 'group')}"
    return f"{start} {of_groups} {stand} in more than one split."


def readable_leaks(leaks: pd.DataFrame) -> Styler:
    """``sample_counts.leak_table`` with shares, and names for people."""
    readable = pd.DataFrame(
        {
            "images": leaks["images"],
            "known from train": leaks["leaked"],
            "share": leaks["leaked"] / leaks["images"],
            "same pixels": leaks["pixels"],
            "same group": leaks["group"],
        }
    )
    readable.index = readable.index.astype("str")
    looks: dict[str, Any] = {**dict.fromkeys(readable.columns, number.count)}
    looks["share"] = number.percent
    return readable.style.format(looks)


def duplicate_sentence(samples: pd.DataFrame, twins: pd.DataFrame, touched: pd.DataFrame) -> str:
    """How many images are there more than once, in Markdown.

    Args:
        samples: All samples.
        twins: All groups of duplicates.
        touched: Those that the filters leave.
    """
    if twins.empty:
        return f"No two of the {number.plural(len(samples), 'image')} have the same pixels."
    text = (
        f"{number.plural(int(twins['images'].sum()), 'image')} in "
        f"{number.plural(len(twins), 'group')} of identical pixels: "
        f"{number.count(int(twins['conflicting'].sum()))} with conflicting labels, "
        f"{number.count(int(twins['across'].sum()))} across splits."
    )
    if len(touched) < len(twins):
        text += f" {number.plural(len(touched), 'group')} with an image that the filters leave."
    return text + " Conflicting labels come first, then groups across splits."


def _balance(samples: pd.DataFrame) -> str:
    counts = samples["label"].value_counts(sort=False)
    counts = counts[counts > 0]
    ratio = sample_counts.imbalance(counts)
    if ratio <= SIMILAR:
        return "all classes are equally large" + (
            "" if ratio == 1 else f" (largest over smallest {ratio:.2f})"
        )
    large, small = str(counts.idxmax()), str(counts.idxmin())
    return (
        f"“{plain(large)}” has {ratio:.2f} times as many as “{plain(small)}” "
        f"({number.count(int(counts.max()))} to {number.count(int(counts.min()))})"
    )


def _problems(samples: pd.DataFrame, twins: pd.DataFrame, refused: int) -> str:
    said = []
    leaked = samples[samples["leaked"]]
    if len(leaked):
        held_out = int((samples["split"] != "train").sum())
        said.append(
            f"{number.count(len(leaked))} of {number.count(held_out)} images of val and test are "
            "known from train"
        )
    conflicting = int(twins["conflicting"].sum())
    if len(twins):
        text = f"{number.plural(int(twins['images'].sum()), 'image')} are there more than once"
        if conflicting:
            text += f", {number.plural(conflicting, 'group')} of them with conflicting labels"
        said.append(text)
    if refused:
        said.append(
            f"{number.plural(refused, 'input')} {'was' if refused == 1 else 'were'} rejected"
        )
    if not said:
        return (
            "Nothing was rejected, no image is there twice, and val and test share nothing with "
            "train."
        )
    sentence = "; ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _shape(frame: pd.DataFrame, dataset: Dataset) -> str:
    widths, heights = frame["width"], frame["height"]
    if widths.nunique() <= 1 and heights.nunique() <= 1 and len(frame):
        return f"{heights.iloc[0]:,} × {widths.iloc[0]:,} × {len(dataset.channels)}"
    if frame.empty:
        return number.UNKNOWN
    return (
        f"mixed: height {heights.min():,} to {heights.max():,} (median {heights.median():,.0f}), "
        f"width {widths.min():,} to {widths.max():,} (median {widths.median():,.0f})"
    )


def _array(frame: pd.DataFrame, dataset: Dataset) -> str | None:
    if dataset.shape is None:
        return None
    return " × ".join(number.count(side) for side in (len(frame), *dataset.shape))


def _groups(frame: pd.DataFrame) -> str | None:
    groups, across = sample_counts.groups_across(frame)
    if not groups:
        return None
    return f"{number.count(groups)}, {number.count(across)} of them in more than one split"


def _digits(scale: float, ends: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    """Formats of pixel values: whole numbers at the ends where values stand as stored."""
    end, other = ("{:,.0f}", "{:,.2f}") if scale > 1 else ("{:.4f}", "{:.4f}")
    return {**dict.fromkeys(ends, end), **dict.fromkeys(others, other)}


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
