"""The arithmetic of the optimizers: one pass over the memory in each step, in place.

Each function updates one piece of a parameter ``p`` with gradient ``g``; how they are called, for
many parameters at once, is in :mod:`minigrad.kernels.optim_pieces`. The order of operations is that
of PyTorch's single-tensor optimizers, so that results agree to rounding. All options are numbers of
the type of the parameter: whatever depends on the number of the step has been computed before, in
float64. Two of them are the same everywhere: ``sign`` is -1 to maximize, and ``decay`` the factor
of the L2 penalty.
"""

from __future__ import annotations

from minigrad.kernels.math.vecmath import fabs, maximum, minimum, select, sqrt
from minigrad.kernels.optim_pieces import Pieces, update
from minigrad.kernels.run.bodies import inner

__all__ = [
    "Pieces", "adadelta", "adagrad", "adam", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop",
    "sgd",
]  # fmt: skip


@inner
def _slope(g, p, sign, decay):
    """The gradient with its penalty; without one, an infinite parameter does no harm."""
    zero = decay - decay
    return sign * g + select(decay != zero, decay * p, zero)


@update
def sgd(p, g, buffer, _1, _2, sign, decay, lr, momentum, keep, nesterov):
    """``buffer = momentum buffer + keep d; p -= lr buffer``, or Nesterov's ``d + momentum buffer``.

    ``keep`` is 1 - dampening (1 in the first step). Without a buffer the step is ``lr d``.
    """
    if buffer.size == 0:
        for i in range(p.size):
            p[i] -= lr * _slope(g[i], p[i], sign, decay)
    elif nesterov != 0:
        for i in range(p.size):
            d = _slope(g[i], p[i], sign, decay)
            buffer[i] = momentum * buffer[i] + keep * d
            p[i] -= lr * (d + momentum * buffer[i])
    else:
        for i in range(p.size):
            buffer[i] = momentum * buffer[i] + keep * _slope(g[i], p[i], sign, decay)
            p[i] -= lr * buffer[i]


@update
def adam(p, g, m, v, top, sign, decay, shrink, rest1, beta2, rest2, rate, root, eps):
    """Adam, AdamW (``shrink = 1 - lr weight_decay``) and, with a ``top``, AMSGrad.

    ``m += rest1 (d - m); v = beta2 v + rest2 d**2; p -= rate m / (sqrt(v) / root + eps)``
    """
    if top.size == 0:
        for i in range(p.size):
            value = p[i] * shrink
            d = _slope(g[i], value, sign, decay)
            m[i] += rest1 * (d - m[i])
            v[i] = v[i] * beta2 + rest2 * d * d
            p[i] = value - rate * m[i] / (sqrt(v[i]) / root + eps)
    else:
        for i in range(p.size):
            value = p[i] * shrink
            d = _slope(g[i], value, sign, decay)
            m[i] += rest1 * (d - m[i])
            v[i] = v[i] * beta2 + rest2 * d * d
            top[i] = maximum(top[i], v[i])
            p[i] = value - rate * m[i] / (sqrt(top[i]) / root + eps)


@update
def nadam(p, g, m, v, _2, sign, decay, shrink, rest1, beta2, rest2, now, ahead, correction, eps):
    """Adam's averages; ``p -= (now d + ahead m) / (sqrt(v / correction) + eps)``."""
    for i in range(p.size):
        value = p[i] * shrink
        d = _slope(g[i], value, sign, decay)
        m[i] += rest1 * (d - m[i])
        v[i] = v[i] * beta2 + rest2 * d * d
        p[i] = value - (now * d + ahead * m[i]) / (sqrt(v[i] / correction) + eps)


@update
def radam(p, g, m, v, _2, sign, decay, shrink, rest1, beta2, rest2, rate, rectified, eps):
    """Adam's averages; ``p -= rate m``, divided by ``sqrt(v) + eps`` if it is ``rectified``."""
    if rectified != 0:
        for i in range(p.size):
            value = p[i] * shrink
            d = _slope(g[i], value, sign, decay)
            m[i] += rest1 * (d - m[i])
            v[i] = v[i] * beta2 + rest2 * d * d
            p[i] = value - rate * m[i] / (sqrt(v[i]) + eps)
    else:
        for i in range(p.size):
            value = p[i] * shrink
            d = _slope(g[i], value, sign, decay)
            m[i] += rest1 * (d - m[i])
            v[i] = v[i] * beta2 + rest2 * d * d
            p[i] = value - rate * m[i]


@update
def adamax(p, g, m, u, _2, sign, decay, rest1, beta2, rate, eps):
    """``m += rest1 (d - m); u = max(beta2 u, |d| + eps); p -= rate m / u``."""
    for i in range(p.size):
        d = _slope(g[i], p[i], sign, decay)
        m[i] += rest1 * (d - m[i])
        u[i] = maximum(u[i] * beta2, fabs(d) + eps)
        p[i] -= rate * m[i] / u[i]


@update
def rmsprop(p, g, square, buffer, average, sign, decay, lr, alpha, rest, eps, inside, momentum):
    """``square = alpha square + rest d**2; p -= lr d / (sqrt(square + inside) + eps)``.

    With an ``average`` of ``d`` its square is subtracted under the root; with a ``buffer`` the
    steps go through a momentum.
    """
    for i in range(p.size):
        d = _slope(g[i], p[i], sign, decay)
        square[i] = square[i] * alpha + rest * d * d
        spread = square[i]
        if average.size > 0:
            average[i] += rest * (d - average[i])
            spread -= average[i] * average[i]
        step = d / (sqrt(spread + inside) + eps)
        if buffer.size > 0:
            buffer[i] = momentum * buffer[i] + step
            step = buffer[i]
        p[i] -= lr * step


@update
def adagrad(p, g, total, _1, _2, sign, decay, rate, eps, inside):
    """``total += d**2; p -= rate d / (sqrt(total + inside) + eps)``."""
    for i in range(p.size):
        d = _slope(g[i], p[i], sign, decay)
        total[i] += d * d
        p[i] -= rate * d / (sqrt(total[i] + inside) + eps)


@update
def adadelta(p, g, square, moved, _2, sign, decay, lr, rho, rest, eps):
    """``square`` and ``moved`` average ``d**2`` and ``step**2``; ``p -= lr step``.

    ``step = sqrt(moved + eps) / sqrt(square + eps) d``
    """
    for i in range(p.size):
        d = _slope(g[i], p[i], sign, decay)
        square[i] = square[i] * rho + rest * d * d
        step = sqrt(moved[i] + eps) / sqrt(square[i] + eps) * d
        moved[i] = moved[i] * rho + rest * step * step
        p[i] -= lr * step


@update
def rprop(p, g, before, size, _2, sign, shrink, stay, grow, smallest, largest):
    """``size`` grows where the sign of the gradient is the same as ``before``, else it shrinks.

    ``p -= sign(d) size``, and not at all where the sign has changed; ``stay`` is 1.
    """
    zero = stay - stay
    for i in range(p.size):
        d = sign * g[i]
        same = d * before[i]
        factor = select(same > zero, grow, select(same < zero, shrink, stay))
        size[i] = minimum(maximum(size[i] * factor, smallest), largest)
        d = select(same < zero, zero, d)
        before[i] = d
        p[i] -= select(d > zero, size[i], select(d < zero, -size[i], zero))


@update
def asgd(p, g, average, _1, _2, sign, decay, shrink, eta, mu):
    """``p = shrink p - eta d; average += mu (p - average)``; where mu is 1, a copy."""
    for i in range(p.size):
        d = _slope(g[i], p[i], sign, decay)
        p[i] = p[i] * shrink - eta * d
        average[i] = select(mu == 1, p[i], average[i] + mu * (p[i] - average[i]))
