"""What a training cost: memory, time of a prediction, and the machine it ran on."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Forget the peak of this process's memory so far, where the system can (Linux)."""
    # Some containers forbid it; the peak is then that of the whole process.
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5", encoding="ascii")


def peak_memory() -> int:
    """Largest resident memory of this process since the last reset, in bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def latency(
    call: Callable[[Any], Any], argument: Any, repeats: int = 30, warm: int = 5
) -> dict[str, float]:
    """Time a warm call.

    Args:
        call: What to time; it must have finished its work when it returns.
        argument: Passed to it.
        repeats: Calls that are timed.
        warm: Calls before them that are not.

    Returns:
        ``median``, ``low`` and ``high`` (5th and 95th percentile) in milliseconds.
    """
    for _ in range(warm):
        call(argument)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call(argument)
        times.append((time.perf_counter() - started) * 1000)
    low, median, high = np.percentile(times, [5, 50, 95])
    return {"median": float(median), "low": float(low), "high": float(high)}


def environment() -> dict[str, Any]:
    """Processor, cores, memory and system, to stand beside every timing."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
