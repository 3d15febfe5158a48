"""Many labels at once: the triage square, the images that it and the filters leave, one verdict."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache.issues import LabelIssues
from cache.reviews import new_token
from dashboard import embedding_data, review_queue, review_ways, selection, suspects, triage
from dashboard.images import thumbnail_url
from dashboard.points import SHARP
from dashboard.review_state import State
from dashboard.triage import Square
from dashboard.widgets.gallery import Tile, gallery, page_of
from dashboard.widgets.messages import plain
from dashboard.widgets.scatter import Selected, happened, scatter
from pipelines.methods import number

SQUARE: Final = "labels_square"
PAGE: Final = "labels_page"
PER_PAGE = 30

_PAGE_OF: Final = "labels_page_of"


def listen() -> None:
    """Do what the user asked of the square since the last run; before the filters are drawn."""
    event = happened(SQUARE)
    if event.outline is not None:
        triage.draw(event.outline)
    elif event.cleared:
        triage.draw(None)
    elif event.opened is not None:
        selection.open_image(event.opened)
        st.session_state[review_ways.WORK] = review_ways.ONE


def show(
    issues: LabelIssues,
    judged: pd.DataFrame,
    mask: np.ndarray,
    said: str,
    state: State,
    shown: Square,
    view: str,
) -> None:
    """Draw the square beside the gallery of what is left.

    Args:
        issues: Whose suspicion.
        judged: As ``suspects.table`` gives it.
        mask: Which rows of it the filters leave.
        said: What these are, in words.
        state: The reviews.
        shown: The square.
        view: The view of the images to show.
    """
    with st.grid(2, min_column_width=440, gap="medium"):
        left, right = st.container(), st.container()
    with left:
        _show_square(issues, judged, mask, state, shown)
    with right:
        _show_gallery(issues, judged[mask], said, state, view)


def _show_square(
    issues: LabelIssues, judged: pd.DataFrame, mask: np.ndarray, state: State, shown: Square
) -> None:
    colour = st.segmented_control(
        "Colour by",
        [triage.BY_WHY, triage.BY_VERDICT],
        default=triage.BY_WHY,
        required=True,
        key=triage.COLOUR,
        bind="query-params",
        help="Why a label is suspected, or what reviewers decided on it.",
    )
    selected, outline = None, triage.outline()
    if outline is not None:
        chosen = np.zeros(len(judged), bool)
        chosen[judged["row"].to_numpy()[mask]] = True
        selected = Selected(chosen[shown.drawn], int(mask.sum()), outline)
    scatter(
        triage.source(issues, shown),
        triage.colouring(colour or triage.BY_WHY, judged, state, shown),
        key=SQUARE,
        label="Triage square: the model's probability of the suggested label across, the share of "
        f"neighbours that bear it upwards, coloured by {colour}",
        selected=selected,
        height=460,
        axes=triage.AXES,
    )
    k, embedding = suspects.document(issues)["neighbours"]["k"], suspects.embedding(issues)
    cut = len(judged) > len(shown.drawn)
    st.caption(
        "The farther to the upper right, the surer both are that another label is right. "
        f"Probabilities out of fold; {k} neighbours by {plain(embedding.title)}, "
        "their share spread by up to half a neighbour so that points do not cover one another. "
        + (f"{len(shown.drawn):,} of {len(judged):,} images drawn, at random. " if cut else "")
        + "Draw around points to see just those; a click opens one."
    )


def _show_gallery(
    issues: LabelIssues, left: pd.DataFrame, said: str, state: State, view: str
) -> None:
    workspace = issues.run.workspace
    st.markdown(f"**{number.plural(len(left), 'image')}**: {said}")
    if st.session_state.setdefault(_PAGE_OF, said) != said:
        st.session_state[_PAGE_OF] = said
        st.session_state[PAGE] = 1
    selection.of_workspace(review_queue.SELECTED, ())
    ids = set(left["sample_id"])
    ticked = tuple(each for each in st.session_state[review_queue.SELECTED] if each in ids)
    form = st.container()
    page = page_of(range(len(left)), key=PAGE, per_page=PER_PAGE)
    here = left.iloc[list(page.items)]
    shape = workspace.dataset.shape
    verdicts = state.verdict(here["sample_id"])
    event = gallery(
        [
            Tile(
                id=str(row["sample_id"]),
                src=thumbnail_url(workspace, row["sample_id"], view),
                alt=f"{row['split']} image, given {row['label']}, suggested {row['suggested']}",
                title=number.percent(float(row["suspicion"]), 0),
                lines=(
                    f"given {row['label']}",
                    f"suggested {row['suggested']}",
                    str(verdict) or "not reviewed",
                ),
            )
            for verdict, (_, row) in zip(verdicts, here.iterrows(), strict=True)
        ],
        key="labels_gallery",
        label=f"Images whose labels are {said}",
        empty="No label is left by the filters.",
        selected=ticked,
        tile_size="small",
        pixelated=shape is not None and max(shape[:2]) <= SHARP,
        searchable=embedding_data.searchable(issues.run),
    )
    st.session_state[review_queue.SELECTED] = event.selected
    if event.similar:
        selection.go("similarity", image=event.similar)
    if event.opened:
        review_ways.open_soon(event.opened)
    if page.total > PER_PAGE:
        st.caption(f"Shown: {page.caption}.")
    with form:
        _show_verdicts(issues, left, event.selected, state)


def _show_verdicts(
    issues: LabelIssues, left: pd.DataFrame, ticked: tuple[str, ...], state: State
) -> None:
    """One verdict for all that are ticked, with their number on each button."""
    workspace = issues.run.workspace
    review_queue.show_said()
    rows = left[left["sample_id"].isin(ticked)].set_index("sample_id")
    labels = rows["label"].astype("str")
    n = len(rows)
    # Clicked twice before the page shows what came of it, a button sends the same token twice.
    token = new_token()
    classes = list(workspace.dataset.classes)
    st.markdown(
        f"**One verdict for {number.plural(n, 'ticked image')}**"
        if n
        else "Tick images, with a click on their corner or Space, to give them one verdict."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        decided = st.selectbox(
            "Another label",
            classes,
            index=None,
            key=review_queue.OTHER,
            placeholder="choose one",
            width=140,
            disabled=not n,
        )
        note = st.text_input("Note", key=review_queue.NOTE, width=180, disabled=not n)
    count = f": {n:,}" if n else ""
    bearing = int((labels == decided).sum())
    choices = [
        ("Right", "right", None, ""),
        ("Wrong, as suggested", "wrong", rows["suggested"].astype("str").to_dict(), ""),
        (
            f"Wrong, {decided or 'another label'}",
            "wrong",
            decided,
            "Choose the other label first."
            if decided is None
            else f"{bearing:,} of them bear this label already: untick them."
            if bearing
            else "",
        ),
        ("Undecidable", "undecidable", None, ""),
        ("Bad image", "bad", None, ""),
    ]
    with st.container(horizontal=True, gap="xsmall"):
        for place, (name, verdict, label, against) in enumerate(choices):
            st.button(
                f"{name}{count}",
                key=f"labels_many_{place}",
                disabled=not n or state.reviewer is None or bool(against),
                help=against or None,
                on_click=review_queue.judge_many,
                args=(workspace, labels.to_dict(), verdict, label, note.strip(), f"{token}{place}"),
            )
        st.button(
            "Undo",
            key="labels_many_undo",
            icon=":material/undo:",
            type="tertiary",
            shortcut="z",
            disabled=not state.undoable,
            on_click=review_queue.take_back,
            args=(workspace, new_token()),
            help="Takes your latest verdict back, or all that you gave at once.",
        )
