"""Where the model looks: one image, its exact occlusion maps, and the patch under the pointer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import (
    cams,
    embedding_data,
    estimates,
    faithful,
    following,
    images,
    live,
    looks,
    occluding,
    occlusion_controls,
    review_ways,
    selection,
    similar,
    study_map,
    trust,
    uploads,
    ways,
)
from dashboard.occluding import Explained, Question
from dashboard.points import SHARP
from dashboard.widgets import marks, messages
from dashboard.widgets.messages import notice, plain
from dashboard.widgets.occlusion import Panel, occlusion_maps
from pipelines.methods import number

TAB = "about"
STOPPED = "occlusion_stopped"


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


def facts(sample: pd.Series | None, clean: np.ndarray) -> None:
    """What is known of the image, and the ways on."""
    best = int(clean.argmax())
    said = f"predicted **{plain(classes[best])}** with {number.percent(float(clean[best]))}"
    if sample is None:
        st.markdown(f"An upload, {said}.")
        return
    look = marks.verdict(classes[best] == str(sample["label"]))
    st.markdown(
        f"{look.icon} {look.word}: {sample['split']} image of class "
        f"**{plain(str(sample['label']))}**, {said}."
    )
    with st.container(horizontal=True, gap="small"):
        searchable = embedding_data.searchable(run)
        ways.button("similarity", sample["sample_id"], origin="occlusion", disabled=not searchable)
        ways.button("errors", sample["sample_id"], origin="occlusion", split=sample["split"])
        ways.button("dataset", sample["sample_id"], origin="occlusion")
        ways.button("sheet", sample["sample_id"], origin="occlusion")
        review_ways.review_button(run, str(sample["sample_id"]), "occlusion_to_labels")


def go_on(known: Explained, what: tuple[object, ...]) -> None:
    """Refine the maps part by part, unless the user has enough of it.

    Args:
        known: The maps so far.
        what: Names the image and the patch.
    """
    if st.session_state.get(STOPPED) == what:
        st.button(
            f"Go on: {share_known(known)}",
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
    bar = st.progress(known.done, refining(known))
    # A click acts between two parts, where the bar moves.
    while now := occluding.refine(run, image, patch, stride, fill):
        if now.stride != known.stride:
            st.rerun()
        bar.progress(now.done, refining(now))


def refining(explained: Explained) -> str:
    """How far the maps are, and how long the rest takes."""
    left = explained.milliseconds * (1 - explained.done) / explained.done / 1000
    return f"Refining: {share_known(explained)}; about {left:.0f} s left"


def share_known(explained: Explained) -> str:
    """How much of the maps there is."""
    known = f"{explained.done:.0%} of the positions are known"
    return f"{known}, the maps show every {explained.stride} pixels"


def exact() -> Explained:
    """The exact maps as far as they are known, computed now where an estimate is shown."""
    with st.spinner("Computing the exact map …"):
        return occluding.explain(run, image, patch, stride, fill)


def show_fidelity() -> None:
    """How faithful estimates are, of this image and of test."""
    if not known:
        trust.no_network(question)
    else:
        st.markdown(estimates.finding(known[0].document))
        faithful.show_table(known[0].document)
        st.subheader("Each measure over test", anchor=False)
        faithful.show_spreads(known[0])
    st.subheader("Deletion and insertion, this image", anchor=False)
    if explained is None:
        st.caption("Of the estimate alone: no exact map was computed.")
    if explained is None or explained.whole:
        following.of_image(question, drawn, stride)
    else:
        st.caption("They follow as soon as every position of the map is known.")
    if known:
        st.subheader("Deletion and insertion over test", anchor=False)
        following.of_test(known[0].document, known[0].occlusion.areas(), workspace.command)
        st.subheader("Worst and best twenty", anchor=False)
        faithful.show_extremes(run, known[0])


def show_times() -> None:
    """What a map costs, each way."""
    if known:
        estimates.show_times(known[0].document)
    else:
        trust.no_network(question)


st.title("Occlusion", anchor=False)
workspace = selection.workspace()
run = selection.run()
classes = workspace.dataset.classes
headline = st.container()
table: pd.DataFrame = embedding_data.table(run)
controls = st.container(horizontal=True, vertical_alignment="bottom")
with controls:
    order = similar.walk(run, table)
    asked_class = occlusion_controls.choose_class(classes)

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
    networks = estimates.drawn_maps(run)
    patch, stride, fill = occlusion_controls.choose_patch(
        max(image.shape[:2]), networks[0][1:] if networks else None
    )
    if_trusted = trust.choose()

clean = live.probabilities(run, image[None])[0]
predicted = int(clean.argmax())
wanted = classes.index(asked_class) if asked_class else predicted
question = Question(run, image, patch, stride, fill, wanted)
known = estimates.find(run, patch, stride, fill)
verdict = None
if if_trusted and known and known[0].verify:
    verdict = trust.ask(known[0], image, wanted, predicted)
explained: Explained | None = None
if verdict is None or not verdict.trusted:
    try:
        explained = exact()
    except ValueError as error:
        with headline:
            notice("This model cannot be explained by occlusion", str(error))
        st.stop()

asked = [wanted]
label = None if sample is None else classes.index(str(sample["label"]))
if len(classes) > 2:
    # Of two classes the second's map is the first's, upside down.
    others = [at for at in (label, predicted) if at is not None and at != wanted]
    asked += others[:1]

if explained is None:
    assert verdict is not None, "an estimate is shown"
    drawn = {known[0].name: verdict.drawn}
    note = f"{classes[wanted]}, by {known[0].name}, two passes in {verdict.took:.1f} ms"
    shown = [Panel("Estimate", verdict.drawn, "probability", note)]
    sentence = trust.headline(verdict, classes[wanted], float(clean[wanted]), patch)
else:
    drawn = {following.EXACT: explained.maps[..., wanted]}
    shown = panels_of(explained, asked, with_difference=not (known and explained.whole))
    if known and explained.whole:
        one, took = estimates.drawn_by(known[0], image, wanted)
        drawn[known[0].name] = one
        pair = estimates.panels(known[0].name, one, took, drawn[following.EXACT])
        note = f"{classes[wanted]}, {occluding.took(explained)}"
        shown = [Panel("Exact", shown[0].values, "probability", note), *pair, *shown[1:]]
    sentence = occluding.finding(explained, classes[wanted], wanted, patch)
with headline:
    messages.finding(sentence)

channel = None if image.shape[2] in (1, 3) else 0
picture = occluding.picture(image, channel)
occlusion_maps(
    picture,
    image.shape[1],
    image.shape[0],
    shown,
    key="occlusion_maps",
    label=f"Occlusion maps of {'the upload' if sample is None else sample['sample_id']}",
    patch=patch,
    stride=stride if explained is None else explained.stride,
    clean=float(clean[wanted]),
    scale=occluding.scale(
        [each.values for each in shown if each.kind == "probability"],
        [float(clean[at]) for at in asked],
    ),
    hidden=occluding.hidden_colour(run, fill),
    pixelated=max(image.shape[:2]) <= SHARP,
    index=place,
    total=len(order) if upload is None else 1,
    revealed=occlusion_controls.revealed(),
    step=partial(selection.step_among, table["sample_id"].to_numpy()[order]),
)

left, right = st.columns([3, 2], gap="medium")
with left:
    facts(sample, clean)
    if if_trusted:
        st.markdown(verdict.why if verdict else trust.without(known))
    st.caption(
        f"Each position holds the probability with the patch there: low is where the model needs "
        f"the image. Image {place + 1:,} of {len(order):,} in this walk; p and n go to its "
        "neighbours, arrow keys move the patch, space plays."
    )
    if explained is not None and known and explained.whole:
        name = known[0].name
        st.caption(faithful.of_image(name, drawn[name], drawn[following.EXACT]))
    if explained is not None:
        st.caption(f"Exact, {occluding.took(explained)}. {plain(explained.why)}")
with right:
    uploads.choose(workspace, "occlusion_uploads")

tabs: dict[str, Callable[[], None]] = {
    "Fidelity": show_fidelity,
    "Trust": lambda: trust.show(question, known),
    "Times": show_times,
    "As the study made it": lambda: study_map.show(question, exact(), picture),
    "Grad-CAM": lambda: cams.show(question, exact(), picture),
    "Kinds of maps": lambda: looks.show(run),
}
for tab, show in zip(st.tabs(list(tabs), key=TAB, bind="query-params"), tabs.values(), strict=True):
    if tab.open:
        with tab:
            show()

if explained is not None and not explained.whole:
    with left:
        go_on(explained, (row if upload is None else upload.id, patch, stride, fill))
