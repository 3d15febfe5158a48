"""One writer a workspace at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from cache.errors import CacheError, LockedError


@contextlib.contextmanager
def writing_lock(workspace: Path) -> Iterator[None]:
    """Hold the workspace's lock; the operating system frees it when the process dies.

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
