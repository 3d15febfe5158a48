"""Workspaces and runs: what the dashboard reads.

A workspace is a folder of the cache root; see ``Workspace`` for what it holds and where. All
tables come back as fresh data frames, all arrays as read-only memory maps.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from cache.artefact import Artefact, read_json, staging_folder, unreadable
from cache.errors import (
    CacheError,
    CorruptArtefactError,
    RunNotFoundError,
    WorkspaceNotFoundError,
)
from cache.fingerprint import stage_fingerprint
from cache.lock import is_writing
from cache.tables import read_table

State = Literal["done", "missing", "stale", "running", "interrupted"]

DOCUMENT = "workspace.json"


def cache_root() -> Path:
    """Folder of the workspaces: ``CENTAURO_CACHE``, or ``workspaces`` beside this file."""
    given = os.environ.get("CENTAURO_CACHE")
    return Path(given).expanduser().resolve() if given else Path(__file__).parent / "workspaces"


def list_workspaces(root: Path | None = None) -> list[Workspace]:
    """Every workspace of the cache, by name. An absent cache has none."""
    root = root or cache_root()
    found = sorted(path.parent for path in root.glob(f"*/{DOCUMENT}"))
    return [Workspace(folder.name, folder) for folder in found if not folder.name.startswith(".")]


def open_workspace(name: str, root: Path | None = None) -> Workspace:
    """Find a workspace by name.

    Raises:
        WorkspaceNotFoundError: There is none of that name; the message lists those there are.
    """
    there = {workspace.name: workspace for workspace in list_workspaces(root)}
    if name not in there:
        raise WorkspaceNotFoundError(
            f"There is no workspace '{name}' in {root or cache_root()}. "
            f"There are: {', '.join(there) or 'none yet'}. "
            "Make one with: python -m pipelines run RECIPE"
        )
    return there[name]


@dataclass(frozen=True)
class Dataset:
    """What the images of a workspace are.

    Attributes:
        title: Name for people.
        source: Kind of source (``folder``, ``digits`` …).
        description: What it is, from where, under which licence.
        simulated: A sentence that says what is simulated, or None for real data.
        root: Folder that the samples' paths are relative to, or None.
        classes: Class names, in the order of the probabilities.
        channels: Names of the channels.
        dtype: ``uint8``, ``uint16`` or ``float32`` (in [0, 1]).
        shape: (height, width, channels) where all samples share one, else None.
        positive: The positive class, if one is named.
        human_error: Error rate of people on this task, if known.
        views: What a thumbnail can show: ``image``, or one view a channel.
        left_out: How many samples of each class the recipe does not keep.
        label_noise: A sentence that says how many labels were flipped on purpose, or None. The
            samples then have a column ``true_label``.
    """

    title: str
    source: str
    description: str
    simulated: str | None
    root: str | None
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    dtype: str
    shape: tuple[int, int, int] | None
    positive: str | None
    human_error: float | None
    views: tuple[str, ...]
    left_out: dict[str, int]
    label_noise: str | None = None


@dataclass(frozen=True)
class StageState:
    """Where one stage of a workspace stands.

    Attributes:
        run: Name of the run, or None for a stage of the whole workspace.
        part: What of the run it is a stage of (``embeddings/pixels``), or None for the run itself.
        stage: Name of the stage.
        state: ``done``; ``missing``; ``stale`` (made from other settings or inputs than the
            recipe's); ``running`` (a process is making it now); ``interrupted`` (broken off;
            running it again goes on from there).
        seconds: Wall time it took, if it is there.
        rows: Rows it made, if it is there.
        command: What to run to make it.
    """

    run: str | None
    part: str | None
    stage: str
    state: State
    seconds: float | None
    rows: int | None
    command: str

    @property
    def name(self) -> str | None:
        """Name of the part of the run, without its folder."""
        return self.part and self.part.partition("/")[2]


def artefact_key(run: str | None, stage: str, part: str | None = None) -> str:
    """Name of an artefact inside its workspace.

    ``samples``, ``runs/cnn/train``, ``runs/cnn/embeddings/pixels/vectors``.
    """
    if run is None:
        return stage
    if part is None:
        return f"runs/{run}/{stage}"
    return f"runs/{run}/{part}/{stage}"


@dataclass(frozen=True)
class Workspace:
    """One dataset and the runs made on it.

    ::

        workspace.json                the recipe as resolved, and the plan of its stages
        samples/                      samples.parquet rejected.parquet dataset.json images.npy …
        thumbnails/                   thumbnails.json  thumbnails.bin offsets.npy
        decisions/                    decisions.parquet decisions.json, where labels are decided
        runs/<run>/train/             run.json history.csv model.keras layers.json …
        runs/<run>/predictions/       predictions.parquet metrics.json
        runs/<run>/embeddings/<name>/ see cache.embeddings
    """

    name: str
    folder: Path

    @cached_property
    def document(self) -> dict[str, Any]:
        """The recipe as resolved, the plan and the command, as the runner wrote them.

        Raises:
            CorruptArtefactError: The file cannot be read.
        """
        path = self.folder / DOCUMENT
        document = read_json(path)
        if not isinstance(document, dict) or not {"command", "recipe", "plan"} <= set(document):
            raise unreadable(path, "it was written by another version of Centauro")
        return document

    @property
    def command(self) -> str:
        """What to run to make everything of this workspace."""
        return str(self.document["command"])

    def artefact(self, stage: str, run: str | None = None, part: str | None = None) -> Artefact:
        """The artefact of a stage, whether it is there or not."""
        return Artefact(self.folder / artefact_key(run, stage, part), self.command)

    @cached_property
    def dataset(self) -> Dataset:
        """What the images are.

        Raises:
            MissingArtefactError: The samples have not been read yet.
            CorruptArtefactError: The file cannot be read.
        """
        path = self.artefact("samples").path("dataset.json")
        document = read_json(path)
        try:
            for name in ("classes", "channels", "shape", "views"):
                document[name] = None if document[name] is None else tuple(document[name])
            return Dataset(**document)
        except (KeyError, TypeError) as error:
            raise unreadable(path, f"another version of Centauro wrote it: {error}") from error

    def samples(self) -> pd.DataFrame:
        """One row a sample; columns as in ``cache.tables.SCHEMAS['samples']``."""
        path = self.artefact("samples").path("samples.parquet")
        return read_table(path, "samples", self.dataset.classes)

    def rejected(self) -> pd.DataFrame:
        """Every input that could not be read or used, with the reason."""
        return read_table(self.artefact("samples").path("rejected.parquet"), "rejected")

    def images(self) -> np.ndarray | None:
        """Memory map (n, height, width, channels), or None where shapes differ.

        A sample's row is its column ``row``.
        """
        if self.dataset.shape is None:
            return None
        return load_array(self.artefact("samples").path("images.npy"))

    def histograms(self) -> np.ndarray:
        """Memory map (n, channels, 64): share of a sample's pixels in equal bins of [0, 1]."""
        return load_array(self.artefact("samples").path("histograms.npy"))

    @property
    def labels(self) -> str:
        """Where the labels of its recipe come from: ``given``, ``reviewed`` or a path."""
        return str(self.document["recipe"]["dataset"].get("labels", "given"))

    def decisions(self) -> pd.DataFrame:
        """One row an image whose label was reviewed, where :attr:`labels` are not ``given``.

        ``given`` is its label among the samples, ``decided`` the label that it should have
        (missing where nobody could tell, or reviewers disagree), ``verdict`` as in
        ``cache.verdicts.decided``; ``keep`` is False where training leaves it out.

        Raises:
            MissingArtefactError: They have not been gathered yet.
        """
        path = self.artefact("decisions").path("decisions.parquet")
        return read_table(path, "decisions", self.dataset.classes)

    def runs(self) -> tuple[Run, ...]:
        """The runs of the recipe, trained or not."""
        return tuple(Run(name, self) for name in self.document["recipe"]["runs"])

    def run(self, name: str) -> Run:
        """Find a run by name.

        Raises:
            RunNotFoundError: The recipe has none of that name.
        """
        for run in self.runs():
            if run.name == name:
                return run
        raise RunNotFoundError(
            f"The workspace '{self.name}' has no run '{name}'. "
            f"It has: {', '.join(run.name for run in self.runs())}."
        )

    def states(self) -> list[StageState]:
        """Where each stage of the plan stands, in the plan's order."""
        digests: dict[str, str | None] = {}
        states = []
        writing = is_writing(self.folder)
        for entry in self.document["plan"]:
            run, part, stage = entry["run"], entry.get("part"), entry["stage"]
            key = artefact_key(run, stage, part)
            artefact = self.artefact(stage, run, part)
            state, manifest = _state(artefact, entry, digests)
            if writing and staging_folder(artefact.folder).is_dir():
                state = "running"
            digests[key] = manifest.digest if manifest is not None and state == "done" else None
            seconds, rows = (manifest.seconds, manifest.rows) if manifest else (None, None)
            states.append(StageState(run, part, stage, state, seconds, rows, self.command))
        return states


def _state(
    artefact: Artefact, entry: dict[str, Any], digests: dict[str, str | None]
) -> tuple[State, Any]:
    if not artefact.exists:
        return ("interrupted" if work_folder(artefact.folder).is_dir() else "missing"), None
    try:
        manifest = artefact.manifest
    except CacheError:
        return "stale", None
    inputs = {key: digests.get(key) for key in entry["inputs"]}
    known = {key: digest for key, digest in inputs.items() if digest is not None}
    wanted = stage_fingerprint(entry["stage"], entry["version"], entry["settings"], known)
    return ("done" if manifest.fingerprint == wanted else "stale"), manifest


def work_folder(artefact_folder: Path) -> Path:
    """Hidden folder in which a long stage keeps what it needs to go on after a stop."""
    return artefact_folder.with_name(f".{artefact_folder.name}.work")


@dataclass(frozen=True)
class Run:
    """One trained model of a workspace."""

    name: str
    workspace: Workspace

    @property
    def folder(self) -> Path:
        """Where its artefacts are."""
        return self.workspace.folder / "runs" / self.name

    def artefact(self, stage: str) -> Artefact:
        """The artefact of a stage of this run, whether it is there or not."""
        return self.workspace.artefact(stage, self.name)

    @cached_property
    def document(self) -> dict[str, Any]:
        """Configuration, parameter counts, disk, memory, times, environment (run.json).

        Raises:
            MissingArtefactError: It has not been trained yet.
        """
        document: dict[str, Any] = read_json(self.artefact("train").path("run.json"))
        return document

    @property
    def selected_on(self) -> str | None:
        """The split that the kept epoch was chosen on; None for none, or where it is unknown.

        A training that left no word of it chose on val, where it measured a loss there.
        """
        if not self.artefact("train").exists:
            return None
        if "selected_on" in self.document:
            chosen: str | None = self.document["selected_on"]
            return chosen
        return "val" if self.history()["val_loss"].notna().any() else None

    @property
    def learnt(self) -> str:
        """The labels that it was trained on: ``given``, or ``decided`` by reviewers.

        Raises:
            MissingArtefactError: It has not been trained yet.
        """
        return str(self.document.get("labels", {}).get("trained_on", "given"))

    def history(self) -> pd.DataFrame:
        """One row an epoch, from 1."""
        path = self.artefact("train").path("history.csv")
        try:
            return pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error

    def predictions(self) -> pd.DataFrame:
        """One row a sample of every split, in inference mode with the best weights."""
        path = self.artefact("predictions").path("predictions.parquet")
        return read_table(path, "predictions", self.workspace.dataset.classes)

    def check_predictions(self) -> None:
        """Refuse predictions made from other samples than those that the workspace now has.

        Raises:
            MissingArtefactError: The run has no predictions yet.
            CorruptArtefactError: They are of other samples.
        """
        asked = self.artefact("predictions").manifest.inputs.get("samples")
        there = self.workspace.artefact("samples").manifest.digest
        if asked is not None and asked != there:
            raise CorruptArtefactError(
                f"The predictions of the run '{self.name}' were made from other samples than those "
                f"that the workspace '{self.workspace.name}' has now. Make them again: "
                f"{self.workspace.command}"
            )

    def metrics(self) -> dict[str, Any]:
        """Accuracy with count and 95 % interval, and loss, by split."""
        document: dict[str, Any] = read_json(self.artefact("predictions").path("metrics.json"))
        return document


def load_array(path: Path) -> np.ndarray:
    """Open a ``.npy`` file as a read-only memory map.

    Raises:
        CorruptArtefactError: It is not whole, or no such file.
    """
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, error) from error
    return array
