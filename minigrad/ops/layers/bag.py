"""Sums of bags of rows of a table (embedding bags), bilinear in the table and the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.declare import primitive
from minigrad.core.public import OpFunction
from minigrad.core.samples import cases
from minigrad.kernels.run.lazy import lazy
from minigrad.ops.batching import each

__all__ = ["bag_sums"]

Array = np.ndarray[Any, Any]
kernels = lazy("bag")


def _places(rng: np.random.Generator) -> tuple[Array, Array]:
    """Indices below 4, and where bags of them start: the second is empty, one index in none."""
    return np.array([0, 3, 3, 1, 2]), np.array([0, 2, 2, 4])


bag_sums: OpFunction = primitive(
    "bag_sums", lambda w, scale, index, starts: kernels.bag_sums(w, scale, index, starts), inputs=4,
    vjp=(
        lambda g, scale, index, starts, x_shape: _spread((g, scale, index, starts), (x_shape[0],)),
        lambda g, w, index, starts: _dots((g, w, index, starts), (w.array.shape[0],)),
        None, None,
    ),
    sample=cases(
        lambda rng: ((rng.normal(size=(4, 3)), rng.normal(size=5), *_places(rng)), ()),
    ),
    batch=each, doc="``sum(scale[i] * w[index[i]])`` over each bag.",
)  # fmt: skip
_spread: OpFunction = primitive(
    "bag_spread", lambda x, scale, index, starts, rows: kernels.bag_spread(
        x, scale, index, starts, rows
    ),
    inputs=4,
    vjp=(
        lambda g, scale, index, starts: bag_sums((g, scale, index, starts)),
        lambda g, x, index, starts, rows: _dots((x, g, index, starts), (rows,)),
        None, None,
    ),
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 2)), rng.normal(size=5), *_places(rng)), (4,)),
    ),
    batch=each, doc="The derivative of `bag_sums` for the table, of `rows` rows.",
)  # fmt: skip
_dots: OpFunction = primitive(
    "bag_dots", lambda x, w, index, starts, rows: kernels.bag_dots(x, w, index, starts), inputs=4,
    vjp=(
        lambda g, w, index, starts: bag_sums((w, g, index, starts)),
        lambda g, x, index, starts, rows: _spread((x, g, index, starts), (rows,)),
        None, None,
    ),
    sample=cases(
        lambda rng: ((rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), *_places(rng)), (4,)),
    ),
    batch=each, doc="The derivative of `bag_sums` for the scale; `rows` is the size of the table.",
)  # fmt: skip
