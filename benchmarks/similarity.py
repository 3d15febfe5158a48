"""Search by item in the dashboard: the server's time of a whole click, answered from the graph.

A workspace of simulated stamps is made by the pipeline's own stages. A click is the button "At
random" of the page Similarity: its whole script runs, as in a session of a browser, and another
query's 25 neighbours are drawn. A second row takes the search alone: a row of the mapped graph,
against one vector asked of all.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from streamlit.testing.v1 import AppTest

from benchmarks.common import Row, in_turn, run, scaled, seconds
from cache import Workspace
from cache.embeddings import Embedding, open_embedding
from pipelines.methods.neighbours import one_query
from pipelines.plan import Step
from pipelines.recipe import Recipe
from pipelines.runner import run_recipe

NAVIGATION = Path(__file__).parents[1] / "dashboard" / "navigation.py"
STAGES = ("samples", "thumbnails", "inputs", "vectors", "neighbours")
SIDE = 8
K = 50
CLICKS = 15
TARGET_MS = 100.0


def rows(size: float, rounds: int) -> list[Row]:
    """Two rows: a click, and the search in it."""
    n = scaled(100_000, size)
    with TemporaryDirectory() as folder:
        embedding = open_embedding(_workspace(Path(folder), n).run("only"), "pixels")
        before = os.environ.get("CENTAURO_CACHE")
        os.environ["CENTAURO_CACHE"] = folder
        try:
            clicks = _clicks(rounds * CLICKS)
        finally:
            os.environ.pop("CENTAURO_CACHE")
            if before is not None:
                os.environ["CENTAURO_CACHE"] = before
        times, width = _searches(embedding, rounds), embedding.vectors().shape[1]
    value = statistics.median(clicks)
    slowest = float(np.percentile(clicks, 95))
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    return [
        Row(
            f"a click on the page Similarity, {n:,} x {width}",
            "the page's script, answered from the graph",
            "",
            value,
            None,
            None,
            f"under {TARGET_MS:g} ms a click",
            value < TARGET_MS,
            f"median of {len(clicks)} clicks, 95 % of them under {slowest:.0f} ms",
            "ms",
        ),
        Row(
            f"search by item among {n:,} x {width}, k = {K}",
            "a row of the graph",
            "one vector against all",
            ours,
            theirs,
            statistics.median(b / a for a, b in times),
            ">= 1x",
            ours <= theirs,
            "the search alone, without the page around it",
            "ms",
        ),
    ]


def _workspace(root: Path, n: int) -> Workspace:
    """Stamps of ten classes, their pixels as vectors, and the graph of these."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    images = rng.uniform(0, 150, (n, SIDE, SIDE)) + 100 * rng.uniform(size=(10, SIDE, SIDE))[labels]
    np.savez(root / "stamps.npz", images=images.astype(np.uint8), labels=labels)
    recipe = Recipe.model_validate(
        {
            "name": "stamps",
            "dataset": {"source": "arrays", "path": str(root / "stamps.npz")},
            "runs": {"only": {"embeddings": {"pixels": {"dim": SIDE * SIDE, "neighbours": K}}}},
        }
    )
    for stage in STAGES:
        made = run_recipe(recipe, _Silent(), command="", reference="", only=stage, root=root)
    return made


def _clicks(count: int) -> list[float]:
    """Milliseconds of clicks in a session that has been on the page before."""
    page = AppTest.from_file(str(NAVIGATION), default_timeout=600).run()
    page.switch_page("views/similarity.py").run()
    page.button(key="similarity_random").click().run()
    times = []
    for _ in range(count):
        took, _ = seconds(page.button(key="similarity_random").click().run)
        if page.exception:
            raise RuntimeError(f"The page broke off: {page.exception[0].message}")
        times.append(took * 1000)
    return times


def _searches(embedding: Embedding, rounds: int) -> list[tuple[float, ...]]:
    """Milliseconds a query of both ways, by round."""
    n = len(embedding.vectors())
    rng = np.random.default_rng(1)

    def asked(search: Callable[[int], Any]) -> Callable[[], None]:
        def ask() -> None:
            for query in rng.integers(0, n, CLICKS).tolist():
                search(query)

        return ask

    def read(query: int) -> None:
        graph = embedding.neighbours()
        graph.positions[query].copy()
        graph.distances[query].copy()

    def compute(query: int) -> None:
        vectors = embedding.vectors()
        one_query(vectors[query], vectors, K, exclude=query)

    times, _ = in_turn((asked(read), asked(compute)), rounds)
    return [tuple(took * 1000 / CLICKS for took in both) for both in times]


class _Silent:
    """A report that nobody reads."""

    def start(self, step: Step) -> None: ...

    def progress(self, step: Step, done: float, total: int) -> None: ...

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None: ...

    def fail(self, step: Step) -> None: ...

    def reach(self, stage: str) -> None: ...


def main() -> None:
    """Print the table."""
    run(rows, __doc__)


if __name__ == "__main__":
    main()
