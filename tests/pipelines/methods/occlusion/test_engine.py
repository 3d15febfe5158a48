"""All three ways against the plain loop: one inference a position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.methods.backend import load_tensorflow
from pipelines.methods.occlusion import patches as occluding
from pipelines.methods.occlusion import reach, table, whole
from pipelines.methods.occlusion.engine import open_engine
from tests.pipelines.methods.occlusion.networks import (
    constant,
    deep,
    hits_cnn,
    images_of,
    plain_loop,
    shaken,
    shallow,
)

load_tensorflow()

# A network is built and compiled an example: few of them, all of them new ones over the days.
few = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])

sizes, strides = st.integers(1, 7), st.integers(1, 4)
fills = st.sampled_from([0.0, 0.4, "mean", "blur", "other"])


def shown(images: np.ndarray, other: np.ndarray, fill: Any, size: int) -> np.ndarray:
    if fill == "other":
        return other
    return occluding.filled(images, images.mean((0, 1, 2)) if fill == "mean" else fill, size)


def check(model: Any, way: Any, size: int, stride: int, fill: Any = 0, count: int = 2) -> Any:
    images, other = images_of(model, count, 7)
    hidden = shown(images, other, fill, size)
    engine = open_engine(model, size=size, stride=stride, way=way)
    maps = engine.maps(images, hidden)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(
        maps, plain_loop(model, images, hidden, size, stride), atol=1e-5, rtol=0
    )
    return engine


@given(st.data(), sizes, strides, fills)
@few
def test_the_table_is_the_plain_loop(
    data: st.DataObject, size: int, stride: int, fill: Any
) -> None:
    model = shallow(data.draw)
    engine = check(model, "table", size, stride, fill)
    assert engine.way == "table" and engine.why.startswith("A convolution")


@given(st.data(), st.integers(1, 4), st.integers(1, 5), fills)
@few
def test_the_regions_are_the_plain_loop(
    data: st.DataObject, size: int, stride: int, fill: Any
) -> None:
    model = deep(data.draw)
    assert check(model, "regions", size, stride, fill).way == "regions"


@given(st.data(), sizes, strides, fills)
@settings(parent=few, max_examples=5)
def test_whole_is_the_plain_loop(data: st.DataObject, size: int, stride: int, fill: Any) -> None:
    model = deep(data.draw)
    with pytest.MonkeyPatch.context() as patch:
        # So little that images and positions are run in several passes.
        patch.setattr(whole, "BYTES", 40 * 4 * whole.largest(model))
        engine = check(model, "whole", size, stride, fill, count=3)
    assert engine.way == "whole" and "as asked" in engine.why


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [3, 4, 7, 30])
def test_the_small_classifier_of_the_study(channels: int, size: int) -> None:
    engine = check(hits_cnn(channels), "auto", size, 2, "other", count=3)
    assert engine.way == "table"


@pytest.mark.parametrize(
    ("lanes", "totals", "cache"), [(1, 1, 1), (2, 30_000, 2**18), (64, 2**25, 900)]
)
def test_how_the_table_is_cut_changes_nothing(
    lanes: int, totals: int, cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_LANES", lanes), ("_TOTALS", totals), ("_TABLE", cache)):
        monkeypatch.setattr(table, name, value)
    model = hits_cnn(2, 3)
    images, hidden = images_of(model, 5, 1)
    maps = open_engine(model).maps(images, hidden)
    monkeypatch.undo()
    np.testing.assert_allclose(maps, open_engine(model).maps(images, hidden), atol=2e-6)


@pytest.mark.parametrize(
    ("name", "shape", "size", "stride", "way"),
    [
        ("compact_cnn", (32, 28, 3), 4, 5, "regions"),
        ("compact_cnn", (80, 80, 1), 5, 13, "regions"),
        ("hits_deep", (21, 21, 1), 3, 3, "regions"),
        ("simple_cnn", (80, 82, 1), 6, 14, "regions"),
    ],
)
def test_the_architectures_of_the_project(
    name: str, shape: tuple[int, int, int], size: int, stride: int, way: str
) -> None:
    from pipelines.models import build

    engine = check(shaken(build(name, shape, 2), 1), "auto", size, stride, "other", count=1)
    assert engine.way == way
    assert "only where the patch reaches" in engine.why


@pytest.mark.parametrize("name", ["ResNet50", pytest.param("DenseNet121", marks=pytest.mark.slow)])
def test_deep_networks(name: str) -> None:
    import keras

    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(64, 64, 3), classes=4)
    shaken(model, 2, kernels=False)
    images, hidden = images_of(model, 1, 3)
    engine = open_engine(model, size=6, stride=30, way="regions")
    maps, truth = engine.maps(images, hidden), plain_loop(model, images, hidden, 6, 30)
    assert engine.run.parts > 20  # type: ignore[attr-defined]
    apart = np.abs(maps - truth).max()
    assert apart < 5e-4
    # Far less than what the patch does, or the agreement would say nothing.
    assert apart < 0.02 * np.ptp(truth, axis=(1, 2)).max()


def test_models_inside_a_model_are_read_as_one() -> None:
    import keras
    from keras import layers

    inner = keras.Sequential(
        [layers.Input((18, 18, 4)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D()]
    )
    sides = layers.Input((18, 18, 4))
    both = keras.Model(sides, layers.Concatenate()([sides, layers.Conv2D(2, 1)(sides)]))
    inputs = layers.Input((18, 18, 1))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.Conv2D(4, 1)(both(x))
    x = layers.Flatten()(inner(x))
    model = shaken(keras.Model(inputs, layers.Dense(2, activation="softmax")(x)), 4)
    assert check(model, "regions", 2, 4).run.parts == 6


def test_a_layer_that_is_used_twice_is_read_twice() -> None:
    import keras
    from keras import layers

    inputs = layers.Input((16, 15, 2))
    shared = layers.Conv2D(2, 3, padding="same", activation="relu")
    x = layers.GlobalAveragePooling2D()(layers.Add()([shared(shared(inputs)), inputs]))
    model = shaken(keras.Model(inputs, layers.Dense(3, activation="softmax")(x)), 4)
    check(model, "regions", 2, 3)


class Subclassed:
    """Makes a model whose ``call`` is its own."""

    @staticmethod
    def model() -> Any:
        import keras

        class Doubled(keras.Model):
            def call(self, images: Any, training: bool = False) -> Any:
                return super().call(images * 2.0, training=training)

        inputs = keras.layers.Input((8, 8, 1))
        x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3)(inputs))
        return Doubled(inputs, keras.layers.Dense(2, activation="softmax")(x))


def test_a_model_with_a_call_of_its_own_runs_whole() -> None:
    model = shaken(Subclassed.model(), 1)
    engine = check(model, "auto", 3, 2)
    assert engine.way == "whole" and "no plain graph of layers" in engine.why
    for way in ("table", "regions"):
        with pytest.raises(ValueError, match=f"The way '{way}' does not fit this model: the model"):
            open_engine(model, way=way)


@pytest.mark.parametrize(
    ("way", "name"),
    [
        ("table", "relu"),
        *((way, name) for way in ("whole", "regions") for name in ("relu", "silu", "negative")),
    ],
)
def test_operations_that_are_no_layers(way: Any, name: str) -> None:
    import keras
    from keras import layers, ops

    inputs = layers.Input((14, 13, 2))
    x = getattr(ops, name)(layers.Conv2D(3, 3)(inputs))
    x = layers.MaxPooling2D()(x)
    if way != "table":
        x = ops.leaky_relu(layers.Conv2D(4, 3, padding="same")(x), negative_slope=0.1)
    x = ops.relu(layers.Dense(5)(layers.Flatten()(x)))
    x = ops.softmax(layers.Dense(3)(x))
    model = shaken(keras.Model(inputs, x), 2)
    assert check(model, way, 3, 2).way == way


def test_what_is_not_known_runs_whole() -> None:
    import keras
    from keras import layers

    inputs = layers.Input((10, 10, 2))
    x = layers.Conv2DTranspose(3, 3, activation="relu")(inputs)
    x = layers.GlobalMaxPooling2D()(x)
    model = shaken(keras.Model(inputs, layers.Dense(2, activation="softmax")(x)), 1)
    engine = check(model, "auto", 3, 3)
    assert engine.way == "whole"
    assert "does not begin with a convolution" in engine.why and "first layer" in engine.why
    with pytest.raises(ValueError, match=r"'regions' does not fit .* Use way='auto'"):
        open_engine(model, way="regions")
    with pytest.raises(ValueError, match=r"'table' does not fit .* it does not begin"):
        open_engine(model, way="table")


def test_regions_are_not_taken_where_they_do_not_pay() -> None:
    from pipelines.models import build

    model = build("compact_cnn", (8, 8, 1), 2)
    engine = open_engine(model, size=5)
    assert engine.way == "whole" and "nearly all" in engine.why


@pytest.mark.parametrize("way", ["whole", "table", "regions"])
def test_a_constant_classifier_gives_a_constant_map(way: Any) -> None:
    model = constant((12, 13, 2), (0.2, 0.5, 0.3))
    images, hidden = images_of(model, 3, 0)
    maps = open_engine(model, way=way).maps(images, hidden)
    assert maps.shape == (3, 12, 13, 3)
    np.testing.assert_allclose(maps, np.broadcast_to([0.2, 0.5, 0.3], maps.shape), atol=1e-6)


def test_a_patch_that_hides_all_shows_what_is_hidden() -> None:
    model = hits_cnn()
    images, hidden = images_of(model, 2, 0)
    maps = open_engine(model, size=50).maps(images, hidden)
    expected = np.broadcast_to(model(hidden).numpy()[:, None, None], maps.shape)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize("way", ["whole", "table", "regions"])
def test_some_rows_and_columns_are_a_part_of_the_map(way: Any) -> None:
    model = hits_cnn()
    images, hidden = images_of(model, 2, 0)
    engine = open_engine(model, stride=2, way=way)
    rows, columns = np.array([0, 2, 8, 20]), np.array([4, 14])
    part = engine.at(images, hidden, rows, columns)
    maps = engine.maps(images, hidden)
    np.testing.assert_allclose(part, maps[:, rows // 2][:, :, columns // 2], atol=1e-6)
    for wrong in ([1], [2, 0], [22], []):
        with pytest.raises(ValueError, match="'rows' of occlusion maps must be rising integers"):
            engine.at(images, hidden, np.array(wrong, np.int32), columns)


@pytest.mark.parametrize("way", ["whole", "table", "regions"])
def test_progress_rises_to_all_images(way: Any) -> None:
    model = hits_cnn()
    images, hidden = images_of(model, 40, 0)
    seen: list[tuple[float, int]] = []
    open_engine(model, way=way).maps(
        images, hidden, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (40, 40) and all(total == 40 for _, total in seen)
    assert sorted(seen) == seen and len(seen) > 1


def test_hidden_broadcasts_over_images_and_pixels() -> None:
    model = hits_cnn(3)
    images, _ = images_of(model, 3, 0)
    mean = np.array([0.1, 0.5, 0.9], np.float32)
    engine = open_engine(model, stride=4)
    full = engine.maps(images, np.broadcast_to(mean, images.shape))
    assert np.array_equal(engine.maps(images, mean), full)
    with pytest.raises(ValueError, match=r"'hidden' .* Received: \(4,\) for"):
        engine.maps(images, np.zeros(4))
    with pytest.raises(ValueError, match=r"\(b, 21, 21, 3\) .* Received: \(3, 21, 21, 1\)"):
        engine.maps(images[..., :1], mean)


def test_a_model_without_a_spatial_input_is_refused() -> None:
    import keras
    from keras import layers

    one = layers.Input((20,))
    flat = keras.Model(one, layers.Dense(2, activation="softmax")(one))
    with pytest.raises(ValueError, match=r"needs a model with a spatial input.*Received: \(20\)"):
        open_engine(flat)
    any_size = layers.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(any_size)
    with pytest.raises(ValueError, match=r"of a fixed size. Received: \(None, None, 3\)"):
        open_engine(keras.Model(any_size, layers.Dense(2)(x)))
    image, other = layers.Input((8, 8, 1)), layers.Input((8, 8, 1))
    x = layers.Flatten()(layers.Add()([image, other]))
    with pytest.raises(ValueError, match=r"Received: \(8, 8, 1\), \(8, 8, 1\)"):
        open_engine(keras.Model([image, other], layers.Dense(2)(x)))
    with pytest.raises(ValueError, match="one output, the probabilities"):
        open_engine(keras.Model(image, layers.Conv2D(2, 3)(image)))
    with pytest.raises(ValueError, match="Received: no known input"):
        open_engine(keras.Sequential([layers.Dense(2)]))


def test_another_way_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"must be auto, whole, table or regions. Received: way='x"
    ):
        open_engine(hits_cnn(), way="xla")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'stride' .* Received: stride=0"):
        open_engine(hits_cnn(), stride=0)


@pytest.mark.slow
@given(st.data(), st.integers(1, 4), st.integers(1, 5), fills, st.floats(0.3, 1.01))
@settings(parent=few, max_examples=15)
def test_where_the_boxes_end_changes_nothing(
    data: st.DataObject, size: int, stride: int, fill: Any, limit: float
) -> None:
    model = deep(data.draw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach, "LIMIT", limit)
        images, other = images_of(model, 1, 7)
        hidden = shown(images, other, fill, size)
        try:
            engine = open_engine(model, size=size, stride=stride, way="regions")
        except ValueError:
            return
        maps = engine.maps(images, hidden)
    np.testing.assert_allclose(maps, plain_loop(model, images, hidden, size, stride), atol=1e-5)


@pytest.mark.slow
@given(st.data(), sizes, strides, fills)
@settings(parent=few, max_examples=30)
def test_many_more_tables(data: st.DataObject, size: int, stride: int, fill: Any) -> None:
    model = shallow(data.draw)
    check(model, "table", size, stride, fill)
