"""The dataset of a recipe: where images come from, which classes are kept, how they are split."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from pipelines.recipe.part import Part, Share


class Splits(Part):
    """Shares of the samples to set aside where the data does not bring the split itself."""

    val: Share = Field(0.15, description="share for validation; 0 makes none")
    test: Share = Field(0.15, description="share for the test; 0 makes none")

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> Splits:
        if self.val + self.test >= 1:
            raise ValueError(f"val + test must be below 1. Received: {self.val} + {self.test}")
        return self


class DatasetBase(Part):
    """What every kind of dataset can say."""

    title: str | None = Field(None, description="name for people; the source's own if absent")
    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="classes to keep, in this order; all of them if absent"
    )
    positive: str | None = Field(None, description="the positive class, where there is one")
    human_error: Share | None = Field(
        None, description="error rate of people on this task, to set the model's beside"
    )
    splits: Splits = Field(default_factory=Splits)
    label_noise: float = Field(
        0.0, ge=0, le=0.5, description="share of the labels of train to flip on purpose"
    )
    labels: Literal["given", "reviewed"] | Path = Field(
        "given",
        description="labels to train on: given, reviewed (as decided in the dashboard), or the "
        "path of a file that 'labels export' wrote",
    )
    seed: int = Field(0, ge=0, description="seed of the splits and of the flips")

    @field_validator("labels")
    @classmethod
    def _a_table(cls, value: str | Path) -> str | Path:
        if isinstance(value, Path) and value.suffix not in (".csv", ".parquet"):
            raise ValueError(
                "must be given, reviewed, or the path of a .csv or .parquet file that 'labels "
                f"export' wrote. Received: {str(value)!r}"
            )
        return value

    @field_validator("classes")
    @classmethod
    def _different(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError(f"must name each class once. Received: {list(value)}")
        return value


class FolderDataset(DatasetBase):
    """Images in folders: root/class/* or root/split/class/*, at any depth below."""

    source: Literal["folder"]
    root: Path = Field(description="the folder; relative paths start where you run the command")
    group: str | None = Field(
        None, description="regular expression on the path; images with equal matches stay together"
    )
    table: Path | None = Field(
        None,
        description="CSV of what else is known: a column 'path' relative to root, and further ones",
    )

    @field_validator("group")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"not a regular expression: {error}. Received: {pattern!r}"
                ) from error
        return pattern


class HitsDataset(DatasetBase):
    """The pickle of the HiTS study: a dict with ``images`` and ``labels``."""

    source: Literal["hits"]
    path: Path = Field(description="the pickle file")
    transient_label: Literal[0, 1] = Field(1, description="the number that marks a transient")


class ArraysDataset(DatasetBase):
    """A NumPy archive with ``images`` and ``labels``, and what else is known of each image."""

    source: Literal["arrays"]
    path: Path = Field(description="the .npz file")


class DigitsDataset(DatasetBase):
    """The 1,797 scanned digits that come with scikit-learn."""

    source: Literal["digits"]


class TransientsDataset(DatasetBase):
    """Simulated stamps of difference imaging, like those of the HiTS survey."""

    source: Literal["transients"]
    count: int = Field(20_000, ge=20, le=1_000_000, description="how many stamps to simulate")


AnyDataset = Annotated[
    FolderDataset | HitsDataset | ArraysDataset | DigitsDataset | TransientsDataset,
    Field(discriminator="source"),
]

DATASETS: dict[str, type[BaseModel]] = {
    "folder": FolderDataset,
    "hits": HitsDataset,
    "arrays": ArraysDataset,
    "digits": DigitsDataset,
    "transients": TransientsDataset,
}
"""What a dataset may say, by its source."""
