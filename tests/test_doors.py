"""Nothing goes by the doors: no tensor of raw numpy, no write into memory, no draw beside them.

What a listener hears is the whole computation only if the code that computes, writes and draws is
the code of the doors (`core.events`). This test reads the sources and counts what is not.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import minigrad

ROOT = Path(minigrad.__file__).parent

#: Where the doors are, and what makes tensors of results for them.
DOORS = {
    "core/engine.py", "core/several.py", "core/tensor.py", "core/gradients.py", "core/events.py",
    "core/passes.py", "core/rules.py", "ops/random.py", "ops/inplace.py",
}  # fmt: skip
#: Rooms whose code never runs inside a computation that is recorded: they read and write files,
#: check derivatives, draw pictures, or stand between numpy and tensors.
BESIDE = (
    "kernels/", "data/", "serialize/", "interop/", "xp/", "viz/", "cli/", "capture/", "compat/",
    "autograd/gradcheck.py", "autograd/opcheck.py", "autograd/modelcheck.py", "autograd/numeric.py",
    "autograd/problem.py", "autograd/compare.py", "autograd/kernel.py", "core/samples.py",
    "func/batched.py", "func/logical.py",
)  # fmt: skip

FILES = [
    p for p in sorted(ROOT.rglob("*.py"))
    if (name := str(p.relative_to(ROOT))) not in DOORS and not name.startswith(BESIDE)
]  # fmt: skip


def _shares(node: ast.expr) -> bool:
    """Whether an argument is the memory of a tensor, as it is: ``x.array``."""
    return isinstance(node, ast.Attribute) and node.attr == "array"


def _of_array(node: ast.AST) -> bool:
    """Whether a target is ``x.array[...]``, or ``x.array`` itself."""
    if isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr == "array"


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def _bypasses(tree: ast.AST) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if name in ("Tensor", "new_tensor") and node.args and not _shares(node.args[0]):
                found.append((node.lineno, "makes a tensor of an array"))
            if name == "numpy_generator":
                found.append((node.lineno, "draws"))
            if name in ("fill", "sort", "put", "itemset") and _of_array(
                getattr(node.func, "value", node)
            ):
                found.append((node.lineno, "writes an array"))
            for keyword in node.keywords:
                if keyword.arg == "out" and _of_array(keyword.value):
                    found.append((node.lineno, "writes an array"))
        if isinstance(node, ast.AugAssign) and _of_array(node.target):
            found.append((node.lineno, "writes an array"))
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Subscript) and _of_array(target):
                    found.append((node.lineno, "writes an array"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_goes_by_the_doors(path: Path) -> None:
    found = _bypasses(ast.parse(path.read_text()))
    assert not found, "\n".join(f"{path.relative_to(ROOT)}:{line} {what}" for line, what in found)


def test_what_would_be_found() -> None:
    """Each kind, so that the test above cannot pass by seeing nothing."""
    source = """
y = Tensor(np.zeros(3))
x.array[0] = 1
x.array += 1
x.array.fill(0)
np.add(a, b, out=x.array)
g = numpy_generator(None)
z = Tensor(x.array)
"""
    lines = [line for line, _ in sorted(_bypasses(ast.parse(source)))]
    assert lines == [2, 3, 4, 5, 6, 7]
