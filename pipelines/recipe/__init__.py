"""The recipe: one dataset and the runs to make on it, as a user writes it in YAML.

Every field is declared here once; mistakes are collected and reported together. A recipe is data:
nothing in it is ever executed.
"""

from __future__ import annotations

from pipelines.recipe.dataset import (
    AnyDataset,
    ArraysDataset,
    DatasetBase,
    DigitsDataset,
    FolderDataset,
    HitsDataset,
    Splits,
    TransientsDataset,
)
from pipelines.recipe.document import Recipe
from pipelines.recipe.embedding import (
    AnyEmbedding,
    AutoencoderEmbedding,
    BackboneEmbedding,
    EmbeddingBase,
    IndexRecipe,
    LayerEmbedding,
    PixelsEmbedding,
    SiameseEmbedding,
)
from pipelines.recipe.issues import IssuesRecipe
from pipelines.recipe.occlusion import EstimatorRecipe, OcclusionRecipe
from pipelines.recipe.reading import load_recipe, shipped_recipes
from pipelines.recipe.run import Augmentation, EarlyStopping, Optimizer, Plateau, RunRecipe

__all__ = [
    "AnyDataset",
    "AnyEmbedding",
    "ArraysDataset",
    "Augmentation",
    "AutoencoderEmbedding",
    "BackboneEmbedding",
    "DatasetBase",
    "DigitsDataset",
    "EarlyStopping",
    "EmbeddingBase",
    "EstimatorRecipe",
    "FolderDataset",
    "HitsDataset",
    "IndexRecipe",
    "IssuesRecipe",
    "LayerEmbedding",
    "OcclusionRecipe",
    "Optimizer",
    "PixelsEmbedding",
    "Plateau",
    "Recipe",
    "RunRecipe",
    "SiameseEmbedding",
    "Splits",
    "TransientsDataset",
    "load_recipe",
    "shipped_recipes",
]
