"""The benchmark of memory: measured in processes of their own, with what it claims to embed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import embedding
from benchmarks.common import written


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_a_peak_is_of_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "ENCODERS", {"pixels": 1.0})
    (row,) = embedding.rows(0.0001, 1)
    assert "200 images of 64x64x3, pixels" in row.case
    assert row.unit == "GiB"
    assert row.baseline_value is not None
    # An interpreter with numpy takes more than this; the test's own process takes more than that.
    assert 0.03 < row.value < row.baseline_value * 1.5 < 2
    assert row.ratio == pytest.approx(row.baseline_value / row.value)
    assert "400 images" in written([row], as_json=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(embedding.ENCODERS))
def test_every_encoder_embeds(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("images") / "images.npy"
    rng = np.random.default_rng(0)
    np.save(path, rng.integers(0, 256, (20, *embedding.SHAPE)).astype(np.uint8))
    assert embedding.child(name, path) > 0
