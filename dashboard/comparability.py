"""Whether runs can be compared: on the same images, which none of them was chosen on."""

from __future__ import annotations

from collections.abc import Sequence

from cache import Run
from cache.errors import CorruptArtefactError
from dashboard import data
from dashboard.compared import Part
from dashboard.widgets.messages import notice, plain

WARNING = ":material/warning:"


def keep_readable(runs: Sequence[Run]) -> list[Run]:
    """Leave out, and say so, runs whose predictions are of other samples than those there now.

    Args:
        runs: Runs that have predictions.
    """
    kept = []
    for run in runs:
        try:
            data.predictions(run)
        except CorruptArtefactError as error:
            notice(
                f"{plain(run.name)} is left out",
                f"{str(error).partition(' Make them again')[0]} {_shared(run)}",
                command=run.workspace.command,
                icon=WARNING,
            )
        else:
            kept.append(run)
    return kept


def missing(runs: Sequence[Run], split: str) -> dict[str, int]:
    """How many images of a split were not asked, by run, for runs that were not asked them all."""
    counts = {}
    for run in runs:
        there = data.split_counts(run.workspace).get(split, 0)
        counts[run.name] = there - int((data.predictions(run)["split"] == split).sum())
    return {name: count for name, count in counts.items() if count > 0}


def warn(runs: Sequence[Run], of: Part) -> None:
    """Say where figures are of images that a run was not asked, fitted to, or chosen on.

    Args:
        runs: The runs.
        of: What they are compared on.
    """
    absent = missing(runs, of.split)
    if absent:
        said = ", ".join(f"{name} ({count:,} missing)" for name, count in absent.items())
        notice(
            f"The runs do not share their {of.split} images",
            f"Not asked all of them: {said}. Everything here is of those that all runs were asked.",
            icon=WARNING,
        )
    if of.split == "train":
        notice(
            "The runs were fitted to these images",
            "Figures on train say how well a run fits, not how well it does on other images.",
            icon=WARNING,
        )
        return
    chosen = [run.name for run in runs if run.selected_on == of.split]
    if not chosen:
        return
    end = (
        "It has no image left to be judged on."
        if of.split == "test"
        else "Good enough to choose between runs by; test says what to expect of them."
    )
    notice(
        f"{', '.join(plain(name) for name in chosen)}: chosen on {of.split}",
        f"The epoch that is kept is the best one on these {of.split} images, so that the figures "
        f"here are somewhat better than on images that nothing was chosen on. {end}",
        icon=WARNING,
    )


def _shared(run: Run) -> str:
    """How many test images of predictions of other samples are there still, as a sentence."""
    asked = run.predictions()
    asked = asked[asked["split"] == "test"]
    samples = data.samples(run.workspace)
    there = asked["sample_id"].isin(samples["sample_id"][samples["split"] == "test"])
    return f"Of the {len(asked):,} test images that it was asked, {int(there.sum()):,} are there."
