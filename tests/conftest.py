"""What holds for every test."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import hypothesis
import pytest

# The workers of pytest-xdist set it to 80, and what prints tables would keep to that.
os.environ.pop("COLUMNS", None)

# How long one example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("centauro", deadline=None)
hypothesis.settings.load_profile("centauro")

REAL_RUNS = (
    "runs={hits: {model: hits_cnn, epochs: 2, batch_size: 32, embeddings: {pixels: {dim: 20}}, "
    "occlusion: {five: {patch: 5, train: 200, val: 40, test: 60, "
    "estimators: {ours: {epochs: 1, repeats: 2}}}}}}"
)


@pytest.fixture(scope="session")
def real_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the workspace ``digits`` as the pipelines really make it, with a run ``hits``.

    All workers share it, so it is only for reading: a test that changes something takes a copy.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    root = shared / "real_digits"
    with (shared / "real_digits.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            from pipelines.recipe import load_recipe
            from pipelines.runner import run_recipe
            from tests.reports import Silent

            made = own / "made"
            recipe = load_recipe("digits", (REAL_RUNS,))
            run_recipe(recipe, Silent(), command="x", reference="digits", root=made)
            made.rename(root)
    return root
