"""When to stop, which epoch is best, and with which learning rate to go on.

All of it follows from the history alone, so that a training that was broken off decides as if it
had not been. The loss that is watched is the validation loss without penalty terms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.recipe import RunRecipe


@dataclass(frozen=True)
class Standing:
    """Where a training stands after its last finished epoch.

    Attributes:
        best_epoch: Epoch (from 1) of the lowest validation loss; 0 before the first. Where no
            epoch has one (there is no val split), the last epoch.
        learning_rate: For the next epoch.
        stopped: Why it ends here, or None to go on.
    """

    best_epoch: int
    learning_rate: float
    stopped: str | None


def standing(val_losses: Sequence[float], run: RunRecipe) -> Standing:
    """Replay the rules of early stopping and of the learning-rate plateau over a history.

    An epoch improves when its loss is below the best so far by more than ``min_delta``. Training
    stops after ``max(patience, 1)`` epochs in a row without improvement, as in Keras.

    Args:
        val_losses: Validation loss of each finished epoch; NaN where there is no val split.
        run: The run's recipe.
    """
    rate = run.optimizer.learning_rate
    watched = not all(math.isnan(loss) for loss in val_losses)
    best, best_epoch = math.inf, 0
    stop_best, stop_waits = math.inf, 0
    rate_best, rate_waits = math.inf, 0
    for epoch, loss in enumerate(val_losses, start=1):
        if loss < best or not watched:
            best, best_epoch = loss, epoch
        if run.early_stopping is not None:
            if loss < stop_best - run.early_stopping.min_delta:
                stop_best, stop_waits = loss, 0
            else:
                stop_waits += 1
            if stop_waits >= max(run.early_stopping.patience, 1):
                return Standing(best_epoch, rate, "early stopping")
        if run.plateau is not None:
            if loss < rate_best - run.plateau.min_delta:
                rate_best, rate_waits = loss, 0
            else:
                rate_waits += 1
            if rate_waits >= max(run.plateau.patience, 1):
                lowest = min(rate, run.plateau.min_learning_rate)
                rate = max(rate * run.plateau.factor, lowest)
                rate_waits = 0
    ended = "last epoch" if len(val_losses) >= run.epochs else None
    return Standing(best_epoch, rate, ended)
