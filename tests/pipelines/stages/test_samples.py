from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cache import Workspace
from pipelines.errors import RecipeError, SourceError
from pipelines.methods import pixels

MakeFolder = Callable[[Mapping[str, Any]], Path]
RunStages = Callable[..., Workspace]

RNG = np.random.default_rng(4)


def places(count: int = 8, names: str = "ab") -> dict[str, Any]:
    """So many files of noise for each class."""
    return {f"{name}/{index:02}.png": None for name in names for index in range(count)}


def noise(*shape: int, dtype: str = "uint8") -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, shape).astype(dtype)


@pytest.fixture
def read(make_folder: MakeFolder, run_stages: RunStages) -> Callable[..., Workspace]:
    """Write files and run the stage on their folder: ``read(files, seed=1)``."""

    def run(files: Mapping[str, Any], **options: Any) -> Workspace:
        root = make_folder(files)
        return run_stages({"source": "folder", "root": str(root), **options})

    return run


Read = Callable[..., Workspace]


def by_path(workspace: Workspace) -> pd.DataFrame:
    return workspace.samples().set_index("path")


def digest(workspace: Workspace) -> str:
    return workspace.artefact("samples").manifest.digest


class TestTable:
    def test_each_row_tells_what_its_file_holds(self, read: Read) -> None:
        workspace = read({**places(), "a/wide.png": noise(5, 9, 3)})
        dataset, table = workspace.dataset, workspace.samples()
        assert dataset.channels == ("red", "green", "blue")
        assert table["sample_id"].is_unique
        assert table["sample_id"].str.fullmatch("[0-9a-f]{16}").all()
        histograms = workspace.histograms()
        assert histograms.shape == (17, 3, 64)
        for row, sample in table.iterrows():
            image = pixels.decode(Path(str(dataset.root)) / sample["path"])
            assert (sample["height"], sample["width"]) == image.shape[:2]
            assert sample["content_hash"] == pixels.content_hash(image)
            assert sample["label"] == sample["path"][0]
            scaled = np.broadcast_to(image, (*image.shape[:2], 3)) / 255
            assert sample["mean"] == pytest.approx(scaled.mean(), abs=1e-6)
            assert sample["std"] == pytest.approx(scaled.std(), abs=1e-6)
            for channel in range(3):
                plane = scaled[..., channel]
                found = [sample[f"{name}_{channel}"] for name in pixels.STATISTICS]
                expected = [plane.mean(), plane.std(), plane.min(), plane.max()]
                assert found == pytest.approx(expected, abs=1e-6)
                counts = np.histogram(plane, 64, (0, 1))[0] / plane.size
                assert histograms[row, channel] == pytest.approx(counts, abs=2e-3)

    def test_the_manifest_counts_the_samples(self, read: Read) -> None:
        manifest = read(places()).artefact("samples").manifest
        assert manifest.rows == 16
        assert manifest.settings["dataset"]["source"] == "folder"

    def test_made_splits_are_marked_and_given_ones_are_kept(self, read: Read) -> None:
        files = {f"train/{place}": None for place in places(10)}
        files |= {f"test/{place}": None for place in places(3)}
        table = by_path(read(files, splits={"val": 0.2, "test": 0.5}))
        top = table.index.str.split("/").str[0]
        assert (table["split"][top == "test"] == "test").all()
        assert (table["split"] == "test").sum() == 6, "no test is made where one came"
        assert table["split_made"].tolist() == (table["split"] == "val").tolist()
        assert (table["split"] == "val").sum() == 4

    def test_groups_stay_together(self, read: Read) -> None:
        files = {f"{name}/p{person}_{i}.png": None for name in "ab" for person in range(9) for i in
                 range(3)}  # fmt: skip
        table = read(files, group=r"[ab]/(p\d+)_").samples()
        assert table.groupby("group", observed=True)["split"].nunique().max() == 1
        assert not table["leaked"].any()

    def test_a_leak_that_came_with_the_data_is_marked(self, read: Read) -> None:
        same = noise(8, 8)
        files = {f"{split}/{place}": None for split in ("train", "test") for place in places(4)}
        table = by_path(read({**files, "train/a/x.png": same, "test/a/y.png": same}))
        assert table.index[table["leaked"]].tolist() == ["test/a/y.png"]

    def test_the_same_seed_gives_the_same_splits(self, read: Read) -> None:
        first = read(places(30), seed=1)
        table, name = first.samples(), digest(first)
        again = read({}, seed=2)
        assert not again.samples()["split"].equals(table["split"])
        assert digest(again) != name
        back = read({}, seed=1)
        assert back.samples().equals(table)
        assert digest(back) == name

    def test_what_a_table_says_changes_the_samples_only_where_it_groups_them(
        self, read: Read, tmp_path: Path
    ) -> None:
        table = tmp_path / "known.csv"
        splits = ("train", "val", "test")
        files = {f"{split}/{place}": None for split in splits for place in places(3)}

        def told(header: str, value: str) -> str:
            rows = [f"{place},{value}" for place in files]
            table.write_text("\n".join([f"path,{header}", *rows]), encoding="utf-8")
            return digest(read(files, table=str(table)))

        first, second = told("night", "2018-03-14"), told("night", "2018-03-15")
        workspace = read(files, table=str(table))
        assert set(workspace.samples()["meta_night"]) == {"2018-03-15"}
        assert first == second == digest(read(files))
        assert len({first, told("group", ""), told("group", "x")}) == 2


class TestRejected:
    def test_each_is_listed_with_its_reason_and_the_run_goes_on(
        self, read: Read, make_folder: MakeFolder
    ) -> None:
        whole = make_folder({"elsewhere.jpg": noise(64, 64, 3)}) / "elsewhere.jpg"
        jpeg = whole.read_bytes()
        whole.unlink()
        workspace = read(
            {
                **places(),
                "a/cut.jpg": jpeg[: len(jpeg) // 2],
                "a/empty.png": b"",
                "b/text.png": b"hello, I am no picture",
                "b/notes.txt": b"hello",
                "loose.png": None,
                ".hidden.png": b"junk",
            }
        )
        assert len(workspace.samples()) == 16
        assert (workspace.samples()["sample_id"].notna()).all()
        table = workspace.rejected().set_index("path")
        assert set(table.index) == {
            "a/cut.jpg", "a/empty.png", "b/text.png", "b/notes.txt", "loose.png",
        }  # fmt: skip
        reasons = table["reason"].to_dict()
        assert "damaged or cut off" in reasons["a/cut.jpg"]
        assert "empty" in reasons["a/empty.png"]
        assert "text, not an image" in reasons["b/text.png"]
        assert "'.txt'" in reasons["b/notes.txt"]
        assert "no class" in reasons["loose.png"]
        assert table.loc["a/cut.jpg", "label"] == "a"

    def test_the_memory_map_and_the_histograms_skip_them(self, read: Read) -> None:
        files = places(4) | {"a/01.png": b"", "b/00.png": b"text"}
        workspace = read(files, splits={"val": 0, "test": 0.3})
        table, images = workspace.samples(), workspace.images()
        assert images is not None
        assert len(table) == len(images) == len(workspace.histograms()) == 6
        for row, path in zip(table["row"], table["path"], strict=True):
            expected = pixels.decode(Path(str(workspace.dataset.root)) / path)
            assert (images[row] == expected).all()

    def test_rows_of_arrays_are_named_by_their_number(
        self, tmp_path: Path, run_stages: RunStages
    ) -> None:
        images = RNG.random((20, 4, 4)).astype(np.float32)
        images[3, 0, 0] = np.nan
        path = tmp_path / "stamps.npz"
        np.savez(path, images=images, labels=np.arange(20) % 2)
        workspace = run_stages({"source": "arrays", "path": str(path)})
        (rejected,) = workspace.rejected().to_dict("records")
        assert rejected["path"] == "row 3"
        assert "not numbers" in rejected["reason"]
        there = workspace.images()
        assert there is not None
        assert (there[..., 0] == np.delete(images, 3, axis=0)).all()
        assert workspace.dataset.dtype == "float32"
        assert workspace.samples()["path"].isna().all()


class TestRefused:
    """One clear error each, that names the place and the remedy; nothing is left behind."""

    def refused(
        self,
        read: Read,
        kind: type[Exception],
        files: Mapping[str, Any],
        *words: str,
        **options: Any,
    ) -> str:
        with pytest.raises(kind) as caught:
            read(files, **options)
        message = str(caught.value)
        for word in words:
            assert word in message
        return message

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, tmp_path: Path) -> Any:
        yield
        left = {path.name for path in (tmp_path / "cache").glob("*/*")}
        assert left <= {".lock", "workspace.json", ".samples.work"}

    def test_an_empty_folder(self, read: Read, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        place = str(tmp_path / "images")
        self.refused(read, SourceError, {}, place, "no images", "dataset.root")

    def test_a_folder_that_is_not_there(self, read: Read, tmp_path: Path) -> None:
        place = str(tmp_path / "images")
        self.refused(read, SourceError, {}, place, "cannot be opened", "dataset.root")

    def test_a_single_class(self, read: Read, tmp_path: Path) -> None:
        self.refused(
            read, SourceError, places(names="a"), str(tmp_path / "images"), "1 classes ('a')"
        )

    def test_a_second_class_without_a_readable_image(self, read: Read) -> None:
        files = {**places(names="a"), "b/1.png": b"", "b/2.png": b"x"}
        message = self.refused(read, SourceError, files, "single class, 'a'", "2 were rejected")
        assert "8 images" in message

    def test_no_readable_image_at_all(self, read: Read) -> None:
        files = {"a/1.png": b"", "b/1.png": b"x"}
        self.refused(
            read,
            SourceError,
            files,
            "no image that can be used",
            "Rejected: 2",
            "a/1.png: it is empty",
        )

    def test_a_class_that_is_kept_but_has_no_readable_image(self, read: Read) -> None:
        files = {**places(names="ab"), "c/1.png": b"", "a/notes.txt": b""}
        self.refused(
            read,
            SourceError,
            files,
            "classes ['c']",
            "First reason: it is empty",
            "dataset.classes",
            classes=["a", "b", "c"],
        )

    def test_too_few_for_the_splits(self, read: Read) -> None:
        files = {**places(9, "a"), **places(2, "b")}
        self.refused(
            read, SourceError, files, "'b' (2 samples)", "train, val, test", "dataset.splits"
        )

    def test_enough_files_but_all_the_same(self, read: Read) -> None:
        same = noise(6, 6)
        files = {**places(9, "a"), **{f"b/{i}.png": same for i in range(9)}}
        self.refused(read, SourceError, files, "'b' (9 samples, 1 of them independent)")

    def test_a_class_that_is_only_in_test(self, read: Read) -> None:
        files = {f"train/{place}": None for place in places()}
        files["test/c/1.png"] = None
        self.refused(read, SourceError, files, "no sample in train", "'c' (1 samples)")

    def test_a_positive_class_that_is_not_there(self, read: Read) -> None:
        self.refused(
            read,
            RecipeError,
            places(),
            "['a', 'b']",
            "Received: positive='sick'",
            "dataset.positive",
            positive="sick",
        )

    def test_a_positive_class_that_is_not_kept(self, read: Read) -> None:
        files = places(names="abc")
        self.refused(read, RecipeError, files, "positive='c'", positive="c", classes=["a", "b"])

    def test_classes_to_keep_that_are_not_there(self, read: Read) -> None:
        self.refused(
            read,
            RecipeError,
            places(),
            "does not have: ['dog']",
            "The data has: ['a', 'b']",
            "dataset.classes",
            classes=["a", "dog"],
        )


class TestClasses:
    def test_those_that_are_kept_come_in_their_order_and_the_others_are_counted(
        self, read: Read
    ) -> None:
        files = {**places(8, "abc"), **places(3, "d")}
        workspace = read(files, classes=["c", "a"], positive="a")
        assert workspace.dataset.classes == ("c", "a")
        assert workspace.dataset.left_out == {"b": 8, "d": 3}
        assert workspace.dataset.positive == "a"
        table = workspace.samples()
        assert table["label"].value_counts().to_dict() == {"c": 8, "a": 8}
        assert len(workspace.images()) == 16  # type: ignore[arg-type]

    def test_all_of_them_come_in_natural_order(self, read: Read) -> None:
        files = {f"{name}/{i}.png": None for name in ("10", "9", "x 2") for i in range(4)}
        workspace = read(files)
        assert workspace.dataset.classes == ("9", "10", "x 2")
        assert workspace.dataset.left_out == {}

    def test_arrays_lose_the_rows_of_the_others(
        self, tmp_path: Path, run_stages: RunStages
    ) -> None:
        labels = np.arange(30) % 3
        images = noise(30, 5, 5)
        np.savez(tmp_path / "x.npz", images=images, labels=labels)
        dataset = {"source": "arrays", "path": str(tmp_path / "x.npz"), "classes": ["2", "0"]}
        workspace = run_stages(dataset)
        there = workspace.images()
        assert there is not None
        assert (there[..., 0] == images[labels != 1]).all()
        assert workspace.dataset.left_out == {"1": 10}


class TestPixels:
    def test_one_shape_is_one_memory_map(self, read: Read) -> None:
        workspace = read(places())
        images = workspace.images()
        assert images is not None
        assert images.shape == (16, 12, 12, 1)
        assert workspace.dataset.shape == (12, 12, 1)
        assert workspace.samples()["row"].tolist() == list(range(16))

    def test_mixed_shapes_are_read_from_their_files(self, read: Read) -> None:
        workspace = read({**places(), "a/tall.png": noise(20, 12)})
        assert workspace.dataset.shape is None
        assert workspace.images() is None
        assert not (workspace.artefact("samples").folder / "images.npy").exists()
        assert (workspace.samples()["row"] == -1).all()

    @pytest.mark.parametrize("size", [(12, 12), (9, 7)])
    def test_grey_among_colour_becomes_colour(self, read: Read, size: tuple[int, int]) -> None:
        colour = noise(*size, 3)
        only_grey = np.repeat(noise(12, 12, 1), 3, axis=2)
        workspace = read({**places(), "a/colour.png": colour, "b/greyish.png": only_grey})
        assert workspace.dataset.channels == ("red", "green", "blue")
        assert workspace.dataset.views == ("image",)
        images, table = workspace.images(), by_path(workspace)
        if size == (12, 12):
            assert images is not None
            assert (images[table["row"]["a/colour.png"]] == colour).all()
            assert (images[table["row"]["b/greyish.png"]] == only_grey).all()
        assert table["mean_1"]["b/greyish.png"] == table["mean_0"]["b/greyish.png"]

    def test_colour_files_that_hold_only_grey_make_a_grey_dataset(self, read: Read) -> None:
        files = {place: np.repeat(noise(12, 12, 1), 3, axis=2) for place in places()}
        workspace = read(files)
        assert workspace.dataset.channels == ("grey",)
        assert workspace.dataset.shape == (12, 12, 1)

    def test_8_bit_among_16_bit_keeps_its_brightness(self, read: Read) -> None:
        deep = noise(12, 12, dtype="uint16")
        workspace = read({**places(), "a/deep.png": deep})
        assert workspace.dataset.dtype == "uint16"
        images, table = workspace.images(), by_path(workspace)
        assert images is not None
        assert images.dtype == np.uint16
        assert (images[table["row"]["a/deep.png"], ..., 0] == deep).all()
        shallow = pixels.decode(Path(str(workspace.dataset.root)) / "a" / "00.png")
        there = pixels.to_float(images[table["row"]["a/00.png"]])
        assert there == pytest.approx(pixels.to_float(shallow), abs=1e-6)
        assert table["mean"]["a/00.png"] == pytest.approx(pixels.to_float(shallow).mean(), abs=1e-6)

    def test_exact_duplicates_stay_in_one_split(self, read: Read) -> None:
        files: dict[str, Any] = {}
        for number in range(12):
            picture = noise(6, 6)
            for copy in range(3):
                files[f"{'ab'[number % 2]}/{number}-{copy}.png"] = picture
        table = read(files).samples()
        assert table["content_hash"].nunique() == 12
        assert table["sample_id"].nunique() == 36
        assert table.groupby("content_hash")["split"].nunique().max() == 1
        assert set(table["split"]) == {"train", "val", "test"}
        assert not table["leaked"].any()

    def test_names_may_hold_anything(self, read: Read) -> None:
        files = {f"{name}/{i} ñ #?%.png": None for name in ("Käse weiß", "мир") for i in range(4)}
        workspace = read(files)
        assert workspace.dataset.classes == ("Käse weiß", "мир")
        assert set(workspace.samples()["path"]) == set(files)


class TestIdentity:
    def test_a_sample_keeps_its_id_when_another_comes(self, read: Read) -> None:
        before = by_path(read(places()))["sample_id"]
        after = by_path(read({"a/000.png": None, "b/zz.png": None}))["sample_id"]
        assert len(after) == len(before) + 2
        assert after[before.index].equals(before)

    def test_other_pixels_at_the_same_place_are_another_sample(self, read: Read) -> None:
        before = by_path(read(places()))["sample_id"]
        after = by_path(read({"a/00.png": noise(12, 12)}))["sample_id"]
        assert (after != before).sum() == 1
        assert after["a/00.png"] != before["a/00.png"]

    @pytest.mark.parametrize(
        "change", [{"title": "Other"}, {"human_error": 0.1}, {"positive": "a"}]
    )
    def test_the_digest_stays_when_only_the_description_changes(
        self, read: Read, change: dict[str, Any]
    ) -> None:
        first = read(places())
        before = first.artefact("samples").manifest
        second = read({}, **change)
        after = second.artefact("samples").manifest
        assert after.fingerprint != before.fingerprint
        assert after.digest == before.digest
        document = json.loads(second.artefact("samples").path("dataset.json").read_text())
        (field,) = change
        assert document[field] == change[field]

    def test_a_file_that_is_written_again_changes_nothing(self, read: Read) -> None:
        before = read(places()).artefact("samples").manifest
        root = Path(before.settings["dataset"]["root"])
        (root / "a" / "00.png").write_bytes((root / "a" / "00.png").read_bytes())
        after = read({}).artefact("samples").manifest
        assert after.fingerprint != before.fingerprint
        assert after.digest == before.digest

    def test_the_digest_changes_with_what_leaks(self, read: Read) -> None:
        """Metrics without leaks hang on it, though every split came with the data."""
        files = {
            f"{split}/{place}": None for split in ("train", "val", "test") for place in places(3)
        }
        first = read(files)
        before = digest(first), first.samples()["split"]
        second = read({}, group=r"/(\d+)\.png")
        assert second.samples()["leaked"].sum() == 12
        assert second.samples()["split"].equals(before[1])
        assert digest(second) != before[0]


class TestLabelNoise:
    SHARE = 0.1

    @pytest.fixture
    def both(self, read: Read) -> tuple[Workspace, pd.DataFrame, pd.DataFrame]:
        """The workspace with noise, its samples, and those without."""
        clean = read(places(40, "abc")).samples()
        noisy = read({}, label_noise=self.SHARE)
        return noisy, noisy.samples(), clean

    def test_exactly_its_share_of_train_is_flipped_and_nothing_else(
        self, both: tuple[Workspace, pd.DataFrame, pd.DataFrame]
    ) -> None:
        _, noisy, clean = both
        for column in ("sample_id", "split", "leaked", "path"):
            assert noisy[column].equals(clean[column])
        assert noisy["true_label"].equals(clean["label"].rename("true_label"))
        assert "true_label" not in clean
        flipped = noisy["label"] != noisy["true_label"]
        assert flipped.sum() == round(self.SHARE * (noisy["split"] == "train").sum())
        assert set(noisy["split"][flipped]) == {"train"}

    def test_it_is_said(self, both: tuple[Workspace, pd.DataFrame, pd.DataFrame]) -> None:
        workspace, noisy, _ = both
        train = (noisy["split"] == "train").sum()
        said = f"10 % of the labels of train ({round(0.1 * train)} of {train}) were flipped"
        assert str(workspace.dataset.label_noise).startswith(said)

    def test_the_seed_and_the_truth_decide(
        self, both: tuple[Workspace, pd.DataFrame, pd.DataFrame], read: Read
    ) -> None:
        workspace, noisy, _ = both
        before = digest(workspace)
        again = read({}, label_noise=self.SHARE, title="Other")
        assert again.samples().equals(noisy) and digest(again) == before
        other = read({}, label_noise=self.SHARE, seed=1).samples()
        assert not other["label"].equals(noisy["label"])
