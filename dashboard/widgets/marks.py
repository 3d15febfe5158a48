"""What a colour tells is told by a shape, too: marker symbols, line styles, right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.methods.colours import PALETTE, RIGHT_COLOUR, WRONG_COLOUR

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
