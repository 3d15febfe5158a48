from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets.matrix import MatrixSelection, confusion


def script() -> None:
    import numpy as np
    import streamlit as st

    from dashboard.widgets.matrix import confusion

    event = confusion(
        np.array([[5, 1, 0], [0, 4, 2], [3, 0, 6]]),
        ["a", "b", "c"],
        key="m",
        label="Confusion matrix of 3 classes",
        selected=st.session_state.get("cell"),
    )
    st.session_state["cell"] = event.selected
    st.session_state["changed"] = event.changed


@pytest.fixture
def at() -> AppTest:
    return AppTest.from_function(script, default_timeout=20).run()


def test_counts_reach_the_browser_row_by_row(at: AppTest, shown: Any) -> None:
    data = shown(at, "m")
    assert data["counts"] == [5, 1, 0, 0, 4, 2, 3, 0, 6]
    assert data["classes"] == ["a", "b", "c"]
    assert (data["true"], data["predicted"]) == (None, None)


@pytest.mark.parametrize(("true", "predicted"), [(2, 0), (1, None), (None, 2), (0, 0)])
def test_a_cell_or_a_class_is_selected_and_stays(
    at: AppTest, fire: Any, shown: Any, true: int | None, predicted: int | None
) -> None:
    at = fire(at, "m", {"n": 1, "true": true, "predicted": predicted})
    assert at.session_state["cell"] == MatrixSelection(true, predicted)
    assert at.session_state["cell"]
    assert at.session_state["changed"]
    at.run()
    assert at.session_state["cell"] == MatrixSelection(true, predicted)
    assert not at.session_state["changed"]
    assert (shown(at, "m")["true"], shown(at, "m")["predicted"]) == (true, predicted)


def test_nothing_selected_clears(at: AppTest, fire: Any) -> None:
    at = fire(at, "m", {"n": 1, "true": 2, "predicted": 0})
    at = fire(at, "m", {"n": 2, "true": None, "predicted": None})
    assert not at.session_state["cell"]
    assert at.session_state["changed"]


@pytest.mark.parametrize("place", [3, -1, 1.0, "1", True, [1]])
def test_a_place_outside_the_matrix_is_ignored(at: AppTest, fire: Any, place: Any) -> None:
    at = fire(at, "m", {"n": 1, "true": place, "predicted": 0})
    assert not at.session_state["cell"]


@pytest.mark.parametrize("shape", [(2, 3), (3, 3), (0, 0)])
def test_a_matrix_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    names = ["a", "b"] if shape != (0, 0) else []
    with pytest.raises(ValueError, match="Received: shape="):
        confusion(np.zeros(shape, int), names, key="m", label="Matrix")
