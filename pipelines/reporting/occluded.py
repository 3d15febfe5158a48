"""What the report says of occlusion maps: how faithful estimates are, and some of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cache.occlusion import Occlusion, drawing, occlusions
from pipelines.methods import number
from pipelines.methods.painting import painted
from pipelines.reporting.markup import Child, Html, name, note, section, table, tag
from pipelines.reporting.pictures import Pictures
from pipelines.reporting.reading import Source, check, told

TITLE = "Occlusion maps"
ANCHOR = "occlusion"

MAPS = 6
"""Most images whose maps are shown."""

MEASURES = {"pearson": "Pearson", "spearman": "Spearman", "ssim": "SSIM", "mse": "MSE"}


def all_of(source: Source) -> list[Occlusion]:
    """The occlusion maps that the recipe asks for."""
    return [each for run in source.workspace.runs() for each in occlusions(run)]


def tell(source: Source, room: int) -> Html | None:
    """The section; None where the recipe asks for no maps.

    Args:
        source: The workspace.
        room: Bytes that the pictures of each kind of maps may take.
    """
    parts: list[Html] = []
    for each in all_of(source):
        parts.append(tag("h3", name(f"{each.run.name} / {each.name}")))
        parts += told("The maps", source.workspace.command, _maps, source, each, room)
    return section(TITLE, *parts, anchor=ANCHOR) if parts else None


def _maps(source: Source, occlusion: Occlusion, room: int) -> list[Html]:
    check(occlusion, "exact")
    document = occlusion.document("exact")
    counts = ", ".join(f"{n:,} {split}" for split, n in document["maps"].items())
    how = (
        f"Probability while a patch of {document['patch']} × {document['patch']} pixels hides "
        f"each place, every {number.plural(document['stride'], 'pixel')}; fill: "
        f"{document['fill']}. Exact maps of {counts} images."
    )
    parts, estimator = [tag("p", how)], None
    if occlusion.settings["estimators"]:
        command = source.workspace.command
        parts += told("The estimated maps", command, _fidelity, occlusion)
        if occlusion.artefact("estimators").exists:
            estimator = next(iter(drawing(occlusion.document("estimators"))), None)
    return [*parts, *_examples(source, occlusion, estimator, room)]


def _fidelity(occlusion: Occlusion) -> list[Html]:
    check(occlusion, "estimators")
    document = occlusion.document("estimators")
    test = document["test"]
    rows = [
        [
            f"{estimator} (baseline)" if about["baseline"] else estimator,
            *(_mean(about["fidelity"]["means"][measure], measure) for measure in MEASURES),
        ]
        for estimator, about in document["estimators"].items()
    ]
    left = test["maps"] - test["flat"]
    caption = (
        f"How faithful estimated maps are: means over {left:,} test maps that are not flat "
        f"({test['flat']:,} are), with 95 % bootstrap intervals"
    )
    return [table(caption, ["drawn by", *MEASURES.values()], rows)]


def _mean(figure: dict[str, Any], measure: str) -> str:
    if figure["value"] is None:
        return number.UNKNOWN
    digits = 4 if measure == "mse" else 3
    value, low, high = (f"{figure[end]:.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _examples(source: Source, occlusion: Occlusion, estimator: str | None, room: int) -> list[Html]:
    """Some test images with their maps, mistakes first."""
    mapped, maps = occlusion.mapped(), occlusion.maps()
    test = mapped[mapped["split"] == "test"].reset_index(names="place")
    if test.empty:
        return [note("No test image has a map.", "Raise 'test' of these maps in the recipe.")]
    wrong = (test["label"] != test["predicted"]).to_numpy()
    chosen = test.iloc[np.lexsort((-test["clean"].to_numpy(), ~wrong))[:MAPS]]
    estimates = occlusion.estimates(estimator) if estimator is not None else None
    pictures = Pictures(source.workspace, room)
    tiles = []
    for place, row, label, predicted, clean in zip(
        *(chosen[column].tolist() for column in ("place", "row", "label", "predicted", "clean")),
        strict=True,
    ):
        code = source.workspace.dataset.classes.index(predicted)
        drawn = {"exact": np.asarray(maps[place, :, :, code], np.float64)}
        if estimates is not None:
            drawn["estimate"] = np.asarray(estimates[place], np.float64)
        tile = _tile(pictures, row, drawn, label, predicted, clean)
        if tile is None:
            break
        tiles.append(tile)
    said = (
        f"{len(tiles)} of {len(test):,} test images with maps, the surest mistakes first. Each map "
        "is of the predicted class; exact and estimate share one scale, dark for its low end: "
        "there the model needs the image."
    )
    if estimator is not None:
        said += f" Estimates by {estimator}."
    if len(tiles) < len(chosen):
        said += " Others are left out because the report would become too large."
    gallery = tag("ul", *tiles, class_="gallery broad")
    return [tag("p", f"{said} {pictures.views}".strip(), class_="faint"), gallery]


def _tile(
    pictures: Pictures,
    row: int,
    drawn: dict[str, np.ndarray],
    label: str,
    predicted: str,
    clean: float,
) -> Html | None:
    low = min(float(values.min()) for values in drawn.values())
    high = max(float(values.max()) for values in drawn.values())
    scale = (low, max(high, low + 1e-6))
    shown: list[Child] = [pictures.picture(row, f"An image of {label}")]
    for word, values in drawn.items():
        alt = f"{word} map of {predicted}, {values.min():.2f} to {values.max():.2f}"
        shown.append(pictures.take(painted(values, scale), alt, small=True))
    if None in shown:
        return None
    words = ["image", *drawn]
    beside = [
        tag("div", each, tag("div", word, class_="faint"))
        for each, word in zip(shown, words, strict=True)
    ]
    bar = pictures.take(painted(np.linspace(*scale, 64)[None], scale), "", small=False)
    if bar is None:
        return None
    caption = tag(
        "figcaption",
        tag("span", number.percent(low), bar, number.percent(high), class_="scale"),
        name(label),
        ", predicted ",
        name(predicted),
        f" with {number.percent(clean)}",
    )
    return tag("li", tag("figure", tag("div", *beside, class_="maps"), caption))
