"""How the reviewers compare: how much each has judged, how far they agree, what they dispute."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import Workspace, verdicts
from cache.verdicts import DISPUTED
from dashboard import embedding_data, review_state, review_ways, selection
from dashboard.images import thumbnail_url
from dashboard.points import SHARP
from dashboard.review_state import State
from dashboard.widgets.gallery import Tile, gallery, page_of
from dashboard.widgets.messages import notice, plain
from pipelines.methods import agreement, number
from pipelines.methods.agreement import Agreement

PAGE: Final = "disputes_page"
PER_PAGE: Final = 24


def show(workspace: Workspace, judged: pd.DataFrame, state: State, view: str) -> None:
    """Draw who judged how much, how far they agree, and the images that they dispute.

    Args:
        workspace: Where the images are.
        judged: As ``suspects.table`` gives it.
        state: The reviews.
        view: The view of the images to show.
    """
    if state.latest.empty:
        notice(
            "Nobody has reviewed a label yet",
            "What each reviewer says, and how far they agree, stands here once there are "
            "verdicts. Begin with the queue, one by one.",
            icon=":material/groups:",
        )
        return
    with st.grid(2, min_column_width=340, gap="medium"):
        left, right = st.container(), st.container()
    with left:
        _show_counts(state)
    with right:
        _show_agreement(state)
    _show_disputes(workspace, judged, state, view)


def sentence(pair: tuple[str, str], found: Agreement) -> str:
    """How far two reviewers agree, in Markdown."""
    alike = round(found.observed * found.n)
    text = (
        f"**{plain(pair[0])}** and **{plain(pair[1])}** judged {number.plural(found.n, 'image')} "
        f"both, {alike:,} of them alike"
    )
    if np.isnan(found.kappa):
        return f"{text}; Cohen's kappa is not defined, for they used but one judgement."
    if np.isnan(found.low):
        return f"{text}; Cohen's kappa says nothing, for one of them used but one judgement."
    return (
        f"{text}: Cohen's kappa {number.signed(found.kappa).lstrip('+')} "
        f"(95{number.SPACE}% interval {number.signed(found.low).lstrip('+')} to "
        f"{number.signed(found.high).lstrip('+')}, n = {found.n:,})."
    )


def _show_counts(state: State) -> None:
    st.markdown("**Who judged how many**")
    counts = pd.crosstab(state.latest["reviewer"], state.latest["verdict"])
    for kind in review_state.KINDS:
        if kind not in counts:
            counts[kind] = 0
    counts = counts[list(review_state.KINDS)]
    counts.insert(0, "images", counts.sum(axis=1))
    counts.index = pd.Index([plain(str(name)) for name in counts.index])
    st.table(counts, border="horizontal", alt="Standing verdicts by reviewer")


def _show_agreement(state: State) -> None:
    st.markdown("**How far they agree**")
    judgements = state.latest.assign(judgement=verdicts.judgements(state.latest))
    pairs = agreement.pairwise(judgements[["sample_id", "reviewer", "judgement"]])
    if not pairs:
        st.markdown("No two reviewers have judged the same image yet.")
        return
    st.markdown("\n".join(f"- {sentence(pair, found)}" for pair, found in pairs.items()))
    st.caption(
        "Of the latest verdicts. Two agree on an image where they give it the same label, or both "
        "say undecidable, or bad. Kappa is 1 where they always agree, and 0 where they agree as "
        "often as by chance."
    )


def _show_disputes(workspace: Workspace, judged: pd.DataFrame, state: State, view: str) -> None:
    disputed = state.verdict(judged["sample_id"]) == DISPUTED
    rows = judged[disputed]
    st.markdown(f"**{number.plural(len(rows), 'image')} disputed**")
    if rows.empty:
        st.caption("On what several judged, they agree; a dispute stands here until it is settled.")
        return
    said = {
        sample_id: [_told(each) for each in of.itertuples(index=False)]
        for sample_id, of in state.latest.groupby("sample_id")
    }
    page = page_of(range(len(rows)), key=PAGE, per_page=PER_PAGE)
    shape = workspace.dataset.shape
    here = rows.iloc[list(page.items)]
    most = max(len(said[sample_id]) for sample_id in here["sample_id"])
    event = gallery(
        [
            Tile(
                id=str(row["sample_id"]),
                src=thumbnail_url(workspace, row["sample_id"], view),
                alt=f"Disputed: given {row['label']}; {'; '.join(said[row['sample_id']])}",
                title=f"given {row['label']}",
                lines=(*said[row["sample_id"]], *[""] * (most - len(said[row["sample_id"]]))),
            )
            for _, row in here.iterrows()
        ],
        key="labels_disputes",
        label="Images that reviewers disagree on",
        empty="",
        pixelated=shape is not None and max(shape[:2]) <= SHARP,
        selectable=False,
        searchable=embedding_data.searchable(selection.run()),
    )
    st.caption(
        "Nothing is decided on these, and the export leaves them without a label. A click opens one"
        " in the queue; whoever changes their verdict there settles it."
    )
    if event.similar:
        selection.go("similarity", image=event.similar)
    if event.opened:
        review_ways.open_soon(event.opened)


def _told(said: object) -> str:
    verdict, decided, name = (getattr(said, each) for each in ("verdict", "decided", "reviewer"))
    return f"{name}: {review_state.told(verdict, None if pd.isna(decided) else str(decided))}"
