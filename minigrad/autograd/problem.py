"""What a gradient check is about: a function of tensors, as a function of float64 arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd import numeric
from minigrad.autograd.graph import grad
from minigrad.core.modes import enable_grad
from minigrad.core.tensor import Array, Tensor

__all__ = ["Function", "Problem", "direction_of"]

Function = Callable[..., Any]


def direction_of(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A direction whose components are neither tiny nor larger than 1."""
    return np.asarray(rng.uniform(0.3, 1.0, shape) * rng.choice([-1.0, 1.0], shape))


class Problem:
    """A function of several tensors as a function of float64 arrays, and its gradients."""

    def __init__(self, func: Function, inputs: Any, eps: float | None) -> None:
        self.func = func
        self.inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
        self.which = [
            i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad
        ]
        if not self.which:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them "
                "have requires_grad=True."
            )
        self.original = [x.array if isinstance(x, Tensor) else x for x in self.inputs]
        self.arrays = list(self.original)
        self.widened = self._widen()
        dtypes = [self.arrays[i].dtype for i in self.which]
        self.dtype = min(dtypes, key=lambda d: d.itemsize)
        low = numeric.default_step(self.dtype)
        self.step = low if eps is None or self.dtype != np.float64 else eps

    def _widen(self) -> bool:
        """Go over to float64 if the inputs are of a smaller type, and the function follows."""
        floats = [isinstance(x, Tensor) and x.is_floating_point() for x in self.inputs]
        wide = [
            a.astype(np.float64) if f else a for a, f in zip(self.original, floats, strict=True)
        ]
        if all(a.dtype == np.float64 for a, f in zip(self.original, floats, strict=True) if f):
            return False
        try:
            outs = self.call(wide)
        except (RuntimeError, TypeError, ValueError):
            return False
        if any(y.array.dtype != np.float64 for y in outs):
            return False
        self.arrays = wide
        return True

    def tensors(self, arrays: Sequence[Any]) -> list[Any]:
        """New leaves, so that the function may write over its arguments."""
        made: list[Any] = []
        for x, a in zip(self.inputs, arrays, strict=True):
            if isinstance(x, Tensor):
                t = Tensor(np.array(a, order="K"))
                t._requires_grad = x.requires_grad
                made.append(t)
            else:
                made.append(a)
        return made

    def call(self, arrays: Sequence[Any], made: list[Any] | None = None) -> list[Tensor]:
        """The floating point results."""
        with enable_grad():
            out = self.func(*(made or self.tensors(arrays)))
        outs = out if isinstance(out, (tuple, list)) else (out,)
        found = [y for y in outs if isinstance(y, Tensor) and y.is_floating_point()]
        if not found:
            raise ValueError("gradcheck expects the function to return floating point tensors")
        return found

    def values(self, arrays: Sequence[Any]) -> Array:
        """All results as one vector."""
        return np.concatenate([y.array.astype(np.float64).reshape(-1) for y in self.call(arrays)])

    def along(self, i: int, direction: Any) -> numeric.Along:
        """The results where input `i` moves; `direction` is an index or an array."""
        known: dict[float, Array] = {}

        def at(t: float) -> Array:
            if t not in known:
                arrays = list(self.arrays)
                moved = np.array(arrays[i], order="K")
                if isinstance(direction, tuple):
                    moved[direction] += moved.dtype.type(t)
                else:
                    moved += (t * direction).astype(moved.dtype)
                arrays[i] = moved
                known[t] = self.values(arrays)
            return known[t]

        return at

    def gradients(self, outs: list[Tensor], leaves: list[Tensor], o: int, v: Array) -> list[Array]:
        """``v^T J`` of output `o`, for each differentiable input."""
        if not outs[o].requires_grad:
            return [np.zeros(x.array.shape) for x in leaves]
        flow = Tensor(v.reshape(outs[o].array.shape).astype(outs[o].array.dtype))
        found = grad(outs[o], leaves, flow, retain_graph=True, allow_unused=True)
        return [
            np.zeros(x.array.shape) if g is None else g.array
            for x, g in zip(leaves, found, strict=True)
        ]

    def start(self, arrays: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs with their graph, and the leaves they were computed from."""
        made = self.tensors(arrays)
        leaves = [made[i] for i in self.which]
        return self.call(arrays, made), leaves
