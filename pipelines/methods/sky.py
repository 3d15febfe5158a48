"""Physics of an image of the sky, as functions on batches of stamps.

Lengths are pixels, fluxes electrons. A batch of ``n`` stamps has the shape (n, side, side), first
axis vertical; what varies by stamp is given as arrays (n,). Transforms are those of
``numpy.fft.rfft2`` with shape (n, side, side // 2 + 1).

Sources: Moffat 1969 (point spread function); Sersic 1968, with the approximation of Ciotti and
Bertin 1999 (galaxies); Alard and Lupton 1998 (matching two point spread functions by a kernel).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float32]
Complexes = NDArray[np.complex64]

# With an exponent of 3 a Moffat profile is 1 / (1 + r^2 / a^2)^3: wings like those of a real
# atmosphere, no transcendental function, and this ratio of its full width at half maximum to a.
_MOFFAT_WIDTH = 2 * math.sqrt(2 ** (1 / 3) - 1)
_SOFTENING = 0.3


def column(values: np.ndarray) -> Floats:
    """Reshapes one value a stamp, (n,), to (n, 1, 1) float32, to combine with a batch."""
    return np.asarray(values, np.float32)[:, None, None]


def offsets(side: int, x: np.ndarray, y: np.ndarray) -> tuple[Floats, Floats]:
    """Measures how far the pixels of each stamp are from a point.

    Args:
        side: Side of the stamps.
        x: Horizontal place of the point against the central pixel ``side // 2``, (n,).
        y: Vertical place, (n,).

    Returns:
        Horizontal distances (n, 1, side) and vertical distances (n, side, 1), signed.
    """
    axis = np.arange(side, dtype=np.float32) - side // 2
    dx = axis[None, None, :] - column(x)
    dy = axis[None, :, None] - column(y)
    return dx, dy


def squared_radius(dx: Floats, dy: Floats, ratio: np.ndarray, angle: np.ndarray) -> Floats:
    """Computes the squared elliptical radius, equal to that of the circle of the same area.

    Args:
        dx: Horizontal distances, (n, 1, side).
        dy: Vertical distances, (n, side, 1).
        ratio: Minor over major axis, in (0, 1], (n,).
        angle: Direction of the major axis in radians, (n,).

    Returns:
        Squared radii in squared pixels, (n, side, side).
    """
    cos, sin, q = np.cos(angle), np.sin(angle), ratio
    xx = column(cos**2 * q + sin**2 / q)
    yy = column(sin**2 * q + cos**2 / q)
    xy = column(2 * cos * sin * (q - 1 / q))
    return dx * (xx * dx + xy * dy) + yy * dy**2


def moffat(side: int, fwhm: np.ndarray, ratio: np.ndarray, angle: np.ndarray) -> Floats:
    """Draws point spread functions of flux 1 at the central pixel.

    Args:
        side: Side of the stamps.
        fwhm: Full width at half maximum in pixels, (n,).
        ratio: Minor over major axis, (n,).
        angle: Direction of the major axis in radians, (n,).

    Returns:
        Moffat profiles of exponent 3, (n, side, side).
    """
    dx, dy = offsets(side, np.zeros(len(fwhm)), np.zeros(len(fwhm)))
    scale2 = (fwhm / _MOFFAT_WIDTH) ** 2
    base = 1 + squared_radius(dx, dy, ratio, angle) / column(scale2)
    profile: Floats = column(2 / (math.pi * scale2)) / (base * base * base)
    profile /= profile.sum(axis=(1, 2), keepdims=True)
    return profile


def gaussian_variance(fwhm: np.ndarray) -> np.ndarray:
    """Gives the variance along each axis of a Gaussian of some full widths at half maximum."""
    return np.asarray(fwhm**2 / (8 * math.log(2)))


def sersic(
    side: int,
    x: np.ndarray,
    y: np.ndarray,
    index: np.ndarray,
    radius: np.ndarray,
    ratio: np.ndarray,
    angle: np.ndarray,
) -> Floats:
    """Draws galaxies of total flux 1, before any blurring.

    Args:
        side: Side of the stamps.
        x: Horizontal place of the centre against the central pixel, (n,).
        y: Vertical place, (n,).
        index: Sersic index: 1 an exponential disc, 4 an elliptical galaxy, (n,).
        radius: Half-light radius in pixels, (n,).
        ratio: Minor over major axis, (n,).
        angle: Direction of the major axis in radians, (n,).

    Returns:
        Surface brightness a pixel, (n, side, side); light outside the stamp is not in it.
    """
    b = 2 * index - 1 / 3 + 4 / (405 * index)
    gamma = np.array([math.gamma(2 * value) for value in index])
    total = 2 * np.pi * index * radius**2 * np.exp(b) * b ** (-2 * index) * gamma
    dx, dy = offsets(side, x, y)
    # The cusp of a high index would depend on where in the pixel it falls; the blur of the
    # atmosphere, wider than a pixel, hides this softening.
    r2 = squared_radius(dx, dy, ratio, angle) + np.float32(_SOFTENING**2)
    power = np.power(r2 / column(radius**2), column(0.5 / index))
    profile: Floats = np.exp(column(b) * (1 - power)) / column(total)
    return profile


def streak(
    side: int, x: np.ndarray, y: np.ndarray, length: np.ndarray, angle: np.ndarray, width: float
) -> Floats:
    """Draws straight tracks with a peak of 1 that no atmosphere has blurred.

    Args:
        side: Side of the stamps.
        x: Horizontal place of the middle against the central pixel, (n,).
        y: Vertical place, (n,).
        length: Length in pixels; 0 is a point, (n,).
        angle: Direction in radians, (n,).
        width: Standard deviation across the track in pixels.

    Returns:
        Tracks, (n, side, side).
    """
    dx, dy = offsets(side, x, y)
    cos, sin = column(np.cos(angle)), column(np.sin(angle))
    half = column(length / 2)
    along = dx * cos + dy * sin
    beyond = along - np.clip(along, -half, half)
    across = dy * cos - dx * sin
    track: Floats = np.exp(-(beyond**2 + across**2) / np.float32(2 * width**2))
    return track


def bleed(images: Floats, full_well: float) -> Floats:
    """Spreads charge above the full well along the columns.

    Args:
        images: Electrons, (n, side, side).
        full_well: Electrons that a pixel can hold.

    Returns:
        Images in which each column holds its excess as a run of full pixels about its brightest
        part; pixels above the full well are left as they are.
    """
    excess = np.maximum(images - np.float32(full_well), 0)
    total = excess.sum(axis=1, keepdims=True)
    rows = np.arange(images.shape[1], dtype=np.float32)[None, :, None]
    middle = (excess * rows).sum(axis=1, keepdims=True) / np.maximum(total, 1)
    reached = np.abs(rows - middle) < total / (2 * full_well)
    return np.where(reached, np.maximum(images, np.float32(full_well)), images)


def transform(images: Floats) -> Complexes:
    """Transforms images to frequencies, (n, side, side // 2 + 1) complex64."""
    frequencies: Complexes = fft.rfft2(images)
    return frequencies


def transform_centred(images: Floats) -> Floats:
    """Transforms images symmetric about their central pixel, whose transform is real."""
    return transform(fft.ifftshift(images, axes=(1, 2))).real.copy()


def image(frequencies: Complexes, side: int) -> Floats:
    """Transforms frequencies back to images, (n, side, side) float32."""
    pixels: Floats = fft.irfft2(frequencies, s=(side, side))
    return pixels


def frequencies(side: int) -> tuple[Floats, Floats]:
    """Gives the horizontal and vertical frequencies of a transform, in cycles a pixel.

    Args:
        side: Side of the stamps.

    Returns:
        Horizontal (1, 1, side // 2 + 1) and vertical frequencies (1, side, 1).
    """
    fx = fft.rfftfreq(side).astype(np.float32)[None, None, :]
    fy = fft.fftfreq(side).astype(np.float32)[None, :, None]
    return fx, fy


def shift(side: int, x: np.ndarray, y: np.ndarray) -> Complexes:
    """Gives the factor on a transform that moves images by (x, y) pixels.

    Args:
        side: Side of the stamps.
        x: Horizontal displacement, (n,).
        y: Vertical displacement, (n,).

    Returns:
        Factors on the transform, (n, side, side // 2 + 1).
    """
    fx, fy = frequencies(side)
    turn = np.float32(-2 * math.pi)
    factor: Complexes = np.exp(1j * turn * fy * column(y)) * np.exp(1j * turn * fx * column(x))
    return factor.astype(np.complex64, copy=False)


def points(side: int, x: np.ndarray, y: np.ndarray) -> Complexes:
    """Gives the transform of unit point sources at (x, y) against the central pixel.

    Args:
        side: Side of the stamps.
        x: Horizontal place, (n,).
        y: Vertical place, (n,).

    Returns:
        Transforms, (n, side, side // 2 + 1).
    """
    return shift(side, x + side // 2, y + side // 2)


def gaussian_kernel(side: int, variance: np.ndarray) -> Floats:
    """Gives the transform of a circular Gaussian kernel of sum 1.

    Args:
        side: Side of the stamps.
        variance: Its variance along each axis in squared pixels; 0 changes nothing, (n,).

    Returns:
        Transforms, real, in (0, 1], (n, side, side // 2 + 1).
    """
    fx, fy = frequencies(side)
    turn = np.float32(-2 * math.pi**2) * column(variance)
    kernel: Floats = np.exp(turn * fx**2) * np.exp(turn * fy**2)
    return kernel


def resample(images: Floats, x: np.ndarray, y: np.ndarray) -> Floats:
    """Moves images by a part of a pixel with linear interpolation, which smooths their noise.

    Args:
        images: Images (n, side, side); pixels that leave on one side enter on the other.
        x: Displacement to the right in pixels, in [0, 1], (n,).
        y: Displacement downwards.

    Returns:
        The moved images, (n, side, side).
    """
    moved = images + column(x) * (np.roll(images, 1, axis=2) - images)
    moved += column(y) * (np.roll(moved, 1, axis=1) - moved)
    return moved


def resampling_power(side: int, x: np.ndarray, y: np.ndarray) -> Floats:
    """Gives the share of the power that :func:`resample` keeps at each frequency.

    Args:
        side: Side of the stamps.
        x: Displacement to the right in pixels, in [0, 1], (n,).
        y: Displacement downwards.

    Returns:
        Shares in [0, 1], (n, side, side // 2 + 1).
    """
    fx, fy = frequencies(side)
    turn = np.float32(2 * math.pi)
    kept_x = 1 - column(2 * x * (1 - x)) * (1 - np.cos(turn * fx))
    kept_y = 1 - column(2 * y * (1 - y)) * (1 - np.cos(turn * fy))
    power: Floats = kept_x * kept_y
    return power


def mean_power(power: np.ndarray, side: int) -> NDArray[np.float32]:
    """Averages a real spectrum over all frequencies, counting the half that ``rfft2`` leaves out.

    Args:
        power: Spectrum (n, side, side // 2 + 1) with an even ``side``.
        side: Side of the stamps.

    Returns:
        Means, (n,). Of the squared transform of a kernel: the sum of its squared pixels.
    """
    doubled = 2 * power[:, :, 1:-1].sum(axis=(1, 2))
    edges = power[:, :, 0].sum(axis=1) + power[:, :, -1].sum(axis=1)
    mean: NDArray[np.float32] = (doubled + edges) / side**2
    return mean
