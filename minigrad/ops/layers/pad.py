"""Padding: constant, reflected, replicated, circular; any order of derivative.

Amounts are kept per dimension, as ``((before, after), ...)`` for the last dimensions. The
transpose of padding is cropping for the constant mode, and adding the margins to the elements
they are copies of for the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.samples import Sample, cases
from minigrad.core.tensor import Array, Tensor
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import same

kernels = lazy("pad")

Amounts = tuple[tuple[int, int], ...]

__all__ = ["pad_constant", "pad_copies"]

# -- a constant ------------------------------------------------------------------------------------


def _pad_constant(x: Array, amounts: Amounts, value: float) -> Array:
    """Negative amounts crop."""
    lead = x.ndim - len(amounts)
    shape, inside, kept = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for dim, (before, after) in enumerate(amounts, lead):
        size = x.shape[dim]
        shape[dim] = size + before + after
        kept[dim] = slice(max(-before, 0), size - max(-after, 0))
        inside[dim] = slice(max(before, 0), shape[dim] - max(after, 0))
    part = x[tuple(kept)]
    if part.shape == tuple(shape):
        return np.array(part, order="C")
    out = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
    out[tuple(inside)] = part
    return out


def _crop(g: Tensor, amounts: Amounts, value: float) -> Tensor:
    opposite = tuple((-before, -after) for before, after in amounts)
    return _constant((g,), (opposite, 0.0))


_constant = primitive(
    "pad", _pad_constant, batch=same,
    vjp=_crop,
    sample=cases(
        lambda rng: Sample((rng.normal(size=(2, 3, 4)),), (((1, 2), (0, 1)), 0.0)),
        lambda rng: Sample((rng.normal(size=(3, 4)),), (((-1, 2), (1, -2)), 1.5)),
        lambda rng: Sample((rng.normal(size=(0, 4)),), (((1, 1),), 0.0)),
    ),
    doc="With a value around; negative amounts crop.",
)  # fmt: skip


def pad_constant(input: Tensor, amounts: Amounts, value: float) -> Tensor:
    """Put `value` around the last dimensions."""
    return _constant((input,), (amounts, value))


# -- copies of elements ----------------------------------------------------------------------------


def _sources(size: int, before: int, after: int, mode: str) -> Array:
    """Which element each element of a padded dimension is a copy of."""
    if mode == "circular":  # of what is left after cropping
        first, last = max(-before, 0), size - max(-after, 0)
        return first + np.arange(-max(before, 0), last - first + max(after, 0)) % (last - first)
    i = np.arange(-before, size + after)
    if mode == "replicate":
        return np.clip(i, 0, size - 1)
    i = np.abs(i)
    return np.where(i < size, i, 2 * (size - 1) - i)


def _tables(shape: tuple[int, ...], amounts: Amounts, mode: str) -> list[Array]:
    """For each padded dimension of an unpadded `shape`, what its places are copies of."""
    sizes = shape[len(shape) - len(amounts) :]
    return [
        _sources(size, before, after, mode)
        for size, (before, after) in zip(sizes, amounts, strict=True)
    ]


def _pad_copies(x: Array, amounts: Amounts, mode: str) -> Array:
    tables = _tables(x.shape, amounts, mode)
    if x.dtype.char in "fd" and len(tables) <= 3:
        return kernels.pad(x, tables)  # type: ignore[no-any-return]
    for dim, table in enumerate(tables, x.ndim - len(tables)):
        x = x.take(table, dim)
    return np.ascontiguousarray(x)


def _fold_margins(g: Array, amounts: Amounts, mode: str) -> Array:
    """Add each element to the one that it is a copy of."""
    lead = g.ndim - len(amounts)
    trimmed = [size - sum(both) for size, both in zip(g.shape[lead:], amounts, strict=True)]
    shape = (*g.shape[:lead], *trimmed)
    tables = _tables(shape, amounts, mode)
    if g.dtype.char in "fd" and len(tables) <= 3:
        return kernels.fold(g, tables, shape)  # type: ignore[no-any-return]
    for dim, table in enumerate(tables, lead):
        rows = np.moveaxis(g, dim, 0)
        sums = np.zeros((shape[dim], *rows.shape[1:]), g.dtype)
        np.add.at(sums, table, rows)
        g = np.moveaxis(sums, 0, dim)
    return np.ascontiguousarray(g)


def _copies_sample(folded: bool) -> Any:
    def make(shape: tuple[int, ...], amounts: Amounts, mode: str) -> Any:
        full = list(shape)
        for dim, (before, after) in enumerate(amounts, len(shape) - len(amounts)):
            full[dim] += before + after if folded else 0
        return lambda rng: Sample((rng.normal(size=full),), (amounts, mode))

    return cases(
        make((2, 3, 4), ((1, 2), (0, 3)), "reflect"),
        make((2, 3), ((3, 1),), "replicate"),
        make((2, 3, 3), ((1, 0), (3, 2)), "circular"),
        make((2, 4), ((-1, 2),), "circular"),
    )


def _copies_rule(g: Tensor, amounts: Amounts, mode: str) -> Tensor:
    return _folded((g,), (amounts, mode))


_copies = primitive(
    "pad_copies", _pad_copies, sample=_copies_sample(False), batch=same,
    vjp=_copies_rule,
    doc="With copies of elements around: mirrored, the nearest, or from the other side.",
)  # fmt: skip
_folded = primitive(
    "fold_margins", _fold_margins, sample=_copies_sample(True), batch=same,
    vjp=lambda g, amounts, mode: _copies((g,), (amounts, mode)),
    doc="The transpose of `pad_copies`: margins are added to what they are copies of.",
)  # fmt: skip


def pad_copies(input: Tensor, amounts: Amounts, mode: str) -> Tensor:
    """Put copies of elements around the last dimensions."""
    return _copies((input,), (amounts, mode))
