"""What is measured of a layer: signals forward, gradients backward, weights and their steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = [
    "DERIVATIVE_SHARE",
    "Layer",
    "one_signed",
    "owned_rows",
    "rms",
    "rows_of",
    "saturated_share",
    "unit_axis",
]

Array = np.ndarray[Any, Any]

#: A unit is saturated where its activation's slope is less than this share of the largest slope.
#: tanh: ``1 - y^2 < 0.05`` from ``|y| > 0.975`` on; sigmoid: the same of ``2 y - 1``. Of normal
#: inputs with the deviation 1 that activations want, 3 % are.
DERIVATIVE_SHARE = 0.05

#: ``n Var(w)`` that keeps the variance of signals behind an activation (LeCun 1998, Glorot 2010,
#: He 2015): half of a ReLU's inputs are lost, so it wants 2; what is like the identity at 0, 1.
WANTED = {
    "relu": 2.0, "leaky_relu": 2.0, "relu6": 2.0, "elu": 1.5, "gelu": 2.0, "silu": 2.0, "mish": 2.0,
    "hardswish": 2.0, "softplus": 1.0, "selu": 1.0, "tanh": 1.0, "sigmoid": 1.0, "hardtanh": 1.0,
}  # fmt: skip
#: Where an activation passes nothing on at one side.
RECTIFIERS = ("relu", "relu6", "threshold")
#: Where it passes nothing on at both, and its range.
SQUASHING = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hardtanh": (-1.0, 1.0)}
ACTIVATIONS = tuple(WANTED)


def rms(a: Array) -> float:
    """The root of the mean square; of nothing 0."""
    if not a.size:
        return 0.0
    wide = np.asarray(a, np.float64)
    return math.sqrt(float(np.mean(wide * wide)))


def unit_axis(ndim: int, kind: str) -> int:
    """Along which axis units lie: channels of convolutions, the last one of others."""
    return 1 if kind == "conv" and ndim > 2 else ndim - 1


def rows_of(a: Array, kind: str) -> Array:
    """As (observations, units)."""
    if a.ndim < 2:
        return a.reshape(1, -1)
    axis = unit_axis(a.ndim, kind)
    return np.moveaxis(a, axis, -1).reshape(-1, a.shape[axis])


def owned_rows(w: Array, axis: int) -> Array:
    """A weight, or its gradient, as (units, what each unit reads)."""
    return np.moveaxis(w, axis, 0).reshape(w.shape[axis], -1)


def one_signed(g: Array, axis: int) -> float:
    """The share of the rows of a gradient in which all entries have the same sign."""
    rows = owned_rows(g, axis)
    return float(((rows >= 0).all(1) | (rows <= 0).all(1)).mean()) if rows.size else 0.0


def saturated_share(y: Array, activation: str) -> float:
    """The share of what a squashing activation gave where its slope is next to nothing."""
    if not y.size:
        return 0.0
    low, high = SQUASHING[activation]
    if activation == "hardtanh":
        return float(((y <= low) | (y >= high)).mean())
    share = (2 * y - low - high) / (high - low)
    return float((1 - share * share < DERIVATIVE_SHARE).mean())


@dataclass
class Layer:
    """A module with weights, or with an activation, as it was in one training step.

    Attributes
    ----------
    name : str
        Its path in the network.
    module : Module
    kind : {"linear", "conv", "recurrent", "norm", "embedding", "other"}
    weights : list of (str, Tensor, int)
        Matrices and filters: the name, the tensor, and along which axis its units lie.
    inputs, outputs : list of ndarray
        What it read and gave, one for each call.
    activation : str or None
        What is applied to what it gave, and ...
    activated : list of ndarray
        ... what came out.
    gradients : list of ndarray
        What arrived at its outputs.
    over_time : list of float
        Of a recurrent layer, the norm of the gradient of what it read, step by step.
    normalized : bool
        Whether a normalization reads what it gives: then the scale of its weights does not matter.
    from_norm : bool
        Whether it reads what a normalization gives.
    added : bool
        Whether what it gives is added to something else, as residual branches are.
    last : bool
        Whether its output is that of the network.
    """

    name: str
    module: Any
    kind: str
    weights: list[tuple[str, Any, int]] = field(default_factory=list)
    inputs: list[Array] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    activation: str | None = None
    activated: list[Array] = field(default_factory=list)
    gradients: list[Array] = field(default_factory=list)
    over_time: list[float] = field(default_factory=list)
    normalized: bool = False
    from_norm: bool = False
    added: bool = False
    last: bool = False

    # -- forward -----------------------------------------------------------------------------------

    @property
    def shown(self) -> list[Array]:
        """What leaves it: behind its activation, if it has one."""
        return self.activated or self.outputs

    def units(self) -> Array:
        """What its units gave, as (observations, units)."""
        return np.concatenate([rows_of(a, self.kind) for a in self.shown] or [np.zeros((0, 0))])

    def dead(self) -> float:
        """The share of rectified units that gave 0 for all observations."""
        if self.activation not in RECTIFIERS or not self.activated:
            return 0.0
        units = self.units()
        return float((units <= 0).all(0).mean()) if units.size else 0.0

    def saturated(self) -> float:
        """The share of what squashing units gave that lies where the slope is next to nothing."""
        if self.activation not in SQUASHING or not self.activated:
            return 0.0
        return saturated_share(self.units(), self.activation)

    # -- backward ----------------------------------------------------------------------------------

    def gradient(self) -> float | None:
        """The norm of what arrived at its outputs, all calls together; None if nothing did."""
        if not self.gradients:
            return None
        return math.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in self.gradients))

    # -- weights -----------------------------------------------------------------------------------

    def spread(self) -> float | None:
        """``n Var(w)`` around 0: by how much the variance grows in it, if inputs are independent.

        Of a recurrent layer, inputs and states together: they are added.
        """
        if not self.weights:
            return None
        total = 0.0
        for _, w, axis in self.weights:
            a = owned_rows(w.array, axis)
            total += a.shape[1] * float(np.mean(np.square(a, dtype=np.float64)))
        summed = 2 if self.kind == "recurrent" else 1
        return total * summed / len(self.weights)

    def wanted(self) -> float:
        """The ``n Var(w)`` that its activation wants."""
        return WANTED.get(self.activation or "", 1.0)
