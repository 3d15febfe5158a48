"""The whole recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.recipe.dataset import AnyDataset
from pipelines.recipe.part import Name, Part
from pipelines.recipe.run import RunRecipe


class Recipe(Part):
    """One workspace: a dataset and the runs made on it."""

    name: Name = Field(description="name of the workspace")
    dataset: AnyDataset
    runs: Annotated[dict[Name, RunRecipe], Field(min_length=1)]
