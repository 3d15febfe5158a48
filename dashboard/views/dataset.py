"""What the images of a workspace are: counts, statistics, examples, duplicates, rejected inputs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from cache import Dataset
from dashboard import (
    album,
    data,
    dataset_statistics,
    description,
    distributions,
    evidence,
    filters,
    selection,
    spreads,
)
from dashboard.inspector import show_open_image
from dashboard.widgets import figures
from dashboard.widgets.messages import finding, notice, plain, told
from pipelines.methods import number, sample_counts
from pipelines.methods.spreadsheet import to_csv

TAB = "tab"
REASONS = 20


def show_summary() -> None:
    """Counts by class and split, dimensions, and the statistics of the pixels."""
    with st.grid(2, min_column_width=380):
        with st.container():
            counts = sample_counts.class_counts(frame)
            st.plotly_chart(
                distributions.count_figure(counts[counts.sum(axis=1) > 0]),
                config=figures.CONFIG,
                key="dataset_counts",
                alt="Number of images of each class in each split",
            )
        with st.container():
            st.table(
                description.dimension_table(frame, dataset),
                border="horizontal",
                hide_header=True,
                alt="Dimensions of the images",
            )
    st.subheader("Pixel statistics", anchor=False)
    st.table(
        description.statistics_table(frame, dataset, view.scale),
        border="horizontal",
        alt="Statistics of the pixels by channel",
    )
    st.caption(
        f"Over every pixel of the {number.plural(len(frame), 'image')} chosen, {view.units}: "
        f"exact, pooled from the statistics of each image. {simulated}"
    )
    st.subheader("Splits", anchor=False)
    st.table(
        description.readable_splits(dataset_statistics.split_table(frame), view.scale),
        border="horizontal",
        alt="Images of each split",
    )
    st.caption(
        "Imbalance: images of the largest class over those of the smallest. Mean and standard "
        f"deviation of all pixels, {view.units}."
    )
    st.subheader("Classes", anchor=False)
    show_class_table()


def show_class_table() -> None:
    """Counts, shares and statistics of each class, sortable."""
    table = dataset_statistics.class_table(frame)
    shares = [name for name in table.columns if str(name).endswith("share")]
    table[shares] *= 100
    table[["mean", "std"]] *= view.scale
    digits = "%.1f" if view.scale > 1 else "%.3f"
    config = {
        "label": st.column_config.TextColumn("Class", pinned=True),
        "images": st.column_config.NumberColumn("Images", format="localized"),
        "share": st.column_config.NumberColumn("Share, %", format="%.1f"),
        "mean": st.column_config.NumberColumn("Mean", format=digits),
        "std": st.column_config.NumberColumn("Std", format=digits),
    }
    for split in ("train", "val", "test"):
        config[split] = st.column_config.NumberColumn(split.capitalize(), format="localized")
        config[f"{split}_share"] = st.column_config.NumberColumn(
            f"% of {split}", format="%.1f", help=f"Share of the class among the {split} images."
        )
    st.dataframe(
        table.reset_index(),
        hide_index=True,
        key="dataset_classes",
        column_config=config,
        placeholder=number.UNKNOWN,
        alt="Counts, shares and pixel statistics of each class",
    )
    st.caption(f"Of the {number.plural(len(frame), 'image')} chosen. A click on a head sorts.")


def show_images() -> None:
    """Examples of each class, or all images."""
    show = album.show_classes if layout.by_class else album.show_list
    show(workspace, shown, view, layout.panels)
    stretched = ""
    if dataset.dtype == "uint16":
        stretched = "For the screen, each image is stretched from its 0.5th to 99.5th percentile. "
    st.caption(f"Shown without augmentation. {stretched}{simulated}")


def show_distributions() -> None:
    """Histograms of pixels, of images, of sizes and of what else the source knows."""
    spreads.show(workspace, samples, chosen.mask, view)


def show_duplicates() -> None:
    """Exact duplicates and what splits share."""
    st.subheader("What the splits share", anchor=False)
    shared = dataset_statistics.shared_of(workspace)
    leaks = shared.leaks
    st.markdown(description.leak_sentence(shared))
    if leaks["leaked"].any():
        st.table(
            description.readable_leaks(leaks),
            border="horizontal",
            width="content",
            alt="Images of val and test that also stand in train",
        )
        st.caption("Of the whole workspace. Figures of a run are given with and without these.")
    st.subheader("Identical images", anchor=False)
    touched = twins
    if len(frame) < len(samples):
        touched = twins[twins.index.isin(frame["content_hash"])]
    st.markdown(description.duplicate_sentence(samples, twins, touched))
    if len(touched):
        album.show_groups(workspace, samples, touched, view)


def show_refused() -> None:
    """Inputs that could not be used, and classes that the recipe leaves out."""
    if dataset.left_out:
        left = pd.Series(dataset.left_out)
        st.markdown(
            f"The recipe leaves out {number.plural(int(left.sum()), 'image')} of "
            f"{number.plural(len(left), 'other class', 'other classes')}."
        )
        with st.expander("Classes left out"):
            st.table(
                pd.DataFrame({"images": left.map(number.count)}).rename(index=plain),
                border="horizontal",
                width="content",
                alt="Images of each class that is left out",
            )
    if refused.empty:
        notice(
            "Nothing was rejected",
            f"All {number.plural(len(samples), 'input')} could be read and used.",
            icon=":material/check:",
        )
        return
    reasons = refused["reason"].value_counts()
    by_reason = pd.DataFrame({"inputs": reasons.head(REASONS).map(number.count)})
    by_reason.index = pd.Index([plain(str(reason)) for reason in by_reason.index], name="reason")
    st.table(by_reason, border="horizontal", alt="Rejected inputs by reason")
    if len(reasons) > REASONS:
        st.caption(f"The {REASONS} most frequent of {number.count(len(reasons))} reasons.")
    st.dataframe(
        refused,
        hide_index=True,
        key="dataset_rejected",
        placeholder=number.UNKNOWN,
        column_config={
            "path": st.column_config.TextColumn("Input"),
            "label": st.column_config.TextColumn("Class"),
            "split": st.column_config.TextColumn("Split"),
            "reason": st.column_config.TextColumn("Reason", width="large"),
        },
        alt="Every rejected input with its reason",
    )
    st.caption("Of the whole workspace: the filters do not apply to what could not be read.")
    st.download_button(
        "Download as CSV",
        lambda: to_csv(refused),
        file_name=f"{workspace.name}-rejected.csv",
        mime="text/csv",
        icon=":material/download:",
        key="dataset_rejected_csv",
        on_click="ignore",
    )


SECTIONS: dict[str, Callable[[], None]] = {
    "Summary": show_summary,
    "Images": show_images,
    "Distributions": show_distributions,
    "Duplicates and leaks": show_duplicates,
    "Rejected": show_refused,
}

st.title("Dataset", anchor=False)
workspace = selection.workspace()
dataset: Dataset = workspace.dataset
samples, refused = data.samples(workspace), data.rejected(workspace)
twins = dataset_statistics.duplicates_of(workspace)
simulated = plain(dataset.simulated) if dataset.simulated else ""

# One slot for what may differ: a bound widget that moves loses its place in the URL.
with st.container():
    finding(description.finding(samples, dataset, twins, len(refused)))
    st.caption(description.origin(samples, dataset, workspace.document["recipe"]["dataset"]))

maps = evidence.of_selected(workspace)
chosen, view = filters.draw(evidence.joined(samples, maps), dataset, maps.origin, maps.refused)
frame = samples[chosen.mask]
with st.container():
    st.caption(description.chosen_sentence(len(frame), len(samples), chosen.words))
layout = album.layout(workspace)
shown = album.arranged(frame, layout.order, layout.by_class)
with st.container(), told():
    show_open_image(workspace, samples, shown["sample_id"].to_numpy(), view)

bodies = st.tabs(list(SECTIONS), key=TAB, bind="query-params")
for body, (title, show) in zip(bodies, SECTIONS.items(), strict=True):
    if not body.open:
        continue
    with body, told():
        if title == "Images":
            album.controls(workspace)
        if frame.empty and title != "Rejected":
            notice(
                "No image is left",
                f"None of the {number.plural(len(samples), 'image')} fits the filters "
                f"({'; '.join(chosen.words)}). Take one away.",
                icon=":material/filter_list_off:",
            )
        else:
            show()
