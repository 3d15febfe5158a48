"""The pieces of the similarity page: where to look, the query, and its neighbours as a wall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from cache import SPLITS, Run
from cache.embeddings import Embedding
from dashboard import embedding_data, embedding_facts, neighbourhoods, picked, selection
from dashboard.images import thumbnail_url, view_shown
from dashboard.neighbourhoods import Found, Scope
from dashboard.points import SHARP
from dashboard.widgets.gallery import Tile, gallery
from dashboard.widgets.messages import plain
from pipelines.methods import number

AMONG = "among"
OF_CLASS = "of_class"
CLEAN = "clean"
COUNT = "k"
WITH = "with"
QUERIES = "queries"

COUNTS = (10, 25, 50)
RANKS = (1, 5, 10, 20, 50)

EVERYWHERE, ANY = "all", "any"
MOST_COLUMNS = 3


@dataclass(frozen=True)
class Asked:
    """What is asked of the search.

    Attributes:
        scope: Where to look.
        count: How many neighbours to show.
        others: Further embeddings to show beside the first.
    """

    scope: Scope
    count: int
    others: tuple[Embedding, ...]


def choose(run: Run, embedding: Embedding) -> Asked:
    """Draw the controls of the search.

    Args:
        run: Whose embeddings.
        embedding: The first one.
    """
    workspace = run.workspace
    selection.of_workspace(AMONG, EVERYWHERE)
    among = st.segmented_control(
        "Search in", [EVERYWHERE, *SPLITS], required=True, key=AMONG, bind="query-params"
    )
    selection.of_workspace(OF_CLASS, None)
    classes = list(workspace.dataset.classes)
    if st.session_state.get(OF_CLASS) not in classes:
        st.session_state[OF_CLASS] = None
    label = st.selectbox(
        "Class",
        classes,
        index=None,
        key=OF_CLASS,
        bind="query-params",
        placeholder=ANY,
        width=140,
    )
    count = st.segmented_control(
        "Show",
        list(COUNTS),
        default=COUNTS[1],
        required=True,
        key=COUNT,
        bind="query-params",
    )
    others = [each.name for each in embedding_data.made(run, "neighbours")]
    others = [name for name in others if name != embedding.name]
    selection.of_workspace(WITH, [])
    st.session_state[WITH] = [
        name for name in st.session_state.get(WITH, st.query_params.get_all(WITH)) if name in others
    ]
    chosen = st.multiselect(
        "Beside it",
        others,
        key=WITH,
        bind="query-params",
        placeholder="no other embedding",
        max_selections=MOST_COLUMNS - 1,
        width=250,
        disabled=not others,
        help="Further embeddings of the run, each in a column of its own.",
    )
    clean = st.toggle(
        "Without near-duplicates",
        key=CLEAN,
        bind="query-params",
        help="Leaves out images that are copies of the query or nearly so, theirs in turn, and "
        "those of its group. An upload has the group of the image that it is a copy of.",
    )
    scope = Scope(() if among in (None, EVERYWHERE) else (among,), label, clean)
    found = {each.name: each for each in embedding_data.made(run, "neighbours")}
    return Asked(scope, count or COUNTS[1], tuple(found[name] for name in chosen))


def walk(run: Run, table: pd.DataFrame) -> np.ndarray:
    """Draw the choice of the queries to walk through, and give their positions.

    Args:
        run: Whose answers say what a mistake is.
        table: Samples, with predictions where there are some.
    """
    splits = [split for split in SPLITS if (table["split"] == split).any()]
    of = {split: (table["split"] == split).to_numpy() for split in splits}
    last = splits[-1]
    ways = {f"{last} images": of[last]}
    wrong = ~table["correct"].to_numpy() & of[last] if "correct" in table else of[last] & False
    if wrong.any():
        ways[f"mistakes of {last}"] = wrong
    chosen = picked.find(run)
    if chosen is not None and len(chosen.rows):
        ways["picked images"] = chosen.mask(len(table))
    ways |= {f"{split} images": of[split] for split in splits[:-1]}
    if st.session_state.get(QUERIES, f"{last} images") not in ways:
        st.session_state[QUERIES] = f"{last} images"
    way = st.selectbox(
        "Walk through",
        list(ways),
        key=QUERIES,
        bind="query-params",
        help="Which images the arrows and 'Another at random' go to.",
    )
    if way == "picked images" and chosen is not None:
        return chosen.rows
    return np.flatnonzero(ways[way])


def finding(embedding: Embedding, table: pd.DataFrame, found: Found, label: str | None) -> str:
    """The sentence that the page opens with.

    Args:
        embedding: What was searched first.
        table: All samples.
        found: The neighbours.
        label: Label of the query, or None for an upload.
    """
    name, n = embedding_facts.title(embedding), len(found.rows)
    if not n:
        return f"No image of {name} passes these filters."
    if label is None:
        counts = table["label"].iloc[found.rows].value_counts()
        most = str(counts.index[0])
        by_chance = neighbourhoods.chance(table, found, most) * n
        return (
            f"{counts.iloc[0]} of the {n} images nearest to this upload in {name} are labelled "
            f"{plain(most)}; by chance {by_chance:.1f} would be."
        )
    hits = neighbourhoods.matches(table, found, label)
    by_chance = neighbourhoods.chance(table, found, label) * n
    return (
        f"{hits.count} of the {n} images nearest to this {plain(label)} in {name} bear its label; "
        f"by chance {by_chance:.1f} would."
    )


def caption(embedding: Embedding, found: Found) -> str:
    """Where neighbours come from."""
    metric = embedding_data.document(embedding, "neighbours")["metric"]
    method = embedding_data.document(embedding, "neighbours")["method"]
    how = found.how
    if found.how == "computed beforehand" and method != "exact":
        recall = embedding_data.document(embedding, "neighbours")["recall"]
        how += f", {number.percent(recall['value'])} of them the true ones"
    return (
        f"Nearest first, left to right; {metric} distance; among "
        f"{number.plural(found.gallery, 'image')}; {how}."
    )


def rank_line(table: pd.DataFrame, found: Found, label: str) -> str:
    """The query's own class coincidence at several k, in Markdown."""
    same = (table["label"].iloc[found.rows] == label).to_numpy()
    parts = [f"{number.percent(float(same[:k].mean()), 0)} at {k}" for k in RANKS if k <= len(same)]
    return f"Its own class coincidence: {', '.join(parts)}."


def wall(
    run: Run,
    table: pd.DataFrame,
    found: Found,
    *,
    key: str,
    label: str | None,
    name: str,
    small: bool,
) -> None:
    """The neighbours as tiles, in order of rank; a click makes one the query.

    Args:
        run: Whose answers stand below the images.
        table: Samples, with predictions where there are some.
        found: The neighbours.
        key: Of the gallery.
        label: Label of the query, or None where it has none.
        name: Of the embedding, for those who do not see it.
        small: Whether there are several walls.
    """
    shown = table.iloc[found.rows]
    tiles = [
        _tile(run, row, rank, float(distance), label)
        for rank, (distance, (_, row)) in enumerate(
            zip(found.distances, shown.iterrows(), strict=True), 1
        )
    ]
    longest = int(shown[["width", "height"]].to_numpy().max(initial=0))
    event = gallery(
        tiles,
        key=key,
        label=f"Nearest images in {name}, the nearest first",
        empty="No image passes these filters. Search in more splits or classes.",
        tile_size="small" if small or longest <= SHARP else "medium",
        pixelated=0 < longest <= SHARP,
        selectable=False,
    )
    if event.opened:
        selection.open_image(event.opened)
        st.rerun()


def agreement_text(names: Sequence[str], answers: Sequence[Found]) -> str:
    """How many neighbours each pair of embeddings has in common, in Markdown."""
    sets = [set(found.rows.tolist()) for found in answers]
    parts = []
    for second in range(1, len(sets)):
        for first in range(second):
            common = len(sets[first] & sets[second])
            least = min(len(sets[first]), len(sets[second]))
            parts.append(f"{names[first]} and {names[second]} share **{common} of {least}**")
    return "; ".join(parts) + " of these neighbours."


def _tile(run: Run, row: pd.Series, rank: int, distance: float, label: str | None) -> Tile:
    answer = f"predicted {row['predicted']}" if "predicted" in row.index else str(row["split"])
    where = str(row["split"])
    mark = None
    if label is not None:
        mark = "match" if row["label"] == label else "other"
    return Tile(
        id=row["sample_id"],
        src=thumbnail_url(run.workspace, row["sample_id"], view_shown(run)),
        alt=f"Rank {rank}: {where} image of class {row['label']}, distance {distance:.3g}",
        title=f"{rank}.",
        lines=(f"true {row['label']}", answer, f"{where} · {distance:.3g}"),
        mark=mark,  # type: ignore[arg-type]
    )
