"""Special functions of arrays: the scalar functions of `bessel`, `gamma` and `gauss` in loops.

They compute in float64; results are rounded to the type of the arrays. Each loop is a small module
written on first use (see `store`), so that only the functions in use are compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.kernels import costs
from minigrad.kernels.run.jit import BLOCK
from minigrad.kernels.run.store import load
from minigrad.kernels.run.threads import pool_address

__all__ = ["of_one", "of_two"]

Array = np.ndarray[Any, Any]

#: From how many elements threads share the work: each takes some 20 to 200 ns.
_SOURCE = '''"""{name} of arrays."""

import numpy as np

from minigrad.kernels.math.{module} import {name}
from minigrad.kernels.run.jit import BLOCK, jit
from minigrad.kernels.run.threads import parallel_for


@jit
def blocks({arrays}, out, b0, b1):
    for i in range(b0 * BLOCK, min(b1 * BLOCK, out.size)):
        out[i] = {name}({elements})


@jit
def run(pool, {arrays}, out):
    parallel_for(pool, blocks, ({arrays}, out), (out.size + BLOCK - 1) // BLOCK)
'''


def _run(module: str, name: str, arrays: dict[str, Array]) -> Array:
    text = _SOURCE.format(
        module=module,
        name=name,
        arrays=", ".join(arrays),
        elements=", ".join(f"np.float64({a}[i])" for a in arrays),
    )
    kernel = load(f"{name}_{len(arrays)}", text)
    first = next(iter(arrays.values()))
    out = np.empty(first.size, first.dtype)
    flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays.values()]
    if out.size >= costs.SPECIAL:
        kernel.run(pool_address(), *flat, out)
    elif out.size:
        kernel.blocks(*flat, out, 0, (out.size + BLOCK - 1) // BLOCK)
    return out.reshape(first.shape)


def _wide(x: Array) -> Array:
    """Half precision has no kernels."""
    return x if x.dtype.char in "fd" else x.astype(np.float32)


def of_one(module: str, name: str, x: Array) -> Array:
    """A function of one number, element by element."""
    return _run(module, name, {"x": _wide(x)}).astype(x.dtype, copy=False)


def of_two(module: str, name: str, a: Array, b: Array) -> Array:
    """A function of two numbers, element by element; the arrays broadcast."""
    wide = np.broadcast_arrays(_wide(a), _wide(b))
    return _run(module, name, {"a": wide[0], "b": wide[1]}).astype(a.dtype, copy=False)
