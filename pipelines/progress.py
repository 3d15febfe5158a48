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
    from pipelines.plan import Step


REACHED = "All runs have come as far as"

_WIDTH = 36
"""Characters of a step's name."""


class _Rows(ProgressColumn):
    """Rows done, of how many, and of what."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("starting")
        return Text(f"{int(task.completed):,} of {int(task.total):,} {task.fields['unit']}")


class Bars:
    """Shows a bar for each stage that runs and a line for each that has ended.

    Where the output is no terminal, only the lines are written.
    """

    def __init__(self, console: Console, *, workspaces: bool = False) -> None:
        """Args:
        console: Where it is shown.
        workspaces: Whether steps are named with their workspaces.
        """
        self.console = console
        self._workspaces = workspaces
        self._tasks: dict[tuple[str, str], TaskID] = {}
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
        self._tasks[_key(step)] = self._progress.add_task(
            self._name(step), total=None, unit=step.stage.unit
        )

    def progress(self, step: Step, done: float, total: int) -> None:
        """A stage that runs has done so many of its rows."""
        self._progress.update(self._tasks[_key(step)], completed=done, total=total)

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        """A stage ended, or was skipped."""
        what = "in the cache" if state == "skipped" else f"{seconds:.1f} s"
        self._line(step, f"{rows:>9,} {step.stage.unit:<7} {what}")

    def fail(self, step: Step) -> None:
        """A stage failed, or cannot be made."""
        begun = _key(step) in self._tasks
        self._line(step, f"{'':>9} {'':<7} {'failed' if begun else 'not made'}")

    def reach(self, stage: str) -> None:
        """All runs have come as far as this stage."""
        self.console.print(f"{REACHED} '{stage}'; the rest follows.", highlight=False)

    def _line(self, step: Step, what: str) -> None:
        """The last word on a stage, in place of its bar."""
        if (task := self._tasks.pop(_key(step), None)) is not None:
            self._progress.remove_task(task)
        self.console.print(f"{self._name(step):<{_WIDTH}} {what}", highlight=False)

    def _name(self, step: Step) -> str:
        names = (step.workspace if self._workspaces else None, step.run, step.name)
        return ": ".join([*(name for name in names if name is not None), step.stage.name])


def _key(step: Step) -> tuple[str, str]:
    return step.workspace, step.key
