from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.oddities import BOUND, ODDITIES, flags, modified_z, remoteness, sharpness


def test_the_score_is_that_of_iglewicz_and_hoaglin() -> None:
    # Median 5, median of the absolute deviations 4, 2, 0, 2, 10: 2.
    scores = modified_z(np.array([1.0, 3.0, 5.0, 7.0, 15.0]))
    assert scores[4] == pytest.approx(0.6745 * 10 / 2)
    assert scores[2] == 0


def test_where_most_are_equal_the_mean_deviation_stands_in() -> None:
    scores = modified_z(np.array([2.0] * 99 + [12.0]))
    assert scores[-1] == pytest.approx(10 / (0.1 / 0.7979), rel=1e-3)
    assert (modified_z(np.full(5, 3.0)) == 0).all()


def test_what_is_not_known_scores_nothing_and_does_not_count() -> None:
    scores = modified_z(np.array([1.0, 2.0, 3.0, np.nan, -np.inf]))
    np.testing.assert_allclose(scores[:3], modified_z(np.array([1.0, 2.0, 3.0])))
    assert np.isnan(scores[3:]).all()
    assert np.isnan(modified_z(np.array([np.nan]))).all()


def test_a_blurred_image_is_less_sharp_and_a_dim_one_is_not() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((1, 20, 20, 1), np.float32)
    blurred = sum(np.roll(image, shift, (1, 2)) for shift in [(0, 0), (0, 1), (1, 0), (1, 1)]) / 4
    sharp, soft, dim = (sharpness(each)[0] for each in (image, blurred, image * 0.1))
    assert soft < sharp / 2
    assert dim == pytest.approx(sharp, rel=1e-3)
    assert np.isnan(sharpness(np.full((1, 20, 20, 3), 0.4, np.float32)))[0]
    assert np.isnan(sharpness(image[:, :2])[0])


def test_remoteness_is_the_mean_of_ten_distances() -> None:
    distances = np.vstack([np.arange(1.0, 16), [2.0] + 14 * [np.inf], 15 * [np.nan]])
    far = remoteness(distances)
    assert far[:2].tolist() == [5.5, 2.0]
    assert np.isnan(far[2])


def test_each_oddity_is_found_by_its_own_figure() -> None:
    rng = np.random.default_rng(1)
    mean, spread, sharp, remote = rng.normal([0.5, 0.2, 1.0, 3.0], 0.01, (200, 4)).T
    spread[0], mean[0], sharp[0] = 0, 0.9, np.nan
    mean[1], mean[2], sharp[3], remote[4] = 0.1, 0.9, 0.3, 9.0
    found = flags(mean, spread, sharp, remote)
    assert list(found.columns) == list(ODDITIES)
    for row, name in enumerate(ODDITIES):
        assert found.index[found[name]].tolist() == [row], name
    assert np.abs(modified_z(mean[5:])).max() < BOUND
