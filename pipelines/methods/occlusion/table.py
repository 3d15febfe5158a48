"""Occlusion maps of a convolution, a pooling and dense layers: sums of a few table rows a position.

A pooled cell sees a patch as one of a few intervals of rows times intervals of columns, whichever
position it comes from. What each of these patterns changes in the first dense layer's sums is
computed once an image; a position is the sum over the cells that its patch reaches. The small rest
of the network then runs on all positions.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.methods.feeding import to_probabilities
from pipelines.methods.occlusion.graph import Step, plain_relu
from pipelines.methods.occlusion.patches import Patches, span
from pipelines.methods.occlusion.whole import Progress

if TYPE_CHECKING:
    from pipelines.methods.occlusion.sums import Axis, Layers

_LANES = 32
_TABLE = 192 * 1024
"""Bytes of a cell's table: together with its sums it should stay in a core's second cache."""

_TOTALS = 32 * 2**20
"""Bytes of the sums of one block of images."""

_FINAL = ("linear", "relu", "softmax", "sigmoid", "tanh")


@dataclass(frozen=True)
class Dense:
    """A dense layer: weights (inputs, units), bias (units,), name of its activation."""

    weights: np.ndarray
    bias: np.ndarray
    activation: str


@dataclass(frozen=True)
class Network:
    """What fits: the convolution, the pooling and the dense layers.

    Attributes:
        factor: Each channel of the image is multiplied by it first (channels,).
        offset: And this is added.
        conv: The convolution.
        pool: The pooling; None where there is none.
        dense: The dense layers, at least one.
    """

    factor: np.ndarray
    offset: np.ndarray
    conv: Step
    pool: Step | None
    dense: tuple[Dense, ...]


def network(steps: list[Step]) -> Network | str:
    """Find the convolution, the pooling and the dense layers of a model.

    Args:
        steps: As :func:`pipelines.methods.occlusion.graph.read` gives them.

    Returns:
        The network, or why it does not fit, as the end of a sentence.
    """
    if any(step.inputs != (place,) for place, step in enumerate(steps[1:])):
        return "its layers are no chain"
    waiting = list(steps[1:])
    channels = steps[0].shape[2]
    factor, offset = np.ones(channels), np.zeros(channels)
    while waiting and waiting[0].affine is not None:
        by, add = waiting.pop(0).affine or (factor, offset)
        factor, offset = factor * by, offset * by + add
    if not waiting or waiting[0].kind != "conv":
        return "it does not begin with a convolution"
    conv = waiting.pop(0)
    if conv.activation is not None and conv.activation[0] != "relu":
        return f"its convolution is followed by {conv.activation[0]}, not by a ReLU or nothing"
    pool = None
    if waiting and waiting[0].kind in ("max", "average"):
        pool = waiting.pop(0)
        if pool.padding == "zeros" and any(pool.window.before + pool.window.after):
            return "zeros are put between its convolution and its pooling"
    flattened: Any = waiting[0].layer if waiting else None
    if type(flattened).__name__ != "Flatten" or flattened.data_format != "channels_last":
        return "its first convolution and pooling are not flattened"
    waiting.pop(0)
    dense = _dense_layers(waiting)
    if isinstance(dense, str):
        return dense
    return Network(factor.astype(np.float32), offset.astype(np.float32), conv, pool, dense)


def _dense_layers(steps: list[Step]) -> tuple[Dense, ...] | str:
    found: list[Dense] = []
    for step in steps:
        name = type(step.layer).__name__
        if name == "Dense":
            bias = np.zeros(step.shape[-1]) if step.layer.bias is None else step.layer.bias
            activation = getattr(step.layer.activation, "__name__", "")
            weights = np.asarray(step.layer.kernel, np.float32)
            found.append(Dense(weights, np.asarray(bias, np.float32), activation))
        elif found and found[-1].activation == "linear" and _activation_of(step):
            found[-1] = replace(found[-1], activation=_activation_of(step))
        else:
            return f"a layer {name or 'of its own'} follows where only dense ones may"
    if not found:
        return "no dense layer follows its pooling"
    strange = sorted({layer.activation for layer in found} - set(_FINAL))
    if strange:
        return f"a dense layer has the activation {strange[0] or 'of its own'}"
    return tuple(found)


def _activation_of(step: Step) -> str:
    """Name of the activation that a layer of its own applies, empty where it is another layer."""
    layer = step.layer
    name = type(layer).__name__
    if name == "Activation":
        return str(getattr(layer.activation, "__name__", ""))
    if name == "Relu" or (name == "ReLU" and plain_relu(layer)):
        return "relu"
    return "softmax" if name == "Softmax" and layer.axis in (1, -1) else ""


class Table:
    """Sums the patterns of all positions, many images at once, one thread a core."""

    def __init__(self, found: Network, patches: Patches) -> None:
        from threadpoolctl import ThreadpoolController

        from pipelines.methods.occlusion.sums import Layers

        # Looking for the libraries takes as long as many maps: once is enough.
        self._threads = ThreadpoolController()
        self._axes: dict[tuple[int, bytes], Axis] = {}
        self.patches = patches
        self.found = found
        conv, pool = found.conv, found.pool
        assert conv.kernel is not None and conv.bias is not None
        cells = (pool or conv).shape
        first = found.dense[0].weights.reshape(*cells, -1)
        self.layers: Layers = Layers(
            np.ascontiguousarray(conv.kernel, np.float32),
            np.ascontiguousarray(conv.bias, np.float32),
            conv.activation is not None,
            pool is not None and pool.kind == "average",
            np.ascontiguousarray(first.transpose(0, 1, 3, 2)),
        )

    def __call__(
        self,
        images: np.ndarray,
        hidden: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        progress: Progress,
    ) -> np.ndarray:
        """Probabilities at the given rows and columns: float32 (b, rows, columns, classes)."""
        cores = _cores()
        lanes = max(1, min(_LANES, -(-len(images) // cores)))
        units = len(self.found.dense[0].bias)
        high = max(1, _TOTALS // (4 * units * len(columns) * lanes))
        bands = [
            (start, self._axis(0, rows[start : start + high]))
            for start in range(0, len(rows), high)
        ]
        right = self._axis(1, columns)
        classes = max(2, len(self.found.dense[-1].bias))
        maps = np.empty((len(images), len(rows), len(columns), classes), np.float32)

        def block(start: int) -> int:
            stop = min(start + lanes, len(images))
            pixels, change = self._lanes(images[start:stop], hidden[start:stop])
            clean = self._clean(bands[0][1], right, pixels)
            for first, down in bands:
                end = min(first + high, len(rows))
                totals = np.empty((end - first, len(columns), *clean.shape), np.float32)
                totals[:] = clean
                self._add(down, right, pixels, change, totals)
                maps[start:stop, first:end] = self._rest(totals)
            return stop - start

        done = 0
        starts = range(0, len(images), lanes)
        if len(starts) == 1:
            progress(block(0), len(images))
            return maps
        with (
            self._threads.limit(limits=1, user_api="blas"),
            ThreadPoolExecutor(cores) as pool,
        ):
            for count in pool.map(block, starts):
                done += count
                progress(done, len(images))
        return maps

    def _lanes(self, images: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images, and what hiding adds to them, with the images innermost."""
        scaled = images * self.found.factor + self.found.offset
        change = (hidden - images) * self.found.factor
        return (
            np.ascontiguousarray(np.moveaxis(scaled, 0, -1), np.float32),
            np.ascontiguousarray(np.moveaxis(change, 0, -1), np.float32),
        )

    def _clean(self, down: Axis, right: Axis, pixels: np.ndarray) -> np.ndarray:
        """Sums of the first dense layer for the images as they are, float32 (units, lanes)."""
        from pipelines.methods.occlusion import sums

        cells = self.layers.weights.shape[:2]
        pooled = np.empty((*cells, len(self.layers.bias), pixels.shape[3]), np.float32)
        sums.cells(self.layers, down, right, pixels, pooled)
        first = self.found.dense[0]
        clean: np.ndarray = first.weights.T @ pooled.reshape(-1, pixels.shape[3])
        clean += first.bias[:, None]
        return clean

    def _add(
        self, down: Axis, right: Axis, pixels: np.ndarray, change: np.ndarray, totals: np.ndarray
    ) -> None:
        from pipelines.methods.occlusion import sums

        def most(first: np.ndarray, end: np.ndarray) -> int:
            return int((end - first).max())

        a_filter = (
            (most(down.field_first, down.field_end) + 1)
            * (most(right.field_first, right.field_end) + 1)
            * most(down.pool_first, down.pool_end)
            * most(right.pool_first, right.pool_end)
            * 4
            * pixels.shape[3]
        )
        together = max(1, min(len(self.layers.bias), _TABLE // a_filter))
        sums.add_patterns(self.layers, down, right, pixels, change, together, totals)

    def _rest(self, totals: np.ndarray) -> np.ndarray:
        """From the first dense layer's sums to probabilities (lanes, rows, columns, classes)."""
        values = _activated(totals.reshape(-1, *totals.shape[2:]), self.found.dense[0].activation)
        for layer in self.found.dense[1:]:
            values = layer.weights.T @ values + layer.bias[:, None]
            values = _activated(values, layer.activation)
        last = np.moveaxis(values, 2, 0)
        outputs = to_probabilities(last.reshape(-1, last.shape[2]))
        return outputs.reshape(last.shape[0], *totals.shape[:2], -1)

    def _axis(self, axis: int, centres: np.ndarray) -> Axis:
        """How the network sees patches that are centred on some lines; kept for the next call."""
        key = axis, centres.tobytes()
        if key not in self._axes:
            self._axes[key] = self._seen(axis, centres)
        return self._axes[key]

    def _seen(self, axis: int, centres: np.ndarray) -> Axis:
        from pipelines.methods.occlusion.sums import Axis

        conv, pool = self.found.conv, self.found.pool
        window = conv.window
        length = (self.patches.height, self.patches.width)[axis]
        made = conv.shape[axis]
        cells = np.arange((pool or conv).shape[axis])
        pool_first, pool_end = cells, cells + 1
        if pool is not None:
            pool_first = cells * pool.window.strides[axis] - pool.window.before[axis]
            pool_end = np.minimum(pool_first + pool.window.size[axis], made)
            pool_first = np.maximum(pool_first, 0)
        before, stride = window.before[axis], window.strides[axis]
        field_first = np.clip(pool_first * stride - before, 0, length)
        field_end = np.clip((pool_end - 1) * stride - before + window.reach[axis], 0, length)
        field_end = np.maximum(field_end, field_first)
        patterns: list[tuple[int, int, int, int]] = []
        first = [0]
        low, high = span(centres, self.patches.size, length)
        for start, end in zip(field_first, field_end, strict=True):
            patterns += _patterns(np.maximum(low, start) - start, np.minimum(high, end) - start)
            first.append(len(patterns))
        return Axis(
            stride,
            window.dilation[axis],
            before,
            _whole_numbers(pool_first),
            _whole_numbers(pool_end),
            _whole_numbers(field_first),
            _whole_numbers(field_end),
            _whole_numbers(first),
            _whole_numbers(patterns).reshape(-1, 4),
        )


def _whole_numbers(values: Any) -> np.ndarray:
    return np.ascontiguousarray(values, np.int64)


def _patterns(first: np.ndarray, end: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Distinct non-empty intervals, each with the run of positions that have it."""
    found: list[tuple[int, int, int, int]] = []
    for place, (low, high) in enumerate(zip(first.tolist(), end.tolist(), strict=True)):
        if low >= high:
            continue
        if found and found[-1][:2] == (low, high) and found[-1][3] == place:
            found[-1] = (low, high, found[-1][2], place + 1)
        else:
            found.append((low, high, place, place + 1))
    return found


def _activated(values: np.ndarray, name: str) -> np.ndarray:
    """An activation over (positions, units, lanes); may write into its argument."""
    if name == "relu":
        np.maximum(values, 0, out=values)
    if name == "tanh":
        np.tanh(values, out=values)
    if name == "sigmoid":
        # Of large negative numbers the exponential is infinite, and the result zero, as it should.
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-values)))
    if name == "softmax":
        values = np.exp(values - values.max(axis=1, keepdims=True))
        values /= values.sum(axis=1, keepdims=True)
    return values


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
