from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cache import SPLITS, Workspace
from dashboard import dataset_statistics
from pipelines.methods import pixels, sample_counts
from tests.dashboard.conftest import make_workspace

CLASSES = ["a", "b", "c"]


def measured(
    images: list[np.ndarray], labels: list[str] | None = None, splits: list[str] | None = None
) -> pd.DataFrame:
    """The table of samples that the pipeline would write of these images."""
    rows = []
    for image in images:
        row: dict[str, Any] = {"height": image.shape[0], "width": image.shape[1]}
        for channel, values in enumerate(pixels.statistics(image[None])[0]):
            ending = "" if channel == 0 else f"_{channel - 1}"
            row |= {
                f"{name}{ending}": value
                for name, value in zip(pixels.STATISTICS, values, strict=True)
            }
        row["content_hash"] = pixels.content_hash(image)
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame["label"] = pd.Categorical(labels or ["a"] * len(images), CLASSES)
    frame["split"] = pd.Categorical(splits or ["train"] * len(images), SPLITS)
    frame["split_made"] = False
    frame["leaked"] = False
    frame["group"] = pd.Series([None] * len(images), dtype="str")
    return frame


def mixed_images(dtype: type, channels: int, seed: int = 0) -> list[np.ndarray]:
    """Images of very different sizes and brightness."""
    generator = np.random.default_rng(seed)
    images = []
    for side, high in ((3, 1.0), (40, 0.2), (11, 0.9), (25, 0.6)):
        image = generator.uniform(0, high, (side, side + 2, channels))
        full = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
        images.append((image * full).astype(dtype))
    return images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pooled_statistics_are_those_of_all_pixels(dtype: type, channels: int) -> None:
    images = mixed_images(dtype, channels)
    names = ["red", "green", "blue", "depth"][:channels]
    table = dataset_statistics.pooled(measured(images), names)
    everything = np.concatenate(
        [pixels.to_float(image).reshape(-1, channels).astype(np.float64) for image in images]
    )
    wanted = {dataset_statistics.ALL_CHANNELS: everything} if channels > 1 else {}
    wanted |= {name: everything[:, place] for place, name in enumerate(names)}
    assert list(table.index) == list(wanted)
    for name, values in wanted.items():
        direct = [values.max(), values.min(), values.mean(), values.var(), values.std()]
        np.testing.assert_allclose(table.loc[name].to_numpy(float), direct, rtol=2e-6, atol=1e-7)


def test_pooled_statistics_by_class_are_those_of_its_pixels() -> None:
    images = mixed_images(np.uint8, 3)
    labels = ["b", "a", "b", "a"]
    table = dataset_statistics.pooled_by(measured(images, labels), "label")
    assert list(table.index) == ["a", "b"]
    for name in ("a", "b"):
        of_class = [i for i, label in zip(images, labels, strict=True) if label == name]
        values = np.concatenate([image.ravel() for image in of_class]) / 255
        direct = [values.mean(), values.std()]
        np.testing.assert_allclose(table.loc[name].to_numpy(float), direct, rtol=2e-6)


def test_counts_shares_and_imbalance() -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    labels = ["a", "a", "a", "b", "a", "b"]
    splits = ["train"] * 4 + ["test"] * 2
    frame = measured([image] * 6, labels, splits)
    frame.loc[4:, "split_made"] = True
    counts = sample_counts.class_counts(frame)
    assert counts.loc["c"].tolist() == [0, 0, 0]
    assert counts["train"].tolist() == [3, 1, 0]
    assert sample_counts.imbalance(counts["train"]) == 3.0
    assert np.isnan(sample_counts.imbalance(counts["val"]))
    by_split = dataset_statistics.split_table(frame)
    assert list(by_split.index) == ["train", "test"]
    assert by_split["imbalance"].tolist() == [3.0, 1.0]
    assert by_split["share"].tolist() == pytest.approx([4 / 6, 2 / 6])
    assert by_split["made"].tolist() == [0, 2]
    by_class = dataset_statistics.class_table(frame)
    assert list(by_class.index) == ["a", "b"]
    assert "val" not in by_class
    assert by_class.loc["a", "share"] == pytest.approx(4 / 6)
    assert by_class.loc["b", "train_share"] == pytest.approx(1 / 4)


def test_duplicates_come_worst_first() -> None:
    levels = [0, 0, 0, 1, 1, 2, 2, 3]
    images = [np.full((2, 2, 1), level, np.uint8) for level in levels]
    labels = ["a", "a", "a", "a", "a", "a", "b", "c"]
    splits = ["train", "train", "train", "train", "test", "val", "val", "test"]
    frame = measured(images, labels, splits)
    table = sample_counts.duplicates(frame)
    hashes = [pixels.content_hash(images[i]) for i in (5, 3, 0)]
    assert list(table.index) == hashes
    assert table["conflicting"].tolist() == [True, False, False]
    assert table["across"].tolist() == [False, True, False]
    assert table["images"].tolist() == [2, 2, 3]
    assert sample_counts.duplicates(frame.iloc[[0, 3, 5, 7]]).empty


def test_leaks_are_told_apart() -> None:
    images = [np.full((2, 2, 1), level, np.uint8) for level in (0, 1, 0, 2, 3)]
    splits = ["train", "train", "val", "test", "test"]
    frame = measured(images, ["a"] * 5, splits)
    frame["group"] = pd.Series(["p", "q", None, "q", None], dtype="str")
    frame["leaked"] = [False, False, True, True, False]
    table = sample_counts.leak_table(frame)
    assert table.loc["val"].to_dict() == {"images": 1, "leaked": 1, "pixels": 1, "group": 0}
    assert table.loc["test"].to_dict() == {"images": 2, "leaked": 1, "pixels": 0, "group": 1}
    assert sample_counts.groups_across(frame) == (2, 1)


@pytest.fixture
def stamps(cache_folder: Path) -> Workspace:
    """Two channels, three classes."""
    return make_workspace(cache_folder, "stamps", channels=("template", "science"))


def test_histograms_are_those_of_the_pixels_chosen(stamps: Workspace) -> None:
    frame = stamps.samples()
    rows = np.flatnonzero((frame["split"] == "train").to_numpy())
    codes = frame["label"].cat.codes.to_numpy()[rows]
    counts = dataset_statistics.histograms(stamps, rows, codes, 3)
    images = stamps.images()
    assert images is not None
    for code in range(3):
        of_class = np.asarray(images[rows[codes == code]])
        for channel in range(2):
            # 64 equal bins of 0..255 as in pixels.histogram, counted by hand.
            bins = np.minimum(of_class[..., channel].astype(int) * 64 // 255, 63)
            direct = np.bincount(bins.ravel(), minlength=64)
            # Half precision keeps shares to one part in 2,048.
            np.testing.assert_allclose(counts[code, channel], direct, rtol=2e-3, atol=0.3)


def test_histograms_of_other_rows_are_others(stamps: Workspace) -> None:
    codes = np.zeros(10, np.int8)
    first = dataset_statistics.histograms(stamps, np.arange(10), codes, 1)
    second = dataset_statistics.histograms(stamps, np.arange(10, 20), codes, 1)
    assert not np.allclose(first, second)


def test_binned_counts_every_number_once() -> None:
    values = np.array([0.0, 0.1, 1.0, np.nan, 0.5, 1.0])
    codes = np.array([0, 0, 0, 1, 1, 1])
    table = dataset_statistics.binned(values, codes, 2, bins=10)
    assert table.counts.sum(axis=1).tolist() == [3, 2]
    assert table.edges[[0, -1]].tolist() == [0.0, 1.0]
    assert table.counts[:, -1].tolist() == [1, 1]
    assert table.beyond == 0
    many = dataset_statistics.binned(np.zeros(100), np.arange(100, dtype=np.int8), 100)
    assert many.counts.sum(axis=1).tolist() == [1] * 100
    same = dataset_statistics.binned(np.full(4, 7.0), np.zeros(4, int), 1, bins=10)
    assert same.counts.sum() == 4
    none = dataset_statistics.binned(np.full(4, np.nan), np.zeros(4, int), 1, bins=10)
    assert none.counts.sum() == 0


def test_a_value_far_out_does_not_push_the_others_into_one_bin() -> None:
    values = np.append(np.linspace(0, 1, 1000), 35_000.0)
    table = dataset_statistics.binned(values, np.zeros(1001, np.int8), 1)
    assert table.edges[-1] < 1.1
    assert table.counts.sum() == 1001
    assert table.beyond == int(((values < table.edges[0]) | (values > table.edges[-1])).sum())
    assert table.beyond >= 1
