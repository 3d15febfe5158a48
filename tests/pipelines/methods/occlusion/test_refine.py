from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.methods.occlusion import refine as refining
from pipelines.methods.occlusion.engine import Engine
from pipelines.methods.occlusion.patches import Patches
from pipelines.methods.occlusion.refine import refine


def counting(patches: Patches, seen: Counter[tuple[int, int]]) -> Engine:
    """An engine whose map tells its positions, and which notes what it is asked for."""

    def run(
        images: np.ndarray,
        hidden: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        progress: object,
    ) -> np.ndarray:
        seen.update((row, column) for row in rows.tolist() for column in columns.tolist())
        values = (1000 * rows[:, None] + columns)[None, :, :, None] + np.array([0.0, 0.5])
        return np.repeat(values.astype(np.float32), len(images), axis=0)

    return Engine("whole", "", patches, 1, run)


parts = st.sampled_from([0.0, 1e-5, 1e3])
"""Seconds of a part: a position at a time, a few, all of them."""


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(1, 80), parts)
@settings(max_examples=60)
def test_every_position_is_computed_once_and_every_stage_is_a_map(
    height: int, width: int, stride: int, coarsest: int, part: float
) -> None:
    patches = Patches(height, width, 3, stride)
    seen: Counter[tuple[int, int]] = Counter()
    engine = counting(patches, seen)
    images = np.zeros((2, height, width, 1), np.float32)
    strides, shares = [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refining, "PART", part)
        for stage in refine(engine, images, images, coarsest=coarsest):
            there = replace(patches, stride=stage.stride)
            expected = 1000.0 * there.rows[:, None] + there.columns
            assert stage.maps.shape == (2, *there.shape, 2)
            assert (stage.maps[1, ..., 0] == expected).all()
            finer = replace(patches, stride=max(stride, stage.stride // 2))
            assert there.count <= len(seen) and (len(seen) < finer.count or finer == there)
            assert stage.done == len(seen) / patches.count
            strides.append(stage.stride)
            shares.append(stage.done)
    assert set(seen.values()) == {1} and len(seen) == patches.count
    assert strides[-1] == stride and shares[-1] == 1.0
    assert all(a < b for a, b in pairwise(shares))
    assert all(a == 2 * b for a, b in pairwise(each for each, _ in groupby(strides)))
    first = replace(patches, stride=strides[0])
    if part == 0:
        assert len(strides) == 1 + patches.count - first.count
    assert first.count <= coarsest


def test_who_stops_asking_has_what_there_is() -> None:
    seen: Counter[tuple[int, int]] = Counter()
    engine = counting(Patches(64, 64, 3), seen)
    images = np.zeros((1, 64, 64, 1), np.float32)
    stages = refine(engine, images, images)
    assert not seen
    stage = next(stages)
    stages.close()
    assert stage.stride == 8 and stage.maps.shape == (1, 8, 8, 2) and len(seen) == 64
    assert stage.done == pytest.approx(64 / 4096)
