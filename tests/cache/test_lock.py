from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cache.errors import CacheError, LockedError
from cache.lock import writing_lock

ROOT = Path(__file__).parents[2]

HOLDER = """
import sys
from pathlib import Path
from cache.lock import writing_lock

with writing_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_second_process_is_refused_and_told_whom_to_wait_for(tmp_path: Path) -> None:
    workspace = tmp_path / "digits"
    with holder(workspace) as process:
        for _ in range(2):
            with pytest.raises(LockedError) as caught, writing_lock(workspace):
                pass
            assert f"'digits' in {tmp_path} is being written by process {process.pid}" in str(
                caught.value
            )
            assert "Wait for it to finish" in str(caught.value)
    with writing_lock(workspace):
        assert (workspace / ".lock").read_text() == str(os.getpid())


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        with writing_lock(tmp_path):
            assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_the_lock_is_freed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing_lock(tmp_path):
        _ = 1 / 0
    with writing_lock(tmp_path):
        pass


def test_other_workspaces_are_not_locked(tmp_path: Path) -> None:
    with writing_lock(tmp_path / "a"), writing_lock(tmp_path / "b"):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CacheError, match=r"file/digits of the cache.*Not a directory.*--cache"),
        writing_lock(tmp_path / "file" / "digits"),
    ):
        pass
