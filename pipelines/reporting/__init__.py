"""The report of a workspace: one HTML file for people who do not have the server."""

from __future__ import annotations

from pipelines.reporting.report import FILE, Report, write

__all__ = ["FILE", "Report", "write"]
