"""One pass over the parameters per optimizer step, in place.

Every function works on contiguous one-dimensional arrays of one dtype (float32 or float64): a
parameter, its gradient, the optimizer's state. Several parameters kept in one buffer are one long
array to it. The arrays must not overlap. The order of operations is that of PyTorch's
single-tensor optimizers, so that results agree to rounding.

Hyperparameters are Python floats; they are rounded to the dtype of the parameter once, after
everything that depends on the step count has been computed in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigrad.kernels.jit import BLOCK, PARALLEL_MATH, jit, jit_sum
from minigrad.kernels.threads import parallel_for, pool_address
from minigrad.kernels.vecmath import maximum, sqrt

__all__ = ["adagrad", "adam", "rmsprop", "scale_", "sgd", "sumsq"]

Array = NDArray[np.floating]


def _update(shared: Any, body: Any, param: Array, *arguments: Any) -> None:
    """Run `body` on all of `param`, through the kernel `shared` where threads are worth it.

    A short array goes to the body itself: without ``parallel_for`` it compiles in half the time,
    which in the first step of a program is what counts.
    """
    if param.size >= PARALLEL_MATH:
        shared(pool_address(), param, *arguments)
    else:
        body(param, *arguments, 0, param.size)  # no more blocks than elements


@jit
def _blocks(x):  # type: ignore[no-untyped-def]
    return (x.size + BLOCK - 1) // BLOCK


# --- SGD ----------------------------------------------------------------------------------------


@jit
def _sgd_blocks(param, grad, buffer, lr, sign, decay, momentum, keep, nesterov, b0, b1):  # type: ignore[no-untyped-def]
    p, g = param[b0 * BLOCK : b1 * BLOCK], grad[b0 * BLOCK : b1 * BLOCK]
    if buffer.size == 0:
        for i in range(p.size):
            p[i] -= lr * (sign * g[i] + decay * p[i])
        return
    v = buffer[b0 * BLOCK : b1 * BLOCK]
    if nesterov:
        for i in range(p.size):
            d = sign * g[i] + decay * p[i]
            v[i] = momentum * v[i] + keep * d
            p[i] -= lr * (d + momentum * v[i])
    else:
        for i in range(p.size):
            v[i] = momentum * v[i] + keep * (sign * g[i] + decay * p[i])
            p[i] -= lr * v[i]


@jit
def _sgd(pool, param, grad, buffer, lr, sign, decay, momentum, keep, nesterov):  # type: ignore[no-untyped-def]
    arguments = (param, grad, buffer, lr, sign, decay, momentum, keep, nesterov)
    parallel_for(pool, _sgd_blocks, arguments, _blocks(param))


def sgd(
    param: Array,
    grad: Array,
    buffer: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    first: bool = False,
) -> None:
    """Gradient descent: ``buffer = momentum * buffer + (1 - dampening) * d; param -= lr * buffer``.

    Here ``d = grad + weight_decay * param`` (``-grad`` if `maximize`). With `nesterov` the step is
    ``d + momentum * buffer``; without a `buffer` it is ``d``.

    Parameters
    ----------
    param, grad : ndarray, one axis
        `param` is changed.
    buffer : ndarray, optional
        The velocity, changed; None if there is no momentum.
    first : bool
        The buffer is new: it becomes ``d`` without dampening, as in PyTorch.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([1.0, 2.0])
    >>> sgd(p, np.array([10.0, 0.0]), lr=0.1)
    >>> p
    array([0., 2.])
    """
    kind = param.dtype.type
    _update(
        _sgd,
        _sgd_blocks,
        param,
        grad,
        np.empty(0, param.dtype) if buffer is None else buffer,
        kind(lr),
        kind(-1 if maximize else 1),
        kind(weight_decay),
        kind(momentum),
        kind(1 if first else 1 - dampening),
        nesterov,
    )


# --- Adam and AdamW -----------------------------------------------------------------------------


@jit
def _adam_blocks(  # type: ignore[no-untyped-def]
    param, grad, mean, square, sign, shrink, decay, rest1, beta2, rest2, step, root, eps, b0, b1
):  # fmt: skip
    p, g = param[b0 * BLOCK : b1 * BLOCK], grad[b0 * BLOCK : b1 * BLOCK]
    m, v = mean[b0 * BLOCK : b1 * BLOCK], square[b0 * BLOCK : b1 * BLOCK]
    for i in range(p.size):
        value = p[i] * shrink
        d = sign * g[i] + decay * value
        m[i] += rest1 * (d - m[i])
        v[i] = v[i] * beta2 + rest2 * d * d
        p[i] = value - step * m[i] / (sqrt(v[i]) / root + eps)


@jit
def _adam(  # type: ignore[no-untyped-def]
    pool, param, grad, mean, square, sign, shrink, decay, rest1, beta2, rest2, step, root, eps
):  # fmt: skip
    arguments = (
        param, grad, mean, square, sign, shrink, decay, rest1, beta2, rest2, step, root, eps,
    )  # fmt: skip
    parallel_for(pool, _adam_blocks, arguments, _blocks(param))


@jit
def _amsgrad_blocks(  # type: ignore[no-untyped-def]
    param, grad, mean, square, top, sign, shrink, decay, rest1, beta2, rest2, step, root, eps,
    b0, b1,
):  # fmt: skip
    p, g = param[b0 * BLOCK : b1 * BLOCK], grad[b0 * BLOCK : b1 * BLOCK]
    m, v = mean[b0 * BLOCK : b1 * BLOCK], square[b0 * BLOCK : b1 * BLOCK]
    t = top[b0 * BLOCK : b1 * BLOCK]
    for i in range(p.size):
        value = p[i] * shrink
        d = sign * g[i] + decay * value
        m[i] += rest1 * (d - m[i])
        v[i] = v[i] * beta2 + rest2 * d * d
        t[i] = maximum(t[i], v[i])
        p[i] = value - step * m[i] / (sqrt(t[i]) / root + eps)


@jit
def _amsgrad(  # type: ignore[no-untyped-def]
    pool, param, grad, mean, square, top, sign, shrink, decay, rest1, beta2, rest2, step, root, eps
):  # fmt: skip
    arguments = (
        param, grad, mean, square, top, sign, shrink, decay, rest1, beta2, rest2, step, root, eps,
    )  # fmt: skip
    parallel_for(pool, _amsgrad_blocks, arguments, _blocks(param))


def adam(
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None = None,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> None:
    """One step of Adam, or of AdamW if `decoupled`.

    With ``d = grad`` (``-grad`` if `maximize`; ``+ weight_decay * param`` unless `decoupled`)::

        exp_avg += (1 - beta1) * (d - exp_avg)
        exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * d**2
        denom = sqrt(exp_avg_sq) / sqrt(1 - beta2**step) + eps
        param -= lr / (1 - beta1**step) * exp_avg / denom

    `decoupled` multiplies `param` by ``1 - lr * weight_decay`` first. With `max_exp_avg_sq`
    (AMSGrad) the largest ``exp_avg_sq`` so far takes its place in the denominator. (Kingma and Ba,
    2015; Reddi, Kale and Kumar, 2018; Loshchilov and Hutter, 2019.)

    Parameters
    ----------
    param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq : ndarray, one axis
        All but `grad` are changed.
    step : int
        Number of this step, from 1.

    Examples
    --------
    >>> import numpy as np
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adam(p, np.array([5.0]), m, v, step=1, lr=0.1)
    >>> p.round(6)
    array([0.9])
    """
    kind = param.dtype.type
    beta1, beta2 = betas
    plain = max_exp_avg_sq is None
    _update(
        _adam if plain else _amsgrad,
        _adam_blocks if plain else _amsgrad_blocks,
        param,
        grad,
        exp_avg,
        exp_avg_sq,
        *(() if plain else (max_exp_avg_sq,)),
        kind(-1 if maximize else 1),
        kind(1 - lr * weight_decay if decoupled else 1),
        kind(0 if decoupled else weight_decay),
        kind(1 - beta1),
        kind(beta2),
        kind(1 - beta2),
        kind(lr / (1 - beta1**step)),
        kind((1 - beta2**step) ** 0.5),
        kind(eps),
    )


# --- RMSprop and Adagrad ------------------------------------------------------------------------


@jit
def _rmsprop_blocks(  # type: ignore[no-untyped-def]
    param, grad, square, buffer, average, lr, sign, decay, alpha, rest, eps, momentum, b0, b1
):  # fmt: skip
    p, g = param[b0 * BLOCK : b1 * BLOCK], grad[b0 * BLOCK : b1 * BLOCK]
    s, v = square[b0 * BLOCK : b1 * BLOCK], buffer[b0 * BLOCK : b1 * BLOCK]
    a = average[b0 * BLOCK : b1 * BLOCK]
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        s[i] = s[i] * alpha + rest * d * d
        spread = s[i]
        if a.size > 0:
            a[i] += rest * (d - a[i])
            spread -= a[i] * a[i]
        update = d / (sqrt(spread) + eps)
        if v.size > 0:
            v[i] = momentum * v[i] + update
            update = v[i]
        p[i] -= lr * update


@jit
def _rmsprop(  # type: ignore[no-untyped-def]
    pool, param, grad, square, buffer, average, lr, sign, decay, alpha, rest, eps, momentum
):
    arguments = (
        param, grad, square, buffer, average, lr, sign, decay, alpha, rest, eps, momentum,
    )  # fmt: skip
    parallel_for(pool, _rmsprop_blocks, arguments, _blocks(param))


def rmsprop(
    param: Array,
    grad: Array,
    square_avg: Array,
    buffer: Array | None = None,
    grad_avg: Array | None = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    maximize: bool = False,
) -> None:
    """One step of RMSprop: ``param -= lr * d / (sqrt(square_avg) + eps)``.

    ``square_avg = alpha * square_avg + (1 - alpha) * d**2``, with ``d`` as in :func:`sgd`. With
    `grad_avg` (centered) the square of the average gradient is subtracted under the root; with
    `buffer` the steps go through a momentum buffer. (Hinton, Coursera lecture 6e, 2012.)

    Parameters
    ----------
    param, grad, square_avg, buffer, grad_avg : ndarray, one axis
        All but `grad` are changed.

    Examples
    --------
    >>> import numpy as np
    >>> p, s = np.array([1.0]), np.zeros(1)
    >>> rmsprop(p, np.array([2.0]), s, lr=0.1, alpha=0.0)
    >>> p.round(6), s
    (array([0.9]), array([4.]))
    """
    kind = param.dtype.type
    none = np.empty(0, param.dtype)
    _update(
        _rmsprop,
        _rmsprop_blocks,
        param,
        grad,
        square_avg,
        none if buffer is None else buffer,
        none if grad_avg is None else grad_avg,
        kind(lr),
        kind(-1 if maximize else 1),
        kind(weight_decay),
        kind(alpha),
        kind(1 - alpha),
        kind(eps),
        kind(momentum),
    )


@jit
def _adagrad_blocks(param, grad, total, lr, sign, decay, eps, b0, b1):  # type: ignore[no-untyped-def]
    p, g = param[b0 * BLOCK : b1 * BLOCK], grad[b0 * BLOCK : b1 * BLOCK]
    s = total[b0 * BLOCK : b1 * BLOCK]
    for i in range(p.size):
        d = sign * g[i] + decay * p[i]
        s[i] += d * d
        p[i] -= lr * d / (sqrt(s[i]) + eps)


@jit
def _adagrad(pool, param, grad, total, lr, sign, decay, eps):  # type: ignore[no-untyped-def]
    arguments = (param, grad, total, lr, sign, decay, eps)
    parallel_for(pool, _adagrad_blocks, arguments, _blocks(param))


def adagrad(
    param: Array,
    grad: Array,
    state_sum: Array,
    *,
    step: int,
    lr: float,
    lr_decay: float = 0.0,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> None:
    """One step of Adagrad: ``state_sum += d**2; param -= rate * d / (sqrt(state_sum) + eps)``.

    ``rate = lr / (1 + (step - 1) * lr_decay)``, with ``d`` as in :func:`sgd` and `step` counted
    from 1. (Duchi, Hazan and Singer, 2011.)

    Examples
    --------
    >>> import numpy as np
    >>> p, s = np.array([1.0]), np.zeros(1)
    >>> adagrad(p, np.array([2.0]), s, step=1, lr=0.1)
    >>> p.round(6), s
    (array([0.9]), array([4.]))
    """
    kind = param.dtype.type
    _update(
        _adagrad,
        _adagrad_blocks,
        param,
        grad,
        state_sum,
        kind(lr / (1 + (step - 1) * lr_decay)),
        kind(-1 if maximize else 1),
        kind(weight_decay),
        kind(eps),
    )


# --- Norms of gradients -------------------------------------------------------------------------


@jit_sum
def _block_sumsq(x):  # type: ignore[no-untyped-def]
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i] * x[i]
    return total


@jit
def _sumsq_blocks(x, parts, b0, b1):  # type: ignore[no-untyped-def]
    for b in range(b0, b1):
        parts[b] = _block_sumsq(x[b * BLOCK : (b + 1) * BLOCK])


@jit
def _sumsq(pool, x):  # type: ignore[no-untyped-def]
    parts = np.empty(_blocks(x), np.float64)
    parallel_for(pool, _sumsq_blocks, (x, parts), parts.size)
    total = 0.0
    for part in parts:
        total += part
    return total


def sumsq(x: Array) -> float:
    """Sum of squares of a contiguous one-dimensional array, blocks added in float64.

    Examples
    --------
    >>> import numpy as np
    >>> sumsq(np.array([3.0, 4.0], np.float32))
    25.0
    """
    return float(_sumsq(pool_address() if x.size >= PARALLEL_MATH else 0, x))


@jit
def _scale_blocks(x, factor, b0, b1):  # type: ignore[no-untyped-def]
    part = x[b0 * BLOCK : b1 * BLOCK]
    for i in range(part.size):
        part[i] *= factor


@jit
def _scale(pool, x, factor):  # type: ignore[no-untyped-def]
    parallel_for(pool, _scale_blocks, (x, factor), _blocks(x))


def scale_(x: Array, factor: float) -> None:
    """Multiply a contiguous one-dimensional array by a number, in place.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> scale_(x, 0.5)
    >>> x
    array([0.5, 1. ])
    """
    _update(_scale, _scale_blocks, x, x.dtype.type(factor))
