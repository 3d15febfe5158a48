"""Estimated occlusion maps beside exact ones: which there are, how faithful, and what they cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run, belonging
from cache.occlusion import Occlusion, drawing, occlusions
from dashboard import live
from dashboard.occluding import Fill
from dashboard.widgets.messages import plain
from dashboard.widgets.occlusion import Panel
from pipelines.methods import number
from pipelines.methods.occlusion import timing
from pipelines.methods.occlusion.fidelity import fidelity, flat
from pipelines.methods.occlusion.timing import Times

WAYS = {"whole": "the whole network", "table": "a table of patterns", "regions": "regions alone"}
"""How the exact engine can go about it."""

_FILLS: dict[float | str, Fill] = {0.0: "black", "mean": "mean", "blur": "blur"}


@dataclass(frozen=True)
class Estimator:
    """A network that draws the maps of a run.

    Attributes:
        occlusion: The maps that it learnt from.
        name: Its name in the recipe.
        document: What the stage wrote about all estimators.
    """

    occlusion: Occlusion
    name: str
    document: dict[str, Any]

    @property
    def verify(self) -> dict[str, Any] | None:
        """When its estimates are to be trusted; None where it was trained but once."""
        verify: dict[str, Any] | None = self.document["verify"]
        return verify if verify and verify.get("estimator") == self.name else None


def find(run: Run, patch: int, stride: int, fill: Fill) -> list[Estimator]:
    """The estimators of the maps that a patch makes, those that can be verified first.

    Args:
        run: Whose maps.
        patch: Side of the patch in pixels.
        stride: Pixels from one position to the next.
        fill: What hidden pixels show.
    """
    found = []
    for occlusion, *asked in drawn_maps(run):
        if asked == [patch, stride, fill]:
            document = occlusion.document("estimators")
            found += [Estimator(occlusion, name, document) for name in drawing(document)]
    return sorted(found, key=lambda each: each.verify is None)


def drawn_maps(run: Run) -> list[tuple[Occlusion, int, int, Fill]]:
    """The maps of a run that a network has learnt to draw, with their patch, stride and fill; not
    those of an earlier training, nor those whose hidden pixels show what this page does not
    offer."""
    found: list[tuple[Occlusion, int, int, Fill]] = []
    for occlusion in occlusions(run):
        made = [occlusion.artefact(stage) for stage in ("exact", "estimators")]
        there = all(each.exists for each in made)
        if there and not any(belonging.made_anew(run.workspace, each) for each in made):
            exact = occlusion.document("exact")
            # A list is the mean of train, one number a channel.
            given = "mean" if isinstance(exact["fill"], list) else exact["fill"]
            fill = _FILLS.get(given)
            if fill is not None and drawing(occlusion.document("estimators")):
                found.append((occlusion, exact["patch"], exact["stride"], fill))
    return found


def drawn_by(
    estimator: Estimator, image: np.ndarray, asked: int, *, second: bool = False
) -> tuple[np.ndarray, float]:
    """The estimate of a map, float32 (rows, columns), and the milliseconds that it took.

    Args:
        estimator: What draws it.
        image: float32 (height, width, channels) as the model reads it.
        asked: The class asked for.
        second: Whether its second training draws.
    """
    artefact = estimator.occlusion.artefact("estimators")
    made = str(artefact.folder), artefact.manifest.fingerprint, estimator.name
    return _drawn_by(*made, image, asked, second, estimator)


def panels(name: str, drawn: np.ndarray, took: float, exact: np.ndarray) -> list[Panel]:
    """The estimate of a map, and how it differs from the exact one.

    Args:
        name: Of the estimator.
        drawn: float32 (rows, columns), as :func:`drawn_by` gives it.
        took: Milliseconds.
        exact: float32 (rows, columns), all of it.
    """
    measured = {
        name: float(values[0]) for name, values in fidelity(exact[None], drawn[None]).items()
    }
    if flat(exact[None])[0]:
        said = f"MAE {measured['mae']:.3f}; the map is flat, correlations mean nothing"
    else:
        said = f"Pearson {measured['pearson']:.2f}, SSIM {measured['ssim']:.2f}"
    return [
        Panel("Estimate", drawn, "probability", f"by {name}, one pass in {took:.1f} ms"),
        Panel("Estimate less exact", drawn - exact, "difference", said),
    ]


def finding(document: dict[str, Any]) -> str:
    """The sentence about the first estimator, in Markdown."""
    name = drawing(document)[0]
    told = document["estimators"][name]
    correlation = told["fidelity"]["means"]["pearson"]["value"]
    which, exact, estimate = timing.compared(document["ms"]["exact"], told["ms"])
    each = "a map, one image alone" if which == "one" else "a map"
    slow, fast = _ms(exact["median"]), _ms(estimate["median"])
    start = f"Maps drawn by **{plain(name)}**"
    if correlation is not None:
        start += f" correlate with the exact ones at {correlation:.2f} on test"
    if told["break_even"] is None:
        return (
            f"{start}; the exact engine takes {slow} ms {each}, the estimate {fast}: for this "
            "model an estimate never pays."
        )
    payback = told.get("payback")
    # An earlier version counted the training alone.
    spent = "the training has"
    if payback is not None:
        spent = (
            f"the training ({_seconds(payback['training_seconds'])}) and the {payback['maps']:,} "
            f"exact maps that it learns from ({_seconds(payback['maps_seconds'])}) have"
        )
    return (
        f"{start} and take {fast} ms {each} in place of {slow}: {spent} paid after "
        f"{told['break_even']:,} images."
    )


def times_table(document: dict[str, Any]) -> pd.DataFrame:
    """One row a way to a map: milliseconds, one image alone and one among many."""
    times = document["ms"]
    # An earlier version timed the way that was chosen alone, and did not name it.
    chosen = times.get("way")
    rows = [("the study's loop", _spread(times["study_loop"]), "")]
    for way, its in {chosen: times["exact"], **times.get("other_ways", {})}.items():
        name = "exact engine" if way is None else f"exact: {WAYS[way]}"
        taken = " (the one taken)" if way is not None and way == chosen else ""
        rows.append((name + taken, _spread(its["one"]), _of_many(its)))
    for name, told in document["estimators"].items():
        if not told["baseline"]:
            rows.append((name, _spread(told["ms"]["one"]), _of_many(told["ms"])))
    columns = ["way", "one image, ms", "one of many, ms"]
    return pd.DataFrame(rows, columns=columns)


def show_times(document: dict[str, Any]) -> None:
    """Draw what a map costs, each way."""
    st.table(times_table(document), border="horizontal", hide_index=True)
    st.caption(
        "Medians with the 5th and 95th percentile, in one process, warm; behind each how many "
        "images were given at a time. The study's loop is timed on some positions and scaled up. "
        "An estimate pays only where its times lie below those of the exact engine, spread "
        "included."
    )
    for name, told in document["estimators"].items():
        if not told["baseline"]:
            st.caption(
                f"{plain(name)}: {told['parameters']:,} parameters, trained for "
                f"{told['seconds'][0]:.0f} s, {told['epochs'][0]} epochs, the best one "
                f"{told['best_epoch'][0]}."
            )


@st.cache_data(max_entries=200, show_spinner=False)
def _drawn_by(
    folder: str,
    fingerprint: str,
    name: str,
    image: np.ndarray,
    asked: int,
    second: bool,
    _estimator: Estimator,
) -> tuple[np.ndarray, float]:
    def draw() -> np.ndarray:
        return live.draw(_estimator.occlusion, name, image, asked, second=second)

    # Loading the network is no part of what a map takes.
    draw()
    started = time.perf_counter()
    drawn = draw()
    return drawn, 1000 * (time.perf_counter() - started)


def _spread(times: dict[str, float]) -> str:
    return f"{_ms(times['median'])} ({_ms(times['low'])} to {_ms(times['high'])})"


def _of_many(times: Times) -> str:
    many = times["many"]
    # An earlier version repeated the time of one where many were not measured.
    if many is None or many == times["one"]:
        return number.UNKNOWN
    return f"{_spread(many)}, {many.get('images', timing.MANY):.0f} at a time"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s" if value < 10 else f"{value:,.0f} s"


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
