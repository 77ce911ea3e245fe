"""Labels made less certain: smoothing, and noise."""

from __future__ import annotations

import numpy as np

from minigrad.dtypes import get_default_dtype
from minigrad.ops.random import Generator, numpy_generator
from minigrad.tensor import Tensor

__all__ = ["flip_labels", "smooth_targets"]


def smooth_targets(labels: Tensor, num_classes: int, epsilon: float = 0.1) -> Tensor:
    r"""Probabilities for labels that are wrong with probability `epsilon`.

    ``1 - epsilon`` for the class of the label, and ``epsilon / (num_classes - 1)`` for each other:
    ``{e/9, ..., 1-e, ..., e/9}`` for ten digits. So a softmax need not grow its weights for ever to
    come close to 1 (Szegedy et al. 2016; Mueller et al. 2019).

    ``cross_entropy(..., label_smoothing=s)`` spreads `s` over *all* classes, ``1 - s + s/C`` for
    that of the label and ``s/C`` for the others. They are the same targets where
    ``s = epsilon * C / (C - 1)``.

    Parameters
    ----------
    labels : Tensor of integers
        From 0 to ``num_classes - 1``; of any shape.
    num_classes : int
    epsilon : float
        From 0 to 1.

    Returns
    -------
    Tensor
        Of shape ``(*labels.shape, num_classes)`` and the default type: a target for
        `cross_entropy`.

    Raises
    ------
    ValueError
        If `epsilon` is no probability, or there are fewer than two classes.
    IndexError
        If a label is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import smooth_targets
    >>> smooth_targets(mg.tensor([1]), 3, 0.2)
    tensor([[0.1000, 0.8000, 0.1000]])
    """
    _check(labels, num_classes, epsilon, "epsilon")
    kind = get_default_dtype().numpy
    flat = labels.array.reshape(-1)
    made = np.full((flat.size, num_classes), epsilon / (num_classes - 1), kind)
    made[np.arange(flat.size), flat] = 1 - epsilon
    return Tensor(made.reshape(*labels.shape, num_classes))


def flip_labels(
    labels: Tensor, num_classes: int, p: float, generator: Generator | None = None
) -> Tensor:
    """Label noise: each label becomes, with probability `p`, one of the other classes.

    Parameters
    ----------
    labels : Tensor of integers
    num_classes : int
    p : float
        From 0 to 1.
    generator : Generator, optional

    Returns
    -------
    Tensor
        New labels, of the same shape and type.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import flip_labels
    >>> flip_labels(mg.tensor([0, 1, 1]), 2, p=1.0)
    tensor([1, 0, 0])
    """
    _check(labels, num_classes, p, "p")
    g = numpy_generator(generator)
    array = labels.array
    others = (array + g.integers(1, num_classes, array.shape)) % num_classes
    return Tensor(np.where(g.random(array.shape) < p, others, array).astype(array.dtype))


def _check(labels: Tensor, num_classes: int, p: float, name: str) -> None:
    if labels.dtype.category != 1:
        raise TypeError(f"expected labels that are integers, but got {labels.dtype}")
    if num_classes < 2:
        raise ValueError(f"expected at least two classes, but got {num_classes}")
    if not 0 <= p <= 1:
        raise ValueError(f"{name} must be between 0 and 1, but got {p}")
    array = labels.array
    if array.size and (array.min() < 0 or array.max() >= num_classes):
        raise IndexError(
            f"expected labels from 0 to {num_classes - 1}, but they go from {array.min()} to "
            f"{array.max()}"
        )
