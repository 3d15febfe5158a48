"""Grad-CAM of one image: its most probable classes, and how far occlusion agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import live, selection
from dashboard.occluding import Explained, Question
from dashboard.points import SHARP
from dashboard.widgets.messages import notice
from dashboard.widgets.occlusion import Panel, occlusion_maps
from pipelines.methods import number
from pipelines.methods.occlusion.features import importance

if TYPE_CHECKING:
    from pipelines.methods.grad_cam import Cams

LAYER: Final = "layer"


def show(question: Question, explained: Explained, picture: str) -> None:
    """Draw the class activation maps and their agreement with the occlusion maps.

    Args:
        question: The image.
        explained: Its exact maps, as far as they are known.
        picture: Data URL of the image.
    """
    run = question.run
    layers, usual = live.cam_layers(run)
    if usual is None:
        notice(
            "Grad-CAM needs a convolution",
            f"The model of '{run.name}' has none whose feature maps can be reached from one image "
            "to one answer. Choose a convolutional run; the occlusion maps above hold of any.",
        )
        return
    selection.of_workspace(LAYER, usual)
    if st.session_state.get(LAYER, usual) not in layers:
        st.session_state[LAYER] = usual
    layer = st.selectbox("Layer", layers, key=LAYER, bind="query-params", width=260) or usual
    found = live.cams(run, layer, question.image)
    classes = run.workspace.dataset.classes
    names = [classes[at] for at in found.classes[0]]
    stride = explained.stride
    height, width = question.image.shape[:2]
    rows, columns = found.maps.shape[2:]
    occlusion_maps(
        picture,
        width,
        height,
        [
            Panel(name, relative(cam[::stride, ::stride]), "relative", _note(cam, probability))
            for name, cam, probability in zip(
                names, found.resized[0], found.probabilities[0], strict=True
            )
        ],
        key="occlusion_cams",
        label=f"Grad-CAM of the layer {layer} for {', '.join(names)}",
        patch=None,
        stride=stride,
        clean=None,
        pixelated=max(height, width) <= SHARP,
    )
    st.table(agreement_table(names, found, explained), border="horizontal", hide_index=True)
    so_far = "" if explained.whole else f", so far known every {stride} pixels"
    st.caption(
        f"Feature maps of {rows} × {columns}, weighted by the gradient of the class's score before "
        f"the softmax, negative sums cut off, brought to {width} × {height} (bilinear) and painted "
        "from nothing to each map's own maximum. Agreement: Spearman correlation, over the "
        f"positions of the occlusion map{so_far}, with what the probability of that class loses "
        "when a patch is there."
    )


def relative(cam: np.ndarray) -> np.ndarray:
    """A map from 0 to 1, its own maximum; all 0 where nothing speaks for the class.

    Args:
        cam: float32 (rows, columns), never negative.
    """
    most = float(cam.max())
    return np.asarray(cam / most if most > 0 else cam, np.float32)


def agreement_table(names: list[str], found: Cams, explained: Explained) -> pd.DataFrame:
    """One row a class: its probability, and how far its two maps agree, as text.

    Args:
        names: Of the classes.
        found: Their class activation maps.
        explained: The exact occlusion maps of all classes.
    """
    from pipelines.methods.grad_cam import agreement

    rows = []
    for place, name in enumerate(names):
        at = int(found.classes[0, place])
        lost = importance(explained.maps[None, ..., at], explained.clean[[at]])
        agreed = float(agreement(found.resized[:, place], lost, explained.stride)[0])
        told = number.UNKNOWN if np.isnan(agreed) else number.signed(agreed)
        rows.append((name, number.percent(float(found.probabilities[0, place])), told))
    return pd.DataFrame(rows, columns=["class", "probability", "agreement with occlusion"])


def _note(cam: np.ndarray, probability: float) -> str:
    told = number.percent(float(probability))
    return told if cam.max() > 0 else f"{told}; nothing in this layer speaks for it"
