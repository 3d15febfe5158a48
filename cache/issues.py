"""Label issues of a run: samples whose label may be wrong.

::

    runs/<run>/issues/<name>/issues/
      issues.json           how they were looked for, how many there are, how well they are found
      issues.parquet        one row a sample of any split, the most suspicious first
      probabilities.npy     (n, k) out of fold, in the order of samples.parquet
    runs/<run>/issues/<name>/quality/
      quality.json          what else may be wrong: counts, groups, slices of the data
      quality.parquet       one row a sample, in the order of samples.parquet
      duplicates.parquet    one row a pair
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cache.errors import LabelIssuesNotFoundError
from cache.part import Part, find, named
from cache.store import Run, load_array
from cache.tables import read_table


@dataclass(frozen=True)
class LabelIssues(Part):
    """What one search for wrong labels found."""

    FOLDER = "issues"

    def table(self) -> pd.DataFrame:
        """One row a sample of any split, by ``rank``; the columns are declared in
        ``cache.tables.SCHEMAS['issues']`` and told of by
        ``pipelines.methods.label_issues.judge``."""
        path = self.artefact("issues").path("issues.parquet")
        return read_table(path, "issues", self.run.workspace.dataset.classes)

    def probabilities(self) -> np.ndarray:
        """Memory map float32 (n, k): probabilities by models that never saw the sample, in the
        order of the samples."""
        return load_array(self.artefact("issues").path("probabilities.npy"))

    def quality(self) -> pd.DataFrame:
        """One row a sample: figures of its pixels and of its place among the others, and what
        about it is out of the ordinary, as ``pipelines.methods.oddities`` defines it."""
        path = self.artefact("quality").path("quality.parquet")
        return read_table(path, "quality", self.run.workspace.dataset.classes)

    def duplicates(self) -> pd.DataFrame:
        """One row a pair of images that are the same (``exact``) or nearly (``near``), those of
        conflicting labels first, then those across splits."""
        path = self.artefact("quality").path("duplicates.parquet")
        return read_table(path, "duplicates", self.run.workspace.dataset.classes)


def label_issues(run: Run) -> tuple[LabelIssues, ...]:
    """The label issues of a run's recipe, computed or not."""
    return named(LabelIssues, run)


def open_label_issues(run: Run, name: str) -> LabelIssues:
    """Find label issues by name.

    Raises:
        LabelIssuesNotFoundError: The run has none of that name.
    """
    return find(LabelIssues, run, name, "label issues", LabelIssuesNotFoundError)
