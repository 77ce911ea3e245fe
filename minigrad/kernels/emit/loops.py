"""The loop around a formula: the body of an elementwise kernel.

A kernel reads its operands, computes one value per element and writes it; the *pattern* says how
each operand is laid out against the output:

====  ==========================================================================
``f``  full: the same shape as the output (or the output itself: in place)
``r``  row: one value per column, ``(C,)`` against ``(R, C)``
``c``  column: one value per row, ``(R,)`` against ``(R, C)``
``s``  scalar: one value
====  ==========================================================================

With only ``f`` and ``s`` the loop is flat. A body finds its numbers, all int64, at one address::

    R, C (flat: 1, n), the addresses of the operands, of the params (float64), of the outputs

The last elements of a run, fewer than a vector has lanes, are copied into vectors on the stack, go
through the same loop as all the others, and are copied back. So a formula is written, and compiled,
once.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.core.expr import Expr
from minigrad.kernels.emit.body import Body
from minigrad.kernels.emit.expressions import evaluate
from minigrad.kernels.run.sizes import BLOCK

__all__ = ["ElementwiseLoop"]


class ElementwiseLoop(Body):
    """Writes the body of formulas: one expression in `roots` per output, the rest as for `Body`."""

    def __init__(
        self,
        name: str,
        roots: Sequence[Expr],
        operands: Sequence[str],
        pattern: str,
        chars: str,
        dtype: str,
        params: Sequence[str],
        register: int,
    ) -> None:
        letters = pattern + "f" * len(roots)
        super().__init__(name, operands, letters, chars, dtype, params, register)
        self.roots = roots
        self.rows = any(letter in "rc" for letter in pattern)

    def write(self, rows: str, columns: str) -> None:
        """The loop over rows or over all elements."""
        for array in self.moving:
            array.buffer = self.code.new(f"alloca {array.kind.text}, align 64")
        if self.rows:
            self.each_row(rows, columns, lambda row: self._run(columns, "row_done"))
        else:
            self._flat(rows, columns)

    def _flat(self, rows: str, columns: str) -> None:
        """One run: the blocks asked for."""
        code = self.code
        size = code.value(f"mul i64 {rows}, {columns}")
        start = code.value(f"mul i64 %b0, {BLOCK}")
        stop = self.smaller(code.value(f"mul i64 %b1, {BLOCK}"), size)
        for array in self.moving:
            array.start = self.at(array, array.base, start)
        count = self.larger(code.value(f"sub i64 {stop}, {start}"), "0")
        self._run(count, "end")

    def _run(self, count: str, done: str) -> None:
        """All elements from where the arrays `start`, then to the block `done`."""
        code, lanes = self.code, self.kind.lanes
        whole = code.value(f"and i64 {count}, {-lanes}")
        left = code.value(f"sub i64 {count}, {whole}")
        some = code.value(f"icmp ne i64 {whole}, 0")
        before = code.label
        code.line(f"br i1 {some}, label %vectors, label %rest")

        code.block("vectors")
        i = code.phi("%i", "i64", ("0", before), ("%next", "vectors"), ("0", "copy_in"))
        code.phi("%stop", "i64", (whole, before), ("%stop", "vectors"), (str(lanes), "copy_in"))
        code.phi("%last", "i1", ("false", before), ("%last", "vectors"), ("true", "copy_in"))
        for k, array in enumerate(self.moving):
            array.place = place = f"%place{k}"
            sources = (array.start, before), (place, "vectors"), (array.buffer, "copy_in")
            code.phi(place, "ptr", *sources)
        self._compute(i)
        code.line(f"%next = add i64 {i}, {lanes}")
        more = code.new("icmp slt i64 %next, %stop")
        code.line(f"br i1 {more}, label %vectors, label %vectors_done")
        code.block("vectors_done")
        code.line("br i1 %last, label %copy_back, label %rest")
        self._rest(whole, left, done)

    def _compute(self, i: str) -> None:
        """One vector of each output."""
        values = dict(self.fixed)
        for array in self.operands:
            if array.letter in "fr":
                values[array.name] = self.load(array, self.at(array, array.place, i))
        some = next(iter(values.values()))
        results = evaluate(self.roots, values, lambda x: some.like(x, self.kind.dtype))
        for array, result in zip(self.outputs, results, strict=True):
            self.store(array, self.at(array, array.place, i), result)

    def _rest(self, whole: str, left: str, done: str) -> None:
        """The last elements, `left` of them: to the stack, through the loop, and back."""
        code = self.code
        code.block("rest")
        none = code.value(f"icmp eq i64 {left}, 0")
        code.line(f"br i1 {none}, label %{done}, label %copy_in")
        code.block("copy_in")
        mask = self.mask(left)
        for array in self.moving:
            if array not in self.outputs:
                where = self.at(array, array.start, whole)
                value = self.load_masked(array, where, mask)
                code.line(f"store {array.kind.text} {value}, ptr {array.buffer}, align 64")
        code.line("br label %vectors")
        code.block("copy_back")
        mask = self.mask(left)
        for array in self.outputs:
            value = code.new(f"load {array.kind.text}, ptr {array.buffer}, align 64")
            self.store_masked(array, self.at(array, array.start, whole), value, mask)
        code.line(f"br label %{done}")
