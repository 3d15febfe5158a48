"""Compiled sums over the patterns in which pooled cells see a patch.

Images lie innermost in all arrays, so that one instruction works on several of them, and each
result is an ordinary float32 sum. For one cell the sums over rectangles of its field come from a
summed-area table (F. Crow, "Summed-area tables for texture mapping", SIGGRAPH 1984) of what each
hidden pixel changes in the convolution.

This module compiles machine code; import it in functions, never at the top of another module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

# Sums may be reordered: needed for the inner loops to use vector registers. Values that are not
# finite stay what they are.
_LOOSE = {"reassoc", "nsz", "contract"}


def _compiled(function: F) -> F:
    compile_it: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=_LOOSE)
    compiled: F = compile_it(function)
    return compiled


class Axis(NamedTuple):
    """How the network sees one direction of the image.

    Attributes:
        stride: Of the convolution.
        dilation: Of the convolution.
        before: Lines that the convolution also sees before the image.
        pool_first: int64 (cells,), first line of the convolution in each cell.
        pool_end: int64 (cells,), first line beyond.
        field_first: int64 (cells,), first line of the image that each cell sees.
        field_end: int64 (cells,), first line beyond.
        pattern_first: int64 (cells + 1,), where the patterns of each cell begin.
        patterns: int64 (patterns, 4): first line of the cell's field that is hidden and first
            beyond, first position from which it looks like that and first beyond.
    """

    stride: int
    dilation: int
    before: int
    pool_first: np.ndarray
    pool_end: np.ndarray
    field_first: np.ndarray
    field_end: np.ndarray
    pattern_first: np.ndarray
    patterns: np.ndarray


class Layers(NamedTuple):
    """The convolution, the pooling and what the first dense layer makes of them.

    Attributes:
        kernel: float32 (rows, columns, channels, filters).
        bias: float32 (filters,).
        rectified: Whether a ReLU follows the convolution.
        average: Whether the pooling averages; else it takes the largest.
        weights: float32 (cells down, cells right, units, filters).
    """

    kernel: np.ndarray
    bias: np.ndarray
    rectified: bool
    average: bool
    weights: np.ndarray


@_compiled
def cells(layers: Layers, down: Axis, right: Axis, images: np.ndarray, pooled: np.ndarray) -> None:
    """The pooled cells of images as they are.

    Args:
        layers: The network.
        down: Its rows.
        right: Its columns.
        images: float32 (height, width, channels, lanes).
        pooled: float32 (cells down, cells right, filters, lanes), written.
    """
    lanes = images.shape[3]
    filters = layers.bias.shape[0]
    line = np.empty(filters * lanes, np.float32)
    for i in range(len(down.pool_first)):
        for j in range(len(right.pool_first)):
            target = pooled[i, j].reshape(-1)
            _start(layers, target)
            for a in range(down.pool_first[i], down.pool_end[i]):
                for b in range(right.pool_first[j], right.pool_end[j]):
                    _convolve(layers, down, right, images, a, b, 0, line)
                    _pool(layers, line, target)
            count = (down.pool_end[i] - down.pool_first[i]) * (
                right.pool_end[j] - right.pool_first[j]
            )
            _end(layers, count, target)


@_compiled
def add_patterns(
    layers: Layers,
    down: Axis,
    right: Axis,
    images: np.ndarray,
    change: np.ndarray,
    together: int,
    totals: np.ndarray,
) -> None:
    """Add to each position what its patch changes in the first dense layer's sums.

    Args:
        layers: The network.
        down: Its rows.
        right: Its columns.
        images: float32 (height, width, channels, lanes).
        change: What hiding adds to each pixel, of the same shape.
        together: Filters worked on at once, so that a cell's table stays in the cache.
        totals: float32 (rows, columns, units, lanes), added to.
    """
    lanes = images.shape[3]
    filters = layers.bias.shape[0]
    highest = _longest(down) + 1, _longest(right) + 1
    most = _widest(down) * _widest(right)
    block = together * lanes
    table = np.empty((highest[0], highest[1], most * block), np.float32)
    strip = np.empty((highest[1], most * block), np.float32)
    running = np.empty(most * block, np.float32)
    clean = np.empty((most, block), np.float32)
    before = np.empty(block, np.float32)
    now = np.empty(block, np.float32)
    sums = np.empty((totals.shape[2], lanes), np.float32)
    for i in range(len(down.pool_first)):
        if down.pattern_first[i] == down.pattern_first[i + 1]:
            continue
        for j in range(len(right.pool_first)):
            if right.pattern_first[j] == right.pattern_first[j + 1]:
                continue
            wide = right.pool_end[j] - right.pool_first[j]
            count = (down.pool_end[i] - down.pool_first[i]) * wide
            for first in range(0, filters, together):
                some = min(together, filters - first)
                length = some * lanes
                _start(layers, before[:length])
                for place in range(count):
                    a, b = down.pool_first[i] + place // wide, right.pool_first[j] + place % wide
                    _convolve(layers, down, right, images, a, b, first, clean[place, :length])
                    _pool(layers, clean[place, :length], before[:length])
                _end(layers, count, before[:length])
                _accumulate(layers, down, right, change, i, j, first, some, running, table)
                weights = layers.weights[i, j, :, first : first + some]
                for u in range(down.pattern_first[i], down.pattern_first[i + 1]):
                    low, high = down.patterns[u, 0], down.patterns[u, 1]
                    rows = table[high]
                    if low > 0:
                        rows = strip
                        for c in range(right.field_end[j] - right.field_first[j] + 1):
                            upper, lower, target = table[high, c], table[low, c], strip[c]
                            for t in range(count * length):
                                target[t] = upper[t] - lower[t]
                    for v in range(right.pattern_first[j], right.pattern_first[j + 1]):
                        left, end = right.patterns[v, 0], right.patterns[v, 1]
                        _changed(layers, clean, rows, left, end, count, length, now)
                        for t in range(length):
                            now[t] -= before[t]
                        top, bottom = down.patterns[u, 2], down.patterns[u, 3]
                        start, stop = right.patterns[v, 2], right.patterns[v, 3]
                        if bottom - top == 1 and stop - start == 1:
                            _weigh(weights, now, totals[top, start])
                            continue
                        sums[:] = 0
                        _weigh(weights, now, sums)
                        for row in range(top, bottom):
                            for column in range(start, stop):
                                _add(sums.reshape(-1), totals[row, column].reshape(-1))


@_compiled
def _longest(axis: Axis) -> Any:
    longest = 0
    for cell in range(len(axis.field_first)):
        longest = max(longest, axis.field_end[cell] - axis.field_first[cell])
    return longest


@_compiled
def _widest(axis: Axis) -> Any:
    widest = 0
    for cell in range(len(axis.pool_first)):
        widest = max(widest, axis.pool_end[cell] - axis.pool_first[cell])
    return widest


@_compiled
def _add(one: np.ndarray, other: np.ndarray) -> None:
    for t in range(len(one)):
        other[t] += one[t]


@_compiled
def _start(layers: Layers, pooled: np.ndarray) -> None:
    least = np.float32(0.0) if layers.average or layers.rectified else np.float32(-np.inf)
    for t in range(len(pooled)):
        pooled[t] = least


@_compiled
def _pool(layers: Layers, line: np.ndarray, pooled: np.ndarray) -> None:
    """Take one more value of the convolution into the pooled cell."""
    # The largest of rectified values is the largest of them and zero, where it starts.
    if not layers.average:
        for t in range(len(pooled)):
            pooled[t] = line[t] if line[t] > pooled[t] else pooled[t]
    elif layers.rectified:
        for t in range(len(pooled)):
            pooled[t] += line[t] if line[t] > 0 else np.float32(0.0)
    else:
        for t in range(len(pooled)):
            pooled[t] += line[t]


@_compiled
def _end(layers: Layers, count: int, pooled: np.ndarray) -> None:
    if layers.average:
        share = np.float32(1.0 / count)
        for t in range(len(pooled)):
            pooled[t] *= share


@_compiled
def _convolve(
    layers: Layers,
    down: Axis,
    right: Axis,
    images: np.ndarray,
    a: int,
    b: int,
    first: int,
    line: np.ndarray,
) -> None:
    """The convolution at one place, for the filters from ``first`` on that ``line`` holds."""
    height, width, channels, lanes = images.shape
    some = len(line) // lanes
    for f in range(some):
        value = layers.bias[first + f]
        for t in range(f * lanes, (f + 1) * lanes):
            line[t] = value
    for y in range(layers.kernel.shape[0]):
        row = a * down.stride - down.before + y * down.dilation
        if row < 0 or row >= height:
            continue
        for x in range(layers.kernel.shape[1]):
            column = b * right.stride - right.before + x * right.dilation
            if column < 0 or column >= width:
                continue
            for channel in range(channels):
                pixel = images[row, column, channel]
                for f in range(some):
                    weight = layers.kernel[y, x, channel, first + f]
                    target = line[f * lanes : (f + 1) * lanes]
                    for t in range(lanes):
                        target[t] += weight * pixel[t]


@_compiled
def _accumulate(
    layers: Layers,
    down: Axis,
    right: Axis,
    change: np.ndarray,
    i: int,
    j: int,
    first: int,
    some: int,
    running: np.ndarray,
    table: np.ndarray,
) -> None:
    """Fill the summed-area table of a cell: what hiding [0, r) x [0, c) of its field changes."""
    channels, lanes = change.shape[2], change.shape[3]
    length = some * lanes
    rows, columns = (
        down.field_end[i] - down.field_first[i],
        right.field_end[j] - right.field_first[j],
    )
    wide = right.pool_end[j] - right.pool_first[j]
    everything = (down.pool_end[i] - down.pool_first[i]) * wide * length
    table[0, : columns + 1, :everything] = 0
    for r in range(rows):
        row = down.field_first[i] + r
        table[r + 1, 0, :everything] = 0
        running[:everything] = 0
        for c in range(columns):
            column = right.field_first[j] + c
            for a in range(down.pool_first[i], down.pool_end[i]):
                y = row - a * down.stride + down.before
                if y < 0 or y % down.dilation or y // down.dilation >= layers.kernel.shape[0]:
                    continue
                for b in range(right.pool_first[j], right.pool_end[j]):
                    x = column - b * right.stride + right.before
                    if x < 0 or x % right.dilation or x // right.dilation >= layers.kernel.shape[1]:
                        continue
                    taps = layers.kernel[y // down.dilation, x // right.dilation]
                    offset = ((a - down.pool_first[i]) * wide + b - right.pool_first[j]) * length
                    for channel in range(channels):
                        pixel = change[row, column, channel]
                        for f in range(some):
                            weight = taps[channel, first + f]
                            target = running[offset + f * lanes : offset + (f + 1) * lanes]
                            for t in range(lanes):
                                target[t] += weight * pixel[t]
            above, target = table[r, c + 1], table[r + 1, c + 1]
            for t in range(everything):
                target[t] = above[t] + running[t]


@_compiled
def _changed(
    layers: Layers,
    clean: np.ndarray,
    rows: np.ndarray,
    left: int,
    end: int,
    count: int,
    length: int,
    now: np.ndarray,
) -> None:
    """The pooled cell while the columns [left, end) of its field's hidden rows are hidden."""
    target = now[:length]
    _start(layers, target)
    for place in range(count):
        line = clean[place]
        upper = rows[end, place * length : (place + 1) * length]
        lower = rows[left, place * length : (place + 1) * length]
        if layers.average:
            for t in range(length):
                value = line[t] + upper[t] - lower[t]
                if layers.rectified and value < 0:
                    value = np.float32(0.0)
                target[t] += value
        elif left > 0:
            for t in range(length):
                value = line[t] + upper[t] - lower[t]
                target[t] = value if value > target[t] else target[t]
        else:
            for t in range(length):
                value = line[t] + upper[t]
                target[t] = value if value > target[t] else target[t]
    _end(layers, count, target)


@_compiled
def _weigh(weights: np.ndarray, cell: np.ndarray, sums: np.ndarray) -> None:
    """Add to the sums of the units what a cell's filters give them."""
    units, lanes = sums.shape
    filters = weights.shape[1]
    for unit in range(units):
        target = sums[unit]
        f = 0
        while f + 4 <= filters:
            a, b, c, d = (
                weights[unit, f],
                weights[unit, f + 1],
                weights[unit, f + 2],
                weights[unit, f + 3],
            )
            one = cell[f * lanes : (f + 4) * lanes]
            for t in range(lanes):
                target[t] += (
                    a * one[t]
                    + b * one[lanes + t]
                    + c * one[2 * lanes + t]
                    + d * one[3 * lanes + t]
                )
            f += 4
        while f < filters:
            a = weights[unit, f]
            one = cell[f * lanes : (f + 1) * lanes]
            for t in range(lanes):
                target[t] += a * one[t]
            f += 1
