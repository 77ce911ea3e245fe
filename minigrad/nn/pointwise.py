"""Activations as modules, made of their declarations in `ops.activations`.

Type checkers read `pointwise.pyi`, which ``tools/stubs.py`` writes from the same declarations.
"""

from __future__ import annotations

from typing import Any

from minigrad.nn.functions import pointwise as F
from minigrad.nn.layer import ActivationLayer
from minigrad.ops.activations import Activation, follow

__all__: list[str] = []


def _add(activation: Activation) -> None:
    """Put the class into this module."""
    op, name = activation.op.op, activation.module
    fields: dict[str, Any] = dict(zip(op.names[op.arity :], op.defaults))
    annotations = dict.fromkeys(fields, "float")
    if activation.inplace:
        fields["inplace"], annotations["inplace"] = False, "bool"
    about = {"__module__": __name__, "__doc__": F.documented(activation)}
    settings: dict[str, Any] = {"function": getattr(F, activation.op.__name__)}
    if activation.shown is not None:
        settings["shown"] = activation.shown
    namespace = fields | about | {"__annotations__": annotations}
    made = type(name, (ActivationLayer,), namespace, **settings)
    F.announce({name: made}, globals(), "minigrad.nn")


follow(_add)
