"""Folders of epochs: whole or not at all."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.methods import epochs


class Held:
    """Stands for a variable of Keras."""

    def __init__(self, value: Any) -> None:
        self.assign(value)

    def assign(self, value: Any) -> None:
        self.value = np.asarray(value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.value


def test_an_epoch_that_was_not_written_to_its_end_is_none(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "weights").write_text("one")

    def broken(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise OSError("no space left")

    epochs.keep(tmp_path, 1, {"loss": 2.0}, write)
    with pytest.raises(OSError, match="no space"):
        epochs.keep(tmp_path, 2, {"loss": 1.0}, broken)
    assert [folder.name for folder in epochs.finished(tmp_path)] == ["00001"]
    second = epochs.keep(tmp_path, 2, {"loss": 1.5}, write)
    assert epochs.row_of(second) == {"loss": 1.5}
    assert (second / "weights").read_text() == "one"
    assert len(epochs.finished(tmp_path)) == 2


def test_only_the_best_and_the_last_weights_stay(tmp_path: Path) -> None:
    weights = [Held(0.0), Held(0.0)]
    folders = []
    for epoch in (1, 2, 3, 4):
        weights[0].assign(np.full(2, epoch))
        folders.append(epochs.keep(tmp_path, epoch, {}, partial(epochs.save, weights)))
    epochs.prune(folders, 2)
    assert epochs.finished(tmp_path) == folders
    for folder in (folders[0], folders[2]):
        with pytest.raises(FileNotFoundError):
            epochs.restore(weights, folder)
    first = Held(0.0)
    epochs.restore([first], folders[1])
    assert first.value.tolist() == [2.0, 2.0]
    epochs.restore(weights, folders[3])
    assert weights[0].value.tolist() == [4.0, 4.0] and weights[1].value == 0.0


def test_there_are_none_before_the_first(tmp_path: Path) -> None:
    assert epochs.finished(tmp_path / "nowhere") == []
