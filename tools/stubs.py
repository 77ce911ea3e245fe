"""Write the type stubs of what operations declare: ``python tools/stubs.py [--check]``.

``minigrad.names`` and the methods of tensors are filled from declarations at import, where type
checkers cannot look. This writes what they look at instead: ``names.pyi`` and ``methods.pyi``.
With ``--check`` nothing is written, and the exit code says whether the files are up to date.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import minigrad
from minigrad.core.engine import Node
from minigrad.core.tensor import Tensor
from minigrad.nn import functions, pointwise
from minigrad.ops import PUBLIC, REGISTRY, later

PACKAGE = Path(minigrad.__file__).parent
#: Tensors have methods of these names, so the types go by others inside the class.
BUILTINS = ("bool", "float", "int", "type")
HEADER = "# Written by tools/stubs.py from the declarations in minigrad/ops; do not edit.\n"
WORD = re.compile(r"[A-Za-z_]\w*")
KNOWN = {
    "Tensor",
    "Any",
    "Size",
    "Generator",
    "Sequence",
    "Callable",
    "Iterator",
    "dtype",
    "device",
    "Node",
    "RemovableHandle",
}
PLAIN = {"int", "float", "bool", "str", "None", "tuple", "list", "dict", "object"}
OPERAND = "Tensor | float"
#: Methods that every object has.
OBJECTS = {"__reduce_ex__", "__deepcopy__", "__format__", "__repr__", "__init__"}
IMPORTS = (
    "from collections.abc import Callable, Iterator, Sequence",
    "from typing import Any",
    "",
    "from minigrad.autograd.hooks import RemovableHandle",
    "from minigrad.core.dtypes import dtype",
    "from minigrad.core.engine import Node",
    "from minigrad.core.tensor import Size, Tensor",
    "from minigrad.place import device, layout",
    "from minigrad.ops.random import Generator",
    "",
)


def _annotation(value: Any, owner: Callable[..., Any], default: str) -> str:
    """An annotation in names that the stub imports; anything else is Any."""
    if value is inspect.Parameter.empty:
        return default
    text = value if isinstance(value, str) else getattr(value, "__name__", "Any")
    text = text.replace("builtins.", "")
    for word in WORD.findall(text):
        if word in KNOWN or word in PLAIN:
            continue
        target = getattr(owner, "__globals__", {}).get(word)
        if isinstance(target, type) and issubclass(target, tuple):
            text = re.sub(rf"\b{word}\b", "Any", text)
        else:
            return "Any"
    return text


def signature(function: Callable[..., Any], method: bool, inplace: bool = False) -> str:
    """The parameters and the result of a function, as a stub spells them."""
    op = getattr(function, "op", None)
    if op is not None and hasattr(op, "formula"):
        return _formula_signature(op, method)
    parameters = list(inspect.signature(function).parameters.values())
    parts, star = [], False
    for i, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        if i == 0 and method:
            parts.append("self")
            continue
        name = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "") + p.name
        star = star or p.kind is p.VAR_POSITIONAL
        text = f"{name}: {_annotation(p.annotation, function, 'Any')}"
        parts.append(text if p.default is p.empty else f"{text} = ...")
    result = inspect.signature(function).return_annotation
    returns = "Tensor" if inplace else _annotation(result, function, "Any")
    return f"({', '.join(parts)}) -> {returns}"


def _formula_signature(op: Any, method: bool) -> str:
    """That of an elementwise operation: tensors (or numbers), then parameters with defaults."""
    first = ["input", "other"] if op.arity == 2 else list(op.names[: op.arity])
    first[0] = "input" if op.arity == 1 else first[0]
    parts = [
        f"{n}: {'Tensor' if i == 0 and op.arity < 3 else OPERAND}" for i, n in enumerate(first)
    ]
    if method:
        parts[0] = "self"
    parts += [f"{n}: float = ..." for n in op.names[op.arity :]]
    return f"({', '.join(parts)}) -> Tensor"


def names_stub() -> str:
    """The functions of ``import minigrad``."""
    lines = [HEADER, *IMPORTS]
    for name in sorted(PUBLIC):
        value = PUBLIC[name]
        if inspect.isclass(value):
            lines.append(f"from {value.__module__} import {value.__qualname__} as {name}")
        elif callable(value):
            lines.append(f"def {name}{signature(value, False)}: ...")
        else:
            lines.append(f"{name}: Any")
    lines += ["", "__all__: list[str] = [", *(f'    "{name}",' for name in sorted(PUBLIC)), "]"]
    return "\n".join([*lines, "LATER: list[str]"]) + "\n"


def methods_stub() -> str:
    """The methods and properties that tensors and nodes get from outside the core."""
    lines = [HEADER, *IMPORTS, *_members("TensorMethods", Tensor, "tensor.py")]
    lines += ["", *_members("NodeMethods", Node, "engine.py")]
    for i, line in enumerate(lines):
        for word in BUILTINS if line.startswith("    def ") else ():
            line = re.sub(rf"(?<=-> ){word}\b|(?<=[ \[|]){word}\b(?![:(])", f"_{word}", line)
        lines[i] = line
    aliases = [f"from builtins import {word} as _{word}" for word in BUILTINS]
    return "\n".join([*lines[:1], *aliases, *lines[1:]]) + "\n"


def _members(name: str, cls: type, file: str) -> list[str]:
    """The stub of a class with what `cls` has and its definition in the core does not."""
    tree = ast.parse((PACKAGE / "core" / file).read_text())
    (body,) = [n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls.__name__]
    own = {n.name for n in body if isinstance(n, ast.FunctionDef)} | OBJECTS
    lines = [f"class {name}:", "    __slots__ = ()"]
    for key in sorted(vars(cls)):
        value = vars(cls)[key]
        if key not in own and isinstance(value, property):
            lines += _property(key, value)
        elif key not in own and inspect.isfunction(value):
            lines.append(_method(key, value))
    return lines


def _method(name: str, value: Callable[..., Any]) -> str:
    base = PUBLIC.get(name[:-1]) if name.endswith("_") and not name.startswith("__") else None
    if base is not None and name not in PUBLIC:
        return f"    def {name}{signature(base, True, inplace=True)}: ..."
    if name.startswith("__"):
        ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
        return f"    def {name}{_operator(name, value)}: ...{ignore}"
    return f"    def {name}{signature(value, True)}: ..."


def _property(name: str, value: property) -> list[str]:
    kind = inspect.signature(value.fget).return_annotation  # type: ignore[arg-type] # all have one
    text = _annotation(kind, value.fget, "Any")  # type: ignore[arg-type]
    lines = ["    @property", f"    def {name}(self) -> {text}: ..."]
    if value.fset is not None:
        lines += [f"    @{name}.setter", f"    def {name}(self, value: {text}) -> None: ..."]
    return lines


def _operator(name: str, value: Callable[..., Any]) -> str:
    count = len(inspect.signature(value).parameters)
    if name == "__array__" or inspect.signature(value).return_annotation in (
        "bool",
        "float",
        "int",
    ):
        return signature(value, True)
    if name == "__iter__":
        return "(self) -> Iterator[Tensor]"
    if count == 1:
        return "(self) -> Tensor"
    if name in ("__eq__", "__ne__"):
        return "(self, other: Any) -> Tensor"
    if name == "__getitem__":
        return "(self, key: Any) -> Tensor"
    if name == "__setitem__":
        return "(self, key: Any, value: Any) -> None"
    return "(self, other: Any) -> Tensor"


def activations_stub(module: Any) -> str:
    """The functions or classes that `nn` makes of the declared activations."""
    lines = [HEADER, "from minigrad.nn.layer import ActivationLayer"]
    lines += ["from minigrad.core.tensor import Tensor", ""]
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if not inspect.isclass(value):
            lines.append(f"def {name}{signature(value, False)}: ...")
            continue
        init = (
            "(self) -> None" if "__init__" not in vars(value) else signature(value.__init__, True)
        )
        lines += [f"class {name}(ActivationLayer):", f"    def __init__{init}: ..."]
    lines += ["", "__all__: list[str] = [", *(f'    "{n}",' for n in sorted(module.__all__)), "]"]
    return "\n".join(lines) + "\n"


def later_names() -> str:
    """What each file that is loaded late declares: functions, methods of tensors, operations."""
    lines = [HEADER, '__all__ = ["NAMES"]\n']
    lines += ["#: By file: functions, methods of tensors, operations.", "NAMES = {"]
    for file in later.FILES:
        before = set(PUBLIC), dict(vars(Tensor)), set(REGISTRY)
        importlib.import_module(f"minigrad.ops.{file}")
        functions, operations = set(PUBLIC) - before[0], set(REGISTRY) - before[2]
        methods = {n for n, v in vars(Tensor).items() if v is not before[1].get(n)}
        lines.append(f"    {file!r}: (".replace("'", '"'))
        for names in (functions, methods, operations):
            rows = textwrap.wrap(" ".join(sorted(names)), 84, break_long_words=False) or [""]
            quoted = [f'"{row}{" " * (row is not rows[-1])}"' for row in rows]
            lines += [f"        {row}" for row in quoted[:-1]] + [f"        {quoted[-1]},"]
        lines.append("    ),")
    return "\n".join([*lines, "}"]) + "\n"


def stubs() -> list[tuple[str, str]]:
    """Each stub by its path inside the package."""
    return [
        ("ops/later_names.py", later_names()),
        ("names.pyi", names_stub()),
        ("core/methods.pyi", methods_stub()),
        ("nn/functions/pointwise.pyi", activations_stub(functions.pointwise)),
        ("nn/pointwise.pyi", activations_stub(pointwise)),
    ]


def main() -> int:
    """Write the stubs, or with ``--check`` compare them."""
    stale = []
    for name, text in stubs():
        path = PACKAGE / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv:
            path.write_text(text)
    if stale:
        verb = "out of date (run tools/stubs.py)" if "--check" in sys.argv else "written"
        print(f"{', '.join(stale)}: {verb}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
