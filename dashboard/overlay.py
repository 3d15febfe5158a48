"""The map of where a model looks, over any picture that is open large."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cache import Run, belonging
from cache.errors import CentauroError
from cache.occlusion import Occlusion, occlusions
from dashboard import live, occluding
from dashboard.occluding import Explained, Fill
from dashboard.widgets.messages import plain, told
from dashboard.widgets.viewer import Overlay

LOOKS = "looks"
"""Parameter of the URL: whether pictures show where the model looks."""

LARGEST: Final = 64
"""Longer side of a model's images, in pixels, up to which a map is computed without being asked
for."""

SECONDS: Final = 3.0
"""How long such a map is refined at the most."""

PATIENCE: Final = 12.0
"""How long one is that was asked for."""

AT_ONCE: Final = 0.3
"""Seconds that the map before may have taken for the next one to come with its picture."""

FILL: Final[Fill] = "black"

COMPUTE: Final = "looks_compute"
"""Key of the button that asks for a map."""

_KEPT = "overlay_kept"
_MADE = "overlay_made"
_PACE = "overlay_pace"
_MOST_MADE = 200
_WAITING = "Hiding each place of the image …"


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


@dataclass(frozen=True)
class Laid:
    """What the switch says.

    Attributes:
        overlay: What to lay over the picture; None where that is off, or there is no map yet.
        compute: Makes the map that is still to come; None where there is none to wait for.
    """

    overlay: Overlay | None = None
    compute: Callable[[], None] | None = None

    def complete(self) -> bool:
        """Wait for the map: whether there was one to wait for, so that the page must run again.

        Call it last, when picture and all else are on screen.
        """
        if self.compute is None:
            return False
        self.compute()
        return True


def control(run: Run, name: str, read: Callable[[], np.ndarray]) -> Laid:
    """Draw the switch for the map and what there is to say of it.

    Draw it at a place of the page that stays the same: the switch is bound to the URL. Its state
    outlives the picture and the page, so that one can walk through images with the map on.

    Args:
        run: Whose model.
        name: ``sample_id`` of the image on show, or the id of an upload.
        read: Gives its pixels (height, width, channels) as the dataset has them. Called only where
            a map has to be computed.
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
        return Laid()
    place = st.empty()
    with place, told():
        look = kept(run, name) or _made(run, name)
        if look is None:
            if _large(run) and not _wanted():
                return Laid()
            if st.session_state.setdefault(_PACE, {}).get(_of(run), np.inf) > AT_ONCE:
                return Laid(compute=lambda: _make(run, name, read, place))
            _make(run, name, read, place)
            look = _made(run, name)
        if isinstance(look, Look):
            st.caption(look.caption)
            return Laid(look.overlay)
        st.caption(look or "")
    return Laid()


def on_request(run: Run, name: str, read: Callable[[], np.ndarray]) -> Look | None:
    """Where the model looks in an image that the cache has no map of: a button, then the map.

    Args:
        run: Whose model; it is trained.
        name: ``sample_id`` of the image.
        read: Gives its pixels (height, width, channels) as the dataset has them.

    Returns:
        The map, or None where it was not asked for, or there is none.
    """
    place = st.empty()
    if _made(run, name) is None:
        if not place.button("Compute the map", icon=":material/center_focus_strong:"):
            return None
        st.session_state.setdefault(_PACE, {})
        _make(run, name, read, place)
    look = _made(run, name)
    if isinstance(look, Look):
        return look
    st.caption(look or "")
    return None


def kept(run: Run, sample_id: str) -> Look | None:
    """The map of a sample from the cache; None where there is none, or none of this training.

    Args:
        run: Whose maps: of those of its recipe the first that have the sample.
        sample_id: Which one.
    """
    for occlusion in occlusions(run):
        artefact = occlusion.artefact("exact")
        if not artefact.exists or belonging.made_anew(run.workspace, artefact) is not None:
            continue
        mapped = _mapped(str(artefact.folder), artefact.manifest.fingerprint, occlusion)
        place = int(mapped.index.get_indexer(pd.Index([sample_id]))[0])
        if place < 0:
            continue
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


def computed(
    run: Run, pixels: np.ndarray, seconds: float, tell: Callable[[Explained], object]
) -> Look:
    """The map of an image, computed now.

    Args:
        run: Whose model.
        pixels: (height, width, channels) as the dataset has them.
        seconds: How long the map is refined at the most.
        tell: Called with what is known before each part of the work.

    Raises:
        MissingArtefactError: The run has not been trained yet.
        ValueError: The model cannot be explained by occlusion.
    """
    image = live.to_input(run, pixels)
    side = max(image.shape[:2])
    patch, stride = occluding.default_patch(side), occluding.default_stride(side)
    end = time.monotonic() + seconds
    explained = occluding.explain(run, image, patch, stride, FILL)
    while not explained.whole and time.monotonic() < end:
        tell(explained)
        further = occluding.refine(run, image, patch, stride, FILL)
        if further is None:
            break
        explained = further
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


def _of(run: Run) -> tuple[str, str]:
    artefact = run.artefact("train")
    return str(artefact.folder), artefact.manifest.fingerprint


def _made(run: Run, name: str) -> Look | str | None:
    """The map computed in this session, or in Markdown why there is none; None: not tried yet."""
    made: dict[object, Look | str] = st.session_state.setdefault(_MADE, {})
    return made.get((*_of(run), name))


def _large(run: Run) -> bool:
    height, width, _ = run.document["input_shape"]
    return max(int(height), int(width)) > LARGEST


def _wanted() -> bool:
    """Offer a map that takes a while: whether it is asked for."""
    with st.container():
        st.caption("The cache has no map of this image, and here one takes some seconds.")
        return st.button("Compute its map", key=COMPUTE, icon=":material/center_focus_strong:")


def _make(run: Run, name: str, read: Callable[[], np.ndarray], place: DeltaGenerator) -> None:
    """Compute a map and keep it, or why there is none."""
    started = time.monotonic()
    bar = place.progress(0.0, _WAITING)
    try:
        seconds = PATIENCE if _large(run) else SECONDS
        found: Look | str = computed(
            run, read(), seconds, lambda known: bar.progress(known.done, _WAITING)
        )
    except (CentauroError, ValueError) as error:
        found = plain(str(error))
    place.empty()
    made: dict[object, Look | str] = st.session_state.setdefault(_MADE, {})
    made[(*_of(run), name)] = found
    for oldest in list(made)[:-_MOST_MADE]:
        del made[oldest]
    st.session_state[_PACE][_of(run)] = time.monotonic() - started


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
