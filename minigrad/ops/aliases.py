"""Other spellings: names of PyTorch that say in a line or two what other operations do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.core.dims import as_sizes, wrap_dim
from minigrad.core.dtypes import as_dtype, get_default_dtype
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import reshape, transpose
from minigrad.core.plain import plain
from minigrad.core.promotion import as_operand, cast
from minigrad.core.public import PUBLIC, called, method, public
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.activations import hardshrink
from minigrad.ops.creation import finish
from minigrad.ops.inplace import write
from minigrad.ops.join import flip
from minigrad.ops.linear_algebra.norms import vector_norm
from minigrad.ops.random import binomials, overwrite
from minigrad.ops.shape import broadcast_tensors
from minigrad.ops.slices import narrow, split
from minigrad.place import device, only_cpu

# -- functions that write: minigrad.exp_(x) is x.exp_() --------------------------------------------

_WRITING = """
abs acos acosh addmv arccos arccosh arcsin arcsinh arctan arctanh as_strided asin asinh atan atanh
ceil clamp clamp_max clamp_min clip cos cosh deg2rad detach erf erfc exp exp2 expm1 fill fix floor
frac gcd i0 index_put lcm ldexp log log10 log1p log2 logit nan_to_num neg negative rad2deg
reciprocal relu round rsqrt sigmoid sin sinc sinh sqrt square tan tanh trunc xlogy zero
"""


def _writing(name: str) -> Callable[..., Tensor]:
    @called(name, f"See :meth:`Tensor.{name}`: the result replaces the elements of `input`.")
    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(input, name)(*args, **kwargs)  # type: ignore[no-any-return]

    return public(function, method=False)


for _name in _WRITING.split():
    _writing(f"{_name}_")


@public(method=False)
def detach(input: Tensor) -> Tensor:
    """The same memory, outside the graph."""
    return input.detach()


method(name="hardshrink")(hardshrink)

# -- questions -------------------------------------------------------------------------------------


def _never(name: str, text: str) -> None:
    @called(name, f"Whether {text}: never.")
    def function(input: Tensor) -> bool:
        return False

    public(function)


_never("is_complex", "the elements are complex numbers")
_never("is_conj", "the tensor stands for its complex conjugate")
_never("is_neg", "the tensor stands for its negative")
_never("is_distributed", "the tensor is spread over processes")

for _name in ("cuda", "ipu", "meta", "mkldnn", "mps", "nested", "quantized", "sparse",
              "sparse_csr", "vulkan", "xla", "xpu"):  # fmt: skip
    setattr(Tensor, f"is_{_name}", False)
Tensor.is_cpu = True  # type: ignore[attr-defined]


@public
def is_signed(input: Tensor) -> bool:
    """Whether the type has negative numbers."""
    return bool(input.dtype.is_floating_point or input.array.dtype.kind == "i")


@public
def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not 0."""
    if input.array.size != 1:
        what = "no values" if not input.array.size else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(input.item())


@public
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return bool(input.array.shape == other.array.shape)


@public
def get_device(input: Tensor) -> int:
    """-1: tensors are in the memory of the CPU."""
    return -1


@method
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """Refused: there is one device, the CPU."""
    raise RuntimeError(
        "Tensor.cuda(): minigrad computes on the CPU only; leave the call out, or write "
        "x.to(device) with device = 'cuda' if minigrad.cuda.is_available() else 'cpu'"
    )


@method
def ndimension(self: Tensor) -> int:
    """The number of dimensions."""
    return self.array.ndim


@method
def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions in the order of their strides, the largest first."""
    strides = [-s for s in self.array.strides]
    return tuple(int(d) for d in np.argsort(strides, kind="stable"))


@public(method=False)
def typename(obj: Any) -> str:
    """The name of a type, with its module."""
    if isinstance(obj, Tensor):
        return f"minigrad.{obj.dtype.name}"
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"


# -- the same tensor, or a view of it --------------------------------------------------------------


def _itself(name: str, text: str) -> None:
    @called(name, f"The tensor itself: {text}.")
    def function(input: Tensor) -> Tensor:
        return input

    public(function)


_itself("conj_physical", "there are no complex numbers")
_itself("resolve_conj", "there are no complex numbers")
_itself("resolve_neg", "nothing is negated later")


@public
def imag(input: Tensor) -> Tensor:
    """Refused, as for every real tensor."""
    raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")


@public
def adjoint(input: Tensor) -> Tensor:
    """Matrices transposed: the last two dimensions exchanged; a view."""
    if input.array.ndim < 2:
        raise RuntimeError(
            "tensor.adjoint() is only supported on matrices or batches of matrices. Got "
            f"{input.array.ndim}-D tensor."
        )
    return transpose(input, -2, -1)


setattr(Tensor, "mH", property(adjoint))  # noqa: B010


@method(name="__reversed__")
def _reversed(self: Tensor) -> Tensor:
    """All dimensions reversed, as PyTorch has it."""
    return flip(self, tuple(range(self.array.ndim))) if self.array.ndim else self


# -- pieces ----------------------------------------------------------------------------------------


@public
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given sizes; views."""
    return split(input, list(split_sizes), dim)


public(split_with_sizes, name="unsafe_split_with_sizes")
public(PUBLIC["chunk"], name="unsafe_chunk")
public(PUBLIC["split"], name="unsafe_split")


@public
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """As :func:`narrow`, but a copy."""
    return narrow(input, dim, start, length).clone()


@plain
def _first_places(x: Array, size: int, fill_value: int) -> Array:
    found = np.argwhere(x)[:size]
    out = np.full((size, x.ndim), fill_value, np.int64)
    out[: len(found)] = found
    return out


@public
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The places that are not 0, cut or filled to `size` rows."""
    return _first_places((input,), size, fill_value)


@public
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A copy of `input` with the elements that :func:`as_strided` shows replaced by `src`."""
    shape = input.array.shape
    number = given(np.arange(input.array.size).reshape(shape))
    places = PUBLIC["as_strided"](number, size, stride, storage_offset)
    if places.array.shape != src.array.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.array.shape)}, slice size = {list(places.array.shape)}"
        )
    flat = PUBLIC["index_put"](reshape(input, -1), (reshape(places, -1),), reshape(src, -1))
    return reshape(flat, *shape)


@method
def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write over the diagonal; with `wrap`, of a tall matrix again after each full one."""
    shape = self.array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    mask = np.zeros(shape, bool)
    if mask.size:
        np.fill_diagonal(mask, True, wrap)
    return write(self, lambda x: cast(e.choose(given(mask), fill_value, x), x.array.dtype),
                 "fill_diagonal_")  # fmt: skip


# -- element by element, with Python's functions ---------------------------------------------------


def _each(name: str, count: int) -> None:
    @called(
        name,
        "Write over each element what a Python function makes of it"
        + (" and of those of other tensors" if count else "")
        + "; slow, one call per element.",
    )
    def function(self: Tensor, *args: Any) -> Tensor:
        *others, call = args
        if len(others) != count:
            raise TypeError(f"{name}() takes {count} tensors and a function")
        if self.requires_grad:
            raise TypeError(
                f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() "
                "instead."
            )
        arrays = [self.array, *(as_operand(o, name, 1).array for o in others)]
        rows = zip(*[a.tolist() for a in map(np.ravel, np.broadcast_arrays(*arrays))], strict=True)
        try:
            values = np.array([call(*row) for row in rows], self.array.dtype)
        except OverflowError as error:
            raise RuntimeError(
                f"{name}: value cannot be converted to type {self.dtype} without overflow: {error}"
            ) from None
        return overwrite(self, values.reshape(self.array.shape), name)

    method(function)


_each("apply_", 0)
_each("map_", 1)
_each("map2_", 2)

# -- making tensors --------------------------------------------------------------------------------


@public(method=False)
def scalar_tensor(
    s: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A 0-dim tensor of the default type."""
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    return finish(np.asarray(s, kind.numpy), requires_grad, device)


@public(method=False)
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with the given strides, with whatever the memory held."""
    shape, steps = as_sizes((size,), "empty_strided"), as_sizes((stride,), "empty_strided")
    if len(shape) != len(steps) or min((*shape, *steps), default=0) < 0:
        raise RuntimeError(
            "empty_strided: dimensionality of sizes and strides must match, and none may be "
            f"negative; got {list(shape)} and {list(steps)}"
        )
    kind = (get_default_dtype() if dtype is None else as_dtype(dtype)).numpy
    last = sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) if 0 not in shape else -1
    memory = np.empty(last + 1, kind)
    strides = tuple(s * kind.itemsize for s in steps)
    view = np.lib.stride_tricks.as_strided(memory, shape, strides)
    return finish(view, requires_grad, device)


@method
def new_empty_strided(self: Tensor, size: Any, stride: Any, *, dtype: Any = None) -> Tensor:
    """As :func:`empty_strided`, of the type of this tensor."""
    return empty_strided(size, stride, dtype=dtype or self.dtype)


@public(method=False)
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norms of the entries along `dim`, kept as dimensions of size 1; of all if it is -1."""
    if dim == -1:
        return vector_norm(v, pow)
    d = wrap_dim(dim, v.array.ndim, "norm_except_dim")
    return vector_norm(v, pow, tuple(i for i in range(v.array.ndim) if i != d), True)


@public(method=False)
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Binomial numbers of `count` trials with probability `prob`; no gradient flows."""
    if not (count.dtype.is_floating_point and count.dtype == prob.dtype):
        raise RuntimeError(
            "Binomial only supports floating-point dtypes for count, the same as for prob; got "
            f"{count.dtype} and {prob.dtype}"
        )
    n, p = broadcast_tensors(count, prob)
    if not ((n.array >= 0) & (p.array >= 0) & (p.array <= 1)).all():
        raise RuntimeError("binomial: count must not be negative, and prob be between 0 and 1")
    return binomials((n, p), (), generator)


# -- settings that have one value ------------------------------------------------------------------


@public(method=False)
def get_default_device() -> device:
    """The CPU."""
    return device("cpu")


@public(method=False)
def set_default_device(place: Any) -> None:
    """Takes the CPU, and refuses others."""
    if place is not None:
        only_cpu(place, "set_default_device")


@public(method=False)
def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Takes any choice: results never depend on chance or on the number of threads."""


@public(method=False)
def are_deterministic_algorithms_enabled() -> bool:
    """True: there are no others."""
    return True


@public(method=False)
def set_float32_matmul_precision(precision: str) -> None:
    """Takes PyTorch's choices: products of float32 are always computed in float32."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"expected one of 'highest', 'high', 'medium', got {precision!r}")


@public(method=False)
def get_float32_matmul_precision() -> str:
    """``"highest"``."""
    return "highest"
