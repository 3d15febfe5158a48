"""Where steps are made: in this process, or in several beside it.

A worker process ends with the one that started it, and holds the workspaces' locks as long as it
lives, so that whatever is killed leaves nothing behind that still writes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection, reduction
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from cache.artefact import Manifest
from cache.errors import CentauroError
from pipelines.errors import StageError
from pipelines.making import Task, make

Ended = tuple[Task, Manifest | CentauroError]
Progress = Callable[[Task, float, int], None]

_PAUSE = 0.1
"""Seconds between two words of progress from a worker."""

_PATIENCE = 10.0
"""Seconds that a worker at rest is given to end by itself."""


class Workers(Protocol):
    """Makes steps."""

    def start(self, ready: Sequence[Task]) -> Task | None:
        """Begin one of some steps, unless all workers are busy: says which."""

    def ended(self) -> Ended:
        """Wait for the next step that ends: what it made, or why it failed."""

    def close(self) -> None:
        """Stop; what is unfinished is broken off."""


class Here:
    """Makes one step after another in this process."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: Task | None = None

    def start(self, ready: Sequence[Task]) -> Task | None:
        """Take the first; the work itself is done by :meth:`ended`."""
        if self._task is not None or not ready:
            return None
        self._task = ready[0]
        return self._task

    def ended(self) -> Ended:
        """Make the step that was taken."""
        assert self._task is not None, "ended without start"
        task, self._task = self._task, None
        try:
            return task, make(task, lambda done, total: self._progress(task, done, total))
        except CentauroError as error:
            return task, error

    def close(self) -> None:
        """Nothing is left to stop."""


class Beside:
    """Makes several steps at a time, each in a process with its share of the cores.

    A process is started when it is first needed, and is given by preference stages that it has
    run before: what they compile and load is there already.
    """

    def __init__(self, count: int, locks: Sequence[int], progress: Progress) -> None:
        """Args:
        count: How many processes, at most.
        locks: File descriptors of the locks that they hold.
        progress: Told how far the steps are.
        """
        self._progress = progress
        self._workers = [_Worker(cores, locks) for cores in _shares(count)]

    def start(self, ready: Sequence[Task]) -> Task | None:
        """Give one of the steps to a process that is free."""
        free = [worker for worker in self._workers if worker.task is None]
        if not free or not ready:
            return None
        others = {stage for worker in self._workers for stage in worker.stages}

        def cost(worker: _Worker, task: Task) -> int:
            name = task.step.stage.name
            return 0 if name in worker.stages else 1 if name not in others else 2

        _, task, worker = min(
            ((cost(worker, task), task, worker) for task in ready for worker in free),
            key=lambda one: one[0],
        )
        worker.begin(task)
        return task

    def ended(self) -> Ended:
        """Pass on progress until a step ends.

        Raises:
            RuntimeError: A stage met an error that nobody foresaw.
        """
        while True:
            busy = {worker.pipe: worker for worker in self._workers if worker.pipe and worker.task}
            for pipe in connection.wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                task = worker.task
                assert task is not None, "only the busy are asked"
                kind, content = worker.heard()
                if kind == "progress":
                    self._progress(task, *content)
                elif kind == "error":
                    raise RuntimeError(f"The stage '{task.step.key}' broke off:\n{content}")
                else:
                    return task, content

    def close(self) -> None:
        """End the processes; their steps are broken off."""
        for worker in self._workers:
            worker.close()


class _Worker:
    """One process, as the one that started it sees it."""

    def __init__(self, cores: set[int], locks: Sequence[int]) -> None:
        self.task: Task | None = None
        self.stages: set[str] = set()
        self.pipe: connection.Connection | None = None
        self._cores, self._locks = cores, [_Inherited(lock) for lock in locks]
        self._process: SpawnProcess | None = None

    def begin(self, task: Task) -> None:
        """Give it a step."""
        if self.pipe is None:
            self.pipe, theirs = multiprocessing.Pipe()
            self._process = multiprocessing.get_context("spawn").Process(
                target=_serve, args=(theirs, self._cores, self._locks), daemon=True
            )
            self._process.start()
            theirs.close()
        self.task = task
        self.stages.add(task.step.stage.name)
        self.pipe.send(task)

    def heard(self) -> tuple[str, Any]:
        """What it says next; a step that it ends with sets it free."""
        assert self.pipe and self.task and self._process, "only busy workers are asked"
        try:
            kind, content = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            key = self.task.step.key
            self.close()
            kind, content = (
                "ended",
                StageError(
                    f"The stage '{key}' failed: its process was ended from outside (exit status "
                    f"{self._process.exitcode}), as by a system that is out of memory. Run the "
                    "same command again, with fewer --jobs."
                ),
            )
        if kind != "progress":
            self.task = None
        return kind, content

    def close(self) -> None:
        """End the process; a later step starts another."""
        if self.pipe is not None and self._process is not None:
            self.pipe.close()
            self.pipe = None
            self.stages.clear()
            # One that is at rest hears the pipe close, and may tidy up after its libraries.
            if self.task is None:
                self._process.join(_PATIENCE)
            self._process.terminate()
            self._process.join()


class _Inherited:
    """A file descriptor that a process is born with."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __getstate__(self) -> Any:
        return reduction.DupFd(self.descriptor)

    def __setstate__(self, state: Any) -> None:
        self.descriptor = state.detach()


def _serve(pipe: connection.Connection, cores: set[int], _locks: list[_Inherited]) -> None:
    """What a worker process does: make the steps that it is given."""
    # An interrupt reaches the process that started this one, which then ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        # Every library takes the number of its threads from it.
        os.sched_setaffinity(0, cores)
    for task in _given(pipe):
        try:
            pipe.send(("ended", make(task, _throttled(pipe))))
        except CentauroError as error:
            pipe.send(("ended", error))
        except Exception:
            pipe.send(("error", traceback.format_exc()))


def _given(pipe: connection.Connection) -> Iterator[Task]:
    while True:
        try:
            yield pipe.recv()
        except EOFError:
            return


def _throttled(pipe: connection.Connection) -> Callable[[float, int], None]:
    told = 0.0

    def progress(done: float, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _PAUSE:
            told = time.monotonic()
            pipe.send(("progress", (done, total)))

    return progress


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    connection.wait([parent.sentinel])
    os._exit(1)


def _shares(count: int) -> list[set[int]]:
    """The cores of this process, dealt out."""
    if not hasattr(os, "sched_getaffinity"):
        return [set() for _ in range(count)]
    cores = sorted(os.sched_getaffinity(0))
    return [set(cores[place::count]) or {cores[place % len(cores)]} for place in range(count)]
