"""The pictures of the dataset page: a few of each class, all in one list, groups of duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cache import Workspace
from dashboard import embedding_data, selection
from dashboard.filters import IN_CLASS, View
from dashboard.images import thumbnail_url
from dashboard.widgets.gallery import Tile, TileSize, gallery, page_of
from dashboard.widgets.messages import plain
from dashboard.widgets.viewer import SMALL
from pipelines.methods import number

GRID = "grid"
ORDER = "order"
PANELS = "panels"

BY_CLASS, ONE_LIST = "by class", "one list"

CLASSES_A_PAGE = 10
TILES_A_CLASS = 10
TILES_A_PAGE = 60
GROUPS_A_PAGE = 8
TILES_A_GROUP = 12

SEED = 0
"""Of the random order, so that a link shows the same images to everybody."""

_TINY = 48

_ORDERS: dict[str, tuple[str, bool]] = {
    "darkest first": ("mean", True),
    "brightest first": ("mean", False),
    "lowest contrast": ("std", True),
    "highest contrast": ("std", False),
}
RANDOM, STORED = "random", "as stored"
ORDERS = (RANDOM, STORED, *_ORDERS)


@dataclass(frozen=True)
class Layout:
    """How images are laid out.

    Attributes:
        by_class: Whether they stand by class.
        order: One of ``ORDERS``.
        panels: Whether all channels of an image stand side by side.
    """

    by_class: bool
    order: str
    panels: bool


def layout(workspace: Workspace) -> Layout:
    """The layout that is chosen, whether or not its controls are on screen."""
    order = _chosen(ORDER)
    panels = str(_chosen(PANELS)).lower() == "true"
    return Layout(
        by_class=_chosen(GRID) != ONE_LIST,
        order=order if order in ORDERS else RANDOM,
        panels=panels and len(workspace.dataset.views) > 1,
    )


def controls(workspace: Workspace) -> None:
    """Draw the controls of the layout."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _at_first(GRID, BY_CLASS)
        st.segmented_control(
            "Layout", [BY_CLASS, ONE_LIST], required=True, key=GRID, bind="query-params"
        )
        st.selectbox(
            "Order",
            ORDERS,
            key=ORDER,
            bind="query-params",
            width=200,
            help="Brightness is the mean of an image's pixels, contrast their standard deviation.",
        )
        if len(workspace.dataset.views) > 1:
            st.toggle("All channels side by side", key=PANELS, bind="query-params")


def arranged(frame: pd.DataFrame, order: str, by_class: bool) -> pd.DataFrame:
    """Put samples in the order in which they are shown and walked through.

    Args:
        frame: Samples.
        order: One of ``ORDERS``.
        by_class: Whether the classes stand one after the other.
    """
    if order == RANDOM:
        shuffled = np.random.default_rng(SEED).permutation(len(frame))
        frame = frame.iloc[shuffled]
    elif order in _ORDERS:
        column, ascending = _ORDERS[order]
        frame = frame.sort_values(column, ascending=ascending, kind="stable")
    if by_class:
        frame = frame.iloc[np.argsort(frame["label"].cat.codes.to_numpy(), kind="stable")]
    return frame


def show_classes(workspace: Workspace, frame: pd.DataFrame, view: View, panels: bool) -> None:
    """A row of images for each class.

    Args:
        workspace: Where they are.
        frame: Samples, arranged by class.
        view: How to show them.
        panels: Whether to show all channels of each.
    """
    counts = frame["label"].value_counts(sort=False)
    names = [name for name in workspace.dataset.classes if counts[name] > 0]
    page = page_of(names, key="classes_page", per_page=CLASSES_A_PAGE)
    if page.total > len(page.items):
        st.caption(f"Classes {page.caption}.")
    views = workspace.dataset.views if panels else (view.channel,)
    most = max(1, TILES_A_CLASS // len(views))
    for name in page.items:
        of_class = frame[(frame["label"] == name).to_numpy()]
        shown = of_class.iloc[:most]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(name)}**", width="content")
            st.caption(
                f"{number.count(len(shown))} of {number.count(len(of_class))}", width="content"
            )
            if len(of_class) > len(shown):
                st.button(
                    "Show all",
                    key=f"all_of_{name}",
                    type="tertiary",
                    on_click=_show_class,
                    args=(name,),
                )
        _gallery(workspace, shown, views, f"of_class_{name}", f"Images of class {name}", False)


def show_list(workspace: Workspace, frame: pd.DataFrame, view: View, panels: bool) -> None:
    """All images, a page at a time; arguments as in :func:`show_classes`."""
    views = workspace.dataset.views if panels else (view.channel,)
    page = page_of(
        range(len(frame)), key="images_page", per_page=max(1, TILES_A_PAGE // len(views))
    )
    st.caption(f"Images {page.caption}.")
    shown = frame.iloc[page.first - 1 : page.last] if page.first else frame.iloc[:0]
    _gallery(workspace, shown, views, "dataset_list", "Images of the dataset", True)


def show_groups(
    workspace: Workspace, samples: pd.DataFrame, groups: pd.DataFrame, view: View
) -> None:
    """Groups of identical images, each with what makes it a problem.

    Args:
        workspace: Where they are.
        samples: All samples.
        groups: As ``sample_counts.duplicates`` returns.
        view: How to show them.
    """
    page = page_of(list(groups.index), key="groups_page", per_page=GROUPS_A_PAGE)
    if page.total > len(page.items):
        st.caption(f"Groups {page.caption}.")
    there = samples[samples["content_hash"].isin(list(page.items))]
    for digest in page.items:
        twins = there[there["content_hash"] == digest]
        shown = twins.iloc[:TILES_A_GROUP]
        st.markdown(_group_title(twins))
        if len(shown) < len(twins):
            st.caption(f"{len(shown)} of {number.count(len(twins))} shown.")
        _gallery(
            workspace,
            shown,
            (view.channel,),
            f"twins_{digest}",
            f"{len(shown)} images with the same pixels",
            True,
        )


def _group_title(twins: pd.DataFrame) -> str:
    labels = [str(name) for name in twins["label"].unique()]
    splits = [str(name) for name in twins["split"].cat.remove_unused_categories().cat.categories]
    parts = [f"**{number.plural(len(twins), 'identical image')}**"]
    if len(labels) > 1:
        parts.append(f":material/warning: labels differ: {plain(', '.join(labels))}")
    if len(splits) > 1:
        parts.append(f":material/call_split: across {' and '.join(splits)}")
    return " · ".join(parts)


def _gallery(
    workspace: Workspace,
    frame: pd.DataFrame,
    views: Sequence[str],
    key: str,
    label: str,
    with_class: bool,
) -> None:
    """Show samples, one tile a view, and open the one that is clicked."""
    tiles = [
        tile
        for sample in frame[["sample_id", "label", "split"]].itertuples(index=False)
        for tile in _tiles(workspace, sample, views, with_class)
    ]
    longest = int(frame[["width", "height"]].to_numpy().max(initial=0))
    size: TileSize = "small" if longest <= _TINY or not with_class else "medium"
    event = gallery(
        tiles,
        key=key.replace("__", "_"),
        label=label,
        empty="No image is left by the filters.",
        tile_size=size,
        pixelated=0 < longest <= SMALL,
        selectable=False,
        searchable=_searchable(workspace),
    )
    if event.similar is not None:
        selection.go("similarity", image=event.similar.partition("/")[0])
    if event.opened is not None:
        selection.open_image(event.opened.partition("/")[0])
        st.rerun()


def _searchable(workspace: Workspace) -> bool:
    """Whether the selected run can say which images are similar."""
    return bool(workspace.runs()) and embedding_data.searchable(selection.run())


def _tiles(
    workspace: Workspace, sample: tuple[str, ...], views: Sequence[str], with_class: bool
) -> list[Tile]:
    sample_id, label, split = (str(value) for value in sample)
    several = len(views) > 1
    return [
        Tile(
            id=f"{sample_id}/{view}" if several else sample_id,
            src=thumbnail_url(workspace, sample_id, view),
            alt=f"{label}, {split}" + (f", {view}" if several else ""),
            title=view if several else split,
            lines=(label,) if with_class else (),
        )
        for view in views
    ]


def _show_class(name: str) -> None:
    """Leave only one class, in one list."""
    st.session_state[IN_CLASS] = [name]
    st.session_state[GRID] = ONE_LIST


def _chosen(key: str) -> Any:
    """Value of a control, before it is drawn."""
    return st.session_state[key] if key in st.session_state else st.query_params.get(key)


def _at_first(key: str, default: str) -> None:
    """Value of a choice that means the same in every workspace."""
    if key not in st.session_state and key not in st.query_params:
        st.session_state[key] = default
