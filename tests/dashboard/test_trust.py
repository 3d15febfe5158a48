"""What is said and drawn of fidelity and of trust, from numbers made up by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard import faithful, following, study_map, trust
from dashboard.widgets import figures

SHARE = {"value": 0.25, "low": 0.2, "high": 0.3, "n": 80}
VERIFY: dict[str, Any] = {
    "estimator": "unet",
    "n": {"val": 40, "test": 80},
    "wanted": 0.04,
    "bound": 0.01,
    "accepted": SHARE,
    "error": {"value": 0.03, "low": 0.02, "high": 0.05, "n": 20},
    "error_of_rest": {"value": 0.09, "low": 0.08, "high": 0.1, "n": 60},
    "coverage": [0.5, 1.0],
    "risk": [0.05, 0.08],
    "best_risk": [0.03, 0.08],
    "random": 0.08,
    "gain": 0.75,
}
NONE = {"value": None, "low": None, "high": None, "n": 0}
UNTRUSTED = {**VERIFY, "bound": None, "error": NONE, "gain": None}


def test_the_risk_stands_between_the_best_and_a_random_order() -> None:
    lines = {line.name: line for line in trust.risk_figure(VERIFY).data}
    assert list(lines["random order"].y) == [0.08, 0.08]
    assert list(lines["by disagreement"].y) == [0.05, 0.08]
    assert list(lines["best order, by the error itself"].y) == [0.03, 0.08]
    bound = lines["the bound"]
    assert (bound.x[0], bound.y[0]) == (0.25, 0.03)
    assert bound.error_y.array[0] == pytest.approx(0.02)
    assert bound.error_y.arrayminus[0] == pytest.approx(0.01)
    assert len(trust.risk_figure(UNTRUSTED).data) == 3


def test_what_the_bound_does_is_said_in_words() -> None:
    told = trust.finding("unet", VERIFY)
    assert "at most **0.0100** apart" in told and "gains 75" in told
    table = trust.shares_table(VERIFY)
    assert table["error"].tolist()[0] == "0.0300 (0.0200 to 0.0500)"
    assert "every exact map is computed" in trust.finding("unet", UNTRUSTED)
    assert trust.shares_table(UNTRUSTED)["error"][0] == "–"


def test_flat_maps_have_boxes_of_their_own() -> None:
    values = np.linspace(0, 1, 101)
    table = pd.DataFrame(
        {
            "estimator": ["one"] * 101 + ["two"] * 101 + ["one"] * 3,
            "flat": [False] * 202 + [True] * 3,
            "ssim": [*values, *(values / 2), 0.9, 0.9, 0.9],
            "pearson": [*values, *values, np.nan, np.nan, np.nan],
        }
    )
    told, flat = faithful.spread_figure(table, ["one", "two"], "ssim").data
    assert list(told.y) == ["one", "two"]
    assert list(told.median) == pytest.approx([0.5, 0.25])
    assert list(told.q1) == pytest.approx([0.25, 0.125])
    assert list(told.upperfence) == pytest.approx([0.95, 0.475])
    assert (list(flat.y), list(flat.median)) == (["one"], [0.9])
    assert flat.line.color == figures.NEUTRAL
    assert len(faithful.spread_figure(table, ["one", "two"], "pearson").data) == 1


def test_the_areas_of_each_map_have_a_box() -> None:
    values = np.linspace(0, 1, 101)
    areas = pd.DataFrame(
        {
            "map": ["exact"] * 101 + ["third"] * 101,
            "deletion": [*values, *(values / 2)],
            "insertion": 0.5,
        }
    )
    exact, third = following.areas_figure(areas, "deletion", ["third"]).data
    assert (list(exact.y), list(third.y)) == (["exact"], ["third"])
    assert (exact.median[0], third.median[0]) == pytest.approx((0.5, 0.25))
    assert third.line.color == figures.NEUTRAL != exact.line.color


def test_each_measure_of_one_estimate_is_told() -> None:
    exact = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    told = faithful.of_image("unet", exact, exact)
    assert told == (
        "**unet** against the exact map: Pearson 1.000, Spearman 1.000, SSIM 1.000, overlap of "
        "the lowest tenth 1.000, MSE 0.0000, MAE 0.0000."
    )
    told = faithful.of_image("unet", exact, np.full((8, 8), 0.5, np.float32))
    assert "Pearson" not in told and told.endswith("the map is flat, correlations mean nothing.")


def test_baselines_are_grey_and_exact_maps_come_first() -> None:
    exact, third, network = following.looks(["exact", "third", "net"], ["third"])
    assert third["color"] == figures.NEUTRAL and "dash" in third
    assert len({exact["color"], third["color"], network["color"]}) == 3


def test_a_classifier_that_always_answers_the_same_has_the_map_of_the_record() -> None:
    empty = study_map.constant((21, 21), 3)
    assert empty.mean() == pytest.approx(0.581, abs=5e-4)
    assert empty.std() == pytest.approx(0.356, abs=1e-3)
    told = study_map.explanation(empty, np.full((21, 21), 0.7, np.float32), 3)
    assert "**+1.00**" in told and "at 0.00." in told and "at 21 × 21" not in told
