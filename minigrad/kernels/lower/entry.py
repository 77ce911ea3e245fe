"""From a body to the address of its machine code."""

from __future__ import annotations

import ctypes
import functools
from types import FunctionType

from minigrad.kernels.emit import objects, target
from minigrad.kernels.lower.source import UnsupportedError
from minigrad.kernels.lower.statements import written

__all__ = ["entry", "refused"]

#: Functions that were left to numba, and why.
refused: dict[str, str] = {}

_SYMBOLS = ("PyGILState_Ensure", "PyGILState_Release", "PyErr_NoMemory")


@functools.cache
def _tell_symbols() -> None:
    """Tell LLVM where Python's functions are; those of C it finds."""
    for symbol in _SYMBOLS:
        place = ctypes.cast(getattr(ctypes.pythonapi, symbol), ctypes.c_void_p).value
        target.llvm().add_symbol(symbol, place)


def entry(function: FunctionType) -> int | None:
    """The address of the machine code of a body, or None: it is left to numba.

    The code lives as long as the process. What it depends on is all in its text, which is written
    anew in each process, in some milliseconds.
    """
    if target.host() is None:
        return None
    try:
        text = written(function)
    except UnsupportedError as reason:
        refused[f"{function.__module__}.{function.__qualname__}"] = str(reason)
        return None
    _tell_symbols()
    name = f"body_{function.__name__}"
    try:
        return objects.entry_of(
            name, text, lambda key: text.replace("@NAME(", f"@{key}("), passes=True
        )
    except RuntimeError as reason:  # this LLVM does not take the text: numba knows how to ask it
        refused[f"{function.__module__}.{function.__qualname__}"] = str(reason)
        return None
