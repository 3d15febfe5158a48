"""The map of one image as the HiTS study made it, beside the same put right, and ours."""

from __future__ import annotations

from typing import Final

import numpy as np
import streamlit as st

from dashboard import live, occluding
from dashboard.occluding import Explained, Question
from dashboard.points import SHARP
from dashboard.widgets.messages import notice, plain
from dashboard.widgets.occlusion import Panel, occlusion_maps
from pipelines.methods import number
from pipelines.methods.occlusion import study
from pipelines.methods.occlusion.fidelity import correlations

MOST_POSITIONS: Final = 4096
"""Positions of the map over the padded image that are computed while one waits."""

_STUDY_SIDE, _STUDY_PATCH = 21, 3


def show(question: Question, explained: Explained, picture: str) -> None:
    """Draw the three maps and what is wrong with the study's.

    Args:
        question: The image and the class.
        explained: Its exact maps.
        picture: Data URL of the image.
    """
    why_not = _why_not(question, explained)
    if why_not:
        notice("The study's map cannot be made of this", why_not)
        return
    engine = live.engine(question.run, question.patch, question.stride)
    # Where the patch lies wholly inside the image, our positions are the study's.
    inside = np.ix_(*study.inside(engine))
    raw = explained.maps[..., question.of]
    found, size = raw[inside][None], question.patch
    made, fair = study.merged(found, size)[0], study.corrected(found, size)[0]
    panels = [
        Panel("Ours", raw, "probability", "probability at each position"),
        Panel("Corrected", fair, "probability", "mean of the patches over each pixel"),
        Panel("As the study made it", made, "relative", f"{found.size:,} positions, summed"),
    ]
    padded = (raw.shape[0] + size + 1) * (raw.shape[1] + size + 1)
    if padded <= MOST_POSITIONS:
        hidden = occluding.hidden(question.run, question.image, size, question.fill)
        scores = live.padded_scores(question.run, question.image, hidden, question.of, size)
        second = study.padded_merged(scores, size)[0]
        note = f"{padded:,} positions, over the padded image"
        panels.append(Panel("Its second version", second, "relative", note))
    height, width = question.image.shape[:2]
    clean = float(explained.clean[question.of])
    occlusion_maps(
        picture,
        width,
        height,
        panels,
        key="occlusion_study",
        label="The map as the study made it, the same corrected, and the exact one",
        patch=None,
        stride=1,
        clean=clean,
        scale=occluding.scale([raw, fair], [clean]),
        pixelated=max(height, width) <= SHARP,
    )
    st.markdown(explanation(made, fair, size))
    if question.fill != "black":
        st.caption("The study painted its patches black; here they show what is chosen above.")
    st.caption(
        f"Class {plain(question.label)}; the study took the predicted one. Its maps are "
        "standardised one by one, so that colours of different images cannot be compared, and a "
        "map whose probability moves by .001 looks like one where it moves by 1."
        + (
            ""
            if padded <= MOST_POSITIONS
            else f" Its second version would take {padded:,} inferences here, and is left out."
        )
    )


def explanation(made: np.ndarray, fair: np.ndarray, size: int) -> str:
    """What the study's map shows of itself, in Markdown.

    Args:
        made: float32 (height, width), as the study made it.
        fair: The same, divided by how many patches cover each pixel.
        size: Side of the patch.
    """
    here, there = constant(made.shape, size), constant((_STUDY_SIDE, _STUDY_SIDE), _STUDY_PATCH)
    shared = _correlation(made, here)
    without = _correlation(study.standardised(fair[None])[0], here)
    same = made.shape == there.shape and size == _STUDY_PATCH
    at = "" if same else f", at 21 × 21 with patch 3 mean {there.mean():.3f} and {there.std():.3f}"
    return (
        f"The study paints each probability into the whole area of its patch and sums, but does "
        f"not divide by how many patches cover a pixel: 1 at a corner, {size * size} in the "
        "middle. So the border looks needed whatever the model does: a classifier that always "
        f"answers the same gets a map too, with mean {here.mean():.3f} and standard deviation "
        f"{here.std():.3f}{at}. The map above has mean {made.mean():.3f} and standard deviation "
        f"{made.std():.3f}, and correlates with that empty one at "
        f"**{number.signed(shared)}**; divided by the coverage, at {number.signed(without)}."
    )


def constant(shape: tuple[int, ...], size: int) -> np.ndarray:
    """The study's map of a classifier that always answers the same, float32 (height, width).

    Args:
        shape: Height and width.
        size: Side of the patch.
    """
    height, width = shape
    ones = np.ones((1, height - size + 1, width - size + 1), np.float32)
    made: np.ndarray = study.merged(ones, size)[0]
    return made


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(correlations(one.reshape(1, -1), other.reshape(1, -1))[0])


def _why_not(question: Question, explained: Explained) -> str:
    if question.stride != 1:
        return (
            "The study moved its patch pixel by pixel. "
            f"The stride here is {question.stride}: choose 1."
        )
    if question.patch > min(question.image.shape[:2]):
        return f"A patch of {question.patch} pixels is larger than the image: choose a smaller one."
    if question.patch == 1:
        return (
            "With a patch of one pixel nothing is painted over anything else, and the study's "
            "map is ours, standardised: choose a larger patch."
        )
    if not explained.whole:
        return (
            f"It needs every position, and {explained.done:.0%} of them are known so far: let the "
            "exact map be finished first."
        )
    return ""
