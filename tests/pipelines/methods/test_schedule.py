from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.methods.backend import load_tensorflow
from pipelines.methods.schedule import Standing, standing
from pipelines.recipe import RunRecipe

NAN = math.nan


def run(**settings: Any) -> RunRecipe:
    return RunRecipe.model_validate(
        {"epochs": 100, "early_stopping": None, "optimizer": {"learning_rate": 1.0}, **settings}
    )


class TestBestEpoch:
    @pytest.mark.parametrize(
        ("losses", "best"),
        [
            ([], 0),
            ([3.0], 1),
            ([3.0, 2.0, 2.5], 2),
            ([3.0, 2.0, 2.0], 2),  # a tie: the first
            ([1.0, 2.0, 0.5], 3),
            ([NAN, NAN, NAN], 3),  # no val split: the last
            ([2.0, 1.0, NAN], 2),  # diverged after the second
            ([NAN, 1.0], 2),
            ([math.inf, 5.0], 2),
        ],
    )
    def test_is_that_of_the_lowest_loss(self, losses: list[float], best: int) -> None:
        assert standing(losses, run()) == Standing(best, 1.0, None)

    def test_does_not_ask_whether_the_improvement_was_large(self) -> None:
        stopping = run(early_stopping={"patience": 3, "min_delta": 0.5})
        assert standing([3.0, 2.9, 2.8], stopping).best_epoch == 3


class TestStopping:
    @pytest.mark.parametrize(
        ("patience", "losses", "stopped_after"),
        [
            (2, [5, 4, 3, 2, 1], None),
            (2, [5, 4, 4, 4], 4),
            (2, [5, 4, 6, 3, 6, 6], 6),
            (1, [5, 6], 2),
            (0, [5, 6], 2),  # as in Keras, patience 0 is as 1
            (0, [5, 4], None),
            (3, [1, 2, 2, 2], 4),
        ],
    )
    def test_follows_the_patience(
        self, patience: int, losses: list[float], stopped_after: int | None
    ) -> None:
        settings = run(early_stopping={"patience": patience})
        for epochs in range(len(losses) + 1):
            expected = "early stopping" if epochs == stopped_after else None
            assert standing(losses[:epochs], settings).stopped == expected

    def test_small_improvements_do_not_count(self) -> None:
        settings = run(early_stopping={"patience": 2, "min_delta": 0.5})
        assert standing([4.0, 3.75, 3.5], settings).stopped == "early stopping"
        assert standing([4.0, 3.75, 3.25], settings).stopped is None

    def test_ends_with_the_last_epoch(self) -> None:
        settings = run(epochs=3)
        assert standing([3, 2], settings).stopped is None
        assert standing([3, 2, 1], settings).stopped == "last epoch"

    def test_an_early_stop_in_the_last_epoch_is_told_as_such(self) -> None:
        settings = run(epochs=3, early_stopping={"patience": 2})
        assert standing([1, 2, 3], settings).stopped == "early stopping"


class TestLearningRate:
    @pytest.mark.parametrize(
        ("losses", "rate"),
        [
            ([], 1.0),
            ([5, 6], 1.0),
            ([5, 6, 6], 0.5),
            ([5, 6, 6, 6], 0.5),
            ([5, 6, 6, 6, 6], 0.25),
            ([5, 6, 6, 4, 6], 0.5),
            ([5] + [6] * 20, 0.125),
        ],
    )
    def test_falls_after_epochs_without_improvement(self, losses: list[float], rate: float) -> None:
        plateau = {"factor": 0.5, "patience": 2, "min_learning_rate": 0.125}
        assert standing(losses, run(plateau=plateau)).learning_rate == rate

    def test_is_never_raised_to_the_lowest(self) -> None:
        settings = run(
            optimizer={"learning_rate": 1e-7},
            plateau={"factor": 0.5, "patience": 1, "min_learning_rate": 1e-6},
        )
        assert standing([1, 2, 3, 4], settings).learning_rate == 1e-7

    def test_stays_without_a_plateau(self) -> None:
        assert standing([1, 2, 3, 4], run()).learning_rate == 1.0


def keras_says(losses: list[float], run: RunRecipe) -> list[tuple[float, bool]]:
    """Learning rate and whether it stops after each epoch, by the callbacks of Keras."""
    load_tensorflow()
    import keras

    optimizer = SimpleNamespace(learning_rate=np.float64(run.optimizer.learning_rate))
    model = SimpleNamespace(stop_training=False, optimizer=optimizer)
    callbacks: list[Any] = []
    if run.early_stopping is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_loss",
                mode="min",
                patience=run.early_stopping.patience,
                min_delta=run.early_stopping.min_delta,
            )
        )
    if run.plateau is not None:
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                "val_loss",
                mode="min",
                factor=run.plateau.factor,
                patience=run.plateau.patience,
                min_delta=run.plateau.min_delta,
                min_lr=run.plateau.min_learning_rate,
            )
        )
    said = []
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"val_loss": np.float64(loss)})
        said.append((float(model.optimizer.learning_rate), model.stop_training))
        if model.stop_training:
            break
    return said


# Multiples of 1/8 are exact, so that no rounding decides what an improvement is.
EIGHTHS = st.integers(0, 12).map(lambda value: value / 8)


@settings(max_examples=200)
@given(
    losses=st.lists(EIGHTHS, min_size=1, max_size=25),
    stopping=st.none() | st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.125, 0.5])),
    plateau=st.none() | st.tuples(st.integers(0, 4), st.sampled_from([0.0, 0.125, 0.5])),
    rate=st.sampled_from([1.0, 0.25, 1 / 64]),
)
def test_agrees_with_keras(
    losses: list[float],
    stopping: tuple[int, float] | None,
    plateau: tuple[int, float] | None,
    rate: float,
) -> None:
    settings = run(
        optimizer={"learning_rate": rate},
        early_stopping=stopping and {"patience": stopping[0], "min_delta": stopping[1]},
        plateau=plateau
        and {
            "patience": plateau[0],
            "min_delta": plateau[1],
            "factor": 0.5,
            "min_learning_rate": 1 / 16,
        },
    )
    for epoch, (expected, stops) in enumerate(keras_says(losses, settings), start=1):
        now = standing(losses[:epoch], settings)
        assert (now.stopped == "early stopping") == stops, epoch
        if not stops:
            assert now.learning_rate == pytest.approx(expected), epoch
