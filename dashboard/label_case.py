"""One label under review: its image, what speaks for and against it, and what people said."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from cache.issues import LabelIssues
from dashboard import (
    data,
    embedding_data,
    overlay,
    review_queue,
    review_state,
    review_ways,
    selection,
    suspects,
)
from dashboard.images import image_url, pixels, thumbnail_url
from dashboard.neighbourhoods import Found, Scope, neighbours_of
from dashboard.opened import probability_figure
from dashboard.overlay import Laid
from dashboard.points import SHARP
from dashboard.review_state import State
from dashboard.widgets import figures
from dashboard.widgets.gallery import Tile, gallery
from dashboard.widgets.messages import plain
from dashboard.widgets.viewer import Picture, Verdicts, viewer
from pipelines.methods import number

AHEAD = 2
"""How many of the next images the browser fetches beforehand."""

BESIDE = 4
"""How many nearest images of each of the two classes are shown."""


def show(
    issues: LabelIssues, judged: pd.DataFrame, queue: Sequence[str], state: State, view: str
) -> Laid:
    """Draw the image that is open, with everything that helps to decide on its label.

    Args:
        issues: Whose suspicion.
        judged: As ``suspects.table`` gives it; the open image is among them.
        queue: Ids of the images to walk through, in order.
        state: The reviews.
        view: The view of the images to show.

    Returns:
        What lies over the image; a map may be still to come.
    """
    row = judged[judged["sample_id"] == selection.image()].iloc[0]
    with st.grid(2, min_column_width=340, gap="medium"):
        left, right = st.container(), st.container()
    with left:
        laid = _show_image(issues, row, queue, state, view)
        review_queue.show_said()
        _show_verdicts(row, state)
        review_ways.show_ways(issues.run, str(row["sample_id"]), str(row["split"]))
    with right:
        st.markdown(
            f"**Given {plain(str(row['label']))}, suggested {plain(str(row['suggested']))}** · "
            f"suspicion {number.percent(float(row['suspicion']), 0)}, "
            f"{row['rank']:,} of {len(judged):,} · {row['split']}"
        )
        st.markdown(suspects.why(row, issues))
        _show_probabilities(issues, row)
        _show_neighbours(issues, row, view)
    return laid


def _show_image(
    issues: LabelIssues, row: pd.Series, queue: Sequence[str], state: State, view: str
) -> Laid:
    workspace, sample_id = issues.run.workspace, str(row["sample_id"])
    sample = data.samples(workspace).iloc[int(row["row"])]
    listed = sample_id in queue
    order = list(queue) if listed else [sample_id, *queue]
    place = order.index(sample_id)
    near = order[place + 1 : place + 1 + AHEAD]
    mine = state.mine.loc[sample_id] if sample_id in state.mine.index else None
    slot = st.container()
    laid = overlay.control(issues.run, sample_id, partial(pixels, workspace, sample_id))
    with slot:
        viewer(
            Picture(
                image_url(workspace, sample_id, view),
                int(sample["width"]),
                int(sample["height"]),
                alt=f"{row['split']} image, given label {row['label']}",
                title=sample["path"] if isinstance(sample["path"], str) else sample_id,
            ),
            key="labels_viewer",
            index=place,
            total=len(order),
            label="The image whose label is reviewed",
            height=360,
            preload=[image_url(workspace, each, view) for each in near],
            closable=False,
            listed=listed,
            overlay=laid.overlay,
            step=partial(selection.step_among, order),
            verdicts=Verdicts(
                sample_id,
                given=str(row["label"]),
                suggested=str(row["suggested"]),
                labels=review_queue.class_keys(workspace.dataset.classes),
                handlers=review_queue.handlers(workspace, queue),
                standing=None
                if mine is None
                else {
                    "verdict": str(mine["verdict"]),
                    "decided": None if pd.isna(mine["decided"]) else str(mine["decided"]),
                    "note": str(mine["note"]),
                },
                disabled=state.reviewer is None,
                undoable=state.undoable,
            ),
        )
    if not listed:
        st.caption("The filters leave this image out; it is shown since it was asked for.")
    return laid


def _show_verdicts(row: pd.Series, state: State) -> None:
    """What the reviewers said of the image so far."""
    said = state.said[state.said["sample_id"] == row["sample_id"]]
    if said.empty:
        st.caption("Nobody has judged this label yet.")
        return
    lines = []
    for each in said.itertuples(index=False):
        decided = None if pd.isna(each.decided) else str(each.decided)
        line = f"**{plain(each.reviewer)}**: {plain(review_state.told(each.verdict, decided))}"
        line += review_state.outdated(each.given, str(row["label"]))
        lines.append(line + (f" — {plain(each.note)}" if each.note else ""))
    st.markdown("  \n".join(lines))


def _show_probabilities(issues: LabelIssues, row: pd.Series) -> None:
    classes = issues.run.workspace.dataset.classes
    values = np.asarray(issues.probabilities()[int(row["row"])], dtype=np.float64)
    st.plotly_chart(
        probability_figure(
            values, classes, {str(row["label"]): "given", str(row["suggested"]): "suggested"}
        ),
        config=figures.CONFIG,
        key="labels_probabilities",
        alt="Probabilities of the most likely classes by a model that never saw the image",
    )


def _show_neighbours(issues: LabelIssues, row: pd.Series, view: str) -> None:
    """The nearest images of the given class, and those of the suggested one, whether or not any
    of them is among the neighbours that were asked."""
    embedding = suspects.embedding(issues)
    samples = data.samples(issues.run.workspace)
    place, k = int(row["row"]), suspects.document(issues)["neighbours"]["k"]
    asked = np.asarray(embedding_data.graph(embedding).positions[place, :k])
    labels = samples["label"].iloc[asked[asked >= 0]]
    st.markdown(f"**The nearest of each class** by {plain(embedding.title)}, with their distances")
    for column in ("label", "suggested"):
        name = str(row[column])
        kind = "given" if column == "label" else "suggested"
        found = neighbours_of(embedding, samples, place, BESIDE, Scope(label=name))
        st.caption(
            f"{kind.capitalize()} label {plain(name)}: the {len(found.rows)} nearest of "
            f"{number.plural(found.gallery, 'image')}. Among its {len(labels)} nearest of any "
            f"label: {int((labels == name).sum())}"
        )
        _gallery(issues, samples, found, f"labels_{column}", f"Nearest labelled {name}", view)


def _gallery(
    issues: LabelIssues, samples: pd.DataFrame, found: Found, key: str, label: str, view: str
) -> None:
    shown = samples.iloc[found.rows]
    tiles = [
        Tile(
            id=str(sample["sample_id"]),
            src=thumbnail_url(issues.run.workspace, sample["sample_id"], view),
            alt=f"No. {place} at distance {distance:.3g}, labelled {sample['label']}: review it",
            title=f"{distance:.3g}",
            lines=(str(sample["split"]),),
        )
        for place, (distance, (_, sample)) in enumerate(
            zip(found.distances, shown.iterrows(), strict=True), 1
        )
    ]
    event = gallery(
        tiles,
        key=key,
        label=label,
        empty="No other image bears this label.",
        tile_size="small",
        pixelated=int(shown[["width", "height"]].to_numpy().max(initial=0)) <= SHARP,
        selectable=False,
        searchable=True,
    )
    if event.similar:
        selection.go("similarity", image=event.similar)
    if event.opened:
        selection.open_image(event.opened)
        st.rerun()
