"""Labels made less certain: smoothing, and noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.dtypes import get_default_dtype
from minigrad.core.plain import plain
from minigrad.core.tensor import Array, Tensor
from minigrad.data.transforms import LabelNoise
from minigrad.data.transforms.base import probability
from minigrad.data.transforms.mixing import check_labels
from minigrad.ops.random import Generator

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
    TypeError
        If the labels are not integers.
    IndexError
        If a label is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import smooth_targets
    >>> smooth_targets(mg.tensor([1]), 3, 0.2)
    tensor([[0.1000, 0.8000, 0.1000]])
    """
    probability("epsilon", epsilon)
    if num_classes < 2:
        raise ValueError(f"num_classes should be at least 2, got {num_classes}")
    return _smoothed((labels,), num_classes, epsilon, get_default_dtype().numpy)


@plain
def _smoothed(labels: Array, num_classes: int, epsilon: float, kind: np.dtype[Any]) -> Array:
    flat = check_labels("smooth_targets", labels, num_classes).reshape(-1)
    made = np.full((flat.size, num_classes), epsilon / (num_classes - 1), kind)
    made[np.arange(flat.size), flat] = 1 - epsilon
    return made.reshape(*labels.shape, num_classes)


def flip_labels(
    labels: Tensor, num_classes: int, p: float, generator: Generator | None = None
) -> Tensor:
    """Label noise, once for all epochs: with probability `p` a label becomes another class.

    The transform :class:`minigrad.data.transforms.LabelNoise` draws anew for every batch.

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

    Raises
    ------
    ValueError, TypeError, IndexError
        As `LabelNoise` does.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import flip_labels
    >>> flip_labels(mg.tensor([0, 1, 1]), 2, p=1.0)
    tensor([1, 0, 0])
    """
    flipped: Tensor = LabelNoise(p, num_classes, generator)(labels)
    return flipped
