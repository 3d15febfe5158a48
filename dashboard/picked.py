"""Images picked on a map, or for it: what was picked, in the session and in the URL.

What is kept is not the images but what was asked for: an outline on a map, a cluster, an image
and its neighbours; a list of ids only where there is nothing shorter. Whatever shows them finds
them anew among all images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run
from cache.embeddings import embeddings, open_embedding
from cache.errors import CacheError
from dashboard import data, embedding_data, selection
from dashboard.points import PROJECTIONS, open_map
from dashboard.widgets.messages import plain
from dashboard.widgets.scatter import Outline, inside, parse_outline, write_outline
from pipelines.methods import number

PICKED: Final = "picked"

MOST_IN_URL: Final = 100
"""Most ids that the URL names; a longer list lives in the session."""

MOST_CHARACTERS: Final = 6_000
"""Longest text of a choice that goes into the URL."""

_BETWEEN, _WITHIN = "~", "."


@dataclass(frozen=True)
class Choice:
    """What was asked for.

    Attributes:
        kind: ``outline`` on a map, ``cluster``, ``near`` an image, or ``samples`` by id.
        embedding: Whose; empty for ``samples``.
        part: Projection of an outline, clustering of a cluster; what a list of ids is.
        values: Ids, or the cluster's number; the image first for ``near``.
        outlines: Outlines, of which an image must lie in one.
    """

    kind: Literal["outline", "cluster", "near", "samples"]
    embedding: str = ""
    part: str = ""
    values: tuple[str, ...] = ()
    outlines: tuple[Outline, ...] = ()


@dataclass(frozen=True)
class Picked:
    """The images that a choice means now.

    Attributes:
        choice: What was asked for.
        rows: int64 positions of the images, in order: of nearness for ``near``.
        said: What they are, in Markdown.
    """

    choice: Choice
    rows: np.ndarray
    said: str

    def mask(self, n: int) -> np.ndarray:
        """One truth value a sample."""
        chosen = np.zeros(n, bool)
        chosen[self.rows] = True
        return chosen


def pick(choice: Choice | None) -> None:
    """Pick images, or none; the page that shows them takes it from here."""
    st.session_state[PICKED] = choice


def pick_samples(sample_ids: Sequence[str], said: str) -> None:
    """Pick images by id.

    Args:
        sample_ids: Which ones.
        said: What they are, in a few words of plain text.
    """
    pick(Choice("samples", part=said, values=tuple(sample_ids)))


def add_outline(embedding: str, projection: str, outline: Outline, add: bool) -> None:
    """Pick what lies in an outline.

    Args:
        embedding: Name of the embedding whose map it was drawn on.
        projection: Which projection of it.
        outline: The outline.
        add: Keep what is picked by outlines of the same map.
    """
    before = current()
    outlines: tuple[Outline, ...] = (outline,)
    asked = Choice("outline", embedding, projection, outlines=outlines)
    if add and before is not None and replace(before, outlines=outlines) == asked:
        asked = replace(asked, outlines=(*before.outlines, outline))
    pick(asked)


def current() -> Choice | None:
    """What is picked, by this session or by a link."""
    selection.of_workspace(PICKED, None)
    if PICKED not in st.session_state:
        st.session_state[PICKED] = parse(st.query_params[PICKED])
    chosen: Choice | None = st.session_state[PICKED]
    return chosen


def remember() -> None:
    """Write what is picked into the URL, if it is short enough."""
    choice = current()
    text = None if choice is None else write(choice)
    if text is None:
        st.query_params.pop(PICKED, None)
    elif st.query_params.get(PICKED) != text:
        st.query_params[PICKED] = text


def find(run: Run) -> Picked | None:
    """The images that are picked, of a run; None where nothing is picked.

    A choice that belongs to another run, or to what is there no longer, picks nothing.
    """
    choice = current()
    if choice is None:
        return None
    if choice.kind == "samples":
        rows = embedding_data.rows_of(run.workspace, choice.values)
        return Picked(choice, rows, plain(choice.part) or "picked images")
    if choice.embedding not in {each.name for each in embeddings(run)}:
        return None
    try:
        return _find(run, choice)
    except CacheError:
        return None


def _find(run: Run, choice: Choice) -> Picked:
    embedding = open_embedding(run, choice.embedding)
    if choice.kind == "outline":
        shown = open_map(embedding, choice.part)
        within = np.zeros(len(shown.places), bool)
        for outline in choice.outlines:
            within |= inside(shown.places, outline)
        where = f"the {PROJECTIONS[choice.part]} map of {plain(embedding.title)}"
        return Picked(choice, np.flatnonzero(within), f"outlined on {where}")
    if choice.kind == "cluster":
        of = embedding_data.clusters(embedding)[choice.part].to_numpy()
        said = f"cluster {choice.values[0]} of {choice.part}, {plain(embedding.title)}"
        return Picked(choice, np.flatnonzero(of == int(choice.values[0])), said)
    rows = embedding_data.rows_of(run.workspace, choice.values[:1])
    near = embedding_data.graph(embedding).positions[rows[0]] if len(rows) else rows
    found = np.concatenate([rows, near[near >= 0]]).astype(np.int64)
    said = f"one image and its {max(0, len(found) - 1)} nearest by {plain(embedding.title)}"
    return Picked(choice, found, said)


def write(choice: Choice) -> str | None:
    """A choice as text for the URL, or None where it is too long."""
    if choice.kind == "samples" and len(choice.values) > MOST_IN_URL:
        return None
    outlines = [write_outline(each) for each in choice.outlines]
    parts = [choice.kind, choice.embedding, choice.part, _WITHIN.join([*choice.values, *outlines])]
    text = _BETWEEN.join(part.replace(_BETWEEN, " ") for part in parts)
    return text if len(text) <= MOST_CHARACTERS else None


def parse(text: str) -> Choice | None:
    """A choice from the URL, or None where the text means none."""
    parts = text.split(_BETWEEN)
    if len(parts) != 4:
        return None
    kind, embedding, part, rest = parts
    values = tuple(value for value in rest.split(_WITHIN) if value)
    if kind == "samples":
        return Choice("samples", part=part, values=values)
    if kind == "near" and len(values) == 1:
        return Choice("near", embedding, values=values)
    if kind == "cluster" and part in ("hdbscan", "kmeans") and values and values[0].isdecimal():
        return Choice("cluster", embedding, part, values[:1])
    if kind == "outline" and part in PROJECTIONS:
        outlines = [parse_outline(value) for value in values]
        known = tuple(each for each in outlines if each is not None)
        return Choice("outline", embedding, part, outlines=known) if known else None
    return None


def tally(table: pd.DataFrame, rows: np.ndarray) -> pd.Series:
    """How many of some images each class has, the largest first; only classes that have any."""
    counts = table["label"].iloc[rows].value_counts()
    return counts[counts > 0]


def describe(picked: Picked, run: Run) -> str:
    """A heading: ``34 of 1,797 images, outlined on the UMAP map of penultimate``."""
    total = sum(data.split_counts(run.workspace).values())
    return f"**{number.count(len(picked.rows))} of {number.plural(total, 'image')}**, {picked.said}"


def go_to_map(sample_ids: Sequence[str], said: str, run: str | None = None) -> None:
    """Pick images on the map and go there. Only for callbacks (``on_click=``).

    Args:
        sample_ids: The images.
        said: What they are.
        run: Whose map; None keeps the run.
    """
    pick_samples(sample_ids, said)
    selection.go("embeddings", run=run)
