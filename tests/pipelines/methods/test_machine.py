from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines.methods import machine


def test_the_peak_of_memory_is_seen_after_it_was_given_back() -> None:
    machine.reset_peak_memory()
    before = machine.peak_memory()
    block = np.ones(60_000_000, np.uint8)
    del block
    assert machine.peak_memory() > before + 40_000_000


def test_a_reset_forgets_the_peak() -> None:
    if not machine._CLEAR.exists():
        pytest.skip("this system cannot reset the peak of a process")
    # In a process of its own: one that has run other tests may keep what it is given back.
    code = """
import numpy as np
from pipelines.methods import machine
block = np.ones(60_000_000, np.uint8)
del block
high = machine.peak_memory()
machine.reset_peak_memory()
print(high - machine.peak_memory())
"""
    root = Path(__file__).parents[3]
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(told.stdout) > 40_000_000


def test_where_a_reset_is_forbidden_nothing_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CLEAR", tmp_path)  # a folder cannot be written to
    machine.reset_peak_memory()
    monkeypatch.setattr(machine, "_CLEAR", tmp_path / "absent" / "file")
    machine.reset_peak_memory()


def test_without_proc_the_peak_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = machine.peak_memory()
    monkeypatch.setattr(machine, "_STATUS", tmp_path / "absent")
    assert machine.peak_memory() >= known // 2


def test_latency_times_warm_calls_in_milliseconds() -> None:
    calls: list[str] = []

    def call(argument: str) -> None:
        calls.append(argument)
        time.sleep(0.05 if len(calls) <= 5 else 0.002)

    found = machine.latency(call, "image", repeats=11)
    assert calls == ["image"] * 16
    assert 2 <= found["low"] <= found["median"] <= found["high"]
    assert found["median"] < 50, "the five slow calls at the start are not counted"


def test_the_environment_is_plain_data() -> None:
    found = machine.environment()
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"processor", "cores", "memory_bytes", "system", "python"}
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 100e6
    assert found["processor"]
