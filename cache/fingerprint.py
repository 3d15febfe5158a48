"""Names for what made an artefact: equal fingerprints, equal result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = 1
"""Version of the layout and of the table schemas. It is part of every fingerprint, so raising it
makes every artefact stale."""


def fingerprint(value: Any) -> str:
    """Hash plain data (dicts, lists, strings, numbers, None) independently of key order.

    Args:
        value: Data that JSON can write.

    Returns:
        32 hexadecimal digits (BLAKE2b, 128 bit).

    Raises:
        TypeError: The value holds something that is not plain data.
    """
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def file_signature(path: Path) -> str:
    """Names the present content of a file by its name, size and time, without reading it.

    Args:
        path: The file.

    Returns:
        32 hexadecimal digits.

    Raises:
        OSError: There is no such file.
    """
    status = path.stat()
    parts = f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(parts.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def stage_fingerprint(stage: str, version: int, settings: str, inputs: Mapping[str, str]) -> str:
    """Fingerprint of the artefact that a stage would write.

    Args:
        stage: Name of the stage.
        version: The stage's own version, raised when its result changes for the same inputs.
        settings: Fingerprint of the stage's part of the recipe.
        inputs: Digest of each artefact that the stage reads, by the artefact's key.

    Returns:
        32 hexadecimal digits.
    """
    return fingerprint(
        {
            "schema": SCHEMA,
            "stage": stage,
            "version": version,
            "settings": settings,
            "inputs": dict(inputs),
        }
    )
