"""What people look at: reads the cache, trains nothing."""

from __future__ import annotations
