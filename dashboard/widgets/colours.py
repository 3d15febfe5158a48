"""One meaning, one colour, on every page; the colours themselves are in
:mod:`pipelines.methods.colours`, from where the report takes them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.methods.colours import DIVERGING as DIVERGING
from pipelines.methods.colours import PALETTE as PALETTE
from pipelines.methods.colours import POSITIVE_COLOUR as POSITIVE_COLOUR
from pipelines.methods.colours import RIGHT_COLOUR, WRONG_COLOUR
from pipelines.methods.colours import SEQUENTIAL as SEQUENTIAL
from pipelines.methods.colours import SPLIT_COLOURS as SPLIT_COLOURS
from pipelines.methods.colours import class_colours as class_colours
from pipelines.methods.colours import run_colours as run_colours

SYMBOLS: Final = (
    "circle",
    "square",
    "diamond",
    "cross",
    "triangle-up",
    "x",
    "star",
    "hexagon",
    "triangle-down",
)
"""Plotly's marker symbols: one for each time the palette is gone through."""

SPLIT_DASHES: Final = {"train": "dot", "val": "solid", "test": "dash"}
"""Plotly's line styles of the splits, where the colour says the run."""


@dataclass(frozen=True)
class Verdict:
    """How a right or a wrong answer looks: never by its colour alone.

    Attributes:
        word: For tables, tiles and legends.
        symbol: Plotly's marker symbol.
        icon: Streamlit's icon.
        colour: From the palette.
    """

    word: str
    symbol: str
    icon: str
    colour: str


RIGHT: Final = Verdict("right", "circle", ":material/check:", RIGHT_COLOUR)
WRONG: Final = Verdict("wrong", "x", ":material/close:", WRONG_COLOUR)


def verdict(correct: bool) -> Verdict:
    """Look of an answer that is or is not correct."""
    return RIGHT if correct else WRONG


def class_symbols(classes: Sequence[str]) -> dict[str, str]:
    """Plotly marker symbol of each class: another one each time the colours come again."""
    return {
        name: SYMBOLS[place // len(PALETTE) % len(SYMBOLS)] for place, name in enumerate(classes)
    }
