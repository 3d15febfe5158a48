from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import SourceError
from pipelines.sources.base import Loaded
from pipelines.sources.hits import CHANNELS, CLASSES, load, signature


def stamps(count: int = 6, dtype: str = "<f8") -> np.ndarray:
    return np.random.default_rng(0).random((count, 21, 21, 4)).astype(dtype)


def content(count: int = 6, dtype: str = "<f8", labels: str = "<i8") -> dict[str, Any]:
    return {"images": stamps(count, dtype), "labels": (np.arange(count) % 2).astype(labels)}


def store(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def read(path: Path, **options: int) -> Loaded:
    return load(SimpleNamespace(path=path, **options), lambda done, total: None)


def python2(array: np.ndarray) -> bytes:
    """The opcodes that Python 2 and numpy 1 wrote for an array."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<I", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    shape = b"(" + b"".join(number(side) for side in array.shape) + b"t"
    kind = (
        b"cnumpy\ndtype\n" + text(array.dtype.str[1:].encode()) + number(0) + number(1) + b"\x87R"
        b"(" + number(3) + text(b"<") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    )
    made = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    made += number(0) + b"\x85" + text(b"b") + b"\x87R"
    return made + b"(" + number(1) + shape + kind + b"\x89" + text(array.tobytes()) + b"tb"


def test_stamps_come_back_as_written(tmp_path: Path) -> None:
    loaded = read(store(tmp_path / "hits.pkl", content()))
    assert loaded.images is not None
    assert loaded.images.dtype == np.float32
    np.testing.assert_array_equal(loaded.images, stamps().astype(np.float32))
    assert loaded.channels == CHANNELS == ("template", "science", "difference", "snr difference")
    assert loaded.classes == CLASSES
    assert loaded.records["label"].tolist() == ["artefact", "transient"] * 3
    assert loaded.records["place"].tolist() == [f"row {i}" for i in range(6)]
    assert loaded.simulated is None
    assert loaded.rejected == []


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(("dtype", "labels"), [("<f4", "<i4"), (">f8", ">i8"), ("<f2", "|u1")])
def test_protocols_and_types(tmp_path: Path, protocol: int, dtype: str, labels: str) -> None:
    loaded = read(store(tmp_path / "hits.pkl", content(dtype=dtype, labels=labels), protocol))
    np.testing.assert_array_equal(loaded.images, stamps(dtype=dtype).astype(np.float32))
    assert loaded.records["label"].tolist() == ["artefact", "transient"] * 3


@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_in_fortran_order(tmp_path: Path, protocol: int) -> None:
    value = content()
    value["images"] = np.asfortranarray(value["images"])
    loaded = read(store(tmp_path / "hits.pkl", value, protocol))
    np.testing.assert_array_equal(loaded.images, stamps().astype(np.float32))


def test_numpy_1_names(tmp_path: Path) -> None:
    path = tmp_path / "hits.pkl"
    path.write_bytes(pickle.dumps(content(), 2).replace(b"numpy._core", b"numpy.core"))
    assert len(read(path).records) == 6


def test_python_2(tmp_path: Path) -> None:
    images, labels = stamps(3), np.array([0, 1, 1])
    path = tmp_path / "hits.pkl"
    path.write_bytes(
        b"\x80\x02}(U\x06images" + python2(images) + b"U\x06labels" + python2(labels) + b"u."
    )
    loaded = read(path)
    np.testing.assert_array_equal(loaded.images, images.astype(np.float32))
    assert loaded.records["label"].tolist() == ["artefact", "transient", "transient"]


def test_label_of_the_transients_can_be_turned(tmp_path: Path) -> None:
    path = store(tmp_path / "hits.pkl", content())
    assert read(path, transient_label=0).records["label"].tolist() == ["transient", "artefact"] * 3


def test_plain_list_of_labels_and_further_arrays(tmp_path: Path) -> None:
    value = content() | {"labels": [0, 1, 0, 1, 0, 1], "features": np.zeros((6, 56))}
    assert len(read(store(tmp_path / "hits.pkl", value)).records) == 6


def test_rows_that_are_not_numbers_are_rejected(tmp_path: Path) -> None:
    value = content()
    value["images"][1, 3, 4, 2] = np.nan
    value["images"][4, 0, 0, 0] = np.inf
    loaded = read(store(tmp_path / "hits.pkl", value))
    assert loaded.images is not None
    assert len(loaded.records) == len(loaded.images) == 4
    assert loaded.records["place"].tolist() == ["row 0", "row 2", "row 3", "row 5"]
    assert [(item.path, item.label) for item in loaded.rejected] == [
        ("row 1", "transient"),
        ("row 4", "artefact"),
    ]
    assert "NaN" in loaded.rejected[0].reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": stamps() * 3 - 1}, r"pixels from -\d.*in 6 of 6 images.*Scale"),
        ({"images": stamps()[:, :20]}, r"shape \(6, 20, 21, 4\)"),
        ({"images": stamps()[..., 0]}, r"shape \(6, 21, 21\)"),
        ({"images": (stamps() * 255).astype(np.uint8)}, "Received: uint8"),
        ({"images": [1, 2]}, "Received: list"),
        ({"labels": np.arange(5) % 2}, r"labels of shape \(5,\), 6 images"),
        ({"labels": np.array([0, 1, 2, 0, 1, 7])}, r"in 2 rows \(first: 2, 5\)"),
        ({"labels": np.array([0, 1, np.nan, 0, 1, 1])}, r"in 1 rows \(first: 2\)"),
        ({"labels": "transient"}, "Received: labels of shape str"),
        ({"images": stamps(0), "labels": np.zeros(0, int)}, "0 images"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = store(tmp_path / "hits.pkl", content() | change)
    with pytest.raises(SourceError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [([1, 2], "Received: list"), ({"image": 1}, r"Received: \['image'\]"), (None, "NoneType")],
)
def test_other_content_is_refused(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(store(tmp_path / "hits.pkl", value))


@pytest.mark.parametrize("kind", ["cut", "text", "empty", "zeros"])
def test_what_is_no_pickle(tmp_path: Path, kind: str) -> None:
    whole = pickle.dumps(content(), 4)
    path = tmp_path / "hits.pkl"
    path.write_bytes(
        {"cut": whole[:5000], "text": b"hello", "empty": b"", "zeros": bytes(99)}[kind]
    )
    with pytest.raises(SourceError, match="not a whole pickle"):
        read(path)


def test_missing_file(tmp_path: Path) -> None:
    options = SimpleNamespace(path=tmp_path / "nothing.pkl")
    with pytest.raises(SourceError, match=r"No such file.*dataset\.path"):
        signature(options)
    with pytest.raises(SourceError, match=r"No such file.*dataset\.path"):
        read(options.path)


class Harm:
    """Calls a function when it is unpickled."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["system", "exec", "mkdir"])
def test_malicious_pickle_runs_nothing(tmp_path: Path, name: str, protocol: int) -> None:
    mark = tmp_path / "harmed"
    harm = {
        "system": Harm(os.system, f"touch '{mark}'"),
        "exec": Harm(exec, f"open({str(mark)!r}, 'w').close()"),
        "mkdir": Harm(os.mkdir, str(mark)),
    }[name]
    path = store(tmp_path / "hits.pkl", content() | {"more": harm}, protocol)
    with pytest.raises(SourceError, match=rf"nothing in it was run.*request for \w+\.{name}"):
        read(path)
    assert not mark.exists()
    # The same bytes do harm to a reader without a list, so the check above could have failed.
    pickle.loads(path.read_bytes())  # noqa: S301
    assert mark.exists()


@pytest.mark.parametrize(
    "payload",
    [
        pickle.dumps({"images": np.array([print, None], dtype=object)}),
        pickle.dumps({"images": np.zeros(2, [("a", "f4")])}),
        pickle.dumps({"images": np.datetime64("2020-01-01")}),
        pickle.dumps(Harm(np.load, "x.npy")),
        pickle.dumps(Harm(np.dtype, "O")),
        b"cnumpy\nndarray\n(I9999999999\ntR.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"cbuiltins\ngetattr\n.",
        # A type whose state claims that its numbers are references to objects.
        b"cnumpy\ndtype\n(Vi8\nI0\nI1\ntR(I3\nV<\nN(Va\nt(dI8\nI8\nI63\ntb.",
        # An array of such numbers given as a list of objects.
        b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
        b"(I1\n(I1\ntcnumpy\ndtype\n(Vi8\nI0\nI1\ntRI00\n(lNatb.",
    ],
)
def test_what_arrays_do_not_need_is_refused(tmp_path: Path, payload: bytes) -> None:
    path = tmp_path / "hits.pkl"
    path.write_bytes(payload)
    with pytest.raises(SourceError, match="is refused"):
        read(path)


def test_crafted_state_does_not_change_numpy(tmp_path: Path) -> None:
    path = tmp_path / "hits.pkl"
    path.write_bytes(b"cnumpy\ndtype\n(Vf8\nI0\nI0\ntR(I3\nV>\nNNNI-1\nI-1\nI63\ntb.")
    with pytest.raises(SourceError, match="must hold a dict"):
        read(path)
    assert np.dtype("f8").isnative
    assert not np.dtype("f8").hasobject


def test_signature_follows_the_file(tmp_path: Path) -> None:
    path = store(tmp_path / "hits.pkl", content())
    options = SimpleNamespace(path=path)
    first = signature(options)
    assert signature(options) == first
    store(path, content(8))
    assert signature(options) != first
