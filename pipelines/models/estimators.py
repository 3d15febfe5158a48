"""Networks that draw the occlusion map of a classifier in one pass.

Each takes images (input ``image``), and all but the unconditioned ones of the study also the class
that is **asked for** (input ``asked``, int32 (batch,)); never the true one, which nobody knows of a
new image. Each gives the probability of that class at every position of the map's grid, (batch,
rows, columns) in [0, 1]. Position (i, j) of a grid of stride s is pixel (i * s, j * s), as in
:mod:`pipelines.methods.occlusion`. The graphs are flat and hold stock layers only, so that what is
saved of them loads with ``safe_mode=True``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import keras

Shape = tuple[int, int, int]
Code = Literal["none", "numeral", "one_hot"]

STUDY_SIDE = 24
CODE = 36
"""Numbers in the bottleneck of the study's networks, drawn out as 6x6."""

_COARSEST = 5
_LOCAL_POSITIONS = 1_024
_LEAST = 1e-6
_LONGEST_VECTOR = 4_096


def study_estimator(
    input_shape: Shape,
    n_classes: int,
    stride: int = 1,
    *,
    code: Code = "none",
    cut: Literal[0, 1, 2] = 0,
    encoder_of: keras.Model | None = None,
) -> keras.Model:
    """Builds an autoencoder of the HiTS study (H8 to H10 of its experiments).

    It works on 24x24: smaller images are put in the middle of zeros, larger ones are resized, and
    what it draws is cropped or resized back to the map's grid. Convolutions have no activation, as
    the study names none; the non-linear parts are pooling, the softmax of the bottleneck and the
    sigmoid of the map.

    At 21x21x1 and 2 classes the plain one (H8) has 294,789 parameters, of which 192,645 are trained
    where the encoder is frozen. Conditioned ones (H9) append the class asked for to the bottleneck,
    whose softmax has as many units fewer: as its number (292,484 parameters), or one-hot (290,179,
    the published count). What was cut for H10 is not on record: here the first cut leaves out the
    three convolutions of 64 filters on both sides, the second all but the last convolution.

    Args:
        input_shape: Height and width in pixels, channels.
        n_classes: Number of classes of the classifier.
        stride: Pixels from one position of the map to the next.
        code: What of the class asked for goes into the bottleneck.
        cut: How often it is cut.
        encoder_of: A trained ``hits_deep`` whose convolutions the encoder takes and does not train
            ("Frozen"); None for one that is trained throughout ("Normal"; the study's own kept
            its first convolution as it was drawn, by mistake).

    Returns:
        An uncompiled model of one input, or of two where ``code`` is not ``none``.

    Raises:
        ValueError: There are too many classes for the bottleneck, or the classifier's convolutions
            do not fit the encoder.
    """
    from keras import Model, layers

    _check(input_shape, n_classes, stride)
    given = {"none": 0, "numeral": 1, "one_hot": n_classes}[code]
    if given >= CODE:
        raise ValueError(
            f"The study's bottleneck of {CODE} numbers has no room for the class asked for. "
            f"Received: n_classes={n_classes}, code='one_hot'. Use code='numeral', or "
            "map_estimator."
        )
    inputs = [layers.Input(input_shape, name="image")]
    x = _to_square(inputs[0])
    # Filters, size, and the cut from which a convolution is no longer there.
    down = [[(32, 4, 2), (32, 3, 2)], [(64, 3, 1)] * 3]
    encoder: list[keras.layers.Layer] = []
    for block in down:
        for filters, size, gone in block:
            if cut < gone:
                name = f"conv{len(encoder) + 1}"
                encoder.append(layers.Conv2D(filters, size, padding="same", name=name))
                x = encoder[-1](x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(CODE - given, activation="softmax", name="bottleneck")(x)
    if given:
        inputs.append(layers.Input((), dtype="int32", name="asked"))
        x = layers.Concatenate(name="conditioned")([x, _class_code(inputs[1], n_classes, code)])
    x = layers.Reshape((STUDY_SIDE // 4, STUDY_SIDE // 4, 1), name="code")(x)
    for block in ([(64, 3, 1)] * 3, [(32, 3, 2), (32, 4, 2)]):
        for filters, size, gone in block:
            if cut < gone:
                x = layers.Conv2D(filters, size, padding="same")(x)
        x = layers.UpSampling2D(2)(x)
    x = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="drawn")(x)
    drawn = _from_square(x, input_shape, stride)
    model = Model(inputs if given else inputs[0], drawn, name=f"study_{code}_cut{cut}")
    if encoder_of is not None:
        _freeze(encoder, encoder_of)
    return model


def map_estimator(
    input_shape: Shape,
    n_classes: int,
    stride: int = 1,
    *,
    classifier: keras.Model | None = None,
    width: int = 16,
) -> keras.Model:
    """Builds the estimator of our own: a small U-Net conditioned on the class asked for.

    Strided convolutions bring the image to the grid of the map; the U-Net (Ronneberger, Fischer,
    Brox 2015) goes down to about 6x6 and back. A global path (flattened coarsest level, class
    asked for, and what the classifier says of the image as a whole) shifts the channels of every
    level and the logit of the whole map, because where the map lies depends on all of the image.
    Before the output, each position has weights of its own (on grids of up to 1,024 positions):
    a classifier with a dense layer on positions weighs each of them differently, which no
    convolution can. Activations are SiLU; such networks with ReLU have collapsed to a constant.

    Args:
        input_shape: Height and width in pixels, channels.
        n_classes: Number of classes of the classifier.
        stride: Pixels from one position of the map to the next.
        classifier: The classifier whose maps are drawn, with an input of ``input_shape``: a frozen
            copy of it becomes part of the network and tells it the clean probabilities and the
            vector they come from. Without it they are learned as well, less exactly.
        width: Filters of the finest level.

    Returns:
        An uncompiled model of two inputs; its last layers are a logit and its sigmoid.

    Raises:
        ValueError: A number is out of range, or the classifier takes other images.
    """
    from keras import Model, initializers, layers

    _check(input_shape, n_classes, stride)
    image = layers.Input(input_shape, name="image")
    asked = layers.Input((), dtype="int32", name="asked")
    whole = [layers.Embedding(n_classes, 16, name="class")(asked)]
    if classifier is not None:
        clean, vector = _told_by(classifier, image, asked, n_classes)
        whole += [clean, *vector]

    x = image
    for number, factor in enumerate(_factors(stride), start=1):
        x = _conv(width, factor | 1, f"to_grid{number}", strides=factor)(x)
    x = _conv(width, 3, "fine")(x)
    levels = [x]
    while -(-min(x.shape[1:3]) // 2) >= _COARSEST:
        number = len(levels)
        x = _conv(width * min(number + 1, 4), 3, f"down{number}", strides=2)(x)
        levels.append(x)
    flat = layers.Flatten(name="flatten")(x)
    whole.append(layers.Dense(128, activation="silu", name="of_image")(flat))
    told = layers.Concatenate(name="told")(whole)
    told = layers.Dense(128, activation="silu", name="whole")(told)

    for number in reversed(range(1, len(levels))):
        x = _shifted(_conv(x.shape[-1], 3, f"level{number}", activation=None)(x), told)
        finer = levels[number - 1]
        x = layers.Conv2D(finer.shape[-1], 1, name=f"narrow{number}")(x)
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{number}")(x)
        x = _cropped(x, finer.shape[1:3], f"crop{number}")
        x = layers.Add(name=f"skip{number}")([x, finer])
    x = layers.Concatenate(name="last_skip")([x, levels[0]]) if len(levels) > 1 else x
    rows, columns, filters = x.shape[1:]
    mixed = layers.Conv2D(width, 1, name="shared")(x)
    few = rows * columns <= _LOCAL_POSITIONS
    if few:
        own = layers.EinsumDense(
            "bhwc,hwcd->bhwd",
            output_shape=(rows, columns, width),
            # Its own guess takes the positions for inputs and starts far too small.
            kernel_initializer=initializers.RandomNormal(stddev=filters**-0.5),
            name="local",
        )(x)
        mixed = layers.Add(name="shared_and_local")([mixed, own])
    mixed = _shifted(mixed, told)
    x = layers.Concatenate(name="mixed")([mixed, x])
    x = _conv(width, 1, "decide")(x)
    x = layers.Conv2D(1, 1, name="of_position")(x)
    everywhere = (rows, columns, 1) if few else (1, 1, 1)
    offset = layers.Dense(everywhere[0] * everywhere[1], name="offset")(told)
    offset = layers.Reshape(everywhere)(offset)
    shifts = [x, offset]
    if classifier is not None:
        shifts.append(layers.Reshape((1, 1, 1))(clean))
    x = layers.Reshape((rows, columns), name="logit")(layers.Add()(shifts))
    x = layers.Activation("sigmoid", name="probability")(x)
    return Model([image, asked], x, name="map_estimator")


def _told_by(
    classifier: keras.Model, image: keras.KerasTensor, asked: keras.KerasTensor, n_classes: int
) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """What a frozen copy of a classifier says of an image: the logit of the class asked for, and
    the vector that its last layer reads, where that is a dense one and of a length to work with."""
    import keras
    from keras import layers, ops

    if tuple(classifier.inputs[0].shape[1:]) != tuple(image.shape[1:]):
        raise ValueError(
            "The classifier of map_estimator must take the images that are drawn. Received: "
            f"{tuple(classifier.inputs[0].shape[1:])} and {tuple(image.shape[1:])}. "
            "Give input_shape as the classifier has it."
        )

    def renamed(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "name": f"classifier_{layer.name}"})

    copy = keras.models.clone_model(classifier, input_tensors=image, clone_function=renamed)
    copy.set_weights(classifier.get_weights())
    for layer in copy.layers:
        layer.trainable = False
    clean = copy.outputs[0]
    if clean.shape[-1] == 1:
        clean = layers.Concatenate(name="both")([1 - clean, clean])
    chosen = layers.Dot(1, name="clean")([clean, _class_code(asked, n_classes, "one_hot")])
    chosen = ops.clip(chosen, _LEAST, 1 - _LEAST)
    last = copy.layers[-1]
    there = isinstance(last, layers.Dense) and last.input.shape[-1] <= _LONGEST_VECTOR
    vector = [last.input] if there else []
    return ops.log(chosen) - ops.log(1 - chosen), vector


def _freeze(encoder: list[keras.layers.Layer], classifier: keras.Model) -> None:
    """Take the classifier's weights, layer by layer of the same name, and train them no more."""
    there = {layer.name: layer for layer in classifier.layers}
    for layer in encoder:
        taken = there[layer.name].get_weights() if layer.name in there else []
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if [weight.shape for weight in taken] != wanted:
            raise ValueError(
                "The frozen encoder takes the convolutions of a 'hits_deep' on the same channels. "
                f"Received: a model '{classifier.name}' whose layer '{layer.name}' has weights of "
                f"shapes {[weight.shape for weight in taken]}, not {wanted}. Train a run with "
                "model: hits_deep, or leave the encoder unfrozen."
            )
        layer.set_weights(taken)
        layer.trainable = False


def _to_square(x: keras.KerasTensor) -> keras.KerasTensor:
    """Bring images to 24x24: small ones amid zeros, large ones averaged and resized."""
    from keras import layers

    height, width = x.shape[1:3]
    if max(height, width) <= STUDY_SIDE:
        rows, columns = STUDY_SIDE - height, STUDY_SIDE - width
        border = ((rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
        return layers.ZeroPadding2D(border, name="square")(x)
    factor = max(height, width) // STUDY_SIDE
    if factor > 1:
        x = layers.AveragePooling2D(factor, padding="same", name="averaged")(x)
    return layers.Resizing(STUDY_SIDE, STUDY_SIDE, name="square")(x)


def _from_square(x: keras.KerasTensor, input_shape: Shape, stride: int) -> keras.KerasTensor:
    """Bring what was drawn on 24x24 back to the positions of the map."""
    from keras import layers

    height, width = input_shape[:2]
    rows, columns = -(-height // stride), -(-width // stride)
    if max(height, width) <= STUDY_SIDE:
        top, left = (STUDY_SIDE - height) // 2, (STUDY_SIDE - width) // 2
        beyond = (STUDY_SIDE - height - top, STUDY_SIDE - width - left)
        x = layers.Cropping2D(((top, beyond[0]), (left, beyond[1])), name="of_image")(x)
        # Windows of one pixel take every stride-th position as it is.
        x = layers.MaxPooling2D(1, strides=stride, name="of_positions")(x)
    else:
        x = layers.Resizing(rows, columns, name="of_positions")(x)
    return layers.Reshape((rows, columns), name="probability")(x)


def _shifted(x: keras.KerasTensor, told: keras.KerasTensor) -> keras.KerasTensor:
    """Shift every channel by what the image as a whole says, and activate."""
    from keras import layers

    by = layers.Dense(x.shape[-1])(told)
    x = layers.Add()([x, layers.Reshape((1, 1, x.shape[-1]))(by)])
    return layers.Activation("silu")(x)


def _conv(
    filters: int, size: int, name: str, *, strides: int = 1, activation: str | None = "silu"
) -> keras.layers.Layer:
    from keras import layers

    return layers.Conv2D(
        filters, size, strides=strides, padding="same", activation=activation, name=name
    )


def _factors(number: int) -> list[int]:
    """Prime factors: strides that together make a grid of ceil(size / number)."""
    found, factor = [], 2
    while number > 1:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return found


def _cropped(x: keras.KerasTensor, size: tuple[int, int], name: str) -> keras.KerasTensor:
    """Cut the row and the column too many that doubling an odd size gives."""
    from keras import layers

    more = [have - want for have, want in zip(x.shape[1:3], size, strict=True)]
    return layers.Cropping2D(((0, more[0]), (0, more[1])), name=name)(x) if any(more) else x


def _class_code(asked: keras.KerasTensor, n_classes: int, code: Code) -> keras.KerasTensor:
    from keras import layers

    if code == "numeral":
        return layers.Rescaling(1.0, name="numeral")(layers.Reshape((1,))(asked))
    return layers.CategoryEncoding(num_tokens=n_classes, output_mode="one_hot", name="one_hot")(
        layers.Reshape((1,))(asked)
    )


def _check(input_shape: Shape, n_classes: int, stride: int) -> None:
    if min(*input_shape, stride) < 1 or n_classes < 2:
        raise ValueError(
            "An estimator of maps needs positive sizes and stride, and at least 2 classes. "
            f"Received: input_shape={tuple(input_shape)}, n_classes={n_classes}, stride={stride}. "
            "Take them from the classifier and its maps."
        )
