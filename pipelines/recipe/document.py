"""The whole recipe."""

from __future__ import annotations

from typing import Annotated, Literal

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

    @model_validator(mode="after")
    def _decided_labels_are_there(self) -> Recipe:
        wanting = [name for name, run in self.runs.items() if run.labels == "decided"]
        if wanting and self.dataset.labels == "given":
            names = ", ".join(f"runs.{name}.labels" for name in wanting)
            raise ValueError(
                f"{names} must be given while dataset.labels is given: nothing is decided then. "
                "Received: 'decided'. Set dataset.labels to reviewed, or to a file that 'labels "
                "export' wrote"
            )
        return self

    def labels_of(self, run: str) -> Literal["given", "decided"]:
        """Which labels a run is trained on."""
        chosen = self.runs[run].labels
        if chosen is not None:
            return chosen
        return "given" if self.dataset.labels == "given" else "decided"
