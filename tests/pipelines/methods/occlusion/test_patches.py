from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from pipelines.methods.occlusion.patches import Patches, filled, of_class

sides = st.integers(1, 12)


@given(sides, sides, st.integers(1, 9), st.integers(1, 5))
def test_a_patch_is_centred_on_its_position_and_clipped(
    height: int, width: int, size: int, stride: int
) -> None:
    patches = Patches(height, width, size, stride)
    rows, columns = range(0, height, stride), range(0, width, stride)
    assert patches.shape == (len(rows), len(columns))
    assert patches.count == len(patches.boxes) and patches.boxes.dtype == np.int32
    assert patches.rows.tolist() == list(rows) and patches.columns.tolist() == list(columns)
    for (row, column), (top, left, bottom, right) in zip(
        [(row, column) for row in rows for column in columns], patches.boxes.tolist(), strict=True
    ):
        assert top == max(0, row - size // 2) and left == max(0, column - size // 2)
        assert bottom == min(height, row - size // 2 + size)
        assert right == min(width, column - size // 2 + size)
        assert top <= row < bottom and left <= column < right


@given(sides, sides, st.integers(1, 5), st.integers(1, 3))
def test_a_coarser_grid_is_a_part_of_a_finer_one(
    height: int, width: int, stride: int, times: int
) -> None:
    fine = Patches(height, width, 3, stride)
    coarse = Patches(height, width, 3, stride * times)
    grid = fine.boxes.reshape(*fine.shape, 4)
    assert np.array_equal(grid[::times, ::times], coarse.boxes.reshape(*coarse.shape, 4))


@pytest.mark.parametrize("name", ["size", "stride", "height"])
@pytest.mark.parametrize("value", [0, -3, 1.5, True, "3"])
def test_what_is_no_whole_number_of_pixels_is_refused(name: str, value: Any) -> None:
    given_values: dict[str, Any] = {"height": 5, "width": 5, name: value}
    with pytest.raises(ValueError, match=f"'{name}' .* integer >= 1. Received: {name}={value!r}"):
        Patches(**given_values)


def test_hidden_pixels_show_a_number_or_the_mean_of_their_channel() -> None:
    images = np.random.default_rng(0).random((2, 4, 5, 3)).astype(np.float32)
    for fill, expected in ((0, [0, 0, 0]), (0.25, [0.25] * 3), (np.array([1, 2, 3]), [1, 2, 3])):
        hidden = filled(images, fill, 3)
        assert hidden.shape == images.shape and hidden.dtype == np.float32
        assert (hidden == np.array(expected, np.float32)).all()


def test_a_blurred_copy_blurs_each_channel_of_each_image_by_itself() -> None:
    images = np.random.default_rng(0).random((2, 9, 8, 3)).astype(np.float32)
    hidden = filled(images, "blur", 2)
    assert hidden.dtype == np.float32
    alone = gaussian_filter(images[1, :, :, 2], 2, mode="nearest")
    np.testing.assert_allclose(hidden[1, :, :, 2], alone, atol=1e-6)
    constant = np.full((1, 6, 6, 1), 0.3, np.float32)
    np.testing.assert_allclose(filled(constant, "blur", 5), constant, atol=1e-6)


@pytest.mark.parametrize("fill", ["mean", [1.0, 2.0], None, np.zeros((2, 3)), float("nan")])
def test_another_fill_is_refused(fill: Any) -> None:
    with pytest.raises(ValueError, match="The 'fill' of an occlusion map must be"):
        filled(np.zeros((1, 4, 4, 3), np.float32), fill, 3)


def test_a_class_is_picked_for_all_images_or_for_each() -> None:
    maps = np.random.default_rng(0).random((3, 2, 4, 5)).astype(np.float32)
    assert np.array_equal(of_class(maps, 4), maps[..., 4])
    picked = of_class(maps, np.array([0, 4, 2]))
    assert picked.shape == (3, 2, 4) and picked.flags.c_contiguous
    assert np.array_equal(picked[1], maps[1, ..., 4])


@pytest.mark.parametrize("classes", [5, -1, 1.0, [0, 1], [[0, 1, 2]]])
def test_a_class_that_is_none_is_refused(classes: Any) -> None:
    with pytest.raises(ValueError, match="integers from 0 to 4"):
        of_class(np.zeros((3, 2, 4, 5), np.float32), classes)
