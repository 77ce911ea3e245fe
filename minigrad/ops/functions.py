"""From a declaration to the function users call: arguments, promotion of types, in-place forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from minigrad import dtypes
from minigrad.autograd.engine import apply
from minigrad.ops.inplace import write
from minigrad.tensor import Tensor

__all__ = ["PUBLIC", "as_operand", "constant", "elementwise_function", "method", "promote", "public"]

#: What ``import minigrad`` offers, by name; filled by the declarations.
PUBLIC: dict[str, Any] = {}

_DTYPE = {bool: dtypes.bool_, int: dtypes.int64}


def public(function: Any = None, *, name: str = "", method: bool = True, inplace: bool = False) -> Any:
    """Offer `function` as ``minigrad.name``, and as a method of tensors."""
    if function is None:
        return lambda f: public(f, name=name, method=method, inplace=inplace)
    name = name or function.__name__
    PUBLIC[name] = function
    if method:
        setattr(Tensor, name, function)
    if inplace:
        add_inplace(name, function)
    return function


def method(function: Any = None, *, name: str = "") -> Any:
    """Put `function` on tensors only."""
    if function is None:
        return lambda f: method(f, name=name)
    setattr(Tensor, name or function.__name__, function)
    return function


def add_inplace(name: str, function: Callable[..., Any]) -> None:
    """Put ``name_`` on tensors: compute as `function` does, and write over the tensor."""

    def in_place(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return write(self, lambda x: function(x, *args, **kwargs), f"{name}_")

    in_place.__name__ = in_place.__qualname__ = f"{name}_"
    in_place.__doc__ = f"In-place form of :func:`{name}`: the result replaces the elements."
    setattr(Tensor, f"{name}_", in_place)


# -- operands ------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _cached_constant(value: float, dtype: np.dtype[Any]) -> Tensor:
    t = Tensor(np.array(value, dtype))
    t.array.flags.writeable = False
    return t


def constant(value: float, dtype: np.dtype[Any]) -> Tensor:
    """A Python number as a 0-dim tensor; small ones are kept, because making one costs as much
    as adding two. Zeros (of either sign) and NaN cannot be told apart as keys, so are made anew."""
    if value == 0 or value != value:
        return Tensor(np.array(value, dtype))
    return _cached_constant(value, dtype)


def as_operand(value: Any, name: str, position: int) -> Tensor:
    """Arrays become tensors; other things are refused, with the name of the operation."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        dtypes.from_numpy(value.dtype)
        return Tensor(value)
    if isinstance(value, np.generic):
        return Tensor(np.asarray(value))
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
    """`t` as elements of another type, recorded in the graph."""
    if t.array.dtype == dtype:
        return t
    return apply(PUBLIC["_cast"].op, (t,), (dtype,))  # type: ignore[no-any-return]


def promote(op: Any, operands: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Bring operands (tensors, arrays, numbers) of an elementwise operation to one type."""
    flags, rest = operands[: op.flags], operands[op.flags :]
    rest = tuple(
        x if isinstance(x, (Tensor, bool, int, float)) else as_operand(x, op.name, i)
        for i, x in enumerate(rest, op.flags)
    )
    kind = result_type(*rest)
    if op.kind == "float" and not kind.is_floating_point:
        kind = dtypes.get_default_dtype()
    numpy = kind.numpy
    cast_rest = [cast(x, numpy) if isinstance(x, Tensor) else constant(x, numpy) for x in rest]
    return (*(as_flag(f, op.name, i) for i, f in enumerate(flags)), *cast_rest)


def as_flag(value: Any, name: str, position: int) -> Tensor:
    """A boolean condition."""
    t = as_operand(value, name, position)
    if t.array.dtype.kind != "b":
        if t.array.dtype == np.uint8:
            return Tensor(t.array.astype(bool))
        raise RuntimeError(
            f"{name}: expected a boolean condition, got {t.dtype}; compare it with something first"
        )
    return t


# -- the functions of elementwise operations -----------------------------------------------------


def elementwise_function(op: Any, *, method: bool, public: bool) -> Callable[..., Any]:
    """The public function of an elementwise operation, and its in-place form."""
    make = {1: _unary, 2: _binary}.get(op.arity, _several) if op.flags == 0 else _several
    function = make(op)
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = _document(op)
    function.op = op  # type: ignore[attr-defined]
    if public:
        PUBLIC[op.name] = function
    if method:
        setattr(Tensor, op.name, function)
        if op.kind not in ("compare", "test"):
            add_inplace(op.name, function)
    return function


def _document(op: Any) -> str:
    inputs = ", ".join(op.names[: op.arity])
    lines = [f"Element by element, ``{op.name}({inputs}) = {_formula_text(op)}``."]
    if op.doc:
        lines += ["", op.doc]
    return "\n".join(lines)


def _formula_text(op: Any) -> str:
    try:
        return repr(op.fused.root)
    except (TypeError, KeyError):
        return f"{op.name}({', '.join(op.names[: op.arity])})"


def _unary(op: Any) -> Callable[..., Any]:
    defaults = op.defaults
    wants_float = op.kind == "float"

    def simple(input: Tensor) -> Tensor:
        try:
            kind = input.array.dtype.kind
        except AttributeError:
            input = as_operand(input, op.name, 0)
            kind = input.array.dtype.kind
        if wants_float and kind != "f":
            (input,) = promote(op, (input,))
        return apply(op, (input,))  # type: ignore[no-any-return]

    def with_params(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        params = bind(op, args, kwargs)
        input = as_operand(input, op.name, 0)
        if wants_float and input.array.dtype.kind != "f":
            (input,) = promote(op, (input,))
        return apply(op, (input,), params)  # type: ignore[no-any-return]

    return with_params if defaults else simple


def bind(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The parameters of a call in the order of the formula, defaults filled in."""
    names = op.names[op.arity :]
    if len(args) > len(names):
        raise TypeError(
            f"{op.name}() takes {op.arity + len(names)} positional arguments but "
            f"{op.arity + len(args)} were given"
        )
    values = [*args, *op.defaults[len(args) :]]
    for key, value in kwargs.items():
        if key not in names or names.index(key) < len(args):
            raise TypeError(f"{op.name}() got an unexpected keyword argument '{key}'")
        values[names.index(key)] = value
    return tuple(values)


def _binary(op: Any) -> Callable[..., Any]:
    wants_float = op.kind == "float"

    def function(input: Any, other: Any, *args: Any, **kwargs: Any) -> Tensor:
        try:
            a = input.array.dtype
            if a is not other.array.dtype or (wants_float and a.kind != "f"):
                input, other = promote(op, (input, other))
        except AttributeError:
            input, other = promote(op, (input, other))
        if args or kwargs:
            return apply(op, (input, other), bind(op, args, kwargs))  # type: ignore[no-any-return]
        try:
            return apply(op, (input, other), op.defaults)  # type: ignore[no-any-return]
        except ValueError as error:
            raise _explain(op, (input, other), error) from None

    return function


def _several(op: Any) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Tensor:
        operands = promote(op, args[: op.arity])
        try:
            return apply(op, operands, bind(op, args[op.arity :], kwargs))  # type: ignore[no-any-return]
        except ValueError as error:
            raise _explain(op, operands, error) from None

    return function


def _explain(op: Any, operands: tuple[Tensor, ...], error: ValueError) -> Exception:
    """numpy says that shapes do not broadcast; say which sizes, where, and of what operation."""
    shapes = [o.array.shape for o in operands]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        pass
    else:
        return error
    longest = max(len(s) for s in shapes)
    padded = [(1,) * (longest - len(s)) + s for s in shapes]
    for dim in reversed(range(longest)):
        sizes = [p[dim] for p in padded if p[dim] != 1]
        if len(set(sizes)) > 1:
            break
    listed = " and ".join(str(list(s)) for s in shapes)
    return RuntimeError(
        f"{op.name}: The size of tensor a ({sizes[0]}) must match the size of tensor b "
        f"({sizes[1]}) at non-singleton dimension {dim}; the shapes are {listed}"
    )
