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
    kinds = document["duplicates"].values()
    pairs, conflicting, across = (
        sum(kind[what] for kind in kinds) for what in ("pairs", "conflicting", "across_splits")
    )
    odd = sum(sum(splits.values()) for splits in document["odd"].values())
    groups, slices = document["groups"], document["slices"]
    parts = ["No two images are the same, or nearly"]
    if pairs:
        parts = [
            f"{number.plural(pairs, 'pair')} of images that are the same, or nearly: "
            f"{conflicting:,} with conflicting labels, {across:,} across splits"
        ]
    if groups["all"]:
        crossing = number.plural(groups["crossing"], "group")
        parts.append(f"{crossing} of {groups['all']:,} in more than one split")
    parts.append(f"{number.plural(odd, 'image')} out of the ordinary")
    if slices:
        out = number.plural(sum(each["out_of_line"] for each in slices), "slice")
        parts.append(f"{out} of {len(slices):,} with an error rate out of line")
    return "; ".join(parts) + "."
