from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets.viewer import Overlay


def script() -> None:
    import streamlit as st

    from dashboard.widgets.viewer import Picture, viewer

    side = st.session_state.get("side", 21)
    st.session_state["event"] = viewer(
        Picture("/images/x", side, side, "a digit"),
        key="v",
        index=st.session_state.get("index", 1),
        total=3,
        picker=st.session_state.get("picker", True),
        region=st.session_state.get("region"),
        overlay=st.session_state.get("overlay"),
        step=st.session_state.setdefault("steps", []).append,
    )
    st.session_state["region"] = st.session_state["event"].region


@pytest.fixture
def at() -> AppTest:
    return AppTest.from_function(script, default_timeout=20).run()


def test_each_step_is_taken_once_before_the_run(at: AppTest, fire: Any) -> None:
    for n, action in enumerate(["next", "previous", "next"], start=1):
        at = fire(at, "v", {"n": n, "action": action})
        assert not at.session_state["event"].closed
    assert at.run().session_state["steps"] == [1, -1, 1]


def test_closing_happens_once(at: AppTest, fire: Any, shown: Any) -> None:
    assert not shown(at, "v")["closing"]
    at = fire(at, "v", {"n": 1, "action": "close"})
    assert at.session_state["event"].closed
    assert shown(at, "v")["closing"], "it stays on the page for a while"
    at = at.run()
    assert not at.session_state["event"].closed
    assert not shown(at, "v")["closing"]


def test_a_region_is_picked_and_stays_until_cleared(at: AppTest, fire: Any, shown: Any) -> None:
    at = fire(at, "v", {"n": 1, "region": [2, 3, 5, 21]})
    assert at.session_state["event"].region == (2, 3, 5, 21)
    assert at.session_state["event"].changed
    at = fire(at, "v", {"n": 2, "action": "next"})
    assert shown(at, "v")["region"] == [2, 3, 5, 21]
    at = fire(at, "v", {"n": 3, "region": None})
    assert at.session_state["event"].region is None


@pytest.mark.parametrize(
    "region", [[0, 0, 22, 1], [-1, 0, 2, 2], [3, 0, 3, 2], [0, 0, 1], "all", [0, 0, 1.5, 2]]
)
def test_a_region_outside_the_image_is_ignored(at: AppTest, fire: Any, region: Any) -> None:
    at = fire(at, "v", {"n": 1, "region": region})
    assert at.session_state["event"].region is None


def test_without_a_picker_there_is_no_region(at: AppTest, fire: Any, shown: Any) -> None:
    at.session_state["picker"] = False
    at.session_state["region"] = (0, 0, 1, 1)
    at.run()
    assert shown(at, "v")["region"] is None
    assert not at.session_state["event"].changed


def test_only_small_images_are_scaled_without_smoothing(at: AppTest, shown: Any) -> None:
    assert shown(at, "v")["pixelated"]
    at.session_state["side"] = 224
    assert not shown(at.run(), "v")["pixelated"]


def test_a_map_over_the_picture_has_its_own_pixels(at: AppTest, shown: Any) -> None:
    assert shown(at, "v")["overlay"] is None
    laid = Overlay(np.full((2, 3), 0.5, np.float32), 6, 4, 3, 2, 0.9, (0.4, 0.9), "What it is")
    at.session_state["overlay"] = laid
    told = shown(at.run(), "v")["overlay"]
    assert (told["image_width"], told["image_height"], told["columns"]) == (6, 4, 3)
    assert (told["says"], told["panels"][0]["kind"]) == ("What it is", "probability")
    at.session_state["overlay"] = dataclasses.replace(laid, stride=1)
    assert "one value a position, here shape=(4, 6)" in at.run().exception[0].message
