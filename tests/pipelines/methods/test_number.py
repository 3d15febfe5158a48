from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.methods import number
from pipelines.methods.intervals import Difference, Rate, rate

NAN = float("nan")


def text(value: str) -> str:
    """With plain spaces, to read in a test."""
    return value.replace(number.SPACE, " ")


def test_a_rate_names_its_count_and_interval() -> None:
    assert text(number.rate(rate(412, 450))) == "91.6 % (412 of 450; 95 % interval 88.6 to 93.8)"
    assert text(number.short_rate(rate(412, 450))) == "91.6 % (88.6 to 93.8)"
    macro = Rate(0.5, 0.4, 0.6, 20)
    assert text(number.rate(macro)) == "50.0 % (n = 20; 95 % interval 40.0 to 60.0)"


def test_a_rate_of_nothing() -> None:
    assert number.rate(rate(0, 0)) == "– (0 of 0)"
    assert number.short_rate(rate(0, 0)) == number.UNKNOWN


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "100.0 %"), (0.9999, "99.9 %"), (0.0, "0.0 %"), (0.0001, "<0.1 %"), (NAN, "–")],
)
def test_percent_says_all_or_nothing_only_where_it_is_so(value: float, expected: str) -> None:
    assert text(number.percent(value)) == expected


@given(st.integers(0, 100_000), st.integers(1, 100_000))
def test_percent_says_100_for_all_alone(hits: int, misses: int) -> None:
    assert not number.percent(hits / (hits + misses)).startswith("100")


def test_points_carry_signs() -> None:
    assert number.points(Difference(0.024, -0.009, 0.041)) == "+2.4 points (−0.9 to +4.1)"
    assert number.points(Difference(-0.0001, -0.01, 0.01)) == "0.0 points (−1.0 to +1.0)"
    assert number.points(Difference(NAN, NAN, NAN)) == number.UNKNOWN


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 05 min"),
        (None, "–"),
        (NAN, "–"),
    ],
)
def test_seconds(value: float | None, expected: str) -> None:
    assert text(number.seconds(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0 B"), (999, "999 B"), (32_448, "32.4 kB"), (27_100_000, "27.1 MB"), (999_960, "1.0 MB")],
)
def test_size(value: float, expected: str) -> None:
    assert text(number.size(value)) == expected


def test_milliseconds_keep_three_digits() -> None:
    given_values = (0.854, 12.34, 140.2)
    shown = [text(number.milliseconds(value)) for value in given_values]
    assert shown == ["0.85 ms", "12.3 ms", "140 ms"]


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.00123456, "0.001235"), (12.3456, "12.35"), (58191.93, "58192"), (2458192.43, "2458192"),
     (0, "0"), (-3.0, "-3"), (float("inf"), "inf"), (2e-9, "2e-09")],
)  # fmt: skip
def test_measured_values_keep_what_is_before_the_point(value: float, told: str) -> None:
    assert number.measured(value) == told


def test_small_things() -> None:
    assert number.count(1_589_281) == "1,589,281"
    assert number.plural(1, "class", "classes") == "1 class"
    assert number.plural(2, "class", "classes") == "2 classes"
    assert number.p_value(0.0321) == "p = .032"
    assert number.p_value(1e-9) == "p < .001"
    assert number.p_value(1.0) == "p = 1"
    assert number.interval(NAN, NAN) == number.UNKNOWN
