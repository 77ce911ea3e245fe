"""Modules without the work of drawing parameters that are about to be overwritten."""

from __future__ import annotations

import inspect
from typing import Any

from minigrad.nn.fill import skipped
from minigrad.nn.module import M, Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """Make a module whose parameters are not initialized: their values are whatever was in memory.

    For modules that get their parameters from elsewhere, such as from a file. No random numbers
    are drawn.

    Parameters
    ----------
    module_cls : type
        A module that takes ``device``, as those of this library do.
    *args, **kwargs
        For it.

    Raises
    ------
    RuntimeError
        If it is no module, or takes no ``device``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.utils.skip_init(mg.nn.Linear, 5, 1)
    Linear(in_features=5, out_features=1, bias=True)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with skipped():
        return module_cls(*args, **kwargs)
