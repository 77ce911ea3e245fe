"""Operands as users give them, brought to tensors of one type."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.engine import apply
from minigrad.core.rules import REGISTRY
from minigrad.core.tensor import Number, Tensor, given

__all__ = [
    "NUMBERS", "as_flag", "as_operand", "cast", "constant", "is_boolean", "promote",
    "refuse_bfloat16", "require_tensor", "result_type",
]  # fmt: skip

NUMBERS = (Tensor, bool, int, float, np.ndarray, np.generic)
_DTYPE = {bool: dtypes.bool_, int: dtypes.int64}

_constants: dict[tuple[str, float], Tensor] = {}


def constant(value: float, dtype: np.dtype[Any]) -> Tensor:
    """A Python number as a 0-dim tensor.

    The last few are kept, because making one costs as much as adding two small tensors. Zeros (of
    either sign) and NaN cannot be told apart as keys, so are made anew.
    """
    key = (dtype.char, value)
    t = _constants.get(key)
    if t is None or value == 0 or value != value:
        t = Number(np.array(value).astype(dtype))  # an integer out of range wraps, as in PyTorch
        t.array.flags.writeable = False
        if len(_constants) >= 512:
            _constants.clear()
        _constants[key] = t
    return t


def as_operand(value: Any, name: str, position: int) -> Tensor:
    """Arrays become tensors; other things are refused, with the name of the operation."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        dtypes.from_numpy(value.dtype)
        return given(value)
    if isinstance(value, np.generic):
        return given(np.asarray(value))
    which = "input" if position == 0 else "other"
    raise TypeError(
        f"{name}(): argument '{which}' (position {position + 1}) must be Tensor, not "
        f"{type(value).__name__}"
    )


def result_type(*operands: Any) -> dtypes.dtype:
    """The type that operands compute in together.

    Tensors with dimensions decide; a 0-dim tensor counts only if its category is higher than
    theirs, a Python number only if its category is higher than that of all tensors.

    >>> import minigrad as mg
    >>> mg.result_type(mg.ones(2, dtype=mg.int32), 1.5)
    minigrad.float32
    """
    dims = zeros = numbers = None
    for x in operands:
        if isinstance(x, Tensor):
            kind = x.dtype
            if x.array.ndim:
                dims = kind if dims is None else dtypes.promote_types(dims, kind)
            else:
                zeros = kind if zeros is None else dtypes.promote_types(zeros, kind)
        elif isinstance(x, (bool, int, float)):
            kind = _DTYPE.get(type(x)) or dtypes.get_default_dtype()
            numbers = kind if numbers is None else dtypes.promote_types(numbers, kind)
        else:
            raise TypeError(f"expected Tensors and numbers, got {type(x).__name__}")
    result = dims
    for weaker in (zeros, numbers):
        if weaker is not None and (result is None or weaker.category > result.category):
            result = weaker
    assert result is not None
    return result


def cast(t: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """`t` as elements of another type, recorded in the graph unless no gradient can pass it."""
    if t.array.dtype == dtype:
        return t
    both = dtypes.is_float(dtype) and dtypes.is_float(t.array.dtype)
    y: Tensor = apply(REGISTRY["_cast" if both else "_convert"], (t,), (dtype,))
    return y


def promote(op: Any, operands: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Bring operands (tensors, arrays, numbers) of an elementwise operation to one type."""
    flags, rest = operands[: op.flags], operands[op.flags :]
    if not op.flags and op.name not in _ALSO_NUMBERS:
        require_tensor(op.name, rest)
    rest = tuple(
        x if isinstance(x, (Tensor, bool, int, float)) else as_operand(x, op.name, i)
        for i, x in enumerate(rest, op.flags)
    )
    kind = result_type(*rest)
    if op.kind == "float" and not kind.is_floating_point:
        kind = dtypes.get_default_dtype()
    numpy = kind.numpy
    if numpy.kind == "V" and op.kind != "compare":
        refuse_bfloat16(op.name)
    cast_rest = [cast(x, numpy) if isinstance(x, Tensor) else constant(x, numpy) for x in rest]
    return (*(as_flag(f, op.name, i) for i, f in enumerate(flags)), *cast_rest)


#: What makes a 0-dim tensor of two numbers; PyTorch has these and no others.
_ALSO_NUMBERS = frozenset(("add", "sub", "mul", "div", "floor_divide"))


def require_tensor(name: str, operands: tuple[Any, ...]) -> None:
    """Refuse numbers alone: what they make would be no tensor's type."""
    for x in operands:
        if isinstance(x, (Tensor, np.ndarray)):
            return
    kinds = ", ".join(type(x).__name__ for x in operands)
    raise TypeError(
        f"{name}() received an invalid combination of arguments - got ({kinds}), but expected a "
        "Tensor among them"
    )


def refuse_bfloat16(name: str) -> None:
    """There is no arithmetic in bfloat16: numpy's would round after every addition of a sum.

    Raises
    ------
    RuntimeError
        Always.
    """
    raise RuntimeError(
        f'"{name}" not implemented for bfloat16, which stores and converts: use .float() first'
    )


def is_boolean(x: Any) -> bool:
    """Whether an operand is a boolean, or a tensor of them."""
    return isinstance(x, bool) or (isinstance(x, Tensor) and x.array.dtype.kind == "b")


def as_flag(value: Any, name: str, position: int) -> Tensor:
    """A boolean condition."""
    t = as_operand(value, name, position)
    if t.array.dtype.kind != "b":
        if t.array.dtype == np.uint8:
            return cast(t, np.dtype(bool))
        raise RuntimeError(
            f"{name}: expected a boolean condition, got {t.dtype}; compare it with something first"
        )
    return t
