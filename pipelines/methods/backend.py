"""The one place that decides how TensorFlow is brought in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def load_tensorflow() -> None:
    """Import TensorFlow and Keras without the notes on absent GPUs that they write to stderr.

    The notes come from C++ code before its log level can be set; errors of the import itself are
    raised as usual.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _without_stderr():
        import keras
        import tensorflow

        # Touching the devices now makes their notes fall into the same silence.
        tensorflow.config.list_physical_devices()
        keras.backend.clear_session()


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
