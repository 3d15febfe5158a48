"""Fidelity: hand-computed figures, and what must hold of any maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from pipelines.methods.occlusion.fidelity import (
    BETTER_HIGH,
    fidelity,
    flat,
    lowest_tenth,
    structural_similarity,
    study_mse,
    summary,
    worst_and_best,
)

PROBABILITIES = st.floats(0, 1, width=32, allow_subnormal=False)


@st.composite
def maps(draw: st.DrawFn, least: int = 1) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, 5), st.integers(least, 14), st.integers(least, 14)))
    return draw(hnp.arrays(np.float32, shape, elements=PROBABILITIES))


def drawn(count: int, side: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, side, side)).astype(np.float32)


def test_errors_and_overlap_counted_by_hand() -> None:
    exact = np.ones((1, 4, 5), np.float32)
    exact[0, 0, :2] = 0
    estimate = np.ones((1, 4, 5), np.float32)
    estimate[0, 0, 1:3] = 0.5
    measured = fidelity(exact, estimate)
    # Wrong by 1, .5 and .5 on 20 positions; of two important ones each, one is shared.
    assert measured["mse"][0] == pytest.approx(1.5 / 20)
    assert measured["mae"][0] == pytest.approx(2 / 20)
    assert measured["iou10"][0] == pytest.approx(1 / 3)
    # Two groups of 2 and 18, one shared: cov = 1/20 - 1/100, var = 1/10 - 1/100.
    assert measured["pearson"][0] == pytest.approx(0.04 / 0.09)
    assert measured["spearman"][0] == pytest.approx(0.04 / 0.09)


def test_correlations_are_those_of_scipy_ties_included() -> None:
    exact = np.round(drawn(6, 9), 1)
    estimate = np.round(0.5 * exact + 0.5 * drawn(6, 9, seed=1), 1)
    measured = fidelity(exact, estimate)
    for row in range(6):
        one, other = exact[row].ravel(), estimate[row].ravel()
        assert measured["pearson"][row] == pytest.approx(stats.pearsonr(one, other)[0], abs=1e-6)
        assert measured["spearman"][row] == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-9)


def test_ssim_is_the_published_formula_window_by_window() -> None:
    one, other = drawn(2, 13).astype(np.float64), drawn(2, 13, seed=1).astype(np.float64)
    around = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(around, around) / np.outer(around, around).sum()
    for row, found in enumerate(structural_similarity(one, other)):
        parts = []
        for i in range(3):
            for j in range(3):
                x, y = (maps[row, i : i + 11, j : j + 11] for maps in (one, other))
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
                both = (window * (x - mx) * (y - my)).sum()
                parts.append(
                    (2 * mx * my + 1e-4)
                    * (2 * both + 9e-4)
                    / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
                )
        assert found == pytest.approx(np.mean(parts), abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (5, 3), (11, 11), (28, 12)])
def test_ssim_of_small_maps_is_defined(shape: tuple[int, int]) -> None:
    one = np.random.default_rng(0).random((3, *shape))
    assert structural_similarity(one, one) == pytest.approx(np.ones(3))
    assert (structural_similarity(one, 1 - one) < 1).all()


def test_ties_of_the_important_tenth_go_by_position() -> None:
    assert lowest_tenth(np.full((1, 20), 0.5))[0].nonzero()[0].tolist() == [0, 1]
    assert lowest_tenth(np.array([[3.0, 1.0, 1.0]]))[0].tolist() == [False, True, False]


@pytest.mark.parametrize("ends", [(0.02, 0.0), (0.51, 0.49), (0.3, 0.28)])
def test_whether_a_map_is_flat_does_not_hang_on_its_type(ends: tuple[float, float]) -> None:
    exact = np.array([[ends]], np.float32)
    assert flat(exact) == flat(exact.astype(np.float64))
    assert np.isnan(fidelity(exact, exact)["pearson"]) == flat(exact)


@given(maps())
def test_identical_maps_agree_wholly(exact: np.ndarray) -> None:
    measured = fidelity(exact, exact.copy())
    assert (measured["mse"] == 0).all() and (measured["mae"] == 0).all()
    assert (measured["iou10"] == 1).all()
    assert measured["ssim"] == pytest.approx(np.ones(len(exact)))
    for name in ("pearson", "spearman"):
        known = measured[name][~flat(exact)]
        assert known == pytest.approx(np.ones(len(known)), abs=1e-6)
        assert np.isnan(measured[name][flat(exact)]).all()


@settings(max_examples=40)
@given(maps(), st.randoms(use_true_random=False))
def test_every_image_is_judged_alone_and_within_bounds(exact: np.ndarray, random: object) -> None:
    rng = np.random.default_rng(len(exact))
    estimate = rng.random(exact.shape).astype(np.float32)
    order = rng.permutation(len(exact))
    measured, shuffled = fidelity(exact, estimate), fidelity(exact[order], estimate[order])
    for name, values in measured.items():
        np.testing.assert_allclose(shuffled[name], values[order], atol=1e-12)
        known = values[~np.isnan(values)]
        assert (known <= 1 + 1e-9).all()
        assert (known >= (-1 - 1e-9 if name in ("pearson", "spearman", "ssim") else 0)).all()
    other_way = fidelity(estimate, exact)
    for name in ("mse", "mae", "ssim", "iou10"):
        np.testing.assert_allclose(other_way[name], measured[name], atol=1e-12)


def test_many_maps_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.methods.occlusion import fidelity as module

    exact, estimate = drawn(7, 6), drawn(7, 6, seed=1)
    whole = fidelity(exact, estimate)
    monkeypatch.setattr(module, "_VALUES", 80)
    for name, values in fidelity(exact, estimate).items():
        assert values == pytest.approx(whole[name], abs=1e-12)


def test_flat_maps_have_no_correlation_and_collapsed_estimates_have_none_either() -> None:
    exact, estimate = drawn(4, 8), drawn(4, 8, seed=1)
    exact[0] = 0.7
    exact[1] = 0.7 + 0.01 * exact[1]
    estimate[2] = 0.3
    assert flat(exact).tolist() == [True, True, False, False]
    assert flat(exact, least=0).tolist() == [True, False, False, False]
    for name in ("pearson", "spearman"):
        values = fidelity(exact, estimate)[name]
        assert np.isnan(values[:2]).all()
        assert values[2] == 0
        assert values[3] != 0
    assert not np.isnan(fidelity(exact, estimate, least=0)["pearson"][1])


def test_a_summary_leaves_flat_maps_out_and_counts_them() -> None:
    exact, estimate = drawn(30, 8), drawn(30, 8, seed=1)
    exact[:10] = 0.5
    measured = fidelity(exact, estimate)
    found = summary(measured, flat(exact))
    assert (found.n, found.flat) == (20, 10)
    for name in BETTER_HIGH:
        mean = found.means[name]
        assert mean.value == pytest.approx(measured[name][10:].mean())
        assert mean.low < mean.value < mean.high
        assert mean.n == 20
    assert found.flat_means["mae"].value == pytest.approx(measured["mae"][:10].mean())
    assert set(found.plain()["means"]["ssim"]) == {"value", "low", "high", "n"}


def test_a_summary_of_flat_maps_alone_knows_no_mean() -> None:
    exact = np.full((3, 5, 5), 0.5, np.float32)
    found = summary(fidelity(exact, exact), flat(exact))
    assert (found.n, found.flat) == (0, 3)
    assert np.isnan(found.means["pearson"].value)
    assert found.flat_means["mse"].value == 0


def test_nothing_to_compare_is_no_error() -> None:
    nothing = np.zeros((0, 5, 5), np.float32)
    assert fidelity(nothing, nothing)["ssim"].shape == (0,)
    assert flat(nothing).shape == (0,)


def test_the_worst_and_the_best() -> None:
    values = np.array([0.5, np.nan, 0.1, 0.9, 0.3, 0.9])
    found = worst_and_best(values, 2)
    assert (found.worst.tolist(), found.best.tolist()) == ([2, 4], [3, 5])
    low = worst_and_best(values, 2, better_high=False)
    assert (low.worst.tolist(), low.best.tolist()) == ([3, 5], [2, 4])
    few = worst_and_best(values)
    assert (few.worst.tolist(), few.best.tolist()) == ([2, 4], [3, 5, 0])
    with pytest.raises(ValueError, match=r"count=0"):
        worst_and_best(values, 0)


def test_the_study_divides_by_its_border_as_well() -> None:
    exact, estimate = drawn(3, 21), drawn(3, 21, seed=1)
    on_image = ((exact.astype(np.float64) - estimate) ** 2).mean(axis=(1, 2))
    assert study_mse(exact, estimate) == pytest.approx(on_image * 441 / 576)
    bordered = np.full((3, 24, 24), 0.5)
    bordered[:, 1:22, 1:22] = estimate
    assert study_mse(exact, bordered) == pytest.approx(
        on_image * 441 / 576 + 0.25 * (576 - 441) / 576
    )
    large = drawn(2, 30)
    assert study_mse(large, 1 - large) == pytest.approx(fidelity(large, 1 - large)["mse"])


@pytest.mark.parametrize(
    ("exact", "estimate", "said"),
    [
        (np.zeros((2, 3, 3)), np.zeros((2, 3, 4)), r"\(2, 3, 3\) and \(2, 3, 4\)"),
        (np.zeros((3, 3)), np.zeros((3, 3)), "one class an image"),
        (np.zeros((2, 0, 3)), np.zeros((2, 0, 3)), "one shape"),
        (np.zeros((2, 3, 3)), np.full((2, 3, 3), np.nan), "estimated maps .* 18 values"),
    ],
)
def test_what_cannot_be_compared_is_refused(exact, estimate, said) -> None:
    with pytest.raises(ValueError, match=said):
        fidelity(exact, estimate)
