"""What the stage ``quality`` found, in words: the same on the page and in the report."""

from __future__ import annotations

from typing import Any, Final

from pipelines.methods import number

MEANS: Final = {
    "constant": "all pixels are the same",
    "dark": "far darker than the others",
    "bright": "far brighter than the others",
    "blurred": "far less sharp than the others",
    "outlier": "far from all others in the embedding",
}
"""What each of :data:`pipelines.methods.oddities.ODDITIES` says of an image."""

FIGURES: Final = {
    "constant": "contrast",
    "dark": "brightness",
    "bright": "brightness",
    "blurred": "sharpness",
    "outlier": "remoteness",
}
"""Column of ``quality.parquet`` that each is judged by."""


def finding(document: dict[str, Any]) -> str:
    """What was found, in one sentence.

    Args:
        document: As the stage ``quality`` wrote it.
    """
    pairs = document["duplicates"].values()
    conflicting = sum(kind["conflicting"] for kind in pairs)
    across = sum(kind["across_splits"] for kind in pairs)
    odd = sum(sum(splits.values()) for splits in document["odd"].values())
    groups, slices = document["groups"], document["slices"]
    parts = [
        f"{number.plural(sum(kind['pairs'] for kind in pairs), 'pair')} of images that are the "
        f"same, or nearly: {conflicting:,} with conflicting labels, {across:,} across splits",
        f"{number.plural(groups['crossing'], 'group')} of {groups['all']:,} in more than one split",
        f"{number.plural(odd, 'image')} out of the ordinary",
    ]
    if slices:
        out = number.plural(sum(each["out_of_line"] for each in slices), "slice")
        parts.append(f"{out} of {len(slices):,} with an error rate out of line")
    return "; ".join(parts) + "."
