"""Bodies of elementwise formulas: from what is wanted to the address of its machine code."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.core.expr import Expr
from minigrad.kernels.emit import objects, target
from minigrad.kernels.emit.expressions import spelling

__all__ = ["elementwise", "row_reduction"]


def elementwise(
    name: str,
    roots: Sequence[Expr],
    operands: Sequence[str],
    pattern: str,
    chars: str,
    dtype: str,
    params: Sequence[str] = (),
) -> int:
    """The address of a body ``(address, b0, b1)``; what it reads there, `loops` says.

    Parameters
    ----------
    name : str
        A readable name; need not be unique.
    roots : sequence of Expr
        One expression per output.
    operands : sequence of str
        The names of the symbols that are operands.
    pattern : str
        How each operand is laid out: ``f``, ``r``, ``c`` or ``s``.
    chars : str
        numpy's letter for the type of each operand, then of each output.
    dtype : {"f", "d"}
        The type that is computed in.
    params : sequence of str
        Symbols that are numbers for the whole array, read as float64.
    """
    register = _register()
    wanted = (tuple(operands), pattern, chars, dtype, tuple(params), register)

    def write(function: str) -> str:
        from minigrad.kernels.emit.loops import ElementwiseLoop  # only where it is not in the cache

        return ElementwiseLoop(
            function, roots, operands, pattern, chars, dtype, params, register
        ).text()

    readable = f"{name}_{pattern}_{chars}".replace("?", "b")
    return objects.entry_of(readable, f"{wanted} {spelling(*roots)}", write)


def row_reduction(
    name: str,
    operation: str,
    root: Expr,
    finish: Expr,
    operands: Sequence[str],
    pattern: str,
    chars: str,
    dtype: str,
    params: Sequence[str] = (),
) -> int:
    """The address of a body that reduces rows; see `reduction`, and above for the parameters.

    Parameters
    ----------
    operation : {"add", "max", "min"}
        How values are joined.
    root, finish : Expr
        What is joined, and the result as a formula of ``total``.
    """
    register = _register()
    wanted = (operation, tuple(operands), pattern, chars, dtype, tuple(params), register)

    def write(function: str) -> str:
        from minigrad.kernels.emit.reduction import RowReduction

        return RowReduction(
            function, operation, root, finish, operands, pattern, chars, dtype, params, register
        ).text()

    readable = f"{name}_{pattern}_{chars}".replace("?", "b")
    return objects.entry_of(readable, f"{wanted} {spelling(root, finish)}", write)


def _register() -> int:
    chosen = target.host()
    if chosen is None:
        raise RuntimeError("no machine code is written for this processor")
    return chosen.register
