from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pipelines.methods.pixels import (
    BINS,
    STATISTICS,
    content_hash,
    encode,
    histogram,
    prepare,
    statistics,
    to_channels,
    to_display,
    to_dtype,
    to_float,
)

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 3, 4]))


@st.composite
def images(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float32]))
    values = st.floats(0, 1, width=32) if dtype is np.float32 else None
    return draw(hnp.arrays(dtype, SHAPES, elements=values))


def noise(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype is np.float32:
        return rng.random(shape, dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grey_of_grey_colours_is_the_grey(dtype: type) -> None:
    grey = noise((6, 5, 1), dtype)
    back = to_channels(to_channels(grey, "rgb"), "grey")
    assert back.dtype == dtype
    assert back.shape == grey.shape
    np.testing.assert_allclose(back.astype(float), grey.astype(float), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grey_weighs_green_most(dtype: type) -> None:
    full = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    pure = (np.eye(3) * full).astype(dtype)[None]
    grey = to_float(to_channels(pure, "grey"))
    np.testing.assert_allclose(grey[0, :, 0], [0.299, 0.587, 0.114], atol=3e-3)


def test_channels_by_position() -> None:
    stamp = noise((21, 21, 4), np.float32)
    np.testing.assert_array_equal(to_channels(stamp, (2,)), stamp[..., 2:3])
    np.testing.assert_array_equal(to_channels(stamp, (3, 0)), stamp[..., [3, 0]])
    assert to_channels(stamp, None) is stamp


@pytest.mark.parametrize("channels", ["grey", "rgb", (4,), (-1,), ()])
def test_channels_that_are_not_there(channels: object) -> None:
    with pytest.raises(ValueError, match="Received"):
        to_channels(noise((3, 3, 4)), channels)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_resizing_keeps_dtype_and_level(dtype: type, channels: int) -> None:
    picture = noise((64, 48, channels), dtype)
    small = prepare(picture, (8, 6))
    assert small.shape == (8, 6, channels)
    assert small.dtype == dtype
    # Antialiasing averages: plain bilinear sampling of noise would keep its spread.
    assert to_float(small).std() < to_float(picture).std() / 3
    np.testing.assert_allclose(to_float(small).mean(), to_float(picture).mean(), atol=0.01)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_one_filter_for_all_dtypes(dtype: type) -> None:
    eight = noise((20, 20, 3))
    scale = 257 if dtype is np.uint16 else np.float32(1 / 255)
    other = (eight * dtype(scale)).astype(dtype)
    np.testing.assert_allclose(
        to_float(prepare(other, (7, 9))), to_float(prepare(eight, (7, 9))), atol=1.1 / 255
    )


def test_prepare_without_wishes_changes_nothing() -> None:
    picture = noise((5, 7, 3))
    np.testing.assert_array_equal(prepare(picture), picture)
    np.testing.assert_array_equal(prepare(picture, (5, 7)), picture)


def test_prepare_takes_channels_and_size() -> None:
    assert prepare(noise((5, 7, 3)), (10, 11), "grey").shape == (10, 11, 1)
    assert prepare(noise((5, 7, 1)), (10, 11), "rgb").shape == (10, 11, 3)


def test_constant_image_stays_constant() -> None:
    for level in (0, 1, 254, 255):
        picture = np.full((9, 13, 3), level, np.uint8)
        assert (prepare(picture, (4, 31), "grey") == level).all()


def test_to_float_of_full_range() -> None:
    for dtype in (np.uint8, np.uint16):
        scaled = to_float(np.array([0, np.iinfo(dtype).max], dtype))
        assert scaled.dtype == np.float32
        assert scaled.tolist() == [0, 1]
    assert to_float(np.array([0.25], np.float64)).dtype == np.float32


@pytest.mark.parametrize(
    ("dtype", "wider"),
    [(np.uint8, np.uint16), (np.uint8, np.float32), (np.uint16, np.float32)],
)
def test_wider_types_mean_the_same(dtype: type, wider: type) -> None:
    picture = noise((6, 5, 3), dtype)
    picture[0, 0] = np.iinfo(dtype).max
    wide = to_dtype(picture, np.dtype(wider))
    assert wide.dtype == wider
    np.testing.assert_allclose(to_float(wide), to_float(picture), atol=1e-7)
    assert to_dtype(picture, picture.dtype) is picture


def test_hash_is_that_of_the_pixels() -> None:
    picture = noise((4, 6, 1), np.uint16)
    name = content_hash(picture)
    assert len(name) == 32
    assert content_hash(picture.astype(">u2")) == name
    assert content_hash(np.asfortranarray(picture)) == name
    assert content_hash(picture.reshape(6, 4, 1)) != name
    assert content_hash(picture.astype(np.int32)) != name
    changed = picture.copy()
    changed[3, 5, 0] ^= 1
    assert content_hash(changed) != name


def test_hash_stays_what_it_was() -> None:
    # A changed hash would change every sample_id and lose the reviews that hang on them.
    assert content_hash(np.arange(6, dtype=np.uint8).reshape(2, 3, 1)) == (
        "c25a9941d114e05014445200caa56597"
    )


@settings(deadline=None)
@given(images())
def test_statistics_are_those_of_the_scaled_pixels(picture: np.ndarray) -> None:
    pictures = np.stack([picture, picture[::-1], np.zeros_like(picture)])
    measured = statistics(pictures)
    assert measured.shape == (3, 1 + picture.shape[-1], len(STATISTICS))
    assert measured.dtype == np.float32
    for each, figures in zip(pictures, measured, strict=True):
        scaled = to_float(each).astype(np.float64)
        rows = [scaled, *(scaled[..., i] for i in range(picture.shape[-1]))]
        wanted = [[row.mean(), row.std(), row.min(), row.max()] for row in rows]
        np.testing.assert_allclose(figures, wanted, atol=1e-5)


@settings(deadline=None)
@given(images())
def test_histogram_counts_every_pixel_once(picture: np.ndarray) -> None:
    pictures = np.stack([picture, np.zeros_like(picture)])
    shares = histogram(pictures)
    assert shares.shape == (2, picture.shape[-1], BINS)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-5)
    scaled = pictures.astype(np.float64)
    if picture.dtype != np.float32:
        scaled /= np.iinfo(picture.dtype).max
    for at, i in np.ndindex(shares.shape[:2]):
        counts, _ = np.histogram(scaled[at, ..., i], bins=BINS, range=(0, 1))
        np.testing.assert_allclose(shares[at, i], counts / counts.sum(), atol=1e-6)


def test_large_images_are_measured_like_small_ones() -> None:
    large = noise((2, 70, 80, 3))
    halves = large.reshape(2, 2, 35, 80, 3)
    parts = [histogram(half) for half in halves.swapaxes(0, 1)]
    np.testing.assert_allclose(histogram(large), (parts[0] + parts[1]) / 2, atol=1e-6)
    means = [statistics(half)[..., 0] for half in halves.swapaxes(0, 1)]
    np.testing.assert_allclose(statistics(large)[..., 0], (means[0] + means[1]) / 2, atol=1e-6)


def test_display_of_each_dtype() -> None:
    eight = noise((4, 5, 3))
    assert to_display(eight) is eight
    shown = to_display(np.array([[[0.0], [0.5], [1.0]]], np.float32))
    assert shown.dtype == np.uint8
    assert shown.tolist() == [[0, 128, 255]]


def test_display_stretches_sixteen_bits() -> None:
    dark = np.linspace(1000, 1500, 40 * 50).astype(np.uint16).reshape(40, 50, 1)
    shown = to_display(dark)
    assert shown.shape == (40, 50)
    assert (shown.min(), shown.max()) == (0, 255)
    assert abs(float(np.median(shown)) - 127.5) < 3


def test_display_of_a_constant_image() -> None:
    assert (to_display(np.full((3, 3, 1), 32_768, np.uint16)) == 128).all()


def test_display_needs_a_channel_chosen() -> None:
    with pytest.raises(ValueError, match=r"shape \(21, 21, 4\)"):
        to_display(noise((21, 21, 4), np.float32))


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3)])
def test_png_is_lossless(shape: tuple[int, ...]) -> None:
    picture = noise(shape)
    content = encode(picture, lossless=True)
    assert content.startswith(b"\x89PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), picture)


def test_thumbnail_keeps_its_proportions() -> None:
    content = encode(noise((300, 600)), 192, lossless=False)
    assert content[:4] == b"RIFF"
    assert content[8:12] == b"WEBP"
    assert Image.open(io.BytesIO(content)).size == (192, 96)


def test_thumbnail_of_a_line_keeps_a_pixel() -> None:
    content = encode(noise((1, 1000)), 100, lossless=True)
    assert Image.open(io.BytesIO(content)).size == (100, 1)


def test_small_images_are_not_enlarged() -> None:
    content = encode(noise((8, 8)), 192, lossless=True)
    assert Image.open(io.BytesIO(content)).size == (8, 8)


def test_beyond_what_webp_can_hold() -> None:
    content = encode(np.zeros((2, 16_400), np.uint8), lossless=False)
    assert content.startswith(b"\x89PNG")
