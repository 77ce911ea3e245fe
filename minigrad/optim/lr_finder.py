"""Searching for a learning rate: on a log scale first, then finer around the best.

Every rate is tried by a short training of its own that begins where the model is now, with the same
random numbers. Afterwards model, optimizer and random numbers are exactly as they were.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from minigrad.autograd.nonfinite import expected
from minigrad.core.modes import enable_grad, no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn.modes import modes_kept
from minigrad.nn.module import Module
from minigrad.ops.inplace import store
from minigrad.ops.random import get_rng_state, set_rng_state
from minigrad.optim.lr_scheduler.base import set_rate
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.runs import copy_of

__all__ = ["LRSearch", "find_lr", "lr_range_test"]


class LRSearch:
    """What a search for a learning rate has found.

    Attributes
    ----------
    rates, losses : list of float
        What was tried, in rising order, and the loss after it; infinite where training diverged.

    Examples
    --------
    >>> from minigrad.optim.lr_finder import LRSearch
    >>> found = LRSearch([1.0, 0.1, 0.01], [float("nan"), 0.2, 0.7])
    >>> found.best, found
    (0.1, LRSearch(best=0.1, loss=0.2, rates=3 from 0.01 to 1))
    """

    def __init__(self, rates: Iterable[float], losses: Iterable[float]) -> None:
        pairs = sorted(zip(rates, losses, strict=True))
        self.rates = [float(rate) for rate, _ in pairs]
        self.losses = [float(loss) if math.isfinite(loss) else math.inf for _, loss in pairs]

    def __repr__(self) -> str:
        return (
            f"LRSearch(best={self.best:g}, loss={min(self.losses):g}, "
            f"rates={len(self.rates)} from {self.rates[0]:g} to {self.rates[-1]:g})"
        )

    @property
    def best(self) -> float:
        """The rate with the lowest loss."""
        return self.rates[int(np.argmin(self.losses))]

    @property
    def steepest(self) -> float:
        """The rate at which the loss falls fastest with the logarithm of the rate.

        What Smith reads from the curve of :func:`lr_range_test`, where the lowest loss comes too
        late: shortly before training diverges. With less than three finite losses, `best`.
        """
        points = [p for p in zip(self.rates, self.losses, strict=True) if math.isfinite(p[1])]
        if len(points) < 3:
            return self.best
        rates, losses = np.array(points).T
        return float(rates[int(np.argmin(np.gradient(losses, np.log(rates))))])

    def plot(self, ax: Any = None) -> Any:
        """Draw the losses over the rates, on a log scale, and mark the best.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            try:
                from matplotlib.figure import Figure
            except ImportError:
                raise ImportError(
                    'LRSearch.plot needs matplotlib: pip install "minigrad[examples]"'
                ) from None
            ax = Figure().add_subplot()
        ax.plot(self.rates, self.losses, marker=".")
        ax.axvline(self.best, linestyle="--", color="gray", label=f"best: {self.best:.3g}")
        ax.set_xscale("log")
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.legend()
        return ax


def find_lr(
    model: Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Any, Any], Any],
    batches: Iterable[tuple[Any, Any]],
    *,
    low: float = 1e-6,
    high: float = 10.0,
    count: int = 15,
    finer: int = 8,
    steps: int = 20,
    sampling: str = "grid",
    seed: int = 0,
) -> LRSearch:
    """Search for the learning rate with which a short training gets furthest.

    First `count` rates between `low` and `high` on a log scale; then `finer` more between the
    neighbours of the best of them. With ``sampling="random"`` rates are drawn, which finds more
    where several things are searched for at once (Bergstra & Bengio 2012).

    Parameters
    ----------
    model : Module
    optimizer : Optimizer
        Of the parameters of the model; all its groups get the rate that is tried.
    loss_fn : callable
        The loss, from what the model gives for a batch and the target.
    batches : iterable of (input, target)
        Gone through from the beginning for each rate, again and again if it is short.
    low, high : float
        Ends of the first search.
    count, finer : int
        How many rates are tried in each search; `finer` may be 0.
    steps : int
        Length of each training. Its loss is the mean of the last quarter of the steps.
    sampling : {"grid", "random"}
        Rates at equal distances, or drawn.
    seed : int
        For drawing.

    Returns
    -------
    LRSearch
        With ``rates``, ``losses``, ``best`` and ``plot()``.

    Raises
    ------
    ValueError
        For ends that are not ``0 < low < high``, less than two rates, no steps, no batches, or
        another `sampling`.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, optim
    >>> _ = mg.manual_seed(0)
    >>> x = mg.randn(32, 3)
    >>> data = [(x, x.sum(dim=1, keepdim=True))]
    >>> model = nn.Linear(3, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> found = optim.find_lr(model, optimizer, nn.MSELoss(), data, steps=5)
    >>> 0.03 < found.best < 3, len(found.rates), optimizer.param_groups[0]["lr"]
    (True, 23, 0.1)
    """
    if not 0 < low < high < math.inf:
        raise ValueError(f"find_lr expected 0 < low < high, but got low={low} and high={high}")
    if count < 2 or finer < 0 or steps < 1:
        raise ValueError(
            "find_lr expected count >= 2, finer >= 0 and steps >= 1, but got "
            f"count={count}, finer={finer}, steps={steps}"
        )
    if sampling not in ("grid", "random"):
        raise ValueError(f"sampling must be one of 'grid' or 'random', but got {sampling!r}")
    generator = np.random.default_rng(seed)

    def rates_between(low: float, high: float, count: int) -> list[float]:
        """Rates on a log scale, the ends included if it is a grid."""
        places = np.linspace(0, 1, count) if sampling == "grid" else generator.random(count)
        return [float(r) for r in low * (high / low) ** np.sort(places)]

    def loss_of(rate: float) -> float:
        with restored(model, optimizer):
            losses = list(_train(model, optimizer, loss_fn, batches, [rate] * steps))
        return float(np.mean(losses[-max(1, steps // 4) :])) if len(losses) == steps else math.inf

    rates = rates_between(low, high, count)
    losses = [loss_of(rate) for rate in rates]
    if finer:
        best = int(np.argmin([x if math.isfinite(x) else math.inf for x in losses]))
        ends = rates[max(best - 1, 0)], rates[min(best + 1, count - 1)]
        # The ends have been tried already: a grid goes between them.
        more = rates_between(*ends, finer + 2)[1:-1]
        rates += more
        losses += [loss_of(rate) for rate in more]
    return LRSearch(rates, losses)


def lr_range_test(
    model: Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Any, Any], Any],
    batches: Iterable[tuple[Any, Any]],
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    smooth: float = 0.9,
    diverged: float = 4.0,
) -> LRSearch:
    """Smith's range test: one training in which the rate rises from batch to batch.

    It costs as much as a single one of the trainings of :func:`find_lr`. The rates at which the
    loss falls are good ones, see ``steepest`` of the result (Smith 2017; here on a log scale).

    Parameters
    ----------
    model, optimizer, loss_fn, batches
        See :func:`find_lr`.
    low, high : float
        The first and the last rate.
    steps : int
        Over how many batches it rises.
    smooth : float
        How much of the average loss remains in each step: the losses of single batches are noisy.
    diverged : float
        Stop when the average is so many times the lowest.

    Returns
    -------
    LRSearch
        With the averages for losses.

    Raises
    ------
    ValueError
        For ends that are not ``0 < low < high``, less than two steps, or no batches.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn, optim
    >>> _ = mg.manual_seed(0)
    >>> x = mg.randn(32, 3)
    >>> data = [(x, x.sum(dim=1, keepdim=True))]
    >>> model = nn.Linear(3, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> found = optim.lr_range_test(model, optimizer, nn.MSELoss(), data, smooth=0.5)
    >>> 0.003 < found.steepest < 1
    True
    """
    if not 0 < low < high < math.inf or steps < 2:
        raise ValueError(
            "lr_range_test expected 0 < low < high and steps >= 2, but got "
            f"low={low}, high={high}, steps={steps}"
        )
    rates = np.geomspace(low, high, steps).tolist()
    averages: list[float] = []
    average = 0.0
    with restored(model, optimizer):
        for i, loss in enumerate(_train(model, optimizer, loss_fn, batches, rates), 1):
            average = smooth * average + (1 - smooth) * loss
            averages.append(average / (1 - smooth**i))  # as Adam corrects its averages
            if averages[-1] > diverged * min(averages):
                break
    return LRSearch(rates[: len(averages)], averages)


def _train(
    model: Module,
    optimizer: Optimizer,
    loss_fn: Callable[[Any, Any], Any],
    batches: Iterable[tuple[Any, Any]],
    rates: list[float],
) -> Iterator[float]:
    """The losses of training with these rates, one for each step; ends when one is not finite."""
    stream = _again_and_again(batches)
    for rate in rates:
        for group in optimizer.param_groups:
            set_rate(group, rate)
        x, target = next(stream)
        with enable_grad():
            optimizer.zero_grad()
            loss = loss_fn(model(x), target)
            with expected():  # that it diverges is what ends the search
                loss.backward()
        if not math.isfinite(loss.item()):
            return
        yield loss.item()
        optimizer.step()


def _again_and_again(batches: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError(
                "the search for a learning rate expected batches that can be gone through several "
                "times, such as a list or a DataLoader, but got none (a generator is used up once)"
            )


@contextmanager
def restored(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """Put model, optimizer and random numbers back as they were before the block.

    Parameters, buffers and gradients keep their memory, and get their values back; so do the
    optimizer's options, state and parameters that are not the model's. The random numbers are
    those of minigrad, numpy and Python.
    """
    tensors = {id(t): t for t in chain(model.parameters(), model.buffers())}
    for group in optimizer.param_groups:
        tensors.update({id(p): p for p in group["params"]})
    saved = [(t, t.array, copy_of((t,)), t._grad) for t in tensors.values()]
    groups = [(group, dict(group)) for group in optimizer.param_groups]
    state = dict(optimizer.state)
    called = optimizer._opt_called
    randoms = get_rng_state(), np.random.get_state(), random.getstate()
    # What can be replaced is, so that nothing is written into what is kept.
    for t in tensors.values():
        t._grad = None
    for group, options in groups:
        group.update(_copied_options(options))
    optimizer.state.update({p: deepcopy(s) for p, s in state.items()})
    try:
        with modes_kept(model):
            yield
    finally:
        for t, array, values, grad in saved:
            t.array = array
            with no_grad():
                store(t, values)
            t._grad = grad
        for group, options in groups:
            group.clear()
            group.update(options)
        optimizer.state.clear()
        optimizer.state.update(state)
        optimizer._opt_called = called
        set_rng_state(randoms[0])
        np.random.set_state(randoms[1])
        random.setstate(randoms[2])


def _copied_options(group: dict[str, Any]) -> dict[str, Any]:
    """The options of a group; numbers kept in tensors are copied."""
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in group.items()}
