"""What a map can be coloured by, and the colours that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from plotly.colors import sample_colorscale

from cache import SPLITS
from cache.embeddings import Embedding
from dashboard import conditions, embedding_data, evidence
from dashboard.points import Map
from dashboard.widgets.marks import RIGHT, SYMBOLS, WRONG, class_symbols
from dashboard.widgets.scatter import Colouring, Entry
from pipelines.methods.colours import PALETTE, SEQUENTIAL, SPLIT_COLOURS, class_colours

LABEL: Final = "label"
PREDICTION: Final = "prediction"
RIGHT_OR_WRONG: Final = "right or wrong"
CONFIDENCE: Final = "confidence"
SPLIT: Final = "split"
TRUST: Final = "trustworthiness"
CLUSTERS: Final = {"cluster, HDBSCAN": "hdbscan", "cluster, k-means": "kmeans"}

_COLUMNS: Final = {"brightness": "mean", "contrast": "std", "loss": "loss", "margin": "margin"}
_STEPS: Final = 250
_MISSING: Final = 255


def choices(table: pd.DataFrame, embedding: Embedding) -> list[str]:
    """What the map of an embedding can be coloured by.

    Args:
        table: Samples, with predictions where there are some.
        embedding: What is projected.
    """
    there = [LABEL]
    if "predicted" in table:
        there += [PREDICTION, RIGHT_OR_WRONG, CONFIDENCE]
    there.append(SPLIT)
    if embedding_data.has(embedding, "clusters"):
        there += CLUSTERS
    there.append(TRUST)
    there += [name for name, column in _COLUMNS.items() if column in table]
    return [*there, *(conditions.label(name) for name in conditions.columns(table))]


def colouring(choice: str, table: pd.DataFrame, shown: Map, names: dict[int, str]) -> Colouring:
    """Colours of the drawn points of a map.

    Args:
        choice: One of ``choices``.
        table: Samples, with predictions where there are some.
        shown: The map.
        names: Names that the user gave to clusters, by number.
    """
    if choice in (LABEL, PREDICTION):
        column = table["label" if choice == LABEL else "predicted"]
        classes = [str(name) for name in column.cat.categories]
        colours, symbols = class_colours(classes), class_symbols(classes)
        codes = column.cat.codes.to_numpy()
        return _kinds(codes, classes, list(colours.values()), list(symbols.values()), shown)
    if choice == RIGHT_OR_WRONG:
        codes = np.where(table["correct"].to_numpy(), 0, 1)
        looks = (RIGHT, WRONG)
        words = [look.word for look in looks]
        return _kinds(
            codes, words, [look.colour for look in looks], [look.symbol for look in looks], shown
        )
    if choice == SPLIT:
        codes = table["split"].cat.codes.to_numpy()
        return _kinds(codes, list(SPLITS), [SPLIT_COLOURS[each] for each in SPLITS], (), shown)
    if choice in CLUSTERS:
        return _clusters(CLUSTERS[choice], shown, names)
    if choice == TRUST:
        return _amounts(np.asarray(shown.embedding.trustworthiness()), shown)
    name = {conditions.label(each): each for each in conditions.columns(table)}.get(choice)
    column = table[name or _COLUMNS.get(choice, choice)]
    of_map = name is not None and evidence.is_of_map(name)
    if conditions.is_number(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return _amounts(values, shown, evidence.ABSENT if of_map else "not measured")
    codes, kinds = pd.factorize(column.astype("str"), sort=True)
    none = "no map" if of_map else "unknown"
    return _kinds(codes, list(map(str, kinds)), _cycled(PALETTE, len(kinds)), (), shown, none)


def cluster_name(number: int, names: dict[int, str]) -> str:
    """Name of a cluster: what the user calls it, else its number."""
    return names.get(number, f"cluster {number}")


def _clusters(clustering: str, shown: Map, names: dict[int, str]) -> Colouring:
    codes = embedding_data.clusters(shown.embedding)[clustering].to_numpy()
    count = int(codes.max(initial=-1)) + 1
    symbols = [SYMBOLS[place // len(PALETTE) % len(SYMBOLS)] for place in range(count)]
    titles = [cluster_name(number, names) for number in range(count)]
    return _kinds(codes, titles, _cycled(PALETTE, count), symbols, shown, none="in no cluster")


def _kinds(
    codes: np.ndarray,
    names: Sequence[str],
    palette: Sequence[str],
    shapes: Sequence[str],
    shown: Map,
    none: str = "unknown",
) -> Colouring:
    """Colours of kinds; negative codes are of no kind, and grey."""
    small = len(names) < _MISSING
    missing = _MISSING if small else 65_535
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    entries = [Entry(i, name, int(counts[i])) for i, name in enumerate(names) if counts[i]]
    absent = int((codes < 0).sum())
    if absent:
        entries.append(Entry(missing, none, absent))
    drawn = codes[shown.drawn]
    return Colouring(
        np.where(drawn < 0, missing, drawn).astype(np.uint8 if small else np.uint16),
        list(palette),
        entries,
        shapes=shapes,
    )


def _amounts(values: np.ndarray, shown: Map, none: str = "not measured") -> Colouring:
    """Colours of numbers, from the first to the 99th percentile; nan is grey."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, [1, 99]) if known.size else (0.0, 1.0)
    drawn = values[shown.drawn]
    steps = np.clip((drawn - low) / max(high - low, 1e-12) * (_STEPS - 1), 0, _STEPS - 1)
    codes = np.where(np.isfinite(drawn), np.nan_to_num(steps), _MISSING).astype(np.uint8)
    colours = sample_colorscale(SEQUENTIAL, np.linspace(0, 1, _STEPS).tolist(), colortype="tuple")
    palette = ["#" + "".join(f"{round(255 * part):02x}" for part in each) for each in colours]
    unknown = int((~np.isfinite(values)).sum())
    entries = [Entry(_MISSING, none, unknown)] if unknown else []
    return Colouring(codes, palette, entries, scale=(f"{low:.3g}", f"{high:.3g}"))


def _cycled(palette: Sequence[str], count: int) -> list[str]:
    return [palette[place % len(palette)] for place in range(count)]
