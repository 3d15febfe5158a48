"""The command line: ``python -m pipelines``."""

from __future__ import annotations

from pipelines.cli import app

app(prog_name="python -m pipelines")
