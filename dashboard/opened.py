"""One image of a run, large: its probabilities, what is known of it, and the way on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitAPIException

from cache import Dataset, Run
from dashboard import overlay, review_ways, selection
from dashboard.images import image_url, pixels
from dashboard.widgets import figures
from dashboard.widgets.marks import verdict
from dashboard.widgets.messages import notice, plain, told
from dashboard.widgets.viewer import Picture, viewer
from pipelines.methods import number
from pipelines.methods.colours import class_colours

BARS = 5
"""How many classes show their probability."""

AHEAD = 2
"""How many of the next images the browser fetches beforehand."""

OF_A_RUN = ["Loss", "Margin"]
"""Facts that several runs do not share."""

VIEW = "opened_view"
LEAVING = "opened_leaving"


def leave() -> None:
    """Go to the page that a button of the dialog asked for; the page calls this.

    The dialog cannot go itself: it reruns without the sidebar, and the URL would lose what is
    selected there.
    """
    to, sample_id, judging = st.session_state.pop(LEAVING, (None, None, None))
    if to == "labels":
        review_ways.review(judging, sample_id)
    elif to is not None:
        selection.go(to, image=sample_id)


@dataclass(frozen=True)
class Images:
    """The images of which a page shows one, large.

    Attributes:
        run: Whose answers they are.
        answers: Table of samples and predictions.
        order: Positions, in the table, of the images to walk through.
        view: The view of the images that the page shows.
        searchable: Whether there are neighbours to show.
        page: The page, a key of ``dashboard.pages.FILES``.
        others: Answers of further runs by their name, row by row of the same samples.
    """

    run: Run
    answers: pd.DataFrame
    order: np.ndarray
    view: str
    searchable: bool
    page: str = "errors"
    others: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def show(images: Images, messages: DeltaGenerator) -> None:
    """Show the image that the URL names, and walk through the others from it.

    Args:
        images: Those of the page.
        messages: Where to say that the image is not there.
    """
    sample_id = selection.image()
    if sample_id is None:
        return
    if (images.answers["sample_id"] == sample_id).any():
        _open(images)
        return
    workspace = images.run.workspace
    with messages:
        notice(
            "No such image",
            f"The link names an image '{sample_id}' that the workspace '{workspace.name}' does "
            "not have. It may belong to another workspace, or the samples were made anew.",
            icon=":material/search_off:",
        )
        key = f"{images.page}_unknown"
        st.button("Dismiss", key=key, on_click=selection.open_image, args=(None,))


@st.dialog("One image", width="large", on_dismiss=lambda: selection.open_image(None))
def _open(images: Images) -> None:
    # A dialog reruns on its own, outside of what the page says of its errors.
    with told():
        _show(images)


def _show(images: Images) -> None:
    run, answers, order, view = images.run, images.answers, images.order, images.view
    workspace = run.workspace
    sample_ids = answers["sample_id"]
    row = int(np.flatnonzero(sample_ids == selection.image())[0])
    listed = bool((order == row).any())
    if not listed:
        # Its own link opens an image whatever the filters let through.
        order = np.array([row])
    place = int(np.flatnonzero(order == row)[0])
    sample = answers.iloc[row]
    views = workspace.dataset.views
    picture_slot, facts = st.columns([3, 2], gap="medium")
    with picture_slot:
        slot = st.container()
        with st.container():
            read = partial(pixels, workspace, sample["sample_id"])
            laid = overlay.control(run, sample["sample_id"], read)
        if len(views) > 1:
            st.session_state.setdefault(VIEW, view)
            view = st.segmented_control("Channel", views, key=VIEW, required=True) or view
        if not listed:
            st.caption("The filters leave this image out; it is shown since the link names it.")
        near = (
            order[place + 1 : place + 1 + AHEAD].tolist()
            + order[max(0, place - 1) : place].tolist()
        )
        name = sample["path"] if isinstance(sample["path"], str) else sample["sample_id"]
        picture = Picture(
            image_url(workspace, sample["sample_id"], view),
            int(sample["width"]),
            int(sample["height"]),
            alt=f"{sample['split']} image, true {sample['label']}, predicted {sample['predicted']}",
            title=name,
        )
        with slot:
            event = viewer(
                picture,
                key="errors_viewer",
                index=place,
                total=len(order),
                label="Image of this selection",
                preload=[image_url(workspace, sample_ids.iloc[at], view) for at in near],
                listed=listed,
                overlay=laid.overlay,
                step=partial(selection.step_among, sample_ids.to_numpy()[order]),
            )
            if event.closed:
                selection.open_image(None)
                st.rerun()
    with facts:
        _facts(images, row)
    if laid.complete():
        _again()


def _again() -> None:
    """Run the dialog again; where the whole page is running, the page."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:
        st.rerun()


def _facts(images: Images, row: int) -> None:
    dataset, sample = images.run.workspace.dataset, images.answers.iloc[row]
    facts = facts_table(sample)
    if images.others:
        answer(dataset, sample, images.run.name)
        for name, table in images.others.items():
            answer(dataset, table.iloc[row], name)
        facts = facts.drop(index=OF_A_RUN)
    else:
        answer(dataset, sample)
    st.table(facts, border="horizontal", hide_header=True, alt="What is known of it")
    if dataset.simulated:
        st.caption(f":material/science: {plain(dataset.simulated)}")
    if dataset.label_noise:
        st.caption(f":material/shuffle: {plain(dataset.label_noise)}")
    st.caption("Link to this view of it")
    st.code(own_link(images.page), language=None, wrap_lines=True)
    with st.container(horizontal=True, gap="small"):
        similar = st.button(
            "Similar images",
            icon=":material/image_search:",
            disabled=not images.searchable,
            help=None if images.searchable else "This run has no embedding yet.",
        )
        maps = st.button("Occlusion maps", icon=":material/center_focus_strong:")
        there = st.button("Show on the dataset page", icon=":material/photo_library:")
        sheet = st.button("Error sheet", icon=":material/description:")
        judging = review_ways.judging(images.run)
        label = st.button(
            "Review its label", icon=":material/fact_check:", disabled=judging is None
        )
    ways = {
        "similarity": similar,
        "occlusion": maps,
        "dataset": there,
        "sheet": sheet,
        "labels": label,
    }
    for page in (page for page, asked in ways.items() if asked):
        st.session_state[LEAVING] = (page, sample["sample_id"], judging)
        st.rerun()


def answer(dataset: Dataset, sample: pd.Series, run: str | None = None) -> None:
    """What a run says of the image, and how sure it is; by name where there are several."""
    look = verdict(bool(sample["correct"]))
    who, loss = ("", "") if run is None else (f"{plain(run)} ", f", loss {sample['loss']:.3f} nats")
    st.markdown(
        f"**{look.icon} {who}{look.word}: true {plain(sample['label'])}, predicted "
        f"{plain(sample['predicted'])}** with {number.percent(float(sample['confidence']))}{loss}"
    )
    probabilities = sample[[f"p_{place}" for place in range(len(dataset.classes))]]
    values = probabilities.to_numpy(dtype=np.float64)
    st.plotly_chart(
        probability_figure(values, dataset.classes, {sample["label"]: "true"}),
        config=figures.CONFIG,
        key=f"errors_probabilities_{run}",
        alt=f"The {min(BARS, len(values))} most probable classes of this image",
    )
    rank = int((values > values[dataset.classes.index(sample["label"])]).sum()) + 1
    if rank > BARS:
        st.caption(f"The true class stands at place {rank} of {len(values)}.")


def probability_figure(
    values: np.ndarray, classes: Sequence[str], marked: Mapping[str, str]
) -> go.Figure:
    """The most probable classes as bars, and those that are marked where they are not among them.

    Args:
        values: Probability of each class, shape (classes,).
        classes: Their names.
        marked: Classes with a word that stands behind their name: ``true``.
    """
    places = np.argsort(-values, kind="stable")[:BARS].tolist()
    places += [at for name in marked if (at := classes.index(name)) not in places]
    colours = class_colours(classes)
    words = {name: f"{name} ({word})" for name, word in marked.items()}
    names = [words.get(classes[at], str(classes[at])) for at in places]
    figure = go.Figure(
        go.Bar(
            x=values[places].tolist(),
            y=list(range(len(places))),
            orientation="h",
            marker={"color": [colours[classes[at]] for at in places]},
            text=[number.percent(float(values[at])) for at in places],
            textposition="outside",
            cliponaxis=False,
            customdata=names,
            hovertemplate="%{customdata}: %{x:.2%}<extra></extra>",
        )
    )
    figures.plain(figure, height=36 + 30 * len(places), legend=False)
    figures.named_rows(figure, names)
    # Room to the right of a full bar for its number.
    figure.update_xaxes(range=[0, 1.18], visible=False)
    return figure.update_yaxes(showgrid=False)


def facts_table(sample: pd.Series) -> pd.DataFrame:
    """What the tables know of one image, as Markdown: one row a fact."""
    facts = {
        "Loss": f"{sample['loss']:.3f} nats",
        "Margin": f"{100 * sample['margin']:.1f} points before the second class",
        "Split": sample["split"] + (", made by the recipe" if sample["split_made"] else ""),
        "Size": f"{sample['width']} × {sample['height']} pixels",
        "Path": sample["path"],
        "Group": sample["group"],
        "Sample": sample["sample_id"],
    }
    if sample["leaked"]:
        facts["Leaked"] = "yes: its group or its pixels also stand in train"
    for column in sample.index:
        value = sample[column]
        if column.startswith("meta_") and not pd.isna(value):
            real = isinstance(value, float | np.floating)
            shown = number.measured(float(value)) if real else value
            facts[column.removeprefix("meta_").replace("_", " ").capitalize()] = shown
    known = {name: value for name, value in facts.items() if not pd.isna(value)}
    return pd.DataFrame(
        {"value": [plain(str(value)) for value in known.values()]},
        index=[plain(name) for name in known],
    )


def own_link(page: str) -> str:
    """Address of what is on screen now: page, workspace, run, filters and image."""
    address = selection.url(page)
    here = (st.context.url or "").rstrip("/").removesuffix(address)
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    return f"{here}{address}?{urlencode(query, doseq=True)}"
