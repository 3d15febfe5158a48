"""Difference imaging on batches of stamps: subtract a matched template, look for what is left.

Units and shapes are those of :mod:`pipelines.methods.sky`. The sharper image is blurred to the
other by a kernel before the subtraction, after Alard and Lupton 1998, ApJ 503, 325.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipelines.methods import sky
from pipelines.methods.sky import Floats


@dataclass(frozen=True)
class Observation:
    """Under which conditions each stamp of a batch was taken and subtracted.

    Attributes:
        psf_science: Transform of the science image's point spread function, real.
        psf_template: The same of the template.
        blur_science: Whether the science image is the sharper and so the one to be blurred, (n,).
        kernel: Transform, real, of the kernel that blurs the sharper image.
        align_x: Displacement in [0, 1] pixel that brings the science image to the template, (n,).
        align_y: The same downwards.
        shift_x: Error of that displacement in pixels, (n,).
        shift_y: The same downwards.
        scale: Factor on the template by which its flux is matched; 1 is right, (n,).
        sky: Electrons of sky a science pixel, (n,).
        depth: How many times less variance the template has, (n,).
        read_noise: Standard deviation of the electronics in electrons.
    """

    psf_science: Floats
    psf_template: Floats
    blur_science: np.ndarray
    kernel: Floats
    align_x: np.ndarray
    align_y: np.ndarray
    shift_x: np.ndarray
    shift_y: np.ndarray
    scale: np.ndarray
    sky: np.ndarray
    depth: np.ndarray
    read_noise: float

    @property
    def side(self) -> int:
        """Side of the stamps in pixels."""
        return int(self.psf_science.shape[1])

    @cached_property
    def resampling(self) -> Floats:
        """Share of the science image's power that its alignment keeps at each frequency."""
        return sky.resampling_power(self.side, self.align_x, self.align_y)

    @cached_property
    def psf(self) -> Floats:
        """Transform of the point spread function of the difference, real."""
        aligned = self.psf_science * np.sqrt(self.resampling)
        return np.where(self.blur_science[:, None, None], aligned * self.kernel, aligned)

    @cached_property
    def filter_noise(self) -> np.ndarray:
        """Standard deviation of a bare difference under the matched filter, electrons, (n,)."""
        variance = self.sky + self.read_noise**2
        science = sky.column(variance) * self.resampling
        template = sky.column(variance / self.depth)
        choose = self.blur_science[:, None, None]
        blurred = np.where(choose, science, template) * self.kernel**2
        spectrum = np.where(choose, template, science) + blurred
        noise: np.ndarray = np.sqrt(sky.mean_power(self.psf**2 * spectrum, self.side))
        return noise

    def flux_of(self, snr: np.ndarray) -> np.ndarray:
        """Finds the flux at which a new point source has a signal-to-noise ratio.

        Args:
            snr: Expected ratio under the matched filter, against bare sky, (n,).

        Returns:
            Fluxes in electrons, (n,).
        """
        return np.asarray(snr * self.filter_noise / sky.mean_power(self.psf**2, self.side))

    def flux_of_dipole(self, snr: np.ndarray) -> np.ndarray:
        """Finds the flux of a star whose misplacement leaves lobes of a signal-to-noise ratio.

        A lobe is the misplacement times the greatest slope of the star under the matched filter:
        that of a Gaussian, ``exp(-1/2)`` of its peak over its standard deviation, which is taken
        as 2.5 pixels in any seeing. The star's own photon noise comes on top, so that the lobes
        of a bright star end below the ratio asked for.

        Args:
            snr: Ratio of each lobe against bare sky, (n,).

        Returns:
            Fluxes in electrons, (n,).
        """
        misplacement = np.hypot(self.shift_x, self.shift_y)
        slope = np.exp(-0.5) / 2.5
        return np.asarray(self.flux_of(snr) / (slope * np.maximum(misplacement, 0.1)))


def subtract(seen: Observation, science: Floats, template: Floats) -> tuple[Floats, Floats]:
    """Subtracts the matched template from the aligned science image.

    Args:
        seen: The conditions.
        science: Aligned science image with its sky, electrons, (n, side, side).
        template: Template with the same sky, (n, side, side).

    Returns:
        difference: Electrons, (n, side, side).
        ratio: The difference over its standard deviation, estimated from the images.
    """
    background = sky.column(seen.sky)
    choose = seen.blur_science[:, None, None]
    sharp = np.where(choose, science, template) - background
    blurred = sky.image(sky.transform(sharp) * seen.kernel, seen.side)
    matched_science = np.where(choose, blurred, science - background)
    matched_template = np.where(choose, template - background, blurred)
    difference = matched_science - sky.column(seen.scale) * matched_template

    floor = np.float32(seen.read_noise**2)
    variance_science = np.maximum(matched_science + background, 0) + floor
    variance_template = np.maximum(matched_template + background, 0) + floor
    power = seen.kernel**2
    kept = sky.mean_power(power, seen.side)
    aligned = sky.mean_power(seen.resampling, seen.side)
    both = sky.mean_power(power * seen.resampling, seen.side)
    variance_science *= sky.column(np.where(seen.blur_science, both, aligned))
    variance_template *= sky.column(np.where(seen.blur_science, 1, kept) / seen.depth)
    ratio: Floats = difference / np.sqrt(variance_science + variance_template)
    return difference, ratio


def matched_filter(seen: Observation, difference: Floats) -> Floats:
    """Computes the signal-to-noise ratio that a point source at each pixel would have.

    Args:
        seen: The conditions.
        difference: Electrons, (n, side, side).

    Returns:
        Ratios against bare sky, (n, side, side).
    """
    filtered = sky.image(sky.transform(difference) * seen.psf, seen.side)
    filtered /= sky.column(seen.filter_noise)
    return filtered


def peaks(images: Floats, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the brightest pixel near the centre of each image.

    Args:
        images: Images (n, side, side).
        reach: How far from the central pixel to look, along each axis.

    Returns:
        Rows and columns, (n,) each.
    """
    low, width = images.shape[1] // 2 - reach, 2 * reach + 1
    near = images[:, low : low + width, low : low + width].reshape(len(images), -1)
    row, col = np.divmod(near.argmax(axis=1), width)
    return row + low, col + low


def cut(images: Floats, row: np.ndarray, col: np.ndarray, side: int) -> Floats:
    """Cuts a square of each image around a pixel of its own.

    Args:
        images: Images (n, height, width).
        row: Row of the central pixel of each cut, (n,).
        col: Its column.
        side: Side of the cuts, odd; they must lie inside the images.

    Returns:
        Cuts (n, side, side).
    """
    reach = np.arange(side) - side // 2
    rows = (row[:, None] + reach)[:, :, None]
    cols = (col[:, None] + reach)[:, None, :]
    return images[np.arange(len(images))[:, None, None], rows, cols]


def scale(images: Floats) -> Floats:
    """Scales each image to [0, 1] by its least and greatest value; a constant one becomes 0."""
    low = images.min(axis=(1, 2), keepdims=True)
    span = images.max(axis=(1, 2), keepdims=True) - low
    scaled: Floats = (images - low) / np.where(span > 0, span, np.float32(1))
    return scaled
