"""The older names of the initializations, without the underscore."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from minigrad.core.public import called
from minigrad.core.tensor import Tensor
from minigrad.nn import fill

__all__ = [
    "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal",
    "sparse", "uniform", "xavier_normal", "xavier_uniform",
]  # fmt: skip


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    new = function.__name__
    old = new.removesuffix("_")

    @called(old, f"The older name of :func:`{new}`. Deprecated: it warns at each call.")
    def call(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    return call


constant = _deprecated(fill.constant_)
dirac = _deprecated(fill.dirac_)
eye = _deprecated(fill.eye_)
kaiming_normal = _deprecated(fill.kaiming_normal_)
kaiming_uniform = _deprecated(fill.kaiming_uniform_)
normal = _deprecated(fill.normal_)
orthogonal = _deprecated(fill.orthogonal_)
sparse = _deprecated(fill.sparse_)
uniform = _deprecated(fill.uniform_)
xavier_normal = _deprecated(fill.xavier_normal_)
xavier_uniform = _deprecated(fill.xavier_uniform_)
