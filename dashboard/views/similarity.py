"""The images most similar to a query: one of the data, one at random, or an upload."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from cache.embeddings import Embedding
from dashboard import (
    embedding_data,
    embedding_facts,
    neighbourhoods,
    overlay,
    picked,
    review_ways,
    selection,
    similar,
    uploads,
    ways,
)
from dashboard.images import image_url, pixels, view_shown
from dashboard.neighbourhoods import Found
from dashboard.overlay import Laid
from dashboard.uploads import Upload
from dashboard.widgets import messages
from dashboard.widgets.marks import verdict
from dashboard.widgets.messages import notice, plain
from dashboard.widgets.viewer import Picture, viewer
from pipelines.methods import number


def ask(each: Embedding, k: int) -> Found:
    """Neighbours of the query in one embedding."""
    if upload is not None:
        vector = uploads.vector(upload, each)
        copies = uploads.copies(upload, each) if asked.scope.clean else neighbourhoods.NONE
        return neighbourhoods.neighbours_of_vector(each, table, vector, k, asked.scope, copies)
    return neighbourhoods.neighbours_of(each, table, row, k, asked.scope)


def at_random(rows: np.ndarray) -> None:
    """Make an image of the walk the query."""
    chosen = int(np.random.default_rng().choice(rows))
    selection.open_image(str(table["sample_id"].iloc[chosen]))


def show_on_map(rows: np.ndarray, said: str) -> None:
    """Pick the result on the map and go there."""
    picked.go_to_map(table["sample_id"].iloc[rows].tolist(), said)


def show_sample() -> Laid:
    """The query, a sample: large, with what is known of it and the ways on."""
    sample = table.iloc[row]
    places = np.flatnonzero(queries == row)
    order = queries if len(places) else np.concatenate([[row], queries])
    place = int(places[0]) if len(places) else 0
    view = view_shown(run)
    near = [order[at] for at in (place + 1, place + 2, place - 1) if 0 <= at < len(order)]
    slot = st.container()
    with st.container():
        read = partial(pixels, workspace, sample["sample_id"])
        laid = overlay.control(run, sample["sample_id"], read)
    with slot:
        viewer(
            Picture(
                image_url(workspace, sample["sample_id"], view),
                int(sample["width"]),
                int(sample["height"]),
                alt=f"The query: {sample['split']} image of class {sample['label']}",
            ),
            key="similarity_query",
            index=place,
            total=len(order),
            label="The query",
            height=300,
            preload=[image_url(workspace, table["sample_id"].iloc[at], view) for at in near],
            closable=False,
            overlay=laid.overlay,
            step=partial(selection.step_among, table["sample_id"].to_numpy()[order]),
        )
    parts = [f"**{plain(str(sample['label']))}**, {sample['split']}"]
    if "predicted" in table:
        look = verdict(bool(sample["correct"]))
        parts.append(
            f"predicted {plain(str(sample['predicted']))} with "
            f"{number.percent(float(sample['confidence']))}: {look.icon} {look.word}"
        )
    st.markdown("; ".join(parts))
    name = sample["path"] if isinstance(sample["path"], str) else sample["sample_id"]
    st.caption(plain(str(name)))
    st.caption(similar.rank_line(table, widest, str(sample["label"])))
    with st.container(horizontal=True, gap="small"):
        show_map_button(np.concatenate([[row], found.rows]), "a query and its")
        sample_id, split, unknown = sample["sample_id"], sample["split"], "predicted" not in table
        ways.button("errors", sample_id, origin="similarity", split=split, disabled=unknown)
        ways.button("occlusion", sample_id, origin="similarity", disabled=unknown)
        ways.button("dataset", sample_id, origin="similarity")
        ways.button("sheet", sample_id, origin="similarity", disabled=unknown)
        review_ways.review_button(run, str(sample_id), "similarity_labels")
    return laid


def show_map_button(rows: np.ndarray, whose: str) -> None:
    """A way to the map with the result picked."""
    st.button(
        "On the map",
        key="similarity_map",
        icon=":material/scatter_plot:",
        type="tertiary",
        disabled=not embedding_data.has(embedding, "projection"),
        on_click=show_on_map,
        args=(rows, f"{whose} nearest in {embedding.title}"),
    )


def show_upload(shown: Upload) -> Laid:
    """The query, an upload: large, and what its neighbours are."""
    height, width = shown.image.shape[:2]
    slot = st.container()
    with st.container():
        laid = overlay.control(run, shown.id, lambda: shown.image)
    with slot:
        viewer(
            Picture(shown.src, width, height, alt=f"The upload {shown.name}"),
            key="similarity_upload_viewer",
            index=0,
            total=1,
            label="The query",
            height=300,
            closable=False,
            overlay=laid.overlay,
        )
    counts = picked.tally(table, found.rows)
    told = ", ".join(f"{plain(str(name))} ({n:,})" for name, n in counts.head(6).items())
    st.markdown(f"**{plain(shown.name)}**")
    st.markdown(f"Labels of its {len(found.rows)} nearest: {told}.")
    st.caption(
        f"An upload of {width} × {height} pixels; it has no label, so nothing is marked. On the "
        "map it stands amid its neighbours."
    )
    show_map_button(found.rows, f"of {shown.name} the")
    return laid


st.title("Similarity", anchor=False)
workspace = selection.workspace()
run = selection.run()
headline = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    embedding = selection.choose_embedding(run)
    asked = similar.choose(run, embedding)
table: pd.DataFrame = embedding_data.table(run)
grid = st.grid(3, min_column_width=300, gap="medium")
left = grid.cell()
with left, st.container(horizontal=True, vertical_alignment="bottom"):
    queries = similar.walk(run, table)
    st.button(
        "At random",
        key="similarity_random",
        icon=":material/shuffle:",
        on_click=at_random,
        args=(queries,),
        help="Another of these images as the query.",
    )

upload = uploads.shown()
named = selection.image()
rows = embedding_data.rows_of(workspace, [named] if named else [])
row = int(rows[0]) if len(rows) else int(queries[0]) if len(queries) else 0
label = None if upload is not None else str(table["label"].iloc[row])
if named and not len(rows):
    with headline:
        notice(
            "No such image",
            f"The link names an image '{named}' that the workspace '{workspace.name}' does not "
            "have. Another one stands in its place.",
            icon=":material/search_off:",
        )

widest = ask(embedding, max(asked.count, similar.RANKS[-1]))
found = widest.first(asked.count)
with headline:
    messages.finding(similar.finding(embedding, table, found, label))
    embedding_facts.show_origin(embedding)

with left:
    laid = show_sample() if upload is None else show_upload(upload)
    uploads.choose(workspace, "similarity_uploads_gallery")
with grid.cell(column_span=2):
    shown = (embedding, *asked.others)
    answers = [found, *(ask(each, asked.count) for each in asked.others)]
    if len(shown) > 1:
        names = [embedding_facts.title(each) for each in shown]
        st.markdown(similar.agreement_text(names, answers))
    with st.grid(len(shown), min_column_width=200):
        for place, (each, answer) in enumerate(zip(shown, answers, strict=True)):
            with st.container():
                heading = f"**{embedding_facts.title(each)}**"
                if label is not None and len(answer.rows):
                    rate = neighbourhoods.matches(table, answer, label)
                    heading += f" · {rate.count} of {rate.n} bear its label"
                st.markdown(heading)
                similar.wall(
                    run,
                    table,
                    answer,
                    key=f"similarity_wall_{place}",
                    label=label,
                    name=each.title,
                    small=len(shown) > 1,
                )
    st.caption(similar.caption(embedding, found))
if laid.complete():
    st.rerun()
