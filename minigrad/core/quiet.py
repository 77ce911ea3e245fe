"""numpy without its warnings about overflow, division by zero and NaN, cheaply.

Inf and NaN are values here, as in PyTorch: who wants to know where they came from asks for
anomaly detection. ``np.errstate`` does this at 1.5 us a time, more than a small operation costs;
setting the context variable behind it (:func:`call_quietly`) takes a tenth of that.

Even a tenth shows in a single small ufunc. There a filter hides the warning that numpy may send
from minigrad's own modules; where warnings were turned into errors, :func:`call_quietly` computes
once more.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

# What numpy says of such events ("overflow encountered in exp"), and nothing else.
HIDDEN: Any = ("ignore", r".* encountered", RuntimeWarning, r"minigrad\.")
warnings.filterwarnings(*HIDDEN)

__all__ = [
    "EVENTS", "call_quietly", "events", "handle_events", "ignore_events",
]  # fmt: skip

try:
    from numpy._core.umath import _extobj_contextvar as _state

    with np.errstate(all="ignore"):
        _IGNORE = _state.get()
except ImportError:  # another numpy: the slow way, with the same meaning
    from contextvars import ContextVar

    class _ErrState:
        """Enough of a context variable, on top of ``np.seterr``."""

        def get(self) -> Any:
            return np.geterr()

        def set(self, value: Any) -> Any:
            return np.seterr(**value) if isinstance(value, dict) else np.seterr(all="ignore")

    _state: Any = _ErrState()  # type: ignore[no-redef]
    _IGNORE: Any = None  # type: ignore[no-redef]
    del ContextVar

# An interrupt can come after any call, also between setting a state and the ``try`` that would put
# it back. So the present state is asked for first, and is set inside the ``try``, whose ``finally``
# begins by putting it back. All three are written in C: no line inside them can be interrupted.
#: What numpy does about floating point events now.
events: Callable[[], Any] = _state.get
#: Make it ignore them.
ignore_events: Callable[[], Any] = functools.partial(_state.set, _IGNORE)
#: Make it do what :data:`events` has returned.
handle_events: Callable[[Any], Any] = _state.set

#: What numpy raises for such events when warnings, or `np.seterr`, were made errors.
EVENTS = (RuntimeWarning, FloatingPointError)


def call_quietly(compute: Callable[..., Any], *args: Any) -> Any:
    """``compute(*args)``, floating point events ignored."""
    before = events()
    try:
        ignore_events()
        return compute(*args)
    finally:
        handle_events(before)
