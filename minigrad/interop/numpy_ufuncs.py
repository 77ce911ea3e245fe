"""numpy's ufuncs on tensors: ``np.exp(t)``, ``array + t``, ``np.add.reduce(t)``.

Each ufunc is the operation of minigrad of the same meaning, so gradients flow, and types are those
that minigrad promotes to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.dtypes import as_dtype
from minigrad.core.promotion import NUMBERS, cast, result_type
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor

__all__ = ["as_tensor", "call_ufunc", "refuse"]

Function = Callable[..., Any]

#: Ufuncs whose operation has another name; all others have the same.
_RENAMED = {
    "conjugate": "conj", "divide": "div", "fabs": "abs", "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift", "power": "pow", "radians": "deg2rad",
    "degrees": "rad2deg", "right_shift": "bitwise_right_shift", "rint": "round",
}  # fmt: skip


def _column(x: Tensor) -> Any:
    return x.unsqueeze(-1)


def _heaviside(x: Tensor, values: Tensor) -> Any:
    kind = result_type(x, values).numpy
    return PUBLIC["heaviside"](cast(x, kind), cast(values, kind))


#: Ufuncs that are a few operations.
_COMPOSED: dict[str, Function] = {
    "divmod": lambda a, b: (PUBLIC["floor_divide"](a, b), PUBLIC["remainder"](a, b)),
    "equal": lambda a, b: PUBLIC["eq"](a, b),
    "heaviside": _heaviside,
    "modf": lambda x: (PUBLIC["frac"](x), PUBLIC["trunc"](x)),
    "vecdot": lambda a, b: (a * b).sum(-1),
    "matvec": lambda a, b: PUBLIC["matmul"](a, _column(b)).squeeze(-1),
    "vecmat": lambda a, b: PUBLIC["matmul"](a.unsqueeze(-2), b).squeeze(-2),
}

_REDUCE = {
    "add": "sum", "logical_and": "all", "logical_or": "any", "maximum": "amax", "minimum": "amin",
    "multiply": "prod",
}  # fmt: skip
_ACCUMULATE = {"add": "cumsum", "maximum": "cummax", "minimum": "cummin", "multiply": "cumprod"}
_NEUTRAL = {"casting": "same_kind", "order": "K", "subok": True, "signature": None, "axes": None}


def as_tensor(x: Any, dtype: Any = None) -> Tensor:
    """A tensor of whatever numpy's functions take; arrays share their memory."""
    if not isinstance(x, Tensor):
        x = PUBLIC["as_tensor"](x)
    return x if dtype is None else cast(x, as_dtype(dtype).numpy)


def refuse(name: str, why: str) -> TypeError:
    """The error for what has no counterpart."""
    return TypeError(f"{name}: {why}; call t.detach().numpy() for numpy's own, without gradients")


def _function(ufunc: Any) -> Any:
    name = ufunc.__name__
    if name in _COMPOSED:
        return _COMPOSED[name]
    known = PUBLIC.get(_RENAMED.get(name, name))
    if known is None:
        raise refuse(f"numpy.{name}", "this ufunc has no counterpart for tensors of minigrad")
    return known


#: Ufuncs behind operators whose operation takes arrays and numbers on either side.
_DIRECT = {
    "add", "subtract", "multiply", "divide", "less", "less_equal", "greater", "greater_equal",
    "not_equal", "equal",
}  # fmt: skip


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``ufunc(*inputs)``, or ``ufunc.reduce`` and its likes, on tensors.

    Raises
    ------
    TypeError
        For ufuncs and methods without a counterpart, and for ``out=`` and ``where=``.
    """
    plain = not kwargs and method == "__call__"
    if plain and ufunc.__name__ in _DIRECT and all(isinstance(x, NUMBERS) for x in inputs):
        return _function(ufunc)(*inputs)  # what ``array + t`` and ``number * t`` come to
    name = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if kwargs.get("out") is not None:
        raise refuse(name, "out= is no argument for tensors of minigrad: results are new tensors")
    if kwargs.get("where", True) is not True:
        raise refuse(
            name, "where= is no argument for tensors of minigrad: use np.where on the result"
        )
    options = {k: v for k, v in kwargs.items() if k not in ("out", "where")}
    dtype = options.pop("dtype", None)
    for key, default in _NEUTRAL.items():
        if options.pop(key, default) != default:
            raise refuse(name, f"{key}= is no argument for tensors of minigrad")
    if method == "__call__":
        return _call(ufunc, inputs, dtype, options, name)
    special = {
        "reduce": _reduce, "accumulate": _accumulate, "outer": _outer, "at": _at
    }.get(method)  # fmt: skip
    if special is None:
        raise refuse(name, "this method of ufuncs has no counterpart for tensors of minigrad")
    return special(ufunc, inputs, dtype, options, name)


#: Ufuncs whose operation takes numbers, and may know a quicker way for them.
_WITH_NUMBERS = {"add", "subtract", "multiply", "divide", "power"}


def _call(
    ufunc: Any, inputs: tuple[Any, ...], dtype: Any, options: dict[str, Any], name: str
) -> Any:
    if options:
        raise refuse(name, f"{next(iter(options))}= is no argument for tensors of minigrad")
    operands = [x if _is_number(x) else as_tensor(x) for x in inputs]
    if dtype is not None:
        operands = [as_tensor(x, dtype) for x in operands]
    elif ufunc.__name__ not in _WITH_NUMBERS and any(map(_is_number, operands)):
        kind = result_type(*operands)
        operands = [PUBLIC["full"]((), x, dtype=kind) if _is_number(x) else x for x in operands]
    return _function(ufunc)(*operands)


def _is_number(x: Any) -> bool:
    return x.__class__ in (bool, int, float)


def _reduce(
    ufunc: Any, inputs: tuple[Any, ...], dtype: Any, options: dict[str, Any], name: str
) -> Any:
    known = _REDUCE.get(ufunc.__name__)
    if known is None:
        raise refuse(name, "this reduction has no counterpart for tensors of minigrad")
    x: Any = as_tensor(inputs[0], dtype)
    axis, keepdims = options.pop("axis", 0), options.pop("keepdims", False)
    if options:
        raise refuse(name, f"{next(iter(options))}= is no argument for tensors of minigrad")
    return PUBLIC["clone"](x) if axis == () else PUBLIC[known](x, axis, keepdims)


def _accumulate(
    ufunc: Any, inputs: tuple[Any, ...], dtype: Any, options: dict[str, Any], name: str
) -> Any:
    known = _ACCUMULATE.get(ufunc.__name__)
    if known is None:
        raise refuse(name, "this accumulation has no counterpart for tensors of minigrad")
    x, *rest = inputs
    axis = rest[0] if rest else options.get("axis", 0)
    result = PUBLIC[known](as_tensor(x, dtype), axis)
    return result if isinstance(result, Tensor) else result.values


def _outer(
    ufunc: Any, inputs: tuple[Any, ...], dtype: Any, options: dict[str, Any], name: str
) -> Any:
    a, b = (as_tensor(x, dtype) for x in inputs)
    wide = PUBLIC["reshape"](a, (*a.array.shape, *(1,) * b.array.ndim))
    return _call(ufunc, (wide, b), None, options, name)


def _at(ufunc: Any, inputs: tuple[Any, ...], dtype: Any, options: dict[str, Any], name: str) -> Any:
    """``np.add.at(t, index, values)`` adds in place, as often as an index occurs."""
    x, index, *values = inputs
    if ufunc.__name__ not in ("add", "subtract") or not isinstance(x, Tensor):
        raise refuse(
            name,
            "only add.at and subtract.at on a tensor have a counterpart for tensors of minigrad",
        )
    indices = tuple(as_tensor(i) for i in (index if isinstance(index, tuple) else (index,)))
    value = as_tensor(values[0], x.dtype)
    value = value if ufunc is np.add else -value
    x.index_put_(indices, value, accumulate=True)
