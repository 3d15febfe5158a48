"""Reports for the runner in tests."""

from __future__ import annotations

from pipelines.plan import Step


class Silent:
    """Says nothing and checks that what it is told makes sense."""

    def start(self, step: Step) -> None:
        pass

    def progress(self, step: Step, done: float, total: int) -> None:
        assert 0 <= done <= total

    def finish(self, step: Step, state: str, rows: int, seconds: float) -> None:
        assert state in ("made", "skipped")
        assert seconds >= 0

    def fail(self, step: Step) -> None:
        pass

    def reach(self, stage: str) -> None:
        pass
