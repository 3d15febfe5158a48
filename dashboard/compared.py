"""Runs of a workspace on the same images: their answers side by side, and the figures of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from cache import Run
from dashboard import data
from pipelines.methods import comparison, metrics
from pipelines.methods.comparison import Pair as Pair
from pipelines.methods.comparison import Paired, mcnemar, paired_difference
from pipelines.methods.intervals import Difference, Rate, rate
from pipelines.methods.paired_bootstrap import Figure, Figures, resample

COMPARED: Final = "compared"
"""Names of the runs, in the URL and in the session."""

Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answers:
    """What runs say of the samples that all of them were asked.

    Attributes:
        runs: The runs, two at least.
        tables: One a run, as ``data.answers``; row by row of the same samples.
        key: Names the artefacts that this was read from.
    """

    runs: tuple[Run, ...]
    tables: tuple[pd.DataFrame, ...]
    key: Key

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the runs."""
        return tuple(run.name for run in self.runs)

    @property
    def samples(self) -> pd.DataFrame:
        """The samples; what else its columns say is of the first run."""
        return self.tables[0]


@dataclass(frozen=True)
class Part:
    """The images of one split that runs are compared on.

    Attributes:
        names: Names of the runs.
        classes: Names of the classes.
        split: ``train``, ``val`` or ``test``.
        rows: Positions of the images in the tables of the answers, int64 (n,).
        labels: True classes as codes, (n,).
        predicted: What the runs say, as codes, (runs, n).
        losses: Cross-entropy in nats, float32 (runs, n).
        left_out: How many leaked images are left out.
        key: Names what this was made from.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    split: str
    rows: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    losses: np.ndarray
    left_out: int
    key: tuple[object, ...]

    @property
    def n(self) -> int:
        """How many images there are."""
        return len(self.rows)

    @property
    def hits(self) -> np.ndarray:
        """Whether the runs are right, bool (runs, n)."""
        right: np.ndarray = self.predicted == self.labels
        return right


@dataclass(frozen=True)
class Measure:
    """A figure of each run, and how far it is from that of the reference.

    Attributes:
        name: What it is: ``accuracy``.
        values: One a run.
        differences: Run minus reference, paired; one a run.
        share: Whether it is a share; else nats.
    """

    name: str
    values: tuple[Rate, ...]
    differences: tuple[Difference, ...]
    share: bool = True


def answers(runs: Sequence[Run]) -> Answers:
    """Put the answers of runs side by side, by ``sample_id``.

    Args:
        runs: At least one, each with predictions of the samples of the workspace.

    Raises:
        CacheError: Predictions are missing or belong to other samples.
    """
    tables = [data.answers(run) for run in runs]
    key = tuple(
        (str(artefact.folder), artefact.manifest.fingerprint)
        for artefact in (
            *(run.artefact("predictions") for run in runs),
            runs[0].workspace.artefact("samples"),
        )
    )
    aligned = _aligned(key, tables)
    return Answers(tuple(runs), tuple(table.copy(deep=False) for table in aligned), key)


def part(found: Answers, split: str, without_leaks: bool = False) -> Part:
    """The images of a split that runs are compared on.

    Args:
        found: Answers of the runs.
        split: ``train``, ``val`` or ``test``.
        without_leaks: Leave out images whose group or pixels also stand in train.
    """
    samples = found.samples
    keep = (samples["split"] == split).to_numpy()
    leaked = samples["leaked"].to_numpy()
    left_out = int((keep & leaked).sum()) if without_leaks else 0
    rows = np.flatnonzero(keep & ~leaked if without_leaks else keep)
    return Part(
        names=found.names,
        classes=tuple(samples["label"].cat.categories),
        split=split,
        rows=rows,
        labels=samples["label"].cat.codes.to_numpy()[rows],
        predicted=np.stack([t["predicted"].cat.codes.to_numpy()[rows] for t in found.tables]),
        losses=np.stack([table["loss"].to_numpy()[rows] for table in found.tables]),
        left_out=left_out,
        key=(found.key, split, without_leaks),
    )


def measures(of: Part, reference: int, positive: str | None) -> list[Measure]:
    """Accuracy, macro F1, recall and F2 of the positive class where one is named, and loss.

    Accuracy and recall are shares of images: Wilson intervals, and Newcombe's for their paired
    differences. The others are resampled, all runs together.

    Args:
        of: What the runs are compared on, at least one image.
        reference: Position of the run that the others are compared with.
        positive: The positive class, if one is named.
    """
    place = None if positive is None else of.classes.index(positive)
    resampled = _resampled(of.key, place, of)
    found = [
        counted("accuracy", of.hits, reference),
        _drawn("macro F1", resampled.macro_f1, of.n, reference),
    ]
    if place is not None and resampled.f2 is not None:
        of_class = of.labels == place
        found += [
            counted(f"recall of {positive}", of.hits[:, of_class], reference),
            _drawn(f"F2 of {positive}", resampled.f2, of.n, reference),
        ]
    return [*found, _drawn("loss", resampled.loss, of.n, reference, share=False)]


def counted(name: str, hits: np.ndarray, reference: int) -> Measure:
    """A share of images, with Wilson's intervals, and Newcombe's of the paired differences.

    Args:
        name: What it is: ``accuracy``.
        hits: Whether the runs are right, bool (runs, n).
        reference: Position of the run that the others are compared with.
    """
    n = hits.shape[1]
    return Measure(
        name,
        tuple(rate(int(right.sum()), n) for right in hits),
        tuple(paired_difference(mcnemar(right, hits[reference])) for right in hits),
    )


def pairs(of: Part) -> list[Pair]:
    """Every two runs, with McNemar's test, its p-value adjusted for their number (Holm)."""
    return comparison.pairs(of.names, of.hits)


def recall_differences(of: Part, first: int, second: int) -> pd.DataFrame:
    """How often two runs are right on each class.

    Args:
        of: What they are compared on.
        first: Position of one run.
        second: Position of the other.

    Returns:
        One row a class that has images, the largest difference first: ``class``, ``images``,
        ``first_right``, ``second_right``, ``difference`` of recall (first minus second) with its
        ends ``low`` and ``high``, ``only_first``, ``only_second``.
    """
    hits = of.hits
    one, other = hits[first], hits[second]

    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(of.labels[mask], minlength=len(of.classes))

    there = count(np.ones(of.n, bool))
    both, only_first, only_second = count(one & other), count(one & ~other), count(other & ~one)
    rows = []
    for place in np.flatnonzero(there):
        n, common, mine, theirs = (
            int(each[place]) for each in (there, both, only_first, only_second)
        )
        found = paired_difference(Paired(n, common, mine, theirs, p_value=float("nan")))
        rows.append(
            {
                "class": of.classes[place],
                "images": n,
                "first_right": common + mine,
                "second_right": common + theirs,
                "difference": found.value,
                "low": found.low,
                "high": found.high,
                "only_first": mine,
                "only_second": theirs,
            }
        )
    table = pd.DataFrame(rows)
    return table.iloc[np.argsort(-table["difference"].abs().to_numpy(), kind="stable")]


def confusion_of(of: Part, run: int) -> np.ndarray:
    """Confusion matrix of a run, int64 (classes, classes), rows true."""
    return metrics.confusion_matrix(of.labels, of.predicted[run], len(of.classes))


def _drawn(name: str, figure: Figure, n: int, reference: int, share: bool = True) -> Measure:
    runs = range(len(figure.values))
    return Measure(
        name,
        tuple(Rate(float(figure.values[run]), *figure.interval(run), n) for run in runs),
        tuple(figure.difference(run, reference) for run in runs),
        share,
    )


@st.cache_resource(max_entries=data.TABLES_IN_MEMORY, show_spinner="Putting the answers together …")
def _aligned(key: Key, _tables: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    ids = [pd.Index(table["sample_id"]) for table in _tables]
    if all(each.equals(ids[0]) for each in ids):
        return list(_tables)
    common = ids[0]
    for each in ids[1:]:
        common = common[common.isin(each)]
    return [
        table.iloc[each.get_indexer(common)].reset_index(drop=True)
        for each, table in zip(ids, _tables, strict=True)
    ]


@st.cache_data(max_entries=64, show_spinner="Resampling the images, all runs together …")
def _resampled(key: tuple[object, ...], positive: int | None, _of: Part) -> Figures:
    return resample(_of.labels, _of.predicted, _of.losses, len(_of.classes), positive)
