"""Elementwise formulas on arrays: which loop runs, over what, on how many threads.

A :class:`Fused` formula keeps one compiled kernel per type and operand layout. Layouts are decided
here, at the boundary: operands become full, row, column or scalar operands of a contiguous output
(`emit` explains the letters); anything else is copied into one of these forms first, which was
measured to be as fast as a strided loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from minigrad.expr import Expr, walk
from minigrad.kernels.run.lazy import lazy

__all__ = ["Fused"]

emit, jit, store, threads = lazy("emit"), lazy("run.jit"), lazy("run.store"), lazy("run.threads")

Array = np.ndarray[Any, Any]

#: How many passes over memory numpy needs for a function that is not one ufunc.
_PASSES = {"sigmoid": 6, "erf": 60, "rsqrt": 2}
_TRANSCENDENTAL = {
    "exp",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "erf",
    "pow",
}

#: Below how many elements a formula of so many numpy passes is left to numpy: a kernel call costs
#: about three ufunc calls, and saves a pass over memory for each ufunc but one (measured).
_NUMPY_BELOW = {0: 1 << 62, 1: 32_768, 2: 2_048, 3: 1_024, 4: 512}
#: The same for one transcendental function, where vecmath is quicker than numpy per element.
_NUMPY_BELOW_MATH = 4_096


class Fused:
    """One formula as kernels.

    Parameters
    ----------
    name : str
        What it is called in file names and docstrings.
    root : Expr
        The expression.
    operands : sequence of str
        Its array operands, in the order of the arguments.
    params : sequence of str
        Its numbers, in the order of the arguments.
    boolean : bool
        Whether the result is boolean.
    """

    __slots__ = (
        "_flat",
        "_kernels",
        "boolean",
        "math",
        "name",
        "numpy_below",
        "operands",
        "params",
        "root",
    )

    def __init__(
        self,
        name: str,
        root: Expr,
        operands: Sequence[str],
        params: Sequence[str] = (),
        boolean: bool = False,
    ) -> None:
        self.name = name
        self.root = root
        self.operands = tuple(operands)
        self.params = tuple(params)
        self.boolean = boolean
        self._flat = "f" * len(self.operands)
        operations = [e.op for e in walk(root) if e.op not in ("symbol", "const")]
        passes = sum(_PASSES.get(op, 1) for op in operations)
        self.math = any(op in _TRANSCENDENTAL for op in operations)
        self.numpy_below = _NUMPY_BELOW.get(passes, 0)
        if self.math and passes == 1:
            self.numpy_below = _NUMPY_BELOW_MATH
        self._kernels: dict[tuple[str, str], Any] = {}

    def __call__(
        self, arrays: Sequence[Array], params: Sequence[float], dtype: np.dtype[Any]
    ) -> Array:
        """Compute into a new array; operands are of `dtype` (or boolean) and broadcast."""
        shape = arrays[0].shape
        for a in arrays:
            if a.shape != shape or not a.flags.c_contiguous:
                break
        else:
            out = np.empty(shape, bool if self.boolean else dtype)
            self._run(self._flat, [a.ravel() for a in arrays], params, out.ravel(), dtype)
            return out
        shape = np.broadcast_shapes(*[a.shape for a in arrays])
        out = np.empty(shape, bool if self.boolean else dtype)
        pattern, operands, shape2 = _lay_out(arrays, shape)
        self._run(pattern, operands, params, out.reshape(shape2), dtype)
        return out

    def into(self, out: Array, others: Sequence[Array], params: Sequence[float]) -> None:
        """Compute in place: the first operand is `out`, which is contiguous."""
        if all(a.shape == out.shape and a.flags.c_contiguous for a in others):
            flat = [a.reshape(-1) for a in others]
            self._run("o" + "f" * len(flat), flat, params, out.reshape(-1), out.dtype)
            return
        pattern, operands, shape2 = _lay_out(others, out.shape)
        self._run("o" + pattern, operands, params, out.reshape(shape2), out.dtype)

    def kernel(self, pattern: str, dtype: np.dtype[Any]) -> Any:
        """The module of the loop for operands so laid out (compiled lazily, cached on disk)."""
        key = (pattern, dtype.char)
        found = self._kernels.get(key)
        if found is None:
            text = emit.source(
                self.name, [self.root], self.operands, pattern, dtype.name, self.params
            )
            found = store.load(f"{self.name}_{pattern}_{dtype.name}", text)
            self._kernels[key] = found
        return found

    def _run(
        self,
        pattern: str,
        operands: Sequence[Any],
        params: Sequence[float],
        out: Array,
        dtype: np.dtype[Any],
    ) -> None:
        """Small arrays go to the loop itself, which compiles in half the time of ``run``."""
        size = out.size
        if size == 0:
            return
        kernel = self._kernels.get((pattern, dtype.char)) or self.kernel(pattern, dtype)
        if size >= (jit.PARALLEL_MATH if self.math else jit.PARALLEL_CHEAP):
            kernel.run(threads.pool_address(), *operands, *params, out)
        else:
            kernel.blocks(*operands, *params, out, 0, size)  # no more blocks than elements


def _lay_out(
    arrays: Sequence[Array], shape: tuple[int, ...]
) -> tuple[str, list[Any], tuple[int, ...]]:
    """Fit operands of any broadcastable shapes to a kernel: pattern, arguments, output shape.

    The output is cut into ``(R, C)`` where every operand is either full or constant along the
    trailing dimensions that make up ``C``; so a bias ``(C,)`` is a row, and the scale ``(C, 1, 1)``
    of an image batch ``(N, C, H, W)`` a column of ``(N C, H W)``.
    """
    split = len(shape)
    padded = [(1,) * (len(shape) - a.ndim) + a.shape for a in arrays]
    full = [True] * len(arrays)  # along the trailing dimensions taken so far
    constant = [True] * len(arrays)
    while split > 0:
        n = shape[split - 1]
        still_full = [f and p[split - 1] == n for f, p in zip(full, padded, strict=True)]
        still_constant = [c and p[split - 1] == 1 for c, p in zip(constant, padded, strict=True)]
        if not all(f or c for f, c in zip(still_full, still_constant, strict=True)):
            break
        full, constant, split = still_full, still_constant, split - 1
    outer, inner = shape[:split], shape[split:]
    rows, columns = prod(outer), prod(inner)
    letters, operands = [], []
    for a, p, is_full in zip(arrays, padded, full, strict=True):
        if a.size == 1:
            letters.append("s")
            operands.append(a.item())
        elif is_full and columns > 1 and all(n == 1 for n in p[:split]):
            letters.append("f" if rows == 1 else "r")
            operands.append(np.ascontiguousarray(a).reshape(-1))
        elif is_full:
            letters.append("f")
            operands.append(np.ascontiguousarray(np.broadcast_to(a, outer + inner)))
        else:
            letters.append("c")
            column = a.reshape(p[:split])
            operands.append(np.ascontiguousarray(np.broadcast_to(column, outer)).reshape(-1))
    if not any(letter in "rc" for letter in letters):
        flat = [o.reshape(-1) if isinstance(o, np.ndarray) else o for o in operands]
        return "".join(letters), flat, (rows * columns,)
    shaped = [
        o.reshape(rows, columns) if letter == "f" else o
        for o, letter in zip(operands, letters, strict=True)
    ]
    return "".join(letters), shaped, (rows, columns)
