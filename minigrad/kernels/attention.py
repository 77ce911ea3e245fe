"""Attention: softmax(scale * q @ k.T + mask) @ v, in blocks of queries, and its derivative.

The scores of a block of queries with all keys it may see fill a scratch array that stays in the
second-level cache; they are never stored as a whole. So the memory in use grows with the number of
keys, not with its square. Forward, for one block::

    s = scale * q @ k.T + mask          one product
    p = exp(s - max(s)) / sum           row by row; lse = max(s) + log(sum) is kept
    out = p @ v                         one product; divided by the sum here, not in p

Backward computes p anew from lse (Dao et al., "FlashAttention", 2022)::

    dp = g @ v.T                        one product
    ds = p * (dp - sum(g * out))        since sum(p * dp) = sum(g * out)
    dq = ds @ k,  dk += ds.T @ q,  dv += p.T @ g

With `causal`, query i sees keys 0 to i, and the products leave out the keys no query of the block
sees. A query that sees no key at all, or only keys masked by -inf, has the result 0, as in PyTorch.

The products are OpenBLAS's on one thread each; the pool shares blocks of queries (forward) and
heads (backward). Which block is computed with which is fixed by the sizes, and so are the bits.
Heads are read where they lie: rows must be contiguous, but may be any distance apart.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels import costs
from minigrad.kernels.matmul.gemm import (
    AVAILABLE,
    address,
    gemm,
    one_thread,
    restore_threads,
    row_at,
)
from minigrad.kernels.rows import dot, row_extreme
from minigrad.kernels.run.jit import jit, jit_sum
from minigrad.kernels.run.threads import parallel_for, pool_for
from minigrad.kernels.scalar import exp, log, smaller

__all__ = ["attention", "attention_backward"]

Array = NDArray[Any]

_SCRATCH = 65_536  # scores of one block: a quarter of a megabyte in float32


# --- Rows ---------------------------------------------------------------------------------------


@jit_sum
def _exp_and_sum(row, top):
    """``row = exp(row - top)``; returns the sum."""
    total = row.dtype.type(0)
    for i in range(row.size):
        value = exp(row[i] - top)
        row[i] = value
        total += value
    return total


@jit
def _add(row, other):
    for i in range(row.size):
        row[i] += other[i]


@jit
def _multiply(row, factor):
    for i in range(row.size):
        row[i] *= factor


@jit
def _clear(row):
    for i in range(row.size):
        row[i] = 0


@jit
def _gradient_row(p, ds, lse, shared):
    """From scores and dp to ``p`` and ``p * (dp - shared)``, in place."""
    for i in range(p.size):
        value = exp(p[i] - lse)
        p[i] = value
        ds[i] = value * (ds[i] - shared)


# --- Forward ------------------------------------------------------------------------------------


@jit
def _weights(place, keys, first, causal, mask, mask_step, lse, sums):
    """Scores of a block to ``exp(s - max(s))``; a row's 1 / sum goes to `sums`."""
    zero, one = lse.dtype.type(0), lse.dtype.type(1)
    for i in range(lse.size):
        row = row_at(place + i * keys * lse.itemsize, keys, lse)
        if causal:
            seen = smaller(first + i + 1, keys)
            _clear(row[seen:])
            row = row[:seen]
        if mask.size > 0:
            _add(row, mask[i * mask_step :])
        top = row_extreme(row, False)
        if top == -np.inf:
            _clear(row)
            lse[i] = np.inf  # so that exp(s - lse) is 0
            sums[i] = zero
        else:
            total = _exp_and_sum(row, top)
            lse[i] = top + log(total)
            sums[i] = one / total


@jit
def _forward_units(q, k, v, mask, out, lse, sizes, steps, offsets, scale, causal, b0, b1):
    zero, one, size = lse.dtype.type(0), lse.dtype.type(1), lse.itemsize
    queries, keys, inner, outer, block = sizes
    scores, sums = np.empty(block * keys, lse.dtype), np.empty(block, lse.dtype)
    q_step, k_step, v_step, mask_step, out_step = steps
    blocks = (queries + block - 1) // block
    place = address(scores, 0)
    for unit in range(b0, b1):
        head, first = unit // blocks, unit % blocks * block
        rows = smaller(block, queries - first)
        seen = smaller(keys, first + rows) if causal else keys
        q_at = q + (offsets[0, head] + first * q_step) * size
        k_at, v_at = k + offsets[1, head] * size, v + offsets[2, head] * size
        target = out + (offsets[4, head] + first * out_step) * size
        gemm(scores, False, True, rows, seen, inner, scale, q_at, q_step, k_at, k_step,
             zero, place, seen)  # fmt: skip
        start = head * queries + first
        _weights(place, seen, first, causal, mask[offsets[3, head] + first * mask_step :],
                 mask_step, lse[start : start + rows], sums)  # fmt: skip
        gemm(scores, False, False, rows, outer, seen, one, place, seen, v_at, v_step,
             zero, target, out_step)  # fmt: skip
        for i in range(rows):
            _multiply(row_at(target + i * out_step * size, outer, scores), sums[i])


@jit
def _forward(pool, q, k, v, mask, out, lse, sizes, steps, offsets, scale, causal):
    one_thread()
    units = offsets.shape[1] * ((sizes[0] + sizes[4] - 1) // sizes[4])
    arguments = (q, k, v, mask, out, lse, sizes, steps, offsets, scale, causal)
    parallel_for(pool, _forward_units, arguments, units)
    restore_threads()


# --- Backward -----------------------------------------------------------------------------------


@jit
def _score_gradients(p, ds, keys, first, causal, mask, mask_step, lse, g, g_step, y, y_step, outer):
    """Scores and dp of a block, at the addresses `p` and `ds`, to p and ds."""
    size = lse.itemsize
    for i in range(lse.size):
        start = i * keys * size
        row, grad = row_at(p + start, keys, lse), row_at(ds + start, keys, lse)
        shared = dot(
            row_at(g + i * g_step * size, outer, lse), row_at(y + i * y_step * size, outer, lse)
        )
        if causal:
            seen = smaller(first + i + 1, keys)
            _clear(row[seen:])
            _clear(grad[seen:])
            row, grad = row[:seen], grad[:seen]
        if mask.size > 0:
            _add(row, mask[i * mask_step :])
        _gradient_row(row, grad, lse[i], shared)


@jit
def _backward_heads(
    q, k, v, mask, y, g, lse, dq, dk, dv, ds_out, sizes, steps, offsets, scale, causal, b0, b1
):
    zero, one, size = lse.dtype.type(0), lse.dtype.type(1), lse.itemsize
    queries, keys, inner, outer, block = sizes
    p, ds = np.empty(block * keys, lse.dtype), np.empty(block * keys, lse.dtype)
    q_step, k_step, v_step, mask_step, y_step, g_step, dq_step, dk_step, dv_step = steps
    blocks = (queries + block - 1) // block
    p_at, ds_at = address(p, 0), address(ds, 0)
    for head in range(b0, b1):
        k_at, v_at = k + offsets[1, head] * size, v + offsets[2, head] * size
        dk_at, dv_at = dk + offsets[7, head] * size, dv + offsets[8, head] * size
        beta = zero  # the last block sees most keys: it comes first, and sets what others add to
        for b in range(blocks - 1, -1, -1):
            first = b * block
            rows = smaller(block, queries - first)
            seen = smaller(keys, first + rows) if causal else keys
            q_at = q + (offsets[0, head] + first * q_step) * size
            g_at = g + (offsets[5, head] + first * g_step) * size
            y_at = y + (offsets[4, head] + first * y_step) * size
            dq_at = dq + (offsets[6, head] + first * dq_step) * size
            gemm(p, False, True, rows, seen, inner, scale, q_at, q_step, k_at, k_step,
                 zero, p_at, seen)  # fmt: skip
            gemm(p, False, True, rows, seen, outer, one, g_at, g_step, v_at, v_step,
                 zero, ds_at, seen)  # fmt: skip
            start = head * queries + first
            _score_gradients(
                p_at, ds_at, seen, first, causal, mask[offsets[3, head] + first * mask_step :],
                mask_step, lse[start : start + rows], g_at, g_step, y_at, y_step, outer,
            )  # fmt: skip
            if ds_out.size > 0:
                for i in range(rows):
                    target = ds_out[(start + i) * keys :]
                    row = row_at(ds_at + i * seen * size, seen, ds)
                    for j in range(row.size):
                        target[j] = row[j]
            gemm(p, False, False, rows, inner, seen, scale, ds_at, seen, k_at, k_step,
                 zero, dq_at, dq_step)  # fmt: skip
            gemm(p, True, False, seen, inner, rows, scale, ds_at, seen, q_at, q_step,
                 beta, dk_at, dk_step)  # fmt: skip
            gemm(p, True, False, seen, outer, rows, one, p_at, seen, g_at, g_step,
                 beta, dv_at, dv_step)  # fmt: skip
            beta = one


@jit
def _backward(
    pool, q, k, v, mask, y, g, lse, dq, dk, dv, ds_out, sizes, steps, offsets, scale, causal
):
    one_thread()
    arguments = (
        q, k, v, mask, y, g, lse, dq, dk, dv, ds_out, sizes, steps, offsets, scale, causal,
    )  # fmt: skip
    parallel_for(pool, _backward_heads, arguments, offsets.shape[1])
    restore_threads()


# --- Arrays of any layout -----------------------------------------------------------------------


def _readable(x: Array) -> Array:
    """With contiguous rows that do not overlap, as BLAS wants them; copied if it must be."""
    row, column = x.strides[-2:]
    if column == x.itemsize and row >= x.shape[-1] * column and row % column == 0:
        return x
    return np.ascontiguousarray(x)


@functools.lru_cache(maxsize=256)
def _offsets(shape: tuple[int, ...], strides: tuple[tuple[int, ...], ...]) -> Array:
    """For each array, where its heads begin, in elements."""
    out = np.zeros((len(strides), math.prod(shape)), np.int64)
    for row, steps in zip(out, strides, strict=True):
        grid = np.zeros(shape, np.int64)
        for axis, step in enumerate(steps):
            size = shape[axis]
            grid += (np.arange(size) * step).reshape(size, *(1,) * (len(shape) - axis - 1))
        row[:] = grid.reshape(-1)
    return out


def _places(*arrays: Array | None) -> Array:
    """:func:`_offsets` of arrays with the same leading dimensions as the first; zeros for None."""
    shape: tuple[int, ...] = arrays[0].shape[:-2]  # type: ignore[union-attr]
    none = (0,) * len(shape)
    strides = [
        none if x is None else tuple([s // x.itemsize for s in x.strides[:-2]]) for x in arrays
    ]
    return _offsets(shape, tuple(strides))


def _steps(*arrays: Array) -> tuple[int, ...]:
    return tuple([max(x.strides[-2] // x.itemsize, x.shape[-1], 1) for x in arrays])


def _result_like(x: Array, columns: int) -> Array:
    """New memory for rows of `columns`, the dimensions in the order in which they lie in `x`."""
    shape = (*x.shape[:-1], columns)
    out = np.empty_like(x, shape=shape)
    return out if _readable(out) is out else np.empty(shape, x.dtype)  # x was expanded


def _mask_parts(mask: Array | None, q: Array, keys: int) -> tuple[Array, Array | None, int]:
    """The mask as one row of memory; broadcast to all scores; and how far its rows are apart."""
    if mask is None:
        return np.empty(0, q.dtype), None, 0
    mask = np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-1], keys)))
    view = np.broadcast_to(mask, (*q.shape[:-1], keys))
    return mask.reshape(-1), view, view.strides[-2] // view.itemsize


def _block_rows(queries: int, keys: int, causal: bool) -> int:
    """How many queries make a block: few enough that their scores stay in the second-level cache.

    Where later keys are left out, smaller blocks leave out more (measured: 64 of 256 queries).
    """
    rows = (32 if keys <= 64 else 64) if causal else 128
    return max(16, min(rows, queries, _SCRATCH // max(keys, 1)))


def _at(x: Array) -> int:
    return x.ctypes.data


def _in_numpy(q: Array, v: Array) -> bool:
    return not AVAILABLE or q.dtype.num not in (11, 12) or q.shape[-1] == 0 or v.size == 0


def _pool(q: Array, keys: int) -> int:
    return pool_for(q.size * keys, costs.ATTENDED)


def attention(
    q: Array, k: Array, v: Array, mask: Array | None, causal: bool, scale: float
) -> tuple[Array, Array]:
    """The result, and for each query the logarithm of the sum of its weights.

    Parameters
    ----------
    q : ndarray, shape (..., L, E)
    k : ndarray, shape (..., S, E)
    v : ndarray, shape (..., S, V)
        Of one floating dtype, with equal leading dimensions; rows of any distance.
    mask : ndarray, optional
        Of that dtype, added to the scores; broadcasts to (..., L, S).
    causal : bool
        Query i sees the keys 0 to i only.
    scale : float

    Returns
    -------
    out : ndarray, shape (..., L, V)
    lse : ndarray, shape (..., L)
        Infinite where a query sees nothing.

    Examples
    --------
    >>> import numpy as np
    >>> q, v = np.zeros((2, 1)), np.array([[1.0], [3.0]])
    >>> attention(q, q, v, None, True, 1.0)[0]
    array([[1.],
           [2.]])
    """
    if _in_numpy(q, v):
        return _plain_attention(q, k, v, mask, causal, scale)
    q, k, v = _readable(q), _readable(k), _readable(v)
    queries, keys = q.shape[-2], k.shape[-2]
    flat, view, mask_step = _mask_parts(mask, q, keys)
    out, lse = _result_like(q, v.shape[-1]), np.empty(q.shape[:-1], q.dtype)
    sizes = (queries, keys, q.shape[-1], v.shape[-1], _block_rows(queries, keys, causal))
    q_step, k_step, v_step, out_step = _steps(q, k, v, out)
    _forward(
        _pool(q, keys), _at(q), _at(k), _at(v), flat, _at(out), lse.reshape(-1), sizes,
        (q_step, k_step, v_step, mask_step, out_step), _places(q, k, v, view, out),
        q.dtype.type(scale), causal,
    )  # fmt: skip
    return out, lse


def attention_backward(
    g: Array, y: Array, q: Array, k: Array, v: Array, mask: Array | None, lse: Array,
    causal: bool, scale: float, mask_gradient: bool = False,
) -> tuple[Array, Array, Array, Array | None]:  # fmt: skip
    """The gradients of `q`, `k`, `v` and (if `mask_gradient`) of all scores' masks.

    Parameters
    ----------
    g, y : ndarray, shape (..., L, V)
        The gradient of the result, and the result.
    lse : ndarray, shape (..., L)
        As :func:`attention` returned it; the other arguments are what it was given.

    Examples
    --------
    >>> import numpy as np
    >>> q, v = np.zeros((2, 1)), np.array([[1.0], [3.0]])
    >>> y, lse = attention(q, q, v, None, True, 1.0)
    >>> attention_backward(np.ones((2, 1)), y, q, q, v, None, lse, True, 1.0)[2]
    array([[1.5],
           [0.5]])
    """
    if _in_numpy(q, v):
        return _plain_backward(g, y, q, k, v, mask, lse, causal, scale, mask_gradient)
    q, k, v, y = _readable(q), _readable(k), _readable(v), _readable(y)
    g = _readable(np.asarray(g, q.dtype))
    queries, keys = q.shape[-2], k.shape[-2]
    flat, view, mask_step = _mask_parts(mask, q, keys)
    dq, dk, dv = [_result_like(x, x.shape[-1]) for x in (q, k, v)]
    if queries == 0 or (causal and queries < keys):  # keys that no query sees
        dk[...] = 0
        dv[...] = 0
    scores = np.zeros((*q.shape[:-1], keys) if mask_gradient else 0, q.dtype)
    sizes = (queries, keys, q.shape[-1], v.shape[-1], _block_rows(queries, keys, causal))
    first, last = _steps(q, k, v), _steps(y, g, dq, dk, dv)
    _backward(
        _pool(q, keys), _at(q), _at(k), _at(v), flat, _at(y), _at(g), lse.reshape(-1), _at(dq),
        _at(dk), _at(dv), scores.reshape(-1), sizes, (*first, mask_step, *last),
        _places(q, k, v, view, y, g, dq, dk, dv), q.dtype.type(scale), causal,
    )  # fmt: skip
    return dq, dk, dv, scores if mask_gradient else None


# --- Without OpenBLAS, and for types without kernels --------------------------------------------


def _plain_scores(q: Array, k: Array, mask: Array | None, causal: bool, scale: float) -> Array:
    s = np.matmul(q, k.swapaxes(-1, -2)) * q.dtype.type(scale)
    if mask is not None:
        s = s + mask
    if causal:
        s = np.where(np.tri(*s.shape[-2:], dtype=np.bool_), s, s.dtype.type(-np.inf))
    return s


def _wide(x: Array | None) -> Array | None:
    """Types without kernels are computed in float32."""
    return None if x is None else x.astype(np.float32)


def _plain_attention(
    q: Array, k: Array, v: Array, mask: Array | None, causal: bool, scale: float
) -> tuple[Array, Array]:
    if q.dtype.num not in (11, 12):
        out, lse = attention(*map(_wide, (q, k, v, mask)), causal, scale)  # type: ignore[call-arg, arg-type]
        return out.astype(q.dtype), lse
    s = _plain_scores(q, k, mask, causal, scale)
    top = s.max(-1, keepdims=True, initial=-np.inf)
    nothing = top == -np.inf
    p = np.exp(s - np.where(nothing, 0, top))
    total = np.where(nothing, 1, p.sum(-1, keepdims=True))
    lse = np.where(nothing, np.inf, top + np.log(total)).astype(q.dtype)
    return np.asarray(np.matmul(p / total, v)), lse[..., 0]


def _plain_backward(
    g: Array, y: Array, q: Array, k: Array, v: Array, mask: Array | None, lse: Array,
    causal: bool, scale: float, mask_gradient: bool,
) -> tuple[Array, Array, Array, Array | None]:  # fmt: skip
    if q.dtype.num not in (11, 12):
        wide = map(_wide, (g, y, q, k, v, mask, lse))
        parts = attention_backward(*wide, causal, scale, mask_gradient)  # type: ignore[call-arg, arg-type]
        return tuple([None if x is None else x.astype(q.dtype) for x in parts])  # type: ignore[return-value]
    p = np.exp(_plain_scores(q, k, mask, causal, scale) - lse[..., None])
    ds = p * (np.matmul(g, v.swapaxes(-1, -2)) - (g * y).sum(-1, keepdims=True))
    scaled = ds * q.dtype.type(scale)
    dq, dk = np.matmul(scaled, k), np.matmul(scaled.swapaxes(-1, -2), q)
    return dq, dk, np.matmul(p.swapaxes(-1, -2), g), ds if mask_gradient else None
