"""What stands in a workspace, as plain data for ``status --json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from cache import Run, StageState, Workspace
from cache.belonging import check_decisions
from cache.embeddings import Embedding, embeddings
from cache.errors import CacheError
from cache.issues import LabelIssues, label_issues
from cache.occlusion import Occlusion, drawing, occlusions
from cache.part import Part
from pipelines.methods.decided_labels import accuracy
from pipelines.methods.occlusion.timing import compared


def describe(workspace: Workspace) -> dict[str, Any]:
    """Describe a workspace and its runs.

    Args:
        workspace: Any workspace, finished or not.

    Returns:
        ``name``, ``simulated``, ``samples``, ``classes``, ``rejected`` (None where the samples
        have not been read) and ``runs``: each with ``name``, ``params``, ``seconds``, ``labels``
        (``given`` or ``decided``: those it was trained on), ``metrics`` by split and by given
        labels, ``by_decided_labels`` (accuracy on test with ``decided``, ``changed`` and
        ``left_out``, or None where nothing is decided there, or for other samples), ``stages`` (the
        workspace's and its own) by name, and ``embeddings`` by name: each with ``dim``,
        ``coincidence`` (test against train, macro, by k), ``annoy``, ``trustworthiness`` and
        ``stages``; and ``occlusion``, empty for a run without maps: ``name``, ``engine``,
        ``ms_exact``, ``maps`` by split, ``stages``, and of its first estimator ``ms_estimate``,
        ``ratio`` and ``fidelity`` on test, beside the number of ``flat`` maps there, all of the
        first kind of maps in the recipe; ``kinds`` has the same of every kind by name; and
        ``issues`` by name: each with ``by``, ``embedding``, ``accuracy`` (out of fold),
        ``suspects`` by split, ``recovery`` (None where the truth is not known) and ``stages``. What
        is not there yet is None.
    """
    states = workspace.states()
    shared = {state.stage: _stage(state) for state in states if state.run is None}
    try:
        samples: int | None = workspace.artefact("samples").manifest.rows
        rejected: int | None = len(workspace.rejected())
        simulated: bool | None = workspace.dataset.simulated is not None
        classes: list[str] | None = list(workspace.dataset.classes)
    except CacheError:
        samples = rejected = simulated = classes = None
    return {
        "name": workspace.name,
        "simulated": simulated,
        "samples": samples,
        "classes": classes,
        "rejected": rejected,
        "runs": [_run(run, shared, states) for run in workspace.runs()],
    }


def _run(run: Run, shared: dict[str, Any], states: list[StageState]) -> dict[str, Any]:
    mine = [state for state in states if state.run == run.name]
    own = {state.stage: _stage(state) for state in mine if state.part is None}
    try:
        document: dict[str, Any] | None = run.document
    except CacheError:
        document = None
    try:
        metrics = run.metrics()
    except CacheError:
        metrics = {}
    return {
        "name": run.name,
        "params": document["parameters"]["total"] if document else None,
        "seconds": document["seconds"] if document else None,
        "labels": document["labels"]["trained_on"] if document and "labels" in document else None,
        "metrics": metrics,
        "by_decided_labels": _by_decided(run),
        "stages": {**shared, **own},
        "embeddings": {each.name: _embedding(each, mine) for each in embeddings(run)},
        "occlusion": _occlusions(run, mine),
        "issues": {each.name: _issues(each, mine) for each in label_issues(run)},
    }


def _by_decided(run: Run) -> dict[str, Any] | None:
    """Accuracy on test by decided labels, never mixed with the metrics by given ones."""
    try:
        if run.workspace.labels == "given":
            return None
        check_decisions(run.workspace)
        run.check_predictions()
        answers = run.predictions()
        found = accuracy(answers[answers["split"] == "test"], run.workspace.decisions())
    except CacheError:
        return None
    return None if found is None else asdict(found)


def _embedding(embedding: Embedding, states: list[StageState]) -> dict[str, Any]:
    vectors, retrieval, index, projection = (
        _document(embedding, stage) for stage in ("vectors", "retrieval", "index", "projection")
    )
    pair = (retrieval or {}).get("pairs", {}).get("test_train")
    return {
        "dim": vectors and vectors["dim"],
        "coincidence": pair
        and {k: {**rate, "chance": pair["chance"]["macro"]} for k, rate in pair["macro"].items()},
        "annoy": index and {"recall@10": index["recall"]["10"]["value"], "ms": index["ms"]},
        "trustworthiness": projection and projection["umap"]["trustworthiness"],
        "stages": {state.stage: _stage(state) for state in states if state.part == embedding.part},
    }


def _occlusions(run: Run, states: list[StageState]) -> dict[str, Any]:
    """What is told of the first kind of maps, and of every kind by name."""
    kinds = {each.name: _occlusion(each, states) for each in occlusions(run)}
    for name, first in kinds.items():
        return {"name": name, **first, "kinds": kinds}
    return {}


def _occlusion(occlusion: Occlusion, states: list[StageState]) -> dict[str, Any]:
    exact, estimated = (_document(occlusion, stage) for stage in ("exact", "estimators"))
    first = _first_estimator(estimated)
    ms_exact = ms_estimate = None
    if estimated and first:
        _, *times = compared(estimated["ms"]["exact"], first["ms"])
        ms_exact, ms_estimate = (each["median"] for each in times)
    return {
        "engine": exact and exact["way"],
        "ms_exact": ms_exact if ms_exact is not None else exact and exact["ms"],
        "ms_estimate": ms_estimate,
        "ratio": ms_exact / ms_estimate if ms_exact and ms_estimate else None,
        "fidelity": first and {name: rate["value"] for name, rate in first["means"].items()},
        "flat": estimated and estimated["test"]["flat"],
        "maps": exact and exact["maps"],
        "stages": {state.stage: _stage(state) for state in states if state.part == occlusion.part},
    }


def _issues(issues: LabelIssues, states: list[StageState]) -> dict[str, Any]:
    found = _document(issues, "issues")
    told = ("by", "embedding", "accuracy", "suspects", "recovery")
    return {
        **{name: found and found[name] for name in told},
        "stages": {state.stage: _stage(state) for state in states if state.part == issues.part},
    }


def _first_estimator(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """The first estimator of a recipe that draws any image, with its fidelity on test."""
    names = drawing(document) if document else []
    if not names:
        return None
    told = (document or {})["estimators"][names[0]]
    return {**told, "means": told["fidelity"]["means"]}


def _document(of: Part, stage: str) -> dict[str, Any] | None:
    try:
        return of.document(stage)
    except CacheError:
        return None


def _stage(state: StageState) -> dict[str, Any]:
    return {"state": state.state, "seconds": state.seconds, "rows": state.rows}
