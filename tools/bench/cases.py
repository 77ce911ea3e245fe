"""The register of what is timed.

A case is a function that, given the library, prepares its tensors and returns the function that is
timed; the same code runs under minigrad and under PyTorch. Its name starts with its group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CASES", "Case", "case", "forward", "forward_backward"]

Case = Callable[[Any], Callable[[], Any]]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    """Register a case."""

    def register(make: Case) -> Case:
        CASES[name] = make
        return make

    return register


def forward(shape: tuple[int, ...], function: Callable[[Any, Any], Any]) -> Case:
    """``function(lib, x)`` of a random `x`."""

    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        x = lib.randn(*shape)
        return lambda: function(lib, x)

    return make


def forward_backward(shape: tuple[int, ...], function: Callable[[Any, Any], Any]) -> Case:
    """The same with its gradient; what flows in is a fixed random array, so nothing else counts."""

    def make(lib: Any) -> Any:
        lib.manual_seed(0)
        x = lib.randn(*shape, requires_grad=True)
        g = lib.randn(tuple(function(lib, x).shape))

        def run() -> None:
            x.grad = None
            function(lib, x).backward(g)

        return run

    return make
