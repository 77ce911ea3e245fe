"""Batching rules of the operations of the core, which knows nothing of many examples."""

from __future__ import annotations

from typing import Any

from minigrad.core.engine import apply
from minigrad.core.ops.matmul import matmul
from minigrad.core.plain import Plain, PlainResults
from minigrad.core.rules import REGISTRY
from minigrad.ops.batching import each, lined_up, reducing, same, sharing
from minigrad.ops.refusals import check_factors

__all__: list[str] = []


def _reshape_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    return apply(op, inputs, ((inputs[0].array.shape[0], *params[0]),))


def _permute_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    return apply(op, inputs, ((0, *(d + 1 for d in params[0])),))


def _expand_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    x = lined_up(inputs[0], len(params[0]))
    return apply(op, (x,), ((x.array.shape[0], *params[0]),))


def _part_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    return apply(op, inputs, ((slice(None), *params[0]),))


def _embed_each(op: Any, inputs: Any, params: Any, _: Any) -> Any:
    key, shape = params
    return apply(op, inputs, ((slice(None), *key), (inputs[0].array.shape[0], *shape)))


@sharing
def _matmul_each(op: Any, inputs: tuple[Any, ...], params: Any, batched: Any) -> Any:
    """Vectors become rows and columns; the examples are one more dimension that broadcasts."""
    a, b = inputs
    check_factors(a.array.shape[batched[0] :], b.array.shape[batched[1] :])
    m, n = a.array.ndim - batched[0], b.array.ndim - batched[1]
    if not batched[1] and (n < 3 or m >= n):
        return matmul(a, b)  # all rows of all examples
    if not batched[0] and m == 2 and n == 1:
        return matmul(b, a.mT)
    left = a[..., None, :] if m == 1 else a
    right = b[..., None] if n == 1 else b
    ndim = max(m, n, 2)
    product = matmul(
        lined_up(left, ndim) if batched[0] else left,
        lined_up(right, ndim) if batched[1] else right,
    )
    if n == 1:
        product = product[..., 0]
    return product[..., 0] if m == n == 1 else product[..., 0, :] if m == 1 else product


for _kind in (Plain, PlainResults):
    setattr(_kind, "batch", staticmethod(each))  # noqa: B010
for _name, _rule in {
    "reshape": _reshape_each, "permute": _permute_each, "expand": _expand_each, "clone": same,
    "_cast": same, "_convert": same, "slice": _part_each, "embed": _embed_each,
    "matmul": _matmul_each, "sum": reducing, "mean": reducing, "amax": reducing, "amin": reducing,
}.items():  # fmt: skip
    setattr(REGISTRY[_name], "batch", _rule)  # noqa: B010
