"""What is asked on the page Occlusion: the patch, the class, and which image is shown."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import occluding, selection
from dashboard.occluding import FILLS, Fill

PATCH: Final = "patch"
STRIDE: Final = "stride"
HIDDEN: Final = "hidden"
CLASS: Final = "asked"

PREDICTED: Final = "the predicted one"

_REVEALED: Final = "occlusion_revealed"


def choose_patch(side: int, known: tuple[int, int, Fill] | None) -> tuple[int, int, Fill]:
    """Draw what a patch is: its side, the way to the next one, and what it shows.

    Args:
        side: Longer side of the model's images.
        known: The patch of maps that a network draws, which is the first choice; None without.
    """
    at_first = occluding.default_patch(side), occluding.default_stride(side), "black"
    for key, value in zip((PATCH, STRIDE, HIDDEN), known or at_first, strict=True):
        selection.of_workspace(key, value)
    for key in (PATCH, STRIDE):
        st.session_state[key] = min(max(int(st.session_state.get(key, 1)), 1), side)
    patch = st.number_input("Patch, pixels", 1, side, key=PATCH, bind="query-params", width=130)
    stride = st.number_input(
        "Stride, pixels",
        1,
        side,
        key=STRIDE,
        bind="query-params",
        width=130,
        help="From one position of the patch to the next: smaller is finer, and takes longer.",
    )
    hidden = st.segmented_control(
        "Hidden pixels show",
        list(FILLS),
        required=True,
        key=HIDDEN,
        bind="query-params",
        help="Black, the mean of train, or the image itself, blurred. Black can itself be a "
        "sign of something; a mean or a blur says less.",
    )
    return int(patch), int(stride), hidden or "black"


def choose(patch: int, stride: int, fill: Fill) -> None:
    """Ask for maps of another patch. Only for callbacks (``on_click=``)."""
    st.session_state[PATCH], st.session_state[STRIDE] = patch, stride
    st.session_state[HIDDEN] = fill


def choose_class(classes: tuple[str, ...]) -> str | None:
    """Draw the choice of the class that is asked for; None for the predicted one."""
    selection.of_workspace(CLASS, None)
    if st.session_state.get(CLASS) not in classes:
        st.session_state[CLASS] = None
    return st.selectbox(
        "Class",
        classes,
        index=None,
        key=CLASS,
        bind="query-params",
        placeholder=PREDICTED,
        width=190,
    )


def look_at(sample_id: str) -> None:
    """Show another image at the top of the page, and start it anew."""
    selection.open_image(sample_id)
    st.session_state[_REVEALED] = revealed() + 1
    st.rerun()


def revealed() -> int:
    """How often :func:`look_at` was called: changes when the maps should come into sight."""
    return int(st.session_state.get(_REVEALED, 0))
