"""Element types, and the one table that says what two of them make together.

The names and the promotion rules are PyTorch's: an operand with dimensions decides, a 0-dim tensor
or a Python number only matters where its *category* (bool < integer < float) is higher.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

__all__ = [
    "bool_", "dtype", "float16", "float32", "float64", "from_numpy",
    "get_default_dtype", "int8", "int16", "int32", "int64", "promote_types",
    "set_default_dtype", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


def is_float(numpy: np.dtype[Any]) -> bool:
    """Whether a numpy type that tensors hold is one of floating point numbers.

    numpy files bfloat16, a type from outside, under the kind "V".
    """
    return numpy.kind in "fV"


class dtype:
    """An element type, such as ``minigrad.float32``.

    Attributes
    ----------
    name : str
        ``"float32"``, ``"int64"``, ...
    numpy : numpy.dtype
        The numpy type that holds such elements.
    is_floating_point : bool
        Whether gradients can flow through tensors of this type.
    category : int
        0 for bool, 1 for integers, 2 for floats; promotion compares these first.
    """

    __slots__ = ("category", "is_floating_point", "is_signed", "itemsize", "name", "numpy")

    def __init__(self, name: str, numpy: Any = None) -> None:
        self.name = name
        self.numpy: Final = np.dtype(name if numpy is None else numpy)
        self.itemsize: Final[int] = self.numpy.itemsize
        self.is_floating_point: Final[bool] = is_float(self.numpy)
        self.is_signed: Final[bool] = self.numpy.kind in "ifV"
        self.category: Final[int] = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2}[self.numpy.kind]

    is_complex = False

    def __repr__(self) -> str:
        return f"minigrad.{self.name}"

    def __reduce__(self) -> str:
        return "bool_" if self.name == "bool" else self.name  # pickles as a reference to the name


float16 = dtype("float16")
float32 = dtype("float32")
float64 = dtype("float64")
int8 = dtype("int8")
int16 = dtype("int16")
int32 = dtype("int32")
int64 = dtype("int64")
uint8 = dtype("uint8")
uint16 = dtype("uint16")
uint32 = dtype("uint32")
uint64 = dtype("uint64")
bool_ = dtype("bool")

ALL: Final = (
    float16, float32, float64, int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool_,
)  # fmt: skip
FROM_NUMPY: Final[dict[np.dtype[Any], dtype]] = {d.numpy: d for d in ALL}
_BY_NAME: Final[dict[str, dtype]] = {d.name: d for d in ALL}
#: numpy's own object for each element type, by its number; types from outside are not among them.
NATIVE: Final[dict[int, np.dtype[Any]]] = {d.numpy.num: d.numpy for d in ALL}


def native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same memory under numpy's own object for its element type.

    An array that was pickled, or came from another process, brings an equal object of its own; so
    does ``longlong``, which is another name of int64. Kernels are chosen by identity, which costs
    least, and such an array, with all that is computed from it, would pass them by.
    """
    known = FROM_NUMPY.get(array.dtype)
    return array if known is None or known.numpy is array.dtype else array.view(known.numpy)


#: Unsigned types that promote with no other integers, in PyTorch and here.
_BARE: Final = (uint16, uint32, uint64)

_default = float32


#: Types that numpy lacks, by name: their numpy types are made when they are first asked for.
LATER: dict[str, Callable[[], Any]] = {}


def __getattr__(name: str) -> dtype:
    """A type of :data:`LATER`, which is an attribute of this module from then on."""
    if name not in LATER:
        raise AttributeError(f"module 'minigrad.core.dtypes' has no attribute {name!r}")
    made = globals()[name] = dtype(name, LATER[name]())
    FROM_NUMPY[made.numpy] = _BY_NAME[name] = made
    return made


def _later(name: str) -> dtype:
    return globals().get(name) or __getattr__(name)


def from_numpy(kind: Any) -> dtype:
    """The minigrad dtype of a numpy dtype.

    Raises
    ------
    TypeError
        For element types that tensors do not hold (complex, strings, objects, dates).
    """
    try:
        numpy = np.dtype(kind).newbyteorder("=")
        return _later(numpy.name) if numpy.name in LATER else FROM_NUMPY[numpy]
    except (KeyError, TypeError):
        raise TypeError(
            f"minigrad tensors hold {', '.join(d.name for d in ALL)}; got elements of type {kind}"
        ) from None


def as_dtype(kind: Any) -> dtype:
    """Whatever names an element type (a minigrad dtype, a Python type, a numpy dtype) as a dtype.

    >>> as_dtype(float), as_dtype("int32"), as_dtype(np.float64)
    (minigrad.float32, minigrad.int32, minigrad.float64)
    """
    if kind.__class__ is dtype:
        return kind
    if kind is float:
        return _default
    if kind is int:
        return int64
    if kind is bool:
        return bool_
    if isinstance(kind, str) and (kind in _BY_NAME or kind in LATER):
        return _BY_NAME.get(kind) or _later(kind)
    return from_numpy(kind)


def set_default_dtype(d: Any) -> None:
    """Set the type that floats get where none is named (``float32`` at the start).

    Raises
    ------
    TypeError
        If `d` is not a floating point type.
    """
    global _default
    d = as_dtype(d)
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types can be the default type; got {d}")
    _default = d


def get_default_dtype() -> dtype:
    """The type that floats get where none is named.

    >>> get_default_dtype()
    minigrad.float32
    """
    return _default


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both can turn into without changing category.

    An integer with a float gives that float, whatever their widths. uint16, uint32 and uint64
    promote with floats only (RuntimeError).

    >>> promote_types(int64, float16), promote_types(uint8, int8), promote_types(bool_, uint8)
    (minigrad.float16, minigrad.int16, minigrad.uint8)
    """
    if type1 is type2:
        return type1
    if type1.category < 2 and type2.category < 2 and (type1 in _BARE or type2 in _BARE):
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{type1.name} and {type2.name}: convert one of them"
        )
    if type1.category != type2.category:
        return type1 if type1.category > type2.category else type2
    if "V" in (type1.numpy.kind, type2.numpy.kind):
        return float64 if float64 in (type1, type2) else float32
    return FROM_NUMPY[np.promote_types(type1.numpy, type2.numpy)]
