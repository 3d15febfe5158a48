"""What holds for every test."""

from __future__ import annotations

import hypothesis

# How long one example takes says more about the machine's other work than about the code.
hypothesis.settings.register_profile("centauro", deadline=None)
hypothesis.settings.load_profile("centauro")
