"""The exceptions that a user may see.

All messages say what is wrong, where, what was received and what to do.

    CentauroError
      + CacheError                  reading or writing the cache
        - WorkspaceNotFoundError    no workspace of that name
        - RunNotFoundError          the workspace has no run of that name
        - EmbeddingNotFoundError    the run has no embedding of that name
        - OcclusionNotFoundError    the run has no occlusion maps of that name
        - LabelIssuesNotFoundError  the run has no label issues of that name
        - MissingArtefactError      a stage has not been run, or was broken off
        - CorruptArtefactError      an artefact is there but cannot be read
        - LockedError               another process is writing to the workspace
      + ReviewsError                the database of the reviews cannot be used
      + VerdictError                a verdict that cannot be stored as it was given
      + RecipeError                 (pipelines.errors) mistakes in a recipe
      + SourceError                 (pipelines.errors) the data of a recipe cannot be used
      + StageError                  (pipelines.errors) a stage failed
      + LabelsError                 (pipelines.errors) decided labels cannot be written or used
      + ReportError                 (pipelines.errors) a report cannot be written
"""

from __future__ import annotations


class CentauroError(Exception):
    """Root of every error whose message is written for the user."""


class CacheError(CentauroError):
    """Something in the cache cannot be read or written."""


class WorkspaceNotFoundError(CacheError):
    """The cache holds no workspace of that name."""


class RunNotFoundError(CacheError):
    """The workspace holds no run of that name."""


class EmbeddingNotFoundError(CacheError):
    """The run holds no embedding of that name."""


class OcclusionNotFoundError(CacheError):
    """The run holds no occlusion maps of that name."""


class LabelIssuesNotFoundError(CacheError):
    """The run holds no label issues of that name."""


class MissingArtefactError(CacheError):
    """An artefact is not there: its stage has not been run, or was broken off."""


class CorruptArtefactError(CacheError):
    """An artefact is there but cannot be read."""


class LockedError(CacheError):
    """Another process is writing to the workspace."""


class ReviewsError(CentauroError):
    """The database of the reviews cannot be reached, opened, read or written."""


class VerdictError(CentauroError):
    """A verdict that cannot be stored as it was given."""
