"""Convolutions under PyTorch's names: arguments, their checks, inputs without a batch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minigrad.core.engine import apply
from minigrad.core.ops.shape import reshape
from minigrad.core.public import public
from minigrad.core.tensor import Tensor, given
from minigrad.kernels.conv.geometry import Geometry
from minigrad.ops.family import for_dimensions
from minigrad.ops.join import cat
from minigrad.ops.layers import conv as ops
from minigrad.ops.layers.sizes import check_range, check_room, tupled
from minigrad.ops.shape import contiguous

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip

Ints = tuple[int, ...]
_AXES = ("depth", "height", "width")


# -- arguments -----------------------------------------------------------------------------------


def _whole(value: Any, argument: str, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(
            f"{name}(): argument '{argument}' must be int or tuple of ints, not "
            f"{type(value).__name__}"
        )
    return int(value)


def _numbers(value: Any, n: int, argument: str, name: str) -> Ints:
    """One number for each spatial dimension; a single one stands for all of them."""
    if not isinstance(value, (tuple, list)):
        return (_whole(value, argument, name),) * n
    numbers = tuple([_whole(v, argument, name) for v in value])
    if len(numbers) == 1:
        return numbers * n
    if len(numbers) != n:
        raise RuntimeError(
            f"{name}: expected {argument} to be a single integer value or a list of {n} values to "
            f"match the convolution dimensions, but got {argument}={list(numbers)}"
        )
    return numbers


def _check_tensors(name: str, input: Any, weight: Any, bias: Any) -> None:
    """Tensors of one type that can be multiplied."""
    for i, (what, t) in enumerate((("input", input), ("weight", weight), ("bias", bias)), 1):
        if not isinstance(t, Tensor) and (t is not None or what != "bias"):
            raise TypeError(
                f"{name}(): argument '{what}' (position {i}) must be Tensor, not {type(t).__name__}"
            )
    types = {t.array.dtype for t in (input, weight, bias) if t is not None}
    if len(types) > 1:
        others = f"weight type ({weight.dtype})"
        others += f" and bias type ({bias.dtype})" if bias is not None else ""
        raise RuntimeError(
            f"{name}: Input type ({input.dtype}) and {others} should be the same: convert the "
            "input with .to(weight.dtype), or the module with .float() or .double()"
        )
    if input.array.dtype.kind == "b":
        raise RuntimeError(f"{name}: not implemented for 'Bool'; convert with .float() first")


def _check_steps(name: str, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> None:
    check_range(name, stride=stride, padding=padding, dilation=dilation, groups=(groups,))
    for what, values in (("stride", stride), ("dilation", dilation), ("groups", (groups,))):
        if min(values) <= 0:
            raise RuntimeError(f"non-positive {what} is not supported: got {what}={values}")
    if min(padding) < 0:
        raise RuntimeError(f"negative padding is not supported: got padding={padding}")


def _check_shapes(name: str, x: Ints, w: Ints, n: int, groups: int, transposed: bool) -> Ints:
    """The shape of the input with a batch."""
    if len(x) not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input "
            f"of size: {list(x)}"
        )
    layout = (
        "in_channels, out_channels / groups"
        if transposed
        else ("out_channels, in_channels / groups")
    )
    if len(w) != n + 2:
        raise RuntimeError(
            f"{name}: expected weight to have {n + 2} dimensions ({layout}, "
            f"{', '.join(_AXES[3 - n :])}), but got weight of size {list(w)}"
        )
    if min(w[2:]) < 1:
        raise RuntimeError(f"{name}: kernel size should be greater than zero, got {list(w[2:])}")
    x = x if len(x) == n + 2 else (1, *x)
    if w[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {list(w)} instead"
        )
    if w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {list(w)} instead"
        )
    wanted = w[0] if transposed else w[1] * groups
    if x[1] != wanted:
        given = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {given}, weight of size {list(w)}, expected input{list(x)} to have {wanted} "
            f"channels, but got {x[1]} channels instead{_channel_hint(x, wanted)}"
        )
    return x


def _channel_hint(x: Ints, wanted: int) -> str:
    """Channels last is the commonest mistake."""
    if x[-1] == wanted:
        order = (0, len(x) - 1, *range(1, len(x) - 1))
        return f"; channels come second: input.permute{order} would bring them there"
    return ""


def _check_bias(b: Ints | None, channels: int, w: Ints, transposed: bool) -> None:
    if b is not None and b != (channels,):
        given = "transposed=1, " if transposed else ""
        raise RuntimeError(
            f"Given {given}weight of size {list(w)}, expected bias to be 1-dimensional with "
            f"{channels} elements, but got bias of size {list(b)} instead"
        )


def _check_nonempty(x: Ints) -> None:
    if 0 in x[2:] and 0 not in x[:2]:
        raise RuntimeError(
            f"Only zero batch or zero channel inputs are supported, but got input shape: {list(x)}"
        )


def _by(sizes: Any) -> str:
    return " x ".join(map(str, sizes))


# -- convolution ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024, typed=True)  # stride=True is not stride=1
def _plan(
    name: str, x: Ints, w: Ints, b: Ints | None, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> tuple[Geometry, Ints | None]:  # fmt: skip
    """The checked geometry, and how many outputs to drop at the front of dimensions, if any.

    With ``padding="same"`` and an even number of padded elements missing, PyTorch pads one more
    at the end; here both ends are padded as the end, and the first output is dropped.
    """
    n = int(name[4])
    stride = _numbers(stride, n, "stride", name)
    dilation = _numbers(dilation, n, "dilation", name)
    groups = _whole(groups, "groups", name)
    drop: Ints = (0,) * n
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"{name}: Invalid padding string: '{padding}'")
        padded: Ints = (0,) * n
        if padding == "same":
            if max(stride) != 1:
                raise RuntimeError("padding='same' is not supported for strided convolutions")
            missing = [d * (k - 1) for d, k in zip(dilation, w[2:])]
            padded = tuple([(m + 1) // 2 for m in missing]) if len(missing) == n else padded
            drop = tuple([m % 2 for m in missing])
    else:
        padded = _numbers(padding, n, "padding", name)
    _check_steps(name, stride, padded, dilation, groups)
    x = _check_shapes(name, x, w, n, groups, False)
    _check_bias(b, w[0], w, False)
    how = Geometry(w[2:], stride, padded, dilation, groups)
    out = how.output_sizes(x[2:])
    if min(out) < 1:
        raise RuntimeError(
            "Calculated padded input size per channel: "
            f"({_by(m + 2 * p for m, p in zip(x[2:], padded))}). Kernel size: "
            f"({_by(d * (k - 1) + 1 for k, d in zip(w[2:], dilation))}). Kernel size can't be "
            f"greater than actual input size (in {name}, for an input of shape {list(x)})"
        )
    _check_nonempty(x)
    check_room(name, (x[0], w[0], *out))
    return how, drop if any(drop) else None


def _convNd(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1, *, n: int = 0,
) -> Tensor:  # fmt: skip
    """Slide kernels over {n} dimensions: each output is a kernel times a window, summed.

    ``y[n, o, i, ...] = bias[o] + sum over c, k, ... of weight[o, c, k, ...] * x[n, c, i*s + k*d -
    p, ...]``, where `x` is 0 outside of its sizes. The output has ``(size + 2 p - d (K - 1) - 1) //
    s + 1`` elements in each direction.

    Parameters
    ----------
    input : Tensor, shape {shape}
    weight : Tensor, shape (O, C / groups, {kernel})
    bias : Tensor, shape (O,), optional
    stride : int or tuple of int
        From one window to the next.
    padding : int, tuple of int, "same" or "valid"
        Zeros at both ends; ``"same"`` keeps the size, ``"valid"`` is none.
    dilation : int or tuple of int
        From one element of the kernel to the next.
    groups : int
        The channels are convolved in so many separate groups.

    Returns
    -------
    Tensor
        As `input`, with O channels and the sizes above.

    Raises
    ------
    RuntimeError
        If the shapes do not fit, or the dtypes differ.

    References
    ----------
    LeCun et al., "Gradient-based learning applied to document recognition", 1998; Dumoulin and
    Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.arange(3.0**{n}).reshape(1, *[3] * {n})
    >>> y = mg.conv{n}d(x, mg.ones(1, 1, *[2] * {n}))
    >>> y.shape == (1, *[2] * {n}), y.mean() == x.mean() * 2**{n}
    (True, tensor(True))
    """
    name = f"conv{n}d"
    try:
        x, w = input.array, weight.array
        b = None if bias is None else bias.array
        if x.dtype is not w.dtype or (b is not None and b.dtype is not x.dtype):
            _check_tensors(name, input, weight, bias)
        shift = None if b is None else b.shape
        how, drop = _plan(name, x.shape, w.shape, shift, stride, padding, dilation, groups)
    except (AttributeError, TypeError):
        _check_tensors(name, input, weight, bias)
        stride, padding, dilation = map(tupled, (stride, padding, dilation))
        how, drop = _plan(
            name, input.array.shape, weight.array.shape,
            None if bias is None else bias.array.shape, stride, padding, dilation, groups,
        )  # fmt: skip
        x = input.array
    if x.dtype.kind == "b":
        _check_tensors(name, input, weight, bias)
    single = x.ndim == n + 1
    if single:
        input = reshape(input, (1, *x.shape))
    if bias is None:
        y = apply(ops.CONV, (input, weight), (how,))
    else:
        y = apply(ops.CONV_BIAS, (input, weight, bias), (how,))
    if drop is not None:
        y = contiguous(y[(..., *[slice(d, None) for d in drop])])
    return reshape(y, y.array.shape[1:]) if single else y


conv1d, conv2d, conv3d = map(public(method=False), for_dimensions(_convNd))


# -- transposed convolution ----------------------------------------------------------------------


@functools.lru_cache(maxsize=1024, typed=True)  # stride=True is not stride=1
def _transposed_plan(
    name: str, x: Ints, w: Ints, b: Ints | None, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> tuple[Geometry, Ints, Ints]:  # fmt: skip
    """The checked geometry of the convolution this is the transpose of; the sizes of its input; and
    how many zeros come after our input.

    A convolution of so large an input may have more outputs than we have inputs, where the output
    padding is more than a stride: these are the zeros.
    """
    n = int(name[14])
    stride = _numbers(stride, n, "stride", name)
    padding = _numbers(padding, n, "padding", name)
    extra = _numbers(output_padding, n, "output_padding", name)
    dilation = _numbers(dilation, n, "dilation", name)
    groups = _whole(groups, "groups", name)
    _check_steps(name, stride, padding, dilation, groups)
    if min(extra) < 0:
        raise RuntimeError(f"negative output_padding is not supported: got {extra}")
    x = _check_shapes(name, x, w, n, groups, True)
    _check_bias(b, w[1] * groups, w, True)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding={extra}, stride={stride}, dilation={dilation}"
        )
    check_range(name, output_padding=extra)
    how = Geometry(w[2:], stride, padding, dilation, groups)
    reach = how.input_sizes(x[2:])
    if min(r + e for r, e in zip(reach, extra)) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({_by(x[2:])}). Calculated output size per channel: "
            f"({_by(r + e for r, e in zip(reach, extra))}). Output size is too small (in {name})"
        )
    _check_nonempty(x)
    sizes = tuple([r + e for r, e in zip(reach, extra)])
    check_room(name, (x[0], w[1] * groups, *sizes))
    missing = tuple([e // s for e, s in zip(extra, stride)])
    return how, sizes, missing


def _with_zeros(x: Tensor, counts: Ints) -> Tensor:
    """So many zeros more at the end of each spatial dimension."""
    for dim, count in enumerate(counts, 2):
        if count:
            shape = x.array.shape
            zeros = np.zeros((*shape[:dim], count, *shape[dim + 1 :]), x.array.dtype)
            x = cat([x, given(zeros)], dim)
    return x


def _conv_transposeNd(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1, *, n: int = 0,
) -> Tensor:  # fmt: skip
    """The transpose of :func:`conv{n}d`: each input puts a kernel, times its value, on the output.

    It computes the gradient of a convolution in its input, and so undoes the change of sizes (not
    of values) of one with the same arguments. The output has
    ``(size - 1) s - 2 p + d (K - 1) + output_padding + 1`` elements in each direction.

    Parameters
    ----------
    input : Tensor, shape {shape}
    weight : Tensor, shape (C, O / groups, {kernel})
    bias : Tensor, shape (O,), optional
    stride, padding : int or tuple of int
        Of the convolution that this is the transpose of.
    output_padding : int or tuple of int
        Elements more at the end: convolutions of several sizes have outputs of one size.
    groups : int
    dilation : int or tuple of int

    Returns
    -------
    Tensor
        As `input`, with O channels and the sizes above.

    Raises
    ------
    RuntimeError
        If the shapes do not fit, or the dtypes differ.

    Examples
    --------
    >>> import minigrad as mg
    >>> y = mg.conv_transpose{n}d(mg.ones(1, *[2] * {n}), mg.ones(1, 1, *[2] * {n}))
    >>> y.shape == (1, *[3] * {n}), y.sum() == 4**{n}, y.max() == 2**{n}
    (True, tensor(True), tensor(True))
    """
    name = f"conv_transpose{n}d"
    _check_tensors(name, input, weight, bias)
    numbers = map(tupled, (stride, padding, output_padding, groups, dilation))
    shift = None if bias is None else bias.array.shape
    shapes = input.array.shape, weight.array.shape, shift
    how, sizes, missing = _transposed_plan(name, *shapes, *numbers)
    single = input.array.ndim == n + 1
    if single:
        input = reshape(input, (1, *input.array.shape))
    input = _with_zeros(input, missing)
    if bias is None:
        y = ops.data((input, weight), (sizes, how))
    else:
        y = ops.data_bias((input, weight, bias), (sizes, how))
    return reshape(y, y.array.shape[1:]) if single else y


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(
    public(method=False), for_dimensions(_conv_transposeNd)
)
