"""Memory maps: what was read is given back, and can be read again."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.methods.memory import give_back


def resident_file_pages() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssFile:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for resident memory")
def test_what_was_read_is_no_longer_resident(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    np.save(path, np.ones((64, 1 << 20), np.uint8))
    mapped = np.load(path, mmap_mode="r")
    before = resident_file_pages()
    assert int(mapped.sum(dtype=np.int64)) == 64 << 20
    assert resident_file_pages() > before + (48 << 20)
    give_back(mapped[3:])
    assert resident_file_pages() < before + (8 << 20)
    assert (mapped[5] == 1).all()


def test_other_arrays_are_left_alone() -> None:
    array = np.arange(12).reshape(3, 4)
    give_back(array[1:])
    assert array.sum() == 66
