"""One image of a dataset, open: large, with its facts, and with the numbers of its pixels."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from cache import Run, Workspace
from dashboard import data, embedding_data, overlay, review_ways, selection, ways
from dashboard.conditions import label as column_label
from dashboard.filters import View
from dashboard.images import image_url, pixels
from dashboard.overlay import Laid
from dashboard.widgets.marks import verdict
from dashboard.widgets.messages import notice, plain, told
from dashboard.widgets.viewer import Picture, Region, viewer
from pipelines.methods import number
from pipelines.methods.pixels import to_float

REGION = "region"
"""Parameter of the URL: x0,y0,x1,y1 of the region whose numbers are shown."""

MOST = 16
"""Columns, and rows, of a region that are written out as numbers."""

_KEY = "dataset_viewer"


def show_open_image(
    workspace: Workspace, samples: pd.DataFrame, listed: np.ndarray, view: View
) -> None:
    """Show the image that the URL names, if it names one.

    Args:
        workspace: Where it is.
        samples: All samples of the workspace.
        listed: Ids of the samples to walk through, in order.
        view: How to show it.
    """
    sample_id = selection.image()
    if sample_id is None:
        return
    found = samples[samples["sample_id"] == sample_id]
    if found.empty:
        notice(
            "No such image",
            f"The workspace '{workspace.name}' has no image '{sample_id}'.",
            icon=":material/search_off:",
        )
        st.button("Close", on_click=selection.open_image, args=(None,), key="dataset_close")
        return
    sample = found.iloc[0]
    places = np.flatnonzero(listed == sample_id)
    walk = listed if len(places) else np.array([sample_id])
    index = int(places[0]) if len(places) else 0
    with st.container(border=True):
        region, laid = _draw(workspace, sample, walk, index, view, listed=bool(len(places)))
        if not len(places):
            st.caption("The filters leave this image out; it is shown since the link names it.")
        facts, numbers = st.grid(2, min_column_width=360), st.container()
        with facts:
            _show_facts(workspace, samples, sample)
            with st.container():
                _show_ways(workspace, sample)
        with numbers, told():
            _show_numbers(workspace, sample, region, view)
    if laid.complete():
        st.rerun()


def region_table(
    values: np.ndarray, region: Region, places: int | None
) -> tuple[pd.DataFrame, bool]:
    """Numbers of a region of one channel.

    Args:
        values: Channel (height, width), in the units to show.
        region: Which part.
        places: Digits after the point, or None for whole numbers.

    Returns:
        One row a line of pixels, from the region's upper left corner, at most ``MOST`` by
        ``MOST``; and whether something was cut off.
    """
    x0, y0, x1, y1 = region
    right, lower = min(x1, x0 + MOST), min(y1, y0 + MOST)
    part = values[y0:lower, x0:right]
    numbers = part.astype(np.int64) if places is None else part.astype(np.float64).round(places)
    table = pd.DataFrame(
        numbers,
        index=[f"y {y}" for y in range(y0, lower)],
        columns=[f"x {x}" for x in range(x0, right)],
    )
    return table, (right, lower) != (x1, y1)


def parse_region(text: str | None, width: int, height: int) -> Region | None:
    """Read a region from the URL; None where it is none, or not inside the image."""
    try:
        x0, y0, x1, y1 = (int(part) for part in (text or "").split(","))
    except ValueError:
        return None
    inside = 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    return (x0, y0, x1, y1) if inside else None


def _draw(
    workspace: Workspace,
    sample: pd.Series,
    walk: np.ndarray,
    index: int,
    view: View,
    listed: bool,
) -> tuple[Region | None, Laid]:
    """Draw the viewer and do what the user asks of it."""
    width, height = int(sample["width"]), int(sample["height"])
    label, sample_id = str(sample["label"]), str(sample["sample_id"])
    channel = f", {view.channel}" if len(workspace.dataset.views) > 1 else ""
    near = [place for place in (index + 1, index - 1) if 0 <= place < len(walk)]
    slot = st.container()
    laid = Laid()
    if workspace.runs():
        with st.container():
            read = partial(pixels, workspace, sample_id)
            laid = overlay.control(selection.run(), sample_id, read)
    with slot:
        event = viewer(
            Picture(
                image_url(workspace, sample_id, view.channel),
                width,
                height,
                alt=f"Image of class {label}{channel}",
                title=f"{label} · {sample['split']}{channel}",
            ),
            key=_KEY,
            index=index,
            total=len(walk),
            label="Open image",
            picker=True,
            region=parse_region(st.query_params.get(REGION), width, height),
            preload=[image_url(workspace, str(walk[place]), view.channel) for place in near],
            listed=listed,
            overlay=laid.overlay,
            step=partial(selection.step_among, walk),
        )
    if event.changed:
        if event.region is None:
            st.query_params.pop(REGION, None)
        else:
            st.query_params[REGION] = ",".join(map(str, event.region))
    if event.closed:
        st.query_params.pop(REGION, None)
        selection.open_image(None)
        st.rerun()
    return event.region, laid


def _show_facts(workspace: Workspace, samples: pd.DataFrame, sample: pd.Series) -> None:
    """What is known about the image."""
    twins = int((samples["content_hash"] == sample["content_hash"]).sum()) - 1
    made = "made by Centauro" if sample["split_made"] else "came with the data"
    facts = {
        "class": str(sample["label"]),
        "split": f"{sample['split']} ({made})",
        "size": f"{sample['width']:,} × {sample['height']:,} pixels",
        "file": sample["path"],
        "group": sample["group"],
        "identical images": number.count(twins) if twins else None,
        "leak": "its group or its pixels also stand in train" if sample["leaked"] else None,
    }
    for name in sample.index:
        if str(name).startswith("meta_"):
            value = sample[name]
            known = None if pd.isna(value) else value
            if isinstance(known, float | np.floating):
                known = number.measured(float(known))
            facts[column_label(str(name))] = known
    facts["sample"] = str(sample["sample_id"])
    known = {name: plain(str(value)) for name, value in facts.items() if not _absent(value)}
    st.table(
        pd.DataFrame({"value": known}),
        border="horizontal",
        hide_header=True,
        alt="What is known about the image",
    )


def _show_ways(workspace: Workspace, sample: pd.Series) -> None:
    """What the selected run says of the image, and the way to its mistakes."""
    if not workspace.runs():
        return
    run = selection.run()
    answer = _answer(run, str(sample["sample_id"]))
    if answer is None:
        st.caption(f"The run {plain(run.name)} has no prediction of this image yet.")
    else:
        look = verdict(bool(answer["correct"]))
        st.markdown(
            f"The run {plain(run.name)} says **{plain(str(answer['predicted']))}**, "
            f"probability {answer['confidence']:.3f}: {look.icon} {look.word}."
        )
    with st.container(horizontal=True, gap="small"):
        sample_id, known = str(sample["sample_id"]), answer is not None
        there = {
            "similarity": embedding_data.searchable(run),
            "errors": known,
            "occlusion": run.artefact("train").exists,
            "sheet": known,
        }
        for page, made in there.items():
            ways.button(
                page,
                sample_id,
                origin="dataset",
                split=sample["split"],
                run=run.name,
                disabled=not made,
                type="secondary",
            )
        review_ways.review_button(run, sample_id, "dataset_to_labels", "secondary")
        st.button(
            "How the run learnt",
            icon=":material/show_chart:",
            key="dataset_to_training",
            on_click=selection.go,
            args=("training",),
            kwargs={"run": run.name},
        )


def _answer(run: Run, sample_id: str) -> pd.Series | None:
    if not run.artefact("predictions").exists:
        return None
    table = data.predictions(run)
    found = table[table["sample_id"] == sample_id]
    return None if found.empty else found.iloc[0]


def _show_numbers(
    workspace: Workspace, sample: pd.Series, region: Region | None, view: View
) -> None:
    """The pixel inspector: statistics and numbers of the region that is picked."""
    dataset = workspace.dataset
    width, height = int(sample["width"]), int(sample["height"])
    whole = (0, 0, width, height)
    small = max(width, height) <= MOST
    if region is None and not small:
        st.caption(
            ":material/grid_on: Pixel values: drag a region in the picture, or click a pixel, to "
            "read its numbers here."
        )
        return
    x0, y0, x1, y1 = region or whole
    image = pixels(workspace, str(sample["sample_id"]))
    scaled = to_float(image)
    values, places = (image, None) if view.native else (scaled, 3)
    where = "whole image" if region is None else f"x {x0} to {x1 - 1}, y {y0} to {y1 - 1}"
    st.markdown(f"**Pixel values** · {where} · {number.plural((x1 - x0) * (y1 - y0), 'pixel')}")
    order = sorted(range(len(dataset.channels)), key=lambda i: dataset.channels[i] != view.channel)
    part = values[y0:y1, x0:x1].astype(np.float64)
    summary = pd.DataFrame(
        {
            "min": part.min(axis=(0, 1)),
            "max": part.max(axis=(0, 1)),
            "mean": part.mean(axis=(0, 1)),
            "std": part.std(axis=(0, 1)),
        },
        index=pd.Index([plain(name) for name in dataset.channels], name="channel"),
    ).iloc[order]
    whole_numbers = "{:,.0f}" if places is None else "{:.3f}"
    st.table(
        summary.style.format("{:.3f}").format(whole_numbers, subset=["min", "max"]),
        border="horizontal",
        width="content",
        alt="Statistics of the region by channel",
    )
    bodies = st.tabs([dataset.channels[i] for i in order]) if len(order) > 1 else [st.container()]
    cut = False
    for body, channel in zip(bodies, order, strict=True):
        table, cut = region_table(values[..., channel], (x0, y0, x1, y1), places)
        with body:
            st.dataframe(
                _shaded(table, scaled[..., channel], (x0, y0), places),
                key=f"dataset_numbers_{channel}",
                width="content",
                height="content",
                row_height=26,
                column_config={
                    name: st.column_config.NumberColumn(width=48 if places is None else 56)
                    for name in table.columns
                },
                alt=f"Pixel values of the region, {dataset.channels[channel]}",
            )
    st.caption(
        f"Values {view.units}; each cell is as bright as its pixel."
        + (
            f" Only the upper left {min(MOST, x1 - x0)} × {min(MOST, y1 - y0)} pixels of the "
            "region are written out; the statistics are of all of it."
            if cut
            else ""
        )
    )


def _shaded(
    table: pd.DataFrame, scaled: np.ndarray, corner: tuple[int, int], places: int | None
) -> Styler:
    """Give each cell the grey of its pixel, and a text that shows on it."""
    x0, y0 = corner
    part = scaled[y0 : y0 + table.shape[0], x0 : x0 + table.shape[1]]
    levels = np.clip(np.rint(part * 255), 0, 255).astype(int)
    looks = np.array(
        [
            [f"background-color: rgb({v},{v},{v}); color: {_text_on(v)}" for v in row]
            for row in levels.tolist()
        ],
        dtype=object,
    )
    style = table.style.apply(lambda _: looks, axis=None)
    return style.format("{:d}" if places is None else f"{{:.{places}f}}")


def _text_on(grey: int) -> str:
    # At this grey black and white text stand out equally (contrast 4.6 by WCAG 2).
    return "#000000" if grey > 117 else "#ffffff"


def _absent(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
