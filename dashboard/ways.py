"""The ways from one image to every page that tells more of it."""

from __future__ import annotations

from typing import Final, Literal

import streamlit as st

from dashboard import selection

_WAYS: Final = {
    "similarity": ("Similar images", "image_search"),
    "errors": ("Among the errors", "rule"),
    "dataset": ("In the dataset", "photo_library"),
    "occlusion": ("Occlusion maps", "center_focus_strong"),
    "sheet": ("Error sheet", "description"),
}
"""What the way to a page is called, and its icon."""


def button(
    page: str,
    sample_id: object,
    *,
    origin: str,
    split: object = None,
    run: str | None = None,
    disabled: bool = False,
    type: Literal["secondary", "tertiary"] = "tertiary",
) -> None:
    """Draw the way to a page about an image.

    Args:
        page: One of ``similarity``, ``errors``, ``dataset``, ``occlusion`` and ``sheet``.
        sample_id: The image.
        origin: Name of the page that it is drawn on; the key is ``<origin>_to_<page>``.
        split: The image's split, which the page *Errors* is to show.
        run: Run to select; None keeps it.
        disabled: Whether there is nothing to see there.
        type: As of ``st.button``.
    """
    name, icon = _WAYS[page]
    state = {selection.SPLIT: str(split)} if page == "errors" and split is not None else None
    st.button(
        name,
        key=f"{origin}_to_{page}",
        icon=f":material/{icon}:",
        type=type,
        disabled=disabled,
        on_click=selection.go,
        args=(page,),
        kwargs={"run": run, "image": str(sample_id), "state": state},
    )
