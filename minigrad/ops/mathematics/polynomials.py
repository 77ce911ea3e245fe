"""Orthogonal polynomials, by their three-term recurrences (Abramowitz and Stegun 1964, 22.7)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.core import dtypes
from minigrad.core.events import read
from minigrad.core.ops import elementwise as e
from minigrad.core.promotion import as_operand, cast, constant, result_type
from minigrad.core.public import called
from minigrad.core.tensor import Tensor

__all__ = ["FUNCTIONS"]

#: The polynomial of degree 1, and that of degree k + 1 from those of degrees k and k - 1.
_RECURRENCES: dict[str, tuple[Callable[[Any], Any], Callable[[Any, int, Any, Any], Any]]] = {
    "chebyshev_polynomial_t": (lambda x: x, lambda x, k, p, q: 2 * x * p - q),
    "chebyshev_polynomial_u": (lambda x: 2 * x, lambda x, k, p, q: 2 * x * p - q),
    "chebyshev_polynomial_v": (lambda x: 2 * x - 1, lambda x, k, p, q: 2 * x * p - q),
    "chebyshev_polynomial_w": (lambda x: 2 * x + 1, lambda x, k, p, q: 2 * x * p - q),
    "hermite_polynomial_h": (lambda x: 2 * x, lambda x, k, p, q: 2 * x * p - 2 * k * q),
    "hermite_polynomial_he": (lambda x: x, lambda x, k, p, q: x * p - k * q),
    "laguerre_polynomial_l": (
        lambda x: 1 - x, lambda x, k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)
    ),
    "legendre_polynomial_p": (
        lambda x: x, lambda x, k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)
    ),
}  # fmt: skip


#: Each degree is a step of a loop; rounding errors would long have taken over.
_HIGHEST = 10_000


def _degree(name: str, n: Any) -> int:
    """A degree given as a number."""
    if not isinstance(n, (int, float, np.number)):
        raise TypeError(f"{name}(): argument 'n' must be Tensor or Number, not {type(n).__name__}")
    return int(n) if math.isfinite(n) else -1


def _declared(name: str, base: str, text: str) -> Callable[..., Tensor]:
    first, step = _RECURRENCES[base]
    shifted = name.startswith("shifted_")

    @called(
        name,
        f"{text} of degree `n` (a number, or a tensor of them), by its recurrence; 0 for negative "
        "degrees.",
    )
    def function(input: Any, n: Any) -> Tensor:
        kind = result_type(input, n)
        if not kind.is_floating_point:
            kind = dtypes.get_default_dtype()
        x = input if isinstance(input, Tensor) else constant(input, kind.numpy)
        x = cast(as_operand(x, name, 0), kind.numpy)
        if isinstance(n, Tensor):
            degree = n.detach().trunc()
        else:
            degree = constant(_degree(name, n), np.dtype(np.int64))
        if shifted:
            x = 2 * x - 1
        read(name, degree)  # it decides how many steps there are
        top = int(degree.array.max()) if degree.array.size else 0
        if top > _HIGHEST:
            raise RuntimeError(f"{name}: degree {top} is too high: at most {_HIGHEST}")
        one = e.choose(e.isnan(x), x, constant(1.0, kind.numpy))
        before, now = one, first(x)
        y = e.choose(e.lt(degree, 0), 0.0, one)
        for k in range(1, top + 1):
            y = e.choose(e.eq(degree, k), now, y)
            if k < top:
                before, now = now, step(x, k, now, before)
        return y

    return function


_NAMES = {
    "chebyshev_polynomial_t": "Chebyshev's polynomial of the first kind",
    "chebyshev_polynomial_u": "Chebyshev's polynomial of the second kind",
    "chebyshev_polynomial_v": "Chebyshev's polynomial of the third kind",
    "chebyshev_polynomial_w": "Chebyshev's polynomial of the fourth kind",
    "hermite_polynomial_h": "The physicists' Hermite polynomial",
    "hermite_polynomial_he": "The probabilists' Hermite polynomial",
    "laguerre_polynomial_l": "Laguerre's polynomial",
    "legendre_polynomial_p": "Legendre's polynomial",
}
#: All of them by name; the shifted ones are of ``2 x - 1``.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    name: _declared(name, name, text) for name, text in _NAMES.items()
}
for _kind in "tuvw":
    _base = f"chebyshev_polynomial_{_kind}"
    FUNCTIONS[f"shifted_{_base}"] = _declared(f"shifted_{_base}", _base, f"Shifted {_NAMES[_base]}")
