"""One writer a workspace at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cache.errors import CacheError, LockedError

_ATTEMPTS = 3
"""A look at the lock (:func:`is_writing`) holds it for an instant: a writer asks again."""


@contextlib.contextmanager
def writing_lock(workspace: Path) -> Iterator[int]:
    """Hold the workspace's lock; the operating system frees it when the process dies.

    Yields:
        The lock's file descriptor: processes that inherit it hold the lock with this one.

    Raises:
        LockedError: Another process holds it.
        CacheError: The folder cannot be written to.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        opened = (workspace / ".lock").open("a+", encoding="ascii")
    except OSError as error:
        raise CacheError(
            f"The folder {workspace} of the cache cannot be written to ({error.strerror}). "
            "Choose another place for the cache: set CENTAURO_CACHE, or give --cache."
        ) from error
    with opened as stream:
        if not _taken(stream, fcntl.LOCK_EX, _ATTEMPTS):
            stream.seek(0)
            raise LockedError(
                f"The workspace '{workspace.name}' in {workspace.parent} is being written by "
                f"process {stream.read().strip() or 'unknown'}. Wait for it to finish, or stop it."
            )
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield stream.fileno()


def is_writing(workspace: Path) -> bool:
    """Whether a process is writing to the workspace now. Never waits."""
    try:
        with (workspace / ".lock").open("r", encoding="ascii") as stream:
            return not _taken(stream, fcntl.LOCK_SH, 1)
    except OSError:
        return False


def _taken(stream: TextIO, kind: int, attempts: int) -> bool:
    """Take the lock of an open file; it is freed when the file is closed."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(0.05)
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False
