"""numpy without its warnings about overflow, division by zero and NaN, cheaply.

Inf and NaN are values here, as in PyTorch: who wants to know where they came from asks for
anomaly detection. ``np.errstate`` does this at 1.5 us a time, more than a small operation costs;
setting the context variable behind it (:func:`quiet`, :func:`restore`) takes a tenth of that.

Even a tenth shows in a single small ufunc. There a filter hides the warning that numpy may send
from minigrad's own modules; where warnings were turned into errors, :func:`call_quietly` computes
once more.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextvars import Token
from typing import Any

import numpy as np

warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minigrad\.")

__all__ = ["EVENTS", "call_quietly", "quiet", "restore"]

try:
    from numpy._core.umath import _extobj_contextvar as _state

    with np.errstate(all="ignore"):
        _IGNORE = _state.get()
except ImportError:  # another numpy: the slow way, with the same meaning
    from contextvars import ContextVar

    class _ErrState:
        """Enough of a context variable, on top of ``np.seterr``."""

        def set(self, value: Any) -> Any:
            return np.seterr(**value) if isinstance(value, dict) else np.seterr(all="ignore")

        def reset(self, token: Any) -> None:
            np.seterr(**token)

    _state: Any = _ErrState()  # type: ignore[no-redef]
    _IGNORE: Any = None  # type: ignore[no-redef]
    del ContextVar

#: What numpy raises for such events when warnings, or `np.seterr`, were made errors.
EVENTS = (RuntimeWarning, FloatingPointError)


def quiet() -> Token[Any]:
    """Ignore floating point events until :func:`restore`."""
    return _state.set(_IGNORE)


def restore(token: Token[Any]) -> None:
    """Put back what was before :func:`quiet`."""
    _state.reset(token)


def call_quietly(compute: Callable[..., Any], *args: Any) -> Any:
    """``compute(*args)``, floating point events ignored."""
    token = quiet()
    try:
        return compute(*args)
    finally:
        restore(token)
