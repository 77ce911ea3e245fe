"""The array object of the standard: a tensor whose operators follow the standard to the letter.

Where PyTorch and the standard differ (a 0-dim operand counts fully in the promotion of types,
slices may step backwards, ``size`` is a number), tensors follow PyTorch. What functions of
`minigrad.xp` return is an :class:`Array`: still a tensor, with gradients and all methods, but one
whose operators and indices follow the standard.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad.core.promotion import cast
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor
from minigrad.ops.index import get_item, set_item
from minigrad.ops.inplace import write

__all__ = ["ON_TENSORS", "Array", "as_tensor", "standard", "wrap"]

Function = Callable[..., Any]

#: The standard's functions (``"sum"``, ``"linalg.trace"``) as they compute on tensors. Two read
#: them: this namespace, which checks arguments and gives arrays, and numpy's protocol, which brings
#: what numpy takes to tensors and gives tensors.
ON_TENSORS: dict[str, Function] = {}


class _Count(int):
    """The number of elements, which tensors' users may also call for the shape."""

    shape: Any

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]


class Array(Tensor):
    """A tensor whose operators and indices follow the Python array API standard.

    Functions of `minigrad.xp` make arrays, from tensors too; an array goes wherever a tensor goes.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import xp
    >>> x = xp.asarray([1, 2, 3], dtype=xp.int8)
    >>> (x + xp.asarray(1, dtype=xp.int32)).dtype  # PyTorch would say int8
    minigrad.int32
    >>> x[::-1], x.size
    (tensor([3, 2, 1], dtype=minigrad.int8), 3)
    >>> isinstance(x, mg.Tensor)
    True
    """

    __slots__ = ()

    @property
    def size(self) -> Any:
        """The number of elements; called as PyTorch's ``size()``, the shape."""
        count = _Count(self.array.size)
        count.shape = self.shape
        return count

    @property
    def T(self) -> Array:
        """The transpose of a matrix.

        Raises
        ------
        ValueError
            If there are not two dimensions; see :func:`permute_dims`.
        """
        if self.ndim != 2:
            raise ValueError(f"x.T is for matrices, got {self.ndim} dimensions; use permute_dims()")
        return self.mT

    @property
    def mT(self) -> Array:
        """The last two dimensions swapped."""
        if self.ndim < 2:
            raise ValueError(f"x.mT needs at least two dimensions, got {self.ndim}")
        return wrap(PUBLIC["transpose"](self, -2, -1))

    def __getitem__(self, key: Any) -> Array:
        empty = _empty_mask(self, key)
        if empty is not None:
            return wrap(Tensor(np.zeros(empty, self.array.dtype)))
        key, turned = _forwards(key, self.array.shape)
        part = get_item(self, key)
        return wrap(PUBLIC["flip"](part, turned) if turned else part, self)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, Tensor):
            value = cast(value, self.array.dtype)
        key, turned = _forwards(key, self.array.shape)
        if turned and isinstance(value, Tensor):
            shape = get_item(self, key).array.shape
            value = PUBLIC["flip"](PUBLIC["broadcast_to"](value, shape), turned)
        if _empty_mask(self, key) is None:
            set_item(self, key, value)

    def __iter__(self) -> Iterator[Array]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return iter([wrap(part) for part in PUBLIC["unbind"](self, 0)])

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iu" or self.ndim:
            raise TypeError("only integer arrays of no dimensions can be converted to an index")
        return int(self.array.item())


def as_tensor(x: Any, name: str) -> Tensor:
    """An argument that must be an array; other kinds of tensors are arrays, too."""
    if not isinstance(x, Tensor):
        raise TypeError(f"xp.{name}() takes arrays, got {type(x).__name__}; use xp.asarray()")
    return x


def wrap(t: Any, *given: Any) -> Array:
    """The result of an operation as an array.

    A result that is one of the arguments stays what it is for those who hold it: a view of it is
    returned.
    """
    if t.__class__ is Array:
        return t
    if t.__class__ is not Tensor or any(t is g for g in given):
        t = PUBLIC["reshape"](t, t.array.shape)
    t.__class__ = Array
    array: Array = t
    return array


def _wrap_all(result: Any, given: tuple[Any, ...]) -> Any:
    """Tensors among the results as arrays; names of a tuple's fields stay."""
    if isinstance(result, Tensor):
        return wrap(result, *given)
    if isinstance(result, tuple):
        parts = [_wrap_all(r, given) for r in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    return result


def standard(offered: list[str], prefix: str = "") -> Callable[[Function], Any]:
    """A decorator for functions over tensors: as the standard's, their results are arrays.

    An argument called ``x`` must be an array; what else is one, the function checks itself.

    Parameters
    ----------
    offered : list of str
        Gets the name: ``__all__`` of the module.
    prefix : str
        What stands before the name in `ON_TENSORS`.
    """

    def offer(function: Function) -> Any:
        name = function.__name__
        offered.append(name)
        ON_TENSORS[prefix + name] = function

        def of_one(x: Any, /, *args: Any, **kwargs: Any) -> Any:
            return _wrap_all(function(as_tensor(x, name), *args, **kwargs), (x,))

        def of_any(*args: Any, **kwargs: Any) -> Any:
            return _wrap_all(function(*args, **kwargs), args)

        one = next(iter(function.__annotations__), "") == "x"
        return functools.wraps(function)(of_one if one else of_any)

    return offer


# -- indices ---------------------------------------------------------------------------------------


def _index_part(part: Any) -> Any:
    """Index arrays of any integer type as int64."""
    if isinstance(part, Tensor) and part.array.dtype.kind in "iu":
        return Tensor(part.array.astype(np.int64, copy=False))
    return part


def _forwards(key: Any, shape: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
    """A key without backward steps, and which dimensions of its result to turn around."""
    parts = [_index_part(p) for p in (key if isinstance(key, tuple) else (key,))]
    if not any(isinstance(p, slice) and p.step is not None and p.step < 0 for p in parts):
        return (tuple(parts) if isinstance(key, tuple) else parts[0]), ()
    used = sum(p is not None and p is not Ellipsis for p in parts)
    full: list[Any] = []
    for p in parts:
        full += [slice(None)] * (len(shape) - used) if p is Ellipsis else [p]
    turned, dim, out = [], 0, 0
    for i, p in enumerate(full):
        if isinstance(p, slice):
            if p.step is not None and p.step < 0 and dim < len(shape):
                full[i] = _reversed_slice(p, shape[dim])
                turned.append(out)
            dim, out = dim + 1, out + 1
        elif p is None:
            out += 1
        else:
            dim += 1
            out += isinstance(p, Tensor) and p.ndim > 0
    return tuple(full), tuple(turned)


def _reversed_slice(s: slice, size: int) -> slice:
    """The same places in ascending order."""
    places = range(size)[s]
    return slice(places[-1], places[0] + 1, -places.step) if len(places) else slice(0, 0)


def _empty_mask(x: Tensor, key: Any) -> tuple[int, ...] | None:
    """The shape of what a mask picks that has no elements where `x` has some."""
    if not isinstance(key, Tensor) or key.array.dtype.kind != "b" or key.array.size or not key.ndim:
        return None
    shape, mask = x.array.shape, key.array.shape
    if mask == shape[: len(mask)] or len(mask) > len(shape):
        return None
    if all(m in (0, n) for m, n in zip(mask, shape)):
        return (0, *shape[len(mask) :])
    return None


# -- operators -------------------------------------------------------------------------------------

_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "pow", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift", "matmul": "matmul",
}  # fmt: skip
_COMPARE = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}  # fmt: skip
_UNARY = {"abs": "abs", "neg": "negative", "pos": "positive", "invert": "bitwise_invert"}


def _known(other: Any) -> bool:
    return isinstance(other, (Tensor, bool, int, float, np.ndarray, np.generic))


def _operand(other: Any) -> Any:
    return PUBLIC["as_tensor"](other) if isinstance(other, (np.ndarray, np.generic)) else other


def install(functions: dict[str, Any]) -> None:
    """Put the operators on arrays, given the functions behind them."""
    for name, known in {**_BINARY, **_COMPARE}.items():
        _put_binary(name, functions[known], name in _BINARY)
    for name, known in _UNARY.items():
        _put_unary(name, functions[known])


def _put_unary(name: str, function: Any) -> None:
    setattr(Array, f"__{name}__", lambda self: function(self))


def _put_binary(name: str, function: Any, all_forms: bool) -> None:
    def forward(self: Array, other: Any) -> Any:
        return function(self, _operand(other)) if _known(other) else NotImplemented

    def swapped(self: Array, other: Any) -> Any:
        return function(_operand(other), self) if _known(other) else NotImplemented

    def in_place(self: Array, other: Any) -> Any:
        if not _known(other):
            return NotImplemented

        def compute(x: Tensor) -> Tensor:
            result: Tensor = function(x, _operand(other))
            if result.dtype is not self.dtype:
                raise TypeError(
                    f"__i{name}__: the result would be {result.dtype}, and the array is "
                    f"{self.dtype}"
                )
            return result

        return write(self, compute, f"__i{name}__")

    setattr(Array, f"__{name}__", forward)
    if all_forms:
        setattr(Array, f"__r{name}__", swapped)
        setattr(Array, f"__i{name}__", in_place)
