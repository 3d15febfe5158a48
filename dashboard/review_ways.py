"""The ways between the page Labels and the others: from any image to its label, and back."""

from __future__ import annotations

from typing import Final, Literal

import streamlit as st

from cache import Run
from cache.issues import label_issues
from dashboard import embedding_data, picked, selection, ways

WORK: Final = "work"
ONE, MANY, REVIEWERS, DATA = "one by one", "many at once", "reviewers", "other faults"

_OPENING: Final = "labels_opening"


def judging(run: Run) -> str | None:
    """Name of a run whose labels were judged, so that any image of it can be reviewed.

    Args:
        run: The one that is looked at; another of its workspace where that has no label issues.
    """
    for each in (run, *run.workspace.runs()):
        if any(issues.artefact("issues").exists for issues in label_issues(each)):
            return each.name
    return None


def review(run: str | None, sample_id: str) -> None:
    """Go to the review of an image, be it suspected or not. Only for callbacks, as ``go``."""
    selection.go("labels", run=run, image=sample_id, state={WORK: ONE})


def open_soon(sample_id: str) -> None:
    """Show an image large on the page Labels; ends the run, which has drawn its controls."""
    st.session_state[_OPENING] = sample_id
    st.rerun()


def arrive() -> None:
    """Open what :func:`open_soon` asked for; called before any control is drawn."""
    sample_id = st.session_state.pop(_OPENING, None)
    if sample_id is not None:
        st.session_state[WORK] = ONE
        selection.open_image(sample_id)


def review_button(
    run: Run, sample_id: str, key: str, type: Literal["secondary", "tertiary"] = "tertiary"
) -> None:
    """Draw the way from an image to the review of its label."""
    there = judging(run)
    st.button(
        "Review its label",
        key=key,
        icon=":material/fact_check:",
        type=type,
        disabled=there is None,
        help=None if there else "No run of this workspace has label issues.",
        on_click=review,
        args=(there, sample_id),
    )


def show_ways(run: Run, sample_id: str, split: str) -> None:
    """Draw the ways from the image that is reviewed to what else is known of it."""
    predicted = run.artefact("predictions").exists
    mapped = bool(embedding_data.made(run, "projection"))
    with st.container(horizontal=True, gap="small"):
        ways.button("similarity", sample_id, origin="labels")
        ways.button("errors", sample_id, origin="labels", split=split, disabled=not predicted)
        st.button(
            "On the map",
            key="labels_to_embeddings",
            icon=":material/scatter_plot:",
            type="tertiary",
            disabled=not mapped,
            on_click=picked.go_to_map,
            args=((sample_id,), "an image whose label is reviewed"),
        )
        ways.button("occlusion", sample_id, origin="labels", disabled=not predicted)
        ways.button("dataset", sample_id, origin="labels")
        ways.button("sheet", sample_id, origin="labels", disabled=not predicted)
