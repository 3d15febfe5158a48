"""Occlusion maps of a run.

::

    runs/<run>/occlusion/<name>/
      exact/       exact.json  maps.npy (m, rows * columns * classes)  mapped.parquet
                   features.parquet  looks.npy (kinds of maps, rows, columns)
      estimators/  estimators.json  fidelity.parquet  areas.parquet
                   <estimator>.keras  <estimator>.npy
                   second/<estimator>.keras  where it was trained twice

A map holds, at each position of a patch, the probability of every class with that patch hidden.
Features and kinds are those of the map of the predicted class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cache.errors import OcclusionNotFoundError
from cache.part import Part, find, named
from cache.store import Run, load_array
from cache.tables import read_table


@dataclass(frozen=True)
class Occlusion(Part):
    """Occlusion maps of one kind."""

    FOLDER = "occlusion"

    def mapped(self) -> pd.DataFrame:
        """One row an image that has a map: ``sample_id``, ``split``, ``row`` (its position among
        the samples), ``label``, ``predicted``, ``clean`` (probability of the predicted class with
        nothing hidden)."""
        path = self.artefact("exact").path("mapped.parquet")
        return read_table(path, "mapped", self.run.workspace.dataset.classes)

    def maps(self) -> np.ndarray:
        """Memory map float32 (m, rows, columns, classes), in the order of :meth:`mapped`."""
        flat = load_array(self.artefact("exact").path("maps.npy"))
        return flat.reshape(len(flat), *self.document("exact")["shape"])

    def features(self) -> pd.DataFrame:
        """One row an image of :meth:`mapped`, in its order: what the map of its predicted class
        has in common with numbers.

        Columns ``down`` and ``across`` (centre of the evidence, 0 to 1), ``spread``, ``border``,
        ``top_tenth``, ``drop``, as ``pipelines.methods.occlusion.features`` defines them, nan
        where the map is flat; ``look``, the kind of map within that class, -1 for a flat one.

        Raises:
            MissingArtefactError: The maps have not been made yet, or by a version that did not
                describe them.
        """
        return read_table(self.artefact("exact").path("features.parquet"), "features")

    def looks(self, label: str) -> np.ndarray:
        """Mean map of each kind of map of a predicted class, float32 (kinds, rows, columns): raw
        probabilities of that class, in the order of ``look``. A class without maps that are not
        flat has none.

        Args:
            label: Name of the class.
        """
        places = [
            place
            for place, told in enumerate(self.document("exact")["looks"])
            if told["class"] == label
        ]
        return np.asarray(load_array(self.artefact("exact").path("looks.npy"))[places])

    def estimates(self, estimator: str) -> np.ndarray:
        """Memory map float32 (m, rows, columns): what an estimator draws for the predicted class
        of each image of :meth:`mapped`."""
        return load_array(self.artefact("estimators").path(f"{estimator}.npy"))

    def fidelity(self) -> pd.DataFrame:
        """One row an image and estimator, baselines included: ``sample_id``, ``estimator``,
        ``flat``, and the measures; nan where a measure means nothing."""
        return read_table(self.artefact("estimators").path("fidelity.parquet"), "fidelity")

    def areas(self) -> pd.DataFrame | None:
        """One row a followed test image and map, the exact one included: ``sample_id``, ``map``,
        and the area under its ``deletion`` and its ``insertion`` curve. None where an earlier
        version kept the means alone."""
        artefact = self.artefact("estimators")
        if artefact.exists and not (artefact.folder / "areas.parquet").is_file():
            return None
        return read_table(artefact.path("areas.parquet"), "areas")


def occlusions(run: Run) -> tuple[Occlusion, ...]:
    """The occlusion maps of a run's recipe, computed or not."""
    return named(Occlusion, run)


def drawing(document: dict[str, Any]) -> list[str]:
    """Names of the estimators that draw the probabilities of any image: not the baselines, nor
    those of one class or of maps normalised by themselves.

    Args:
        document: What the stage ``estimators`` wrote.
    """
    return [
        name
        for name, told in document["estimators"].items()
        if not told["baseline"] and told["target"] == "probability" and told["only"] is None
    ]


def open_occlusion(run: Run, name: str) -> Occlusion:
    """Find occlusion maps by name.

    Raises:
        OcclusionNotFoundError: The run has none of that name.
    """
    return find(Occlusion, run, name, "occlusion maps", OcclusionNotFoundError)
