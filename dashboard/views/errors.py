"""Where a run is wrong: its confusion matrix, its classes, and every image it mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import (
    confusions,
    data,
    decided,
    downloads,
    embedding_data,
    evidence,
    export,
    mistakes,
    narrowing,
    opened,
    picked,
    selection,
)
from dashboard.images import thumbnail_url
from dashboard.widgets.gallery import Tile, gallery, page_of, start_over
from dashboard.widgets.matrix import Normalise, confusion
from dashboard.widgets.messages import finding, notice, told
from pipelines.methods import metrics, number
from pipelines.methods.intervals import Rate

FIGURES = "figures"
CELLS = "cells"
HIDE_DIAGONAL = "hide_diagonal"
PAGE = "mistakes_page"
CLASS_CLICK = "errors_class"
PAIR_CLICK = "errors_pair"

CELL_NAMES: dict[Normalise, str] = {"counts": "counts", "row": "by row", "column": "by column"}

PER_PAGE = 30

# Most classes whose matrix stands beside the images; a larger one takes the whole width.
MOST_BESIDE = 40

# Longer side, in pixels, up to which thumbnails are scaled without smoothing.
SHARP = 64


@st.cache_data(max_entries=64, show_spinner="Resampling …")
def macro_f1(matrix: np.ndarray) -> Rate:
    """Macro F1 with its bootstrap interval, computed once a matrix."""
    return metrics.macro_f1(matrix)


def show_class() -> None:
    """Show the class whose name was clicked in the table of classes."""
    narrowing.show_only([classes[st.session_state[CLASS_CLICK].row]], [])


def show_pair() -> None:
    """Show the confusion that was clicked in the table of confusions."""
    pair = confusions.confusion_table(matrix, classes).iloc[st.session_state[PAIR_CLICK].row]
    narrowing.show_only([pair["true"]], [pair["predicted"]])


def show_headline() -> None:
    """The finding and the figures behind it."""
    clean = mistakes.tally(answers, split, without_leaks=True) if leaks else None
    everything = mistakes.tally(answers, split)
    finding(confusions.finding(everything, classes, split, positive=positive, clean=clean))
    st.markdown(confusions.summary(matrix, classes, positive, macro_f1(matrix)))
    with told():
        by_decided = decided.accuracy(run, split)
        if by_decided is not None:
            st.caption(
                f"{decided.sentence(by_decided, split)} All other figures here are by given labels."
            )


def show_matrix() -> None:
    """The confusion matrix and how it is shown."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        cells = st.segmented_control(
            "Cells",
            list(CELL_NAMES),
            default="counts",
            required=True,
            key=CELLS,
            bind="query-params",
            format_func=CELL_NAMES.__getitem__,
            help="By row: share of the true class. By column: share of what was predicted so.",
        )
        hide = st.toggle("Hide the diagonal", key=HIDE_DIAGONAL, bind="query-params")
    event = confusion(
        matrix,
        classes,
        key="errors_matrix",
        label=f"Confusion matrix of {run.name} on {split}",
        normalise=cells,
        hide_diagonal=hide,
        selected=narrowing.selected_cell(classes),
    )
    if event.changed:
        true, predicted = event.selected.true, event.selected.predicted
        narrowing.show_only(
            [] if true is None else [classes[true]],
            [] if predicted is None else [classes[predicted]],
            "all" if event.selected else "wrong",
        )


def rate_columns(name: str, label: str) -> dict[str, Any]:
    """Columns of a rate in percent and of its interval."""
    return {
        name: st.column_config.NumberColumn(f"{label}, %", format="%.1f"),
        f"{name}_interval": st.column_config.TextColumn("95 % interval"),
    }


def show_classes() -> None:
    """The sortable table of classes; a click on a name shows its images."""
    st.dataframe(
        confusions.class_table(matrix, classes, positive),
        hide_index=True,
        key="errors_classes",
        placeholder=number.UNKNOWN,
        alt="Recall, precision and F1 of each class",
        column_config={
            "class": st.column_config.ButtonColumn(
                "Class",
                key=CLASS_CLICK,
                on_click=show_class,
                type="tertiary",
                alignment="left",
                pinned=True,
                help="A click on a name shows the images of the class.",
            ),
            "support": st.column_config.NumberColumn("Images", format="localized"),
            "wrong": st.column_config.NumberColumn("Wrong", format="localized"),
            **rate_columns("recall", "Recall"),
            **rate_columns("precision", "Precision"),
            **rate_columns("f1", "F1"),
        },
    )
    st.caption(
        "Recall: share of the class's images that are predicted so. Precision: share of the images "
        "predicted so that are of the class. Intervals: Wilson; for F1, transformed from it. "
        "A click on a name shows the images of the class, one on a heading sorts."
    )


def show_confusions() -> None:
    """The sortable table of confusions; a click on a pair shows its images."""
    table = confusions.confusion_table(matrix, classes)
    if table.empty:
        notice("No confusions", f"Every {split} image is right.")
        return
    st.dataframe(
        table.drop(columns=["true", "predicted"]),
        hide_index=True,
        key="errors_confusions",
        alt="Confusions, the most frequent first",
        column_config={
            "pair": st.column_config.ButtonColumn(
                "True → predicted",
                key=PAIR_CLICK,
                on_click=show_pair,
                type="tertiary",
                alignment="left",
                pinned=True,
                help="A click on a pair shows its images.",
            ),
            "count": st.column_config.NumberColumn("Images", format="localized"),
            "share": st.column_config.NumberColumn(
                "Of mistakes, %", format="%.1f", help="Share of all mistakes."
            ),
            "cumulative": st.column_config.NumberColumn(
                "Cumulative, %", format="%.1f", help="The same, this confusion and all above it."
            ),
            **rate_columns("of_class", "Of true class"),
        },
    )
    shown = f"The {len(table)} most frequent. " * (len(table) == confusions.MOST_CONFUSIONS)
    st.caption(f"{shown}A click on a pair shows its images. Intervals: Wilson.")


def tile(row: pd.Series, order: str, channel: str) -> Tile:
    """One image of the gallery: what was true, what predicted, and how sure."""
    confidence = number.percent(float(row["confidence"]))
    measure = f"loss {row['loss']:.2f}"
    column = mistakes.ORDERS[order][0]
    if column == "margin":
        measure = f"margin {100 * row['margin']:.1f} points"
    elif evidence.is_of_map(column):
        measure = evidence.told(row, column)
    return Tile(
        id=row["sample_id"],
        src=thumbnail_url(workspace, row["sample_id"], channel),
        alt=f"{row['split']} image, true {row['label']}, predicted {row['predicted']} "
        f"with {confidence}",
        title=confidence,
        lines=(f"true {row['label']}", f"predicted {row['predicted']}", measure),
        mark="right" if row["correct"] else "wrong",
    )


def show_downloads(found: np.ndarray, selected: tuple[str, ...]) -> None:
    """Buttons that make a table and an archive of the selected images, or else of all found."""
    rows = found
    if selected:
        places = pd.Index(answers["sample_id"]).get_indexer(pd.Index(selected))
        rows = places[places >= 0]
    named = "selected" if selected else "found"
    downloads.show(
        len(rows),
        named,
        key="errors",
        name=f"{workspace.name} {run.name} {split}",
        table=lambda: export.predictions_csv(answers.iloc[rows], classes),
        images=lambda: export.images_zip(workspace, answers.iloc[rows]),
        of_table="Ids, labels, predictions, the probability of each class, and what the occlusion "
        "maps say.",
        of_images="Made when you click: the original files where there are any, else PNG, in "
        f"folders by split, true and predicted class. At most {export.MOST_IMAGES:,} images "
        f"or {export.MOST_BYTES // 1_000_000:,} MB.",
    )


def show_images() -> None:
    """Filters, gallery, downloads, and the image that is open."""
    filters, order = narrowing.choose_filters(split, classes, without_leaks, answers, maps)
    channel = narrowing.choose_channel(workspace.dataset.views, run.document["channels"])
    found = mistakes.find(answers, filters, order)
    start_over(PAGE, (workspace.name, run.name, filters, order))
    described = mistakes.describe(filters)
    st.markdown(
        f"**{number.plural(len(found), 'image')}** of {split}: {described}. "
        + mistakes.mapped(answers, filters)
    )
    bar = st.container(horizontal=True, gap="small")
    page = page_of(found.tolist(), key=PAGE, per_page=PER_PAGE)
    shown = answers.iloc[list(page.items)]
    event = gallery(
        [tile(row, order, channel) for _, row in shown.iterrows()],
        key="errors_gallery",
        label=f"Images of {split}: {described}",
        empty=mistakes.nothing_found(filters, int(matrix.sum() - np.trace(matrix))),
        selected=narrowing.selected_images(answers["sample_id"]),
        pixelated=bool(len(shown)) and int(shown[["width", "height"]].to_numpy().max()) <= SHARP,
        searchable=searchable,
    )
    if event.similar:
        selection.go("similarity", image=event.similar)
    narrowing.select_images(event.selected)
    if event.opened:
        selection.open_image(event.opened)
    if len(found):
        st.caption(f"Shown: {page.caption}.")
    with bar:
        if filters.narrowed:
            st.button(
                "Reset filters",
                key="errors_reset",
                icon=":material/filter_alt_off:",
                type="tertiary",
                on_click=narrowing.show_only,
                args=([], [], "wrong"),
            )
        show_downloads(found, event.selected)
        if mapped:
            ids = event.selected or tuple(answers["sample_id"].iloc[found])
            st.button(
                f"{len(ids):,} on the map",
                key="errors_map",
                icon=":material/scatter_plot:",
                type="tertiary",
                disabled=not ids,
                on_click=picked.go_to_map,
                args=(ids, f"{split} images, {described}"),
                help="Picks the images that are selected, or else all found, on the map.",
            )
    opened.show(opened.Images(run, answers, found, channel, searchable), messages)


opened.leave()
st.title("Errors", anchor=False)
workspace = selection.workspace()
run = selection.run()
maps = evidence.of(run)
answers = evidence.joined(data.answers(run), maps)
searchable = embedding_data.searchable(run)
mapped = bool(embedding_data.made(run, "projection"))
classes = list(workspace.dataset.classes)
positive = workspace.dataset.positive

# What comes and goes stays inside slots: a bound widget that moves loses its place in the URL.
headline, messages = st.container(), st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    split = selection.choose_split(data.splits_of(workspace))
    leaks = mistakes.leaked(answers, split)
    without_leaks = narrowing.choose_leaks(answers, split)
matrix = mistakes.tally(answers, split, without_leaks)
with headline:
    show_headline()

strange = narrowing.unknown_classes(classes)
if strange:
    with messages:
        notice(
            "No such class",
            f"The link names classes that the workspace '{workspace.name}' does not have: "
            f"{', '.join(strange)}. They are left out of the filters.",
            icon=":material/search_off:",
        )

beside = len(classes) <= MOST_BESIDE
with st.grid(2 if beside else 1, min_column_width=440 if beside else "auto", gap="medium"):
    left, right = st.container(), st.container()
with left:
    by_cell, by_class, by_pair = st.tabs(
        ["Confusion matrix", "Classes", "Confusions"], key=FIGURES, bind="query-params"
    )
    with by_cell:
        show_matrix()
    with by_class:
        show_classes()
    with by_pair:
        show_confusions()
with right:
    show_images()
