"""Charts as SVG inside the page: no script, no font, readable in both themes and on paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from pipelines.methods import number
from pipelines.methods.colours import SPLIT_COLOURS
from pipelines.methods.intervals import Rate
from pipelines.reporting.markup import Html, tag

LARGEST_MATRIX: Final = 25
"""Classes up to which a confusion matrix is drawn; beyond, its cells would hold no figure."""

_LONGEST = 22
"""Letters of a class or a run that are written beside a chart; its tables have all of them."""

_MARKS: Final = {"train": "triangle", "val": "circle", "test": "diamond"}


def rates(figures: Sequence[tuple[str, str, Rate]], label: str) -> Html:
    """Rates with their intervals, one line a rate.

    Args:
        figures: Name, split and rate.
        label: What it shows, for who cannot see it.
    """
    there = [(name, split, rate) for name, split, rate in figures if rate.n]
    if not there:
        return Html("")
    named = [_short(f"{name}, {split}") for name, split, _ in there]
    left, wide, step = max(map(_width, named)) + 12, 300.0, 24
    ticks = _ticks(min(rate.low for _, _, rate in there), max(rate.high for _, _, rate in there))
    low, high = ticks[0], ticks[-1]

    def across(value: float) -> float:
        return left + wide * (value - low) / (high - low)

    bottom = 8 + step * len(there)
    drawn = [_grid(across(tick), 4, across(tick), bottom) for tick in ticks]
    drawn += [
        _text(across(tick), bottom + 16, number.percent(tick, _digits(ticks)), "middle", "faint")
        for tick in ticks
    ]
    for row, ((_, split, rate), text) in enumerate(zip(there, named, strict=True)):
        middle, colour = 8 + step * (row + 0.5), SPLIT_COLOURS[split]
        drawn.append(_text(left - 8, middle + 4, text, "end"))
        ends = {"x1": across(rate.low), "x2": across(rate.high), "y1": middle, "y2": middle}
        drawn.append(tag("line", **_round(ends), stroke=colour, stroke_width=2.5))
        drawn.append(_mark(_MARKS[split], across(rate.value), middle, colour))
    return _svg(left + wide + 30, bottom + 24, label, drawn)


def curves(history: pd.DataFrame, measure: str, best: int, colour: str, label: str) -> Html:
    """Loss or accuracy by epoch: val solid, train dotted, the epoch that is kept marked.

    Args:
        history: One row an epoch.
        measure: ``loss`` or ``accuracy``.
        best: The epoch whose weights are kept, from 1.
        colour: Of the run.
        label: What it shows, for who cannot see it.
    """
    left, wide, high, top = 52.0, 340.0, 170.0, 24.0
    epochs = history["epoch"].to_numpy(np.float64)
    lines = {split: history[f"{split}_{measure}"].to_numpy(np.float64) for split in _SHOWN}
    lines = {split: values for split, values in lines.items() if np.isfinite(values).any()}
    if not lines:
        return Html("")
    known = np.concatenate([values[np.isfinite(values)] for values in lines.values()])
    ticks = _ticks(0.0 if measure == "loss" else float(known.min()), float(known.max()))
    last = max(float(epochs[-1]), 2.0)

    def across(epoch: float) -> float:
        return left + wide * (epoch - 1) / (last - 1)

    def down(value: float) -> float:
        return top + high * (1 - (value - ticks[0]) / (ticks[-1] - ticks[0]))

    drawn = [_text(0, 12, measure if measure == "accuracy" else "loss, nats", "start", "faint")]
    for tick in ticks:
        said = number.percent(tick, _digits(ticks)) if measure == "accuracy" else f"{tick:g}"
        drawn.append(_grid(left, down(tick), left + wide, down(tick)))
        drawn.append(_text(left - 6, down(tick) + 4, said, "end", "faint"))
    for epoch in sorted({1, round((1 + last) / 2), round(last)}):
        drawn.append(_text(across(epoch), top + high + 17, f"{epoch}", "middle", "faint"))
    drawn.append(_text(left + wide, top + high + 32, "epoch", "end", "faint"))
    for split, values in lines.items():
        places = [
            f"{across(epoch):.1f},{down(value):.1f}"
            for epoch, value in zip(epochs, values, strict=True)
            if np.isfinite(value)
        ]
        dashes = "2 4" if split == "train" else None
        drawn.append(
            tag(
                "polyline",
                points=" ".join(places),
                fill="none",
                stroke=colour,
                stroke_width=2,
                stroke_dasharray=dashes,
            )
        )
        if split == "val" and best in epochs and np.isfinite(values[epochs == best][0]):
            kept = float(values[epochs == best][0])
            drawn.append(_mark("circle", across(best), down(kept), colour))
    return _svg(left + wide + 20, top + high + 38, label, drawn)


def confusion(matrix: np.ndarray, classes: Sequence[str], label: str) -> Html:
    """A confusion matrix: counts, shaded by the square root of the share of the true class.

    Args:
        matrix: Counts (classes, classes), rows true.
        classes: Their names.
        label: What it shows, for who cannot see it.
    """
    named = [_short(each) for each in classes]
    digits = len(number.count(int(matrix.max(initial=0))))
    side = max(26.0, 8.0 * digits + 8)
    longest = max(map(_width, named))
    left, top = longest + 30, longest + 30
    size = side * len(classes)
    support = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    strength = np.sqrt(matrix / support)
    drawn = [
        _text(left + size / 2, 14, "predicted", "middle", "faint"),
        _turned(12, top + size / 2, "true", "middle", "faint"),
    ]
    for place, each in enumerate(named):
        middle = side * (place + 0.5)
        drawn.append(_text(left - 6, top + middle + 4, each, "end"))
        drawn.append(_turned(left + middle + 4, top - 6, each, "start"))
    for row in range(len(classes)):
        for column in range(len(classes)):
            share, count = float(strength[row, column]), int(matrix[row, column])
            x, y = left + side * column, top + side * row
            box = _round({"x": x, "y": y, "width": side, "height": side})
            drawn.append(
                tag(
                    "rect",
                    **box,
                    style=f"fill: var(--amount); fill-opacity: {0.75 * share:.3f}",
                    class_="rule",
                    stroke_width="0.5",
                )
            )
            if count:
                drawn.append(_text(x + side / 2, y + side / 2 + 4, number.count(count), "middle"))
    return _svg(left + size + 4, top + size + 4, label, drawn)


_SHOWN: Final = ("train", "val")


def _svg(width: float, height: float, label: str, drawn: Sequence[Html]) -> Html:
    box = {"viewBox": f"0 0 {width:.0f} {height:.0f}", "width": f"{width:.0f}"}
    return tag("svg", *drawn, role="img", aria_label=label, height=f"{height:.0f}", **box)


def _text(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Html:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)


def _turned(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Html:
    turn = f"translate({x:.1f} {y:.1f}) rotate(-90)"
    return tag("text", text, transform=turn, text_anchor=anchor, class_=kind)


def _grid(x1: float, y1: float, x2: float, y2: float) -> Html:
    return tag("line", **_round({"x1": x1, "y1": y1, "x2": x2, "y2": y2}), class_="rule")


def _mark(kind: str, x: float, y: float, colour: str) -> Html:
    if kind == "circle":
        return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=5, fill=colour)
    corners = {
        "triangle": ((0, -6), (6, 5), (-6, 5)),
        "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
    }[kind]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return tag("polygon", points=points, fill=colour)


def _round(places: dict[str, float]) -> dict[str, str]:
    return {name: f"{value:.1f}" for name, value in places.items()}


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round values that enclose a range."""
    span = max(high - low, 1e-3)
    step = 10.0 ** np.floor(np.log10(span / 4))
    step *= next(times for times in (1, 2, 5, 10) if span / (times * step) <= 6)
    first, last = int(np.floor(low / step + 1e-9)), int(np.ceil(high / step - 1e-9))
    last = max(last, first + 1)
    return [round(place * float(step), 10) for place in range(first, last + 1)]


def _digits(ticks: Sequence[float]) -> int:
    """Digits after the point that percentages need to tell the ticks apart."""
    return 0 if all(abs(100 * tick - round(100 * tick)) < 1e-9 for tick in ticks) else 1


def _width(text: str) -> float:
    """Pixels that a text takes at the most, roughly: the page cannot measure it."""
    return sum(6.6 if letter.isascii() and not letter.isupper() else 9.5 for letter in text)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
