"""Labels that may be wrong: a queue of suspects, verdicts, and how far the reviewers are."""

from __future__ import annotations

import streamlit as st

from dashboard import (
    data_quality,
    label_case,
    label_filters,
    label_gallery,
    narrowing,
    review_queue,
    review_state,
    review_ways,
    reviewers,
    reviews,
    selection,
    suspects,
    triage,
)
from dashboard.overlay import Laid
from dashboard.widgets.messages import finding, notice, plain
from pipelines.methods import label_issues, recovery


def show_everything() -> None:
    """Let every suspect through."""
    triage.draw(None)
    label_filters.reset()


def show_resets() -> None:
    """Ways back from an outline and from filters."""
    if triage.outline() is not None:
        st.button(
            "Outline nothing",
            key="labels_outline",
            icon=":material/deselect:",
            type="tertiary",
            on_click=triage.draw,
            args=(None,),
        )
    if said != label_filters.AT_FIRST:
        st.button(
            "Reset filters",
            key="labels_reset",
            icon=":material/filter_alt_off:",
            type="tertiary",
            on_click=show_everything,
        )


def show_queue() -> Laid:
    """One image after the other, and what there is to say where there is none.

    Returns:
        What lies over the image that is shown.
    """
    left = judged.loc[mask, "sample_id"].tolist()
    looked_at = (workspace.name, run.name, issues.name, said, triage.outline())
    shown = review_queue.open_first(left, set(state.mine.index), looked_at)
    if shown is None:
        notice(
            "No label is left",
            f"There is none that is: {said}. Widen the filters, or look at all labels.",
            icon=":material/filter_alt_off:",
        )
        review_queue.show_said()
        return Laid()
    if not (judged["sample_id"] == shown).any():
        notice(
            "No such image",
            f"The link names an image '{shown}' that the workspace '{workspace.name}' does not "
            "have. It may belong to another workspace, or the samples were made anew.",
            icon=":material/search_off:",
        )
        st.button("To the queue", key="labels_unknown", on_click=selection.open_image, args=(None,))
        return Laid()
    if left and set(left) <= set(state.mine.index):
        st.success(
            f"You have reviewed all {len(left):,}: {plain(said)}. What is decided can be exported: "
            f"`python -m pipelines labels export {workspace.name}`",
            icon=":material/task_alt:",
        )
    return label_case.show(issues, judged, left, state, view)


def show_methods() -> None:
    """What another method would flag, and where the truth is known how well each finds it."""
    st.caption(label_issues.rule_sentence(judged))
    known = suspects.document(issues)["recovery"]
    if known is not None:
        with st.expander(f"How well the {known['flipped']:,} flipped labels of train are found"):
            st.table(
                recovery.table(known),
                border="horizontal",
                hide_index=True,
                alt="Average precision and precision of each method",
            )


review_ways.arrive()
st.title("Labels", anchor=False)
workspace = selection.workspace()
run = selection.run()
headline = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    issues = selection.choose_issues(run)
    with st.container(width=230):
        reviews.choose_reviewer()
    selection.of_workspace(review_ways.WORK, review_ways.ONE)
    label_gallery.listen()
    work = st.segmented_control(
        "Review",
        [review_ways.ONE, review_ways.MANY, review_ways.REVIEWERS, review_ways.DATA],
        required=True,
        key=review_ways.WORK,
        bind="query-params",
    )
    view = narrowing.choose_channel(workspace.dataset.views, workspace.dataset.channels)

judged = suspects.table(issues)
state = review_state.read(workspace)
square = triage.square(judged, suspects.document(issues)["neighbours"]["k"])
suspected = suspects.suspected(judged)
with headline:
    finding(review_state.finding(judged, suspected, state))
    if state.reviewer is None:
        notice(
            "Who reviews?",
            "Type your name in the field Reviewer below, or choose it, to give verdicts: it stands "
            "beside each of them. Until then you can look at everything.",
            icon=":material/person:",
        )
    review_state.show_progress(workspace, judged, suspected)

laid = Laid()
if work == review_ways.REVIEWERS:
    reviewers.show(workspace, judged, state, view)
elif work == review_ways.DATA:
    data_quality.show(issues, view)
else:
    mask, said = label_filters.choose(judged, state, triage.outlined(judged, square))
    with st.container(horizontal=True, gap="small"):
        show_resets()
    if work == review_ways.MANY:
        label_gallery.show(issues, judged, mask, said, state, square, view)
    else:
        laid = show_queue()
    show_methods()
triage.remember()
if workspace.dataset.label_noise:
    st.caption(f":material/shuffle: {plain(workspace.dataset.label_noise)}")
if laid.complete():
    st.rerun()
