"""Small things that scripts import from the files of ``torch.nn.modules``, and minigrad lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn.containers import ModuleList
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module

__all__ = ["EXTRAS", "NonDynamicallyQuantizableLinear"]


class NonDynamicallyQuantizableLinear(Linear):
    """:class:`minigrad.nn.Linear`: nothing is quantized here."""


def _get_clones(module: Module, N: int) -> ModuleList:
    """A list of `N` copies of a module."""
    return ModuleList([copy.deepcopy(module) for _ in range(N)])


def _get_activation_fn(activation: str) -> Callable[..., Any]:
    """``F.relu`` or ``F.gelu``, by name."""
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)  # type: ignore[no-any-return]  # F's names come by stars


def _addindent(s_: str, numSpaces: int) -> str:
    """A text whose lines after the first begin with spaces."""
    first, *rest = s_.split("\n")
    return "\n".join([first, *(" " * numSpaces + line for line in rest)])


#: What to add to which file.
EXTRAS: dict[str, list[Any]] = {
    "linear": [NonDynamicallyQuantizableLinear],
    "module": [_addindent],
    "transformer": [_get_clones, _get_activation_fn],
}
