"""From a body to the address of its machine code."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from types import FunctionType

from minigrad.kernels.emit import objects, target
from minigrad.kernels.lower.source import UnsupportedError
from minigrad.kernels.lower.statements import written
from minigrad.kernels.run.startup import source_stamp

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

    The code lives as long as the process.
    """
    if target.host() is None:
        return None
    _tell_symbols()
    name = f"body_{function.__name__}"
    try:
        return objects.entry_of(
            name, _spelled(function),
            lambda key: written(function).replace("@NAME(", f"@{key}("), passes=True,
        )  # fmt: skip
    except (UnsupportedError, RuntimeError) as reason:  # the second: this LLVM does not take it
        refused[f"{function.__module__}.{function.__qualname__}"] = str(reason)
        return None


def _spelled(function: FunctionType) -> str:
    """What decides the text: the sources it is written from, which need not be read for that.

    A function that is made in another one depends on what was given to that; its text says all.
    """
    if function.__closure__:
        return written(function)
    code = function.__code__
    return f"{source_stamp(Path(code.co_filename))} {code.co_name} {code.co_firstlineno}"
