"""The command line: ``python -m pipelines``."""

from __future__ import annotations

from pipelines.cli import app

if __name__ == "__main__":
    app(prog_name="python -m pipelines")
