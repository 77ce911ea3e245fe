"""``tanh(w * x + b)`` typed by a user, computed on tensors.

The text is parsed by Python's own parser and walked here, node by node: numbers, names that were
given values, arithmetic, and calls of minigrad's functions. Nothing else is accepted, so nothing
else can run.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from minigrad.core.public import PUBLIC
from minigrad.core.tensor import Tensor

__all__ = ["differentiate", "evaluate", "names_in", "parse_value", "read_variables"]

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
    "abs", "acos", "amax", "amin", "asin", "atan", "clamp", "cos", "cosh", "dot", "elu", "erf",
    "exp", "expm1", "gelu", "leaky_relu", "log", "log10", "log1p", "log2", "log_softmax",
    "logaddexp", "logsigmoid", "logsumexp", "matmul", "max", "maximum", "mean", "min", "minimum",
    "norm", "pow", "prod", "reciprocal", "relu", "rsqrt", "selu", "sigmoid", "sign", "silu", "sin",
    "sinh", "softmax", "softplus", "softsign", "sqrt", "square", "std", "sum", "tan", "tanh", "var",
    "where",
)  # fmt: skip
#: What mathematicians call them.
_ALSO = {"ln": "log", "arctan": "atan", "arcsin": "asin", "arccos": "acos"}
#: Those that need to be told along which dimension: the last, unless they are.
_ALONG = ("softmax", "log_softmax", "logsumexp")


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
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


def read_variables(expression: str, items: Iterable[str]) -> dict[str, Tensor]:
    """``w=0.5 x=[1,2]`` as leaves, which must be the variables of the expression.

    Raises
    ------
    ValueError
        If one is missing, or unused, or no number.
    """
    from minigrad.ops.creation import tensor

    variables: dict[str, Tensor] = {}
    for item in items:
        name, equals, text = item.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise ValueError(f"expected NAME=VALUE, such as x=2 or w=[1,2], got {item!r}")
        variables[name] = tensor(parse_value(text), requires_grad=True)
    names = names_in(expression)
    missing = [n for n in names if n not in variables]
    if missing:
        wanted = " ".join(f"{n}=1.5" for n in missing)
        raise ValueError(f"these variables have no value: {', '.join(missing)}; add {wanted}")
    unused = [n for n in variables if n not in names]
    if unused:
        raise ValueError(f"these variables are not in the expression: {', '.join(unused)}")
    if not names:
        raise ValueError(
            f"the expression {expression!r} has no variables, so it has no gradients: put a name "
            "for a number, such as 'log(x)' x=-1"
        )
    return variables


def evaluate(
    text: str, values: Mapping[str, Tensor], parts: dict[int, str] | None = None
) -> Tensor:
    """The value of an expression.

    Parameters
    ----------
    text : str
        Arithmetic, and calls of functions such as ``tanh(x)`` and ``max(a, b)``.
    values : mapping of str to Tensor
        The variables.
    parts : dict, optional
        Receives the part of the text that each operation stands for, by the number of its node.

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
    result = _walk(_parse(text), values, 0, {} if parts is None else parts)
    if not isinstance(result, Tensor):
        raise ValueError(f"the expression {text!r} has no variables: there is nothing to draw")
    return result


def _walk(node: ast.expr, values: Mapping[str, Tensor], depth: int, parts: dict[int, str]) -> Any:
    result = _compute(node, values, depth, parts)
    if isinstance(result, Tensor) and result.node is not None:
        parts.setdefault(result.node.seq, ast.unparse(node))
    return result


def _compute(
    node: ast.expr, values: Mapping[str, Tensor], depth: int, parts: dict[int, str]
) -> Any:
    if depth > 200:
        raise ValueError("the expression is nested too deeply")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.Name):
        return _variable(node.id, values)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_walk(node.operand, values, depth + 1, parts))
    if isinstance(node, ast.BinOp):
        return _binary(node, values, depth, parts)
    if isinstance(node, ast.Subscript):
        return _part(node, values, depth, parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _call(node, node.func.id, values, depth, parts)
    raise ValueError(
        f"expected arithmetic and functions such as tanh(x), got {ast.unparse(node)!r}"
    )


def _binary(
    node: ast.BinOp, values: Mapping[str, Tensor], depth: int, parts: dict[int, str]
) -> Any:
    if isinstance(node.op, ast.BitXor):
        wanted = f"{ast.unparse(node.left)} ** {ast.unparse(node.right)}"
        raise ValueError(f"expected ** for a power, got ^: write {wanted}")
    if type(node.op) not in _BINARY:
        raise ValueError(f"expected + - * / // % ** or @, got {ast.unparse(node)!r}")
    left, right = (_walk(side, values, depth + 1, parts) for side in (node.left, node.right))
    _refuse_huge(node.op, left, right)
    try:
        return _BINARY[type(node.op)](left, right)
    except (TypeError, RuntimeError, ZeroDivisionError) as error:
        raise ValueError(f"{ast.unparse(node)}: {error}") from None


def _refuse_huge(op: ast.operator, left: Any, right: Any) -> None:
    """Numbers are computed by Python, where ``9 ** 9 ** 9`` would never end."""
    plain = not isinstance(left, Tensor) and not isinstance(right, Tensor)
    if plain and isinstance(op, ast.Pow) and (abs(left) > 1e6 or abs(right) > 64):
        raise ValueError(f"the number {left} ** {right} is too large")


def _part(
    node: ast.Subscript, values: Mapping[str, Tensor], depth: int, parts: dict[int, str]
) -> Any:
    """``x[0]``, ``m[:, -1]``: indices are whole numbers and slices of them."""
    whole = _walk(node.value, values, depth + 1, parts)
    if not isinstance(whole, Tensor):
        raise ValueError(f"expected a variable before the brackets, got {ast.unparse(node)!r}")
    indices = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    try:
        return whole[tuple(_index(i) for i in indices)]
    except (IndexError, TypeError, RuntimeError) as error:
        shape = list(whole.shape)
        raise ValueError(f"{ast.unparse(node)}: {error} (the shape is {shape})") from None


def _index(node: ast.expr | None) -> Any:
    if node is None:
        return None
    if isinstance(node, ast.Slice):
        return slice(_index(node.lower), _index(node.upper), _index(node.step))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_index(node.operand)
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    raise ValueError(f"expected whole numbers and slices in brackets, got {ast.unparse(node)!r}")


def _variable(name: str, values: Mapping[str, Tensor]) -> Any:
    if name in values:
        return values[name]
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    known = f"given are {', '.join(values)}" if values else "none is given"
    raise ValueError(f"the variable {name} has no value: add {name}=1.5 ({known})")


def _call(
    node: ast.Call, name: str, values: Mapping[str, Tensor], depth: int, parts: dict[int, str]
) -> Any:
    name = _ALSO.get(name, name)
    function = _function(name) if name in _FUNCTIONS else None
    if function is None:
        import difflib

        near = difflib.get_close_matches(name, _FUNCTIONS, 3)
        hint = f": did you mean {', '.join(near)}?" if near else f". Known: {', '.join(_FUNCTIONS)}"
        raise ValueError(f"there is no function {name}{hint}")
    if node.keywords:
        raise ValueError(f"{name}(): arguments are given by position, not by name")
    args = [_walk(a, values, depth + 1, parts) for a in node.args]
    if not any(isinstance(a, Tensor) for a in args):
        from minigrad.ops.creation import tensor

        args = [tensor(float(a)) for a in args]
    if name in _ALONG and len(args) == 1:
        args.append(-1)
    try:
        return function(*args)
    except (TypeError, RuntimeError, IndexError) as error:
        raise ValueError(f"{name}(): {error}") from None


def _function(name: str) -> Callable[..., Any] | None:
    """A function of the package, or of ``nn.functional``."""
    from minigrad.nn import functional

    return PUBLIC.get(name) or getattr(functional, name, None)


def differentiate(loss: Any, retain: bool = False) -> None:
    """Backward; what is no number is said by the command, with more words than a warning has."""
    from minigrad.autograd.nonfinite import expected

    with expected():
        loss.backward(retain_graph=retain)
