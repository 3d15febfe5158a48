"""Decided labels as files: what reviewers agree on, for a recipe to train on and for people."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cache import Workspace
from cache.artefact import write_json, write_whole
from cache.reviews import VERDICTS, Reviews
from cache.verdicts import DISPUTED, decided
from pipelines.errors import LabelsError
from pipelines.methods.decided_labels import current, left_out
from pipelines.methods.spreadsheet import from_csv, to_csv

FOLDER: Final = "labels"
"""Folder of a workspace that its decided labels are written to."""

COLUMNS: Final = ("sample_id", "path", "given", "decided", "verdict", "reviewers", "note")

KINDS: Final = (*VERDICTS, DISPUTED)
"""What the column ``verdict`` may hold."""

_SHOWN = 5
"""How many examples of a mistake are named."""


@dataclass(frozen=True)
class Export:
    """Decided labels that were written.

    Attributes:
        csv: Where the table is, for people.
        parquet: The same table, for programs.
        summary: JSON about it; the last of the three to be written.
        document: What that holds: ``workspace``, ``sha256`` of the CSV file, ``rows``,
            ``verdicts`` (how many of each), ``left_out`` (how many for which reason), ``database``
            (its kind), ``created``.
    """

    csv: Path
    parquet: Path
    summary: Path
    document: dict[str, Any]


def decisions(workspace: Workspace, reviews: Reviews) -> tuple[pd.DataFrame, dict[str, int]]:
    """What is decided on the images of a workspace, by the verdicts on the labels they bear now.

    Returns:
        One row a reviewed image, by ``sample_id``, in the columns ``COLUMNS``, all of them text.
        ``decided`` is the label to use: the given one where that is right, missing where the image
        is ``undecidable``, ``bad`` or ``disputed``. Then how many reviewed images are left out,
        by reason.

    Raises:
        MissingArtefactError: The samples have not been read yet.
        ReviewsError: The reviews cannot be read.
    """
    latest, samples = reviews.latest(workspace.name), workspace.samples()
    table = decided(latest[current(latest, samples)])
    paths = samples[["sample_id", "path"]].astype({"path": "str"})
    joined = table.merge(paths, on="sample_id", how="left")
    foreign = joined["decided"].notna() & ~joined["decided"].isin(workspace.dataset.classes)
    without = left_out(latest, samples)
    if foreign.any():
        without["decided label no longer a class"] = int(foreign.sum())
    kept = joined.loc[~foreign, list(COLUMNS)].reset_index(drop=True)
    return kept.fillna({"path": ""}), without


def export(workspace: Workspace, reviews: Reviews, folder: Path | None = None) -> Export:
    """Write what is decided: ``<workspace>-labels`` as ``.csv``, ``.parquet`` and ``.json``.

    Each file is there whole or not at all. The JSON is taken away first and comes back last: where
    it is, the three belong together. The same decisions give the same CSV, byte by byte.

    Args:
        workspace: Whose.
        reviews: Where they are.
        folder: Where to write; ``labels`` in the folder of the workspace if None.

    Raises:
        LabelsError: Nothing is decided yet, or the folder cannot be written to.
        MissingArtefactError: The samples have not been read yet.
        ReviewsError: The reviews cannot be read.
    """
    table, without = decisions(workspace, reviews)
    if table.empty:
        found = "; ".join(f"{count:,} left out ({why})" for why, count in without.items())
        raise LabelsError(
            f"There is nothing to export: no image of the workspace '{workspace.name}' has a "
            f"verdict in {reviews.place}{f' that applies: {found}' if found else ''}. Review some "
            "on the page Labels of the dashboard first."
        )
    folder = workspace.folder / FOLDER if folder is None else folder
    stem = f"{workspace.name}-labels"
    written = to_csv(table)
    packed = io.BytesIO()
    table.to_parquet(packed, index=False)
    counts = Counter(table["verdict"])
    made = Export(
        csv=folder / f"{stem}.csv",
        parquet=folder / f"{stem}.parquet",
        summary=folder / f"{stem}.json",
        document={
            "workspace": workspace.name,
            "sha256": hashlib.sha256(written).hexdigest(),
            "rows": len(table),
            "verdicts": {kind: counts[kind] for kind in KINDS},
            "left_out": without,
            "database": reviews.kind,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made.summary.unlink(missing_ok=True)
        write_whole(made.csv, written)
        write_whole(made.parquet, packed.getvalue())
        write_json(made.summary, made.document)
    except OSError as error:
        raise LabelsError(
            f"The decided labels cannot be written to {folder} ({error.strerror}). "
            "Give another folder with --out."
        ) from error
    return made


def read(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    """Read decided labels: a file that :func:`export` wrote, as it is or changed by a person.

    Args:
        path: A ``.csv`` or ``.parquet`` file.
        classes: Names of the classes that labels must be among.

    Returns:
        As :func:`decisions` gives them.

    Raises:
        LabelsError: It cannot be read, or makes no sense; the message lists every mistake.
    """
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path).astype("str").fillna("")
        else:
            table = from_csv(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"The decided labels {path} cannot be read ({error}). Give a .csv or .parquet file "
            "that 'python -m pipelines labels export' wrote."
        ) from error
    mistakes = _mistakes_of_columns(table) or list(_mistakes_of_rows(table, classes))
    if mistakes:
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        raise LabelsError(
            f"The decided labels {path} have {len(mistakes)} "
            f"mistake{'s' if len(mistakes) > 1 else ''}:\n{lines}\n"
            "Correct the file, or export it again: python -m pipelines labels export WORKSPACE"
        )
    ordered = table[list(COLUMNS)].sort_values("sample_id", ignore_index=True)
    return ordered.assign(decided=ordered["decided"].mask(ordered["decided"] == ""))


def _mistakes_of_columns(table: pd.DataFrame) -> list[str]:
    missing = [name for name in COLUMNS if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    told = []
    if missing:
        told.append(f"columns: {', '.join(missing)} missing. Expected: {', '.join(COLUMNS)}")
    if unknown:
        told.append(f"columns: there is none called {', '.join(unknown)}")
    return told


def _mistakes_of_rows(table: pd.DataFrame, classes: Sequence[str]) -> Iterator[str]:
    """Every kind of mistake that there is, with the first samples that have it."""
    verdict, label, given = table["verdict"], table["decided"], table["given"]
    judged = verdict.isin(("right", "wrong"))
    among = f"must be among the classes ({', '.join(classes[:20])})"
    checks: list[tuple[str, str, pd.Series]] = [
        ("sample_id", "must not be empty", table["sample_id"] == ""),
        ("sample_id", "must not be there twice", table["sample_id"].duplicated(keep=False)),
        ("verdict", f"must be one of {', '.join(KINDS)}", ~verdict.isin(KINDS)),
        ("given", among, ~given.isin(classes)),
        ("decided", among, (label != "") & ~label.isin(classes)),
        ("decided", "must hold a label with the verdicts right and wrong", judged & (label == "")),
        ("decided", "must be empty with every other verdict", ~judged & (label != "")),
        (
            "decided",
            "must be the given label where that is right",
            (verdict == "right") & (label != given) & (label != ""),
        ),
        (
            "decided",
            "must be another than the given label where that is wrong",
            (verdict == "wrong") & (label == given),
        ),
    ]
    for column, rule, wrong in checks:
        found = table.loc[wrong, ["sample_id", column]].head(_SHOWN).to_numpy().tolist()
        received = [
            f"'{text[-1]}'" if column == "sample_id" else f"'{text[-1]}' of {text[0]}"
            for text in found
        ]
        more = int(wrong.sum()) - len(found)
        if found:
            yield (
                f"{column}: {rule}. Received: {', '.join(received)}"
                f"{f' and {more:,} more' if more else ''}"
            )
