"""What a stage is: a name, what it reads, its part of the recipe, and its work.

A stage writes one artefact. It is little more than "read, call, write": the algorithms are in
``pipelines.methods``. Two stages never call each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from cache import Artefact, Run, Workspace
from cache.embeddings import Embedding
from cache.issues import LabelIssues
from cache.occlusion import Occlusion
from pipelines.recipe import AnyEmbedding, IssuesRecipe, OcclusionRecipe, Recipe, RunRecipe

Scope = Literal["workspace", "run", "embedding", "occlusion", "issues"]


class Of(NamedTuple):
    """A stage of another run or part than one's own, among what a stage reads."""

    run: str
    stage: str
    part: str | None = None


Reads = tuple[str | Of, ...]

PARTS: dict[Scope, str] = {
    "embedding": "embeddings",
    "occlusion": "occlusion",
    "issues": "issues",
}
"""Scopes below a run: the field of the run's recipe, and the folder of its artefacts."""


@dataclass(frozen=True)
class Job:
    """What a stage is given to do its work.

    Attributes:
        recipe: The whole recipe.
        workspace: The workspace as it stands; the stage reads its inputs from it.
        run: Name of the run, or None for a stage of the whole workspace.
        part: What of the run it works on (``embeddings/pixels``), or None for the run itself.
        out: Empty folder to fill; it becomes the artefact when the stage returns.
        work: Hidden folder that outlives a stop, for stages that go on where they broke off. It
            is made by the stage that wants it and belongs to one fingerprint.
        progress: Called with how many rows are done and how many there are.
    """

    recipe: Recipe
    workspace: Workspace
    run: str | None
    part: str | None
    out: Path
    work: Path
    progress: Callable[[float, int], None] = field(default=lambda done, total: None)

    @property
    def run_recipe(self) -> RunRecipe:
        """The recipe of this job's run."""
        assert self.run is not None, "only a stage of a run has a run's recipe"
        return self.recipe.runs[self.run]

    @property
    def name(self) -> str:
        """Name of the part of the run that this job works on."""
        assert self.part is not None, "only a stage of a part has one"
        return self.part.partition("/")[2]

    @property
    def embedding_recipe(self) -> AnyEmbedding:
        """The recipe of this job's embedding."""
        return self.run_recipe.embeddings[self.name]

    @property
    def occlusion_recipe(self) -> OcclusionRecipe:
        """The recipe of this job's occlusion maps."""
        return self.run_recipe.occlusion[self.name]

    @property
    def issues_recipe(self) -> IssuesRecipe:
        """The recipe of this job's label issues."""
        return self.run_recipe.issues[self.name]

    @property
    def its_run(self) -> Run:
        """This job's run, as the cache has it."""
        assert self.run is not None, "only a stage of a run has a run"
        return Run(self.run, self.workspace)

    @property
    def its_embedding(self) -> Embedding:
        """This job's embedding, as the cache has it."""
        return Embedding(self.name, self.its_run)

    @property
    def its_occlusion(self) -> Occlusion:
        """This job's occlusion maps, as the cache has them."""
        return Occlusion(self.name, self.its_run)

    @property
    def its_issues(self) -> LabelIssues:
        """This job's label issues, as the cache has them."""
        return LabelIssues(self.name, self.its_run)

    @property
    def decisions(self) -> pd.DataFrame | None:
        """What was decided on labels, where this job's run is trained on that."""
        if self.recipe.labels_of(str(self.run)) == "given":
            return None
        return self.workspace.decisions()

    def share_done(self, rows: int) -> Callable[[float, float], None]:
        """Progress in rows for a method that counts in something else: ``(done, of how many)``."""
        return lambda done, total: self.progress(rows * done / total, rows)

    def artefact(self, stage: str) -> Artefact:
        """The artefact of another stage of the same run."""
        return self.workspace.artefact(stage, self.run)


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
        rows: How many rows it made.
        digest: Names what came out, where that can be told apart from what went in; artefacts
            that hang on it are then remade only if it changes.
    """

    rows: int
    digest: str | None = None


def always(recipe: Recipe) -> bool:
    """What most stages answer when asked whether a recipe asks for them."""
    return True


@dataclass(frozen=True)
class Stage:
    """One step of a pipeline.

    Attributes:
        name: Its name, and that of its artefact.
        version: Raised when the same inputs and settings would give another result.
        scope: Whether it runs once a ``workspace``, once a ``run`` or once for each of a run's
            :data:`PARTS`.
        reads: Names of the stages whose artefacts it reads; a function of the same arguments as
            ``settings`` where that depends on the recipe.
        unit: What its rows are, for the progress bar.
        settings: Its part of the recipe as plain data, given the recipe and, by its scope, the
            names of the run and its part.
        work: Does it.
        asked: Whether a recipe asks for it at all.
    """

    name: str
    version: int
    scope: Scope
    reads: Reads | Callable[..., Reads]
    unit: str
    settings: Callable[..., Any]
    work: Callable[[Job], Outcome]
    asked: Callable[[Recipe], bool] = always


def training_settings(recipe: Recipe, run: str) -> Any:
    """Everything the recipe says about a training; the image size comes with the inputs, and
    labels that were decided with the stage ``decisions``."""
    return recipe.runs[run].model_dump(mode="json", exclude={"image", "labels", *PARTS.values()})


def grouping(recipe: Recipe) -> dict[str, str]:
    """The expression that finds groups in the names of files, where there is one: settings of the
    stages that ask which images belong together. Others need not be made anew where it changes."""
    expression = getattr(recipe.dataset, "group", None)
    return {} if expression is None else {"group": expression}


def decided_labels(recipe: Recipe, run: str) -> Reads:
    """What a stage reads besides that learns from labels: the decisions, or nothing."""
    return ("decisions",) if recipe.labels_of(run) == "decided" else ()
