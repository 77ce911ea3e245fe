"""Dropout as modules."""

from __future__ import annotations

from minigrad.nn.functions import dropout as F
from minigrad.nn.layer import UnaryLayer

__all__ = [
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
]  # fmt: skip


class _DropoutNd(UnaryLayer):
    p: float = 0.5
    inplace: bool = False

    def __post_init__(self) -> None:
        F.check_probability(self.p)


class Dropout(_DropoutNd, function=F.dropout):
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


class Dropout1d(_DropoutNd, function=F.dropout1d):
    """Dropout of whole channels of (N, C, L) or (C, L).

    Parameters
    ----------
    p : float
    inplace : bool
    """


class Dropout2d(_DropoutNd, function=F.dropout2d):
    """Dropout of whole channels of (N, C, H, W) or (C, H, W) (Tompson et al. 2015).

    Parameters
    ----------
    p : float
    inplace : bool
    """


class Dropout3d(_DropoutNd, function=F.dropout3d):
    """Dropout of whole channels of (N, C, D, H, W) or (C, D, H, W).

    Parameters
    ----------
    p : float
    inplace : bool
    """


class AlphaDropout(_DropoutNd, function=F.alpha_dropout):
    """Dropout that keeps mean 0 and variance 1, for SELU (Klambauer et al. 2017).

    Parameters
    ----------
    p : float
    inplace : bool
    """


class FeatureAlphaDropout(_DropoutNd, function=F.feature_alpha_dropout):
    """:class:`AlphaDropout` of whole channels.

    Parameters
    ----------
    p : float
    inplace : bool
    """
