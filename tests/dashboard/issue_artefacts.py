"""Label issues for the tests of the dashboard: every file of them, computed the plain way.

Probabilities are made up, neighbours are those of the embedding. Nothing here is what the
pipelines use, so that the dashboard is tested against another opinion.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS, Workspace
from cache.artefact import write_json
from cache.embeddings import open_embedding
from cache.tables import write_table

Write = Callable[[Workspace, str, str, int, Callable[[Path], object], str], None]

ASKED = 20
"""Neighbours whose labels are asked."""


def make_issues(
    workspace: Workspace,
    run: str,
    name: str,
    embedding: str,
    frame: pd.DataFrame,
    write: Write,
    seed: int,
) -> None:
    """Write the artefact of one search for wrong labels.

    Args:
        workspace: Whose.
        run: Of which run.
        name: What it is called.
        embedding: Whose neighbours are asked.
        frame: The samples.
        write: Writes one artefact of a part.
        seed: Of the probabilities.
    """
    classes = workspace.dataset.classes
    codes = frame["label"].cat.codes.to_numpy()
    rows = np.arange(len(frame))
    logits = np.random.default_rng(seed).normal(0, 1.5, (len(frame), len(classes)))
    truth = frame["true_label"] if "true_label" in frame else frame["label"]
    logits[rows, truth.cat.codes.to_numpy()] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    near = open_embedding(workspace.run(run), embedding).neighbours().positions[:, :ASKED]
    shares = np.array([(codes[near] == code).mean(axis=1) for code in range(len(classes))]).T
    support = probabilities + shares
    support[rows, codes] = -1
    suggested, predicted = support.argmax(axis=1), probabilities.argmax(axis=1)
    sure = (predicted != codes) & (probabilities.max(axis=1) > 0.6)
    foreign = 1 - shares[rows, codes]
    names = np.array(classes, dtype=object)
    table = frame[["sample_id", "split", "label"]].assign(
        suggested=names[suggested],
        predicted=names[predicted],
        suspicion=(1 - probabilities[rows, codes] + foreign) / 2,
        self_confidence=probabilities[rows, codes],
        confidence=probabilities.max(axis=1),
        p_suggested=probabilities[rows, suggested],
        neighbour_disagreement=foreign,
        neighbours_suggested=shares[rows, suggested],
        confident_learning=sure,
        threshold_rule=sure,
        why=np.select(
            [sure & (foreign > 0.5), sure, foreign > 0.5],
            ["both", "confident_learning", "neighbours"],
            "none",
        ),
        fold=rows % 5,
    )
    table = table.sort_values("suspicion", ascending=False)
    table["rank"] = np.arange(1, len(table) + 1)

    def fill(out: Path) -> None:
        write_table(table, out / "issues.parquet", "issues", classes)
        np.save(out / "probabilities.npy", probabilities.astype(np.float32))
        suspects = table[table["why"] != "none"]
        document = {
            "by": "head",
            "folds": 5,
            "embedding": embedding,
            "neighbours": {"k": ASKED},
            "samples": {split: int((table["split"] == split).sum()) for split in SPLITS},
            "suspects": {split: int((suspects["split"] == split).sum()) for split in SPLITS},
            "recovery": _recovery(frame, table),
        }
        write_json(out / "issues.json", document)

    write(workspace, run, "issues", len(table), fill, f"issues/{name}")


def _recovery(frame: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any] | None:
    """How well flipped labels are found: by suspicion as it is, by the threshold rule made up."""
    if "true_label" not in frame:
        return None
    flipped = set(frame.loc[frame["label"] != frame["true_label"], "sample_id"])
    n, hits = len(flipped), table.loc[table["split"] == "train", "sample_id"].isin(flipped)
    places = np.flatnonzero(hits.to_numpy())
    found = int((places < n).sum())
    return {
        "flipped": n,
        "methods": {
            "suspicion": {
                "average_precision": float((np.arange(1, n + 1) / (places + 1)).mean()),
                "found_among_n": float(found),
                "precision_at_n": found / n,
            },
            "threshold_rule": {
                "average_precision": 0.409,
                "found_among_n": 0.43 * n,
                "precision_at_n": 0.43,
            },
        },
    }
