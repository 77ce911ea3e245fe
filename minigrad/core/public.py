"""From a declaration to the function users call, and the names under which they find it.

What else is done with each public function (checking arguments, forms that write in place) comes
from outside, by :func:`extend`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar, overload

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.flat import record
from minigrad.core.modes import current
from minigrad.core.operation import NoValues
from minigrad.core.promotion import (
    NUMBERS,
    as_operand,
    cast,
    constant,
    is_boolean,
    promote,
)
from minigrad.core.quiet import EVENTS, call_quietly
from minigrad.core.refusal import explain
from minigrad.core.rules import Names
from minigrad.core.tensor import Tensor

__all__ = [
    "PUBLIC", "Declared", "OpFunction", "bind", "called", "elementwise_function", "extend",
    "method", "named", "operator", "public",
]  # fmt: skip

#: What ``import minigrad`` offers, by name; filled by the declarations.
PUBLIC: Names[Any] = Names()

FLOAT32, FLOAT64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


def named(name: str) -> OpFunction:
    """The public function of a name, for callers below the file that defines it."""
    function: OpFunction = PUBLIC[name]
    return function


class OpFunction(Protocol):
    """A function that calls one declared operation."""

    op: Any
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        """The result for operands and parameters."""


F = TypeVar("F", bound=Callable[..., Any])


def called(name: str, text: str | None = None) -> Callable[[F], F]:
    """The name and the text of a function that another one makes."""

    def give(function: F) -> F:
        function.__name__ = function.__qualname__ = name
        if text is not None:
            function.__doc__ = text
        return function

    return give


class Declared(NamedTuple):
    """A function that users find under `name`: in `minigrad`, on tensors, in place."""

    name: str
    function: Any
    public: bool
    method: bool
    inplace: bool


_declared: list[Declared] = []
_plugs: list[Callable[[Declared], None]] = []


def extend(plug: Callable[[Declared], None]) -> None:
    """Call ``plug(declared)`` for every public function, those of the past included."""
    for one in _declared:
        plug(one)
    _plugs.append(plug)


def _declare(
    name: str, function: Any, public: bool = False, method: bool = False, inplace: bool = False
) -> None:
    if public:
        PUBLIC[name] = function
    if method:
        setattr(Tensor, name, function)
    one = Declared(name, function, public, method, inplace)
    _declared.append(one)
    for plug in _plugs:
        plug(one)


@overload
def public(function: F) -> F: ...
@overload
def public(*, name: str = ..., method: bool = ..., inplace: bool = ...) -> Callable[[F], F]: ...
@overload
def public(function: F, *, name: str = ..., method: bool = ..., inplace: bool = ...) -> F: ...
def public(
    function: Any = None, *, name: str = "", method: bool = True, inplace: bool = False
) -> Any:
    """Offer `function` as ``minigrad.name``, and as a method of tensors."""
    if function is None:
        return lambda f: public(f, name=name, method=method, inplace=inplace)
    _declare(name or function.__name__, function, True, method, inplace)
    return function


@overload
def method(function: F) -> F: ...
@overload
def method(*, name: str = ...) -> Callable[[F], F]: ...
def method(function: Any = None, *, name: str = "") -> Any:
    """Put `function` on tensors only."""
    if function is None:
        return lambda f: _method(f, name)
    return _method(function, function.__name__)


def _method(function: F, name: str) -> F:
    _declare(name, function, method=True)
    return function


# -- the functions of elementwise operations -----------------------------------------------------


def elementwise_function(op: Any, *, method: bool, public: bool) -> OpFunction:
    """The public function of an elementwise operation, and its in-place form."""
    make = {1: _unary, 2: _binary}.get(op.arity, _several) if op.flags == 0 else _several
    function: Any = make(op)
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = _document(op)
    function.op = op
    inplace = method and op.kind not in ("compare", "test")
    _declare(op.name, function, public, method, inplace)
    return function  # type: ignore[no-any-return]


def _document(op: Any) -> str:
    inputs = ", ".join(op.names[: op.arity])
    lines = [f"Element by element, ``{op.name}({inputs}) = {_formula_text(op)}``."]
    if op.doc:
        lines += ["", op.doc]
    return "\n".join(lines)


def _formula_text(op: Any) -> str:
    try:
        return repr(op.root)
    except (TypeError, KeyError):
        return f"{op.name}({', '.join(op.names[: op.arity])})"


def _unary(op: Any) -> Callable[..., Any]:
    wants_float = op.kind == "float"
    compute, small, fused = op.numpy, op.small, op.fused

    def simple(input: Tensor) -> Any:
        try:
            x = input.array
        except AttributeError:
            return simple(as_operand(input, op.name, 0))
        if x.dtype is FLOAT32 or x.dtype is FLOAT64:
            try:
                mode = current.get()
                if mode.listeners:
                    return apply(op, (input,))
                out = compute(x) if x.size < small else fused((x,), (), x.dtype)
            except EVENTS:
                out = call_quietly(compute, x)
            except NoValues:
                return apply(op, (input,))
            except MemoryError as error:
                raise explain(op.name, (input,), error) from None
            return record(op, (input,), (), out, mode)
        elif x.dtype.kind != "f" and (wants_float or x.dtype.kind == "V"):
            (input,) = promote(op, (input,))
        elif op.counts and x.dtype.kind == "b":
            input = cast(input, INT64)
        return apply(op, (input,))

    def with_params(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        params = bind(op, args, kwargs)
        input = as_operand(input, op.name, 0)
        kind = input.array.dtype.kind
        if kind != "f" and (wants_float or kind == "V"):
            (input,) = promote(op, (input,))
        return apply(op, (input,), params)

    return with_params if op.defaults else simple


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


def _binary(op: Any, operator: bool = False) -> Callable[..., Any]:
    """The function of two operands; as an operator method it leaves to the other operand what it
    does not know, as Python wants it.
    """
    compute, defaults, limit = op.numpy, op.defaults, op.small

    def function(input: Any, other: Any) -> Any:
        try:
            x = input.array
            if other.__class__ is not Tensor and (
                other.__class__ in (float, int) and x.dtype.kind == "f"
            ):
                other = constant(other, x.dtype)
            y = other.array
        except AttributeError:  # another number, an array
            if operator and not isinstance(other, NUMBERS):
                return NotImplemented
            return _promoted(op, input, other)
        dtype = x.dtype
        if dtype is not y.dtype or (dtype is not FLOAT32 and dtype is not FLOAT64):
            return _promoted(op, input, other)
        try:
            mode = current.get()
            if mode.listeners:
                return apply(op, (input, other), defaults)
            if x.size < limit and y.size < limit:
                out = compute(x, y)
            else:
                out = op.forward((x, y), defaults)
        except EVENTS:
            out = call_quietly(compute, x, y)
        except NoValues:
            return apply(op, (input, other), defaults)
        except (ValueError, MemoryError) as error:
            raise explain(op.name, (input, other), error) from None
        return record(op, (input, other), defaults, out, mode)

    return function


def operator(op: Any) -> Callable[..., Any]:
    """The method behind a binary operator, such as ``__mul__``."""
    return _binary(op, operator=True)


def _promoted(op: Any, input: Any, other: Any) -> Any:
    """Operands of different types, or not both tensors."""
    if op.refuses_booleans and (is_boolean(input) or is_boolean(other)):
        raise RuntimeError(op.refuses_booleans)
    operands = promote(op, (input, other))
    try:
        return apply(op, operands, op.defaults)
    except (ValueError, MemoryError) as error:
        raise explain(op.name, operands, error) from None
    except TypeError as error:  # numpy has no such operation on booleans
        raise RuntimeError(
            f"{op.name}: not supported for {operands[0].dtype} tensors ({error})"
        ) from None


def _several(op: Any) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        operands = promote(op, args[: op.arity])
        try:
            return apply(op, operands, bind(op, args[op.arity :], kwargs))
        except (ValueError, MemoryError) as error:
            raise explain(op.name, operands, error) from None

    return function
