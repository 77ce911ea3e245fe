"""Marks for PyTorch's compiler, in models that carry them: functions run as Python here.

>>> import minigrad as mg
>>> @mg.compiler.disable
... def double(x):
...     return x * 2
>>> double(3), mg.compiler.is_compiling()
(6, False)
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeVar

__all__ = [
    "allow_in_graph", "assume_constant_result", "config", "cudagraph_mark_step_begin", "disable",
    "forbid_in_graph", "graph_break", "is_compiling", "is_dynamo_compiling", "is_exporting",
    "mark_dynamic", "mark_static", "maybe_mark_dynamic", "reset",
]  # fmt: skip

T = TypeVar("T")

#: Settings can be written, and change nothing.
config = SimpleNamespace(suppress_errors=False, cache_size_limit=8, verbose=False)


def is_compiling() -> bool:
    """Whether a compiler reads the function, rather than Python running it: never."""
    return False


def is_dynamo_compiling() -> bool:
    """Whether a compiler reads the function: never."""
    return False


def is_exporting() -> bool:
    """Whether the function is being exported: never."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function, as it is: both ``@disable`` and ``@disable()`` can be written."""
    return (lambda function: function) if fn is None else fn


def allow_in_graph(fn: T) -> T:
    """The function, as it is."""
    return fn


def forbid_in_graph(fn: T) -> T:
    """The function, as it is."""
    return fn


def assume_constant_result(fn: T) -> T:
    """The function, as it is: its result is not remembered."""
    return fn


def graph_break(msg: str = "") -> None:
    """Break no graph."""


def mark_dynamic(t: Any, index: Any, **kwargs: Any) -> None:
    """Note nothing: every size is taken as it comes."""


def maybe_mark_dynamic(t: Any, index: Any) -> None:
    """Note nothing: every size is taken as it comes."""


def mark_static(t: Any, index: Any = None) -> None:
    """Note nothing: every size is taken as it comes."""


def cudagraph_mark_step_begin() -> None:
    """Begin no graph of CUDA's."""


def reset() -> None:
    """Forget nothing."""
