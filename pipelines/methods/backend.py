"""The one place that decides how TensorFlow is brought in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


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


def traced(function: Callable[..., Any], *signature: Any) -> Callable[..., Any]:
    """Compile a function on tensors once, for one signature.

    The same line of code may be compiled for one model after the other; ``tf.function`` alone
    takes that for a mistake and warns.

    Args:
        function: Takes and gives tensors. The models that it calls live as long as the result.
        *signature: A ``tf.TensorSpec`` an argument.

    Returns:
        The compiled function, of tensors or arrays.
    """
    import tensorflow as tf

    # The compiled graph holds its variables weakly, so the function has to be kept beside it.
    # What is traced here has no branch that hangs on a value, and rewriting it takes a second.
    compiled = tf.function(function, autograph=False)
    kept = function, compiled.get_concrete_function(*signature)

    def call(*values: Any) -> Any:
        return kept[1](*(tf.convert_to_tensor(value) for value in values))

    return call


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
