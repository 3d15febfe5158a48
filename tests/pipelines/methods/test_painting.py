from __future__ import annotations

import io
from base64 import b64decode

import numpy as np
from PIL import Image

from pipelines.methods import painting


def test_the_colours_of_a_map_span_its_scale() -> None:
    low, high = painting._palette()[[0, 255]]
    picture = painting.painted(np.array([[0.2, 0.8]]), (0.2, 0.8))
    pixels = np.asarray(Image.open(io.BytesIO(b64decode(picture.split(",")[1]))).convert("RGB"))
    np.testing.assert_array_equal(pixels[0], [low, high])
