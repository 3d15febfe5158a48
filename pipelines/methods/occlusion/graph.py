"""A Keras model read as a list of steps that can be run on a part of the image.

Batch normalisation and activations are folded into the convolution before them, zero padding into
the window after it, and what does nothing in inference is left out. Models inside models are read
as if their layers lay in the outer one. A layer that is not known here is kept as a step of kind
``other``: it can only be run on all that it takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

Pair = tuple[int, int]
Kind = Literal["input", "conv", "depthwise", "max", "average", "pad", "point", "merge", "other"]

_NOTHING = {
    "InputLayer",
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
}
_POINTWISE = {"Activation", "ReLU", "LeakyReLU", "ELU"} | {
    # The same without a layer, as ``keras.ops`` and ``-x`` put them into a graph.
    "Relu",
    "Relu6",
    "LeakyRelu",
    "Elu",
    "Selu",
    "Celu",
    "Gelu",
    "Silu",
    "HardSilu",
    "Sigmoid",
    "HardSigmoid",
    "Tanh",
    "Softplus",
    "Negative",
}
_MERGES = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"}
_WINDOWS = {"conv", "depthwise", "max", "average", "pad"}


@dataclass(frozen=True)
class Window:
    """How a step slides over what it takes.

    Attributes:
        size: Rows and columns of the window, dilation not counted.
        strides: In rows and columns.
        dilation: In rows and columns.
        before: Rows above and columns left of the map that it also sees.
        after: Rows below and columns right of the map.
    """

    size: Pair
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    before: Pair = (0, 0)
    after: Pair = (0, 0)

    @property
    def reach(self) -> Pair:
        """Rows and columns from the window's first pixel to its last, both counted."""
        rows, columns = ((self.size[i] - 1) * self.dilation[i] + 1 for i in (0, 1))
        return rows, columns


@dataclass(frozen=True)
class Step:
    """One step of a model.

    Attributes:
        kind: What it does; ``point`` changes every pixel by itself, ``other`` is not known.
        inputs: Positions, in the list of steps, of what it takes.
        shape: Of what it gives, the batch left out.
        call: Of ``point``, ``merge`` and ``other``: from tensors to a tensor.
        window: Of ``conv``, ``depthwise``, ``max``, ``average`` and ``pad``.
        kernel: Of a convolution: (rows, columns, channels in, filters or multiplier).
        bias: Of a convolution: (filters,).
        activation: Of a convolution: its name and its function; None where it is linear.
        padding: What is seen outside the map: zeros, or nothing (pooling with padding ``same``).
        layer: The layer, or the operation of ``keras.ops``, that it comes from; None for the image.
        affine: Factor and offset of each channel, where the step is one (batch normalisation).
    """

    kind: Kind
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    call: Callable[..., Any] | None = None
    window: Window = field(default_factory=lambda: Window((1, 1)))
    kernel: np.ndarray | None = None
    bias: np.ndarray | None = None
    activation: tuple[str, Callable[[Any], Any]] | None = None
    padding: Literal["zeros", "nothing"] = "zeros"
    layer: Any = None
    affine: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def slides(self) -> bool:
        """Whether it looks through a window: pixels beside its own, or beyond the map."""
        return self.kind in _WINDOWS


def read(model: Any) -> list[Step] | None:
    """Read a model: its steps in an order in which each has what it takes, the image first.

    Args:
        model: Keras model with one input and one output.

    Returns:
        The steps, the last of which is the model's output; None where the model is no graph of
        layers (a subclass of ``keras.Model`` with a ``call`` of its own).
    """
    import keras

    if not isinstance(model, keras.Sequential) and not _is_graph(model):
        return None
    steps = [Step("input", (), tuple(model.inputs[0].shape[1:]))]
    last = _walk(model, 0, steps)
    if last is None:
        return None
    return _folded(_used(steps, last))


def _is_graph(model: Any) -> bool:
    import keras
    from keras.src.models.functional import Functional

    # A subclass may compute something else than its graph says.
    plain = type(model).call in (Functional.call, keras.Sequential.call)
    return isinstance(model, Functional | keras.Sequential) and plain


def _walk(model: Any, first: int, steps: list[Step]) -> int | None:
    """Append the steps of a model that takes step ``first``; the position of its output."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    known = {id(model.inputs[0]): first}
    waiting = [model.outputs[0]]
    while waiting:
        tensor = waiting[-1]
        if id(tensor) in known:
            waiting.pop()
            continue
        layer, node_index, _ = tensor._keras_history
        node = layer._inbound_nodes[node_index]
        missing = [one for one in node.input_tensors if id(one) not in known]
        if missing:
            waiting.extend(missing)
            continue
        if not node.input_tensors or len(node.output_tensors) != 1:
            return None
        inputs = tuple(known[id(one)] for one in node.input_tensors)
        if _is_graph(layer):
            inner = _walk(layer, inputs[0], steps) if len(inputs) == 1 else None
            if inner is None:
                return None
            known[id(tensor)] = inner
            continue
        if not _plain_call(node):
            return None
        step = _step(layer, inputs, [steps[one].shape for one in inputs], tuple(tensor.shape[1:]))
        if step is not None:
            steps.append(step)
        known[id(tensor)] = len(steps) - 1 if step is not None else inputs[0]
    return known[id(model.outputs[0])]


def _plain_call(node: Any) -> bool:
    """Whether a layer was called with tensors alone: one of them, or a list of all."""
    arguments = node.arguments
    plain = all(value is None or isinstance(value, bool) for value in arguments.kwargs.values())
    return len(arguments.args) == 1 and plain


def _step(
    layer: Any, inputs: tuple[int, ...], taken: list[tuple[int, ...]], shape: tuple[int, ...]
) -> Step | None:
    """The step of one layer, None where it does nothing."""
    name = type(layer).__name__
    if type(layer).__module__.split(".")[0] != "keras":
        name = ""
    if name in _NOTHING or (name == "Activation" and _named(layer.activation) is None):
        return None
    spatial = len(taken[0]) == 3 and len(shape) == 3
    # Only a layer computes in a type of its own.
    plain = getattr(layer, "compute_dtype", "float32") == "float32"
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    step = None
    if spatial and not first and plain:
        if name in ("Conv2D", "DepthwiseConv2D"):
            step = _convolution(layer, name, inputs, taken[0], shape)
        elif name in ("MaxPooling2D", "AveragePooling2D"):
            window = _window(layer.pool_size, layer.strides, (1, 1), layer.padding, taken[0])
            kind: Kind = "max" if name == "MaxPooling2D" else "average"
            step = Step(kind, inputs, shape, window=window, padding="nothing", layer=layer)
        elif name == "ZeroPadding2D":
            (top, bottom), (left, right) = layer.padding
            window = Window((1, 1), before=(top, left), after=(bottom, right))
            step = Step("pad", inputs, shape, window=window, layer=layer)
        elif name == "BatchNormalization" and layer.axis in (3, -1):
            step = Step("point", inputs, shape, layer=layer, affine=_normalisation(layer, shape))
        elif name == "Rescaling" and np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0:
            factor, offset = (np.full(shape[2], one) for one in (layer.scale, layer.offset))
            step = Step("point", inputs, shape, layer=layer, affine=(factor, offset))
        elif name in _POINTWISE:
            step = Step("point", inputs, shape, call=layer, layer=layer)
        elif name in _MERGES and len(inputs) > 1 and getattr(layer, "axis", -1) in (3, -1):
            alike = {one[:2] for one in taken} == {shape[:2]}
            if alike:
                step = Step("merge", inputs, shape, call=layer, layer=layer)
    if step is None:
        step = Step("other", inputs, shape, call=layer, layer=layer)
    return step


def _convolution(
    layer: Any, name: str, inputs: tuple[int, ...], taken: tuple[int, ...], shape: tuple[int, ...]
) -> Step | None:
    if getattr(layer, "groups", 1) != 1:
        return None
    window = _window(layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, taken)
    kernel = np.asarray(layer.kernel)
    bias = np.asarray(layer.bias) if layer.use_bias else np.zeros(shape[2], np.float32)
    return Step(
        "conv" if name == "Conv2D" else "depthwise",
        inputs,
        shape,
        window=window,
        kernel=kernel,
        bias=bias,
        activation=_named(layer.activation),
        layer=layer,
    )


def _window(
    size: Pair, strides: Pair, dilation: Pair, padding: str, taken: tuple[int, ...]
) -> Window:
    window = Window(size, strides, dilation)
    if padding == "valid":
        return window
    # What TensorFlow adds: half above, and the odd one below.
    added = [
        max((-(-taken[i] // strides[i]) - 1) * strides[i] + window.reach[i] - taken[i], 0)
        for i in (0, 1)
    ]
    before = added[0] // 2, added[1] // 2
    return replace(window, before=before, after=(added[0] - before[0], added[1] - before[1]))


def _named(activation: Any) -> tuple[str, Callable[[Any], Any]] | None:
    """Name and function of an activation, None for a linear one."""
    name = getattr(activation, "__name__", type(activation).__name__)
    return None if activation is None or name == "linear" else (name, activation)


def _normalisation(layer: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    factor = 1 / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
    if layer.scale:
        factor = factor * np.asarray(layer.gamma, np.float64)
    offset = -np.asarray(layer.moving_mean, np.float64) * factor
    if layer.center:
        offset = offset + np.asarray(layer.beta, np.float64)
    return factor, offset


def _used(steps: list[Step], last: int) -> list[Step]:
    """The steps that the output hangs on, renumbered; the output is the last."""
    wanted = {last}
    for place in range(last, -1, -1):
        if place in wanted:
            wanted.update(steps[place].inputs)
    kept = sorted(wanted | {0})
    new = {place: number for number, place in enumerate(kept)}
    return [
        replace(steps[place], inputs=tuple(new[one] for one in steps[place].inputs))
        for place in kept
    ]


def _folded(steps: list[Step]) -> list[Step]:
    """Put together what can be computed at once."""
    readers = Counter(one for step in steps for one in step.inputs)
    steps = list(steps)
    place_of: dict[int, int] = {}
    for place, step in enumerate(steps):
        step = replace(step, inputs=tuple(place_of.get(one, one) for one in step.inputs))
        steps[place] = step
        if not step.inputs:
            continue
        origin = step.inputs[0]
        before = steps[origin]
        alone = readers[origin] == 1
        joined = _joined(before, step) if alone and len(step.inputs) == 1 else None
        if joined is not None:
            steps[origin] = joined
            place_of[place] = origin
            # Whoever read the second reads the first now.
            readers[origin] = readers[place]
    return _used(steps, place_of.get(len(steps) - 1, len(steps) - 1))


def _joined(before: Step, step: Step) -> Step | None:
    """Two steps as one, None where they cannot be."""
    if before.kind == "pad" and step.slides and step.padding == "zeros":
        return replace(step, inputs=before.inputs, window=_padded(before.window, step.window))
    if before.kind == "pad" and step.slides and step.window.before == step.window.after == (0, 0):
        padded = _padded(before.window, step.window)
        return replace(step, inputs=before.inputs, window=padded, padding="zeros")
    if before.kind not in ("conv", "depthwise"):
        return None
    if before.activation is not None:
        # A ReLU of a ReLU is the first one.
        again = before.activation[0] == "relu" and _rectifies(step)
        return before if again else None
    assert before.kernel is not None and before.bias is not None
    if step.affine is not None:
        factor, offset = step.affine
        over = factor if before.kind == "conv" else factor.reshape(before.kernel.shape[2:])
        return replace(
            before,
            kernel=(before.kernel * over).astype(np.float32),
            bias=(before.bias * factor + offset).astype(np.float32),
        )
    if step.kind != "point":
        return None
    if _rectifies(step):
        return replace(before, activation=("relu", step.layer))
    name = type(step.layer).__name__
    named = _named(step.layer.activation) if name == "Activation" else (name, step.layer)
    return replace(before, activation=named)


def _rectifies(step: Step) -> bool:
    """Whether a step is max(0, x)."""
    name = type(step.layer).__name__
    if name == "Activation":
        return (_named(step.layer.activation) or ("", None))[0] == "relu"
    if step.kind != "point":
        return False
    return name == "Relu" or (name == "ReLU" and plain_relu(step.layer))


def plain_relu(layer: Any) -> bool:
    """Whether a layer of class ``ReLU`` is max(0, x) and nothing else."""
    return layer.max_value is None and not layer.negative_slope and not layer.threshold


def _padded(pad: Window, window: Window) -> Window:
    before = pad.before[0] + window.before[0], pad.before[1] + window.before[1]
    after = pad.after[0] + window.after[0], pad.after[1] + window.after[1]
    return replace(window, before=before, after=after)
