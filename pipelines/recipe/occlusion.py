"""The occlusion maps of a run: how a map is made, of which images, and what estimates it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.recipe.part import Name, Part


class EstimatorRecipe(Part):
    """A network that draws the maps in one pass; the best epoch on val is kept."""

    network: Literal["unet", "study"] = Field(
        "unet", description="unet: our own, told the class; study: the HiTS study's autoencoder"
    )
    classifier: bool = Field(True, description="for unet: a frozen copy of the classifier inside")
    code: Literal["none", "numeral", "one_hot"] = Field(
        "none", description="for study: how the class asked for is told"
    )
    cut: Literal[0, 1, 2] = Field(0, description="for study: how often it is truncated")
    encoder: Name | None = Field(
        None,
        description="for study: a run of hits_deep whose convolutions it takes and does not train",
    )
    target: Literal["probability", "study"] = Field(
        "probability",
        description="for study: study draws maps summed and standardised as the HiTS study did",
    )
    only: str | None = Field(
        None, description="a class: it learns, and is judged, by images predicted as it alone"
    )
    optimizer: Literal["adam", "adadelta"] = "adam"
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(32, ge=1, le=4096)
    epochs: int = Field(8, ge=1, le=1000)
    patience: int = Field(3, ge=0, description="epochs without improvement that are forgiven")
    repeats: int = Field(1, ge=1, le=20, description="trainings with different seeds")
    seed: int = Field(0, ge=0, description="of the first of them")

    @model_validator(mode="after")
    def _of_the_study(self) -> EstimatorRecipe:
        if self.network != "study" and (self.encoder is not None or self.target != "probability"):
            raise ValueError(
                "encoder and target are for network: study. Received: network: "
                f"{self.network}, encoder: {self.encoder}, target: {self.target}"
            )
        return self


class OcclusionRecipe(Part):
    """Maps of one kind: the probability of a class with a patch at each position."""

    patch: int = Field(3, ge=1, le=1024, description="side of the patch, in pixels")
    stride: int = Field(1, ge=1, le=1024, description="pixels from one position to the next")
    fill: float | Literal["mean", "blur"] = Field(
        0.0,
        description="what hidden pixels show: a number from 0 to 1, mean (of train, by channel), "
        "or blur (the image itself, blurred)",
    )
    way: Literal["auto", "whole", "table", "regions"] = Field(
        "auto", description="how it is computed; auto: the quickest that fits the model"
    )
    train: int = Field(5000, ge=0, description="images of train that get a map, at most")
    val: int = Field(1000, ge=0, description="the same of val")
    test: int = Field(1000, ge=0, description="the same of test")
    seed: int = Field(0, ge=0, description="of which images these are")
    estimators: dict[Name, EstimatorRecipe] = Field(
        default_factory=dict, description="networks that learn to draw the maps, by name"
    )

    def of_the_maps(self) -> dict[str, Any]:
        """What makes the exact maps, as plain data."""
        return self.model_dump(mode="json", exclude={"estimators"})
