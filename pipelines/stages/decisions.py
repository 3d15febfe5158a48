"""Stage ``decisions``: what reviewers decided on labels, for the runs that train on that.

Writes ``decisions.parquet`` (one row a reviewed image) and ``decisions.json`` (from where, counts
by split and verdict, and how many decisions do not apply to the samples as they are).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from cache import SPLITS
from cache.artefact import write_json
from cache.fingerprint import fingerprint
from cache.tables import conform
from pipelines.errors import LabelsError
from pipelines.methods.decided_labels import InUse, applicable, emptied, in_use
from pipelines.recipe import Recipe
from pipelines.stages.base import Job, Outcome, Stage

_JUDGEMENT = ["sample_id", "given", "decided", "verdict"]
"""What of a decision can change a training; names and notes cannot."""


def settings(recipe: Recipe) -> Any:
    """Where decisions come from, and a hash of them as they stand now.

    Raises:
        LabelsError: The file that the recipe names cannot be read.
        ReviewsError: The reviews cannot be read.
    """
    chosen = recipe.dataset.labels
    if isinstance(chosen, Path):
        return {"from": str(chosen), "hash": hashlib.sha256(_content(chosen)).hexdigest()}
    from cache.reviews import open_reviews
    from cache.verdicts import decided

    with open_reviews() as reviews:
        latest = reviews.latest(recipe.name)
    # Which labels the images bear is not known here: what is decided on any of them counts.
    tables = [decided(of)[_JUDGEMENT].fillna("") for _, of in latest.groupby("given")]
    return {"from": chosen, "hash": fingerprint([each.to_numpy().tolist() for each in tables])}


def work(job: Job) -> Outcome:
    """Gather the decisions and keep those that apply.

    Raises:
        LabelsError: The file cannot be used, nothing is decided on these images, or a class would
            be left without images to train on.
        ReviewsError: The reviews cannot be read.
    """
    samples, classes = job.workspace.samples(), job.workspace.dataset.classes
    table, told, missing = _gathered(job)
    kept, more = applicable(table, samples)
    left_out = dict(Counter(missing) + Counter(more))
    if kept.empty:
        raise LabelsError(_nothing(job, told["place"], left_out))
    kept = conform(kept, "decisions", classes)
    used = in_use(samples, kept)
    lost = emptied(samples, used)
    if lost:
        raise LabelsError(
            f"The decided labels from {told['place']} leave nothing of {' and '.join(lost)} to "
            "train on. Review those images again, leave the class out with dataset.classes, or "
            "set dataset.labels to given."
        )
    kept.to_parquet(job.out / "decisions.parquet", index=False)
    document = {
        "from": str(job.recipe.dataset.labels),
        "sha256": told["sha256"],
        "decisions": len(kept),
        "left_out": left_out,
        "splits": _by_split(samples, kept, used),
    }
    write_json(job.out / "decisions.json", document)
    return Outcome(rows=len(kept), digest=_digest(samples, used))


def asked(recipe: Recipe) -> bool:
    """Only where labels are not taken as they are given."""
    return recipe.dataset.labels != "given"


STAGE = Stage(
    name="decisions",
    version=1,
    scope="workspace",
    reads=("samples",),
    unit="images",
    settings=settings,
    work=work,
    asked=asked,
)


def _gathered(job: Job) -> tuple[pd.DataFrame, dict[str, str], dict[str, int]]:
    """The decisions; ``place`` (in words) and ``sha256`` (of the CSV that ``labels export`` writes
    of them, or of the file); and how many were left out already, by reason."""
    from cache.reviews import open_reviews
    from pipelines import labels
    from pipelines.methods.spreadsheet import to_csv

    chosen = job.recipe.dataset.labels
    if isinstance(chosen, Path):
        digest = hashlib.sha256(_content(chosen)).hexdigest()
        table = labels.read(chosen, job.workspace.dataset.classes)
        return table, {"place": f"the file {chosen}", "sha256": digest}, {}
    with open_reviews() as reviews:
        table, left_out = labels.decisions(job.workspace, reviews)
        digest = hashlib.sha256(to_csv(table)).hexdigest()
        return table, {"place": reviews.place, "sha256": digest}, left_out


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LabelsError(
            f"The decided labels {path} cannot be read ({error.strerror}). Correct dataset.labels, "
            "or write the file: python -m pipelines labels export WORKSPACE"
        ) from error


def _nothing(job: Job, place: str, left_out: dict[str, int]) -> str:
    reasons = "; ".join(f"{count:,} left out ({why})" for why, count in left_out.items())
    return (
        f"There are no decided labels to train on: no decision in {place} applies to an image of "
        f"the workspace '{job.workspace.name}'. Found: {reasons or 'no decisions at all'}. "
        "Review some on the page Labels of the dashboard, or set dataset.labels to given."
    )


def _by_split(samples: pd.DataFrame, kept: pd.DataFrame, used: InUse) -> dict[str, Any]:
    """Images, decisions by verdict, and what training makes of them, by split."""
    split = samples["split"].to_numpy(dtype=object)
    of = kept["sample_id"].map(samples.set_index("sample_id")["split"].astype("str"))
    return {
        name: {
            "images": int((split == name).sum()),
            "verdicts": {
                str(verdict): int(n)
                for verdict, n in kept.loc[of == name, "verdict"].value_counts().items()
            },
            "changed": int((used.changed & used.keep)[split == name].sum()),
            "left": int((~used.keep)[split == name].sum()),
        }
        for name in SPLITS
        if (split == name).any()
    }


def _digest(samples: pd.DataFrame, used: InUse) -> str:
    """Names what is trained on: a verdict that changes nothing there makes no training stale."""
    ids = samples["sample_id"].to_numpy(dtype=object)
    touched = used.changed & used.keep
    labels = samples["label"].cat.categories.to_numpy(dtype=object)[used.labels[touched]]
    return fingerprint([list(zip(ids[touched], labels, strict=True)), ids[~used.keep].tolist()])
