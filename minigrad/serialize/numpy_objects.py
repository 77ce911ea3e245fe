"""What pickles of numpy ask to be made: arrays and numbers, and the types of their elements.

Arrays of objects, which could hide anything, are refused. Files of ``torch.save`` hold such arrays,
and so do data sets that are older than the formats of today.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.serialize.errors import FileError
from minigrad.serialize.pickles import Reader

__all__ = ["CALLS", "as_bytes", "build", "check_counts"]

Array = np.ndarray[Any, Any]
Arguments = tuple[Any, ...]

_MAX_DIMS = 32


def check_counts(offset: Any, size: Any, stride: Any) -> None:
    """Refuse places in memory, counted in elements, that no array can have.

    Raises
    ------
    FileError
        If they are not numbers from 0 up, or too many, or too large.
    """
    for name, counts in (("offset", (offset,)), ("size", size), ("stride", stride)):
        if not isinstance(counts, tuple) or not all(type(n) is int and n >= 0 for n in counts):
            raise FileError(f"a tensor has a {name} that is not made of numbers from 0 up")
    if len(size) != len(stride) or len(size) > _MAX_DIMS:
        raise FileError(f"a tensor has {len(size)} sizes and {len(stride)} strides")
    if math.prod(max(n, 1) for n in size) > 2**48 or any(s > 2**48 for s in stride):
        raise FileError(f"a tensor has impossible sizes: {list(size)}, strides {list(stride)}")


def as_bytes(reader: Reader, arguments: Arguments) -> bytes:
    """Bytes, as Python 3 writes them in protocols up to 2: encoded as a text."""
    if len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == "latin1":
        reader.spend(len(arguments[0]))
        return arguments[0].encode("latin-1")
    if not arguments:
        return b""
    raise FileError("its pickle is broken (an encoding that is not allowed)")


def _dtype(reader: Reader, arguments: Arguments) -> np.dtype[Any]:
    name = arguments[0] if arguments else None
    if not isinstance(name, str) or not re.fullmatch(r"[iu][1248]|f[248]|b1", name):
        raise FileError(f"it has a numpy array with elements of type {name!r}")
    return np.dtype(name)


def _scalar(reader: Reader, arguments: Arguments) -> Any:
    kind, content = arguments
    if not isinstance(kind, np.dtype) or not isinstance(content, bytes):
        raise FileError("its pickle is broken (the arguments of a numpy number)")
    return np.frombuffer(content, kind, 1)[0]


def _empty(reader: Reader, arguments: Arguments) -> Array:
    """An array whose contents come by BUILD."""
    return np.empty(0, np.uint8)


def _array(reader: Reader, arguments: Arguments) -> Array:
    """An array, as pickles of protocol 5 write it."""
    content, kind, shape, order = arguments
    check_counts(0, shape, shape)
    if not isinstance(kind, np.dtype) or not isinstance(content, bytes) or order not in ("C", "F"):
        raise FileError("its pickle is broken (the arguments of a numpy array)")
    reader.spend(len(content))
    return np.frombuffer(bytearray(content), kind).reshape(shape, order=order)


def build(reader: Reader, target: Any, state: Any) -> None:
    """Put a state into a type of elements, or the contents into an array.

    Raises
    ------
    FileError
        For all other objects and states.
    """
    if isinstance(target, np.dtype) and isinstance(state, tuple):
        if len(state) == 8 and state[1] in ("<", "|", "="):
            return
        raise FileError("it has numpy arrays that are big-endian or of a structure")
    if type(target) is np.ndarray and isinstance(state, tuple) and len(state) == 5:
        _, shape, kind, fortran, content = state
        check_counts(0, shape, shape)
        if isinstance(content, str):  # Python 2 has one type for both
            content = content.encode("latin-1")
        good = isinstance(kind, np.dtype) and isinstance(content, bytes) and type(fortran) is bool
        if good and math.prod(shape) * kind.itemsize == len(content):
            reader.spend(len(content))
            target.__setstate__((1, shape, kind, fortran, content))
            return
    raise FileError(f"its pickle puts a state into a {type(target).__name__}")


#: What is called for each name; see :class:`~minigrad.serialize.pickles.Reader`.
CALLS: dict[str, Callable[[Reader, Arguments], Any]] = {
    "_codecs.encode": as_bytes,
    "numpy.dtype": _dtype,
}
for _module in ("numpy._core.multiarray", "numpy.core.multiarray"):
    CALLS |= {f"{_module}.scalar": _scalar, f"{_module}._reconstruct": _empty}
for _module in ("numpy._core.numeric", "numpy.core.numeric"):
    CALLS |= {f"{_module}._frombuffer": _array}
