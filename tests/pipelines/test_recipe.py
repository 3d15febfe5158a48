from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.errors import RecipeError
from pipelines.recipe import (
    ArraysDataset,
    DigitsDataset,
    FolderDataset,
    Recipe,
    load_recipe,
    shipped_recipes,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    return write(tmp_path, {"name": "mine", "dataset": {"source": "digits"}, "runs": {"a": {}}})


def write(folder: Path, document: Any) -> Path:
    path = folder / "mine.yaml"
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path, *sets: str) -> list[str]:
    """The lines that name mistakes, below the first line."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path), sets)
    first, *lines = str(caught.value).splitlines()
    plural = "s" if len(lines) > 1 else ""
    assert first == f"The recipe {path} has {len(lines)} mistake{plural}:"
    return [line.strip() for line in lines]


class TestShipped:
    def test_they_are_those_that_are_promised(self) -> None:
        promised = {"digits", "transients", "hits", "chest_xray", "folder", "estimators"}
        assert set(shipped_recipes()) == promised

    @pytest.mark.parametrize("name", sorted(shipped_recipes()))
    def test_each_is_valid_and_says_what_it_is(self, name: str) -> None:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert shipped_recipes()[name].read_text(encoding="utf-8").startswith("# ")

    @pytest.mark.parametrize("name", sorted(shipped_recipes()))
    def test_each_resolves_to_itself(self, name: str) -> None:
        recipe = load_recipe(name)
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe

    def test_the_one_to_copy_names_every_field_of_a_dataset(self) -> None:
        text = shipped_recipes()["folder"].read_text(encoding="utf-8")
        untold = {"title"}
        for field in set(FolderDataset.model_fields) - untold:
            assert f"{field}:" in text, field

    def test_the_one_to_copy_is_valid_with_its_comments_taken_away(self, tmp_path: Path) -> None:
        lines = shipped_recipes()["folder"].read_text(encoding="utf-8").splitlines()
        fields = ("group", "classes", "positive", "human_error", "class_weights")
        open_lines = [
            line.replace("# ", "", 1) if line.strip().startswith(tuple(f"# {f}:" for f in fields))
            else line
            for line in lines
        ]  # fmt: skip
        assert len(set(open_lines) - set(lines)) == len(fields)
        recipe = load_recipe(str(write(tmp_path, "\n".join(open_lines))))
        assert recipe.dataset.positive == "cats"
        assert recipe.dataset.classes == ("cats", "dogs")
        assert recipe.runs["first"].class_weights == "balanced"


class TestFinding:
    def test_a_path_is_a_recipe(self, minimal: Path) -> None:
        recipe = load_recipe(str(minimal))
        assert recipe.name == "mine"
        assert isinstance(recipe.dataset, DigitsDataset)
        assert recipe.runs["a"].epochs == 20

    def test_an_unknown_name_lists_those_there_are(self) -> None:
        with pytest.raises(RecipeError) as caught:
            load_recipe("digit")
        assert "no recipe 'digit'" in str(caught.value)
        for name in shipped_recipes():
            assert name in str(caught.value)

    @pytest.mark.parametrize("content", ["", "- a\n- b", "text", "3"])
    def test_what_is_no_mapping_is_refused(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(RecipeError, match=r"must hold 'name', 'dataset' and 'runs'.*Received"):
            load_recipe(str(write(tmp_path, content)))

    @pytest.mark.parametrize("content", ["name: [", "a: b: c", "\tname: x", "day: 2024-99-99"])
    def test_what_is_no_yaml_is_refused(self, tmp_path: Path, content: str) -> None:
        path = write(tmp_path, content)
        with pytest.raises(RecipeError) as caught:
            load_recipe(str(path))
        assert f"The recipe {path} cannot be read" in str(caught.value)

    def test_what_is_no_text_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_bytes(b"name: \xff\xfe\x00")
        with pytest.raises(RecipeError, match="cannot be read"):
            load_recipe(str(path))


class TestNothingIsExecuted:
    ATTACKS = (
        "!!python/object/apply:os.system ['touch MARK']",
        "!!python/object/apply:subprocess.check_call [['touch', 'MARK']]",
        "!!python/object/new:pathlib.Path [MARK]",
        "!!python/name:os.system",
        "!!python/module:os",
    )

    @pytest.mark.parametrize("attack", ATTACKS)
    def test_in_a_recipe(self, tmp_path: Path, attack: str) -> None:
        mark = tmp_path / "executed"
        text = "name: mine\ndataset: {source: digits}\nruns: ATTACK\n"
        path = write(tmp_path, text.replace("ATTACK", attack).replace("MARK", str(mark)))
        with pytest.raises(RecipeError, match=r"cannot be read.*python/"):
            load_recipe(str(path))
        assert not mark.exists()

    @pytest.mark.parametrize("attack", ATTACKS)
    def test_in_an_override(self, minimal: Path, tmp_path: Path, attack: str) -> None:
        mark = tmp_path / "executed"
        with pytest.raises(RecipeError, match=r"--set .* is not YAML.*python/"):
            load_recipe(str(minimal), (f"name={attack.replace('MARK', str(mark))}",))
        assert not mark.exists()


class TestMistakes:
    def test_all_are_told_at_once_with_their_places(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            {
                "name": "a b",
                "colour": "red",
                "dataset": {
                    "source": "folder",
                    "group": "(",
                    "seed": -1,
                    "splits": {"val": 0.6, "test": 0.5},
                },
                "runs": {
                    "one": {"model": "resnet", "epochs": 0, "optimizer": {"lr": 0.1}},
                    "two": {"image": {"size": [0, 20]}, "batch_size": "many"},
                },
            },
        )
        told = dict(line.split(": ", 1) for line in mistakes(path))
        assert set(told) == {
            "name",
            "colour",
            "dataset.root",
            "dataset.group",
            "dataset.seed",
            "dataset.splits",
            "runs.one.model",
            "runs.one.epochs",
            "runs.one.optimizer.lr",
            "runs.two.image.size.0",
            "runs.two.batch_size",
        }
        assert told["dataset.root"] == "is needed but absent"
        assert told["dataset.seed"] == "must be greater than or equal to 0. Received: -1"
        assert told["dataset.splits"] == "val + test must be below 1. Received: 0.6 + 0.5"
        assert told["dataset.group"].startswith("not a regular expression: ")
        assert told["dataset.group"].endswith("Received: '('")
        assert told["runs.two.image.size.0"] == "must be greater than 0. Received: 0"
        for place, message in told.items():
            known = ("is needed but absent", "there is no such field. Known here: ")
            assert "Received: " in message or message.startswith(known), place

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ("name=null", "name: must be a valid string. Received: None"),
            ("dataset.source=web", "dataset.source: must be one of 'folder', 'hits', 'arrays', "
             "'digits', 'transients'. Received: 'web'"),
            ("dataset.classes=[a]", "dataset.classes: must hold at least 2. Received: ['a']"),
            ("dataset.classes=[a, b, a]",
             "dataset.classes: must name each class once. Received: ['a', 'b', 'a']"),
            ("dataset.human_error=5", "dataset.human_error: must be less than 1. Received: 5"),
            ("runs={}", "runs: must hold at least 1. Received: {}"),
            ("runs=[a]", "runs: must be a mapping. Received: ['a']"),
            ("runs.a=3", "runs.a: must be a mapping. Received: 3"),
            ("dataset=digits", "dataset: must be a mapping. Received: 'digits'"),
            ("runs.a.image.size=64",
             "runs.a.image.size: must be a list; or must be 'auto'. Received: 64"),
            ("runs.a.image.size=[64]", "runs.a.image.size.1: is needed but absent"),
            ("runs.a.image.channels=gray", "runs.a.image.channels: must be a list; or must be "
             "'auto', 'grey' or 'rgb'. Received: 'gray'"),
            ("runs.a.class_weights={x: 0}",
             "runs.a.class_weights.x: must be greater than 0. Received: 0"),
            ("runs.a.optimizer.learning_rate=.inf",
             "runs.a.optimizer.learning_rate: must be a finite number. Received: inf"),
            ("dataset.label_noise=0.6",
             "dataset.label_noise: must be less than or equal to 0.5. Received: 0.6"),
            ("runs.a.issues.head={folds: 2}",
             "runs.a.issues.head.folds: must be greater than or equal to 3. Received: 2"),
            ("runs.a.issues.head={epochs: 2}",
             "runs.a.issues.head: epochs are for by: classifier. Received: epochs: 2"),
            ("runs.a.augmentation.brightness=[1.2, 0.8]", "runs.a.augmentation.brightness: "
             "must be two factors, the lower first. Received: [1.2, 0.8]"),
        ],
    )  # fmt: skip
    def test_each_in_words_of_the_recipe(self, minimal: Path, change: str, line: str) -> None:
        assert mistakes(minimal, change) == [line]

    def test_a_dataset_without_a_source_lists_the_sources(self, minimal: Path) -> None:
        (line,) = mistakes(minimal, "dataset={seed: 1}")
        assert line.startswith("dataset.source: is needed but absent. It must be one of 'folder',")

    @pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a" * 65, "ü", "a b"])
    def test_names_that_are_no_names_of_folders(self, tmp_path: Path, name: str) -> None:
        run: dict[str, Any] = {}
        path = write(tmp_path, {"name": name, "dataset": {"source": "digits"}, "runs": {name: run}})
        lines = mistakes(path)
        assert [line.split(":")[0] for line in lines] == ["name", f"runs.{name}".strip()]
        assert all("must be a name of letters, digits" in line for line in lines)

    def test_a_name_with_a_line_break_is_none(self, minimal: Path) -> None:
        (line,) = mistakes(minimal, 'name="a\\n"')
        assert line.endswith(r"Received: 'a\n'")

    @pytest.mark.parametrize(
        ("change", "known"),
        [
            ("colour=red", "name, dataset, runs"),
            ("dataset.path=x", "title, classes, positive, human_error, splits, label_noise, "
             "labels, seed, source"),
            ("dataset.splits.train=0.5", "val, test"),
            ("runs.a.lr=1", "model, image, optimizer, batch_size, epochs, early_stopping, plateau, "
             "augmentation, class_weights, labels, seed, embeddings, occlusion, issues"),
            ("runs.a.image.height=3", "size, channels"),
            ("runs.a.optimizer.lr=1", "name, learning_rate, momentum"),
            ("runs.a.early_stopping.monitor=loss", "patience, min_delta"),
            ("runs.a.plateau.cooldown=1", "factor, patience, min_delta, min_learning_rate"),
            ("runs.a.augmentation.crop=1", "shift_x, shift_y, rotation, zoom, brightness, "
             "flip_horizontal, flip_vertical"),
            ("runs.a.embeddings.pixels.size=3", "neighbours, metric, near_duplicate, pairs, "
             "index, projection, clusters, kind, dim"),
            ("runs.a.embeddings.penultimate.index.tree=3", "trees, search_k"),
            ("runs.a.occlusion.patch3.size=5", "patch, stride, fill, way, train, val, test, seed, "
             "estimators"),
            ("runs.a.occlusion.patch3.estimators.ours.depth=5", "network, classifier, code, cut, "
             "encoder, target, only, optimizer, learning_rate, batch_size, epochs, patience, "
             "repeats, seed"),
            ("runs.a.issues.head.method=x", "by, embedding, folds, neighbours, epochs, seed"),
            # A run may be named like a part of a run.
            ("runs.image.size=[8, 8]", "model, image, optimizer, batch_size, epochs, "
             "early_stopping, plateau, augmentation, class_weights, labels, seed, embeddings, "
             "occlusion, issues"),
        ],
    )  # fmt: skip
    def test_an_unknown_field_lists_those_there_are(
        self, minimal: Path, change: str, known: str
    ) -> None:
        place = change.partition("=")[0]
        assert mistakes(minimal, change) == [
            f"{place}: there is no such field. Known here: {known}"
        ]


class TestEmbeddings:
    def test_a_name_alone_may_say_all(self, minimal: Path) -> None:
        names = ("penultimate", "layer:conv1", "ResNet50-max", "pixels", "autoencoder", "siamese")
        sets = tuple(f"runs.a.embeddings.{name}=null" for name in names)
        made = load_recipe(str(minimal), sets).runs["a"].embeddings
        assert {name: made[name].kind for name in names} == {
            "penultimate": "layer",
            "layer:conv1": "layer",
            "ResNet50-max": "backbone",
            "pixels": "pixels",
            "autoencoder": "autoencoder",
            "siamese": "siamese",
        }
        assert made["layer:conv1"].layer == "conv1"
        assert (made["ResNet50-max"].backbone, made["ResNet50-max"].pooling) == ("ResNet50", "max")

    def test_a_run_that_names_none_has_its_penultimate_layer(self, minimal: Path) -> None:
        assert list(load_recipe(str(minimal)).runs["a"].embeddings) == ["penultimate"]
        assert load_recipe(str(minimal), ("runs.a.embeddings={}",)).runs["a"].embeddings == {}

    def test_another_name_needs_its_kind(self, minimal: Path) -> None:
        (line,) = mistakes(minimal, "runs.a.embeddings.mine={dim: 3}")
        assert line.startswith("runs.a.embeddings.mine.kind: is needed but absent. It must be one")
        assert "'layer', 'backbone', 'autoencoder', 'siamese', 'pixels'" in line

    def test_mistakes_name_their_place_without_the_kind(self, minimal: Path) -> None:
        (line,) = mistakes(minimal, "runs.a.embeddings.pixels.dim=1")
        assert line.startswith("runs.a.embeddings.pixels.dim: must be greater than or equal to 2")

    @pytest.mark.parametrize(
        ("settings", "most", "received", "enough"),
        [
            ("{neighbours: 10}", 11, (15, 10), 14),
            ("{projection: {neighbours: 100}}", 51, (100, 50), 99),
        ],
    )
    def test_a_map_needs_as_many_neighbours_as_it_draws_to(
        self, minimal: Path, settings: str, most: int, received: tuple[int, int], enough: int
    ) -> None:
        assert mistakes(minimal, f"runs.a.embeddings.pixels={settings}") == [
            f"runs.a.embeddings.pixels: projection.neighbours must be at most {most}, one more "
            "than the neighbours that the embedding keeps. Received: projection.neighbours: "
            f"{received[0]}, neighbours: {received[1]}. Lower the first, or set neighbours to "
            f"{enough} or more"
        ]
        just = "runs.a.embeddings.pixels={neighbours: 14}"
        assert load_recipe(str(minimal), (just,)).runs["a"].embeddings["pixels"].neighbours == 14


class TestIssues:
    EMBEDDINGS = "runs.a.embeddings={penultimate: , siamese: , pixels: {neighbours: 15}}"

    def test_the_first_embedding_that_never_saw_a_label_is_asked(self, minimal: Path) -> None:
        recipe = load_recipe(str(minimal), (self.EMBEDDINGS, "runs.a.issues.head={neighbours: 15}"))
        run = recipe.runs["a"]
        assert run.embedding_of(run.issues["head"]) == "pixels"

    @pytest.mark.parametrize("name", ["penultimate", "siamese", "none-such"])
    @pytest.mark.parametrize("by", ["head", "classifier"])
    def test_one_that_saw_labels_or_is_not_there_is_refused(
        self, minimal: Path, name: str, by: str
    ) -> None:
        change = f"runs.a.issues.mine={{by: {by}, embedding: {name}, neighbours: 15}}"
        (line,) = mistakes(minimal, self.EMBEDDINGS, change)
        assert line.startswith("runs.a: issues.mine.embedding must be one of the run's that never")
        assert line.endswith(f"Received: '{name}'. There are: pixels")

    def test_all_mistakes_of_a_run_are_told_at_once(self, minimal: Path) -> None:
        (line,) = mistakes(
            minimal,
            self.EMBEDDINGS,
            "runs.a.issues={one: {embedding: siamese}, two: {neighbours: 16}}",
        )
        assert "issues.one.embedding must be" in line
        assert line.endswith(
            "issues.two.neighbours must be at most those that the embedding 'pixels' keeps, 15. "
            "Received: 16"
        )

    def test_a_run_without_such_an_embedding_says_so(self, minimal: Path) -> None:
        (line,) = mistakes(minimal, "runs.a.issues.head={}")
        assert line.endswith("Received: none. There are: none")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\ndataset: {source: digits}\nruns: {b: {}}\nname: c\n")
    with pytest.raises(RecipeError, match="the key 'name' stands twice"):
        load_recipe(str(path))


class TestOverrides:
    def test_nested_fields_and_the_name(self, minimal: Path) -> None:
        recipe = load_recipe(
            str(minimal),
            (
                "name=other",
                "dataset.splits.val=0.25",
                "runs.a.image={size: [8, 9], channels: grey}",
                "runs.a.early_stopping=null",
                "runs.a.optimizer.learning_rate=1e-4",
            ),
        )
        assert recipe.name == "other"
        assert recipe.dataset.splits.val == 0.25
        assert recipe.dataset.splits.test == 0.15
        assert recipe.runs["a"].image.size == (8, 9)
        assert recipe.runs["a"].early_stopping is None
        assert recipe.runs["a"].optimizer.learning_rate == 1e-4

    def test_parts_and_runs_that_are_not_there_yet_are_made(self, minimal: Path) -> None:
        recipe = load_recipe(
            str(minimal), ("runs.a.plateau.patience=7", "runs.b.augmentation.shift_x=0.2")
        )
        assert recipe.runs["a"].plateau is not None
        assert recipe.runs["a"].plateau.patience == 7
        assert recipe.runs["b"].augmentation is not None
        assert recipe.runs["b"].augmentation.shift_x == 0.2

    def test_the_last_one_counts(self, minimal: Path) -> None:
        recipe = load_recipe(str(minimal), ("runs.a.epochs=3", "runs.a.epochs=4"))
        assert recipe.runs["a"].epochs == 4

    def test_a_value_may_hold_an_equals_sign(self, minimal: Path) -> None:
        recipe = load_recipe(str(minimal), ("dataset.title=a=b",))
        assert recipe.dataset.title == "a=b"

    def test_the_recipe_to_copy_runs_with_two(self) -> None:
        recipe = load_recipe("folder", ("dataset.root=~/my photos", "name=photos"))
        assert isinstance(recipe.dataset, FolderDataset)
        assert recipe.dataset.root == Path("~/my photos")
        assert recipe.name == "photos"

    def test_numbers_may_be_names(self, minimal: Path) -> None:
        recipe = load_recipe(
            str(minimal),
            ("name=2024", "dataset.classes=[3, 8]", "runs.a.class_weights={3: 1, 8: 2.5}"),
        )
        assert recipe.name == "2024"
        assert recipe.dataset.classes == ("3", "8")
        assert recipe.runs["a"].class_weights == {"3": 1, "8": 2.5}

    def test_another_kind_of_dataset(self, minimal: Path) -> None:
        recipe = load_recipe(str(minimal), ("dataset={source: arrays, path: x.npz}",))
        assert isinstance(recipe.dataset, ArraysDataset)

    @pytest.mark.parametrize("text", ["runs.a.epochs", "=3", "runs..epochs=3", ".a=3", "a.=3", ""])
    def test_bad_syntax_is_shown_with_an_example(self, minimal: Path, text: str) -> None:
        with pytest.raises(RecipeError) as caught:
            load_recipe(str(minimal), (text,))
        assert "must look like dotted.key=value" in str(caught.value)
        assert f"Received: --set {text!r}" in str(caught.value)
        assert "Example: --set dataset.seed=3" in str(caught.value)

    @pytest.mark.parametrize("value", ["[1, 2", "{a: ", "'open", "2024-99-99"])
    def test_a_value_that_is_no_yaml_is_shown(self, minimal: Path, value: str) -> None:
        with pytest.raises(RecipeError, match="is not YAML") as caught:
            load_recipe(str(minimal), (f"runs.a.image.size={value}",))
        assert f"runs.a.image.size={value}" in str(caught.value)

    def test_a_key_below_a_single_value_is_refused(self, minimal: Path) -> None:
        with pytest.raises(RecipeError, match=r"goes into 'name'.*Received there: 'mine'"):
            load_recipe(str(minimal), ("name.first=x",))

    def test_mistakes_in_overrides_are_told_with_the_others(self, minimal: Path) -> None:
        lines = mistakes(minimal, "runs.a.epochs=0", "dataset.seed=x")
        assert [line.split(":")[0] for line in lines] == ["dataset.seed", "runs.a.epochs"]


def test_checking_a_recipe_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipelines.recipe import load_recipe; load_recipe('digits');"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'streamlit') if m in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_what_is_merged_in_may_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text(
        "name: merged\ndataset: {source: digits}\n"
        "runs:\n  a: &a {model: compact_cnn, epochs: 3}\n  b: {<<: *a, epochs: 4}\n"
    )
    runs = load_recipe(str(path)).runs
    assert (runs["b"].model, runs["b"].epochs) == ("compact_cnn", 4)


def test_an_encoder_must_be_a_run_that_has_one(minimal: Path) -> None:
    change = "runs.a.occlusion.patch3.estimators.ours={network: study, encoder: b}"
    (line,) = mistakes(minimal, change)
    assert "patch3.estimators.ours.encoder must be a run of model hits_deep" in line
    assert "Received: 'b'. There are: none" in line
    (line,) = mistakes(minimal, change.replace("network: study, ", ""))
    assert "encoder and target are for network: study" in line


def test_decided_labels_must_come_from_somewhere(minimal: Path) -> None:
    (line,) = mistakes(minimal, "runs.a.labels=decided")
    assert line.startswith("runs.a.labels must be given while dataset.labels is given")
    (line,) = mistakes(minimal, "dataset.labels=reviewd")
    assert line.startswith("dataset.labels: must be given, reviewed, or the path of a .csv")
    assert "Received: 'reviewd'" in line
    (line,) = mistakes(minimal, "dataset.labels=[3]")
    assert line.endswith("must be 'given' or 'reviewed'; or must be a path. Received: [3]")


def test_a_run_is_trained_on_decided_labels_where_there_are_any(minimal: Path) -> None:
    for chosen, by_default in (("given", "given"), ("reviewed", "decided"), ("a.csv", "decided")):
        recipe = load_recipe(str(minimal), (f"dataset.labels={chosen}", "runs.b={labels: given}"))
        assert (recipe.labels_of("a"), recipe.labels_of("b")) == (by_default, "given")
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
