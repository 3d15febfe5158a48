"""Where samples come from: one module a kind of source, named as in the recipe."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from pipelines.recipe import AnyDataset
from pipelines.sources.base import Loaded, Progress


class Source(Protocol):
    """What a module of this package offers."""

    def signature(self, options: AnyDataset) -> str:
        """Name the present content of the input, cheaply."""

    def load(self, options: AnyDataset, progress: Progress) -> Loaded:
        """Read the input."""


def source_of(dataset: AnyDataset) -> Source:
    """The module that reads this kind of dataset."""
    return cast(Source, importlib.import_module(f"pipelines.sources.{dataset.source}"))
