"""Pixels rearranged into channels and back, and images sampled at given points."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core.ops import elementwise as e
from minigrad.core.ops.shape import expand, permute, reshape
from minigrad.core.promotion import cast
from minigrad.core.public import public
from minigrad.core.tensor import Tensor, given
from minigrad.ops.guard import guarded
from minigrad.ops.scatter import gather

Sizes = tuple[int, ...]

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "sample_grid"]

# -- rearranging -----------------------------------------------------------------------------------


def _factor(value: Any, name: str, what: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"{name}(): argument '{what}' (position 2) must be int, not {type(value).__name__}"
        )
    factor: int = value.__index__()
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {what}, but got {factor}")
    return factor


def _check_image(input: Tensor, name: str) -> tuple[Sizes, int, int, int]:
    """The leading dimensions; channels, height, width."""
    shape = input.array.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {len(shape)} "
            "dimension(s): (*, channels, height, width)"
        )
    return shape[:-3], *shape[-3:]


def _copied(x: Tensor) -> Tensor:
    """In memory of its own, in order."""
    return x.clone() if x.array.flags.c_contiguous else x.contiguous()


@public(method=False)
@guarded
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """From ``(*, C r r, H, W)`` to ``(*, C, H r, W r)``: channels become pixels (Shi et al. 2016).

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.pixel_shuffle(mg.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = _factor(upscale_factor, "pixel_shuffle", "upscale_factor")
    lead, c, h, w = _check_image(input, "pixel_shuffle")
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    parts = reshape(input, (*lead, c // (r * r), r, r, h, w))
    turned = permute(parts, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return reshape(_copied(turned), (*lead, c // (r * r), h * r, w * r))


@public(method=False)
@guarded
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of :func:`pixel_shuffle`: from ``(*, C, H r, W r)`` to ``(*, C r r, H, W)``."""
    r = _factor(downscale_factor, "pixel_unshuffle", "downscale_factor")
    lead, c, h, w = _check_image(input, "pixel_unshuffle")
    for what, dim, size in (("height", -2, h), ("width", -1, w)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {what} to be divisible by downscale_factor, but "
                f"input.size({dim})={size} is not divisible by {r}"
            )
    n = len(lead)
    parts = reshape(input, (*lead, c, h // r, r, w // r, r))
    turned = permute(parts, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return reshape(_copied(turned), (*lead, c * r * r, h // r, w // r))


@public(method=False)
@guarded
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Mix the channels of ``(N, C, *)``: the first of each group, the second of each, and so on."""
    if isinstance(groups, bool) or not hasattr(groups, "__index__"):
        raise TypeError(
            f"channel_shuffle(): argument 'groups' (position 2) must be int, not "
            f"{type(groups).__name__}"
        )
    shape = input.array.shape
    if len(shape) < 3:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and {groups} "
            "groups."
        )
    parts = reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return reshape(permute(parts, (0, 2, 1, *range(3, len(shape) + 1))), shape)


# -- sampling --------------------------------------------------------------------------------------

_CUBIC = -0.75


def _unnormalized(c: Any, size: int, align: bool) -> Any:
    """From [-1, 1] to elements: -1 and 1 are the centres of the corners (`align`), or the edges."""
    return (c + 1) / 2 * (size - 1) if align else ((c + 1) * size - 1) / 2


def _reflected(c: Any, low: float, high: float) -> Any:
    """Mirrored at both ends as often as it takes."""
    if low == high:
        return c * 0
    span = high - low
    distance = abs(c - low)
    flips = (distance.detach() / span).floor()
    rest = distance - flips * span
    return e.choose(flips % 2 == 1, span - rest, rest) + low


def _inside(c: Any, size: int, padding: str, align: bool) -> Any:
    """Coordinates as the padding mode moves them into the image."""
    if padding == "zeros":
        return c
    if padding == "reflection":
        c = _reflected(c, 0, size - 1) if align else _reflected(c, -0.5, size - 0.5)
    return c.clamp(0, size - 1)


def _take(rows: Any, places: list[Any], sizes: Sizes) -> Tensor:
    """Elements of ``(N, C, volume)`` at whole coordinates ``(N, P)``; 0 outside of the image."""
    n, channels, _ = rows.array.shape
    valid: Any = None
    flat: Any = 0
    for at, size in zip(places, sizes, strict=True):
        inside = (at >= 0) & (at <= size - 1)  # false for NaN
        valid = inside if valid is None else valid & inside
        flat = flat * size + e.choose(inside, at, 0).long()
    index = expand(flat.unsqueeze(1), (n, channels, flat.array.shape[1]))
    found: Any = gather(rows, 2, index)
    return found * cast(valid.unsqueeze(1), rows.array.dtype)  # type: ignore[no-any-return]


def _weighted(
    rows: Tensor, points: list[list[tuple[Any, Any]]], sizes: Sizes, place: Callable[..., Any]
) -> Tensor:
    """The sum over all combinations of one ``(coordinate, weight)`` per dimension."""
    total: Any = None
    for corner in itertools.product(*points):
        value: Any = _take(rows, [place(at, d) for d, (at, _) in enumerate(corner)], sizes)
        weight = corner[0][1]
        for _, more in corner[1:]:
            weight = weight * more
        part = value * weight.unsqueeze(1)
        total = part if total is None else total + part
    return total  # type: ignore[no-any-return]


def _linear_points(c: Any) -> list[tuple[Any, Any]]:
    low = c.detach().floor()
    part = c - low
    return [(low, 1 - part), (low + 1, part)]


def _cubic_points(c: Any) -> list[tuple[Any, Any]]:
    """The four neighbours with Keys' weights, as polynomials of the distance."""
    low, a = c.detach().floor(), _CUBIC
    t = c - low

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
    return [(low + k, w) for k, w in enumerate(weights, -1)]


def _itself(at: Any, _: int) -> Any:
    return at


def sample_grid(input: Tensor, grid: Tensor, mode: str, padding: str, align: bool) -> Tensor:
    """The values of ``(N, C, *sizes)`` at points in [-1, 1], ``(N, *out, dims)``, x first."""
    sizes, out = input.array.shape[2:], grid.array.shape[1:-1]
    n, channels = input.array.shape[:2]
    rows = reshape(input, (n, channels, -1 if n * channels else int(np.prod(sizes))))
    points: Any = reshape(grid, (n, int(np.prod(out)), len(sizes)))
    coordinates = [
        _unnormalized(points[:, :, len(sizes) - 1 - d], size, align) for d, size in enumerate(sizes)
    ]
    if mode == "bicubic":
        corners = [_cubic_points(c) for c in coordinates]
        found = _weighted(rows, corners, sizes, lambda at, d: _inside(at, sizes[d], padding, align))
    else:
        moved = [
            _inside(c, size, padding, align) for c, size in zip(coordinates, sizes, strict=True)
        ]
        if mode == "nearest":
            found = _take(rows, [c.detach().round() for c in moved], sizes)
            for c in moved if grid._requires_grad else ():  # a gradient of 0, as PyTorch gives
                found = e.choose(given(np.zeros((), bool)), c.unsqueeze(1), found)
        else:
            found = _weighted(rows, [_linear_points(c) for c in moved], sizes, _itself)
    return reshape(found, (n, channels, *out))
