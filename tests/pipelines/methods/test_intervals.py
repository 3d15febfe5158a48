from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.methods.intervals import Rate, bootstrap, difference, percentiles, rate, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Published rows of the chest X-ray studies: accuracy and recall of pneumonia.
        (528, 624, 0.816, 0.872),
        (372, 390, 0.928, 0.971),
        (556, 624, 0.864, 0.913),
        # R. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_intervals(
    successes: int, n: int, low: float, high: float
) -> None:
    digits = 3 if n in (624, 390) else 4
    assert [round(float(end), digits) for end in wilson(successes, n)] == [low, high]


def test_wilson_of_no_trials_is_unknown_and_does_not_warn() -> None:
    low, high = wilson([0, 3], [0, 3])
    assert np.isnan(low[0]) and np.isnan(high[0])
    assert high[1] == 1.0 and 0.0 < low[1] < 1.0


def test_wilson_broadcasts() -> None:
    low, high = wilson(np.arange(6).reshape(2, 3), 10)
    assert low.shape == high.shape == (2, 3)
    assert np.all(np.diff(low.ravel()) > 0)


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.floats(0.5, 0.999))
def test_wilson_holds_the_share_and_is_symmetric(part: int, rest: int, confidence: float) -> None:
    n = part + rest
    low, high = wilson(part, n, confidence)
    assert 0.0 <= low <= part / n <= high <= 1.0
    mirrored_low, mirrored_high = wilson(rest, n, confidence)
    assert low == pytest.approx(1.0 - mirrored_high, abs=1e-12)
    assert high == pytest.approx(1.0 - mirrored_low, abs=1e-12)


@given(st.integers(1, 500), st.integers(0, 500))
def test_wilson_narrows_with_more_samples(hits: int, misses: int) -> None:
    n = hits + misses
    low, high = wilson([hits, 4 * hits], [n, 4 * n])
    assert high[1] - low[1] < high[0] - low[0]


@pytest.mark.parametrize(("successes", "n"), [(-1, 4), (5, 4)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=rf"Received: successes={successes}, n={n}"):
        wilson(successes, n)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence)


def test_rate_of_nothing() -> None:
    nothing = rate(0, 0)
    assert np.isnan(nothing.value) and nothing.n == 0 and nothing.count == 0


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # R. Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_difference_agrees_with_newcombe(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = difference(rate(*first), rate(*second))
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_difference_to_a_known_figure_has_the_width_of_the_rate() -> None:
    measured = rate(90, 100)
    found = difference(Rate(1.0, 1.0, 1.0, 0), measured)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(1.0 - measured.high)
    assert found.high == pytest.approx(1.0 - measured.low)


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(10.0, 2.0, 400)
    low, high = bootstrap(np.mean, values, resamples=2000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)


def test_bootstrap_agrees_with_a_published_interval() -> None:
    # B. Efron and R. Tibshirani, "An introduction to the bootstrap" (1993), tables 14.1 and 14.2:
    # the variance of test A, and its percentile interval of 90 % from 2,000 resamples.
    scores = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6]
    scores += [0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]
    assert np.var(scores) == pytest.approx(171.5, abs=0.05)
    found = bootstrap(np.var, np.array(scores), resamples=2000, confidence=0.9)
    # Both intervals are drawn by chance: either end varies by about 2 from draw to draw.
    assert found == pytest.approx((100.8, 233.9), abs=6)


def test_bootstrap_is_seeded_and_resamples_rows_together() -> None:
    first = np.arange(50.0)
    assert bootstrap(np.mean, first, seed=1) == bootstrap(np.mean, first, seed=1)
    assert bootstrap(np.mean, first, seed=1) != bootstrap(np.mean, first, seed=2)
    assert bootstrap(lambda a, b: float(np.abs(a - b).max()), first, first) == (0.0, 0.0)


def test_bootstrap_of_nothing_and_of_unequal_lengths() -> None:
    assert all(np.isnan(end) for end in bootstrap(np.mean, np.empty(0)))
    with pytest.raises(ValueError, match="one length"):
        bootstrap(np.mean, np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="Received: resamples=0"):
        bootstrap(np.mean, np.zeros(2), resamples=0)


def test_percentiles_leave_unknown_values_out() -> None:
    values = np.append(np.arange(101.0), np.nan)
    assert percentiles(values, 0.9) == (pytest.approx(5.0), pytest.approx(95.0))
    assert all(np.isnan(end) for end in percentiles(np.full(3, np.nan)))
