"""Are the gradients of a whole network right? Every parameter, checked on a copy in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.autograd import numeric
from minigrad.autograd.graph import grad
from minigrad.autograd.report import Element, acceptable
from minigrad.core.modes import no_grad
from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Array, Tensor

__all__ = ["ParameterCheck", "check_model"]


@dataclass(frozen=True)
class ParameterCheck:
    """The check of one parameter.

    Attributes
    ----------
    name : str
        Its dotted name in the model, or ``input 0``.
    layer : str
        The kind of layer it belongs to.
    shape : tuple of int
    checked : int
        How many of its elements were compared.
    kinks : int
        How many more lay at a kink of the loss, and were left out.
    error : float
        The largest relative error.
    index : tuple of int
        Where it was.
    analytic, numeric : float
        Both values there.
    ok : bool
        Whether all agree within `rtol`.
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    checked: int
    kinks: int
    error: float
    index: tuple[int, ...]
    analytic: float
    numeric: float
    ok: bool


class _Model:
    """A copy of a model in float64 whose loss is the same function each time it is asked."""

    def __init__(
        self, model: Any, loss_fn: Callable[[Any], Tensor], inputs: tuple[Any, ...]
    ) -> None:
        self.model = copy.deepcopy(model).double()
        self.loss_fn = loss_fn
        self.inputs = tuple(_wide(x) for x in inputs)
        self.buffers = [(b, b.array.copy()) for b in self.model.buffers()]
        self.state = PUBLIC["get_rng_state"]()

    def loss(self) -> Tensor:
        """The loss, from the same random state and the same running statistics."""
        PUBLIC["set_rng_state"](self.state)
        self.restore()
        out = self.loss_fn(self.model(*self.inputs))
        if out.array.size != 1:
            raise ValueError(f"the loss must be one number, got shape {list(out.array.shape)}")
        return out

    def restore(self) -> None:
        for b, array in self.buffers:
            b.array[...] = array

    def along(self, t: Tensor, index: tuple[int, ...]) -> numeric.Along:
        """The loss where one element of a parameter moves."""
        known: dict[float, Array] = {}
        here = t.array[index].copy()

        def at(step: float) -> Array:
            if step not in known:
                t.array[index] = here + step
                try:
                    with no_grad():
                        known[step] = self.loss().array.astype(np.float64).reshape(1)
                finally:
                    t.array[index] = here
            return known[step]

        return at


def _wide(x: Any) -> Any:
    """A leaf in float64 made of a floating input; anything else as it is."""
    if isinstance(x, Tensor) and x.is_floating_point():
        t = Tensor(x.array.astype(np.float64))
        t._requires_grad = x.requires_grad
        return t
    return x


def check_model(
    model: Any,
    loss_fn: Callable[[Any], Tensor],
    inputs: Any,
    *,
    samples: int = 8,
    rtol: float = 1e-4,
    seed: int = 0,
) -> list[ParameterCheck]:
    """Compare the gradient of every parameter of a model with finite differences.

    The check runs on a copy in float64, so the model does not change. Before each evaluation the
    random state and the buffers are put back: dropout drops the same units, and running statistics
    do not run. An element where the loss has a kink (a ``relu`` or a maximum that switches within
    the smallest step) is left out and another one taken.

    Parameters
    ----------
    model : Module
        In training or evaluation mode, as it is to be checked.
    loss_fn : callable
        From what the model returns to a number.
    inputs : Tensor or tuple
        The arguments of the model. Those that require grad are checked, too.
    samples : int
        How many elements of each parameter: those with the largest gradients, and random ones.
    rtol : float
        What counts as agreement, relative to the larger of both values and to a thousandth of the
        largest gradient of the parameter.
    seed : int
        For the choice of elements.

    Returns
    -------
    list of ParameterCheck
    """
    args = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    before = PUBLIC["get_rng_state"]()
    try:
        copy_ = _Model(model, loss_fn, args)
        named = [(name, _layer(copy_.model, name), p) for name, p in copy_.model.named_parameters()]
        named += [
            (f"input {i}", "", x)
            for i, x in enumerate(copy_.inputs)
            if isinstance(x, Tensor) and x.requires_grad
        ]
        wanted = [p for _, _, p in named if p.requires_grad]
        found = iter(grad(copy_.loss(), wanted, allow_unused=True))
        rng = np.random.default_rng(seed)
        rows = []
        for name, layer, p in named:
            if p.requires_grad:
                g = next(found)
                analytic = np.zeros(p.array.shape) if g is None else g.array
                rows.append(_check_parameter(copy_, name, layer, p, analytic, samples, rtol, rng))
        return rows
    finally:
        PUBLIC["set_rng_state"](before)


def _layer(model: Any, name: str) -> str:
    """The class of the module that owns a parameter."""
    path = name.split(".")[:-1]
    for part in path:
        model = getattr(model, part)
    return type(model).__name__


def _choose(analytic: Array, samples: int, rng: np.random.Generator) -> list[int]:
    """The elements with the largest gradients, then random ones; more than needed, for kinks."""
    n = analytic.size
    largest = np.argsort(-np.abs(analytic).reshape(-1), kind="stable")[: (samples + 1) // 2]
    random = rng.choice(n, size=min(n, 3 * samples), replace=False)
    return list(dict.fromkeys(int(i) for i in (*largest, *random)))


def _check_parameter(
    model: _Model,
    name: str,
    layer: str,
    p: Tensor,
    analytic: Array,
    samples: int,
    rtol: float,
    rng: np.random.Generator,
) -> ParameterCheck:
    floor = max(1e-3 * float(np.max(np.abs(analytic), initial=0.0)), 1e-8)

    def error(a: float, n: float) -> float:
        return abs(a - n) / max(abs(a), abs(n), floor)

    def close(a: float, n: float) -> bool:
        return error(a, n) <= rtol

    worst: tuple[float, tuple[int, ...], float, float] = (0.0, (), math.nan, math.nan)
    checked, kinks, ok = 0, 0, True
    for flat in _choose(analytic, samples, rng):
        if checked >= samples:
            break
        index = tuple(int(i) for i in np.unravel_index(flat, analytic.shape))
        claimed = float(analytic[index])
        at = model.along(p, index)
        h = numeric.round_step(2.0**-12, abs(float(p.array[index])))
        slope = numeric.Slope(float(numeric.central(at, h)[0]), h)
        if not close(claimed, slope.value):
            slope = numeric.refine(at, h, 0, claimed, close)
        element = Element(0, index, 0, (), claimed, *slope, error=0.0)
        if slope.kind != "smooth" and acceptable(element, close):
            kinks += 1
            continue
        checked += 1
        off = error(claimed, slope.value)
        ok = ok and off <= rtol
        if off >= worst[0] or not worst[1]:
            worst = (off, index, claimed, slope.value)
    model.restore()
    return ParameterCheck(name, layer, analytic.shape, checked, kinks, *worst, ok)
