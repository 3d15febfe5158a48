"""What a review of the most suspicious labels is worth: ``python -m benchmarks.reviewed_labels``.

The recipe ``digits`` with some of its train labels flipped. The most suspicious labels of train
are reviewed by the kept truth, in a database of reviews, and the same classifier is trained again
on ``dataset.labels: reviewed``; once a seed of the dataset (splits and flips). Test is untouched.
No claim of speed, so ``benchmarks.all`` leaves it out. ``docs/labels.md`` tells what came of it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.label_issues import Told
from cache import Run, Workspace
from cache.issues import open_label_issues
from cache.review_database import SETTING
from cache.reviews import Verdict, open_reviews
from pipelines.methods.comparison import mcnemar, paired_difference
from pipelines.methods.intervals import rate
from pipelines.recipe import Recipe, load_recipe
from pipelines.runner import run_recipe

RUN, SEARCH = "compact", "head"
TRAINING = ("inputs", "train", "predictions")
SEARCHING = ("vectors", "neighbours", "issues")
TRAINED_ON = ("flipped", "reviewed", "true")
"""Labels of train that the same classifier is trained on."""


@dataclass(frozen=True)
class Outcome:
    """What came of one seed.

    Attributes:
        seed: Of the dataset.
        train: Labels of train.
        flipped: How many of them were.
        reviewed: How many were reviewed.
        found: How many of those were flipped.
        right: Whether each test image is answered rightly, bool (n,), by labels trained on.
    """

    seed: int
    train: int
    flipped: int
    reviewed: int
    found: int
    right: dict[str, np.ndarray]


def measured(root: Path, noise: float, share: float, seed: int) -> Outcome:
    """Search, review and train again, with the splits and flips of one seed.

    Args:
        root: Folder of the workspaces; ``CENTAURO_REVIEWS`` names the database of reviews.
        noise: Share of the labels of train that are flipped.
        share: Share of the labels of train that are reviewed, the most suspicious ones.
        seed: Of the dataset.
    """
    name = f"seed-{seed}"
    searched = _recipe(name, noise, seed, {"flipped": {}}, search=True)
    workspace = _made(searched, root, "samples", *TRAINING, *SEARCHING)
    reviewed = review(workspace, share)
    again = _recipe(
        name, noise, seed, {"flipped": {"labels": "given"}, "reviewed": {}}, labels="reviewed"
    )
    workspace = _made(again, root, "decisions", *TRAINING)
    clean = _made(_recipe(f"{name}-true", 0.0, seed, {"true": {}}), root, "samples", *TRAINING)
    runs = (workspace.run("flipped"), workspace.run("reviewed"), clean.run("true"))
    samples = workspace.samples()
    wrong = samples.loc[samples["label"] != samples["true_label"], "sample_id"]
    return Outcome(
        seed=seed,
        train=int((samples["split"] == "train").sum()),
        flipped=len(wrong),
        reviewed=len(reviewed),
        found=int(wrong.isin(reviewed).sum()),
        right=dict(zip(TRAINED_ON, _right_on_test(runs), strict=True)),
    )


def review(workspace: Workspace, share: float) -> list[str]:
    """Give the most suspicious labels of train the verdict that the kept truth has on them.

    Returns:
        Their ``sample_id``.
    """
    samples = workspace.samples().set_index("sample_id")
    table = open_label_issues(workspace.run("flipped"), SEARCH).table()
    of_train = table.loc[table["split"] == "train", "sample_id"]
    first = of_train.head(math.ceil(share * len(of_train))).tolist()

    def verdict(sample_id: str) -> Verdict:
        given, true = samples.loc[sample_id, ["label", "true_label"]]
        told = ("right", None) if given == true else ("wrong", str(true))
        return Verdict(workspace.name, sample_id, str(given), told[0], "the kept truth", told[1])

    with open_reviews() as reviews:
        reviews.add(*map(verdict, first))
    return first


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a seed and one of all together, in Markdown."""
    pooled = {name: np.concatenate([each.right[name] for each in outcomes]) for name in TRAINED_ON}
    lines = [
        "| seed | flipped, found | test, flipped | reviewed | true | gain, points | only reviewed, "
        "only flipped right | McNemar |",
        "| --- " * 8 + "|",
    ]
    for each in outcomes:
        told = [str(each.seed), f"{each.found} of {each.flipped}", *_figures(each.right)]
        lines.append(f"| {' | '.join(told)} |")
    found, flipped = (
        sum(getattr(each, name) for each in outcomes) for name in ("found", "flipped")
    )
    lines.append(f"| {' | '.join(['all', f'{found} of {flipped}', *_figures(pooled)])} |")
    true = {"flipped": pooled["flipped"], "reviewed": pooled["true"], "true": pooled["true"]}
    lines.append(f"| {' | '.join(['true against flipped', '', *_figures(true)])} |")
    return "\n".join(lines)


def _figures(right: dict[str, np.ndarray]) -> list[str]:
    """Accuracies, and what the second has gained over the first."""
    paired = mcnemar(right["reviewed"], right["flipped"])
    gain = paired_difference(paired)
    accuracies = [rate(int(right[name].sum()), len(right[name])) for name in TRAINED_ON]
    return [
        *(
            f"{100 * each.value:.1f} ({100 * each.low:.1f} to {100 * each.high:.1f})"
            for each in accuracies
        ),
        f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})",
        f"{paired.only_first}, {paired.only_second}",
        f"{paired.p_value:.3f}",
    ]


def _right_on_test(runs: Sequence[Run]) -> list[np.ndarray]:
    """Whether each run is right on each test image, the images in one order."""
    answers = [run.predictions() for run in runs]
    columns = [
        each[each["split"] == "test"].set_index("sample_id")["correct"].rename(place)
        for place, each in enumerate(answers)
    ]
    joined = pd.concat(columns, axis=1, verify_integrity=True)
    return [joined[place].to_numpy(dtype=bool) for place in range(len(runs))]


def _recipe(
    name: str,
    noise: float,
    seed: int,
    runs: dict[str, dict[str, Any]],
    *,
    search: bool = False,
    labels: str = "given",
) -> Recipe:
    """The recipe ``digits`` with runs like its own, that change what is said of each."""
    document = load_recipe("digits").model_dump(mode="json")
    run = document["runs"][RUN]
    embedding = run["issues"][SEARCH]["embedding"]
    kept = {
        "occlusion": {},
        "embeddings": {embedding: run["embeddings"][embedding]} if search else {},
        "issues": {SEARCH: run["issues"][SEARCH]} if search else {},
    }
    return Recipe.model_validate(
        {
            "name": name,
            "dataset": {
                **document["dataset"],
                "label_noise": noise,
                "seed": seed,
                "labels": labels,
            },
            "runs": {each: {**run, **kept, **changed} for each, changed in runs.items()},
        }
    )


def _made(recipe: Recipe, root: Path, *stages: str) -> Workspace:
    for stage in stages:
        workspace = run_recipe(
            recipe, Told(), command="", reference="digits", only=stage, root=root
        )
    return workspace


def main() -> None:
    """Run it and print the table, or with ``--json`` the counts and accuracies of every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument(
        "--noise", type=float, default=0.025, help="of the labels of train: flipped"
    )
    parser.add_argument(
        "--share", type=float, default=0.05, help="of the labels of train: reviewed"
    )
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.environ[SETTING] = f"sqlite:///{folder}/reviews.sqlite"
        outcomes = [
            measured(Path(folder), chosen.noise, chosen.share, seed) for seed in range(chosen.seeds)
        ]
    if chosen.json:
        plain = [
            {
                **asdict(each),
                "right": {name: int(of.sum()) for name, of in each.right.items()},
                "test": len(each.right["true"]),
            }
            for each in outcomes
        ]
        sys.stdout.write(json.dumps(plain) + "\n")
    else:
        sys.stdout.write(table(outcomes) + "\n")


if __name__ == "__main__":
    main()
