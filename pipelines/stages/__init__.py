"""The stages, in the order in which they run. One file a stage."""

from __future__ import annotations

from pipelines.stages import (
    clusters,
    decisions,
    estimators,
    exact,
    index,
    inputs,
    issues,
    neighbours,
    predictions,
    projection,
    quality,
    retrieval,
    samples,
    thumbnails,
    train,
    vectors,
)
from pipelines.stages.base import Stage

STAGES: tuple[Stage, ...] = (
    samples.STAGE,
    thumbnails.STAGE,
    decisions.STAGE,
    inputs.STAGE,
    train.STAGE,
    predictions.STAGE,
    vectors.STAGE,
    neighbours.STAGE,
    index.STAGE,
    retrieval.STAGE,
    projection.STAGE,
    clusters.STAGE,
    exact.STAGE,
    estimators.STAGE,
    issues.STAGE,
    quality.STAGE,
)
