from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets.scatter import Colouring, Source, scatter
from tests.dashboard.conftest import Fire, Shown


def page() -> None:
    import numpy as np
    import streamlit as st

    from dashboard.widgets.scatter import Colouring, Mark, Selected, Source, happened, scatter

    event = happened("m")
    if event != type(event)():
        st.session_state["event"] = event
    wide = st.session_state.get("wide", False)
    scatter(
        Source("/points/x", "/thumbnails/x/", True, 3),
        Colouring(np.array([0, 1, 300 if wide else 255]).astype("u2" if wide else "u1"), ["#000"]),
        key="m",
        label="Map",
        selected=Selected(np.array([True, False, True]), 12, ((0, 0), (10_000, 0), (5000, 2500))),
        marks=[Mark(0.5, 0.25, "upload")],
    )


def start() -> AppTest:
    return AppTest.from_function(page, default_timeout=20).run()


def test_the_browser_gets_codes_the_selection_and_marks(shown: Shown) -> None:
    data = shown(start(), "m")
    assert base64.b64decode(data["codes"]) == bytes([0, 1, 255])
    assert base64.b64decode(data["selected"]) == bytes([0b101])
    assert (data["selected_total"], data["wide"]) == (12, False)
    assert data["outline"] == [[0, 0], [1, 0], [0.5, 0.25]]
    assert data["marks"] == [{"x": 0.5, "y": 0.25, "name": "upload"}]


def test_more_kinds_than_a_byte_holds_go_as_two(shown: Shown) -> None:
    at = AppTest.from_function(page, default_timeout=20)
    at.session_state["wide"] = True
    data = shown(at.run(), "m")
    assert data["wide"] is True
    codes = np.frombuffer(base64.b64decode(data["codes"]), "<u2")
    assert codes.tolist() == [0, 1, 300]


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"outline": [[0, 0], [5, 0], [5, 5]]}, {"outline": ((0, 0), (5, 0), (5, 5))}),
        ({"outline": [[0, 0], [5, 0], [5, 5]], "add": True}, {"added": True}),
        ({"opened": "s1"}, {"opened": "s1"}),
        ({"clear": True}, {"cleared": True}),
    ],
)
def test_what_the_user_did_is_told_once(
    fire: Fire, payload: dict[str, Any], wanted: dict[str, Any]
) -> None:
    at = fire(start(), "m", {"n": 1, **payload})
    event = at.session_state["event"]
    assert {name: getattr(event, name) for name in wanted} == wanted
    del at.session_state["event"]
    at.run()
    assert "event" not in at.session_state


@pytest.mark.parametrize(
    "payload", [{"outline": [[0, 0], ["x", 0], [5, 5]]}, {"opened": 7}, {"clear": "yes"}]
)
def test_what_makes_no_sense_is_nothing(fire: Fire, payload: dict[str, Any]) -> None:
    at = fire(start(), "m", {"n": 1, **payload})
    assert "event" not in at.session_state


def test_one_code_a_point_is_needed() -> None:
    with pytest.raises(ValueError, match="Received: 2 codes, 3 points"):
        scatter(
            Source("/p", "/t/", False, 3),
            Colouring(np.zeros(2, np.uint8), ["#000"]),
            key="m",
            label="Map",
        )
