"""What holds for every test."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from dashboard import collector

if TYPE_CHECKING:
    from cache.reviews import Reviews
    from tests.postgresql import Server

# The workers of pytest-xdist set it to 80, and what prints tables would keep to that.
os.environ.pop("COLUMNS", None)

# How long one example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("centauro", deadline=None)
hypothesis.settings.load_profile("centauro")

REAL_RUNS = (
    "runs={hits: {model: hits_cnn, epochs: 2, batch_size: 32, embeddings: {pixels: {dim: 20}}, "
    "issues: {head: {}}, occlusion: {five: {patch: 5, train: 200, val: 40, test: 60, "
    "estimators: {ours: {epochs: 1, repeats: 2}}}}}}"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no worker is left with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="module")
def _modules_spared() -> None:
    """Every page and every training has the collector look through everything, and a worker comes
    to hold TensorFlow, numba and all the rest."""
    collector.spare_modules()


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server; tests that need it are skipped where it is not installed."""
    from tests.postgresql import programs, running

    binaries = programs()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed: sudo apt-get install postgresql")
    with running(binaries) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def reviews_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """URL of an empty database for reviews, in use for the test: once SQLite, once PostgreSQL."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'reviews.sqlite'}"
    else:
        server: Server = request.getfixturevalue("postgresql")
        url = server.database()
    monkeypatch.setenv("CENTAURO_REVIEWS", url)
    return url


@pytest.fixture
def reviews(reviews_url: str) -> Iterator[Reviews]:
    """The reviews in an empty database: once SQLite, once PostgreSQL."""
    from cache.reviews import open_reviews

    with open_reviews() as opened:
        yield opened
