from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.errors import SourceError
from pipelines.methods import sky
from pipelines.sources import transients
from pipelines.sources.transients import ARTEFACTS, CHANNELS, CLASSES, TRANSIENT, simulate


@pytest.fixture(scope="module")
def stamps():
    return simulate(4000, 11)


def test_the_same_seed_gives_the_same_stamps_and_another_seed_others():
    first, second, other = simulate(700, 3), simulate(700, 3), simulate(700, 4)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert first[2].equals(second[2])
    assert not np.array_equal(first[0], other[0])


def test_each_channel_of_each_stamp_fills_zero_to_one(stamps):
    images, _, _ = stamps
    assert images.shape == (4000, 21, 21, 4)
    assert images.dtype == np.float32
    assert np.all(images.min(axis=(1, 2)) == 0)
    assert np.all(images.max(axis=(1, 2)) == 1)


def test_half_of_the_stamps_are_transients_and_their_kind_says_so(stamps):
    _, labels, truth = stamps
    assert labels.sum() == 2000
    assert ((truth["kind"] == TRANSIENT) == (labels == 1)).all()
    assert truth["snr_injected"].notna().equals(truth["kind"] == TRANSIENT)
    assert truth["magnitude"].notna().equals(truth["kind"] == TRANSIENT)


def test_an_odd_stamp_is_an_artefact():
    assert simulate(21, 0)[1].sum() == 10


def test_every_kind_of_artefact_has_its_share(stamps):
    _, labels, truth = stamps
    shares = truth.loc[labels == 0, "kind"].value_counts(normalize=True)
    assert sum(ARTEFACTS.values()) == pytest.approx(1)
    for kind, share in ARTEFACTS.items():
        assert shares[kind] == pytest.approx(share, abs=0.035)


def test_pixels_have_statistics_near_the_published_ones(stamps):
    images, _, _ = stamps
    assert images.mean() == pytest.approx(0.437, abs=0.03)
    assert images.std() == pytest.approx(0.211, abs=0.02)


def test_transients_reach_below_detection_and_far_above(stamps):
    injected = stamps[2]["snr_injected"].dropna()
    assert 0.02 < (injected < 5).mean() < 0.15
    assert (injected > 30).mean() > 0.02


def test_the_measured_signal_to_noise_follows_the_injected_one(stamps):
    _, labels, truth = stamps
    clean = truth[(labels == 1) & truth["host_magnitude"].isna()]
    clean = clean[clean["snr_injected"].between(6, 20)]
    residual = clean["snr"] - clean["snr_injected"]
    # Cut at the peak of the filtered difference, a stamp measures a little high; photon noise of
    # the transient itself, and stars nearby, widen the scatter beyond 1.
    assert abs(residual.median()) < 0.7
    assert 0.7 < residual.quantile(0.84) - residual.median() < 1.6


def test_hosts_go_from_none_to_bright_with_the_transient_off_their_centre(stamps):
    _, labels, truth = stamps
    hosts = truth.loc[labels == 1, ["host_magnitude", "host_offset_arcsec"]]
    assert 0.4 < hosts["host_magnitude"].isna().mean() < 0.6
    assert hosts["host_magnitude"].min() < 19.5
    assert hosts["host_magnitude"].max() > 24.5
    assert hosts["host_offset_arcsec"].median() > 0.3


def test_a_bright_transient_is_at_the_centre_of_its_difference(stamps):
    images, _, truth = stamps
    bright = images[(truth["snr_injected"] > 25).to_numpy(), :, :, CHANNELS.index("difference")]
    row, col = np.divmod(bright.reshape(len(bright), -1).argmax(axis=1), 21)
    near = (abs(row - 10) <= 1) & (abs(col - 10) <= 1)
    assert near.mean() > 0.95


def test_a_template_holds_no_transient(stamps):
    images, _, truth = stamps
    bare = ((truth["snr_injected"] > 25) & truth["host_magnitude"].isna()).to_numpy()
    centre = images[bare, 9:12, 9:12].mean(axis=(0, 1, 2))
    assert centre[CHANNELS.index("template")] < 0.55
    assert centre[CHANNELS.index("science")] > 0.7


def test_a_faint_transient_does_not_beat_the_noise_of_its_stamp(stamps):
    images, _, truth = stamps
    snr = images[..., CHANNELS.index("snr difference")]
    faint = snr[(truth["snr_injected"] < 5).to_numpy()]
    peak_elsewhere = faint.reshape(len(faint), -1).max(axis=1) > faint[:, 9:12, 9:12].max((1, 2))
    assert peak_elsewhere.mean() > 0.4


def test_noise_of_a_difference_is_what_the_ratio_says():
    rng = np.random.default_rng(5)
    kind = np.full(400, "noise peak", dtype="<U20")
    seen = transients._observe(rng, kind, transients._seeing(rng, 400))
    empty = np.zeros((400, 36, 36), np.float32)
    science, template = transients._expose(rng, kind, seen, empty, empty)
    difference, ratio = transients.subtract(seen, science, template)
    filtered = transients.matched_filter(seen, difference)
    assert ratio.std() == pytest.approx(1, abs=0.02)
    assert abs(ratio.mean()) < 0.05
    assert filtered.std() == pytest.approx(1, abs=0.02)


def test_point_spread_functions_and_galaxies_keep_their_flux_and_width():
    fwhm, none = np.array([4.0]), np.array([0.0])
    psf = sky.moffat(37, fwhm, np.array([1.0]), none)[0]
    assert psf.sum() == pytest.approx(1, abs=1e-5)
    assert psf[18, 20] == pytest.approx(psf[18, 18] / 2, rel=1e-3)
    disc = sky.sersic(121, none, none, np.array([1.0]), np.array([6.0]), np.array([0.7]), none)[0]
    assert disc.sum() == pytest.approx(1, abs=0.01)
    y, x = np.mgrid[-60:61, -60:61]
    inside = 0.7 * x**2 + y**2 / 0.7 <= 36
    assert disc[inside].sum() == pytest.approx(0.5, abs=0.02)


def test_load_gives_records_with_the_truth_and_says_that_all_is_simulated():
    seen = []
    options = SimpleNamespace(count=600, seed=2)
    loaded = transients.load(options, lambda done, total: seen.append((done, total)))
    assert seen == [(500, 600), (600, 600)]
    assert loaded.simulated is not None
    assert "simulated" in loaded.simulated
    assert loaded.classes == CLASSES == ("artefact", "transient")
    assert loaded.channels == CHANNELS
    assert loaded.images is not None
    assert loaded.images.shape == (600, 21, 21, 4)
    records = loaded.records
    assert records["place"].is_unique
    assert records["split"].isna().all()
    assert records["label"].value_counts().to_dict() == {"artefact": 300, "transient": 300}
    for name in ("kind", "snr", "snr_injected", "host_magnitude", "seeing_science_arcsec"):
        assert f"meta_{name}" in records


def test_the_signature_changes_with_count_and_seed():
    options = [SimpleNamespace(count=c, seed=s) for c, s in ((20, 0), (20, 1), (40, 0))]
    assert len({transients.signature(option) for option in options}) == 3


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (20, -1)])
def test_a_count_or_seed_out_of_range_is_refused(count, seed):
    with pytest.raises(SourceError, match=f"Received: count={count}, seed={seed}"):
        simulate(count, seed)


@pytest.mark.slow
def test_the_classifier_of_the_study_finds_it_neither_trivial_nor_hopeless():
    import keras

    from pipelines.models import build

    images, labels, truth = simulate(8000, 1)
    images = images[..., CHANNELS.index("snr difference")][..., None]
    keras.utils.set_random_seed(1)
    model = build("hits_cnn", (21, 21, 1), 2)
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    model.fit(images[:6000], labels[:6000], batch_size=10, epochs=5, verbose=0)
    right = model.predict(images[6000:], verbose=0).argmax(axis=1) == labels[6000:]
    assert 0.85 < right.mean() < 0.97
    injected = truth["snr_injected"].to_numpy()[6000:]
    assert right[injected > 15].mean() > right[injected < 6].mean() + 0.1
