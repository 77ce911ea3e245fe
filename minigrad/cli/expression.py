"""``tanh(w * x + b)`` typed by a user, computed on tensors.

The text is parsed by Python's own parser and walked here, node by node: numbers, names that were
given values, arithmetic, and calls of minigrad's functions. Nothing else is accepted, so nothing
else can run.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor

__all__ = ["evaluate", "names_in", "parse_value"]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow, ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv, ast.MatMult: operator.matmul,
}  # fmt: skip
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_CONSTANTS = {"pi": 3.141592653589793, "e": 2.718281828459045}
#: Functions that compute tensors from tensors; creation, random numbers and the like stay out.
_FUNCTIONS = (
    "abs", "amax", "amin", "clamp", "cos", "erf", "exp", "expm1", "log", "log1p", "logsumexp",
    "matmul", "max", "maximum", "mean", "min", "minimum", "norm", "pow", "prod", "reciprocal",
    "relu", "rsqrt", "sigmoid", "sign", "sin", "softmax", "sqrt", "square", "std", "sum", "tan",
    "tanh", "var", "where",
)  # fmt: skip


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        message = getattr(error, "msg", None) or str(error)
        raise ValueError(f"cannot read the expression {text!r}: {message}") from None


def parse_value(text: str) -> Any:
    """A number, or nested lists of numbers.

    >>> parse_value("2"), parse_value("[1, -2.5]")
    (2.0, [1.0, -2.5])
    """
    return _value(_parse(text), text)


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(part, text) for part in node.elts]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        inner = _value(node.operand, text)
        if isinstance(inner, float):
            return _UNARY[type(node.op)](inner)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    raise ValueError(f"expected a number or a list of numbers, such as 0.5 or [1, 2], got {text!r}")


def names_in(text: str) -> list[str]:
    """The variables of an expression, in the order of their appearance.

    >>> names_in("tanh(w * x + b)")
    ['w', 'x', 'b']
    """
    found: dict[tuple[int, int], str] = {}
    tree = _parse(text)
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in called and node.id not in _CONSTANTS:
            found[node.lineno, node.col_offset] = node.id
    return list(dict.fromkeys(found[place] for place in sorted(found)))


def evaluate(text: str, values: Mapping[str, Tensor]) -> Tensor:
    """The value of an expression.

    Parameters
    ----------
    text : str
        Arithmetic, and calls of functions such as ``tanh(x)`` and ``max(a, b)``.
    values : mapping of str to Tensor
        The variables.

    Raises
    ------
    ValueError
        If it contains anything else.

    Examples
    --------
    >>> import minigrad as mg
    >>> evaluate("2 * x ** 2 + 1", {"x": mg.tensor(3.0)})
    tensor(19.)
    """
    result = _walk(_parse(text), values, 0)
    if not isinstance(result, Tensor):
        raise ValueError(f"the expression {text!r} has no variables: there is nothing to draw")
    return result


def _walk(node: ast.expr, values: Mapping[str, Tensor], depth: int) -> Any:
    if depth > 200:
        raise ValueError("the expression is nested too deeply")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.Name):
        return _variable(node.id, values)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_walk(node.operand, values, depth + 1))
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = (_walk(side, values, depth + 1) for side in (node.left, node.right))
        _refuse_huge(node.op, left, right)
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node, node.func.id, values, depth)
    raise ValueError(
        f"expected arithmetic and functions such as tanh(x), got {ast.unparse(node)!r}"
    )


def _refuse_huge(op: ast.operator, left: Any, right: Any) -> None:
    """Numbers are computed by Python, where ``9 ** 9 ** 9`` would never end."""
    plain = not isinstance(left, Tensor) and not isinstance(right, Tensor)
    if plain and isinstance(op, ast.Pow) and (abs(left) > 1e6 or abs(right) > 64):
        raise ValueError(f"the number {left} ** {right} is too large")


def _variable(name: str, values: Mapping[str, Tensor]) -> Any:
    if name in values:
        return values[name]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    known = f"given are {', '.join(values)}" if values else "none is given"
    raise ValueError(f"the variable {name} has no value: add {name}=1.5 ({known})")


def _call(node: ast.Call, name: str, values: Mapping[str, Tensor], depth: int) -> Any:
    if name not in _FUNCTIONS or name not in PUBLIC:
        import difflib

        near = difflib.get_close_matches(name, _FUNCTIONS, 3)
        hint = f": did you mean {', '.join(near)}?" if near else f". Known: {', '.join(_FUNCTIONS)}"
        raise ValueError(f"there is no function {name}{hint}")
    if node.keywords:
        raise ValueError(f"{name}(): arguments are given by position, not by name")
    args = [_walk(a, values, depth + 1) for a in node.args]
    if not any(isinstance(a, Tensor) for a in args):
        from minigrad.ops.creation import tensor

        args = [tensor(float(a)) for a in args]
    try:
        return PUBLIC[name](*args)
    except (TypeError, RuntimeError, IndexError) as error:
        raise ValueError(f"{name}(): {error}") from None
