"""Tensors made from data, from a rule, or like another tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.dims import as_sizes
from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.modes import interpreter
from minigrad.core.promotion import as_operand, cast
from minigrad.core.public import called, method, public
from minigrad.core.tensor import Array, Tensor, given
from minigrad.place import contiguous_format, let_go, only_cpu, wants_rows
from minigrad.place import device as _device


def finish(array: Array, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new leaf."""
    if device is not None:
        only_cpu(device)
    t = given(array)
    return t.requires_grad_() if requires_grad else t


def _numpy_dtype(dtype: Any) -> np.dtype[Any]:
    return (get_default_dtype() if dtype is None else as_dtype(dtype)).numpy


def _plain(data: Any) -> Any:
    """Nested sequences with tensors inside, as nested sequences of arrays."""
    if isinstance(data, Tensor):
        return data.array
    if isinstance(data, (list, tuple)):
        return [_plain(d) for d in data]
    return data


def _from_data(data: Any, dtype: Any) -> Array:
    """An array of what PyTorch would infer: Python floats are of the default type."""
    plain = _plain(data)
    try:
        array = np.array(plain)
    except ValueError as error:
        raise ValueError(
            f"tensor(): expected sequences of equal length at every depth ({error})"
        ) from None
    if dtype is not None:
        return array.astype(as_dtype(dtype).numpy)
    if array.dtype.kind == "f" and not _has_typed(data):
        return array.astype(get_default_dtype().numpy)
    if array.dtype.kind in "iu" and not _has_typed(data):
        return array.astype(np.int64)
    if array.dtype.kind == "O" or array.dtype.kind in "US":
        raise TypeError(f"tensor(): cannot make a tensor of {type(data).__name__} of {array.dtype}")
    if array.size == 0 and not _has_typed(data):
        return array.astype(get_default_dtype().numpy)
    dtypes.from_numpy(array.dtype)
    return array


def _has_typed(data: Any) -> bool:
    """Whether elements carry a type of their own (arrays, tensors, numpy numbers)."""
    while isinstance(data, (list, tuple)):
        if not data:
            return False
        data = data[0]
    return isinstance(data, (np.ndarray, np.generic, Tensor))


@public(method=False)
def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor with a copy of `data`.

    Parameters
    ----------
    data : array_like
        Numbers, nested sequences, a numpy array.
    dtype : dtype, optional
        By default that of an array, the default floating point type for Python floats, int64 for
        integers, bool for booleans.
    device : optional
        ``"cpu"``; there is nothing else.
    requires_grad : bool
        Whether backward passes compute a gradient for it.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return finish(_from_data(data, dtype), requires_grad, device)


@public(method=False)
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of `data`, without a copy where that is possible."""
    if isinstance(data, Tensor):
        return data if dtype is None else cast(data, as_dtype(dtype).numpy)
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == as_dtype(dtype).numpy):
        dtypes.from_numpy(data.dtype)
        return finish(data, False, device)
    return finish(_from_data(data, dtype), False, device)


@public(method=False)
def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """As :func:`as_tensor`, with a choice to copy."""
    t = as_tensor(obj, dtype, device)
    t = t.clone() if copy else t
    return t.requires_grad_() if requires_grad else t


@public(method=False)
def from_numpy(ndarray: Array) -> Tensor:
    """A tensor that shares the memory of a numpy array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.from_numpy(ndarray.dtype)
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported: use array.astype() first"
        )
    return given(ndarray)


def _filled(name: str, fill: Any, text: str) -> Any:
    @called(name, f"A tensor of the given sizes {text}.")
    def function(
        *size: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **kwargs: Any,
    ) -> Tensor:
        if "size" in kwargs:
            size = (kwargs.pop("size"),)
        if kwargs:
            let_go(kwargs, name)
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        shape = as_sizes(size, name)
        if any(s < 0 for s in shape):
            raise RuntimeError(
                f"{name}: Trying to create tensor with negative dimension: {list(shape)}"
            )
        return finish(fill(shape, _numpy_dtype(dtype)), requires_grad, device)

    return public(function, method=False)


zeros = _filled("zeros", np.zeros, "filled with 0")
ones = _filled("ones", np.ones, "filled with 1")
empty = _filled("empty", np.empty, "with whatever the memory held")


def _full_array(shape: tuple[int, ...], value: Any, dtype: Any) -> Array:
    if isinstance(value, Tensor):
        value = value.item()
    if not isinstance(value, (bool, int, float, np.generic)):
        raise TypeError(
            f"full(): argument 'fill_value' (position 2) must be Number, not {type(value).__name__}"
        )
    if dtype is None:
        dtype = {bool: dtypes.bool_, int: dtypes.int64}.get(type(value))
    return np.full(shape, value, _numpy_dtype(dtype))


@public(method=False)
def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of the given sizes filled with one value, whose type decides by default."""
    return finish(_full_array(as_sizes((size,), "full"), fill_value, dtype), requires_grad, device)


def made_like(
    x: Tensor, shape: tuple[int, ...], fill: Any, requires_grad: bool, device: Any
) -> Tensor:
    """``fill(shape)`` as a new leaf; inside `vmap` one for each example that `x` stands for."""
    if interpreter() is not None:
        t: Tensor | None = interpreter().like(x, shape, fill)
        if t is not None:
            return t
    return finish(fill(shape), requires_grad, device)


def _like(name: str, fill: Any, text: str) -> Any:
    @called(f"{name}_like", f"A tensor of the sizes and type of `input` {text}.")
    def like(
        input: Tensor,
        *,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        x = as_operand(input, f"{name}_like", 0)
        wants_rows(memory_format, f"{name}_like", x.array.ndim)  # refuses what is none
        kind = x.array.dtype if dtype is None else as_dtype(dtype).numpy
        return made_like(x, x.array.shape, lambda s: fill(s, kind), requires_grad, device)

    @called(f"new_{name}", f"A tensor of the given sizes and the type of this one {text}.")
    def new(
        self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        kind = self.array.dtype if dtype is None else as_dtype(dtype).numpy
        shape = as_sizes(size, f"new_{name}")
        return made_like(self, shape, lambda s: fill(s, kind), requires_grad, device)

    method(new)
    return public(like, method=False)


zeros_like = _like("zeros", np.zeros, "filled with 0")
ones_like = _like("ones", np.ones, "filled with 1")
empty_like = _like("empty", np.empty, "with whatever the memory held")


@public(method=False)
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of the sizes and type of `input` filled with one value."""
    kind = input.array.dtype if dtype is None else as_dtype(dtype).numpy
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    shape = input.array.shape
    return made_like(input, shape, lambda s: np.full(s, value, kind), requires_grad, device)


@method
def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of the given sizes and the type of this one filled with one value."""
    kind = self.array.dtype if dtype is None else as_dtype(dtype).numpy
    shape = as_sizes((size,), "new_full")
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return made_like(self, shape, lambda s: np.full(s, value, kind), requires_grad, device)


@method
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of `data` and the type of this one."""
    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


@public(method=False)
def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A matrix with ones on the diagonal."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n and m must be greater or equal to 0, got n={n}, m={m}")
    return finish(np.eye(n, m, dtype=_numpy_dtype(dtype)), requires_grad, device)


def _number(x: Any) -> Any:
    return x.item() if isinstance(x, Tensor) else x


@public(method=False)
def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``start, start + step, ...`` up to, and without, `end`."""
    start, end, step = _number(start), _number(end), _number(step)
    if end is None:
        start, end = 0, start
    if dtype is not None and as_dtype(dtype).category == 1:
        start, end, step = (_truncated(v) for v in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) / step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        whole = all(isinstance(v, int) for v in (start, end, step))
        dtype = dtypes.int64 if whole else get_default_dtype()
    count = math.ceil((end - start) / step)
    kind = as_dtype(dtype).numpy
    values = start + step * np.arange(count, dtype=np.float64 if kind.kind == "f" else np.int64)
    return finish(np.asarray(values).astype(kind), requires_grad, device)


def _truncated(value: Any) -> Any:
    """A bound of a sequence of integers."""
    return int(value) if math.isfinite(value) else value


def spaced(start: Any, end: Any, steps: Any, kind: np.dtype[Any], name: str) -> Array:
    """`steps` float64 values from `start` to `end`, which for integer types are integers first."""
    if not isinstance(steps, (int, np.integer)):
        raise TypeError(f"{name}(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    for word, bound in (("start", start), ("end", end)):
        if isinstance(bound, Tensor) and bound.array.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got {word} with "
                f"{bound.array.ndim} dimension(s)."
            )
    low, high = _number(start), _number(end)
    if kind.kind != "f":
        low, high = _truncated(low), _truncated(high)
    step = (high - low) / (steps - 1) if steps > 1 else 0.0
    index = np.arange(steps)
    # from both ends, so that the values are symmetric
    return (
        np.where(index < steps // 2, low + step * index, high - step * (steps - 1 - index))
        if steps != 1
        else np.full(1, float(low))
    )


@public(method=False)
def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` values from `start` to `end`, both included."""
    kind = _numpy_dtype(dtype)
    return finish(spaced(start, end, steps, kind, "linspace").astype(kind), requires_grad, device)


# -- conversion ----------------------------------------------------------------------------------


@method
def to(self: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
    """The tensor as another dtype (``to(dtype)``, ``to(other)``, ``to("cpu")``), in the graph."""
    kind = kwargs.pop("dtype", None)
    form = None
    if kwargs:
        if (place := kwargs.pop("device", None)) is not None:
            only_cpu(place, "to")
        kwargs.pop("non_blocking", None)
        form = kwargs.pop("memory_format", None)
    flags = [a for a in args if isinstance(a, bool)]  # non_blocking, copy
    copy = copy or (len(flags) > 1 and flags[1])
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    for a in args:
        if isinstance(a, Tensor):
            kind = a.dtype
        elif isinstance(a, dtypes.dtype) or a in (float, int, bool):
            kind = a
        elif isinstance(a, (str, _device)):
            only_cpu(a, "to")
        elif not isinstance(a, bool):
            raise TypeError(f"to() takes a dtype, a device or a tensor, got {type(a).__name__}")
    result: Any = self if kind is None else cast(self, as_dtype(kind).numpy)
    rows = form is not None and wants_rows(form, "to", self.array.ndim)
    if copy and result is self:
        return result.clone(memory_format=form)
    if rows and (result is not self or form is not contiguous_format):
        return result.contiguous(memory_format=form)  # type: ignore[no-any-return]
    return result  # type: ignore[no-any-return]


def _converter(name: str, dtype: dtypes.dtype) -> None:
    @called(name, f"The tensor as {dtype.name}.")
    def convert(self: Tensor, memory_format: Any = None) -> Tensor:
        if memory_format is None:
            return cast(self, dtype.numpy)
        return to(self, dtype, memory_format=memory_format)

    method(convert)


for _name, _dtype in {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "int": dtypes.int32,
    "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_,
}.items():  # fmt: skip
    _converter(_name, _dtype)


@method
def bfloat16(self: Tensor) -> Tensor:
    """The tensor as bfloat16: float32 with half of its bits, for storing.

    Raises
    ------
    ImportError
        Without ml_dtypes: ``pip install "minigrad[bfloat16]"``.
    """
    return cast(self, as_dtype("bfloat16").numpy)


@method(name="type")
def as_type(self: Tensor, dtype: Any = None) -> Any:
    """The tensor as another dtype; without one, the name of its type.

    The classes of tensors name their types, too: ``x.type(minigrad.LongTensor)``.
    """
    if dtype is None:
        return f"minigrad.{self.dtype.name}"
    named = getattr(dtype, "dtype", None)
    return cast(self, as_dtype(named if isinstance(named, dtypes.dtype) else dtype).numpy)


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor as the dtype of `other`."""
    return cast(self, other.array.dtype)


@method
def cpu(self: Tensor) -> Tensor:
    """Itself: it is there already."""
    return self


@public(method=False)
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


@public(method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are of a floating point type."""
    return dtypes.is_float(input.array.dtype)


@public(method=False)
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.array.size
