"""The algorithms, as functions on arrays."""

from __future__ import annotations
