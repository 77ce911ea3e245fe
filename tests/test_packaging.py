"""What `pip install` brings is what the README's examples need; what gates a commit is pinned."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("the sources are not here", allow_module_level=True)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~ \[;]", r, maxsplit=1)[0] for r in requirements}


def test_what_saving_needs_is_installed() -> None:
    """Every package that a module of `serialize` imports, not only at its head."""
    needed = set()
    for path in (ROOT / "minigrad" / "serialize").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                needed.update(a.name.split(".")[0] for a in node.names)
    assert "safetensors" in needed
    assert needed & {"safetensors", "numpy", "numba"} <= names(PROJECT["dependencies"])


def test_tools_that_gate_a_commit_are_pinned() -> None:
    dev = PROJECT["optional-dependencies"]["dev"]
    pins = dict(r.split("==") for r in dev if "==" in r)
    assert {"ruff", "mypy"} <= pins.keys()
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert f"rev: v{pins['ruff']}\n" in hooks
