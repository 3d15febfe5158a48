"""What is known of images besides their pixels and labels: a date, a machine, a hospital.

It comes as columns. ``group`` names what must not be split (a patient), ``source`` where an image
came from; every other column becomes ``meta_NAME`` of the samples, to filter and colour by, and to
look for slices whose error rate is out of line.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from cache.fingerprint import file_signature
from pipelines.errors import SourceError
from pipelines.sources.base import Rejected

GROUP, SOURCE, PREFIX = "group", "source", "meta_"

PLACE = "path"
"""Column of a table that says which image a row is of."""

_SEPARATORS = (",", ";", "\t")
_SHOWN = 5


def from_array(values: np.ndarray) -> pd.Series | None:
    """Values of an array as a column: text stripped, dates as ISO text, None where there is none.

    Args:
        values: (n,) of text, numbers, truth values or dates.

    Returns:
        The column, or None for an array of anything else.
    """
    kind = values.dtype.kind
    if values.ndim != 1 or kind not in "USbiufM":
        return None
    if kind == "f":
        return pd.Series(values.astype(np.float64))
    if kind in "biu":
        return pd.Series(values.astype(values.dtype.newbyteorder("="), copy=False))
    if kind == "M":
        return _texts(pd.Series(_iso(values)).mask(np.isnat(values)))
    if kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return _texts(pd.Series(values.astype(object), dtype=object))


def from_table(path: Path) -> pd.DataFrame:
    """Read a table of images: CSV in UTF-8, separated by commas, semicolons or tabs.

    Args:
        path: The file. Columns without a name, such as a row number, are left out.

    Returns:
        One row an image: index the path as it stands there, with forward slashes; columns
        ``group`` and ``source`` (None where empty) if they are there, and ``meta_*``.

    Raises:
        SourceError: The file cannot be read, has no column ``path`` or no other one, two columns
            of one name, a row without a path or two rows of one path.
    """
    table = _read(path)
    names = {str(column): _name(str(column)) for column in table.columns}
    twice = sorted(name for name in set(names.values()) if list(names.values()).count(name) > 1)
    if twice:
        raise SourceError(
            f"The columns of the table {path} must have different names. Received twice: "
            f"{[name.removeprefix(PREFIX) for name in twice[:_SHOWN]]}. Rename them."
        )
    table = table.rename(columns=names)
    if PLACE not in table or len(table.columns) < 2:
        raise SourceError(
            f"The table {path} must have a column '{PLACE}' (of each image, relative to "
            f"dataset.root) and further columns. Received: {list(names)[:20]}. Correct its first "
            "line, or dataset.table."
        )
    places = _texts(table.pop(PLACE).astype(object))
    # Row 1 holds the names of the columns.
    empty = [str(row + 2) for row in np.flatnonzero(places.isna())]
    if empty:
        raise SourceError(
            f"Every row of the table {path} must have a '{PLACE}'. Received: {len(empty)} without "
            f"(first rows: {', '.join(empty[:_SHOWN])}). Correct these rows."
        )
    table.index = pd.Index([_place(place) for place in places])
    again = sorted(set(table.index[table.index.duplicated()]))
    if again:
        raise SourceError(
            f"The table {path} must have one row for each image. Received twice: "
            f"{again[:_SHOWN]}, {len(again)} in all. Leave one of them."
        )
    for name in table.columns:
        # Truth values are words, so that images of which none is known leave them what they are.
        column = table[name].dtype
        if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
            table[name] = _texts(table[name].astype(object))
    return table


def table_signature(path: Path) -> str:
    """Names the present content of a table.

    Raises:
        SourceError: There is no such file.
    """
    try:
        return file_signature(path.expanduser())
    except OSError as error:
        raise _unopened(path, error) from error


def join(
    records: pd.DataFrame, table: pd.DataFrame, known: Callable[[str], bool], path: Path
) -> tuple[pd.DataFrame, list[Rejected], int]:
    """Give records of files what a table says of them.

    Args:
        records: As a source makes them; ``place`` is compared with the index of the table.
        table: As :func:`from_table` returns it.
        known: Whether an input of this place is rejected for another reason already.
        path: File of the table, for messages.

    Returns:
        The records with the columns of the table, empty where it has no row; a rejection for each
        row without an image; and the number of images without a row.

    Raises:
        SourceError: No row is of an image.
    """
    index = pd.Index([_place(place) for place in records["place"]])
    found = index.isin(table.index)
    if not found.any():
        raise SourceError(
            f"The table {path} has no row of any of {len(records)} images. Received paths like "
            f"{list(table.index[:3])}; images are {list(index[:3])}. Write the paths relative to "
            "dataset.root."
        )
    joined = table.reindex(index).reset_index(drop=True)
    extra = [place for place in table.index[~table.index.isin(index)] if not known(place)]
    reason = f"the table {path.name} has a row of it, but there is no such image"
    rejected = [Rejected(place, None, None, reason) for place in extra]
    return give(records, joined), rejected, int((~found).sum())


def give(records: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """Records with further columns in their order; an empty source is ""."""
    records = records.copy()
    for name in columns.columns:
        column = columns[name]
        if name == SOURCE:
            column = column.fillna("")
        elif column.dtype == object:
            column = column.where(column.notna(), None)
        records[name] = column
    return records


def _read(path: Path) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        separator = max(_SEPARATORS, key=first.count)
        names = [name.strip().strip('"') for name in first.split(separator)]
        with warnings.catch_warnings():
            # A row with more fields than there are names would lose them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=separator,
                encoding="utf-8-sig",
                # Names that are numbers, such as 007, stay as they are written.
                dtype={name: "str" for name in names if _name(name) in (PLACE, GROUP, SOURCE)},
                index_col=False,
                low_memory=False,
            )
    except OSError as error:
        raise _unopened(path, error) from error
    except (ValueError, pd.errors.ParserWarning) as error:
        many = isinstance(error, pd.errors.ParserWarning)
        what = "a row with more fields than names" if many else str(error).strip()
        raise SourceError(
            f"The table of the images must be CSV in UTF-8, its first line the names of the "
            f"columns. Received: {path} ({what}). Correct the file."
        ) from error
    # pandas names so what has no name.
    nameless = [name for name in table.columns if re.fullmatch(r"Unnamed: \d+", str(name))]
    return table.drop(columns=nameless)


def _unopened(path: Path, error: OSError) -> SourceError:
    return SourceError(
        f"The table of the images cannot be opened: {error.strerror or error}. Received: {path}. "
        "Set dataset.table to a CSV file."
    )


def _name(column: str) -> str:
    """``Date of birth`` as ``meta_Date_of_birth``; the three that mean something as they are."""
    bare = re.sub(r"\W+", "_", column).strip("_")
    return bare.lower() if bare.lower() in (PLACE, GROUP, SOURCE) else PREFIX + bare


def _iso(dates: np.ndarray) -> np.ndarray:
    """Dates as text: to the second, or to the day, month or year where they say no more."""
    unit = np.datetime_data(dates.dtype)[0]
    if unit not in ("Y", "M"):
        whole = (dates.astype("datetime64[D]") == dates) | np.isnat(dates)
        unit = "D" if whole.all() else "s"
    texts: np.ndarray = np.datetime_as_string(dates.astype(f"datetime64[{unit}]"))
    return texts


def _place(path: str) -> str:
    # macOS writes an accent as a character of its own: the same file in two spellings.
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./"))


def _texts(column: pd.Series) -> pd.Series:
    """Stripped text, None where it is empty or missing."""
    return pd.Series(
        [None if pd.isna(value) else str(value).strip() or None for value in column],
        index=column.index,
        dtype=object,
    )
