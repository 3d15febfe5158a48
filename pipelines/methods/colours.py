"""One meaning, one colour, on every page of the dashboard and in the report.

The first eight colours are those of M. Okabe and K. Ito, "Color universal design" (2008), with a
dark grey for their black, which the dark theme would swallow. The further sixteen were chosen
one after the other as the colour farthest from all before it, in the worst of three views: full
colour vision, protanopia and deuteranopia (G. M. Machado and others, IEEE TVCG 15 (2009),
1291-1298), in OKLab, at a lightness that shows on both themes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PALETTE: Final = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#666666",
    "#96F0F0",
    "#0000FF",
    "#693C00",
    "#4B3C78",
    "#5A87FF",
    "#78D2A5",
    "#4B1EB4",
    "#69FFA5",
    "#87D2FF",
    "#A54B1E",
    "#0F69F0",
    "#693C4B",
    "#D20FC3",
    "#78B478",
    "#C3D269",
    "#4B5A87",
)
"""Colours of the classes, in their order."""

SPLIT_COLOURS: Final = {"train": "#8FA1B3", "val": "#5D7FA3", "test": "#B3874F"}
"""Two of a kind for the splits used while choosing a model, another for the one kept apart."""

_RUNS: Final = ("#0077BB", "#EE7733", "#009988", "#EE3377", "#33BBEE", "#CC3311", "#BBBBBB")
"""P. Tol, "Colour schemes" (SRON/EPS/TN/09-002), the scheme "vibrant"."""

RIGHT_COLOUR: Final = "#0072B2"
WRONG_COLOUR: Final = "#D55E00"
"""Of right and wrong answers, which differ by word or shape too."""

POSITIVE_COLOUR: Final = "#0072B2"
"""Where one colour is enough: a bar, a histogram of everything."""

DIVERGING: Final = (
    "#0B4F86",
    "#2A76B3",
    "#5B9DCF",
    "#9BC5E3",
    "#DCE9F1",
    "#F6E6D6",
    "#F2BE8A",
    "#E3944B",
    "#C16A1D",
    "#8A4708",
)
"""For differences, centred on zero; the same as in ``.streamlit/config.toml``."""

SEQUENTIAL: Final = "Viridis"
"""Plotly's name of the colour map for amounts."""


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """Colour of each class, by its place in the workspace's order.

    Give all classes of the workspace, not only those on screen, so that a class keeps its colour
    whatever is filtered. From the 25th class on the colours come again from the first;
    :func:`dashboard.widgets.marks.class_symbols` tells those apart, and no pair of colour and
    symbol comes twice among the first 216 classes.

    Args:
        classes: All class names, in order.

    Returns:
        ``#RRGGBB`` by class name.
    """
    return {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(classes)}


def run_colours(runs: Sequence[str]) -> dict[str, str]:
    """Colour of each run, by its place in the workspace's order. Give all runs of it."""
    return {name: _RUNS[place % len(_RUNS)] for place, name in enumerate(runs)}
