"""Everything about one image of a run, on one page with a link of its own."""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run, belonging
from cache.issues import LabelIssues, label_issues
from cache.review_database import is_there
from cache.reviews import VERDICTS
from dashboard import (
    data,
    embedding_data,
    overlay,
    quality_flags,
    review_state,
    review_ways,
    reviews,
    selection,
    similar,
    ways,
)
from dashboard.images import image_url, pixels, thumbnail_url
from dashboard.neighbourhoods import Scope, neighbours_of
from dashboard.overlay import Look
from dashboard.widgets.messages import plain, told
from dashboard.widgets.viewer import Picture, viewer
from pipelines.methods import number
from pipelines.methods.label_issues import NONE, WORDS

NEAREST: Final = 5
"""Nearest images of each class that are shown."""

CLASSES: Final = 4
"""Most classes whose nearest images are shown: more do not fit on one side of paper."""

_RANKS: Final = ("most", "second most", "third most", "fourth most")

STYLE: Final = """<style>
.views { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.views figure { flex: 1 1 4.5rem; max-width: 7rem; margin: 0; }
.views img { width: 100%; image-rendering: pixelated; border-radius: 0.25rem; }
.views figcaption { font-size: 0.8rem; overflow-wrap: anywhere; }
@media print {
  @page { size: A4; margin: 12mm; }
  :root { color-scheme: light !important; }
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"],
  [data-testid="stElementContainer"]:has(.stButton), .stButton, .stButtonGroup,
  .stVerticalBlock:has(> .stElementContainer > .stSelectbox) {
    display: none !important; }
  html, body, .stApp, .stMain, .stMainBlockContainer, [data-testid="stAppViewContainer"] {
    position: static !important; height: auto !important; overflow: visible !important;
    background: #FFFFFF !important; }
  .stMainBlockContainer { padding: 0 !important; zoom: 0.55; }
  .stApp * { color: #1B2128 !important; background-color: transparent !important;
    border-color: #D5DAE0 !important; --st-text-color: #1B2128 !important;
    --st-background-color: #FFFFFF !important; --st-secondary-background-color: #F3F5F7 !important;
    --st-border-color: #D5DAE0 !important; }
  .stGrid { grid-template-columns: repeat(2, minmax(0, 1fr)) !important; }
  .stGrid:has(> :nth-child(3):last-child) {
    grid-template-columns: repeat(3, minmax(0, 1fr)) !important; }
  .stPlotlyChart svg text { fill: #1B2128 !important; }
}
</style>"""
"""Its own look; on paper no sidebar and nothing to click, dark on white whatever the theme."""


def headline(sample: pd.Series) -> str:
    """The sentence that the page opens with, in Markdown."""
    sure = number.percent(float(sample["confidence"]))
    label, predicted = plain(str(sample["label"])), plain(str(sample["predicted"]))
    if sample["correct"]:
        return f"This {sample['split']} image of class {label} is right, with {sure}."
    return f"This {sample['split']} image of class {label} is taken for {predicted}, with {sure}."


def show_picture(run: Run, sample: pd.Series, view: str) -> None:
    """Draw the image large, and below it each of its views, where there are several.

    Args:
        run: Who answers.
        sample: The image, with what the run says of it.
        view: The one that is shown large.
    """
    _picture(run, sample, None, "Image", view)
    views = run.workspace.dataset.views
    if len(views) > 1:
        st.html(f'<div class="views">{"".join(_small(run, sample, each) for each in views)}</div>')


def show_map(run: Run, sample: pd.Series, view: str) -> None:
    """Draw where the model looks: the map of the cache, or one computed when asked for.

    Args:
        run: Who answers.
        sample: The image.
        view: What of the image is shown beneath the map.
    """
    sample_id = str(sample["sample_id"])
    st.subheader("Where the model looks", anchor=False)
    look = overlay.kept(run, sample_id)
    if look is None:
        if not run.artefact("train").exists:
            st.caption(f"The run {plain(run.name)} has not been trained yet.")
            return
        st.caption("The cache has no map of this image.")
        look = overlay.on_request(run, sample_id, partial(pixels, run.workspace, sample_id))
    if look is not None:
        _picture(run, sample, look, "Map", view)
        st.caption(look.caption)


def show_nearest(run: Run, table: pd.DataFrame, row: int) -> list[int]:
    """Draw the nearest images of each class; where there are more than :data:`CLASSES`, of the
    predicted, the true and the most probable others.

    Returns:
        Positions of its near-duplicates in the embedding that is shown.
    """
    st.subheader("Its nearest images", anchor=False)
    if not embedding_data.searchable(run):
        st.caption(
            f"The run {plain(run.name)} has no neighbours yet: name an embedding in the recipe, "
            "and make it."
        )
        st.code(run.workspace.command, language="bash", wrap_lines=True)
        return []
    embedding = selection.choose_embedding(run)
    sample = table.iloc[row]
    with st.grid(2, min_column_width=300):
        for word, label in _classes(run, sample):
            with st.container():
                st.markdown(f"**{plain(label)}**, {word}")
                found = neighbours_of(embedding, table, row, NEAREST, Scope(label=label))
                own = str(sample["label"])
                similar.wall(
                    run,
                    table,
                    found,
                    key=f"sheet_{word}",
                    label=own,
                    name=embedding.title,
                    small=True,
                )
                images = number.plural(found.gallery, "image")
                st.caption(f"Of {images}; below each its distance in {plain(embedding.title)}.")
    pairs = np.asarray(embedding_data.duplicates(embedding))
    return [int(at) for at in pairs[(pairs == row).any(axis=1)].ravel() if at != row]


def show_flags(run: Run, table: pd.DataFrame, row: int, near: list[int]) -> None:
    """Draw what is odd about the image itself."""
    st.subheader("Quality", anchor=False)
    odd = _oddities(run, str(table["sample_id"].iloc[row]))
    found = quality_flags.flags(table, row, near, odd)
    if not found:
        st.caption("No copies, no leak, and pixels like those of the other images.")
        return
    frame = pd.DataFrame({"value": [how for _, how in found]}, index=[what for what, _ in found])
    st.table(frame, border="horizontal", hide_header=True, alt="What is odd about the image")


def show_label(run: Run, sample: pd.Series) -> None:
    """Draw whether the label is suspected to be wrong, and what reviewers say of it."""
    st.subheader("Its label", anchor=False)
    searches = [each for each in label_issues(run) if each.artefact("issues").exists]
    if not searches:
        st.caption("Nobody has looked for wrong labels yet: add 'issues' to the run's recipe.")
    for each in searches:
        with told():
            st.markdown(_suspicion(each, str(sample["sample_id"])))
    with told():
        _show_reviews(run, sample)


def show_ways(run: Run, sample: pd.Series) -> None:
    """Draw the ways to every page about this image."""
    trained = run.artefact("train").exists
    sample_id = str(sample["sample_id"])
    with st.container(horizontal=True, gap="small"):
        for page, there in (
            ("errors", True),
            ("dataset", True),
            ("similarity", embedding_data.searchable(run)),
            ("occlusion", trained),
        ):
            ways.button(
                page,
                sample_id,
                origin="sheet",
                split=sample["split"],
                disabled=not there,
                type="secondary",
            )
        review_ways.review_button(run, sample_id, "sheet_to_labels", type="secondary")


def _picture(run: Run, sample: pd.Series, look: Look | None, label: str, view: str) -> None:
    alt = f"{sample['split']} image, true {sample['label']}, predicted {sample['predicted']}"
    viewer(
        Picture(
            image_url(run.workspace, str(sample["sample_id"]), view),
            int(sample["width"]),
            int(sample["height"]),
            alt=alt,
        ),
        key=f"sheet_{label}",
        index=0,
        total=1,
        label=label,
        height=300,
        closable=False,
        overlay=None if look is None else look.overlay,
    )


def _small(run: Run, sample: pd.Series, view: str) -> str:
    """One view of the image, with its name, as HTML."""
    name, src = escape(view), escape(thumbnail_url(run.workspace, str(sample["sample_id"]), view))
    return f'<figure><img src="{src}" alt="{name}"><figcaption>{name}</figcaption></figure>'


def _classes(run: Run, sample: pd.Series) -> list[tuple[str, str]]:
    """The classes whose nearest images are shown, with what each is of the image."""
    label, predicted = str(sample["label"]), str(sample["predicted"])
    if label == predicted:
        words = {label: "its class"}
    else:
        words = {predicted: "the predicted class", label: "the true class"}
    classes = run.workspace.dataset.classes
    values = sample[[f"p_{place}" for place in range(len(classes))]].to_numpy(dtype=np.float64)
    for rank, place in zip(_RANKS, np.argsort(-values, kind="stable"), strict=False):
        if len(words) < CLASSES:
            words.setdefault(classes[place], f"the {rank} probable class")
    return [(word, name) for name, word in words.items()]


def _suspicion(issues: LabelIssues, sample_id: str) -> str:
    artefact = issues.artefact("issues")
    what = f"The search for wrong labels '{issues.name}'"
    belonging.check_inputs(artefact, issues.run.workspace, what)
    table = _issues(str(artefact.folder), artefact.manifest.fingerprint, issues)
    name = f"Search *{plain(issues.name)}*"
    place = int(table.index.get_indexer(pd.Index([sample_id]))[0])
    if place < 0:
        return f"{name}: this image was not looked at."
    found, suspected = table.iloc[place], int((table["why"] != NONE).sum())
    measured = f"suspicion {found['suspicion']:.2f}, rank {found['rank']:,} of {len(table):,}"
    if found["why"] == NONE:
        return f"{name}: not suspected ({measured}; {suspected:,} labels are)."
    return (
        f"{name}: **rather {plain(str(found['suggested']))}** ({measured}): {WORDS[found['why']]}."
    )


def _oddities(run: Run, sample_id: str) -> pd.Series | None:
    """What the first search of the run that looked at the images themselves found of one."""
    for each in label_issues(run):
        artefact = each.artefact("quality")
        if artefact.exists and belonging.made_anew(run.workspace, artefact) is None:
            found = _quality(str(artefact.folder), artefact.manifest.fingerprint, each)
            return found.iloc[int(found.index.get_indexer(pd.Index([sample_id]))[0])]
    return None


def _show_reviews(run: Run, sample: pd.Series) -> None:
    found = pd.DataFrame()
    if is_there():
        latest = reviews.standing(run.workspace)
        found = latest[latest["sample_id"] == sample["sample_id"]]
    if found.empty:
        st.caption("No reviewer has judged this image.")
        return
    rows = pd.DataFrame(
        {
            "reviewer": [plain(name) for name in found["reviewer"]],
            "says": [
                VERDICTS[verdict] + review_state.outdated(given, str(sample["label"]))
                for verdict, given in zip(found["verdict"], found["given"], strict=True)
            ],
            "label": [
                number.UNKNOWN if pd.isna(each) else plain(each) for each in found["decided"]
            ],
            "note": [plain(note) for note in found["note"]],
            "when": found["at"].dt.strftime("%Y-%m-%d %H:%M UTC").to_list(),
        }
    )
    st.table(rows, border="horizontal", hide_index=True, alt="What reviewers say of the label")


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner="Reading the suspected labels …")
def _issues(folder: str, fingerprint: str, _issues: LabelIssues) -> pd.DataFrame:
    return _issues.table().set_index("sample_id")


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner="Reading what is odd …")
def _quality(folder: str, fingerprint: str, _issues: LabelIssues) -> pd.DataFrame:
    return _issues.quality().set_index("sample_id")
