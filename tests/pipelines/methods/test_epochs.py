"""Folders of epochs: whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.methods import epochs


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
    def write(folder: Path) -> None:
        (folder / "weights").touch()

    folders = [epochs.keep(tmp_path, epoch, {}, write) for epoch in (1, 2, 3, 4)]
    epochs.prune(folders, 2, "weights")
    assert [(folder / "weights").exists() for folder in folders] == [False, True, False, True]
    assert epochs.finished(tmp_path) == folders


def test_there_are_none_before_the_first(tmp_path: Path) -> None:
    assert epochs.finished(tmp_path / "nowhere") == []
