"""Rarely used mathematics is loaded when somebody asks for it: a twelfth of the import's time.

Its names stand in a table (:mod:`minigrad.ops.later_names`, which ``tools/stubs.py`` writes). What
is in the table is found as everything else is, as ``minigrad.NAME``, as a method, in
:data:`~minigrad.ops.PUBLIC` and :data:`~minigrad.ops.REGISTRY`, and is there from then on.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from minigrad.core.public import PUBLIC
from minigrad.core.rules import REGISTRY
from minigrad.core.tensor import Tensor
from minigrad.ops.later_names import NAMES

__all__ = ["FILES", "everything"]

#: The files; each after those that it imports.
FILES = (
    "linear_algebra.triangular", "linear_algebra.factorizations", "linear_algebra.cholesky",
    "linear_algebra.lu", "linear_algebra.solve", "linear_algebra.determinant",
    "linear_algebra.matrix_functions", "linear_algebra.matrix_norms",
    "mathematics.polynomials", "mathematics.special", "mathematics.transcendental",
    "mathematics.spectral",
)  # fmt: skip


def _load(file: str) -> None:
    import_module(f"minigrad.ops.{file}")


def everything() -> None:
    """Load all of it: for who wants to see every operation."""
    for file in FILES:
        _load(file)


class Later:
    """A method of tensors whose file is loaded when it is first looked at."""

    def __init__(self, name: str, file: str) -> None:
        self.name = name
        self.file = file

    def __get__(self, tensor: Tensor | None, owner: type) -> Any:
        _load(self.file)
        if vars(Tensor)[self.name] is self:
            raise AttributeError(f"{self.file} has no method {self.name}: run tools/stubs.py")
        return getattr(owner if tensor is None else tensor, self.name)


for _file, (_functions, _methods, _operations) in NAMES.items():
    PUBLIC.later |= dict.fromkeys(_functions.split(), partial(_load, _file))
    REGISTRY.later |= dict.fromkeys(_operations.split(), partial(_load, _file))
    for _name in _methods.split():
        setattr(Tensor, _name, Later(_name, _file))
