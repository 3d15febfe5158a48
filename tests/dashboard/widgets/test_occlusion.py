from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets.occlusion import LEAST_DIFFERENCE, Panel, occlusion_maps
from pipelines.methods import colours
from tests.dashboard.conftest import Fire, Shown

ARGUMENTS: dict[str, Any] = {
    "key": "o",
    "label": "Maps",
    "patch": 3,
    "stride": 2,
    "clean": 0.9,
    "scale": (0.0, 1.0),
}


def script() -> None:
    import numpy as np
    import streamlit as st

    from dashboard.widgets.occlusion import Panel, occlusion_maps

    exact = np.linspace(0, 1, 12).reshape(3, 4)
    exact[1, 2] = np.nan
    estimate = np.full((3, 4), 0.5)
    maps = [
        Panel("Exact", exact, "probability", "0.06 ms"),
        Panel("Estimate", estimate.astype(np.float32).T.copy().T, "probability"),
        Panel("Difference", st.session_state.get("difference", exact - estimate), "difference"),
    ]
    occlusion_maps(
        "/images/x",
        8,
        5,
        maps[: st.session_state.get("count", 3)],
        key="o",
        label="Maps of an image",
        patch=3,
        stride=2,
        clean=0.97,
        scale=(0.25, 1.0),
        hidden="#000",
        index=st.session_state.get("index", 1),
        total=3,
        step=st.session_state.setdefault("steps", []).append,
    )


@pytest.fixture
def at() -> AppTest:
    return AppTest.from_function(script, default_timeout=20).run()


def floats(panel: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(panel["values"]), "<f4")


def test_maps_go_as_little_endian_floats_row_by_row(at: AppTest, shown: Shown) -> None:
    data = shown(at, "o")
    assert (data["rows"], data["columns"]) == (3, 4)
    wanted = np.linspace(0, 1, 12).astype(np.float32)
    wanted[6] = np.nan
    exact, estimate, difference = data["panels"]
    np.testing.assert_array_equal(floats(exact), wanted)
    np.testing.assert_array_equal(floats(estimate), np.full(12, 0.5))
    np.testing.assert_allclose(floats(difference), wanted - 0.5, rtol=1e-6)
    assert [panel["kind"] for panel in data["panels"]] == ["probability"] * 2 + ["difference"]
    assert (exact["title"], exact["note"], estimate["note"]) == ("Exact", "0.06 ms", "")


def test_the_browser_gets_the_image_and_the_patch(at: AppTest, shown: Shown) -> None:
    data = shown(at, "o")
    assert (data["src"], data["image_width"], data["image_height"]) == ("/images/x", 8, 5)
    assert (data["patch"], data["stride"], data["hidden"]) == (3, 2, "#000")
    assert (data["clean"], data["pixelated"]) == (0.97, True)
    assert (data["index"], data["total"]) == (1, 3)


def test_probabilities_have_the_scale_given_and_differences_one_about_zero(
    at: AppTest, shown: Shown
) -> None:
    scales = shown(at, "o")["scales"]
    assert (scales["probability"]["low"], scales["probability"]["high"]) == (0.25, 1.0)
    assert scales["probability"]["colours"][0] == "#440154", "viridis"
    assert (scales["difference"]["low"], scales["difference"]["high"]) == (-0.5, 0.5)
    assert scales["difference"]["colours"] == list(colours.DIVERGING)


def test_maps_without_a_patch_have_no_clean_probability_either(shown: Shown) -> None:
    def bare() -> None:
        import numpy as np

        from dashboard.widgets.occlusion import Panel, occlusion_maps

        maps = [Panel("cat", np.linspace(0, 1, 12).reshape(3, 4), "relative")]
        occlusion_maps("/x", 8, 5, maps, key="o", label="M", patch=None, stride=2, clean=None)

    at = AppTest.from_function(bare, default_timeout=20).run()
    assert not at.exception
    data = shown(at, "o")
    assert data["patch"] is data["clean"] is None
    assert (data["scales"]["relative"]["low"], data["scales"]["relative"]["high"]) == (0, 1)


@pytest.mark.parametrize("fill", [0.0, 1e-7, np.nan, np.inf])
def test_rounding_is_not_blown_up_to_a_difference(at: AppTest, shown: Shown, fill: float) -> None:
    at.session_state["difference"] = np.full((3, 4), fill, np.float32)
    scale = shown(at.run(), "o")["scales"]["difference"]
    assert (scale["low"], scale["high"]) == (-LEAST_DIFFERENCE, LEAST_DIFFERENCE)


def test_the_image_stands_alone_until_there_is_a_map(at: AppTest, shown: Shown) -> None:
    at.session_state["count"] = 0
    assert shown(at.run(), "o")["panels"] == []


def test_each_step_is_taken_once_before_the_run(at: AppTest, fire: Fire) -> None:
    for n, action in enumerate(["next", "previous", "close", "next"], start=1):
        at = fire(at, "o", {"n": n, "action": action})
    assert at.run().session_state["steps"] == [1, -1, 1]


@pytest.mark.parametrize("shape", [(5, 8), (4, 3), (3, 4, 1), (12,)])
def test_a_map_of_another_grid_is_refused(shape: tuple[int, ...]) -> None:
    panel = Panel("Exact", np.zeros(shape, np.float32), "probability")
    with pytest.raises(ValueError, match=r"shape=\(3, 4\)\. Received: shape=.* for the map 'Exac"):
        occlusion_maps("/x", 8, 5, [panel], **ARGUMENTS)


@pytest.mark.parametrize("scale", [(0.5, 0.5), (1.0, 0.0), (0.0, float("nan"))])
def test_a_scale_without_extent_is_refused(scale: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"Received: scale=\("):
        occlusion_maps("/x", 8, 5, [], **{**ARGUMENTS, "scale": scale})


@pytest.mark.parametrize("name", ["patch", "stride"])
@pytest.mark.parametrize("pixels", [0, -1, 1.5, True])
def test_only_whole_pixels_make_a_patch(name: str, pixels: Any) -> None:
    with pytest.raises(ValueError, match=f"The '{name}' of occlusion maps .* Received: {name}="):
        occlusion_maps("/x", 8, 5, [], **{**ARGUMENTS, name: pixels})


@pytest.mark.parametrize("clean", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(clean: float) -> None:
    with pytest.raises(ValueError, match="Received: clean="):
        occlusion_maps("/x", 8, 5, [], **{**ARGUMENTS, "clean": clean})
