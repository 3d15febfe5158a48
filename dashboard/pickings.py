"""What is picked on a map: how many, of which classes, how true to the vectors, and the images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from cache import Run
from dashboard import downloads, embedding_data, export, neighbourhoods, picked, selection
from dashboard.images import thumbnail_url, view_shown
from dashboard.picked import Picked
from dashboard.points import SHARP, Map
from dashboard.widgets import figures
from dashboard.widgets.gallery import Tile, gallery, page_of, start_over
from dashboard.widgets.messages import notice, plain
from pipelines.methods import number
from pipelines.methods.colours import class_colours

PAGE = "picked_page"
GALLERY = "embeddings_gallery"
PER_PAGE = 24
BARS = 8
STRANGERS = 12
"""Images that are shown while nothing is picked."""


def show(run: Run, table: pd.DataFrame, chosen: Picked | None, maps: Sequence[Map]) -> None:
    """Draw the panel of what is picked.

    Args:
        run: Whose embeddings.
        table: Samples, with predictions where there are some.
        chosen: What is picked, or None.
        maps: The maps on screen; the first is the one that is asked about.
    """
    if chosen is None:
        notice(
            "Nothing is picked",
            "Draw around some points to see their images here. A click on a point picks it and "
            "its nearest neighbours; Shift adds to an outline. The wheel zooms.",
            icon=":material/lasso_select:",
        )
        _show_strangers(run, table, maps[0])
        return
    st.markdown(picked.describe(chosen, run))
    if not len(chosen.rows):
        return
    counts = picked.tally(table, chosen.rows)
    st.plotly_chart(
        class_figure(counts, list(table["label"].cat.categories)),
        config=figures.CONFIG,
        key="embeddings_tally",
        alt="Classes of the images that are picked",
    )
    st.caption(" ".join(sentences(chosen, table, maps)))
    _show_buttons(run, table, chosen)
    _show_gallery(run, table, chosen)


def _show_strangers(run: Run, table: pd.DataFrame, shown: Map) -> None:
    """Images that stand among other classes: where to look first."""
    embedding = shown.embedding
    rows, shares = neighbourhoods.strangers(embedding, STRANGERS)
    rows, shares = rows[shares < 1], shares[shares < 1]
    if not len(rows):
        return
    near = neighbourhoods.compared(embedding)
    st.markdown(
        f"**Where to look first**: {number.plural(len(rows), 'image')} of {plain(embedding.title)} "
        f"with the fewest of their {near} nearest of their own label"
    )
    tiles = [
        _tile(run, row, f"{round(float(share) * near)} of {near}")
        for share, (_, row) in zip(shares, table.iloc[rows].iterrows(), strict=True)
    ]
    event = gallery(
        tiles,
        key="embeddings_strangers",
        label="Images that stand among other classes",
        empty="",
        tile_size="small",
        pixelated=int(table[["width", "height"]].iloc[rows].to_numpy().max()) <= SHARP,
        selectable=False,
    )
    if event.opened:
        selection.go("similarity", image=event.opened)


def sentences(chosen: Picked, table: pd.DataFrame, maps: Sequence[Map]) -> list[str]:
    """How far the picked images are neighbours in truth, and in the other embedding too."""
    said = []
    for shown in maps:
        near = neighbourhoods.true_neighbours(shown, chosen.rows)
        wide = embedding_data.graph(shown.embedding).positions.shape[1]
        said.append(
            f"{number.short_rate(near)} of these are true neighbours: of the "
            f"{neighbourhoods.compared(shown.embedding)} nearest to each on the map of "
            f"{plain(shown.embedding.title)}, that share is among its {wide} nearest by vectors "
            f"(n = {near.n:,})."
        )
    if len(maps) > 1:
        both = (maps[0].embedding, maps[1].embedding)
        rate = neighbourhoods.overlap(*both, chosen.rows)
        said.append(
            f"The two embeddings share {number.short_rate(rate)} of the "
            f"{neighbourhoods.compared(*both)} nearest of these images."
        )
    if "correct" in table:
        wrong = int((~table["correct"].iloc[chosen.rows]).sum())
        said.append(f"The run is wrong on {wrong:,} of them.")
    return said


def class_figure(counts: pd.Series, classes: Sequence[str]) -> go.Figure:
    """How many images of each class, as bars in the classes' colours.

    Args:
        counts: Number of images by class, the largest first.
        classes: All classes of the workspace.
    """
    colours = class_colours(classes)
    shown = counts.head(BARS)
    total = int(counts.sum())
    names = [str(name) for name in shown.index]
    figure = go.Figure(
        go.Bar(
            x=shown.tolist(),
            y=list(range(len(shown))),
            orientation="h",
            marker={"color": [colours[name] for name in names]},
            text=[f"{n:,} ({number.percent(n / total, 0)})" for n in shown],
            textposition="outside",
            cliponaxis=False,
            customdata=names,
            hovertemplate="%{customdata}: %{x:,}<extra></extra>",
        )
    )
    figures.plain(figure, height=24 + 22 * len(names), legend=False)
    figures.named_rows(figure, names)
    figure.update_layout(margin={"t": 4, "b": 4}, bargap=0.25)
    figure.update_xaxes(range=[0, 1.3 * float(shown.max())], visible=False)
    return figure.update_yaxes(showgrid=False)


def _show_buttons(run: Run, table: pd.DataFrame, chosen: Picked) -> None:
    workspace = run.workspace
    rows = table.iloc[chosen.rows]
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Pick nothing",
            key="embeddings_clear",
            icon=":material/deselect:",
            type="tertiary",
            on_click=picked.pick,
            args=(None,),
        )
        downloads.show(
            len(rows),
            "",
            key="embeddings",
            name=f"{workspace.name} {run.name} picked",
            table=lambda: export.predictions_csv(rows, workspace.dataset.classes),
            images=lambda: export.images_zip(workspace, rows),
        )


def _show_gallery(run: Run, table: pd.DataFrame, chosen: Picked) -> None:
    start_over(PAGE, chosen.choice)
    page = page_of(chosen.rows.tolist(), key=PAGE, per_page=PER_PAGE)
    shown = table.iloc[list(page.items)]
    event = gallery(
        [_tile(run, row) for _, row in shown.iterrows()],
        key=GALLERY,
        label="Images that are picked",
        empty="No image lies inside.",
        tile_size="small",
        pixelated=int(shown[["width", "height"]].to_numpy().max()) <= SHARP,
        selectable=False,
    )
    if len(chosen.rows) > PER_PAGE:
        st.caption(f"Shown: {page.caption}. A click on an image leads to its neighbours.")
    if event.opened:
        selection.go("similarity", image=event.opened)


def _tile(run: Run, row: pd.Series, title: str | None = None) -> Tile:
    answered = "predicted" in row.index
    lines = (f"true {row['label']}", *((f"predicted {row['predicted']}",) if answered else ()))
    return Tile(
        id=row["sample_id"],
        src=thumbnail_url(run.workspace, row["sample_id"], view_shown(run)),
        alt=f"{row['split']} image of class {row['label']}: see its neighbours",
        title=title or str(row["split"]),
        lines=lines,
        mark=(("right" if row["correct"] else "wrong") if answered else None),
    )
