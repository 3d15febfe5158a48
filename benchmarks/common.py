"""What all benchmarks share: paired timing, the table, and the machine it is of.

A benchmark is a module with ``rows(size, rounds)`` and ``main()``. Every ratio is paired: method
and baseline take turns in one process, and the median over the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from pipelines.methods.machine import environment

PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "annoy", "pynndescent", "umap-learn")

Rows = Callable[[float, int], "list[Row]"]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table.

    Attributes:
        case: What is computed, with its size.
        method: How Centauro does it.
        baseline: What it is compared with; empty where the target is absolute.
        value: Seconds of the method; another unit where ``unit`` says so.
        baseline_value: The same of the baseline, None where there is none.
        ratio: How many times better the method is; None where there is no baseline.
        target: What should be reached: a ratio, or where there is no baseline a value.
        reached: Whether it is.
        note: What else was seen: recall, identical results, what was sampled.
        unit: Of the values.
    """

    case: str
    method: str
    baseline: str
    value: float
    baseline_value: float | None
    ratio: float | None
    target: str
    reached: bool
    note: str = ""
    unit: str = "s"


@dataclass(frozen=True)
class Timed:
    """Medians over rounds in which a method and its baseline took turns.

    Attributes:
        seconds: Of the method.
        baseline: Of the baseline.
        ratio: Median of the rounds' ratios.
        result: What the method gave last.
        baseline_result: What the baseline gave last.
    """

    seconds: float
    baseline: float
    ratio: float
    result: Any
    baseline_result: Any


def paired(
    method: Callable[[], Any],
    baseline: Callable[[], Any],
    rounds: int,
    *,
    whole: Callable[[float, Any], float] = lambda seconds, _: seconds,
) -> Timed:
    """Time a method against its baseline, turn by turn.

    Args:
        method: Call it once before, where its first call compiles.
        baseline: Likewise.
        rounds: How many turns; they begin with the method and with the baseline by turns.
        whole: Seconds of the whole baseline from those of a call that did a part of it, and from
            what it gave.
    """
    times, results = in_turn((method, baseline), rounds)
    whole_times = [
        (ours, whole(theirs, given[1]))
        for (ours, theirs), given in zip(times, results, strict=True)
    ]
    ours, theirs = (statistics.median(column) for column in zip(*whole_times, strict=True))
    ratio = statistics.median(their / our for our, their in whole_times)
    return Timed(ours, theirs, ratio, *results[-1])


def in_turn(
    calls: Sequence[Callable[[], Any]], rounds: int
) -> tuple[list[tuple[float, ...]], list[list[Any]]]:
    """Time some calls turn by turn, in one order and then in the other.

    Returns:
        Of each round, the seconds of each call; and what each gave.
    """
    times, results = [], []
    for number in range(rounds):
        took: list[float] = [0.0] * len(calls)
        given: list[Any] = [None] * len(calls)
        order = range(len(calls)) if number % 2 == 0 else reversed(range(len(calls)))
        for which in order:
            took[which], given[which] = seconds(calls[which])
        times.append(tuple(took))
        results.append(given)
    return times, results


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Time one call: its seconds, and what it gave."""
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def embedded(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors like those of an embedding, and their labels; simulated.

    Ten classes of several clumps each in 24 dimensions, bent into d by one random layer, with
    noise in all directions.

    Returns:
        float32 (n, d) and int (n,).
    """
    rng = np.random.default_rng(seed)
    clumps = rng.normal(0, 1.2, (50, 24))
    which = rng.integers(0, 50, n)
    layer, shift = rng.normal(0, 0.35, (24, d)), rng.normal(size=d)
    vectors = np.empty((n, d), np.float32)
    for start in range(0, n, 4096):
        rows = slice(start, start + 4096)
        latent = clumps[which[rows]] + rng.normal(0, 0.7, (len(which[rows]), 24))
        vectors[rows] = np.maximum(latent @ layer + shift, 0)
        vectors[rows] += rng.normal(0, 0.05, vectors[rows].shape)
    return vectors, which % 10


def scaled(n: int, size: float, least: int = 200) -> int:
    """A number of samples at a size: 1 is what the claim is about, less is a trial."""
    return max(least, round(n * size))


def run(rows: Rows, description: str | None, arguments: Sequence[str] | None = None) -> None:
    """Measure and print what the command line asks for.

    Args:
        rows: The benchmark, given its size and rounds.
        description: What ``--help`` says of it.
        arguments: Those of the command line, if absent.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print JSON and no table")
    parser.add_argument(
        "--size", type=float, default=1.0, help="part of the full number of samples (1)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each pair (3)")
    chosen = parser.parse_args(arguments)
    sys.stdout.write(written(rows(chosen.size, chosen.rounds), chosen.json) + "\n")


def written(rows: Sequence[Row], as_json: bool) -> str:
    """The table, or its JSON, with the machine and the versions."""
    about = environment()
    versions = {name: version(name) for name in PACKAGES}
    if as_json:
        document = {
            "rows": [asdict(row) for row in rows],
            "machine": about,
            "versions": versions,
        }
        return json.dumps(document, indent=2)
    lines = [f"{about['processor']}, {about['cores']} cores, {about['system']}"]
    lines.append(", ".join(f"{name} {number}" for name, number in versions.items()))
    for row in rows:
        against = "" if row.baseline_value is None else f" against {_figure(row, baseline=True)}"
        ratio = "" if row.ratio is None else f", {row.ratio:.2f}x"
        verdict = "reached" if row.reached else "NOT reached"
        lines += [
            "",
            row.case,
            f"  {row.method}: {_figure(row)}{against}{ratio}; to reach: {row.target}, {verdict}",
        ]
        if row.note:
            lines.append(f"  {row.note}")
    return "\n".join(lines)


def _figure(row: Row, baseline: bool = False) -> str:
    value = row.baseline_value if baseline else row.value
    name = f" ({row.baseline})" if baseline else ""
    return f"{value:.3g} {row.unit}{name}"
