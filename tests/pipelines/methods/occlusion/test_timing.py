"""When an estimator has paid, counted by hand."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.methods.occlusion import timing
from pipelines.methods.occlusion.timing import Times, break_even


def times(one: float, many: float | None = None, spread: float = 0.1) -> Times:
    def around(middle: float) -> dict[str, float]:
        return {"median": middle, "low": middle * (1 - spread), "high": middle * (1 + spread)}

    return {"one": around(one), "many": None if many is None else {**around(many), "images": 64}}


def test_the_maps_that_it_learns_from_are_paid_for_too() -> None:
    found = break_even(90.0, 1000, times(50, 12), times(9, 2))
    assert found == timing.Payback(10_200, 90.0, 1000, 12.0, "many")


def test_a_gain_within_the_spread_never_pays() -> None:
    assert break_even(1.0, 10, times(5, 10, spread=0.3), times(1, 6, spread=0.3)).images is None
    assert break_even(1.0, 10, times(5, 10, spread=0.2), times(1, 6, spread=0.2)).images is not None
    assert break_even(1.0, 10, times(5, 1), times(1, 6)).images is None


def test_one_image_is_compared_with_one_where_many_were_not_measured() -> None:
    found = break_even(100.0, 100, times(300), times(100, 250))
    assert found == timing.Payback(650, 100.0, 100, 30.0, "one")
    # As an earlier version wrote it.
    copied: Any = {"one": times(300)["one"], "many": times(300)["one"]}
    assert break_even(100.0, 100, copied, times(100, 250)) == found


def test_what_would_take_minutes_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_LONG_MS", 8.0)
    sizes: list[int] = []

    def maps(images: np.ndarray, hidden: np.ndarray) -> None:
        sizes.append(len(images))
        time.sleep(0.001 * len(images))

    engine: Any = SimpleNamespace(maps=maps)
    images = np.zeros((20, 4, 4, 1), np.float32)
    found = timing.of_engine(engine, images, images)
    assert found["many"] is None and set(sizes) == {1}
    few = timing.of_engine(engine, images[:4], images[:4])["many"]
    assert few is not None and few["images"] == 4 and few["median"] < 8
    monkeypatch.setattr(timing, "_MOMENT_MS", 8.0)
    sizes.clear()
    other = timing.of_other_way(engine, images, images)["many"]
    assert other is not None and 2 <= other["images"] <= 7 and len(sizes) < 15
