"""What is written on the box of an operation, and on the arrows into it."""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad.viz.text import number_text

__all__ = ["INFIX", "OpLabel", "op_label", "op_title"]

#: Operations that are written between their operands.
INFIX = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "matmul": "@", "mm": "@", "bmm": "@",
    "floor_divide": "//", "remainder": "%", "maximum": "max", "minimum": "min", "pow": "^",
}  # fmt: skip
_COMMUTES = {"add", "mul", "maximum", "minimum"}
_FORMULAS = {
    "square": "x²", "cube": "x³", "sqrt": "√x", "neg": "−x", "reciprocal": "1 ÷ x", "abs": "|x|",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
#: Parameters that the shape of the result tells, or that say nothing to a reader.
_SILENT = {
    "shape", "sizes", "keepdim", "key", "dtype", "eps", "ignored", "scale", "start", "k", "shared",
}  # fmt: skip
_USUAL = {"smoothing": 0.0, "reduction": "mean", "correction": 1, "skip": -1}
_LONGEST = 22


class OpLabel(NamedTuple):
    """Title of the box, whether it is a symbol instead of a name, and labels of its arrows."""

    title: str
    symbolic: bool
    operands: tuple[str, ...]


def op_title(op: Any) -> str:
    """The name of an operation as readers know it.

    >>> import minigrad as mg
    >>> op_title(mg.relu.op)
    'relu'
    """
    name = str(op.name).strip("_")
    for suffix in ("_kernel", "_number", "_plain"):
        name = name.removesuffix(suffix)
    return name


def op_label(node: Any, constants: tuple[str | None, ...]) -> OpLabel:
    """The label of a node.

    Parameters
    ----------
    node : Node
    constants : tuple of str or None
        For each input, what to write for it inside of the box: the text of a number, or None
        where an arrow leads to the box.
    """
    name = node.op.name
    if name in INFIX and len(constants) == 2:
        return _infix_label(name, constants)
    silent = ("",) * len(constants)
    if name == "pow_number":
        return _infix_label("pow", (None, f"{node.params[0]:g}"))._replace(operands=silent)
    if name in _FORMULAS:
        return OpLabel(_FORMULAS[name], True, silent)
    if name == "_cast":
        return OpLabel(f"to {node.dtype}", False, silent)
    return OpLabel(op_title(node.op) + _params_text(node), False, silent)


def _infix_label(name: str, constants: tuple[str | None, ...]) -> OpLabel:
    sign, (a, b) = INFIX[name], constants
    if a is None and b is None:
        if name in _COMMUTES:
            return OpLabel(sign, True, ("", ""))
        return OpLabel(f"a {sign} b", True, ("a", "b"))
    if name in _COMMUTES:
        return OpLabel(f"{sign} {b if a is None else a}", True, ("", ""))
    if name == "pow" and a is None and b is not None and b.lstrip("-").isdigit():
        return OpLabel("x" + b.translate(_SUPERSCRIPTS), True, ("", ""))
    title = f"{sign} {b}" if a is None and name != "pow" else f"{a or 'x'} {sign} {b or 'x'}"
    return OpLabel(title, True, ("", ""))


def _params_text(node: Any) -> str:
    """The settings worth reading, such as ``(dim=1)``."""
    op, params = node.op, node.params
    names = getattr(op, "names", ())[max(getattr(op, "arity", 0), 0) :] if params else ()
    if getattr(op, "arity", 0) < 0:
        names = op.names[1:]
    defaults = getattr(op, "defaults", ())
    parts: list[str] = []
    for i, (name, value) in enumerate(zip(names, params, strict=False)):
        default = defaults[i] if i < len(defaults) else _USUAL.get(name, ())
        if name in _SILENT or value == default:
            continue
        if name == "axes" and node.edges[0] is not None and len(node.edges[0].shape) == len(value):
            continue  # over everything
        text = _param_text(name, value)
        if text and len(", ".join([*parts, text])) <= _LONGEST:
            parts.append(text)
    return f"({', '.join(parts)})" if parts else ""


def _param_text(name: str, value: Any) -> str:
    if isinstance(value, tuple) and value and all(isinstance(v, int) for v in value):
        if len(value) > 1:
            return f"{_public_name(name)}={value}"
        value = value[0]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{_public_name(name)}={number_text(value)}"
    return f"{name}={value}" if isinstance(value, str) else ""


def _public_name(name: str) -> str:
    return "dim" if name == "axes" else name
