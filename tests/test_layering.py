"""Imports go one way: what is below never imports what is above, and nothing goes in circles.

All imports count, those inside functions too; only those for type checkers do not.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "minigrad"

#: From the ground up; a module may import from its own floor and from those below.
FLOORS: list[tuple[str, ...]] = [
    ("core", "place"),
    ("kernels",),
    (
        "autograd.again",
        "autograd.hooks",
        "autograd.node_hooks",
        "autograd.nonfinite",
        "autograd.watching",
        "notebook",
        "printing",
    ),
    ("ops", "names"),
    (
        "autograd",
        "capture",
        "compat",
        "distributions",
        "fft",
        "func",
        "interop",
        "linalg",
        "nn",
        "optim",
        "data",
        "serialize",
        "signal",
        "special",
        "utils",
        "xp",
    ),
    ("models", "viz", "diagnosis", "compile", "distributed", "train"),
    ("cli", "__main__", ""),
]


def floor(module: str) -> int:
    """The floor of a module named without the package; the longest name that fits decides."""
    best, found = -1, -1
    for number, names in enumerate(FLOORS):
        for name in names:
            fits = module == name or module.startswith(name + ".")
            if fits and len(name) > best:
                best, found = len(name), number
    assert found >= 0, f"minigrad.{module} stands on no floor: add it to FLOORS"
    return found


def imports(path: Path) -> list[tuple[str, int]]:
    """The modules of the package that a file imports, sooner or later, with line numbers."""
    found: list[tuple[str, int]] = []
    stack: list[ast.AST] = list(ast.parse(path.read_text()).body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found += [(a.name, node.lineno) for a in node.names if a.name.startswith("minigrad")]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            if module.split(".")[0] == "minigrad":
                found += [(_module_of(module, a.name), node.lineno) for a in node.names]
        stack.extend(ast.iter_child_nodes(node))
    return found


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """What a ``from`` names, with the dots of relative imports spelled out."""
    if not node.level:
        return node.module or ""
    package = ["minigrad", *path.relative_to(PACKAGE).parts[: -node.level]]
    return ".".join([*package, node.module] if node.module else package)


def _module_of(module: str, name: str) -> str:
    """``module.name`` where that is a file, else the module that has the name."""
    full = f"{module}.{name}"
    place = PACKAGE.parent / full.replace(".", "/")
    return full if place.with_suffix(".py").exists() or (place / "__init__.py").exists() else module


#: Arrows that run back, each with its reason. This list may only shrink.
ALLOWED: dict[tuple[str, str], str] = {}


FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    own = floor(name_of(path))
    for module, line in imports(path):
        name = module.removeprefix("minigrad").removeprefix(".")
        if (name_of(path), name) not in ALLOWED:
            assert floor(name) <= own, f"{path.name}:{line} imports {module}, which stands above it"


def test_what_is_allowed_is_there() -> None:
    arrows = {(name_of(p), m.removeprefix("minigrad.")) for p in FILES for m, _ in imports(p)}
    assert set(ALLOWED) <= arrows, "an exception is no longer needed: take it off the list"


def test_no_file_imports_itself_by_a_detour() -> None:
    """A file and what it imports can be read from the ground up: there is an order."""
    names = {name_of(p) for p in FILES}
    graph = {
        name_of(p): {m.removeprefix("minigrad.") for m, _ in imports(p)} & names - {name_of(p)}
        for p in FILES
    }
    while True:  # take off what imports nothing that is left
        done = {n for n, below in graph.items() if not below & graph.keys()}
        if not done:
            break
        graph = {n: below for n, below in graph.items() if n not in done}
    for _ in range(len(graph)):  # and what nothing that is left imports
        used = {m for below in graph.values() for m in below}
        graph = {n: below for n, below in graph.items() if n in used}
    assert not graph, f"these import each other in circles: {sorted(graph)}"


def test_the_check_itself_sees_a_wrong_arrow() -> None:
    assert floor("core.tensor") < floor("kernels.reduce") < floor("ops.shape") < floor("nn.linear")
    assert floor("core.engine") < floor("autograd.gradcheck")


def test_kernels_know_no_tensor() -> None:
    for path in (PACKAGE / "kernels").rglob("*.py"):
        for module, line in imports(path):
            assert module.startswith(
                (
                    "minigrad.kernels",
                    "minigrad.core.dtypes",
                    "minigrad.core.expr",
                    "minigrad.core.quiet",
                )
            ), f"kernels/{path.name}:{line} imports {module}"


def test_the_engine_names_no_operation() -> None:
    text = (PACKAGE / "core" / "engine.py").read_text()
    assert "minigrad.ops" not in text
