"""The older name of :func:`minigrad.func.functional_call`."""

from __future__ import annotations

import warnings
from typing import Any

from minigrad.nn.module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module, parameters_and_buffers: dict[str, Any], args: Any = None, kwargs: Any = None,
    *, tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a module with other tensors in the place of its own. Deprecated.

    As :func:`minigrad.func.functional_call`.

    Warns
    -----
    FutureWarning
        Always.
    """
    from minigrad.func.modules import functional_call as call  # the transforms load when needed

    warnings.warn(
        "`nn.utils.stateless.functional_call` is deprecated: use `func.functional_call`, which is "
        "a drop-in replacement.",
        FutureWarning,
        stacklevel=2,
    )
    return call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
