"""Cross-fitting: a run's own model, trained anew for each fold on the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.methods import epochs
from pipelines.methods.feeding import Inputs, predictor
from pipelines.methods.folds import watched
from pipelines.methods.training import Data, best_model, train

if TYPE_CHECKING:
    from pipelines.recipe import RunRecipe


def classifier_probabilities(
    run: RunRecipe,
    inputs: Inputs,
    labels: np.ndarray,
    classes: tuple[str, ...],
    folds: np.ndarray,
    name: str,
    *,
    work: Path,
    progress: Callable[[float, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Probabilities of every sample by the model of a run that was trained without its fold.

    A further fold (:func:`pipelines.methods.folds.watched`) is not trained on either: the best
    epoch, early stopping and learning rate look at it, as those of the run look at val.

    Args:
        run: How to train.
        inputs: Pixels of all samples.
        labels: int32 (n,) codes.
        classes: Names of the classes, in order.
        folds: The fold (n,) of each sample, from 0; at least three folds.
        name: That of the run, for messages.
        work: Folder that outlives a stop. What was broken off goes on from it, fold by fold and
            epoch by epoch, and ends with the same probabilities.
        progress: Told how many epochs are done, and of how many at most.

    Returns:
        float32 (n, k), rows summing to one.

    Raises:
        StageError: A training diverged, or none could learn the classes that it is asked about.
    """
    total = int(folds.max()) + 1
    watched_by = [watched(labels, folds, fold) for fold in range(total)]
    _count_earlier_attempts(work)
    probabilities = np.empty((len(labels), len(classes)), np.float32)
    for fold in range(total):
        kept = work / f"fold-{fold}.npy"
        if not kept.is_file():

            def in_fold(done: float, of: int, before: int = fold * run.epochs) -> None:
                progress(before + done, total * run.epochs)

            looked_at = watched_by[fold]
            data = Data(
                inputs,
                labels,
                np.flatnonzero((folds != fold) & (folds != looked_at)),
                np.flatnonzero(folds == looked_at),
                classes,
            )
            done = train(run, data, name, work=work / f"fold-{fold}", progress=in_fold)
            beside = work / f".fold-{fold}.new.npy"
            np.save(beside, predictor(best_model(run, data, done), inputs)()[folds == fold])
            beside.rename(kept)
        probabilities[folds == fold] = np.load(kept)
        progress((fold + 1) * run.epochs, total * run.epochs)
    return probabilities


def _count_earlier_attempts(work: Path) -> None:
    """Tell the runner how many seconds earlier, interrupted attempts took."""
    trained = [folder for fold in work.glob("fold-*") for folder in epochs.finished(fold)]
    if trained:
        seconds = sum(epochs.row_of(folder)["seconds"] for folder in trained)
        (work / "seconds").write_text(str(seconds), encoding="ascii")
