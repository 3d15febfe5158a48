from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import SourceError
from pipelines.sources.arrays import load, signature
from pipelines.sources.base import Loaded

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
FLOATS = (PIXELS / 255).astype(np.float32)


def store(folder: Path, **arrays: Any) -> Path:
    path = folder / "some data.npz"
    np.savez(path, **({"images": PIXELS, "labels": LABELS} | arrays))
    return path


def read(path: Path) -> Loaded:
    return load(SimpleNamespace(path=path), lambda done, total: None)


def test_numbers_without_names(tmp_path: Path) -> None:
    loaded = read(store(tmp_path, labels=np.array([10, 2, -1, 2, 10, 2])))
    assert loaded.classes == ("-1", "2", "10")
    assert loaded.records["label"].tolist() == ["10", "2", "-1", "2", "10", "2"]
    assert loaded.images is not None
    np.testing.assert_array_equal(loaded.images, PIXELS[..., None])
    assert loaded.images.dtype == np.uint8
    assert loaded.channels == ("grey",)
    assert loaded.title == "some data"
    assert loaded.records["split"].isna().all()
    assert loaded.rejected == []


def test_numbers_with_names(tmp_path: Path) -> None:
    loaded = read(store(tmp_path, names=np.array(["cat", "dog", "été"])))
    assert loaded.classes == ("cat", "dog", "été")
    assert loaded.records["label"].tolist() == ["cat", "dog", "été"] * 2


@pytest.mark.parametrize("kind", [str, bytes])
def test_text_labels(tmp_path: Path, kind: type) -> None:
    labels = np.array(["dog 10", "dog 2", "cat", "cat", "dog 2", "cat"]).astype(kind)
    loaded = read(store(tmp_path, labels=labels))
    assert loaded.classes == ("cat", "dog 2", "dog 10")
    assert loaded.records["label"][0] == "dog 10"


def test_text_labels_with_names_keep_the_order_of_the_names(tmp_path: Path) -> None:
    labels = np.array(["a", "b", "a", "b", "a", "b"])
    assert read(store(tmp_path, labels=labels, names=np.array(["b", "a"]))).classes == ("b", "a")


def test_labels_as_a_column(tmp_path: Path) -> None:
    assert read(store(tmp_path, labels=LABELS[:, None])).records["label"].tolist() == [
        "0", "1", "2", "0", "1", "2",
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_whole_numbers_keep_their_type(tmp_path: Path, dtype: str, channels: int) -> None:
    images = np.stack([PIXELS] * channels, axis=-1).astype(dtype)
    loaded = read(store(tmp_path, images=images))
    assert loaded.images is not None
    assert loaded.images.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(loaded.images, images)
    assert len(loaded.channels) == channels
    assert loaded.channels[0] == {1: "grey", 3: "red", 4: "channel 1"}[channels]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_floats_become_single(tmp_path: Path, dtype: str) -> None:
    loaded = read(store(tmp_path, images=FLOATS.astype(dtype)))
    assert loaded.images is not None
    assert loaded.images.dtype == np.float32
    np.testing.assert_allclose(loaded.images[..., 0], FLOATS, atol=1e-3)


def test_splits_that_came(tmp_path: Path) -> None:
    split = np.array(["train", "Train", "valid", "test", "validation", ""])
    loaded = read(store(tmp_path, split=split))
    assert loaded.records["split"].tolist() == ["train", "train", "val", "test", "val", None]


def test_rows_that_cannot_be_used_are_rejected(tmp_path: Path) -> None:
    images = FLOATS.copy()
    images[2, 1, 1] = np.nan
    labels = np.array(["a", "b", "a", " ", "b", "a"])
    split = np.array(["train"] * 3 + ["test"] * 3)
    loaded = read(store(tmp_path, images=images, labels=labels, split=split))
    assert [(item.path, item.label, item.split) for item in loaded.rejected] == [
        ("row 2", "a", "train"),
        ("row 3", None, "test"),
    ]
    assert "NaN" in loaded.rejected[0].reason
    assert "label is empty" in loaded.rejected[1].reason
    assert loaded.records["place"].tolist() == ["row 0", "row 1", "row 4", "row 5"]
    assert loaded.classes == ("a", "b")
    assert loaded.images is not None
    np.testing.assert_array_equal(loaded.images[..., 0], FLOATS[[0, 1, 4, 5]])


def test_what_else_is_known_comes_along(tmp_path: Path) -> None:
    path = store(
        tmp_path,
        labels=np.array(["a", "b", "", "a", "b", "a"]),
        group=np.array([7, 7, 8, 8, 9, 9]),
        source=np.array([b"north", b" south", b"", b"", b"north", b"north"]),
        meta_night=np.array(
            ["2018-03-14T22:10", "2018-03-15", "", "NaT", "2018-03-15", "NaT"], "M8"
        ),
        meta_mjd=np.array([58191.9, np.nan, 0, 1, 2, 3], ">f4"),
        meta_machine=np.array(["x", " ", "y", "y", "x", "x"]),
    )
    records = read(path).records
    assert records["place"].tolist() == ["row 0", "row 1", "row 3", "row 4", "row 5"]
    assert records["group"].tolist() == ["7", "7", "8", "9", "9"]
    assert records["source"].tolist() == ["north", "south", "", "north", "north"]
    night = ["2018-03-14T22:10:00", "2018-03-15T00:00:00", None, "2018-03-15T00:00:00", None]
    assert records["meta_night"].tolist() == night
    np.testing.assert_allclose(records["meta_mjd"], [58191.9, np.nan, 1, 2, 3], rtol=1e-6)
    assert records["meta_machine"].tolist() == ["x", None, "y", "x", "x"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"group": LABELS / 2}, r"'group'.*text or one whole number.*float64 of shape \(6,\)"),
        ({"source": LABELS[:5]}, r"'source'.*for each image.*shape \(5,\), 6 images"),
        ({"meta_night": PIXELS}, r"'meta_night'.*text, number or date.*\(6, 5, 4\)"),
        ({"meta_night": LABELS * 1j}, "'meta_night'.*complex128"),
        ({"night": LABELS}, r"'source' and any 'meta_NAME'.*\['images', 'labels', 'night'\]"),
        ({"images": PIXELS[0]}, r"Received: \(5, 4\)"),
        ({"images": PIXELS[:0], "labels": LABELS[:0]}, r"nothing of it 0.*\(0, 5, 4\)"),
        ({"images": PIXELS.astype(int)}, r"Received: int64.*astype"),
        ({"images": FLOATS * 255}, r"pixels from 0 to 248, in 6 of 6 images.*Scale them"),
        ({"images": FLOATS - 0.5}, r"pixels from -0\.\d+ to"),
        ({"labels": LABELS[:5]}, r"labels of shape \(5,\), 6 images"),
        ({"labels": LABELS + 0.5}, "Received: float64"),
        ({"names": np.array(["a", "b"])}, r"from 0 to 1.*\[2\] in 2 rows \(first: 2, 5\)"),
        ({"labels": LABELS - 1, "names": np.array(["a", "b"])}, r"\[-1\] in 2 rows \(first: 0, 3"),
        ({"labels": np.array(list("abcabc")), "names": np.array(["a", "b"])}, r"\['c'\] in 2 rows"),
        ({"names": np.array(["a", "a", "b"])}, "two different class names"),
        ({"names": np.array(["a"])}, "two different class names"),
        ({"names": np.arange(3)}, "two different class names"),
        ({"split": np.array(["train"] * 5 + ["holdout"])}, r"\['holdout'\] in 1 rows \(first: 5"),
        ({"split": np.array(["train"] * 5)}, r"shape \(5,\), 6 images"),
        ({"split": np.zeros(6)}, "Received: float64"),
        ({"splits": np.array(["train"] * 6)}, r"Received: \['images', 'labels', 'splits'\]"),
    ],
)
def test_one_clear_error(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = store(tmp_path, **arrays)
    with pytest.raises(SourceError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_images_of_mixed_shape(tmp_path: Path) -> None:
    images = np.empty(6, dtype=object)
    images[:] = [np.zeros((i + 1, 2)) for i in range(6)]
    with pytest.raises(SourceError, match=r"'images'.*mixed shape.*'folder'"):
        read(store(tmp_path, images=images))


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "harmed"

    class Harm:
        def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
            return mark.touch, ()

    labels = np.empty(6, dtype=object)
    labels[:] = [Harm()] * 6
    with pytest.raises(SourceError, match="'labels'"):
        read(store(tmp_path, labels=labels))
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty", "cut", "npy", "changed"])
def test_files_that_are_no_archive(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "some data.npz"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("hello")
    elif kind == "empty":
        path.touch()
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, PIXELS)
    elif kind in ("cut", "changed"):
        np.savez_compressed(path, images=PIXELS, labels=LABELS)
        content = bytearray(path.read_bytes())
        content[200:210] = bytes(10)
        path.write_bytes(content if kind == "changed" else content[:300])
    with pytest.raises(SourceError, match=r"Received.*some data\.npz|some data\.npz.*Received"):
        read(path)


def test_signature_follows_the_file(tmp_path: Path) -> None:
    options = SimpleNamespace(path=store(tmp_path))
    first = signature(options)
    assert signature(options) == first
    store(tmp_path, images=PIXELS[:, :4])
    assert signature(options) != first
