from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, fbeta_score

from pipelines.methods.intervals import bootstrap
from pipelines.methods.paired_bootstrap import resample


def answers(n: int, models: int, classes: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Labels, what models say (right on most, hard samples hard for all), and losses."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    hard = rng.random(n)
    wrong = hard + 0.3 * rng.random((models, n)) > 1.0
    said = np.where(wrong, (labels + rng.integers(1, classes, (models, n))) % classes, labels)
    return labels, said, rng.exponential(0.3, (models, n)) + wrong


def test_values_are_those_of_scikit_learn() -> None:
    labels, said, losses = answers(300, 3, 4)
    found = resample(labels, said, losses, 4, positive=1, resamples=5)
    assert found.f2 is not None
    for model, predicted in enumerate(said):
        expected = f1_score(labels, predicted, average="macro")
        assert found.macro_f1.values[model] == pytest.approx(expected)
        expected = fbeta_score(labels, predicted, beta=2, labels=[1], average="macro")
        assert found.f2.values[model] == pytest.approx(expected)
    assert found.loss.values == pytest.approx(losses.mean(axis=1))


def test_each_resample_is_the_figure_of_resampled_samples() -> None:
    labels, said, losses = answers(200, 2, 3)
    found = resample(labels, said, losses, 3, positive=2, resamples=4, seed=7)
    generator = np.random.default_rng(7)
    for place in range(4):
        drawn = generator.integers(0, 200, 200)
        for model in range(2):
            expected = f1_score(labels[drawn], said[model][drawn], average="macro")
            assert found.macro_f1.resampled[model, place] == pytest.approx(expected)
            assert found.loss.resampled[model, place] == pytest.approx(losses[model][drawn].mean())


def test_intervals_are_those_of_the_plain_bootstrap() -> None:
    labels, said, losses = answers(400, 2, 3)
    found = resample(labels, said, losses, 3)
    low, high = bootstrap(lambda mine, theirs: float((mine - theirs).mean()), *losses)
    difference = found.loss.difference(0, 1)
    assert (difference.low, difference.high) == pytest.approx((low, high))
    assert found.f2 is None


def test_pairing_narrows_a_difference() -> None:
    labels, said, losses = answers(1000, 2, 2)
    found = resample(labels, said, losses, 2)
    difference = found.macro_f1.difference(0, 1)
    widths = [high - low for low, high in map(found.macro_f1.interval, (0, 1))]
    assert difference.high - difference.low < np.hypot(*widths)
    same = found.macro_f1.difference(1, 1)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)


def test_many_models_and_classes_do_not_outgrow_their_codes() -> None:
    labels, said, losses = answers(500, 12, 1000)
    found = resample(labels, said, losses, 1000, resamples=2)
    expected = f1_score(labels, said[11], average="macro")
    assert found.macro_f1.values[11] == pytest.approx(expected)


def test_other_samples_are_refused() -> None:
    labels, said, losses = answers(20, 2, 2)
    with pytest.raises(ValueError, match=r"labels \(19,\), predicted \(2, 20\)"):
        resample(labels[:19], said, losses, 2)
    with pytest.raises(ValueError, match="at least one"):
        resample(labels[:0], said[:, :0], losses[:, :0], 2)
