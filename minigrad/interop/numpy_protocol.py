"""numpy's functions on tensors: ``np.sum(t, axis=0)`` is `minigrad.sum`, gradients included.

`numpy_reduce`, `numpy_shape` and `numpy_linalg` hold the counterparts, with numpy's names of
arguments. Types, and what gradients do at kinks, are minigrad's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.interop import numpy_linalg, numpy_reduce, numpy_shape
from minigrad.interop.numpy_ufuncs import refuse
from minigrad.tensor import Tensor

__all__ = ["FUNCTIONS", "call_function"]

#: Counterparts by numpy's names (``"linalg.norm"``).
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **numpy_reduce.FUNCTIONS,
    **numpy_shape.FUNCTIONS,
    **numpy_linalg.FUNCTIONS,
}

_signatures: dict[str, inspect.Signature] = {}


def name_of(func: Any) -> str:
    """``"sum"`` for ``np.sum``, ``"linalg.norm"`` for ``np.linalg.norm``."""
    module = (func.__module__ or "numpy").removeprefix("numpy").removeprefix(".")
    return f"{module}.{func.__name__}" if module else func.__name__


def call_function(func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``func(*args, **kwargs)``, computed by minigrad.

    Raises
    ------
    TypeError
        For functions without a counterpart, and for arguments that it does not have.
    """
    if not all(issubclass(t, (Tensor, np.ndarray)) for t in types):
        return NotImplemented
    name = name_of(func)
    counterpart = FUNCTIONS.get(name)
    if counterpart is None:
        raise refuse(f"numpy.{name}", "this function has no counterpart for tensors of minigrad")
    kwargs = dict(kwargs)
    if kwargs.pop("out", None) is not None:
        raise refuse(
            f"numpy.{name}", "out= is no argument for tensors of minigrad: results are new tensors"
        )
    if kwargs.get("where", True) is True:
        kwargs.pop("where", None)
    signature = _signatures.get(name)
    if signature is None:
        signature = _signatures[name] = inspect.signature(counterpart)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise refuse(f"numpy.{name}", f"the counterpart for tensors of minigrad {error}") from None
    return counterpart(*args, **kwargs)
