"""Numbers as text: every rate with its count and its interval, units after a narrow space."""

from __future__ import annotations

import math

from pipelines.methods.intervals import Difference, Rate

UNKNOWN = "–"
"""Stands where a figure is undefined or not there."""

SPACE = "\N{NARROW NO-BREAK SPACE}"


def count(n: int) -> str:
    """An exact count: ``5,216``."""
    return f"{n:,}"


def percent(value: float, digits: int = 1) -> str:
    """A share in percent: ``91.6 %``."""
    if math.isnan(value):
        return UNKNOWN
    return f"{_percent(value, digits)}{SPACE}%"


def interval(low: float, high: float, digits: int = 1) -> str:
    """Ends of an interval of shares, in percent and without the sign: ``88.7 to 93.8``."""
    if math.isnan(low) or math.isnan(high):
        return UNKNOWN
    return f"{_percent(low, digits)} to {_percent(high, digits)}"


def rate(figure: Rate, digits: int = 1) -> str:
    """A rate as a sentence needs it: ``91.6 % (412 of 450; 95 % interval 88.7 to 93.8)``."""
    if figure.n == 0:
        return f"{UNKNOWN} (0 of 0)"
    of = f"n = {figure.n:,}" if figure.count is None else f"{figure.count:,} of {figure.n:,}"
    return (
        f"{percent(figure.value, digits)} ({of}; "
        f"95{SPACE}% interval {interval(figure.low, figure.high, digits)})"
    )


def short_rate(figure: Rate, digits: int = 1) -> str:
    """A rate as a table cell needs it, its count standing elsewhere: ``91.6 % (88.7 to 93.8)``."""
    if figure.n == 0:
        return UNKNOWN
    value = percent(figure.value, digits)
    return f"{value} ({interval(figure.low, figure.high, digits)})"


def points(figure: Difference, digits: int = 1) -> str:
    """A difference of rates: ``+2.4 points (0.9 to 4.1)``, with the signs of its ends."""
    if math.isnan(figure.value):
        return UNKNOWN
    low, high = _signed(figure.low, digits), _signed(figure.high, digits)
    return f"{_signed(figure.value, digits)} points ({low} to {high})"


def seconds(value: float | None) -> str:
    """A duration: ``0.8 s``, ``42 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value < 9.95:
        return f"{value:.1f}{SPACE}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}{SPACE}s"
    if whole < 3600:
        return f"{whole // 60}{SPACE}min {whole % 60:02d}{SPACE}s"
    return f"{whole // 3600}{SPACE}h {whole % 3600 // 60:02d}{SPACE}min"


def milliseconds(value: float | None) -> str:
    """A latency in three digits: ``0.85 ms``, ``12.3 ms``, ``140 ms``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:,.{digits}f}{SPACE}ms"


def size(value: float | None) -> str:
    """Bytes in decimal units: ``32.4 kB``, ``27.1 MB``."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if value < 1000:
        return f"{value:.0f}{SPACE}B"
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f}{SPACE}{unit}"
    return f"{value / 1000:,.1f}{SPACE}TB"


def measured(value: float, digits: int = 4) -> str:
    """A value of no known unit in so many digits, never rounding what is before the point:
    ``0.001234``, ``12.35``, ``58191``."""
    if not math.isfinite(value):
        return f"{value}"
    return f"{value:.{max(digits, len(str(int(abs(value)))))}g}"


def p_value(value: float) -> str:
    """A p-value: ``p = .032``, ``p < .001``."""
    if value < 0.001:
        return "p < .001"
    return "p = 1" if value > 0.9995 else f"p = {value:.3f}".replace("0.", ".")


def signed(value: float, digits: int = 2) -> str:
    """A correlation or a difference with its sign: ``+0.31``, ``−0.08``."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else f"{0:.{digits}f}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """A count with its noun: ``1 run``, ``3 runs``, ``2 classes``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _percent(value: float, digits: int) -> str:
    """Percent that says 100 or 0 only where it is so: 99.97 stays ``99.9``, never ``100.0``."""
    text = f"{100 * value:.{digits}f}"
    smallest = 10.0**-digits
    if value < 1.0 and float(text) >= 100.0:
        return f"{100 - smallest:.{digits}f}"
    if value > 0.0 and float(text) == 0.0:
        return f"<{smallest:.{digits}f}"
    return text


def _signed(value: float, digits: int) -> str:
    return signed(100 * value, digits)
