"""One file a page."""

from __future__ import annotations
