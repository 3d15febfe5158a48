"""Writing vectors: in batches of one shape, with the same bits after any stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import StageError
from pipelines.methods import batching
from pipelines.methods.encoders import Encoder

IMAGES = np.random.default_rng(0).random((23, 2, 3, 1)).astype(np.float32)


class StoppedError(Exception):
    """Stands for whatever stops a process."""


def embed(
    folder: Path,
    *,
    stop_at: int | None = None,
    batches: list[int] | None = None,
    every: float = 0.0,
    **changed: Any,
) -> Path:
    """Embed 23 images by their sums and sines, stopping before one if told to."""

    def forward(images: np.ndarray) -> np.ndarray:
        if batches is not None:
            batches.append(len(images))
        sums = images.reshape(len(images), -1).sum(axis=1)
        return np.stack([sums, np.sin(sums)], axis=1)

    def read(rows: np.ndarray) -> np.ndarray:
        if stop_at is not None and rows[-1] >= stop_at:
            raise StoppedError
        return IMAGES[rows]

    told: list[float] = []
    (folder / "work").mkdir(parents=True, exist_ok=True)
    batching.embed(
        Encoder("sums", 2, (2, 3, 1), forward, np.asarray),
        read,
        len(IMAGES),
        folder / "vectors.npy",
        work=folder / "work",
        **{"batch_size": 4, "progress": lambda done, total: told.append(done / total), **changed},
    )
    assert told == sorted(told)
    assert told[-1:] in ([], [1.0])
    return folder / "vectors.npy"


@pytest.fixture(autouse=True)
def note_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_SECONDS_BETWEEN_NOTES", -1.0)


def test_every_image_gets_its_vector_in_batches_of_one_shape(tmp_path: Path) -> None:
    batches: list[int] = []
    vectors = np.load(embed(tmp_path, batches=batches))
    sums = IMAGES.reshape(23, -1).sum(axis=1)
    assert vectors == pytest.approx(np.stack([sums, np.sin(sums)], axis=1), abs=1e-6)
    assert vectors.dtype == np.float32
    assert batches == [4] * 6


@pytest.mark.parametrize("stop_at", [0, 3, 10, 22])
def test_a_stop_changes_no_bit(tmp_path: Path, stop_at: int) -> None:
    whole = embed(tmp_path / "whole").read_bytes()
    with pytest.raises(StoppedError):
        embed(tmp_path / "broken", stop_at=stop_at)
    assert not (tmp_path / "broken" / "vectors.npy").exists()
    batches: list[int] = []
    assert embed(tmp_path / "broken", batches=batches).read_bytes() == whole
    # What was noted is not done again; the batch that was read ahead may be.
    assert len(batches) <= 6 - max(0, stop_at // 4 - 1)


def test_a_kill_between_vectors_and_note_changes_no_bit(tmp_path: Path) -> None:
    whole = embed(tmp_path / "whole").read_bytes()
    with pytest.raises(StoppedError):
        embed(tmp_path / "broken", stop_at=12)
    work = tmp_path / "broken" / "work"
    note = json.loads((work / "embedded.json").read_text())
    # Noted less than was written, and rubbish beyond what was noted.
    (work / "embedded.json").write_text(json.dumps({**note, "done": 4}))
    vectors = np.load(work / "vectors.npy", mmap_mode="r+")
    vectors[4:] = np.nan
    del vectors
    assert embed(tmp_path / "broken").read_bytes() == whole


def test_what_was_finished_is_not_done_again(tmp_path: Path) -> None:
    whole = embed(tmp_path).read_bytes()
    (tmp_path / "vectors.npy").unlink()
    batches: list[int] = []
    assert embed(tmp_path, batches=batches, stop_at=0).read_bytes() == whole
    assert batches == []


@pytest.mark.parametrize("note", ["", "[1, 2", '{"done": 8}'])
def test_a_note_that_says_nothing_starts_afresh(tmp_path: Path, note: str) -> None:
    whole = embed(tmp_path / "whole").read_bytes()
    work = tmp_path / "broken" / "work"
    work.mkdir(parents=True)
    (work / "embedded.json").write_text(note)
    assert embed(tmp_path / "broken").read_bytes() == whole


def test_vectors_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"'broken' gave values that are not numbers"):
        batching.embed(
            Encoder("broken", 1, (2, 3, 1), lambda x: x[:, 0, 0] * np.inf, np.asarray),
            IMAGES.__getitem__,
            len(IMAGES),
            tmp_path / "vectors.npy",
            work=tmp_path,
            batch_size=4,
        )
