"""Embeddings by recipe: the same vectors after a stop, and what does not fit is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import Workspace
from pipelines.errors import RecipeError
from pipelines.methods import embedding
from pipelines.recipe import AutoencoderEmbedding, BackboneEmbedding, PixelsEmbedding
from tests.pipelines.methods.stamps import recipe_of

RunStages = Callable[..., Workspace]


class StoppedError(Exception):
    """Stands for whatever stops a process."""


def compute(workspace: Workspace, folder: Path, settings: Any, **changed: Any) -> dict[str, Any]:
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    return embedding.compute(
        workspace.run("only"), "mine", settings, work=folder / "work", out=out, **changed
    )


@pytest.fixture
def workspace(tmp_path: Path, run_stages: RunStages) -> Workspace:
    runs: Mapping[str, Any] = {"only": {"model": "hits_cnn"}}
    return run_stages(recipe_of(tmp_path, count=60), "samples", "inputs", runs=runs)


def test_a_stopped_training_and_embedding_end_with_the_same_bits(
    workspace: Workspace, tmp_path: Path
) -> None:
    settings = AutoencoderEmbedding(kind="autoencoder", dim=3, epochs=2, batch_size=16)
    whole = compute(workspace, tmp_path / "whole", settings)

    def stop_after(share: float) -> Any:
        def progress(done: float, total: int) -> None:
            if done / total > share:
                raise StoppedError

        return progress

    for share in (0.6, 0.79):
        with pytest.raises(StoppedError):
            compute(workspace, tmp_path / "broken", settings, progress=stop_after(share))
    again = compute(workspace, tmp_path / "broken", settings)
    for name in ("vectors.npy", "reconstructions.npy"):
        first, second = (tmp_path / side / "out" / name for side in ("whole", "broken"))
        assert first.read_bytes() == second.read_bytes()
    assert again["reconstruction"] == whole["reconstruction"]
    # The runner adds what the attempts before took.
    assert float((tmp_path / "broken" / "work" / "seconds").read_text()) > 0
    assert not (tmp_path / "whole" / "work" / "seconds").exists()


def test_pixels_need_a_train_split(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_rows", lambda run: {"train": np.array([5])})
    with pytest.raises(RecipeError, match=r"fitted on train\. Received: 1 images"):
        compute(workspace, tmp_path, PixelsEmbedding(kind="pixels"))


def test_a_backbone_asks_for_channels_where_there_are_no_pictures(
    tmp_path: Path, run_stages: RunStages
) -> None:
    dataset = recipe_of(tmp_path, count=30, channels=2)
    workspace = run_stages(dataset, "samples", "inputs", runs={"only": {"model": "hits_cnn"}})
    settings = BackboneEmbedding(kind="backbone", backbone="VGG16", weights="none")
    with pytest.raises(RecipeError, match="Name one of them, or three"):
        compute(workspace, tmp_path, settings)
