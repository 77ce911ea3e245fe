"""Recurrent layers: all steps of one layer in one direction as one kernel, and their derivative.

A kernel gets what the input contributes to the gates of all steps (one product beforehand), and
does step by step what depends on the step before: one product with the hidden state, and the
gates, in passes over rows that stay in the first-level cache::

    RNN    h' = tanh(x + h @ w.T)                                              (or relu)
    LSTM   i, f, g, o = x + h @ w.T     c' = s(f) c + s(i) tanh(g)     h' = s(o) tanh(c') @ p.T
    GRU    r, z, n = x, h @ w.T + b     m = tanh(n_x + s(r) n_h)        h' = m + s(z) (h - m)

with the logistic function s, and `p` the LSTM's projection, if it has one (Hochreiter and
Schmidhuber 1997; Cho et al. 2014; Sak et al. 2014). Backward goes through the steps in the opposite
order and leaves the gradients of all gates, so that the weight's gradient is one product over all
steps, too.

Rows. All sequences together are one matrix: first the rows of step 0, then those of step 1...
Sequences are sorted by falling length, so step t has the first ``sizes[t]`` of them. A state that
is not touched keeps its value: forward, ended sequences hold their last state; in reverse,
sequences that have not begun hold the initial one.

The products are our own for float32 (`kernels.matmul.sgemm`), with the weight packed once
for all steps, else OpenBLAS's on one thread each. The pool shares the sequences, which go through
all steps without waiting for each other. Which sequences go together is fixed by their number
alone, and so are the bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.math import vecmath
from minigrad.kernels.matmul import gemm as products
from minigrad.kernels.matmul.gemm import one_thread, restore_threads
from minigrad.kernels.matmul.product import matmul
from minigrad.kernels.recurrent_rows import (
    add_row,
    add_rows,
    columns_of,
    copy_row,
    copy_rows,
    gradient_rows,
    members,
    multiplied,
    multiply_row,
    pool_of,
    relu_row,
    sigmoid_row,
    starting_gradient,
    steps_of,
    sum_and_times,
    tanh,
    tanh_row,
    times,
    weights,
    whole,
)
from minigrad.kernels.reduce import sum as sum_over
from minigrad.kernels.run.jit import jit
from minigrad.kernels.run.threads import parallel_for
from minigrad.kernels.scalar import smaller

__all__ = [
    "AVAILABLE", "gru", "gru_backward", "lstm", "lstm_backward", "rnn", "rnn_backward",
]  # fmt: skip

Array = NDArray[Any]

#: Whether these kernels can run at all (see :mod:`minigrad.kernels.matmul.gemm`).
AVAILABLE = products.AVAILABLE

# --- RNN ----------------------------------------------------------------------------------------


@jit
def _rnn_units(x, w, starts, steps, backwards, relu, out, acts, before, h, units, b0, b1):
    count = starts.size - 1
    for unit in range(b0, b1):
        lo, hi = members(unit, units, h.shape[0])
        for k in range(count):
            t = count - 1 - k if backwards else k
            first, rows = starts[t] + lo, smaller(steps[t], hi) - lo
            if rows <= 0:
                continue
            copy_rows(h, lo, rows, before, first)
            sum_and_times(x, first, 1, before, first, rows, w, acts, first)
            for i in range(rows):
                if relu:
                    relu_row(acts[first + i])
                else:
                    tanh_row(acts[first + i])
            copy_rows(acts, first, rows, out, first)
            copy_rows(acts, first, rows, h, lo)


@jit
def _rnn(pool, x, w, starts, steps, backwards, relu, out, acts, before, h, units):
    one_thread()
    arguments = (x, w, starts, steps, backwards, relu, out, acts, before, h, units)
    parallel_for(pool, _rnn_units, arguments, units)
    restore_threads()


@jit
def _tanh_gradient(a, dh, out):
    one = a.dtype.type(1)
    for i in range(out.size):
        out[i] = dh[i] * (one - a[i] * a[i])


@jit
def _relu_gradient(a, dh, out):
    for i in range(out.size):
        out[i] = vecmath.select(a[i] <= 0, out.dtype.type(0), dh[i])


@jit
def _rnn_backward_units(w, starts, steps, backwards, relu, acts, g, dx, dh, units, b0, b1):
    count = starts.size - 1
    for unit in range(b0, b1):
        lo, hi = members(unit, units, dh.shape[0])
        for k in range(count):
            t = k if backwards else count - 1 - k
            first, rows = starts[t] + lo, smaller(steps[t], hi) - lo
            if rows <= 0:
                continue
            add_rows(g, first, rows, dh, lo)
            for i in range(rows):
                if relu:
                    _relu_gradient(acts[first + i], dh[lo + i], dx[first + i])
                else:
                    _tanh_gradient(acts[first + i], dh[lo + i], dx[first + i])
            times(dx, first, rows, w, 0, dh, lo)


@jit
def _rnn_backward(pool, w, starts, steps, backwards, relu, acts, g, dx, dh, units):
    one_thread()
    arguments = (w, starts, steps, backwards, relu, acts, g, dx, dh, units)
    parallel_for(pool, _rnn_backward_units, arguments, units)
    restore_threads()


# --- Gates --------------------------------------------------------------------------------------

# One result a loop: of a loop over many arrays LLVM makes no vectors, since it would have to
# compare all their addresses beforehand. Rows stay in the first-level cache, so more loops over
# them cost little (measured, backward: two thirds of the time).


@jit
def _gate_gradient(gate, other, grad, out):
    """Of a logistic function of which the result was multiplied with `other`."""
    one = gate.dtype.type(1)
    for j in range(out.size):
        out[j] = grad[j] * other[j] * gate[j] * (one - gate[j])


# --- LSTM ---------------------------------------------------------------------------------------


@jit
def _lstm_cell(i, f, g, before, c):
    for j in range(c.size):
        c[j] = f[j] * before[j] + i[j] * g[j]


@jit
def _lstm_state(a, c, before, t, u):
    """``c = f c + i g`` and ``u = o tanh(c)``; what backward wants of it goes to `before`, `t`."""
    n = u.size
    copy_row(c, before)
    _lstm_cell(a[:n], a[n : 2 * n], a[2 * n : 3 * n], before, c)
    copy_row(c, t)
    tanh_row(t)
    multiplied(a[3 * n :], t, u)


@jit
def _lstm_row(a, c, before, t, u):
    n = u.size
    sigmoid_row(a[: 2 * n])
    tanh_row(a[2 * n : 3 * n])
    sigmoid_row(a[3 * n :])
    _lstm_state(a, c, before, t, u)


@jit
def _lstm_units(
    x, w, p, starts, steps, backwards, out, acts, before, old, bent, u, h, c, units, b0, b1
):
    count = starts.size - 1
    for unit in range(b0, b1):
        lo, hi = members(unit, units, h.shape[0])
        for k in range(count):
            t = count - 1 - k if backwards else k
            first, rows = starts[t] + lo, smaller(steps[t], hi) - lo
            if rows <= 0:
                continue
            copy_rows(h, lo, rows, before, first)
            sum_and_times(x, first, 1, before, first, rows, w, acts, first)
            for i in range(rows):
                r = first + i
                _lstm_row(acts[r], c[lo + i], old[r], bent[r], u[r])
            if columns_of(p) > 0:
                times(u, first, rows, p, 0, h, lo)
                copy_rows(h, lo, rows, out, first)
            else:  # then u is out
                copy_rows(u, first, rows, h, lo)


@jit
def _lstm(pool, x, w, p, starts, steps, backwards, out, acts, before, old, bent, u, h, c, units):
    one_thread()
    arguments = (x, w, p, starts, steps, backwards, out, acts, before, old, bent, u, h, c, units)
    parallel_for(pool, _lstm_units, arguments, units)
    restore_threads()


@jit
def _add_cell_gradient(o, t, du, dc):
    one = du.dtype.type(1)
    for j in range(dc.size):
        dc[j] += du[j] * o[j] * (one - t[j] * t[j])


@jit
def _tanh_gate_gradient(g, other, dc, out):
    one = g.dtype.type(1)
    for j in range(out.size):
        out[j] = dc[j] * other[j] * (one - g[j] * g[j])


@jit
def _lstm_gradient_row(a, t, old, du, dc, dx):
    n = du.size
    i, f, g, o = a[:n], a[n : 2 * n], a[2 * n : 3 * n], a[3 * n :]
    _add_cell_gradient(o, t, du, dc)
    _gate_gradient(i, g, dc, dx[:n])
    _gate_gradient(f, old, dc, dx[n : 2 * n])
    _tanh_gate_gradient(g, i, dc, dx[2 * n : 3 * n])
    _gate_gradient(o, t, du, dx[3 * n :])
    multiply_row(dc, f)


@jit
def _lstm_backward_units(
    w, p, starts, steps, backwards, acts, old, bent, g, dx, dout, dh, dc, units, b0, b1
):
    count = starts.size - 1
    for unit in range(b0, b1):
        lo, hi = members(unit, units, dh.shape[0])
        du = np.empty((hi - lo if columns_of(p) > 0 else 0, dc.shape[1]), dc.dtype)
        for k in range(count):
            t = k if backwards else count - 1 - k
            first, rows = starts[t] + lo, smaller(steps[t], hi) - lo
            if rows <= 0:
                continue
            add_rows(g, first, rows, dh, lo)
            if columns_of(p) > 0:
                copy_rows(dh, lo, rows, dout, first)
                times(dout, first, rows, p, 0, du, 0)
            for i in range(rows):
                r = first + i
                grad = du[i] if columns_of(p) > 0 else dh[lo + i]
                _lstm_gradient_row(acts[r], bent[r], old[r], grad, dc[lo + i], dx[r])
            times(dx, first, rows, w, 0, dh, lo)


@jit
def _lstm_backward(
    pool, w, p, starts, steps, backwards, acts, old, bent, g, dx, dout, dh, dc, units
):
    one_thread()
    arguments = (w, p, starts, steps, backwards, acts, old, bent, g, dx, dout, dh, dc, units)
    parallel_for(pool, _lstm_backward_units, arguments, units)
    restore_threads()


# --- GRU ----------------------------------------------------------------------------------------


@jit
def _gru_candidate(xn, r, hn, m):
    for j in range(m.size):
        m[j] = tanh(xn[j] + r[j] * hn[j])


@jit
def _gru_state(z, m, h):
    """Between the candidate `m` and the state before, over which it is written."""
    for j in range(h.size):
        h[j] = m[j] + z[j] * (h[j] - m[j])


@jit
def _gru_row(x, s, a, h, out):
    n = out.size
    add_row(s[: 2 * n], x[: 2 * n])
    sigmoid_row(s[: 2 * n])
    copy_row(s, a[: 3 * n])
    _gru_candidate(x[2 * n :], a[:n], a[2 * n : 3 * n], a[3 * n :])
    _gru_state(a[n : 2 * n], a[3 * n :], h)
    copy_row(h, out)


@jit
def _gru_units(x, w, b, starts, steps, backwards, out, acts, before, h, units, b0, b1):
    count = starts.size - 1
    for unit in range(b0, b1):
        lo, hi = members(unit, units, h.shape[0])
        scratch = np.empty((hi - lo, b.shape[1]), b.dtype)
        for k in range(count):
            t = count - 1 - k if backwards else k
            first, rows = starts[t] + lo, smaller(steps[t], hi) - lo
            if rows <= 0:
                continue
            copy_rows(h, lo, rows, before, first)
            sum_and_times(b, 0, 0, before, first, rows, w, scratch, 0)
            for i in range(rows):
                r = first + i
                _gru_row(x[r], scratch[i], acts[r], h[lo + i], out[r])


@jit
def _gru(pool, x, w, b, starts, steps, backwards, out, acts, before, h, units):
    one_thread()
    arguments = (x, w, b, starts, steps, backwards, out, acts, before, h, units)
    parallel_for(pool, _gru_units, arguments, units)
    restore_threads()


@jit
def _gru_candidate_gradient(z, m, dh, out):
    one = z.dtype.type(1)
    for j in range(out.size):
        out[j] = dh[j] * (one - z[j]) * (one - m[j] * m[j])


@jit
def _gru_update_gradient(z, m, h, dh, out):
    one = z.dtype.type(1)
    for j in range(out.size):
        out[j] = dh[j] * (h[j] - m[j]) * z[j] * (one - z[j])


@jit
def _gru_gradient_row(a, h, dh, dx, ds):
    n = dh.size
    r, z, hn, m = a[:n], a[n : 2 * n], a[2 * n : 3 * n], a[3 * n :]
    dn = dx[2 * n :]
    _gru_candidate_gradient(z, m, dh, dn)
    multiplied(dn, r, ds[2 * n :])
    _gate_gradient(r, hn, dn, dx[:n])
    _gru_update_gradient(z, m, h, dh, dx[n : 2 * n])
    multiply_row(dh, z)
    copy_row(dx[: 2 * n], ds[: 2 * n])


@jit
def _gru_backward_units(w, starts, steps, backwards, acts, before, g, dx, ds, dh, units, b0, b1):
    count = starts.size - 1
    for unit in range(b0, b1):
        lo, hi = members(unit, units, dh.shape[0])
        for k in range(count):
            t = k if backwards else count - 1 - k
            first, rows = starts[t] + lo, smaller(steps[t], hi) - lo
            if rows <= 0:
                continue
            add_rows(g, first, rows, dh, lo)
            for i in range(rows):
                r = first + i
                _gru_gradient_row(acts[r], before[r], dh[lo + i], dx[r], ds[r])
            times(ds, first, rows, w, 1, dh, lo)


@jit
def _gru_backward(pool, w, starts, steps, backwards, acts, before, g, dx, ds, dh, units):
    one_thread()
    arguments = (w, starts, steps, backwards, acts, before, g, dx, ds, dh, units)
    parallel_for(pool, _gru_backward_units, arguments, units)
    restore_threads()


# --- On arrays ----------------------------------------------------------------------------------


def rnn(
    x: Array, w: Array, h: Array, sizes: tuple[int, ...], backwards: bool, relu: bool
) -> tuple[Array, ...]:
    """The states of all rows and the last ones; then what :func:`rnn_backward` reads.

    Parameters
    ----------
    x : ndarray, shape (rows, H)
        What the input contributes, biases included.
    w : ndarray, shape (H, H)
    h : ndarray, shape (N, H)
        The initial state.
    sizes : tuple of int
        How many rows each step has; falling, none 0, the first N.
    backwards : bool
        Begin with the last step.
    relu : bool
        The nonlinearity: relu, or tanh.

    Examples
    --------
    >>> import numpy as np
    >>> x, w, h = np.ones((3, 1)), np.ones((1, 1)), np.zeros((1, 1))
    >>> rnn(x, w, h, (1, 1, 1), False, True)[0].ravel()
    array([1., 2., 3.])
    """
    steps, x = steps_of(sizes), whole(x)
    packed, _memory = weights(w, x, True)
    out, acts, before = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    h = np.array(h, order="C")
    _rnn(
        pool_of(steps, w.size), x, packed, steps.starts, steps.sizes, backwards, relu, out, acts,
        before, h, steps.groups,
    )  # fmt: skip
    return out, h, acts, before


def rnn_backward(
    g: Array | None, dh: Array | None, w: Array, acts: Array, before: Array,
    sizes: tuple[int, ...], backwards: bool, relu: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The gradients of `x`, `w` and `h`, from those of the states and the last ones."""
    steps = steps_of(sizes)
    packed, _memory = weights(w, acts, False)
    dx, dh = np.empty_like(acts), starting_gradient(dh, (sizes[0], w.shape[1]), w)
    _rnn_backward(
        pool_of(steps, w.size), packed, steps.starts, steps.sizes, backwards, relu, acts,
        gradient_rows(g, acts), dx, dh, steps.groups,
    )  # fmt: skip
    return dx, matmul(dx.T, before), dh


def lstm(
    x: Array, w: Array, p: Array | None, h: Array, c: Array, sizes: tuple[int, ...],
    backwards: bool,
) -> tuple[Array, ...]:  # fmt: skip
    """As :func:`rnn`; the states of all rows, the last ones and the last cells.

    Parameters
    ----------
    x : ndarray, shape (rows, 4 H)
        For the gates i, f, g, o.
    w : ndarray, shape (4 H, P)
    p : ndarray, shape (P, H), optional
        The projection; without one P is H.
    h, c : ndarray, shape (N, P) and (N, H)

    Examples
    --------
    >>> import numpy as np
    >>> x, w, h = np.full((1, 4), 100.0), np.ones((4, 1)), np.zeros((1, 1))
    >>> lstm(x, w, None, h, h + 1, (1,), False)[2]
    array([[2.]])
    """
    steps, x = steps_of(sizes), whole(x)
    packed, _memory = weights(w, x, True)
    projection, _more = weights(p, x, True)
    cells = (x.shape[0], x.shape[1] // 4)
    old, bent = np.empty(cells, x.dtype), np.empty(cells, x.dtype)
    out, before = (np.empty((x.shape[0], w.shape[1]), x.dtype) for _ in range(2))
    u = out if p is None else np.empty(cells, x.dtype)
    acts, h, c = np.empty_like(x), np.array(h, order="C"), np.array(c, order="C")
    _lstm(
        pool_of(steps, w.size), x, packed, projection, steps.starts, steps.sizes, backwards, out,
        acts, before, old, bent, u, h, c, steps.groups,
    )  # fmt: skip
    return (out, h, c, acts, before, old, bent) if u is out else (
        out, h, c, acts, before, old, bent, u
    )  # fmt: skip


def lstm_backward(
    g: Array | None, dh: Array | None, dc: Array | None, w: Array, p: Array | None,
    saved: tuple[Array, ...], sizes: tuple[int, ...], backwards: bool,
) -> tuple[Array | None, ...]:  # fmt: skip
    """The gradients of `x`, `w`, `p`, `h` and `c`; `saved` is what :func:`lstm` gave."""
    acts, before, old, bent, *u = saved
    steps = steps_of(sizes)
    packed, _memory = weights(w, acts, False)
    projection, _more = weights(p, acts, False)
    count, hidden = sizes[0], old.shape[1]
    dh, dc = (
        starting_gradient(dh, (count, w.shape[1]), w),
        starting_gradient(dc, (count, hidden), w),
    )
    dx, dout = np.empty_like(acts), np.empty((0, w.shape[1]), w.dtype)
    if p is not None:
        dout = np.empty_like(before)
    _lstm_backward(
        pool_of(steps, w.size), packed, projection, steps.starts, steps.sizes, backwards, acts,
        old, bent, gradient_rows(g, before), dx, dout, dh, dc, steps.groups,
    )  # fmt: skip
    return dx, matmul(dx.T, before), matmul(dout.T, u[0]) if u else None, dh, dc


def gru(
    x: Array, w: Array, b: Array, h: Array, sizes: tuple[int, ...], backwards: bool
) -> tuple[Array, ...]:
    """As :func:`rnn`, with three gates.

    Parameters
    ----------
    x : ndarray, shape (rows, 3 H)
        For the gates r, z, n, with the input's bias.
    w : ndarray, shape (3 H, H)
    b : ndarray, shape (3 H,)
        The bias of the product with the state.

    Examples
    --------
    >>> import numpy as np
    >>> x, w, h = np.full((1, 3), 100.0), np.zeros((3, 1)), np.full((1, 1), 7.0)
    >>> gru(x, w, np.zeros(3), h, (1,), False)[0]
    array([[7.]])
    """
    steps, x = steps_of(sizes), whole(x)
    packed, _memory = weights(w, x, True)
    hidden = w.shape[1]
    out, before = np.empty((x.shape[0], hidden), x.dtype), np.empty((x.shape[0], hidden), x.dtype)
    acts, h = np.empty((x.shape[0], 4 * hidden), x.dtype), np.array(h, order="C")
    _gru(
        pool_of(steps, w.size), x, packed, whole(b).reshape(1, -1), steps.starts, steps.sizes,
        backwards, out, acts, before, h, steps.groups,
    )  # fmt: skip
    return out, h, acts, before


def gru_backward(
    g: Array | None, dh: Array | None, w: Array, acts: Array, before: Array,
    sizes: tuple[int, ...], backwards: bool,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """The gradients of `x`, `w`, `b` and `h`."""
    steps = steps_of(sizes)
    packed, _memory = weights(w, acts, False)
    dx, ds = (np.empty((before.shape[0], w.shape[0]), w.dtype) for _ in range(2))
    dh = starting_gradient(dh, (sizes[0], w.shape[1]), w)
    _gru_backward(
        pool_of(steps, w.size), packed, steps.starts, steps.sizes, backwards, acts, before,
        gradient_rows(g, before), dx, ds, dh, steps.groups,
    )  # fmt: skip
    return dx, matmul(ds.T, before), sum_over(ds, (0,)), dh
