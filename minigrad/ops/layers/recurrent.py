"""Recurrent layers: all steps of one layer in one direction as one operation.

Without a graph of the derivative both directions are kernels (:mod:`minigrad.kernels.recurrent`).
The rules, for derivatives of any order, are the textbook's *backpropagation through time* (Werbos
1990), step by step: the states are computed anew, then the gradients flow from the last step to
the first. They are written once, for tensors and for arrays alike; on arrays they compute what the
kernels do not, such as float16.

All sequences together are one matrix: the rows of step 0 first. ``sizes`` says how many rows each
step has, which is falling: step t has the first ``sizes[t]`` sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.engine import apply
from minigrad.core.ops import elementwise as e
from minigrad.core.ops.matmul import matmul
from minigrad.core.quiet import call_quietly
from minigrad.core.samples import cases
from minigrad.core.tensor import Array, given
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import each
from minigrad.ops.join import cat
from minigrad.ops.optional import with_optional
from minigrad.ops.slices import split

__all__ = ["gru", "lstm", "rnn"]

Sizes = tuple[int, ...]
kernels = lazy("recurrent")


# -- what the rules are written with -------------------------------------------------------------


def _logistic(x: Array) -> Array:
    tail = np.exp(-np.abs(x))
    return np.where(x < 0, tail, 1) / (1 + tail)  # type: ignore[no-any-return]


_ON_TENSORS = SimpleNamespace(
    sigmoid=e.sigmoid, tanh=e.tanh, relu=e.relu, cat=cat, split=split, matmul=matmul,
    zeros=lambda shape, like: given(np.zeros(shape, like.array.dtype)),
    where_positive=lambda d, a: d.masked_fill(a.detach() <= 0, 0),
)  # fmt: skip
_ON_ARRAYS = SimpleNamespace(
    sigmoid=_logistic, tanh=np.tanh, relu=lambda x: np.where(x < 0, x.dtype.type(0), x),
    cat=np.concatenate, matmul=np.matmul,
    split=lambda x, sizes, dim=0: np.split(x, np.cumsum(sizes)[:-1], dim),
    zeros=lambda shape, like: np.zeros(shape, like.dtype),
    where_positive=lambda d, a: np.where(a <= 0, d.dtype.type(0), d),
)  # fmt: skip


class _Cell:
    """One step of a layer, and back.

    ``forward(m, x, states, weights)`` gives the new states and what `backward` reads: first the
    hidden state before. ``backward(m, saved, gradients of the new states, weights)`` gives the
    gradients of `x`, of the states before, of the product with the hidden state, and for the
    projection those of its result next to its input.
    """

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        self.forward = forward
        self.backward = backward


def _rnn_cell(relu: bool) -> _Cell:
    def forward(m: Any, x: Any, states: Any, weights: Any) -> Any:
        a = (m.relu if relu else m.tanh)(x + m.matmul(states[0], weights[0].T))
        return [a], (states[0], a)

    def backward(m: Any, saved: Any, grads: Any, weights: Any) -> Any:
        (d,), (_, a) = grads, saved
        d = m.where_positive(d, a) if relu else d * (1 - a * a)
        return d, [m.matmul(d, weights[0])], d, None

    return _Cell(forward, backward)


def _lstm_forward(m: Any, x: Any, states: Any, weights: Any) -> Any:
    h, c = states
    i, f, g, o = m.split(x + m.matmul(h, weights[0].T), (c.shape[1],) * 4, 1)
    i, f, g, o = m.sigmoid(i), m.sigmoid(f), m.tanh(g), m.sigmoid(o)
    new = f * c + i * g
    bent = m.tanh(new)
    u = o * bent
    out = m.matmul(u, weights[1].T) if len(weights) == 2 else u
    return [out, new], (h, c, i, f, g, o, bent, u)


def _lstm_backward(m: Any, saved: Any, grads: Any, weights: Any) -> Any:
    (_, c, i, f, g, o, bent, u), (dh, dc) = saved, grads
    projected = len(weights) == 2
    du = m.matmul(dh, weights[1]) if projected else dh
    dc = dc + du * o * (1 - bent * bent)
    parts = [
        dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), du * bent * o * (1 - o)
    ]  # fmt: skip
    ds = m.cat(parts, 1)
    return ds, [m.matmul(ds, weights[0]), dc * f], ds, (dh, u) if projected else None


def _gru_forward(m: Any, x: Any, states: Any, weights: Any) -> Any:
    (h,), (w, b) = states, weights
    sizes = (h.shape[1],) * 3
    xr, xz, xn = m.split(x, sizes, 1)
    sr, sz, sn = m.split(m.matmul(h, w.T) + b, sizes, 1)
    r, z = m.sigmoid(xr + sr), m.sigmoid(xz + sz)
    value = m.tanh(xn + r * sn)
    return [value + z * (h - value)], (h, r, z, sn, value)


def _gru_backward(m: Any, saved: Any, grads: Any, weights: Any) -> Any:
    (h, r, z, sn, value), (d,) = saved, grads
    dn = d * (1 - z) * (1 - value * value)
    dr, dz = dn * sn * r * (1 - r), d * (h - value) * z * (1 - z)
    ds = m.cat([dr, dz, dn * r], 1)
    return m.cat([dr, dz, dn], 1), [d * z + m.matmul(ds, weights[0])], ds, None


_LSTM, _GRU = _Cell(_lstm_forward, _lstm_backward), _Cell(_gru_forward, _gru_backward)
_RNN = {relu: _rnn_cell(relu) for relu in (False, True)}


# -- through time --------------------------------------------------------------------------------


def _first(states: Sequence[Any], n: int) -> list[Any]:
    """What step with `n` rows sees of the states."""
    return [s if s.shape[0] == n else s[:n] for s in states]


def _replaced(m: Any, states: Sequence[Any], new: Sequence[Any], n: int) -> list[Any]:
    """The states with their first `n` rows replaced."""
    return [
        b if a.shape[0] == n else m.cat([b, a[n:]], 0) for a, b in zip(states, new, strict=True)
    ]


def _order(sizes: Sizes, backwards: bool) -> Sequence[int]:
    return range(len(sizes))[:: -1 if backwards else 1]


def _through(
    m: Any, cell: _Cell, x: Any, states: Sequence[Any], weights: Any, sizes: Sizes, backwards: bool
) -> tuple[list[Any], Sequence[Any], list[Any]]:
    """The hidden states of each step, the last states, and what each step saved."""
    pieces = m.split(x, sizes, 0)
    outs: list[Any] = [None] * len(sizes)
    saved: list[Any] = [None] * len(sizes)
    for t in _order(sizes, backwards):
        new, saved[t] = cell.forward(m, pieces[t], _first(states, sizes[t]), weights)
        outs[t] = new[0]
        states = _replaced(m, states, new, sizes[t])
    return outs, states, saved


def _back_through(
    m: Any, cell: _Cell, gs: Sequence[Any], x: Any, states: Sequence[Any], weights: Any,
    sizes: Sizes, backwards: bool,
) -> tuple[Any, Any, Any, Any, Sequence[Any]]:  # fmt: skip
    """The gradients of `x`, of the products, of weight, projection and states."""
    saved = _through(m, cell, x, states, weights, sizes, backwards)[2]
    flows = None if gs[0] is None else m.split(gs[0], sizes, 0)
    grads: Sequence[Any] = [
        m.zeros(s.shape, s) if g is None else g for g, s in zip(gs[1:], states, strict=True)
    ]
    parts: list[Any] = [None] * len(sizes)
    for t in reversed(_order(sizes, backwards)):
        now = _first(grads, sizes[t])
        if flows is not None:
            now[0] = now[0] + flows[t]
        dx, before, ds, projection = cell.backward(m, saved[t], now, weights)
        parts[t] = (dx, ds, projection)
        grads = _replaced(m, grads, before, sizes[t])
    ds = m.cat([p[1] for p in parts], 0)
    weight = m.matmul(ds.T, m.cat([s[0] for s in saved], 0))
    projected = None
    if parts[0][2] is not None:
        out, u = (m.cat([p[2][i] for p in parts], 0) for i in (0, 1))
        projected = m.matmul(out.T, u)
    return m.cat([p[0] for p in parts], 0), ds, weight, projected, grads


def _has_kernel(x: Array) -> bool:
    return x.dtype.num in (11, 12) and kernels.AVAILABLE


def _check(name: str, sizes: Sizes, **found: tuple[Array, tuple[int, ...]]) -> None:
    """Refuse arrays that are not of the shape next to them, or not of one type."""
    dtype = found["input"][0].dtype
    for what, (array, shape) in found.items():
        if array.shape != shape:
            raise RuntimeError(
                f"{name}: size mismatch, the {what} must have shape {list(shape)}, got "
                f"{list(array.shape)}"
            )
        if array.dtype is not dtype and array.dtype != dtype:
            raise RuntimeError(
                f"{name}: the {what} must have the same dtype as the input, expected {dtype}, got "
                f"{array.dtype}"
            )
    if sum(sizes) != found["input"][0].shape[0]:
        raise RuntimeError(f"{name}: {found['input'][0].shape[0]} rows are not {sum(sizes)}")


def _wide(arrays: Sequence[Any]) -> list[Any]:
    """float16 is stored only: it is computed in float32."""
    return [a.astype(np.float32) if a is not None and a.dtype.num == 23 else a for a in arrays]


def _plain(
    cell: _Cell, x: Array, states: Sequence[Array], weights: Sequence[Array], sizes: Sizes,
    backwards: bool,
) -> tuple[Array, ...]:  # fmt: skip
    """Forward without a kernel."""
    wide, *given = _wide([x, *states, *weights])
    inside, outside = given[: len(states)], given[len(states) :]
    outs, last, _ = call_quietly(
        _through, _ON_ARRAYS, cell, wide, inside, outside, sizes, backwards
    )
    results = [np.concatenate(outs), *last]
    return tuple([np.array(r, x.dtype) for r in results])


def _plain_backward(
    cell: _Cell, gs: Sequence[Any], x: Array, states: Sequence[Array], weights: Sequence[Array],
    sizes: Sizes, backwards: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """As :func:`_back_through`, in the type of `x`."""
    inside, outside = _wide(states), _wide(weights)
    dx, ds, dw, dp, grads = _back_through(
        _ON_ARRAYS, cell, _wide(gs), _wide([x])[0], inside, outside, sizes, backwards
    )
    narrow = [None if a is None else np.asarray(a, x.dtype) for a in (dx, ds, dw, dp, *grads)]
    return (*narrow[:4], narrow[4:])


# -- batching ------------------------------------------------------------------------------------


def _among(t: Any) -> Any:
    """Rows of examples (E, rows, ...) as rows (rows * E, ...): the examples of a row together."""
    size, rows, *rest = t.array.shape
    return t.movedim(0, 1).reshape((rows * size, *rest))


def _folding(places: tuple[int, ...]) -> Any:
    """Examples become sequences, where they share the weights; `places` are those of rows."""

    def rule(op: Any, inputs: Any, params: Any, batched: Sequence[bool]) -> Any:
        if any(b for i, b in enumerate(batched) if i not in places):
            return each(op, inputs, params, batched)
        size = inputs[0].array.shape[0]
        folded = tuple(_among(t) if i in places else t[0] for i, t in enumerate(inputs))
        results = apply(op, folded, (tuple(n * size for n in params[0]), *params[1:]))
        return tuple(
            y.reshape((-1, size, *y.array.shape[1:])).movedim(1, 0) if size else y for y in results
        )

    return rule


# -- the operations ------------------------------------------------------------------------------


def _sample(
    gates: int, states: int, *more: Any, bias: bool = False, projected: bool = False
) -> Any:
    def make(sizes: Sizes, hidden: int, backwards: bool, *params: Any) -> Any:
        def draw(rng: np.random.Generator) -> Any:
            out = hidden - 1 if projected else hidden
            rows = gates * hidden
            arrays = [rng.normal(size=(sum(sizes), rows)), rng.normal(size=(rows, out))]
            if bias:
                arrays.append(rng.normal(size=rows))
            arrays.append(rng.normal(size=(sizes[0], out)))
            if states == 2:
                arrays.append(rng.normal(size=(sizes[0], hidden)))
            if projected:
                arrays.append(rng.normal(size=(out, hidden)))
            return arrays, (sizes, backwards, *params)

        return draw

    hidden = 3 if projected else 2
    shapes: list[tuple[Sizes, bool]] = [((2, 2), False), ((3, 1), True), ((1,), False)]
    return cases(
        *[make(sizes, hidden, back, *more[i : i + 1]) for i, (sizes, back) in enumerate(shapes)]
    )


def _rnn_forward(
    x: Array, w: Array, h: Array, sizes: Sizes, backwards: bool, relu: bool
) -> tuple[Array, ...]:
    size = w.shape[-1]
    _check(
        "rnn", sizes, input=(x, (len(x), size)), weight_hh=(w, (size, size)),
        hidden=(h, (sizes[0], size)),
    )  # fmt: skip
    if _has_kernel(x):
        return kernels.rnn(x, w, h, sizes, backwards, relu)  # type: ignore[no-any-return]
    return _plain(_RNN[relu], x, (h,), (w,), sizes, backwards)


def _rnn_gradients(
    g: Any, x: Array, w: Array, h: Array, sizes: Sizes, backwards: bool, relu: bool, residuals: Any
) -> Any:
    if _has_kernel(x):
        return kernels.rnn_backward(*g, w, *residuals, sizes, backwards, relu)
    dx, _, dw, _, (dh,) = _plain_backward(_RNN[relu], g, x, (h,), (w,), sizes, backwards)
    return dx, dw, dh


def _rnn_rule(
    g: Any, x: Any, w: Any, h: Any, sizes: Sizes, backwards: bool, relu: bool
) -> tuple[Any, ...]:
    cell = _RNN[relu]
    dx, _, dw, _, (dh,) = _back_through(_ON_TENSORS, cell, g, x, (h,), (w,), sizes, backwards)
    return dx, dw, dh


rnn = primitive(
    "rnn", _rnn_forward, inputs=3, results=2, vjp=_rnn_rule, fused=_rnn_gradients,
    sample=_sample(1, 1, False, True, True), batch=_folding((0, 2)),
    doc="All steps of an Elman network, from what the input contributes. Also the last states.",
)  # fmt: skip


def _lstm_all(
    x: Array, w: Array, h: Array, c: Array, p: Array | None, sizes: Sizes, backwards: bool
) -> tuple[Array, ...]:
    size, out = w.shape[0] // 4, w.shape[-1]
    extra = {} if p is None else {"weight_hr": (p, (out, size))}
    _check(
        "lstm", sizes, input=(x, (len(x), 4 * size)),
        weight_hh=(w, (4 * size, size if p is None else out)), hidden=(h, (sizes[0], out)),
        cell=(c, (sizes[0], size)), **extra,
    )  # fmt: skip
    if _has_kernel(x):
        return kernels.lstm(x, w, p, h, c, sizes, backwards)  # type: ignore[no-any-return]
    return _plain(_LSTM, x, (h, c), _weights(w, p), sizes, backwards)


def _weights(w: Any, p: Any) -> tuple[Any, ...]:
    return (w,) if p is None else (w, p)


def _lstm_gradients(
    g: Any, x: Array, w: Array, h: Array, c: Array, p: Array | None, sizes: Sizes, backwards: bool,
    residuals: Any,
) -> tuple[Any, ...]:  # fmt: skip
    if _has_kernel(x):
        dx, dw, dp, dh, dc = kernels.lstm_backward(*g, w, p, residuals, sizes, backwards)
    else:
        found = _plain_backward(_LSTM, g, x, (h, c), _weights(w, p), sizes, backwards)
        dx, _, dw, dp, (dh, dc) = found
    return dx, dw, dh, dc, dp


def _lstm_rule(
    g: Any, x: Any, w: Any, h: Any, c: Any, p: Any, sizes: Sizes, backwards: bool
) -> tuple[Any, ...]:
    dx, _, dw, dp, (dh, dc) = _back_through(
        _ON_TENSORS, _LSTM, g, x, (h, c), _weights(w, p), sizes, backwards
    )
    return dx, dw, dh, dc, dp


lstm = with_optional(
    ("lstm", "lstm_projected"), _lstm_all, _lstm_rule, inputs=5, results=3, fused=_lstm_gradients,
    sample=(_sample(4, 2), _sample(4, 2, projected=True)), batch=_folding((0, 2, 3)),
    docs=(
        "All steps of an LSTM, from what the input contributes. Also the last states and cells.",
        "The same with a projection of the hidden state.",
    ),
)  # fmt: skip


def _gru_all(
    x: Array, w: Array, b: Array, h: Array, sizes: Sizes, backwards: bool
) -> tuple[Array, ...]:
    size = w.shape[-1]
    _check(
        "gru", sizes, input=(x, (len(x), 3 * size)), weight_hh=(w, (3 * size, size)),
        bias_hh=(b, (3 * size,)), hidden=(h, (sizes[0], size)),
    )  # fmt: skip
    if _has_kernel(x):
        return kernels.gru(x, w, b, h, sizes, backwards)  # type: ignore[no-any-return]
    return _plain(_GRU, x, (h,), (w, b), sizes, backwards)


def _gru_gradients(
    g: Any, x: Array, w: Array, b: Array, h: Array, sizes: Sizes, backwards: bool, residuals: Any
) -> Any:
    if _has_kernel(x):
        return kernels.gru_backward(*g, w, *residuals, sizes, backwards)
    dx, ds, dw, _, (dh,) = _plain_backward(_GRU, g, x, (h,), (w, b), sizes, backwards)
    return dx, dw, ds.sum(0), dh


def _gru_rule(
    g: Any, x: Any, w: Any, b: Any, h: Any, sizes: Sizes, backwards: bool
) -> tuple[Any, ...]:
    dx, ds, dw, _, (dh,) = _back_through(_ON_TENSORS, _GRU, g, x, (h,), (w, b), sizes, backwards)
    return dx, dw, ds.sum(0), dh


gru = primitive(
    "gru", _gru_all, inputs=4, results=2, vjp=_gru_rule, fused=_gru_gradients,
    sample=_sample(3, 1, bias=True), batch=_folding((0, 3)),
    doc="All steps of a GRU, from what the input contributes. Also the last states.",
)  # fmt: skip
