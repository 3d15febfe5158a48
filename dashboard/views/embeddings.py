"""All images as a map: coloured by what is known of them, and outlined to see what they are."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from cache.embeddings import Embedding, open_embedding
from cache.names import cluster_names
from dashboard import (
    cluster_table,
    embedding_data,
    embedding_facts,
    evidence,
    map_colours,
    picked,
    pickings,
    selection,
    space,
    uploads,
)
from dashboard.images import view_shown
from dashboard.picked import Choice, Picked
from dashboard.points import PROJECTIONS, Map, open_map, source
from dashboard.widgets.messages import finding, notice, told
from dashboard.widgets.scatter import Colouring, Selected, happened, scatter

PROJECTION = "projection"
COLOUR = "colour"
BESIDE = "beside"
TAB = "about"

# Longest selection of which the images that are not drawn get a ring.
MOST_MARKED = 60

MAPS = ("embeddings_map", "embeddings_beside")


def choose_colour(choices: list[str]) -> str:
    """Draw the choice of the colours."""
    if st.session_state.get(COLOUR, map_colours.LABEL) not in choices:
        st.session_state[COLOUR] = map_colours.LABEL
    return st.selectbox("Colour", choices, key=COLOUR, bind="query-params", width=190)


def choose_beside(embedding: Embedding) -> Embedding | None:
    """Draw the choice of a second embedding to look at."""
    others = [
        each.name for each in embedding_data.made(run, "projection") if each.name != embedding.name
    ]
    selection.of_workspace(BESIDE, None)
    if st.session_state.get(BESIDE) not in others:
        st.session_state[BESIDE] = None
    chosen = st.selectbox(
        "Beside it",
        others,
        index=None,
        key=BESIDE,
        bind="query-params",
        placeholder="no other map",
        width=190,
        disabled=not others,
        help="A second embedding, its selection linked with the first.",
    )
    return open_embedding(run, chosen) if chosen else None


def listen(key: str, shown: Map) -> None:
    """Do what the user asked of a map since the last run."""
    event = happened(key)
    if event.outline is not None:
        picked.add_outline(shown.embedding.name, shown.projection, event.outline, event.added)
    elif event.opened is not None:
        picked.pick(Choice("near", shown.embedding.name, values=(event.opened,)))
    elif event.cleared:
        picked.pick(None)


def coloured(each: Embedding, drawn: np.ndarray) -> Colouring:
    """The colours of an embedding's images in the chosen way.

    Args:
        each: The embedding; another one than the first may not have what was chosen.
        drawn: Positions (m,) of the images that are drawn.
    """
    chosen = colour if colour in map_colours.choices(table, each) else map_colours.LABEL
    names = {}
    if chosen in map_colours.CLUSTERS:
        names = cluster_names(each, map_colours.CLUSTERS[chosen])
    return map_colours.colouring(chosen, table, each, drawn, names)


def show_map(key: str, shown: Map, chosen: Picked | None, height: int) -> None:
    """One map with its colours and what is picked on it."""
    selected, marks = None, []
    with told():
        marks += uploads.marks(shown)
    if chosen is not None:
        choice, outline = chosen.choice, None
        if (choice.embedding, choice.part) == (shown.embedding.name, shown.projection):
            outline = choice.outlines[0] if len(choice.outlines) == 1 else None
        selected = Selected(chosen.mask(len(table))[shown.drawn], len(chosen.rows), outline)
        if len(chosen.rows) <= MOST_MARKED:
            # Where only a sample is drawn, a short selection would hardly show.
            unseen = np.setdiff1d(chosen.rows, shown.drawn)
            marks += [shown.mark(int(row), "") for row in unseen]
        if choice.kind == "near" and len(chosen.rows):
            marks.append(shown.mark(int(chosen.rows[0]), ""))
    scatter(
        source(shown, view_shown(run)),
        coloured(shown.embedding, shown.drawn),
        key=key,
        label=f"{PROJECTIONS[shown.projection]} map of {shown.embedding.title}, "
        f"coloured by {colour}",
        selected=selected,
        marks=marks,
        height=height,
    )


opened_maps: list[Map] = []
st.title("Embeddings", anchor=False)
workspace = selection.workspace()
run = selection.run()

headline = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    embedding = selection.choose_embedding(run)
    selection.of_workspace(PROJECTION, "umap")
    projection = st.segmented_control(
        "Map",
        list(PROJECTIONS),
        required=True,
        key=PROJECTION,
        bind="query-params",
        format_func=PROJECTIONS.__getitem__,
        help="UMAP keeps neighbours together and bends distances; PCA keeps the directions of "
        "largest variance and is a plain shadow of the vectors.",
    )
    projection = projection or "umap"
    table: pd.DataFrame = embedding_data.table(run)
    colour = choose_colour(map_colours.choices(table, embedding))
    beside = choose_beside(embedding)

with headline:
    finding(embedding_facts.map_finding(embedding))
    embedding_facts.show_origin(embedding)
    for reason in evidence.of(run).refused:
        notice("These occlusion maps colour nothing", reason)

opened_maps = [open_map(each, projection) for each in (embedding, beside) if each is not None]
for key, shown in zip(MAPS, opened_maps, strict=False):
    listen(key, shown)
chosen = picked.find(run)
if chosen is None and picked.current() is not None:
    with headline:
        notice(
            "What the link picks is not there",
            f"It belongs to another run than '{run.name}', or was made anew since.",
            icon=":material/search_off:",
        )

with st.grid(2, min_column_width=440, gap="medium"):
    left, right = st.container(), st.container()
with left:
    if beside is not None:
        st.markdown(f"**{embedding_facts.title(embedding)}**")
    show_map(MAPS[0], opened_maps[0], chosen, 520)
    st.caption(f"{embedding_facts.map_caption(opened_maps[0])} {uploads.marked()}")
with right:
    if beside is not None:
        st.markdown(f"**{embedding_facts.title(beside)}**")
        show_map(MAPS[1], opened_maps[1], chosen, 520)
        st.caption(embedding_facts.map_caption(opened_maps[1]))
    else:
        pickings.show(run, table, chosen, opened_maps)
if beside is not None:
    st.markdown(embedding_facts.overlap_sentence(embedding, beside))
    pickings.show(run, table, chosen, opened_maps)
picked.remember()

names = ["Clusters", *(["In three dimensions"] if space.has(embedding) else []), "How it was made"]
clusters, *turned, about = st.tabs(names, key=TAB, bind="query-params")
if clusters.open:
    with clusters:
        cluster_table.show(embedding)
if turned and turned[0].open:
    with turned[0]:
        space.show(embedding, chosen, partial(coloured, embedding), colour)
if about.open:
    with about:
        embedding_facts.show(embedding)
