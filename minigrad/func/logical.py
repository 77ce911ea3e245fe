"""An array without values: what functions see of a tensor that stands for many examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from minigrad.core.operation import NoValues

__all__ = ["Logical"]

Array = np.ndarray[Any, Any]


class _Flags:
    """What is known about the layout of one example."""

    def __init__(self, array: Logical) -> None:
        self.array = array

    def __getattr__(self, name: str) -> NoReturn:
        raise _ValuesWanted

    @property
    def writeable(self) -> bool:
        return bool(self.array.physical.flags.writeable)

    @property
    def c_contiguous(self) -> bool:
        expected = self.array.itemsize
        for n, stride in zip(reversed(self.array.shape), reversed(self.array.strides), strict=True):
            if n != 1 and stride != expected:
                return 0 in self.array.shape
            expected *= n
        return True


class Logical:
    """The array of one example: shape, type and layout, but no values.

    The names are those of `numpy.ndarray`.
    """

    __slots__ = ("physical", "shape", "skip")
    __hash__ = None  # type: ignore[assignment]
    base = None

    def __init__(self, physical: Array, skip: int) -> None:
        self.physical = physical
        self.skip = skip
        self.shape = physical.shape[skip:]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type."""
        return self.physical.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        n = 1
        for s in self.shape:
            n *= s
        return n

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.physical.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one index to the next."""
        return self.physical.strides[self.skip :]

    @property
    def flags(self) -> _Flags:
        """The layout."""
        return _Flags(self)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _ValuesWanted


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise _ValuesWanted


_REFUSED = """
    array array_ufunc array_function bool float int index getitem setitem iter contains invert neg
    pos abs add radd iadd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow
    matmul rmatmul and rand or ror xor rxor lshift rshift eq ne lt le gt ge
"""
for _name in _REFUSED.split():
    setattr(Logical, f"__{_name}__", _refuse)

_PACKAGE = str(Path(__file__).resolve().parents[1])


class _ValuesWanted(NoValues):
    """Finds out who wanted values only when its text is read: most are caught before."""

    def __str__(self) -> str:
        return _explain(self)


def _explain(error: NoValues) -> str:
    """Which function wanted values, by the frames that the error came through."""
    name, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            name = ""
        elif not name and "/func/" not in code.co_filename.replace("\\", "/"):
            known = trace.tb_frame.f_locals.get("name")  # of a wrapper that knows whom it calls
            wrapper = code.co_name in ("checked", "function", "in_place") and isinstance(known, str)
            name = str(known) if wrapper else code.co_name
        trace = trace.tb_next
    return (
        f"vmap: {name or 'this computation'} needs the values of a tensor that stands for many "
        "examples at once: data-dependent control flow, and results whose shape depends on values, "
        "cannot be computed inside vmap. Use operations such as where() or masked_fill(), whose "
        "result has one shape for all examples, or compute it outside of vmap."
    )
