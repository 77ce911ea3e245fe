"""The loops that most programs have: one epoch, and a look at data held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from minigrad.core.modes import no_grad
from minigrad.core.tensor import Tensor
from minigrad.nn.functional import cross_entropy
from minigrad.nn.modes import evaluating
from minigrad.nn.module import Module
from minigrad.optim import Optimizer

__all__ = ["accuracy", "evaluate", "train_epoch"]

Batches = Iterable[Any]
Loss = Callable[[Tensor, Tensor], Tensor]


def train_epoch(
    model: Module, loader: Batches, optimizer: Optimizer, loss: Loss = cross_entropy
) -> float:
    """One pass over the data: forward, backward, update, for each batch.

    Parameters
    ----------
    model : Module
        Is put into training mode.
    loader : iterable of (inputs, targets)
    optimizer : Optimizer
    loss : callable
        ``loss(outputs, targets)``, the mean over a batch.

    Returns
    -------
    float
        The mean loss over all samples, while they were trained on.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import evaluate, train_epoch
    >>> x = mg.tensor([[-1.0], [-2.0], [1.0], [2.0]])
    >>> data = [(x, mg.tensor([0, 0, 1, 1]))]
    >>> net = mg.nn.Linear(1, 2)
    >>> optimizer = mg.optim.SGD(net.parameters(), lr=1.0)
    >>> losses = [train_epoch(net, data, optimizer) for _ in range(20)]
    >>> losses[-1] < losses[0], evaluate(net, data)[1]
    (True, 1.0)
    """
    model.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        total += float(value.item()) * len(x)
        count += len(x)
    return total / max(count, 1)


def evaluate(model: Module, loader: Batches, loss: Loss = cross_entropy) -> tuple[float, float]:
    """Mean loss and accuracy on data, in evaluation mode; afterwards each part is as it was.

    Parameters
    ----------
    model : Module
    loader : iterable of (inputs, labels)
    loss : callable
        ``loss(outputs, labels)``, the mean over a batch.

    Returns
    -------
    (float, float)
        The mean loss, and the share of samples whose largest output is that of the label.
    """
    total, right, count = 0.0, 0, 0
    with evaluating(model), no_grad():
        for x, y in loader:
            out = model(x)
            total += float(loss(out, y).item()) * len(x)
            right += int((out.argmax(1) == y).sum())
            count += len(x)
    return total / max(count, 1), right / max(count, 1)


def accuracy(model: Module, loader: Batches) -> float:
    """The share of samples whose largest output is that of the label: of :func:`evaluate`.

    Parameters
    ----------
    model : Module
    loader : iterable of (inputs, labels)

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import accuracy
    >>> accuracy(mg.nn.Identity(), [(mg.eye(4), mg.tensor([0, 1, 2, 0]))])
    0.75
    """
    return evaluate(model, loader)[1]
