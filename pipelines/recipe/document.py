"""The whole recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipelines.recipe.dataset import AnyDataset
from pipelines.recipe.part import Name, Part
from pipelines.recipe.run import RunRecipe


class Recipe(Part):
    """One workspace: a dataset and the runs made on it."""

    name: Name = Field(description="name of the workspace")
    dataset: AnyDataset
    runs: Annotated[dict[Name, RunRecipe], Field(min_length=1)]

    @model_validator(mode="after")
    def _encoders_are_there(self) -> Recipe:
        deep = [name for name, run in self.runs.items() if run.model == "hits_deep"]
        for run_name, run in self.runs.items():
            for maps, occlusion in run.occlusion.items():
                for name, estimator in occlusion.estimators.items():
                    if estimator.encoder is not None and estimator.encoder not in deep:
                        raise ValueError(
                            f"runs.{run_name}.occlusion.{maps}.estimators.{name}.encoder must be "
                            f"a run of model hits_deep. Received: '{estimator.encoder}'. "
                            f"There are: {', '.join(deep) or 'none'}"
                        )
        return self
