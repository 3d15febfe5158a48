from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from dashboard.widgets import marks
from pipelines.methods import colours

CONFIG = Path(__file__).parents[3] / ".streamlit" / "config.toml"

# G. M. Machado and others, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 15 (2009), severity 1.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def oklab(colour: str, vision: str) -> np.ndarray:
    """B. Ottosson, "A perceptual color space for image processing" (2020)."""
    seen = np.clip(VISION[vision] @ linear(colour), 0, 1)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    opponent = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return opponent @ np.cbrt(cones @ seen)


@pytest.mark.parametrize("vision", list(VISION))
def test_any_two_class_colours_can_be_told_apart(vision: str) -> None:
    for first, second in itertools.combinations(colours.PALETTE, 2):
        distance = np.linalg.norm(oklab(first, vision) - oklab(second, vision))
        assert distance > 0.07, (first, second)


@pytest.mark.parametrize("vision", list(VISION))
def test_right_and_wrong_differ_by_more_than_colour(vision: str) -> None:
    right, wrong = marks.RIGHT, marks.WRONG
    assert right.word != wrong.word and right.symbol != wrong.symbol and right.icon != wrong.icon
    distance = np.linalg.norm(oklab(right.colour, vision) - oklab(wrong.colour, vision))
    assert distance > 0.1
    assert marks.verdict(True) is right and marks.verdict(False) is wrong


def test_a_class_keeps_its_colour_when_classes_are_added() -> None:
    few = colours.class_colours(["a", "b", "c"])
    many = colours.class_colours(["a", "b", "c", *map(str, range(50))])
    assert few.items() <= many.items()


def test_two_hundred_classes_differ_in_colour_or_symbol() -> None:
    classes = [f"class {place}" for place in range(200)]
    colour, symbol = colours.class_colours(classes), marks.class_symbols(classes)
    assert len({(colour[name], symbol[name]) for name in classes}) == 200
    assert {symbol[name] for name in classes[:24]} == {"circle"}


def test_colours_are_hexadecimal() -> None:
    every = [
        *colours.PALETTE,
        *colours.DIVERGING,
        *colours.SPLIT_COLOURS.values(),
        *colours.run_colours(list("abcdefghi")).values(),
    ]
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in every)


def test_the_theme_has_the_same_colours() -> None:
    theme = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"]
    assert tuple(theme["chartCategoricalColors"]) == colours.PALETTE[:8]
    assert tuple(theme["chartDivergingColors"]) == colours.DIVERGING
    assert len(theme["chartSequentialColors"]) == 10
    assert {"light", "dark"} <= theme.keys()


def contrast(first: str, second: str) -> float:
    """Contrast of WCAG 2.2, 1 to 21."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    light, dark = sorted((float(weights @ linear(each)) for each in (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_read_in_both_themes(mode: str) -> None:
    theme = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"][mode]
    for surface in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(theme["textColor"], theme[surface]) > 7
        assert contrast(theme["linkColor"], theme[surface]) > 4.5
    header = contrast(theme["dataframeHeaderTextColor"], theme["dataframeHeaderBackgroundColor"])
    assert header > 4.5
    # White is the text of primary buttons and of chosen options.
    assert contrast("#FFFFFF", theme["primaryColor"]) > 4


def test_the_server_is_for_this_machine_and_tells_nobody() -> None:
    config = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False
    beside = CONFIG.parents[1] / "dashboard" / ".streamlit" / "config.toml"
    assert beside.read_bytes() == CONFIG.read_bytes()
