"""How well labels that were flipped on purpose are found: ``python -m benchmarks.label_issues``.

The recipe ``digits`` with some of its train labels flipped, once a seed of the dataset (splits and
flips); the whole pipeline runs each time. No claim of speed, so ``benchmarks.all`` leaves it out.
``docs/labels.md`` tells what came of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cache.issues import label_issues
from pipelines.plan import Step
from pipelines.recipe import Recipe, load_recipe
from pipelines.runner import run_recipe

STAGES = ("samples", "inputs", "vectors", "neighbours", "issues")
RUN = "compact"
SEARCHES: dict[str, dict[str, Any]] = {
    "head on pixels": {"embedding": "pixels"},
    "head on autoencoder": {"embedding": "autoencoder"},
    "classifier, neighbours of pixels": {"by": "classifier", "embedding": "pixels"},
}
METHODS = ("suspicion", "cleanlab", "neighbours", "threshold_rule")


class Told:
    """Tells on stderr what has been made."""

    def start(self, step: Step) -> None:
        pass

    def progress(self, step: Step, done: float, total: int) -> None:
        pass

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        if state == "made":
            sys.stderr.write(f"{step.key} {seconds:.1f} s\n")

    def fail(self, step: Step) -> None:
        pass

    def reach(self, stage: str) -> None:
        pass


def recovered(root: Path, share: float, seed: int) -> dict[str, dict[str, Any]]:
    """What each search for the flipped labels of one seed tells, by its name."""
    document = load_recipe("digits").model_dump(mode="json")
    run = document["runs"][RUN]
    asked = {told["embedding"] for told in SEARCHES.values()}
    run["embeddings"] = {name: run["embeddings"][name] for name in sorted(asked)}
    run["issues"] = {f"search-{place}": told for place, told in enumerate(SEARCHES.values())}
    recipe = Recipe.model_validate(
        {
            "name": f"seed-{seed}",
            "dataset": {**document["dataset"], "label_noise": share, "seed": seed},
            "runs": {RUN: {**run, "occlusion": {}}},
        }
    )
    for stage in STAGES:
        workspace = run_recipe(
            recipe, Told(), command="", reference="digits", only=stage, root=root
        )
    found = label_issues(workspace.run(RUN))
    return {name: each.document("issues") for name, each in zip(SEARCHES, found, strict=True)}


def table(documents: Sequence[dict[str, dict[str, Any]]]) -> str:
    """Mean and standard deviation over the seeds, one line a search and method, in Markdown."""
    lines = ["| probabilities | ranked by | AP | P@n | flags: precision | recall |"]
    lines.append("| --- " * 6 + "|")
    for name in SEARCHES:
        told = [each[name]["recovery"]["methods"] for each in documents]
        for method in (*METHODS, "confident_learning"):
            of = [each[method] for each in told]
            cells = [
                _spread([each[figure] for each in of]) if figure in of[0] else ""
                for figure in ("average_precision", "precision_at_n")
            ]
            for figure in ("precision", "recall"):
                flags = [each["flags"][figure]["value"] for each in of if "flags" in each]
                cells.append(_spread(flags) if flags else "")
            lines.append(f"| {name} | {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def main() -> None:
    """Run it and print the table, or with ``--json`` what every search told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--share", type=float, default=0.025, help="of the labels of train")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        documents = [recovered(Path(folder), chosen.share, seed) for seed in range(chosen.seeds)]
    sys.stdout.write((json.dumps(documents) if chosen.json else table(documents)) + "\n")


if __name__ == "__main__":
    main()
