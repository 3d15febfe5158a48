"""The recipe: one dataset and the runs to make on it, as a user writes it in YAML.

Every field is declared here once; mistakes are collected and reported together. A recipe is data:
nothing in it is ever executed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from pipelines.errors import RecipeError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

RECIPES = Path(__file__).parent / "recipes"

Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Part(BaseModel):
    """A part of a recipe: unknown fields are mistakes, values never change.

    Numbers where names belong are taken as names, so that ``classes: [3, 8]`` needs no quotes.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, coerce_numbers_to_str=True
    )


class Splits(Part):
    """Shares of the samples to set aside where the data does not bring the split itself."""

    val: Share = Field(0.15, description="share for validation; 0 makes none")
    test: Share = Field(0.15, description="share for the test; 0 makes none")

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> Splits:
        if self.val + self.test >= 1:
            raise ValueError(f"val + test must be below 1. Received: {self.val} + {self.test}")
        return self


class DatasetBase(Part):
    """What every kind of dataset can say."""

    title: str | None = Field(None, description="name for people; the source's own if absent")
    classes: tuple[str, ...] | None = Field(
        None, min_length=2, description="classes to keep, in this order; all of them if absent"
    )
    positive: str | None = Field(None, description="the positive class, where there is one")
    human_error: Share | None = Field(
        None, description="error rate of people on this task, to set the model's beside"
    )
    splits: Splits = Field(default_factory=Splits)
    seed: int = Field(0, ge=0, description="seed of the splits")

    @field_validator("classes")
    @classmethod
    def _different(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError(f"must name each class once. Received: {list(value)}")
        return value


class FolderDataset(DatasetBase):
    """Images in folders: root/class/* or root/split/class/*, at any depth below."""

    source: Literal["folder"]
    root: Path = Field(description="the folder; relative paths start where you run the command")
    group: str | None = Field(
        None, description="regular expression on the path; images with equal matches stay together"
    )

    @field_validator("group")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"not a regular expression: {error}. Received: {pattern!r}"
                ) from error
        return pattern


class HitsDataset(DatasetBase):
    """The pickle of the HiTS study: a dict with ``images`` and ``labels``."""

    source: Literal["hits"]
    path: Path = Field(description="the pickle file")
    transient_label: Literal[0, 1] = Field(1, description="the number that marks a transient")


class ArraysDataset(DatasetBase):
    """A NumPy archive with ``images`` and ``labels``, and optionally ``split`` and ``names``."""

    source: Literal["arrays"]
    path: Path = Field(description="the .npz file")


class DigitsDataset(DatasetBase):
    """The 1,797 scanned digits that come with scikit-learn."""

    source: Literal["digits"]


class TransientsDataset(DatasetBase):
    """Simulated stamps of difference imaging, like those of the HiTS survey."""

    source: Literal["transients"]
    count: int = Field(20_000, ge=20, le=1_000_000, description="how many stamps to simulate")


AnyDataset = Annotated[
    FolderDataset | HitsDataset | ArraysDataset | DigitsDataset | TransientsDataset,
    Field(discriminator="source"),
]


class ImageInput(Part):
    """How images reach the model."""

    size: tuple[PositiveInt, PositiveInt] | Literal["auto"] = Field(
        "auto", description="height and width in pixels, or auto: chosen from the data"
    )
    channels: tuple[str, ...] | Literal["auto", "grey", "rgb"] = Field(
        "auto", description="auto, grey, rgb, or a list of the dataset's channel names"
    )


class Optimizer(Part):
    """How weights are updated."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "adadelta"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    momentum: Share = Field(0.0, description="for sgd and rmsprop")


class EarlyStopping(Part):
    """Stop when the validation loss (without penalty terms) has not improved."""

    patience: int = Field(5, ge=0, description="epochs without improvement that are forgiven")
    min_delta: float = Field(0.0, ge=0, description="what counts as an improvement")


class Plateau(Part):
    """Lower the learning rate when the validation loss has not improved."""

    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(3, ge=0)
    min_delta: float = Field(0.0, ge=0)
    min_learning_rate: float = Field(1e-6, ge=0)


class Augmentation(Part):
    """Random changes of training images. Never applied to val or test."""

    shift_x: Share = Field(0.0, description="share of the width, to either side")
    shift_y: Share = Field(0.0, description="share of the height, up or down")
    rotation: float = Field(0.0, ge=0, le=180, description="degrees, to either side")
    zoom: Share = Field(0.0, description="share, in or out")
    brightness: tuple[float, float] | None = Field(
        None, description="range of the factor on pixel values, such as [0.8, 1.2]"
    )
    flip_horizontal: bool = False
    flip_vertical: bool = False

    @field_validator("brightness")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] <= value[1]:
            raise ValueError(f"must be two factors, the lower first. Received: {list(value)}")
        return value


class RunRecipe(Part):
    """One model to train."""

    model: Literal[
        "auto", "compact_cnn", "hits_cnn", "hits_deep", "simple_cnn", "simple_cnn_224"
    ] = "auto"
    image: ImageInput = Field(default_factory=ImageInput)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    batch_size: int = Field(32, ge=1, le=4096)
    epochs: int = Field(20, ge=1, le=10_000)
    early_stopping: EarlyStopping | None = Field(default_factory=EarlyStopping)
    plateau: Plateau | None = None
    augmentation: Augmentation | None = None
    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = None
    seed: int = Field(0, ge=0)


class Recipe(Part):
    """One workspace: a dataset and the runs made on it."""

    name: Name = Field(description="name of the workspace")
    dataset: AnyDataset
    runs: Annotated[dict[Name, RunRecipe], Field(min_length=1)]


def shipped_recipes() -> dict[str, Path]:
    """Recipes that come with Centauro, by name."""
    return {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}


def load_recipe(reference: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe, apply overrides and check all of it.

    Args:
        reference: Name of a recipe that comes with Centauro, or the path of a YAML file.
        overrides: ``dotted.key=value``, the value in YAML.

    Raises:
        RecipeError: With every mistake, each with its place in the recipe.
    """
    path = _find(reference)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise RecipeError(
            f"The recipe {path} must hold 'name', 'dataset' and 'runs'. "
            f"Received: {type(document).__name__}."
        )
    for override in overrides:
        _override(document, override)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise RecipeError(_explain(path, error)) from error


def _find(reference: str) -> Path:
    shipped = shipped_recipes()
    if reference in shipped:
        return shipped[reference]
    path = Path(reference).expanduser()
    if path.is_file():
        return path
    raise RecipeError(
        f"There is no recipe '{reference}': neither a file nor one of those that come with "
        f"Centauro ({', '.join(shipped)}). List them with: python -m pipelines list"
    )


def _override(document: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not all(key.split(".")):
        raise RecipeError(
            f"An override must look like dotted.key=value. Received: --set {text!r}. "
            "Example: --set dataset.seed=3"
        )
    *parents, last = key.split(".")
    place = document
    for depth, parent in enumerate(parents):
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise RecipeError(
                f"The override --set {text!r} goes into '{'.'.join(parents[: depth + 1])}', which "
                f"holds a single value. Received there: {place!r}."
            )
    try:
        place[last] = yaml.safe_load(value)
    except (ValueError, yaml.YAMLError) as error:
        raise RecipeError(f"The value of --set {text!r} is not YAML: {error}") from error


_WORDS = {
    "missing": "is needed but absent",
    "string_pattern_mismatch": "must be a name of letters, digits, '_', '.' and '-' that begins "
    "with a letter or digit and has at most 64 characters",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}
"""What pydantic says in the words of Python, in those of YAML."""

_OF_THE_WHOLE = ("literal_error", "too_short", "tuple_type", "dict_type")
"""Kinds of mistakes of a value that only repeat, less exactly, one inside it."""


def _explain(path: Path, error: ValidationError) -> str:
    """All mistakes of a recipe, one a line, in the project's grammar."""
    found = [(".".join(_place(mistake["loc"])), mistake) for mistake in error.errors()]
    mistakes: dict[str, list[str]] = {}
    received: dict[str, Any] = {}
    for place, mistake in found:
        inside = any(other.startswith(f"{place}.") for other, _ in found)
        if inside and mistake["type"] in _OF_THE_WHOLE:
            continue
        if mistake["type"].startswith("union_tag"):
            place = "dataset.source"
        message = _message(mistake)
        if mistake["type"] not in ("extra_forbidden", "missing") and "Received" not in message:
            received[place] = mistake["input"]
        mistakes.setdefault(place, []).append(message)
    lines = []
    for place, messages in mistakes.items():
        # The branches of a union each report why they do not fit.
        line = f"  {place}: {'; or '.join(dict.fromkeys(messages))}"
        lines.append(f"{line}. Received: {received[place]!r}" if place in received else line)
    plural = "s" if len(lines) > 1 else ""
    return "\n".join([f"The recipe {path} has {len(lines)} mistake{plural}:", *lines])


def _message(mistake: ErrorDetails) -> str:
    """One mistake in the project's grammar."""
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        return f"there is no such field. {_fields(mistake['loc'])}"
    if kind == "union_tag_invalid":
        return f"must be one of {context['expected_tags']}. Received: {context['tag']!r}"
    if kind == "union_tag_not_found":
        kinds = ", ".join(repr(kind) for kind in _DATASETS)
        return f"is needed but absent. It must be one of {kinds}. Received: {mistake['input']!r}"
    if kind == "too_short":
        return f"must hold at least {context['min_length']}"
    message = _WORDS.get(kind, mistake["msg"])
    return message.removeprefix("Value error, ").replace("Input should", "must")


def _place(location: tuple[int | str, ...]) -> list[str]:
    """Drop what pydantic adds to a location to name the branch of a union."""
    parts = [str(part) for part in location if "[" not in str(part)]
    if parts[:1] == ["dataset"] and len(parts) > 2:
        del parts[1]
    return parts


_DATASETS: dict[str, type[BaseModel]] = {
    "folder": FolderDataset,
    "hits": HitsDataset,
    "arrays": ArraysDataset,
    "digits": DigitsDataset,
    "transients": TransientsDataset,
}


def _fields(location: tuple[int | str, ...]) -> str:
    """Sentence that lists the fields there are where an unknown one was found."""
    places: dict[str, type[BaseModel]] = {
        "splits": Splits,
        "image": ImageInput,
        "optimizer": Optimizer,
        "early_stopping": EarlyStopping,
        "plateau": Plateau,
        "augmentation": Augmentation,
        **_DATASETS,
    }
    parents = [str(part) for part in location[:-1]]
    if not parents:
        model: type[BaseModel] = Recipe
    elif len(parents) == 2 and parents[0] == "runs":
        model = RunRecipe
    else:
        model = places[parents[-1]]
    return f"Known here: {', '.join(model.model_fields)}"
