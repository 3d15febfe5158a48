"""Reads a recipe from YAML, with overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.errors import RecipeError
from pipelines.recipe.document import Recipe
from pipelines.recipe.mistakes import explain

RECIPES = Path(__file__).parents[1] / "recipes"


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
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)
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
        raise RecipeError(explain(path, error)) from error


class _Loader(yaml.SafeLoader):
    """Plain data only, and no key twice: the first of two would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # What is merged in ("<<") may be overridden; that is no key twice.
        own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in own]
        twice = [key for index, key in enumerate(keys) if key in keys[:index]]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


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
