"""Averages of the weights over training: stochastic weight averaging, and exponential averages.

The weights at the end of training wander around a minimum; their average is often better than any
of them. It is taken over a copy of the model, which learns nothing by itself::

    averaged = AveragedModel(model)
    rates = SWALR(optimizer, swa_lr=0.05)
    for epoch in range(epochs):
        train(model, optimizer)
        if epoch >= start:
            averaged.update_parameters(model)
            rates.step()
    update_bn(loader, averaged)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor, given
from minigrad.nn.module import Module
from minigrad.nn.normalization import _BatchNorm
from minigrad.optim.lr_scheduler.base import LRScheduler, Rate, per_group
from minigrad.optim.optimizer import Optimizer

__all__ = [
    "SWALR", "AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
    "get_swa_multi_avg_fn", "update_bn",
]  # fmt: skip

Tensors = list[Any]
Average = Callable[[Any, Any, Any], Any]
AverageAll = Callable[[Tensors, Tensors, Any], None]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Exponential moving average: ``average = decay * average + (1 - decay) * weight``.

    Parameters
    ----------
    decay : float
        Between 0 and 1.

    Returns
    -------
    callable
        For ``avg_fn`` of :class:`AveragedModel`: of the average, the weight, and how many weights
        have been averaged; returns the new average.

    Raises
    ------
    ValueError
        For another `decay`.
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """The same as :func:`get_ema_avg_fn`, for lists of tensors, in place.

    Parameters
    ----------
    decay : float
        Between 0 and 1.

    Returns
    -------
    callable
        For ``multi_avg_fn`` of :class:`AveragedModel`.

    Raises
    ------
    ValueError
        For another `decay`.
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_params: Tensors, current_params: Tensors, num_averaged: Any) -> None:
        for ema, current in zip(ema_params, current_params, strict=True):
            if ema.is_floating_point():
                ema.lerp_(current, 1 - decay)
            else:
                ema.copy_(ema * decay + current * (1 - decay))

    return ema_update


def get_swa_avg_fn() -> Average:
    """Average with equal weights: ``average += (weight - average) / (num_averaged + 1)``.

    Returns
    -------
    callable
        For ``avg_fn`` of :class:`AveragedModel`, see :func:`get_ema_avg_fn`.
    """

    @no_grad()
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> AverageAll:
    """The same as :func:`get_swa_avg_fn`, for lists of tensors, in place.

    Returns
    -------
    callable
        For ``multi_avg_fn`` of :class:`AveragedModel`.
    """

    @no_grad()
    def swa_update(averaged: Tensors, current: Tensors, num_averaged: Any) -> None:
        weight = float(1 / (num_averaged + 1))
        for average, new in zip(averaged, current, strict=True):
            if average.is_floating_point():
                average.lerp_(new, weight)
            else:  # rounded towards 0, as a write into integers is
                average.copy_(average + (new - average) / (num_averaged + 1))

    return swa_update


class AveragedModel(Module):
    """A copy of a model that holds averages of its weights.

    By default all weights count the same (SWA: Izmailov et al. 2018); with :func:`get_ema_avg_fn`
    the latest count most (Polyak & Juditsky 1992).

    Parameters
    ----------
    model : Module
        Copied, not kept.
    device : optional
        Accepted for PyTorch's sake: there is the CPU.
    avg_fn : callable, optional
        The new average of a parameter, from the average, the weight, and the number of weights
        averaged before.
    multi_avg_fn : callable, optional
        The same for lists of parameters, which it changes in place.
    use_buffers : bool
        Average buffers as well. By default they are copied.

    Attributes
    ----------
    module : Module
        The copy.
    n_averaged : Tensor
        How many weights have been averaged.

    Raises
    ------
    AssertionError
        For both functions at once.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.optim.swa_utils import AveragedModel
    >>> model = nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     averaged.update_parameters(model)
    >>> averaged(mg.ones(1, 1)).item(), averaged.n_averaged.item()
    (3.0, 3)
    """

    n_averaged: Any

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel(): model must be a Module, not {type(model).__name__}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", given(np.array(0, np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the present weights of `model` into the average; the first time, copy them."""
        if not isinstance(model, Module):
            raise TypeError(
                f"update_parameters(): model must be a Module, not {type(model).__name__}"
            )
        averages, weights = [[t.detach() for t in self._averaged(m)] for m in (self.module, model)]
        with no_grad():
            if self.n_averaged.item() == 0:
                for average, weight in zip(averages, weights, strict=True):
                    average.copy_(weight)
            elif self.avg_fn is not None:
                for average, weight in zip(averages, weights, strict=True):
                    average.copy_(self.avg_fn(average, weight, self.n_averaged))
            else:
                average_all = self.multi_avg_fn or get_swa_multi_avg_fn()
                for some, new in _by_dtype(averages, weights):
                    average_all(some, new, self.n_averaged)
            if not self.use_buffers:
                for ours, theirs in zip(self.module.buffers(), model.buffers(), strict=True):
                    ours.detach().copy_(theirs.detach())
            self.n_averaged += 1

    def _averaged(self, module: Module) -> Iterable[Tensor]:
        """What of a model is averaged."""
        if self.use_buffers:
            return chain(module.parameters(), module.buffers())
        return module.parameters()


def _by_dtype(averages: Tensors, weights: Tensors) -> Iterable[tuple[Tensors, Tensors]]:
    """Both lists in parts of one dtype each."""
    parts: defaultdict[Any, tuple[Tensors, Tensors]] = defaultdict(lambda: ([], []))
    for average, weight in zip(averages, weights, strict=True):
        some, new = parts[average.dtype]
        some.append(average)
        new.append(weight)
    return parts.values()


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalizations anew, by one pass over data.

    The averaged weights have never seen data, so the statistics of the model that was trained are
    not theirs. All batches count the same. Afterwards the model is in the mode it was in.

    Parameters
    ----------
    loader : iterable
        Of batches: tensors, or lists and tuples of which the first is what the model takes.
    model : Module
    device : optional
        Where batches are moved to.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> from minigrad.optim.swa_utils import update_bn
    >>> model = nn.BatchNorm1d(1)
    >>> update_bn([mg.tensor([[0.0], [4.0]]), mg.tensor([[6.0], [6.0]])], model)
    >>> model.running_mean
    tensor([4.])
    """
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    with no_grad():
        for module in momenta:
            module.momentum = None  # an average over all batches
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Go from the present rate to a constant one, for the time that weights are averaged.

    ``lr_t = (1 - a_t) lr + a_t swa_lr``, with ``a_t`` going from 0 to 1 in `anneal_epochs` epochs.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float or list of float
        The constant rate, for all groups or for each.
    anneal_epochs : int
    anneal_strategy : {"cos", "linear"}
        Along a half cosine, or a line.
    last_epoch : int

    Raises
    ------
    ValueError
        For another strategy, and for epochs that are not a number of 0 or more.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import optim
    >>> opt = optim.SGD([mg.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.swa_utils.SWALR(opt, 0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(3):
    ...     opt.step(); schedule.step(); print(schedule.get_last_lr())
    [0.75]
    [0.5]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """How much of the way is done when the part `t` of the time is over."""
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[Rate]:
        """The rates of this step; the first rate is computed back from the present one."""
        self._asked_inside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = [
            self.anneal_func(max(0, min(1, s / max(1, self.anneal_epochs))))
            for s in (step - 1, step)
        ]
        rates = []
        for group in self.optimizer.param_groups:
            lr, last = group["lr"], group["swa_lr"]
            first = last if before == 1 else (lr - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
