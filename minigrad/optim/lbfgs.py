"""L-BFGS: steps by the curvature of the loss, learnt from the last gradients."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from minigrad.core.events import change
from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.ops.elementwise import neg
from minigrad.core.plain import plain, plain_results
from minigrad.core.tensor import Array, Tensor, given
from minigrad.ops.inplace import alter, store
from minigrad.optim.optimizer import Optimizer, Params
from minigrad.optim.options import as_number, checked
from minigrad.optim.runs import copy_of, work_dtype
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
        def evaluate() -> tuple[Any, float, Tensor]:
            result = closure()
            state["func_evals"] += 1
            return result, float(result), self._gradient()

        with no_grad():
            evaluations_before = state["func_evals"]
            first, loss, g = evaluate()
            if float(_largest((g,), 1.0)) <= group["tolerance_grad"]:
                return first
            for iteration in range(1, group["max_iter"] + 1):
                state["n_iter"] += 1
                d = self._direction(state, g)
                state["d"], state["prev_flat_grad"], state["prev_loss"] = d, g, loss
                t = as_number(group["lr"])
                if state["n_iter"] == 1:
                    t *= min(1.0, 1.0 / float(_length((g,))))
                state["t"] = t
                slope = float(_product((g, d)))
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
                    or float(_largest((g,), 1.0)) <= group["tolerance_grad"]
                    or float(_largest((d,), t)) <= group["tolerance_change"]
                    or abs(loss - loss_before) < group["tolerance_change"]
                ):
                    break
        return first

    # -- the direction -----------------------------------------------------------------------------

    def _direction(self, state: dict[str, Any], g: Tensor) -> Tensor:
        """``-H g``; takes what the last step has shown into the history."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return neg(g)
        size = self.param_groups[0]["history_size"]
        t = as_number(state["t"])
        s, y, product, ro, scale = _pair((state["d"], g, state["prev_flat_grad"]), t)
        if float(product) > 1e-10:
            if len(state["old_dirs"]) == size:
                for name in ("old_dirs", "old_stps", "ro"):
                    state[name].pop(0)
            state["old_dirs"].append(y)
            state["old_stps"].append(s)
            state["ro"].append(ro)
            state["H_diag"] = scale
        scale = state["H_diag"]
        if not isinstance(scale, Tensor):
            scale = given(np.array(scale, g.array.dtype))
        history = (*state["old_stps"], *state["old_dirs"], *state["ro"])
        q, *weights = _two_loops((g, scale, *history))
        known = state.setdefault("al", [None] * size)
        known[: len(weights)] = weights
        return q

    def _search(
        self, evaluate: Callable[[], Any], start: Trial, t: float, d: Tensor,
        group: dict[str, Any], used: int,
    ) -> tuple[float, float, Tensor]:  # fmt: skip
        """Move along `d` by the step that the line search finds; its length, loss and gradient."""
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        begin = [copy_of((p,)) for p in group["params"]]

        def at(t: float) -> Trial:
            self._move(t, d)
            _, loss, g = evaluate()
            for p, values in zip(group["params"], begin, strict=True):
                store(p, values)
            return Trial(t, loss, g, float(_product((g, d))))

        trial, _ = strong_wolfe(
            at, start, t, size=float(_largest((d,), 1.0)), tolerance_change=1e-9,
            max_trials=group["max_eval"] - used,
        )  # fmt: skip
        self._move(trial.t, d)
        return trial.t, trial.loss, trial.gradient

    # -- all parameters as one vector --------------------------------------------------------------

    def _gradient(self) -> Tensor:
        """The gradients of all parameters, one after the other; 0 where there is none."""
        parts = [
            given(np.zeros(p.array.size, p.array.dtype)) if p._grad is None else p._grad
            for p in self.param_groups[0]["params"]
        ]
        return _flat(tuple(parts))

    def _move(self, t: float, d: Tensor) -> None:
        """Add ``t d`` to the parameters."""
        start = 0
        for p in self.param_groups[0]["params"]:
            alter(p, _add_part, (d,), start, t)
            start += p.array.size

    def _fitted(self, name: str, value: Any, p: Tensor, key: Any) -> Any:
        """A copy of a saved value; tensors take the type of the parameters."""
        if isinstance(value, Tensor):
            return copy_of((value,), work_dtype(p))
        if isinstance(value, list):
            return [self._fitted(name, v, p, key) for v in value]
        return deepcopy(value)


# -- on arrays -------------------------------------------------------------------------------------


@change
def _add_part(target: Array, d: Array, start: int, t: float) -> None:
    part = d[start : start + target.size].reshape(target.shape)
    target += (part.dtype.type(t) * part).astype(target.dtype, copy=False)


@plain
def _flat(*gradients: Array) -> Array:
    return np.concatenate([g.reshape(-1) for g in gradients])


@plain
def _largest(x: Array, t: float) -> Array:
    """The largest absolute value of ``t x``."""
    return np.asarray(np.abs(x * t).max())


@plain
def _length(x: Array) -> Array:
    return np.asarray(np.abs(x).sum())


@plain
def _product(x: Array, y: Array) -> Array:
    return np.asarray(x @ y)


@plain_results(5)
def _pair(d: Array, g: Array, before: Array, t: float) -> tuple[Array, ...]:
    """The step ``s = t d``, the change `y` of the gradient, ``y s``, ``1 / (y s)``, ``H_diag``."""
    s, y = d * g.dtype.type(t), g - before
    product = y @ s
    with np.errstate(all="ignore"):  # only a positive product is used
        return s, y, product, 1 / product, product / (y @ y)


@plain_results(0)
def _two_loops(g: Array, scale: Array, *history: Array) -> tuple[Array, ...]:
    """``-H g`` by steps, changes and ``1 / (y s)``; then the weights of the first loop."""
    n = len(history) // 3
    steps, changes, ro = history[:n], history[n : 2 * n], history[2 * n :]
    weights: list[Any] = [None] * n
    q = -g
    for i in reversed(range(n)):
        weights[i] = (steps[i] @ q) * ro[i]
        q -= weights[i] * changes[i]
    q *= g.dtype.type(scale)
    for i in range(n):
        q += (weights[i] - (changes[i] @ q) * ro[i]) * steps[i]
    return q, *weights
