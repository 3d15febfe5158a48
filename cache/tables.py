"""Tables of the cache: Parquet files with declared columns.

One table below says what each file must hold. Columns whose number depends on the data
(``mean_0``, ``p_3`` …) are declared by their stem; ``true_label`` is there where labels were
flipped on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from cache.errors import CacheError, CorruptArtefactError

SPLITS: Final = ("train", "val", "test")

_LABEL = "label"
"""Stands for a categorical column over the classes of the dataset, in their order."""

_LABEL_OR_NONE = "label or none"
"""The same where values may be missing."""

SCHEMAS: Final[dict[str, dict[str, str]]] = {
    "samples": {
        "sample_id": "str",
        "split": "split",
        "split_made": "bool",
        "label": _LABEL,
        "group": "str",
        "leaked": "bool",
        "source": "str",
        "path": "str",
        "row": "int32",
        "width": "int32",
        "height": "int32",
        "content_hash": "str",
        "mean": "float32",
        "std": "float32",
        "min": "float32",
        "max": "float32",
    },
    "rejected": {"path": "str", "label": "str", "split": "str", "reason": "str"},
    "predictions": {
        "sample_id": "str",
        "split": "split",
        "label": _LABEL,
        "predicted": _LABEL,
        "correct": "bool",
        "confidence": "float32",
        "margin": "float32",
        "loss": "float32",
    },
    "clusters": {"sample_id": "str", "hdbscan": "int32", "kmeans": "int32"},
    "mapped": {
        "sample_id": "str",
        "split": "split",
        "row": "int32",
        "label": _LABEL,
        "predicted": _LABEL,
        "clean": "float32",
    },
    "features": {
        "sample_id": "str",
        "down": "float32",
        "across": "float32",
        "spread": "float32",
        "border": "float32",
        "top_tenth": "float32",
        "drop": "float32",
        "look": "int32",
    },
    "fidelity": {
        "sample_id": "str",
        "estimator": "str",
        "flat": "bool",
        "mse": "float32",
        "mae": "float32",
        "pearson": "float32",
        "spearman": "float32",
        "ssim": "float32",
        "iou10": "float32",
    },
    "areas": {
        "sample_id": "str",
        "map": "str",
        "deletion": "float32",
        "insertion": "float32",
    },
    "issues": {
        "sample_id": "str",
        "split": "split",
        "label": _LABEL,
        "suggested": _LABEL,
        "predicted": _LABEL,
        "suspicion": "float32",
        "self_confidence": "float32",
        "confidence": "float32",
        "p_suggested": "float32",
        "neighbour_disagreement": "float32",
        "neighbours_suggested": "float32",
        "confident_learning": "bool",
        "threshold_rule": "bool",
        "why": "str",
        "fold": "int32",
        "rank": "int32",
    },
    "quality": {
        "sample_id": "str",
        "split": "split",
        "label": _LABEL,
        "brightness": "float32",
        "contrast": "float32",
        "sharpness": "float32",
        "remoteness": "float32",
        "duplicates": "int32",
        "crosses": "bool",
        "constant": "bool",
        "dark": "bool",
        "bright": "bool",
        "blurred": "bool",
        "outlier": "bool",
    },
    "duplicates": {
        "sample_id": "str",
        "other": "str",
        "kind": "str",
        "split": "split",
        "other_split": "split",
        "label": _LABEL,
        "other_label": _LABEL,
    },
    "decisions": {
        "sample_id": "str",
        "given": _LABEL,
        "decided": _LABEL_OR_NONE,
        "verdict": "str",
        "keep": "bool",
    },
}

_REPEATED: Final[dict[str, dict[str, str]]] = {
    "samples": {r"(mean|std|min|max)_\d+": "float32", r"meta_\w+": "", "true_label": _LABEL},
    "rejected": {},
    "predictions": {r"p_\d+": "float32"},
    "clusters": {},
    "mapped": {},
    "features": {},
    "fidelity": {},
    "areas": {},
    "issues": {},
    "quality": {},
    "duplicates": {},
    "decisions": {},
}


def conform(frame: pd.DataFrame, schema: str, classes: Sequence[str] = ()) -> pd.DataFrame:
    """Give a table the dtypes that its schema declares.

    Args:
        frame: The table.
        schema: A key of ``SCHEMAS``.
        classes: Class names in order, for the label columns.

    Returns:
        The table with the declared columns first, in order.

    Raises:
        CacheError: A declared column is missing, an undeclared one is there, or a label is not
            among the classes.
    """
    declared = SCHEMAS[schema]
    missing = [name for name in declared if name not in frame.columns]
    extra = {
        str(name): dtype
        for name in frame.columns
        if name not in declared
        for pattern, dtype in _REPEATED[schema].items()
        if re.fullmatch(pattern, str(name))
    }
    unknown = [str(c) for c in frame.columns if c not in declared and c not in extra]
    if missing or unknown:
        raise CacheError(
            f"The table '{schema}' does not fit its schema. "
            f"Missing columns: {missing}. Undeclared columns: {unknown}."
        )
    columns = {}
    for name, dtype in {**declared, **extra}.items():
        columns[name] = _cast(frame[name], name, dtype, classes)
    return pd.DataFrame(columns).reset_index(drop=True)


def _cast(column: pd.Series, name: str, dtype: str, classes: Sequence[str]) -> pd.Series:
    if dtype == "":
        return column
    if dtype in (_LABEL, _LABEL_OR_NONE, "split"):
        categories = list(SPLITS) if dtype == "split" else list(classes)
        present = column.dropna() if dtype == _LABEL_OR_NONE else column
        strange = sorted(str(value) for value in set(present) - set(categories))
        if strange:
            raise CacheError(
                f"The column '{name}' holds values outside its categories. "
                f"Received: {strange[:5]}. Expected among: {categories[:20]}."
            )
        return column.astype("str").astype(pd.CategoricalDtype(categories))
    return column.astype(dtype)  # type: ignore[call-overload, no-any-return]


def write_table(frame: pd.DataFrame, path: Path, schema: str, classes: Sequence[str] = ()) -> None:
    """Write a table as Parquet after making it conform to its schema."""
    conform(frame, schema, classes).to_parquet(path, index=False)


def read_table(
    path: Path, schema: str, classes: Sequence[str] = (), columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a table, or some of its columns, with its declared dtypes.

    Raises:
        CorruptArtefactError: The file is not a Parquet file with these columns.
    """
    try:
        frame = pd.read_parquet(path, columns=None if columns is None else list(columns))
        if columns is None:
            return conform(frame, schema, classes)
        for name in columns:
            dtype = SCHEMAS[schema].get(name, "")
            frame[name] = _cast(frame[name], name, dtype, classes)
        return frame
    except (OSError, ValueError, CacheError) as error:
        raise CorruptArtefactError(
            f"The table {path} cannot be read ({error}). Run its recipe again with --force."
        ) from error
