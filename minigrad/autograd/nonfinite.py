"""A loss that is nan or infinite says so, once, in a line: where it began, and what is likely.

Looked at is one number in each backward pass; the graph only where that number is not finite.
"""

from __future__ import annotations

import gc
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from minigrad.autograd.again import nodes_of, values_again
from minigrad.core.engine import Node
from minigrad.core.gradients import beginning
from minigrad.core.modes import current
from minigrad.core.tensor import Tensor

__all__ = ["NonFiniteWarning", "expected", "likely"]


class NonFiniteWarning(RuntimeWarning):
    """A backward pass begins at a number that is nan or infinite.

    Said once, until a loss is finite again. ``warnings.simplefilter("ignore", NonFiniteWarning)``
    turns it off, ``"error"`` stops there.
    """


class _State:
    """Of this process: how many backward passes began at a number, and whether it was said."""

    passes = 0
    said = False


_EXPECTED: ContextVar[bool] = ContextVar("expected", default=False)


@contextmanager
def expected() -> Iterator[None]:
    """Losses that are not finite are what is looked for: nothing is said of them."""
    token = _EXPECTED.set(True)
    try:
        yield
    finally:
        _EXPECTED.reset(token)


def _look_at(tensors: tuple[Any, ...]) -> None:
    """Warn if a backward pass begins at one number that is not finite."""
    if len(tensors) != 1:
        return
    array = tensors[0].array
    if array.size != 1 or array.dtype.kind != "f":
        return
    _State.passes += 1
    if math.isfinite(array.item()):
        _State.said = False
    elif (
        not _State.said
        and not _EXPECTED.get()
        and tensors[0].node is not None
        and current.get().locate is None
    ):
        _State.said = True  # (who detects anomalies, and so has a `locate`, is told more by that)
        warnings.warn(_text(tensors[0], _State.passes), NonFiniteWarning, stacklevel=4)


def _text(loss: Tensor, number: int) -> str:
    what = "nan" if np.isnan(loss.array).any() else "infinite"
    head = f"the loss is {what} in backward pass {number}"
    try:
        return f"{head}: {_origin(loss)}"
    except Exception:  # a graph that was freed, an operation of the user's: the fact is said anyway
        return f"{head}; minigrad.autograd.detect_anomaly() finds where it began"


def _origin(loss: Tensor) -> str:
    """The first operation that gives what is not finite, of what is."""
    for node, inputs, constants, value in values_again(loss, nodes_of(loss.node)):  # type: ignore[arg-type]
        if value is None or _finite(value):
            continue
        bad = [
            t for t, a in zip(constants, inputs, strict=True) if a is not None and not _finite(a)
        ]
        where = f"in {_layer(node)}, operation {node.op.name}"
        if node.where:
            where += f" at {node.where}"
        leaf = next((t for t in bad if t is not None), None)
        if leaf is not None:
            kind = "a parameter" if leaf._requires_grad else "the data"
            name = f" ({leaf.name})" if getattr(leaf, "name", None) else ""
            cause = (
                "an update before went too far: lower the learning rate, or clip gradients"
                if leaf._requires_grad else "look at how it was prepared"
            )  # fmt: skip
            return f"{kind}{name} that is read {where} is not finite already; {cause}"
        cause, remedy = likely(node.op.name)
        return f"it began {where}; likely {cause}: {remedy}"
    return "where it began is not known: minigrad.autograd.detect_anomaly() finds it"


def _finite(a: Any) -> bool:
    return a.dtype.kind != "f" or bool(np.isfinite(a).all())


def _layer(node: Node) -> str:
    """The innermost module that was running when the node was made, as a path in the outermost."""
    library = sys.modules.get("minigrad.nn.module")
    if library is None:
        return "no module"
    around = [
        (end - start, module)
        for module in gc.get_objects()
        if issubclass(type(module), library.Module)  # (asks no object for anything)
        for start, end in module.__dict__.get("_spans", ())
        if start <= node.seq < end
    ]
    if not around:
        return "no module (the loss itself, or a function)"
    around.sort(key=lambda pair: pair[0])
    inner, outer = around[0][1], around[-1][1]
    path = next((p for p, m in outer.named_modules() if m is inner), "")
    return f"{path} ({type(inner).__name__})" if path else type(inner).__name__


def likely(name: str) -> tuple[str, str]:
    """What makes an operation give what is not finite, as a rule, and what helps.

    >>> likely("log")[0]
    'the logarithm of 0 or of a negative number'
    """
    if name in ("log", "log2", "log10", "log1p"):
        return "the logarithm of 0 or of a negative number", "use log_softmax, or log(x + 1e-8)"
    if name in ("div", "reciprocal", "rsqrt"):
        return "a division by 0", "add a small number to the divisor"
    if name in ("exp", "expm1", "pow", "square", "cosh", "sinh"):
        return "a number too large for its type", "subtract the maximum first, or clamp"
    if name == "sqrt":
        return "the root of a negative number", "clamp at 0 first"
    return (
        "weights that grew without bound",
        "lower the learning rate, draw smaller weights, or clip gradients",
    )


beginning.append(_look_at)
