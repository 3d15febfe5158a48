from __future__ import annotations

import numpy as np
import pytest

from pipelines.methods.placing import place


def test_a_new_vector_lies_amid_its_neighbours() -> None:
    points = np.array([[0, 0], [4, 0], [0, 4], [100, 100]], np.float32)
    near, distances = np.array([0, 1, 2]), np.array([1.0, 2.0, 2.0])
    assert place(points, near, distances) == pytest.approx([1.0, 1.0])
    assert place(points, near, np.array([0.0, 2.0, 2.0])) == pytest.approx([0.0, 0.0])
    assert place(points, np.array([0, 1]), np.zeros(2)) == pytest.approx([2.0, 0.0])
