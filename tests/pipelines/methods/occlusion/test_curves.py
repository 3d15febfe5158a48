"""Deletion and insertion counted by hand, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.methods.occlusion.curves import curves


def mean_brightness(images: np.ndarray) -> np.ndarray:
    """A model of two classes: the second is as probable as the image is bright."""
    assert images.dtype == np.float32
    p = images.mean(axis=(1, 2, 3))
    return np.stack([1 - p, p], axis=1)


def test_curves_counted_by_hand() -> None:
    images = np.zeros((1, 2, 2, 1), np.float32)
    images[0, :, :, 0] = [[0.8, 0.4], [0.2, 0.0]]
    maps = np.array([[[0.1, 0.2], [0.3, 0.4]]], np.float32)
    found = curves(mean_brightness, images, np.float32(0), maps, np.array([1]), steps=4)
    assert found.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.deletion[0] == pytest.approx([0.35, 0.15, 0.05, 0, 0])
    assert found.insertion[0] == pytest.approx([0, 0.2, 0.3, 0.35, 0.35])
    assert found.deletion_area[0] == pytest.approx((0.35 / 2 + 0.15 + 0.05) / 4)
    assert found.insertion_area[0] == pytest.approx((0.2 + 0.3 + 0.35 + 0.35 / 2) / 4)
    other = curves(mean_brightness, images, np.float32(0), maps, np.array([0]), steps=4)
    assert other.deletion == pytest.approx(1 - found.deletion)


def loop(images, hidden, maps, classes, steps, stride):  # type: ignore[no-untyped-def]
    """The same one pixel set at a time."""
    n, height, width, _ = images.shape
    deletion, insertion = np.empty((2, n, steps + 1))
    for row in range(n):
        value = {}
        for i in range(height):
            for j in range(width):
                at = [
                    min((place + stride // 2) // stride, length - 1)
                    for place, length in zip((i, j), maps.shape[1:], strict=True)
                ]
                value[i, j] = maps[row, at[0], at[1]]
        order = sorted(value, key=lambda place: (value[place], place))
        for step in range(steps + 1):
            count = int(np.round(step * height * width / steps))
            without, with_ = images[row].copy(), np.broadcast_to(hidden[row], images[row].shape)
            with_ = with_.copy()
            for place in order[:count]:
                without[place], with_[place] = hidden[row][place], images[row][place]
            deletion[row, step] = mean_brightness(without[None])[0, classes[row]]
            insertion[row, step] = mean_brightness(with_[None])[0, classes[row]]
    return deletion, insertion


@settings(max_examples=25)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 7), st.integers(0, 99)
)
def test_curves_are_those_of_a_plain_loop(
    height: int, width: int, stride: int, steps: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    images, hidden = rng.random((2, 2, height, width, 2)).astype(np.float32)
    grid = (-(-height // stride), -(-width // stride))
    maps = np.round(rng.random((2, *grid)), 1)
    classes = rng.integers(0, 2, 2)
    found = curves(mean_brightness, images, hidden, maps, classes, steps, stride=stride)
    deletion, insertion = loop(images, hidden, maps, classes, steps, stride)
    assert found.deletion == pytest.approx(deletion, abs=1e-6)
    assert found.insertion == pytest.approx(insertion, abs=1e-6)


def test_the_model_is_asked_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.methods.occlusion import curves as module

    rng = np.random.default_rng(0)
    images, maps = rng.random((5, 6, 6, 1)).astype(np.float32), rng.random((5, 6, 6))
    sizes: list[int] = []

    def counting(asked: np.ndarray) -> np.ndarray:
        sizes.append(len(asked))
        return mean_brightness(asked)

    whole = curves(counting, images, np.zeros(1), maps, np.zeros(5, int))
    assert sum(sizes) == 5 * 40
    sizes.clear()
    monkeypatch.setattr(module, "_VALUES", 7 * 36)
    parts = curves(counting, images, np.zeros(1), maps, np.zeros(5, int))
    assert max(sizes) == 7
    assert parts.deletion == pytest.approx(whole.deletion)


def test_the_better_map_falls_and_rises_faster() -> None:
    images = np.zeros((1, 8, 8, 1), np.float32)
    images[0, 2:4, 2:4] = 1
    right, wrong = 1 - images[..., 0], images[..., 0]
    good = curves(mean_brightness, images, np.zeros(1), right, np.array([1]))
    bad = curves(mean_brightness, images, np.zeros(1), wrong, np.array([1]))
    assert good.deletion_area[0] < bad.deletion_area[0]
    assert good.insertion_area[0] > bad.insertion_area[0]


def test_the_stride_follows_from_the_shapes() -> None:
    images, maps = np.ones((1, 21, 21, 1), np.float32), np.zeros((1, 7, 7))
    assert curves(mean_brightness, images, np.zeros(1), maps, np.array([1])).deletion[0, -1] == 0


def test_no_images_have_no_curves() -> None:
    nothing = np.zeros((0, 4, 4, 1), np.float32)
    found = curves(mean_brightness, nothing, np.zeros(1), nothing[..., 0], np.zeros(0, int))
    assert found.deletion.shape == (0, 21)


def test_what_does_not_go_together_is_refused() -> None:
    images, maps, classes = np.ones((2, 9, 9, 1)), np.zeros((2, 9, 9)), np.zeros(2, int)
    with pytest.raises(ValueError, match="steps=0"):
        curves(mean_brightness, images, np.zeros(1), maps, classes, 0)
    with pytest.raises(ValueError, match=r"\(2, 9, 9, 1\), \(2, 9, 9\), \(1,\)"):
        curves(mean_brightness, images, np.zeros(1), maps, classes[:1])
    with pytest.raises(ValueError, match=r"9x9 have these.*maps of 7x9, stride=None"):
        curves(mean_brightness, images, np.zeros(1), maps[:, :7], classes)
    with pytest.raises(ValueError, match=r"maps of 9x9, stride=2"):
        curves(mean_brightness, images, np.zeros(1), maps, classes, stride=2)
