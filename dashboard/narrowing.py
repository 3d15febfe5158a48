"""The controls that say which mistakes are looked at, bound to the URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import conditions, evidence, mistakes, selection
from dashboard.evidence import Evidence
from dashboard.images import first_read
from dashboard.mistakes import ANSWERS, Answer, Filters
from dashboard.widgets.matrix import MatrixSelection

TRUE: Final = "true"
PREDICTED: Final = "predicted"
ANSWER: Final = "answer"
LOW: Final = "min_confidence"
HIGH: Final = "max_confidence"
SORT: Final = "sort"
CHANNEL: Final = "channel"
WITHOUT_LEAKS: Final = "without_leaks"
SELECTED: Final = "selected"

MOST_IN_URL = 100
"""Most images ticked in a gallery that the URL names; a longer selection lives in the session."""


def show_only(true: Sequence[str], predicted: Sequence[str], answer: Answer = "all") -> None:
    """Let exactly the images of a cell or a class through: no other filter stays on.

    Call it before the controls are drawn, or in a callback.

    Args:
        true: True classes; none for any.
        predicted: Predicted classes; none for any.
        answer: Wrong answers, right ones, or all.
    """
    st.session_state[TRUE] = list(true)
    st.session_state[PREDICTED] = list(predicted)
    st.session_state[ANSWER] = answer
    st.session_state[LOW] = st.session_state[HIGH] = None
    conditions.clear()


def show_border(least: float) -> None:
    """Let exactly the mistakes through whose evidence lies at the border. Call it in a callback.

    Args:
        least: Share of the evidence that must lie there.
    """
    show_only([], [], "wrong")
    st.session_state[f"{evidence.BORDER}{conditions.FROM}"] = least


def selected_cell(classes: Sequence[str]) -> MatrixSelection:
    """The cell or class of the matrix that the filters stand for, drawn already or not.

    Args:
        classes: Names of all classes, in order.
    """
    true, predicted = (
        [name for name in _named(key) if name in classes] for key in (TRUE, PREDICTED)
    )
    if len(true) > 1 or len(predicted) > 1:
        return MatrixSelection()
    return MatrixSelection(
        classes.index(true[0]) if true else None,
        classes.index(predicted[0]) if predicted else None,
    )


def unknown_classes(classes: Sequence[str]) -> list[str]:
    """Classes that a link names and that are not there; the controls leave them out.

    Args:
        classes: Names of all classes.
    """
    given = [name for key in (TRUE, PREDICTED) for name in _named(key)]
    return [name for name in dict.fromkeys(given) if name not in classes]


def choose_filters(
    split: str,
    classes: Sequence[str],
    without_leaks: bool,
    answers: pd.DataFrame,
    maps: Evidence,
) -> tuple[Filters, str]:
    """Draw the filters and the choice of the order.

    Args:
        split: The split that is looked at.
        classes: Names of all classes, in order.
        without_leaks: Whether leaked images are left out.
        answers: Samples and what the run answered, with the columns of its maps.
        maps: Where the latter come from.

    Returns:
        The filters, and a key of ``ORDERS``.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        selection.of_workspace(ANSWER, "wrong")
        answer = st.segmented_control(
            "Answers", ANSWERS, required=True, key=ANSWER, bind="query-params"
        )
        low = _choose_bound("Confidence ≥ %", LOW, "0")
        high = _choose_bound("Confidence ≤ %", HIGH, "100")
        more = conditions.choose(answers, maps.origin, maps.refused)
        _offer_border(maps)
    with st.grid(3, min_column_width=150):
        true = _choose_classes("True class", TRUE, classes)
        predicted = _choose_classes("Predicted class", PREDICTED, classes)
        orders = mistakes.orders(answers)
        if st.session_state.get(SORT, orders[0]) not in orders:
            st.session_state[SORT] = orders[0]
        order = st.selectbox(
            "Order",
            orders,
            key=SORT,
            bind="query-params",
            help="Loss: minus the logarithm of the true class's probability. Confidence: the "
            "probability of the predicted class. Margin: how far it is before the second class.",
        )
    filters = Filters(
        split, true, predicted, answer or "wrong", low, high, without_leaks, tuple(more)
    )
    return filters, order


def choose_channel(views: Sequence[str], read: Sequence[str]) -> str:
    """Draw the choice of the channel that is shown, where there is more than one.

    Args:
        views: Views of the dataset's images.
        read: Channels that the run's model reads; the first of them is shown at first.
    """
    if len(views) == 1:
        return views[0]
    first = first_read(views, read)
    selection.of_workspace(CHANNEL, first)
    if st.session_state.get(CHANNEL, first) not in views:
        st.session_state[CHANNEL] = first
    chosen: str | None = st.segmented_control(
        "Channel", views, required=True, key=CHANNEL, bind="query-params"
    )
    return chosen or first


def choose_leaks(samples: pd.DataFrame, split: str) -> bool:
    """Draw the choice to leave leaked images out, where the workspace has any.

    Args:
        samples: All samples.
        split: The split that is looked at.

    Returns:
        Whether to leave them out; never where the split has none.
    """
    if not samples["leaked"].any():
        return False
    leaks = mistakes.leaked(samples, split)
    chosen = st.toggle(
        "Without leaked images",
        key=WITHOUT_LEAKS,
        bind="query-params",
        disabled=not leaks,
        help="Images whose group or exact pixels also stand in train. "
        f"{split.capitalize()} has {leaks:,}.",
    )
    return chosen and leaks > 0


def selected_images(known: pd.Series) -> tuple[str, ...]:
    """Images ticked in the gallery, by this session or by a link.

    Args:
        known: Every ``sample_id`` of the workspace.
    """
    selection.of_workspace(SELECTED, ())
    if SELECTED not in st.session_state:
        named = st.query_params[SELECTED].split(".")
        there = set(known[known.isin(named)])
        st.session_state[SELECTED] = tuple(name for name in named if name in there)
    chosen: tuple[str, ...] = st.session_state[SELECTED]
    return chosen


def select_images(sample_ids: tuple[str, ...]) -> None:
    """Keep the images ticked in the gallery, in the session and, if they are few, in the URL.

    Args:
        sample_ids: All that are ticked.
    """
    st.session_state[SELECTED] = sample_ids
    if 0 < len(sample_ids) <= MOST_IN_URL:
        named = ".".join(sample_ids)
        if st.query_params.get(SELECTED) != named:
            st.query_params[SELECTED] = named
    elif SELECTED in st.query_params:
        del st.query_params[SELECTED]


def _offer_border(maps: Evidence) -> None:
    """A click to the mistakes whose evidence lies at the border."""
    if evidence.BORDER not in maps.even:
        return
    even = maps.even[evidence.BORDER]
    # Rounded up, so that the field shows what is asked for.
    least = float(np.ceil(100 * even) / 100)
    st.button(
        "Evidence at the border",
        key="errors_border",
        icon=":material/crop_free:",
        type="tertiary",
        on_click=show_border,
        args=(least,),
        help="The mistakes whose evidence lies at the border: of what hiding a place of the image "
        f"costs, a share of {least:g} or more lies in the outer tenth of each side, which is more "
        f"than if it were spread evenly ({even:.2f}). Flat maps have no such place, and images "
        "without a map are left out.",
    )


def _choose_classes(label: str, key: str, classes: Sequence[str]) -> tuple[str, ...]:
    selection.of_workspace(key, [])
    if key in st.session_state:
        # A workspace made anew may have lost a class.
        st.session_state[key] = [name for name in st.session_state[key] if name in classes]
    return tuple(st.multiselect(label, classes, key=key, bind="query-params", placeholder="any"))


def _choose_bound(label: str, key: str, placeholder: str) -> float | None:
    selection.of_workspace(key, None)
    return st.number_input(
        label,
        min_value=0.0,
        max_value=100.0,
        value=None,
        step=5.0,
        format="%g",
        key=key,
        bind="query-params",
        placeholder=placeholder,
        width=130,
    )


def _named(key: str) -> list[str]:
    """Classes that a control, or before it is first drawn the URL, names."""
    if key in st.session_state:
        return list(st.session_state[key])
    return st.query_params.get_all(key)
