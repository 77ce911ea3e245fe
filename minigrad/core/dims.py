"""Dimensions and sizes as users give them: negative, one or several, in sequence or one by one."""

from __future__ import annotations

from typing import Any

_ALL_DIMS = [tuple(range(n)) for n in range(65)]  # numpy has at most 64


def wrap_dim(dim: Any, ndim: int, name: str) -> int:
    """A dimension counted from the front; out of range is an IndexError as in PyTorch."""
    if dim.__class__ is int and 0 <= dim < ndim:
        return dim
    try:
        dim = dim.__index__()
    except AttributeError:
        raise TypeError(f"{name}(): dim must be an int, got {type(dim).__name__}") from None
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got "
            f"{dim})"
        )
    return dim % n  # type: ignore[no-any-return]


def wrap_dims(dim: Any, ndim: int, name: str) -> tuple[int, ...]:
    """Several dimensions (an int, a sequence, or None for all), sorted; a repeat is an error."""
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return _ALL_DIMS[ndim]
    if dim.__class__ is int and 0 <= dim < ndim:
        return (dim,)
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    wrapped = [wrap_dim(d, ndim, name) for d in dims]
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"{name}: dim {dims} appears multiple times in the list of dims")
    return tuple(sorted(wrapped)) if ndim else ()


def as_sizes(sizes: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Sizes given one by one or as one sequence."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    try:
        return tuple([s if s.__class__ is int else s.__index__() for s in sizes])
    except AttributeError:
        raise TypeError(f"{name}(): sizes must be ints, got {sizes}") from None
