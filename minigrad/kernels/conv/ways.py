"""The ways of computing a convolution, and which of them is taken.

Each is a module with the functions of :class:`minigrad.kernels.conv.case.Way`. The choice follows
from the sizes alone, by the measured numbers of :mod:`minigrad.kernels.costs`.
"""

from __future__ import annotations

from functools import lru_cache

import numba

from minigrad.kernels.conv import depthwise, direct_way, general, winograd_way
from minigrad.kernels.conv.case import Case, Prepared, Way
from minigrad.kernels.conv.geometry import Geometry
from minigrad.kernels.matmul.gemm import AVAILABLE as HAS_PRODUCTS
from minigrad.kernels.vector.registers import HOST, Registers

__all__ = ["AVAILABLE", "WAYS", "choose", "data", "forward", "weight"]

Ints = tuple[int, ...]

#: Whether any of these can be taken; if not, numpy computes convolutions.
AVAILABLE = HAS_PRODUCTS and not numba.config.DISABLE_JIT
#: The registers to make loops for.
REGISTERS: Registers = HOST

#: The first that serves is taken: the more special, the earlier.
WAYS: tuple[Way, ...] = (depthwise, winograd_way, direct_way, general)


def choose(kind: str, case: Case) -> Way:
    """The way to compute a pass: ``"forward"``, ``"data"`` or ``"weight"``."""
    return next(way for way in WAYS if way.serves(kind, case))


def _case(size: int, x: Ints, w: Ints, y: Ints, how: Geometry) -> Case:
    """With sequences as images of one line, and no stride beyond what there is to step over."""
    kernel, _, padding, dilation, groups = how
    stride = tuple([
        s if n > 1 else min(s, d * (k - 1) + 1)
        for s, n, k, d in zip(how.stride, y[2:], kernel, dilation)
    ])  # fmt: skip
    if len(x) > 3:
        return Case(REGISTERS, size, x, w, y, how._replace(stride=stride))
    images = Geometry((1, *kernel), (1, *stride), (0, *padding), (1, *dilation), groups)
    x, w, y = [(*shape[:2], 1, *shape[2:]) for shape in (x, w, y)]
    return Case(REGISTERS, size, x, w, y, images)


@lru_cache(maxsize=1024)
def forward(size: int, x: Ints, w: Ints, how: Geometry) -> tuple[Prepared, Ints]:
    """The forward pass, and the shape of its result; `size` is that of a number in bytes."""
    y = (x[0], w[0], *how.output_sizes(x[2:]))
    case = _case(size, x, w, y, how)
    return choose("forward", case).forward(case), y


@lru_cache(maxsize=1024)
def data(size: int, y: Ints, w: Ints, sizes: Ints, how: Geometry) -> tuple[Prepared, Ints]:
    """The gradient of an input of these spatial sizes."""
    x = (y[0], w[1] * how.groups, *sizes)
    case = _case(size, x, w, y, how)
    return choose("data", case).data(case), x


@lru_cache(maxsize=1024)
def weight(size: int, y: Ints, x: Ints, how: Geometry) -> tuple[Prepared, Ints]:
    """The gradient of the weight."""
    w = (y[1], x[1] // how.groups, *how.kernel)
    case = _case(size, x, w, y, how)
    return choose("weight", case).weight(case), w
