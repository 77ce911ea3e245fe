"""From a declaration to the function users call: arguments, promotion of types, in-place forms."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

import numpy as np

from minigrad import dtypes
from minigrad.autograd import engine
from minigrad.autograd.engine import NoValues, apply, record
from minigrad.kernels.run.quiet import EVENTS, call_quietly
from minigrad.ops.arguments import ACCIDENTS, reraise
from minigrad.ops.inplace import write
from minigrad.tensor import Tensor

__all__ = [
    "PUBLIC",
    "all_values",
    "as_operand",
    "constant",
    "elementwise_function",
    "method",
    "promote",
    "public",
]

#: What ``import minigrad`` offers, by name; filled by the declarations.
PUBLIC: dict[str, Any] = {}

FLOAT32, FLOAT64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
NUMBERS = (Tensor, bool, int, float, np.ndarray, np.generic)
#: Arguments as NumPy calls them.
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}
_DTYPE = {bool: dtypes.bool_, int: dtypes.int64}


class OpFunction(Protocol):
    """A function that calls one declared operation."""

    op: Any
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor: ...


F = TypeVar("F", bound=Callable[..., Any])


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
    name = name or function.__name__
    PUBLIC[name] = function if isinstance(function, type) else _checked(function, name)
    if method:
        # Those along a dimension may be asked for by NumPy's names of arguments.
        along = "dim" in getattr(function, "__annotations__", ())
        setattr(Tensor, name, guarded(function, name) if along else function)
    if inplace:
        add_inplace(name, function)
    return function


def _checked(function: F, name: str) -> F:
    """As users call it: what is no tensor is refused by name, not by an AttributeError inside."""
    if hasattr(function, "__wrapped__"):  # guarded by itself
        return function
    first = next(iter(function.__annotations__.items()), ("", None))
    if first not in (("input", "Tensor"), ("self", "Tensor")):
        return guarded(function, name)

    @functools.wraps(function)
    def checked(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}"
            )
        try:
            return function(input, *args, **kwargs)
        except NoValues as error:
            return one_by_one(error, function, (input, *args), kwargs)
        except ACCIDENTS as error:
            return _respelled(error, function, name, (input, *args), kwargs)

    return checked  # type: ignore[return-value]


def guarded(function: F, name: str = "") -> F:
    """`function`, one example after the other where it asks for the values of many (`vmap`);
    accidents inside are explained by the types of the arguments.
    """
    name = name or function.__name__

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except NoValues as error:
            return one_by_one(error, function, args, kwargs)
        except ACCIDENTS as error:
            return _respelled(error, function, name, args, kwargs)

    return called  # type: ignore[return-value]


def _respelled(
    error: Exception,
    function: Callable[..., Any],
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """The result for arguments in NumPy's names, which PyTorch takes, too; else what went wrong.

    Only calls that failed come here, so that the others do not pay for it.
    """
    known = function.__annotations__
    renamed = {
        NUMPY_NAMES[key] if key in NUMPY_NAMES and key not in known else key: value
        for key, value in kwargs.items()
    }
    if renamed.keys() == kwargs.keys() or len(renamed) < len(kwargs):
        reraise(error, function, name, args, kwargs)
    return guarded(function, name)(*args, **renamed)


def one_by_one(
    error: NoValues, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What `function` gives for each of many examples, after it asked for the values of all."""
    if engine.batching is None:
        raise error
    return engine.batching.loop(error, function, args, kwargs)


def all_values(t: Tensor) -> np.ndarray[Any, Any]:
    """The elements, of all examples if there are many: to check that they are valid."""
    return t.array if engine.batching is None else engine.batching.values(t)


@overload
def method(function: F) -> F: ...
@overload
def method(*, name: str = ...) -> Callable[[F], F]: ...
def method(function: Any = None, *, name: str = "") -> Any:
    """Put `function` on tensors only."""
    if function is None:
        return lambda f: _named_method(f, name)
    return _named_method(function, function.__name__)


def _named_method(function: F, name: str) -> F:
    hidden = name.startswith("_")
    setattr(Tensor, name, function if hidden else guarded(function, name))
    return function


def add_inplace(name: str, function: Callable[..., Any]) -> None:
    """Put ``name_`` on tensors: compute as `function` does, and write over the tensor."""

    def in_place(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        def compute(x: Tensor) -> Any:
            try:
                return function(x, *args, **kwargs)
            except NoValues as error:
                return one_by_one(error, function, (x, *args), kwargs)
            except ACCIDENTS as error:
                reraise(error, function, f"{name}_", (x, *args), kwargs)

        return write(self, compute, f"{name}_")

    in_place.__name__ = in_place.__qualname__ = f"{name}_"
    in_place.__doc__ = f"In-place form of :func:`{name}`: the result replaces the elements."
    setattr(Tensor, f"{name}_", in_place)


# -- operands ------------------------------------------------------------------------------------


_constants: dict[tuple[str, float], Tensor] = {}


def constant(value: float, dtype: np.dtype[Any]) -> Tensor:
    """A Python number as a 0-dim tensor.

    The last few are kept, because making one costs as much as adding two small tensors. Zeros (of
    either sign) and NaN cannot be told apart as keys, so are made anew.
    """
    key = (dtype.char, value)
    t = _constants.get(key)
    if t is None or value == 0 or value != value:
        t = Tensor(np.array(value).astype(dtype))  # an integer out of range wraps, as in PyTorch
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
    """`t` as elements of another type, recorded in the graph unless no gradient can pass it."""
    if t.array.dtype == dtype:
        return t
    if not (dtypes.is_float(dtype) and dtypes.is_float(t.array.dtype)):
        try:
            return Tensor(call_quietly(t.array.astype, dtype))
        except NoValues:
            return apply(PUBLIC["_convert"].op, (t,), (dtype,))  # type: ignore[no-any-return]
    y: Tensor = apply(PUBLIC["_cast"].op, (t,), (dtype,))
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


# -- the functions of elementwise operations -----------------------------------------------------


def elementwise_function(op: Any, *, method: bool, public: bool) -> OpFunction:
    """The public function of an elementwise operation, and its in-place form."""
    make = {1: _unary, 2: _binary}.get(op.arity, _several) if op.flags == 0 else _several
    function: Any = make(op)
    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = _document(op)
    function.op = op
    if public:
        PUBLIC[op.name] = function
    if method:
        setattr(Tensor, op.name, function)
        if op.kind not in ("compare", "test"):
            add_inplace(op.name, function)
    return function  # type: ignore[no-any-return]


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
    wants_float = op.kind == "float"
    compute, small, fused = op.numpy, op.small, op.fused

    def simple(input: Tensor) -> Any:
        try:
            x = input.array
        except AttributeError:
            return simple(as_operand(input, op.name, 0))
        if x.dtype is FLOAT32 or x.dtype is FLOAT64:
            try:
                out = compute(x) if x.size < small else fused((x,), (), x.dtype)
            except EVENTS:
                out = call_quietly(compute, x)
            except NoValues:
                return apply(op, (input,))
            return record(op, (input,), (), out)
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
            if other.__class__ is float and x.dtype.kind == "f":
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
            if x.size < limit and y.size < limit:
                out = compute(x, y)
            else:
                out = op.forward((x, y), defaults)
        except EVENTS:
            out = call_quietly(compute, x, y)
        except NoValues:
            return apply(op, (input, other), defaults)
        except ValueError as error:
            raise _explain(op, (input, other), error) from None
        return record(op, (input, other), defaults, out)

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
    except ValueError as error:
        raise _explain(op, operands, error) from None
    except TypeError as error:  # numpy has no such operation on booleans
        raise RuntimeError(
            f"{op.name}: not supported for {operands[0].dtype} tensors ({error})"
        ) from None


def _several(op: Any) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        operands = promote(op, args[: op.arity])
        try:
            return apply(op, operands, bind(op, args[op.arity :], kwargs))
        except ValueError as error:
            raise _explain(op, operands, error) from None

    return function


def _explain(op: Any, operands: tuple[Tensor, ...], error: ValueError) -> Exception:
    """Numpy says that shapes do not broadcast; say which sizes, where, and of what operation."""
    shapes = [o.array.shape for o in operands]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        pass
    else:
        return RuntimeError(f"{op.name}: {error}")
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
