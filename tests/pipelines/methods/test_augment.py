"""Augmentation, each kind against a direct construction in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from pipelines.methods.augment import augment
from pipelines.methods.backend import load_tensorflow
from pipelines.recipe import Augmentation

COUNT, HEIGHT, WIDTH = 32, 9, 15
MIDDLE_Y, MIDDLE_X = (HEIGHT - 1) / 2, (WIDTH - 1) / 2


def changed(images: np.ndarray, seed: tuple[int, int] = (0, 0), **settings: Any) -> np.ndarray:
    load_tensorflow()
    import tensorflow as tf

    result: np.ndarray = augment(
        tf.constant(images, tf.float32), Augmentation(**settings), tf.constant(seed)
    ).numpy()
    assert result.shape == images.shape
    assert result.dtype == np.float32
    return result


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).random((COUNT, HEIGHT, WIDTH, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def same(noise: np.ndarray) -> np.ndarray:
    """One image many times."""
    return np.repeat(noise[:1], COUNT, axis=0)


ALL = {
    "shift_x": 0.2,
    "shift_y": 0.3,
    "rotation": 40,
    "zoom": 0.3,
    "brightness": (0.5, 2.0),
    "flip_horizontal": True,
    "flip_vertical": True,
}


def test_nothing_is_changed_where_all_is_off(noise: np.ndarray) -> None:
    assert (changed(noise) == noise).all()


@pytest.mark.parametrize("kind", [*ALL, "all"])
def test_the_seed_alone_decides(noise: np.ndarray, kind: str) -> None:
    settings = ALL if kind == "all" else {kind: ALL[kind]}
    first = changed(noise, (1, 2), **settings)
    assert (changed(noise, (1, 2), **settings) == first).all()
    for other in ((1, 3), (2, 2)):
        assert (changed(noise, other, **settings) != first).any()


@pytest.mark.parametrize("kind", [*ALL, "all"])
def test_each_image_is_changed_on_its_own(same: np.ndarray, kind: str) -> None:
    settings = ALL if kind == "all" else {kind: ALL[kind]}
    results = changed(same, (5, 5), **settings)
    different = len({image.tobytes() for image in results})
    assert different == 2 if kind.startswith("flip") else different == COUNT
    # What becomes of an image does not hang on what the others are.
    others = same.copy()
    others[1:] = 0
    assert (changed(others, (5, 5), **settings)[0] == results[0]).all()


@pytest.mark.parametrize("settings", [ALL, {"brightness": (0.0, 9.0)}, {"rotation": 180}])
def test_pixels_stay_within_0_and_1(noise: np.ndarray, settings: dict[str, Any]) -> None:
    extreme = np.round(noise)
    for seed in range(5):
        result = changed(extreme, (seed, 0), **settings)
        assert result.min() >= 0
        assert result.max() <= 1


@pytest.mark.parametrize(("kind", "axis"), [("flip_horizontal", 2), ("flip_vertical", 1)])
def test_flips_mirror_about_half_of_the_images(noise: np.ndarray, kind: str, axis: int) -> None:
    settings: dict[str, Any] = {kind: True}
    result = changed(noise, **settings)
    mirrored = np.flip(noise, axis)
    was_flipped = (result == mirrored).all(axis=(1, 2, 3))
    was_kept = (result == noise).all(axis=(1, 2, 3))
    assert (was_flipped ^ was_kept).all()
    assert 0.2 < was_flipped.mean() < 0.8


def test_brightness_multiplies(noise: np.ndarray) -> None:
    result = changed(noise, brightness=(0.6, 1.4))
    dark = noise < 0.5  # too dark to be cut off at 1
    factors = np.array([(r[d] / n[d]).mean() for r, n, d in zip(result, noise, dark, strict=True)])
    expected = np.clip(noise * factors[:, None, None, None], 0, 1)
    assert result == pytest.approx(expected, abs=1e-5)
    assert factors.min() >= 0.6
    assert factors.max() <= 1.4
    assert factors.min() < 0.75
    assert factors.max() > 1.25


def ramps() -> np.ndarray:
    """Channel 0 rises from left to right, channel 1 from top to bottom, so that the value of a
    pixel tells the place that it came from."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramp = np.stack([x / (WIDTH - 1), y / (HEIGHT - 1)], axis=-1).astype(np.float32)
    return np.repeat(ramp[None], COUNT, axis=0)


def came_from(result: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (x, y) that the pixels of changed ramps came from."""
    return result[..., 0] * (WIDTH - 1), result[..., 1] * (HEIGHT - 1)


def moved(image: np.ndarray, matrix: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """The image read at ``matrix @ (place - middle) + middle + shift``, the edge repeated."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    places = np.stack([x - MIDDLE_X, y - MIDDLE_Y]).reshape(2, -1)
    from_x, from_y = matrix @ places + np.array([[MIDDLE_X + shift[0]], [MIDDLE_Y + shift[1]]])
    planes = [
        map_coordinates(image[..., channel], [from_y, from_x], order=1, mode="nearest")
        for channel in range(image.shape[-1])
    ]
    return np.stack(planes, axis=-1).reshape(image.shape)


@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        ({"shift_x": 0.2}, (0.2 * WIDTH, 0)),
        ({"shift_y": 0.25}, (0, 0.25 * HEIGHT)),
        ({"shift_x": 0.1, "shift_y": 0.1}, (0.1 * WIDTH, 0.1 * HEIGHT)),
    ],
)
def test_shifts_move_by_up_to_their_share(
    noise: np.ndarray, settings: dict[str, float], limits: tuple[float, float]
) -> None:
    from_x, from_y = came_from(changed(ramps(), (3, 4), **settings))
    row, column = HEIGHT // 2, WIDTH // 2
    shifts = np.stack([from_x[:, row, column] - column, from_y[:, row, column] - row], axis=1)
    expected = [
        moved(image, np.eye(2), (x, y)) for image, (x, y) in zip(noise, shifts, strict=True)
    ]
    assert changed(noise, (3, 4), **settings) == pytest.approx(np.stack(expected), abs=1e-4)
    for values, limit in zip(shifts.T, limits, strict=True):
        assert np.abs(values).max() <= limit + 1e-4
        if limit:
            assert values.min() < -limit / 2
            assert values.max() > limit / 2
        else:
            assert values == pytest.approx(np.zeros(COUNT), abs=1e-4)


def linear_part(result: np.ndarray) -> np.ndarray:
    """Matrices (n, 2, 2) of maps about the middle, read off next to it."""
    from_x, from_y = came_from(result)
    row, column = HEIGHT // 2, WIDTH // 2
    for values, middle in ((from_x, MIDDLE_X), (from_y, MIDDLE_Y)):
        assert values[:, row, column] == pytest.approx(np.full(COUNT, middle), abs=1e-4)
    right = np.stack([v[:, row, column + 1] - v[:, row, column] for v in (from_x, from_y)], axis=1)
    down = np.stack([v[:, row + 1, column] - v[:, row, column] for v in (from_x, from_y)], axis=1)
    return np.stack([right, down], axis=2)


def test_rotations_turn_about_the_middle_by_up_to_their_angle(noise: np.ndarray) -> None:
    matrices = linear_part(changed(ramps(), (6, 7), rotation=30))
    angles = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    turns = np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])
    assert matrices == pytest.approx(turns, abs=1e-4), "a turn: no stretching, no shearing"
    expected = [moved(image, turn, (0, 0)) for image, turn in zip(noise, turns, strict=True)]
    assert changed(noise, (6, 7), rotation=30) == pytest.approx(np.stack(expected), abs=1e-4)
    degrees = np.rad2deg(angles)
    assert np.abs(degrees).max() <= 30.01
    assert degrees.min() < -15
    assert degrees.max() > 15


def test_zooms_scale_about_the_middle_by_up_to_their_share(noise: np.ndarray) -> None:
    matrices = linear_part(changed(ramps(), (8, 9), zoom=0.3))
    scales = matrices[:, 0, 0]
    assert matrices == pytest.approx(scales[:, None, None] * np.eye(2), abs=1e-4)
    expected = [moved(image, s * np.eye(2), (0, 0)) for image, s in zip(noise, scales, strict=True)]
    assert changed(noise, (8, 9), zoom=0.3) == pytest.approx(np.stack(expected), abs=1e-4)
    assert scales.min() >= 0.7 - 1e-4
    assert scales.max() <= 1.3 + 1e-4
    assert scales.min() < 0.85
    assert scales.max() > 1.15
