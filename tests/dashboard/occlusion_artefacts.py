"""Occlusion maps for the workspaces of the tests, described by the stage's own code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cache import Workspace
from cache.artefact import Artefact, Manifest, staging, write_json
from cache.occlusion import Occlusion, open_occlusion
from cache.store import DOCUMENT
from cache.tables import write_table
from pipelines.stages.exact import describe

SIDE = 10
READS = ("samples", "runs/{}/inputs", "runs/{}/train", "runs/{}/predictions")


def add_maps(workspace: Workspace, run: str, name: str = "patch3", seed: int = 0) -> Occlusion:
    """Give two images of three a map whose evidence lies in the middle, at the left border, or,
    for one in ten, nowhere.

    Args:
        workspace: Changed on disk: artefact and recipe.
        run: Whose maps.
        name: What they are called.
        seed: Of what the maps are.
    """
    document = workspace.document
    occlusion = document["recipe"]["runs"][run].setdefault("occlusion", {})
    occlusion[name] = {"patch": 3}
    write_json(workspace.folder / DOCUMENT, document)
    rng = np.random.default_rng(seed)
    answers = workspace.run(run).predictions()
    rows = np.flatnonzero(np.arange(len(answers)) % 3)
    chosen = answers.iloc[rows].reset_index(drop=True)
    mapped = chosen[["sample_id", "split", "label", "predicted"]].assign(
        row=rows, clean=chosen["confidence"]
    )
    maps = _maps(mapped, len(workspace.dataset.classes), rng)

    def fill(out: Path) -> None:
        classes = workspace.dataset.classes
        write_table(mapped, out / "mapped.parquet", "mapped", classes)
        np.save(out / "maps.npy", maps.reshape(len(maps), -1))
        told = describe(maps, mapped, classes, 0, out)
        exact = {"patch": 3, "stride": 1, "fill": 0.0, "shape": list(maps.shape[1:]), **told}
        write_json(out / "exact.json", {**exact, "way": "table", "why": "", "ms": 1.0})

    opened = open_occlusion(Workspace(workspace.name, workspace.folder).run(run), name)
    artefact = opened.artefact("exact")
    inputs = {
        key: Artefact(workspace.folder / key, "").manifest.digest
        for key in (read.format(run) for read in READS)
    }
    with staging(artefact.folder) as place:
        fill(place.folder)
        made = f"{name} {seed}"
        place.commit(
            Manifest(
                stage="exact",
                fingerprint=made,
                digest=made,
                version=2,
                settings={},
                inputs=inputs,
                rows=len(rows),
                seconds=1.0,
                versions={},
                created="2026-01-01T00:00:00+00:00",
            )
        )
    return opened


def _maps(mapped: pd.DataFrame, classes: int, rng: np.random.Generator) -> np.ndarray:
    clean = mapped["clean"].to_numpy()[:, None, None, None]
    maps = np.repeat(np.repeat(clean, SIDE, 1), SIDE, 2).repeat(classes, 3).astype(np.float32)
    maps -= rng.uniform(0, 0.002, maps.shape).astype(np.float32)
    depth = rng.uniform(0.1, 0.3, len(maps)).astype(np.float32)
    kind = rng.choice(3, len(maps), p=[0.6, 0.3, 0.1])
    maps[kind == 0, 4:6, 4:6] -= depth[kind == 0, None, None, None]
    maps[kind == 1, :, 0] -= depth[kind == 1, None, None]
    return np.clip(maps, 0, 1)
