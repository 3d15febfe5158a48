"""Trainings that outlive a stop: a folder an epoch, and chance that depends on the epoch alone.

A training keeps ``epochs/00001``, ``epochs/00002`` … in its work folder, each there whole or not at
all. Whatever it draws at random in an epoch follows from seed and epoch, so a training that was
broken off and goes on from its last folder ends as if it had not been.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_WEIGHTS = "last.npz"


def start_afresh(seed: int) -> None:
    """Forget earlier models, seed everything that draws numbers, and ask for repeatable kernels."""
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def reseed(model: Any, seed: int, epoch: int) -> None:
    """Make dropout draw numbers that depend on seed and epoch, not on the epochs before."""
    for position, layer in enumerate(model.layers):
        generator = getattr(layer, "seed_generator", None)
        if generator is not None and hasattr(generator, "state"):
            state = np.random.SeedSequence([seed, epoch, position]).generate_state(2)
            generator.state.assign(state.astype(generator.state.dtype))


def finished(work: Path) -> list[Path]:
    """Folders of the epochs that were finished, in order."""
    return sorted(path for path in (work / "epochs").glob("[0-9]*") if path.is_dir())


def row_of(folder: Path) -> dict[str, Any]:
    """The epoch's row of the history."""
    row: dict[str, Any] = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    return row


def keep(work: Path, epoch: int, row: dict[str, Any], write: Callable[[Path], None]) -> Path:
    """Keep an epoch that ended.

    Args:
        work: Work folder of the training.
        epoch: Its number, from 1.
        row: Its row of the history, as plain data.
        write: Called with an empty folder, to put the weights and whatever else there.

    Returns:
        The epoch's folder.
    """
    target = work / "epochs" / f"{epoch:05d}"
    beside = target.with_name(f".{target.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    write(beside)
    (beside / "row.json").write_text(json.dumps(row), encoding="utf-8")
    beside.rename(target)
    return target


def save(variables: list[Any], folder: Path) -> None:
    """Write Keras variables, those of the model first, into the folder of an epoch."""
    np.savez(folder / _WEIGHTS, *(np.asarray(variable) for variable in variables))


def restore(variables: list[Any], folder: Path) -> None:
    """Give variables their values of an epoch: all that were written, or the first of them."""
    with np.load(folder / _WEIGHTS, allow_pickle=False) as kept:
        for index, variable in enumerate(variables):
            variable.assign(kept[f"arr_{index}"])


def prune(epochs: list[Path], best_epoch: int) -> None:
    """Keep the weights of the last and of the best epoch only.

    Args:
        epochs: Folders of the finished epochs.
        best_epoch: Its number, from 1.
    """
    for epoch, folder in enumerate(epochs[:-1], start=1):
        if epoch != best_epoch:
            (folder / _WEIGHTS).unlink(missing_ok=True)
