"""Conditions on what else is known of each image: what its source says, and its occlusion map.

Each is a widget bound to the parameter of the URL that is called like its column (with ``_from``
and ``_to`` for the ends of a range). An empty one means everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import evidence, selection
from dashboard.widgets.messages import plain
from pipelines.methods import number

KINDS = 30
"""A column with more different words than this is no filter."""

FROM, TO = "_from", "_to"

_META = "meta_"


@dataclass(frozen=True)
class Condition:
    """What a column must hold.

    Attributes:
        column: Its name.
        low: Least number, or None.
        high: Largest number, or None.
        kinds: Words of which it must be one; none for any.
    """

    column: str
    low: float | None = None
    high: float | None = None
    kinds: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What is asked for, as plain text."""
        said = label(self.column)
        if self.kinds:
            few = len(self.kinds) <= 3
            return f"{said}: " + (
                ", ".join(self.kinds) if few else number.plural(len(self.kinds), "kind")
            )
        said += "" if self.low is None else f" from {self.low:g}"
        return said + ("" if self.high is None else f" to {self.high:g}")

    def holds(self, table: pd.DataFrame) -> np.ndarray:
        """Which rows of a table it lets through, bool (n,); none without a value."""
        column = table[self.column]
        if self.kinds:
            return column.astype("str").isin(self.kinds).to_numpy(bool)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return column.between(low, high).to_numpy(bool)


def columns(table: pd.DataFrame) -> list[str]:
    """The columns that can be filtered by and drawn: numbers, and few words."""
    found = []
    for name in map(str, table.columns):
        # What is the same for all says nothing, but that there is a map does.
        least = 1 if evidence.is_of_map(name) else 2 if name.startswith(_META) else None
        if least is not None:
            different = table[name].nunique()
            if different >= least and (is_number(table[name]) or different <= KINDS):
                found.append(name)
    return found


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers (truth values are words)."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def label(name: str) -> str:
    """``meta_host_flux`` as ``host flux``, ``map_border`` as ``evidence at the border``."""
    if evidence.is_of_map(name):
        return evidence.label(name)
    return name.removeprefix(_META).replace("_", " ")


def choose(table: pd.DataFrame, origin: str = "", refused: Sequence[str] = ()) -> list[Condition]:
    """Draw the popover of conditions; nothing where there is nothing to filter by.

    Args:
        table: Samples, with the columns of occlusion maps where there are some.
        origin: Where the latter come from, as plain text.
        refused: Why there are no more of them, as plain text.

    Returns:
        What is asked for.
    """
    there = columns(table)
    if not there and not refused:
        return []
    found = []
    with st.popover("More filters", icon=":material/filter_list:"):
        of_maps = [name for name in there if evidence.is_of_map(name)]
        for name in [name for name in there if name not in of_maps]:
            found.append(_choose(table[name], name))
        if of_maps:
            st.markdown(f"**From {plain(origin)}**")
            for name in of_maps:
                found.append(_choose(table[name], name))
        for reason in refused:
            st.text(reason)
    return [condition for condition in found if condition is not None]


def clear() -> None:
    """Ask for nothing any more. Call it before the conditions are drawn, or in a callback."""
    for key, value in st.session_state.items():
        if str(key).startswith((_META, evidence.PREFIX)):
            st.session_state[key] = [] if isinstance(value, list) else None


def of_options(key: str, options: Sequence[str]) -> None:
    """Start a bound choice empty; drop what is no option any more."""
    selection.of_workspace(key, [])
    kept = st.session_state.get(key)
    if isinstance(kept, list) and not set(kept) <= set(options):
        st.session_state[key] = [each for each in kept if each in options]


def _choose(column: pd.Series, name: str) -> Condition | None:
    with st.grid(2, min_column_width=140):
        if is_number(column):
            # Two fields rather than a slider: one value far out would leave it no precision.
            low = _bound("from", name, FROM, float(column.min()))
            high = _bound("to", name, TO, float(column.max()))
            return None if low is None and high is None else Condition(name, low, high)
        there = sorted({str(value) for value in column.dropna().unique()})
        of_options(name, there)
        kinds = st.multiselect(
            label(name).capitalize(),
            there,
            key=name,
            bind="query-params",
            placeholder="All",
            help=evidence.meaning(name) if evidence.is_of_map(name) else None,
        )
        kept = tuple(kind for kind in kinds if kind in there)
        return Condition(name, kinds=kept) if kept else None


def _bound(word: str, name: str, ending: str, end: float) -> float | None:
    """One end of a range; empty leaves it open."""
    key = f"{name}{ending}"
    selection.of_workspace(key, None)
    told = "Images without this value are left out once you set a bound."
    if evidence.is_of_map(name):
        told = f"{evidence.meaning(name)} {told}"
    return st.number_input(
        f"{label(name)} {word}".capitalize(),
        value=None,
        key=key,
        bind="query-params",
        placeholder=f"{end:.2f}" if evidence.is_of_map(name) else number.measured(end),
        help=told,
    )
