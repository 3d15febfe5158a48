"""Says what is wrong with a recipe: every mistake, one a line, with its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from pipelines.recipe.dataset import DATASETS, Splits
from pipelines.recipe.document import Recipe
from pipelines.recipe.embedding import EMBEDDINGS, ClusterRecipe, IndexRecipe, ProjectionRecipe
from pipelines.recipe.issues import IssuesRecipe
from pipelines.recipe.occlusion import EstimatorRecipe, OcclusionRecipe
from pipelines.recipe.run import (
    Augmentation,
    EarlyStopping,
    ImageInput,
    Optimizer,
    Plateau,
    RunRecipe,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is needed but absent",
    "string_pattern_mismatch": "must be a name of letters, digits, '_', '.' and '-' that begins "
    "with a letter or digit and has at most 64 characters",
    "tuple_type": "must be a list",
    "path_type": "must be a path",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}
"""What pydantic says in the words of Python, in those of YAML."""

_OF_THE_WHOLE = ("literal_error", "too_short", "tuple_type", "dict_type")
"""Kinds of mistakes of a value that only repeat, less exactly, one inside it."""


def explain(path: Path, error: ValidationError) -> str:
    """All mistakes of a recipe, one a line, in the project's grammar."""
    found = [(".".join(_place(mistake["loc"])), mistake) for mistake in error.errors()]
    mistakes: dict[str, list[str]] = {}
    received: dict[str, Any] = {}
    for place, mistake in found:
        inside = any(other.startswith(f"{place}.") for other, _ in found)
        if inside and mistake["type"] in _OF_THE_WHOLE:
            continue
        if mistake["type"].startswith("union_tag"):
            place = f"{place}.{mistake['ctx']['discriminator'].strip(chr(39))}"
        message = _message(mistake)
        if mistake["type"] not in ("extra_forbidden", "missing") and "Received" not in message:
            received[place] = mistake["input"]
        mistakes.setdefault(place, []).append(message)
    lines = []
    for place, messages in mistakes.items():
        # The branches of a union each report why they do not fit.
        # A mistake of the whole recipe names its places itself.
        line = f"  {place}: " if place else "  "
        line += "; or ".join(dict.fromkeys(messages))
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
        union = DATASETS if mistake["loc"] == ("dataset",) else EMBEDDINGS
        kinds = ", ".join(repr(kind) for kind in union)
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
    if parts[2:3] == ["embeddings"] and len(parts) > 4:
        del parts[4]
    return parts


def _fields(location: tuple[int | str, ...]) -> str:
    """Sentence that lists the fields there are where an unknown one was found."""
    places: dict[str, type[BaseModel]] = {
        "splits": Splits,
        "image": ImageInput,
        "optimizer": Optimizer,
        "early_stopping": EarlyStopping,
        "plateau": Plateau,
        "augmentation": Augmentation,
        "index": IndexRecipe,
        "projection": ProjectionRecipe,
        "clusters": ClusterRecipe,
        **DATASETS,
        **EMBEDDINGS,
    }
    parents = [str(part) for part in location[:-1]]
    if not parents:
        model: type[BaseModel] = Recipe
    elif len(parents) == 2 and parents[0] == "runs":
        model = RunRecipe
    elif len(parents) == 4 and parents[2] == "occlusion":
        model = OcclusionRecipe
    elif len(parents) == 4 and parents[2] == "issues":
        model = IssuesRecipe
    elif len(parents) == 6 and parents[4] == "estimators":
        model = EstimatorRecipe
    else:
        model = places[parents[-1]]
    return f"Known here: {', '.join(model.model_fields)}"
