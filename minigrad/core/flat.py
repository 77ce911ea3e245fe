"""The hottest code of the library, spelled out: what `engine.record` does, for small operations.

A call of a small operation is little more than this. So one and two inputs are told apart instead
of looped over, and the commonest operations, which keep nothing but inputs, leave early: a tenth to
a third of a microsecond of one (measured; a test holds both ways equal).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import engine
from minigrad.core.engine import Node, find_edges
from minigrad.core.modes import RECORDING, current
from minigrad.core.tensor import Tensor

__all__ = ["plainly", "record"]

ndarray, asarray, _blank = np.ndarray, np.asarray, object.__new__


def record(
    op: Any, inputs: tuple[Any, ...], params: tuple[Any, ...], out: Any, mode: Any = None
) -> Any:
    """Make the result a tensor; if a gradient may be wanted, its node.

    Functions that computed the result of a small operation themselves, because nobody listens, call
    this instead of `engine.apply`.
    """
    edges: tuple[Any, ...]
    residuals = None
    if out.__class__ is not ndarray:
        if out.__class__ is tuple:
            if op.results != 1:
                return engine.record_several(op, inputs, params, out)
            residuals, out = out[1:], out[0]
        if out.__class__ is not ndarray:  # numpy turns 0-dim results into scalars
            out = asarray(out)
    y = _blank(Tensor)
    y.array = out
    if mode is None:
        mode = current.get()
    need = 0
    if mode is RECORDING or mode.grad:
        if len(inputs) == 2:
            t, u = inputs
            if t._requires_grad:
                if u._requires_grad:
                    need, edges = 3, (t.node or t, u.node or u)
                else:
                    need, edges = 2, (t.node or t, None)
            elif u._requires_grad:
                need, edges = 1, (None, u.node or u)
        elif len(inputs) == 1:
            (t,) = inputs
            if t._requires_grad:
                need, edges = 1, (t.node or t,)
        else:
            need, edges = find_edges(inputs)
    if need and op.differentiable:
        kept = op.kept.get(need)  # which inputs the derivative reads: all, none, or some
        saved = inputs if kept is True else () if kept is False else op.keep(inputs, need)
        y.node = Node(op, params, edges, saved, out.shape, out.dtype)
        y._requires_grad = True
    else:
        y.node = None
        y._requires_grad = False
    if not (op.plain and mode is RECORDING):
        _also(op, inputs, params, y, residuals, mode.saving)
    return y


def _also(op: Any, inputs: Any, params: Any, y: Any, residuals: Any, saving: Any) -> None:
    """What is not so for the commonest operations: more is kept, memory is shared."""
    node = y.node
    if node is not None:
        if op.reads_output:
            node.keep_result(y)
        if residuals is not None:
            node.residuals = residuals
        if saving is not None:
            saving(node)
    if op.view:
        y._view_of(inputs[0], op, params)


#: The way that can be read; the other takes its place.
plainly = engine.record
engine.record = record
