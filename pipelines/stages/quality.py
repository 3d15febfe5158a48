"""Stage ``quality``: what else may be wrong with the data than its labels.

Writes ``quality.parquet`` (one row a sample: figures and flags of what is out of the ordinary),
``duplicates.parquet`` (pairs of images that are the same, or nearly; conflicting labels first) and
``quality.json`` (counts, what counts as nearly the same, slices whose error rate is out of line).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS
from cache.artefact import write_json
from cache.embeddings import Embedding
from cache.store import load_array
from cache.tables import write_table
from pipelines.methods import binning, near_duplicates, oddities, sample_counts, slices
from pipelines.methods.feeding import open_inputs
from pipelines.recipe import Recipe
from pipelines.sources import source_of
from pipelines.stages.base import Job, Of, Outcome, Reads, Stage, grouping

_BATCH_BYTES = 64 * 2**20


def settings(recipe: Recipe, run: str, issues: str) -> Any:
    """The embedding that is asked, which images belong together, and the present content of the
    input: what is known of images besides may change while the samples stay the same for others."""
    chosen, dataset = recipe.runs[run], recipe.dataset
    return {
        "embedding": chosen.embedding_of(chosen.issues[issues]),
        "input": source_of(dataset).signature(dataset),
        **grouping(recipe),
    }


def reads(recipe: Recipe, run: str, issues: str) -> Reads:
    """Pixels, the embedding's neighbours and near-duplicates, and who is mistaken out of fold."""
    chosen = recipe.runs[run]
    part = f"{Embedding.FOLDER}/{chosen.embedding_of(chosen.issues[issues])}"
    return (
        "samples",
        "inputs",
        Of(run, "vectors", part),
        Of(run, "neighbours", part),
        Of(run, "retrieval", part),
        "issues",
    )


def work(job: Job) -> Outcome:
    """Look at every image, at pairs of them, and at groups and slices of them."""
    issues = job.its_issues
    embedding = Embedding(issues.document("issues")["embedding"], job.its_run)
    samples, classes = job.workspace.samples(), job.workspace.dataset.classes
    pairs = load_array(embedding.artefact("retrieval").path("duplicates.npy"))
    duplicates = _duplicates(samples, np.asarray(pairs))
    crossing = sample_counts.crossing_groups(samples)
    table = _table(job, samples, embedding, duplicates, crossing.index)
    answers = issues.table().set_index("sample_id").loc[samples["sample_id"]]
    wrong = (answers["predicted"] != answers["label"]).to_numpy()
    columns = {
        name: binning.binned(name, samples[name], slices.MOST_VALUES) for name in _slicing(samples)
    }
    found = slices.by_error(columns, wrong)
    write_table(table, job.out / "quality.parquet", "quality", classes)
    write_table(duplicates, job.out / "duplicates.parquet", "duplicates", classes)
    conflicting = duplicates["label"] != duplicates["other_label"]
    across = duplicates["split"] != duplicates["other_split"]
    document = {
        "embedding": embedding.name,
        "odd": {
            name: {split: int((table[name] & (table["split"] == split)).sum()) for split in SPLITS}
            for name in oddities.ODDITIES
        },
        "odd_images": int(table[list(oddities.ODDITIES)].any(axis=1).sum()),
        "bound": oddities.BOUND,
        "near": {
            "neighbours": near_duplicates.CANDIDATES,
            "correlation": embedding.document("retrieval")["near_duplicates"]["correlation"],
        },
        "duplicates": {
            kind: {
                "pairs": int(rows.sum()),
                "conflicting": int((rows & conflicting).sum()),
                "across_splits": int((rows & across).sum()),
            }
            for kind in ("exact", "near")
            for rows in [duplicates["kind"] == kind]
        },
        "groups": {
            "all": int(samples["group"].nunique()),
            "crossing": len(crossing),
            "images": int(crossing["images"].sum()),
        },
        "slices": [{**asdict(each), "out_of_line": each.out_of_line} for each in found],
        "unsliced": [
            name for name, column in columns.items() if column.nunique() > slices.MOST_VALUES
        ],
    }
    write_json(job.out / "quality.json", document)
    return Outcome(rows=len(table))


STAGE = Stage(
    name="quality",
    version=2,
    scope="issues",
    reads=reads,
    unit="images",
    settings=settings,
    work=work,
)


def _table(
    job: Job,
    samples: pd.DataFrame,
    embedding: Embedding,
    duplicates: pd.DataFrame,
    crossing: pd.Index,
) -> pd.DataFrame:
    """One row a sample, in their order."""
    inputs = open_inputs(job.workspace, str(job.run))
    total = len(samples)
    sharp = np.empty(total)
    several = max(1, _BATCH_BYTES // (8 * int(np.prod(inputs.shape))))
    for start in range(0, total, several):
        rows = np.arange(start, min(start + several, total))
        sharp[rows] = oddities.sharpness(inputs.batch(rows))
        job.progress(int(rows[-1]) + 1, total)
    remote = oddities.remoteness(np.asarray(embedding.neighbours().distances))
    mean, spread = samples["mean"].to_numpy(), samples["std"].to_numpy()
    twins = pd.concat([duplicates["sample_id"], duplicates["other"]]).value_counts()
    return pd.concat(
        [
            samples[["sample_id", "split", "label"]].assign(
                brightness=mean,
                contrast=spread,
                sharpness=sharp,
                remoteness=remote,
                duplicates=samples["sample_id"].map(twins).fillna(0),
                crosses=samples["group"].isin(crossing),
            ),
            oddities.flags(mean, spread, sharp, remote),
        ],
        axis=1,
    )


def _duplicates(samples: pd.DataFrame, pairs: np.ndarray) -> pd.DataFrame:
    """Pairs (m, 2) of positions as a table: conflicting labels first, then across splits."""
    first, second = (samples.iloc[rows].reset_index(drop=True) for rows in pairs.T)
    table = pd.DataFrame(
        {
            "sample_id": first["sample_id"],
            "other": second["sample_id"],
            "kind": np.where(first["content_hash"] == second["content_hash"], "exact", "near"),
            "split": first["split"],
            "other_split": second["split"],
            "label": first["label"],
            "other_label": second["label"],
        }
    )
    keys = (
        table["kind"] == "near",
        table["split"].astype(str) == table["other_split"].astype(str),
        table["label"].astype(str) == table["other_label"].astype(str),
    )
    return table.iloc[np.lexsort(keys)].reset_index(drop=True)


def _slicing(samples: pd.DataFrame) -> list[str]:
    """Columns that may say where and when an image was made, or of what."""
    return ["source", *(str(name) for name in samples.columns if str(name).startswith("meta_"))]
