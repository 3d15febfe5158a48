"""What the report reads of a workspace: only what belongs to what is there now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVarTuple

import numpy as np
import pandas as pd

from cache import Run, StageState, Workspace
from cache.belonging import check_decisions, check_inputs
from cache.errors import CacheError, MissingArtefactError
from cache.part import Part
from pipelines.methods.metrics import confusion_matrix
from pipelines.reporting.markup import Html, note

A = TypeVarTuple("A")


@dataclass(frozen=True)
class Answered:
    """A run and what it answered.

    Attributes:
        run: The run.
        table: Its predictions, with ``row`` (position among the samples) and the samples' own
            ``leaked`` and ``path``.
    """

    run: Run
    table: pd.DataFrame

    def codes(self, split: str, without_leaks: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """True and predicted classes of a split, as codes (n,) each."""
        rows = self.of(split, without_leaks)
        return rows["label"].cat.codes.to_numpy(), rows["predicted"].cat.codes.to_numpy()

    def of(self, split: str, without_leaks: bool = False) -> pd.DataFrame:
        """The rows of a split."""
        keep = self.table["split"] == split
        return self.table[keep & ~self.table["leaked"] if without_leaks else keep]

    def matrix(self, split: str, without_leaks: bool = False) -> np.ndarray:
        """Confusion matrix of a split, int64 (classes, classes), rows true."""
        classes = len(self.run.workspace.dataset.classes)
        return confusion_matrix(*self.codes(split, without_leaks), classes)


@dataclass(frozen=True)
class Source:
    """A workspace as the report sees it at one moment.

    Attributes:
        workspace: The workspace.
    """

    workspace: Workspace

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row a sample."""
        return self.workspace.samples()

    @cached_property
    def states(self) -> list[StageState]:
        """Where each stage stands."""
        return self.workspace.states()

    @cached_property
    def decisions(self) -> pd.DataFrame | None:
        """What reviewers decided on labels; None where they are taken as they are given.

        Raises:
            MissingArtefactError: It has not been gathered yet.
            CorruptArtefactError: It was gathered for other samples than those there now.
        """
        if self.workspace.labels == "given":
            return None
        check_decisions(self.workspace)
        return self.workspace.decisions()

    @cached_property
    def answered(self) -> dict[str, Answered]:
        """The runs whose predictions are of the samples that are there now, by name."""
        found = {}
        for run in self.workspace.runs():
            try:
                run.check_predictions()
                asked = run.predictions().drop(columns=["split", "label"])
            except CacheError:
                continue
            there = self.samples[["sample_id", "split", "label", "leaked", "path"]]
            own = there.assign(row=np.arange(len(there)))
            found[run.name] = Answered(run, own.merge(asked, on="sample_id", how="inner"))
        return found


def check(part: Part, stage: str) -> None:
    """Refuse what a stage made of a part of a run where it is not there, or of something else.

    Raises:
        MissingArtefactError: The stage has not been run.
        CorruptArtefactError: What it was made from has been made anew since.
    """
    workspace = part.run.workspace
    what = f"The artefact '{stage}' of '{part.run.name} / {part.name}'"
    check_inputs(part.artefact(stage), workspace, what)


def told(what: str, command: str, tell: Callable[[*A], list[Html]], *args: *A) -> list[Html]:
    """What a function tells, or that something is missing or broken, and what to run.

    Args:
        what: Name of what is told.
        command: What makes it.
        tell: Reads and tells it.
        *args: What it is given.
    """
    try:
        return tell(*args)
    except CacheError as error:
        title = f"{what} cannot be shown."
        if isinstance(error, MissingArtefactError):
            return [note(f"{what}: not made yet.", "Run:", command)]
        return [note(title, str(error))]
