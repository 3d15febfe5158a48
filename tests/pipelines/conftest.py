"""Tiny data and the real runner, for the tests of the pipelines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cache import Workspace
from pipelines.recipe import Recipe
from pipelines.runner import run_recipe
from tests.reports import Silent

Content = np.ndarray | bytes | None
MakeFolder = Callable[[Mapping[str, Content]], Path]
RunStages = Callable[..., Workspace]


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Write files below ``tmp_path/images``: arrays as images, bytes as they are, None as noise.

    ``make_folder({"cat/1.png": array, "cat/notes.txt": b"hello"})`` may be called again to add.
    """
    root = tmp_path / "images"

    def make(files: Mapping[str, Content]) -> Path:
        for place, content in files.items():
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                seed = list(place.encode())
                content = np.random.default_rng(seed).integers(0, 256, (12, 12), np.uint8)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                Image.fromarray(content).save(path)
        return root

    return make


@pytest.fixture
def run_stages(tmp_path: Path) -> RunStages:
    """Run stages of a recipe for real: ``run_stages({"source": "digits"}, "samples")``.

    Without names of stages it runs ``samples``. The keyword ``runs`` gives the recipe's runs.
    """

    def run(
        dataset: Mapping[str, Any], *stages: str, runs: Mapping[str, Any] | None = None
    ) -> Workspace:
        recipe = Recipe.model_validate(
            {"name": "tried", "dataset": dict(dataset), "runs": dict(runs or {"only": {}})}
        )
        for stage in stages or ("samples",):
            workspace = run_recipe(
                recipe,
                Silent(),
                command="python -m pipelines run tried",
                reference="tried",
                only=stage,
                root=tmp_path / "cache",
            )
        return workspace

    return run


@pytest.fixture
def plain_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes be started from a test: they would run anew what stands in for the program,
    which another test may have put a script of its own into."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
