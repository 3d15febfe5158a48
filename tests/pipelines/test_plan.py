"""Which steps of a plan a field of the recipe belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.plan import Step, plan
from pipelines.recipe import Recipe


@pytest.fixture
def steps(tmp_path: Path) -> Any:
    """The plan of a folder of images, with other fields of the dataset: ``steps(group=...)``."""
    for split in ("train", "val", "test"):
        for label in "ab":
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "p1_1.png")
    run = {"model": "hits_cnn", "embeddings": {"pixels": {}}, "issues": {"head": {}}}

    def made(**dataset: Any) -> dict[str, Step]:
        source = {"source": "folder", "root": str(tmp_path), **dataset}
        recipe = Recipe.model_validate({"name": "p", "dataset": source, "runs": {"one": run}})
        return {step.key: step for step in plan(recipe)}

    return made


def changed(one: dict[str, Step], other: dict[str, Step]) -> set[str]:
    assert one.keys() == other.keys()
    return {step.stage.name for key, step in one.items() if step.settings != other[key].settings}


def test_another_way_to_group_images_belongs_to_what_asks_for_groups(steps: Any) -> None:
    """Where splits come with the data, the samples may be the same for all others."""
    by_patient, by_image = steps(group=r"(p\d+)_"), steps(group=r"(p\d+_\d+)")
    assert changed(by_patient, by_image) == {"samples", "retrieval", "issues", "quality"}
    assert changed(by_patient, steps(group=r"(p\d+)_")) == set()


def test_the_seed_of_the_splits_belongs_to_the_samples_alone(steps: Any) -> None:
    assert changed(steps(), steps(seed=1)) == {"samples"}
