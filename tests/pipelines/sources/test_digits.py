from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from sklearn.datasets import load_digits

from pipelines.sources.digits import load, signature


def test_all_digits_scaled_to_one() -> None:
    told: list[tuple[int, int]] = []
    loaded = load(SimpleNamespace(), lambda done, total: told.append((done, total)))
    assert loaded.images is not None
    assert loaded.images.shape == (1797, 8, 8, 1)
    assert loaded.images.dtype == np.float32
    assert (loaded.images.min(), loaded.images.max()) == (0, 1)
    np.testing.assert_array_equal(loaded.images[..., 0] * 16, load_digits().images)
    assert loaded.classes == tuple("0123456789")
    assert loaded.records["label"].tolist() == [str(digit) for digit in load_digits().target]
    assert loaded.records["place"].is_unique
    assert loaded.records["split"].isna().all()
    assert loaded.channels == ("grey",)
    assert loaded.simulated is None
    assert "CC BY 4.0" in loaded.description
    assert told == [(1797, 1797)]


def test_signature_names_the_library() -> None:
    assert signature(SimpleNamespace()).startswith("scikit-learn ")
