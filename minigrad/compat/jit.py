"""The marks that PyTorch's compiler looks for in models, for files that carry them.

Functions and modules run as Python here, so that :func:`script` and its relatives give back what
they are given. What TorchScript is asked for otherwise, to trace a model or to write it to a file
with its code, is not here: ``minigrad.save(model.state_dict(), file)`` saves what was learned.

>>> import minigrad as mg
>>> @mg.jit.script
... def swish(x):
...     return x * x.sigmoid()
>>> swish(mg.zeros(1))
tensor([0.])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

__all__ = [
    "Final", "annotate", "export", "ignore", "interface", "is_scripting", "is_tracing", "script",
    "script_if_tracing", "script_method", "unused",
]  # fmt: skip

T = TypeVar("T")


def is_scripting() -> bool:
    """Whether a compiler reads the function, rather than Python running it: never."""
    return False


def is_tracing() -> bool:
    """Whether operations are being recorded for a compiler: never."""
    return False


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """The function, class or module, as it is."""
    return obj


def script_if_tracing(fn: T) -> T:
    """The function, as it is."""
    return fn


_script_if_tracing = script_if_tracing  # the name that other libraries import


def export(fn: T) -> T:
    """The method, as it is."""
    return fn


def unused(fn: T) -> T:
    """The method, as it is."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Callable[..., Any]:
    """The method, as it is: both ``@ignore`` and ``@ignore()`` can be written."""
    return drop if callable(drop) else lambda fn: fn


def script_method(fn: T) -> T:
    """The method, as it is."""
    return fn


def interface(obj: T) -> T:
    """The class, as it is."""
    return obj


def annotate(the_type: Any, the_value: T) -> T:
    """The value, as it is."""
    return the_value


def __getattr__(name: str) -> Any:
    if name in ("trace", "save", "load", "freeze", "optimize_for_inference", "ScriptModule"):
        raise AttributeError(
            f"minigrad.jit has no {name!r}: models run as Python and are not compiled to a file; "
            "save model.state_dict() with minigrad.save, and load it into a model made by its code"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
