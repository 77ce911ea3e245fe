"""Several models that answer together: ensembles, and bagging, which makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.core.tensor import Tensor
from minigrad.data import Dataset, Subset
from minigrad.data.dataset import length
from minigrad.nn.containers import ModuleList
from minigrad.nn.functional import softmax
from minigrad.nn.module import Module
from minigrad.ops.random import Generator, randint

__all__ = ["Ensemble", "bagging", "bootstrap", "out_of_bag"]


class Ensemble(Module):
    r"""Averages what several models say.

    If the errors of k models have variance v and covariance c, the error of their mean has variance
    ``v / k + (k - 1) / k * c``: with independent errors, a k-th (Breiman 1996; Goodfellow et al.
    2016, section 7.11).

    Parameters
    ----------
    models : iterable of Module
    average : str
        ``"probabilities"``: the mean of ``softmax(logits)``. ``"logits"``: the mean of the outputs
        themselves; as logits, they give the normalized geometric mean of the probabilities; of
        regressions, it is the mean that is wanted.
    dim : int
        The dimension of the classes, for the softmax.

    Raises
    ------
    ValueError
        For other averages, and if there is no model.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.train import Ensemble
    >>> nets = [mg.nn.Linear(2, 3) for _ in range(5)]
    >>> Ensemble(nets)(mg.ones(4, 2)).sum(1).detach()
    tensor([1., 1., 1., 1.])
    """

    def __init__(
        self, models: Iterable[Module], average: str = "probabilities", dim: int = -1
    ) -> None:
        super().__init__()
        if average not in ("probabilities", "logits"):
            raise ValueError(f"average must be 'probabilities' or 'logits', but got {average!r}")
        self.models = ModuleList(models)
        if not len(self.models):
            raise ValueError("an ensemble needs at least one model")
        self.average = average
        self.dim = dim

    def forward(self, *inputs: Any) -> Tensor:
        """The mean over the models."""
        outputs = [model(*inputs) for model in self.models]
        if self.average == "probabilities":
            outputs = [softmax(y, self.dim) for y in outputs]
        total: Any = outputs[0]
        for y in outputs[1:]:
            total = total + y
        mean: Tensor = total / len(outputs)
        return mean

    def extra_repr(self) -> str:
        """What is averaged."""
        return f"average={self.average!r}"


def bootstrap(dataset: Dataset[Any], generator: Generator | None = None) -> Subset[Any]:
    """As many samples as there are, drawn with replacement (Efron 1979).

    About 63 % of the samples are in it, ``1 - 1/e``, some of them several times.

    Parameters
    ----------
    dataset : Dataset
        With a length.
    generator : Generator, optional

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad.data import TensorDataset
    >>> from minigrad.train import bootstrap, out_of_bag
    >>> _ = mg.manual_seed(0)
    >>> sample = bootstrap(TensorDataset(mg.arange(1000)))
    >>> len(sample), 600 < len(set(sample.indices)) < 660
    (1000, True)
    >>> len(out_of_bag(sample)) == 1000 - len(set(sample.indices))
    True
    """
    n = length(dataset)
    return Subset(dataset, randint(n, (n,), generator=generator).tolist())


def out_of_bag(sample: Subset[Any]) -> Subset[Any]:
    """The samples that a bootstrap sample left out: a validation set that costs nothing."""
    n = length(sample.dataset)
    return Subset(sample.dataset, np.setdiff1d(np.arange(n), list(sample.indices)).tolist())


def bagging(
    fit: Callable[[Subset[Any]], Module],
    dataset: Dataset[Any],
    count: int,
    average: str = "probabilities",
    generator: Generator | None = None,
) -> Ensemble:
    """Bootstrap aggregating: models fitted to bootstrap samples, as an ensemble (Breiman 1996).

    Parameters
    ----------
    fit : callable
        From a dataset to a model trained on it. It should start from weights of its own.
    dataset : Dataset
    count : int
        The number of models.
    average : str
        As in :class:`Ensemble`.
    generator : Generator, optional
        Where the samples come from.

    Returns
    -------
    Ensemble
    """
    return Ensemble([fit(bootstrap(dataset, generator)) for _ in range(count)], average)
