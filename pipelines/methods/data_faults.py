"""What the stage ``quality`` found, in words: the same on the page and in the report."""

from __future__ import annotations

from typing import Any, Final

from pipelines.methods import number
from pipelines.methods.slices import MOST_VALUES

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


def outlying(found: dict[str, Any]) -> str:
    """In which way a slice of the data is out of line: ``worse`` than all others, ``better``
    (as others are where one is far worse), or empty.

    Args:
        found: The slice, as the stage ``quality`` wrote it.
    """
    if not found["out_of_line"]:
        return ""
    return "worse" if found["errors"]["value"] > found["others"]["value"] else "better"


def nearly(document: dict[str, Any]) -> str:
    """What counts as nearly the same, and where it was looked for.

    Args:
        document: As the stage ``quality`` wrote it.
    """
    near = document["near"]
    return (
        f"Nearly the same: a correlation of the pixels of {near['correlation']:g} or more, looked "
        f"for among the {near['neighbours']} nearest of each image in {document['embedding']} "
        "alone; identical images are all found."
    )


def unsliced(document: dict[str, Any]) -> str | None:
    """Which columns could not be cut into slices; None where all could.

    Args:
        document: As the stage ``quality`` wrote it.
    """
    names = [name.removeprefix("meta_").replace("_", " ") for name in document["unsliced"]]
    if not names:
        return None
    return (
        f"Not looked at, for having more than {MOST_VALUES} different values that are neither "
        f"numbers nor dates such as 2018-03-14: {', '.join(names)}."
    )


def finding(document: dict[str, Any]) -> str:
    """What was found, in one sentence.

    Args:
        document: As the stage ``quality`` wrote it.
    """
    kinds = document["duplicates"].values()
    pairs, conflicting, across = (
        sum(kind[what] for kind in kinds) for what in ("pairs", "conflicting", "across_splits")
    )
    groups, slices = document["groups"], document["slices"]
    among = document["near"]["neighbours"]
    parts = [f"No two images are the same, and none nearly so among the {among} nearest of each"]
    if pairs:
        parts = [
            f"{number.plural(pairs, 'pair')} of images that are the same, or nearly: "
            f"{conflicting:,} with conflicting labels, {across:,} across splits"
        ]
    if groups["all"]:
        crossing = number.plural(groups["crossing"], "group")
        parts.append(f"{crossing} of {groups['all']:,} in more than one split")
    parts.append(f"{number.plural(document['odd_images'], 'image')} out of the ordinary")
    if slices:
        ways = [outlying(each) for each in slices]
        out = number.plural(len(ways) - ways.count(""), "slice")
        told = f"{out} of {len(slices):,} with an error rate out of line"
        worse = f", {ways.count('worse'):,} of them worse than the others" if any(ways) else ""
        parts.append(told + worse)
    return "; ".join(parts) + "."
