"""Convolution of images straight from memory, without columns: which cases, and by which kernel.

There are two kinds of kernels. Those of :mod:`gather` and :mod:`scatter` make every multiplication
of the definition; those of :mod:`winograd` make fewer, for 3x3 kernels of stride 1. Which one is
quicker follows from the sizes alone (measured against each other, Winograd's take 0.55 to 0.9 of
the time where they are chosen). Every function returns None for a case that
:mod:`minigrad.kernels.conv.general` serves better.

The arrays are C-contiguous, float32 or float64, and of sizes that fit each other, none of them 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels.conv import gather, gather_plan, scatter, winograd, winograd_weight
from minigrad.kernels.vector.registers import HOST, Registers

__all__ = ["backward_data", "backward_weight", "forward"]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]

#: The registers to make kernels for.
registers: Registers = HOST

#: From how many channels, read and made, Winograd's maps cost less than they save.
READ, MADE = 16, 32
#: The least number of tiles: fewer do not pay for mapping the weights, or adding their gradients.
TILES, TILES_OF_WEIGHT = 64, 256
#: The least part of the tiles' pixels that must be wanted.
USED = 0.75


def _winograd_fits(size: int, w_shape: Shape, stride: Pair, padding: Pair, dilation: Pair) -> bool:
    """Whether it can be done so. In float64 all products are made: numeric gradients need them."""
    return (
        size == 4 and w_shape[2:] == (3, 3) and stride == dilation == (1, 1) and max(padding) <= 2
    )


def _winograd_pays(images: int, result: Shape, tiles: int) -> bool:
    """Whether images of this size are cut into enough tiles, and are filled well by them."""
    height, width = -(-result[0] // 2), -(-result[1] // 2)
    wanted = result[0] * result[1] / (4 * height * width)
    return images * height * width >= tiles and wanted >= USED


def _channels_pay(channels: int, other: int, size: int) -> bool:
    """Whether lanes of absent channels still cost less than columns do, where there is a stride.

    Without one, few channels are computed with pixels in the lanes.
    """
    lanes = registers.vector(size).lanes
    return channels * (36 + other) >= 10 * other * -(-channels // lanes)


def forward(
    x: Array,
    w: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array | None:
    """The convolution of (N, C, H, W) with (O, C / groups, KH, KW), plus a bias for each channel.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> forward(x, w, (1, 1), (0, 0), (1, 1), 1)
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    size = x.itemsize
    _, _, height, width = x.shape
    result = height + 2 * padding[0] - 2, width + 2 * padding[1] - 2
    if (
        _winograd_fits(size, w.shape, stride, padding, dilation)
        and w.shape[1] >= READ
        and len(w) >= MADE * groups
        and _winograd_pays(len(x), result, TILES)
    ):
        y_shape = (len(x), len(w), *result)
        way = winograd.plan(registers, size, x.shape, y_shape, padding, groups, False)
        return winograd.run(way, x, w, bias)
    plan = gather_plan.forward_plan(
        registers, size, x.shape, w.shape, stride, padding, dilation, groups
    )
    return gather.run(plan, x, w, bias)


def backward_data(
    dy: Array,
    w: Array,
    x_shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array | None:
    """The gradient of `x` in :func:`forward`.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.ones((1, 1, 2, 2)), np.arange(4.0).reshape(1, 1, 2, 2)
    >>> backward_data(dy, w, (1, 1, 3, 3), (1, 1), (0, 0), (1, 1), 1)
    array([[[[0., 1., 1.],
             [2., 6., 4.],
             [2., 5., 3.]]]])
    """
    size = dy.itemsize
    if stride != (1, 1) and not _channels_pay(w.shape[1], len(w) // groups, size):
        return None
    if (
        _winograd_fits(size, w.shape, stride, padding, dilation)
        and len(w) >= READ * groups
        and w.shape[1] >= MADE
        and _winograd_pays(len(dy), x_shape[2:], TILES)
    ):
        around = 2 - padding[0], 2 - padding[1]
        way = winograd.plan(registers, size, dy.shape, x_shape, around, groups, True)
        return winograd.run(way, dy, w)
    plan = gather_plan.backward_plan(
        registers, size, dy.shape, w.shape, x_shape, stride, padding, dilation, groups
    )
    return gather.run(plan, dy, w)


def backward_weight(
    dy: Array,
    x: Array,
    w_shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array | None:
    """The gradient of `w` in :func:`forward`.

    Examples
    --------
    >>> import numpy as np
    >>> dy, x = np.ones((1, 1, 2, 2)), np.arange(9.0).reshape(1, 1, 3, 3)
    >>> backward_weight(dy, x, (1, 1, 2, 2), (1, 1), (0, 0), (1, 1), 1)
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    size = dy.itemsize
    channels = w_shape[1], w_shape[0] // groups
    if (
        _winograd_fits(size, w_shape, stride, padding, dilation)
        and min(channels) >= READ
        and max(channels) > READ
        and _winograd_pays(len(dy), dy.shape[2:], TILES_OF_WEIGHT)
    ):
        way = winograd_weight.plan(registers, size, dy.shape, x.shape, padding, groups)
        return winograd_weight.run(way, dy, x, w_shape)
    plan = scatter.plan(
        registers, size, dy.shape, x.shape, w_shape, stride, padding, dilation, groups
    )
    return scatter.run(plan, dy, x, w_shape)
