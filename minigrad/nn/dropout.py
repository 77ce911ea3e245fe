"""Dropout as modules."""

from __future__ import annotations

from typing import Any

from minigrad.nn.functions import dropout as F
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
]  # fmt: skip


class _DropoutNd(Module):
    _function: Any

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training; the input as it is otherwise."""
        own = self.__dict__
        return type(self)._function(input, own["p"], own["training"], own["inplace"])  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, zero elements with probability `p` and scale the others by ``1 / (1 - p)``.

    Srivastava et al. 2014.

    Parameters
    ----------
    p : float
        The probability of an element to be zeroed: 0.5 where the lectures keep half.
    inplace : bool
        Write over the input.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Dropout(0.5).eval()(mg.ones(3))
    tensor([1., 1., 1.])
    """

    _function = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """Dropout of whole channels of (N, C, L) or (C, L).

    Parameters
    ----------
    p : float
    inplace : bool
    """

    _function = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """Dropout of whole channels of (N, C, H, W) or (C, H, W) (Tompson et al. 2015).

    Parameters
    ----------
    p : float
    inplace : bool
    """

    _function = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    p : float
    inplace : bool
    """

    _function = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1, for SELU (Klambauer et al. 2017).

    Parameters
    ----------
    p : float
    inplace : bool
    """

    _function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """:class:`AlphaDropout` of whole channels.

    Parameters
    ----------
    p : float
    inplace : bool
    """

    _function = staticmethod(F.feature_alpha_dropout)
