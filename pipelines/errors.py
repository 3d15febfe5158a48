"""Errors of the pipelines; the whole tree is drawn in :mod:`cache.errors`."""

from __future__ import annotations

from cache.errors import CentauroError


class RecipeError(CentauroError):
    """A recipe has one or more mistakes; the message lists all of them."""


class SourceError(CentauroError):
    """The data that a recipe names cannot be used."""


class StageError(CentauroError):
    """A stage failed; the message names the stage and the artefact."""


class LabelsError(CentauroError):
    """Decided labels cannot be written, or a file of them cannot be used."""


class ReportError(CentauroError):
    """A report cannot be written."""
