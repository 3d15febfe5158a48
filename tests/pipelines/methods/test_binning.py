from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.methods.binning import binned

MOST = 200
RNG = np.random.default_rng(0)
NIGHTS = np.datetime64("2016-11-20") + np.sort(RNG.integers(0, 900, 2000))


def dates(kind: str, nights: np.ndarray) -> pd.Series:
    """The same dates in each of the ways that they come in."""
    if kind == "datetime":
        return pd.Series(nights.astype("datetime64[s]") + np.timedelta64(7, "h"))
    if kind == "text":
        return pd.Series([f"{night}T07:00:00" for night in nights])
    return pd.Series((nights - np.datetime64("1858-11-17")).astype(float) + 0.3)


@pytest.mark.parametrize("kind", ["datetime", "text", "mjd"])
@pytest.mark.parametrize(("count", "unit"), [(2000, "M"), (100, "Y")])
def test_dates_are_cut_as_finely_as_there_are_images(kind: str, count: int, unit: str) -> None:
    nights = NIGHTS[:: len(NIGHTS) // count]
    found = binned(f"meta_{kind}", dates(kind, nights), MOST)
    assert found.tolist() == np.datetime_as_string(nights, unit=unit).tolist()  # type: ignore[call-overload]


def test_few_days_stay_days_and_what_names_none_is_not_made_up() -> None:
    days = pd.Series(["2018-03-01"] * 50 + ["2018-03-02"] * 50 + [None] * 20, dtype=object)
    assert binned("night", days, MOST).equals(days)
    months = pd.Series(["2018-03"] * 50 + ["2018-04-11"] * 50)
    assert set(binned("night", months, MOST)) == {"2018-03", "2018-04"}


def test_dates_are_cut_to_at_most_so_many_values() -> None:
    assert binned("night", dates("text", NIGHTS), 12).nunique() == 4


@pytest.mark.parametrize("text", ["2018-03-14 of a kind", "2018-13-01", "14.03.2018", "12-03"])
def test_what_only_looks_like_a_date_is_a_word(text: str) -> None:
    words = pd.Series(["2018-03-14", text, None], dtype=object)
    assert binned("night", words, MOST).equals(words)


def test_numbers_are_cut_into_parts_of_about_as_many() -> None:
    values = pd.Series([*RNG.lognormal(3, 2, 995), *[np.nan] * 4, np.inf])
    found = binned("flux", values, MOST)
    assert found.isna().sum() == 5
    counts = found.value_counts()
    assert len(counts) == 10 and counts.between(99, 100).all()
    for name, part in values.groupby(found):
        low, high = (float(end) for end in str(name).split(" to "))
        assert part.min() == pytest.approx(low, rel=1e-3)
        assert part.max() == pytest.approx(high, rel=1e-3)


def test_close_numbers_are_told_apart() -> None:
    found = binned("x", pd.Series(1e6 + np.arange(1000) / 1000), MOST)
    assert found.nunique() == 10
    assert found[0].startswith("1000000 to 1000000.09")


def test_numbers_that_name_something_stay_what_they_are() -> None:
    machines = pd.Series([*range(1, 60), np.nan])
    assert binned("machine", machines, MOST).tolist() == [*map(str, range(1, 60)), None]
    assert set(binned("gain", pd.Series([1.5, 2.5] * 30), MOST)) == {"1.5", "2.5"}
    assert binned("on", pd.Series([True, False]), MOST).tolist() == ["True", "False"]
    assert binned("mjd", pd.Series([3.0, 4.0]), MOST).tolist() == ["3", "4"]


def test_nothing_known_is_no_value() -> None:
    for column in (pd.Series([None] * 3, dtype=object), pd.Series([np.nan] * 3)):
        assert binned("x", column, MOST).isna().all()
