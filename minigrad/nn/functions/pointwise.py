"""Activations as functions, made of their declarations in `ops.activations`.

Type checkers read `pointwise.pyi`, which ``tools/stubs.py`` writes from the same declarations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import cleandoc
from typing import Any

from minigrad.core.tensor import Tensor
from minigrad.ops.activations import Activation, follow
from minigrad.ops.inplace import write

__all__: list[str] = []


def documented(activation: Activation, first: str = "", examples: bool = True) -> str:
    """The docstring of an activation, with the parameters in their place."""
    text, heading, shown = cleandoc(activation.text).partition("\n\nExamples\n")
    op = activation.op.op
    lines = [first] * bool(first) + [f"{name} : float" for name in op.names[op.arity :]]
    if activation.inplace:
        lines += ["inplace : bool", "    Write over the input."]
    if lines:
        text = "\n".join([text, "", "Parameters", "----------", *lines])
    return text + heading + shown if examples else text


def _made(activation: Activation, name: str, inplace: str) -> Callable[..., Tensor]:
    """A function as it would be written out; `inplace` is "", "inplace" or "True"."""
    op = activation.op.op
    names = op.names[op.arity :]
    scope: dict[str, Any] = {f"_{n}": v for n, v in zip(names, op.defaults)}
    scope |= {"op": activation.op, "check": activation.check, "write": write, "Tensor": Tensor}
    head = ["input", *(f"{n}=_{n}" for n in names), *["inplace=False"] * (inplace == "inplace")]
    given = ", ".join(names)
    body = [f"check({given})"] * bool(activation.check)
    if inplace:
        body += [f"if {inplace}: return write(input, lambda x: op(x, {given}), '{op.name}_')"]
    lines = [f"def {name}({', '.join(head)}):", *body, f"return op(input, {given})"]
    scope["__name__"] = __name__
    exec("\n ".join(lines), scope)
    made: Any = scope[name]
    made.__annotations__ = {"input": "Tensor"} | dict.fromkeys(names, "float")
    made.__annotations__ |= {"inplace": "bool"} if inplace == "inplace" else {}
    made.__annotations__["return"] = "Tensor"
    return made  # type: ignore[no-any-return]


def _add(activation: Activation) -> None:
    """Put ``name``, and ``name_`` where there is one, into this module and `nn.functional`."""
    name = activation.op.__name__
    made = {name: _made(activation, name, "inplace" if activation.inplace else "")}
    made[name].__doc__ = documented(activation, "input : Tensor", examples=False)
    if activation.underscore:
        made[f"{name}_"] = _made(activation, f"{name}_", "True")
        made[f"{name}_"].__doc__ = f"In-place form of :func:`{name}`."
    announce(made, globals(), "minigrad.nn.functional")


def announce(made: dict[str, Any], here: dict[str, Any], place: str) -> None:
    """Put names where they belong; `place` may have been imported before they were declared."""
    here.update(made)
    here["__all__"] = sorted({*here["__all__"], *made})
    if place in sys.modules:
        vars(sys.modules[place]).update(made)


follow(_add)
