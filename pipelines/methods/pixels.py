"""The one path from an image file to pixels, and from pixels to numbers and to a screen.

Training, serving, statistics and thumbnails all go through these functions, so that a model never
sees other pixels than the ones a person is shown. An image is an array (height, width, channels)
of uint8 in 0..255, uint16 in 0..65535, or float32 in [0, 1]. No function here keeps state: all may
be called from many threads at once.
"""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Literal

import numpy as np
from PIL import Image

from pipelines.methods.decoding import FORMATS, MAX_PIXELS, UnreadableImageError, decode

__all__ = [
    "BINS",
    "FORMATS",
    "MAX_PIXELS",
    "STATISTICS",
    "Channels",
    "UnreadableImageError",
    "content_hash",
    "data_url",
    "decode",
    "encode",
    "histogram",
    "media_type",
    "prepare",
    "statistics",
    "to_channels",
    "to_display",
    "to_dtype",
    "to_float",
    "view_of",
]

STATISTICS = ("mean", "std", "min", "max")
"""The columns of what :func:`statistics` returns."""

BINS = 64
"""Number of equal bins of [0, 1] that :func:`histogram` counts in."""

Channels = Literal["grey", "rgb"] | tuple[int, ...] | None
"""Channels to take: a colour space, positions on the channel axis, or None for all as they are."""

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow and TensorFlow
_LARGE = 4096
"""Pixels from which on counting an image by itself is faster than many at once."""

_WEBP_MAX_SIDE = 16_383
_STRETCH = (0.5, 99.5)


def to_channels(array: np.ndarray, channels: Channels) -> np.ndarray:
    """Takes channels of an image.

    Args:
        array: Image (height, width, channels).
        channels: ``"grey"`` (luma of ITU-R BT.601), ``"rgb"`` (grey is repeated), positions on
            the channel axis, or None for all.

    Returns:
        Image (height, width, 1), (height, width, 3) or (height, width, len(channels)), same dtype.

    Raises:
        ValueError: The image does not have what is asked for.
    """
    if channels is None:
        return array
    count = array.shape[-1]
    if isinstance(channels, tuple):
        if not channels or not all(0 <= channel < count for channel in channels):
            raise ValueError(
                f"The 'channels' must be positions from 0 to {count - 1}. Received: {channels}. "
                "Choose among the channels that the image has."
            )
        return array[..., list(channels)]
    wanted = {"grey": 1, "rgb": 3}.get(channels)
    if wanted is None or count not in (1, 3):
        raise ValueError(
            f"An image with {count} channels cannot become {channels!r}. Received: an array of "
            f"shape {array.shape}. Ask for 'grey' or 'rgb' of an image with 1 or 3 channels, or "
            "for channels by position."
        )
    if count == wanted:
        return array
    if channels == "rgb":
        return np.repeat(array, 3, axis=-1)
    if array.dtype == np.uint8:
        return np.asarray(_pillow(array).convert("L"))[..., None]
    grey = array @ np.array(_LUMA, np.float32 if array.dtype == np.float32 else np.float64)
    return _cast(grey[..., None], array.dtype)


def prepare(
    array: np.ndarray, size: tuple[int, int] | None = None, channels: Channels = None
) -> np.ndarray:
    """Brings an image to the channels and the size that a model reads.

    Resizing is bilinear and, when it shrinks, averages over all pixels that fall together
    (Pillow's antialiasing); the aspect ratio is not kept.

    Args:
        array: Image (height, width, channels).
        size: Height and width wanted, in pixels, or None to leave them.
        channels: As in :func:`to_channels`.

    Returns:
        Image of the size and channels asked for, same dtype.

    Raises:
        ValueError: The image does not have the channels that are asked for.
    """
    return _resize(to_channels(array, channels), size, Image.Resampling.BILINEAR)


def to_float(array: np.ndarray) -> np.ndarray:
    """Scales pixels to [0, 1].

    Args:
        array: Pixels of any shape: uint8, uint16, or float already in [0, 1].

    Returns:
        float32 of the same shape.
    """
    if np.issubdtype(array.dtype, np.floating):
        return array.astype(np.float32, copy=False)
    scaled: np.ndarray = array.astype(np.float32) / np.float32(_full_scale(array.dtype))
    return scaled


def to_dtype(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Brings pixels to a wider dtype without changing what they mean.

    Args:
        array: Pixels of any shape: uint8, uint16, or float in [0, 1].
        dtype: uint8, uint16 or float32, at least as wide as the array's.

    Returns:
        Array of that dtype: 255 of uint8 becomes 65,535 of uint16 and 1.0 of float32.
    """
    if array.dtype == dtype:
        return array
    if np.issubdtype(dtype, np.floating):
        return to_float(array)
    return array.astype(dtype) * (_full_scale(dtype) // _full_scale(array.dtype))


def content_hash(array: np.ndarray) -> str:
    """Names an image by its pixels: equal images, and only they, share a hash.

    Args:
        array: Image of any shape and dtype.

    Returns:
        32 hexadecimal digits (BLAKE2b, 128 bits) over shape, dtype and pixels.
    """
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.blake2b(f"{little.dtype.name}{little.shape}".encode(), digest_size=16)
    digest.update(little.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def statistics(images: np.ndarray) -> np.ndarray:
    """Measures the pixels of images, scaled to [0, 1].

    Args:
        images: (n, height, width, channels); of 16 bits they take half a megabyte each in between.

    Returns:
        float32 (n, 1 + channels, 4): row 0 over all channels, then one row a channel; columns as
        in ``STATISTICS``. ``std`` is that of the population.
    """
    if np.issubdtype(images.dtype, np.floating):
        flat = images.reshape(len(images), -1, images.shape[-1])
        pixels = np.ascontiguousarray(flat.swapaxes(1, 2), np.float64)
        mean, std = pixels.mean(axis=-1), pixels.std(axis=-1)
        low, high = pixels.min(axis=-1), pixels.max(axis=-1)
    else:
        counts = _level_counts(images)
        levels = np.arange(counts.shape[-1]) / _full_scale(images.dtype)
        total = counts.sum(axis=-1)
        mean = counts @ levels / total
        std = np.sqrt((counts * np.square(levels - mean[..., None])).sum(axis=-1) / total)
        there = counts > 0
        low = levels[there.argmax(axis=-1)]
        high = levels[::-1][there[..., ::-1].argmax(axis=-1)]
    overall = mean.mean(axis=1)
    overall_std = np.sqrt(np.mean(np.square(std) + np.square(mean - overall[:, None]), axis=1))
    everything = np.stack([overall, overall_std, low.min(axis=1), high.max(axis=1)], axis=-1)
    per_channel = np.stack([mean, std, low, high], axis=-1)
    return np.concatenate([everything[:, None], per_channel], axis=1).astype(np.float32)


def histogram(images: np.ndarray) -> np.ndarray:
    """Counts the pixels of each channel in ``BINS`` equal bins of [0, 1].

    Args:
        images: (n, height, width, channels); of 16 bits they take half a megabyte each in between.

    Returns:
        float32 (n, channels, 64): share of the channel's pixels in each bin; each row sums to 1.
        Bin ``i`` holds values from ``i / 64`` to below ``(i + 1) / 64``; 1 falls in the last.
    """
    if np.issubdtype(images.dtype, np.floating):
        counts = _counted(np.clip((images * BINS).astype(np.int64), 0, BINS - 1), BINS)
    else:
        by_level = _level_counts(images)
        bins = np.arange(by_level.shape[-1]) * BINS // _full_scale(images.dtype)
        # Levels come in order: those of a bin stand together. Only the highest fills a 65th.
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        counts = np.zeros((*by_level.shape[:2], BINS + 1))
        counts[..., bins[starts]] = np.add.reduceat(by_level, starts, axis=-1)
        counts[..., BINS - 1] += counts[..., BINS]
        counts = counts[..., :BINS]
    shares: np.ndarray = counts / counts.sum(axis=-1, keepdims=True)
    return shares.astype(np.float32)


def to_display(array: np.ndarray) -> np.ndarray:
    """Turns an image into what a screen shows.

    uint8 is shown as it is and [0, 1] becomes 0..255. 16-bit images seldom fill their range, so
    each is stretched from its 0.5th to its 99.5th percentile.

    Args:
        array: Image (height, width, 1) or (height, width, 3).

    Returns:
        uint8 (height, width) for one channel, (height, width, 3) for three.

    Raises:
        ValueError: The image has another number of channels.
    """
    if array.ndim != 3 or array.shape[-1] not in (1, 3):
        raise ValueError(
            "Only an image with 1 or 3 channels can be shown. Received: an array of shape "
            f"{array.shape}. Choose a channel with to_channels first."
        )
    if array.dtype == np.uint8:
        shown = array
    elif array.dtype == np.uint16:
        low, high = np.percentile(array, _STRETCH)
        if high <= low:
            low, high = 0.0, float(_full_scale(array.dtype))
        shown = _cast((array - low) * (255.0 / (high - low)), np.dtype(np.uint8))
    else:
        shown = _cast(array * 255.0, np.dtype(np.uint8))
    return shown[..., 0] if shown.shape[-1] == 1 else shown


def encode(array: np.ndarray, max_side: int | None = None, *, lossless: bool) -> bytes:
    """Encodes pixels for a browser.

    Args:
        array: uint8 (height, width) or (height, width, 3), as :func:`to_display` returns.
        max_side: The longer side is shrunk to this many pixels if it is longer.
        lossless: True for PNG, False for WebP (PNG beyond the 16,383 pixels a WebP can have).

    Returns:
        The bytes of the file.
    """
    height, width = array.shape[:2]
    longest = max(height, width)
    size = None
    if max_side is not None and longest > max_side:
        size = (
            max(1, round(height * max_side / longest)),
            max(1, round(width * max_side / longest)),
        )
    channels = array[..., None] if array.ndim == 2 else array
    image = _pillow(_resize(channels, size, Image.Resampling.LANCZOS))
    buffer = io.BytesIO()
    if lossless or max(image.size) > _WEBP_MAX_SIDE:
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "WEBP", quality=82, method=2)
    return buffer.getvalue()


def view_of(image: np.ndarray, view: int, views: int) -> np.ndarray:
    """What one view of a sample shows: the image, or one of its channels.

    Args:
        image: Image (height, width, channels).
        view: Place of the view among those of the dataset.
        views: How many views the dataset has; with one, the image is shown as it is.

    Returns:
        As :func:`to_display`.
    """
    return to_display(image if views == 1 else to_channels(image, (view,)))


def media_type(content: bytes) -> str:
    """Media type of a picture as :func:`encode` gives it."""
    return "image/png" if content.startswith(b"\x89PNG") else "image/webp"


def data_url(content: bytes) -> str:
    """Data URL of a picture as :func:`encode` gives it."""
    return f"data:{media_type(content)};base64,{base64.b64encode(content).decode('ascii')}"


def _full_scale(dtype: np.dtype) -> int:
    return int(np.iinfo(dtype).max)


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    levels: np.ndarray = np.clip(np.rint(values), 0, _full_scale(dtype))
    return levels.astype(dtype)


def _level_counts(images: np.ndarray) -> np.ndarray:
    """Number of pixels at each level of integer images: (n, channels, 256 or 65,536)."""
    n, height, width, channels = images.shape
    levels = _full_scale(images.dtype) + 1
    if images.dtype == np.uint8 and channels in (1, 3) and height * width > _LARGE:
        rows = [_pillow(image).histogram() for image in images]
        return np.array(rows, np.float64).reshape(n, channels, levels)
    return _counted(images.astype(np.int64), levels)


def _counted(values: np.ndarray, kinds: int) -> np.ndarray:
    """How many pixels of each channel have each value below ``kinds``: (n, channels, kinds).

    Args:
        values: int64 (n, height, width, channels), which this uses up.
        kinds: How many values there are.
    """
    n, channels = len(values), values.shape[-1]
    values += kinds * np.arange(n * channels).reshape(n, 1, 1, channels)
    counts = np.bincount(values.ravel(), minlength=n * channels * kinds)
    return counts.reshape(n, channels, kinds).astype(np.float64)


def _pillow(array: np.ndarray) -> Image.Image:
    """Wraps a uint8 image with 1 or 3 channels, or one channel of float32."""
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.shape[-1] == 1 else array))


def _resize(
    array: np.ndarray, size: tuple[int, int] | None, filter_: Image.Resampling
) -> np.ndarray:
    if size is None or array.shape[:2] == tuple(size):
        return array
    box = (size[1], size[0])
    channels = array.shape[-1]
    if array.dtype == np.uint8 and channels in (1, 3):
        resized = np.asarray(_pillow(array).resize(box, filter_))
        return resized[..., None] if channels == 1 else resized
    planes = [
        np.asarray(_pillow(array[..., i : i + 1].astype(np.float32)).resize(box, filter_))
        for i in range(channels)
    ]
    return _cast(np.stack(planes, axis=-1), array.dtype)
