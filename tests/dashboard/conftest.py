"""Workspaces for the tests of the dashboard, written by the cache's own writers.

They are small and made up, but whole: every file, dtype and fingerprint is as a real pipeline
leaves it. ``make_workspace`` writes one; the fixtures write the ones that most tests need.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from cache import Dataset, Workspace
from cache.artefact import Artefact, Manifest, staging, write_json
from cache.fingerprint import fingerprint, stage_fingerprint
from cache.store import DOCUMENT, artefact_key
from cache.tables import write_table
from pipelines.methods import pixels
from pipelines.methods.splits import leaked
from pipelines.stages.predictions import prediction_table, split_metrics
from tests.dashboard import embedding_artefacts, issue_artefacts

Fire = Callable[[AppTest, str, dict[str, Any]], AppTest]
Shown = Callable[[AppTest, str], dict[str, Any]]

NAVIGATION = Path(__file__).parents[2] / "dashboard" / "navigation.py"
SIDE = 8
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


@pytest.fixture(autouse=True, scope="session")
def _installed_components() -> Iterator[None]:
    """Which installed packages bring components of Streamlit: looked up once.

    Every ``AppTest`` would read the metadata of all of them anew, for most of a test's time.
    """
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, in use for the test."""
    folder = tmp_path / "workspaces"
    folder.mkdir()
    monkeypatch.setenv("CENTAURO_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspaces of ``workspaces``, written once; each test gets a copy of its own."""
    folder = tmp_path_factory.mktemp("written")
    make_workspace(folder, "shapes", issues={"head": "autoencoder", "other": "pixels"})
    make_workspace(
        folder,
        "stamps",
        classes=("artefact", "transient"),
        runs={"hits": {"skill": 2.5, "epochs": 6}},
        channels=("template", "science"),
        simulated="Stamps of a simulated survey; no telescope saw them.",
    )
    return folder


@pytest.fixture
def workspaces(cache_folder: Path, written: Path) -> dict[str, Workspace]:
    """Two workspaces: ``shapes`` (real data, three classes, two runs), ``stamps`` (simulated)."""
    for name in ("shapes", "stamps"):
        shutil.copytree(written / name, cache_folder / name)
    return {name: Workspace(name, cache_folder / name) for name in ("shapes", "stamps")}


@pytest.fixture
def open_page(cache_folder: Path) -> Callable[..., AppTest]:
    """Open a page as a fresh session would: ``open_page("training", workspace="shapes")``."""

    def opened(page: str = "overview", **parameters: str) -> AppTest:
        at = AppTest.from_file(str(NAVIGATION), default_timeout=30)
        for name, value in parameters.items():
            at.query_params[name] = value
        at.run()
        if page != "overview":
            at.switch_page(f"views/{page}.py")
            for name, value in parameters.items():
                at.query_params[name] = value
            at.run()
        return at

    return opened


@pytest.fixture
def fire() -> Fire:
    """Send a widget's event, as its JavaScript does, and rerun: ``fire(at, key, payload)``."""

    def send(at: AppTest, key: str, payload: dict[str, Any]) -> AppTest:
        trigger = f"$$STREAMLIT_INTERNAL_KEY_{_component(at, key).proto.id}__events"
        states = at._tree.get_widget_states()
        value = json.dumps([{"event": "event", "value": payload}])
        states.widgets.append(WidgetState(id=trigger, json_trigger_value=value))
        return at._run(states)

    return send


@pytest.fixture
def shown() -> Shown:
    """What a widget was told to show: ``shown(at, key)``."""

    def read(at: AppTest, key: str) -> dict[str, Any]:
        proto = _component(at, key).proto
        data: dict[str, Any] = json.loads(proto.json or proto.mixed.json)
        return data

    return read


def parameter(at: AppTest, name: str) -> str:
    """A parameter of the URL, which AppTest gives as text or as a list by who set it."""
    value = at.query_params[name]
    return value if isinstance(value, str) else value[0]


def make_workspace(
    root: Path,
    name: str,
    *,
    count: int = 150,
    classes: tuple[str, ...] = ("circle", "cross", "square"),
    channels: tuple[str, ...] = ("grey",),
    runs: Mapping[str, Mapping[str, Any]] | None = None,
    simulated: str | None = None,
    human_error: float | None = None,
    positive: str | None = None,
    rejected: int = 2,
    embeddings: Mapping[str, Mapping[str, Any]] | None = None,
    issues: Mapping[str, str] | None = None,
    flipped: int = 0,
    seed: int = 0,
) -> Workspace:
    """Write a workspace.

    Args:
        root: Folder of the workspaces.
        name: Its name.
        count: How many samples.
        classes: Class names in order.
        channels: Channel names; ``("grey",)`` makes one view, others one view a channel.
        runs: By name: ``skill`` (logit of the true class over the others), ``epochs``,
            ``settings`` (changes to the run's recipe), ``until`` (the last stage made: ``train``,
            ``predictions``, or ``None`` for nothing).
        simulated: Sentence about what is simulated.
        human_error: As in the recipe.
        positive: The positive class, if one is named.
        rejected: How many inputs were rejected.
        embeddings: Those of the first run, as ``embedding_artefacts.EMBEDDINGS``, which is the
            default; the other runs have none.
        issues: Label issues of the first run, by name: the embedding whose neighbours are asked.
        flipped: How many labels of train are flipped on purpose.
        seed: Of everything random.
    """
    if runs is None:
        runs = {
            "plain": {"skill": 3.0, "epochs": 8},
            "wide": {"skill": 4.0, "epochs": 5, "settings": {"batch_size": 64}},
        }
    if embeddings is None:
        embeddings = embedding_artefacts.EMBEDDINGS
    folder = root / name
    generator = np.random.default_rng(seed)
    first = next(iter(runs), None)
    issues = issues or {}
    plan = _plan(list(runs), name, embeddings, issues)
    write_json(
        folder / DOCUMENT,
        {
            "schema": 1,
            "name": name,
            "reference": name,
            "command": f"python -m pipelines run {name}",
            "recipe": {
                "name": name,
                "dataset": {"source": "arrays", "human_error": human_error},
                "runs": {
                    run: _settings(given.get("settings", {}))
                    | {
                        "embeddings": {
                            each: embedding_artefacts.settings(of)
                            for each, of in embeddings.items()
                        }
                        if run == first
                        else {},
                        "issues": {each: {"embedding": of} for each, of in issues.items()}
                        if run == first
                        else {},
                    }
                    for run, given in runs.items()
                },
            },
            "plan": plan,
            "created": "2026-01-01T00:00:00+00:00",
            "updated": "2026-01-01T00:00:00+00:00",
        },
    )
    workspace = Workspace(name, folder)
    frame = _write_samples(
        workspace,
        generator,
        count,
        classes,
        channels,
        simulated,
        human_error,
        positive,
        rejected,
        flipped,
    )
    for run, given in runs.items():
        until = given.get("until", "predictions")
        if until is None:
            continue
        _write(workspace, run, "inputs", count, lambda out: write_json(out / "inputs.json", {}))
        probabilities = _probabilities(generator, frame, len(classes), given["skill"])
        _write_training(workspace, run, given, classes, channels)
        if until == "predictions":
            _write_predictions(workspace, run, frame, probabilities, classes)
        for each, of in embeddings.items() if run == first else ():
            _write_embedding(workspace, run, each, of, frame, seed)
        for each, asked in issues.items() if run == first else ():
            issue_artefacts.make_issues(workspace, run, each, asked, frame, _write, seed)
    return workspace


def _write_embedding(
    workspace: Workspace,
    run: str,
    name: str,
    given: Mapping[str, Any],
    frame: pd.DataFrame,
    seed: int,
) -> None:
    def write(stage: str, rows: int, fill: Callable[[Path], object]) -> None:
        _write(workspace, run, stage, rows, fill, f"embeddings/{name}")

    images = workspace.images()
    assert images is not None
    embedding_artefacts.make_embedding(name, given, frame, images, write, seed)


def _plan(
    runs: list[str],
    name: str,
    embeddings: Mapping[str, Mapping[str, Any]],
    issues: Mapping[str, str],
) -> list[dict[str, Any]]:
    def entry(
        run: str | None, stage: str, *reads: tuple[str | None, str], part: str | None = None
    ) -> dict[str, Any]:
        return {
            "run": run,
            "part": part,
            "stage": stage,
            "version": 1,
            "settings": fingerprint({"workspace": name, "stage": stage}),
            "inputs": [artefact_key(of, read) for of, read in reads],
        }

    samples = (None, "samples")
    plan = [entry(None, "samples"), entry(None, "thumbnails", samples)]
    for run in runs:
        plan.append(entry(run, "inputs", samples))
        plan.append(entry(run, "train", samples, (run, "inputs")))
        plan.append(entry(run, "predictions", samples, (run, "inputs"), (run, "train")))
    for each in embeddings if runs else ():
        for stage, reads in embedding_artefacts.READS.items():
            made = entry(runs[0], stage, samples, part=f"embeddings/{each}")
            made["inputs"] += [artefact_key(runs[0], read, f"embeddings/{each}") for read in reads]
            plan.append(made)
    for each, of in issues.items():
        made = entry(runs[0], "issues", samples, part=f"issues/{each}")
        made["inputs"].append(artefact_key(runs[0], "neighbours", f"embeddings/{of}"))
        plan.append(made)
    return plan


def _settings(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": "compact_cnn",
        "image": {"size": "auto", "channels": "auto"},
        "optimizer": {"name": "adam", "learning_rate": 0.001, "momentum": 0.0},
        "batch_size": 32,
        "epochs": 20,
        "early_stopping": {"patience": 3, "min_delta": 0.0},
        "plateau": None,
        "augmentation": None,
        "class_weights": None,
        "seed": 0,
        **changes,
    }


def _write(
    workspace: Workspace,
    run: str | None,
    stage: str,
    rows: int,
    fill: Callable[[Path], object],
    part: str | None = None,
) -> None:
    """Write one artefact with the fingerprint that the plan expects."""
    wanted_entry = (run, part, stage)
    entry = next(
        each
        for each in workspace.document["plan"]
        if (each["run"], each["part"], each["stage"]) == wanted_entry
    )
    inputs = {key: Artefact(workspace.folder / key, "").manifest.digest for key in entry["inputs"]}
    wanted = stage_fingerprint(stage, entry["version"], entry["settings"], inputs)
    with staging(workspace.artefact(stage, run, part).folder) as place:
        fill(place.folder)
        place.commit(
            Manifest(
                stage=stage,
                fingerprint=wanted,
                digest=wanted,
                version=1,
                settings={},
                inputs=inputs,
                rows=rows,
                seconds=1.5,
                versions={"python": "3.11"},
                created="2026-01-01T00:00:00+00:00",
            )
        )


def _write_samples(
    workspace: Workspace,
    generator: np.random.Generator,
    count: int,
    classes: tuple[str, ...],
    channels: tuple[str, ...],
    simulated: str | None,
    human_error: float | None,
    positive: str | None,
    rejected: int,
    flipped: int,
) -> pd.DataFrame:
    shape = (count, SIDE, SIDE, len(channels))
    images = generator.integers(0, 256, shape, dtype=np.uint8)
    # Two images twice: once inside train, once across splits.
    images[1], images[-1] = images[0], images[2]
    label = generator.integers(0, len(classes), count)
    label[1], label[-1] = label[0], label[2]
    split = np.repeat(list(SHARES), [round(share * count) for share in SHARES.values()])
    hashes = np.array([pixels.content_hash(image) for image in images])
    group = np.array([None] * count, dtype=object)
    statistics = pixels.statistics(images)
    frame = pd.DataFrame(
        {
            "sample_id": [f"{row:016x}" for row in range(count)],
            "split": split,
            "split_made": True,
            "label": np.array(classes, dtype=object)[label],
            "group": group,
            "leaked": leaked(split, group, hashes),
            "source": "made up",
            "path": None,
            "row": np.arange(count),
            "width": SIDE,
            "height": SIDE,
            "content_hash": hashes,
        }
    )
    for channel in range(statistics.shape[1]):
        for column, stem in enumerate(pixels.STATISTICS):
            name = stem if channel == 0 else f"{stem}_{channel - 1}"
            frame[name] = statistics[:, channel, column]
    if flipped:
        frame["true_label"] = frame["label"]
        # The first are all of train.
        noisy = (label[:flipped] + 1) % len(classes)
        frame.loc[: flipped - 1, "label"] = np.array(classes, dtype=object)[noisy]
    views = ("image",) if channels == ("grey",) else channels

    def fill(out: Path) -> None:
        write_table(frame, out / "samples.parquet", "samples", classes)
        refused = pd.DataFrame(
            {
                "path": [f"broken {row}.png" for row in range(rejected)],
                "label": classes[0],
                "split": "train",
                "reason": "the file is cut off",
            }
        )
        write_table(refused, out / "rejected.parquet", "rejected")
        np.save(out / "images.npy", images)
        np.save(out / "histograms.npy", pixels.histogram(images).astype(np.float16))
        dataset = Dataset(
            title=workspace.name.capitalize(),
            source="arrays",
            description="Random pixels for tests.",
            simulated=simulated,
            root=None,
            classes=classes,
            channels=channels,
            dtype="uint8",
            shape=(SIDE, SIDE, len(channels)),
            positive=positive,
            human_error=human_error,
            views=views,
            left_out={},
            label_noise=f"{flipped} labels of train were flipped." if flipped else None,
        )
        write_json(out / "dataset.json", dataclasses.asdict(dataset))

    _write(workspace, None, "samples", count, fill)

    def no_thumbnails(out: Path) -> None:
        write_json(out / "thumbnails.json", {"kept": False})

    _write(workspace, None, "thumbnails", count, no_thumbnails)
    return workspace.samples()


def _probabilities(
    generator: np.random.Generator, frame: pd.DataFrame, classes: int, skill: float
) -> np.ndarray:
    logits = generator.normal(0.0, 1.5, (len(frame), classes))
    codes = frame["label"].cat.codes.to_numpy()
    helped = np.where(frame["split"] == "train", skill + 1.5, skill)
    logits[np.arange(len(frame)), codes] += helped
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _write_training(
    workspace: Workspace,
    run: str,
    given: Mapping[str, Any],
    classes: tuple[str, ...],
    channels: tuple[str, ...],
) -> None:
    epochs = int(given["epochs"])
    best = max(1, epochs - 2)
    epoch = np.arange(1, epochs + 1)
    history = pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 1.2 * 0.7**epoch + 0.1,
            "fit_accuracy": 1 - 0.5 * 0.7**epoch,
            "train_loss": 1.1 * 0.7**epoch,
            "train_accuracy": 1 - 0.4 * 0.7**epoch,
            "val_loss": 0.3 + 0.03 * np.abs(epoch - best),
            "val_accuracy": 0.9 - 0.01 * np.abs(epoch - best),
            "learning_rate": np.where(epoch > best, 5e-4, 1e-3),
            "seconds": 2.0 + 0.1 * epoch,
        }
    )
    latency = {"median": 1.2, "low": 1.1, "high": 1.6}

    def fill(out: Path) -> None:
        history.to_csv(out / "history.csv", index=False)
        (out / "model.keras").write_bytes(b"\0" * 2048)
        write_json(out / "layers.json", [])
        write_json(
            out / "run.json",
            {
                "name": run,
                "model": "compact_cnn",
                "input_shape": [SIDE, SIDE, len(channels)],
                "channels": list(channels),
                "classes": list(classes),
                "settings": _settings(given.get("settings", {})),
                "class_weights": None,
                "parameters": {"total": 8112, "trainable": 8000, "frozen": 112},
                "bytes": 2048,
                "best_epoch": best,
                "epochs": epochs,
                "stopped": "early stopping",
                "seconds": float(history["seconds"].sum()),
                "peak_memory_bytes": 512_000_000,
                "latency_ms": {"1": latency, "32": latency},
                "environment": {
                    "processor": "Test processor",
                    "cores": 2,
                    "memory_bytes": 8_000_000_000,
                    "system": "Linux x86_64",
                    "python": "3.11",
                },
            },
        )

    _write(workspace, run, "train", epochs, fill)


def _write_predictions(
    workspace: Workspace,
    run: str,
    frame: pd.DataFrame,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
) -> None:
    table = prediction_table(frame, probabilities, classes)

    def fill(out: Path) -> None:
        write_table(table, out / "predictions.parquet", "predictions", classes)
        write_json(out / "metrics.json", split_metrics(table, frame["leaked"].to_numpy()))

    _write(workspace, run, "predictions", len(frame), fill)


def _component(at: AppTest, key: str) -> Any:
    assert not at.exception, at.exception
    return next(element for element in at.get("bidi_component") if element.key == key)
