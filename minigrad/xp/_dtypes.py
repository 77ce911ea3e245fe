"""Types of the standard: which there are, how they promote, and what is asked about them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.core import dtypes
from minigrad.core.dtypes import dtype as DType
from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.ops import limits
from minigrad.place import only_cpu
from minigrad.xp._array import as_tensor, standard

__all__: list[str] = []
_standard = standard(__all__)

_SIGNED = (dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64)
_UNSIGNED = (dtypes.uint8, dtypes.uint16, dtypes.uint32, dtypes.uint64)
_FLOATS = (dtypes.float32, dtypes.float64)

#: The kinds of types by the standard's names.
KINDS: dict[str, tuple[DType, ...]] = {
    "bool": (dtypes.bool_,),
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": _SIGNED + _UNSIGNED,
    "real floating": _FLOATS,
    "complex floating": (),
    "numeric": _SIGNED + _UNSIGNED + _FLOATS,
}


def promoted(a: DType, b: DType) -> DType:
    """The type that both promote to.

    The standard leaves open what types of different kinds give; here the higher kind wins, as it
    does for tensors.

    Raises
    ------
    TypeError
        For uint64 with a signed integer: no integer type holds both.
    """
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if a.category == 2:
        return dtypes.promote_types(a, b)
    if dtypes.uint64 in (a, b) and (a.is_signed or b.is_signed):
        raise TypeError(f"{a} and {b} cannot be type promoted together")
    return dtypes.FROM_NUMPY[np.promote_types(a.numpy, b.numpy)]


def type_of_number(number: Any, among: DType | None) -> DType:
    """The type of a Python number beside an array of type `among`."""
    if isinstance(number, bool):
        kind = dtypes.bool_
    elif isinstance(number, int):
        kind = dtypes.int64
    elif isinstance(number, float):
        kind = dtypes.get_default_dtype()
    else:
        raise TypeError(f"expected an array or a number, got {type(number).__name__}")
    return kind if among is None or kind.category > among.category else among


@_standard
def result_type(*arrays_and_dtypes: Any) -> DType:
    """The type that arrays, types and numbers promote to.

    Examples
    --------
    >>> from minigrad import xp
    >>> xp.result_type(xp.int8, xp.uint16, 3)
    minigrad.int32
    """
    if not arrays_and_dtypes:
        raise ValueError("result_type() needs at least one array, type or number")
    found: DType | None = None
    numbers = []
    for x in arrays_and_dtypes:
        if isinstance(x, (Tensor, DType)):
            kind = x.dtype if isinstance(x, Tensor) else x
            found = kind if found is None else promoted(found, kind)
        else:
            numbers.append(x)
    if found is None:
        raise ValueError("result_type() needs at least one array or type beside the numbers")
    for number in numbers:
        found = type_of_number(number, found)
    return found


def number_as(number: Any, kind: DType) -> Tensor:
    """A Python number as a 0-dim tensor.

    Raises
    ------
    OverflowError
        For an integer that the type does not hold.
    """
    if kind.category == 1:
        info = np.iinfo(kind.numpy)
        if not info.min <= number <= info.max:
            raise OverflowError(f"the number {number} is out of the range of {kind}")
    with np.errstate(over="ignore"):
        return Tensor(np.asarray(number, kind.numpy))


def together(x1: Any, x2: Any, name: str) -> tuple[Tensor, Tensor]:
    """Two operands, one of which may be a number, in the type that they promote to."""
    first, second = isinstance(x1, Tensor), isinstance(x2, Tensor)
    if first and second:
        kind = promoted(x1.dtype, x2.dtype).numpy
        return cast(x1, kind), cast(x2, kind)
    if first:
        found = type_of_number(x2, x1.dtype)
        return cast(x1, found.numpy), number_as(x2, found)
    if second:
        found = type_of_number(x1, x2.dtype)
        return number_as(x1, found), cast(x2, found.numpy)
    raise TypeError(
        f"xp.{name}() takes at least one array, got {type(x1).__name__} and {type(x2).__name__}; "
        "use xp.asarray()"
    )


def as_float(x: Tensor) -> Tensor:
    """Integers and booleans as the default floating point type."""
    return x if x.dtype.is_floating_point else cast(x, dtypes.get_default_dtype().numpy)


@_standard
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """The elements as another type, in the graph."""
    check_device(device)
    result = cast(x, dtypes.as_dtype(dtype).numpy)
    return PUBLIC["clone"](x) if copy and result is x else result


def check_device(device: Any) -> None:
    """Refuse other devices than the CPU."""
    if device is not None:
        only_cpu(device)


@_standard
def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that shapes broadcast to."""
    try:
        return tuple(np.broadcast_shapes(*[tuple(s) for s in shapes]))
    except ValueError as error:
        raise ValueError(f"broadcast_shapes(): {error}") from None


@_standard
def broadcast_to(x: Any, /, shape: Any) -> Any:
    """Expanded to `shape`, without copying."""
    return PUBLIC["broadcast_to"](x, tuple(shape))


@_standard
def broadcast_arrays(*arrays: Any) -> Any:
    """All expanded to the shape that they broadcast to."""
    shape = broadcast_shapes(*[as_tensor(x, "broadcast_arrays").array.shape for x in arrays])
    return tuple(PUBLIC["broadcast_to"](x, shape) for x in arrays)


@_standard
def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a type, or that of an array, promotes to `to`."""
    kind = from_.dtype if isinstance(from_, Tensor) else dtypes.as_dtype(from_)
    if kind.category != to.category:
        return False
    try:
        return promoted(kind, to) is to
    except TypeError:
        return False


class finfo_object(NamedTuple):
    """The limits of a floating point type."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


class iinfo_object(NamedTuple):
    """The limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: DType


def _kind(type: Any) -> DType:
    return type.dtype if isinstance(type, Tensor) else dtypes.as_dtype(type)


@_standard
def finfo(type: Any, /) -> finfo_object:
    """The limits of a floating point type, or of that of an array."""
    kind = _kind(type)
    info = limits.finfo(kind)
    return finfo_object(info.bits, info.eps, info.max, info.min, info.tiny, kind)


@_standard
def iinfo(type: Any, /) -> iinfo_object:
    """The limits of an integer type, or of that of an array."""
    kind = _kind(type)
    info = limits.iinfo(kind)
    return iinfo_object(info.bits, info.max, info.min, kind)


@_standard
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether a type is another, or of a kind (``"integral"``, ...), or one of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"isdtype(): kind must be one of {', '.join(KINDS)}, got {kind!r}")
        if kind in ("real floating", "numeric") and dtype.is_floating_point:
            return True  # float16 and bfloat16, which the standard does not know
        return dtype in KINDS[kind]
    return bool(dtype == kind)
