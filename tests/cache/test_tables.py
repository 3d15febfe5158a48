from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cache import SPLITS
from cache.errors import CacheError, CorruptArtefactError
from cache.tables import SCHEMAS, conform, read_table, write_table

CLASSES = ("zebra", "ant", "Äffchen")


def samples(**changes: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "meta_snr": [1.5, np.nan, 3.0],
        "std_0": [0.1, 0.2, 0.3],
        "sample_id": ["a0", "b1", "c2"],
        "split": ["test", "train", "val"],
        "split_made": [True, False, True],
        "label": ["ant", "zebra", "Äffchen"],
        "group": [None, "p1", None],
        "leaked": [0, 1, 0],
        "source": ["", "left", ""],
        "path": ["a/1.png", None, "ü 3.png"],
        "row": [0, -1, 2],
        "width": np.array([8, 9, 10], np.int64),
        "height": [8, 9, 10],
        "content_hash": ["x", "y", "z"],
        "mean": np.array([0.1, 0.2, 0.3], np.float64),
        "std": [0, 1, 0],
        "min": [0.0] * 3,
        "max": [1.0] * 3,
        **changes,
    }
    return pd.DataFrame({name: value for name, value in columns.items() if value is not None})


def test_dtypes_are_as_declared_after_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    write_table(samples(), path, "samples", CLASSES)
    found = read_table(path, "samples", CLASSES)
    assert list(found)[: len(SCHEMAS["samples"])] == list(SCHEMAS["samples"])
    assert set(found) == {*SCHEMAS["samples"], "std_0", "meta_snr"}
    for name, dtype in SCHEMAS["samples"].items():
        if dtype not in ("label", "split"):
            assert found[name].dtype == dtype, name
    assert found["std_0"].dtype == "float32"
    assert tuple(found["label"].cat.categories) == CLASSES
    assert tuple(found["split"].cat.categories) == SPLITS
    assert found["label"].tolist() == ["ant", "zebra", "Äffchen"]
    assert found["label"].cat.codes.tolist() == [1, 0, 2], "codes follow the order of the classes"
    assert found["group"].isna().tolist() == [True, False, True]
    assert found["path"].tolist()[::2] == ["a/1.png", "ü 3.png"]
    assert found["leaked"].tolist() == [False, True, False]
    assert found["mean"].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_the_categories_are_all_there_even_where_the_rows_are_not(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    write_table(samples().iloc[:1], path, "samples", CLASSES)
    found = read_table(path, "samples", CLASSES)
    assert tuple(found["label"].cat.categories) == CLASSES
    assert tuple(found["split"].cat.categories) == SPLITS


def test_an_empty_table_keeps_its_dtypes(tmp_path: Path) -> None:
    path = tmp_path / "rejected.parquet"
    nothing = pd.DataFrame([], columns=list(SCHEMAS["rejected"]))
    write_table(nothing, path, "rejected")
    found = read_table(path, "rejected")
    assert len(found) == 0
    assert (found.dtypes == "str").all()


def test_rows_are_numbered_anew() -> None:
    shuffled = samples().iloc[[2, 0]]
    assert conform(shuffled, "samples", CLASSES).index.tolist() == [0, 1]


def test_missing_and_undeclared_columns_are_all_named() -> None:
    wrong = samples(leaked=None, width=None, colour=["red"] * 3, p_0=[1.0] * 3)
    with pytest.raises(CacheError) as caught:
        conform(wrong, "samples", CLASSES)
    message = str(caught.value)
    assert "'samples'" in message
    assert "Missing columns: ['leaked', 'width']" in message
    assert "Undeclared columns: ['colour', 'p_0']" in message


@pytest.mark.parametrize(
    ("column", "values", "received"),
    [
        ("label", ["ant", "cow", "bee"], r"\['bee', 'cow'\]"),
        ("label", ["ant", None, "bee"], r"\['None', 'bee'\]|\['bee', 'nan'\]"),
        ("label", [0, 1, 2], r"\['0', '1', '2'\]"),
        ("split", ["train", "valid", "test"], r"\['valid'\]"),
    ],
)
def test_values_outside_their_categories_are_named(
    column: str, values: list[Any], received: str
) -> None:
    with pytest.raises(CacheError, match=f"'{column}'.*Received: ({received})") as caught:
        conform(samples(**{column: values}), "samples", CLASSES)
    expected = CLASSES if column == "label" else SPLITS
    assert str(list(expected)) in str(caught.value)


def test_some_columns_are_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    write_table(samples(), path, "samples", CLASSES)
    found = read_table(path, "samples", CLASSES, columns=["label", "row", "meta_snr"])
    assert list(found) == ["label", "row", "meta_snr"]
    assert tuple(found["label"].cat.categories) == CLASSES
    assert found["row"].dtype == "int32"
    ids = read_table(path, "samples", columns=["sample_id"])
    assert ids["sample_id"].tolist() == ["a0", "b1", "c2"]


class TestCorrupt:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "samples.parquet"
        write_table(samples(), path, "samples", CLASSES)
        return path

    def refused(self, path: Path, **options: Any) -> None:
        with pytest.raises(CorruptArtefactError) as caught:
            read_table(path, "samples", options.pop("classes", CLASSES), **options)
        assert str(path) in str(caught.value)
        assert "--force" in str(caught.value)

    def test_a_file_that_is_cut_off(self, path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-100])
        self.refused(path)

    def test_a_file_that_is_something_else(self, path: Path) -> None:
        path.write_text("sample_id,label\n")
        self.refused(path)

    def test_a_file_that_is_gone(self, path: Path) -> None:
        path.unlink()
        self.refused(path)

    def test_a_table_of_another_schema(self, path: Path) -> None:
        pd.DataFrame({"sample_id": ["a"]}).to_parquet(path)
        self.refused(path)

    def test_a_column_that_is_not_there(self, path: Path) -> None:
        self.refused(path, columns=["sample_id", "p_0"])

    @pytest.mark.parametrize("columns", [None, ["label"]])
    def test_labels_that_the_dataset_does_not_have(
        self, path: Path, columns: list[str] | None
    ) -> None:
        self.refused(path, columns=columns, classes=("zebra", "ant"))
