"""The stages, in the order in which they run. One file a stage."""

from __future__ import annotations

from pipelines.stages import inputs, predictions, samples, thumbnails, train
from pipelines.stages.base import Stage

STAGES: tuple[Stage, ...] = (
    samples.STAGE,
    thumbnails.STAGE,
    inputs.STAGE,
    train.STAGE,
    predictions.STAGE,
)
