"""Gradients: the engine, the modes it runs in, custom functions, and checks.

The engine stands below the operations and everything else here above them, so these names are
loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minigrad.autograd.anomaly import detect_anomaly, set_detect_anomaly
    from minigrad.autograd.function import Function
    from minigrad.autograd.gradcheck import gradcheck, gradgradcheck
    from minigrad.autograd.graph import backward, grad
    from minigrad.autograd.modes import (
        inference_mode,
        is_grad_enabled,
        is_inference_mode_enabled,
        set_grad_enabled,
    )
    from minigrad.autograd.nonfinite import NonFiniteWarning
    from minigrad.compat.variable import Variable
    from minigrad.core.modes import enable_grad, no_grad

__all__ = [
    "Function", "NonFiniteWarning", "Variable", "backward", "detect_anomaly", "enable_grad",
    "grad", "gradcheck", "gradgradcheck", "inference_mode", "is_grad_enabled",
    "is_inference_mode_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip

_PLACES = {
    name: place
    for place, names in {
        "anomaly": "detect_anomaly set_detect_anomaly",
        "function": "Function",
        "gradcheck": "gradcheck gradgradcheck",
        "graph": "backward grad",
        "minigrad.core.modes": "enable_grad no_grad",
        "nonfinite": "NonFiniteWarning",
        "modes": "inference_mode is_grad_enabled is_inference_mode_enabled set_grad_enabled",
        "variable": "Variable",
    }.items()
    for name in names.split()
}
_MODULES = ("anomaly", "functional", "function", "graph", "profiler")


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        place = _PLACES[name]
        module = import_module(place if "." in place else f"{__name__}.{place}")
        value = globals()[name] = getattr(module, name)
        return value
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
