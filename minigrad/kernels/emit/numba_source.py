"""From an expression to the readable numba source of one fused loop.

It shows what a kernel computes, is what the machine code of :mod:`.loops` is tested against, bit by
bit, and serves the processors for which there is none. Operands are laid out as told there.
Literals take the kernel's type: numba would turn ``1 - y * y`` into float64 arithmetic, many times
slower where it meets ``exp``.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.core.expr import OPERATORS, Expr, text
from minigrad.kernels.emit.expressions import same, walk

__all__ = ["source"]

_SUFFIX = {"float32": "f32", "float64": "f64"}

#: Functions that vecmath has once per type; the others work for both under one name.
_PER_TYPE = {"exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf", "pow"}
_PLAIN = {
    "abs": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "round": "rint",
    "trunc": "trunc", "maximum": "maximum", "minimum": "minimum", "where": "select",
    "copysign": "copysign",
}  # fmt: skip


class _Writer:
    """Spells expressions of one kernel: named constants, shared subexpressions once."""

    def __init__(self, roots: Sequence[Expr], dtype: str, elements: dict[str, str]) -> None:
        self.dtype = dtype
        self.suffix = _SUFFIX[dtype]
        self.elements = elements  # symbol -> how the loop spells its current element
        self.imports: set[str] = set()
        self.constants: dict[str, str] = {}
        self.lines: list[str] = []
        self.named: list[tuple[Expr, str]] = []
        self.results = [""] * len(roots)
        self._share(roots)
        self.results = [self.spell(root) for root in roots]

    def _share(self, roots: Sequence[Expr]) -> None:
        """A subexpression read more than once gets a name and a line of its own."""
        nodes = list(walk(*roots))
        for e in nodes:
            if e.op in ("symbol", "const"):
                continue
            readers = sum(same(a, e) for n in nodes for a in n.args if isinstance(a, Expr))
            if readers > 1:
                spelled, name = self.spell(e), f"t{len(self.named)}"
                self.lines.append(f"{name} = {spelled}")
                self.named.append((e, name))

    def constant(self, value: float) -> str:
        spelled = f"np.{self.dtype}({_literal(value)})"
        return self.constants.setdefault(spelled, f"C{len(self.constants)}")

    def function(self, name: str) -> str:
        self.imports.add(name)
        return name

    def spell(self, e: Expr) -> str:
        for known, name in self.named:
            if same(known, e):
                return name
        if e.op == "symbol":
            return self.elements[e.args[0]]
        if e.op == "const":
            return self.constant(e.args[0])
        args = [self.spell(a) for a in e.args]
        if e.op == "neg":
            return f"(-{args[0]})"
        if e.op == "not":
            return f"(not {args[0]})"
        if e.op in OPERATORS and e.op != "pow":
            return f"({args[0]} {OPERATORS[e.op]} {args[1]})"
        if e.op == "isnan":
            return f"({args[0]} != {args[0]})"
        if e.op == "rsqrt":
            return f"({self.constant(1.0)} / {self.function('sqrt')}({args[0]}))"
        if e.op == "sign":
            select, zero = self.function("select"), self.constant(0.0)
            below = f"{select}({args[0]} < {zero}, {self.constant(-1.0)}, {zero})"
            return f"{select}({args[0]} > {zero}, {self.constant(1.0)}, {below})"
        name = f"{e.op}_{self.suffix}" if e.op in _PER_TYPE else _PLAIN[e.op]
        return f"{self.function(name)}({', '.join(args)})"


def _literal(value: float) -> str:
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        return f'"{number}"'
    return repr(number)


def source(
    name: str,
    roots: Sequence[Expr],
    operands: Sequence[str],
    pattern: str,
    dtype: str,
    params: Sequence[str] = (),
) -> str:
    """The source of a module whose ``run(pool, *operands, *params, *outputs)`` is the kernel.

    Its ``blocks(*operands, *params, *outputs, b0, b1)`` does blocks `b0` to `b1` of the work in the
    calling thread; `b1` may be too large.

    Parameters
    ----------
    name : str
        What the kernel computes; goes into the docstring.
    roots : sequence of Expr
        One expression per output.
    operands : sequence of str
        The names of the symbols that are operands, in the order of the arguments.
    pattern : str
        One letter per operand, see :mod:`.loops`.
    dtype : {"float32", "float64"}
        The type that is computed in.
    params : sequence of str
        Symbols that are numbers for the whole array, such as ``alpha``.
    """
    rows = any(letter in "rc" for letter in pattern)
    layout = dict(zip(operands, pattern, strict=True))
    outputs = ["out"] if len(roots) == 1 else [f"out{k}" for k in range(len(roots))]
    elements = {p: _element(p, letter, rows) for p, letter in layout.items()}
    elements |= {p: p for p in params}
    writer = _Writer(roots, dtype, elements)

    arguments = [*layout, *params, *outputs]
    scalars = [p for p, letter in layout.items() if letter == "s"] + list(params)
    arrays = {p: letter for p, letter in layout.items() if letter in "frc"}
    arrays |= dict.fromkeys(outputs, "f")
    results = zip(outputs, writer.results, strict=True)
    body = [*writer.lines, *(f"{_element(o, 'f', rows)} = {r}" for o, r in results)]
    loop = _row_loop(arrays, outputs[0], body) if rows else _flat_loop(arrays, outputs[0], body)
    arguments_text = ", ".join(arguments)
    lines = [
        f'"""{name}: {"; ".join(text(root) for root in roots)}  [{dtype}, {pattern}]"""',
        "",
        "import numpy as np",
        "",
        "from minigrad.kernels.run.jit import BLOCK, jit",
        "from minigrad.kernels.run.threads import parallel_for",
    ]
    if writer.imports:
        lines.append(
            f"from minigrad.kernels.math.vecmath import {', '.join(sorted(writer.imports))}"
        )
    lines += ["", *(f"{c} = {spelled}" for spelled, c in writer.constants.items()), "", ""]
    lines += [
        "@jit",
        f"def blocks({arguments_text}, b0, b1):",
        *(f"    {s} = np.{dtype}({s})" for s in scalars),
        *loop,
        "",
        "",
        "@jit",
        f"def run(pool, {arguments_text}):",
        *_launch(arguments_text, outputs[0], rows),
        "",
    ]
    return "\n".join(lines)


def _element(operand: str, letter: str, rows: bool) -> str:
    """How the loop spells the current element of an operand."""
    if not rows:
        return operand if letter == "s" else f"{operand}[i]"
    return {"f": f"{operand}_r[j]", "r": f"{operand}[j]", "c": f"{operand}_r", "s": operand}[letter]


def _flat_loop(arrays: dict[str, str], first: str, body: Sequence[str]) -> list[str]:
    """Slices first: a loop over ``range(lo, hi)`` with signed bounds does not vectorise well."""
    return [
        "    lo = b0 * BLOCK",
        f"    hi = min(b1 * BLOCK, {first}.size)",
        *(f"    {a} = {a}[lo:hi]" for a in arrays),
        f"    for i in range({first}.size):",
        *(f"        {line}" for line in body),
    ]


def _row_loop(arrays: dict[str, str], first: str, body: Sequence[str]) -> list[str]:
    """Whole rows per block; a row is one contiguous run, a column operand one number for it."""
    return [
        f"    per = max(1, BLOCK // {first}.shape[1])",
        f"    for r in range(b0 * per, min(b1 * per, {first}.shape[0])):",
        *(f"        {a}_r = {a}[r]" for a, letter in arrays.items() if letter in "fc"),
        f"        for j in range({first}_r.size):",
        *(f"            {line}" for line in body),
    ]


def _launch(arguments: str, first: str, rows: bool) -> list[str]:
    if not rows:
        count = f"({first}.size + BLOCK - 1) // BLOCK"
        return [f"    parallel_for(pool, blocks, ({arguments},), {count})"]
    return [
        f"    per = max(1, BLOCK // {first}.shape[1])",
        f"    count = ({first}.shape[0] + per - 1) // per",
        f"    parallel_for(pool, blocks, ({arguments},), count)",
    ]
