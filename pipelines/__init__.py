"""What runs offline: reads a recipe, makes its artefacts, writes the cache. Knows no screen."""

from __future__ import annotations
