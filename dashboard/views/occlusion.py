"""Where the model looks: one image, its exact occlusion maps, and the patch under the pointer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import (
    embedding_data,
    estimates,
    images,
    live,
    occluding,
    selection,
    similar,
    uploads,
)
from dashboard.occluding import FILLS, Explained, Fill
from dashboard.points import SHARP
from dashboard.widgets import messages, number
from dashboard.widgets.colours import verdict
from dashboard.widgets.messages import notice, plain
from dashboard.widgets.occlusion import Panel, occlusion_maps

PATCH = "patch"
STRIDE = "stride"
HIDDEN = "hidden"
CLASS = "asked"
TAB = "about"
STOPPED = "occlusion_stopped"

PREDICTED = "the predicted one"


def choose_patch(side: int) -> tuple[int, int, Fill]:
    """Draw what a patch is: its side, the way to the next one, and what it shows.

    Args:
        side: Longer side of the model's images.
    """
    selection.of_workspace(PATCH, occluding.default_patch(side))
    selection.of_workspace(STRIDE, occluding.default_stride(side))
    for key in (PATCH, STRIDE):
        st.session_state[key] = min(max(int(st.session_state.get(key, 1)), 1), side)
    patch = st.number_input("Patch, pixels", 1, side, key=PATCH, bind="query-params", width=130)
    stride = st.number_input(
        "Stride, pixels",
        1,
        side,
        key=STRIDE,
        bind="query-params",
        width=130,
        help="From one position of the patch to the next: smaller is finer, and takes longer.",
    )
    hidden = st.segmented_control(
        "Hidden pixels show",
        list(FILLS),
        default="black",
        required=True,
        key=HIDDEN,
        bind="query-params",
        help="Black, the mean of this image, or the image itself, blurred. Black can itself be a "
        "sign of something; a mean or a blur says less.",
    )
    return int(patch), int(stride), hidden or "black"


def choose_class(classes: tuple[str, ...]) -> str | None:
    """Draw the choice of the class that is asked for; None for the predicted one."""
    selection.of_workspace(CLASS, None)
    if st.session_state.get(CLASS) not in classes:
        st.session_state[CLASS] = None
    return st.selectbox(
        "Class",
        classes,
        index=None,
        key=CLASS,
        bind="query-params",
        placeholder=PREDICTED,
        width=190,
    )


def panels_of(explained: Explained, asked: list[int], with_difference: bool) -> list[Panel]:
    """A map for each class asked for, and the difference of two."""
    maps = [explained.maps[..., at] for at in asked]
    panels = [
        Panel(
            classes[at],
            each,
            "probability",
            f"{number.percent(float(explained.clean[at]))} without a patch",
        )
        for at, each in zip(asked, maps, strict=True)
    ]
    if len(maps) == 2 and with_difference:
        title = f"{classes[asked[0]]} less {classes[asked[1]]}"
        note = "each as what the patch changes"
        change = [each - explained.clean[at] for at, each in zip(asked, maps, strict=True)]
        panels.append(Panel(title, change[0] - change[1], "difference", note))
    return panels


def step(by: int) -> None:
    """Go to the previous or the next image of the walk."""
    selection.open_image(str(table["sample_id"].iloc[int(order[place + by])]))


def facts(sample: pd.Series | None, explained: Explained) -> None:
    """What is known of the image, and the ways on."""
    best = int(explained.clean.argmax())
    said = f"predicted **{plain(classes[best])}** with " + number.percent(
        float(explained.clean[best])
    )
    if sample is None:
        st.markdown(f"An upload, {said}.")
        return
    look = verdict(classes[best] == str(sample["label"]))
    st.markdown(
        f"{look.icon} {look.word}: {sample['split']} image of class "
        f"**{plain(str(sample['label']))}**, {said}."
    )
    with st.container(horizontal=True, gap="small"):
        for name, page, icon in (
            ("Similar images", "similarity", ":material/image_search:"),
            ("Among the errors", "errors", ":material/rule:"),
            ("In the dataset", "dataset", ":material/photo_library:"),
        ):
            state = {selection.SPLIT: str(sample["split"])} if page == "errors" else None
            st.button(
                name,
                key=f"occlusion_to_{page}",
                icon=icon,
                type="tertiary",
                disabled=page == "similarity" and not embedding_data.searchable(run),
                on_click=selection.go,
                args=(page,),
                kwargs={"image": sample["sample_id"], "state": state},
            )


def go_on(known: Explained, what: tuple[object, ...]) -> None:
    """Refine the maps grid by grid, unless the user has enough of it.

    Args:
        known: The maps so far.
        what: Names the image and the patch.
    """
    done = f"{known.done:.0%} of the positions are known, every {known.stride} pixels"
    if st.session_state.get(STOPPED) == what:
        st.button(
            f"Go on: {done}",
            icon=":material/play_arrow:",
            on_click=st.session_state.pop,
            args=(STOPPED,),
        )
        return
    st.button(
        "Stop with what there is",
        icon=":material/stop:",
        on_click=st.session_state.__setitem__,
        args=(STOPPED, what),
    )
    left = known.milliseconds * (1 - known.done) / known.done / 1000
    with st.spinner(f"Refining: {done}; about {left:.0f} s left"):
        more = occluding.refine(run, image, patch, stride, fill)
    if more:
        st.rerun()


st.title("Occlusion", anchor=False)
workspace = selection.workspace()
run = selection.run()
classes = workspace.dataset.classes
headline = st.container()
table: pd.DataFrame = embedding_data.table(run)
controls = st.container(horizontal=True, vertical_alignment="bottom")
with controls:
    order = similar.walk(run, table)
    asked_class = choose_class(classes)

upload = uploads.shown()
named = selection.image()
rows = embedding_data.rows_of(workspace, [named] if named else [])
row = int(rows[0]) if len(rows) else int(order[0]) if len(order) else 0
places = np.flatnonzero(order == row)
if not len(places):
    # Its own link opens an image whatever is walked through.
    order = np.concatenate([[row], order])
place = int(places[0]) if len(places) else 0
sample = None
if upload is not None:
    pixels = upload.image
else:
    sample = table.iloc[row]
    pixels = images.pixels(workspace, sample["sample_id"])
image = live.to_input(run, pixels)
with controls:
    patch, stride, fill = choose_patch(max(image.shape[:2]))

try:
    explained = occluding.explain(run, image, patch, stride, fill)
except ValueError as error:
    with headline:
        notice("This model cannot be explained by occlusion", str(error))
    st.stop()

predicted = int(explained.clean.argmax())
wanted = classes.index(asked_class) if asked_class else predicted
asked = [wanted]
label = None if sample is None else classes.index(str(sample["label"]))
if len(classes) > 2:
    # Of two classes the second's map is the first's, upside down.
    others = [at for at in (label, predicted) if at is not None and at != wanted]
    asked += others[:1]
with headline:
    messages.finding(occluding.finding(explained, classes[wanted], wanted, patch))

known = estimates.find(run, patch, stride, fill) if explained.whole else []
shown = panels_of(explained, asked, with_difference=not known)
if known:
    exact = explained.maps[..., wanted]
    shown = [shown[0], *estimates.panels(known[0], image, wanted, exact), *shown[1:]]
channels = workspace.dataset.channels
channel = None if image.shape[2] in (1, 3) else 0
event = occlusion_maps(
    occluding.picture(image, channel),
    image.shape[1],
    image.shape[0],
    shown,
    key="occlusion_maps",
    label=f"Occlusion maps of {'the upload' if sample is None else sample['sample_id']}",
    patch=patch,
    stride=explained.stride,
    clean=float(explained.clean[wanted]),
    scale=occluding.scale(
        [each.values for each in shown if each.kind == "probability"],
        [float(explained.clean[at]) for at in asked],
    ),
    hidden=occluding.hidden_colour(image, fill),
    pixelated=max(image.shape[:2]) <= SHARP,
    index=place,
    total=len(order) if upload is None else 1,
)
if event.moved:
    step(1 if event.moved == "next" else -1)
    st.rerun()

left, right = st.columns([3, 2], gap="medium")
with left:
    facts(sample, explained)
    st.caption(
        f"Each position holds the probability with the patch there: low is where the model needs "
        f"the image. Image {place + 1:,} of {len(order):,} in this walk; p and n go to its "
        "neighbours, arrow keys move the patch, space plays."
    )
    st.caption(f"Exact, {occluding.took(explained)}. {plain(explained.why)}")
with right:
    uploads.choose(workspace, "occlusion_uploads")

if known:
    document = known[0].document
    st.markdown(estimates.finding(document))
    faithful, cost = st.tabs(["Fidelity", "Times"], key=TAB, bind="query-params")
    if faithful.open:
        with faithful:
            estimates.show_fidelity(document)
    if cost.open:
        with cost:
            estimates.show_times(document)

if not explained.whole:
    with left:
        go_on(explained, (row if upload is None else upload.id, patch, stride, fill))
