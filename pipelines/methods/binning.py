"""Columns of many values cut into few: dates by day, month or year, numbers by quantiles."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from pipelines.methods.number import measured

QUANTILES = 10
"""Parts that a column of numbers is cut into, of about as many samples each."""

ENOUGH = 20
"""Dates are cut as finely as leaves so many samples to a part on average."""

_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])([T ]\d.*)?)?")
_WIDTHS = {"day": 10, "month": 7, "year": 4}
"""Characters of an ISO date that name the day, the month and the year."""

_MJD_0 = np.datetime64("1858-11-17")
_MJD_RANGE = (15_020, 88_069)
"""Modified Julian dates of the years 1900 to 2099; other numbers are none."""


def binned(name: str, column: pd.Series, most: int) -> pd.Series:
    """What a column says of each sample, as text of few different values where that can be.

    Args:
        name: Name of the column; numbers are modified Julian dates if it has the word ``mjd``.
        column: (n,), missing where it is not known. Text that is ISO dates throughout counts as
            dates.
        most: Most different values wanted.

    Returns:
        Text (n,), None where the column is missing: ``2018-03`` for dates, ``1.5 to 3.2`` for
        numbers. Other text is left as it is, however many values it has.
    """
    dates = _dates(name, column)
    if dates is not None:
        return _by_time(dates, most)
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return _text(column.map(str, na_action="ignore"))
    numbers = column.astype("float64").where(np.isfinite(column.astype("float64")))
    whole = bool((numbers.dropna() % 1 == 0).all())
    if numbers.nunique() <= (most if whole else QUANTILES):
        return _text(numbers.map(lambda value: measured(value, 10), na_action="ignore"))
    return _by_quantiles(numbers)


def _dates(name: str, column: pd.Series) -> pd.Series | None:
    """Dates as ISO text, None where one is missing; None in all for a column of anything else."""
    known = column.dropna()
    if known.empty or pd.api.types.is_bool_dtype(column):
        return None
    if pd.api.types.is_datetime64_any_dtype(column):
        return _text(column.dt.strftime("%Y-%m-%d"))
    if pd.api.types.is_numeric_dtype(column):
        if "mjd" not in re.split(r"[\W_]+", name.lower()):
            return None
        if not known.between(*_MJD_RANGE).all():
            return None
        days = np.floor(known.to_numpy(dtype=np.float64)).astype("timedelta64[D]")
        texts = pd.Series(np.datetime_as_string(_MJD_0 + days), index=known.index, dtype=object)
        return _text(texts.reindex(column.index))
    if not known.map(lambda value: _DATE.fullmatch(str(value)) is not None).all():
        return None
    return _text(column)


def _by_time(dates: pd.Series, most: int) -> pd.Series:
    """ISO dates cut to days, months or years: the finest that leaves enough samples to each, else
    the coarsest that tells any apart."""
    known = dates.dropna()
    precise = int(known.str.len().min())
    cuts = [known.str[:width] for width in _WIDTHS.values() if width <= precise]
    several = [cut for cut in cuts if 2 <= cut.nunique() <= most]
    enough = [cut for cut in several if cut.nunique() * ENOUGH <= len(known)]
    chosen = enough[0] if enough else several[-1] if several else cuts[-1]
    return _text(chosen.reindex(dates.index))


def _by_quantiles(numbers: pd.Series) -> pd.Series:
    """Numbers as the range of the part that they are in."""
    codes = pd.qcut(numbers, QUANTILES, labels=False, duplicates="drop")
    ends = numbers.groupby(codes).agg(["min", "max"])
    for digits in (4, 7, 10, 17):
        names = [
            f"{measured(low, digits)} to {measured(high, digits)}" for low, high in ends.to_numpy()
        ]
        if len(set(names)) == len(names):
            break
    return _text(codes.map(dict(zip(ends.index, names, strict=True)), na_action="ignore"))


def _text(column: pd.Series) -> pd.Series:
    """Objects, None where it is missing."""
    return column.astype(object).where(column.notna(), None)
