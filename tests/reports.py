"""Reports for the runner in tests."""

from __future__ import annotations

from pipelines.runner import Step


class Silent:
    """Says nothing and checks that what it is told makes sense."""

    def start(self, step: Step) -> None:
        pass

    def progress(self, done: float, total: int) -> None:
        assert 0 <= done <= total

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        assert state in ("made", "skipped")
        assert seconds >= 0
