"""Stage ``issues``: which labels may be wrong, of every split, the most suspicious first.

Writes ``issues.parquet`` (one row a sample), ``probabilities.npy`` (n, k) out of fold and
``issues.json`` (how it was done, how many are suspected by split, reason and pair of classes, and
where labels were flipped on purpose how well those are found). Trainings of the classifier go on
from their last finished epoch after a stop.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS
from cache.artefact import write_json
from cache.embeddings import Embedding
from cache.tables import write_table
from pipelines.errors import RecipeError
from pipelines.methods import folds as folding
from pipelines.methods import label_issues, recovery
from pipelines.methods.backend import load_tensorflow
from pipelines.methods.cross_fitting import classifier_probabilities
from pipelines.methods.feeding import open_inputs
from pipelines.methods.intervals import rate
from pipelines.models import mistakes
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Of, Outcome, Reads, Stage, grouping, training_settings


def settings(recipe: Recipe, run: str, issues: str) -> Any:
    """How to look for them, which images belong together, and how to train the classifier where it
    is trained anew."""
    chosen = recipe.runs[run].issues[issues]
    told = {**chosen.model_dump(mode="json"), **grouping(recipe)}
    told["embedding"] = recipe.runs[run].embedding_of(chosen)
    if chosen.by == "classifier":
        told["training"] = training_settings(recipe, run)
    return told


def reads(recipe: Recipe, run: str, issues: str) -> Reads:
    """The embedding that is asked, and the pixels where the classifier is trained anew."""
    chosen = recipe.runs[run].issues[issues]
    part = f"{Embedding.FOLDER}/{recipe.runs[run].embedding_of(chosen)}"
    pixels = ("inputs",) if chosen.by == "classifier" else ()
    return ("samples", *pixels, Of(run, "vectors", part), Of(run, "neighbours", part))


def work(job: Job) -> Outcome:
    """Ask models that never saw a sample, and its neighbours, about its label.

    Raises:
        RecipeError: The model does not fit the images.
        StageError: A class is too small for folds, or a training diverged.
    """
    chosen = job.issues_recipe
    name = job.run_recipe.embedding_of(chosen)
    assert name is not None, "the recipe's validation asks for one"
    embedding = Embedding(name, job.its_run)
    samples, classes = job.workspace.samples(), job.workspace.dataset.classes
    labels = samples["label"].cat.codes.to_numpy(dtype=np.int32)
    folds = folding.assign(
        labels,
        samples["group"].to_numpy(dtype=object),
        samples["content_hash"].to_numpy(dtype=object),
        chosen.folds,
        chosen.seed,
    )
    started = time.perf_counter()
    if chosen.by == "head":
        steps = job.share_done(len(labels))
        vectors = np.asarray(embedding.vectors())
        probabilities = label_issues.head_probabilities(vectors, labels, folds, len(classes), steps)
    else:
        probabilities = _by_classifier(job, labels, folds)
    seconds = time.perf_counter() - started
    positions = np.asarray(embedding.neighbours().positions[:, : chosen.neighbours])
    shares = label_issues.neighbour_shares(labels, positions, len(classes))
    judged = label_issues.judge(labels, probabilities, shares)
    table = pd.concat([samples[["sample_id", "split", "label"]], judged], axis=1)
    table["fold"] = folds
    for column in ("suggested", "predicted"):
        table[column] = np.array(classes, dtype=object)[table[column]]
    write_table(table.sort_values("rank"), job.out / "issues.parquet", "issues", classes)
    np.save(job.out / "probabilities.npy", probabilities)
    told = embedding.document("neighbours")
    document = {
        **chosen.model_dump(mode="json", exclude={"neighbours"}),
        "embedding": name,
        "neighbours": {
            "k": positions.shape[1],
            "method": told["method"],
            "recall": told["recall"],
        },
        "seconds": round(seconds, 3),
        "accuracy": {
            split: asdict(rate(int(right.sum()), len(right)))
            for split in SPLITS
            if len(right := (table["predicted"] == table["label"])[table["split"] == split])
        },
        **_counted(table),
        "recovery": _recovered(samples, table),
    }
    write_json(job.out / "issues.json", document)
    return Outcome(rows=len(table))


STAGE = Stage(
    name="issues",
    version=1,
    scope="issues",
    reads=reads,
    unit="images",
    settings=settings,
    work=work,
)


def _by_classifier(job: Job, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    run, classes = job.run_recipe, job.workspace.dataset.classes
    epochs = min(run.epochs, job.issues_recipe.epochs or run.epochs)
    inputs = open_inputs(job.workspace, str(job.run))
    wrong = mistakes(inputs.model, inputs.shape, len(classes))
    if wrong:
        raise RecipeError(f"The run '{job.run}' cannot be trained: {' '.join(wrong)}")
    load_tensorflow()
    return classifier_probabilities(
        run.model_copy(update={"epochs": epochs}),
        inputs,
        labels,
        classes,
        folds,
        str(job.run),
        work=job.work,
        progress=job.share_done(len(labels)),
    )


def _counted(table: pd.DataFrame) -> dict[str, Any]:
    """How many labels are suspected, by split, reason and pair of classes; how many the threshold
    rule would drop."""
    suspects = table[table["why"] != label_issues.NONE]
    pairs = Counter(zip(suspects["label"], suspects["suggested"], strict=True))

    def by_split(rows: pd.DataFrame) -> dict[str, int]:
        return {split: int((rows["split"] == split).sum()) for split in SPLITS}

    return {
        "samples": by_split(table),
        "suspects": by_split(suspects),
        "why": {why: int(n) for why, n in suspects["why"].value_counts().items()},
        "pairs": [
            {"label": label, "suggested": suggested, "count": n}
            for (label, suggested), n in pairs.most_common()
        ],
        "threshold_rule": by_split(table[table["threshold_rule"]]),
    }


def _recovered(samples: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any] | None:
    """How well the labels of train that were flipped on purpose are found, by each method; None
    where the truth is not known or nothing was flipped."""
    if "true_label" not in samples:
        return None
    train = (samples["split"] == "train").to_numpy()
    wrong = (samples["label"] != samples["true_label"]).to_numpy()[train]
    n, of_train = int(wrong.sum()), table[train]
    if not n:
        return None
    methods: dict[str, Any] = {}
    for name, scores in (
        ("suspicion", of_train["suspicion"]),
        ("cleanlab", 1 - of_train["self_confidence"]),
        ("neighbours", of_train["neighbour_disagreement"]),
        ("threshold_rule", of_train["threshold_rule"].astype(float)),
    ):
        values = scores.to_numpy()
        found = recovery.found_among(wrong, values, n)
        methods[name] = {
            "average_precision": recovery.average_precision(wrong, values),
            "found_among_n": found,
            "precision_at_n": found / n,
        }
    for name in ("confident_learning", "threshold_rule"):
        flagged = of_train[name].to_numpy()
        right, count = int(wrong[flagged].sum()), int(flagged.sum())
        methods.setdefault(name, {})["flags"] = {
            "flagged": count,
            "precision": asdict(rate(right, count)) if count else None,
            "recall": asdict(rate(right, n)),
        }
    truth = samples["true_label"].astype("str").to_numpy()[train]
    return {
        "split": "train",
        "flipped": n,
        "samples": int(train.sum()),
        "methods": methods,
        "suggested_right": asdict(rate(int((of_train["suggested"] == truth)[wrong].sum()), n)),
    }
