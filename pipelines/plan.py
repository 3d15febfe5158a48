"""The plan of a recipe: every stage it asks for, in order, and what each reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cache.store import artefact_key
from pipelines.recipe import Recipe
from pipelines.stages import STAGES
from pipelines.stages.base import Scope, Stage


@dataclass(frozen=True)
class Step:
    """One stage of the workspace, of one run or of one embedding, in a plan."""

    workspace: str
    stage: Stage
    run: str | None
    embedding: str | None
    settings: Any
    reads: tuple[str, ...]

    @property
    def key(self) -> str:
        """Name of the artefact inside the workspace."""
        return artefact_key(self.run, self.stage.name, self.embedding)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Keys of the artefacts that it reads."""
        scopes = {stage.name: stage.scope for stage in STAGES}
        return tuple(
            artefact_key(
                None if scopes[name] == "workspace" else self.run,
                name,
                self.embedding if scopes[name] == "embedding" else None,
            )
            for name in self.reads
        )


def plan(recipe: Recipe) -> list[Step]:
    """Every step of a recipe, in order: first the workspace's, then run by run, each followed by
    its embeddings.

    Raises:
        SourceError: The data that the recipe names is not there.
    """
    steps = _steps(recipe, "workspace")
    for run in recipe.runs:
        steps += _steps(recipe, "run", run)
        for embedding in recipe.runs[run].embeddings:
            steps += _steps(recipe, "embedding", run, embedding)
    return steps


def _steps(
    recipe: Recipe, scope: Scope, run: str | None = None, embedding: str | None = None
) -> list[Step]:
    names = [name for name in (run, embedding) if name is not None]
    steps = []
    for stage in STAGES:
        if stage.scope == scope:
            reads = stage.reads(recipe, *names) if callable(stage.reads) else stage.reads
            settings = stage.settings(recipe, *names)
            steps.append(Step(recipe.name, stage, run, embedding, settings, reads))
    return steps
