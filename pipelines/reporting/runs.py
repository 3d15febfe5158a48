"""What the report says of each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cache import SPLITS, Run
from pipelines.methods import decided_labels, metrics, number
from pipelines.methods.colours import run_colours
from pipelines.methods.intervals import Rate
from pipelines.reporting import charts
from pipelines.reporting.markup import Child, Html, details, facts, name, section, table, tag
from pipelines.reporting.pictures import Pictures, gallery
from pipelines.reporting.reading import Answered, Source, told

TITLE = "Runs"
ANCHOR = "runs"

MISTAKES = 24
"""Most mistakes of a run that are shown."""

CONFUSIONS = 10
"""Most pairs of classes that are listed."""


def tell(source: Source, room: int) -> Html:
    """The section.

    Args:
        source: The workspace.
        room: Bytes that the pictures of each run may take.
    """
    runs = source.workspace.runs()
    colours = run_colours([run.name for run in runs])
    parts: list[Html] = [_overview(source)]
    for run in runs:
        parts.append(tag("h3", name(run.name)))
        command = source.workspace.command
        parts += told("The training", command, _training, run, colours[run.name])
        answered = source.answered.get(run.name)
        if answered is None:
            parts += told("The predictions", command, _refused, run)
        else:
            parts += _answers(source, answered, room)
    return section(TITLE, *parts, anchor=ANCHOR)


def accuracy(answered: Answered, split: str, without_leaks: bool = False) -> Rate:
    """Share of the images of a split that a run has right; of no images where there are none."""
    return metrics.accuracy(answered.matrix(split, without_leaks))


def _overview(source: Source) -> Html:
    figures = [
        (answered.run.name, split, accuracy(answered, split))
        for answered in source.answered.values()
        for split in ("val", "test")
    ]
    drawn = charts.rates(figures, "Accuracy of each run on val and test with 95 % intervals")
    said = (
        "Accuracy with 95 % Wilson intervals, by given labels, in inference mode with the best "
        "weights. Choose between runs by val; test only reports."
    )
    return tag("figure", drawn, tag("figcaption", said)) if drawn else Html("")


def _refused(run: Run) -> list[Html]:
    """Nothing to tell: raises what is wrong with the predictions of a run."""
    run.check_predictions()
    run.predictions()
    return []


def _training(run: Run, colour: str) -> list[Html]:
    document, history = run.document, run.history()
    best, chosen = int(document["best_epoch"]), run.selected_on
    parameters = document["parameters"]
    drawn = [
        charts.curves(history, measure, best, colour, f"{measure} of {run.name} by epoch")
        for measure in ("loss", "accuracy")
    ]
    return [
        facts(
            [
                ("model", name(document["model"])),
                ("parameters", number.count(parameters["total"])),
                ("of them trained", number.count(parameters["trainable"])),
                ("training", number.seconds(document["seconds"])),
                ("best epoch", f"{best} of {document['epochs']} ({document['stopped']})"),
                ("chosen on", "nothing: the last epoch" if chosen is None else chosen),
                ("size on disk", number.size(document["bytes"])),
                ("reads", " × ".join(map(str, document["input_shape"]))),
            ]
        ),
        tag(
            "figure",
            tag("div", *drawn, class_="side"),
            tag("figcaption", "Val solid, train dotted; the mark is the epoch that is kept."),
        ),
        details("Settings", table("Settings", ["setting", "value"], _flat(document["settings"]))),
    ]


def _answers(source: Source, answered: Answered, room: int) -> list[Html]:
    dataset, command = source.workspace.dataset, source.workspace.command
    classes, matrix = dataset.classes, answered.matrix("test")
    parts = [
        _figures(answered),
        *told("Accuracy by decided labels", command, _by_decided, source, answered),
        *_of_positive(answered, dataset.positive),
    ]
    if not matrix.sum():
        return [*parts, tag("p", "There are no test images.")]
    label = f"Confusion matrix of {answered.run.name} on {matrix.sum():,} test images"
    beside: list[Child] = []
    if len(classes) <= charts.LARGEST_MATRIX:
        said = f"{label}. Rows are true classes; shade: square root of the share of the row."
        drawn = charts.confusion(matrix, classes, label)
        beside.append(tag("figure", drawn, tag("figcaption", said)))
    confused = metrics.top_confusions(matrix, classes)
    if len(confused):
        beside.append(_confusions(confused))
    return [*parts, tag("div", *beside, class_="side"), *_mistakes(answered, room)]


def _figures(answered: Answered) -> Html:
    rows = []
    for split in SPLITS:
        for without in (False, True):
            there = answered.of(split, without)
            if there.empty or (without and len(there) == len(answered.of(split))):
                continue
            matrix = answered.matrix(split, without)
            rows.append(
                [
                    f"{split}, without leaked images" if without else split,
                    number.count(len(there)),
                    number.short_rate(metrics.accuracy(matrix)),
                    number.short_rate(metrics.macro_f1(matrix)),
                    f"{there['loss'].mean():.4f}",
                ]
            )
    columns = ["split", "n", "accuracy (95 %)", "macro F1 (95 %)", "loss, nats"]
    caption = "Figures by split, by given labels; Wilson intervals, macro F1 by bootstrap"
    return table(caption, columns, rows)


def _by_decided(source: Source, answered: Answered) -> list[Html]:
    """Accuracy by decided labels on test, and on train and val where the run learnt those."""
    if source.decisions is None:
        return []
    learnt = answered.run.learnt == "decided"
    rows = []
    for split in SPLITS if learnt else ("test",):
        found = decided_labels.accuracy(answered.of(split), source.decisions)
        if found is not None:
            counts = (found.decided, found.changed, found.left_out)
            figure = number.short_rate(found.accuracy)
            rows.append([split, number.count(found.accuracy.n), figure, *map(number.count, counts)])
    if not rows:
        return []
    columns = ["split", "n", "accuracy (95 %)", "decided on", "another label", "left out"]
    what = "Apart from these, by decided labels"
    return [table(f"{what}, which the run learnt" if learnt else what, columns, rows)]


def _of_positive(answered: Answered, positive: str | None) -> Iterator[Html]:
    if positive is None:
        return
    classes = answered.run.workspace.dataset.classes
    rows = []
    for split in SPLITS:
        for without in (False, True):
            matrix = answered.matrix(split, without)
            if not matrix.sum() or (without and matrix.sum() == answered.matrix(split).sum()):
                continue
            found = metrics.per_class(matrix, classes).iloc[classes.index(positive)]
            rows.append(
                [
                    f"{split}, without leaked images" if without else split,
                    number.rate(_rate(found, "recall", "support")),
                    number.rate(_rate(found, "precision", "predicted")),
                ]
            )
    yield table(f"The positive class: {positive}", ["split", "recall", "precision"], rows)


def _rate(found: pd.Series, measure: str, of: str) -> Rate:
    value, low, high = (float(found[f"{measure}{end}"]) for end in ("", "_low", "_high"))
    return Rate(value, low, high, int(found[of]), int(found["right"]))


def _confusions(confused: pd.DataFrame) -> Html:
    columns = ("true", "predicted", "count", "share", "of_class")
    shown = (confused[column].head(CONFUSIONS).tolist() for column in columns)
    rows = [
        [
            tag("span", name(true), " taken for ", name(predicted)),
            number.count(count),
            number.percent(share),
            number.percent(of_class),
        ]
        for true, predicted, count, share, of_class in zip(*shown, strict=True)
    ]
    caption = "What is taken for what on test"
    if len(confused) > len(rows):
        caption += f"; the first {len(rows)} of {len(confused):,} pairs"
    return table(caption, ["classes", "images", "of all mistakes", "of the class"], rows)


def _mistakes(answered: Answered, room: int) -> Iterator[Html]:
    wrong = answered.of("test")
    wrong = wrong[~wrong["correct"]]
    yield tag("h4", "Worst mistakes")
    if wrong.empty:
        yield tag("p", "No test image is wrong.")
        return
    surest = wrong.iloc[np.argsort(-wrong["confidence"].to_numpy(), kind="stable")[:MISTAKES]]
    columns = ("row", "label", "predicted", "confidence", "path")
    tiles = []
    for row, label, predicted, confidence, path in zip(
        *(surest[column].tolist() for column in columns), strict=True
    ):
        caption = tag(
            "span",
            name(label),
            " taken for ",
            name(predicted),
            f", {number.percent(confidence)}",
            *_path(path),
        )
        tiles.append((row, f"{label}, taken for {predicted}", caption))
    pictures = Pictures(answered.run.workspace, room)
    yield from gallery(pictures, tiles, len(wrong), "mistakes on test, the surest first")


def _path(path: object) -> list[Html]:
    if not isinstance(path, str) or not path:
        return []
    return [tag("br"), tag("span", name(path), class_="faint")]


def _flat(settings: Mapping[str, Any], start: str = "") -> list[list[Child]]:
    """Settings by their dotted names."""
    rows: list[list[Child]] = []
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{start}{key}.")
        else:
            rows.append([f"{start}{key}", "none" if value is None else str(value)])
    return rows
