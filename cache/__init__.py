"""The contract between the pipelines, which write it, and the dashboard, which reads it.

Knows no TensorFlow and no Streamlit. Start at :class:`cache.store.Workspace`.
"""

from __future__ import annotations

from cache.artefact import Artefact, Manifest
from cache.store import (
    Dataset,
    Run,
    StageState,
    Workspace,
    cache_root,
    list_workspaces,
    open_workspace,
)
from cache.tables import SPLITS

__all__ = [
    "SPLITS",
    "Artefact",
    "Dataset",
    "Manifest",
    "Run",
    "StageState",
    "Workspace",
    "cache_root",
    "list_workspaces",
    "open_workspace",
]
