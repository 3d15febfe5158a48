"""The map of where a model looks, over any picture that is open large."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run
from cache.occlusion import Occlusion, occlusions
from dashboard import data, live, occluding
from dashboard.occluding import Fill
from dashboard.widgets.messages import plain, told
from dashboard.widgets.viewer import Overlay

LOOKS = "looks"
"""Parameter of the URL: whether pictures show where the model looks."""

LARGEST: Final = 64
"""Longer side of a model's images, in pixels, up to which a map is computed for a picture."""

SECONDS: Final = 3.0
"""How long such a map is refined at the most."""

FILL: Final[Fill] = "black"

_KEPT = "overlay_kept"


@dataclass(frozen=True)
class Look:
    """Where a model looks in one image.

    Attributes:
        values: float32 (rows, columns): probability of the predicted class by position.
        shape: Height and width of the image that the model read.
        patch: Side of the patch, in pixels of that.
        stride: From one position to the next.
        hidden: What hidden pixels show, in words.
        predicted: Name of the class.
        clean: Its probability without a patch.
        origin: Where the map comes from, as the end of a caption.
    """

    values: np.ndarray
    shape: tuple[int, int]
    patch: int
    stride: int
    hidden: str
    predicted: str
    clean: float
    origin: str

    @property
    def overlay(self) -> Overlay:
        """The same for the viewer."""
        height, width = self.shape
        return Overlay(
            self.values,
            width,
            height,
            self.patch,
            self.stride,
            self.clean,
            occluding.scale([self.values], [self.clean]),
            f"Probability of {self.predicted} with the patch there",
        )

    @property
    def caption(self) -> str:
        """What the map shows, in Markdown."""
        return (
            f"Probability of **{plain(self.predicted)}**, the predicted class, while a patch of "
            f"{self.patch} × {self.patch} pixels ({self.hidden}) hides each place: low is where "
            f"the model needs the image. {self.origin}"
        )


def control(run: Run, sample_id: str | None, read: Callable[[], np.ndarray]) -> Overlay | None:
    """Draw the switch for the map and what there is to say of it.

    Draw it at a place of the page that stays the same: the switch is bound to the URL. Its state
    outlives the picture and the page, so that one can walk through images with the map on.

    Args:
        run: Whose model.
        sample_id: The image on show; None for one that is no sample.
        read: Gives its pixels (height, width, channels) as the dataset has them. Called only where
            a map has to be computed.

    Returns:
        What to lay over the picture: None where it is off or there is no map.
    """
    if LOOKS not in st.session_state and LOOKS not in st.query_params:
        st.session_state[LOOKS] = st.session_state.get(_KEPT, False)
    trained = run.artefact("train").exists
    wanted = st.toggle(
        "Where the model looks",
        key=LOOKS,
        bind="query-params",
        disabled=not trained,
        help="Lays the occlusion map of the predicted class over the picture."
        if trained
        else f"The run {plain(run.name)} has not been trained yet.",
    )
    st.session_state[_KEPT] = wanted
    if not (wanted and trained):
        return None
    with told():
        look = kept(run, sample_id) if sample_id is not None else None
        if look is None:
            look = _computed(run, read)
        if look is not None:
            st.caption(look.caption)
            return look.overlay
    return None


def kept(run: Run, sample_id: str) -> Look | None:
    """The map of a sample from the cache; None where there is none, or none of this training.

    Args:
        run: Whose maps: of those of its recipe the first that have the sample.
        sample_id: Which one.
    """
    for occlusion in occlusions(run):
        artefact = occlusion.artefact("exact")
        if not artefact.exists or data.made_anew(run.workspace, artefact) is not None:
            continue
        mapped = _mapped(str(artefact.folder), artefact.manifest.fingerprint, occlusion)
        if sample_id not in mapped.index:
            continue
        place = int(mapped.index.get_loc(sample_id))
        answer = mapped.iloc[place]
        document = occlusion.document("exact")
        classes = run.workspace.dataset.classes
        predicted = str(answer["predicted"])
        height, width, _ = run.document["input_shape"]
        return Look(
            np.array(occlusion.maps()[place, :, :, classes.index(predicted)]),
            (int(height), int(width)),
            int(document["patch"]),
            int(document["stride"]),
            _in_words(document["fill"]),
            predicted,
            float(answer["clean"]),
            f"Exact, from the maps {plain(occlusion.name)} of the cache.",
        )
    return None


def computed(run: Run, pixels: np.ndarray) -> Look | None:
    """The map of an image, computed now; None where the model's images are too large for that.

    Args:
        run: Whose model.
        pixels: (height, width, channels) as the dataset has them.

    Raises:
        MissingArtefactError: The run has not been trained yet.
        ValueError: The model cannot be explained by occlusion.
    """
    image = live.to_input(run, pixels)
    side = max(image.shape[:2])
    if side > LARGEST:
        return None
    patch, stride = occluding.default_patch(side), occluding.default_stride(side)
    explained = occluding.explain(run, image, patch, stride, FILL)
    end = time.monotonic() + SECONDS
    while not explained.whole and time.monotonic() < end:
        occluding.refine(run, image, patch, stride, FILL)
        explained = occluding.explain(run, image, patch, stride, FILL)
    predicted = int(explained.clean.argmax())
    origin = f"Exact, {occluding.took(explained)}."
    if not explained.whole:
        origin += f" So far every {explained.stride} pixels; the page Occlusion goes on."
    return Look(
        explained.maps[..., predicted],
        (image.shape[0], image.shape[1]),
        patch,
        explained.stride,
        FILL,
        run.workspace.dataset.classes[predicted],
        float(explained.clean[predicted]),
        origin,
    )


def _computed(run: Run, read: Callable[[], np.ndarray]) -> Look | None:
    """The map computed now, and if there is none, why not."""
    try:
        with st.spinner("Hiding each place of the image …"):
            look = computed(run, read())
    except ValueError as error:
        st.caption(plain(str(error)))
        return None
    if look is None:
        st.caption(
            "The cache has no map of this image, and for images as large as this model's one takes "
            "a while: the page **Occlusion** computes it."
        )
    return look


def _in_words(fill: float | list[float] | str) -> str:
    """What hidden pixels show, from what the stage wrote."""
    if isinstance(fill, str):
        return "blurred"
    if isinstance(fill, list):
        return "the mean of train"
    return FILL if fill == 0 else f"{fill:g} of 1"


@st.cache_resource(max_entries=8, show_spinner=False)
def _mapped(folder: str, fingerprint: str, _occlusion: Occlusion) -> pd.DataFrame:
    return _occlusion.mapped().set_index("sample_id")
