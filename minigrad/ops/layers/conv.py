"""Convolutions, in one to three dimensions.

A convolution is linear in its input and in its weight. With ``y = conv(x, w)``, its transposes
``data(dy, w)`` (a transposed convolution) and ``weight(dy, x)`` give the gradients of `x` and `w`;
each of the three has the other two as derivatives, so there are derivatives of any order.

What users call is in `minigrad.ops.layers.conv_functions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.ops.shape import reshape
from minigrad.core.public import OpFunction
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.conv import convolution as kernels
from minigrad.kernels.conv.geometry import Geometry
from minigrad.ops.shape import movedim

__all__ = ["col2im", "conv", "conv_bias", "data", "data_bias", "im2col", "weight"]

Ints = tuple[int, ...]


# -- samples: each kind of geometry, small -------------------------------------------------------


def _geometry(n: int, kernel: int, stride: int, padding: int, dilation: int, groups: int) -> Any:
    return Geometry((kernel,) * n, (stride,) * n, (padding,) * n, (dilation,) * n, groups)


#: Shapes of x and w, and the geometry.
_CASES: list[tuple[Ints, Ints, Geometry]] = [
    ((2, 2, 4, 3), (2, 2, 2, 2), _geometry(2, 2, 1, 1, 1, 1)),
    ((1, 4, 6), (2, 2, 2), _geometry(1, 2, 2, 1, 2, 2)),
    ((1, 1, 2, 3, 2), (1, 1, 2, 2, 2), _geometry(3, 2, 1, 0, 1, 1)),
    ((2, 3, 2, 2), (2, 3, 1, 1), _geometry(2, 1, 1, 0, 1, 1)),
    ((0, 2, 3), (1, 2, 2), _geometry(1, 2, 1, 0, 1, 1)),
]


def _sample(kind: str) -> Any:
    """Arrays and parameters of each case for one of the operations."""

    def make(x: Ints, w: Ints, how: Geometry) -> Any:
        y = (x[0], w[0], *how.output_sizes(x[2:]))
        shapes = {
            "conv": (x, w), "conv_bias": (x, w, w[:1]), "data": (y, w), "weight": (y, x),
            "data_bias": (y, w, (x[1],)),
        }[kind]  # fmt: skip
        params = (x[2:], how) if kind.startswith("data") else (how,)
        return lambda rng: (tuple(rng.normal(size=s) for s in shapes), params)

    return cases(*[make(*case) for case in _CASES])


# -- many examples at once -----------------------------------------------------------------------


def _into_images(t: Tensor) -> Tensor:
    """Examples and images as one dimension."""
    shape = t.array.shape
    return reshape(t, (shape[0] * shape[1], *shape[2:]))


def _out_of_images(t: Tensor, examples: int) -> Tensor:
    shape = t.array.shape
    return reshape(t, (examples, shape[0] // examples if examples else 0, *shape[1:]))


def _into_channels(t: Tensor, dim: int, groups: int, outside: bool) -> Tensor:
    """Examples (dimension 0) joined to the channels, which are dimension `dim` of one example.

    Within each group of channels, or `outside` of the groups where each example has its own.
    """
    shape = t.array.shape
    channels = shape[dim + 1]
    if outside or groups == 1:
        t = movedim(t, 0, dim)
    else:
        t = reshape(t, (*shape[: dim + 1], groups, channels // groups, *shape[dim + 2 :]))
        t = movedim(t, 0, dim + 1)
    return reshape(t, (*shape[1 : dim + 1], shape[0] * channels, *shape[dim + 2 :]))


def _out_of_channels(t: Tensor, dim: int, groups: int, outside: bool, examples: int) -> Tensor:
    """:func:`_into_channels`, undone."""
    shape = t.array.shape
    channels = shape[dim] // examples
    if outside or groups == 1:
        t = movedim(reshape(t, (*shape[:dim], examples, channels, *shape[dim + 1 :])), dim, 0)
    else:
        sizes = (groups, examples, channels // groups)
        t = movedim(reshape(t, (*shape[:dim], *sizes, *shape[dim + 1 :])), dim + 1, 0)
    return reshape(t, (examples, *shape[:dim], channels, *shape[dim + 1 :]))


def _batched(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Tensor:
    """Examples become images where the weight is shared, and channels or groups where it is not."""
    examples, how = inputs[0].array.shape[0], params[-1]
    a, b = inputs[:2]
    if op is weight.op:
        y = _batched_weight(a, b, how, batched, examples)
    elif not batched[1]:
        y = apply(op, (_into_images(a), b[0]), params)
        y = _out_of_images(y, examples)
    else:
        # channels that the weight makes, and its dimension they are
        made = 1 if op is data.op else 0
        y = _batched_kernels(op, a, b, made, params, batched[0], examples)
    return y


def _batched_kernels(
    op: Any, x: Tensor, w: Tensor, made: int, params: tuple[Any, ...], own: bool, examples: int
) -> Tensor:
    how = params[-1]
    if own:  # a group (or several) for each example
        params = (*params[:-1], how._replace(groups=how.groups * examples))
        y = apply(op, (_into_channels(x, 1, 1, True), _into_images(w)), params)
        return _out_of_channels(y, 1, 1, True, examples)
    folded = _into_channels(w, made, 1 if made else how.groups, made == 1)
    y = apply(op, (x[0], folded), params)
    return _out_of_channels(y, 1, how.groups, False, examples)


def _batched_weight(
    dy: Tensor, x: Tensor, how: Geometry, batched: Sequence[bool], examples: int
) -> Tensor:
    if all(batched):
        wide = how._replace(groups=how.groups * examples)
        parts = (_into_channels(dy, 1, 1, True), _into_channels(x, 1, 1, True))
        return _out_of_images(weight(parts, (wide,)), examples)
    if batched[0]:
        w = weight((_into_channels(dy, 1, how.groups, False), x[0]), (how,))
        return _out_of_channels(w, 0, how.groups, False, examples)
    w = weight((dy[0], _into_channels(x, 1, how.groups, False)), (how,))
    return _out_of_channels(w, 1, 1, True, examples)


def _batched_bias(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], batched: Sequence[bool]
) -> Tensor:
    *rest, bias = inputs
    plain = conv.op if op is conv_bias.op else data.op
    y = _batched(plain, tuple(rest), params, batched)
    shape = bias.array.shape
    shifts = reshape(bias, (shape[0], 1, shape[1], *[1] * (y.array.ndim - 3)))
    return y + shifts


# -- the three maps ------------------------------------------------------------------------------


def _conv_input_rule(g: Tensor, w: Tensor, how: Geometry, x_shape: Ints) -> Tensor:
    return data((g, w), (x_shape[2:], how))


def _conv_weight_rule(g: Tensor, x: Tensor, how: Geometry) -> Tensor:
    return weight((g, x), (how,))


def _bias_rule(g: Any) -> Tensor:
    return g.sum((0, *range(2, g.array.ndim)))  # type: ignore[no-any-return]


def _conv_backward(
    g: Array, x: Array, w: Array, how: Geometry, x_shape: Ints, needs: tuple[bool, ...]
) -> Any:
    return (
        kernels.conv_data(g, w, None, x_shape[2:], how) if needs[0] else None,
        kernels.conv_weight(g, x, how) if needs[1] else None,
        kernels.sum_channels(g) if needs[-1] and len(needs) == 3 else None,
    )[: len(needs)]


conv = primitive(
    "convolution_plain", lambda x, w, how: kernels.conv(x, w, None, how), inputs=2,
    vjp=(_conv_input_rule, _conv_weight_rule),
    fused=lambda g, x, w, how, x_shape, needs: _conv_backward(g, x, w, how, x_shape, needs),
    batch=lambda op, inputs, params, batched: _batched(op, inputs, params, batched),
    sample=_sample("conv"),
)  # fmt: skip
conv_bias = primitive(
    "convolution", lambda x, w, b, how: kernels.conv(x, w, b, how), inputs=3,
    vjp=(_conv_input_rule, _conv_weight_rule, _bias_rule),
    fused=lambda g, x, w, how, x_shape, needs: _conv_backward(g, x, w, how, x_shape, needs),
    batch=_batched_bias, sample=_sample("conv_bias"),
)  # fmt: skip


CONV, CONV_BIAS = conv.op, conv_bias.op


def _data_input_rule(g: Tensor, w: Tensor, how: Geometry) -> Tensor:
    return conv((g, w), (how,))


def _data_weight_rule(g: Tensor, dy: Tensor, how: Geometry) -> Tensor:
    return weight((dy, g), (how,))


def _data_backward(g: Array, dy: Array, w: Array, how: Geometry, needs: tuple[bool, ...]) -> Any:
    return (
        kernels.conv(g, w, None, how) if needs[0] else None,
        kernels.conv_weight(dy, g, how) if needs[1] else None,
        kernels.sum_channels(g) if needs[-1] and len(needs) == 3 else None,
    )[: len(needs)]


data = primitive(
    "transposed_convolution_plain",
    lambda dy, w, sizes, how: kernels.conv_data(dy, w, None, sizes, how), inputs=2,
    vjp=(_data_input_rule, _data_weight_rule),
    fused=lambda g, dy, w, how, needs: _data_backward(g, dy, w, how, needs),
    batch=lambda op, inputs, params, batched: _batched(op, inputs, params, batched),
    sample=_sample("data"), doc="The transpose of a convolution in its input.",
)  # fmt: skip
data_bias = primitive(
    "transposed_convolution",
    lambda dy, w, b, sizes, how: kernels.conv_data(dy, w, b, sizes, how), inputs=3,
    vjp=(_data_input_rule, _data_weight_rule, _bias_rule),
    fused=lambda g, dy, w, how, needs: _data_backward(g, dy, w, how, needs),
    batch=_batched_bias, sample=_sample("data_bias"),
)  # fmt: skip
weight = primitive(
    "convolution_weight", lambda dy, x, how: kernels.conv_weight(dy, x, how), inputs=2,
    vjp=(
        lambda g, x, how: conv((x, g), (how,)),
        lambda g, dy, x, how: data((dy, g), (x.array.shape[2:], how)),
    ),
    batch=lambda op, inputs, params, batched: _batched(op, inputs, params, batched),
    sample=_sample("weight"), doc="The transpose of a convolution in its weight.",
)  # fmt: skip


# -- windows as columns --------------------------------------------------------------------------


def _batched_images(
    op: Any, inputs: tuple[Tensor, ...], params: tuple[Any, ...], _: Sequence[bool]
) -> Tensor:
    y = apply(op, (_into_images(inputs[0]),), params)
    return _out_of_images(y, inputs[0].array.shape[0])


_WINDOWS = [_geometry(2, 2, 1, 0, 1, 1), Geometry((2, 1), (2, 1), (1, 0), (2, 1), 1)]


def _windows_sample(how: Geometry, columns: bool) -> Any:
    rows, out = 2 * how.kernel[0] * how.kernel[1], how.output_sizes((3, 4))
    shape = (2, rows, out[0] * out[1]) if columns else (2, 2, 3, 4)
    return lambda rng: ((rng.normal(size=shape),), ((3, 4), how) if columns else (how,))


im2col: OpFunction = primitive(
    "im2col", lambda x, how: kernels.unfold(x, how),
    vjp=lambda g, how, x_shape: col2im((g,), (x_shape[2:], how)),
    fused=lambda g, how, x_shape: kernels.fold(g, x_shape[2:], how),
    batch=_batched_images, sample=cases(*[_windows_sample(how, False) for how in _WINDOWS]),
    doc="The windows that a convolution would read, as columns.",
)  # fmt: skip
col2im: OpFunction = primitive(
    "col2im", lambda columns, sizes, how: kernels.fold(columns, sizes, how),
    vjp=lambda g, how: im2col((g,), (how,)),
    fused=lambda g, how: kernels.unfold(g, how),
    batch=_batched_images, sample=cases(*[_windows_sample(how, True) for how in _WINDOWS]),
    doc="The transpose of ``im2col``: windows added up.",
)  # fmt: skip
