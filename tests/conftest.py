"""What holds for every test."""

from __future__ import annotations

import os

import hypothesis

# The workers of pytest-xdist set it to 80, and what prints tables would keep to that.
os.environ.pop("COLUMNS", None)

# How long one example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("centauro", deadline=None)
hypothesis.settings.load_profile("centauro")
