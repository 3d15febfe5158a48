"""Reads a pickle of arrays without running anything that the pickle names.

A pickle is a program: reading one calls the functions it asks for. This reader answers the few
names that arrays of numbers need with stand-ins of its own and refuses all others. Not even
numpy's own functions are handed out, because the state of a type or of an array, set as a crafted
pickle likes, can corrupt memory.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import SourceError
from pipelines.sources.checks import unopened

_ORDERS = ("<", ">", "|", "=")


def read_arrays(path: Path) -> Any:
    """Reads a pickle of dicts, lists, text, numbers and arrays of numbers.

    Pickles of Python 2 and 3, protocols 0 to 5, of numpy 1 and 2 are read.

    Raises:
        SourceError: The file cannot be opened, is not a whole pickle, or asks for anything else.
    """
    # A damaged pickle can make the unpickler fail with nearly any exception.
    try:
        with path.open("rb") as file:
            return _plain(_ArrayUnpickler(file, encoding="latin1").load())
    except _RefusedError as error:
        raise SourceError(
            f"The pickle {path} is refused, and nothing in it was run: it may hold only arrays of "
            f"numbers. Received: a request for {error}. Use another file, or store the images as "
            ".npz and use the source 'arrays'."
        ) from error
    except OSError as error:
        raise unopened(path, error) from error
    except Exception as error:
        raise SourceError(
            f"The file {path} is not a whole pickle. Received: {type(error).__name__}: {error}. "
            "Fetch it again."
        ) from error


class _RefusedError(pickle.UnpicklingError):
    """The pickle asks for something that is not on the list."""


class _Type:
    """Stands in for a dtype: a number, and the order of its bytes."""

    def __init__(self, code: str | bytes, align: object = 0, copy: object = 0) -> None:
        text = code.decode("latin1") if isinstance(code, bytes) else str(code)
        if not re.fullmatch(r"[<>=|]?[biuf][1248]", text):
            raise _RefusedError(f"an array of type {text!r}")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order: Any = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in _ORDERS or any(part is not None for part in state[2:5]):
            raise _RefusedError("an array of records")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands in for an array until all of the pickle is read."""

    def __init__(self, kind: object, shape: object, code: object) -> None:
        self.values = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, kind, fortran, raw = state[-4:]
        self.values = _values(raw, kind, shape, "F" if fortran else "C")


def _values(raw: Any, kind: Any, shape: tuple[int, ...], order: str) -> np.ndarray:
    # Python 2 wrote bytes as text.
    content = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(content, bytes | bytearray) or not isinstance(kind, _Type):
        raise _RefusedError("an array that does not hold numbers")
    flat = np.frombuffer(content, kind.dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _from_buffer(raw: Any, kind: Any, shape: tuple[int, ...], order: str, axes: Any = None) -> Any:
    return _values(raw, kind, shape, order)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _RefusedError(f"the encoding {encoding!r}")
    return text.encode("latin1")


def _never(*arguments: object) -> Any:
    raise _RefusedError("numpy.ndarray, called")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _never,
    ("numpy", "dtype"): _Type,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _latin1,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        stand_in = _STAND_INS.get((module.replace("numpy.core", "numpy._core"), name))
        if stand_in is None:
            raise _RefusedError(f"{module}.{name}")
        # A new function each time: a pickle can set attributes of what it is handed.
        return lambda *arguments: stand_in(*arguments)


def _plain(content: Any) -> Any:
    """Arrays in place of their stand-ins, one level deep."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    return content.values if isinstance(content, _Array) else content
