"""L-BFGS: steps by the curvature of the loss, learnt from the last gradients."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.tensor import Array, Tensor
from minigrad.optim.optimizer import Optimizer, Params
from minigrad.optim.options import as_number, checked
from minigrad.optim.runs import work_dtype
from minigrad.optim.wolfe import Trial, strong_wolfe

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS, the quasi-Newton method with limited memory (Liu & Nocedal 1989).

    Newton's step is ``-H g``, with the inverse ``H`` of the matrix of second derivatives. Here
    ``H`` is not computed but learnt: each step ``s`` along which the gradient has changed by ``y``
    says that ``H y = s``. The last `history_size` of such pairs are kept, and ``H g`` is computed
    from them in two loops (Nocedal & Wright 2006, algorithm 7.4). For whole batches: the loss must
    be the same function each time.

    Parameters
    ----------
    params : iterable of Tensor
        One group only.
    lr : float
        The step; with a line search, the first one that is tried.
    max_iter : int
        Iterations in each :meth:`step`.
    max_eval : int, optional
        Evaluations of the loss in each :meth:`step`; by default ``max_iter * 5 // 4``.
    tolerance_grad : float
        Stop when no gradient is larger.
    tolerance_change : float
        Stop when the loss, or all parameters, change less.
    history_size : int
        How many pairs are kept.
    line_search_fn : {"strong_wolfe"}, optional
        How the length of each step is found (:func:`~minigrad.optim.wolfe.strong_wolfe`); None for
        steps of `lr`.

    Raises
    ------
    ValueError
        For a negative rate, and for more than one parameter group.
    RuntimeError
        By :meth:`step`, for another `line_search_fn`.

    Notes
    -----
    The state of the first parameter holds everything, under PyTorch's names, for all parameters
    flattened one after the other: ``old_stps`` and ``old_dirs`` are the ``s`` and ``y``, ``ro`` is
    ``1 / (y s)``, ``d`` and ``t`` are the last direction and step.

    Examples
    --------
    Rosenbrock's valley, where gradient descent takes tens of thousands of steps:

    >>> import minigrad as mg
    >>> from minigrad.optim import LBFGS
    >>> w = mg.tensor([-1.2, 1.0], dtype=mg.float64, requires_grad=True)
    >>> opt = LBFGS([w], max_iter=50, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> first = opt.step(closure)
    >>> w.detach()
    tensor([1.0000, 1.0000], dtype=minigrad.float64)
    """

    _counts = ()

    def __init__(
        self,
        params: Params,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, checked(locals()))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any]) -> Any:
        """Make up to `max_iter` iterations.

        Parameters
        ----------
        closure : callable
            Computes the loss anew, with its gradients, and returns it.

        Returns
        -------
        The loss that `closure` returned first.
        """
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        search = group["line_search_fn"]

        @enable_grad()
        def evaluate() -> tuple[Any, float, Array]:
            result = closure()
            state["func_evals"] += 1
            return result, float(result), self._gradient()

        with no_grad():
            evaluations_before = state["func_evals"]
            first, loss, g = evaluate()
            if _largest(g) <= group["tolerance_grad"]:
                return first
            for iteration in range(1, group["max_iter"] + 1):
                state["n_iter"] += 1
                d = self._direction(state, g)
                state["d"], state["prev_flat_grad"], state["prev_loss"] = Tensor(d), Tensor(g), loss
                t = as_number(group["lr"])
                if state["n_iter"] == 1:
                    t *= min(1.0, 1.0 / float(np.abs(g).sum()))
                state["t"] = t
                slope = float(g @ d)
                if slope > -group["tolerance_change"]:
                    break
                loss_before = loss
                if search is not None:
                    used = state["func_evals"] - evaluations_before
                    start = Trial(0.0, loss, g, slope)
                    t, loss, g = self._search(evaluate, start, t, d, group, used)
                    state["t"] = t
                else:
                    self._move(t, d)
                    if iteration < group["max_iter"]:  # a last evaluation would not be used
                        _, loss, g = evaluate()
                if (
                    iteration == group["max_iter"]
                    or state["func_evals"] - evaluations_before >= group["max_eval"]
                    or _largest(g) <= group["tolerance_grad"]
                    or _largest(d * t) <= group["tolerance_change"]
                    or abs(loss - loss_before) < group["tolerance_change"]
                ):
                    break
        return first

    # -- the direction -----------------------------------------------------------------------------

    def _direction(self, state: dict[str, Any], g: Array) -> Array:
        """``-H g``; takes what the last step has shown into the history."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -g
        size = self.param_groups[0]["history_size"]
        s = state["d"].array * g.dtype.type(as_number(state["t"]))
        y = g - state["prev_flat_grad"].array
        product = y @ s
        if product > 1e-10:
            if len(state["old_dirs"]) == size:
                for name in ("old_dirs", "old_stps", "ro"):
                    state[name].pop(0)
            state["old_dirs"].append(Tensor(y))
            state["old_stps"].append(Tensor(s))
            state["ro"].append(Tensor(np.array(1 / product)))
            state["H_diag"] = Tensor(np.array(product / (y @ y)))
        weights = state.setdefault("al", [None] * size)
        pairs = list(zip(state["old_stps"], state["old_dirs"], state["ro"], strict=True))
        q = -g
        for i, (s, y, ro) in reversed(list(enumerate(pairs))):
            weight = (s.array @ q) * ro.array
            q -= weight * y.array
            weights[i] = Tensor(np.array(weight))
        q *= g.dtype.type(as_number(state["H_diag"]))
        for i, (s, y, ro) in enumerate(pairs):
            q += (weights[i].array - (y.array @ q) * ro.array) * s.array
        return q

    def _search(
        self, evaluate: Callable[[], Any], start: Trial, t: float, d: Array,
        group: dict[str, Any], used: int,
    ) -> tuple[float, float, Array]:  # fmt: skip
        """Move along `d` by the step that the line search finds; its length, loss and gradient."""
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        begin = [p.array.copy() for p in group["params"]]

        def at(t: float) -> Trial:
            self._move(t, d)
            _, loss, g = evaluate()
            for p, values in zip(group["params"], begin, strict=True):
                p.array[...] = values
            return Trial(t, loss, g, float(g @ d))

        trial, _ = strong_wolfe(
            at, start, t, size=_largest(d), tolerance_change=1e-9,
            max_trials=group["max_eval"] - used,
        )  # fmt: skip
        self._move(trial.t, d)
        return trial.t, trial.loss, trial.gradient

    # -- all parameters as one vector --------------------------------------------------------------

    def _gradient(self) -> Array:
        """The gradients of all parameters, one after the other; 0 where there is none."""
        parts = [
            np.zeros(p.array.size, p.array.dtype) if p._grad is None else p._grad.array.reshape(-1)
            for p in self.param_groups[0]["params"]
        ]
        return np.concatenate(parts)

    def _move(self, t: float, d: Array) -> None:
        """Add ``t d`` to the parameters."""
        start = 0
        for p in self.param_groups[0]["params"]:
            part = d[start : start + p.array.size].reshape(p.array.shape)
            p.array += (part.dtype.type(t) * part).astype(p.array.dtype, copy=False)
            p._share_counter().bump()
            start += p.array.size

    def _fitted(self, name: str, value: Any, p: Tensor, key: Any) -> Any:
        """A copy of a saved value; tensors take the type of the parameters."""
        if isinstance(value, Tensor):
            return Tensor(np.array(value.array, work_dtype(p)))
        if isinstance(value, list):
            return [self._fitted(name, v, p, key) for v in value]
        return deepcopy(value)


def _largest(x: Array) -> float:
    """The largest absolute value."""
    return float(np.abs(x).max())
