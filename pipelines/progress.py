"""Progress in the terminal: one bar a stage, with rows and time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from pipelines.runner import Step


_WIDTH = 36
"""Characters of a step's name."""


class _Rows(ProgressColumn):
    """Rows done, of how many, and of what."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("starting")
        return Text(f"{int(task.completed):,} of {int(task.total):,} {task.fields['unit']}")


class Bars:
    """Shows a bar for the stage that runs and a line for each that has ended.

    Where the output is no terminal, only the lines are written.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn(f"{{task.description:<{_WIDTH}}}"),
            BarColumn(bar_width=28),
            _Rows(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._progress.stop()

    def start(self, step: Step) -> None:
        """A stage begins."""
        self._task = self._progress.add_task(_name(step), total=None, unit=step.stage.unit)

    def progress(self, done: float, total: int) -> None:
        """The stage that runs has done so many of its rows."""
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total)

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        """A stage ended, or was skipped."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
        what = "in the cache" if state == "skipped" else f"{seconds:.1f} s"
        self.console.print(
            f"{_name(step):<{_WIDTH}} {rows:>9,} {step.stage.unit:<7} {what}", highlight=False
        )


def _name(step: Step) -> str:
    names = [name for name in (step.run, step.embedding) if name is not None]
    return ": ".join([*names, step.stage.name])
