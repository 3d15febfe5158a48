"""The images of two runs that are compared: the gallery, the way on from it, and downloads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cache import Workspace
from dashboard import (
    disagreements,
    downloads,
    embedding_data,
    export,
    narrowing,
    opened,
    picked,
    selection,
)
from dashboard.compared import Answers
from dashboard.disagreements import Duel, Looked
from dashboard.images import thumbnail_url
from dashboard.points import SHARP
from dashboard.widgets.gallery import Tile, gallery, page_of, start_over
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.spreadsheet import to_csv

PAGE = "compare_page"
PER_PAGE = 18


def show(duel: Duel, looked: Looked, messages: DeltaGenerator) -> None:
    """Draw the images that are looked at, and the one that is open.

    Args:
        duel: The two runs.
        looked: Which of their images.
        messages: Where to say that an image of a link is not there.
    """
    run, samples = duel.answers.runs[duel.first], duel.answers.samples
    workspace, split = run.workspace, duel.part.split
    views = workspace.dataset.views
    channel = narrowing.choose_channel(views, _channels_of(duel) or views)
    rows = disagreements.find(duel, looked)
    start_over(PAGE, (workspace.name, duel.names, split, duel.part.left_out, looked))
    said = disagreements.describe(looked, duel.names)
    st.markdown(f"**{number.plural(len(rows), 'image')}** of {split}: {plain(said)}.")
    bar = st.container(horizontal=True, gap="small")
    page = page_of(rows.tolist(), key=PAGE, per_page=PER_PAGE)
    shown = [table.iloc[list(page.items)] for table in duel.tables]
    sides = shown[0][["width", "height"]].to_numpy()
    searchable = embedding_data.searchable(selection.run())
    event = gallery(
        [
            _tile(workspace, [row for _, row in each], duel.names, channel)
            for each in zip(*(table.iterrows() for table in shown), strict=True)
        ],
        key="compare_gallery",
        label=f"Images of {split}: {said}",
        empty="There is no such image. Choose another cell.",
        selected=narrowing.selected_images(samples["sample_id"]),
        pixelated=0 < int(sides.max(initial=0)) <= SHARP,
        searchable=searchable,
    )
    if event.similar:
        selection.go("similarity", image=event.similar)
    narrowing.select_images(event.selected)
    if event.opened:
        selection.open_image(event.opened)
    if len(rows):
        first = "highest loss of both" if looked.together else "largest difference of the losses"
        st.caption(
            f"Shown: {page.caption}, the {first} first. Under each: how sure "
            f"{plain(duel.names[0])} and {plain(duel.names[1])} are, and what they say."
        )
    with bar:
        chosen = rows
        if event.selected:
            places = pd.Index(samples["sample_id"]).get_indexer(pd.Index(event.selected))
            chosen = places[places >= 0]
        _show_downloads(duel, chosen, "selected" if event.selected else "found")
        _show_way_to_map(duel, chosen, f"{split} images, {said}")
    others = {duel.names[1]: duel.tables[1]}
    images = opened.Images(run, duel.tables[0], rows, channel, searchable, "compare", others)
    opened.show(images, messages)


def answers_csv(answers: Answers, rows: np.ndarray) -> bytes:
    """What every run says of some images, as CSV in UTF-8.

    Args:
        answers: Of the runs.
        rows: Positions of the images, in the order wanted.

    Returns:
        Columns ``sample_id``, ``split``, ``label``, ``path``, ``group``, ``leaked``, then for each
        run ``<run> predicted``, ``correct``, ``confidence`` and ``loss`` (nats).
    """
    origin = ["sample_id", "split", "label", "path", "group", "leaked"]
    columns = {name: answers.samples[name].iloc[rows] for name in origin}
    for name, table in zip(answers.names, answers.tables, strict=True):
        for column in ("predicted", "correct", "confidence", "loss"):
            columns[f"{name} {column}"] = table[column].iloc[rows]
    return to_csv(pd.DataFrame(columns), "%.6g")


def _channels_of(duel: Duel) -> Sequence[str]:
    """Channels that the model of the reference reads; none where it was not trained here."""
    run = duel.answers.runs[duel.first]
    return run.document["channels"] if run.artefact("train").exists else ()


def _tile(
    workspace: Workspace, rows: Sequence[pd.Series], names: Sequence[str], channel: str
) -> Tile:
    """One image: what is true, and what each of the two runs says."""
    sample = rows[0]
    spoken = "; ".join(
        f"{name} {'right' if row['correct'] else 'wrong'} with {row['predicted']}"
        for row, name in zip(rows, names, strict=True)
    )
    said = [
        f"{'✓' if row['correct'] else '✗'} {name}: {row['predicted']}"
        for row, name in zip(rows, names, strict=True)
    ]
    return Tile(
        id=sample["sample_id"],
        src=thumbnail_url(workspace, sample["sample_id"], channel),
        alt=f"{sample['split']} image, true {sample['label']}; {spoken}",
        title=" · ".join(number.percent(float(row["confidence"]), 0) for row in rows),
        lines=(f"true {sample['label']}", *said),
    )


def _show_downloads(duel: Duel, rows: np.ndarray, named: str) -> None:
    """Buttons that make a table and an archive of images."""
    workspace = duel.answers.runs[duel.first].workspace
    downloads.show(
        len(rows),
        named,
        key="compare",
        name=" ".join([workspace.name, *duel.names, duel.part.split]),
        table=lambda: answers_csv(duel.answers, rows),
        images=lambda: export.images_zip(workspace, duel.tables[0].iloc[rows]),
        of_table="Ids, labels, and what every run that is compared says of them.",
        of_images="Made when you click: the original files where there are any, else PNG, in "
        f"folders by split, true class and what {duel.names[0]} says.",
    )


def _show_way_to_map(duel: Duel, rows: np.ndarray, said: str) -> None:
    """The way to the map of a run that has one, the reference before the others."""
    runs = sorted(duel.answers.runs, key=lambda run: run.name != duel.names[0])
    mapped = [run.name for run in runs if embedding_data.made(run, "projection")]
    if not mapped:
        return
    st.button(
        f"{len(rows):,} on the map",
        key="compare_map",
        icon=":material/scatter_plot:",
        type="tertiary",
        disabled=not len(rows),
        on_click=picked.go_to_map,
        args=(tuple(duel.answers.samples["sample_id"].iloc[rows]), said, mapped[0]),
        help=f"Picks the images that are selected, or else all found, on the map of {mapped[0]}.",
    )
