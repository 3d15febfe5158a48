"""Estimators learn maps, of the class asked for, the same after any stop; and their baselines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import StageError
from pipelines.methods import epochs
from pipelines.methods.estimating import (
    Pairs,
    Read,
    Settings,
    drawer,
    mean_map,
    predict,
    train,
    upsampled,
)
from pipelines.methods.occlusion.fidelity import fidelity

SIDE = 8
SETTINGS = Settings(epochs=3, batch_size=32, learning_rate=3e-3)


class StoppedError(Exception):
    """Stands for whatever stops a training."""


def spots(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Images with one bright pixel, and maps of two classes that fall where it is: the first from
    .9 to .1, the second the other way."""
    rng = np.random.default_rng(4)
    images = rng.random((count, SIDE, SIDE, 1)).astype(np.float32) * 0.2
    places = rng.integers(1, SIDE - 1, (count, 2))
    maps = np.full((count, SIDE, SIDE), 0.9, np.float32)
    for row, (i, j) in enumerate(places):
        images[row, i, j] = 1
        maps[row, i - 1 : i + 2, j - 1 : j + 2] = 0.1
    return images, np.stack([maps, 1 - maps], axis=-1)


def every_class(read: Read, maps: np.ndarray, rows: np.ndarray) -> Pairs:
    """Pairs of some images with every class, image by image."""
    asked = np.tile(np.arange(maps.shape[-1], dtype=np.int32), len(rows))
    return Pairs(read, maps, np.repeat(rows, maps.shape[-1]), asked)


def pairs_of(count: int = 200) -> tuple[Pairs, Pairs, np.ndarray, np.ndarray]:
    images, maps = spots(count)
    split = count * 3 // 4
    both = every_class(lambda rows: images[rows], maps, np.arange(count))
    return (
        replace(both, rows=both.rows[: 2 * split], asked=both.asked[: 2 * split]),
        replace(both, rows=both.rows[2 * split :], asked=both.asked[2 * split :]),
        images,
        maps,
    )


def build() -> Any:
    from pipelines.models.estimators import map_estimator

    return map_estimator((SIDE, SIDE, 1), 2, width=8)


def test_it_beats_the_mean_map_and_answers_for_the_class_asked_for(tmp_path: Path) -> None:
    pairs, val, _, maps = pairs_of()
    settings = replace(SETTINGS, epochs=12, batch_size=16, learning_rate=1e-2)
    told: list[float] = []
    model, fitted = train(
        build, pairs, val, settings, "ours", work=tmp_path, progress=lambda d, t: told.append(d / t)
    )
    rows = np.arange(150, 200)
    drawn = [predict(model, val.read, rows, np.full(50, k), batch_size=7) for k in (0, 1)]
    means = mean_map(maps[:150, ..., 0], np.zeros(150, np.int64), 2)
    for label in (0, 1):
        exact = maps[rows, ..., label]
        baseline = means[:1] if label == 0 else 1 - means[:1]
        of_mean = fidelity(exact, np.repeat(baseline, 50, axis=0))
        ours = fidelity(exact, drawn[label])
        assert ours["mse"].mean() < 0.5 * of_mean["mse"].mean()
        assert ours["pearson"].mean() > of_mean["pearson"].mean() + 0.2
    assert fidelity(drawn[0], 1 - drawn[1])["mae"].mean() < 0.1
    assert np.abs(drawn[0] - drawn[1]).mean() > 0.4
    history = fitted.history
    assert history["val_loss"].iloc[fitted.best_epoch - 1] == history["val_loss"].min()
    assert fitted.summary["seconds"] == pytest.approx(history["seconds"].sum())
    assert told == sorted(told) and told[-1] <= 1


def losses(drawn: Any, maps: Any, pattern: float) -> np.ndarray:
    from pipelines.methods.backend import load_tensorflow
    from pipelines.methods.estimating import _losses

    load_tensorflow()
    return np.asarray(_losses(np.float32(drawn), np.float32(maps), pattern))


def test_the_loss_is_zero_for_the_exact_map() -> None:
    maps = [[[0.0, 1.0], [0.3, 0.7]], [[0.5, 0.5], [0.5, 0.5]], [[1.0, 1.0], [1.0, 1.0]]]
    for pattern in (0, 0.3):
        assert losses(maps, maps, pattern) == pytest.approx([0, 0, 0], abs=1e-6)


def test_the_loss_is_the_divergence_and_one_less_the_correlation_of_logits() -> None:
    # Of .5 where it is .25: the Kullback-Leibler divergence.
    divergence = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    assert losses([[[0.5]]], [[[0.25]]], 0) == pytest.approx([divergence], abs=1e-6)
    exact, drawn = np.random.default_rng(1).uniform(0.01, 0.99, (2, 4, 6, 5))
    apart = losses(drawn, exact, 0.3) - losses(drawn, exact, 0)
    logits = [np.log(maps / (1 - maps)).reshape(4, -1) for maps in (exact, drawn)]
    wanted = [0.3 * (1 - np.corrcoef(one, other)[0, 1]) for one, other in zip(*logits, strict=True)]
    assert apart == pytest.approx(wanted, abs=2e-3)


def test_the_order_of_probabilities_near_one_counts() -> None:
    exact = [[[0.9999, 0.999, 0.99]]]
    same, turned = [[[0.999, 0.997, 0.98]]], [[[0.98, 0.997, 0.999]]]
    pattern = (losses(turned, exact, 1) - losses(turned, exact, 0))[0]
    assert pattern > 1.9
    assert (losses(same, exact, 1) - losses(same, exact, 0))[0] < 0.02
    assert abs(losses(turned, exact, 0)[0] - losses(same, exact, 0)[0]) < 0.06


def test_a_constant_map_asks_for_a_constant_one() -> None:
    constant = np.full((1, 3, 3), 0.5)
    varied = constant + np.linspace(-0.3, 0.3, 9).reshape(1, 3, 3)
    less = constant + np.linspace(-0.1, 0.1, 9).reshape(1, 3, 3)
    parts = [losses(drawn, constant, 1) - losses(drawn, constant, 0) for drawn in (varied, less)]
    assert parts[0] > parts[1] > 0.1


def test_a_stop_changes_nothing(tmp_path: Path) -> None:
    pairs, val, *_ = pairs_of(60)
    calls = 0

    def stopping(rows: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        # A call for the signature, then three batches an epoch and one of val.
        if calls == 8:
            raise StoppedError
        return pairs.read(rows)

    whole, fitted = train(build, pairs, val, SETTINGS, "ours", work=tmp_path / "whole")
    with pytest.raises(StoppedError):
        broken = replace(pairs, read=stopping)
        train(build, broken, val, SETTINGS, "ours", work=tmp_path / "broken")
    assert [path.name for path in epochs.finished(tmp_path / "broken")] == ["00001", "00002"]
    resumed, again = train(build, pairs, val, SETTINGS, "ours", work=tmp_path / "broken")
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        assert (one == other).all()
    columns = ["epoch", "loss", "val_loss"]
    assert again.history[columns].equals(fitted.history[columns])


def test_without_val_the_last_epoch_is_kept(tmp_path: Path) -> None:
    pairs, val, *_ = pairs_of(40)
    nothing = replace(val, rows=val.rows[:0], asked=val.asked[:0])
    _, fitted = train(build, pairs, nothing, replace(SETTINGS, epochs=2), "ours", work=tmp_path)
    assert (fitted.best_epoch, fitted.stopped) == (2, "last epoch")
    assert fitted.history["val_loss"].isna().all()


def test_the_study_s_network_is_trained_its_way_and_draws_the_same_for_any_class(
    tmp_path: Path,
) -> None:
    from pipelines.models.estimators import study_estimator

    pairs, val, images, _ = pairs_of(24)
    settings = Settings(epochs=1, learning_rate=1.0, batch_size=10, optimizer="adadelta")
    model, fitted = train(
        lambda: study_estimator((SIDE, SIDE, 1), 2), pairs, val, settings, "h8", work=tmp_path
    )
    assert len(fitted.history) == 1
    draw = drawer(model)
    assert (draw(images[:3], np.zeros(3)) == draw(images[:3], np.ones(3))).all()


def test_a_classifier_with_dropout_says_the_same_while_an_estimator_learns(tmp_path: Path) -> None:
    """With its dropout at work, the clean probability would be another in every step."""
    from pipelines.models import build as build_classifier
    from pipelines.models.estimators import map_estimator

    pairs, *_ = pairs_of(24)

    def with_classifier() -> Any:
        classifier = build_classifier("hits_cnn", (SIDE, SIDE, 1), 2)
        return map_estimator((SIDE, SIDE, 1), 2, classifier=classifier, width=8)

    # At a rate of zero nothing is learned: what train and val lose differs by their images alone.
    settings = replace(SETTINGS, epochs=3, learning_rate=0.0, batch_size=200)
    _, fitted = train(with_classifier, pairs, pairs, settings, "ours", work=tmp_path)
    history = fitted.history
    assert history["loss"].to_numpy() == pytest.approx(history["val_loss"].to_numpy(), rel=1e-4)


def test_what_cannot_be_trained_says_so(tmp_path: Path) -> None:
    pairs, val, *_ = pairs_of(24)
    with pytest.raises(StageError, match=r"ours diverged.*ours\.learning_rate"):
        train(build, pairs, val, replace(SETTINGS, learning_rate=1e30), "ours", work=tmp_path)
    coarse = replace(pairs, maps=pairs.maps[:, ::2, ::2])
    with pytest.raises(ValueError, match=r"maps \(4, 4\), a network that draws \(8, 8\)"):
        train(build, coarse, val, SETTINGS, "ours", work=tmp_path / "coarse")
    nothing = replace(pairs, rows=pairs.rows[:0], asked=pairs.asked[:0])
    with pytest.raises(ValueError, match=r"0 pairs"):
        train(build, nothing, val, SETTINGS, "ours", work=tmp_path / "nothing")


def test_the_mean_map_of_each_predicted_class() -> None:
    exact = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    means = mean_map(exact, np.array([1, 1, 0]), 3)
    assert means[0].tolist() == exact[2].tolist()
    assert means[1].tolist() == exact[:2].mean(axis=0).tolist()
    assert means[2].tolist() == exact.mean(axis=0).tolist()
    with pytest.raises(ValueError, match="at least one exact map"):
        mean_map(exact[:0], np.zeros(0, np.int64), 2)


def test_upsampling_keeps_what_was_computed_and_is_straight_between() -> None:
    rows, columns = np.mgrid[:7, :8].astype(np.float32)
    plane = (0.01 * rows + 0.1 * columns)[None]
    found = upsampled(plane, 3)
    assert found.shape == plane.shape
    assert found[:, ::3, ::3] == pytest.approx(plane[:, ::3, ::3])
    assert found[:, :, :7] == pytest.approx(plane[:, :, :7], abs=1e-6)
    # Column 7 lies beyond the last computed one, 6.
    assert found[:, :, 7] == pytest.approx(plane[:, :, 6])
    assert upsampled(plane, 1) == pytest.approx(plane)
