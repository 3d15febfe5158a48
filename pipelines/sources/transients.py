"""Simulated candidates of a supernova search: small stamps around what a subtraction left over.

It stands in for the stamps of HiTS, the High cadence Transient Survey (Forster et al. 2016, ApJ
832, 155), on which Deep-HiTS was trained (Cabrera-Vives et al. 2017, ApJ 836, 97). **Nothing in
it was observed.** Each stamp is 21x21 pixels of .263 arcsec with the study's four channels:
template, science, difference (science minus matched template) and that difference over its noise,
each scaled to [0, 1] by its own least and greatest value. Half the stamps hold a transient, half
an artefact of the subtraction.

The model of one stamp:

- *Observation.* Moffat point spread function (Moffat 1969), slightly elliptical, with a seeing
  around 1.26 arcsec for the science image and 1.08 for the template, which is a stack of good
  nights with 4 to 12 times less variance. Sky and read noise; photon noise is Gaussian with the
  variance of the Poisson law, since there are more than a hundred electrons of sky a pixel.
- *Field.* A galaxy (Sersic 1968) in half the stamps of transients and a third of the others, the
  faint the more frequent, and now and then a star. A transient stands off the centre of its
  galaxy, where the light of an exponential disc would put it; an artefact falls anywhere.
- *Subtraction.* The science image is moved to the template's grid by linear interpolation, and the
  sharper of the two is blurred to the other by a kernel (Alard and Lupton 1998). Kernel, flux
  scale and registration are a little wrong, so that bright galaxies and stars leave rings and
  dipoles also in good stamps. Both steps correlate the noise. The stamp is cut around the peak of
  the difference under the matched filter, as a search would.
- *Transients.* Point sources. Their expected signal-to-noise ratio follows the power law of
  source counts times the completeness of a search, half at 10: one in twenty-five is below the
  usual detection limit of 5.
- *Artefacts.* ``dipole``: a bright star or compact galaxy off its place by .7 to 2.5 pixels.
  ``saturated residual``: a star above the full well, with its bleed. ``cosmic ray``: a track that
  no atmosphere blurred. ``hot pixel``. ``dead columns``: the edge of a chip, or a few columns, that
  one of the images lacks. ``noise peak``: a maximum of noise alone, the bulk of what a search finds
  near its limit. Given its height, the mean shape of such a maximum is the point spread function
  itself (the conditional mean of white noise under the matched filter); the excess of each over
  the common noise is drawn from an exponential law and has that shape. So a high noise peak and a
  faint transient cannot be told apart by anyone.

Not in it: variable stars and asteroids, colour, ghosts and satellite trails, detector non-linearity
other than saturation. The mix of artefacts and the slopes were chosen so that the statistics of the
channels and the accuracy of the study's small classifier come near the published ones.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from pipelines.errors import SourceError
from pipelines.methods import sky
from pipelines.methods.sky import Floats
from pipelines.methods.subtraction import Observation, cut, matched_filter, peaks, scale, subtract
from pipelines.sources.base import Loaded, Progress

VERSION = 1
CHANNELS = ("template", "science", "difference", "snr difference")
CLASSES = ("artefact", "transient")
TRANSIENT = "point source"
ARTEFACTS: dict[str, float] = {
    "dipole": 0.06,
    "saturated residual": 0.02,
    "cosmic ray": 0.09,
    "hot pixel": 0.05,
    "dead columns": 0.16,
    "noise peak": 0.62,
}
"""Share of each kind among the artefacts."""

SIDE = 21
ARCSEC_A_PIXEL = 0.263
ZERO_POINT = 30.9
"""Magnitude of one electron an exposure: round figure for some minutes of a 4 m telescope."""
READ_NOISE = 7.0
"""Electrons."""
FULL_WELL = 130_000.0
"""Electrons."""

_GRID = 36
_SEARCH = 3
_SNR_SLOPE = 3.4
_SNR_LIMIT = 10.0
_NOISE_EXCESS = 0.6
_CHUNK = 500


class Options(Protocol):
    """What :func:`load` needs to know: how many stamps, and the seed."""

    @property
    def count(self) -> int: ...
    @property
    def seed(self) -> int: ...


def simulate(
    count: int, seed: int, progress: Progress | None = None
) -> tuple[Floats, np.ndarray, pd.DataFrame]:
    """Simulates stamps, half of them of transients.

    Args:
        count: How many stamps, at least 2.
        seed: Seed of all that is random; the same count and seed give the same stamps.
        progress: Called with stamps done and ``count``.

    Returns:
        images: float32 (count, 21, 21, 4) in [0, 1], channels as :data:`CHANNELS`.
        labels: Index into :data:`CLASSES`, int64 (count,). An odd stamp is an artefact.
        truth: One row a stamp: ``kind``; ``snr`` measured under the matched filter at the stamp's
            centre; ``snr_injected`` expected for the transient (NaN for artefacts);
            ``magnitude`` of the transient; ``host_magnitude`` and ``host_offset_arcsec`` of the
            galaxy (NaN without one); ``seeing_science_arcsec``, ``seeing_template_arcsec``.

    Raises:
        SourceError: ``count`` is below 2 or ``seed`` negative.
    """
    if count < 2 or seed < 0:
        raise SourceError(
            "The simulator of transients needs a count >= 2 and a seed >= 0. "
            f"Received: count={count}, seed={seed}. Set both in the recipe's dataset."
        )
    order, *streams = np.random.SeedSequence(seed).spawn(1 + -(-count // _CHUNK))
    labels = np.zeros(count, np.int64)
    labels[: count // 2] = 1
    np.random.default_rng(order).shuffle(labels)
    images = np.empty((count, SIDE, SIDE, len(CHANNELS)), np.float32)
    tables = []
    for start, stream in zip(range(0, count, _CHUNK), streams, strict=True):
        chunk = slice(start, min(start + _CHUNK, count))
        images[chunk], table = _stamps(np.random.default_rng(stream), labels[chunk] == 1)
        tables.append(table)
        if progress is not None:
            progress(chunk.stop, count)
    return images, labels, pd.concat(tables, ignore_index=True)


def signature(options: Options) -> str:
    """Names what :func:`load` would give: the simulator's version, the count and the seed."""
    return f"transients simulator {VERSION}: {options.count} stamps, seed {options.seed}"


def load(options: Options, progress: Progress) -> Loaded:
    """Simulates the stamps of a recipe.

    Args:
        options: ``count`` and ``seed``.
        progress: Called with stamps done and to do.

    Returns:
        The stamps, with the truth about each in ``meta_*`` columns.

    Raises:
        SourceError: See :func:`simulate`.
    """
    images, labels, truth = simulate(options.count, options.seed, progress)
    records = pd.DataFrame(
        {
            "place": [f"row {row}" for row in range(options.count)],
            "label": np.array(CLASSES)[labels],
            "split": None,
            "group": None,
            "source": "transients simulator",
        }
    )
    return Loaded(
        title="Simulated transients",
        description=(
            "Candidates of a supernova search in the manner of the HiTS survey: 21x21 stamps of "
            "template, science, difference and signal-to-noise difference."
        ),
        simulated=(
            "All images are simulated; none was observed. The labels are the truth of the "
            "simulation."
        ),
        root=None,
        channels=CHANNELS,
        classes=CLASSES,
        records=records.join(truth.add_prefix("meta_")),
        images=images,
    )


def _stamps(rng: np.random.Generator, transient: np.ndarray) -> tuple[Floats, pd.DataFrame]:
    """Simulates one chunk: images (n, 21, 21, 4) and the truth about them."""
    n = len(transient)
    artefact = rng.choice(list(ARTEFACTS), size=n, p=list(ARTEFACTS.values()))
    kind = np.where(transient, TRANSIENT, artefact)
    fwhm = _seeing(rng, n)
    seen = _observe(rng, kind, fwhm)
    scene, host = _field(rng, kind, seen)
    snr = np.where(transient, _snr(rng, n), np.nan)
    excess = np.where(kind == "noise peak", rng.exponential(_NOISE_EXCESS, n), 0)
    flux = seen.flux_of(np.where(transient, snr, excess))
    source = sky.column(flux) * sky.points(_GRID, host["x"], host["y"])

    unaligned = sky.shift(_GRID, -seen.align_x, -seen.align_y)
    science = sky.image((scene + source) * seen.psf_science * unaligned, _GRID)
    moved = sky.shift(_GRID, seen.shift_x, seen.shift_y)
    template = sky.image(scene * seen.psf_template * moved, _GRID)
    science, template = _expose(rng, kind, seen, science, template)
    difference, ratio = subtract(seen, science, template)
    _mask(rng, kind, science, difference, ratio)
    filtered = matched_filter(seen, difference)
    row, col = peaks(filtered, _SEARCH)
    # An edge has no peak: a search would land anywhere along it.
    edge = kind == "dead columns"
    row, col = np.where(edge, _GRID // 2, row), np.where(edge, _GRID // 2, col)

    channels = [scale(cut(a, row, col, SIDE)) for a in (template, science, difference, ratio)]
    truth = {
        "snr": filtered[np.arange(n), row, col],
        "snr_injected": snr,
        "magnitude": _magnitude(np.where(transient, flux, np.nan)),
        "host_magnitude": _magnitude(host["flux"]),
        "host_offset_arcsec": host["offset"] * ARCSEC_A_PIXEL,
        "seeing_science_arcsec": fwhm[0] * ARCSEC_A_PIXEL,
        "seeing_template_arcsec": fwhm[1] * ARCSEC_A_PIXEL,
    }
    table = pd.DataFrame({name: values.astype(np.float32) for name, values in truth.items()})
    table.insert(0, "kind", kind)
    return np.stack(channels, axis=-1), table


def _seeing(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws the full widths at half maximum of science images and templates, in pixels."""
    science = np.clip(rng.lognormal(np.log(4.8), 0.15, n), 2.8, 8)
    return science, np.clip(rng.lognormal(np.log(4.1), 0.1, n), 2.8, 8)


def _observe(
    rng: np.random.Generator, kind: np.ndarray, fwhm: tuple[np.ndarray, np.ndarray]
) -> Observation:
    """Draws the conditions of each stamp."""
    n = len(kind)
    psf_science, psf_template = (
        sky.transform_centred(
            sky.moffat(
                _GRID,
                width,
                ratio=1 - np.minimum(np.abs(rng.normal(0, 0.06, n)), 0.25),
                angle=rng.uniform(0, np.pi, n),
            )
        )
        for width in fwhm
    )
    align_x, align_y = rng.random((2, n))
    error = 1 + rng.normal(0, 0.04, (2, n))
    science, template = (sky.gaussian_variance(width) for width in fwhm)
    science += (align_x * (1 - align_x) + align_y * (1 - align_y)) / 2
    blur_science = science < template
    kernel = sky.gaussian_kernel(_GRID, np.abs(error[0] * science - error[1] * template))
    step = np.where(kind == "dipole", rng.uniform(0.7, 2.5, n), np.abs(rng.normal(0, 0.06, n)))
    direction = rng.uniform(0, 2 * np.pi, n)
    return Observation(
        psf_science=psf_science,
        psf_template=psf_template,
        blur_science=blur_science,
        kernel=kernel,
        align_x=align_x,
        align_y=align_y,
        shift_x=step * np.cos(direction),
        shift_y=step * np.sin(direction),
        scale=rng.normal(1, 0.015, n),
        sky=rng.lognormal(np.log(250), 0.4, n),
        depth=rng.uniform(4, 12, n),
        read_noise=READ_NOISE,
    )


def _field(
    rng: np.random.Generator, kind: np.ndarray, seen: Observation
) -> tuple[sky.Complexes, dict[str, np.ndarray]]:
    """Draws galaxies and stars: their transform before any blur, and the truth about them."""
    n = len(kind)
    x, y = rng.uniform(-0.5, 0.5, (2, n))
    transient = kind == TRANSIENT
    dipole = kind == "dipole"
    of_galaxy = dipole & (rng.random(n) < 0.35)

    present = (rng.random(n) < np.where(transient, 0.5, 0.3)) | of_galaxy
    magnitude = 25 - np.minimum(rng.exponential(1.4, n), 8)
    lobed = seen.flux_of_dipole(_power_law(rng, n, 24, 200, 2.5))
    magnitude = np.where(of_galaxy, _magnitude(2 * lobed), magnitude)
    radius = np.clip(rng.lognormal(np.log(3.0) - 0.15 * (magnitude - 21), 0.35, n), 0.8, 12)
    radius = np.where(of_galaxy, np.minimum(radius, 2), radius)
    direction = rng.uniform(0, 2 * np.pi, n)
    distance = np.where(transient, rng.gamma(2, radius / 1.678), 12 * np.sqrt(rng.random(n)))
    distance = np.where(of_galaxy, 0, distance)
    flux = np.where(present, _flux(magnitude), 0)
    galaxy = sky.sersic(
        _GRID,
        x + distance * np.cos(direction),
        y + distance * np.sin(direction),
        rng.choice([1.0, 1.5, 2.5, 4.0], size=n, p=[0.5, 0.2, 0.15, 0.15]),
        radius,
        rng.uniform(0.3, 1, n),
        rng.uniform(0, np.pi, n),
    )
    scene = sky.transform(galaxy * sky.column(flux))

    star = np.select(
        [dipole & ~of_galaxy, kind == "saturated residual", rng.random(n) < 0.08],
        [
            lobed,
            _flux(rng.uniform(12, 14.6, n)),
            _flux(23 - np.minimum(rng.exponential(2, n), 6)),
        ],
        0,
    )
    central = dipole | (kind == "saturated residual")
    star_x, star_y = rng.uniform(-11, 11, (2, n))
    scene += sky.column(star) * sky.points(
        _GRID, np.where(central, x, star_x), np.where(central, y, star_y)
    )
    truth = {
        "x": x,
        "y": y,
        "flux": np.where(present, flux, np.nan),
        "offset": np.where(present, distance, np.nan),
    }
    return scene, truth


def _expose(
    rng: np.random.Generator,
    kind: np.ndarray,
    seen: Observation,
    science: Floats,
    template: Floats,
) -> tuple[Floats, Floats]:
    """Adds sky, noise, saturation and what hits the detector; both keep their sky."""
    n = len(kind)
    background = sky.column(seen.sky)
    science = np.maximum(science, 0) + background
    template = np.maximum(template, 0) + background
    bleeding = kind == "saturated residual"
    science[bleeding] = sky.bleed(science[bleeding], FULL_WELL)
    science = np.minimum(science, np.float32(FULL_WELL))
    # A stack saturates lower: its exposures are scaled to the best of them, and their full wells
    # fall on different pixels once aligned.
    template = np.minimum(template, sky.column(rng.uniform(0.6, 0.95, n) * FULL_WELL))
    noise = rng.standard_normal((2, n, _GRID, _GRID), dtype=np.float32)
    science += np.sqrt(science + np.float32(READ_NOISE**2)) * noise[0]
    template += np.sqrt((template + np.float32(READ_NOISE**2)) / sky.column(seen.depth)) * noise[1]

    ray = kind == "cosmic ray"
    science[ray] += _rays(rng, int(ray.sum()))
    hot = np.flatnonzero(kind == "hot pixel")
    science[hot, _GRID // 2, _GRID // 2] += rng.lognormal(np.log(350), 0.8, len(hot))
    np.minimum(science, np.float32(FULL_WELL), out=science)
    for index in np.flatnonzero(kind == "dead columns"):
        dead = _dead_columns(rng)
        which = template if rng.random() < 0.3 else science
        which[index][:, dead] = 0
    return sky.resample(science, seen.align_x, seen.align_y), template


def _mask(
    rng: np.random.Generator,
    kind: np.ndarray,
    science: Floats,
    difference: Floats,
    ratio: Floats,
) -> None:
    """Blanks the dead columns of some differences, as a pipeline that knows of them would."""
    known = (kind == "dead columns") & (rng.random(len(kind)) < 0.5)
    dead = known[:, None, None] & (science == 0)
    difference[dead] = 0
    ratio[dead] = 0


def _rays(rng: np.random.Generator, n: int) -> Floats:
    x, y = rng.uniform(-0.5, 0.5, (2, n))
    length = np.minimum(rng.gamma(3, 3, n), 20)
    track: Floats = sky.streak(_GRID, x, y, length, rng.uniform(0, np.pi, n), width=0.5)
    track *= sky.column(rng.lognormal(np.log(350), 0.8, n))
    return track


def _dead_columns(rng: np.random.Generator) -> slice:
    """Draws which columns are dead: all from the edge of a chip on, or a few."""
    middle = _GRID // 2
    if rng.random() < 0.65:
        edge = int(rng.integers(1, 9))
        return slice(None, middle - edge) if rng.random() < 0.5 else slice(middle + edge, None)
    first = middle + int(rng.integers(-3, 4))
    return slice(first, first + int(rng.integers(1, 4)))


def _power_law(
    rng: np.random.Generator, n: int, low: float, high: float, slope: float
) -> np.ndarray:
    """Draws from a density proportional to ``value ** -slope`` between two bounds."""
    power = 1 - slope
    uniform = rng.random(n)
    return np.asarray((low**power + uniform * (high**power - low**power)) ** (1 / power))


def _snr(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draws expected signal-to-noise ratios: a power law times the completeness of a search."""
    grid = np.geomspace(3, 150, 2000)
    completeness = 1 / (1 + np.exp((_SNR_LIMIT - grid) / 1.1))
    cumulated = np.cumsum(grid ** (1 - _SNR_SLOPE) * completeness)
    return np.asarray(np.interp(rng.random(n) * cumulated[-1], cumulated, grid))


def _flux(magnitude: np.ndarray) -> np.ndarray:
    return np.asarray(10 ** (0.4 * (ZERO_POINT - magnitude)))


def _magnitude(flux: np.ndarray) -> np.ndarray:
    return np.asarray(ZERO_POINT - 2.5 * np.log10(flux))
