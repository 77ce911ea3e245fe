"""Elementwise formulas on arrays: which loop runs, over what, on how many threads.

A :class:`Fused` formula keeps one compiled kernel per type and operand layout. Layouts are decided
here, at the boundary: operands become full, row, column or scalar operands of a contiguous output
(`emit` explains the letters); anything else is copied into one of these forms first, which was
measured to be as fast as a strided loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np

from minigrad.core.expr import Expr
from minigrad.kernels.emit.expressions import ELEMENTARY, walk
from minigrad.kernels.run.lazy import lazy
from minigrad.kernels.run.sizes import PARALLEL_CHEAP, PARALLEL_MATH
from minigrad.kernels.run.team import NOBODY, team

__all__ = ["Fused"]

bodies, call, numba_source = lazy("emit.bodies"), lazy("emit.call"), lazy("emit.numba_source")
target, store = lazy("emit.target"), lazy("run.store")

Array = np.ndarray[Any, Any]
Kernel: TypeAlias = Callable[..., Any]

#: How many passes over memory numpy needs for a function that is not one ufunc.
_PASSES = {"sigmoid": 6, "erf": 60, "rsqrt": 2}
#: Below how many elements a formula of so many numpy passes is left to numpy. A kernel call costs
#: as much as one ufunc call and a half, so from two passes on it is quicker at any size (measured);
#: but for tiny arrays it would not make up for being compiled, or read from the cache.
_NUMPY_BELOW = {0: 1 << 62, 1: 32_768, 2: 256, 3: 128, 4: 64}
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
        "_flat", "_kernels", "boolean", "math", "name", "numpy_below", "operands", "parallel_from",
        "params", "root",
    )  # fmt: skip

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
        operations = [e.op for e in walk(root) if e.op not in ("symbol", "const")]
        passes = sum(_PASSES.get(op, 1) for op in operations)
        self.math = any(op in ELEMENTARY for op in operations)
        self.parallel_from = PARALLEL_MATH if self.math else PARALLEL_CHEAP
        self.numpy_below = _NUMPY_BELOW.get(passes, 0)
        if self.math and passes == 1:
            self.numpy_below = _NUMPY_BELOW_MATH
        self._flat: dict[str, Kernel] = {}  # by the type that is computed in
        self._kernels: dict[tuple[str, str], Kernel] = {}  # by layout and types

    def __call__(
        self,
        arrays: Sequence[Array],
        params: Sequence[float],
        dtype: np.dtype[Any],
        out: Array | None = None,
    ) -> Array:
        """Compute into a new array, or into `out`, which is contiguous and may be an operand.

        Operands are of `dtype` or boolean, and broadcast.
        """
        if out is None:
            out = np.empty(arrays[0].shape, np.bool_ if self.boolean else dtype)
            given = False
        else:
            given = True
        kernel = self._flat.get(dtype.char)
        if kernel is not None:
            who = NOBODY if out.size < self.parallel_from else team(out.size)
            if kernel(*who, 0, 0, out, *arrays, *params) is not None:
                return out
        return self._laid_out(arrays, params, dtype, out, given)

    def _laid_out(
        self,
        arrays: Sequence[Array],
        params: Sequence[float],
        dtype: np.dtype[Any],
        out: Array,
        given: bool,
    ) -> Array:
        """The same for any arrays and numbers: what a kernel does not take as it is, is copied."""
        shape = np.broadcast_shapes(*[a.shape for a in arrays])
        if out.shape != shape:
            if given:
                raise ValueError(f"{self.name}: out has shape {out.shape}, the result {shape}")
            out = np.empty(shape, out.dtype)
        if out.size == 0:
            return out
        arrays = [_ready(a, dtype) for a in arrays]
        pattern, operands, rows, columns = _lay_out(arrays, shape)
        kernel = self.kernel(pattern, [out.dtype, *(a.dtype for a in operands)], dtype)
        if "r" not in pattern and "c" not in pattern and "s" not in pattern:
            self._flat[dtype.char] = kernel
        who = NOBODY if out.size < self.parallel_from else team(out.size)
        numbers = [float(p) for p in params]
        if kernel(*who, rows, columns, out, *operands, *numbers) is None:
            raise TypeError(f"{self.name}: out must be contiguous and writeable")
        return out

    def kernel(self, pattern: str, dtypes: Sequence[np.dtype[Any]], dtype: np.dtype[Any]) -> Kernel:
        """The kernel for operands so laid out and of these types (the first is the result's).

        It is called as :mod:`minigrad.kernels.emit.call` says.
        """
        chars = "".join(d.char for d in dtypes)
        key = (pattern, chars + dtype.char)
        found = self._kernels.get(key)
        if found is None:
            made = self._by_numba if target.host() is None else self._emitted
            found = self._kernels[key] = made(pattern, chars, dtype)
        return found

    def _emitted(self, pattern: str, chars: str, dtype: np.dtype[Any]) -> Kernel:
        entry = bodies.elementwise(
            self.name, [self.root], self.operands, pattern, chars[1:] + chars[0], dtype.char,
            self.params,
        )  # fmt: skip
        dtypes = [np.dtype(c) for c in chars]
        by_rows = "r" in pattern or "c" in pattern
        return call.caller(entry, dtypes, len(self.params), by_rows)

    def _by_numba(self, pattern: str, chars: str, dtype: np.dtype[Any]) -> Kernel:
        """The kernel of the readable source, called in the same way."""
        text = self.source(pattern, dtype.name)
        module = store.load(f"{self.name}_{pattern}_{dtype.name}", text)
        by_rows = "r" in pattern or "c" in pattern

        def run(pool: int, launch: int, rows: int, columns: int, out: Array, *rest: Any) -> Any:
            operands, params = rest[: len(pattern)], rest[len(pattern) :]
            if rows == 0:
                usual = all(
                    a.shape == out.shape and a.flags.c_contiguous and a.dtype.char == char
                    for a, char in zip(operands, chars[1:], strict=True)
                )
                if not usual:
                    return None
            shape = (rows, columns) if by_rows else (-1,)
            shapes = {"f": shape, "r": (-1,), "c": (-1,)}
            laid_out = [
                a.item() if letter == "s" else a.reshape(shapes[letter])
                for a, letter in zip(operands, pattern, strict=True)
            ]
            written = out.reshape(shape)
            if pool:
                module.run(pool, *laid_out, *params, written)
            elif out.size:
                module.blocks(*laid_out, *params, written, 0, out.size)  # no more blocks than that
            return out

        return run

    def source(self, pattern: str = "", dtype: str = "float32") -> str:
        """The loop as Python source, as it would be written for numba."""
        pattern = pattern or "f" * len(self.operands)
        return numba_source.source(
            self.name, [self.root], self.operands, pattern, dtype, self.params
        )


def _ready(a: Array, dtype: np.dtype[Any]) -> Array:
    """An array of `dtype` or boolean whose elements lie where the processor wants them."""
    if a.dtype.char != "?":
        a = np.asarray(a, dtype)
    return a if a.flags.aligned else a.copy()


def _lay_out(arrays: Sequence[Array], shape: tuple[int, ...]) -> tuple[str, list[Array], int, int]:
    """Fit operands of any broadcastable shapes to a kernel: pattern, operands, rows and columns.

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
        elif is_full and columns > 1 and all(n == 1 for n in p[:split]):
            letters.append("f" if rows == 1 else "r")
        elif is_full:
            letters.append("f")
            a = np.broadcast_to(a, outer + inner)
        else:
            letters.append("c")
            a = np.broadcast_to(a.reshape(p[:split]), outer)
        operands.append(np.ascontiguousarray(a))
    return "".join(letters), operands, rows, columns
