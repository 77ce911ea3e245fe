"""From a function to its syntax tree, and what the names in it mean."""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
from types import FunctionType
from typing import Any

__all__ = ["UnsupportedError", "assigned_once", "definition", "meaning"]


class UnsupportedError(Exception):
    """Something that is left to numba."""


@functools.cache
def definition(function: FunctionType) -> ast.FunctionDef:
    """The syntax tree of a function that stands at the outermost level of a file.

    Only its own lines are parsed: a whole file takes as long as all else here.

    Raises
    ------
    UnsupportedError
        If it is not found.
    """
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)[code.co_firstlineno - 1 :]
    taken, begun = [], False
    for line in lines:
        if begun and not line.startswith((" ", ")", "\n")):
            break
        begun = begun or line.startswith("def ")
        taken.append(line)
    try:
        found = ast.parse("".join(taken)).body
    except SyntaxError:
        found = []
    if len(found) != 1 or not isinstance(found[0], ast.FunctionDef):
        raise UnsupportedError(f"no source of {function.__qualname__}")
    given = found[0].args
    special = given.posonlyargs or given.kwonlyargs or given.vararg or given.kwarg
    if found[0].name != code.co_name or special or given.defaults:
        raise UnsupportedError(f"parameters of {function.__qualname__}")
    return found[0]


def meaning(function: FunctionType, name: str) -> Any:
    """What a name that is not a variable stands for: in closures, the module or Python."""
    code = function.__code__
    if name in code.co_freevars:
        return (function.__closure__ or ())[code.co_freevars.index(name)].cell_contents
    if name in function.__globals__:
        return function.__globals__[name]
    if hasattr(builtins, name):
        return getattr(builtins, name)
    raise UnsupportedError(f"the name {name}")


@functools.cache
def assigned_once(function: FunctionType) -> frozenset[str]:
    """Variables that never change: each is assigned by one statement, which always runs.

    They need no memory, since that statement comes before all that read them.
    """
    tree = definition(function)
    counts: dict[str, int] = {a.arg: 1 for a in tree.args.args}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts[node.id] = counts.get(node.id, 0) + 1
    always = {a.arg for a in tree.args.args}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            names = (n for target in statement.targets for n in ast.walk(target))
            always.update(n.id for n in names if isinstance(n, ast.Name))
    return frozenset(name for name in always if counts.get(name) == 1)
