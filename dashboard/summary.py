"""What the overview says of each workspace and run: figures, sizes, and what is not made yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from cache import Run, StageState, Workspace
from cache.errors import CorruptArtefactError
from dashboard import data, decided
from dashboard.widgets import figures
from dashboard.widgets.messages import plain
from pipelines.methods import number
from pipelines.methods.colours import SPLIT_COLOURS
from pipelines.methods.decided_labels import ByDecided
from pipelines.methods.intervals import Rate

COMPLETE = "complete"
"""State of a run of which everything stands."""


@dataclass(frozen=True)
class RunSummary:
    """One run as a row of the overview.

    Attributes:
        workspace: Its workspace.
        name: Name of the run.
        state: ``complete``, or what is wrong with it in a word or two.
        model: Name of the architecture, if it is trained.
        accuracies: Accuracy by split, for the splits that have samples and predictions.
        parameters: How many weights, if it is trained.
        seconds: Of training, if it is trained.
        bytes: Of the model on disk, if it is trained.
        by_decided: Accuracy on test by decided labels, where something is decided there.
    """

    workspace: Workspace
    name: str
    state: str
    model: str | None
    accuracies: dict[str, Rate]
    parameters: int | None
    seconds: float | None
    bytes: int | None
    by_decided: ByDecided | None

    @property
    def label(self) -> str:
        """Names the run among all workspaces: ``digits · cnn``."""
        return f"{self.workspace.name} · {self.name}"


def summarise(workspace: Workspace) -> list[RunSummary]:
    """The runs of a workspace, trained or not.

    Raises:
        CacheError: Something of the workspace cannot be read.
    """
    states = workspace.states()
    return [
        _summary(run, [each for each in states if each.run == run.name]) for run in workspace.runs()
    ]


def unfinished(workspace: Workspace) -> list[StageState]:
    """The stages of a workspace that are not done."""
    return [state for state in workspace.states() if state.state != "done"]


def unfinished_sentence(states: Sequence[StageState]) -> str:
    """Say which stages are not done: ``Missing: train and predictions of cnn. Stale: …``."""
    parts = []
    for word in ("running", "stale", "interrupted", "missing"):
        by_owner: dict[tuple[str, ...], list[str]] = {}
        for state in states:
            if state.state == word:
                owner = tuple(name for name in (state.name, state.run) if name is not None)
                by_owner.setdefault(owner, []).append(state.stage)
        if by_owner:
            named = [" of ".join([_listed(stages), *owner]) for owner, stages in by_owner.items()]
            parts.append(f"{word.capitalize()}: {'; '.join(named)}.")
    return " ".join(parts)


def finding(runs: Sequence[RunSummary], workspaces: int) -> str:
    """The overview's first sentence, in Markdown. Runs are compared on val only."""
    complete = sum(run.state == COMPLETE for run in runs)
    held = "hold" if workspaces > 1 else "holds"
    start = f"{number.plural(workspaces, 'workspace')} {held} {number.plural(len(runs), 'run')}"
    start += ", all complete" if complete == len(runs) else f", {complete} complete"
    best = [
        f"{plain(run.name)} in {plain(run.workspace.name)}, {number.rate(rate)}"
        for run, rate in _best_on_val(runs)
    ]
    if not best:
        return f"{start}; none has predictions yet."
    if len(best) > 3:
        return f"{start}."
    return f"{start}. Right most often on validation images: {'; '.join(best)}."


def table(runs: Sequence[RunSummary]) -> pd.DataFrame:
    """The sortable table of runs: numbers stay numbers, rates in percent.

    ``decided`` and its interval are there where any run has a figure by decided labels.
    """
    rows = []
    any_decided = any(run.by_decided is not None for run in runs)
    for run in runs:
        row: dict[str, object] = {
            "workspace": run.workspace.name,
            "run": run.name,
            "action": "Mistakes" if run.accuracies else None,
            "state": run.state,
            "model": run.model,
        }
        rates = {split: run.accuracies.get(split) for split in ("val", "test")}
        if any_decided:
            rates["decided"] = None if run.by_decided is None else run.by_decided.accuracy
        for split, rate in rates.items():
            row[split] = None if rate is None else 100 * rate.value
            row[f"{split}_interval"] = (
                None if rate is None else f"{number.interval(rate.low, rate.high)} of {rate.n:,}"
            )
        row |= {"parameters": run.parameters, "seconds": run.seconds, "bytes": run.bytes}
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame.astype({"parameters": "Int64", "bytes": "Int64", "seconds": "float64"})


def accuracy_figure(runs: Sequence[RunSummary]) -> go.Figure:
    """Accuracy of each run on val and test with its interval, one line a run."""
    shown = [run for run in runs if run.accuracies]
    figure = go.Figure()
    for split, symbol, side in (("val", "circle", -0.14), ("test", "diamond", 0.14)):
        of = [(place, run) for place, run in enumerate(shown) if split in run.accuracies]
        figures.add_rates(
            figure,
            [run.accuracies[split] for _, run in of],
            [place + side for place, _ in of],
            names=[f"{run.label}, {split}" for _, run in of],
            colours=[SPLIT_COLOURS[split]] * len(of),
            symbol=symbol,
            legend=split,
        )
    figures.plain(figure, height=90 + 36 * len(shown))
    figures.named_rows(figure, [run.label for run in shown])
    return figures.percent_axis(figure, "x", "accuracy, with 95 % interval")


def _summary(run: Run, states: list[StageState]) -> RunSummary:
    document = run.document if run.artefact("train").exists else None
    accuracies = {
        split: rate
        for split in ("train", "val", "test")
        if (rate := data.accuracy(run, split)) is not None
    }
    return RunSummary(
        workspace=run.workspace,
        name=run.name,
        state=_state(states),
        model=document["model"] if document else None,
        accuracies=accuracies,
        parameters=document["parameters"]["total"] if document else None,
        seconds=document["seconds"] if document else None,
        bytes=document["bytes"] if document else None,
        by_decided=_by_decided(run),
    )


def _by_decided(run: Run) -> ByDecided | None:
    try:
        return decided.accuracy(run, "test")
    except CorruptArtefactError:
        # What is stale is told of the whole workspace, beside its other figures.
        return None


def _state(states: Sequence[StageState]) -> str:
    """A few words for a run: the worst of its stages."""
    by_word: dict[str, list[StageState]] = {}
    for state in states:
        by_word.setdefault(state.state, []).append(state)
    for word in ("running", "stale", "interrupted"):
        if word in by_word:
            return word
    missing = by_word.get("missing", [])
    if not missing:
        return COMPLETE
    if any(state.stage == "train" for state in missing):
        return "not trained"
    first = missing[0]
    return f"no {first.stage}" + (f" of {first.name}" if first.name else "")


def _best_on_val(runs: Sequence[RunSummary]) -> list[tuple[RunSummary, Rate]]:
    """The run of each workspace that is right most often on val."""
    best: dict[str, tuple[RunSummary, Rate]] = {}
    for run in runs:
        rate = run.accuracies.get("val")
        name = run.workspace.name
        if rate is not None and (name not in best or rate.value > best[name][1].value):
            best[name] = (run, rate)
    return list(best.values())


def _listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
