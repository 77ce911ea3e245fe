"""Imports go one way: what is below never imports what is above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "minigrad"

#: From the ground up; a module may import from its own floor and from those below.
FLOORS: list[tuple[str, ...]] = [
    ("core", "place"),
    ("kernels",),
    ("autograd.hooks", "autograd.node_hooks", "autograd.watching", "printing"),
    ("ops", "names"),
    (
        "autograd",
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
    ("models", "viz", "diagnose", "compile", "distributed", "train"),
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
    """The modules of the package that a file imports when it is imported, with line numbers.

    Imports inside functions happen later and are left out, as are those for type checkers only.
    """
    found: list[tuple[str, int]] = []
    stack: list[ast.AST] = list(ast.parse(path.read_text()).body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found += [(a.name, node.lineno) for a in node.names if a.name.startswith("minigrad")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "minigrad":
            assert node.module is not None
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (PACKAGE.parent / full.replace(".", "/")).with_suffix(".py").exists()
                is_package = (PACKAGE.parent / full.replace(".", "/") / "__init__.py").exists()
                found.append((full if is_module or is_package else node.module, node.lineno))
        stack.extend(ast.iter_child_nodes(node))
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    own = floor(name_of(path))
    for module, line in imports(path):
        below = floor(module.removeprefix("minigrad").removeprefix("."))
        assert below <= own, f"{path.name}:{line} imports {module}, which stands above it"


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
