"""Which images only one of two runs gets right: four cells, or a cell of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import compared, selection
from dashboard.compared import Answers, Part
from dashboard.widgets.matrix import MatrixSelection, confusion
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.comparison import Paired, mcnemar
from pipelines.methods.intervals import rate

Cell = Literal["both", "first", "second", "neither", "differ"]
Side = Literal["first", "second"]

WHICH: Final = "which"

SIDES: Final[tuple[Side, ...]] = get_args(Side)

_BETWEEN = "~"


@dataclass(frozen=True)
class Duel:
    """Two of the runs that are compared, looked at closely.

    Attributes:
        answers: Answers of all runs.
        part: What they are compared on.
        first: Position of the reference.
        second: Position of the other run.
    """

    answers: Answers
    part: Part
    first: int
    second: int

    @property
    def names(self) -> tuple[str, str]:
        """Names of the two."""
        return self.part.names[self.first], self.part.names[self.second]

    @property
    def hits(self) -> np.ndarray:
        """Whether they are right, bool (2, n)."""
        return self.part.hits[[self.first, self.second]]

    @property
    def said(self) -> np.ndarray:
        """What they say, as codes, (2, n)."""
        return self.part.predicted[[self.first, self.second]]

    @property
    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Their tables of answers."""
        return self.answers.tables[self.first], self.answers.tables[self.second]

    @cached_property
    def paired(self) -> Paired:
        """Which of them is right how often, and McNemar's test."""
        return mcnemar(*self.hits)


@dataclass(frozen=True)
class Looked:
    """Which images of a pair of runs are looked at.

    Attributes:
        cell: Both right, only the first, only the second, neither; or their answers ``differ``.
        side: Whose confusion matrix ``true`` and ``predicted`` are of; None for none.
        true: True class, or None for any.
        predicted: What the run of that side says, or None for anything.
    """

    cell: Cell
    side: Side | None = None
    true: str | None = None
    predicted: str | None = None

    @property
    def together(self) -> bool:
        """Whether the two runs are right or wrong together on these images."""
        return self.cell in ("both", "neither")


def look(looked: Looked | None) -> None:
    """Look at other images; None for those that come first."""
    st.session_state[WHICH] = looked


def current(duel: Duel) -> Looked:
    """What is looked at, by this session or by a link; at first what one run alone has right."""
    selection.of_workspace(WHICH, None)
    if WHICH not in st.session_state:
        st.session_state[WHICH] = parse(st.query_params[WHICH])
    chosen: Looked | None = st.session_state[WHICH]
    if chosen is None:
        return Looked("second" if duel.paired.only_second > duel.paired.only_first else "first")
    return chosen


def remember() -> None:
    """Write what is looked at into the URL."""
    chosen: Looked | None = st.session_state.get(WHICH)
    if chosen is None:
        st.query_params.pop(WHICH, None)
    elif st.query_params.get(WHICH) != write(chosen):
        st.query_params[WHICH] = write(chosen)


def write(looked: Looked) -> str:
    """What is looked at as text for the URL: ``first``, or ``differ~second~8~3``."""
    if looked.side is None:
        return looked.cell
    return _BETWEEN.join([looked.cell, looked.side, looked.true or "", looked.predicted or ""])


def parse(text: str) -> Looked | None:
    """What the URL says is looked at, or None where it means nothing."""
    cell, *rest = text.split(_BETWEEN)
    known = next((each for each in get_args(Cell) if each == cell), None)
    if known is None or len(rest) not in (0, 3):
        return None
    side = next((each for each in SIDES if rest and each == rest[0]), None)
    if side is None:
        return Looked(known) if not rest else None
    return Looked(known, side, rest[1] or None, rest[2] or None)


def find(duel: Duel, looked: Looked) -> np.ndarray:
    """The images that are looked at, those first on which the losses of the two differ most.

    Where both are right or both wrong, those of the highest loss come first.

    Returns:
        Positions in the tables of the answers, int64 (found,).
    """
    of, said = duel.part, duel.said
    first, second = duel.hits
    keep = {
        "both": first & second,
        "first": first & ~second,
        "second": second & ~first,
        "neither": ~(first | second),
        "differ": said[0] != said[1],
    }[looked.cell]
    if looked.side is not None:
        for name, codes in (
            (looked.true, of.labels),
            (looked.predicted, said[SIDES.index(looked.side)]),
        ):
            if name is not None:
                keep = keep & (codes == _code(of.classes, name))
    found = np.flatnonzero(keep)
    losses = of.losses[[duel.first, duel.second]][:, found]
    weight = losses.sum(axis=0) if looked.together else np.abs(losses[0] - losses[1])
    return of.rows[found[np.argsort(-weight, kind="stable")]]


def describe(looked: Looked, names: tuple[str, str]) -> str:
    """What is looked at, as plain text.

    Args:
        looked: Which images.
        names: Names of the two runs.
    """
    first, second = names
    said = {
        "both": f"{first} and {second} right",
        "first": f"only {first} right",
        "second": f"only {second} right",
        "neither": f"{first} and {second} wrong",
        "differ": f"{first} and {second} answer differently",
    }[looked.cell]
    if looked.side is not None:
        if looked.true is not None:
            said += f", true {looked.true}"
        if looked.predicted is not None:
            said += f", {names[SIDES.index(looked.side)]} says {looked.predicted}"
    return said


def show_square(duel: Duel, looked: Looked) -> None:
    """Draw the four cells; a click on one shows its images.

    Args:
        duel: The two runs.
        looked: What is looked at now.
    """
    paired = duel.paired
    counts: dict[Cell, int] = {
        "both": paired.both,
        "first": paired.only_first,
        "second": paired.only_second,
        "neither": paired.neither,
    }
    with st.grid(2, min_column_width=140, gap="small"):
        for cell, count in counts.items():
            share = number.short_rate(rate(count, paired.n))
            words = plain(describe(Looked(cell), duel.names))
            st.button(
                f"**{count:,}** {words}  \n{share}",
                key=f"compare_{cell}",
                type="primary" if looked == Looked(cell) else "secondary",
                width="stretch",
                on_click=look,
                args=(Looked(cell),),
            )
    st.caption(
        f"Of {number.plural(paired.n, 'image')}; Wilson intervals. A click shows the images. "
        "McNemar's exact test asks whether the two cells in which only one run is right could be "
        f"equal: {number.p_value(paired.p_value)}."
    )


def show_matrices(duel: Duel, looked: Looked) -> None:
    """Draw both confusion matrices; a click shows where the other run says something else.

    Args:
        duel: The two runs.
        looked: What is looked at now.
    """
    of = duel.part
    classes = list(of.classes)
    with st.grid(2, min_column_width=230 if len(classes) <= 4 else 400, gap="medium"):
        for side, name in zip(SIDES, duel.names, strict=True):
            with st.container():
                st.markdown(f"**{plain(name)}**")
                event = confusion(
                    compared.confusion_of(of, of.names.index(name)),
                    classes,
                    key=f"compare_matrix_{side}",
                    label=f"Confusion matrix of {name} on {of.split}",
                    selected=_selected(looked, side, classes),
                )
                if event.changed:
                    true, predicted = (
                        None if place is None else classes[place]
                        for place in (event.selected.true, event.selected.predicted)
                    )
                    look(Looked("differ", side, true, predicted) if event.selected else None)
    st.caption(
        "Counts. A click on a cell or a class shows those of its images on which the other run "
        "says something else."
    )


def _code(classes: Sequence[str], name: str) -> int:
    """Code of a class; -1, which no image has, for one that is not there."""
    return list(classes).index(name) if name in classes else -1


def _selected(looked: Looked, side: Side, classes: Sequence[str]) -> MatrixSelection:
    if looked.side != side:
        return MatrixSelection()
    true, predicted = (
        classes.index(name) if name in classes else None for name in (looked.true, looked.predicted)
    )
    return MatrixSelection(true, predicted)
