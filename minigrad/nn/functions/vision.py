"""Interpolation, sampling on grids and pixel shuffling under PyTorch's names and signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.core.ops.shape import expand, reshape
from minigrad.core.tensor import Tensor, given
from minigrad.names import channel_shuffle, pixel_shuffle, pixel_unshuffle
from minigrad.nn.functions.warn import warn_user
from minigrad.ops.guard import guarded
from minigrad.ops.layers.interpolate import interpolate_linear, interpolate_nearest, scaled_size
from minigrad.ops.layers.pool import adaptive_avg
from minigrad.ops.layers.vision import sample_grid
from minigrad.ops.room import check_room

__all__ = [
    "affine_grid", "channel_shuffle", "grid_sample", "interpolate", "pixel_shuffle",
    "pixel_unshuffle", "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

Sizes = tuple[int, ...]
_LINEAR = {"linear": 3, "bilinear": 4, "trilinear": 5}  # and how many dimensions the input has
_MODES = "nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact"

# -- interpolate -----------------------------------------------------------------------------------


def _per_dimension(value: Any, spatial: Sizes, what: str) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        return (value,) * len(spatial)
    if len(value) != len(spatial):
        raise ValueError(
            f"Input and {what} must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(spatial)} and {what} of {value}: the input is "
            "(N, C, d1, d2, ...)"
        )
    return tuple(value)


def _target(
    spatial: Sizes, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[Sizes, tuple[float | None, ...]]:
    """The output size, and the scales where they are to be used as they were given."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        sizes = _per_dimension(size, spatial, "output size")
        if any(isinstance(s, bool) or not hasattr(s, "__index__") for s in sizes):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or "
                f"Tuple[int, int, int], but got size {size}"
            )
        return tuple(s.__index__() for s in sizes), (None,) * len(spatial)
    factors = _per_dimension(scale_factor, spatial, "scale_factor")
    if any(isinstance(f, (bool, str)) or not hasattr(f, "__float__") for f in factors):
        raise TypeError(f"expected scale_factor to be one number or several, got {scale_factor!r}")
    scales = tuple(float(f) for f in factors)
    out = scaled_size(spatial, scales)
    return out, (None,) * len(spatial) if recompute else scales


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    ndim = input.array.ndim
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            "| bicubic | trilinear"
        )
    if antialias and not (mode in ("bilinear", "bicubic") and ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    wanted = _LINEAR.get(mode)
    if wanted is not None and ndim in (3, 4, 5) and ndim != wanted:
        raise NotImplementedError(f"Got {ndim}D input, but {mode} mode needs {wanted}D input")
    known = mode in ("nearest", "nearest-exact", "area") or wanted is not None
    if ndim not in (3, 4, 5) or not (known or (mode == "bicubic" and ndim == 4)):
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {ndim}D) for the "
            f"modes: {_MODES} (got {mode})"
        )


def _check_sizes(shape: Sizes, out: Sizes) -> None:
    if min(shape[2:]) < 1 or min(out) < 1:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(shape[2:])} "
            f"output {list(out)}"
        )
    if not shape[1]:
        raise RuntimeError(
            f"Non-empty {len(shape)}D data tensor expected but got a tensor with sizes "
            f"{list(shape)}"
        )


@guarded
def interpolate(
    input: Tensor, size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Bring an image (or signal, or volume) to another size.

    Parameters
    ----------
    input : Tensor, shape (N, C, W), (N, C, H, W) or (N, C, D, H, W)
    size : int or sequence of int
        The new size of each dimension; this or the next one.
    scale_factor : float or sequence of float
        By how much each dimension grows, rounded down.
    mode : str
        "nearest" (rounded down, as PyTorch and OpenCV do), "nearest-exact", "area" (means of
        bins); "linear", "bilinear", "trilinear" for 1, 2, 3 dimensions; "bicubic" for 2.
    align_corners : bool, optional
        For the linear modes and bicubic: whether the centres (not the edges) of the corner pixels
        stay where they are. False by default.
    recompute_scale_factor : bool, optional
        Compute with the ratio of the sizes instead of the given factor, which rounding makes
        different.
    antialias : bool
        For bilinear and bicubic: when shrinking, average over all pixels that are left out.

    Raises
    ------
    ValueError, NotImplementedError
        If arguments do not go together, or a mode with the number of dimensions.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([[[1.0, 3.0]]])
    >>> mg.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> mg.nn.functional.interpolate(x, 3, mode="linear", align_corners=True)
    tensor([[[1., 2., 3.]]])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            f"interpolate(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    _check_mode(input, mode, align_corners, antialias)
    shape = input.array.shape
    out, scales = _target(shape[2:], size, scale_factor, recompute_scale_factor)
    _check_sizes(shape, out)
    check_room("interpolate", (*shape[:2], *out))
    kind, nearest = input.array.dtype, mode in ("nearest", "nearest-exact")
    if kind.kind != "f" and not (nearest and kind == np.uint8):
        raise RuntimeError(
            f'"upsample_{mode}" not implemented for {input.dtype} tensors: convert the input with '
            ".float()"
        )
    if nearest:
        return interpolate_nearest(input, out, scales, mode == "nearest-exact")
    if mode == "area":
        return adaptive_avg(input, out)
    shape_of = "cubic" if mode == "bicubic" else "linear"
    return interpolate_linear(input, out, scales, shape_of, bool(align_corners), antialias)


def _warn_of_old_name(name: str) -> None:
    warn_user(f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.")


@guarded
def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """An old name of :func:`interpolate`."""
    _warn_of_old_name("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@guarded
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """An old name of :func:`interpolate` with ``mode="nearest"``."""
    _warn_of_old_name("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@guarded
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """An old name of :func:`interpolate` with ``mode="bilinear", align_corners=True``."""
    _warn_of_old_name("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# -- grids -----------------------------------------------------------------------------------------


def _check_grid(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    x, g = input.array, grid.array
    if x.ndim not in (4, 5) or g.ndim != x.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but "
            f"got input with sizes {list(x.shape)} and grid with sizes {list(g.shape)}"
        )
    if x.shape[0] != g.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(x.shape)} and grid with sizes {list(g.shape)}"
        )
    if g.shape[-1] != x.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {x.ndim - 2} in last dimension, but got "
            f"grid with sizes {list(g.shape)}"
        )
    if 0 in x.shape[2:]:
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            f"sizes {list(x.shape)}"
        )
    if x.dtype != g.dtype or x.dtype.kind != "f":
        raise RuntimeError(
            f"grid_sampler(): expected input and grid to have the same floating dtype, but input "
            f"has {input.dtype} and grid has {grid.dtype}"
        )
    if mode == "bicubic" and x.ndim != 4:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


@guarded
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The values of an image at given points (Jaderberg et al. 2015, spatial transformers).

    Parameters
    ----------
    input : Tensor, shape (N, C, H, W) or (N, C, D, H, W)
    grid : Tensor, shape (N, H', W', 2) or (N, D', H', W', 3)
        Points ``(x, y)`` or ``(x, y, z)``; -1 is left, top, front, and 1 right, bottom, back.
    mode : {"bilinear", "nearest", "bicubic"}
        The last one for images only.
    padding_mode : {"zeros", "border", "reflection"}
        What lies outside of the image.
    align_corners : bool, optional
        Whether -1 and 1 are the centres of the corner pixels, or (by default) their edges.

    Returns
    -------
    Tensor, shape (N, C, H', W') or (N, C, D', H', W')

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.arange(4.0).reshape(1, 1, 2, 2)
    >>> mg.nn.functional.grid_sample(x, mg.zeros(1, 1, 1, 2))
    tensor([[[[1.5000]]]])
    """
    for what, t in (("input", input), ("grid", grid)):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"grid_sample(): argument '{what}' must be Tensor, not {type(t).__name__}"
            )
    _check_grid(input, grid, mode, padding_mode)
    return sample_grid(input, grid, mode, padding_mode, bool(align_corners))


@guarded
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for :func:`grid_sample` that an affine map of the output's points gives.

    Parameters
    ----------
    theta : Tensor, shape (N, 2, 3) or (N, 3, 4)
        The maps.
    size : sequence of int
        The size of the output, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
    align_corners : bool, optional
        As of :func:`grid_sample`.

    Returns
    -------
    Tensor, shape (N, H, W, 2) or (N, D, H, W, 3)
    """
    if theta.array.dtype.kind != "f":
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    n, _, *spatial = size if len(size) in (4, 5) else (0, 0)
    if not spatial:
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    dims = len(spatial)
    if theta.array.ndim != 3 or theta.array.shape[1:] != (dims, dims + 1):
        raise ValueError(
            f"Expected a batch of {dims}D affine matrices of shape Nx{dims}x{dims + 1} for size "
            f"{size}. Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    if theta.array.shape[0] != n:
        raise RuntimeError(
            f"affine_grid: Expected one matrix for each of {n} samples, got {theta.array.shape[0]}"
        )
    axes = [_points(s, bool(align_corners)) for s in spatial]
    mesh = np.meshgrid(*axes, indexing="ij")
    base = np.stack([*mesh[::-1], np.ones(spatial)], -1).reshape(-1, dims + 1)
    points: Any = given(base.astype(theta.array.dtype))
    volume = math.prod(spatial)
    flat = expand(reshape(points, (1, volume, dims + 1)), (n, volume, dims + 1)) @ theta.mT
    return reshape(flat, (n, *spatial, dims))


def _points(size: int, align: bool) -> Any:
    """The centres of `size` pixels in [-1, 1]."""
    if size <= 1:
        return np.zeros(size)
    ends = np.linspace(-1.0, 1.0, size)
    return ends if align else ends * (size - 1) / size
