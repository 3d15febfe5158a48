"""What loaded modules hold is kept from Python's garbage collector.

Streamlit has it look through every object after each run of a page, and once more where Keras is
loaded. Those of the libraries stay for good and are half a million: tenths of a second each time,
in which no session is served.
"""

from __future__ import annotations

import gc
import sys

_modules = 0


def spare_modules() -> None:
    """Look through everything once more and then no longer, where modules came since the last call.

    What is created later is looked through as ever.
    """
    global _modules
    if len(sys.modules) > _modules:
        _modules = len(sys.modules)
        gc.collect()
        gc.freeze()
