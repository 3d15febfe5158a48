"""One writer a workspace at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cache.errors import LockedError


@contextlib.contextmanager
def writing_lock(workspace: Path) -> Iterator[None]:
    """Hold the workspace's lock; the operating system frees it when the process dies.

    Raises:
        LockedError: Another process holds it.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    with (workspace / ".lock").open("a+", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise LockedError(
                f"The workspace '{workspace.name}' in {workspace.parent} is being written by "
                f"process {stream.read().strip() or 'unknown'}. Wait for it to finish, or stop it."
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
