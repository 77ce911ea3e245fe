"""Why a gradient may be wrong: the usual mistakes, recognised by what they do to a Jacobian."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["likely_cause", "swapped"]

Array = np.ndarray[Any, Any]


def _agree(a: Array, b: Array, rtol: float = 1e-3) -> bool:
    scale = float(np.max(np.abs(b), initial=0.0))
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= rtol * scale + 1e-12))


def likely_cause(
    analytic: Array, numeric: Array, x: Array, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> str:
    """What may be wrong with a derivative rule, from the Jacobian it gives and the right one.

    Parameters
    ----------
    analytic, numeric : numpy.ndarray
        The Jacobians, one row per element of the input, one column per element of the output.
    x : numpy.ndarray
        The elements of the input.
    in_shape, out_shape : tuple of int
        The shapes of input and output.

    Returns
    -------
    str
        A sentence, or nothing.

    Examples
    --------
    >>> right = np.diag([1.0, 2.0, 3.0])
    >>> likely_cause(2 * right, right, np.ones(3), (3,), (3,))
    'The gradient is 2 times what it should be, everywhere: a factor 1/2 is missing in the rule.'
    """
    if not np.all(np.isfinite(analytic)):
        where = "where the function is finite" if np.all(np.isfinite(numeric)) else "there"
        return (
            f"The gradient is NaN or infinite {where}: look for 0/0, 0 * inf, log(0) or inf - inf "
            "in the rule."
        )
    if not np.all(np.isfinite(numeric)):
        return "The function is not finite around this point: it may lie on the edge of its domain."
    for found in (
        _cut(analytic, numeric),
        _factor(analytic, numeric, in_shape, out_shape),
        _transposed(analytic, numeric, in_shape),
        _missing_terms(analytic, numeric),
        _power_of_input(analytic, numeric, x),
    ):
        if found:
            return found
    return ""


def _cut(analytic: Array, numeric: Array) -> str:
    if not analytic.any() and np.max(np.abs(numeric), initial=0.0) > 1e-6:
        return (
            "The gradient is 0 everywhere though the function does change: the graph was cut, by "
            "detach(), .data, .item(), numpy(), or no_grad()?"
        )
    return ""


def _spell(c: float) -> str:
    """A factor as a small fraction where it is one."""
    for bottom in range(1, 65):
        top = c * bottom
        if abs(top - round(top)) < 1e-3 * abs(top) and round(top) and abs(round(top)) <= 4096:
            return f"{round(top)}" if bottom == 1 else f"{round(top)}/{bottom}"
    return f"{c:.6g}"


def _factor(
    analytic: Array, numeric: Array, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> str:
    squared = float(np.sum(numeric * numeric))
    if squared == 0:
        return ""
    c = float(np.sum(analytic * numeric)) / squared
    if abs(c) < 1e-6 or abs(c - 1) < 1e-3 or not _agree(analytic, c * numeric):
        return ""
    if abs(c + 1) < 1e-3:
        return "The gradient has the wrong sign, everywhere."
    text = (
        f"The gradient is {_spell(c)} times what it should be, everywhere: a factor "
        f"{_spell(1 / c)} is missing in the rule."
    )
    sizes = {n for n in (*in_shape, *out_shape, math.prod(in_shape), math.prod(out_shape)) if n > 2}
    if any(abs(c - n) < 1e-3 * n for n in sizes):
        text += " It is a size of the tensors: a mean differentiated as a sum?"
    elif any(abs(c * n - 1) < 1e-3 for n in sizes):
        text += " Its inverse is a size of the tensors: a sum differentiated as a mean?"
    return text


def _transposed(analytic: Array, numeric: Array, in_shape: tuple[int, ...]) -> str:
    if analytic.shape[0] == analytic.shape[1] and _agree(analytic.T, numeric):
        return "The Jacobian is transposed: the rule multiplies by J instead of its transpose."
    if len(in_shape) == 2 and in_shape[0] > 1 and in_shape[1] > 1:
        turned = analytic.reshape(*in_shape, -1)
        for candidate in (
            turned.transpose(1, 0, 2).reshape(analytic.shape)
            if in_shape[0] == in_shape[1]
            else None,
            analytic.reshape(in_shape[1], in_shape[0], -1)
            .transpose(1, 0, 2)
            .reshape(analytic.shape),
        ):
            if candidate is not None and _agree(candidate, numeric):
                return (
                    "The gradient is that of the transposed input: a transpose is missing in the "
                    "rule."
                )
    return ""


def _missing_terms(analytic: Array, numeric: Array) -> str:
    """Right where it is not 0: some ways from input to output were forgotten."""
    scale = float(np.max(np.abs(numeric), initial=0.0))
    lost = (np.abs(analytic) <= 1e-9 * scale) & (np.abs(numeric) > 1e-3 * scale)
    kept = ~lost
    if not lost.any() or lost.all() or not _agree(analytic[kept], numeric[kept]):
        return ""
    share = lost.sum() / np.sum(np.abs(numeric) > 1e-3 * scale)
    present = kept & (np.abs(numeric) > 1e-3 * scale)
    if np.any(lost.any(axis=1) & present.any(axis=1)):
        return (
            f"The gradient is right where it is not 0, but {share:.0%} of the terms are missing: "
            "an element that is used several times (broadcast, indexed twice, read by several "
            "outputs) must get the sum over all its uses."
        )
    return (
        f"The gradient is right for some elements of the input and 0 for others ({share:.0%} of "
        "the terms): part of the input is cut off from the graph."
    )


def _power_of_input(analytic: Array, numeric: Array, x: Array) -> str:
    scale = float(np.max(np.abs(numeric), initial=0.0))
    if x.size < 2 or np.ptp(np.abs(x)) < 1e-6 or not np.all(x):
        return ""
    column = x.reshape(-1, 1)
    for factor, text in (
        (column, "x times"), (1 / column, "1/x times"), (2 * column, "2x times"),
        (np.exp(column), "exp(x) times"),
    ):  # fmt: skip
        if scale and _agree(analytic, factor * numeric):
            return f"The gradient is {text} what it should be, x being the input."
    return ""


def swapped(analytic: list[Array], numeric: list[Array]) -> str:
    """Whether two inputs got each other's gradient."""
    for i in range(len(analytic)):
        for j in range(i):
            crossed = _agree(analytic[i], numeric[j]) and _agree(analytic[j], numeric[i])
            if crossed and not _agree(numeric[i], numeric[j]):
                return f"Inputs {j} and {i} got each other's gradient."
    return ""
