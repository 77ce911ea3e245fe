"""Training and evaluation mode for a while, put back part by part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minigrad.nn.module import Module

__all__ = ["evaluating", "modes_kept"]


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Put the mode of each module inside back at the end, whatever happened to it.

    ``model.train(before)`` would not do: parts may have modes of their own, such as the batch norm
    of frozen layers, which stays in evaluation mode while the rest trains.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.nn.modes import modes_kept
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2).eval())
    >>> with modes_kept(net):
    ...     _ = net.train()
    >>> net.training, net[1].training
    (True, False)
    """
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards each part of the model is as it was.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.nn.modes import evaluating
    >>> net = nn.Dropout(0.5)
    >>> with evaluating(net):
    ...     net.training
    False
    >>> net.training
    True
    """
    with modes_kept(model):
        model.eval()
        yield
